//! The bus beside what it is made of.
//!
//! * `one-way`: a 64-byte record to another core and one back, halved, over the same on bare
//!   `rtrb`. A rise means that publisher or subscriber do more per record than they must.
//! * `line`: the same over a bare cache-line ping-pong: the distance to the hardware.
//! * `stream`: records a second in batches of 32, over bare `rtrb` chunks.
//! * `fan-out`: what one more subscriber costs the publisher.
//!
//! Every pass checks that each record arrived once, in order, with its content.

#![allow(
    clippy::print_stdout,
    clippy::float_arithmetic,
    missing_docs,
    reason = "a bench prints, and is no public interface"
)]

mod support;

use crossbeam_utils::CachePadded;
use ringtape::bus::{Contract, Delivery, Passage, Publisher, Subscriber, Subscription};
use ringtape::cpu;
use ringtape::market::MarketEvent;
use ringtape::record::{Gap, GapCause, Record, Sequence};
use rtrb::RingBuffer;
use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;
use support::{Goal, Took, compare, measuring, scaled, wanted};

type Bus = Publisher<MarketEvent>;
type Slot = Record<MarketEvent>;

const RING: usize = 1024;
const BATCH: usize = 32;

fn main() {
    let cores = cpu::allowed();
    let (near, far) = (cores[0], *cores.last().expect("a thread runs on some core"));
    if near == far {
        println!("SKIPPED: the bus benches need two cores, this process may use {cores:?}");
        return;
    }
    let pinned = Pinned { near, far };
    let trips = scaled(200_000);
    let records = scaled(4_000_000);

    compare(
        "one-way: bus / rtrb",
        Goal::TimeAtMost(1.15),
        || pinned.rtrb_ping_pong(trips),
        || pinned.bus_ping_pong(trips, false),
    );
    compare(
        "one-way: bus with passages / rtrb",
        Goal::None,
        || pinned.rtrb_ping_pong(trips),
        || pinned.bus_ping_pong(trips, true),
    );
    compare(
        "line: bus / bare cache line",
        Goal::None,
        || pinned.line_ping_pong(trips),
        || pinned.bus_ping_pong(trips, false),
    );
    compare(
        "line: rtrb / bare cache line",
        Goal::None,
        || pinned.line_ping_pong(trips),
        || pinned.rtrb_ping_pong(trips),
    );
    compare(
        "stream of 32: bus / rtrb chunks",
        Goal::ThroughputAtLeast(0.85),
        || pinned.rtrb_stream(records),
        || pinned.bus_stream(records, 1, false),
    );
    compare(
        "stream of 32: bus with passages / rtrb chunks",
        Goal::None,
        || pinned.rtrb_stream(records),
        || pinned.bus_stream(records, 1, true),
    );
    // Whole batches: the publisher of a stream stops with the batch that reaches the count.
    let fan_out = (records / 8).next_multiple_of(BATCH as u64);
    for subscribers in [2, 4, 8] {
        compare(
            &format!("fan-out: {subscribers} subscribers / 1"),
            Goal::None,
            || pinned.bus_stream(fan_out, 1, false),
            || pinned.bus_stream(fan_out, subscribers, false),
        );
    }
    if measuring() && wanted("line") {
        println!("cores {near} and {far}; compare ratios, not times: the machine may be shared");
    }
}

/// The two cores of a measurement.
#[derive(Clone, Copy)]
struct Pinned {
    near: usize,
    far: usize,
}

fn record(n: u64) -> Slot {
    let gap = Gap {
        first: n,
        last: n,
        cause: GapCause::Absent,
        feed: 1,
    };
    Record::gap(Sequence::new(n), n, gap)
}

fn push(publisher: &mut Bus) -> u64 {
    let n = publisher.batch().next_sequence().get();
    publisher.batch().push_gap(
        n,
        Gap {
            first: n,
            last: n,
            cause: GapCause::Absent,
            feed: 1,
        },
    );
    n
}

fn check(expected: u64, record: &Slot) {
    assert_eq!(record.sequence().get(), expected);
    assert_eq!(record.ts_recv_ns(), expected);
}

impl Pinned {
    /// Runs `far` on the far core and times `near` on the near one, from when both are ready.
    fn run(self, items: u64, far: impl FnOnce() + Send, near: impl FnOnce() + Send) -> Took {
        let start = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                cpu::pin(self.far).expect("the core is allowed");
                start.wait();
                far();
            });
            scope
                .spawn(|| {
                    cpu::pin(self.near).expect("the core is allowed");
                    start.wait();
                    let begin = Instant::now();
                    near();
                    Took {
                        elapsed: begin.elapsed(),
                        items,
                    }
                })
                .join()
                .expect("the checks hold")
        })
    }

    /// One writer and one reader on each of two lines, as a ring's index lines are used.
    fn line_ping_pong(self, trips: u64) -> Took {
        let lines = [
            CachePadded::new(AtomicU64::new(0)),
            CachePadded::new(AtomicU64::new(0)),
        ];
        let await_value = |line: &AtomicU64, value| while line.load(Ordering::Acquire) != value {};
        self.run(
            2 * trips,
            || {
                for n in 1..=trips {
                    await_value(&lines[0], n);
                    lines[1].store(n, Ordering::Release);
                }
            },
            || {
                for n in 1..=trips {
                    lines[0].store(n, Ordering::Release);
                    await_value(&lines[1], n);
                }
            },
        )
    }

    fn rtrb_ping_pong(self, trips: u64) -> Took {
        let (mut there, mut arrivals) = RingBuffer::<Slot>::new(RING);
        let (mut back, mut returns) = RingBuffer::<Slot>::new(RING);
        self.run(
            2 * trips,
            move || {
                for n in 1..=trips {
                    let got = loop {
                        if let Ok(record) = arrivals.pop() {
                            break record;
                        }
                    };
                    check(n, &got);
                    back.push(record(n)).expect("one record is in flight");
                }
            },
            move || {
                for n in 1..=trips {
                    there.push(record(n)).expect("one record is in flight");
                    let got = loop {
                        if let Ok(record) = returns.pop() {
                            break record;
                        }
                    };
                    check(n, &got);
                }
            },
        )
    }

    fn bus_ping_pong(self, trips: u64, passages: bool) -> Took {
        let subscription = Subscription {
            contract: Contract::Lossy,
            capacity: RING,
            passages,
        };
        let (mut there, mut back) = (Bus::new(64), Bus::new(64));
        let mut arrivals = there.subscribe(subscription).expect("a valid ring");
        let mut returns = back.subscribe(subscription).expect("a valid ring");
        let await_record = |subscriber: &mut Subscriber<MarketEvent>, n| {
            while subscriber.poll(1, |delivery| check_delivery(n, &delivery)) == 0 {}
        };
        self.run(
            2 * trips,
            move || {
                for n in 1..=trips {
                    await_record(&mut arrivals, n);
                    push(&mut back);
                    assert!(back.commit(Passage::default()));
                }
            },
            move || {
                for n in 1..=trips {
                    push(&mut there);
                    assert!(there.commit(Passage::default()));
                    await_record(&mut returns, n);
                }
            },
        )
    }

    fn rtrb_stream(self, records: u64) -> Took {
        let (mut producer, mut consumer) = RingBuffer::<Slot>::new(RING);
        self.run(
            records,
            move || {
                let mut expected = 1;
                while expected <= records {
                    let ready = consumer.slots();
                    let Ok(chunk) = consumer.read_chunk(ready) else {
                        continue;
                    };
                    let (first, second) = chunk.as_slices();
                    for record in first.iter().chain(second) {
                        check(expected, record);
                        expected += 1;
                    }
                    chunk.commit_all();
                }
            },
            move || {
                let mut n = 1;
                while n <= records {
                    let Ok(chunk) = producer.write_chunk_uninit(BATCH) else {
                        continue;
                    };
                    n += chunk.fill_from_iter((n..).map(record).take(BATCH)) as u64;
                }
                await_drained(|| producer.slots() == RING);
            },
        )
    }

    /// One thread drains all subscribers in turn, as stages that share a core do.
    fn bus_stream(self, records: u64, subscribers: usize, passages: bool) -> Took {
        let subscription = Subscription {
            contract: Contract::Lossless,
            capacity: RING,
            passages,
        };
        let mut publisher = Bus::new(64);
        let mut readers: Vec<_> = (0..subscribers)
            .map(|_| (publisher.subscribe(subscription).expect("a valid ring"), 1))
            .collect();
        let books: Vec<_> = readers.iter().map(|(reader, _)| reader.books()).collect();
        self.run(
            records,
            move || {
                while readers.iter().any(|(_, expected)| *expected <= records) {
                    for (reader, expected) in &mut readers {
                        reader.poll(RING, |delivery| {
                            check_delivery(*expected, &delivery);
                            *expected += 1;
                        });
                    }
                }
            },
            move || {
                let mut last = 0;
                while last < records {
                    for _ in 0..BATCH {
                        last = push(&mut publisher);
                    }
                    while !publisher.commit(Passage::default()) {}
                }
                await_drained(|| {
                    books
                        .iter()
                        .all(|books| books.taken.handled.get() == records)
                });
            },
        )
    }
}

fn check_delivery(expected: u64, delivery: &Delivery<'_, MarketEvent>) {
    match delivery {
        Delivery::Record { record, .. } => check(expected, black_box(record)),
        Delivery::Overrun(gap) => panic!("lost {gap:?}"),
    }
}

fn await_drained(drained: impl Fn() -> bool) {
    while !drained() {
        std::hint::spin_loop();
    }
}
