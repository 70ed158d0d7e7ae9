//! Owns the books of `nautilus-model`.

use super::{Peer, Step};
use crate::support::plain_book::PlainOrder;
use nautilus_model::data::BookOrder;
use nautilus_model::enums::{BookType, OrderSide};
use nautilus_model::identifiers::InstrumentId;
use nautilus_model::orderbook::{BookLevel, OrderBook};
use nautilus_model::types::{Price, Quantity};
use ringtape::book::BookSide;
use ringtape::market::MarketEvent;

/// Decimals of prices: those that ITCH has.
const DECIMALS: u8 = 4;
/// Its quantities are × 10⁹, too.
const WHOLE: u64 = 1_000_000_000;

pub struct Side(Vec<OrderBook>);

pub struct Event {
    instrument: usize,
    ts_event_ns: u64,
    change: Change,
}

enum Change {
    Add(BookOrder),
    Update(BookOrder),
    Delete(BookOrder),
    Replace(BookOrder, BookOrder),
}

fn order(order_id: u64, order: PlainOrder) -> BookOrder {
    let side = match order.side {
        BookSide::Bid => OrderSide::Buy,
        BookSide::Ask => OrderSide::Sell,
    };
    let price = Price::from_raw(order.price_e9, DECIMALS);
    let quantity = Quantity::from_raw(order.quantity * WHOLE, 0);
    BookOrder::new(side, price, quantity, order_id)
}

impl Peer for Side {
    type Event = Event;

    fn new(instruments: usize, _: usize) -> Self {
        let book = |number| {
            let name = format!("B{number}.XNAS");
            OrderBook::new(InstrumentId::from(name.as_str()), BookType::L3_MBO)
        };
        Self((0..instruments).map(book).collect())
    }

    fn empty(&mut self) {
        self.0.iter_mut().for_each(OrderBook::reset);
    }

    fn event(event: &MarketEvent, step: Option<Step>) -> Option<Event> {
        let change = match step? {
            Step::Add(id, new) => Change::Add(order(id, new)),
            Step::Reduce(id, left, _) => Change::Update(order(id, left)),
            Step::Remove(id, old) => Change::Delete(order(id, old)),
            Step::Replace((old_id, old), (id, new)) => {
                Change::Replace(order(old_id, old), order(id, new))
            }
        };
        Some(Event {
            instrument: event.head.instrument as usize,
            ts_event_ns: event.head.ts_event_ns,
            change,
        })
    }

    fn on_event(&mut self, event: &Event) -> i64 {
        let book = &mut self.0[event.instrument];
        let ts = event.ts_event_ns.into();
        match event.change {
            Change::Add(order) => book.add(order, 0, 0, ts),
            Change::Update(order) => book.update(order, 0, 0, ts),
            Change::Delete(order) => book.delete(order, 0, 0, ts),
            Change::Replace(old, new) => {
                book.delete(old, 0, 0, ts);
                book.add(new, 0, 0, ts);
            }
        }
        let raw = |price: Option<Price>| price.map_or(0, |price| price.raw);
        raw(book.best_bid_price()).wrapping_add(raw(book.best_ask_price()))
    }

    fn best_e9(&self, instrument: u32, side: BookSide) -> Option<i64> {
        let book = &self.0[instrument as usize];
        let best = match side {
            BookSide::Bid => book.best_bid_price(),
            BookSide::Ask => book.best_ask_price(),
        };
        best.map(|price| price.raw)
    }

    fn quantity(&self, instrument: u32, side: BookSide, price_e9: i64) -> u64 {
        let book = &self.0[instrument as usize];
        let at = |level: &&BookLevel| level.price.value.raw == price_e9;
        let level = match side {
            BookSide::Bid => book.bids(None).find(at),
            BookSide::Ask => book.asks(None).find(at),
        };
        level.map_or(0, |level| level.size_raw() / WHOLE)
    }
}
