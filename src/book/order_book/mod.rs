//! Owns books that are made of orders: who waits where, in which order, and for how much.
//!
//! Orders, levels and the index live in arrays that are allocated at the start; an event changes
//! numbers in them. Each side of a book keeps its prices sorted with the best at the end, so that
//! what happens near the best, which is most of what happens, moves little: adding or removing a
//! price moves the better ones, at most [`NEAR_PRICES_MAX`]. Worse prices of a side that has more
//! are in a sorted map, which costs O(log n) and allocates, so that no stream of events makes the
//! cost of one depend on how many prices there are by more than that.

mod ahead;
mod index;
mod ladder;
mod places;
mod read;
mod slab;
mod store;
#[cfg(test)]
mod tests;

pub(super) use ahead::{AHEAD_MAX, Ahead};
pub(super) use store::{NewOrder, OrderBooks, Taken, Touched};

use super::{BookSide, DataErrorKind, PriceLevel};
use crate::market::{MarketEvent, View};

/// Prices of one side of a book that are kept in an array; worse ones are in a map.
pub const NEAR_PRICES_MAX: usize = ladder::NEAR_MAX;

/// An order in a level's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RestingOrder {
    /// The venue's number of the order.
    pub order_id: u64,
    /// Shares or contracts that remain, above 0.
    pub quantity: u64,
}

/// Where an order stands in its level's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueuePosition {
    /// The half of the book that it rests in.
    pub side: BookSide,
    /// The order's price × 10⁹.
    pub price_e9: i64,
    /// Shares or contracts that remain of it, above 0.
    pub quantity: u64,
    /// How many orders trade before it at its price.
    pub orders_ahead: u32,
    /// Shares or contracts of these.
    pub quantity_ahead: u64,
}

/// The book of one instrument, made of its orders.
///
/// It does not look at the instrument of an event: whoever feeds it chooses. [`Self::apply`] is
/// for books without a feed; it knows nothing of gaps and of trust.
///
/// # Examples
///
/// ```
/// use ringtape::book::{BookSide, OrderBook};
/// use ringtape::market::{AddOrder, Head, Side};
/// use zerocopy::FromZeros;
///
/// let mut book = OrderBook::new(1_000, 100_000);
/// let head = Head { side: Side::BUY, ..Head::new_zeroed() };
/// let first = AddOrder { head, order_id: 7, price_e9: 99, ..AddOrder::new_zeroed() };
/// let first = AddOrder { quantity: 100, ..first };
/// let second = AddOrder { order_id: 8, quantity: 50, ..first };
/// book.apply(&first.into())?;
/// book.apply(&second.into())?;
///
/// let best = book.best(BookSide::Bid).expect("somebody bids");
/// assert_eq!((best.price_e9, best.quantity, best.orders), (99, 150, 2));
/// let position = book.position(8).expect("it rests");
/// assert_eq!((position.orders_ahead, position.quantity_ahead), (1, 100));
/// # Ok::<(), ringtape::book::DataErrorKind>(())
/// ```
#[derive(Debug)]
pub struct OrderBook {
    books: OrderBooks,
}

impl OrderBook {
    /// Makes an empty book with room for `orders_expected`; more make it a quarter larger at a
    /// time, which takes time, until there are `orders_max`, at most 2²⁸.
    #[must_use]
    pub fn new(orders_expected: usize, orders_max: usize) -> Self {
        let mut books = OrderBooks::new(orders_expected, orders_max);
        books.make_room(1);
        Self { books }
    }

    /// Applies an [`AddOrder`](View::AddOrder), [`Execute`](View::Execute),
    /// [`Cancel`](View::Cancel), [`Delete`](View::Delete) or [`Replace`](View::Replace); other
    /// events change nothing.
    ///
    /// Hot path: no allocation but for what grows, no system call, O(1) near the best price.
    ///
    /// # Errors
    ///
    /// What is wrong with the event; [`DataErrorKind`] tells what became of the order.
    #[inline]
    pub fn apply(&mut self, event: &MarketEvent) -> Result<(), DataErrorKind> {
        match event.view() {
            View::AddOrder(add) => {
                let order = NewOrder {
                    order_id: add.order_id,
                    side: BookSide::of(add.head.side).ok_or(DataErrorKind::NoSide)?,
                    price_e9: add.price_e9,
                    quantity: add.quantity,
                };
                self.books.add(0, order).map(|_| ())
            }
            View::Execute(execute) => self.reduce(execute.order_id, execute.quantity.into()),
            View::Cancel(cancel) => self.reduce(cancel.order_id, cancel.quantity),
            View::Delete(delete) => self.books.remove(0, delete.order_id).map(|_| ()),
            View::Replace(new) => {
                let (id, new_id) = (new.order_id, new.new_order_id);
                let quantity = new.quantity.into();
                let replaced = self.books.replace(0, id, new_id, new.price_e9, quantity)?;
                replaced.added.map(|_| ())
            }
            _ => Ok(()),
        }
    }

    /// Returns the best level of a side.
    ///
    /// Hot path: no allocation, no system call, O(1).
    #[inline]
    #[must_use]
    pub fn best(&self, side: BookSide) -> Option<PriceLevel> {
        self.books.best(0, side)
    }

    /// Returns the levels of a side, best first.
    pub fn levels(&self, side: BookSide) -> impl Iterator<Item = PriceLevel> {
        self.books.levels(0, side)
    }

    /// Returns the orders at a price, first to trade first.
    pub fn queue(&self, side: BookSide, price_e9: i64) -> impl Iterator<Item = RestingOrder> {
        self.books.queue(0, side, price_e9)
    }

    /// Returns where an order stands in its queue, `None` where it is not in the book.
    ///
    /// Hot path: no allocation, no system call, O(orders ahead of it).
    #[must_use]
    pub fn position(&self, order_id: u64) -> Option<QueuePosition> {
        self.books.position(order_id)
    }

    /// Returns how many orders there are.
    #[must_use]
    pub const fn orders(&self) -> usize {
        self.books.alive()
    }

    /// Returns what is allocated.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.books.memory_bytes()
    }

    /// Removes all orders. O(orders).
    pub fn clear(&mut self) {
        self.books.clear_all();
    }

    fn reduce(&mut self, order_id: u64, quantity: u64) -> Result<(), DataErrorKind> {
        match self.books.reduce(0, order_id, quantity)?.excess {
            0 => Ok(()),
            _ => Err(DataErrorKind::NegativeRemaining),
        }
    }
}
