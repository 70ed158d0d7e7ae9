//! The broadcast ring: what is its own, and every way to read it beside a naive ring.

use super::naive::{Naive, NaiveReader, Sight};
use super::reads::{Act, Ends, acts, peek, poll};
use super::*;
use Expected::{Overrun, Record};
use std::collections::BTreeMap;
use std::sync::Arc;

fn subscribe(publisher: &mut Bus, contract: Contract, capacity: usize) -> Subscriber<MarketEvent> {
    publisher
        .subscribe(subscription(Ring::Broadcast, contract, capacity))
        .unwrap()
}

#[test]
fn a_lossy_subscriber_that_was_lapped_goes_on_half_a_ring_behind() {
    let mut publisher = Bus::new(16);
    let mut subscriber = subscribe(&mut publisher, Contract::Lossy, 8);
    let books = subscriber.books();
    push(&mut publisher, 10);
    assert!(commit(&mut publisher));
    let rest = [7, 8, 9, 10].map(Record);
    assert_eq!(drain(&mut subscriber, 1), [Overrun(1, 6), rest[0]]);
    assert_eq!(drain(&mut subscriber, 9), rest[1..]);
    push(&mut publisher, 1);
    assert!(commit(&mut publisher));
    drop((subscriber, publisher));
    let account = books.account();
    assert_eq!((account.overrun, account.left_behind), (6, 1));
    assert!(!account.completed && account.closes(), "{account:?}");
}

#[test]
fn numbers_that_were_cleared_are_missing_wherever_a_subscriber_is() {
    let mut publisher = Bus::new(64);
    let mut prompt = subscribe(&mut publisher, Contract::Lossy, 8);
    let mut late = subscribe(&mut publisher, Contract::Lossy, 8);
    push(&mut publisher, 3);
    assert!(commit(&mut publisher));
    assert_eq!(drain(&mut prompt, 9), [1, 2, 3].map(Record));
    push(&mut publisher, 60);
    publisher.batch().clear();
    assert!(commit(&mut publisher));
    assert_eq!(drain(&mut prompt, 9), [], "not before something follows");
    push(&mut publisher, 1);
    assert!(commit(&mut publisher));
    assert_eq!(drain(&mut prompt, 9), [Overrun(4, 63), Record(64)]);
    assert_eq!(
        drain(&mut late, 9),
        [Record(1), Record(2), Record(3), Overrun(4, 63), Record(64)]
    );
    // Half a ring behind 68 is 65; half a ring behind 66 lies in the hole.
    push(&mut publisher, 4);
    publisher.batch().clear();
    push(&mut publisher, 8);
    assert!(commit(&mut publisher));
    assert_eq!(drain(&mut late, 1), [Overrun(65, 72), Record(73)]);
}

#[test]
fn who_attaches_behind_records_that_are_cleared_is_given_what_follows() {
    for contract in [Contract::Lossy, Contract::Lossless] {
        for in_bulk in [false, true] {
            let mut publisher = Bus::new(64);
            let mut prompt = subscribe(&mut publisher, contract, 8);
            push(&mut publisher, 3);
            let mut late = subscribe(&mut publisher, contract, 8);
            push(&mut publisher, 2);
            publisher.batch().clear();
            push(&mut publisher, 1);
            assert_eq!(drain(&mut late, 9), []);
            assert!(commit(&mut publisher));
            assert_eq!(drain(&mut prompt, 9), [Overrun(1, 3)]);
            assert_eq!(drain(&mut prompt, 9), [Overrun(4, 5), Record(6)]);
            if in_bulk {
                let Ready::Overrun(gap) = late.ready(9) else {
                    panic!("{contract:?}: nothing is missing");
                };
                assert_eq!((gap.first, gap.last), (4, 5));
            }
            drop(publisher);
            let rest = if in_bulk {
                vec![Record(6)]
            } else {
                vec![Overrun(4, 5), Record(6)]
            };
            assert_eq!(drain(&mut late, 9), rest);
            assert_eq!(drain(&mut late, 9), []);
            assert!(late.is_closed());
        }
    }
}

#[test]
fn who_attaches_behind_records_that_are_cleared_loses_nothing_that_follows_them() {
    for contract in [Contract::Lossy, Contract::Lossless] {
        let mut publisher = Bus::new(64);
        let _first = subscribe(&mut publisher, Contract::Lossy, 32);
        push(&mut publisher, 1);
        let mut late = subscribe(&mut publisher, contract, 32);
        push(&mut publisher, 1);
        publisher.batch().clear();
        push(&mut publisher, 11);
        assert!(commit(&mut publisher));
        // More than a ring: what lies before it is still there.
        push(&mut publisher, 46);
        publisher.batch().clear();
        push(&mut publisher, 1);
        _ = commit(&mut publisher);
        let mut got = drain(&mut late, 11);
        _ = commit(&mut publisher);
        got.extend(drain(&mut late, 1));
        assert!(commit(&mut publisher));
        got.extend(drain(&mut late, 1));
        let mut expected = vec![Overrun(2, 2)];
        expected.extend((3..=13).map(Record));
        expected.extend([Overrun(14, 59), Record(60)]);
        assert_eq!(got, expected, "{contract:?}");
    }
}

#[test]
fn all_share_the_ring_that_the_first_one_asked_for() {
    let mut publisher = Bus::new(4);
    let _first = subscribe(&mut publisher, Contract::Lossy, 100);
    let _whole = subscribe(&mut publisher, Contract::Lossy, 128);
    let more = subscription(Ring::Broadcast, Contract::Lossy, 129);
    let error = publisher.subscribe(more).unwrap_err().to_string();
    assert!(
        error.contains("129") && error.contains("128") && error.contains("first"),
        "{error}"
    );
    let _lane = publisher
        .subscribe(subscription(Ring::Lane, Contract::Lossy, 129))
        .unwrap();
}

#[test]
fn a_lossy_subscription_can_be_made_lossless_before_the_first_record() {
    let mut publisher = Bus::new(16);
    let mut subscriber = subscribe(&mut publisher, Contract::Lossy, 2);
    subscriber.books().make_lossless();
    push(&mut publisher, 5);
    assert!(!commit(&mut publisher));
    let mut got = drain(&mut subscriber, 9);
    assert!(!commit(&mut publisher));
    got.extend(drain(&mut subscriber, 9));
    assert!(commit(&mut publisher));
    got.extend(drain(&mut subscriber, 9));
    assert_eq!(got, [1, 2, 3, 4, 5].map(Record));
}

#[test]
fn who_attaches_when_the_ring_has_lapped_is_waited_for_from_then_on() {
    let mut publisher = Bus::new(64);
    let mut lossy = subscribe(&mut publisher, Contract::Lossy, 4);
    push(&mut publisher, 50);
    assert!(commit(&mut publisher));
    let mut late = subscribe(&mut publisher, Contract::Lossless, 4);
    push(&mut publisher, 6);
    assert!(!commit(&mut publisher), "room for four of six");
    assert_eq!(drain(&mut late, 9), [51, 52, 53, 54].map(Record));
    assert!(commit(&mut publisher));
    assert_eq!(drain(&mut late, 9), [55, 56].map(Record));
    assert_eq!(drain(&mut lossy, 9)[0], Overrun(1, 54));
}

#[test]
fn who_attaches_in_the_midst_of_a_batch_is_given_its_passage_whoever_goes_on() {
    let mut publisher = Bus::new(64);
    let mut prompt = subscribe(&mut publisher, Contract::Lossless, 16);
    push(&mut publisher, 2);
    let mut late = subscribe(&mut publisher, Contract::Lossless, 16);
    push(&mut publisher, 2);
    let passage = |seen_ns| Passage {
        seen_ns,
        decoded_ns: seen_ns,
        published_ns: seen_ns + 1,
    };
    assert!(publisher.commit(passage(70)));
    assert_eq!(drain(&mut prompt, 9), [1, 2, 3, 4].map(Record));
    // The late one waits at 3, so that 1 and 2 are overwritten, where the batch began.
    push(&mut publisher, 14);
    assert!(publisher.commit(passage(80)));
    let mut given = Vec::new();
    late.poll(4, |delivery| {
        if let Delivery::Record {
            record, passage, ..
        } = delivery
        {
            given.push((record.sequence().get(), passage.unwrap().seen_ns));
        }
    });
    assert_eq!(given, [(3, 70), (4, 70), (5, 80), (6, 80)]);
}

/// A subscriber of the real ring, with all that it was given.
struct Reader {
    subscriber: Option<Subscriber<MarketEvent>>,
    books: Arc<Books>,
}

/// Lets a subscriber act, and sees that the naive ring gives the same.
fn act(reader: &mut Reader, naive: &mut Naive, who: usize, act: Act) {
    let Some(subscriber) = &mut reader.subscriber else {
        return;
    };
    // Last number and stamp of what was written, as `poll` wants them.
    let commits = naive.written.iter().map(|(n, entry)| (*n, entry.stamp_ns));
    let commits: Vec<_> = commits.collect();
    let mut got = Vec::new();
    let mut polled = |limit, ends| poll(subscriber, limit, ends, &commits, &mut got);
    let expected = match act {
        Act::Poll(limit) => {
            polled(limit, Ends::Nowhere);
            naive.poll(who, limit, usize::MAX)
        }
        Act::Panic(limit, at) => {
            polled(limit, Ends::Panics(at));
            naive.poll(who, limit, at)
        }
        Act::Stop(limit, at) => {
            polled(limit, Ends::Stops(at));
            naive.poll(who, limit, at + 1)
        }
        Act::Take(limit) | Act::Leave(limit) => {
            let expected = naive.ready(who, limit);
            let taken = match subscriber.ready(limit) {
                Ready::Nothing => true,
                Ready::Overrun(gap) => {
                    got.push(Overrun(gap.first, gap.last));
                    true
                }
                Ready::Records(run) => {
                    let [first, second] = run.records();
                    let records = first.iter().chain(second);
                    got.extend(records.map(|record| {
                        let n = record.sequence().get();
                        assert_eq!(record.ts_recv_ns(), n, "the body belongs to the stamp");
                        Record(n)
                    }));
                    let taken = matches!(act, Act::Take(_));
                    if taken {
                        run.take();
                    }
                    taken
                }
            };
            if taken {
                naive.take(who, &expected);
            }
            expected
        }
        Act::Peek(limit) => {
            got = peek(subscriber, limit);
            let mut expected = naive.ready(who, limit);
            expected.retain(|expected| matches!(expected, Record(_)));
            expected
        }
        Act::Go => {
            reader.subscriber = None;
            naive.readers[who].gone = true;
            return;
        }
        Act::Clear => return,
    };
    assert_eq!(got, expected, "subscriber {who}, {act:?}");
}

proptest! {
    /// Steps are (subscriber that acts, how, records to publish first).
    #[test]
    fn every_way_to_read_the_broadcast_ring_gives_what_the_naive_ring_gives(
        contracts in prop::collection::vec(any::<bool>(), 1..4),
        capacity in 1_usize..20,
        steps in prop::collection::vec((0_usize..4, acts(), 0_u64..7), 1..200),
    ) {
        let mut publisher = Bus::new(8);
        let mut readers = Vec::new();
        let mut naive = Naive {
            capacity: capacity.next_power_of_two().max(2) as u64,
            written: BTreeMap::new(),
            next: 1,
            readers: Vec::new(),
        };
        for &lossless in &contracts {
            let contract = if lossless { Contract::Lossless } else { Contract::Lossy };
            let subscriber = subscribe(&mut publisher, contract, capacity);
            readers.push(Reader { books: subscriber.books(), subscriber: Some(subscriber) });
            let (first, expected, cursor) = (1, 1, 1);
            naive.readers.push(NaiveReader { lossless, first, expected, cursor, gone: false });
        }
        let mut cleared = false;
        for ((who, how, count), stamp_ns) in steps.into_iter().zip(1..) {
            let count = if publisher.has_backlog() { 0 } else { count };
            push(&mut publisher, count);
            if matches!(how, Act::Clear) {
                cleared |= publisher.has_backlog();
                publisher.batch().clear();
            }
            let next = publisher.next_sequence().get();
            let first = next - publisher.batch().records().len() as u64;
            let committed = publisher.commit(Passage {
                seen_ns: stamp_ns,
                decoded_ns: stamp_ns,
                published_ns: stamp_ns,
            });
            prop_assert_eq!(committed, naive.commit(first..next, stamp_ns));
            if let Some(reader) = readers.get_mut(who) {
                act(reader, &mut naive, who, how);
            }
        }
        let next = publisher.next_sequence().get();
        drop(publisher);
        for (who, mut reader) in readers.into_iter().enumerate() {
            let stayed = reader.subscriber.is_some();
            for turn in 0..1_000 {
                let expected = naive.readers[who].expected;
                if matches!(naive.see(expected), Sight::Nothing) {
                    break;
                }
                let how = if turn % 2 == 0 { Act::Take(3) } else { Act::Poll(3) };
                act(&mut reader, &mut naive, who, how);
                if !stayed {
                    break;
                }
            }
            if let Some(subscriber) = &mut reader.subscriber {
                let expected = naive.readers[who].expected;
                let lost = (expected < next).then_some(Overrun(expected, next - 1));
                let got = drain(subscriber, 9);
                prop_assert_eq!(got, lost.into_iter().collect::<Vec<_>>());
                prop_assert!(subscriber.is_closed());
            }
            let account = reader.books.account();
            prop_assert_eq!(account.completed, stayed);
            prop_assert_eq!(account.published, next - 1);
            prop_assert!(!stayed || account.left_behind == 0);
            let torn_contract = cleared && naive.readers[who].lossless;
            prop_assert!(account.closes() || torn_contract, "{account:?}");
        }
    }
}
