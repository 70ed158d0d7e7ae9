//! Owns the baseline of the books: order books as one would write them first, of the standard
//! library's maps.
//!
//! Orders in one `HashMap` by id, with its own hasher; for each instrument two `BTreeMap`s of
//! levels by price; for each level a `VecDeque` of ids, first to trade first, so that it, too, can
//! tell an order's place in its queue. Instruments are found by index, as venues number them
//! densely.

use ringtape::book::{Best, BookSide, PriceLevel};
use ringtape::market::{MarketEvent, NO_PRICE, View};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// An order in a book.
#[derive(Clone, Copy, Debug)]
pub struct PlainOrder {
    pub instrument: u32,
    pub side: BookSide,
    pub price_e9: i64,
    pub quantity: u64,
}

#[derive(Clone, Debug, Default)]
struct PlainLevel {
    quantity: u64,
    queue: VecDeque<u64>,
}

impl PlainLevel {
    fn told(&self, price_e9: i64) -> PriceLevel {
        PriceLevel {
            price_e9,
            quantity: self.quantity,
            orders: u32::try_from(self.queue.len()).expect("fewer orders than that"),
        }
    }
}

type PlainSide = BTreeMap<i64, PlainLevel>;

/// The books of all instruments.
#[derive(Clone, Debug, Default)]
pub struct PlainBooks {
    orders: HashMap<u64, PlainOrder>,
    sides: Vec<[PlainSide; 2]>,
    tops: Vec<Best>,
    /// Events that no book agrees with.
    pub errors: u64,
}

impl PlainBooks {
    /// Makes empty books of instruments `0..instruments`, with room for `orders`.
    pub fn new(instruments: usize, orders: usize) -> Self {
        Self {
            orders: HashMap::with_capacity(orders),
            sides: vec![Default::default(); instruments],
            tops: vec![Best::NONE; instruments],
            errors: 0,
        }
    }

    /// Empties all books.
    pub fn empty(&mut self) {
        self.orders.clear();
        self.sides.iter_mut().flatten().for_each(BTreeMap::clear);
        self.tops.fill(Best::NONE);
    }

    /// Takes an event, keeps the top of its instrument's book, and returns whether it changed.
    pub fn on_event(&mut self, event: &MarketEvent) -> bool {
        self.apply(event);
        let best = self.best(event.head.instrument);
        let top = &mut self.tops[event.head.instrument as usize];
        let changed = *top != best;
        *top = best;
        changed
    }

    /// Takes an event into the books, and no more.
    pub fn apply(&mut self, event: &MarketEvent) {
        match event.view() {
            View::AddOrder(add) => {
                let Some(side) = BookSide::of(add.head.side) else {
                    self.errors += 1;
                    return;
                };
                let order = PlainOrder {
                    instrument: add.head.instrument,
                    side,
                    price_e9: add.price_e9,
                    quantity: add.quantity,
                };
                self.add(add.order_id, order);
            }
            View::Execute(execute) => self.reduce(execute.order_id, execute.quantity.into()),
            View::Cancel(cancel) => self.reduce(cancel.order_id, cancel.quantity),
            View::Delete(delete) => {
                self.remove(delete.order_id);
            }
            View::Replace(replace) => {
                if let Some(old) = self.remove(replace.order_id) {
                    let new = PlainOrder {
                        price_e9: replace.price_e9,
                        quantity: replace.quantity.into(),
                        ..old
                    };
                    self.add(replace.new_order_id, new);
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, order_id: u64, order: PlainOrder) {
        match self.orders.entry(order_id) {
            Entry::Occupied(_) => self.errors += 1,
            Entry::Vacant(entry) => {
                entry.insert(order);
                let side = &mut self.sides[order.instrument as usize][order.side as usize];
                let level = side.entry(order.price_e9).or_default();
                level.quantity += order.quantity;
                level.queue.push_back(order_id);
            }
        }
    }

    fn reduce(&mut self, order_id: u64, quantity: u64) {
        match self.orders.get_mut(&order_id) {
            Some(order) if order.quantity > quantity => {
                order.quantity -= quantity;
                self.sides[order.instrument as usize][order.side as usize]
                    .get_mut(&order.price_e9)
                    .expect("an order stands at a level")
                    .quantity -= quantity;
            }
            _ => {
                if self.remove(order_id).is_some_and(|o| o.quantity < quantity) {
                    self.errors += 1;
                }
            }
        }
    }

    fn remove(&mut self, order_id: u64) -> Option<PlainOrder> {
        let Some(order) = self.orders.remove(&order_id) else {
            self.errors += 1;
            return None;
        };
        let side = &mut self.sides[order.instrument as usize][order.side as usize];
        let level = side
            .get_mut(&order.price_e9)
            .expect("an order stands at a level");
        level.quantity -= order.quantity;
        let place = level.queue.iter().position(|&id| id == order_id);
        level.queue.remove(place.expect("an order is queued"));
        if level.queue.is_empty() {
            side.remove(&order.price_e9);
        }
        Some(order)
    }

    /// Returns the best of both sides, read from the maps.
    pub fn best(&self, instrument: u32) -> Best {
        let [bids, asks] = &self.sides[instrument as usize];
        let none = PriceLevel {
            price_e9: NO_PRICE,
            quantity: 0,
            orders: 0,
        };
        let told = |(&price_e9, level): (&i64, &PlainLevel)| level.told(price_e9);
        let bid = bids.last_key_value().map_or(none, told);
        let ask = asks.first_key_value().map_or(none, told);
        Best {
            bid_price_e9: bid.price_e9,
            ask_price_e9: ask.price_e9,
            bid_quantity: bid.quantity,
            ask_quantity: ask.quantity,
            bid_orders: bid.orders,
            ask_orders: ask.orders,
        }
    }

    /// Returns the levels of a side, the best first.
    pub fn levels(&self, instrument: u32, side: BookSide) -> Vec<PriceLevel> {
        let levels = self.sides[instrument as usize][side as usize].iter();
        let told = levels.map(|(&price_e9, level)| level.told(price_e9));
        match side {
            BookSide::Bid => told.rev().collect(),
            BookSide::Ask => told.collect(),
        }
    }

    /// Returns the orders of a level, the first to trade first.
    pub fn queue(&self, instrument: u32, side: BookSide, price_e9: i64) -> Vec<u64> {
        let level = self.sides[instrument as usize][side as usize].get(&price_e9);
        level.map_or_else(Vec::new, |level| level.queue.iter().copied().collect())
    }

    /// Returns the first to trade of the best level.
    pub fn first(&self, instrument: u32, side: BookSide) -> Option<u64> {
        let levels = &self.sides[instrument as usize][side as usize];
        let level = match side {
            BookSide::Bid => levels.last_key_value(),
            BookSide::Ask => levels.first_key_value(),
        };
        level.and_then(|(_, level)| level.queue.front().copied())
    }

    pub fn order(&self, order_id: u64) -> Option<PlainOrder> {
        self.orders.get(&order_id).copied()
    }

    /// Returns how many orders are in the books.
    pub fn alive(&self) -> usize {
        self.orders.len()
    }

    /// Returns how many instruments there are.
    pub fn instruments(&self) -> u32 {
        u32::try_from(self.sides.len()).expect("few instruments")
    }
}
