//! What it costs to record latency.
//!
//! * `latency/record`: one record into a histogram, into the five of a `Latency`, and by a
//!   `Recorder`, which counts what a datagram's records share once; a reading of the clock beside
//!   them, of which a measured record takes one. A rise is paid by every record of every measured
//!   subscriber.
//! * `recording: whole path`: receive, decode, publish and handle in turn on one thread, measuring
//!   over not. A fall means that measuring became dearer for who uses it.
//! * `recording: stream`: records that cost nothing to make, in batches of 8, to a handler that
//!   does next to nothing, on one thread. Nobody has that: it shows what a record costs at most.
//!
//! Every pass checks that each record was handled, in order, and measured.

#![allow(
    clippy::print_stdout,
    missing_docs,
    reason = "a bench prints, and is no public interface"
)]

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use ringtape::bus::{Passage, Publisher, Subscription};
use ringtape::clock::{Clock, SystemClock};
use ringtape::cpu;
use ringtape::feed::moldudp64::PacketWriter;
use ringtape::feed::{Feed, FeedConfig, NasdaqFeed};
use ringtape::handler::{At, Handler};
use ringtape::latency::{Exemplar, Histogram, Latency, Readings, Recorder};
use ringtape::market::MarketEvent;
use ringtape::net::{Config, Line, Receiver, Sender};
use ringtape::record::{Gap, Sequence};
use ringtape::stage::{HandleStage, IngestStage, Route, Stage};
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};
use support::order_flow::OrderFlow;
use support::{Goal, Took, compare_short};

criterion_group!(benches, record, ratios);
criterion_main!(benches);

/// Records of a datagram, where they are made up.
const BATCH: usize = 8;
/// Records of a pass of the stream.
const RECORDS: usize = 8_192;
/// Datagrams of a pass of the whole path: few enough for any socket's buffer.
const DATAGRAMS: usize = 128;
/// Payload of the longest packet, as venues keep it.
const PACKET_BYTES_MAX: usize = 1400;
/// How long a pass may take before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(10);

fn record(criterion: &mut Criterion) {
    let ways = ways();
    let mut group = criterion.benchmark_group("latency/record");
    group.bench_function("clock", |bencher| {
        bencher.iter(|| black_box(SystemClock.now_ns()));
    });
    group.bench_function("histogram", |bencher| {
        let mut histogram = Histogram::new();
        let mut next = ways.iter().cycle();
        bencher.iter(|| {
            let way = black_box(next.next().expect("it goes round"));
            histogram.record(way.readings.wire_ns, way.readings.handler_ns);
        });
        assert!(histogram.summary().count > 0);
    });
    group.bench_function("latency", |bencher| {
        let mut latency = Latency::default();
        let mut next = ways.iter().cycle();
        bencher.iter(|| latency.record(black_box(next.next().expect("it goes round")).readings));
        check(&latency);
    });
    group.bench_function("recorder", |bencher| {
        let mut recorder = Recorder::default();
        let mut next = ways.iter().cycle();
        bencher.iter(|| {
            let way = black_box(next.next().expect("it goes round"));
            recorder.record(way.readings, way.has_hops, || *way);
        });
        check(&recorder.into_latency());
    });
    group.finish();
}

/// Sees that every hop was counted as often as the whole.
fn check(latency: &Latency) {
    let count = latency.wire_to_handler.summary().count;
    let hops = latency.hops().map(|(_, hop)| hop.summary().count);
    assert!(count > 0 && hops == [count; 4], "{count} and {hops:?}");
}

/// Ways as they are: datagrams of [`BATCH`] records, now and then a slow one.
fn ways() -> Vec<Exemplar> {
    let way = |n: usize| {
        let (datagram, place) = ((n / BATCH) as u64, (n % BATCH) as u64);
        let wire_ns = 1_000_000 + datagram * 5_000;
        let seen_ns = wire_ns + 1_000 + datagram * 37 % 900;
        let decoded_ns = seen_ns + 400 + datagram * 13 % 200;
        let published_ns = decoded_ns + 40;
        let stall_ns = if datagram % 997 == 0 { 80_000 } else { 0 };
        Exemplar {
            sequence: Sequence::new(n as u64 + 1),
            readings: Readings {
                wire_ns,
                seen_ns,
                decoded_ns,
                published_ns,
                handler_ns: published_ns + 150 + place * 40 + stall_ns,
            },
            has_hops: true,
            ready_behind: 7 - place,
            place,
            ..Exemplar::default()
        }
    };
    (0..1 << 14).map(way).collect()
}

/// Ratios are not criterion's: both sides run in turn.
fn ratios(_: &mut Criterion) {
    let core = *cpu::allowed().last().expect("a thread runs on some core");
    cpu::pin(core).expect("the core is allowed");
    let (mut off, mut wire, mut on) = (
        Path::open(Measure::Nothing),
        Path::open(Measure::Wire),
        Path::open(Measure::Hops),
    );
    compare_short(
        "recording: whole path, hops / off",
        Goal::ThroughputAtLeast(0.9),
        || off.pass(),
        || on.pass(),
    );
    compare_short(
        "recording: whole path, wire to handler only / off",
        Goal::ThroughputAtLeast(0.9),
        || off.pass(),
        || wire.pass(),
    );
    for (measure, name) in [
        (Measure::Hops, "recording: stream, hops / off"),
        (
            Measure::Wire,
            "recording: stream, wire to handler only / off",
        ),
    ] {
        compare_short(
            name,
            Goal::None,
            || stream(Measure::Nothing),
            || stream(measure),
        );
    }
}

/// What is measured.
#[derive(Clone, Copy, PartialEq)]
enum Measure {
    Nothing,
    Wire,
    Hops,
}

impl Measure {
    fn subscription(self) -> Subscription {
        Subscription {
            passages: self == Self::Hops,
            ..Subscription::default()
        }
    }
}

/// Counts, and loses nothing.
#[derive(Default)]
struct Count {
    events: u64,
    shares: u64,
}

impl Handler<MarketEvent> for Count {
    fn on_event(&mut self, event: &MarketEvent, _: At) {
        self.events += 1;
        self.shares = self.shares.wrapping_add(u64::from(event.message));
    }
    fn on_gap(&mut self, gap: Gap) {
        panic!("lost {gap:?}");
    }
}

type Handle = HandleStage<MarketEvent, Count, SystemClock>;

fn attach(publisher: &mut Publisher<MarketEvent>, measure: Measure) -> Handle {
    let subscriber = publisher
        .subscribe(measure.subscription())
        .expect("a valid ring");
    let measures = measure != Measure::Nothing;
    HandleStage::new("count", subscriber, Count::default(), SystemClock, measures)
}

/// Sees that everything was handled, and measured as it was asked for.
fn check_end(handle: Handle, records: u64, measure: Measure) {
    let outcome = handle.into_outcome();
    assert_eq!(outcome.account.handled, records);
    let counted = |histogram: &Histogram| histogram.summary().count + histogram.out_of_range();
    match outcome.latency {
        None => assert!(measure == Measure::Nothing),
        Some(latency) => {
            assert_eq!(counted(&latency.wire_to_handler), records);
            let hops = if measure == Measure::Hops { records } else { 0 };
            assert!(latency.hops().iter().all(|(_, hop)| counted(hop) == hops));
        }
    }
}

/// Publishes and handles in turn. Rings and histograms are made before the time runs.
fn stream(measure: Measure) -> Took {
    let mut publisher = Publisher::new(BATCH);
    let mut handle = attach(&mut publisher, measure);
    handle.start().expect("nothing can go wrong");
    let event: MarketEvent = zerocopy::FromZeros::new_zeroed();
    let timed = measure != Measure::Nothing;
    let begin = Instant::now();
    for _ in 0..RECORDS / 256 {
        for _ in 0..256 / BATCH {
            // As the ingest stage reads it: once for a datagram.
            let now_ns = if timed { SystemClock.now_ns() } else { 1 };
            for _ in 0..BATCH {
                publisher.batch().push_event(now_ns, &event);
            }
            let committed = publisher.commit_timed(
                Passage {
                    seen_ns: now_ns,
                    decoded_ns: now_ns,
                    published_ns: now_ns,
                },
                || SystemClock.now_ns(),
            );
            assert!(committed);
        }
        assert_eq!(handle.poll(), 256);
    }
    let elapsed = begin.elapsed();
    check_end(handle, RECORDS as u64, measure);
    Took {
        elapsed,
        items: RECORDS as u64,
    }
}

/// The whole path on one thread.
struct Path {
    ingest: IngestStage<MarketEvent, SystemClock>,
    handle: Handle,
    sender: Sender,
    packets: Vec<Vec<Vec<u8>>>,
    /// Messages sent so far.
    sent: u64,
    handled: u64,
}

impl Path {
    fn open(measure: Measure) -> Self {
        let here = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let config = Config::default();
        let receiver = Receiver::open(&config, &[Line::new("A", here)]).expect("a socket");
        let sender = Sender::open(receiver.local_address(0), None).expect("loopback");
        let feed = NasdaqFeed::new(FeedConfig {
            lines: vec!["A".to_owned()],
            ..FeedConfig::default()
        })
        .expect("a valid configuration");
        let mut publisher = Publisher::new(feed.records_max(config.datagram_bytes_max));
        let handle = attach(&mut publisher, measure);
        let route = Route { feed: 0, line: 0 };
        let feeds: Vec<Box<dyn Feed<MarketEvent>>> = vec![Box::new(feed)];
        let mut ingest = IngestStage::new(
            "ingest",
            receiver,
            vec![route],
            feeds,
            publisher,
            SystemClock,
        );
        ingest.start().expect("enabled");
        let mut flow = OrderFlow::new(1);
        let packets = (0..DATAGRAMS).map(|_| {
            let messages = flow.packet_messages();
            flow.by_ref().take(messages).collect()
        });
        Self {
            ingest,
            handle,
            sender,
            packets: packets.collect(),
            sent: 0,
            handled: 0,
        }
    }

    fn fill(&mut self) {
        for messages in &self.packets {
            let mut buffer = [0; PACKET_BYTES_MAX];
            let mut packet = PacketWriter::new(&mut buffer, *b"BENCH00001", self.sent + 1);
            for message in messages {
                assert!(packet.push(message), "13 messages fit");
            }
            self.sent += u64::from(packet.count());
            self.sender.send(packet.finish()).expect("sent");
        }
    }

    /// Empties a full socket, into the handler.
    fn pass(&mut self) -> Took {
        self.fill();
        let datagrams = self.ingest.net_counters();
        let end = datagrams.datagrams() + DATAGRAMS as u64;
        let before = self.handled;
        let begin = Instant::now();
        loop {
            let taken = self.ingest.poll();
            let handled = self.handle.poll();
            self.handled += handled as u64;
            if taken + handled == 0 {
                // Reference data comes on top of the messages, so a count of them is no end.
                if datagrams.datagrams() == end {
                    break;
                }
                assert!(begin.elapsed() < PATIENCE, "datagrams are missing");
            }
        }
        let elapsed = begin.elapsed();
        assert!(self.handled > before, "nothing was handled");
        Took {
            elapsed,
            items: DATAGRAMS as u64,
        }
    }
}

impl Drop for Path {
    /// What came through is what was sent; the feed tells no end here, and reference data is on
    /// top.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.handled >= self.sent, "messages are missing");
        }
    }
}
