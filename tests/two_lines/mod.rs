//! A feed with two lines, and all that comes out of it. A dead letter is a failure.

use ringtape::feed::{Arrival, Feed, Ledger};
use ringtape::market::MarketEvent;
use ringtape::record::{Batch, Content, Gap, Session};

/// A feed whose clock stands still, so that it waits for as long as it takes.
pub(crate) struct Rig<F> {
    pub(crate) feed: F,
    pub(crate) events: Vec<MarketEvent>,
    pub(crate) gaps: Vec<Gap>,
    pub(crate) sessions: Vec<Session>,
    batch: Batch<MarketEvent>,
}

impl<F: Feed<MarketEvent>> Rig<F> {
    /// No datagram may be longer than `datagram_bytes_max`.
    pub(crate) fn new(feed: F, datagram_bytes_max: usize) -> Self {
        let batch = Batch::with_capacity(feed.records_max(datagram_bytes_max));
        Self {
            feed,
            events: vec![],
            gaps: vec![],
            sessions: vec![],
            batch,
        }
    }

    pub(crate) fn datagram(&mut self, line: usize, bytes: &[u8]) {
        let datagram_bytes = bytes.len();
        let arrival = Arrival {
            line,
            bytes,
            datagram_bytes,
            ts_recv_ns: 0,
            seen_ns: 0,
        };
        self.feed.on_datagram(arrival, &mut self.batch);
        self.read();
    }

    /// Closes the feed, and with it its ledger, which is returned.
    pub(crate) fn close(&mut self) -> Ledger {
        self.feed.close(0, &mut self.batch);
        self.read();
        let ledger = self.feed.ledger();
        assert!(ledger.closes(), "{ledger:?}");
        ledger
    }

    fn read(&mut self) {
        for record in self.batch.records() {
            match record.content() {
                Content::Event(event) => self.events.push(*event),
                Content::Gap(gap) => self.gaps.push(gap),
                Content::Session(session) => self.sessions.push(session),
                other => panic!("{other:?}"),
            }
        }
        self.batch.clear();
    }
}
