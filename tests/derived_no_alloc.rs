//! Once every instrument, order and level was there, nothing allocates on the way from events to
//! what is derived of them: not for bars of ten thousand instruments that close at one boundary,
//! not for a gap that makes all their books stale, not while a subscriber is too slow.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    clippy::print_stdout,
    reason = "figures for who runs it with --nocapture"
)]

#[path = "support/counting_allocator.rs"]
#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    reason = "an allocator is unsafe by its trait"
)]
mod counting_allocator;

use counting_allocator::Counting;
use ringtape::book::{
    BarRule, BookHandler, BooksConfig, BusOutput, DerivedConfig, InlineOutput, Output,
};
use ringtape::bus::{Contract, Delivery, Publisher, Subscription};
use ringtape::handler::{At, Handler};
use ringtape::market::{
    AddOrder, EventKind, Execute, Flags, Head, MarketEvent, NO_PRICE, Side, System,
};
use ringtape::record::{Gap, GapCause, Sequence, Session, SessionMark};

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

const INSTRUMENTS: u32 = 10_000;
const SECOND_NS: u64 = 1_000_000_000;

fn head(ts_event_ns: u64, instrument: u32, side: Side) -> Head {
    Head {
        ts_event_ns,
        instrument,
        feed: 1,
        kind: EventKind::SYSTEM,
        side,
        flags: Flags::LAST,
    }
}

fn at(number: u64) -> At {
    At {
        sequence: Sequence::new(number),
        ts_recv_ns: number,
        end_of_batch: number.is_multiple_of(16),
    }
}

/// Gives events to a handler, and lets `drain` make room whenever it is not ready.
struct Feeder<O, D> {
    handler: BookHandler<O>,
    drain: D,
    number: u64,
    waits: u64,
}

impl<O: Output, D: FnMut()> Feeder<O, D> {
    fn settle(&mut self) {
        while !self.handler.is_ready() {
            self.waits += 1;
            (self.drain)();
        }
    }

    fn event(&mut self, event: impl Into<MarketEvent>) {
        self.settle();
        self.number += 1;
        self.handler.on_event(&event.into(), at(self.number));
    }

    /// An order of each instrument comes and is executed in part, then the second is over.
    fn second(&mut self, second: u64) {
        let ts_ns = second * SECOND_NS;
        for instrument in 1..=INSTRUMENTS {
            let order_id = second * 100_000 + u64::from(instrument);
            let price_e9 = 100_000_000_000;
            self.event(AddOrder {
                head: head(ts_ns, instrument, Side::BUY),
                order_id,
                price_e9,
                quantity: 100,
                attribution: [0; 4],
                message: 1,
            });
            // What is left of them makes room for those of the next second.
            for quantity in [30, 70] {
                self.event(Execute {
                    head: head(ts_ns, instrument, Side::NONE),
                    order_id,
                    price_e9: NO_PRICE,
                    match_id: 1,
                    quantity,
                    message: 2,
                });
            }
        }
        self.event(System {
            head: head(ts_ns + SECOND_NS, 0, Side::NONE),
            code: b'Q',
            reserved: [0; 27],
            message: 3,
        });
        self.settle();
    }

    fn session(&mut self, mark: SessionMark) {
        self.settle();
        self.number += 1;
        let session = Session {
            id: *b"TEST000001\0\0\0\0\0\0",
            feed_sequence: 1,
            mark,
            feed: 1,
        };
        self.handler.on_session(&session, at(self.number));
        self.settle();
    }

    fn gap(&mut self) {
        self.settle();
        self.handler.on_gap(Gap {
            first: 1,
            last: 1,
            cause: GapCause::Absent,
            feed: 1,
        });
        self.settle();
    }

    /// Returns how often there was an allocation after what has to be there was there once.
    fn count(&mut self) -> u64 {
        self.session(SessionMark::Start);
        self.second(10);
        let allocations = ALLOCATOR.during(|| {
            self.second(11);
            self.gap();
            self.session(SessionMark::Restart);
            self.second(12);
            self.session(SessionMark::End);
        });
        // The end of a bus releases it.
        self.handler.on_stop();
        self.settle();
        allocations
    }
}

fn config() -> DerivedConfig {
    DerivedConfig {
        rules: vec![
            BarRule::Time {
                every_ns: SECOND_NS,
            },
            BarRule::Ticks { count: 2 },
            BarRule::Volume { quantity: 90 },
        ],
        ..DerivedConfig::default()
    }
}

fn books() -> BooksConfig {
    BooksConfig {
        instruments_max: 16_384,
        orders_expected: 32_768,
        ..BooksConfig::default()
    }
}

/// Three bars of each instrument and second.
const BARS: u64 = 3 * 3 * INSTRUMENTS as u64;

#[derive(Default)]
struct Count(u64);

impl Handler<MarketEvent> for Count {
    fn on_event(&mut self, _: &MarketEvent, _: At) {
        self.0 += 1;
    }
    fn on_gap(&mut self, _: Gap) {}
}

#[test]
fn nothing_allocates_once_everything_was_there() {
    let output = InlineOutput::new(Count::default());
    let mut inline = Feeder {
        handler: BookHandler::new(books(), &config(), output).unwrap(),
        drain: || {},
        number: 0,
        waits: 0,
    };
    assert_eq!(inline.count(), 0, "inline");
    let counts = inline.handler.counts();
    assert_eq!(counts.bars, BARS, "{counts:?}");

    let mut publisher = Publisher::<MarketEvent>::new(256);
    let subscription = Subscription {
        contract: Contract::Lossless,
        capacity: 512,
        passages: true,
        ..Subscription::default()
    };
    let mut subscriber = publisher.subscribe(subscription).unwrap();
    let output = BusOutput::new(publisher).unwrap();
    let mut taken = 0_u64;
    let drain = || {
        subscriber.poll(64, |delivery| match delivery {
            Delivery::Record { .. } => taken += 1,
            Delivery::Overrun(gap) => panic!("{gap:?}"),
        });
    };
    let mut bus = Feeder {
        handler: BookHandler::new(books(), &config(), output).unwrap(),
        drain,
        number: 0,
        waits: 0,
    };
    assert_eq!(bus.count(), 0, "on a bus");
    let (digest, waits) = (bus.handler.digest().value(), bus.waits);
    assert_eq!(bus.handler.counts(), counts);
    for _ in 0..=512 / 64 {
        (bus.drain)();
    }
    assert!(subscriber.is_closed());
    assert!(
        waits > 1_000,
        "the boundaries were more than the ring: {waits}"
    );
    assert_eq!(digest, inline.handler.digest().value());
    assert_eq!(taken, inline.handler.output().handler().0);
    println!("{taken} derived events of 10,000 instruments, {waits} waits, no allocation");
}
