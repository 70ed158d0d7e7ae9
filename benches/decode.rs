//! Decoding by itself: nanoseconds for each message, no socket and no ring.
//!
//! * `type`: [`itch::Decoder`] on each message type, the stock's name being known. A rise means
//!   that the type's own path became dearer.
//! * `flow`: the same on order flow, real and synthetic, where types alternate and branches are
//!   guessed wrong.
//! * `venue`: a whole protocol's decoding, counts included, beside that of ITCH in the same run, on
//!   synthetic flow. A rise means that the venue's types became dearer than ITCH's.
//! * `feed`: a whole [`NasdaqFeed`] on packets of 1 to 13 messages: framing, arbitration and
//!   counting on top.
//! * `cme`: a whole [`CmeFeed`] on packets of one book message with 1 to 8 levels: nanoseconds for
//!   each packet and for each level.
//!
//! Each checks what it decodes before it times it. `benches/peers` measures other decoders.

#![allow(
    clippy::print_stdout,
    missing_docs,
    reason = "a bench prints, and is no public interface"
)]

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use ringtape::feed::itch::{self, Decoded, Decoder};
use ringtape::feed::moldudp64::PacketWriter;
use ringtape::feed::{
    Arrival, CmeFeed, Feed, FeedConfig, FeedCounters, Iex, Message, Nasdaq, NasdaqFeed, Protocol,
    mdp3,
};
use ringtape::market::{Flags, MarketEvent};
use ringtape::record::{Batch, Content};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::iex_flow::{DEEP, IexFlow, TOPS};
use support::market_data::{ORDER_FLOW, binary_file, read};
use support::order_flow::OrderFlow;
use support::{Goal, Took, compare_short};

/// All types of ITCH 5.0, the most frequent first.
const TYPES: &[u8; 23] = b"ADUEXFCPIQBSRHYLVWKJhNO";
/// Records of a batch: more than any datagram brings, and few enough to stay in the first cache.
const BATCH: usize = 64;
/// Synthetic messages: more than a branch predictor learns by heart.
const SYNTHETIC: usize = 50_000;
const LOCATE: u16 = 13;

criterion_group!(benches, types, flows, venues, feed, cme);
criterion_main!(benches);

fn types(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode/type");
    for &message_type in TYPES {
        let bytes = blank(message_type);
        check_blank(message_type, &bytes);
        let mut decoding = Decoding::new(vec![bytes; BATCH]);
        let name = char::from(message_type).to_string();
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|messages| decoding.time(messages));
        });
    }
    group.finish();
}

fn flows(criterion: &mut Criterion) {
    let real: Option<Vec<Vec<u8>>> =
        read(ORDER_FLOW).map(|file| binary_file(&file).map(<[u8]>::to_vec).collect());
    let synthetic = OrderFlow::new(1).take(SYNTHETIC).collect();
    let mut group = criterion.benchmark_group("decode/flow");
    for (name, messages) in [("real", real), ("synthetic", Some(synthetic))] {
        let Some(messages) = messages else { continue };
        let mut decoding = Decoding::new(messages);
        decoding.check();
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|messages| decoding.time(messages));
        });
    }
    group.finish();
}

/// Ratios are not criterion's: both sides run in turn.
fn venues(_: &mut Criterion) {
    let flow = |types| IexFlow::new(1, types).take(SYNTHETIC).collect();
    let mut itch = Venue::<Nasdaq>::new(OrderFlow::new(1).take(SYNTHETIC).collect());
    for (name, types) in [("tops", TOPS), ("deep", DEEP)] {
        let mut iex = Venue::<Iex>::new(flow(types));
        compare_short(
            &format!("decode/venue {name} / itch"),
            Goal::None,
            || itch.pass(),
            || iex.pass(),
        );
    }
}

fn feed(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode/feed");
    group.bench_function("synthetic", |bencher| bencher.iter_custom(time_feed));
    group.finish();
}

/// The shortest message of a type: zeros, but for what every message begins with.
fn blank(message_type: u8) -> Vec<u8> {
    let mut bytes = vec![0; itch::bytes_min(message_type).expect("a known type")];
    let [high, low] = LOCATE.to_be_bytes();
    bytes[..3].copy_from_slice(&[message_type, high, low]);
    bytes
}

/// Sees that the message becomes one event or a group that ends with `LAST`.
fn check_blank(message_type: u8, bytes: &[u8]) {
    let mut decoder = Decoder::new(1, 0);
    let mut batch = Batch::with_capacity(itch::RECORDS_MAX);
    let decoded = decoder.decode(message(9, bytes), &mut batch);
    assert_eq!(decoded, Ok(Decoded::Events));
    let events: Vec<MarketEvent> = events(&batch).collect();
    assert!(!events.is_empty());
    for (left, event) in (0..events.len()).rev().zip(&events) {
        let shown = char::from(message_type);
        assert_eq!(event.head.instrument, u32::from(LOCATE), "{shown}");
        assert_eq!(event.message, 9, "{shown}");
        assert_eq!(event.head.flags.contains(Flags::LAST), left == 0, "{shown}");
    }
}

fn message(number: u64, bytes: &[u8]) -> Message<'_> {
    Message {
        number,
        bytes,
        message_bytes: u16::try_from(bytes.len()).expect("a message is short"),
        ts_recv_ns: number,
    }
}

/// The events of a batch, without the instruments that the decoder derived.
fn events(batch: &Batch<MarketEvent>) -> impl Iterator<Item = MarketEvent> {
    batch
        .records()
        .iter()
        .filter_map(|record| match record.content() {
            Content::Event(event) if !event.head.flags.contains(Flags::DERIVED) => Some(*event),
            _ => None,
        })
}

/// Messages that are decoded again and again.
struct Decoding {
    messages: Vec<Vec<u8>>,
    next: usize,
    decoder: Decoder,
    batch: Batch<MarketEvent>,
}

impl Decoding {
    fn new(messages: Vec<Vec<u8>>) -> Self {
        Self {
            messages,
            next: 0,
            decoder: Decoder::new(1, 0),
            batch: Batch::with_capacity(BATCH),
        }
    }

    /// Sees that each message becomes an event with its own number.
    fn check(&mut self) {
        for (bytes, number) in self.messages.iter().zip(0..) {
            let decoded = self.decoder.decode(message(number, bytes), &mut self.batch);
            assert_eq!(decoded, Ok(Decoded::Events));
            let last = events(&self.batch).last().expect("an event");
            assert_eq!(u64::from(last.message), number);
            self.batch.clear();
        }
    }

    /// Decodes `count` messages.
    fn time(&mut self, count: u64) -> Duration {
        let begin = Instant::now();
        for number in 0..count {
            if self.batch.room() < itch::RECORDS_MAX {
                black_box(self.batch.records());
                self.batch.clear();
            }
            let bytes = &self.messages[self.next];
            self.next = (self.next + 1) % self.messages.len();
            let decoded = self.decoder.decode(message(number, bytes), &mut self.batch);
            assert_eq!(decoded, Ok(Decoded::Events));
        }
        black_box(self.batch.records());
        begin.elapsed()
    }
}

/// A protocol's decoding of messages again and again.
struct Venue<P: Protocol> {
    protocol: P,
    counters: Arc<FeedCounters>,
    messages: Vec<Vec<u8>>,
    batch: Batch<P::Event>,
}

impl<P: Protocol<Event = MarketEvent>> Venue<P> {
    /// Sees that each message becomes an event with its own number.
    fn new(messages: Vec<Vec<u8>>) -> Self {
        let counters = Arc::new(FeedCounters::new(1));
        let protocol = P::open(&FeedConfig::default(), Arc::clone(&counters));
        let mut venue = Self {
            protocol: protocol.expect("a valid configuration"),
            counters,
            messages,
            batch: Batch::with_capacity(BATCH),
        };
        for (bytes, number) in venue.messages.iter().zip(1..) {
            let decoded = venue
                .protocol
                .decode(message(number, bytes), &mut venue.batch);
            assert_eq!(decoded, Ok(()));
            let last = events(&venue.batch).last().expect("an event");
            assert_eq!(u64::from(last.message), number);
            venue.batch.clear();
        }
        venue
    }

    /// Decodes every message once.
    fn pass(&mut self) -> Took {
        let unknown = self.counters.unknown_messages.get();
        let room = P::message_records_max(P::HELD_BYTES);
        let begin = Instant::now();
        for (bytes, number) in self.messages.iter().zip(1..) {
            if self.batch.room() < room {
                black_box(self.batch.records());
                self.batch.clear();
            }
            let decoded = self
                .protocol
                .decode(message(number, bytes), &mut self.batch);
            assert_eq!(decoded, Ok(()));
        }
        black_box(self.batch.records());
        let elapsed = begin.elapsed();
        assert_eq!(self.counters.unknown_messages.get(), unknown);
        Took {
            elapsed,
            items: self.messages.len() as u64,
        }
    }
}

/// Feeds `count` messages or a few more, and returns the time of `count`.
fn time_feed(count: u64) -> Duration {
    let mut flow = OrderFlow::new(1);
    let (mut packets, mut messages) = (Vec::new(), 0);
    while messages < count.min(SYNTHETIC as u64) {
        let taken: Vec<_> = (0..flow.packet_messages())
            .filter_map(|_| flow.next())
            .collect();
        messages += taken.len() as u64;
        packets.push(taken);
    }
    let mut feed = NasdaqFeed::new(FeedConfig::default()).expect("a valid configuration");
    let mut batch = Batch::with_capacity(feed.records_max(1500));
    let (mut next, mut elapsed) = (1, Duration::ZERO);
    while next <= count {
        let (datagrams, end) = datagrams(&packets, next);
        let begin = Instant::now();
        for bytes in &datagrams {
            let arrival = Arrival {
                line: 0,
                bytes,
                datagram_bytes: bytes.len(),
                ts_recv_ns: next,
                seen_ns: next,
            };
            feed.on_datagram(arrival, &mut batch);
            black_box(batch.records());
            batch.clear();
        }
        elapsed += begin.elapsed();
        next = end;
    }
    let ledger = feed.ledger();
    assert!(ledger.closes() && ledger.delivered() == next - 1 && ledger.lost() == 0);
    let elapsed_ns = elapsed.as_nanos() * u128::from(count) / u128::from(next - 1);
    Duration::from_nanos(u64::try_from(elapsed_ns).expect("fits"))
}

/// Packs messages, numbered from `next`; returns the number that comes after them, too.
fn datagrams(packets: &[Vec<Vec<u8>>], mut next: u64) -> (Vec<Vec<u8>>, u64) {
    let datagrams = packets
        .iter()
        .map(|messages| {
            let mut buffer = [0; 1400];
            let mut packet = PacketWriter::new(&mut buffer, *b"BENCH00001", next);
            for message in messages {
                assert!(packet.push(message), "13 messages fit");
            }
            next += u64::from(packet.count());
            packet.finish().to_vec()
        })
        .collect();
    (datagrams, next)
}

fn cme(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode/cme");
    group.bench_function("packet", |bencher| {
        bencher.iter_custom(|packets| time_cme(packets).0);
    });
    group.bench_function("level", |bencher| {
        // Eight packets have 36 levels.
        bencher.iter_custom(|levels| {
            let (elapsed, fed) = time_cme(levels.div_ceil(36) * 8);
            let elapsed_ns = elapsed.as_nanos() * u128::from(levels) / u128::from(fed);
            Duration::from_nanos(u64::try_from(elapsed_ns).expect("fits"))
        });
    });
    group.finish();
}

/// Feeds `packets` packets; returns the time that took, and how many levels they had.
fn time_cme(packets: u64) -> (Duration, u64) {
    let mut feed = CmeFeed::new(FeedConfig::default()).expect("a valid configuration");
    let mut batch = Batch::with_capacity(feed.records_max(1500));
    let mut book = CmeBook {
        reports: [0; 64],
        levels: 0,
    };
    let (mut number, mut elapsed) = (1, Duration::ZERO);
    while u64::from(number) <= packets {
        let left = packets + 1 - u64::from(number);
        let datagrams: Vec<_> = (number..)
            .take(usize::try_from(left).expect("fits").min(SYNTHETIC))
            .map(|number| book.packet(number))
            .collect();
        let begin = Instant::now();
        for bytes in &datagrams {
            let arrival = Arrival {
                line: 0,
                bytes,
                datagram_bytes: bytes.len(),
                ts_recv_ns: 1,
                seen_ns: 1,
            };
            feed.on_datagram(arrival, &mut batch);
            black_box(batch.records());
            batch.clear();
        }
        elapsed += begin.elapsed();
        number += u32::try_from(datagrams.len()).expect("fits");
    }
    let ledger = feed.ledger();
    assert!(ledger.closes() && ledger.delivered() == packets && ledger.events == book.levels);
    assert_eq!((ledger.book_breaks, ledger.malformed_messages), (0, 0));
    (elapsed, book.levels)
}

/// Updates of the books of 64 securities, each numbered after its last.
struct CmeBook {
    reports: [u32; 64],
    levels: u64,
}

impl CmeBook {
    fn packet(&mut self, number: u32) -> Vec<u8> {
        let count = number % 8 + 1;
        let mut body = vec![0; 11];
        body.extend([32, 0, u8::try_from(count).expect("a few")]);
        for entry in 0..count {
            let security = number.wrapping_mul(0x9e37_79b1).rotate_left(entry) % 64;
            let report = &mut self.reports[security as usize];
            *report += 1;
            body.extend(i64::from(1_000 + number % 100).to_le_bytes());
            for word in [number % 50, security, *report, 1 + entry] {
                body.extend(word.to_le_bytes());
            }
            let side = if number & 1 == 0 { b'0' } else { b'1' };
            let level = u8::try_from(1 + number % 10).expect("a few");
            body.extend([level, 1, side, 0, 0, 0, 0, 0]);
        }
        self.levels += u64::from(count);
        let mut buffer = [0; 1_400];
        let mut packet = mdp3::PacketWriter::new(&mut buffer, number, 0);
        assert!(packet.push(46, 9, 11, &body), "8 levels fit");
        packet.finish().to_vec()
    }
}
