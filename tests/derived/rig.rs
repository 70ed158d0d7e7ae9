//! What the tests of derived events share: made-up sessions, and handlers that keep what they get.

use crate::random::Random;
use ringtape::book::{BarRule, BookHandler, BooksConfig, DerivedConfig, InlineOutput, Output};
use ringtape::handler::{At, Handler};
use ringtape::market::{
    AddOrder, Cancel, CrossTrade, Delete, EventKind, Execute, Flags, Head, Instrument, MarketEvent,
    NO_PRICE, Replace, Side, Symbol, System, Trade,
};
use ringtape::record::{Gap, GapCause, Sequence, Session, SessionMark};

/// The feed that the books are of, and that of what is derived.
pub(crate) const FEED: u8 = 1;
pub(crate) const DERIVED: u8 = 77;

/// What a handler is given.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Input {
    Event(MarketEvent),
    Gap(Gap),
    Session(Session),
}

pub(crate) fn session(mark: SessionMark) -> Input {
    Input::Session(Session {
        id: *b"TEST000001\0\0\0\0\0\0",
        feed_sequence: 1,
        mark,
        feed: FEED,
    })
}

pub(crate) fn head(ts_event_ns: u64, instrument: u32, side: Side) -> Head {
    Head {
        ts_event_ns,
        instrument,
        feed: FEED,
        kind: EventKind::SYSTEM,
        side,
        flags: Flags::LAST,
    }
}

/// A trade that touches no order.
pub(crate) fn trade(ts_event_ns: u64, instrument: u32, price_e9: i64, quantity: u32) -> Input {
    Input::Event(
        Trade {
            head: head(ts_event_ns, instrument, Side::BUY),
            order_id: 0,
            price_e9,
            match_id: 5,
            quantity,
            message: 3,
        }
        .into(),
    )
}

/// An event of the feed that tells the time and concerns no instrument.
pub(crate) fn tick(ts_event_ns: u64) -> Input {
    Input::Event(
        System {
            head: head(ts_event_ns, 0, Side::NONE),
            code: b'Q',
            reserved: [0; 27],
            message: 4,
        }
        .into(),
    )
}

struct Alive {
    order_id: u64,
    instrument: u32,
    quantity: u32,
}

/// Makes sessions of a venue that trades what it shows, with hidden trades and crosses beside.
pub(crate) struct Flow {
    random: Random,
    alive: Vec<Alive>,
    next_order: u64,
    next_match: u64,
    now_ns: u64,
    message: u32,
}

impl Flow {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: Random(seed),
            alive: Vec::new(),
            next_order: 1,
            next_match: 1,
            now_ns: 34_200_000_000_000,
            message: 0,
        }
    }

    /// Makes a session of `count` inputs, begun from its first number on.
    pub(crate) fn inputs(&mut self, count: usize) -> Vec<Input> {
        let mut inputs = vec![session(SessionMark::Start)];
        while inputs.len() < count {
            let input = self.input();
            inputs.push(input);
        }
        inputs
    }

    fn input(&mut self) -> Input {
        self.message += 1;
        self.now_ns += self.random.below(50_000_000);
        if self.random.below(60) == 0 {
            self.now_ns += self.random.below(5_000_000_000);
        }
        match self.random.below(1_000) {
            0..2 => {
                self.alive.clear();
                session(SessionMark::Restart)
            }
            2..4 => session(SessionMark::End),
            4..6 => Input::Gap(Gap {
                first: u64::from(self.message),
                last: u64::from(self.message) + 1,
                cause: GapCause::Absent,
                feed: FEED,
            }),
            6..30 => tick(self.now_ns),
            // Another feed's, whose time is none of this one's.
            30..50 => self.foreign(),
            _ => Input::Event(self.event()),
        }
    }

    fn foreign(&mut self) -> Input {
        let ahead_ns = self.now_ns + 3_600_000_000_000;
        let Input::Event(mut event) = trade(ahead_ns, 1, 1_000, 1) else {
            unreachable!("a trade is an event");
        };
        event.head.feed = FEED + 1;
        Input::Event(event)
    }

    fn event(&mut self) -> MarketEvent {
        let late = self.random.below(10) == 0;
        let late_ns = u64::from(late) * self.random.below(3_000_000_000);
        let ts_event_ns = self.now_ns - late_ns;
        let message = self.message;
        let instrument = [11, 12, 13, 70_000, 70_001][self.random.index(5)];
        let of = |side| head(ts_event_ns, instrument, side);
        match self.random.below(100) {
            0..3 => {
                let symbol = Symbol(*b"SYNALPHA");
                Instrument::named(of(Side::NONE), symbol, message).into()
            }
            3..11 => Trade {
                head: of(Side::BUY),
                order_id: 0,
                price_e9: self.price(Side::BUY),
                match_id: self.next_match(),
                quantity: self.quantity(),
                message,
            }
            .into(),
            11..13 => CrossTrade {
                head: of(Side::NONE),
                // Nothing crosses now and then.
                quantity: u64::from(self.quantity()) * self.random.below(3),
                price_e9: self.price(Side::SELL),
                match_id: self.next_match(),
                cross_type: b'O',
                reserved: [0; 3],
                message,
            }
            .into(),
            13..60 if !self.alive.is_empty() => self.change(ts_event_ns),
            _ => self.add(ts_event_ns, instrument),
        }
    }

    fn add(&mut self, ts_event_ns: u64, instrument: u32) -> MarketEvent {
        let side = [Side::BUY, Side::SELL][self.random.index(2)];
        let order_id = self.next_order();
        let quantity = self.quantity();
        self.alive.push(Alive {
            order_id,
            instrument,
            quantity,
        });
        AddOrder {
            head: head(ts_event_ns, instrument, side),
            order_id,
            price_e9: self.price(side),
            quantity: quantity.into(),
            attribution: [0; 4],
            message: self.message,
        }
        .into()
    }

    /// Does something with an order that is alive.
    fn change(&mut self, ts_event_ns: u64) -> MarketEvent {
        let index = self.random.index(self.alive.len());
        let message = self.message;
        let (order_id, left) = (self.alive[index].order_id, self.alive[index].quantity);
        let head = head(ts_event_ns, self.alive[index].instrument, Side::NONE);
        let part = 1 + u32::try_from(self.random.below(left.into())).unwrap();
        let what = self.random.below(5);
        match what {
            0 => {
                self.alive.swap_remove(index);
                Delete {
                    head,
                    order_id,
                    reserved: [0; 20],
                    message,
                }
                .into()
            }
            1 => {
                let new_order_id = self.next_order();
                let quantity = self.quantity();
                self.alive[index].order_id = new_order_id;
                self.alive[index].quantity = quantity;
                Replace {
                    head,
                    order_id,
                    new_order_id,
                    // Far from the other side, whichever this is.
                    price_e9: 100_000_000_000,
                    quantity,
                    message,
                }
                .into()
            }
            _ => {
                self.alive[index].quantity -= part;
                if part == left {
                    self.alive.swap_remove(index);
                }
                if what == 2 {
                    return Cancel {
                        head,
                        order_id,
                        quantity: part.into(),
                        reserved: [0; 12],
                        message,
                    }
                    .into();
                }
                let elsewhere = self.random.below(4) == 0;
                Execute {
                    head,
                    order_id,
                    price_e9: if elsewhere {
                        self.price(Side::BUY)
                    } else {
                        NO_PRICE
                    },
                    match_id: self.next_match(),
                    quantity: part,
                    message,
                }
                .into()
            }
        }
    }

    /// Bids are at most 99.99, offers at least 100.01.
    fn price(&mut self, side: Side) -> i64 {
        let away_e9 = i64::try_from(self.random.below(20)).unwrap() * 10_000_000;
        if side == Side::BUY {
            99_990_000_000 - away_e9
        } else {
            100_010_000_000 + away_e9
        }
    }

    fn quantity(&mut self) -> u32 {
        1 + u32::try_from(self.random.below(500)).unwrap()
    }

    fn next_order(&mut self) -> u64 {
        self.next_order += 1;
        self.next_order
    }

    fn next_match(&mut self) -> u64 {
        self.next_match += 1;
        self.next_match
    }
}

impl Random {
    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap()
    }
}

/// Keeps what it is given.
#[derive(Debug, Default)]
pub(crate) struct Keep {
    pub(crate) events: Vec<MarketEvent>,
    pub(crate) numbers: Vec<u64>,
    pub(crate) recv_ns: Vec<u64>,
    pub(crate) ends: Vec<bool>,
    pub(crate) gaps: Vec<Gap>,
    pub(crate) stopped: bool,
}

impl Handler<MarketEvent> for Keep {
    fn on_event(&mut self, event: &MarketEvent, at: At) {
        self.events.push(*event);
        self.numbers.push(at.sequence.get());
        self.recv_ns.push(at.ts_recv_ns);
        self.ends.push(at.end_of_batch);
    }
    fn on_gap(&mut self, gap: Gap) {
        self.gaps.push(gap);
    }
    fn on_stop(&mut self) {
        self.stopped = true;
    }
}

pub(crate) fn config(rules: &[BarRule]) -> DerivedConfig {
    DerivedConfig {
        feed: DERIVED,
        rules: rules.to_vec(),
    }
}

pub(crate) fn books() -> BooksConfig {
    BooksConfig {
        feed: FEED,
        instruments_max: 64,
        orders_expected: 1_024,
        ..BooksConfig::default()
    }
}

pub(crate) fn inline(rules: &[BarRule]) -> BookHandler<InlineOutput<Keep>> {
    BookHandler::new(books(), &config(rules), InlineOutput::new(Keep::default())).unwrap()
}

/// Gives the input numbered `number`, received at ten times that.
pub(crate) fn give<O: Output>(handler: &mut BookHandler<O>, number: u64, input: &Input) {
    let at = At {
        sequence: Sequence::new(number),
        ts_recv_ns: 10 * number,
        end_of_batch: number.is_multiple_of(3),
    };
    match input {
        Input::Event(event) => handler.on_event(event, at),
        Input::Gap(gap) => handler.on_gap(*gap),
        Input::Session(session) => handler.on_session(session, at),
    }
}

/// Gives all inputs, numbered from 1, and stops.
pub(crate) fn run(inputs: &[Input], rules: &[BarRule]) -> BookHandler<InlineOutput<Keep>> {
    let mut handler = inline(rules);
    handler.on_start();
    for (number, input) in (1..).zip(inputs) {
        assert!(handler.is_ready());
        give(&mut handler, number, input);
    }
    handler.on_stop();
    assert!(handler.is_ready());
    handler
}
