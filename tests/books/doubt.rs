//! What heals a book that is not trusted, and what only seems to.

use super::*;
use ringtape::book::{DataErrorKind, Trust};
use ringtape::market::{Quote, Replace, SnapshotStart, Trade, Volume};
use ringtape::record::{Gap, GapCause};

fn trust(rig: &Rig, instrument: u32) -> Trust {
    rig.book(instrument).trust()
}

fn is_stale(rig: &Rig, instrument: u32) -> bool {
    matches!(trust(rig, instrument), Trust::Stale { .. })
}

fn lose(rig: &mut Rig, feed: u8, cause: GapCause) {
    let (first, last) = (5, 9);
    rig.books.on_gap(Gap {
        first,
        last,
        cause,
        feed,
    });
}

fn snapshot_start(status: u8, flags: Flags) -> SnapshotStart {
    SnapshotStart {
        head: Head {
            flags: flags.with(Flags::SNAPSHOT),
            ..head(7, Side::NONE)
        },
        ts_updated_ns: 1,
        last_sequence: 5,
        reports: 1,
        report: 20,
        trade_date: 0,
        status,
        reserved: [0; 5],
        message: 0,
    }
}

fn picture(side: Side, price_e9: i64, flags: Flags) -> Level {
    Level {
        head: Head {
            flags: flags.with(Flags::SNAPSHOT),
            ..head(7, side)
        },
        action: LevelAction::OVERLAY,
        venue_flags: 0,
        ..cme(7, side, 1, price_e9, 20, true)
    }
}

fn quote(bid_price_e9: i64, ask_price_e9: i64, venue_flags: u8) -> Quote {
    Quote {
        head: head(16, Side::NONE),
        bid_price_e9,
        ask_price_e9,
        bid_quantity: 5,
        ask_quantity: 5,
        venue_flags,
        reserved: [0; 3],
        message: 0,
    }
}

#[test]
fn a_picture_of_which_a_part_was_lost_heals_nothing_whatever_follows() {
    for (feed, cause) in [(0, GapCause::Overrun), (FEED, GapCause::Absent)] {
        let mut rig = Rig::started();
        rig.event(cme(7, Side::BUY, 1, 100, 1, true));
        rig.event(snapshot_start(17, Flags::NONE));
        rig.event(picture(Side::BUY, 200, Flags::NONE));
        lose(&mut rig, feed, cause);
        rig.event(picture(Side::SELL, 300, Flags::LAST));
        assert!(is_stale(&rig, 7), "{cause:?}: {}", trust(&rig, 7));
        rig.event(cme(7, Side::SELL, 1, 250, 21, true));
        assert!(is_stale(&rig, 7), "{cause:?}: {}", trust(&rig, 7));
        // A whole one does.
        rig.event(snapshot_start(17, Flags::NONE));
        rig.event(picture(Side::BUY, 200, Flags::LAST));
        assert_eq!(trust(&rig, 7), Trust::Live);
    }
}

#[test]
fn a_picture_with_an_error_in_it_heals_nothing() {
    let mut rig = Rig::new();
    rig.event(snapshot_start(17, Flags::NONE));
    let mut wrong = picture(Side::BUY, 200, Flags::NONE);
    wrong.quantity = 0;
    rig.event(wrong);
    rig.event(picture(Side::SELL, 300, Flags::LAST));
    assert!(is_stale(&rig, 7), "{}", trust(&rig, 7));
    assert_eq!(rig.books.errors().doubtful(DataErrorKind::NoQuantity), 1);
}

#[test]
fn a_picture_tells_whether_the_instrument_trades() {
    let mut rig = Rig::new();
    for (status, expected) in [
        (21, Trust::Halted),
        (17, Trust::Live),
        (2, Trust::Halted),
        // Says nothing, so that what was said before holds.
        (255, Trust::Halted),
    ] {
        rig.event(snapshot_start(status, Flags::NONE));
        rig.event(picture(Side::BUY, 200, Flags::LAST));
        assert_eq!(trust(&rig, 7), expected, "{status}");
    }
}

#[test]
fn a_book_that_is_crossed_when_trading_resumes_is_an_error() {
    let mut rig = Rig::started();
    rig.event(named(13, "AAPL"));
    rig.event(status(13, b'H'));
    rig.event(add(13, 1, Side::BUY, 100, 5));
    rig.event(add(13, 2, Side::SELL, 90, 5));
    assert_eq!(trust(&rig, 13), Trust::Halted);
    assert_eq!(rig.event(status(13, b'T')), [0]);
    assert!(is_stale(&rig, 13), "{}", trust(&rig, 13));
    assert_eq!(rig.books.errors().count(DataErrorKind::Crossed), 1);
    rig.event(status(13, b'T'));
    assert_eq!(rig.books.errors().count(DataErrorKind::Crossed), 1);
    rig.event(delete(13, 2));
    assert_eq!(trust(&rig, 13), Trust::Live);
}

#[test]
fn an_error_that_meets_a_book_which_is_stale_for_now_is_not_forgotten() {
    let mut rig = Rig::started();
    rig.event(add(13, 1, Side::BUY, 100, 5));
    rig.event(add(13, 2, Side::SELL, 90, 5));
    rig.event(delete(13, 77));
    assert_eq!(rig.books.errors().doubtful(DataErrorKind::UnknownOrder), 1);
    rig.event(delete(13, 2));
    assert!(is_stale(&rig, 13), "uncrossed, and still contradicted");

    let mut rig = Rig::started();
    rig.event(add(13, 1, Side::BUY, 100, 5));
    rig.session(SessionMark::Silent, 3);
    rig.event(delete(13, 77));
    rig.session(SessionMark::Resumed, 3);
    assert!(is_stale(&rig, 13), "no more silent, and still contradicted");
}

#[test]
fn a_replace_that_leaves_the_book_crossed_is_no_new_crossing() {
    let mut rig = Rig::started();
    rig.event(add(13, 1, Side::BUY, 100, 5));
    rig.event(add(13, 2, Side::SELL, 90, 5));
    let since = trust(&rig, 13);
    rig.event(Replace {
        head: head(13, Side::NONE),
        order_id: 2,
        new_order_id: 3,
        price_e9: 95,
        quantity: 5,
        message: 0,
    });
    assert_eq!(rig.books.errors().count(DataErrorKind::Crossed), 1);
    assert_eq!(trust(&rig, 13), since, "as it was all the time");
}

#[test]
fn silence_whose_end_was_lost_ends_with_what_heals_the_book() {
    let mut rig = Rig::started();
    rig.event(cme(7, Side::BUY, 1, 100, 1, true));
    rig.session(SessionMark::Silent, 3);
    lose(&mut rig, 0, GapCause::Overrun);
    assert!(is_stale(&rig, 7));
    rig.event(snapshot_start(17, Flags::NONE));
    rig.event(picture(Side::BUY, 200, Flags::LAST));
    assert_eq!(trust(&rig, 7), Trust::Live);
}

#[test]
fn a_quote_is_a_picture_of_all_that_there_is() {
    let mut rig = Rig::new();
    assert_eq!(rig.event(quote(100, 101, 0)), [0]);
    assert_eq!(trust(&rig, 16), Trust::Live, "joined in the middle");
    lose(&mut rig, FEED, GapCause::Absent);
    assert!(is_stale(&rig, 16));
    rig.event(quote(0, 101, 0));
    assert!(is_stale(&rig, 16), "what is wrong with it heals nothing");
    rig.event(quote(100, 102, 0));
    assert_eq!(trust(&rig, 16), Trust::Live);
    rig.event(quote(103, 102, 0));
    assert!(is_stale(&rig, 16), "crossed");
    rig.event(quote(103, 104, 1 << 7));
    assert_eq!(trust(&rig, 16), Trust::Halted);
}

#[test]
fn a_trade_for_a_price_that_shares_cannot_have_is_counted_and_no_print() {
    for price_e9 in [0, -1, ringtape::market::NO_PRICE] {
        let mut rig = Rig::started();
        rig.event(add(13, 1, Side::BUY, 100, 5));
        let trade = Trade {
            head: head(13, Side::BUY),
            order_id: 0,
            price_e9,
            match_id: 9,
            quantity: 5,
            message: 0,
        };
        let at = rig.at();
        assert_eq!(rig.books.on_event(&trade.into(), at).print, None);
        assert_eq!(rig.books.errors().count(DataErrorKind::NoPrice), 1);
        assert_eq!(rig.depth(13, BookSide::Bid), [level(100, 5, 1)]);
    }
}

#[test]
fn a_name_is_that_of_the_instrument_which_had_it_last() {
    let mut rig = Rig::started();
    rig.event(named(13, "AAPL"));
    rig.event(named(14, "MSFT"));
    rig.session(SessionMark::Restart, 1);
    rig.event(named(13, "MSFT"));
    let msft = Symbol::new("MSFT").unwrap();
    assert_eq!(rig.books.find(&msft), rig.books.index(13));
}

#[test]
fn what_a_gap_left_crossed_in_the_middle_of_an_event_is_not_trusted_once_a_gap_is_proven_harmless()
{
    let mut rig = Rig::started();
    rig.event(cme(7, Side::BUY, 1, 100, 1, true));
    rig.event(cme(7, Side::SELL, 1, 101, 2, true));
    rig.event(cme(7, Side::BUY, 1, 200, 3, false));
    lose(&mut rig, FEED, GapCause::Absent);
    let volume = Volume {
        head: head(7, Side::NONE),
        quantity: 1,
        report: 4,
        action: LevelAction::NEW,
        venue_flags: 0x80,
        reserved: [0; 18],
        message: 0,
    };
    rig.event(volume);
    assert!(is_stale(&rig, 7), "{}", trust(&rig, 7));
    let mut away = cme(7, Side::BUY, 1, 200, 5, true);
    away.action = LevelAction::DELETE;
    rig.event(away);
    assert_eq!(trust(&rig, 7), Trust::Live);
    assert_eq!(rig.books.errors().total(), 0, "half an event is no error");
}

#[test]
fn a_tape_that_is_joined_in_its_middle_proves_no_book_that_began_before() {
    let mut rig = Rig::new();
    // The feed had followed it all along, and so does not flag it.
    rig.event(cme(7, Side::BUY, 1, 100, 500, true));
    assert_eq!(trust(&rig, 7), Trust::Recovering);
    lose(&mut rig, FEED, GapCause::Absent);
    rig.event(cme(7, Side::SELL, 1, 101, 501, true));
    assert_eq!(trust(&rig, 7), Trust::Recovering, "the gap took nothing");
    // Whoever sees the first update has missed nothing.
    rig.event(cme(8, Side::BUY, 1, 100, 1, true));
    assert_eq!(trust(&rig, 8), Trust::Live);
}

#[test]
fn a_book_that_the_feed_calls_stale_is_so_also_if_it_was_stale_for_now() {
    let mut rig = Rig::started();
    rig.event(cme(7, Side::BUY, 1, 100, 1, true));
    rig.event(cme(7, Side::SELL, 1, 90, 2, true));
    assert_eq!(rig.books.errors().count(DataErrorKind::Crossed), 1);
    let mut away = cme(7, Side::SELL, 1, 90, 9, true);
    away.action = LevelAction::DELETE;
    away.head.flags = Flags::LAST.with(Flags::STALE_BOOK);
    rig.event(away);
    assert!(is_stale(&rig, 7), "{}", trust(&rig, 7));
}
