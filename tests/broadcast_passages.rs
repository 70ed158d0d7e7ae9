//! Subscribers of the broadcast ring that come at any moment, with passages and without, and read
//! it in every way at once while it is written: each record has the passage of its own batch, and
//! whoever waits for the end of a batch is told of it.
//!
//! `RINGTAPE_SEEDS=10000 cargo test --profile testrelease --test broadcast_passages` looks longer;
//! `RINGTAPE_SEED=n` repeats one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod random;

use random::Random;
use ringtape::bus::{
    Account, Contract, Delivery, Passage, Publisher, Ready, Ring, Subscriber, Subscription,
};
use ringtape::record::{Content, Event, Record, Schema, Sequence};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

const SEEDS: u64 = 20;
const RECORDS: u64 = 500;
const READERS_MAX: usize = 6;
const BATCH_MAX: u64 = 48;
/// Longer than any thread is kept from its core.
const STALL_MAX: Duration = Duration::from_secs(60);

/// A record that tells its number and its batch.
#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Telling {
    number: u64,
    batch: u64,
    rest: [u64; 4],
}

impl Event for Telling {
    const SCHEMA: Schema = Schema {
        name: "telling",
        id: 0x7465_6c6d,
        version: 1,
    };
}

fn word(batch: u64, place: u64) -> u64 {
    (batch.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ place).rotate_left(23)
}

fn passage_of(batch: u64) -> Passage {
    Passage {
        seen_ns: batch,
        decoded_ns: word(batch, 1),
        published_ns: word(batch, 2),
    }
}

/// What a handler of this test panics with.
struct Wanted;

struct Reader {
    subscriber: Subscriber<Telling>,
    passages: bool,
    random: Random,
    /// The number after the last that was given or is missing.
    expected: u64,
    handled: u64,
    overrun: u64,
    /// Whether the latest delivery of a poll says that more is there.
    owes_more: bool,
}

impl Reader {
    fn new(subscriber: Subscriber<Telling>, passages: bool, first: u64, seed: u64) -> Self {
        Self {
            subscriber,
            passages,
            random: Random(seed),
            expected: first,
            handled: 0,
            overrun: 0,
            owes_more: false,
        }
    }

    /// Returns how many records it was given, and how many were missing.
    fn run(mut self) -> (u64, u64) {
        let goes_after = match self.random.below(4) {
            0 => self.random.below(RECORDS),
            _ => u64::MAX,
        };
        let mut moved = Instant::now();
        while !self.subscriber.is_closed() && self.handled < goes_after {
            let before = self.expected;
            if self.random.one_in(3) {
                self.take();
            } else {
                self.poll();
            }
            if self.expected == before {
                assert!(moved.elapsed() < STALL_MAX, "nothing moves any more");
                thread::yield_now();
            } else {
                moved = Instant::now();
            }
            // So that a small ring is lapped whatever the number of cores.
            if self.random.one_in(8) {
                (0..self.random.below(4)).for_each(|_| thread::yield_now());
            }
        }
        (self.handled, self.overrun)
    }

    fn poll(&mut self) {
        let limit = self.random.any(&[0, 1, 2, 3, 7, 64, usize::MAX]);
        let ends = self.random.below(12);
        let panics = self.random.one_in(16);
        let (mut given, owed) = (0, self.owes_more);
        let Self {
            subscriber,
            passages,
            expected,
            handled,
            overrun,
            owes_more,
            ..
        } = self;
        let polled = catch_unwind(AssertUnwindSafe(|| {
            subscriber.poll_while(limit, |delivery| {
                if panics && given == ends {
                    // Without the hook, which would print each.
                    resume_unwind(Box::new(Wanted));
                }
                match delivery {
                    Delivery::Record {
                        record,
                        passage,
                        ready_behind,
                        end_of_batch,
                    } => {
                        let batch = check(record, *expected);
                        assert_eq!(passage, passages.then(|| passage_of(batch)));
                        assert_eq!(end_of_batch, ready_behind == 0);
                        *handled += 1;
                        *expected += 1;
                        *owes_more = !end_of_batch;
                    }
                    Delivery::Overrun(gap) => {
                        assert_eq!(gap.first, *expected);
                        *overrun += gap.count();
                        *expected = gap.last + 1;
                        *owes_more = false;
                    }
                }
                given += 1;
                given <= ends
            })
        }));
        match polled {
            Ok(count) => {
                assert_eq!(count as u64, given);
                let is_owed = owed && limit > 0;
                assert!(given > 0 || !is_owed, "more was said to be there");
            }
            Err(panic) if panic.is::<Wanted>() => {}
            Err(other) => resume_unwind(other),
        }
    }

    fn take(&mut self) {
        let limit = self.random.any(&[1, 2, 7, 64, usize::MAX]);
        let is_taken = !self.random.one_in(4);
        match self.subscriber.ready(limit) {
            Ready::Nothing => assert!(!self.owes_more, "more was said to be there"),
            Ready::Overrun(gap) => {
                assert_eq!(gap.first, self.expected);
                self.overrun += gap.count();
                self.expected = gap.last + 1;
                self.owes_more = false;
            }
            Ready::Records(run) => {
                let [first, second] = run.records();
                let mut count = 0;
                for (record, number) in first.iter().chain(second).zip(self.expected..) {
                    check(record, number);
                    count += 1;
                }
                assert!(count > 0 && count <= limit as u64);
                if is_taken {
                    run.take();
                    self.handled += count;
                    self.expected += count;
                    self.owes_more = false;
                }
            }
        }
    }
}

/// Sees that a record is whole, and returns its batch.
fn check(record: &Record<Telling>, number: u64) -> u64 {
    assert_eq!(record.sequence().get(), number, "in order");
    let Content::Event(&Telling {
        number: told,
        batch,
        rest,
    }) = record.content()
    else {
        panic!("{record:?}");
    };
    assert_eq!(told, number, "torn");
    assert_eq!(record.ts_recv_ns(), word(number, batch), "torn");
    assert_eq!(rest, [3, 4, 5, 6].map(|place| word(number, place)), "torn");
    batch
}

/// A reader that was attached: how to account for it.
struct Attached<'scope> {
    thread: thread::ScopedJoinHandle<'scope, (u64, u64)>,
    books: std::sync::Arc<ringtape::bus::Books>,
    first: u64,
    lossless: bool,
}

struct World<'scope, 'env> {
    scope: &'scope thread::Scope<'scope, 'env>,
    publisher: Publisher<Telling>,
    random: Random,
    capacity: usize,
    attached: Vec<Attached<'scope>>,
    batch: u64,
    cleared: bool,
}

impl World<'_, '_> {
    fn push(&mut self, count: u64) {
        for _ in 0..count {
            let number = self.publisher.next_sequence().get();
            let telling = Telling {
                number,
                batch: self.batch,
                rest: [3, 4, 5, 6].map(|place| word(number, place)),
            };
            let stamp_ns = word(number, self.batch);
            self.publisher.batch().push_event(stamp_ns, &telling);
        }
    }

    fn attach(&mut self) {
        let lossless = self.random.one_in(3);
        let passages = !self.random.one_in(3);
        let subscription = Subscription {
            contract: if lossless {
                Contract::Lossless
            } else {
                Contract::Lossy
            },
            ring: Ring::Broadcast,
            capacity: self.capacity,
            passages,
        };
        let first = self.publisher.next_sequence().get();
        let subscriber = self.publisher.subscribe(subscription).unwrap();
        let books = subscriber.books();
        let seed = self.random.below(u64::MAX);
        let reader = Reader::new(subscriber, passages, first, seed);
        self.attached.push(Attached {
            thread: self.scope.spawn(move || reader.run()),
            books,
            first,
            lossless,
        });
    }

    /// Writes one batch, in the midst of which others may come.
    fn write(&mut self) {
        self.batch += 1;
        let bound = if self.random.one_in(2) { 3 } else { BATCH_MAX };
        let size = self.random.below(bound) + 1;
        let before = self.random.below(size + 1);
        self.push(before);
        if self.attached.len() < READERS_MAX && self.random.one_in(12) {
            self.attach();
        }
        self.push(size - before);
        if self.random.one_in(40) {
            self.publisher.batch().clear();
            self.cleared = true;
        }
        let mut moved = Instant::now();
        let mut waiting = self.publisher.batch().records().len();
        while !self.publisher.commit(passage_of(self.batch)) {
            let left = self.publisher.batch().records().len();
            if left != waiting {
                (waiting, moved) = (left, Instant::now());
            }
            assert!(moved.elapsed() < STALL_MAX, "nothing moves any more");
            if self.random.one_in(200) {
                self.publisher.batch().clear();
                self.cleared = true;
            }
            thread::yield_now();
        }
        if self.random.one_in(4) {
            thread::yield_now();
        }
    }
}

fn run(seed: u64) {
    let mut random = Random(seed);
    let capacity = random.any(&[1, 2, 3, 4, 5, 8, 9, 16, 32, 64, 256]);
    let first = match random.below(4) {
        0 => Sequence::MAX.get() - 2 * RECORDS,
        1 => 1 + random.below(100),
        _ => 1,
    };
    let batch_capacity = usize::try_from(BATCH_MAX).unwrap();
    let publisher = Publisher::starting_at(Sequence::new(first), batch_capacity);
    thread::scope(|scope| {
        let mut world = World {
            scope,
            publisher,
            random,
            capacity,
            attached: Vec::new(),
            batch: 0,
            cleared: false,
        };
        while world.publisher.next_sequence().get() < first + RECORDS {
            world.write();
        }
        let World {
            publisher,
            attached,
            cleared,
            ..
        } = world;
        let end = publisher.next_sequence().get();
        drop(publisher);
        for reader in attached {
            let (handled, overrun) = reader.thread.join().unwrap();
            let account: Account = reader.books.account();
            assert_eq!(account.published, end - reader.first);
            assert_eq!((account.handled, account.overrun_seen), (handled, overrun));
            // What was cleared was lost by who waits for others as well, and its books tell.
            if !reader.lossless || !cleared {
                assert!(account.closes(), "{account:?}");
                assert!(!reader.lossless || overrun == 0, "{account:?}");
            }
            if account.completed {
                assert_eq!(handled + overrun, end - reader.first);
            }
        }
    });
}

fn number<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().ok().expect("a number"))
}

#[test]
fn each_record_has_the_passage_of_its_batch_whoever_comes_goes_and_reads_how() {
    let seeds = match number("RINGTAPE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("RINGTAPE_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        if let Err(panic) = catch_unwind(|| run(seed)) {
            let again = "cargo test --test broadcast_passages";
            panic!(
                "RINGTAPE_SEED={seed} {again}: {:?}",
                panic.downcast_ref::<&str>()
            );
        }
    }
}
