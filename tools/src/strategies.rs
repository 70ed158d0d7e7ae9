//! Owns the strategies that the command line brings: small, real, and short enough to copy.

use ringtape::handler::{At, Handler};
use ringtape::market::{MarketEvent, Side, View};
use ringtape::record::{DeadLetter, Gap, GapCause, Session};
use std::collections::HashMap;

/// Gaps that a report lists one by one; more are only counted.
const GAPS_LISTED: usize = 1_000;

/// What the command line asks of a strategy at the end.
pub(crate) trait Verdict {
    /// Says in a line what it found.
    fn verdict(&self) -> String;
}

/// A strategy and the gaps that it was shown.
#[derive(Debug)]
pub(crate) struct Noted<H> {
    /// The strategy.
    pub(crate) strategy: H,
    /// The first gaps, in order.
    pub(crate) gaps: Vec<Gap>,
    /// How many more there were.
    pub(crate) unlisted: u64,
}

impl<H> Noted<H> {
    pub(crate) fn new(strategy: H) -> Self {
        let gaps = Vec::with_capacity(GAPS_LISTED);
        Self {
            strategy,
            gaps,
            unlisted: 0,
        }
    }
}

impl<H: Handler<MarketEvent>> Handler<MarketEvent> for Noted<H> {
    fn on_start(&mut self) {
        self.strategy.on_start();
    }

    fn on_event(&mut self, event: &MarketEvent, at: At) {
        self.strategy.on_event(event, at);
    }

    fn on_gap(&mut self, gap: Gap) {
        if self.gaps.len() < GAPS_LISTED {
            self.gaps.push(gap);
        } else {
            self.unlisted += 1;
        }
        self.strategy.on_gap(gap);
    }

    fn on_session(&mut self, session: &Session, at: At) {
        self.strategy.on_session(session, at);
    }

    fn on_dead_letter(&mut self, letter: &DeadLetter, at: At) {
        self.strategy.on_dead_letter(letter, at);
    }

    fn on_stop(&mut self) {
        self.strategy.on_stop();
    }

    fn is_ready(&mut self) -> bool {
        self.strategy.is_ready()
    }
}

/// Shares added and taken away on each side, over all instruments: which way the flow leans.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    bid: u64,
    offered: u64,
    traded: u64,
}

impl Verdict for Flow {
    fn verdict(&self) -> String {
        format!(
            "{} shares bid, {} offered, {} traded",
            self.bid, self.offered, self.traded
        )
    }
}

impl Handler<MarketEvent> for Flow {
    fn on_event(&mut self, event: &MarketEvent, _: At) {
        match event.view() {
            View::AddOrder(add) => {
                let bid = add.head.side == Side::BUY;
                let side = if bid {
                    &mut self.bid
                } else {
                    &mut self.offered
                };
                *side += add.quantity;
            }
            View::Execute(execute) => self.traded += u64::from(execute.quantity),
            View::Trade(trade) => self.traded += u64::from(trade.quantity),
            _ => {}
        }
    }

    // Sums over a day lean no other way for a few missing messages; the ledger has the count.
    fn on_gap(&mut self, _: Gap) {}
}

/// Follows every order from its add to its end, and so notices a lost, repeated or misplaced
/// message whatever the counters say: the demo's own witness.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    alive: HashMap<u64, u64>,
    orders: u64,
    unknown: u64,
    oversized: u64,
    repeated: u64,
    gaps: u64,
}

impl Audit {
    /// Makes an audit that follows up to `orders` live orders without growing.
    pub(crate) fn with_capacity(orders: usize) -> Self {
        Self {
            alive: HashMap::with_capacity(orders),
            ..Self::default()
        }
    }

    /// Returns how many messages did not fit the orders known at that point.
    pub(crate) fn contradictions(&self) -> u64 {
        self.unknown + self.oversized + self.repeated
    }

    fn add(&mut self, order: u64, quantity: u64) {
        self.orders += 1;
        self.repeated += u64::from(self.alive.insert(order, quantity).is_some());
    }

    fn reduce(&mut self, order: u64, by: u64) {
        match self.alive.get_mut(&order) {
            Some(quantity) if *quantity > by => *quantity -= by,
            Some(quantity) => {
                self.oversized += u64::from(*quantity < by);
                self.alive.remove(&order);
            }
            None => self.unknown += 1,
        }
    }

    fn end(&mut self, order: u64) {
        self.unknown += u64::from(self.alive.remove(&order).is_none());
    }
}

impl Verdict for Audit {
    fn verdict(&self) -> String {
        format!(
            "{} orders followed, {} alive at the end, {} contradictions, {} gaps",
            self.orders,
            self.alive.len(),
            self.contradictions(),
            self.gaps
        )
    }
}

impl Handler<MarketEvent> for Audit {
    fn on_event(&mut self, event: &MarketEvent, _: At) {
        match event.view() {
            View::AddOrder(add) => self.add(add.order_id, add.quantity),
            View::Execute(execute) => self.reduce(execute.order_id, execute.quantity.into()),
            View::Cancel(cancel) => self.reduce(cancel.order_id, cancel.quantity),
            View::Delete(delete) => self.end(delete.order_id),
            View::Replace(replace) => {
                self.end(replace.order_id);
                self.add(replace.new_order_id, replace.quantity.into());
            }
            _ => {}
        }
    }

    /// After a gap an order may be gone or come from nowhere: what is known is worth nothing.
    fn on_gap(&mut self, gap: Gap) {
        self.gaps += 1;
        if gap.cause != GapCause::Overrun {
            self.alive.clear();
        }
    }
}
