//! Every template of CME that is known, from bytes made by hand: what its events are, and what
//! becomes of longer blocks, shorter ones, absent values and wrong ones.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cme_messages;

use cme_messages::{Block, Rig, Sbe, block, events, packet, packet_resized};
use ringtape::feed::mdp3::SESSION;
use ringtape::feed::{Cme, CmeFeed, FeedConfig, MalformedMessage, Protocol, cme, session_name};
use ringtape::market::{
    BookOrder, ChannelReset, EventKind, Flags, Head, LastSale, Level, LevelAction, MarketEvent,
    NO_PRICE, NO_QUANTITY, OrderPriority, PriceLimits, SecurityStatus, Side, SnapshotStart,
    Statistic, TradeOrder, Volume,
};

const NULL_PRICE: i64 = i64::MAX;
const NULL_QUANTITY: i32 = i32::MAX;
const TIME: u64 = 1_475_000_000_000_000_001;

fn root() -> Block {
    block().u64(TIME).u8(0x84)
}

fn book_entry(price: i64, security: i32, report: u32, entry_type: u8) -> Block {
    let entry = block().i64(price).i32(11).i32(security).u32(report).i32(3);
    entry.u8(2).u8(1).u8(entry_type)
}

fn book(template: u16, version: u16) -> Sbe {
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

fn trades(template: u16, version: u16) -> Sbe {
    let trade = |price, report, orders, aggressor| {
        let trade = block().i64(price).i32(4).i32(100).u32(report).i32(orders);
        trade.u8(aggressor).u8(0).u32(9_000 + report)
    };
    let orders = [1, 2, 3].map(|order| block().u64(order).i32(order.try_into().unwrap()));
    Sbe::new(template, version, root())
        .group(&[trade(31, 1, 2, 1), trade(32, 2, 1, 2)])
        .aligned(&orders)
}

fn daily(template: u16) -> Sbe {
    let entry = block().i64(41).i32(NULL_QUANTITY).i32(100).u32(1);
    Sbe::new(template, 9, root()).group(&[entry.u16(17_000).u8(3).u8(0).u8(b'6')])
}

fn limits(template: u16) -> Sbe {
    let entry = block().i64(60).i64(NULL_PRICE).i64(5).i32(100).u32(1);
    Sbe::new(template, 9, root()).group(&[entry])
}

fn session(template: u16, version: u16) -> Sbe {
    let entry = block().i64(51).i32(100).u32(1).u8(0).u8(1).u8(b'4').i32(12);
    Sbe::new(template, version, root()).group(&[entry])
}

fn volume() -> Sbe {
    Sbe::new(37, 8, root()).group(&[
        block().i32(i32::MAX).i32(100).u32(1).u8(0),
        block().i32(6).i32(200).u32(1).u8(1),
    ])
}

fn snapshot(template: u16) -> Sbe {
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

fn orders(template: u16) -> Sbe {
    let entry = |order, priority, price, quantity: i32| {
        let entry = block().u64(order).u64(priority).i64(price).i32(quantity);
        entry.i32(100).u8(0).u8(b'1')
    };
    Sbe::new(template, 9, root()).group(&[
        entry(7, 70, 61, 5),
        entry(u64::MAX, u64::MAX, NULL_PRICE, NULL_QUANTITY),
    ])
}

fn status() -> Sbe {
    let root = block().u64(TIME).ascii(b"ES\0\0\0\0").ascii(b"ESX\0\0\0");
    let root = root.i32(i32::MAX).u16(17_002).u8(0x80).u8(21).u8(1).u8(4);
    Sbe::new(30, 9, root)
}

fn reset() -> Sbe {
    Sbe::new(4, 9, root()).group(&[block().i16(-310), block().i16(4)])
}

/// Every template.
fn all() -> Vec<Sbe> {
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

fn head(kind: EventKind, side: Side, flags: Flags) -> Head {
    Head {
        ts_event_ns: TIME,
        instrument: 100,
        feed: 3,
        kind,
        side,
        flags,
    }
}

fn check(message: &Sbe, expected: &[MarketEvent]) {
    let got = events(std::slice::from_ref(message)).unwrap();
    assert_eq!(got, expected, "template {}", message.template);
}

/// What a mantissa of 1 becomes.
fn scale(template: u16) -> i64 {
    if template < 46 { 100 } else { 1 }
}

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
fn figures_volumes_and_limits_become_one_event_for_each_entry() {
    for template in [33, 49] {
        let figure = Statistic {
            head: head(EventKind::STATISTIC, Side::NONE, Flags::LAST),
            price_e9: 41 * scale(template),
            quantity: NO_QUANTITY,
            report: 1,
            entry_type: b'6',
            action: LevelAction::NEW,
            open_close: 255,
            venue_flags: 0x84,
            reference_date: 17_000,
            settlement: 3,
            reserved: [0; 5],
            message: 1,
        };
        check(&daily(template), &[figure.into()]);
    }
    for (template, version) in [(35, 8), (35, 7), (51, 9)] {
        let figure = Statistic {
            head: head(EventKind::STATISTIC, Side::NONE, Flags::LAST),
            price_e9: 51 * scale(template),
            quantity: if version == 7 { NO_QUANTITY } else { 12 },
            report: 1,
            entry_type: b'4',
            action: LevelAction::CHANGE,
            open_close: 0,
            venue_flags: 0x84,
            reference_date: 65_535,
            settlement: 255,
            reserved: [0; 5],
            message: 1,
        };
        check(&session(template, version), &[figure.into()]);
    }
    for template in [34, 50] {
        let limit = PriceLimits {
            head: head(EventKind::PRICE_LIMITS, Side::NONE, Flags::LAST),
            high_price_e9: 60 * scale(template),
            low_price_e9: NO_PRICE,
            max_variation_e9: 5 * scale(template),
            report: 1,
            message: 1,
        };
        check(&limits(template), &[limit.into()]);
    }
    let first = Volume {
        head: head(EventKind::VOLUME, Side::NONE, Flags::NONE),
        quantity: 0x7fff_ffff,
        report: 1,
        action: LevelAction::NEW,
        venue_flags: 0x84,
        reserved: [0; 18],
        message: 1,
    };
    let mut second = first;
    second.head.instrument = 200;
    second.head.flags = Flags::LAST;
    second.quantity = 6;
    second.action = LevelAction::CHANGE;
    check(&volume(), &[first.into(), second.into()]);
}

#[test]
fn a_snapshot_is_its_start_its_limits_its_levels_and_its_figures() {
    for template in [38, 52] {
        let start = SnapshotStart {
            head: head(EventKind::SNAPSHOT_START, Side::NONE, Flags::SNAPSHOT),
            ts_updated_ns: TIME - 1,
            last_sequence: 500,
            reports: 40,
            report: 9,
            trade_date: 17_001,
            status: 17,
            reserved: [0; 5],
            message: 1,
        };
        let limits = PriceLimits {
            head: head(EventKind::PRICE_LIMITS, Side::NONE, Flags::SNAPSHOT),
            high_price_e9: 80 * scale(template),
            low_price_e9: NO_PRICE,
            max_variation_e9: 6 * scale(template),
            report: 9,
            message: 1,
        };
        let level = Level {
            head: head(EventKind::LEVEL, Side::SELL, Flags::SNAPSHOT),
            price_e9: 71 * scale(template),
            quantity: 15,
            orders: NO_QUANTITY,
            report: 9,
            tradeable_quantity: NO_QUANTITY,
            level: 1,
            action: LevelAction::OVERLAY,
            entry_type: b'1',
            venue_flags: 0,
            message: 1,
        };
        let figure = Statistic {
            head: head(
                EventKind::STATISTIC,
                Side::NONE,
                Flags::SNAPSHOT.with(Flags::LAST),
            ),
            price_e9: 71 * scale(template),
            quantity: 15,
            report: 9,
            entry_type: b'e',
            action: LevelAction::OVERLAY,
            open_close: 255,
            venue_flags: 0,
            reference_date: 65_535,
            settlement: 0x80,
            reserved: [0; 5],
            message: 1,
        };
        let expected = [start.into(), limits.into(), level.into(), figure.into()];
        check(&snapshot(template), &expected);

        let mut empty = snapshot(template);
        empty.groups[0].entries.clear();
        let last = PriceLimits {
            head: head(
                EventKind::PRICE_LIMITS,
                Side::NONE,
                Flags::SNAPSHOT.with(Flags::LAST),
            ),
            ..limits
        };
        check(&empty, &[start.into(), last.into()]);
    }
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

#[test]
fn a_status_of_a_group_has_no_instrument_and_a_reset_tells_its_channel() {
    let mut of_group = head(EventKind::SECURITY_STATUS, Side::NONE, Flags::LAST);
    of_group.instrument = 0;
    let expected = SecurityStatus {
        head: of_group,
        group: *b"ES\0\0\0\0",
        asset: *b"ESX\0\0\0",
        trade_date: 17_002,
        status: 21,
        halt_reason: 1,
        event: 4,
        venue_flags: 0x80,
        reserved: [0; 10],
        message: 1,
    };
    check(&status(), &[expected.into()]);
    let mut of_one = status();
    of_one.root.0[20..24].copy_from_slice(&100u32.to_le_bytes());
    let mut expected_of_one = expected;
    expected_of_one.head.instrument = 100;
    check(&of_one, &[expected_of_one.into()]);

    let mut of_all = head(EventKind::CHANNEL_RESET, Side::NONE, Flags::LAST);
    of_all.instrument = 0;
    let expected = ChannelReset {
        head: of_all,
        channel: -310,
        channels: 2,
        venue_flags: 0x84,
        reserved: [0; 24],
        message: 1,
    };
    check(&reset(), &[expected.into()]);
    check(&Sbe::new(12, 9, block()), &[]);
}

#[test]
fn longer_blocks_decode_as_far_as_they_are_known() {
    for message in all() {
        let expected = events(std::slice::from_ref(&message)).unwrap();
        for more in [[5, 0, 0], [0, 3, 0], [0, 0, 9], [2, 40, 1]] {
            let mut rig = Rig::new();
            let bytes = packet_resized(1, std::slice::from_ref(&message), &more);
            rig.packet(1, &bytes).unwrap();
            assert_eq!(rig.events, expected, "template {}", message.template);
        }
        // A group that a newer version has behind those that are known.
        let newer = message.clone().group(&[block().u64(1)]);
        assert_eq!(events(&[newer]).unwrap(), expected);
    }
}

#[test]
fn a_block_shorter_than_what_is_known_of_it_breaks_the_message() {
    for message in all() {
        // The last four bytes of these entries are a field that only newer versions have.
        let newest = match message.template {
            35 | 51 | 42 | 48 => 4,
            _ => 0,
        };
        let blocks = 1 + message.groups.len();
        for place in 0..blocks {
            if place == 0 && message.root.0.is_empty() {
                continue;
            }
            let mut more = [0; 3];
            more[place] = -1 - if place == 1 { newest } else { 0 };
            let bytes = packet_resized(1, std::slice::from_ref(&message), &more);
            assert_eq!(
                Rig::new().packet(1, &bytes),
                Err(MalformedMessage),
                "template {} block {place}",
                message.template
            );
        }
    }
}

#[test]
fn a_message_that_ends_anywhere_before_its_end_is_refused() {
    for message in all() {
        let (root_bytes, body) = message.body(&[]);
        // Older versions end before the second group.
        let second = message.groups.get(1).map(|_| {
            let mut first = message.clone();
            first.groups.truncate(1);
            first.body(&[]).1.len()
        });
        for length in 0..=body.len() {
            let mut buffer = [0; 1_500];
            let mut writer = ringtape::feed::mdp3::PacketWriter::new(&mut buffer, 1, 0);
            assert!(writer.push(
                message.template,
                message.version,
                root_bytes,
                &body[..length]
            ));
            let whole = length == body.len() || Some(length) == second;
            let sound = Rig::new().packet(1, writer.finish()).is_ok();
            assert_eq!(sound, whole, "template {} at {length}", message.template);
        }
        let bytes = packet(1, &[message]);
        for length in 0..bytes.len() {
            let sound = Rig::new().packet(1, &bytes[..length]).is_ok();
            assert_eq!(sound, length == 12, "the packet at {length}");
        }
    }
}

#[test]
fn values_that_do_not_fit_break_the_message() {
    let price = |template, mantissa| {
        let entry = book_entry(mantissa, 100, 1, b'0');
        events(&[Sbe::new(template, 9, root()).group(&[entry])]).is_ok()
    };
    let most = i64::MAX / 100;
    for (mantissa, by_100, by_1) in [
        (most, true, true),
        (most + 1, false, true),
        (-most, true, true),
        (-most - 1, false, true),
        (i64::MAX - 1, false, true),
        (i64::MIN + 1, false, true),
        (i64::MIN, false, false),
        (NULL_PRICE, true, true),
    ] {
        assert_eq!(price(32, mantissa), by_100, "{mantissa}");
        assert_eq!(price(46, mantissa), by_1, "{mantissa}");
    }
    let with = |mut message: Sbe, group: usize, at: usize, bytes: &[u8]| {
        message.groups[group].entries[0].0[at..at + bytes.len()].copy_from_slice(bytes);
        events(&[message]).is_ok()
    };
    let negative = (-1i32).to_le_bytes();
    let quantities = [
        (book(46, 9), 0, 8),
        (book(46, 9), 0, 20),
        (book(46, 9), 1, 16),
        (trades(48, 9), 0, 8),
        (trades(48, 9), 0, 20),
        (trades(48, 9), 1, 8),
        (volume(), 0, 0),
        (daily(49), 0, 8),
        (session(51, 9), 0, 19),
        (snapshot(52), 0, 8),
        (snapshot(52), 0, 12),
        (orders(47), 0, 24),
    ];
    for (message, group, at) in quantities {
        let template = message.template;
        assert!(
            with(message.clone(), group, at, &[1, 0, 0, 0]),
            "{template}"
        );
        assert!(!with(message, group, at, &negative), "{template} at {at}");
    }
    for (reference, sound) in [(0, false), (1, true), (2, true), (3, false), (255, true)] {
        assert_eq!(with(book(46, 9), 1, 20, &[reference]), sound, "{reference}");
    }
    // Where a price must be there, the number for none is a number like any other.
    let most = i64::MAX.to_le_bytes();
    assert!(!with(trades(42, 8), 0, 0, &most) && with(trades(48, 9), 0, 0, &most));
}

#[test]
fn unknown_templates_are_dead_letters_and_counted_and_the_rest_of_the_packet_decodes() {
    let mut rig = Rig::new();
    let unknown = |template| Sbe::new(template, 9, block().u32(0xdead_beef));
    let messages = [
        unknown(39),
        status(),
        unknown(255),
        unknown(256),
        unknown(0),
    ];
    let mut bytes = packet(70_000, &messages);
    assert_eq!(rig.packet((1 << 40) + 70_000, &bytes), Ok(5));
    let letter = rig.letters[0];
    assert_eq!(
        (letter.feed_sequence, letter.message_bytes),
        ((1 << 40) + 70_000, 14)
    );
    assert_eq!(letter.head[..6], [14, 0, 4, 0, 39, 0]);
    assert_eq!(letter.head[10..14], [0xef, 0xbe, 0xad, 0xde]);
    assert_eq!((rig.events.len(), rig.events[0].message), (1, 70_000));
    let ledger = rig.ledger();
    assert_eq!(ledger.unknown_messages, 4);
    let counted: Vec<_> = (0..256)
        .filter(|&template| ledger.messages_by_type[template] == 1)
        .collect();
    assert_eq!(counted, [0, 30, 39, 255]);

    // The status under another schema is not a status.
    bytes[12 + 14 + 6] = 2;
    assert_eq!(rig.packet(70_001, &bytes), Ok(5));
    assert_eq!((rig.letters.len(), rig.events.len()), (9, 1));
    assert_eq!(rig.packet(70_002, &packet(70_002, &[])), Ok(0));
    assert_eq!(rig.ledger().empty_messages, 1);
}

#[test]
fn a_packet_is_all_its_events_or_none_and_a_bad_one_is_not_remembered() {
    let update = |report| Sbe::new(37, 8, root()).group(&[block().i32(1).i32(9).u32(report).u8(0)]);
    let mut rig = Rig::new();
    assert_eq!(rig.packet(1, &packet(1, &[update(1)])), Ok(1));
    let bad = Sbe::new(37, 8, root()).group(&[block().i32(-1).i32(9).u32(9).u8(0)]);
    let broken = packet(2, &[reset(), update(7), Sbe::new(12, 9, block()), bad]);
    assert_eq!(rig.packet(2, &broken), Err(MalformedMessage));
    assert_eq!(rig.ledger().messages_by_type[37], 1);
    assert_eq!(rig.packet(2, &packet(2, &[update(2)])), Ok(1));
    assert!(
        rig.events
            .iter()
            .all(|event| event.head.flags == Flags::LAST)
    );
    assert_eq!(rig.decoder.book_breaks(), 0);
}

#[test]
fn a_book_is_stale_from_a_missed_update_to_a_snapshot_or_a_reset() {
    let mut rig = Rig::new();
    let mut number = 0;
    let mut check = |rig: &mut Rig, message: Sbe, stale: &[bool]| {
        number += 1;
        rig.events.clear();
        rig.packet(number, &packet(1, &[message])).unwrap();
        let got: Vec<_> = rig
            .events
            .iter()
            .map(|event| event.head.flags.contains(Flags::STALE_BOOK))
            .collect();
        assert_eq!(got, stale, "packet {number}");
    };
    let at = |reports: &[(i32, u32)]| {
        let entries: Vec<_> = reports
            .iter()
            .map(|&(security, report)| book_entry(5, security, report, b'0'))
            .collect();
        Sbe::new(46, 9, root()).group(&entries)
    };
    check(
        &mut rig,
        at(&[(7, 1), (8, 4), (7, 2)]),
        &[false, true, false],
    );
    check(
        &mut rig,
        at(&[(7, 4), (7, 5), (9, 1)]),
        &[true, true, false],
    );
    let order = |reference| block().u64(1).u64(u64::MAX).i32(1).u8(reference).u8(0);
    let with_orders = at(&[(7, 6), (9, 2)]).aligned(&[order(1), order(2)]);
    check(&mut rig, with_orders, &[true, false, true, false]);
    let of_100 = |report| at(&[(100, report)]);
    check(&mut rig, of_100(3), &[true]);
    check(&mut rig, snapshot(52), &[false; 4]);
    check(&mut rig, of_100(10), &[false]);
    check(&mut rig, of_100(12), &[true]);
    check(&mut rig, orders(47), &[true; 3]);
    check(&mut rig, status(), &[false]);
    check(&mut rig, reset(), &[false]);
    check(&mut rig, orders(47), &[false; 3]);
    check(
        &mut rig,
        at(&[(7, 1), (8, 1), (9, 2)]),
        &[false, false, true],
    );
    assert_eq!(rig.decoder.book_breaks(), 2);
    assert_eq!(rig.decoder.untracked_updates(), 0);
}

#[test]
fn orders_without_a_count_are_stale_from_a_missing_packet_and_all_begins_anew_with_the_numbers() {
    let mut rig = Rig::new();
    let mut stale = |number, message: Sbe| {
        rig.events.clear();
        rig.packet(number, &packet(1, &[message])).unwrap();
        rig.events[0].head.flags.contains(Flags::STALE_BOOK)
    };
    let update = |report| Sbe::new(46, 9, root()).group(&[book_entry(5, 7, report, b'0')]);
    assert!(stale(50, orders(47)), "joined in the middle");
    assert!(!stale(51, reset()) && !stale(52, orders(47)));
    assert!(stale(54, orders(47)) && stale(55, orders(47)));
    assert!(!stale(56, update(1)));
    assert!(
        !stale(1, orders(47)) && !stale(2, update(1)),
        "the count began again"
    );
    assert!(stale(3, update(1)));
    assert!(stale(2, orders(47)));
}

#[test]
fn the_densest_packets_fill_the_bound_and_none_passes_it() {
    let dense = |message: Sbe, count: usize| {
        let bytes = packet(1, &vec![message; count]);
        let records = Rig::new().packet(1, &bytes).unwrap();
        assert!(records <= cme::records_max(bytes.len()));
        records
    };
    assert_eq!(dense(Sbe::new(99, 9, block()), 148), 148);
    assert_eq!(cme::records_max(cme::PACKET_BYTES_MAX), 148);
    assert_eq!(Cme::message_records_max(cme::PACKET_BYTES_MAX), 148);
    assert_eq!(Cme::datagram_records_max(65_507), 148);
    assert_eq!(cme::records_max(0), 0);

    let order = block().u64(1).u64(2).i32(1).u8(1).u8(0);
    let orders = Sbe::new(46, 9, root())
        .group(&[book_entry(5, 7, 1, b'0')])
        .aligned(&vec![order; 65]);
    assert_eq!(dense(orders, 1), 131);
    let volumes = vec![block().i32(1).i32(9).u32(1).u8(0); 112];
    assert_eq!(dense(Sbe::new(37, 9, root()).group(&volumes), 1), 112);
    assert_eq!(dense(Sbe::new(4, 9, root()).group(&[]), 67), 67);
    assert_eq!(
        dense(Sbe::new(4, 9, root()).group(&vec![block().i16(1); 255]), 2),
        2
    );
    let trades = Sbe::new(48, 9, root())
        .group(&[trades(48, 9).groups[0].entries[0].clone()])
        .aligned(&vec![block().u64(1).i32(1); 119]);
    assert_eq!(dense(trades, 1), 120);
    assert_eq!(dense(snapshot(52), 12), 48);
}

#[test]
fn a_packet_longer_than_a_frame_is_refused_and_so_is_a_session_that_cannot_be() {
    let with = |bytes: usize| {
        let message = Sbe::new(99, 9, block().ascii(&vec![0; bytes - 22]));
        Rig::new().packet(1, &packet(1, &[message])).is_ok()
    };
    assert!(with(cme::PACKET_BYTES_MAX) && !with(cme::PACKET_BYTES_MAX + 1));
    let open = |session| {
        let config = FeedConfig {
            session: Some(session),
            ..FeedConfig::default()
        };
        CmeFeed::new(config).is_ok()
    };
    assert!(open(SESSION) && !open(session_name(b"other")));
}
