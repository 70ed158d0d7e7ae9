//! Owns the strategy `flow`: which way the orders lean.

use super::Verdict;
use ringtape::handler::{At, Handler};
use ringtape::market::{MarketEvent, Side, View};
use ringtape::record::Gap;

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
