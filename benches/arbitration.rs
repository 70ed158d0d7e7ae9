//! What a second line and a hole cost, without sockets: whole feeds on the same packets, in turn.
//!
//! * `second line`: both lines bring everything, over one line that does; time for each packet of
//!   the stream. What is above 1 is the price of looking at the copies and comparing them.
//! * `healed hole`: line A loses one packet in a hundred, and line B brings it twenty packets
//!   later, over both lines whole. What follows a hole is held meanwhile, so it is copied twice and
//!   delivered late.
//! * `hole, hold time 0`: the same loss on the only line, given up at once, over no loss.
//!
//! Every pass checks that each number was delivered, or is the gap that it should be.

#![allow(
    clippy::print_stdout,
    missing_docs,
    reason = "a bench prints, and is no public interface"
)]

mod support;

use ringtape::feed::moldudp64::PacketWriter;
use ringtape::feed::{Arrival, Feed, FeedConfig, NasdaqFeed};
use ringtape::market::MarketEvent;
use ringtape::record::Batch;
use std::hint::black_box;
use std::time::Instant;
use support::order_flow::OrderFlow;
use support::{Goal, Took, compare_short, scaled};

/// Packets of a pass.
const PACKETS: u64 = 2_000;
/// One packet in so many is lost.
const LOST_EVERY: usize = 100;
/// How many packets line B lags behind line A.
const LAG: usize = 20;

fn main() {
    let mut alone = Passes::new(1, 1_000_000);
    let mut both = Passes::new(2, 1_000_000);
    compare_short(
        "second line: both whole / one line",
        Goal::None,
        || alone.pass(|_| true),
        || both.pass(|_| true),
    );
    let mut healed = Passes::new(2, 1_000_000);
    compare_short(
        "healed hole: A loses 1 % / both whole",
        Goal::None,
        || both.pass(|_| true),
        || healed.pass(|n| n % LOST_EVERY != 7),
    );
    let mut given_up = Passes::new(1, 0);
    compare_short(
        "hole, hold time 0: 1 % lost / none lost",
        Goal::None,
        || alone.pass(|_| true),
        || given_up.pass(|n| n % LOST_EVERY != 7),
    );
}

/// A feed that is given the same messages again and again, with numbers that go on.
struct Passes {
    feed: NasdaqFeed,
    lines: usize,
    batch: Batch<MarketEvent>,
    packets: Vec<Vec<Vec<u8>>>,
    next: u64,
    lost: u64,
}

impl Passes {
    fn new(lines: usize, hold_ns: u64) -> Self {
        let mut flow = OrderFlow::new(1);
        let packets = (0..scaled(PACKETS))
            .map(|_| {
                let messages = flow.packet_messages();
                flow.by_ref().take(messages).collect()
            })
            .collect();
        let feed = NasdaqFeed::new(FeedConfig {
            lines: vec!["line".to_owned(); lines],
            hold_ns,
            ..FeedConfig::default()
        })
        .expect("a valid configuration");
        Self {
            batch: Batch::with_capacity(feed.records_max(1_500)),
            feed,
            lines,
            packets,
            next: 1,
            lost: 0,
        }
    }

    /// Gives line A the packets that `kept` says, and line B all of them, later.
    fn pass(&mut self, kept: impl Fn(usize) -> bool) -> Took {
        let stream = self.stream();
        let items = stream.len() as u64;
        let begin = Instant::now();
        for at in 0..stream.len() + LAG {
            if let Some(bytes) = stream.get(at).filter(|_| kept(at)) {
                self.give(0, bytes);
            }
            if self.lines > 1
                && let Some(bytes) = at.checked_sub(LAG).and_then(|at| stream.get(at))
            {
                self.give(1, bytes);
            }
        }
        let elapsed = begin.elapsed();
        let alone = self.lines == 1;
        let lost = stream
            .iter()
            .enumerate()
            .filter(|(at, _)| alone && !kept(*at));
        self.lost += lost
            .map(|(_, bytes)| u64::from(u16::from_be_bytes([bytes[18], bytes[19]])))
            .sum::<u64>();
        let ledger = self.feed.ledger();
        assert_eq!(ledger.expected, self.next - 1);
        assert_eq!((ledger.lost(), ledger.open()), (self.lost, 0));
        Took { elapsed, items }
    }

    fn stream(&mut self) -> Vec<Vec<u8>> {
        let mut stream = Vec::with_capacity(self.packets.len());
        for messages in &self.packets {
            let mut buffer = [0; 1_400];
            let mut packet = PacketWriter::new(&mut buffer, *b"BENCH00001", self.next);
            for message in messages {
                assert!(packet.push(message), "13 messages fit");
            }
            self.next += u64::from(packet.count());
            stream.push(packet.finish().to_vec());
        }
        stream
    }

    fn give(&mut self, line: usize, bytes: &[u8]) {
        let arrival = Arrival {
            line,
            bytes,
            datagram_bytes: bytes.len(),
            ts_recv_ns: self.next,
            seen_ns: self.next,
        };
        self.feed.on_datagram(arrival, &mut self.batch);
        black_box(self.batch.records());
        self.batch.clear();
    }
}
