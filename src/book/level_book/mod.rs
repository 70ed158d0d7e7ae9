//! Owns the book of one instrument at a venue that shows levels and not orders: levels addressed by
//! their price, levels addressed by their place, and quotes.
//!
//! # By price
//!
//! [`Level::level`] is 0 (IEX DEEP). [`LevelAction::SET`] sets the level of a price, whether there
//! was one or not; [`LevelAction::DELETE`] removes it.
//!
//! # By place
//!
//! [`Level::level`] is the place, 1 for the best (CME). The venue shows a certain depth of each
//! side, and a smaller one of what it implies from orders in other instruments (entry types `E`
//! and `F`), which is kept apart. With a level at place `n`
//!
//! | action | does |
//! |---|---|
//! | [`LevelAction::NEW`] | sets place `n`; what is there and behind moves down, or off the end |
//! | [`LevelAction::CHANGE`] | sets place `n`, whose price is as before |
//! | [`LevelAction::DELETE`] | removes place `n`; what is behind it moves up by one |
//! | [`LevelAction::DELETE_FROM`] | removes the best `n`; what is behind them moves up by `n` |
//! | [`LevelAction::DELETE_THRU`] | removes the whole side |
//! | [`LevelAction::OVERLAY`] | sets place `n`, whatever was there; nothing moves |
//!
//! and an entry of type `J` empties both sides, the implied ones too.
//!
//! Where a stream is joined in its middle, places are not known until something is set there. Such
//! holes are no levels to readers, but they move as levels do: the venue counts them.
//!
//! # Quotes
//!
//! A [`Quote`] is all that there is (IEX TOPS): one level a side, or none where the quantity is 0.
//!
//! A venue addresses levels in one way, so the first level that is set decides, for the life of the
//! book; quotes go with prices. What addresses levels in the other way is
//! [`DataErrorKind::UnknownAction`].

mod by_place;
mod by_price;

use crate::book::{BookSide, DataErrorKind, PriceLevel};
use crate::market::{Level, LevelAction, NO_PRICE, NO_QUANTITY, Quote};
use by_place::Places;
use by_price::Prices;

pub use by_price::LEVELS_MAX;

/// How many places a venue shows of each side, where levels are addressed by place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LevelDepth {
    /// Of the instrument's own orders.
    pub direct: u8,
    /// Of what is implied from orders in other instruments.
    pub implied: u8,
}

impl Default for LevelDepth {
    /// CME's: 10 places, which is the most that it shows of any instrument, and 2 implied ones.
    fn default() -> Self {
        Self {
            direct: 10,
            implied: 2,
        }
    }
}

/// How far to the front a change of a book reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// The best level of a side is another, or has another quantity or count of orders.
    Best,
    /// The best levels are as they were.
    Behind,
}

/// Levels of one instrument, each side best first.
///
/// # Examples
///
/// ```
/// use ringtape::book::{BookSide, LevelBook, LevelDepth, Reach};
/// use ringtape::market::{Head, Level, LevelAction, Side};
///
/// let mut level: Level = zerocopy::FromZeros::new_zeroed();
/// level.head.side = Side::BUY;
/// level.action = LevelAction::SET;
/// (level.price_e9, level.quantity) = (21_150_000_000, 300);
///
/// let mut book = LevelBook::new(LevelDepth::default());
/// assert_eq!(book.apply(&level), Ok(Reach::Best));
/// level.price_e9 -= 10_000_000;
/// assert_eq!(book.apply(&level), Ok(Reach::Behind));
/// let prices = book.levels(BookSide::Bid).map(|level| level.price_e9);
/// assert!(prices.eq([21_150_000_000, 21_140_000_000]));
/// ```
#[derive(Clone, Debug)]
pub struct LevelBook {
    depth: LevelDepth,
    levels: Levels,
}

/// Nothing is allocated for a book in which no level was ever set.
#[derive(Clone, Debug)]
enum Levels {
    Unset,
    ByPrice([Prices; 2]),
    ByPlace(Places),
}

impl LevelBook {
    /// Returns an empty book. The depth means something only where levels are addressed by place.
    #[must_use]
    pub const fn new(depth: LevelDepth) -> Self {
        Self {
            depth,
            levels: Levels::Unset,
        }
    }

    /// Applies a level's change.
    ///
    /// Hot path: no allocation but where a book has more levels than ever before, no system call,
    /// O(levels in front of it) by price and O(depth) by place.
    ///
    /// # Errors
    ///
    /// What is wrong with it; the book is as it was. [`DataErrorKind::UnknownLevel`] alone can go
    /// with a change of the book, the best level included:
    ///
    /// * a [`LevelAction::CHANGE`] of a place that is not known, or has another price, sets it;
    /// * a [`LevelAction::DELETE`] of a place that is not known, or has another price, moves up
    ///   what is behind it;
    /// * a [`LevelAction::DELETE_FROM`] removes what it can where a place is not known.
    ///
    /// Of several things that are wrong the first is told: `NoSide`, `UnknownAction`,
    /// `LevelOutOfRange`, `NoPrice`, `NoQuantity`, `UnknownLevel`.
    pub fn apply(&mut self, level: &Level) -> Result<Reach, DataErrorKind> {
        if level.entry_type == BOOK_RESET {
            let was_empty = BookSide::BOTH.map(|side| self.best(side)) == [None; 2];
            self.clear();
            return Ok(Reach::of(was_empty));
        }
        let side = BookSide::of(level.head.side).ok_or(DataErrorKind::NoSide)?;
        let before = self.best(side);
        if level.level == 0 {
            self.apply_by_price(side, level)?;
        } else {
            self.apply_by_place(side, level)?;
        }
        Ok(Reach::of(self.best(side) == before))
    }

    /// Applies a quote, which replaces both sides.
    ///
    /// Hot path: no allocation but for the first one, no system call, O(1).
    ///
    /// # Errors
    ///
    /// [`DataErrorKind::NoPrice`] where a side has a quantity but no price,
    /// [`DataErrorKind::NoQuantity`] where the venue gave none, and
    /// [`DataErrorKind::UnknownAction`] where levels are addressed by place; the book is as it was.
    pub fn apply_quote(&mut self, quote: &Quote) -> Result<Reach, DataErrorKind> {
        if matches!(self.levels, Levels::ByPlace(_)) {
            return Err(DataErrorKind::UnknownAction);
        }
        let sides = [
            (quote.bid_price_e9, quote.bid_quantity),
            (quote.ask_price_e9, quote.ask_quantity),
        ];
        for (price_e9, quantity) in sides {
            if quantity != 0 && price_e9 == NO_PRICE {
                return Err(DataErrorKind::NoPrice);
            }
            if quantity == NO_QUANTITY {
                return Err(DataErrorKind::NoQuantity);
            }
        }
        let before = BookSide::BOTH.map(|side| self.best(side));
        if let Some(prices) = self.by_price() {
            for (prices, (price_e9, quantity)) in prices.iter_mut().zip(sides) {
                prices.clear();
                if quantity != 0 {
                    prices.only(price_level(price_e9, quantity, 0));
                }
            }
        }
        Ok(Reach::of(
            BookSide::BOTH.map(|side| self.best(side)) == before,
        ))
    }

    /// Removes every level, known or not: the book is empty and complete.
    pub fn clear(&mut self) {
        match &mut self.levels {
            Levels::Unset => {}
            Levels::ByPrice(sides) => sides.iter_mut().for_each(Prices::clear),
            Levels::ByPlace(places) => places.clear(),
        }
    }

    /// Returns the best level of a side that is not implied.
    ///
    /// Hot path: no allocation, no system call, O(1).
    #[must_use]
    pub fn best(&self, side: BookSide) -> Option<PriceLevel> {
        match &self.levels {
            Levels::Unset => None,
            Levels::ByPrice(sides) => sides[side as usize].best(),
            Levels::ByPlace(places) => places.best(side),
        }
    }

    /// Returns the levels of a side that are not implied, best first.
    pub fn levels(&self, side: BookSide) -> impl Iterator<Item = PriceLevel> {
        let (worst_first, by_place): (&[_], _) = match &self.levels {
            Levels::Unset => (&[], None),
            Levels::ByPrice(sides) => (sides[side as usize].worst_first(), None),
            Levels::ByPlace(places) => (&[], Some(places.known(side, false))),
        };
        let by_price = worst_first.iter().rev().copied();
        by_price.chain(by_place.into_iter().flatten())
    }

    /// Returns the levels of a side that are implied from orders in other instruments, best first.
    pub fn implied(&self, side: BookSide) -> impl Iterator<Item = PriceLevel> {
        let places = match &self.levels {
            Levels::ByPlace(places) => Some(places.known(side, true)),
            Levels::Unset | Levels::ByPrice(_) => None,
        };
        places.into_iter().flatten()
    }

    /// Returns how many bytes are allocated for levels.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        match &self.levels {
            Levels::Unset => 0,
            Levels::ByPrice(sides) => sides.iter().map(Prices::memory_bytes).sum(),
            Levels::ByPlace(places) => places.memory_bytes(),
        }
    }

    fn apply_by_price(&mut self, side: BookSide, level: &Level) -> Result<(), DataErrorKind> {
        let is_known = matches!(level.action, LevelAction::SET | LevelAction::DELETE);
        if !is_known || is_implied(level) || matches!(self.levels, Levels::ByPlace(_)) {
            return Err(DataErrorKind::UnknownAction);
        }
        if level.action == LevelAction::DELETE {
            if level.price_e9 == NO_PRICE {
                return Err(DataErrorKind::NoPrice);
            }
            return match &mut self.levels {
                Levels::ByPrice(sides) => sides[side as usize].remove(side, level.price_e9),
                Levels::Unset | Levels::ByPlace(_) => Err(DataErrorKind::UnknownLevel),
            };
        }
        let set = whole(level)?;
        match self.by_price() {
            Some(sides) => sides[side as usize].set(side, set),
            None => Err(DataErrorKind::UnknownAction),
        }
    }

    fn apply_by_place(&mut self, side: BookSide, level: &Level) -> Result<(), DataErrorKind> {
        let is_known = level.action.0 <= LevelAction::OVERLAY.0;
        if !is_known || matches!(self.levels, Levels::ByPrice(_)) {
            return Err(DataErrorKind::UnknownAction);
        }
        let is_implied = is_implied(level);
        let depth = match is_implied {
            true => self.depth.implied,
            false => self.depth.direct,
        };
        if level.level > depth {
            return Err(DataErrorKind::LevelOutOfRange);
        }
        let sets = matches!(
            level.action,
            LevelAction::NEW | LevelAction::CHANGE | LevelAction::OVERLAY
        );
        let set = if sets { Some(whole(level)?) } else { None };
        if let (Levels::Unset, Some(_)) = (&self.levels, set) {
            self.levels = Levels::ByPlace(Places::new(self.depth));
        }
        let Levels::ByPlace(places) = &mut self.levels else {
            return Err(DataErrorKind::UnknownLevel);
        };
        let mut ladder = places.ladder(side, is_implied);
        let place = usize::from(level.level - 1);
        match (level.action, set) {
            (LevelAction::NEW, Some(set)) => ladder.insert(place, set),
            (LevelAction::CHANGE, Some(set)) => return ladder.change(place, set),
            (_, Some(set)) => ladder.overlay(place, set),
            (LevelAction::DELETE, None) => return ladder.remove(place, level.price_e9),
            (LevelAction::DELETE_FROM, None) => return ladder.remove_best(place + 1),
            (_, None) => return ladder.remove_all(),
        }
        Ok(())
    }

    /// Returns the sides of a book by price, which a book without levels becomes.
    fn by_price(&mut self) -> Option<&mut [Prices; 2]> {
        if let Levels::Unset = self.levels {
            self.levels = Levels::ByPrice([Prices::default(), Prices::default()]);
        }
        match &mut self.levels {
            Levels::ByPrice(sides) => Some(sides),
            Levels::Unset | Levels::ByPlace(_) => None,
        }
    }
}

impl Reach {
    const fn of(best_is_as_before: bool) -> Self {
        if best_is_as_before {
            Self::Behind
        } else {
            Self::Best
        }
    }
}

/// The type of an entry that empties a book.
const BOOK_RESET: u8 = b'J';

const fn is_implied(level: &Level) -> bool {
    matches!(level.entry_type, b'E' | b'F')
}

/// Returns what is to be set, which needs a price and a quantity.
fn whole(level: &Level) -> Result<PriceLevel, DataErrorKind> {
    if level.price_e9 == NO_PRICE {
        return Err(DataErrorKind::NoPrice);
    }
    if matches!(level.quantity, 0 | NO_QUANTITY) {
        return Err(DataErrorKind::NoQuantity);
    }
    let orders = match level.orders {
        NO_QUANTITY => 0,
        orders => orders,
    };
    Ok(price_level(level.price_e9, level.quantity, orders))
}

fn price_level(price_e9: i64, quantity: u32, orders: u32) -> PriceLevel {
    PriceLevel {
        price_e9,
        quantity: quantity.into(),
        orders,
    }
}

#[cfg(test)]
mod tests;
