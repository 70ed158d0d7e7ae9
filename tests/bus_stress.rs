//! Lossy and lossless subscribers of one bus, all at once, over the ring that they share and over
//! lanes, on records of which every word tells which record it belongs to: none is torn, none is
//! lost without being named.
//!
//! `RINGTAPE_TRANSFERS` says how many records each of the four is to account for, all together:
//! `RINGTAPE_TRANSFERS=1000000000 cargo test --release --test bus_stress -- --nocapture`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and this one has figures to show"
)]

use ringtape::bus::{Contract, Delivery, Passage, Publisher, Ring, Subscriber, Subscription};
use ringtape::record::{Content, Event, Schema};
use ringtape::wait::{Idle, WaitStrategy};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Small, so that it is lapped all the time.
const RING: usize = 64;
const READERS: u64 = 4;
/// Records for all readers together where nothing else is asked for.
const TRANSFERS: u64 = 400_000;
/// Longer than any thread is kept from its core.
const STALL_MAX: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Telling([u64; 6]);

impl Event for Telling {
    const SCHEMA: Schema = Schema {
        name: "telling",
        id: 0x7465_6c6c,
        version: 1,
    };
}

/// A word of the record `number`: another in each place.
fn word(number: u64, place: u64) -> u64 {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ place).rotate_left(23)
}

fn telling(number: u64) -> Telling {
    Telling([1, 2, 3, 4, 5, 6].map(|place| word(number, place)))
}

/// Fails where nothing has moved for too long.
struct Watch {
    idle: Idle,
    moved: Instant,
    empty: u32,
}

impl Watch {
    fn new() -> Self {
        Self {
            idle: Idle::new(WaitStrategy::Yield),
            moved: Instant::now(),
            empty: 0,
        }
    }

    fn after(&mut self, work: usize) {
        self.idle.after(work);
        self.empty = if work > 0 { 0 } else { self.empty + 1 };
        if self.empty == 0 {
            self.moved = Instant::now();
        } else if self.empty.is_multiple_of(1024) {
            assert!(self.moved.elapsed() < STALL_MAX, "nothing moves any more");
        }
    }
}

/// Takes everything, and returns how many records came and how many were overrun.
fn read(mut subscriber: Subscriber<Telling>, limit: usize) -> (u64, u64) {
    let mut watch = Watch::new();
    let (mut expected, mut handled, mut overrun) = (1, 0, 0);
    while !subscriber.is_closed() {
        let work = subscriber.poll(limit, |delivery| match delivery {
            Delivery::Record {
                record, passage, ..
            } => {
                assert_eq!(record.sequence().get(), expected, "in order");
                assert_eq!(record.ts_recv_ns(), word(expected, 0), "torn");
                let Content::Event(event) = record.content() else {
                    panic!("{record:?}");
                };
                assert_eq!(*event, telling(expected), "torn");
                // The commit that brought it told the number behind its last record.
                let Passage {
                    seen_ns,
                    decoded_ns,
                    published_ns,
                } = passage.unwrap();
                assert_eq!(decoded_ns, word(seen_ns, 9), "torn");
                assert_eq!(published_ns, word(seen_ns, 7), "torn");
                assert!(seen_ns > expected && seen_ns <= expected + 32, "torn");
                handled += 1;
                expected += 1;
            }
            Delivery::Overrun(gap) => {
                assert_eq!(gap.first, expected, "in order");
                overrun += gap.count();
                expected = gap.last + 1;
            }
        });
        watch.after(work);
    }
    (handled, overrun)
}

fn publish(mut publisher: Publisher<Telling>, count: u64, published: &AtomicU64) {
    let mut watch = Watch::new();
    let mut next = 1;
    while next <= count {
        // Batches of 1 to 32, as a seedless pattern that no ring divides.
        let size = (word(next, 8) % 32 + 1).min(count - next + 1);
        for _ in 0..size {
            publisher.batch().push_event(word(next, 0), &telling(next));
            next += 1;
        }
        let passage = Passage {
            seen_ns: next,
            decoded_ns: word(next, 9),
            published_ns: word(next, 7),
        };
        while !publisher.commit(passage) {
            watch.after(0);
        }
        watch.after(1);
    }
    published.store(next - 1, Ordering::Relaxed);
}

/// Runs `count` records past readers, and returns what each of them got.
fn run(count: u64, ring: Ring, contracts: &[Contract]) -> Vec<(u64, u64)> {
    let mut publisher = Publisher::<Telling>::new(32);
    let subscribers: Vec<_> = contracts
        .iter()
        .map(|&contract| {
            let subscription = Subscription {
                contract,
                ring,
                capacity: RING,
                passages: true,
            };
            publisher.subscribe(subscription).unwrap()
        })
        .collect();
    let books: Vec<_> = subscribers.iter().map(Subscriber::books).collect();
    let published = AtomicU64::new(0);
    let got: Vec<_> = thread::scope(|scope| {
        let readers: Vec<_> = subscribers
            .into_iter()
            .zip([1, 7, 64, 1024].into_iter().cycle())
            .map(|(subscriber, limit)| scope.spawn(move || read(subscriber, limit)))
            .collect();
        scope.spawn(|| publish(publisher, count, &published));
        readers.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert_eq!(published.load(Ordering::Relaxed), count);
    for ((handled, overrun), books) in got.iter().zip(books) {
        let account = books.account();
        assert!(account.completed && account.closes(), "{account:?}");
        assert_eq!(account.published, count);
        assert_eq!((account.handled, account.overrun), (*handled, *overrun));
        assert_eq!(handled + overrun, count, "every number is accounted for");
    }
    got
}

fn transfers() -> u64 {
    match std::env::var("RINGTAPE_TRANSFERS") {
        Ok(asked) => asked.parse().expect("RINGTAPE_TRANSFERS is a number"),
        Err(_) => TRANSFERS,
    }
}

/// Runs as many as are asked for past two readers of each contract.
fn check_mixed(ring: Ring) {
    use Contract::{Lossless, Lossy};
    let count = transfers() / READERS;
    let got = run(count, ring, &[Lossless, Lossy, Lossless, Lossy]);
    println!("{ring:?}: {count} records to each of {READERS}; (handled, overrun): {got:?}");
    assert_eq!((got[0], got[2]), ((count, 0), (count, 0)));
}

#[test]
fn nothing_is_torn_or_lost_where_lossy_and_lossless_subscribers_share_the_ring() {
    check_mixed(Ring::Broadcast);
}

#[test]
fn nothing_is_torn_or_lost_over_lanes() {
    check_mixed(Ring::Lane);
}

#[test]
fn nothing_is_torn_where_the_publisher_laps_everybody() {
    let count = transfers() / READERS;
    let got = run(count, Ring::Broadcast, &[Contract::Lossy; 4]);
    println!("{count} records to each of {READERS}; (handled, overrun): {got:?}");
    let overrun: u64 = got.iter().map(|(_, overrun)| overrun).sum();
    assert!(overrun > 0, "nobody was lapped: nothing is proved");
}
