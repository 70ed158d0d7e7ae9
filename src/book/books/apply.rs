//! Owns which event does what to which book.

use super::doubt::HEALED;
use super::{Books, Prices, Update};
use crate::book::order_book::{NewOrder, Taken, Touched};
use crate::book::trust::Marks;
use crate::book::{BookSide, DataErrorKind, Print, PrintSource};
use crate::handler::At;
use crate::market::{
    AddOrder, EventKind, Execute, Flags, Level, LevelAction, MarketEvent, NO_PRICE, Quote, Replace,
    Side, View,
};

pub(super) type Applied = Result<(), DataErrorKind>;

/// An event, and the instrument that it is of.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) index: u32,
    pub(super) event: &'a MarketEvent,
    pub(super) at: &'a At,
}

impl Books {
    /// Applies an event to the book that it is for.
    ///
    /// Until a group of events is whole ([`Flags::LAST`], and the venue's own end of an event where
    /// it has one), the tops stay as they were.
    ///
    /// Hot path: no system call, and no allocation once as many instruments, orders and levels were
    /// there at a time.
    pub fn on_event(&mut self, event: &MarketEvent, at: At) -> Update<'_> {
        self.forget();
        self.ts_recv_ns = at.ts_recv_ns;
        let print = if event.head.feed == self.feed {
            self.apply(event, at)
        } else {
            None
        };
        self.settle();
        Update {
            changed: &self.changed,
            print,
        }
    }

    #[inline]
    fn apply(&mut self, event: &MarketEvent, at: At) -> Option<Print> {
        if !self.open.is_empty() {
            self.end_if_over(event.head.ts_event_ns);
        }
        let index = match self.index(event.head.instrument) {
            Some(index) => Some(index),
            None => self.admit_for(event, at),
        };
        let mut print = None;
        if let Some(index) = index {
            let of = Of {
                index,
                event,
                at: &at,
            };
            if event.head.flags.contains(Flags::STALE_BOOK) {
                self.doubt(of);
            }
            let applied;
            (applied, print) = self.apply_to(of);
            if let Err(kind) = applied {
                self.error(Some(index), kind, event, at);
            }
        }
        if !self.open.is_empty() {
            self.end(event, at);
        }
        print
    }

    #[inline]
    fn apply_to(&mut self, of: Of<'_>) -> (Applied, Option<Print>) {
        match of.event.view() {
            View::AddOrder(add) => (self.add(of, add), None),
            View::Execute(execute) => self.execute(of, execute),
            View::Cancel(cancel) => {
                let (order_id, quantity) = (cancel.order_id, cancel.quantity);
                let taken = self.orders.reduce(of.index, order_id, quantity);
                (self.taken(of, taken), None)
            }
            View::Delete(delete) => {
                let taken = self.orders.remove(of.index, delete.order_id);
                (self.taken(of, taken), None)
            }
            View::Replace(replace) => (self.replace(of, replace), None),
            View::Level(level) => (self.level(of, level), None),
            View::Quote(quote) => (self.quote(of, quote), None),
            _ => self.rare(of),
        }
    }

    /// Makes room for an instrument that an event names first, where the event makes one.
    #[cold]
    fn admit_for(&mut self, event: &MarketEvent, at: At) -> Option<u32> {
        match event.head.kind {
            EventKind::ADD_ORDER
            | EventKind::EXECUTE
            | EventKind::CANCEL
            | EventKind::DELETE
            | EventKind::REPLACE
            | EventKind::LEVEL
            | EventKind::QUOTE
            | EventKind::TRADE
            | EventKind::CROSS_TRADE
            | EventKind::LAST_SALE
            | EventKind::INSTRUMENT
            | EventKind::SNAPSHOT_START => self.admit_or_refuse(event, at),
            // CME's directory is not on the bus, and 0 is a group of instruments.
            EventKind::SECURITY_STATUS if event.head.instrument != 0 => {
                self.admit_or_refuse(event, at)
            }
            EventKind::STATUS | EventKind::OPERATIONAL_HALT => {
                self.error(None, DataErrorKind::UnknownInstrument, event, at);
                None
            }
            EventKind::CHANNEL_RESET => {
                self.reset();
                None
            }
            _ => None,
        }
    }

    fn admit_or_refuse(&mut self, event: &MarketEvent, at: At) -> Option<u32> {
        let index = self.admit(event.head.instrument);
        if index.is_none() {
            self.error(None, DataErrorKind::InstrumentsFull, event, at);
        }
        index
    }

    #[inline]
    fn add(&mut self, of: Of<'_>, add: &AddOrder) -> Applied {
        let side = BookSide::of(add.head.side).ok_or(DataErrorKind::NoSide)?;
        self.check_price(add.price_e9)?;
        let order = NewOrder {
            order_id: add.order_id,
            side,
            price_e9: add.price_e9,
            quantity: add.quantity,
        };
        let touched = self.orders.add(of.index, order)?;
        self.touched(of, touched);
        Ok(())
    }

    #[inline]
    fn execute(&mut self, of: Of<'_>, execute: &Execute) -> (Applied, Option<Print>) {
        let quantity = u64::from(execute.quantity);
        let taken = self.orders.reduce(of.index, execute.order_id, quantity);
        let (resting, own_e9) = match &taken {
            Ok(taken) => (Some(taken.touched.side), taken.touched.price_e9),
            Err(_) => (None, NO_PRICE),
        };
        let price_e9 = match execute.price_e9 {
            NO_PRICE => own_e9,
            price_e9 => price_e9,
        };
        // What a later cross covers is not to be counted twice, and a trade without a price is one
        // with an order that is not known.
        let prints = !of.event.head.flags.contains(Flags::NON_PRINTABLE)
            && price_e9 != NO_PRICE
            && quantity > 0;
        let print = prints.then(|| Print {
            index: of.index,
            price_e9,
            quantity,
            match_id: execute.match_id,
            aggressor: resting.map_or(Side::NONE, |side| side.opposite().side()),
            source: PrintSource::Execute,
        });
        (self.taken(of, taken), print)
    }

    #[inline]
    fn taken(&mut self, of: Of<'_>, taken: Result<Taken, DataErrorKind>) -> Applied {
        let taken = taken?;
        self.touched(of, taken.touched);
        match taken.excess {
            0 => Ok(()),
            _ => Err(DataErrorKind::NegativeRemaining),
        }
    }

    #[inline]
    fn replace(&mut self, of: Of<'_>, replace: &Replace) -> Applied {
        if self.check_price(replace.price_e9).is_err() {
            let taken = self.orders.remove(of.index, replace.order_id);
            self.taken(of, taken)?;
            return Err(DataErrorKind::NoPrice);
        }
        let replaced = self.orders.replace(
            of.index,
            replace.order_id,
            replace.new_order_id,
            replace.price_e9,
            u64::from(replace.quantity),
        )?;
        // Both are of one side, which is shown once, as the whole event leaves it.
        let removed = replaced.removed.touched;
        let is_best = removed.is_best || replaced.added.is_ok_and(|added| added.is_best);
        self.touched(of, Touched { is_best, ..removed });
        replaced.added?;
        Ok(())
    }

    fn level(&mut self, of: Of<'_>, level: &Level) -> Applied {
        self.prove(of, level.report);
        let sets = level.action != LevelAction::DELETE;
        if level.level == 0 && sets && level.price_e9 != NO_PRICE {
            self.check_price(level.price_e9)?;
        }
        let applied = self.levels_mut(of.index).apply(level);
        // Also an event that is counted as an error can have done something.
        self.touched_levels(of);
        applied.map(|_| ())
    }

    fn quote(&mut self, of: Of<'_>, quote: &Quote) -> Applied {
        let prices = [
            (quote.bid_price_e9, quote.bid_quantity),
            (quote.ask_price_e9, quote.ask_quantity),
        ];
        for (price_e9, quantity) in prices {
            if quantity > 0 {
                self.check_price(price_e9)?;
            }
        }
        let applied = self.levels_mut(of.index).apply_quote(quote);
        self.touched_levels(of);
        self.quote_flags(of, quote.venue_flags);
        if applied.is_ok() && self.tops[of.index as usize].marks.has(HEALED) {
            // A quote is all that there is: a picture of the whole book.
            self.mark(of.index, Marks::SNAPSHOT, of.at.ts_recv_ns);
        }
        applied.map(|_| ())
    }

    #[inline]
    pub(super) fn check_price(&self, price_e9: i64) -> Applied {
        match self.prices {
            Prices::Positive if price_e9 <= 0 => Err(DataErrorKind::NoPrice),
            _ => Ok(()),
        }
    }
}
