//! The books of a feed: whether they are trusted, whether a group of events is seen whole, and what
//! becomes of bad data.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it tried"
)]

mod bad_data;
#[allow(dead_code, reason = "the readers of other formats")]
#[path = "../captures/mod.rs"]
mod captures;
mod data;
mod doubt;
mod groups;
#[path = "../naive_book/mod.rs"]
mod naive_book;
mod oracle;
#[path = "../captures/pcapng.rs"]
mod pcapng;
mod soup;
mod trust;

use ringtape::book::{Book, BookSide, Books, BooksConfig, PriceLevel};
use ringtape::handler::At;
use ringtape::market::{
    AddOrder, Delete, EventKind, Flags, Head, Instrument, Level, LevelAction, MarketEvent,
    NO_QUANTITY, Side, Status, Symbol,
};
use ringtape::record::{Record, Sequence, Session, SessionMark};

const FEED: u8 = 1;
/// Unlike 1 in all its bytes.
const OTHER_FEED: u8 = 254;

/// Books, and the records that they are given, one after the other.
struct Rig {
    books: Books,
    sequence: u64,
}

impl Rig {
    fn new() -> Self {
        Self::with(BooksConfig::default())
    }

    fn with(config: BooksConfig) -> Self {
        Self {
            books: Books::new(config),
            sequence: 0,
        }
    }

    /// Books of a session that was seen from its first number on.
    fn started() -> Self {
        let mut rig = Self::new();
        rig.session(SessionMark::Start, 1);
        rig
    }

    fn at(&mut self) -> At {
        self.sequence += 1;
        At {
            sequence: Sequence::new(self.sequence),
            ts_recv_ns: self.sequence * 1_000,
            end_of_batch: true,
        }
    }

    fn event(&mut self, event: impl Into<MarketEvent>) -> Vec<u32> {
        let at = self.at();
        self.books.on_event(&event.into(), at).changed.to_vec()
    }

    fn session(&mut self, mark: SessionMark, feed_sequence: u64) -> Vec<u32> {
        let at = self.at();
        let session = Session {
            id: *b"SESSION\0\0\0\0\0\0\0\0\0",
            feed_sequence,
            mark,
            feed: FEED,
        };
        self.books.on_session(&session, at).changed.to_vec()
    }

    fn book(&self, instrument: u32) -> Book<'_> {
        let index = self.books.index(instrument).expect("was named");
        self.books.as_is(index).expect("is there")
    }

    fn is_trusted(&self, instrument: u32) -> bool {
        let index = self.books.index(instrument).expect("was named");
        self.books.trusted(index).is_ok()
    }

    fn depth(&self, instrument: u32, side: BookSide) -> Vec<PriceLevel> {
        self.book(instrument).depth(side).collect()
    }
}

fn head(instrument: u32, side: Side) -> Head {
    Head {
        ts_event_ns: 7,
        instrument,
        feed: FEED,
        kind: EventKind(0),
        side,
        flags: Flags::LAST,
    }
}

fn add(instrument: u32, order_id: u64, side: Side, price_e9: i64, quantity: u64) -> AddOrder {
    AddOrder {
        head: head(instrument, side),
        order_id,
        price_e9,
        quantity,
        attribution: [0; 4],
        message: u32::try_from(order_id & 0xffff_ffff).unwrap(),
    }
}

fn delete(instrument: u32, order_id: u64) -> Delete {
    Delete {
        head: head(instrument, Side::NONE),
        order_id,
        reserved: [0; 20],
        message: 0,
    }
}

fn named(instrument: u32, symbol: &str) -> Instrument {
    let symbol = Symbol::new(symbol).unwrap();
    Instrument::named(head(instrument, Side::NONE), symbol, 0)
}

fn status(instrument: u32, state: u8) -> Status {
    Status {
        head: head(instrument, Side::NONE),
        state,
        venue_reserved: 0,
        reason: [0; 4],
        reserved: [0; 22],
        message: 0,
    }
}

/// A level of IEX, addressed by its price.
fn iex(instrument: u32, side: Side, price_e9: i64, quantity: u32, complete: bool) -> Level {
    let removes = quantity == 0;
    Level {
        head: head(instrument, side),
        price_e9,
        quantity,
        orders: NO_QUANTITY,
        report: 0,
        tradeable_quantity: NO_QUANTITY,
        level: 0,
        action: if removes {
            LevelAction::DELETE
        } else {
            LevelAction::SET
        },
        entry_type: if side == Side::BUY { b'8' } else { b'5' },
        venue_flags: u8::from(complete),
        message: 0,
    }
}

/// A level of CME, addressed by its place.
fn cme(instrument: u32, side: Side, place: u8, price_e9: i64, report: u32, end: bool) -> Level {
    Level {
        head: head(instrument, side),
        price_e9,
        quantity: 5,
        orders: 2,
        report,
        tradeable_quantity: NO_QUANTITY,
        level: place,
        action: LevelAction::NEW,
        entry_type: if side == Side::BUY { b'0' } else { b'1' },
        venue_flags: if end { 0x80 } else { 0 },
        message: 0,
    }
}

fn level(price_e9: i64, quantity: u64, orders: u32) -> PriceLevel {
    PriceLevel {
        price_e9,
        quantity,
        orders,
    }
}
