//! Owns the strategy `audit`: whether the messages fit together.

use super::Verdict;
use ringtape::handler::{At, Handler};
use ringtape::market::{MarketEvent, View};
use ringtape::record::{Gap, GapCause};
use std::collections::HashMap;

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
