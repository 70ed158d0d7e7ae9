//! Owns the open bars of one rule: one for each instrument that traded since its last bar closed.

use super::totals::Totals;
use super::{BarEnd, BarRule};

/// The bars of one rule, by the instruments' places.
#[derive(Debug)]
pub(super) struct Bars {
    rule: BarRule,
    /// What a place holds means something only while its bit is set.
    bars: Vec<OpenBar>,
    /// A bit for each place: whether it has an open bar. So that those that are open are found in
    /// order without looking at the others.
    is_open: Vec<u64>,
    /// The stretch of time that all open bars share, of a rule of time that has seen an event.
    period: Option<Period>,
}

/// A bar that is not closed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OpenBar {
    pub(super) begin_ns: u64,
    pub(super) open_e9: i64,
    pub(super) high_e9: i64,
    pub(super) low_e9: i64,
    pub(super) close_e9: i64,
    pub(super) totals: Totals,
}

/// What became of a print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// It is older than the bar that it went into.
    pub(super) late: bool,
    /// The bar is full, for this reason.
    pub(super) full: Option<BarEnd>,
}

#[derive(Clone, Copy, Debug)]
struct Period {
    begin_ns: u64,
    /// `None` where the end is beyond the end of time.
    end_ns: Option<u64>,
}

impl Period {
    fn around(now_ns: u64, every_ns: u64) -> Self {
        let begin_ns = now_ns - now_ns % every_ns;
        Self {
            begin_ns,
            end_ns: begin_ns.checked_add(every_ns),
        }
    }
}

impl Bars {
    /// Takes memory for up to `instruments_max` instruments; what is not used is never touched.
    pub(super) fn new(rule: BarRule, instruments_max: usize) -> Self {
        Self {
            rule,
            bars: Vec::with_capacity(instruments_max),
            is_open: Vec::with_capacity(instruments_max.div_ceil(64)),
            period: None,
        }
    }

    /// Makes places below `places` exist.
    pub(super) fn make_room(&mut self, places: usize) {
        self.bars.resize(places, OpenBar::default());
        self.is_open.resize(places.div_ceil(64), 0);
    }

    /// Takes a print; `None` where the bar's sums have no room for it, which leaves the bar as it
    /// was.
    ///
    /// Hot path: no allocation, no system call, O(1).
    pub(super) fn take(
        &mut self,
        place: usize,
        ts_event_ns: u64,
        price_e9: i64,
        quantity: u64,
    ) -> Option<Taken> {
        let bar = self.bars.get_mut(place)?;
        let bit = 1 << (place % 64);
        let word = &mut self.is_open[place / 64];
        let begin_ns = self.period.map_or(ts_event_ns, |period| period.begin_ns);
        if *word & bit == 0 {
            *bar = OpenBar {
                begin_ns,
                open_e9: price_e9,
                high_e9: price_e9,
                low_e9: price_e9,
                close_e9: price_e9,
                totals: Totals::default().with(price_e9, quantity)?,
            };
            *word |= bit;
        } else {
            bar.totals = bar.totals.with(price_e9, quantity)?;
            bar.high_e9 = bar.high_e9.max(price_e9);
            bar.low_e9 = bar.low_e9.min(price_e9);
            bar.close_e9 = price_e9;
        }
        let full = match self.rule {
            BarRule::Ticks { count } if bar.totals.trades >= count => Some(BarEnd::Ticks),
            BarRule::Volume { quantity } if bar.totals.volume >= quantity => Some(BarEnd::Volume),
            _ => None,
        };
        Some(Taken {
            late: ts_event_ns < begin_ns && self.period.is_some(),
            full,
        })
    }

    /// Closes the bar of an instrument that has an open one.
    pub(super) fn close(&mut self, place: usize) -> OpenBar {
        self.is_open[place / 64] &= !(1 << (place % 64));
        self.bars[place]
    }

    /// Returns the first place from `from` on that has an open bar.
    pub(super) fn next_open(&self, from: usize) -> Option<usize> {
        let (first, bit) = (from / 64, from % 64);
        let mut words = self.is_open.iter().enumerate().skip(first);
        words.find_map(|(index, &word)| {
            let word = if index == first {
                word & (u64::MAX << bit)
            } else {
                word
            };
            (word != 0).then(|| index * 64 + word.trailing_zeros() as usize)
        })
    }

    /// Returns when the bars that are open end by time; `None` where they do not, or nothing is
    /// known of time.
    pub(super) fn end_ns(&self) -> Option<u64> {
        self.period?.end_ns
    }

    /// Lets bars that open from now on be of the stretch of time around `now_ns`, where the rule is
    /// one of time.
    pub(super) fn begin_period(&mut self, now_ns: u64) {
        if let BarRule::Time { every_ns } = self.rule {
            self.period = Some(Period::around(now_ns, every_ns));
        }
    }

    /// Returns whether the rule is one of time and has seen no event of its session.
    pub(super) fn awaits_time(&self) -> bool {
        matches!(self.rule, BarRule::Time { .. }) && self.period.is_none()
    }

    /// Forgets the time: another session may count it from another beginning.
    pub(super) fn forget_time(&mut self) {
        self.period = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_bars_are_found_in_order_wherever_they_are() {
        let mut bars = Bars::new(BarRule::Ticks { count: 9 }, 300);
        bars.make_room(300);
        let open = [0, 1, 63, 64, 127, 128, 200, 299];
        for place in open.into_iter().rev() {
            assert!(bars.take(place, 1, 5, 1).is_some());
        }
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(place) = bars.next_open(from) {
            found.push(place);
            from = place + 1;
        }
        assert_eq!(found, open);
        for place in open {
            bars.close(place);
        }
        assert_eq!(bars.next_open(0), None);
        assert_eq!(bars.take(300, 1, 5, 1), None, "there is no such place");
    }

    #[test]
    fn a_period_at_the_end_of_time_never_ends() {
        let mut bars = Bars::new(BarRule::Time { every_ns: 1_000 }, 1);
        bars.make_room(1);
        assert!(bars.awaits_time());
        bars.begin_period(2_999);
        assert_eq!(bars.end_ns(), Some(3_000));
        bars.begin_period(u64::MAX);
        assert_eq!(bars.end_ns(), None);
        assert!(bars.take(0, 5, 1, 1).unwrap().late);
    }
}
