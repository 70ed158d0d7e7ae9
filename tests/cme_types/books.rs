//! What books, trades and their orders become.

use crate::cme_messages::{Block, Sbe, block, events};
use crate::templates::{NULL_QUANTITY, book, book_entry, check, head, orders, root, scale, trades};
use ringtape::feed::MalformedMessage;
use ringtape::market::{
    BookOrder, EventKind, Flags, LastSale, Level, LevelAction, NO_PRICE, NO_QUANTITY,
    OrderPriority, Side, TradeOrder,
};

#[test]
fn a_book_becomes_its_levels_then_its_orders_where_they_stand() {
    for (template, version) in [(32, 9), (46, 9), (46, 10)] {
        let price_e9 = -25 * scale(template);
        let level = Level {
            head: head(EventKind::LEVEL, Side::BUY, Flags::NONE),
            price_e9,
            quantity: 11,
            orders: 3,
            report: 1,
            tradeable_quantity: NO_QUANTITY,
            level: 2,
            action: LevelAction::CHANGE,
            entry_type: b'0',
            venue_flags: 0x84,
            message: 1,
        };
        let empty = Level {
            head: head(EventKind::LEVEL, Side::SELL, Flags::NONE),
            price_e9: NO_PRICE,
            report: 2,
            entry_type: b'F',
            ..level
        };
        let order = BookOrder {
            head: head(EventKind::BOOK_ORDER, Side::BUY, Flags::NONE),
            order_id: 7,
            price_e9,
            quantity: 5,
            action: LevelAction::NEW,
            entry_type: b'0',
            venue_flags: 0x84,
            reserved: [0; 5],
            message: 1,
        };
        let gone = BookOrder {
            head: head(EventKind::BOOK_ORDER, Side::SELL, Flags::NONE),
            order_id: 8,
            price_e9: NO_PRICE,
            quantity: NO_QUANTITY,
            action: LevelAction::DELETE,
            entry_type: b'F',
            ..order
        };
        let mut nowhere_head = head(EventKind::BOOK_ORDER, Side::NONE, Flags::STALE_BOOK);
        nowhere_head.instrument = 0;
        let nowhere = BookOrder {
            head: nowhere_head,
            order_id: 9,
            price_e9: NO_PRICE,
            quantity: 6,
            action: LevelAction::CHANGE,
            entry_type: 0,
            ..order
        };
        let priority = |head, order_id, priority| OrderPriority {
            head,
            order_id,
            priority,
            reserved: [0; 12],
            message: 1,
        };
        nowhere_head.kind = EventKind::ORDER_PRIORITY;
        nowhere_head.flags = Flags::STALE_BOOK.with(Flags::LAST);
        let first = head(EventKind::ORDER_PRIORITY, Side::BUY, Flags::NONE);
        let expected = [
            level.into(),
            empty.into(),
            order.into(),
            priority(first, 7, 70).into(),
            gone.into(),
            nowhere.into(),
            priority(nowhere_head, 9, 90).into(),
        ];
        check(&book(template, version), &expected);
    }
}

#[test]
fn what_can_trade_now_is_read_where_version_and_length_have_it() {
    let tradeable_of = |template, version, tail: Block| {
        let entry = block().ascii(&book_entry(5, 100, 1, b'0').0).ascii(&tail.0);
        let got = events(&[Sbe::new(template, version, root()).group(&[entry])]).unwrap();
        let ringtape::market::View::Level(level) = got[0].view() else {
            panic!("a level")
        };
        assert!(level.head.flags.contains(Flags::LAST));
        level.tradeable_quantity
    };
    let tradeable = |version, tail| tradeable_of(46, version, tail);
    assert_eq!(tradeable_of(32, 10, block().i32(8)), NO_QUANTITY);
    assert_eq!(tradeable(10, block().i32(8)), 8);
    assert_eq!(tradeable(13, block().i32(8).u8(0)), 8);
    assert_eq!(tradeable(10, block().i32(NULL_QUANTITY)), NO_QUANTITY);
    assert_eq!(tradeable(9, block().i32(0).u8(0)), NO_QUANTITY, "padding");
    assert_eq!(
        tradeable(10, block().u16(8).u8(0)),
        NO_QUANTITY,
        "too short"
    );
}

#[test]
fn a_trade_is_followed_by_the_orders_that_took_part() {
    for (template, version) in [(42, 7), (48, 9), (42, 6)] {
        let trade_id = |report: u64| if version < 7 { 0 } else { 9_000 + report };
        let sale = LastSale {
            head: head(EventKind::LAST_SALE, Side::BUY, Flags::NONE),
            price_e9: 31 * scale(template),
            trade_id: trade_id(1),
            quantity: 4,
            orders: 2,
            conditions: 0x84,
            action: LevelAction::NEW,
            reserved: [0; 2],
            message: 1,
        };
        let second = LastSale {
            head: head(EventKind::LAST_SALE, Side::SELL, Flags::NONE),
            price_e9: 32 * scale(template),
            trade_id: trade_id(2),
            orders: 1,
            ..sale
        };
        let order = |order_id, report, flags| TradeOrder {
            head: head(EventKind::TRADE_ORDER, Side::NONE, flags),
            order_id,
            quantity: u32::try_from(order_id).unwrap(),
            report,
            reserved: [0; 12],
            message: 1,
        };
        let expected = [
            sale.into(),
            order(1, 1, Flags::NONE).into(),
            order(2, 1, Flags::NONE).into(),
            second.into(),
            order(3, 2, Flags::LAST).into(),
        ];
        check(&trades(template, version), &expected);
    }
}

#[test]
fn orders_that_the_trades_do_not_count_follow_the_last_and_without_a_trade_are_refused() {
    let sides = |counts: [i32; 2]| {
        let mut message = trades(42, 8);
        for (entry, count) in message.groups[0].entries.iter_mut().zip(counts) {
            entry.0[20..24].copy_from_slice(&count.to_le_bytes());
        }
        let events = events(&[message]).unwrap();
        let last: Vec<_> = events.iter().map(|e| e.head.flags == Flags::LAST).collect();
        assert_eq!(last, [false, false, false, false, true]);
        events
            .iter()
            .position(|event| event.head.side == Side::SELL)
            .unwrap()
    };
    assert_eq!(sides([0, 0]), 1);
    assert_eq!(sides([NULL_QUANTITY, 3]), 1);
    assert_eq!(sides([1, 9]), 2);
    assert_eq!(sides([9, 1]), 4);
    let mut message = trades(42, 8);
    message.groups[0].entries.clear();
    assert_eq!(events(&[message]), Err(MalformedMessage));
}

#[test]
fn an_order_of_a_book_stands_alone_and_its_priority_follows_where_there_is_one() {
    for template in [43, 47] {
        let order = BookOrder {
            head: head(EventKind::BOOK_ORDER, Side::SELL, Flags::NONE),
            order_id: 7,
            price_e9: 61 * scale(template),
            quantity: 5,
            action: LevelAction::NEW,
            entry_type: b'1',
            venue_flags: 0x84,
            reserved: [0; 5],
            message: 1,
        };
        let priority = OrderPriority {
            head: head(EventKind::ORDER_PRIORITY, Side::SELL, Flags::NONE),
            order_id: 7,
            priority: 70,
            reserved: [0; 12],
            message: 1,
        };
        let none = BookOrder {
            head: head(EventKind::BOOK_ORDER, Side::SELL, Flags::LAST),
            order_id: 0,
            price_e9: NO_PRICE,
            quantity: NO_QUANTITY,
            ..order
        };
        check(
            &orders(template),
            &[order.into(), priority.into(), none.into()],
        );
    }
}
