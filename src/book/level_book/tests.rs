use super::*;
use crate::market::{Head, Side};
use zerocopy::FromZeros;

/// A level of an entry type and a side, price in units.
fn level(entry_type: u8, place: u8, action: LevelAction, price: i64, quantity: u32) -> Level {
    let side = match entry_type {
        b'0' | b'E' | b'8' => Side::BUY,
        b'1' | b'F' | b'5' => Side::SELL,
        _ => Side::NONE,
    };
    Level {
        head: Head {
            side,
            ..Head::new_zeroed()
        },
        price_e9: price * 1_000_000_000,
        quantity,
        orders: quantity / 10,
        level: place,
        action,
        entry_type,
        ..Level::new_zeroed()
    }
}

/// The prices and quantities of levels.
fn shown(levels: impl Iterator<Item = PriceLevel>) -> Vec<(i64, u64)> {
    levels
        .map(|level| (level.price_e9 / 1_000_000_000, level.quantity))
        .collect()
}

/// A book of five places whose bids are 50, 49, 48, 47, 46.
fn five_bids() -> LevelBook {
    let depth = LevelDepth {
        direct: 5,
        implied: 2,
    };
    let mut book = LevelBook::new(depth);
    for place in 1..=5 {
        let bid = level(b'0', place, LevelAction::NEW, 51 - i64::from(place), 10);
        let reach = if place == 1 {
            Reach::Best
        } else {
            Reach::Behind
        };
        assert_eq!(book.apply(&bid), Ok(reach));
    }
    book
}

fn bids(book: &LevelBook) -> Vec<i64> {
    let levels = shown(book.levels(BookSide::Bid));
    levels.into_iter().map(|level| level.0).collect()
}

#[test]
fn each_action_does_with_places_what_the_table_says() {
    use LevelAction as A;
    let check = |place, action, price, expected: &[i64], reach| {
        let mut book = five_bids();
        assert_eq!(book.apply(&level(b'0', place, action, price, 20)), reach);
        assert_eq!(bids(&book), expected, "{action:?} at {place}");
        assert_eq!(book.best(BookSide::Bid), book.levels(BookSide::Bid).next());
    };
    let unknown = Err(DataErrorKind::UnknownLevel);
    check(1, A::NEW, 51, &[51, 50, 49, 48, 47], Ok(Reach::Best));
    check(5, A::NEW, 45, &[50, 49, 48, 47, 45], Ok(Reach::Behind));
    check(1, A::CHANGE, 50, &[50, 49, 48, 47, 46], Ok(Reach::Best));
    check(2, A::CHANGE, 49, &[50, 49, 48, 47, 46], Ok(Reach::Behind));
    check(2, A::CHANGE, 40, &[50, 40, 48, 47, 46], unknown);
    check(1, A::DELETE, 50, &[49, 48, 47, 46], Ok(Reach::Best));
    check(5, A::DELETE, 46, &[50, 49, 48, 47], Ok(Reach::Behind));
    check(2, A::DELETE, 40, &[50, 48, 47, 46], unknown);
    check(3, A::DELETE_FROM, 48, &[47, 46], Ok(Reach::Best));
    check(5, A::DELETE_FROM, 46, &[], Ok(Reach::Best));
    check(1, A::DELETE_THRU, 50, &[], Ok(Reach::Best));
    check(4, A::OVERLAY, 47, &[50, 49, 48, 47, 46], Ok(Reach::Behind));
    check(1, A::OVERLAY, 60, &[60, 49, 48, 47, 46], Ok(Reach::Best));
}

#[test]
fn holes_are_no_levels_but_move_as_levels_do() {
    let mut book = LevelBook::new(LevelDepth::default());
    let mut apply = |place, action, price| book.apply(&level(b'0', place, action, price, 10));
    let unknown = Err(DataErrorKind::UnknownLevel);
    assert_eq!(apply(1, LevelAction::DELETE, 50), unknown);
    assert_eq!(apply(4, LevelAction::CHANGE, 47), unknown);
    assert_eq!(apply(7, LevelAction::NEW, 44), Ok(Reach::Behind));
    assert_eq!(apply(2, LevelAction::DELETE, 49), unknown);
    assert_eq!(apply(3, LevelAction::CHANGE, 47), Ok(Reach::Behind));
    assert_eq!(apply(1, LevelAction::NEW, 50), Ok(Reach::Best));
    assert_eq!(apply(4, LevelAction::DELETE, 47), Ok(Reach::Behind));
    assert_eq!(apply(6, LevelAction::DELETE, 44), Ok(Reach::Behind));
    assert_eq!(apply(3, LevelAction::DELETE_FROM, 48), unknown);
    assert_eq!(apply(1, LevelAction::DELETE_THRU, 50), unknown);
    assert_eq!(bids(&book), []);
}

#[test]
fn implied_levels_are_kept_apart_and_a_reset_empties_all() {
    let mut book = five_bids();
    let implied = level(b'E', 1, LevelAction::NEW, 60, 5);
    assert_eq!(book.apply(&implied), Ok(Reach::Behind));
    let third = level(b'E', 3, LevelAction::NEW, 58, 5);
    assert_eq!(book.apply(&third), Err(DataErrorKind::LevelOutOfRange));
    assert_eq!(shown(book.implied(BookSide::Bid)), [(60, 5)]);
    assert_eq!(book.implied(BookSide::Ask).count(), 0);
    assert_eq!(bids(&book)[0], 50);
    let reset = level(b'J', 0, LevelAction::NEW, 0, 0);
    assert_eq!(book.apply(&reset), Ok(Reach::Best));
    assert_eq!(bids(&book).len() + book.implied(BookSide::Bid).count(), 0);
    assert_eq!(book.apply(&reset), Ok(Reach::Behind));
}

#[test]
fn what_is_wrong_is_told_and_changes_nothing() {
    use DataErrorKind as E;
    let mut book = five_bids();
    let good = level(b'0', 1, LevelAction::NEW, 55, 10);
    let mut check = |wrong: Level, expected| {
        let before = bids(&book);
        assert_eq!(book.apply(&wrong), Err(expected));
        assert_eq!(bids(&book), before);
    };
    check(level(b'2', 1, LevelAction::NEW, 55, 10), E::NoSide);
    check(Level { level: 6, ..good }, E::LevelOutOfRange);
    check(Level { level: 0, ..good }, E::UnknownAction);
    check(level(b'8', 0, LevelAction::SET, 55, 10), E::UnknownAction);
    check(level(b'0', 1, LevelAction(6), 55, 10), E::UnknownAction);
    check(level(b'0', 1, LevelAction::SET, 55, 10), E::UnknownAction);
    for quantity in [0, NO_QUANTITY] {
        check(Level { quantity, ..good }, E::NoQuantity);
    }
    let price_e9 = NO_PRICE;
    check(Level { price_e9, ..good }, E::NoPrice);
}

#[test]
fn by_price_a_level_is_set_and_removed_in_its_place() {
    let mut book = LevelBook::new(LevelDepth::default());
    let mut apply = |price, quantity| {
        let action = match quantity {
            0 => LevelAction::DELETE,
            _ => LevelAction::SET,
        };
        book.apply(&level(b'5', 0, action, price, quantity))
    };
    assert_eq!(apply(20, 0), Err(DataErrorKind::UnknownLevel));
    assert_eq!(apply(20, 100), Ok(Reach::Best));
    assert_eq!(apply(22, 300), Ok(Reach::Behind));
    assert_eq!(apply(21, 200), Ok(Reach::Behind));
    assert_eq!(apply(22, 50), Ok(Reach::Behind));
    assert_eq!(apply(23, 0), Err(DataErrorKind::UnknownLevel));
    assert_eq!(apply(20, 0), Ok(Reach::Best));
    assert_eq!(shown(book.levels(BookSide::Ask)), [(21, 200), (22, 50)]);
    assert_eq!(shown(book.levels(BookSide::Bid)), []);
    book.clear();
    assert_eq!(book.best(BookSide::Ask), None);
}

#[test]
fn a_quote_is_all_that_there_is() {
    let quote = |bid: (i64, u32), ask: (i64, u32)| Quote {
        bid_price_e9: bid.0,
        bid_quantity: bid.1,
        ask_price_e9: ask.0,
        ask_quantity: ask.1,
        ..Quote::new_zeroed()
    };
    let mut book = LevelBook::new(LevelDepth::default());
    let both = quote((20, 1), (21, 2));
    assert_eq!(book.apply_quote(&both), Ok(Reach::Best));
    assert_eq!(book.apply_quote(&both), Ok(Reach::Behind));
    let refused = quote((19, 1), (NO_PRICE, 2));
    assert_eq!(book.apply_quote(&refused), Err(DataErrorKind::NoPrice));
    let refused = quote((19, 1), (21, NO_QUANTITY));
    assert_eq!(book.apply_quote(&refused), Err(DataErrorKind::NoQuantity));
    assert_eq!(book.best(BookSide::Bid).map(|bid| bid.price_e9), Some(20));
    assert_eq!(book.apply_quote(&quote((0, 0), (22, 3))), Ok(Reach::Best));
    assert_eq!(book.best(BookSide::Bid), None);
    assert_eq!(book.levels(BookSide::Ask).count(), 1);
    let refused = five_bids().apply_quote(&both);
    assert_eq!(refused, Err(DataErrorKind::UnknownAction));
}

#[test]
fn a_side_by_price_takes_no_more_levels_than_its_bound() {
    let mut book = LevelBook::new(LevelDepth::default());
    let count = i64::try_from(LEVELS_MAX).expect("small");
    for price in 1..=count {
        let ask = level(b'5', 0, LevelAction::SET, price, 1);
        assert!(book.apply(&ask).is_ok());
    }
    let mut one_more = level(b'5', 0, LevelAction::SET, count + 1, 1);
    let refused = book.apply(&one_more);
    assert_eq!(refused, Err(DataErrorKind::LevelOutOfRange));
    one_more.price_e9 = 1_000_000_000;
    assert_eq!(book.apply(&one_more), Ok(Reach::Behind));
}

#[test]
fn a_book_that_is_not_used_takes_no_memory_beside_its_own_56_bytes() {
    let mut book = LevelBook::new(LevelDepth::default());
    assert!(size_of::<LevelBook>() <= 56, "{}", size_of::<LevelBook>());
    let removal = level(b'0', 1, LevelAction::DELETE, 1, 1);
    assert!(book.apply(&removal).is_err());
    assert_eq!(book.memory_bytes(), 0);
    let bid = level(b'0', 1, LevelAction::NEW, 1, 1);
    assert!(book.apply(&bid).is_ok());
    assert_eq!(book.memory_bytes(), 24 * 24);
}
