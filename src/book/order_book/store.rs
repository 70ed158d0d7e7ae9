//! Owns the orders of many books in one store: orders and levels in arrays, linked by number.

use super::index::{Found, Index};
use super::ladder::{Far, Ladder};
use super::slab::{NIL, Place, Slab};
use super::{QueuePosition, RestingOrder};
use crate::book::{BookSide, DataErrorKind, PriceLevel};
use crate::market::NO_PRICE;

/// Orders that a store may have room for: their places leave bits for tags in the index.
pub(in crate::book) const ORDERS_MAX: usize = 1 << 28;

/// Orders for which a level is made ready at the start; more levels are made when they are needed.
const ORDERS_PER_LEVEL: u32 = 2;

/// Bytes of a far rung at most: a node of the map has room for 11 and is half full.
const FAR_RUNG_BYTES: usize = 56;

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

/// An order where it rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::book) struct Resting {
    pub(in crate::book) book: u32,
    pub(in crate::book) side: BookSide,
    pub(in crate::book) price_e9: i64,
    pub(in crate::book) quantity: u64,
}

/// Half a cache line. It knows neither its price nor its side: its level does.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
struct Order {
    id: u64,
    /// Above 0, but in a free place.
    quantity: u64,
    level: u32,
    /// The order before it in the queue, nearer to trade.
    prev: u32,
    next: u32,
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
struct Level {
    price_e9: i64,
    /// Of all its orders.
    quantity: u64,
    orders: u32,
    /// First to trade.
    head: u32,
    tail: u32,
    /// Book × 2 + side.
    ladder: u32,
}

const _: () = assert!(size_of::<Level>() == 32);

impl Place for Level {
    fn free(next: u32) -> Self {
        let (price_e9, quantity, orders, tail, ladder) = (NO_PRICE, 0, 0, NIL, 0);
        Self {
            price_e9,
            quantity,
            orders,
            head: next,
            tail,
            ladder,
        }
    }

    fn next_free(&self) -> u32 {
        self.head
    }
}

impl Level {
    const fn side(&self) -> BookSide {
        if self.ladder & 1 == 0 {
            BookSide::Bid
        } else {
            BookSide::Ask
        }
    }

    const fn book(&self) -> u32 {
        self.ladder >> 1
    }

    const fn view(&self) -> PriceLevel {
        PriceLevel {
            price_e9: self.price_e9,
            quantity: self.quantity,
            orders: self.orders,
        }
    }
}

/// The number of a book's ladder.
const fn ladder_of(book: u32, side: BookSide) -> u32 {
    book << 1 | side as u32
}

/// A key that is greater for a better price. No price is [`NO_PRICE`], so the negative fits.
const fn key_of(side: BookSide, price_e9: i64) -> i64 {
    match side {
        BookSide::Bid => price_e9,
        BookSide::Ask => price_e9.wrapping_neg(),
    }
}

/// The orders of many books, which are numbered from 0 without holes.
///
/// An event costs a few cache misses: the line of the index, the order, its neighbours in the queue,
/// its level; the book's own line is shared with nothing and small. A level that comes or goes
/// costs its ladder's line on top.
#[derive(Debug)]
pub(in crate::book) struct OrderBooks {
    orders: Slab<Order>,
    index: Index,
    levels: Slab<Level>,
    /// Two for each book, bids first.
    ladders: Vec<Ladder>,
    far: Far,
    added: u64,
    alive_max: usize,
}

impl OrderBooks {
    /// Makes room for `orders_expected` at once, writing to all of it. More double the room, which
    /// takes time, until there are `orders_max`, at most [`ORDERS_MAX`].
    pub(in crate::book) fn new(orders_expected: usize, orders_max: usize) -> Self {
        let number = |orders: usize| u32::try_from(orders.clamp(1, ORDERS_MAX));
        let max = number(orders_max).expect("invariant: ORDERS_MAX is a u32");
        let expected = number(orders_expected).map_or(max, |expected| expected.min(max));
        let orders = Slab::new(expected, max);
        Self {
            index: Index::new(orders.room()),
            orders,
            levels: Slab::new(expected.div_ceil(ORDERS_PER_LEVEL), max),
            ladders: Vec::new(),
            far: Far::new(),
            added: 0,
            alive_max: 0,
        }
    }

    /// Makes sure that there are the books 0 to `books` − 1.
    pub(in crate::book) fn make_room(&mut self, books: usize) {
        if self.ladders.len() < books * 2 {
            self.ladders.resize_with(books * 2, Ladder::default);
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
            let mut taken = self.take_out(order_id, found);
            taken.excess = quantity - taken.quantity;
            return Ok(taken);
        }
        order.quantity -= quantity;
        let at = order.level;
        let level = &mut self.levels[at];
        level.quantity -= quantity;
        let touched = Touched {
            side: level.side(),
            price_e9: level.price_e9,
            is_best: self.ladders[level.ladder as usize].best() == at,
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
        Ok(self.take_out(order_id, found))
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
            let Some(ladder) = self.ladders.get_mut(own as usize) else {
                return;
            };
            while let Some(at) = ladder.pop_any(own, &mut self.far) {
                let mut order = self.levels[at].head;
                while order != NIL {
                    let Order { id, next, .. } = self.orders[order];
                    let found = self.index.find(id, |at| self.orders[at].id);
                    self.index
                        .remove(id, found.expect("invariant: each order is in the index"));
                    self.orders.give_back(order);
                    order = next;
                }
                self.levels.give_back(at);
            }
        }
    }

    /// Empties all books. O(orders + books).
    pub(in crate::book) fn clear_all(&mut self) {
        let books = u32::try_from(self.ladders.len() / 2);
        for book in 0..books.expect("invariant: books are numbered by u32") {
            self.clear(book);
        }
    }

    /// Returns the best level of a side.
    ///
    /// Hot path: no allocation, no system call, O(1).
    #[inline]
    pub(in crate::book) fn best(&self, book: u32, side: BookSide) -> Option<PriceLevel> {
        let ladder = self.ladders.get(ladder_of(book, side) as usize)?;
        match ladder.best() {
            NIL => None,
            level => Some(self.levels[level].view()),
        }
    }

    /// Returns the levels of a side, best first.
    pub(in crate::book) fn levels(
        &self,
        book: u32,
        side: BookSide,
    ) -> impl Iterator<Item = PriceLevel> {
        let own = ladder_of(book, side);
        let ladder = self.ladders.get(own as usize);
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
        let ladder = self.ladders.get(own as usize);
        let level = ladder.and_then(|ladder| ladder.find(own, key_of(side, price_e9), &self.far));
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
        let order = self.orders[self.find(order_id)?.at];
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
        let order = self.orders[self.find(order_id)?.at];
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
        let ladders: usize = self.ladders.iter().map(Ladder::memory_bytes).sum();
        self.orders.memory_bytes()
            + self.index.memory_bytes()
            + self.levels.memory_bytes()
            + self.ladders.capacity() * size_of::<Ladder>()
            + ladders
            + self.far.len() * FAR_RUNG_BYTES
    }

    #[inline]
    fn find(&self, order_id: u64) -> Option<Found> {
        self.index.find(order_id, |at| self.orders[at].id)
    }

    #[inline]
    fn find_in(&self, book: u32, order_id: u64) -> Result<Found, DataErrorKind> {
        let found = self.find(order_id).ok_or(DataErrorKind::UnknownOrder)?;
        if self.levels[self.orders[found.at].level].book() != book {
            return Err(DataErrorKind::WrongInstrument);
        }
        Ok(found)
    }

    fn put(&mut self, book: u32, order: NewOrder) -> Result<Touched, DataErrorKind> {
        let NewOrder {
            order_id,
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
        if self.find(order_id).is_some() {
            return Err(DataErrorKind::DuplicateOrder);
        }
        if self.orders.is_full() {
            return Err(DataErrorKind::OrdersFull);
        }
        let (own, key) = (ladder_of(book, side), key_of(side, price_e9));
        let ladder = &mut self.ladders[own as usize];
        let level = match ladder.find(own, key, &self.far) {
            Some(level) => level,
            None => {
                let mut level = Level::free(NIL);
                (level.price_e9, level.ladder) = (price_e9, own);
                let level = self.levels.take(level);
                let level = level.expect("invariant: there are not more levels than orders");
                ladder.insert(own, key, level, &mut self.far);
                level
            }
        };
        let is_best = ladder.best() == level;
        self.enqueue(level, order_id, quantity)?;
        Ok(Touched {
            side,
            price_e9,
            is_best,
        })
    }

    /// Adds an order at the end of a level's queue; the level may be a new one.
    fn enqueue(&mut self, at: u32, id: u64, quantity: u64) -> Result<(), DataErrorKind> {
        let level = &mut self.levels[at];
        let sum = level.quantity.checked_add(quantity);
        let sum = sum.ok_or(DataErrorKind::QuantityOverflow)?;
        let (prev, next) = (level.tail, NIL);
        let order = Order {
            id,
            quantity,
            level: at,
            prev,
            next,
        };
        let rooms = self.orders.room();
        let order = self.orders.take(order).ok_or(DataErrorKind::OrdersFull)?;
        level.quantity = sum;
        level.orders += 1;
        level.tail = order;
        if prev == NIL {
            level.head = order;
        } else {
            self.orders[prev].next = order;
        }
        if self.orders.room() != rooms {
            self.index_all();
        } else {
            self.index.insert(id, order);
        }
        self.alive_max = self.alive_max.max(self.alive());
        Ok(())
    }

    /// Takes an order out of its queue, and its level out of the ladder if it was the last.
    fn take_out(&mut self, id: u64, found: Found) -> Taken {
        let Order {
            quantity,
            level: at,
            prev,
            next,
            ..
        } = self.orders[found.at];
        self.index.remove(id, found);
        self.orders.give_back(found.at);
        let level = &mut self.levels[at];
        let ladder = &mut self.ladders[level.ladder as usize];
        let touched = Touched {
            side: level.side(),
            price_e9: level.price_e9,
            is_best: ladder.best() == at,
        };
        level.quantity -= quantity;
        level.orders -= 1;
        match prev {
            NIL => level.head = next,
            prev => self.orders[prev].next = next,
        }
        match next {
            NIL => level.tail = prev,
            next => self.orders[next].prev = prev,
        }
        if level.orders == 0 {
            let key = key_of(touched.side, touched.price_e9);
            ladder.remove(level.ladder, key, &mut self.far);
            self.levels.give_back(at);
        }
        Taken {
            touched,
            quantity,
            excess: 0,
        }
    }

    /// Makes the index anew, for as many orders as there are places now.
    #[cold]
    fn index_all(&mut self) {
        self.index = Index::new(self.orders.room());
        for at in 1..=self.orders.room() {
            let order = &self.orders[at];
            if order.quantity > 0 {
                self.index.insert(order.id, at);
            }
        }
    }
}
