//! Owns the orders of many books in one store: orders and levels in arrays, linked by number.

use super::index::{Found, Home, Index};
use super::ladder::{Far, Ladder};
use super::places::{Level, Order, key_of, ladder_of};
use super::slab::{NIL, Slab};
use crate::book::{BookSide, DataErrorKind};
use crate::market::NO_PRICE;

/// Orders that a store may have room for: their places leave bits for tags in the index.
pub(in crate::book) const ORDERS_MAX: usize = 1 << 28;

/// Orders for which a level is made ready at the start; more levels are made when they are needed.
const ORDERS_PER_LEVEL: u32 = 3;

/// An order to be added.
#[derive(Clone, Copy, Debug)]
pub(in crate::book) struct NewOrder {
    pub(in crate::book) order_id: u64,
    pub(in crate::book) side: BookSide,
    pub(in crate::book) price_e9: i64,
    pub(in crate::book) quantity: u64,
}

/// A level that an event changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::book) struct Touched {
    pub(in crate::book) side: BookSide,
    pub(in crate::book) price_e9: i64,
    /// The level is or was the best of its side: the best has to be read again.
    pub(in crate::book) is_best: bool,
}

/// What an event took from an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::book) struct Taken {
    /// The order's level, with the order's own price.
    pub(in crate::book) touched: Touched,
    /// What was really taken.
    pub(in crate::book) quantity: u64,
    /// What the event asked for beyond that. Above 0 it is a
    /// [`NegativeRemaining`](DataErrorKind::NegativeRemaining), and the order is gone.
    pub(in crate::book) excess: u64,
}

/// What a replace did: the old order is gone in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::book) struct Replaced {
    pub(in crate::book) removed: Taken,
    pub(in crate::book) added: Result<Touched, DataErrorKind>,
}

/// The orders of many books, which are numbered from 0 without holes.
///
/// An event costs a few cache misses: the line of the index, the order, its neighbours in the
/// queue, its level, the book's own line; to add an order, or to empty a level, its ladder's lines
/// on top.
#[derive(Debug)]
pub(in crate::book) struct OrderBooks {
    pub(super) orders: Slab<Order>,
    pub(super) index: Index,
    pub(super) levels: Slab<Level>,
    pub(super) books: Vec<Ladders>,
    pub(super) far: Far,
    pub(super) added: u64,
    pub(super) alive_max: usize,
}

/// The ladders of one book, bids first: one cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Ladders(pub(super) [Ladder; 2]);

const _: () = assert!(size_of::<Ladders>() == 64);

impl OrderBooks {
    /// Makes room for `orders_expected` at once, writing to all of it. More make it a quarter
    /// larger at a time, which takes time, until there are `orders_max`, at most [`ORDERS_MAX`].
    pub(in crate::book) fn new(orders_expected: usize, orders_max: usize) -> Self {
        let number = |orders: usize| u32::try_from(orders.clamp(1, ORDERS_MAX));
        let max = number(orders_max).expect("invariant: ORDERS_MAX is a u32");
        let expected = number(orders_expected).map_or(max, |expected| expected.min(max));
        let orders = Slab::new(expected, max);
        let levels = Slab::new(expected.div_ceil(ORDERS_PER_LEVEL), max);
        Self {
            index: Index::new(orders.room()),
            orders,
            levels,
            books: Vec::new(),
            far: Far::new(),
            added: 0,
            alive_max: 0,
        }
    }

    /// Makes sure that there are the books 0 to `books` − 1.
    pub(in crate::book) fn make_room(&mut self, books: usize) {
        if self.books.len() < books {
            self.books.resize_with(books, Ladders::default);
        }
    }

    /// Adds an order, last in its level's queue.
    ///
    /// Hot path: no allocation but for what grows, no system call, O(1) near the best price.
    ///
    /// # Errors
    ///
    /// The first that applies of `NoPrice`, `NoQuantity`, `DuplicateOrder`, `OrdersFull` and
    /// `QuantityOverflow`; nothing changes.
    #[inline]
    pub(in crate::book) fn add(
        &mut self,
        book: u32,
        order: NewOrder,
    ) -> Result<Touched, DataErrorKind> {
        let touched = self.put(book, order)?;
        self.added += 1;
        Ok(touched)
    }

    /// Takes from an order, which is gone when nothing remains.
    ///
    /// Hot path: no allocation, no system call, O(1) near the best price.
    ///
    /// # Errors
    ///
    /// The first that applies of `UnknownOrder`, `WrongInstrument` and `NoQuantity`; nothing
    /// changes.
    #[inline]
    pub(in crate::book) fn reduce(
        &mut self,
        book: u32,
        order_id: u64,
        quantity: u64,
    ) -> Result<Taken, DataErrorKind> {
        let found = self.find_in(book, order_id)?;
        if quantity == 0 {
            return Err(DataErrorKind::NoQuantity);
        }
        let order = &mut self.orders[found.at];
        if quantity >= order.quantity {
            let mut taken = self.take_out(found);
            taken.excess = quantity - taken.quantity;
            return Ok(taken);
        }
        order.quantity -= quantity;
        let at = order.level;
        let level = &mut self.levels[at];
        level.quantity -= quantity;
        let (side, price_e9, own) = (level.side(), level.price_e9, level.ladder);
        let is_best = self.best_level(own) == Some(at);
        let touched = Touched {
            side,
            price_e9,
            is_best,
        };
        Ok(Taken {
            touched,
            quantity,
            excess: 0,
        })
    }

    /// Removes an order.
    ///
    /// Hot path: no allocation, no system call, O(1) near the best price.
    ///
    /// # Errors
    ///
    /// `UnknownOrder` or `WrongInstrument`; nothing changes.
    #[inline]
    pub(in crate::book) fn remove(
        &mut self,
        book: u32,
        order_id: u64,
    ) -> Result<Taken, DataErrorKind> {
        let found = self.find_in(book, order_id)?;
        Ok(self.take_out(found))
    }

    /// Removes an order and adds one of the same side in its stead, last in its level's queue. The
    /// id may stay the same.
    ///
    /// Hot path: no allocation but for what grows, no system call, O(1) near the best price.
    ///
    /// # Errors
    ///
    /// `UnknownOrder` or `WrongInstrument`; nothing changes. What is wrong with the new order is
    /// told beside what was removed.
    #[inline]
    pub(in crate::book) fn replace(
        &mut self,
        book: u32,
        order_id: u64,
        new_order_id: u64,
        price_e9: i64,
        quantity: u64,
    ) -> Result<Replaced, DataErrorKind> {
        let removed = self.remove(book, order_id)?;
        let order = NewOrder {
            order_id: new_order_id,
            side: removed.touched.side,
            price_e9,
            quantity,
        };
        let added = self.put(book, order);
        Ok(Replaced { removed, added })
    }

    /// Empties a book. O(its orders).
    pub(in crate::book) fn clear(&mut self, book: u32) {
        for side in BookSide::BOTH {
            let own = ladder_of(book, side);
            while let Some(at) = self.best_level(own) {
                // The last order takes its level along.
                for _ in 0..self.levels[at].orders {
                    let id = self.orders[self.levels[at].head].id;
                    let found = self.find(id);
                    self.take_out(found.expect("invariant: each order is in the index"));
                }
            }
        }
    }

    /// Empties all books. O(orders + books).
    pub(in crate::book) fn clear_all(&mut self) {
        let books = u32::try_from(self.books.len());
        for book in 0..books.expect("invariant: books are numbered by u32") {
            self.clear(book);
        }
    }

    #[inline]
    pub(super) fn find(&self, order_id: u64) -> Result<Found, Home> {
        let orders = &self.orders;
        self.index.find(order_id, |at| orders[at].id == order_id)
    }

    #[inline]
    fn find_in(&self, book: u32, order_id: u64) -> Result<Found, DataErrorKind> {
        let found = self
            .find(order_id)
            .map_err(|_| DataErrorKind::UnknownOrder)?;
        if self.levels[self.orders[found.at].level].book() != book {
            return Err(DataErrorKind::WrongInstrument);
        }
        Ok(found)
    }

    #[inline]
    fn put(&mut self, book: u32, order: NewOrder) -> Result<Touched, DataErrorKind> {
        let NewOrder {
            order_id: id,
            side,
            price_e9,
            quantity,
        } = order;
        if price_e9 == NO_PRICE {
            return Err(DataErrorKind::NoPrice);
        }
        if quantity == 0 {
            return Err(DataErrorKind::NoQuantity);
        }
        let Err(home) = self.find(id) else {
            return Err(DataErrorKind::DuplicateOrder);
        };
        if self.orders.is_full() {
            return Err(DataErrorKind::OrdersFull);
        }
        let (own, key) = (ladder_of(book, side), key_of(side, price_e9));
        let ladder = &mut self.books[book as usize].0[side as usize];
        let level = match ladder.find(own, key, &self.far) {
            Ok(level) => level,
            Err(place) => {
                let level = self.levels.take(Level::empty(price_e9, own));
                let level = level.expect("invariant: there are not more levels than orders");
                ladder.insert(own, key, place, level, &mut self.far);
                level
            }
        };
        let is_best = ladder.best() == level;
        let sum = self.levels[level].quantity.checked_add(quantity);
        let sum = sum.ok_or(DataErrorKind::QuantityOverflow)?;
        let (prev, next) = (self.levels[level].tail, NIL);
        let rooms = self.orders.room();
        let order = self.orders.take(Order {
            id,
            quantity,
            level,
            prev,
            next,
        });
        let order = order.ok_or(DataErrorKind::OrdersFull)?;
        if self.orders.room() == rooms {
            self.index.insert(home, order);
        } else {
            self.index_orders();
        }
        let queue = &mut self.levels[level];
        match prev {
            NIL => queue.head = order,
            prev => self.orders[prev].next = order,
        }
        queue.tail = order;
        queue.orders += 1;
        queue.quantity = sum;
        self.alive_max = self.alive_max.max(self.orders.taken() as usize);
        Ok(Touched {
            side,
            price_e9,
            is_best,
        })
    }

    /// Takes an order out of its queue, and its level out of the book if it was the last.
    #[inline]
    fn take_out(&mut self, found: Found) -> Taken {
        let Order {
            quantity,
            level: at,
            prev,
            next,
            ..
        } = self.orders[found.at];
        self.index.remove(found);
        self.orders.give_back(found.at);
        let level = &mut self.levels[at];
        match prev {
            NIL => level.head = next,
            prev => self.orders[prev].next = next,
        }
        match next {
            NIL => level.tail = prev,
            next => self.orders[next].prev = prev,
        }
        level.quantity -= quantity;
        level.orders -= 1;
        let (side, price_e9, own) = (level.side(), level.price_e9, level.ladder);
        let is_gone = level.orders == 0;
        let ladder = &mut self.books[(own >> 1) as usize].0[side as usize];
        let is_best = ladder.best() == at;
        if is_gone {
            ladder.remove(own, key_of(side, price_e9), &mut self.far);
            self.levels.give_back(at);
        }
        let touched = Touched {
            side,
            price_e9,
            is_best,
        };
        Taken {
            touched,
            quantity,
            excess: 0,
        }
    }

    /// Makes the index anew, for as many orders as there are places now.
    #[cold]
    fn index_orders(&mut self) {
        self.index = Index::new(self.orders.room());
        for at in 1..=self.orders.room() {
            let order = &self.orders[at];
            if order.quantity > 0 {
                self.index.insert(self.index.home(order.id), at);
            }
        }
    }
}
