//! Owns the events that are not the flow of orders and levels: trades, names, status, pictures of
//! whole books.

use super::Books;
use super::apply::{Applied, Of};
use crate::book::trust::Marks;
use crate::book::{DataErrorKind, Print, PrintSource};
use crate::market::{LevelAction, Side, View};

/// IEX's bit in a quote's flags: the instrument is halted, or not available.
const IEX_QUOTE_HALTED: u8 = 1 << 7;

impl Books {
    pub(super) fn rare(&mut self, of: Of<'_>) -> (Applied, Option<Print>) {
        let print = |price_e9, quantity, match_id, aggressor, source| {
            let index = of.index;
            (quantity > 0).then_some(Print {
                index,
                price_e9,
                quantity,
                match_id,
                aggressor,
                source,
            })
        };
        let mut found = None;
        match of.event.view() {
            View::Trade(trade) => {
                let (price_e9, quantity) = (trade.price_e9, trade.quantity.into());
                if let Err(kind) = self.check_print(price_e9, quantity) {
                    return (Err(kind), None);
                }
                let source = PrintSource::Hidden;
                found = print(price_e9, quantity, trade.match_id, Side::NONE, source);
            }
            View::CrossTrade(cross) => {
                let (price_e9, quantity) = (cross.price_e9, cross.quantity);
                if let Err(kind) = self.check_print(price_e9, quantity) {
                    return (Err(kind), None);
                }
                let source = PrintSource::Cross;
                found = print(price_e9, quantity, cross.match_id, Side::NONE, source);
            }
            View::LastSale(sale) if sale.action == LevelAction::NEW => {
                let (price_e9, quantity) = (sale.price_e9, sale.quantity.into());
                let (aggressor, source) = (sale.head.side, PrintSource::Report);
                found = print(price_e9, quantity, sale.trade_id, aggressor, source);
            }
            View::LastSale(_) | View::TradeBreak(_) => self.corrections += 1,
            View::Volume(volume) => self.prove(of, volume.report),
            View::Statistic(statistic) => self.prove(of, statistic.report),
            View::Instrument(instrument) => self.directory.name(of.index, instrument.symbol),
            View::SnapshotStart(start) => {
                self.begin_snapshot(of);
                self.security_status(of, start.status);
            }
            View::ChannelReset(_) => self.reset(),
            View::Status(status) => return (self.status(of, status.state), None),
            View::OperationalHalt(halt) => return (self.halt(of, halt.action), None),
            View::SecurityStatus(status) => self.security_status(of, status.status),
            _ => {}
        }
        (Ok(()), found)
    }

    /// NASDAQ: `T` trading, `Q` quotation only, `P` paused, `H` halted. IEX: `T`, `H`, `P`, and `O`
    /// for an auction.
    fn status(&mut self, of: Of<'_>, state: u8) -> Applied {
        let halted = match state {
            b'T' => false,
            b'H' | b'P' | b'Q' | b'O' => true,
            _ => return Err(DataErrorKind::UnknownAction),
        };
        self.instruments[of.index as usize].status = state;
        self.set_halted(of, Marks::HALTED, halted);
        Ok(())
    }

    /// NASDAQ: `H` halted, `T` resumed. IEX: `O` halted, `N` not.
    fn halt(&mut self, of: Of<'_>, action: u8) -> Applied {
        let halted = match action {
            b'T' | b'N' => false,
            b'H' | b'O' => true,
            _ => return Err(DataErrorKind::UnknownAction),
        };
        self.set_halted(of, Marks::OPERATIONAL_HALT, halted);
        Ok(())
    }

    /// CME: 17 ready to trade; 2 halt, 4 close, 18 not available, 21 pre-open, 24 before a cross, 25
    /// cross, 26 after the close. What else there is changes nothing.
    fn security_status(&mut self, of: Of<'_>, state: u8) {
        let halted = match state {
            17 => false,
            2 | 4 | 18 | 21 | 24 | 25 | 26 => true,
            _ => return,
        };
        self.instruments[of.index as usize].status = state;
        self.set_halted(of, Marks::HALTED, halted);
    }

    /// IEX's quotes repeat whether the instrument trades.
    pub(super) fn quote_flags(&mut self, of: Of<'_>, venue_flags: u8) {
        self.set_halted(of, Marks::HALTED, venue_flags & IEX_QUOTE_HALTED != 0);
    }

    fn set_halted(&mut self, of: Of<'_>, mark: Marks, halted: bool) {
        if halted {
            self.mark(of.index, mark, of.at.ts_recv_ns);
            return;
        }
        let was_halted = self.tops[of.index as usize].marks.has(mark);
        self.unmark(of.index, mark);
        // What crossed while it was halted was no error; what still does now is one.
        if was_halted && !self.instruments[of.index as usize].open {
            self.check_crossed(of.index, of.event, *of.at);
        }
    }

    /// Nothing trades for a price that the venue's instruments cannot have. A cross of nothing has
    /// none.
    fn check_print(&self, price_e9: i64, quantity: u64) -> Applied {
        if quantity == 0 {
            return Ok(());
        }
        self.check_price(price_e9)
    }

    /// A picture of the whole book follows: nothing that was known before counts.
    fn begin_snapshot(&mut self, of: Of<'_>) {
        self.levels_mut(of.index).clear();
        self.touched_levels(of);
        self.mark(of.index, Marks::SNAPSHOT, of.at.ts_recv_ns);
    }
}
