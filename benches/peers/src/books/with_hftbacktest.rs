//! Owns the books of `hftbacktest`.

use super::{Peer, Step};
use crate::support::plain_book::PlainOrder;
use hftbacktest::depth::{
    HashMapMarketDepth, INVALID_MAX, INVALID_MIN, L3MarketDepth, MarketDepth,
};
use ringtape::book::BookSide;
use ringtape::market::MarketEvent;

/// A cent: what all prices of the busy session are multiples of.
const TICK: f64 = 0.01;
const TICK_E9: i64 = 10_000_000;

pub struct Side(Vec<HashMapMarketDepth>);

pub struct Event {
    instrument: usize,
    ts_event_ns: i64,
    change: Change,
}

#[derive(Clone, Copy)]
struct Order {
    order_id: u64,
    side: BookSide,
    price: f64,
    quantity: f64,
}

enum Change {
    Add(Order),
    Modify(Order),
    Delete(u64),
    Replace(u64, Order),
}

fn order(order_id: u64, order: PlainOrder) -> Order {
    assert_eq!(order.price_e9 % TICK_E9, 0, "prices are whole cents");
    Order {
        order_id,
        side: order.side,
        price: (order.price_e9 / TICK_E9) as f64 * TICK,
        quantity: order.quantity as f64,
    }
}

fn add(depth: &mut HashMapMarketDepth, order: Order, ts: i64) {
    let Order {
        order_id,
        side,
        price,
        quantity,
    } = order;
    let added = match side {
        BookSide::Bid => depth.add_buy_order(order_id, price, quantity, ts),
        BookSide::Ask => depth.add_sell_order(order_id, price, quantity, ts),
    };
    added.expect("its id is new");
}

impl Peer for Side {
    type Event = Event;

    fn new(instruments: usize, _: usize) -> Self {
        let depth = |_| HashMapMarketDepth::new(TICK, 1.0);
        Self((0..instruments).map(depth).collect())
    }

    fn empty(&mut self) {
        for depth in &mut self.0 {
            depth.clear_orders(hftbacktest::types::Side::None);
        }
    }

    fn event(event: &MarketEvent, step: Option<Step>) -> Option<Event> {
        let change = match step? {
            Step::Add(id, new) => Change::Add(order(id, new)),
            Step::Reduce(id, left, _) => Change::Modify(order(id, left)),
            Step::Remove(id, _) => Change::Delete(id),
            Step::Replace((old_id, _), (id, new)) => Change::Replace(old_id, order(id, new)),
        };
        Some(Event {
            instrument: event.head.instrument as usize,
            ts_event_ns: event.head.ts_event_ns.cast_signed(),
            change,
        })
    }

    fn on_event(&mut self, event: &Event) -> i64 {
        let depth = &mut self.0[event.instrument];
        let ts = event.ts_event_ns;
        match event.change {
            Change::Add(order) => add(depth, order, ts),
            Change::Modify(order) => {
                depth
                    .modify_order(order.order_id, order.price, order.quantity, ts)
                    .expect("it is alive");
            }
            Change::Delete(id) => {
                depth.delete_order(id, ts).expect("it is alive");
            }
            Change::Replace(id, order) => {
                depth.delete_order(id, ts).expect("it is alive");
                add(depth, order, ts);
            }
        }
        depth.best_bid_tick().wrapping_add(depth.best_ask_tick())
    }

    fn best_e9(&self, instrument: u32, side: BookSide) -> Option<i64> {
        let depth = &self.0[instrument as usize];
        let tick = match side {
            BookSide::Bid => depth.best_bid_tick(),
            BookSide::Ask => depth.best_ask_tick(),
        };
        (tick != INVALID_MIN && tick != INVALID_MAX).then(|| tick * TICK_E9)
    }

    fn quantity(&self, instrument: u32, side: BookSide, price_e9: i64) -> u64 {
        let depth = &self.0[instrument as usize];
        let quantity = match side {
            BookSide::Bid => depth.bid_qty_at_tick(price_e9 / TICK_E9),
            BookSide::Ask => depth.ask_qty_at_tick(price_e9 / TICK_E9),
        };
        quantity as u64
    }
}
