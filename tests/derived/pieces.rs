//! Derived events on a bus of their own: handed over in pieces, as there is room.

use super::rig::{Flow, Input, Keep, books, config, give, run, tick, trade};
use ringtape::book::{BarRule, BookHandler, BusOutput};
use ringtape::bus::{Contract, Delivery, Publisher, Subscriber, Subscription};
use ringtape::handler::{At, Handler as _};
use ringtape::market::MarketEvent;
use ringtape::record::{Content, Digest};

const RULES: [BarRule; 2] = [
    BarRule::Time {
        every_ns: 100_000_000,
    },
    BarRule::Ticks { count: 2 },
];

fn subscription(contract: Contract, capacity: usize) -> Subscription {
    Subscription {
        contract,
        capacity,
        passages: false,
        ..Subscription::default()
    }
}

/// Takes at most `limit` records out of the ring.
fn take(
    subscriber: &mut Subscriber<MarketEvent>,
    limit: usize,
    keep: &mut Keep,
    digest: &mut Digest,
) {
    subscriber.poll(limit, |delivery| match delivery {
        Delivery::Record { record, .. } => {
            digest.record(record);
            let Content::Event(event) = record.content() else {
                panic!("only events are derived");
            };
            let at = At {
                sequence: record.sequence(),
                ts_recv_ns: record.ts_recv_ns(),
                end_of_batch: false,
            };
            keep.on_event(event, at);
        }
        Delivery::Overrun(gap) => keep.on_gap(gap),
    });
}

#[test]
fn a_slow_lossless_subscriber_gets_all_of_it_whatever_fits_at_once() {
    for (seed, (batch, ring)) in (0..).zip([(1, 1), (2, 3), (5, 1), (64, 7), (1_024, 4_096)]) {
        let inputs = Flow::new(seed).inputs(400);
        let inline = run(&inputs, &RULES);
        let mut publisher = Publisher::<MarketEvent>::new(batch);
        let mut subscriber = publisher
            .subscribe(subscription(Contract::Lossless, ring))
            .unwrap();
        let output = BusOutput::new(publisher).unwrap();
        let mut handler = BookHandler::new(books(), &config(&RULES), output).unwrap();
        let (mut keep, mut digest) = (Keep::default(), Digest::new());
        let mut waits = 0;
        for (number, input) in (1..).zip(&inputs) {
            while !handler.is_ready() {
                waits += 1;
                take(&mut subscriber, 1, &mut keep, &mut digest);
            }
            give(&mut handler, number, input);
        }
        handler.on_stop();
        while !subscriber.is_closed() {
            handler.is_ready();
            take(&mut subscriber, 1, &mut keep, &mut digest);
        }
        assert!(handler.is_ready(), "ended");
        assert_eq!(waits > 100, ring < 4_096, "{waits} with a ring of {ring}");
        assert_eq!(keep.events, inline.output().handler().events, "seed={seed}");
        assert_eq!(keep.recv_ns, inline.output().handler().recv_ns);
        assert_eq!(digest.value(), inline.digest().value());
        assert_eq!(handler.digest().value(), inline.digest().value());
        let account = subscriber.books().account();
        assert!(account.closes() && account.completed && account.overrun == 0);
    }
}

#[test]
fn a_slow_lossy_subscriber_holds_nobody_up_and_learns_what_it_lost() {
    let inputs = Flow::new(9).inputs(400);
    let expected = run(&inputs, &RULES);
    let mut publisher = Publisher::<MarketEvent>::new(16);
    let mut subscriber = publisher
        .subscribe(subscription(Contract::Lossy, 8))
        .unwrap();
    let output = BusOutput::new(publisher).unwrap();
    let mut handler = BookHandler::new(books(), &config(&RULES), output).unwrap();
    let (mut keep, mut digest) = (Keep::default(), Digest::new());
    for (number, input) in (1..).zip(&inputs) {
        assert!(handler.is_ready());
        give(&mut handler, number, input);
        if number.is_multiple_of(50) {
            take(&mut subscriber, 8, &mut keep, &mut digest);
        }
    }
    handler.on_stop();
    assert!(handler.is_ready());
    while !subscriber.is_closed() {
        take(&mut subscriber, 8, &mut keep, &mut digest);
    }
    assert_eq!(handler.digest().value(), expected.digest().value());
    let account = subscriber.books().account();
    assert!(account.closes() && account.overrun > 0);
    assert_eq!(
        account.published,
        expected.output().handler().events.len() as u64
    );
    assert!(!keep.gaps.is_empty());
}

#[test]
fn bars_that_close_at_one_boundary_wait_in_the_middle_for_room() {
    let mut inputs: Vec<Input> = (1..=50).map(|n| trade(10, n, n.into(), 1)).collect();
    inputs.push(tick(100_000_000));
    inputs.push(trade(100_000_001, 7, 9, 1));
    let inline = run(&inputs, &RULES[..1]);
    let mut publisher = Publisher::<MarketEvent>::new(8);
    let mut subscriber = publisher
        .subscribe(subscription(Contract::Lossless, 16))
        .unwrap();
    let output = BusOutput::new(publisher).unwrap();
    let mut handler = BookHandler::new(books(), &config(&RULES[..1]), output).unwrap();
    let (mut keep, mut digest) = (Keep::default(), Digest::new());
    let mut waited_at = Vec::new();
    for (number, input) in (1..).zip(&inputs) {
        give(&mut handler, number, input);
        while !handler.is_ready() {
            waited_at.push(number);
            take(&mut subscriber, 5, &mut keep, &mut digest);
        }
    }
    let boundary = waited_at.iter().filter(|&&number| number == 51);
    assert!(boundary.count() >= 150 / 16, "{waited_at:?}");
    handler.on_stop();
    while !subscriber.is_closed() {
        handler.is_ready();
        take(&mut subscriber, 5, &mut keep, &mut digest);
    }
    assert_eq!(keep.events, inline.output().handler().events);
}
