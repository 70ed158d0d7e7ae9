//! Owns what a book says at its top: the best prices, in one cache line with whether to trust them.

use super::trust::{Marks, Trust};
use crate::market::{NO_PRICE, Side};

/// Which half of a book. Unlike [`Side`], which is a byte from a venue, it can be no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BookSide {
    /// The buyers': the highest price is the best.
    Bid = 0,
    /// The sellers': the lowest price is the best.
    Ask = 1,
}

impl BookSide {
    /// Both, bids first.
    pub const BOTH: [Self; 2] = [Self::Bid, Self::Ask];

    /// Returns the half that an order of `side` rests in; `None` for a byte that is no side.
    #[inline]
    #[must_use]
    pub const fn of(side: Side) -> Option<Self> {
        match side {
            Side::BUY => Some(Self::Bid),
            Side::SELL => Some(Self::Ask),
            _ => None,
        }
    }

    /// Returns the side of those whose orders rest here.
    #[must_use]
    pub const fn side(self) -> Side {
        match self {
            Self::Bid => Side::BUY,
            Self::Ask => Side::SELL,
        }
    }

    /// Returns the other half: where an order that trades with this one came from.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Bid => Self::Ask,
            Self::Ask => Self::Bid,
        }
    }

    /// Returns whether `price_e9` is nearer to the other half than `than_e9` is.
    #[inline]
    #[must_use]
    pub const fn is_better(self, price_e9: i64, than_e9: i64) -> bool {
        match self {
            Self::Bid => price_e9 > than_e9,
            Self::Ask => price_e9 < than_e9,
        }
    }
}

/// One price of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PriceLevel {
    /// Price × 10⁹.
    pub price_e9: i64,
    /// Shares or contracts of all its orders.
    pub quantity: u64,
    /// How many orders these are; 0 where the venue does not tell.
    pub orders: u32,
}

/// The best of both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Best {
    /// The highest that is bid × 10⁹; [`NO_PRICE`] where nobody bids.
    pub bid_price_e9: i64,
    /// The lowest that is asked × 10⁹; [`NO_PRICE`] where nobody offers.
    pub ask_price_e9: i64,
    /// Shares or contracts bid at that price, 0 where nobody bids.
    pub bid_quantity: u64,
    /// Shares or contracts offered at that price, 0 where nobody offers.
    pub ask_quantity: u64,
    /// How many orders bid that price; 0 also where the venue does not tell.
    pub bid_orders: u32,
    /// How many orders ask that price; 0 also where the venue does not tell.
    pub ask_orders: u32,
}

impl Best {
    /// Nobody bids and nobody offers.
    pub const NONE: Self = Self {
        bid_price_e9: NO_PRICE,
        ask_price_e9: NO_PRICE,
        bid_quantity: 0,
        ask_quantity: 0,
        bid_orders: 0,
        ask_orders: 0,
    };

    /// Returns the best level of a side, `None` where it is empty.
    #[inline]
    #[must_use]
    pub const fn level(&self, side: BookSide) -> Option<PriceLevel> {
        let (price_e9, quantity, orders) = match side {
            BookSide::Bid => (self.bid_price_e9, self.bid_quantity, self.bid_orders),
            BookSide::Ask => (self.ask_price_e9, self.ask_quantity, self.ask_orders),
        };
        if price_e9 == NO_PRICE {
            return None;
        }
        Some(PriceLevel {
            price_e9,
            quantity,
            orders,
        })
    }

    /// Returns the lowest ask minus the highest bid × 10⁹: negative while crossed, `None` where a
    /// side is empty or the difference does not fit.
    #[inline]
    #[must_use]
    pub const fn spread_e9(&self) -> Option<i64> {
        if self.bid_price_e9 == NO_PRICE || self.ask_price_e9 == NO_PRICE {
            return None;
        }
        self.ask_price_e9.checked_sub(self.bid_price_e9)
    }

    /// Returns whether somebody bids more than another asks.
    #[inline]
    #[must_use]
    pub const fn is_crossed(&self) -> bool {
        self.crosses(self)
    }

    /// Returns whether somebody bids more here than another asks there, in the book of the same
    /// instrument on another feed.
    #[inline]
    #[must_use]
    pub const fn crosses(&self, other: &Self) -> bool {
        other.ask_price_e9 != NO_PRICE && self.bid_price_e9 > other.ask_price_e9
    }

    /// Returns whether both sides are empty.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bid_price_e9 == NO_PRICE && self.ask_price_e9 == NO_PRICE
    }

    #[inline]
    pub(super) const fn set(&mut self, side: BookSide, level: Option<PriceLevel>) {
        let (price_e9, quantity, orders) = match level {
            Some(level) => (level.price_e9, level.quantity, level.orders),
            None => (NO_PRICE, 0, 0),
        };
        match side {
            BookSide::Bid => {
                self.bid_price_e9 = price_e9;
                self.bid_quantity = quantity;
                self.bid_orders = orders;
            }
            BookSide::Ask => {
                self.ask_price_e9 = price_e9;
                self.ask_quantity = quantity;
                self.ask_orders = orders;
            }
        }
    }
}

/// Where it is kept that the present record changed a top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    No,
    /// Among those of which is kept how they were; it may yet be as before.
    Noted,
    /// Among those that are told.
    Changed,
}

/// The top of one instrument's book: one cache line, so that reading the best prices and whether
/// they can be trusted costs one miss.
///
/// It shows the book as it was when the venue's last whole event ended; between the events of a
/// group it stays as it is.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Top {
    pub(super) best: Best,
    /// The venue's time of the last change.
    pub(super) ts_event_ns: u64,
    /// When the book ceased to be trusted, by receive time; 0 while it is.
    pub(super) since_ns: u64,
    pub(super) instrument: u32,
    pub(super) marks: Marks,
    /// Whether it is among those that the present record changed.
    pub(super) told: Told,
    /// The venue shows levels of this instrument: what it tells of its orders shows nowhere else.
    pub(super) by_level: bool,
}

const _: () = assert!(size_of::<Top>() == 64);

impl Top {
    pub(super) const fn new(instrument: u32, marks: Marks, since_ns: u64) -> Self {
        Self {
            best: Best::NONE,
            ts_event_ns: 0,
            since_ns,
            instrument,
            marks,
            told: Told::No,
            by_level: false,
        }
    }

    pub(super) fn mark(&mut self, marks: Marks, since_ns: u64) {
        if !self.marks.is_stale() && marks.is_stale() {
            self.since_ns = since_ns;
        }
        self.marks = self.marks.with(marks);
    }

    pub(super) fn unmark(&mut self, marks: Marks) {
        self.marks = self.marks.without(marks);
        if !self.marks.is_stale() {
            self.since_ns = 0;
        }
    }

    /// Returns all of it that a change is told of: the best prices and the trust.
    #[inline]
    pub(super) const fn look(&self) -> (Best, u8) {
        (self.best, self.trust().code())
    }

    /// Returns the venue's number of the instrument.
    #[must_use]
    pub const fn instrument(&self) -> u32 {
        self.instrument
    }

    /// Returns the venue's time of the book's last change, as the events have it.
    #[must_use]
    pub const fn ts_event_ns(&self) -> u64 {
        self.ts_event_ns
    }

    /// Returns whether the book can be trusted.
    ///
    /// Hot path: no allocation, no system call, O(1), one cache line.
    #[inline]
    #[must_use]
    pub const fn trust(&self) -> Trust {
        self.marks.trust(self.best.is_empty(), self.since_ns)
    }

    /// Returns the best prices of a book that is [`Trust::Live`] or [`Trust::Empty`].
    ///
    /// Hot path: no allocation, no system call, O(1), one cache line.
    ///
    /// # Errors
    ///
    /// Why it cannot be trusted, or that the instrument does not trade.
    #[inline]
    pub const fn trusted(&self) -> Result<Best, Trust> {
        match self.trust() {
            Trust::Live | Trust::Empty => Ok(self.best),
            untrusted => Err(untrusted),
        }
    }

    /// Returns the best prices whatever they are worth.
    #[inline]
    #[must_use]
    pub const fn as_is(&self) -> Best {
        self.best
    }
}
