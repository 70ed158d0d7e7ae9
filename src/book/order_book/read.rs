//! Owns what can be read of a store of orders.

use super::ladder::Ladder;
use super::places::{Order, key_of, ladder_of};
use super::slab::NIL;
use super::store::{Ladders, OrderBooks};
use super::{QueuePosition, RestingOrder};
use crate::book::{BookSide, PriceLevel};

/// Bytes of a far price at most: a node of the set has room for 11 and is half full.
const FAR_KEY_BYTES: usize = 48;

/// An order where it rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::book) struct Resting {
    pub(in crate::book) book: u32,
    pub(in crate::book) side: BookSide,
    pub(in crate::book) price_e9: i64,
    pub(in crate::book) quantity: u64,
}

impl OrderBooks {
    /// Returns the best level of a side.
    ///
    /// Hot path: no allocation, no system call, O(1).
    #[inline]
    pub(in crate::book) fn best(&self, book: u32, side: BookSide) -> Option<PriceLevel> {
        let level = self.best_level(ladder_of(book, side))?;
        Some(self.levels[level].view())
    }

    /// Returns the levels of a side, best first.
    pub(in crate::book) fn levels(
        &self,
        book: u32,
        side: BookSide,
    ) -> impl Iterator<Item = PriceLevel> {
        let own = ladder_of(book, side);
        let ladder = self.ladder(own);
        let levels = ladder.map(|ladder| ladder.levels(own, &self.far));
        levels
            .into_iter()
            .flatten()
            .map(|level| self.levels[level].view())
    }

    /// Returns the orders of a level, first to trade first.
    pub(in crate::book) fn queue(
        &self,
        book: u32,
        side: BookSide,
        price_e9: i64,
    ) -> impl Iterator<Item = RestingOrder> {
        let own = ladder_of(book, side);
        let ladder = self.ladder(own);
        let key = key_of(side, price_e9);
        let level = ladder.and_then(|ladder| ladder.find(own, key, &self.far).ok());
        let mut at = level.map_or(NIL, |level| self.levels[level].head);
        std::iter::from_fn(move || {
            if at == NIL {
                return None;
            }
            let Order {
                id, quantity, next, ..
            } = self.orders[at];
            at = next;
            Some(RestingOrder {
                order_id: id,
                quantity,
            })
        })
    }

    /// Returns an order of any book.
    pub(in crate::book) fn order(&self, order_id: u64) -> Option<Resting> {
        let order = self.orders[self.find(order_id).ok()?.at];
        let level = &self.levels[order.level];
        Some(Resting {
            book: level.book(),
            side: level.side(),
            price_e9: level.price_e9,
            quantity: order.quantity,
        })
    }

    /// Returns where an order of any book stands in its queue. O(orders ahead of it).
    pub(in crate::book) fn position(&self, order_id: u64) -> Option<QueuePosition> {
        let order = self.orders[self.find(order_id).ok()?.at];
        let level = &self.levels[order.level];
        let mut position = QueuePosition {
            side: level.side(),
            price_e9: level.price_e9,
            quantity: order.quantity,
            orders_ahead: 0,
            quantity_ahead: 0,
        };
        let mut at = order.prev;
        while at != NIL {
            position.orders_ahead += 1;
            position.quantity_ahead += self.orders[at].quantity;
            at = self.orders[at].prev;
        }
        Some(position)
    }

    /// Returns how many orders there are now.
    pub(in crate::book) const fn alive(&self) -> usize {
        self.orders.taken() as usize
    }

    /// Returns how many orders there were at most at once.
    pub(in crate::book) const fn alive_max(&self) -> usize {
        self.alive_max
    }

    /// Returns how many orders were added, those that came instead of others not among them.
    pub(in crate::book) const fn added(&self) -> u64 {
        self.added
    }

    /// Returns what is allocated: orders, index, levels and ladders. O(books).
    pub(in crate::book) fn memory_bytes(&self) -> usize {
        let ladders = self.books.iter().flat_map(|ladders| &ladders.0);
        let keys: usize = ladders.map(Ladder::memory_bytes).sum();
        self.orders.memory_bytes()
            + self.index.memory_bytes()
            + self.levels.memory_bytes()
            + self.books.capacity() * size_of::<Ladders>()
            + keys
            + self.far.len() * FAR_KEY_BYTES
    }

    /// Returns the best level of a ladder.
    #[inline]
    pub(super) fn best_level(&self, own: u32) -> Option<u32> {
        match self.ladder(own)?.best() {
            NIL => None,
            level => Some(level),
        }
    }

    #[inline]
    pub(super) fn ladder(&self, own: u32) -> Option<&Ladder> {
        let ladders = self.books.get((own >> 1) as usize)?;
        Some(&ladders.0[(own & 1) as usize])
    }
}
