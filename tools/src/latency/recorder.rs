//! Owns the samples: how long each message took from when it was due to the handler.

use super::sender::Begin;
use hdrhistogram::Histogram;
use ringtape::clock::{Clock, SystemClock};
use ringtape::counters::Counter;
use ringtape::handler::{At, Handler};
use ringtape::latency::{self, MAX_NS, SIGNIFICANT_DIGITS};
use ringtape::market::{Flags, MarketEvent};
use ringtape::record::Gap;
use std::sync::Arc;

/// The length of an interval, unless there would be too many.
const INTERVAL_NS: u64 = 1_000_000_000;
/// The most intervals: their histograms are 28 KB each.
const INTERVALS_MAX: u64 = 600;

/// Histograms by interval, with fixed bounds, allocated and touched before the run.
#[derive(Debug)]
pub(super) struct Recorder {
    begin: Arc<Begin>,
    warm_up_ns: u64,
    interval_ns: u64,
    intervals: Vec<Histogram<u64>>,
    out_of_range: u64,
    warm_up: u64,
}

/// Makes a histogram with the bounds of all others, which does not resize itself.
pub(super) fn histogram() -> Histogram<u64> {
    let mut histogram = Histogram::new_with_bounds(1, MAX_NS, SIGNIFICANT_DIGITS)
        .expect("invariant: the bounds are constants that the histogram accepts");
    // Writes the pages now, so that they do not fault while something is measured.
    histogram.reset();
    histogram
}

impl Recorder {
    /// Makes a recorder of what is due within `span_ns` after the warm-up.
    pub(super) fn new(begin: Arc<Begin>, warm_up_ns: u64, span_ns: u64) -> Self {
        let interval_ns = INTERVAL_NS.max(span_ns.div_ceil(INTERVALS_MAX));
        let intervals = span_ns.div_ceil(interval_ns).max(1);
        Self {
            begin,
            warm_up_ns,
            interval_ns,
            intervals: (0..intervals).map(|_| histogram()).collect(),
            out_of_range: 0,
            warm_up: 0,
        }
    }

    /// Counts a message that was due at `due_ns` and came to the handler at `handler_ns`.
    ///
    /// Hot path: no allocation, no system call, O(1).
    pub(super) fn sample(&mut self, handler_ns: u64, due_ns: u64) {
        let since_ns = due_ns.saturating_sub(self.begin.get());
        let Some(measured_ns) = since_ns.checked_sub(self.warm_up_ns) else {
            self.warm_up += 1;
            return;
        };
        let interval = usize::try_from(measured_ns / self.interval_ns).unwrap_or(usize::MAX);
        let last = self.intervals.len() - 1;
        let recorded = handler_ns
            .checked_sub(due_ns)
            .is_some_and(|took_ns| self.intervals[interval.min(last)].record(took_ns).is_ok());
        self.out_of_range += u64::from(!recorded);
    }

    /// Returns whether the warm-up was over at that time.
    fn is_after_warm_up(&self, time_ns: u64) -> bool {
        // Before the begin is known, nothing is over.
        let begin_ns = self.begin.get();
        begin_ns > 0 && time_ns >= begin_ns.saturating_add(self.warm_up_ns)
    }

    /// Returns how many messages belonged to the warm-up, and how many were out of range.
    pub(super) fn uncounted(&self) -> (u64, u64) {
        (self.warm_up, self.out_of_range)
    }

    /// Returns all samples as one, the intervals, and how long each is.
    pub(super) fn into_intervals(self) -> (Histogram<u64>, Vec<Histogram<u64>>, u64) {
        let mut total = histogram();
        for interval in &self.intervals {
            total
                .add(interval)
                .expect("invariant: all histograms have the same bounds");
        }
        (total, self.intervals, self.interval_ns)
    }

    /// Returns all samples as one, and how many were out of range.
    #[cfg(test)]
    pub(super) fn into_total(self) -> (Histogram<u64>, u64) {
        let out_of_range = self.out_of_range;
        (self.into_intervals().0, out_of_range)
    }
}

/// The handler of a measured pipeline.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) recorder: Recorder,
    /// From when a message was due to its receive stamp, for those that came after the warm-up, as
    /// in the hops behind it.
    pub(super) due_to_wire: latency::Histogram,
    /// Messages that came.
    pub(super) received: Arc<Counter>,
    /// Messages that the handler was told are missing.
    pub(super) missing: u64,
    clock: SystemClock,
}

impl Probe {
    /// Makes a handler that counts with `recorder`.
    pub(super) fn new(recorder: Recorder) -> Self {
        Self {
            recorder,
            due_to_wire: latency::Histogram::new(),
            received: Arc::default(),
            missing: 0,
            clock: SystemClock,
        }
    }
}

impl Handler<MarketEvent> for Probe {
    /// A message can become several events; it has come with the last of them.
    fn on_event(&mut self, event: &MarketEvent, at: At) {
        let handler_ns = self.clock.now_ns();
        if !event.head.flags.contains(Flags::LAST) {
            return;
        }
        let due_ns = event.head.ts_event_ns;
        self.recorder.sample(handler_ns, due_ns);
        if self.recorder.is_after_warm_up(at.ts_recv_ns) {
            self.due_to_wire.record(due_ns, at.ts_recv_ns);
        }
        self.received.add(1);
    }

    fn on_gap(&mut self, gap: Gap) {
        self.missing += gap.count();
    }

    /// The time at which it was due is in the record, which comes later.
    fn is_measured(&self, ts_recv_ns: u64) -> bool {
        self.recorder.is_after_warm_up(ts_recv_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringtape::record::Sequence;

    const S: u64 = 1_000_000_000;

    #[test]
    fn a_sample_belongs_to_the_interval_in_which_it_was_due() {
        let begin = Arc::<Begin>::default();
        begin.set(5 * S);
        let mut recorder = Recorder::new(begin, S, 2 * S + S / 2);
        // Due in the warm-up, in the first interval, which it ended after, and in the last.
        for (due_ns, took_ns) in [(5 * S, 7), (6 * S, 3 * S), (6 * S + 1, 100), (8 * S, 50)] {
            recorder.sample(due_ns + took_ns, due_ns);
        }
        // Beyond the end counts with the last interval; what goes backwards and what takes more
        // than a minute is counted apart.
        recorder.sample(30 * S + 9, 30 * S);
        recorder.sample(7 * S - 1, 7 * S);
        recorder.sample(90 * S, 7 * S);
        assert_eq!(recorder.uncounted(), (1, 2));
        let (total, intervals, interval_ns) = recorder.into_intervals();
        let counts: Vec<u64> = intervals.iter().map(Histogram::len).collect();
        assert_eq!((counts, interval_ns), (vec![2, 0, 2], S));
        assert_eq!(total.len(), 4);
        assert!(total.equivalent(total.max(), 3 * S));
    }

    #[test]
    fn hops_are_those_of_messages_that_come_after_the_warm_up() {
        let begin = Arc::<Begin>::default();
        let mut probe = Probe::new(Recorder::new(Arc::clone(&begin), S, S));
        let is_measured = |probe: &Probe, ns| Handler::<MarketEvent>::is_measured(probe, ns);
        assert!(!is_measured(&probe, 7 * S), "not begun");
        begin.set(5 * S);
        for (due_ns, ts_recv_ns) in [(5 * S, 5 * S), (6 * S - 9, 6 * S - 1), (6 * S - 9, 6 * S)] {
            assert_eq!(is_measured(&probe, ts_recv_ns), ts_recv_ns >= 6 * S);
            let at = At {
                sequence: Sequence::FIRST,
                ts_recv_ns,
                end_of_batch: true,
            };
            probe.on_event(&super::super::ticks::event(1, due_ns), at);
        }
        assert_eq!(probe.due_to_wire.sum_ns(), 9);
        assert_eq!(probe.recorder.uncounted(), (3, 0));
    }

    #[test]
    fn a_long_run_has_longer_intervals_and_not_more_of_them() {
        let recorder = Recorder::new(Arc::default(), 0, 3_600 * S);
        let (_, intervals, interval_ns) = recorder.into_intervals();
        assert_eq!((intervals.len(), interval_ns), (600, 6 * S));
    }
}
