//! Every way to read a subscription, in any order, beside the naive bus of lanes.

use super::*;

/// How a subscriber is read, or a publisher misused.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    /// [`Subscriber::poll`] with a limit.
    Poll(usize),
    /// The same with a handler that panics on its delivery number so much, from 0.
    Panic(usize, usize),
    /// [`Subscriber::poll_while`], up to its delivery number so much, from 0.
    Stop(usize, usize),
    /// [`Subscriber::ready`] with a limit, and what it lends is taken.
    Take(usize),
    /// The same, and it is left.
    Leave(usize),
    /// [`Subscriber::peek`] with a limit, and a poll with the same.
    Peek(usize),
    /// The subscriber goes.
    Go,
    /// The batch is cleared before it was handed over.
    Clear,
}

pub(super) fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (1_usize..9).prop_map(Act::Poll),
        2 => (1_usize..9, 0_usize..6).prop_map(|(limit, at)| Act::Panic(limit, at)),
        2 => (1_usize..9, 0_usize..6).prop_map(|(limit, at)| Act::Stop(limit, at)),
        6 => (1_usize..9).prop_map(Act::Take),
        2 => (1_usize..9).prop_map(Act::Leave),
        3 => (1_usize..9).prop_map(Act::Peek),
        1 => Just(Act::Go),
        1 => Just(Act::Clear),
    ]
}

/// A subscriber beside its model, with all that either gave.
struct Pair {
    subscriber: Option<Subscriber<MarketEvent>>,
    model: Model,
    got: Vec<Expected>,
    expected: Vec<Expected>,
    /// Last number and `seen_ns` of each commit that handed records over.
    commits: Vec<(u64, u64)>,
}

impl Pair {
    /// Lets the subscriber act, and sees that the model gives the same.
    fn act(&mut self, act: Act) {
        let Some(subscriber) = &mut self.subscriber else {
            return;
        };
        let before = self.got.len();
        let mut polled = |limit, ends| poll(subscriber, limit, ends, &self.commits, &mut self.got);
        match act {
            Act::Poll(limit) => polled(limit, Ends::Nowhere),
            Act::Panic(limit, at) => polled(limit, Ends::Panics(at)),
            Act::Stop(limit, at) => polled(limit, Ends::Stops(at)),
            Act::Take(limit) | Act::Leave(limit) => match subscriber.ready(limit) {
                Ready::Nothing => assert!(self.model.queue.is_empty(), "and yet nothing"),
                Ready::Overrun(gap) => self.got.push(Expected::Overrun(gap.first, gap.last)),
                Ready::Records(run) => {
                    let [first, second] = run.records();
                    let numbers = first.iter().chain(second).map(|r| r.sequence().get());
                    let numbers: Vec<_> = numbers.collect();
                    assert!((1..=limit).contains(&numbers.len()));
                    if matches!(act, Act::Take(_)) {
                        run.take();
                        self.got.extend(numbers.into_iter().map(Expected::Record));
                    }
                }
            },
            Act::Peek(limit) => {
                let shown = peek(subscriber, limit);
                assert!(shown.len() <= limit);
                poll(
                    subscriber,
                    limit,
                    Ends::Nowhere,
                    &self.commits,
                    &mut self.got,
                );
                let mut given = self.got[before..].to_vec();
                assert!(!shown.is_empty() || !matches!(given.first(), Some(Expected::Record(_))));
                given.retain(|given| matches!(given, Expected::Record(_)));
                assert!(
                    given.starts_with(&shown),
                    "{shown:?} shown, {given:?} given"
                );
            }
            Act::Go => self.subscriber = None,
            Act::Clear => {}
        }
        let is_record = |given: &&Expected| matches!(given, Expected::Record(_));
        let records = self.got[before..].iter().filter(is_record).count();
        self.expected.extend(self.model.poll(records));
        // An overrun can come by itself, and then the record that reveals it later.
        let (got, rest) = self.got.split_at(self.expected.len());
        assert_eq!(got, self.expected);
        assert!(rest.is_empty() || matches!(rest, [Expected::Overrun(..)]));
    }
}

/// Returns what a subscriber is shown.
pub(super) fn peek(subscriber: &mut Subscriber<MarketEvent>, limit: usize) -> Vec<Expected> {
    let mut shown = Vec::new();
    subscriber.peek(limit, |records| {
        assert!(!records.is_empty());
        shown.extend(records.iter().map(|record| {
            let n = record.sequence().get();
            assert_eq!(record.ts_recv_ns(), n, "the body belongs to the stamp");
            Expected::Record(n)
        }));
    });
    shown
}

/// What a handler of these tests panics with.
struct Wanted;

/// Which delivery is the last, counted from 0.
#[derive(Clone, Copy)]
pub(super) enum Ends {
    Nowhere,
    /// There the handler panics, and has not taken it.
    Panics(usize),
    /// It is taken, and nothing after it.
    Stops(usize),
}

/// Polls, and checks the passage of each record.
pub(super) fn poll(
    subscriber: &mut Subscriber<MarketEvent>,
    limit: usize,
    ends: Ends,
    commits: &[(u64, u64)],
    got: &mut Vec<Expected>,
) {
    let mut deliveries = 0;
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        subscriber.poll_while(limit, |delivery| {
            if matches!(ends, Ends::Panics(at) if at == deliveries) {
                // Without the hook, which would print each.
                std::panic::resume_unwind(Box::new(Wanted));
            }
            let goes_on = !matches!(ends, Ends::Stops(at) if at == deliveries);
            deliveries += 1;
            got.push(match delivery {
                Delivery::Record {
                    record, passage, ..
                } => {
                    let n = record.sequence().get();
                    assert_eq!(record.ts_recv_ns(), n, "the body belongs to the stamp");
                    let commit = commits.iter().find(|(last, _)| *last >= n);
                    let seen_ns = passage.map(|passage| passage.seen_ns);
                    assert_eq!(seen_ns, commit.map(|(_, seen_ns)| *seen_ns));
                    Expected::Record(n)
                }
                Delivery::Overrun(gap) => Expected::Overrun(gap.first, gap.last),
            });
            goes_on
        })
    }));
    if let Ends::Stops(at) = ends {
        assert!(deliveries <= at + 1, "nothing is given after the stop");
    }
    match polled {
        Ok(returned) => assert_eq!(returned, deliveries),
        Err(panic) if panic.is::<Wanted>() => {}
        Err(other) => std::panic::resume_unwind(other),
    }
}

proptest! {
    /// Steps are (subscriber that acts, how, records to publish first).
    #[test]
    fn every_way_to_read_gives_what_the_naive_bus_gives(
        lanes in prop::collection::vec((any::<bool>(), 1_usize..12), 1..4),
        steps in prop::collection::vec((0_usize..4, acts(), 0_u64..7), 1..200),
    ) {
        let mut publisher = Bus::new(8);
        let contract = |lossy| if lossy { Contract::Lossy } else { Contract::Lossless };
        let mut pairs: Vec<_> = lanes
            .iter()
            .map(|&(lossy, capacity)| Pair {
                subscriber: {
                    let asked = subscription(Ring::Lane, contract(lossy), capacity);
                    Some(publisher.subscribe(asked).unwrap())
                },
                model: Model {
                    contract: contract(lossy),
                    capacity,
                    queue: VecDeque::new(),
                    waiting: VecDeque::new(),
                    expected: 1,
                },
                got: Vec::new(),
                expected: Vec::new(),
                commits: Vec::new(),
            })
            .collect();
        let books: Vec<_> = pairs
            .iter()
            .map(|pair| pair.subscriber.as_ref().unwrap().books())
            .collect();
        let mut cleared = false;
        let mut stamp_ns = 0;
        for (who, act, count) in steps {
            let first = publisher.batch().next_sequence().get();
            let mut count = if publisher.has_backlog() { 0 } else { count };
            push(&mut publisher, count);
            if matches!(act, Act::Clear) {
                cleared |= publisher.has_backlog();
                publisher.batch().clear();
                pairs.iter_mut().for_each(|pair| pair.model.waiting.clear());
                count = 0;
            }
            stamp_ns += 1;
            let committed = publisher.commit(Passage {
                seen_ns: stamp_ns,
                decoded_ns: stamp_ns,
                published_ns: stamp_ns,
            });
            let mut modelled = true;
            for pair in pairs.iter_mut().filter(|pair| pair.subscriber.is_some()) {
                let before = pair.model.queue.back().copied();
                modelled &= pair.model.commit(first..first + count);
                let last = pair.model.queue.back().copied();
                if let Some(last) = last && before != Some(last) {
                    pair.commits.push((last, stamp_ns));
                }
            }
            prop_assert_eq!(committed, modelled);
            if let Some(pair) = pairs.get_mut(who) {
                pair.act(act);
            }
        }
        let next = publisher.batch().next_sequence().get();
        drop(publisher);
        for (mut pair, books) in pairs.into_iter().zip(books) {
            let stayed = pair.subscriber.is_some();
            // Both ways to read see the end, and the loss at the very end.
            for turn in 0.. {
                let Some(subscriber) = &pair.subscriber else { break };
                if subscriber.is_closed() {
                    break;
                }
                assert!(turn < 1_000, "it never ends");
                if pair.model.queue.is_empty() {
                    let lost = pair.model.close(next);
                    pair.expected.extend(lost);
                    pair.model.expected = next;
                    let subscriber = pair.subscriber.as_mut().unwrap();
                    while !subscriber.is_closed() {
                        if turn % 2 == 0 {
                            poll(subscriber, 3, Ends::Nowhere, &[], &mut pair.got);
                        } else if let Ready::Overrun(gap) = subscriber.ready(3) {
                            pair.got.push(Expected::Overrun(gap.first, gap.last));
                        }
                    }
                } else {
                    pair.act(if turn % 2 == 0 { Act::Take(3) } else { Act::Poll(3) });
                }
            }
            let account = books.account();
            if stayed {
                prop_assert_eq!(&pair.got, &pair.expected);
                prop_assert!(account.completed);
                prop_assert_eq!(account.left_behind, 0);
            }
            prop_assert_eq!(account.published, next - 1);
            prop_assert!(cleared || account.closes(), "{account:?}");
        }
    }
}
