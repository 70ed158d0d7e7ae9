//! The ingest stage on one thread, with a clock that the test moves.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use ringtape::bus::{Delivery, Publisher, Subscriber, Subscription};
use ringtape::clock::ManualClock;
use ringtape::feed::Feed;
use ringtape::market::MarketEvent;
use ringtape::net::{Backend, Config, Receiver, Sender};
use ringtape::record::{Content, Gap, GapCause};
use ringtape::stage::{IngestStage, Route, Stage};
use support::{feed, lines, packets, skip, wait_until};

const HOLD_NS: u64 = 1_000;

/// What a subscriber was given, session marks aside.
#[derive(Debug, PartialEq)]
enum Given {
    Event(u32),
    Gap(Gap),
}

struct Rig {
    stage: IngestStage<MarketEvent, ManualClock>,
    clock: ManualClock,
    subscriber: Subscriber<MarketEvent>,
    senders: Vec<Sender>,
}

impl Rig {
    fn start(backend: Backend) -> Option<Self> {
        let config = Config {
            backend,
            // One datagram a poll, so that a test says how many polls it takes.
            batch_max: 1,
            ..Config::default()
        };
        let receiver = match Receiver::open(&config, &lines(["A", "B"])) {
            Ok(receiver) => receiver,
            Err(error) => {
                skip(&error.to_string());
                return None;
            }
        };
        let senders = [0, 1].map(|line| Sender::open(receiver.local_address(line), None).unwrap());
        let feed = feed(["A", "B"], HOLD_NS);
        let mut publisher = Publisher::new(feed.records_max(config.datagram_bytes_max));
        let subscriber = publisher.subscribe(Subscription::default()).unwrap();
        let clock = ManualClock::new(1);
        let routes = [0, 1].map(|line| Route { feed: 0, line }).to_vec();
        let feeds: Vec<Box<dyn Feed<MarketEvent>>> = vec![Box::new(feed)];
        let mut stage =
            IngestStage::new("ingest", receiver, routes, feeds, publisher, clock.clone());
        stage.start().unwrap();
        Some(Self {
            stage,
            clock,
            subscriber,
            senders: senders.into(),
        })
    }

    /// Polls until the stage has taken in `datagrams` in all.
    fn poll_until(&mut self, datagrams: u64) {
        let net = self.stage.net_counters();
        wait_until("the datagrams are received", || {
            self.stage.poll();
            net.datagrams() == datagrams
        });
    }

    fn given(&mut self) -> Vec<Given> {
        let mut given = Vec::new();
        self.subscriber.poll(usize::MAX, |delivery| {
            let Delivery::Record { record, .. } = delivery else {
                panic!("overrun");
            };
            match record.content() {
                Content::Event(event)
                    if event.head.kind == ringtape::market::EventKind::ADD_ORDER =>
                {
                    given.push(Given::Event(event.message));
                }
                Content::Gap(gap) => given.push(Given::Gap(gap)),
                _ => {}
            }
        });
        given
    }
}

#[test]
fn a_stall_of_the_thread_gives_nothing_up_that_waits_in_a_socket() {
    for backend in [Backend::Uring, Backend::Mmsg] {
        let Some(mut rig) = Rig::start(backend) else {
            return;
        };
        let stream = packets(3);
        assert_eq!(stream.len(), 2, "numbers 1 and 2 in one, 3 in the other");
        rig.senders[0].send(&stream[1]).unwrap();
        rig.poll_until(1);
        assert_eq!(rig.given(), []);

        // The thread stands still for far longer than the hold time; the other line does not.
        rig.senders[1].send(&stream[0]).unwrap();
        rig.clock.advance(100 * HOLD_NS);
        rig.poll_until(2);
        assert_eq!(rig.given(), [1, 2, 3].map(Given::Event));
    }
}

#[test]
fn a_hole_is_published_once_the_hold_time_is_over_and_the_lines_are_drained() {
    for backend in [Backend::Uring, Backend::Mmsg] {
        let Some(mut rig) = Rig::start(backend) else {
            return;
        };
        rig.senders[0].send(&packets(3)[1]).unwrap();
        rig.poll_until(1);
        rig.clock.advance(HOLD_NS - 1);
        rig.stage.poll();
        assert_eq!(rig.given(), []);
        rig.clock.advance(1);
        rig.stage.poll();
        let gap = Gap {
            first: 1,
            last: 2,
            cause: GapCause::Absent,
            feed: 1,
        };
        assert_eq!(rig.given(), [Given::Gap(gap), Given::Event(3)]);
    }
}

#[test]
fn a_line_that_is_never_silent_does_not_keep_a_hole_of_another_open_for_ever() {
    for backend in [Backend::Uring, Backend::Mmsg] {
        let Some(mut rig) = Rig::start(backend) else {
            return;
        };
        rig.senders[0].send(&packets(3)[1]).unwrap();
        rig.poll_until(1);
        rig.clock.advance(HOLD_NS);
        let noise = support::heartbeat(1);
        let mut given = Vec::new();
        for _ in 0..4_000 {
            // Two for one that is taken in: the socket never runs dry.
            rig.senders[1].send(&noise).unwrap();
            rig.senders[1].send(&noise).unwrap();
            rig.stage.poll();
            given.extend(rig.given());
        }
        assert!(
            matches!(given[..], [Given::Gap(_), Given::Event(3)]),
            "{given:?}"
        );
    }
}

#[test]
fn a_stop_publishes_open_holes_and_ends_the_bus() {
    for backend in [Backend::Uring, Backend::Mmsg] {
        let Some(mut rig) = Rig::start(backend) else {
            return;
        };
        let stream = packets(3);
        rig.senders[0].send(&stream[1]).unwrap();
        wait_until("the stage has ended", || {
            rig.stage.request_stop();
            rig.stage.poll();
            rig.stage.is_finished()
        });
        let given = rig.given();
        assert!(
            matches!(given[..], [Given::Gap(_), Given::Event(3)]),
            "{given:?}"
        );
        assert_eq!(rig.given(), [], "and nothing behind it");
        assert!(rig.subscriber.is_closed());
        let outcome = rig.stage.into_outcome();
        let ledger = outcome.feeds[0].ledger();
        assert!(ledger.closes());
        assert_eq!((ledger.expected, ledger.lost_absent), (3, 2));
    }
}
