//! Owns synthetic flows of levels of one instrument, by price and by place, and what they come to.

use crate::support::random::Random;
use ringtape::book::{BookSide, LevelBook, LevelDepth};
use ringtape::market::{Level, LevelAction};
use std::collections::BTreeMap;
use zerocopy::FromZeros;

/// Prices are multiples of a cent.
const CENT_E9: i64 = 10_000_000;
/// Prices of a side that levels are set at.
const PRICES: u64 = 40;
/// Levels that a venue shows of a side where it addresses them by place.
const PLACES: usize = 10;

/// Prices and quantities of both sides, the best first.
type Sides = [Vec<(i64, u32)>; 2];

/// Changes of levels in their order.
pub struct LevelFlow {
    levels: Vec<Level>,
    end: Sides,
}

impl LevelFlow {
    /// Makes `count` changes by price: most set a level near the best one, one in four deletes.
    pub fn by_price(seed: u64, count: usize) -> Self {
        let mut random = Random::new(seed);
        let mut sides = [BTreeMap::new(), BTreeMap::new()];
        let mut levels = Vec::with_capacity(count);
        while levels.len() < count {
            let side = side(&mut random);
            // Of two draws the smaller: the nearer to the best, the more often.
            let distance = random.below(PRICES).min(random.below(PRICES));
            let price_e9 = price(side, distance);
            let known = &mut sides[side as usize];
            let mut level = level(side, price_e9, 100 + random.below_u32(900));
            level.action = LevelAction::SET;
            if random.below(4) == 0 {
                if known.remove(&price_e9).is_none() {
                    continue;
                }
                level.action = LevelAction::DELETE;
            } else {
                known.insert(price_e9, level.quantity);
            }
            levels.push(level);
        }
        let [bids, asks] = sides.map(|side| side.into_iter().collect::<Vec<_>>());
        let bids = bids.into_iter().rev().collect();
        Self {
            levels,
            end: [bids, asks],
        }
    }

    /// Makes `count` changes by place: levels that change, that are new and move what is behind
    /// them down, and that are deleted.
    pub fn by_place(seed: u64, count: usize) -> Self {
        let mut random = Random::new(seed);
        let mut end: Sides = [Vec::new(), Vec::new()];
        let levels = (0..count)
            .map(|_| {
                let side = side(&mut random);
                place_change(&mut random, side, &mut end[side as usize])
            })
            .collect();
        Self { levels, end }
    }

    pub fn len(&self) -> usize {
        self.levels.len()
    }

    /// Gives all changes to a book.
    pub fn run(&self, book: &mut LevelBook) {
        for level in &self.levels {
            assert!(book.apply(level).is_ok());
        }
    }

    /// Sees that a book that was given all changes is what they come to.
    pub fn check(&self, book: &LevelBook) {
        for side in BookSide::BOTH {
            let levels = book.levels(side).map(|l| (l.price_e9, l.quantity));
            let end = self.end[side as usize].iter();
            assert!(levels.eq(end.map(|&(price_e9, quantity)| (price_e9, u64::from(quantity)))));
        }
    }
}

/// A book that shows as many places.
pub fn empty_book() -> LevelBook {
    LevelBook::new(LevelDepth::default())
}

fn side(random: &mut Random) -> BookSide {
    BookSide::BOTH[usize::from(random.below(2) == 1)]
}

/// Returns the price at a distance from the best possible one of a side.
fn price(side: BookSide, distance: u64) -> i64 {
    let distance = i64::try_from(distance).expect("small");
    let cents = match side {
        BookSide::Bid => 10_000 - distance,
        BookSide::Ask => 10_001 + distance,
    };
    cents * CENT_E9
}

fn level(side: BookSide, price_e9: i64, quantity: u32) -> Level {
    let mut level = Level::new_zeroed();
    level.head.side = side.side();
    level.price_e9 = price_e9;
    level.quantity = quantity;
    level
}

/// Draws a change of a side that shows `known`, and applies it.
fn place_change(random: &mut Random, side: BookSide, known: &mut Vec<(i64, u32)>) -> Level {
    let quantity = 100 + random.below_u32(900);
    let action = match random.below(4) {
        _ if known.len() < PLACES => LevelAction::NEW,
        0 => LevelAction::DELETE,
        1 => LevelAction::NEW,
        _ => LevelAction::CHANGE,
    };
    // The smaller of two draws: changes are more frequent near the best.
    let places = PLACES.min(known.len() + 1) as u64;
    let place = random.below(places).min(random.below(places));
    let at = usize::try_from(place).expect("few");
    if action == LevelAction::NEW {
        // What the price is does not matter to a book by place, as long as it stays a level's.
        known.insert(at, (price(side, random.below(PRICES)), quantity));
        known.truncate(PLACES);
    }
    let mut change = level(side, known[at].0, quantity);
    change.action = action;
    change.level = u8::try_from(place + 1).expect("few");
    match action {
        LevelAction::CHANGE => known[at].1 = quantity,
        LevelAction::DELETE => {
            known.remove(at);
        }
        _ => {}
    }
    change
}
