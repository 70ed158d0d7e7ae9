//! The strategies that watch books, held to a few events whose outcome is known.

use super::*;
use ringtape::market::{EventKind, Flags, Head, Instrument, Quote, Side, Symbol};
use ringtape::record::{GapCause, Sequence, SessionMark};

const NS_PER_US: u64 = 1_000;

fn head(feed: u8, kind: EventKind) -> Head {
    Head {
        ts_event_ns: 0,
        instrument: u32::from(feed),
        feed,
        kind,
        side: Side::NONE,
        flags: Flags::LAST,
    }
}

fn at(us: u64) -> At {
    At {
        sequence: Sequence::FIRST,
        ts_recv_ns: us * NS_PER_US,
        end_of_batch: true,
    }
}

/// Begins the session of a feed, whose instrument of that number is called AAPL.
fn begin(strategy: &mut impl Handler<MarketEvent>, feed: u8) {
    let session = Session {
        id: [0; 16],
        feed_sequence: 1,
        mark: SessionMark::Start,
        feed,
    };
    strategy.on_session(&session, at(0));
    let symbol = Symbol::new("AAPL").unwrap();
    let named = Instrument::named(head(feed, EventKind::INSTRUMENT), symbol, 0);
    strategy.on_event(&named.into(), at(0));
}

/// Prices × 10².
fn quote(strategy: &mut impl Handler<MarketEvent>, us: u64, feed: u8, bid: i64, ask: i64) {
    let quote = Quote {
        head: head(feed, EventKind::QUOTE),
        bid_price_e9: bid * 10_000_000,
        ask_price_e9: ask * 10_000_000,
        bid_quantity: 100,
        ask_quantity: 100,
        venue_flags: 0,
        reserved: [0; 3],
        message: 0,
    };
    strategy.on_event(&quote.into(), at(us));
}

/// Every line of a feed falls silent: its books are stale, whatever quotes say.
fn silence(strategy: &mut impl Handler<MarketEvent>, us: u64, feed: u8) {
    let session = Session {
        id: [0; 16],
        feed_sequence: 1,
        mark: SessionMark::Silent,
        feed,
    };
    strategy.on_session(&session, at(us));
}

/// A quote is a picture of all that there is, so the first one after this is trusted again.
const fn gap(feed: u8) -> Gap {
    Gap {
        first: 1,
        last: 1,
        cause: GapCause::Absent,
        feed,
    }
}

#[test]
fn a_spread_is_wide_beside_the_usual_one_and_only_of_a_book_that_is_trusted() {
    let mut spread = Spread::new(1);
    begin(&mut spread, 1);
    // Wide before anything is usual.
    quote(&mut spread, 1, 1, 9_000, 10_000);
    for _ in 0..200 {
        quote(&mut spread, 2, 1, 10_000, 10_002);
        quote(&mut spread, 2, 1, 10_001, 10_003);
    }
    quote(&mut spread, 3, 1, 10_000, 10_007);
    assert!(
        spread.verdict().ends_with("usual: 0"),
        "{}",
        spread.verdict()
    );
    quote(&mut spread, 4, 1, 10_000, 10_012);
    // Another feed's.
    quote(&mut spread, 5, 2, 10_000, 20_000);
    let told = spread.verdict();
    assert!(
        told.starts_with(
            "1 instruments, spreads wider than 4 × the usual: 1, the widest of AAPL: 0.12,"
        ),
        "{told}"
    );
    silence(&mut spread, 6, 1);
    quote(&mut spread, 6, 1, 10_000, 20_000);
    assert_eq!(spread.verdict(), told, "a stale book tells nothing");
}

#[test]
fn a_bid_above_the_other_feeds_offer_counts_for_as_long_as_both_are_trusted() {
    let mut compare = Compare::new([1, 2]);
    begin(&mut compare, 1);
    begin(&mut compare, 2);
    quote(&mut compare, 10, 1, 10_000, 10_002);
    quote(&mut compare, 20, 2, 10_000, 10_002);
    // Equal is not above.
    quote(&mut compare, 30, 1, 10_002, 10_004);
    // 40 to 45 one way, and 50 to 70 the other, until a feed has lost something.
    quote(&mut compare, 40, 1, 10_003, 10_004);
    quote(&mut compare, 45, 1, 10_001, 10_004);
    quote(&mut compare, 50, 2, 10_005, 10_006);
    quote(&mut compare, 60, 2, 10_006, 10_007);
    quote(&mut compare, 70, 2, 10_006, 10_008);
    silence(&mut compare, 70, 1);
    quote(&mut compare, 1_000, 1, 10_001, 10_004);
    assert_eq!(
        compare.verdict(),
        "1 and 1 instruments, bids above the other's offer: 2, for 25 µs in all"
    );
}

#[test]
fn what_a_gap_took_ends_what_is_counted_and_the_next_quote_begins_anew() {
    let mut compare = Compare::new([1, 2]);
    begin(&mut compare, 1);
    begin(&mut compare, 2);
    quote(&mut compare, 10, 2, 10_005, 10_006);
    quote(&mut compare, 20, 1, 10_000, 10_002);
    quote(&mut compare, 30, 2, 10_005, 10_007);
    compare.on_gap(gap(1));
    quote(&mut compare, 100, 2, 10_005, 10_006);
    quote(&mut compare, 200, 1, 10_000, 10_002);
    quote(&mut compare, 205, 1, 10_000, 10_012);
    assert_eq!(
        compare.verdict(),
        "1 and 1 instruments, bids above the other's offer: 2, for 15 µs in all"
    );
}

#[test]
fn an_empty_side_is_neither_above_nor_below() {
    let mut compare = Compare::new([1, 2]);
    begin(&mut compare, 1);
    begin(&mut compare, 2);
    quote(&mut compare, 1, 1, 10_000, 10_002);
    let empty = Quote {
        head: head(2, EventKind::QUOTE),
        bid_price_e9: 0,
        ask_price_e9: 0,
        bid_quantity: 0,
        ask_quantity: 0,
        venue_flags: 0,
        reserved: [0; 3],
        message: 0,
    };
    compare.on_event(&empty.into(), at(2));
    quote(&mut compare, 3, 1, 10_001, 10_002);
    assert!(
        compare.verdict().contains("offer: 0,"),
        "{}",
        compare.verdict()
    );
}
