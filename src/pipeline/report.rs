//! Owns the report at the end of a run: the loss ledger, and whether it closes.

use super::Ticket;
use super::attach::Handback;
use crate::bus::Account;
use crate::error::Error;
use crate::feed::{Feed, Ledger, LinkLedger};
use crate::handler::Tally;
use crate::latency::{Latency, Summary};
use crate::net::{self, Line, NetCounters, ReceiveBuffer, Receiver, StreamCounters, StreamLine};
use crate::record::{Digest, Event};
use crate::stage::{IngestOutcome, RecordOutcome};
use crate::wait::WaitStrategy;
use std::net::SocketAddrV4;
use std::sync::Arc;

/// What a run has done: the loss ledger and everything beside it.
#[derive(Debug)]
pub struct Report {
    /// Each feed's part of the loss ledger, in the order in which they were added.
    pub feeds: Vec<FeedReport>,
    /// Each subscriber's part, in the order in which they were added.
    pub subscribers: Vec<SubscriberReport>,
    /// The journal's part, where there is one.
    pub journal: Option<RecordOutcome>,
    /// Those of the journals of other buses, in the order in which they were added.
    pub other_journals: Vec<RecordOutcome>,
    /// What the receiver counted.
    pub net: Arc<NetCounters>,
    /// What the streams counted, in the order of [`ReceiverReport::streams`].
    pub streams: Arc<[StreamCounters]>,
    /// What received, and where.
    pub receiver: ReceiverReport,
    /// How often, and for how many nanoseconds in all, a lossless subscriber made the feeds wait.
    pub waits: u64,
    /// See `waits`.
    pub waited_ns: u64,
    /// Which core ran what.
    pub cores: Vec<CoreReport>,
    /// Stages that panicked. A handler's panic is in its [`SubscriberReport`].
    pub errors: Vec<Error>,
    pub(super) handlers: Vec<Handback>,
}

impl Report {
    /// Gives a handler back. `None` if it panicked, or if it was taken before.
    pub fn take<H: 'static>(&mut self, ticket: Ticket<H>) -> Option<H> {
        let handler = self.handlers.get_mut(ticket.index)?.take()?;
        handler.downcast().ok().map(|handler| *handler)
    }

    /// Returns whether every number is accounted for, at every place where one could get lost.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.errors.is_empty()
            && self.feeds.iter().all(|feed| feed.ledger.closes())
            && self
                .subscribers
                .iter()
                .all(|subscriber| subscriber.account.closes())
            && self.journals().all(|journal| journal.account.closes())
    }

    fn journals(&self) -> impl Iterator<Item = &RecordOutcome> {
        self.journal.iter().chain(&self.other_journals)
    }

    /// Returns whether nothing at all was lost: the ledger closes, no feed, no ring, no panic and
    /// no disk cost anybody a record, and there is nothing [`unaccounted`](Self::unaccounted).
    #[must_use]
    pub fn is_lossless(&self) -> bool {
        self.closes()
            && self.unaccounted() == 0
            && self.feeds.iter().all(|feed| feed.ledger.lost() == 0)
            && self.subscribers.iter().all(|subscriber| {
                let account = &subscriber.account;
                subscriber.error.is_none() && account.handled == account.published
            })
            && self
                .journals()
                .all(|journal| journal.account.missing() == 0)
    }

    /// Returns how many datagrams and messages may have brought numbers that no ledger knows of,
    /// and that no later number revealed: those of sessions that are not followed, one for each
    /// session on a stream that another took the place of before its end was told, those that
    /// contradict the end of their session and, unless the venue has told each last number
    /// ([`FeedReport::ends_told`]), those that the kernel dropped and those that could not be read.
    #[must_use]
    pub fn unaccounted(&self) -> u64 {
        let other = |feed: &FeedReport| {
            let abandoned = feed.link.map_or(0, |link| link.abandoned_sessions);
            feed.ledger.wrong_session + feed.ledger.after_end + abandoned
        };
        let unread = |feed: &FeedReport| {
            let ledger = &feed.ledger;
            ledger.malformed_datagrams() + ledger.truncated_datagrams
        };
        let open = self.feeds.iter().filter(|feed| !feed.ends_told());
        let dropped = if self.feeds.iter().all(FeedReport::ends_told) {
            0
        } else {
            self.net.kernel_drops() + self.net.errors()
        };
        self.feeds.iter().map(other).sum::<u64>() + open.map(unread).sum::<u64>() + dropped
    }

    pub(super) fn new(
        net: Arc<NetCounters>,
        streams: Arc<[StreamCounters]>,
        receiver: ReceiverReport,
        cores: Vec<CoreReport>,
    ) -> Self {
        Self {
            feeds: Vec::new(),
            subscribers: Vec::new(),
            journal: None,
            other_journals: Vec::new(),
            net,
            streams,
            receiver,
            waits: 0,
            waited_ns: 0,
            cores,
            errors: Vec::new(),
            handlers: Vec::new(),
        }
    }

    pub(super) fn take_ingest<E: Event>(&mut self, outcome: &IngestOutcome<E>) {
        self.waits = outcome.counters.waits.get();
        self.waited_ns = outcome.counters.waited_ns.get();
        self.take_feeds(&outcome.feeds);
    }

    pub(super) fn take_feeds<E: Event>(&mut self, feeds: &[Box<dyn Feed<E>>]) {
        let feeds = feeds.iter().map(|feed| FeedReport {
            name: feed.name().to_owned(),
            ledger: feed.ledger(),
            lines: feed.lines().to_vec(),
            ahead: feed.ahead(),
            ended: feed.ended(),
            link: feed.link_counters().map(|counters| counters.ledger()),
            rejected: feed.is_rejected(),
        });
        self.feeds = feeds.collect();
    }

    pub(super) fn take_handler(&mut self, (report, handler): (SubscriberReport, Handback)) {
        self.subscribers.push(report);
        self.handlers.push(handler);
    }
}

/// One feed's part of the loss ledger.
#[derive(Clone, Debug)]
pub struct FeedReport {
    /// The feed's name.
    pub name: String,
    /// Its books.
    pub ledger: Ledger,
    /// The names of its lines, in the order of the ledger's; re-request servers come last.
    pub lines: Vec<String>,
    /// For each line how much earlier than another it brought what both brought, once for each
    /// packet, in nanoseconds. Empty for a feed that does not compare lines.
    pub ahead: Vec<Summary>,
    /// Whether the venue has ended its session, and so told the last number.
    pub ended: bool,
    /// What became of its connections, of a feed on a stream line.
    pub link: Option<LinkLedger>,
    /// Whether the venue has rejected it, for a reason that only an operator can mend.
    pub rejected: bool,
}

impl FeedReport {
    /// Returns whether the venue has told the last number of everything that the feed followed, so
    /// that nothing can be missing at an end: it has ended, no session was left before its end was
    /// told, and no sequence began again inside one.
    #[must_use]
    pub const fn ends_told(&self) -> bool {
        self.ended && self.ledger.left_sessions == 0 && self.ledger.restarts == 0
    }
}

/// One subscriber's part of the loss ledger, and what it was given.
#[derive(Debug)]
pub struct SubscriberReport {
    /// The subscriber's name.
    pub name: String,
    /// Its books.
    pub account: Account,
    /// How often the handler was called for what.
    pub tally: Tally,
    /// What it was given, as one number.
    pub digest: Digest,
    /// How long that took, where measured.
    pub latency: Option<Latency>,
    /// The handler's panic, if it had one.
    pub error: Option<Error>,
}

/// What receives, and where: known from the start, and the same at the end.
#[derive(Clone, Debug)]
pub struct ReceiverReport {
    /// The backend that runs and, where it is not the one hoped for, why.
    pub backend: net::ActiveBackend,
    /// The lines, in the order in which they were added.
    pub lines: Vec<LineReport>,
    /// The stream lines, in the order in which they were added.
    pub streams: Vec<StreamReport>,
}

impl ReceiverReport {
    pub(super) fn of(receiver: &Receiver, lines: &[Line], streams: &[StreamLine]) -> Self {
        let line = |(index, line): (usize, &Line)| LineReport {
            name: line.name.clone(),
            address: receiver.local_address(index),
            receive_buffer: receiver.receive_buffer(index),
        };
        Self {
            backend: receiver.active_backend().clone(),
            lines: lines.iter().enumerate().map(line).collect(),
            streams: streams
                .iter()
                .map(|stream| StreamReport {
                    name: stream.name.clone(),
                    address: stream.address,
                })
                .collect(),
        }
    }

    /// Of lines that are not listened on.
    pub(super) fn offline(lines: &[Line]) -> Self {
        let line = |line: &Line| LineReport {
            name: line.name.clone(),
            address: line.address,
            receive_buffer: ReceiveBuffer {
                asked_bytes: 0,
                granted_bytes: 0,
            },
        };
        Self {
            backend: net::ActiveBackend::Offline,
            lines: lines.iter().map(line).collect(),
            streams: Vec::new(),
        }
    }
}

/// One line as the kernel granted it.
#[derive(Clone, Debug)]
pub struct LineReport {
    /// The line's name.
    pub name: String,
    /// Where it listens, with the port that the kernel chose where none was asked for.
    pub address: SocketAddrV4,
    /// How much its socket holds.
    pub receive_buffer: ReceiveBuffer,
}

/// One stream line.
#[derive(Clone, Debug)]
pub struct StreamReport {
    /// The line's name.
    pub name: String,
    /// Its server.
    pub address: SocketAddrV4,
}

/// One core and its stages, in the order in which they are polled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreReport {
    /// The core's number.
    pub core: usize,
    /// What its thread does when there is nothing to do.
    pub wait: WaitStrategy,
    /// The names of its stages.
    pub stages: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::FeedCounters;

    #[test]
    fn the_last_numbers_are_told_only_when_every_end_was() {
        let report = |change: fn(&FeedCounters), ended| {
            let counters = FeedCounters::new(1);
            change(&counters);
            FeedReport {
                name: String::new(),
                ledger: counters.ledger(),
                lines: vec![],
                ahead: vec![],
                ended,
                link: None,
                rejected: false,
            }
        };
        assert!(report(|_| {}, true).ends_told());
        assert!(!report(|_| {}, false).ends_told());
        assert!(!report(|counters| counters.restarts.add(1), true).ends_told());
        assert!(!report(|counters| counters.left_sessions.add(1), true).ends_told());
    }
}
