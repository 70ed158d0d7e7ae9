//! Owns when a group of events is whole, so that nobody sees a book between two states.
//!
//! A venue's own event ends with the bit that the venue sets at its end, or, where the venue leaves
//! it out or sets it in a message that becomes no event, where an event of another time begins.

use super::apply::Of;
use super::doubt::HEALED;
use super::{Books, End};
use crate::book::best::Told;
use crate::book::order_book::Touched;
use crate::book::trust::Marks;
use crate::book::{BookSide, DataErrorKind};
use crate::handler::At;
use crate::market::{Flags, MarketEvent, View};

/// IEX's bit in a level's flags: the venue's own event is complete.
const IEX_COMPLETE: u8 = 1;
/// CME's bit in the match event indicator: the venue's own event is complete.
const CME_COMPLETE: u8 = 1 << 7;

impl Books {
    /// Shows what an event did to a level of an order book: at once if the event stands alone.
    #[inline]
    pub(super) fn touched(&mut self, of: Of<'_>, touched: Touched) {
        let alone = of.event.head.flags.contains(Flags::LAST);
        if !alone || !self.open.is_empty() {
            self.open(of, End::Message);
        } else if touched.is_best {
            self.show(of, touched.side);
        }
    }

    /// Shows the best level of one side of an order book.
    #[inline]
    fn show(&mut self, of: Of<'_>, side: BookSide) {
        let level = self.orders.best(of.index, side);
        let top = &mut self.tops[of.index as usize];
        if top.by_level || top.best.level(side) == level {
            return;
        }
        // What an event does here it does once, so this is a change for good.
        if top.told == Told::No {
            top.told = Told::Changed;
            self.changed.push(of.index);
        }
        top.best.set(side, level);
        top.ts_event_ns = of.event.head.ts_event_ns;
        let (marks, crossed) = (top.marks, top.best.is_crossed());
        if crossed != marks.has(Marks::CROSSED) {
            self.crossing(of.index, crossed, of.event, *of.at);
        }
    }

    /// Shows what an event did to a book of levels when the venue's event is whole.
    pub(super) fn touched_levels(&mut self, of: Of<'_>) {
        self.open(of, end_of(of.event));
    }

    fn open(&mut self, of: Of<'_>, until: End) {
        if self.open.is_empty() {
            self.open_until = until;
        }
        self.opened_by = Some((*of.event, *of.at));
        let instrument = &mut self.instruments[of.index as usize];
        if !instrument.open {
            instrument.open = true;
            self.open.push(of.index);
        }
    }

    /// Shows the books that were left between two states, if an event of another time begins.
    #[cold]
    pub(super) fn end_if_over(&mut self, ts_event_ns: u64) {
        if self.open_until != End::Message
            && let Some((last, at)) = self.opened_by
            && last.head.ts_event_ns != ts_event_ns
        {
            self.close(Some((&last, at)));
        }
    }

    /// Shows the books that were between two states, if `event` ends that.
    pub(super) fn end(&mut self, event: &MarketEvent, at: At) {
        self.ended |= match self.open_until {
            End::Message => true,
            End::Iex => match event.view() {
                View::Level(level) => level.venue_flags & IEX_COMPLETE != 0,
                _ => false,
            },
            End::Cme => match_event(event) & CME_COMPLETE != 0,
        };
        if self.ended && event.head.flags.contains(Flags::LAST) {
            self.close(Some((event, at)));
        }
    }

    /// Shows the books that were between two states, as they are.
    pub(super) fn close(&mut self, cause: Option<(&MarketEvent, At)>) {
        (self.ended, self.opened_by) = (false, None);
        while let Some(index) = self.open.pop() {
            self.instruments[index as usize].open = false;
            let best = BookSide::BOTH.map(|side| self.best(index, side));
            self.change(index as usize, |top| {
                for (side, level) in BookSide::BOTH.into_iter().zip(best) {
                    top.best.set(side, level);
                }
                if let Some((event, _)) = cause {
                    top.ts_event_ns = event.head.ts_event_ns;
                    if top.marks.has(Marks::SNAPSHOT) {
                        top.unmark(HEALED);
                    }
                }
            });
            match cause {
                Some((event, at)) => self.check_crossed(index, event, at),
                None => self.note_crossed(index),
            }
        }
    }

    /// Half an event can leave a book crossed, which is no error, and not to be trusted even if the
    /// gap that took the rest turns out to be harmless.
    #[cold]
    fn note_crossed(&mut self, index: u32) {
        let top = &self.tops[index as usize];
        if top.best.is_crossed() && !top.marks.is_halted() {
            self.mark(index, Marks::CROSSED, self.ts_recv_ns);
        }
    }

    pub(super) fn check_crossed(&mut self, index: u32, event: &MarketEvent, at: At) {
        let top = &self.tops[index as usize];
        let (marks, crossed) = (top.marks, top.best.is_crossed());
        if crossed != marks.has(Marks::CROSSED) {
            self.crossing(index, crossed, event, at);
        }
    }

    #[cold]
    fn crossing(&mut self, index: u32, crossed: bool, event: &MarketEvent, at: At) {
        let top = &self.tops[index as usize];
        if !crossed {
            self.unmark(index, Marks::CROSSED);
        } else if !top.marks.is_halted() {
            let mut named = *event;
            // A group of events can end with one of another instrument.
            named.head.instrument = top.instrument;
            self.error(Some(index), DataErrorKind::Crossed, &named, at);
        }
    }
}

/// Returns what ends the group that an event of a book of levels belongs to.
fn end_of(event: &MarketEvent) -> End {
    match event.view() {
        View::Level(_) if event.head.flags.contains(Flags::SNAPSHOT) => End::Message,
        View::Level(level) => match level.entry_type {
            b'8' | b'5' => End::Iex,
            b'0' | b'1' | b'E' | b'F' | b'J' => End::Cme,
            _ => End::Message,
        },
        _ => End::Message,
    }
}

/// Returns CME's match event indicator, 0 where an event has none.
fn match_event(event: &MarketEvent) -> u8 {
    match event.view() {
        View::Level(level) => level.venue_flags,
        View::LastSale(sale) => sale.conditions,
        View::Volume(volume) => volume.venue_flags,
        View::Statistic(statistic) => statistic.venue_flags,
        View::SecurityStatus(status) => status.venue_flags,
        View::ChannelReset(reset) => reset.venue_flags,
        _ => 0,
    }
}
