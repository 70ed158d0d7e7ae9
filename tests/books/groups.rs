//! Readers see a group of events whole or not at all.

use super::*;
use ringtape::book::Trust;
use ringtape::market::{Replace, Volume};

#[test]
fn an_event_of_iex_ends_with_its_bit_and_not_with_its_messages() {
    let mut rig = Rig::started();
    rig.event(iex(13, Side::BUY, 100, 5, true));
    rig.event(iex(13, Side::SELL, 101, 5, true));
    assert!(rig.event(iex(13, Side::SELL, 101, 0, false)).is_empty());
    assert_eq!(rig.book(13).best().ask_price_e9, 101, "as it was");
    assert_eq!(rig.depth(13, BookSide::Ask), []);
    assert!(!rig.is_trusted(13), "its depth is between two states");
    assert_eq!(rig.book(13).trust(), Trust::Live, "its top is not");
    assert_eq!(rig.event(iex(13, Side::SELL, 102, 5, true)), [0]);
    assert_eq!(rig.book(13).best().ask_price_e9, 102);
    assert!(rig.is_trusted(13));
}

#[test]
fn an_event_of_cme_spans_instruments_and_messages_and_ends_with_any_of_them() {
    let mut rig = Rig::started();
    rig.event(cme(7, Side::BUY, 1, 100, 1, true));
    assert!(rig.event(cme(7, Side::BUY, 1, 200, 2, false)).is_empty());
    assert!(rig.event(cme(8, Side::BUY, 1, 300, 1, false)).is_empty());
    assert_eq!(rig.book(7).best().bid_price_e9, 100);
    let mut changed = rig.event(Volume {
        head: head(9, Side::NONE),
        quantity: 1,
        report: 1,
        action: LevelAction::NEW,
        venue_flags: 0x80,
        reserved: [0; 18],
        message: 0,
    });
    changed.sort_unstable();
    assert_eq!(changed, [0, 1]);
    assert_eq!(rig.book(7).best().bid_price_e9, 200);
    assert_eq!(rig.book(8).best().bid_price_e9, 300);
}

#[test]
fn the_venues_bit_counts_at_the_end_of_the_message_that_has_it() {
    let mut rig = Rig::started();
    let mut first = cme(7, Side::BUY, 1, 100, 1, true);
    first.head.flags = Flags::NONE;
    assert!(rig.event(first).is_empty());
    assert_eq!(rig.event(cme(7, Side::SELL, 1, 101, 2, true)), [0]);
    let best = rig.book(7).best();
    assert_eq!((best.bid_price_e9, best.ask_price_e9), (100, 101));
}

#[test]
fn orders_of_one_message_are_seen_together() {
    let mut rig = Rig::started();
    let mut first = add(13, 1, Side::BUY, 100, 5);
    first.head.flags = Flags::NONE;
    assert!(rig.event(first).is_empty());
    assert_eq!(rig.event(add(13, 2, Side::SELL, 90, 5)), [0]);
    assert!(rig.book(13).best().is_crossed());
}

#[test]
fn what_is_as_before_when_the_record_is_done_is_not_told_as_a_change() {
    let mut rig = Rig::started();
    rig.event(add(13, 1, Side::BUY, 100, 5));
    let same = Replace {
        head: head(13, Side::NONE),
        order_id: 1,
        new_order_id: 2,
        price_e9: 100,
        quantity: 5,
        message: 0,
    };
    assert!(rig.event(same).is_empty());
    assert_eq!(rig.book(13).position(2).unwrap().orders_ahead, 0);
}

#[test]
fn where_a_venue_shows_levels_too_the_book_is_that_of_the_levels() {
    let mut rig = Rig::started();
    rig.event(add(13, 1, Side::BUY, 100, 5));
    assert_eq!(rig.event(iex(13, Side::BUY, 90, 7, true)), [0]);
    assert_eq!(rig.book(13).best().bid_price_e9, 90);
    assert!(rig.event(add(13, 2, Side::BUY, 110, 5)).is_empty());
    assert_eq!(rig.depth(13, BookSide::Bid), [level(90, 7, 0)]);
    assert!(rig.is_trusted(13));
}

#[test]
fn an_event_that_the_venue_leaves_unfinished_ends_where_one_of_another_time_begins() {
    let mut rig = Rig::started();
    rig.event(iex(13, Side::BUY, 100, 5, true));
    assert!(rig.event(iex(13, Side::BUY, 101, 5, false)).is_empty());
    let mut later = iex(14, Side::BUY, 50, 5, false);
    later.head.ts_event_ns += 1;
    assert_eq!(rig.event(later), [0]);
    assert_eq!(rig.book(13).best().bid_price_e9, 101);
    assert_eq!(rig.book(14).best().bid_price_e9, i64::MIN);
}
