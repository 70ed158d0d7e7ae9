//! The naive model: everything that was put in is kept in lists, and all that should follow is
//! looked up there anew.

use super::naive_bars::{self, Closed};
use super::rig::{DERIVED, FEED, Input};
use ringtape::book::BarRule;
use ringtape::market::{
    self, Bbo, EventKind, Flags, Head, Instrument, MarketEvent, NO_PRICE, Side, View,
};
use ringtape::record::SessionMark;
use std::collections::BTreeMap;

/// A trade, and where it was told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traded {
    pub(crate) at: usize,
    pub(crate) session: usize,
    pub(crate) place: usize,
    pub(crate) ts_event_ns: u64,
    pub(crate) price_e9: i64,
    pub(crate) quantity: u64,
    match_id: u64,
    aggressor: Side,
    source: u8,
}

/// What is known at each input, it included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) session: usize,
    /// The latest time of the session.
    pub(crate) now_ns: u64,
    /// The time of the event, of the feed.
    pub(crate) ts_event_ns: Option<u64>,
    pub(crate) message: u32,
}

#[derive(Clone, Copy)]
struct Order {
    place: usize,
    side: Side,
    price_e9: i64,
    quantity: u64,
}

/// The best prices as they are told: bid, offer, their quantities, trust.
type Told = (i64, i64, u32, u32, u8);

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) moments: Vec<Moment>,
    pub(crate) trades: Vec<Traded>,
    pub(crate) instruments: Vec<u32>,
    orders: BTreeMap<u64, Order>,
    told: Vec<Told>,
    stale: bool,
    /// Best prices that changed, by input.
    bbos: Vec<(usize, usize, Told)>,
    /// Names, by input.
    named: Vec<(usize, Instrument)>,
}

impl Model {
    pub(crate) fn of(inputs: &[Input]) -> Self {
        let mut model = Self::default();
        let (mut session, mut now_ns, mut message) = (0, 0, 0);
        for (at, input) in inputs.iter().enumerate() {
            let mut ts_event_ns = None;
            match input {
                Input::Event(event) if event.head.feed == FEED => {
                    ts_event_ns = Some(event.head.ts_event_ns);
                    now_ns = event.head.ts_event_ns.max(now_ns);
                    message = event.message;
                    model.take(at, session, event);
                }
                Input::Event(_) => {}
                Input::Gap(gap) => {
                    model.stale = true;
                    message = u32::try_from(gap.first).unwrap();
                }
                Input::Session(mark) => {
                    message = u32::try_from(mark.feed_sequence).unwrap();
                    // What follows from a mark is of the session that was.
                    let was_ns = now_ns;
                    (session, now_ns) = (session + 1, 0);
                    if mark.mark != SessionMark::End {
                        model.orders.clear();
                        model.stale = false;
                    }
                    model.tell_changes(at);
                    model.moments.push(Moment {
                        session,
                        now_ns: was_ns,
                        ts_event_ns,
                        message,
                    });
                    continue;
                }
            }
            model.tell_changes(at);
            model.moments.push(Moment {
                session,
                now_ns,
                ts_event_ns,
                message,
            });
        }
        // The stop.
        model.moments.push(Moment {
            session: session + 1,
            now_ns,
            ts_event_ns: None,
            message,
        });
        model
    }

    fn place(&mut self, instrument: u32) -> usize {
        if let Some(place) = self
            .instruments
            .iter()
            .position(|&other| other == instrument)
        {
            return place;
        }
        self.instruments.push(instrument);
        let trust = if self.stale { 4 } else { 1 };
        self.told.push((NO_PRICE, NO_PRICE, 0, 0, trust));
        self.instruments.len() - 1
    }

    fn take(&mut self, at: usize, session: usize, event: &MarketEvent) {
        if event.head.instrument == 0 {
            return;
        }
        let place = self.place(event.head.instrument);
        let ts_event_ns = event.head.ts_event_ns;
        let mut traded = |price_e9, quantity, match_id, aggressor, source| {
            if quantity > 0 {
                self.trades.push(Traded {
                    at,
                    session,
                    place,
                    ts_event_ns,
                    price_e9,
                    quantity,
                    match_id,
                    aggressor,
                    source,
                });
            }
        };
        match event.view() {
            View::Instrument(instrument) => self.named.push((at, *instrument)),
            View::AddOrder(add) => {
                let order = Order {
                    place,
                    side: add.head.side,
                    price_e9: add.price_e9,
                    quantity: add.quantity,
                };
                self.orders.insert(add.order_id, order);
            }
            View::Execute(execute) => {
                let order = self.orders[&execute.order_id];
                let price_e9 = match execute.price_e9 {
                    NO_PRICE => order.price_e9,
                    price_e9 => price_e9,
                };
                let aggressor = match order.side {
                    Side::BUY => Side::SELL,
                    _ => Side::BUY,
                };
                let quantity = execute.quantity.into();
                traded(price_e9, quantity, execute.match_id, aggressor, 1);
                self.reduce(execute.order_id, quantity);
            }
            View::Cancel(cancel) => self.reduce(cancel.order_id, cancel.quantity),
            View::Delete(delete) => self.reduce(delete.order_id, u64::MAX),
            View::Replace(replace) => {
                let order = self.orders.remove(&replace.order_id).unwrap();
                let order = Order {
                    price_e9: replace.price_e9,
                    quantity: replace.quantity.into(),
                    ..order
                };
                self.orders.insert(replace.new_order_id, order);
            }
            View::Trade(trade) => {
                let quantity = trade.quantity.into();
                traded(trade.price_e9, quantity, trade.match_id, Side::NONE, 2);
            }
            View::CrossTrade(cross) => {
                traded(
                    cross.price_e9,
                    cross.quantity,
                    cross.match_id,
                    Side::NONE,
                    3,
                );
            }
            other => panic!("the flow makes no {other:?}"),
        }
    }

    fn reduce(&mut self, order_id: u64, quantity: u64) {
        let order = self.orders.get_mut(&order_id).unwrap();
        order.quantity = order.quantity.saturating_sub(quantity);
        if order.quantity == 0 {
            self.orders.remove(&order_id);
        }
    }

    fn tell_changes(&mut self, at: usize) {
        for place in 0..self.instruments.len() {
            let best = |side, best: fn(i64, i64) -> i64| {
                let of = |order: &&Order| order.place == place && order.side == side;
                let prices = self.orders.values().filter(of).map(|order| order.price_e9);
                let Some(price_e9) = prices.reduce(best) else {
                    return (NO_PRICE, 0);
                };
                let there = |order: &&Order| of(order) && order.price_e9 == price_e9;
                let there = self.orders.values().filter(there);
                let quantity: u64 = there.map(|order| order.quantity).sum();
                (price_e9, u32::try_from(quantity).unwrap())
            };
            let (bid, ask) = (best(Side::BUY, i64::max), best(Side::SELL, i64::min));
            let trust = match (self.stale, bid.0 == NO_PRICE && ask.0 == NO_PRICE) {
                (true, _) => 4,
                (false, true) => 1,
                (false, false) => 0,
            };
            let now = (bid.0, ask.0, bid.1, ask.1, trust);
            if self.told[place] != now {
                self.told[place] = now;
                self.bbos.push((at, place, now));
            }
        }
    }

    /// Returns all events that should have been put out.
    pub(crate) fn expected(&self, rules: &[BarRule]) -> Vec<MarketEvent> {
        let closed = naive_bars::closed(self, rules);
        let mut events = Vec::new();
        for (at, moment) in self.moments.iter().enumerate() {
            let of = |place: usize| Head {
                ts_event_ns: moment.ts_event_ns.unwrap_or(moment.now_ns),
                instrument: self.instruments[place],
                feed: DERIVED,
                kind: EventKind::BBO,
                side: Side::NONE,
                flags: Flags::LAST,
            };
            let bars = |filled| {
                closed
                    .iter()
                    .filter(move |bar| bar.at == at && bar.filled == filled)
            };
            bars(false).for_each(|bar| events.extend(self.bar(bar)));
            for (_, instrument) in self.named.iter().filter(|(named, _)| *named == at) {
                let mut named = *instrument;
                named.head.feed = DERIVED;
                events.push(named.into());
            }
            for trade in self.trades.iter().filter(|trade| trade.at == at) {
                let print = market::Print {
                    head: Head {
                        side: trade.aggressor,
                        ..of(trade.place)
                    },
                    price_e9: trade.price_e9,
                    match_id: trade.match_id,
                    quantity: trade.quantity,
                    source: trade.source,
                    reserved: [0; 3],
                    message: moment.message,
                };
                events.push(print.into());
            }
            bars(true).for_each(|bar| events.extend(self.bar(bar)));
            for &(_, place, told) in self.bbos.iter().filter(|(changed, ..)| *changed == at) {
                let (bid_price_e9, ask_price_e9, bid_quantity, ask_quantity, trust) = told;
                let bbo = Bbo {
                    head: of(place),
                    bid_price_e9,
                    ask_price_e9,
                    bid_quantity,
                    ask_quantity,
                    trust,
                    reserved: [0; 3],
                    message: moment.message,
                };
                events.push(bbo.into());
            }
        }
        events
    }

    fn bar(&self, bar: &Closed) -> [MarketEvent; 3] {
        naive_bars::events(self, bar)
    }
}
