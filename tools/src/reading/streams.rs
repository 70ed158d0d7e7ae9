//! Owns which handler a record is given to: each feed of a source has its own.

use super::Part;
use crate::packets::{LineProtocol, SessionTally};
use crate::tape;
use ringtape::handler::{At, Handler};
use ringtape::market::MarketEvent;
use ringtape::record::{Content, Record};
use std::fmt;

/// The number of a capture's feeds: each session is followed as if it were the only one.
pub(crate) const FEED_OF_CAPTURE: u8 = 1;

/// Where a feed's records come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A session of a capture.
    Session {
        /// Its place among the sessions.
        index: usize,
        name: String,
        protocol: LineProtocol,
    },
    /// A feed of a journal.
    Feed(u8),
}

impl Origin {
    /// Returns the number of the feed in its records.
    pub(crate) fn feed(&self) -> u8 {
        match self {
            Self::Session { .. } => FEED_OF_CAPTURE,
            Self::Feed(feed) => *feed,
        }
    }

    /// Returns how `--feed` names it: by session, or by number.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Session { name, .. } => name.clone(),
            Self::Feed(feed) => feed.to_string(),
        }
    }
}

/// A feed, and who is given its records.
#[derive(Debug)]
pub(crate) struct Stream<H> {
    pub(crate) origin: Origin,
    pub(crate) handler: H,
}

/// The feeds of a source, in the order of their first records.
pub(crate) struct Streams<H> {
    streams: Vec<Stream<H>>,
    make: Box<dyn FnMut(&Origin) -> H>,
}

impl<H: Handler<MarketEvent>> Streams<H> {
    /// Makes the streams of a source that has none yet; `make` makes the handler of each.
    pub(crate) fn new(make: impl FnMut(&Origin) -> H + 'static) -> Self {
        Self {
            streams: Vec::new(),
            make: Box::new(make),
        }
    }

    /// Gives each record of a part to the handler of its feed. What the recorder of a journal lost
    /// may be of any feed: all are told.
    pub(crate) fn give(&mut self, part: Part<'_>) {
        let mut records = part.records.iter().peekable();
        while let Some(record) = records.next() {
            let recv_ns = record.ts_recv_ns();
            let at = At {
                sequence: record.sequence(),
                ts_recv_ns: recv_ns,
                end_of_batch: records
                    .peek()
                    .is_none_or(|next| next.ts_recv_ns() != recv_ns),
            };
            match (part.session, feed_of(record)) {
                (Some((index, tally)), _) => dispatch(self.of_session(index, tally), record, at),
                (None, Some(feed)) => dispatch(self.of_feed(feed), record, at),
                (None, None) => {
                    for stream in &mut self.streams {
                        dispatch(&mut stream.handler, record, at);
                    }
                }
            }
        }
    }

    /// Tells all handlers that there is no more.
    pub(crate) fn stop(&mut self) {
        for stream in &mut self.streams {
            stream.handler.on_stop();
        }
    }

    /// Returns the feeds so far.
    pub(crate) fn all(&self) -> &[Stream<H>] {
        &self.streams
    }

    fn of_session(&mut self, index: usize, tally: &SessionTally) -> &mut H {
        self.of(
            |origin| matches!(origin, Origin::Session { index: other, .. } if *other == index),
            || Origin::Session {
                index,
                name: tally.played_name(),
                protocol: tally.protocol,
            },
        )
    }

    fn of_feed(&mut self, feed: u8) -> &mut H {
        self.of(
            |origin| *origin == Origin::Feed(feed),
            || Origin::Feed(feed),
        )
    }

    fn of(&mut self, is: impl Fn(&Origin) -> bool, new: impl FnOnce() -> Origin) -> &mut H {
        let known = self.streams.iter().position(|stream| is(&stream.origin));
        let place = known.unwrap_or_else(|| {
            let origin = new();
            let mut handler = (self.make)(&origin);
            handler.on_start();
            self.streams.push(Stream { origin, handler });
            self.streams.len() - 1
        });
        &mut self.streams[place].handler
    }
}

impl<H: fmt::Debug> fmt::Debug for Streams<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.streams).finish()
    }
}

/// Returns the feed that a record is of; `None` where it is of none, or of all.
pub(crate) fn feed_of(record: &Record<MarketEvent>) -> Option<u8> {
    match record.content() {
        Content::Event(event) => Some(event.head.feed),
        Content::Gap(gap) => tape::is_of_feed(gap.cause).then_some(gap.feed),
        Content::Session(session) => Some(session.feed),
        Content::DeadLetter(letter) => Some(letter.feed),
        Content::Invalid => None,
    }
}

fn dispatch<H: Handler<MarketEvent>>(handler: &mut H, record: &Record<MarketEvent>, at: At) {
    match record.content() {
        Content::Event(event) => handler.on_event(event, at),
        Content::Gap(gap) => handler.on_gap(gap),
        Content::Session(session) => handler.on_session(&session, at),
        Content::DeadLetter(letter) => handler.on_dead_letter(letter, at),
        Content::Invalid => {}
    }
}
