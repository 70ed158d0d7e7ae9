//! The books of orders, as simple as they can be: the list of the orders that are alive, and
//! everything else made of it whenever somebody asks.

#![allow(dead_code, reason = "each test uses its own part")]
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "shared by tests, which fail by panicking"
)]

#[path = "../random/mod.rs"]
pub(crate) mod random;
pub mod session;

use ringtape::book::{BookSide, DataErrorKind, PriceLevel, QueuePosition, RestingOrder};
use ringtape::market::{MarketEvent, NO_PRICE, View};
use std::collections::BTreeMap;

/// An order that rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    pub instrument: u32,
    pub order_id: u64,
    pub side: BookSide,
    pub price_e9: i64,
    pub quantity: u64,
}

/// One half of a book: prices to orders, first to trade first.
pub type Half = BTreeMap<i64, Vec<RestingOrder>>;

/// The books of all instruments.
#[derive(Clone, Debug)]
pub struct NaiveBooks {
    /// All that it knows, first come first.
    live: Vec<Live>,
    orders_max: usize,
    /// Whether prices have to be above 0.
    positive: bool,
}

impl NaiveBooks {
    pub fn new(orders_max: usize, positive: bool) -> Self {
        let live = Vec::new();
        Self {
            live,
            orders_max,
            positive,
        }
    }

    pub fn live(&self) -> &[Live] {
        &self.live
    }

    pub fn order(&self, order_id: u64) -> Option<&Live> {
        self.live.iter().find(|live| live.order_id == order_id)
    }

    pub fn clear(&mut self, instrument: u32) {
        self.live.retain(|live| live.instrument != instrument);
    }

    /// Applies an event as the rules of [`DataErrorKind`] have it.
    pub fn apply(&mut self, event: &MarketEvent) -> Result<(), DataErrorKind> {
        let instrument = event.head.instrument;
        match event.view() {
            View::AddOrder(add) => self.add(Live {
                instrument,
                order_id: add.order_id,
                side: BookSide::of(add.head.side).ok_or(DataErrorKind::NoSide)?,
                price_e9: add.price_e9,
                quantity: add.quantity,
            }),
            View::Execute(execute) => {
                self.reduce(instrument, execute.order_id, u64::from(execute.quantity))
            }
            View::Cancel(cancel) => self.reduce(instrument, cancel.order_id, cancel.quantity),
            View::Delete(delete) => {
                let place = self.place(instrument, delete.order_id)?;
                self.live.remove(place);
                Ok(())
            }
            View::Replace(replace) => {
                let place = self.place(instrument, replace.order_id)?;
                let old = self.live.remove(place);
                self.add(Live {
                    order_id: replace.new_order_id,
                    price_e9: replace.price_e9,
                    quantity: u64::from(replace.quantity),
                    ..old
                })
            }
            _ => Ok(()),
        }
    }

    pub fn half(&self, instrument: u32, side: BookSide) -> Half {
        let mut half = Half::new();
        for live in &self.live {
            if (live.instrument, live.side) == (instrument, side) {
                let Live {
                    order_id, quantity, ..
                } = *live;
                let queue = half.entry(live.price_e9).or_default();
                queue.push(RestingOrder { order_id, quantity });
            }
        }
        half
    }

    /// Returns where an order stands, from the half that it rests in.
    pub fn position(order: &Live, half: &Half) -> QueuePosition {
        let is_ahead = |other: &&RestingOrder| other.order_id != order.order_id;
        let queue = half[&order.price_e9].iter();
        let ahead: Vec<&RestingOrder> = queue.take_while(is_ahead).collect();
        QueuePosition {
            side: order.side,
            price_e9: order.price_e9,
            quantity: order.quantity,
            orders_ahead: u32::try_from(ahead.len()).unwrap(),
            quantity_ahead: ahead.iter().map(|other| other.quantity).sum(),
        }
    }

    fn place(&self, instrument: u32, order_id: u64) -> Result<usize, DataErrorKind> {
        let place = self.live.iter().position(|live| live.order_id == order_id);
        match place {
            None => Err(DataErrorKind::UnknownOrder),
            Some(place) if self.live[place].instrument != instrument => {
                Err(DataErrorKind::WrongInstrument)
            }
            Some(place) => Ok(place),
        }
    }

    fn add(&mut self, order: Live) -> Result<(), DataErrorKind> {
        let at_its_level = |live: &&Live| {
            (live.instrument, live.side, live.price_e9)
                == (order.instrument, order.side, order.price_e9)
        };
        let level = self.live.iter().filter(at_its_level);
        let sum: u128 = level.map(|live| u128::from(live.quantity)).sum();
        if order.price_e9 == NO_PRICE || self.positive && order.price_e9 <= 0 {
            Err(DataErrorKind::NoPrice)
        } else if order.quantity == 0 {
            Err(DataErrorKind::NoQuantity)
        } else if self.order(order.order_id).is_some() {
            Err(DataErrorKind::DuplicateOrder)
        } else if self.live.len() == self.orders_max {
            Err(DataErrorKind::OrdersFull)
        } else if sum + u128::from(order.quantity) > u128::from(u64::MAX) {
            Err(DataErrorKind::QuantityOverflow)
        } else {
            self.live.push(order);
            Ok(())
        }
    }

    fn reduce(&mut self, instrument: u32, id: u64, quantity: u64) -> Result<(), DataErrorKind> {
        let place = self.place(instrument, id)?;
        let remains = self.live[place].quantity;
        if quantity == 0 {
            return Err(DataErrorKind::NoQuantity);
        }
        if quantity < remains {
            self.live[place].quantity -= quantity;
            return Ok(());
        }
        self.live.remove(place);
        if quantity > remains {
            return Err(DataErrorKind::NegativeRemaining);
        }
        Ok(())
    }
}

/// Returns the levels of a half, best first.
pub fn levels(half: &Half, side: BookSide) -> Vec<PriceLevel> {
    let level = |(price_e9, queue): (&i64, &Vec<RestingOrder>)| PriceLevel {
        price_e9: *price_e9,
        quantity: queue.iter().map(|order| order.quantity).sum(),
        orders: u32::try_from(queue.len()).unwrap(),
    };
    match side {
        BookSide::Bid => half.iter().rev().map(level).collect(),
        BookSide::Ask => half.iter().map(level).collect(),
    }
}
