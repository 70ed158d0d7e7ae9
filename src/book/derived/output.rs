//! Owns where derived events go: to a bus of their own, or to a handler on the same thread.

use crate::bus::{Passage, Publisher};
use crate::error::{Error, Result};
use crate::handler::{At, Handler};
use crate::market::MarketEvent;
use crate::record::Sequence;

/// Where derived events go. Never waits: what cannot go on says so and is asked again.
pub trait Output: Send + 'static {
    /// Called before the first event, on the thread where all calls will come.
    fn start(&mut self) {}

    /// Returns whether one more event can be put out, after handing over what is in its way.
    fn is_ready(&mut self) -> bool;

    /// Puts an event out, once [`is_ready`](Self::is_ready) was true, and returns its number.
    ///
    /// # Panics
    ///
    /// May panic when it is not ready.
    fn put(&mut self, ts_recv_ns: u64, event: &MarketEvent) -> Sequence;

    /// Hands over what was put out. Returns false while some of it cannot go on: then nothing more
    /// is put out before this is true.
    fn commit(&mut self) -> bool;

    /// Ends the output after the last commit. Returns false while it cannot, and is called again.
    fn end(&mut self) -> bool;
}

/// A bus of the derived events' own: live, others subscribe to it or journal it.
///
/// # Examples
///
/// ```
/// use ringtape::book::BusOutput;
/// use ringtape::bus::{Publisher, Subscription};
/// use ringtape::market::MarketEvent;
///
/// let mut publisher = Publisher::<MarketEvent>::new(1_024);
/// let subscriber = publisher.subscribe(Subscription::default())?;
/// let output = BusOutput::new(publisher)?;
/// drop(output);
/// assert!(subscriber.is_abandoned(), "the bus ends with its output");
/// # Ok::<(), ringtape::error::Error>(())
/// ```
#[derive(Debug)]
pub struct BusOutput {
    /// Gone once the bus has ended.
    publisher: Option<Publisher<MarketEvent>>,
    /// Receive time of the record that was put out last.
    ts_recv_ns: u64,
}

impl BusOutput {
    /// Publishes to a bus. The batch of `publisher` bounds how much is handed over at once; 1,024
    /// records are usual.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for a batch that is full or holds nothing.
    pub fn new(mut publisher: Publisher<MarketEvent>) -> Result<Self> {
        if publisher.batch().room() == 0 {
            return Err(Error::config(
                "a bus whose batch has no room",
                "make it for 1,024 records",
            ));
        }
        Ok(Self {
            publisher: Some(publisher),
            ts_recv_ns: 0,
        })
    }
}

impl Output for BusOutput {
    fn is_ready(&mut self) -> bool {
        let Some(publisher) = &mut self.publisher else {
            return false;
        };
        publisher.batch().room() > 0 || self.commit()
    }

    fn put(&mut self, ts_recv_ns: u64, event: &MarketEvent) -> Sequence {
        let publisher = self.publisher.as_mut().expect("invariant: asked before");
        let batch = publisher.batch();
        let sequence = batch.next_sequence();
        batch.push_event(ts_recv_ns, event);
        self.ts_recv_ns = ts_recv_ns;
        sequence
    }

    /// No clock is read here, so the passage of what is handed over has its receive time everywhere:
    /// a subscriber that measures finds the whole way in its last hop.
    fn commit(&mut self) -> bool {
        let passage = Passage {
            seen_ns: self.ts_recv_ns,
            decoded_ns: self.ts_recv_ns,
            published_ns: self.ts_recv_ns,
        };
        match &mut self.publisher {
            Some(publisher) if publisher.has_backlog() => publisher.commit(passage),
            _ => true,
        }
    }

    fn end(&mut self) -> bool {
        let ended = self.commit();
        if ended {
            self.publisher = None;
        }
        ended
    }
}

/// A handler that is given the derived events on the same thread: for replays and backtests, and
/// for strategies that want best prices and bars only.
///
/// It is told of no gaps: that a book is not what it should be is in its best prices' trust.
///
/// # Examples
///
/// ```
/// use ringtape::book::InlineOutput;
/// use ringtape::handler::{At, Handler};
/// use ringtape::market::{MarketEvent, View};
/// use ringtape::record::Gap;
///
/// #[derive(Default)]
/// struct Bars(u64);
///
/// impl Handler<MarketEvent> for Bars {
///     fn on_event(&mut self, event: &MarketEvent, _: At) {
///         self.0 += u64::from(matches!(event.view(), View::BarClose(_)));
///     }
///     fn on_gap(&mut self, _: Gap) {}
/// }
///
/// let output = InlineOutput::new(Bars::default());
/// assert_eq!(output.handler().0, 0);
/// ```
#[derive(Debug)]
pub struct InlineOutput<H> {
    handler: H,
    next: Sequence,
    /// The latest event: it is given when it is known whether another follows.
    held: Option<(MarketEvent, At)>,
    stopped: bool,
}

impl<H: Handler<MarketEvent>> InlineOutput<H> {
    /// Gives derived events to `handler`, numbered from 1.
    #[must_use]
    pub fn new(handler: H) -> Self {
        Self::starting_at(Sequence::FIRST, handler)
    }

    /// Gives derived events to `handler`, numbered from `first`: as of a bus whose journal went on
    /// with that number.
    #[must_use]
    pub fn starting_at(first: Sequence, handler: H) -> Self {
        Self {
            handler,
            next: first,
            held: None,
            stopped: false,
        }
    }

    /// Returns the handler.
    #[must_use]
    pub fn handler(&self) -> &H {
        &self.handler
    }

    /// Gives the handler back.
    #[must_use]
    pub fn into_handler(self) -> H {
        self.handler
    }

    fn give(&mut self, end_of_batch: bool) {
        if let Some((event, at)) = self.held.take() {
            let at = At { end_of_batch, ..at };
            self.handler.on_event(&event, at);
        }
    }
}

impl<H: Handler<MarketEvent>> Output for InlineOutput<H> {
    fn start(&mut self) {
        self.handler.on_start();
    }

    fn is_ready(&mut self) -> bool {
        self.handler.is_ready()
    }

    fn put(&mut self, ts_recv_ns: u64, event: &MarketEvent) -> Sequence {
        self.give(false);
        let sequence = self.next;
        self.next = sequence.next();
        let at = At {
            sequence,
            ts_recv_ns,
            end_of_batch: false,
        };
        self.held = Some((*event, at));
        sequence
    }

    fn commit(&mut self) -> bool {
        if self.held.is_some() {
            if !self.handler.is_ready() {
                return false;
            }
            self.give(true);
        }
        true
    }

    fn end(&mut self) -> bool {
        if !self.commit() {
            return false;
        }
        if !self.stopped {
            if !self.handler.is_ready() {
                return false;
            }
            self.stopped = true;
            self.handler.on_stop();
        }
        self.handler.is_ready()
    }
}
