//! Owns what is still to be derived from the last record: worked off event by event, so that it can
//! stop wherever there is no room for more.

mod events;

use self::events::Told;
use super::bars::Bars;
use super::totals::Totals;
use super::{BarEnd, DerivedConfig, DerivedCounts};
use crate::book::{Books, INSTRUMENTS_MAX, Print, Update};
use crate::market::{Head, Instrument, MarketEvent};

/// What events that follow from a record carry of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Origin {
    pub(super) ts_recv_ns: u64,
    pub(super) ts_event_ns: u64,
    pub(super) message: u32,
}

/// Derives events from what records do to the books.
///
/// Takes a record with the `take_*` methods and is then asked for [`next`](Self::next) until there
/// is none.
#[derive(Debug)]
pub(super) struct Derived {
    feed: u8,
    rules: Vec<Bars>,
    /// Sums of the session, by place.
    sessions: Vec<Totals>,
    /// The best prices that were told last, by place.
    told: Vec<Told>,
    /// The latest time of an event of the session.
    now_ns: u64,
    /// No bar closes by time before this.
    next_end_ns: u64,
    origin: Origin,
    closing: Option<Closing>,
    instrument: Option<Instrument>,
    print: Option<Print>,
    /// Places whose best prices may have changed, and how many of them are done.
    changed: Vec<u32>,
    changed_done: usize,
    /// Events that are ready, and how many of them were taken.
    staged: Vec<MarketEvent>,
    staged_done: usize,
    counts: DerivedCounts,
}

/// Bars that are being closed, one after the other.
#[derive(Clone, Copy, Debug)]
struct Closing {
    why: BarEnd,
    rule: usize,
    place: usize,
}

impl Closing {
    const fn all(why: BarEnd) -> Self {
        Self {
            why,
            rule: 0,
            place: 0,
        }
    }
}

impl Derived {
    pub(super) fn new(config: &DerivedConfig, instruments_max: usize) -> Self {
        let instruments_max = instruments_max.min(INSTRUMENTS_MAX);
        let rules = config.rules.iter();
        let rules: Vec<Bars> = rules
            .map(|&rule| Bars::new(rule, instruments_max))
            .collect();
        Self {
            feed: config.feed,
            sessions: Vec::with_capacity(instruments_max),
            told: Vec::with_capacity(instruments_max),
            now_ns: 0,
            next_end_ns: 0,
            origin: Origin::default(),
            closing: None,
            instrument: None,
            print: None,
            changed: Vec::with_capacity(instruments_max),
            changed_done: 0,
            // A print and the bars that it fills.
            staged: Vec::with_capacity(1 + 3 * rules.len()),
            staged_done: 0,
            rules,
            counts: DerivedCounts::default(),
        }
    }

    pub(super) fn counts(&self) -> DerivedCounts {
        self.counts
    }

    /// Returns the latest time that an event of the session had.
    pub(super) fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Returns when the record that is being worked off was received.
    pub(super) fn ts_recv_ns(&self) -> u64 {
        self.origin.ts_recv_ns
    }

    /// Takes what a record did to the books. Only when what came before is worked off.
    ///
    /// Hot path: no allocation, no system call.
    pub(super) fn take_update(&mut self, origin: Origin, update: Update<'_>) {
        assert!(
            self.is_idle(),
            "a handler is given records while it is not ready"
        );
        self.origin = origin;
        self.changed.extend_from_slice(update.changed);
        self.print = update.print;
    }

    /// Takes an instrument that the venue named.
    pub(super) fn take_instrument(&mut self, instrument: Instrument) {
        self.instrument = Some(instrument);
    }

    /// Lets time pass to that of the record.
    ///
    /// Hot path: no allocation, no system call, O(1) but where bars close.
    pub(super) fn take_time(&mut self) {
        let ts_event_ns = self.origin.ts_event_ns;
        self.now_ns = self.now_ns.max(ts_event_ns);
        if ts_event_ns < self.next_end_ns {
            return;
        }
        for bars in &mut self.rules {
            if bars.awaits_time() {
                bars.begin_period(ts_event_ns);
            } else if bars.end_ns().is_some_and(|end_ns| ts_event_ns >= end_ns) {
                self.closing = Some(Closing::all(BarEnd::Time));
            }
        }
        if self.closing.is_none() {
            self.set_next_end();
        }
    }

    /// Closes all bars: the session or the run ends.
    pub(super) fn take_end(&mut self) {
        self.closing = Some(Closing::all(BarEnd::Session));
    }

    fn set_next_end(&mut self) {
        let ends = self.rules.iter().filter_map(Bars::end_ns);
        self.next_end_ns = ends.min().unwrap_or(u64::MAX);
    }

    /// Returns whether nothing is left to be derived.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.changed.is_empty()
            && self.print.is_none()
            && self.closing.is_none()
            && self.instrument.is_none()
            && self.staged.is_empty()
    }

    /// Returns the next event, again and again until it is [`pass`](Self::pass)ed; `None` when all
    /// is worked off.
    ///
    /// Hot path: no allocation, no system call.
    pub(super) fn next(&mut self, books: &Books) -> Option<&MarketEvent> {
        if self.staged_done == self.staged.len() {
            self.staged.clear();
            self.staged_done = 0;
            self.make_room(books.len());
            self.stage(books);
        }
        self.staged.get(self.staged_done)
    }

    /// Goes on to the event after the one that [`next`](Self::next) returned.
    pub(super) fn pass(&mut self) {
        self.staged_done += 1;
    }

    fn make_room(&mut self, places: usize) {
        if places <= self.told.len() {
            return;
        }
        self.told.resize(places, Told::NOTHING);
        self.sessions.resize(places, Totals::default());
        for bars in &mut self.rules {
            bars.make_room(places);
        }
    }

    /// Makes the next events, as many as belong together, if there are any.
    fn stage(&mut self, books: &Books) {
        if self.closing.is_some() && self.stage_closed(books) {
            return;
        }
        if let Some(instrument) = self.instrument.take() {
            let head = Head {
                feed: self.feed,
                ..instrument.head
            };
            return self.staged.push(Instrument { head, ..instrument }.into());
        }
        if let Some(print) = self.print.take() {
            return self.stage_print(print, books);
        }
        while let Some(&place) = self.changed.get(self.changed_done) {
            self.changed_done += 1;
            if self.stage_bbo(place as usize, books.top(place)) {
                return;
            }
        }
        self.changed.clear();
        self.changed_done = 0;
    }

    /// Closes the next bar of those that are to be closed. Returns false when all are.
    fn stage_closed(&mut self, books: &Books) -> bool {
        while let Some(closing) = &mut self.closing {
            let Some(bars) = self.rules.get_mut(closing.rule) else {
                self.end_closing();
                return false;
            };
            let now_ns = self.origin.ts_event_ns;
            let end_ns = match closing.why {
                BarEnd::Session => Some(self.now_ns),
                _ => bars.end_ns().filter(|&end_ns| now_ns >= end_ns),
            };
            if let Some(end_ns) = end_ns {
                if let Some(place) = bars.next_open(closing.place) {
                    closing.place = place + 1;
                    let (bar, rule, why) = (bars.close(place), closing.rule, closing.why);
                    self.stage_bar(place, bar, rule, why, end_ns, books);
                    return true;
                }
                match closing.why {
                    BarEnd::Session => bars.forget_time(),
                    _ => bars.begin_period(now_ns),
                }
            }
            closing.rule += 1;
            closing.place = 0;
        }
        false
    }

    fn end_closing(&mut self) {
        if let Some(Closing {
            why: BarEnd::Session,
            ..
        }) = self.closing.take()
        {
            self.sessions.fill(Totals::default());
            self.now_ns = 0;
            // Asks the first event of the next session.
            self.next_end_ns = 0;
        } else {
            self.set_next_end();
        }
    }
}
