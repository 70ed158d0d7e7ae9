//! Owns the books of `nanobook`.

use super::{Peer, Step};
use crate::support::plain_book::PlainOrder;
use nanobook::{Order, OrderBook, OrderId, Price, TimeInForce};
use ringtape::book::BookSide;
use ringtape::market::MarketEvent;

pub struct Side(Vec<OrderBook>);

pub struct Event {
    instrument: usize,
    change: Change,
}

enum Change {
    Add(Order),
    Reduce(OrderId, u64),
    Remove(OrderId),
    Replace(OrderId, Order),
}

fn side(side: BookSide) -> nanobook::Side {
    match side {
        BookSide::Bid => nanobook::Side::Buy,
        BookSide::Ask => nanobook::Side::Sell,
    }
}

fn order(order_id: u64, order: PlainOrder) -> Order {
    Order::new(
        OrderId(order_id),
        side(order.side),
        Price(order.price_e9),
        order.quantity,
        0,
        TimeInForce::GTC,
    )
}

impl Peer for Side {
    type Event = Event;

    fn new(instruments: usize, _: usize) -> Self {
        Self(vec![OrderBook::new(); instruments])
    }

    fn empty(&mut self) {
        self.0.fill(OrderBook::new());
    }

    fn event(event: &MarketEvent, step: Option<Step>) -> Option<Event> {
        let change = match step? {
            Step::Add(id, new) => Change::Add(order(id, new)),
            Step::Reduce(id, _, quantity) => Change::Reduce(OrderId(id), quantity),
            Step::Remove(id, _) => Change::Remove(OrderId(id)),
            Step::Replace((old_id, _), (id, new)) => {
                Change::Replace(OrderId(old_id), order(id, new))
            }
        };
        Some(Event {
            instrument: event.head.instrument as usize,
            change,
        })
    }

    fn on_event(&mut self, event: &Event) -> i64 {
        let book = &mut self.0[event.instrument];
        match &event.change {
            Change::Add(order) => book.add_order(order.clone()),
            Change::Reduce(id, quantity) => {
                let order = book.get_order_mut(*id).expect("it is alive");
                order.remaining_quantity -= quantity;
                let (side, price) = (order.side, order.price);
                let level = book.side_mut(side).get_level_mut(price);
                level.expect("it has a level").decrease_quantity(*quantity);
            }
            Change::Remove(id) => assert!(book.cancel_order(*id).is_some()),
            Change::Replace(id, order) => {
                assert!(book.cancel_order(*id).is_some());
                book.add_order(order.clone());
            }
        }
        let price = |price: Option<Price>| price.map_or(0, |price| price.0);
        price(book.best_bid()).wrapping_add(price(book.best_ask()))
    }

    fn tidy(&mut self) {
        for book in &mut self.0 {
            book.clear_history();
        }
    }

    fn best_e9(&self, instrument: u32, side: BookSide) -> Option<i64> {
        let book = &self.0[instrument as usize];
        let best = match side {
            BookSide::Bid => book.best_bid(),
            BookSide::Ask => book.best_ask(),
        };
        best.map(|price| price.0)
    }

    fn quantity(&self, instrument: u32, of: BookSide, price_e9: i64) -> u64 {
        let levels = self.0[instrument as usize].side(side(of));
        let level = levels.get_level(Price(price_e9));
        level.map_or(0, |level| level.total_quantity())
    }
}
