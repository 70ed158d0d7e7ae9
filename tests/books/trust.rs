//! When a book is trusted, and what the reader is told when it is not.

use super::*;
use ringtape::book::{DataErrorKind, Trust};
use ringtape::market::{ChannelReset, OperationalHalt, PriceLimits, SecurityStatus, SnapshotStart};
use ringtape::record::{Gap, GapCause};

const STALE_SINCE: fn(u64) -> Trust = |record| Trust::Stale {
    since_ns: record * 1_000,
};

fn trust(rig: &Rig, instrument: u32) -> Trust {
    rig.book(instrument).trust()
}

fn gap(feed: u8, cause: GapCause) -> Gap {
    Gap {
        first: 5,
        last: 9,
        cause,
        feed,
    }
}

#[test]
fn a_book_is_empty_then_live_and_only_then_its_prices_are_given_without_asking_for_the_worst() {
    let mut rig = Rig::started();
    rig.event(named(13, "AAPL"));
    assert_eq!(trust(&rig, 13), Trust::Empty);
    assert!(rig.is_trusted(13));
    assert_eq!(rig.event(add(13, 1, Side::BUY, 100, 5)), [0]);
    assert_eq!(trust(&rig, 13), Trust::Live);
    let best = rig.book(13).top().trusted().unwrap();
    assert_eq!(best.level(BookSide::Bid), Some(level(100, 5, 1)));
    assert_eq!(best.level(BookSide::Ask), None);
    assert_eq!(rig.event(delete(13, 1)), [0]);
    assert_eq!(trust(&rig, 13), Trust::Empty);
}

#[test]
fn a_feed_that_was_joined_in_the_middle_is_recovering_and_its_contradictions_are_told_apart() {
    for begin in [None, Some(14_757_701)] {
        let mut rig = Rig::new();
        if let Some(feed_sequence) = begin {
            rig.session(SessionMark::Start, feed_sequence);
        }
        rig.event(add(13, 1, Side::SELL, 100, 5));
        rig.event(delete(13, 2));
        assert_eq!(trust(&rig, 13), Trust::Recovering);
        let top = rig.book(13).top();
        assert_eq!(top.trusted(), Err(Trust::Recovering));
        assert_eq!(top.as_is().ask_price_e9, 100);
        assert!(!rig.is_trusted(13));
        let errors = rig.books.errors();
        assert_eq!(errors.count(DataErrorKind::UnknownOrder), 0);
        assert_eq!(errors.doubtful(DataErrorKind::UnknownOrder), 1);
    }
}

#[test]
fn a_gap_makes_every_book_stale_since_the_last_record_and_a_restart_voids_them() {
    let mut rig = Rig::started();
    rig.event(add(13, 1, Side::BUY, 100, 5));
    rig.event(named(14, "MSFT"));
    let others = gap(OTHER_FEED, GapCause::Absent);
    assert!(rig.books.on_gap(others).changed.is_empty());
    assert_eq!(trust(&rig, 13), Trust::Live);

    let gap = gap(FEED, GapCause::Absent);
    assert_eq!(rig.books.on_gap(gap).changed, [0, 1]);
    assert!(rig.books.on_gap(gap).changed.is_empty(), "they were before");
    assert_eq!(trust(&rig, 13), STALE_SINCE(3));
    rig.event(add(15, 2, Side::BUY, 100, 5));
    assert_eq!(
        trust(&rig, 15),
        STALE_SINCE(3),
        "orders of it may be among what is lost"
    );

    assert_eq!(rig.session(SessionMark::Restart, 1), [0, 1, 2]);
    for instrument in [13, 14, 15] {
        assert_eq!(trust(&rig, instrument), Trust::Empty);
        assert_eq!(rig.depth(instrument, BookSide::Bid), []);
    }
    assert_eq!(rig.books.orders_alive(), 0);
    rig.event(add(13, 1, Side::BUY, 90, 5));
    assert_eq!(trust(&rig, 13), Trust::Live, "ids can come again");
}

#[test]
fn silence_makes_books_stale_for_as_long_as_it_lasts() {
    let mut rig = Rig::started();
    rig.event(add(13, 1, Side::BUY, 100, 5));
    assert_eq!(rig.session(SessionMark::Silent, 3), [0]);
    assert_eq!(trust(&rig, 13), STALE_SINCE(3));
    assert_eq!(rig.book(13).best().bid_price_e9, 100);
    assert_eq!(rig.session(SessionMark::Resumed, 3), [0]);
    assert_eq!(trust(&rig, 13), Trust::Live);
    rig.session(SessionMark::Silent, 3);
    rig.books.on_gap(gap(FEED, GapCause::Malformed));
    rig.session(SessionMark::Resumed, 8);
    assert_eq!(trust(&rig, 13), STALE_SINCE(5), "it was not only silent");
}

#[test]
fn a_halt_is_told_and_what_crosses_during_it_is_no_error() {
    let mut rig = Rig::started();
    rig.event(named(13, "AAPL"));
    rig.event(add(13, 1, Side::BUY, 100, 5));
    for state in *b"HPQ" {
        rig.event(status(13, state));
        assert_eq!(trust(&rig, 13), Trust::Halted);
        assert_eq!(rig.book(13).status(), state);
    }
    rig.event(add(13, 2, Side::SELL, 90, 5));
    assert_eq!(trust(&rig, 13), Trust::Halted);
    rig.event(delete(13, 2));
    rig.event(status(13, b'T'));
    assert_eq!(trust(&rig, 13), Trust::Live);
    for (action, expected) in [(b'H', Trust::Halted), (b'T', Trust::Live)] {
        rig.event(OperationalHalt {
            head: head(13, Side::NONE),
            market: b'Q',
            action,
            reserved: [0; 26],
            message: 0,
        });
        assert_eq!(trust(&rig, 13), expected);
    }
    assert_eq!(rig.books.errors().total(), 0);
}

#[test]
fn a_crossed_book_is_counted_once_and_is_stale_until_it_is_uncrossed() {
    let mut rig = Rig::started();
    rig.event(add(13, 1, Side::BUY, 100, 5));
    rig.event(add(13, 2, Side::SELL, 100, 5));
    assert_eq!(trust(&rig, 13), Trust::Live, "locked is not crossed");
    rig.event(add(13, 3, Side::SELL, 99, 5));
    rig.event(add(13, 4, Side::SELL, 98, 5));
    assert_eq!(trust(&rig, 13), STALE_SINCE(4));
    assert_eq!(rig.books.errors().count(DataErrorKind::Crossed), 1);
    let error = rig.books.errors().first()[0];
    assert_eq!(
        (error.instrument, error.message, error.sequence.get()),
        (13, 3, 4)
    );
    rig.event(delete(13, 4));
    rig.event(delete(13, 3));
    assert_eq!(trust(&rig, 13), Trust::Live);
}

#[test]
fn where_the_venue_counts_updates_the_next_one_proves_that_a_gap_took_none() {
    let mut rig = Rig::started();
    rig.event(cme(7, Side::BUY, 1, 100, 1, true));
    rig.event(cme(8, Side::BUY, 1, 100, 1, true));
    rig.books.on_gap(gap(FEED, GapCause::Absent));
    assert_eq!(trust(&rig, 7), STALE_SINCE(3));
    rig.event(cme(7, Side::SELL, 1, 101, 2, true));
    assert_eq!(trust(&rig, 7), Trust::Live);
    assert_eq!(
        trust(&rig, 8),
        STALE_SINCE(3),
        "nothing is known of this one"
    );

    let mut stale = cme(8, Side::SELL, 1, 101, 9, true);
    stale.head.flags = Flags::LAST.with(Flags::STALE_BOOK);
    rig.event(stale);
    assert_eq!(trust(&rig, 8), STALE_SINCE(3));
    stale.head.instrument = 7;
    rig.event(stale);
    assert_eq!(trust(&rig, 7), STALE_SINCE(6), "the feed says so");

    // What was lost behind the feed it does not know of, and cannot prove anything about.
    rig.event(cme(9, Side::BUY, 1, 100, 1, true));
    rig.books.on_gap(gap(0, GapCause::Overrun));
    rig.event(cme(9, Side::SELL, 1, 101, 2, true));
    assert_eq!(trust(&rig, 9), STALE_SINCE(7));
}

#[test]
fn a_picture_of_a_whole_book_heals_it_and_nobody_sees_half_of_it() {
    let mut rig = Rig::started();
    rig.event(cme(7, Side::BUY, 1, 100, 1, true));
    rig.books.on_gap(gap(0, GapCause::Overrun));
    let part = |side, flags: Flags| Head {
        flags: flags.with(Flags::SNAPSHOT),
        ..head(7, side)
    };
    rig.event(SnapshotStart {
        head: part(Side::NONE, Flags::NONE),
        ts_updated_ns: 1,
        last_sequence: 5,
        reports: 1,
        report: 20,
        trade_date: 0,
        status: 17,
        reserved: [0; 5],
        message: 0,
    });
    rig.event(PriceLimits {
        head: part(Side::NONE, Flags::NONE),
        high_price_e9: 1_000,
        low_price_e9: 1,
        max_variation_e9: 1,
        report: 20,
        message: 0,
    });
    let picture = |side, price_e9, flags| Level {
        head: part(side, flags),
        action: LevelAction::OVERLAY,
        venue_flags: 0,
        ..cme(7, side, 1, price_e9, 20, true)
    };
    rig.event(picture(Side::BUY, 200, Flags::NONE));
    assert_eq!(rig.book(7).best().bid_price_e9, 100, "the last whole book");
    assert!(!rig.is_trusted(7));
    assert_eq!(rig.event(picture(Side::SELL, 201, Flags::LAST)), [0]);
    assert_eq!(trust(&rig, 7), Trust::Live);
    let best = rig.book(7).best();
    assert_eq!((best.bid_price_e9, best.ask_price_e9), (200, 201));
}

#[test]
fn a_channel_reset_empties_all_books_and_heals_them() {
    let mut rig = Rig::new();
    rig.event(cme(7, Side::BUY, 1, 100, 5, true));
    rig.books.on_gap(gap(FEED, GapCause::Absent));
    rig.event(SecurityStatus {
        head: head(8, Side::NONE),
        group: [0; 6],
        asset: [0; 6],
        trade_date: 0,
        status: 2,
        halt_reason: 0,
        event: 0,
        venue_flags: 0x80,
        reserved: [0; 10],
        message: 0,
    });
    rig.event(ChannelReset {
        head: head(0, Side::NONE),
        channel: 5,
        channels: 1,
        venue_flags: 0x80,
        reserved: [0; 24],
        message: 0,
    });
    assert_eq!(trust(&rig, 7), Trust::Empty);
    assert_eq!(
        trust(&rig, 8),
        Trust::Halted,
        "that has nothing to do with it"
    );
    rig.event(cme(9, Side::BUY, 1, 100, 1, true));
    assert_eq!(trust(&rig, 9), Trust::Live);
}
