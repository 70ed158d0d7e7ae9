//! Journals of a few orders, for tests of what is made of books.

use super::tape::RECV_NS;
use ringtape::journal::{Config, Writer};
use ringtape::market::{
    AddOrder, EventKind, Execute, Flags, Head, Instrument, MarketEvent, NO_PRICE, Print, Side,
    Symbol,
};
use ringtape::record::{Gap, GapCause, Record, Sequence, Session, SessionMark};
use std::path::Path;

pub(crate) const NS_PER_S: u64 = 1_000_000_000;

/// What becomes a record.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Item {
    Event(MarketEvent),
    Gap(Gap),
    Session(Session),
}

fn head(feed: u8, instrument: u32, kind: EventKind, side: Side) -> Head {
    Head {
        ts_event_ns: 0,
        instrument,
        feed,
        kind,
        side,
        flags: Flags::LAST,
    }
}

/// The session of a feed, from its first number on.
pub(crate) fn start(feed: u8) -> Item {
    Item::Session(Session {
        id: *b"TODAY\0\0\0\0\0\0\0\0\0\0\0",
        feed_sequence: 1,
        mark: SessionMark::Start,
        feed,
    })
}

/// A number that a feed lost.
pub(crate) fn gap(feed: u8) -> Item {
    Item::Gap(Gap {
        first: 7,
        last: 7,
        cause: GapCause::Absent,
        feed,
    })
}

/// The name of an instrument.
pub(crate) fn named(feed: u8, instrument: u32, symbol: &str) -> Item {
    let head = head(feed, instrument, EventKind::INSTRUMENT, Side::NONE);
    let symbol = Symbol::new(symbol).unwrap();
    Item::Event(Instrument::named(head, symbol, 0).into())
}

/// An order, at a price × 10².
pub(crate) fn add(feed: u8, instrument: u32, order_id: u64, side: Side, cents: i64) -> Item {
    let add = AddOrder {
        head: head(feed, instrument, EventKind::ADD_ORDER, side),
        order_id,
        price_e9: cents * 10_000_000,
        quantity: 100,
        attribution: [0; 4],
        message: 0,
    };
    Item::Event(add.into())
}

/// A trade with an order.
pub(crate) fn execute(feed: u8, instrument: u32, order_id: u64, quantity: u32) -> Item {
    let execute = Execute {
        head: head(feed, instrument, EventKind::EXECUTE, Side::NONE),
        order_id,
        price_e9: NO_PRICE,
        match_id: 77,
        quantity,
        message: 0,
    };
    Item::Event(execute.into())
}

/// A trade that was derived from a book.
pub(crate) fn print(feed: u8, instrument: u32) -> Item {
    let print = Print {
        head: head(feed, instrument, EventKind::PRINT, Side::BUY),
        price_e9: 1,
        match_id: 1,
        quantity: 1,
        source: 1,
        reserved: [0; 3],
        message: 0,
    };
    Item::Event(print.into())
}

/// Makes the record of a number. It is received so many seconds after record 0, and the venue's
/// time is the same.
pub(crate) fn record(number: u64, item: Item) -> Record<MarketEvent> {
    let sequence = Sequence::new(number);
    let ts_ns = RECV_NS + number * NS_PER_S;
    match item {
        Item::Event(mut event) => {
            event.head.ts_event_ns = ts_ns;
            event.message = u32::try_from(number).unwrap();
            Record::event(sequence, ts_ns, &event)
        }
        Item::Gap(gap) => Record::gap(sequence, ts_ns, gap),
        Item::Session(session) => Record::session(sequence, ts_ns, session),
    }
}

/// Appends items to a journal.
pub(crate) fn append(writer: &mut Writer<MarketEvent>, items: &[Item]) {
    let first = writer.next_sequence().get();
    let records: Vec<_> = (first..)
        .zip(items)
        .map(|(number, item)| record(number, *item))
        .collect();
    writer.append([&records, &[]], RECV_NS).unwrap();
}

/// Writes a journal.
pub(crate) fn write(directory: &Path, items: &[Item]) {
    let mut writer = Writer::open(Config::new(directory), RECV_NS).unwrap();
    append(&mut writer, items);
    writer.close().unwrap();
}
