//! Books of levels beside a naive one, on seeded sessions with all that can be wrong in them,
//! compared after every event. `RINGTAPE_BOOK_SESSIONS=1000` runs more of them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod naive_levels;
mod random;

use naive_levels::NaiveLevels;
use random::Random;
use ringtape::book::{BookSide, DataErrorKind, LevelBook, LevelDepth, PriceLevel, Reach};
use ringtape::market::{Level, LevelAction, NO_PRICE, NO_QUANTITY, Quote, Side};
use std::collections::BTreeMap;
use zerocopy::FromZeros;

const EVENTS: u32 = 10_000;
const SESSIONS: u64 = 16;

#[derive(Debug)]
enum Input {
    Level(Level),
    Quote(Quote),
    Clear,
}

/// What a session's venue sends, mostly.
#[derive(Clone, Copy, PartialEq)]
enum Venue {
    Prices,
    Places,
    Quotes,
}

struct Session {
    random: Random,
    venue: Venue,
    depth: LevelDepth,
    made: u32,
}

impl Session {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let venues = [Venue::Prices, Venue::Places, Venue::Quotes, Venue::Places];
        let venue = venues[usize::try_from(seed % 4).unwrap()];
        let depth = match seed % 8 {
            3 => LevelDepth {
                direct: u8::try_from(random.below(20)).unwrap(),
                implied: u8::try_from(random.below(4)).unwrap(),
            },
            7 => LevelDepth {
                direct: u8::MAX,
                implied: u8::MAX,
            },
            _ => LevelDepth::default(),
        };
        Self {
            random,
            venue,
            depth,
            made: 0,
        }
    }

    /// Makes the next input, with an eye on what is in the book.
    fn next(&mut self, book: &NaiveLevels) -> Input {
        self.made += 1;
        if self.random.one_in(2_000) {
            return Input::Clear;
        }
        // Now and then another venue's events get in, but they do not make the book theirs.
        let venue = match self.made > 20 && self.random.one_in(50) {
            true => self
                .random
                .any(&[Venue::Prices, Venue::Places, Venue::Quotes]),
            false => self.venue,
        };
        match venue {
            Venue::Prices => Input::Level(self.by_price(book)),
            Venue::Places => Input::Level(self.by_place(book)),
            Venue::Quotes => Input::Quote(self.quote()),
        }
    }

    fn by_price(&mut self, book: &NaiveLevels) -> Level {
        use LevelAction as A;
        let actions = [A::SET, A::SET, A::SET, A::SET, A::DELETE, A::DELETE];
        let mut level = self.level(b"85");
        level.action = match self.random.one_in(100) {
            true => self
                .random
                .any(&[A::NEW, A::CHANGE, A::OVERLAY, LevelAction(99)]),
            false => self.random.any(&actions),
        };
        if level.action == A::DELETE && !self.random.one_in(10) {
            let side = BookSide::of(level.head.side).unwrap_or(BookSide::Bid);
            let known = book.levels(side);
            if !known.is_empty() {
                level.price_e9 = self.random.any(&known).price_e9;
            }
        }
        level
    }

    fn by_place(&mut self, book: &NaiveLevels) -> Level {
        use LevelAction as A;
        let actions = [A::NEW, A::CHANGE, A::DELETE];
        let rare = [A::OVERLAY, A::DELETE_FROM, A::DELETE_THRU, A(6), A::SET];
        let mut level = self.level(b"0101EF");
        level.action = match self.random.one_in(12) {
            true => self.random.any(&rare),
            false => self.random.any(&actions),
        };
        let is_implied = b"EF".contains(&level.entry_type);
        let depth = match is_implied {
            true => self.depth.implied,
            false => self.depth.direct,
        };
        // Most changes are at the front, and some beyond the end.
        let end = match self.random.one_in(3) {
            true => u64::from(depth) + 1,
            false => u64::from(depth).min(12),
        };
        level.level = u8::try_from(1 + self.random.below(end.max(1))).unwrap_or(u8::MAX);
        if self.random.one_in(500) {
            level.level = 0;
        }
        let side = BookSide::of(level.head.side).unwrap_or(BookSide::Bid);
        let is_consistent = level.action != A::NEW && !self.random.one_in(10);
        if let Some(known) = book
            .at(side, is_implied, level.level)
            .filter(|_| is_consistent)
        {
            level.price_e9 = known.price_e9;
        }
        level
    }

    /// A level with everything but an action and a place, not all of it sound.
    fn level(&mut self, entry_types: &[u8]) -> Level {
        let mut level = Level::new_zeroed();
        level.entry_type = self.random.any(entry_types);
        level.head.side = match level.entry_type {
            b'0' | b'E' | b'8' => Side::BUY,
            _ => Side::SELL,
        };
        if self.random.one_in(300) {
            level.entry_type = self.random.any(b"J2w\0");
        }
        if self.random.one_in(100) {
            level.head.side = self.random.any(&[Side::NONE, Side(b'x')]);
        }
        level.price_e9 = self.price_e9();
        level.quantity = self.quantity();
        let few = u32::try_from(self.random.below(9)).unwrap();
        level.orders = self.random.any(&[few, NO_QUANTITY]);
        level
    }

    fn quote(&mut self) -> Quote {
        Quote {
            bid_price_e9: self.price_e9(),
            ask_price_e9: self.price_e9(),
            bid_quantity: self.quantity(),
            ask_quantity: self.quantity(),
            ..Quote::new_zeroed()
        }
    }

    fn price_e9(&mut self) -> i64 {
        match self.random.one_in(60) {
            true => self.random.any(&[NO_PRICE, NO_PRICE + 1, -1, 0, i64::MAX]),
            false => (i64::try_from(self.random.below(60)).unwrap() - 5) * 10_000_000,
        }
    }

    fn quantity(&mut self) -> u32 {
        match self.random.one_in(60) {
            true => self.random.any(&[0, NO_QUANTITY, NO_QUANTITY - 1]),
            false => 1 + u32::try_from(self.random.below(5)).unwrap(),
        }
    }
}

fn best(naive: &NaiveLevels) -> [Option<PriceLevel>; 2] {
    BookSide::BOTH.map(|side| naive.levels(side).first().copied())
}

/// Runs a session, and counts what came of its events.
fn run(seed: u64, counts: &mut BTreeMap<Result<bool, DataErrorKind>, u64>) {
    let mut session = Session::new(seed);
    let mut naive = NaiveLevels::new(session.depth);
    let mut book = LevelBook::new(session.depth);
    for number in 0..EVENTS {
        let before = best(&naive);
        let input = session.next(&naive);
        let (got, expected) = match &input {
            Input::Level(level) => (book.apply(level), naive.apply(level)),
            Input::Quote(quote) => (book.apply_quote(quote), naive.apply_quote(quote)),
            Input::Clear => {
                book.clear();
                naive.clear();
                let is_best = before != [None; 2];
                let reach = if is_best { Reach::Best } else { Reach::Behind };
                (Ok(reach), Ok(()))
            }
        };
        let expected = expected.map(|()| match best(&naive) == before {
            true => Reach::Behind,
            false => Reach::Best,
        });
        assert_eq!(got, expected, "seed={seed} event={number} {input:?}");
        for side in BookSide::BOTH {
            let same = book.best(side) == naive.levels(side).first().copied()
                && book.levels(side).eq(naive.levels(side))
                && book.implied(side).eq(naive.implied(side));
            assert!(same, "seed={seed} event={number} {side:?} {input:?}");
        }
        *counts
            .entry(got.map(|reach| reach == Reach::Best))
            .or_default() += 1;
    }
}

#[test]
fn whatever_is_told_a_book_of_levels_is_what_the_rules_say_after_every_event() {
    let sessions = std::env::var("RINGTAPE_BOOK_SESSIONS");
    let sessions = sessions.map_or(SESSIONS, |count| count.parse().unwrap());
    let mut counts = BTreeMap::new();
    for seed in 0..sessions {
        run(seed, &mut counts);
    }
    eprintln!("{sessions} sessions of {EVENTS} events: {counts:?}");
    for kind in [
        DataErrorKind::NoSide,
        DataErrorKind::UnknownAction,
        DataErrorKind::LevelOutOfRange,
        DataErrorKind::NoPrice,
        DataErrorKind::NoQuantity,
        DataErrorKind::UnknownLevel,
    ] {
        assert!(counts[&Err(kind)] > 10 * sessions, "{kind}");
    }
    assert!(counts[&Ok(true)] > 500 * sessions && counts[&Ok(false)] > 500 * sessions);
}
