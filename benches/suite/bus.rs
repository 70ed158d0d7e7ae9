//! Publisher and subscriber on one thread: what each does for a batch, the ring being in the cache.
//!
//! * `bus/publish/N`: N events pushed and committed to a ring with room.
//! * `bus/poll/N`: N records that are ready, looked at.
//! * `bus/publish_poll/N`: one after the other.
//! * `bus/fan_out/N`: 32 events to N subscribers.
//! * `bus/broadcast/…`: the same over the ring that subscribers share.
//!
//! What two cores cost each other is in `cargo bench --bench bus`.

use criterion::{BenchmarkId, Criterion, Throughput};
use ringtape::bus::{Delivery, Passage, Publisher, Ring, Subscriber, Subscription};
use ringtape::market::MarketEvent;
use ringtape::record::Content;
use std::time::{Duration, Instant};
use zerocopy::FromZeros;

const RING: u64 = 1_024;
const BATCH: u64 = 32;

pub(super) fn benches(criterion: &mut Criterion) {
    ends(criterion, "bus", Ring::Lane);
    ends(criterion, "bus/broadcast", Ring::Broadcast);
    fan_out(criterion, "bus", Ring::Lane);
    fan_out(criterion, "bus/broadcast", Ring::Broadcast);
}

fn ends(criterion: &mut Criterion, place: &str, ring: Ring) {
    let mut group = criterion.benchmark_group(format!("{place}/publish"));
    for batch in [1, BATCH] {
        group.throughput(Throughput::Elements(batch));
        group.bench_function(BenchmarkId::from_parameter(batch), |bencher| {
            let mut bus = Bus::new(ring, 1);
            bencher.iter_custom(|turns| bus.time_publish(turns, batch));
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group(format!("{place}/poll"));
    for batch in [1, BATCH] {
        group.throughput(Throughput::Elements(batch));
        group.bench_function(BenchmarkId::from_parameter(batch), |bencher| {
            let mut bus = Bus::new(ring, 1);
            bencher.iter_custom(|turns| bus.time_poll(turns, batch));
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group(format!("{place}/publish_poll"));
    for batch in [1, BATCH] {
        group.throughput(Throughput::Elements(batch));
        group.bench_function(BenchmarkId::from_parameter(batch), |bencher| {
            let mut bus = Bus::new(ring, 1);
            bencher.iter(|| {
                bus.publish(batch);
                bus.poll(batch);
            });
        });
    }
    group.finish();
}

fn fan_out(criterion: &mut Criterion, place: &str, ring: Ring) {
    let mut group = criterion.benchmark_group(format!("{place}/fan_out"));
    group.throughput(Throughput::Elements(BATCH));
    for subscribers in [2, 4, 8] {
        group.bench_function(BenchmarkId::from_parameter(subscribers), |bencher| {
            let mut bus = Bus::new(ring, subscribers);
            bencher.iter_custom(|turns| bus.time_publish(turns, BATCH));
        });
    }
    group.finish();
}

/// Both ends. An event's message is the low bits of its number, which every look compares.
struct Bus {
    publisher: Publisher<MarketEvent>,
    subscribers: Vec<Subscriber<MarketEvent>>,
    /// The number that each subscriber gets next.
    next: Vec<u64>,
    event: MarketEvent,
}

impl Bus {
    fn new(ring: Ring, subscribers: usize) -> Self {
        let mut publisher = Publisher::new(64);
        let subscription = Subscription {
            ring,
            capacity: usize::try_from(RING).expect("fits"),
            passages: false,
            ..Subscription::default()
        };
        let attach = |_| publisher.subscribe(subscription).expect("a valid ring");
        Self {
            subscribers: (0..subscribers).map(attach).collect(),
            publisher,
            next: vec![1; subscribers],
            event: MarketEvent::new_zeroed(),
        }
    }

    fn publish(&mut self, batch: u64) {
        let records = self.publisher.batch();
        for _ in 0..batch {
            let number = records.next_sequence().get();
            self.event.message = low(number);
            records.push_event(number, &self.event);
        }
        assert!(self.publisher.commit(Passage::default()));
    }

    /// Has every subscriber look at `batch` records, which are ready.
    fn poll(&mut self, batch: u64) {
        let limit = usize::try_from(batch).expect("fits");
        for (subscriber, next) in self.subscribers.iter_mut().zip(&mut self.next) {
            let polled = subscriber.poll(limit, |delivery| match delivery {
                Delivery::Record { record, .. } => {
                    let Content::Event(event) = record.content() else {
                        panic!("only events were published");
                    };
                    assert_eq!((record.ts_recv_ns(), event.message), (*next, low(*next)));
                    *next += 1;
                }
                Delivery::Overrun(gap) => panic!("lost {gap:?}"),
            });
            assert_eq!(polled, limit);
        }
    }

    /// Fills the ring, timed, and empties it, as often as it takes.
    fn time_publish(&mut self, turns: u64, batch: u64) -> Duration {
        self.time(turns, batch, true)
    }

    /// Fills the ring and empties it, timed, as often as it takes.
    fn time_poll(&mut self, turns: u64, batch: u64) -> Duration {
        self.time(turns, batch, false)
    }

    fn time(&mut self, turns: u64, batch: u64, publishing: bool) -> Duration {
        let (mut elapsed, mut left) = (Duration::ZERO, turns);
        while left > 0 {
            let filling = left.min(RING / batch);
            let begin = Instant::now();
            (0..filling).for_each(|_| self.publish(batch));
            let published = begin.elapsed();
            let begin = Instant::now();
            (0..filling).for_each(|_| self.poll(batch));
            elapsed += if publishing {
                published
            } else {
                begin.elapsed()
            };
            left -= filling;
        }
        elapsed
    }
}

fn low(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).expect("the low bits")
}
