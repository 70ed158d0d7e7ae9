//! Books of levels that are warm allocate nothing: not for levels that come and go, not when they are
//! emptied, not for what is wrong with them, not for gaps, sessions and pictures in the middle.

#[path = "support/counting_allocator.rs"]
#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    reason = "an allocator is unsafe by its trait"
)]
mod counting_allocator;

use counting_allocator::Counting;
use ringtape::book::{BookSide, Books, BooksConfig, LevelBook, LevelDepth};
use ringtape::handler::At;
use ringtape::market::{Flags, Head, Level, LevelAction, Quote, Side, SnapshotStart};
use ringtape::record::{Gap, GapCause, Sequence, Session, SessionMark};
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
        head: Head {
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

// One test, since both parts count what the whole process allocates.
#[test]
fn warm_books_of_levels_allocate_nothing() {
    a_warm_book_allocates_nothing();
    the_warm_books_of_a_feed_allocate_nothing();
}

fn a_warm_book_allocates_nothing() {
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

/// Gives the books of 500 instruments, some by price and some by place, levels in groups that span
/// instruments, with what can happen in the middle. Returns how many tops changed.
fn feed(books: &mut Books, levels: &[Vec<Level>; 2]) -> usize {
    let at = At {
        sequence: Sequence::new(1),
        ts_recv_ns: 5,
        end_of_batch: true,
    };
    let session = |mark| Session {
        id: [0; 16],
        feed_sequence: 1,
        mark,
        feed: 1,
    };
    let gap = |feed, cause| Gap {
        first: 1,
        last: 2,
        cause,
        feed,
    };
    let mut changed = 0;
    for (number, instrument) in (0..40_000usize).zip((0..500u32).cycle()) {
        let of = &levels[usize::from(instrument % 2 == 0)];
        let mut level = of[number % of.len()];
        level.head.feed = 1;
        // Also numbers that have to be hashed.
        level.head.instrument = 65_300 + instrument;
        level.head.flags = [Flags::LAST, Flags::NONE][usize::from(number % 3 == 0)];
        level.entry_type = if level.level == 0 { b'8' } else { b'0' };
        level.venue_flags = if number % 5 == 0 { 0x81 } else { 0 };
        changed += books.on_event(&level.into(), at).changed.len();
        changed += match number % 4_000 {
            1_000 => books.on_gap(gap(0, GapCause::Overrun)),
            1_500 => books.on_gap(gap(1, GapCause::Absent)),
            2_000 => books.on_session(&session(SessionMark::Silent), at),
            2_500 => books.on_session(&session(SessionMark::Resumed), at),
            3_999 => books.on_session(&session(SessionMark::Restart), at),
            place if place % 97 == 0 && level.level > 0 => {
                let start = SnapshotStart {
                    head: level.head,
                    ..SnapshotStart::new_zeroed()
                };
                books.on_event(&start.into(), at)
            }
            _ => continue,
        }
        .changed
        .len();
    }
    changed
}

fn the_warm_books_of_a_feed_allocate_nothing() {
    let levels = levels();
    let mut books = Books::new(BooksConfig {
        instruments_max: 1_000,
        ..BooksConfig::default()
    });
    let cold = feed(&mut books, &levels);
    let mut warm = 0;
    let allocations = ALLOCATOR.during(|| warm = feed(&mut books, &levels));
    assert_eq!(allocations, 0);
    assert!(cold > 10_000 && warm > 10_000, "{cold}, {warm}");
    assert!(books.errors().doubtful_total() > 1_000);
}
