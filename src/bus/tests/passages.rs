//! Passages of the broadcast ring, wherever a subscriber comes in, whatever is missing before a
//! record, and however the ring is read: beside the naive ring.

use super::naive::{Entry, Naive, NaiveReader, Sight};
use super::reads::{Act, acts, peek};
use super::*;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Records that wait at most.
const BATCH: usize = 40;

/// What is done with a bus.
#[derive(Clone, Copy, Debug)]
enum Step {
    Push(u64),
    Commit,
    /// What waits is cleared.
    Clear,
    Attach {
        lossless: bool,
        passages: bool,
    },
    Read(usize, Act),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let attach = |(lossless, passages)| Step::Attach { lossless, passages };
    let reads = (0_usize..4, acts(), 0_usize..40).prop_map(|(who, act, more)| {
        // Nothing at all, and as much as a ring has, beside the few that `acts` takes.
        let act = match act {
            Act::Poll(_) if more < 4 => Act::Poll(more * more * more),
            Act::Stop(..) if more < 20 => Act::Stop(40, more),
            Act::Panic(..) if more < 20 => Act::Panic(40, more),
            act => act,
        };
        Step::Read(who, act)
    });
    let step = prop_oneof![
        4 => (0_u64..7).prop_map(Step::Push),
        2 => (0_u64..=BATCH as u64).prop_map(Step::Push),
        6 => Just(Step::Commit),
        1 => Just(Step::Clear),
        1 => any::<(bool, bool)>().prop_map(attach),
        10 => reads,
    ];
    prop::collection::vec(step, 1..200)
}

/// The passage that all records of the commit `stamp_ns` have: another in each word.
fn passage(stamp_ns: u64) -> Passage {
    Passage {
        seen_ns: stamp_ns,
        decoded_ns: stamp_ns.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        published_ns: !stamp_ns,
    }
}

struct Reader {
    subscriber: Option<Subscriber<MarketEvent>>,
    passages: bool,
}

/// A bus beside the naive ring.
struct World {
    publisher: Bus,
    readers: Vec<Reader>,
    naive: Naive,
    capacity: usize,
    commits: u64,
}

/// What a handler of these tests panics with.
struct Wanted;

impl World {
    fn new(first: u64, capacity: usize) -> Self {
        let publisher = Bus::starting_at(Sequence::new(first), BATCH);
        let mut world = Self {
            publisher,
            readers: Vec::new(),
            naive: Naive {
                capacity: capacity.next_power_of_two().max(2) as u64,
                written: BTreeMap::new(),
                next: first,
                readers: Vec::new(),
            },
            capacity,
            commits: 0,
        };
        // Makes the ring, of which no more is asked than that.
        world.attach(false, false);
        world
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Push(count) => {
                let waiting = self.publisher.batch().records().len() as u64;
                push(&mut self.publisher, count.min(BATCH as u64 - waiting));
            }
            Step::Commit => {
                self.commits += 1;
                let next = self.publisher.next_sequence().get();
                let first = next - self.publisher.batch().records().len() as u64;
                let committed = self.publisher.commit(passage(self.commits));
                assert_eq!(committed, self.naive.commit(first..next, self.commits));
            }
            Step::Clear => self.publisher.batch().clear(),
            Step::Attach { lossless, passages } => self.attach(lossless, passages),
            Step::Read(who, act) => {
                if who < self.readers.len() {
                    self.read(who, act);
                }
            }
        }
    }

    fn attach(&mut self, lossless: bool, passages: bool) {
        if self.readers.len() == 4 {
            return;
        }
        let contract = if lossless {
            Contract::Lossless
        } else {
            Contract::Lossy
        };
        let subscription = Subscription {
            passages,
            ..subscription(Ring::Broadcast, contract, self.capacity)
        };
        let first = self.publisher.next_sequence().get();
        let subscriber = self.publisher.subscribe(subscription).unwrap();
        self.readers.push(Reader {
            subscriber: Some(subscriber),
            passages,
        });
        self.naive.readers.push(NaiveReader {
            lossless,
            first,
            expected: first,
            cursor: first,
            gone: false,
        });
        let wanted = self.readers.iter().any(|reader| reader.passages);
        assert_eq!(self.publisher.wants_passages(), wanted);
    }

    fn read(&mut self, who: usize, act: Act) {
        let (got, expected) = match act {
            Act::Poll(limit) => (
                self.poll(who, limit, usize::MAX, false),
                self.naive.poll(who, limit, usize::MAX),
            ),
            Act::Stop(limit, at) => (
                self.poll(who, limit, at, false),
                self.naive.poll(who, limit, at + 1),
            ),
            Act::Panic(limit, at) => (
                self.poll(who, limit, at, true),
                self.naive.poll(who, limit, at),
            ),
            Act::Take(limit) | Act::Leave(limit) => {
                let is_taken = matches!(act, Act::Take(_));
                let expected = match self.readers[who].subscriber {
                    Some(_) => self.naive.ready(who, limit),
                    None => Vec::new(),
                };
                let got = self.ready(who, limit, is_taken);
                if is_taken || matches!(expected[..], [Expected::Overrun(..)]) {
                    self.naive.take(who, &expected);
                }
                (got, expected)
            }
            Act::Peek(limit) => {
                let Some(subscriber) = &mut self.readers[who].subscriber else {
                    return;
                };
                let mut expected = self.naive.ready(who, limit);
                expected.retain(|expected| matches!(expected, Expected::Record(_)));
                (peek(subscriber, limit), expected)
            }
            Act::Go => {
                self.readers[who].subscriber = None;
                self.naive.readers[who].gone = true;
                return;
            }
            Act::Clear => return,
        };
        if self.readers[who].subscriber.is_some() {
            assert_eq!(got, expected, "subscriber {who}, {act:?}");
        }
    }

    /// Polls up to the delivery `at`, with which the handler stops or panics, and checks each
    /// record's passage, and what is said to be behind it.
    fn poll(&mut self, who: usize, limit: usize, at: usize, panics: bool) -> Vec<Expected> {
        let mut got = Vec::new();
        let naive = &self.naive;
        let Reader {
            subscriber: Some(subscriber),
            passages,
        } = &mut self.readers[who]
        else {
            return got;
        };
        let polled = catch_unwind(AssertUnwindSafe(|| {
            subscriber.poll_while(limit, |delivery| {
                if panics && got.len() == at {
                    // Without the hook, which would print each.
                    resume_unwind(Box::new(Wanted));
                }
                got.push(check(naive, *passages, &delivery));
                got.len() <= at
            })
        }));
        match polled {
            Ok(count) => assert_eq!(count, got.len()),
            Err(panic) if panic.is::<Wanted>() => {}
            Err(other) => resume_unwind(other),
        }
        got
    }

    fn ready(&mut self, who: usize, limit: usize, is_taken: bool) -> Vec<Expected> {
        let Some(subscriber) = &mut self.readers[who].subscriber else {
            return Vec::new();
        };
        match subscriber.ready(limit) {
            Ready::Nothing => Vec::new(),
            Ready::Overrun(gap) => vec![Expected::Overrun(gap.first, gap.last)],
            Ready::Records(run) => {
                let numbers = run.records().concat();
                let numbers = numbers.iter().map(|record| record.sequence().get());
                let got = numbers.map(Expected::Record).collect();
                if is_taken {
                    run.take();
                }
                got
            }
        }
    }
}

fn check(naive: &Naive, passages: bool, delivery: &Delivery<'_, MarketEvent>) -> Expected {
    let (record, given, ready_behind, end_of_batch) = match *delivery {
        Delivery::Overrun(gap) => return Expected::Overrun(gap.first, gap.last),
        Delivery::Record {
            record,
            passage,
            ready_behind,
            end_of_batch,
        } => (record, passage, ready_behind as u64, end_of_batch),
    };
    let number = record.sequence().get();
    assert_eq!(record.ts_recv_ns(), number, "the body belongs to the stamp");
    let Entry { stamp_ns, .. } = naive.written[&number];
    assert_eq!(given, passages.then(|| passage(stamp_ns)), "of {number}");
    let is_last = matches!(naive.see(number + 1), Sight::Nothing);
    assert_eq!(end_of_batch, is_last, "{number}");
    assert_eq!(end_of_batch, ready_behind == 0, "{number}");
    let behind = naive.next - number - 1;
    assert!(ready_behind <= behind.min(naive.capacity), "{number}");
    Expected::Record(number)
}

proptest! {
    #[test]
    fn each_record_comes_with_the_passage_of_its_commit_wherever_one_comes_in(
        first in prop_oneof![Just(1), 1_u64..100, Just(Sequence::MAX.get() - 200 * 40)],
        capacity in prop_oneof![1_usize..6, 1_usize..70],
        steps in steps(),
    ) {
        let mut world = World::new(first, capacity);
        for step in steps {
            world.step(step);
        }
        // Whoever waits takes the rest, so that nobody is held back.
        let next = world.publisher.next_sequence().get();
        for turn in 0.. {
            world.step(Step::Commit);
            let is_done = !world.publisher.has_backlog();
            for who in 0..world.readers.len() {
                world.read(who, Act::Poll(7));
            }
            let naive = &world.naive.readers;
            if is_done && naive.iter().all(|reader| reader.gone || reader.expected == next) {
                break;
            }
            // Records that were cleared at the end are missing only once something follows.
            if is_done && world.naive.next < next {
                break;
            }
            prop_assert!(turn < 1_000, "it never ends");
        }
        drop(world.publisher);
        for reader in world.readers {
            let Some(mut subscriber) = reader.subscriber else { continue };
            for _ in 0..100 {
                subscriber.poll(7, |_| ());
            }
            prop_assert!(subscriber.is_closed());
        }
    }
}
