//! What contradicts a book is counted by kind, named, marks the instrument, and follows a rule.

use super::*;
use ringtape::book::{DataErrorKind, ERRORS_LISTED, Print, PrintSource, Trust};
use ringtape::market::{Cancel, Execute, NO_PRICE, Quote, Replace, Trade};

const ORDER: u64 = 1;

fn execute(order_id: u64, quantity: u32) -> Execute {
    Execute {
        head: head(13, Side::NONE),
        order_id,
        price_e9: NO_PRICE,
        match_id: 99,
        quantity,
        message: 5,
    }
}

fn replace(order_id: u64, new_order_id: u64, price_e9: i64, quantity: u32) -> Replace {
    Replace {
        head: head(13, Side::NONE),
        order_id,
        new_order_id,
        price_e9,
        quantity,
        message: 5,
    }
}

/// Gives `event` to a book with one order of 10 at 100, and expects the error and what then is bid.
fn check(event: impl Into<MarketEvent>, kind: DataErrorKind, left: &[PriceLevel]) {
    let mut rig = Rig::started();
    rig.event(add(13, ORDER, Side::BUY, 100, 10));
    let event = event.into();
    rig.event(event);
    let errors = rig.books.errors();
    assert_eq!((errors.count(kind), errors.total()), (1, 1), "{event:?}");
    let error = errors.first()[0];
    assert_eq!((error.kind, error.doubtful), (kind, false));
    assert_eq!(error.instrument, event.head.instrument);
    assert_eq!(error.message, event.message);
    assert_eq!(error.sequence.get(), 3);
    assert_eq!(rig.depth(13, BookSide::Bid), left, "{kind}");
    if rig.books.index(event.head.instrument).is_some() {
        let trust = rig.book(event.head.instrument).trust();
        assert!(matches!(trust, Trust::Stale { .. }), "{kind}: {trust}");
    }
    // It is stale already, so the same again is told apart.
    rig.event(event);
    assert!(rig.books.errors().total() + rig.books.errors().doubtful_total() > 1);
}

#[test]
fn each_kind_of_bad_order_data_is_counted_named_and_leaves_what_its_rule_says() {
    use DataErrorKind as Kind;
    let whole = [level(100, 10, 1)];
    check(execute(2, 5), Kind::UnknownOrder, &whole);
    check(delete(13, 2), Kind::UnknownOrder, &whole);
    check(replace(2, 3, 100, 5), Kind::UnknownOrder, &whole);
    check(execute(ORDER, 11), Kind::NegativeRemaining, &[]);
    check(execute(ORDER, 0), Kind::NoQuantity, &whole);
    let cancel = |quantity| Cancel {
        head: head(13, Side::NONE),
        order_id: ORDER,
        quantity,
        reserved: [0; 12],
        message: 5,
    };
    check(cancel(u64::MAX), Kind::NegativeRemaining, &[]);
    check(cancel(0), Kind::NoQuantity, &whole);
    check(
        add(13, ORDER, Side::BUY, 101, 5),
        Kind::DuplicateOrder,
        &whole,
    );
    check(add(13, 2, Side::NONE, 101, 5), Kind::NoSide, &whole);
    check(add(13, 2, Side(b'x'), 101, 5), Kind::NoSide, &whole);
    for price_e9 in [0, -1, NO_PRICE] {
        check(add(13, 2, Side::BUY, price_e9, 5), Kind::NoPrice, &whole);
        check(replace(ORDER, 2, price_e9, 5), Kind::NoPrice, &[]);
    }
    check(add(13, 2, Side::BUY, 101, 0), Kind::NoQuantity, &whole);
    check(replace(ORDER, 2, 101, 0), Kind::NoQuantity, &[]);
    check(
        add(13, 2, Side::BUY, 100, u64::MAX),
        Kind::QuantityOverflow,
        &whole,
    );
    check(delete(14, ORDER), Kind::WrongInstrument, &whole);
    check(status(14, b'H'), Kind::UnknownInstrument, &whole);
    check(status(13, b'?'), Kind::UnknownAction, &whole);
    check(add(13, 2, Side::SELL, 99, 1), Kind::Crossed, &whole);
}

#[test]
fn the_largest_price_and_quantity_are_like_any_other() {
    let mut rig = Rig::started();
    rig.event(add(13, 1, Side::SELL, i64::MAX, u64::MAX));
    assert_eq!(rig.depth(13, BookSide::Ask), [level(i64::MAX, u64::MAX, 1)]);
    rig.event(replace(1, 1, 1, 5));
    assert_eq!(rig.depth(13, BookSide::Ask), [level(1, 5, 1)]);
    assert_eq!(rig.books.errors().total(), 0);
}

#[test]
fn bad_levels_and_quotes_are_counted() {
    let mut rig = Rig::started();
    rig.event(iex(13, Side::BUY, 100, 5, true));
    rig.event(iex(13, Side::BUY, 99, 0, true));
    assert_eq!(rig.books.errors().count(DataErrorKind::UnknownLevel), 1);
    rig.event(iex(13, Side::BUY, 0, 5, true));
    assert_eq!(rig.books.errors().doubtful(DataErrorKind::NoPrice), 1);
    rig.event(iex(13, Side::NONE, 90, 5, true));
    assert_eq!(rig.books.errors().doubtful(DataErrorKind::NoSide), 1);
    rig.event(cme(14, Side::BUY, 11, 90, 1, true));
    assert_eq!(rig.books.errors().count(DataErrorKind::LevelOutOfRange), 1);
    let mut strange = cme(15, Side::BUY, 1, 90, 1, true);
    strange.action = LevelAction(77);
    rig.event(strange);
    assert_eq!(rig.books.errors().count(DataErrorKind::UnknownAction), 1);
    assert_eq!(rig.depth(13, BookSide::Bid), [level(100, 5, 0)]);

    let quote = |bid_price_e9, bid_quantity| Quote {
        head: head(16, Side::NONE),
        bid_price_e9,
        ask_price_e9: 0,
        bid_quantity,
        ask_quantity: 0,
        venue_flags: 0,
        reserved: [0; 3],
        message: 0,
    };
    rig.event(quote(100, 5));
    assert_eq!(rig.depth(16, BookSide::Bid), [level(100, 5, 0)]);
    assert_eq!(rig.depth(16, BookSide::Ask), []);
    rig.event(quote(0, 5));
    assert_eq!(rig.books.errors().count(DataErrorKind::NoPrice), 1);
    assert_eq!(rig.depth(16, BookSide::Bid), [level(100, 5, 0)]);
}

#[test]
fn instruments_and_orders_beyond_what_there_is_room_for_are_counted() {
    let mut rig = Rig::with(BooksConfig {
        instruments_max: 2,
        orders_expected: 2,
        orders_max: 2,
        ..BooksConfig::default()
    });
    rig.session(SessionMark::Start, 1);
    rig.event(add(1, 1, Side::BUY, 100, 5));
    rig.event(add(u32::MAX, 2, Side::BUY, 100, 5));
    rig.event(add(3, 3, Side::BUY, 100, 5));
    assert_eq!(rig.books.errors().count(DataErrorKind::InstrumentsFull), 1);
    assert_eq!(rig.books.index(3), None);
    rig.event(add(1, 3, Side::BUY, 100, 5));
    assert_eq!(rig.books.errors().count(DataErrorKind::OrdersFull), 1);
    assert_eq!(rig.depth(1, BookSide::Bid), [level(100, 5, 1)]);
    rig.event(delete(u32::MAX, 2));
    rig.event(add(1, 3, Side::BUY, 100, 5));
    assert_eq!(rig.depth(1, BookSide::Bid), [level(100, 10, 2)]);
}

#[test]
fn errors_beyond_those_that_are_listed_are_counted() {
    let mut rig = Rig::new();
    let errors = ERRORS_LISTED as u64 + 10;
    for order_id in 0..errors {
        rig.event(delete(13, order_id));
    }
    assert_eq!(rig.books.errors().first().len(), ERRORS_LISTED);
    assert_eq!(rig.books.errors().doubtful_total(), errors);
}

#[test]
fn a_print_has_the_aggressors_side_where_it_is_known() {
    let mut rig = Rig::started();
    rig.event(add(13, 1, Side::SELL, 100, 5));
    let mut print = |event: MarketEvent| {
        let at = rig.at();
        rig.books.on_event(&event, at).print
    };
    let expected = Print {
        index: 0,
        price_e9: 100,
        quantity: 2,
        match_id: 99,
        aggressor: Side::BUY,
        source: PrintSource::Execute,
    };
    assert_eq!(print(execute(1, 2).into()), Some(expected));
    let better = Execute {
        price_e9: 101,
        ..execute(1, 2)
    };
    assert_eq!(
        print(better.into()),
        Some(Print {
            price_e9: 101,
            ..expected
        })
    );
    let mut covered = execute(1, 1);
    covered.head.flags = Flags::LAST.with(Flags::NON_PRINTABLE);
    assert_eq!(print(covered.into()), None);
    assert_eq!(print(execute(1, 1).into()), None, "nothing tells its price");
    let hidden = Trade {
        head: head(13, Side::BUY),
        order_id: 0,
        price_e9: 100,
        match_id: 99,
        quantity: 2,
        message: 0,
    };
    let hidden_print = Print {
        aggressor: Side::NONE,
        source: PrintSource::Hidden,
        ..expected
    };
    assert_eq!(print(hidden.into()), Some(hidden_print));
}
