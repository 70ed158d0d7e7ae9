//! Owns what a handler would be given of a session that is played without loss.

use anyhow::{Context as _, Result};
use ringtape::feed::moldudp64::{self, HEADER_BYTES, SessionId};
use ringtape::feed::{Arrival, Feed as _, NasdaqConfig, NasdaqFeed};
use ringtape::market::MarketEvent;
use ringtape::record::{Batch, Content, Digest};

/// Bytes of the largest datagram over IPv4.
const DATAGRAM_BYTES_MAX: usize = 65_507;

/// Follows one session, as the feed of a pipeline does that leaves everything at its defaults but
/// the trading date. Hold times pass in capture time.
#[derive(Debug)]
pub(super) struct Follower {
    feed: NasdaqFeed,
    batch: Batch<MarketEvent>,
    time_ns: u64,
    events: u64,
    first_event_ns: Option<u64>,
    last_event_ns: Option<u64>,
    digest: Digest,
}

/// What was given.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) events: u64,
    pub(super) instruments: u64,
    pub(super) first_event_ns: Option<u64>,
    pub(super) last_event_ns: Option<u64>,
    pub(super) digest: String,
}

impl Follower {
    /// Starts to follow; event times count from `midnight_ns`.
    pub(super) fn new(midnight_ns: u64) -> Result<Self> {
        let feed = NasdaqFeed::new(NasdaqConfig {
            name: "file".to_owned(),
            lines: vec!["A".to_owned()],
            midnight_ns,
            ..NasdaqConfig::default()
        })
        .context("cannot decode the file")?;
        Ok(Self {
            batch: Batch::with_capacity(feed.records_max(DATAGRAM_BYTES_MAX)),
            feed,
            time_ns: 0,
            events: 0,
            first_event_ns: None,
            last_event_ns: None,
            digest: Digest::new(),
        })
    }

    /// Takes the next packet.
    pub(super) fn follow(&mut self, packet: &[u8], time_ns: u64) {
        // Capture times may step back; a feed's time does not.
        self.time_ns = self.time_ns.max(time_ns);
        self.feed.on_time(self.time_ns, &mut self.batch);
        self.take_records();
        let arrival = Arrival {
            line: 0,
            bytes: packet,
            datagram_bytes: packet.len(),
            ts_recv_ns: time_ns,
            seen_ns: self.time_ns,
        };
        self.feed.on_datagram(arrival, &mut self.batch);
        self.take_records();
    }

    /// Ends the session as `play` does.
    pub(super) fn end(mut self, session: SessionId, next: u64) -> Followed {
        let mut packet = [0; HEADER_BYTES];
        self.follow(
            moldudp64::end_of_session(&mut packet, session, next),
            self.time_ns,
        );
        self.feed.close(self.time_ns, &mut self.batch);
        self.take_records();
        Followed {
            events: self.events,
            instruments: self.feed.ledger().instruments,
            first_event_ns: self.first_event_ns,
            last_event_ns: self.last_event_ns,
            digest: self.digest.to_string(),
        }
    }

    fn take_records(&mut self) {
        for record in self.batch.records() {
            self.digest.record(record);
            if let Content::Event(event) = record.content() {
                self.events += 1;
                let ts_event_ns = event.head.ts_event_ns;
                self.first_event_ns.get_or_insert(ts_event_ns);
                self.last_event_ns = Some(ts_event_ns);
            }
        }
        self.batch.clear();
    }
}
