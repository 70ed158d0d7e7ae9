//! Owns how derived events are made of a print, of a bar that closes and of the best prices.

use super::Derived;
use crate::book::derived::BarEnd;
use crate::book::derived::bars::OpenBar;
use crate::book::{Books, Print, Top};
use crate::market::{
    self, Bar, BarClose, Bbo, EventKind, Flags, Head, NO_PRICE, NO_QUANTITY, Side, Vwap,
};

/// The best prices as they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    bid_price_e9: i64,
    ask_price_e9: i64,
    bid_quantity: u32,
    ask_quantity: u32,
    trust: u8,
}

impl Told {
    /// What no book has.
    pub(super) const NOTHING: Self = Self {
        bid_price_e9: NO_PRICE,
        ask_price_e9: NO_PRICE,
        bid_quantity: 0,
        ask_quantity: 0,
        trust: u8::MAX,
    };

    fn of(top: &Top) -> Self {
        let best = top.as_is();
        // One less than what stands for no quantity also stands for more.
        let told = |quantity: u64| {
            u32::try_from(quantity)
                .map_or(NO_QUANTITY - 1, |quantity| quantity.min(NO_QUANTITY - 1))
        };
        Self {
            bid_price_e9: best.bid_price_e9,
            ask_price_e9: best.ask_price_e9,
            bid_quantity: told(best.bid_quantity),
            ask_quantity: told(best.ask_quantity),
            trust: top.trust().code(),
        }
    }
}

impl Derived {
    pub(super) fn stage_print(&mut self, print: Print, books: &Books) {
        let place = print.index as usize;
        let head = Head {
            side: print.aggressor,
            ..self.head(books.top(print.index))
        };
        self.counts.prints += 1;
        self.staged.push(
            market::Print {
                head,
                price_e9: print.price_e9,
                match_id: print.match_id,
                quantity: print.quantity,
                source: print.source as u8,
                reserved: [0; 3],
                message: self.origin.message,
            }
            .into(),
        );
        if print.price_e9 == NO_PRICE || print.quantity == 0 {
            self.counts.without_price += 1;
            return;
        }
        self.add(place, print.price_e9, print.quantity, books);
    }

    /// Adds a print to the sums of its session and to its bars, and closes those that it fills.
    fn add(&mut self, place: usize, price_e9: i64, quantity: u64, books: &Books) {
        let Some(session) = self.sessions.get_mut(place) else {
            return;
        };
        match session.with(price_e9, quantity) {
            Some(totals) => *session = totals,
            None => self.counts.left_out += 1,
        }
        let ts_event_ns = self.origin.ts_event_ns;
        for rule in 0..self.rules.len() {
            let bars = &mut self.rules[rule];
            let Some(taken) = bars.take(place, ts_event_ns, price_e9, quantity) else {
                self.counts.left_out += 1;
                continue;
            };
            self.counts.late += u64::from(taken.late);
            if let Some(why) = taken.full {
                let bar = bars.close(place);
                self.stage_bar(place, bar, rule, why, ts_event_ns, books);
            }
        }
    }

    pub(super) fn stage_bar(
        &mut self,
        place: usize,
        bar: OpenBar,
        rule: usize,
        why: BarEnd,
        end_ns: u64,
        books: &Books,
    ) {
        let top = u32::try_from(place).ok().and_then(|place| books.top(place));
        let message = self.origin.message;
        let ended = Head {
            ts_event_ns: end_ns,
            ..self.head(top)
        };
        let began = Head {
            ts_event_ns: bar.begin_ns,
            flags: Flags::NONE,
            ..ended
        };
        let session = self.sessions[place];
        self.counts.bars += 1;
        self.staged.push(
            Bar {
                head: began,
                open_price_e9: bar.open_e9,
                high_price_e9: bar.high_e9,
                low_price_e9: bar.low_e9,
                trades: bar.totals.trades,
                message,
            }
            .into(),
        );
        self.staged.push(
            BarClose {
                head: ended,
                close_price_e9: bar.close_e9,
                vwap_e9: bar.totals.vwap_e9(),
                volume: bar.totals.volume,
                rule: u8::try_from(rule).expect("invariant: there are few rules"),
                end: why as u8,
                reserved: [0; 2],
                message,
            }
            .into(),
        );
        self.staged.push(
            Vwap {
                head: ended,
                vwap_e9: session.vwap_e9(),
                volume: session.volume,
                trades: session.trades,
                reserved: [0; 8],
                message,
            }
            .into(),
        );
    }

    /// Tells the best prices of an instrument, if they are others than the last that were told.
    pub(super) fn stage_bbo(&mut self, place: usize, top: Option<&Top>) -> bool {
        let (Some(top), Some(told)) = (top, self.told.get_mut(place)) else {
            return false;
        };
        let now = Told::of(top);
        if now == *told {
            return false;
        }
        *told = now;
        self.counts.bbos += 1;
        self.staged.push(
            Bbo {
                head: self.head(Some(top)),
                bid_price_e9: now.bid_price_e9,
                ask_price_e9: now.ask_price_e9,
                bid_quantity: now.bid_quantity,
                ask_quantity: now.ask_quantity,
                trust: now.trust,
                reserved: [0; 3],
                message: self.origin.message,
            }
            .into(),
        );
        true
    }

    fn head(&self, top: Option<&Top>) -> Head {
        Head {
            ts_event_ns: self.origin.ts_event_ns,
            instrument: top.map_or(0, Top::instrument),
            feed: self.feed,
            kind: EventKind::BBO,
            side: Side::NONE,
            flags: Flags::LAST,
        }
    }
}
