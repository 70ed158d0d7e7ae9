//! Owns whole feeds that are given packets without sockets: framing, arbitration and counting on
//! top of decoding.

use super::cme_flow::CmeFlow;
use crate::support::order_flow::OrderFlow;
use crate::support::{Took, scaled};
use ringtape::feed::moldudp64::PacketWriter;
use ringtape::feed::{Arrival, CmeFeed, Feed, FeedConfig, NasdaqFeed};
use ringtape::market::MarketEvent;
use ringtape::record::Batch;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Packets of a pass.
const PACKETS: u64 = 5_000;

/// Gives a feed packets, one after the other.
fn feed(feed: &mut impl Feed<MarketEvent>, batch: &mut Batch<MarketEvent>, packets: &[Vec<u8>]) {
    for bytes in packets {
        let arrival = Arrival {
            line: 0,
            bytes,
            datagram_bytes: bytes.len(),
            ts_recv_ns: 1,
            seen_ns: 1,
        };
        feed.on_datagram(arrival, batch);
        black_box(batch.records());
        batch.clear();
    }
}

/// ITCH over MoldUDP64: packets of 1 to 13 messages.
pub struct ItchFeeding {
    feed: NasdaqFeed,
    batch: Batch<MarketEvent>,
    packets: Vec<Vec<Vec<u8>>>,
    /// What the next run is given.
    made: Vec<Vec<u8>>,
    next: u64,
}

impl ItchFeeding {
    pub fn new() -> Self {
        Self::with_packets(scaled(PACKETS))
    }

    pub fn with_packets(packets: u64) -> Self {
        let mut flow = OrderFlow::new(1);
        let packets = (0..packets).map(|_| {
            let messages = flow.packet_messages();
            flow.by_ref().take(messages).collect()
        });
        let packets = packets.collect();
        let feed = NasdaqFeed::new(FeedConfig::default()).expect("a valid configuration");
        let mut feeding = Self {
            batch: Batch::with_capacity(feed.records_max(1_500)),
            feed,
            packets,
            made: Vec::new(),
            next: 1,
        };
        feeding.make();
        feeding
    }

    /// Packs the messages once more, with numbers that go on.
    fn make(&mut self) {
        self.made.clear();
        for messages in &self.packets {
            let mut buffer = [0; 1_400];
            let mut packet = PacketWriter::new(&mut buffer, *b"BENCH00001", self.next);
            for message in messages {
                assert!(packet.push(message), "13 messages fit");
            }
            self.next += u64::from(packet.count());
            self.made.push(packet.finish().to_vec());
        }
    }

    /// Feeds what is made, once, without a clock.
    pub fn run(&mut self) {
        feed(&mut self.feed, &mut self.batch, &self.made);
    }

    /// Sees that every message was delivered.
    pub fn check(&self) {
        let ledger = self.feed.ledger();
        assert!(ledger.closes() && ledger.delivered() == self.next - 1 && ledger.lost() == 0);
    }

    /// Feeds every message once.
    pub fn pass(&mut self) -> Took {
        let first = self.next - self.messages();
        let begin = Instant::now();
        self.run();
        let elapsed = begin.elapsed();
        self.check();
        let items = self.next - first;
        self.make();
        Took { elapsed, items }
    }

    fn messages(&self) -> u64 {
        self.packets.iter().map(|packet| packet.len() as u64).sum()
    }
}

/// CME MDP 3.0: packets of one book message.
pub struct CmeFeeding {
    feed: CmeFeed,
    batch: Batch<MarketEvent>,
    flow: CmeFlow,
    made: Vec<Vec<u8>>,
    fed: u64,
}

impl CmeFeeding {
    pub fn new() -> Self {
        Self::with_packets(scaled(PACKETS).next_multiple_of(8))
    }

    pub fn with_packets(packets: u64) -> Self {
        let feed = CmeFeed::new(FeedConfig::default()).expect("a valid configuration");
        let mut flow = CmeFlow::new();
        let packets = usize::try_from(packets).expect("fits");
        Self {
            batch: Batch::with_capacity(feed.records_max(1_500)),
            feed,
            made: flow.by_ref().take(packets).collect(),
            flow,
            fed: 0,
        }
    }

    /// Feeds what is made, once, without a clock.
    pub fn run(&mut self) {
        feed(&mut self.feed, &mut self.batch, &self.made);
        self.fed += self.made.len() as u64;
    }

    /// Sees that every packet was delivered, and every level.
    pub fn check(&self) {
        let ledger = self.feed.ledger();
        assert!(ledger.closes() && ledger.delivered() == self.fed);
        assert_eq!(ledger.events, self.flow.levels);
        assert_eq!((ledger.book_breaks, ledger.malformed_messages), (0, 0));
    }

    /// Feeds packets; returns the time that took, how many they were, and how many levels they had.
    pub fn pass(&mut self) -> (Duration, u64, u64) {
        let begin = Instant::now();
        self.run();
        let elapsed = begin.elapsed();
        self.check();
        let before = self.flow.levels;
        let packets = self.made.len();
        self.made.clear();
        self.made.extend(self.flow.by_ref().take(packets));
        (elapsed, packets as u64, self.flow.levels - before)
    }
}
