//! The hops from the wire to the handler: each subscriber has its own, and they add up exactly.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use ringtape::bus::{Contract, Delivery, Passage, Publisher, Subscriber, Subscription};
use ringtape::clock::Clock;
use ringtape::feed::Feed;
use ringtape::handler::{At, Handler};
use ringtape::latency::{Histogram, Readings};
use ringtape::market::MarketEvent;
use ringtape::net::{Backend, Config, Receiver, Sender, Stamps};
use ringtape::record::{Content, Gap, Sequence, Session};
use ringtape::stage::{HandleStage, IngestStage, Route, Stage};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use support::{feed, lines, packets, skip, wait_until};

const HOLD_NS: u64 = 1_000_000;

/// A clock that goes on by one with each reading, so that no two readings are the same and each is
/// accounted for.
#[derive(Clone, Debug)]
struct Ticking(Arc<AtomicU64>);

impl Ticking {
    fn advance(&self, by_ns: u64) {
        self.0.fetch_add(by_ns, Ordering::Relaxed);
    }
}

impl Clock for Ticking {
    fn now_ns(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

struct Rig {
    stage: IngestStage<MarketEvent, Ticking>,
    clock: Ticking,
    subscribers: Vec<Subscriber<MarketEvent>>,
    sender: Sender,
}

impl Rig {
    fn start(backend: Backend, subscriptions: &[Subscription]) -> Option<Self> {
        let config = Config {
            backend,
            // So that the clock of the test is the only one.
            stamps: Stamps::Batch,
            ..Config::default()
        };
        let receiver = match Receiver::open(&config, &lines(["A"])) {
            Ok(receiver) => receiver,
            Err(error) => {
                skip(&error.to_string());
                return None;
            }
        };
        let sender = Sender::open(receiver.local_address(0), None).unwrap();
        let feed = feed(["A"], HOLD_NS);
        let mut publisher = Publisher::new(feed.records_max(config.datagram_bytes_max));
        let subscribers = subscriptions
            .iter()
            .map(|&subscription| publisher.subscribe(subscription).unwrap())
            .collect();
        let clock = Ticking(Arc::new(AtomicU64::new(1)));
        let routes = vec![Route { feed: 0, line: 0 }];
        let feeds: Vec<Box<dyn Feed<MarketEvent>>> = vec![Box::new(feed)];
        let mut stage =
            IngestStage::new("ingest", receiver, routes, feeds, publisher, clock.clone());
        stage.start().unwrap();
        Some(Self {
            stage,
            clock,
            subscribers,
            sender,
        })
    }

    fn poll_until(&mut self, datagrams: u64) {
        let net = self.stage.net_counters();
        wait_until("the datagrams are received", || {
            self.stage.poll();
            net.datagrams() == datagrams
        });
    }
}

fn with(passages: bool) -> Subscription {
    Subscription {
        passages,
        ..Subscription::default()
    }
}

/// What a subscriber was given: number, receive time, passage, and whether it is a gap.
fn given(subscriber: &mut Subscriber<MarketEvent>) -> Vec<(Sequence, u64, Option<Passage>, bool)> {
    let mut given = Vec::new();
    subscriber.poll(usize::MAX, |delivery| {
        let Delivery::Record {
            record, passage, ..
        } = delivery
        else {
            panic!("overrun");
        };
        let is_gap = matches!(record.content(), Content::Gap(_));
        given.push((record.sequence(), record.ts_recv_ns(), passage, is_gap));
    });
    given
}

#[test]
fn each_subscriber_has_the_moment_at_which_its_own_ring_was_filled() {
    for backend in [Backend::Uring, Backend::Mmsg] {
        let subscriptions = [true, false, true, true].map(with);
        let Some(mut rig) = Rig::start(backend, &subscriptions) else {
            return;
        };
        let stream = packets(9);
        for packet in &stream {
            rig.sender.send(packet).unwrap();
        }
        rig.poll_until(stream.len() as u64);
        let [first, none, second, third] = &mut rig.subscribers[..] else {
            unreachable!("four were attached");
        };
        let [first, none, second, third] = [first, none, second, third].map(given);
        assert!(first.len() > 9 && none.len() == first.len());
        assert!(none.iter().all(|(.., passage, _)| passage.is_none()));
        let mut decoded = Vec::new();
        for ((one, two), three) in first.iter().zip(&second).zip(&third) {
            let [(wire_ns, one), (_, two), (_, three)] =
                [one, two, three].map(|given| (given.1, given.2.unwrap()));
            assert!(wire_ns <= one.seen_ns && one.seen_ns < one.decoded_ns);
            // The first is served at once: no reading could tell more. Each of the others waits for
            // those before it, whether they want passages or not, and takes one reading.
            assert_eq!(one.published_ns, one.decoded_ns);
            assert_eq!(two.published_ns, one.published_ns + 1);
            assert_eq!(three.published_ns, two.published_ns + 1);
            for other in [two, three] {
                assert_eq!(
                    (other.seen_ns, other.decoded_ns),
                    (one.seen_ns, one.decoded_ns)
                );
            }
            decoded.push(one.decoded_ns);
        }
        decoded.dedup();
        // One for each datagram, whether they came in one batch or not.
        assert_eq!(decoded.len(), stream.len());
    }
}

#[test]
fn waiting_for_room_is_in_the_hop_from_decoding_to_the_ring() {
    for backend in [Backend::Uring, Backend::Mmsg] {
        let waits = Subscription {
            contract: Contract::Lossless,
            capacity: 2,
            ..Subscription::default()
        };
        let Some(mut rig) = Rig::start(backend, &[waits, with(true)]) else {
            return;
        };
        rig.sender.send(&packets(3)[0]).unwrap();
        rig.poll_until(1);
        // The other has room, and was given all of it.
        let records = given(&mut rig.subscribers[1]).len();
        assert!(records > 2);
        let mut passages = Vec::new();
        wait_until("everything is handed over", || {
            rig.clock.advance(1_000);
            rig.stage.poll();
            passages.extend(given(&mut rig.subscribers[0]));
            passages.len() == records
        });
        let first = passages[0].2.unwrap();
        let last = passages[passages.len() - 1].2.unwrap();
        assert_eq!(
            (first.seen_ns, first.decoded_ns),
            (last.seen_ns, last.decoded_ns)
        );
        assert_eq!(first.published_ns, first.decoded_ns);
        assert!(last.published_ns >= last.decoded_ns + 1_000, "{last:?}");
    }
}

#[test]
fn a_gap_has_its_hops_from_the_moment_at_which_it_was_noticed() {
    for backend in [Backend::Uring, Backend::Mmsg] {
        let Some(mut rig) = Rig::start(backend, &[with(true)]) else {
            return;
        };
        rig.sender.send(&packets(3)[1]).unwrap();
        rig.poll_until(1);
        // The start of the session; the rest is held.
        assert_eq!(given(&mut rig.subscribers[0]).len(), 1);
        rig.clock.advance(HOLD_NS);
        let before_ns = rig.clock.now_ns();
        let mut got = Vec::new();
        wait_until("the hole is given up", || {
            rig.stage.poll();
            got.extend(given(&mut rig.subscribers[0]));
            got.iter().any(|(.., is_gap)| *is_gap)
        });
        let (_, wire_ns, passage, _) = got.iter().find(|(.., is_gap)| *is_gap).unwrap();
        let passage = passage.unwrap();
        assert!(*wire_ns <= passage.seen_ns && before_ns < passage.seen_ns);
        assert_eq!(passage.decoded_ns, passage.seen_ns + 1, "the next reading");
        assert_eq!(passage.published_ns, passage.decoded_ns);
        // What waited behind the hole came long before.
        let (_, wire_ns, passage, _) = got.last().unwrap();
        assert!(*wire_ns + HOLD_NS <= passage.unwrap().seen_ns);
    }
}

/// Loses nothing.
struct Watch;

impl Handler<MarketEvent> for Watch {
    fn on_event(&mut self, _: &MarketEvent, _: At) {}
    fn on_gap(&mut self, gap: Gap) {
        panic!("lost {gap:?}");
    }
}

#[test]
fn the_hops_of_a_run_add_up_to_the_whole_to_the_nanosecond() {
    for backend in [Backend::Uring, Backend::Mmsg] {
        let Some(mut rig) = Rig::start(backend, &[with(true), with(true)]) else {
            return;
        };
        let clock = &rig.clock;
        let mut handles: Vec<_> = std::mem::take(&mut rig.subscribers)
            .into_iter()
            .map(|subscriber| HandleStage::new("watch", subscriber, Watch, clock.clone(), true))
            .collect();
        let stream = packets(500);
        for (sent, packet) in (1..).zip(&stream) {
            rig.sender.send(packet).unwrap();
            rig.clock.advance(sent * 37 % 1_000);
            rig.poll_until(sent);
            // Now and then, so that a poll finds records of several datagrams.
            if sent % 5 == 0 {
                handles.iter_mut().for_each(|handle| _ = handle.poll());
            }
        }
        rig.stage.request_stop();
        wait_until("everything is handled", || {
            rig.stage.poll();
            handles.iter_mut().for_each(|handle| _ = handle.poll());
            handles.iter().all(Stage::is_finished)
        });
        for handle in handles {
            let outcome = handle.into_outcome();
            let latency = outcome.latency.unwrap();
            let whole = &latency.wire_to_handler;
            let hops = latency.hops();
            let counts = |histogram: &Histogram| {
                let summary = histogram.summary();
                (summary.count, summary.out_of_range)
            };
            let handled = (outcome.account.handled, 0);
            assert!(handled.0 > 500);
            assert_eq!(counts(whole), handled);
            assert!(hops.iter().all(|(_, hop)| counts(hop) == handled));
            let sum_ns: u128 = hops.iter().map(|(_, hop)| hop.sum_ns()).sum();
            assert_eq!(sum_ns, whole.sum_ns());
            assert!(sum_ns > 0);

            let worst = latency.worst();
            assert_eq!(worst.len(), ringtape::latency::WORST_KEPT);
            let slowest = |readings: &Readings| readings.whole_ns().unwrap();
            // The histogram's figure is the upper end of the bucket.
            assert!(slowest(&worst[0].readings) <= whole.summary().max);
            assert!(worst.is_sorted_by_key(|way| std::cmp::Reverse(slowest(&way.readings))));
            for way in worst {
                let hops = way.readings.hops_ns();
                let sum_ns: Option<u64> = hops.iter().map(|(_, hop)| *hop).sum();
                assert_eq!(sum_ns, way.readings.whole_ns());
                assert!(
                    way.has_hops && way.before_ns.is_none_or(|ns| ns < way.readings.handler_ns)
                );
            }
        }
    }
}

/// Warms up until a time.
#[derive(Default)]
struct WarmsUp {
    until_ns: u64,
    /// Records that came before it, and those after it.
    counts: [u64; 2],
    measured_min: Option<Sequence>,
}

impl WarmsUp {
    fn count(&mut self, at: At) {
        let is_measured = at.ts_recv_ns >= self.until_ns;
        self.counts[usize::from(is_measured)] += 1;
        if is_measured {
            self.measured_min.get_or_insert(at.sequence);
        }
    }
}

impl Handler<MarketEvent> for WarmsUp {
    fn on_event(&mut self, _: &MarketEvent, at: At) {
        self.count(at);
    }

    fn on_session(&mut self, _: &Session, at: At) {
        self.count(at);
    }

    fn on_gap(&mut self, gap: Gap) {
        panic!("lost {gap:?}");
    }

    fn is_measured(&self, ts_recv_ns: u64) -> bool {
        ts_recv_ns >= self.until_ns
    }
}

#[test]
fn what_a_handler_is_given_while_it_warms_up_is_in_no_figure() {
    let Some(mut rig) = Rig::start(Backend::Mmsg, &[with(true)]) else {
        return;
    };
    let stream = packets(40);
    let (warm_up, measured) = stream.split_at(stream.len() / 2);
    let mut sent = 0;
    for packet in warm_up {
        sent += 1;
        rig.sender.send(packet).unwrap();
        rig.poll_until(sent);
    }
    let handler = WarmsUp {
        until_ns: rig.clock.now_ns(),
        ..WarmsUp::default()
    };
    let subscriber = rig.subscribers.remove(0);
    // What was received before is handled so late that it would be the slowest of all.
    rig.clock.advance(1_000_000_000);
    let mut handle = HandleStage::new("warms up", subscriber, handler, rig.clock.clone(), true);
    while handle.poll() > 0 {}
    for packet in measured {
        sent += 1;
        rig.sender.send(packet).unwrap();
        rig.poll_until(sent);
        handle.poll();
    }
    rig.stage.request_stop();
    wait_until("everything is handled", || {
        rig.stage.poll();
        handle.poll();
        handle.is_finished()
    });
    let outcome = handle.into_outcome();
    let (handler, latency) = (outcome.handler.unwrap(), outcome.latency.unwrap());
    let [before, after] = handler.counts;
    assert!(before >= 10 && after >= 10, "{before} {after}");
    assert_eq!(latency.wire_to_handler.summary().count, after);
    for (name, hop) in latency.hops() {
        assert_eq!(hop.summary().count, after, "{name}");
    }
    assert!(latency.wire_to_handler.summary().max < 1_000_000_000);
    let first = handler.measured_min.unwrap();
    assert!(latency.worst().iter().all(|way| way.sequence >= first));
}
