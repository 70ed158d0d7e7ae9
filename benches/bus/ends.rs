//! Owns what is measured: the two ends of a ping-pong and of a stream, each on a core of its own.

use super::support::Took;
use crossbeam_utils::CachePadded;
use ringtape::bus::{Contract, Delivery, Passage, Publisher, Ring, Subscriber, Subscription};
use ringtape::cpu;
use ringtape::market::MarketEvent;
use ringtape::record::{Gap, GapCause, Record, Sequence};
use rtrb::RingBuffer;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

type Bus = Publisher<MarketEvent>;
type Slot = Record<MarketEvent>;

/// Records in a ring.
const RING: usize = 1024;
/// Records in a batch of a stream.
pub const BATCH: usize = 32;

/// The two cores of a measurement.
#[derive(Clone, Copy)]
pub struct Pinned {
    pub near: usize,
    pub far: usize,
}

/// The ends of a ping-pong: both are called with 1, 2, 3 …
pub struct Ends<Far, Near> {
    /// Awaits the number and answers it.
    pub far: Far,
    /// Sends the number and awaits the answer.
    pub near: Near,
}

/// What runs on one core.
pub trait End: FnMut(u64) + Send {}

impl<F: FnMut(u64) + Send> End for F {}

impl Ends<(), ()> {
    /// One writer and one reader on each of two lines, as a ring's index lines are used.
    pub fn line() -> Ends<impl End, impl End> {
        let line = || CachePadded::new(AtomicU64::new(0));
        let lines = Arc::new([line(), line()]);
        let far_lines = Arc::clone(&lines);
        let await_value = |line: &AtomicU64, value| while line.load(Ordering::Acquire) != value {};
        Ends {
            far: move |n| {
                await_value(&far_lines[0], n);
                far_lines[1].store(n, Ordering::Release);
            },
            near: move |n| {
                lines[0].store(n, Ordering::Release);
                await_value(&lines[1], n);
            },
        }
    }

    pub fn rtrb() -> Ends<impl End, impl End> {
        let (mut there, mut arrivals) = RingBuffer::<Slot>::new(RING);
        let (mut back, mut returns) = RingBuffer::<Slot>::new(RING);
        let await_record = |consumer: &mut rtrb::Consumer<Slot>, n| {
            let got = loop {
                if let Ok(record) = consumer.pop() {
                    break record;
                }
            };
            check(n, &got);
        };
        Ends {
            far: move |n| {
                await_record(&mut arrivals, n);
                back.push(record(n)).expect("one record is in flight");
            },
            near: move |n| {
                there.push(record(n)).expect("one record is in flight");
                await_record(&mut returns, n);
            },
        }
    }

    pub fn bus(ring: Ring, passages: bool) -> Ends<impl End, impl End> {
        let subscription = Subscription {
            contract: Contract::Lossy,
            capacity: RING,
            passages,
            ring,
        };
        let (mut there, mut back) = (Bus::new(64), Bus::new(64));
        let mut arrivals = there.subscribe(subscription).expect("a valid ring");
        let mut returns = back.subscribe(subscription).expect("a valid ring");
        let await_record = |subscriber: &mut Subscriber<MarketEvent>, n| {
            while subscriber.poll(1, |delivery| check_delivery(n, &delivery)) == 0 {}
        };
        Ends {
            far: move |n| {
                await_record(&mut arrivals, n);
                push(&mut back);
                assert!(back.commit(Passage::default()));
            },
            near: move |_| {
                let n = push(&mut there);
                assert!(there.commit(Passage::default()));
                await_record(&mut returns, n);
            },
        }
    }
}

impl Pinned {
    /// Runs `far` on the far core and times `near` on the near one, from when both are ready.
    pub fn run(self, items: u64, far: impl FnOnce() + Send, near: impl FnOnce() + Send) -> Took {
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

    pub fn ping_pong(self, trips: u64, ends: Ends<impl End, impl End>) -> Took {
        let Ends { far, near } = ends;
        self.run(
            2 * trips,
            move || (1..=trips).for_each(far),
            move || (1..=trips).for_each(near),
        )
    }

    pub fn rtrb_stream(self, records: u64) -> Took {
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
    pub fn bus_stream(self, records: u64, subscribers: usize, ring: Ring, passages: bool) -> Took {
        let subscription = Subscription {
            contract: Contract::Lossless,
            capacity: RING,
            passages,
            ring,
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

fn record(n: u64) -> Slot {
    Record::gap(Sequence::new(n), n, gap(n))
}

fn push(publisher: &mut Bus) -> u64 {
    let n = publisher.batch().next_sequence().get();
    publisher.batch().push_gap(n, gap(n));
    n
}

fn gap(n: u64) -> Gap {
    Gap {
        first: n,
        last: n,
        cause: GapCause::Absent,
        feed: 1,
    }
}

fn check(expected: u64, record: &Slot) {
    assert_eq!(record.sequence().get(), expected);
    assert_eq!(record.ts_recv_ns(), expected);
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
