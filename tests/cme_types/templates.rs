//! A message of each template, and what its events are compared with.

use crate::cme_messages::{Block, Sbe, block, events};
use ringtape::market::{EventKind, Flags, Head, MarketEvent, Side};

pub(crate) const NULL_PRICE: i64 = i64::MAX;

pub(crate) const NULL_QUANTITY: i32 = i32::MAX;

pub(crate) const TIME: u64 = 1_475_000_000_000_000_001;

pub(crate) fn root() -> Block {
    block().u64(TIME).u8(0x84)
}

pub(crate) fn book_entry(price: i64, security: i32, report: u32, entry_type: u8) -> Block {
    let entry = block().i64(price).i32(11).i32(security).u32(report).i32(3);
    entry.u8(2).u8(1).u8(entry_type)
}

pub(crate) fn book(template: u16, version: u16) -> Sbe {
    let entries = [
        book_entry(-25, 100, 1, b'0'),
        book_entry(NULL_PRICE, 100, 2, b'F'),
    ];
    let orders = [
        block().u64(7).u64(70).i32(5).u8(1).u8(0),
        block().u64(8).u64(u64::MAX).i32(NULL_QUANTITY).u8(2).u8(2),
        block().u64(9).u64(90).i32(6).u8(255).u8(1),
    ];
    Sbe::new(template, version, root())
        .group(&entries)
        .aligned(&orders)
}

pub(crate) fn trades(template: u16, version: u16) -> Sbe {
    let trade = |price, report, orders, aggressor| {
        let trade = block().i64(price).i32(4).i32(100).u32(report).i32(orders);
        trade.u8(aggressor).u8(0).u32(9_000 + report)
    };
    let orders = [1, 2, 3].map(|order| block().u64(order).i32(order.try_into().unwrap()));
    Sbe::new(template, version, root())
        .group(&[trade(31, 1, 2, 1), trade(32, 2, 1, 2)])
        .aligned(&orders)
}

pub(crate) fn daily(template: u16) -> Sbe {
    let entry = block().i64(41).i32(NULL_QUANTITY).i32(100).u32(1);
    Sbe::new(template, 9, root()).group(&[entry.u16(17_000).u8(3).u8(0).u8(b'6')])
}

pub(crate) fn limits(template: u16) -> Sbe {
    let entry = block().i64(60).i64(NULL_PRICE).i64(5).i32(100).u32(1);
    Sbe::new(template, 9, root()).group(&[entry])
}

pub(crate) fn session(template: u16, version: u16) -> Sbe {
    let entry = block().i64(51).i32(100).u32(1).u8(0).u8(1).u8(b'4').i32(12);
    Sbe::new(template, version, root()).group(&[entry])
}

pub(crate) fn volume() -> Sbe {
    Sbe::new(37, 8, root()).group(&[
        block().i32(i32::MAX).i32(100).u32(1).u8(0),
        block().i32(6).i32(200).u32(1).u8(1),
    ])
}

pub(crate) fn snapshot(template: u16) -> Sbe {
    let root = block()
        .u32(500)
        .u32(40)
        .i32(100)
        .u32(9)
        .u64(TIME)
        .u64(TIME - 1);
    let root = root.u16(17_001).u8(17).i64(80).i64(NULL_PRICE).i64(6);
    let entry = |level, entry_type| {
        let entry = block().i64(71).i32(15).i32(NULL_QUANTITY).u8(level);
        entry.u16(65_535).u8(255).u8(0x80).u8(entry_type)
    };
    Sbe::new(template, 9, root).group(&[entry(1, b'1'), entry(127, b'e')])
}

pub(crate) fn orders(template: u16) -> Sbe {
    let entry = |order, priority, price, quantity: i32| {
        let entry = block().u64(order).u64(priority).i64(price).i32(quantity);
        entry.i32(100).u8(0).u8(b'1')
    };
    Sbe::new(template, 9, root()).group(&[
        entry(7, 70, 61, 5),
        entry(u64::MAX, u64::MAX, NULL_PRICE, NULL_QUANTITY),
    ])
}

pub(crate) fn status() -> Sbe {
    let root = block().u64(TIME).ascii(b"ES\0\0\0\0").ascii(b"ESX\0\0\0");
    let root = root.i32(i32::MAX).u16(17_002).u8(0x80).u8(21).u8(1).u8(4);
    Sbe::new(30, 9, root)
}

pub(crate) fn reset() -> Sbe {
    Sbe::new(4, 9, root()).group(&[block().i16(-310), block().i16(4)])
}

/// Every template.
pub(crate) fn all() -> Vec<Sbe> {
    let mut all = vec![reset(), Sbe::new(12, 9, block()), status(), volume()];
    all.extend([(32, 9), (46, 9)].map(|(template, version)| book(template, version)));
    all.extend([33, 49].map(daily));
    all.extend([34, 50].map(limits));
    all.extend([(35, 8), (51, 9)].map(|(template, version)| session(template, version)));
    all.extend([38, 52].map(snapshot));
    all.extend([(42, 7), (48, 9)].map(|(template, version)| trades(template, version)));
    all.extend([43, 47].map(orders));
    all
}

pub(crate) fn head(kind: EventKind, side: Side, flags: Flags) -> Head {
    Head {
        ts_event_ns: TIME,
        instrument: 100,
        feed: 3,
        kind,
        side,
        flags,
    }
}

pub(crate) fn check(message: &Sbe, expected: &[MarketEvent]) {
    let got = events(std::slice::from_ref(message)).unwrap();
    assert_eq!(got, expected, "template {}", message.template);
}

/// What a mantissa of 1 becomes.
pub(crate) fn scale(template: u16) -> i64 {
    if template < 46 { 100 } else { 1 }
}
