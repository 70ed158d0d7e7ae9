//! Owns the handler that keeps books and hands on what follows from them.

use super::derive::{Derived, Origin};
use super::{DerivedConfig, DerivedCounts, Output};
use crate::book::{Books, BooksConfig};
use crate::error::Result;
use crate::handler::{At, Handler};
use crate::market::{MarketEvent, View};
use crate::record::{DeadLetter, Digest, Gap, GapCause, Record, Session, SessionMark};

/// Keeps the books of a feed, live or in replay, and hands on the derived events.
///
/// What it has put out is handed over at the end of each batch that it is given. While its output
/// cannot go on, it takes nothing more ([`Handler::is_ready`]); at its stop it closes all bars,
/// hands over what is left and ends its output.
///
/// The same records give the same [`digest`](Self::digest). A replay in parts gives it, too, if no
/// part but the last is stopped: poll a [`Playback`](crate::replay::Playback) up to the last record
/// of the part and take the handler out of its outcome.
///
/// # Examples
///
/// ```
/// use ringtape::book::{BarRule, BookHandler, BooksConfig, BusOutput, DerivedConfig};
/// use ringtape::bus::{Publisher, Subscription};
/// use ringtape::market::MarketEvent;
///
/// let mut derived = Publisher::<MarketEvent>::new(1_024);
/// let _bars = derived.subscribe(Subscription::default())?;
/// let config = DerivedConfig {
///     rules: vec![BarRule::Time { every_ns: 1_000_000_000 }],
///     ..DerivedConfig::default()
/// };
/// let output = BusOutput::new(derived)?;
/// let handler = BookHandler::new(BooksConfig::default(), &config, output)?;
/// assert_eq!(handler.counts().bars, 0);
/// # Ok::<(), ringtape::error::Error>(())
/// ```
#[derive(Debug)]
pub struct BookHandler<O> {
    feed: u8,
    books: Books,
    derived: Derived,
    output: O,
    digest: Digest,
    /// When the last record was received.
    ts_recv_ns: u64,
    /// Whether what was put out is to be handed over.
    is_due: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// Stopped; what follows from the last record has still to be put out.
    Stopping,
    /// All bars are being closed, and what is left is handed over.
    Closing,
    Ended,
}

impl<O: Output> BookHandler<O> {
    /// Keeps books as `books` says, and puts out what `derived` says.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::error::Error::Config) for derived events of the feed's own number,
    /// for too many rules of bars and for bars of nothing.
    pub fn new(books: BooksConfig, derived: &DerivedConfig, output: O) -> Result<Self> {
        derived.check(books.feed)?;
        Ok(Self {
            feed: books.feed,
            derived: Derived::new(derived, books.instruments_max),
            books: Books::new(books),
            output,
            digest: Digest::new(),
            ts_recv_ns: 0,
            is_due: false,
            state: State::Running,
        })
    }

    /// Returns the books.
    #[must_use]
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// Returns where derived events go.
    #[must_use]
    pub fn output(&self) -> &O {
        &self.output
    }

    /// Gives the output back.
    #[must_use]
    pub fn into_output(self) -> O {
        self.output
    }

    /// Returns what was counted.
    #[must_use]
    pub fn counts(&self) -> DerivedCounts {
        self.derived.counts()
    }

    /// Returns the digest of all that was put out: that of a subscriber which lost nothing.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Puts out what is left of the last record, and hands it over where that is due. Returns false
    /// where the output cannot go on.
    fn settle(&mut self) -> bool {
        let ts_recv_ns = self.derived.ts_recv_ns();
        while !self.derived.is_idle()
            && let Some(event) = self.derived.next(&self.books)
        {
            if !self.output.is_ready() {
                return false;
            }
            let sequence = self.output.put(ts_recv_ns, event);
            self.digest
                .record(&Record::event(sequence, ts_recv_ns, event));
            self.derived.pass();
        }
        if self.is_due {
            self.is_due = !self.output.commit();
        }
        !self.is_due
    }

    /// Settles what a record left; whether that succeeds is asked again before the next.
    fn finish(&mut self, end_of_batch: bool) {
        self.is_due |= end_of_batch;
        self.settle();
    }
}

impl<O: Output> Handler<MarketEvent> for BookHandler<O> {
    fn on_start(&mut self) {
        self.output.start();
    }

    /// Hot path: no allocation, no system call.
    fn on_event(&mut self, event: &MarketEvent, at: At) {
        self.ts_recv_ns = at.ts_recv_ns;
        if event.head.feed == self.feed {
            let origin = Origin {
                ts_recv_ns: at.ts_recv_ns,
                ts_event_ns: event.head.ts_event_ns,
                message: event.message,
            };
            let update = self.books.on_event(event, at);
            self.derived.take_update(origin, update);
            self.derived.take_time();
            if let View::Instrument(instrument) = event.view() {
                self.derived.take_instrument(*instrument);
            }
        }
        self.finish(at.end_of_batch);
    }

    fn on_gap(&mut self, gap: Gap) {
        let of_feed = GapCause::FEED.contains(&gap.cause);
        let origin = Origin {
            ts_recv_ns: self.ts_recv_ns,
            ts_event_ns: self.derived.now_ns(),
            message: if of_feed { low_bits(gap.first) } else { 0 },
        };
        let update = self.books.on_gap(gap);
        self.derived.take_update(origin, update);
        // Whether it ends a batch is not told, and gaps are rare.
        self.finish(true);
    }

    fn on_session(&mut self, session: &Session, at: At) {
        self.ts_recv_ns = at.ts_recv_ns;
        if session.feed == self.feed {
            let origin = Origin {
                ts_recv_ns: at.ts_recv_ns,
                ts_event_ns: self.derived.now_ns(),
                message: low_bits(session.feed_sequence),
            };
            let update = self.books.on_session(session, at);
            self.derived.take_update(origin, update);
            if let SessionMark::Start | SessionMark::End | SessionMark::Restart = session.mark {
                self.derived.take_end();
            }
        }
        self.finish(at.end_of_batch);
    }

    fn on_dead_letter(&mut self, _: &DeadLetter, at: At) {
        self.ts_recv_ns = at.ts_recv_ns;
        self.finish(at.end_of_batch);
    }

    fn look_ahead(&self) -> usize {
        self.books.look_ahead()
    }

    fn on_ahead(&mut self, records: &[Record<MarketEvent>]) {
        self.books.on_ahead(records);
    }

    fn on_stop(&mut self) {
        self.state = State::Stopping;
        // Whether that succeeds is asked again.
        self.is_ready();
    }

    fn is_ready(&mut self) -> bool {
        if !self.settle() {
            return false;
        }
        if self.state == State::Stopping {
            self.state = State::Closing;
            self.derived.take_end();
            self.is_due = true;
            if !self.settle() {
                return false;
            }
        }
        if self.state == State::Closing && self.output.end() {
            self.state = State::Ended;
        }
        self.state != State::Closing
    }
}

/// Returns the low half of a number, as events carry it.
fn low_bits(number: u64) -> u32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
