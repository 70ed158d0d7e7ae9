mod broadcast;
mod naive;
mod passages;
mod reads;

use super::*;
use crate::market::MarketEvent;
use proptest::prelude::*;
use std::collections::VecDeque;

type Bus = Publisher<MarketEvent>;

const RINGS: [Ring; 2] = [Ring::Lane, Ring::Broadcast];

fn subscription(ring: Ring, contract: Contract, capacity: usize) -> Subscription {
    Subscription {
        contract,
        ring,
        capacity,
        passages: true,
    }
}

fn push(publisher: &mut Bus, count: u64) {
    for _ in 0..count {
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
    }
}

/// What a subscriber is to be given: single numbers, or runs that were overrun.
#[derive(Debug, PartialEq, Clone, Copy)]
enum Expected {
    Record(u64),
    Overrun(u64, u64),
}

fn drain(subscriber: &mut Subscriber<MarketEvent>, limit: usize) -> Vec<Expected> {
    let mut got = Vec::new();
    subscriber.poll(limit, |delivery| {
        got.push(match delivery {
            Delivery::Record {
                record, passage, ..
            } => {
                let n = record.sequence().get();
                assert_eq!(record.ts_recv_ns(), n, "the body belongs to the stamp");
                let passage = passage.expect("asked for");
                assert_eq!(passage.published_ns, passage.seen_ns + 1);
                assert!(passage.seen_ns >= n, "committed with or after the record");
                Expected::Record(n)
            }
            Delivery::Overrun(gap) => {
                assert_eq!(gap.cause, GapCause::Overrun);
                Expected::Overrun(gap.first, gap.last)
            }
        });
    });
    got
}

/// A commit stamped with the last number it covers, so that `drain` can check the passage.
fn commit(publisher: &mut Bus) -> bool {
    let seen_ns = publisher.batch().next_sequence().get() - 1;
    publisher.commit(Passage {
        seen_ns,
        decoded_ns: seen_ns,
        published_ns: seen_ns + 1,
    })
}

#[test]
fn an_overrun_is_delivered_before_the_record_that_reveals_it() {
    let mut publisher = Bus::new(16);
    let mut subscriber = publisher
        .subscribe(subscription(Ring::Lane, Contract::Lossy, 2))
        .unwrap();
    push(&mut publisher, 5);
    assert!(commit(&mut publisher));
    use Expected::{Overrun, Record};
    assert_eq!(drain(&mut subscriber, 9), [Record(1), Record(2)]);
    push(&mut publisher, 1);
    assert!(commit(&mut publisher));
    assert_eq!(drain(&mut subscriber, 9), [Overrun(3, 5), Record(6)]);
}

#[test]
fn a_loss_at_the_very_end_is_seen_at_close() {
    let mut publisher = Bus::new(16);
    let mut subscriber = publisher
        .subscribe(subscription(Ring::Lane, Contract::Lossy, 2))
        .unwrap();
    let books = subscriber.books();
    push(&mut publisher, 5);
    assert!(commit(&mut publisher));
    drop(publisher);
    assert!(!subscriber.is_closed());
    assert_eq!(
        drain(&mut subscriber, 9),
        [Expected::Record(1), Expected::Record(2)]
    );
    assert!(!subscriber.is_closed());
    assert_eq!(drain(&mut subscriber, 9), [Expected::Overrun(3, 5)]);
    assert!(subscriber.is_closed());
    assert_eq!(drain(&mut subscriber, 9), []);
    assert!(books.account().closes());
    assert_eq!(books.account().overrun, 3);
}

#[test]
fn a_lossless_subscriber_holds_the_batch_back_and_loses_nothing() {
    for ring in RINGS {
        let mut publisher = Bus::new(16);
        let mut slow = publisher
            .subscribe(subscription(ring, Contract::Lossless, 2))
            .unwrap();
        let mut fast = publisher
            .subscribe(subscription(Ring::Lane, Contract::Lossy, 16))
            .unwrap();
        push(&mut publisher, 5);
        assert!(!commit(&mut publisher));
        assert!(publisher.has_backlog());
        assert_eq!(drain(&mut fast, 16).len(), 5, "the others have it already");
        let mut got = drain(&mut slow, 16);
        assert!(!commit(&mut publisher));
        got.extend(drain(&mut slow, 16));
        assert!(commit(&mut publisher));
        got.extend(drain(&mut slow, 16));
        assert_eq!(got, (1..=5).map(Expected::Record).collect::<Vec<_>>());
        assert_eq!(drain(&mut fast, 16), [], "and get it once");
    }
}

#[test]
fn a_subscriber_that_has_gone_holds_nobody_back_and_is_accounted_for() {
    for ring in RINGS {
        let mut publisher = Bus::new(16);
        let mut gone = publisher
            .subscribe(subscription(ring, Contract::Lossless, 4))
            .unwrap();
        let books = gone.books();
        push(&mut publisher, 3);
        assert!(commit(&mut publisher));
        assert_eq!(gone.poll(1, |_| ()), 1);
        drop(gone);
        push(&mut publisher, 4);
        assert!(commit(&mut publisher));
        drop(publisher);
        let account = books.account();
        assert_eq!(
            (account.published, account.handled, account.left_behind),
            (7, 1, 6)
        );
        assert!(account.closes());
    }
}

#[test]
fn the_record_on_which_a_handler_panicked_counts_as_left_behind() {
    for ring in RINGS {
        let mut publisher = Bus::new(16);
        let mut subscriber = publisher
            .subscribe(subscription(ring, Contract::Lossy, 8))
            .unwrap();
        let books = subscriber.books();
        push(&mut publisher, 5);
        assert!(commit(&mut publisher));
        let mut seen = 0;
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            subscriber.poll(8, |_| {
                seen += 1;
                assert!(seen < 3, "third record");
            });
        }));
        assert!(outcome.is_err());
        let account = books.account();
        assert_eq!((account.handled, account.left_behind), (2, 3));

        // Whoever goes on nevertheless is given it again, and nothing twice that it had handled.
        use Expected::Record;
        assert_eq!(drain(&mut subscriber, 2), [Record(3), Record(4)]);
        drop((subscriber, publisher));
        let account = books.account();
        assert_eq!((account.handled, account.left_behind), (4, 1));
        assert!(account.closes());
    }
}

#[test]
fn a_subscriber_that_leaves_before_it_sees_the_last_overrun_is_accounted_for() {
    let mut publisher = Bus::new(16);
    let mut subscriber = publisher
        .subscribe(subscription(Ring::Lane, Contract::Lossy, 4))
        .unwrap();
    let books = subscriber.books();
    push(&mut publisher, 10);
    assert!(commit(&mut publisher));
    assert_eq!(drain(&mut subscriber, 9).len(), 4);
    drop((subscriber, publisher));
    let account = books.account();
    assert_eq!((account.published, account.overrun), (10, 6));
    assert!(!account.completed && account.closes(), "{account:?}");
}

#[test]
fn a_batch_that_is_cleared_during_a_backlog_is_lost_and_named() {
    for ring in RINGS {
        let mut publisher = Bus::new(16);
        let mut subscriber = publisher
            .subscribe(subscription(ring, Contract::Lossless, 2))
            .unwrap();
        let books = subscriber.books();
        push(&mut publisher, 5);
        assert!(!commit(&mut publisher));
        publisher.batch().clear();
        assert!(commit(&mut publisher));
        drop(publisher);
        let mut missing = 0;
        while !subscriber.is_closed() {
            subscriber.poll(9, |delivery| match delivery {
                Delivery::Overrun(gap) => missing += gap.count(),
                Delivery::Record { .. } => {}
            });
        }
        let account = books.account();
        assert_eq!(account.handled + missing, 5);
        assert!(!account.closes(), "nobody refused them: {account:?}");
    }
}

#[test]
fn what_follows_a_batch_that_was_cleared_during_a_backlog_arrives_in_full() {
    for ring in RINGS {
        let mut publisher = Bus::new(16);
        let mut subscriber = publisher
            .subscribe(subscription(ring, Contract::Lossless, 4))
            .unwrap();
        push(&mut publisher, 6);
        assert!(!commit(&mut publisher));
        publisher.batch().clear();
        push(&mut publisher, 3);
        use Expected::{Overrun, Record};
        assert_eq!(drain(&mut subscriber, 9), [1, 2, 3, 4].map(Record));
        // The broadcast ring has no room for so many numbers at once, missing ones included.
        let mut got = Vec::new();
        for _ in 0..3 {
            let committed = commit(&mut publisher);
            got.extend(drain(&mut subscriber, 9));
            if committed {
                break;
            }
        }
        assert!(!publisher.has_backlog());
        assert_eq!(got, [Overrun(5, 6), Record(7), Record(8), Record(9)]);
    }
}

#[test]
fn a_late_subscriber_starts_at_the_next_number_without_a_hole() {
    for ring in RINGS {
        let mut publisher = Bus::new(16);
        push(&mut publisher, 3);
        let mut late = publisher
            .subscribe(subscription(ring, Contract::Lossy, 8))
            .unwrap();
        push(&mut publisher, 2);
        assert!(commit(&mut publisher));
        assert_eq!(
            drain(&mut late, 9),
            [Expected::Record(4), Expected::Record(5)]
        );
    }
}

#[test]
fn end_of_batch_is_true_on_the_last_ready_record_only() {
    for ring in RINGS {
        let mut publisher = Bus::new(16);
        let mut subscriber = publisher
            .subscribe(subscription(ring, Contract::Lossy, 8))
            .unwrap();
        push(&mut publisher, 3);
        assert!(commit(&mut publisher));
        let mut ends = Vec::new();
        for limit in [2, 2] {
            subscriber.poll(limit, |delivery| match delivery {
                Delivery::Record { end_of_batch, .. } => ends.push(end_of_batch),
                Delivery::Overrun(_) => unreachable!(),
            });
        }
        assert_eq!(ends, [false, false, true]);
    }
}

#[test]
fn a_ring_of_impossible_size_is_refused() {
    for ring in RINGS {
        for capacity in [0, CAPACITY_MAX + 1] {
            let error = Bus::new(1)
                .subscribe(subscription(ring, Contract::Lossy, capacity))
                .unwrap_err();
            assert!(error.to_string().contains(&capacity.to_string()), "{error}");
        }
    }
}

#[test]
fn what_was_never_committed_is_a_loss_at_the_very_end() {
    for ring in RINGS {
        for contract in [Contract::Lossy, Contract::Lossless] {
            let mut publisher = Bus::new(16);
            let mut subscriber = publisher
                .subscribe(subscription(ring, contract, 8))
                .unwrap();
            let books = subscriber.books();
            push(&mut publisher, 2);
            assert!(commit(&mut publisher));
            push(&mut publisher, 3);
            drop(publisher);
            use Expected::{Overrun, Record};
            assert_eq!(drain(&mut subscriber, 9), [Record(1), Record(2)]);
            assert!(!subscriber.is_closed());
            assert_eq!(drain(&mut subscriber, 9), [Overrun(3, 5)]);
            assert!(subscriber.is_closed());
            let account = books.account();
            assert_eq!((account.published, account.overrun), (5, 3));
            assert!(account.closes(), "{account:?}");
        }
    }
}

/// The naive bus beside the clever one: a queue of numbers and a list of what was refused.
struct Model {
    contract: Contract,
    capacity: usize,
    queue: VecDeque<u64>,
    waiting: VecDeque<u64>,
    expected: u64,
}

impl Model {
    fn commit(&mut self, numbers: std::ops::Range<u64>) -> bool {
        self.waiting.extend(numbers);
        // A publisher that waits does so for room for all, or for half a ring.
        let worthwhile = self.waiting.len().min((self.capacity / 2).max(1));
        let room = self.capacity - self.queue.len();
        if self.contract == Contract::Lossless && room < worthwhile {
            return self.waiting.is_empty();
        }
        while self.queue.len() < self.capacity {
            let Some(n) = self.waiting.pop_front() else {
                break;
            };
            self.queue.push_back(n);
        }
        if self.contract == Contract::Lossy {
            self.waiting.clear();
        }
        self.waiting.is_empty()
    }

    fn poll(&mut self, limit: usize) -> Vec<Expected> {
        let mut got = Vec::new();
        for n in self.queue.drain(..limit.min(self.queue.len())) {
            if n > self.expected {
                got.push(Expected::Overrun(self.expected, n - 1));
            }
            got.push(Expected::Record(n));
            self.expected = n + 1;
        }
        got
    }

    fn close(&mut self, next: u64) -> Vec<Expected> {
        let mut got = self.poll(usize::MAX);
        if self.expected < next {
            got.push(Expected::Overrun(self.expected, next - 1));
        }
        got
    }
}

proptest! {
    /// Steps are (subscriber to poll, limit, records to publish first).
    #[test]
    fn every_subscriber_gets_what_the_naive_bus_gives(
        lanes in prop::collection::vec((any::<bool>(), 1_usize..12), 1..4),
        steps in prop::collection::vec((0_usize..4, 1_usize..9, 0_u64..7), 1..200),
    ) {
        let mut publisher = Bus::new(8);
        let contract = |lossy| if lossy { Contract::Lossy } else { Contract::Lossless };
        let mut subscribers: Vec<_> = lanes
            .iter()
            .map(|&(lossy, capacity)| {
                publisher.subscribe(subscription(Ring::Lane, contract(lossy), capacity)).unwrap()
            })
            .collect();
        let books: Vec<_> = subscribers.iter().map(Subscriber::books).collect();
        let mut models: Vec<_> = lanes
            .iter()
            .map(|&(lossy, capacity)| Model {
                contract: contract(lossy),
                capacity,
                queue: VecDeque::new(),
                waiting: VecDeque::new(),
                expected: 1,
            })
            .collect();
        for (who, limit, count) in steps {
            let first = publisher.batch().next_sequence().get();
            let count = if publisher.has_backlog() { 0 } else { count };
            push(&mut publisher, count);
            let committed = commit(&mut publisher);
            let modelled = models.iter_mut().fold(true, |all, model| {
                model.commit(first..first + count) & all
            });
            prop_assert_eq!(committed, modelled);
            if let Some(subscriber) = subscribers.get_mut(who) {
                // The ring hands out what its last look found; the model always looks.
                let mut got = drain(subscriber, limit);
                let records = got.iter().filter(|e| matches!(e, Expected::Record(_))).count();
                let expected = models[who].poll(limit);
                let modelled = expected.iter().filter(|e| matches!(e, Expected::Record(_))).count();
                if records < modelled {
                    got.extend(drain(subscriber, limit - records));
                }
                prop_assert_eq!(got, expected);
            }
        }
        loop {
            let modelled = models.iter_mut().fold(true, |all, model| model.commit(0..0) & all);
            prop_assert_eq!(commit(&mut publisher), modelled);
            if modelled {
                break;
            }
            for (subscriber, model) in subscribers.iter_mut().zip(&mut models) {
                let got = drain(subscriber, 1);
                prop_assert_eq!(got, model.poll(1));
            }
        }
        let next = publisher.batch().next_sequence().get();
        drop(publisher);
        for (lane, (mut subscriber, mut model)) in subscribers.into_iter().zip(models).enumerate() {
            let mut got = Vec::new();
            while !subscriber.is_closed() {
                got.extend(drain(&mut subscriber, usize::MAX));
            }
            prop_assert_eq!(got, model.close(next));
            let account = books[lane].account();
            prop_assert!(account.closes());
            prop_assert_eq!(account.left_behind, 0);
            prop_assert_eq!(account.published, next - 1);
        }
    }
}
