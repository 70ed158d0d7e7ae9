//! Owns what the places of a store hold: an order, and a level with its queue.

use super::slab::{NIL, Place};
use crate::book::{BookSide, PriceLevel};
use crate::market::NO_PRICE;

/// Half a cache line. It knows neither its price nor its side: its level does.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
pub(super) struct Order {
    pub(super) id: u64,
    /// Above 0, but in a free place.
    pub(super) quantity: u64,
    pub(super) level: u32,
    /// The order before it in the queue, nearer to trade.
    pub(super) prev: u32,
    pub(super) next: u32,
}

const _: () = assert!(size_of::<Order>() == 32);

impl Place for Order {
    fn free(next: u32) -> Self {
        let (id, quantity, level, prev) = (0, 0, NIL, NIL);
        Self {
            id,
            quantity,
            level,
            prev,
            next,
        }
    }

    fn next_free(&self) -> u32 {
        self.next
    }
}

/// A price of one side of a book, and its queue. Half a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
pub(super) struct Level {
    pub(super) price_e9: i64,
    /// Of all its orders.
    pub(super) quantity: u64,
    pub(super) orders: u32,
    /// First to trade.
    pub(super) head: u32,
    pub(super) tail: u32,
    /// Book × 2 + side.
    pub(super) ladder: u32,
}

const _: () = assert!(size_of::<Level>() == 32);

impl Place for Level {
    fn free(next: u32) -> Self {
        let mut level = Self::empty(NO_PRICE, 0);
        level.head = next;
        level
    }

    fn next_free(&self) -> u32 {
        self.head
    }
}

impl Level {
    pub(super) const fn empty(price_e9: i64, ladder: u32) -> Self {
        let (quantity, orders, head, tail) = (0, 0, NIL, NIL);
        Self {
            price_e9,
            quantity,
            orders,
            head,
            tail,
            ladder,
        }
    }

    pub(super) const fn side(&self) -> BookSide {
        if self.ladder & 1 == 0 {
            BookSide::Bid
        } else {
            BookSide::Ask
        }
    }

    pub(super) const fn book(&self) -> u32 {
        self.ladder >> 1
    }

    pub(super) const fn view(&self) -> PriceLevel {
        PriceLevel {
            price_e9: self.price_e9,
            quantity: self.quantity,
            orders: self.orders,
        }
    }
}

/// The number of a book's ladder.
pub(super) const fn ladder_of(book: u32, side: BookSide) -> u32 {
    book << 1 | side as u32
}

/// A key that is greater for a better price. No price is [`NO_PRICE`], so the negative fits.
pub(super) const fn key_of(side: BookSide, price_e9: i64) -> i64 {
    match side {
        BookSide::Bid => price_e9,
        BookSide::Ask => price_e9.wrapping_neg(),
    }
}
