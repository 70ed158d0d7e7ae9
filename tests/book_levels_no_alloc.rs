//! A book of levels that is warm allocates nothing: not for levels that come and go, not when it is
//! emptied, not for what is wrong with them.

#[path = "support/counting_allocator.rs"]
#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    reason = "an allocator is unsafe by its trait"
)]
mod counting_allocator;

use counting_allocator::Counting;
use ringtape::book::{BookSide, LevelBook, LevelDepth};
use ringtape::market::{Level, LevelAction, Quote, Side};
use zerocopy::FromZeros;

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

/// Levels of both sides at 40 prices and at 12 places, with every action, in an order that is not
/// theirs.
fn levels() -> [Vec<Level>; 2] {
    let make = |number: u16, side, action, place| Level {
        price_e9: i64::from(number * 17 % 40) * 10_000_000,
        quantity: 1 + u32::from(number % 3),
        level: place,
        action,
        head: ringtape::market::Head {
            side,
            ..FromZeros::new_zeroed()
        },
        ..Level::new_zeroed()
    };
    let sides = [Side::BUY, Side::SELL, Side::NONE];
    let by_price = (0..400u16).map(|number| {
        let side = sides[usize::from(number / 200)];
        let action = [LevelAction::SET, LevelAction::DELETE][usize::from(number / 40 % 5 / 3)];
        make(number, side, action, 0)
    });
    let by_place = (0..600u16).map(|number| {
        let side = sides[usize::from(number % 7 / 3)];
        let action = LevelAction(u8::try_from(number % 6).expect("small"));
        let place = u8::try_from(1 + number % 11).expect("small");
        make(number, side, action, place)
    });
    [by_price.collect(), by_place.collect()]
}

#[test]
fn a_warm_book_of_levels_allocates_nothing() {
    for (levels, expected) in levels().iter().zip(["by price", "by place"]) {
        let mut book = LevelBook::new(LevelDepth::default());
        let mut pass = || {
            let mut seen = 0;
            for level in levels {
                _ = book.apply(level);
                let sides = BookSide::BOTH;
                seen += sides
                    .map(|side| book.levels(side).count())
                    .iter()
                    .sum::<usize>();
                seen += sides
                    .map(|side| book.implied(side).count())
                    .iter()
                    .sum::<usize>();
            }
            _ = book.apply_quote(&Quote::new_zeroed());
            book.clear();
            seen
        };
        let cold = pass();
        let mut warm = 0;
        let allocations = ALLOCATOR.during(|| warm = pass());
        assert_eq!((allocations, warm), (0, cold), "{expected}");
        assert!(cold > 1_000, "{expected}: {cold}");
    }
}
