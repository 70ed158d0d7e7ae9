//! Owns the few records that took longest.

use super::{Exemplar, MAX_NS, Readings};

/// How many of the slowest records a [`Latency`](super::Latency) keeps.
pub const WORST_KEPT: usize = 16;

/// The slowest records so far, worst first.
#[derive(Clone, Debug)]
pub(super) struct Worst {
    kept: [Exemplar; WORST_KEPT],
    count: usize,
    /// What takes less than this is not kept: while there is room 0, then one nanosecond more than
    /// the least of those that are kept, so that of equals the earlier stays.
    least_ns: u64,
}

impl Default for Worst {
    fn default() -> Self {
        Self {
            kept: [Exemplar::default(); WORST_KEPT],
            count: 0,
            least_ns: 0,
        }
    }
}

impl Worst {
    /// Returns how long a record took if it is among the slowest so far.
    ///
    /// Hot path: no allocation, no system call, one comparison.
    #[inline(always)]
    pub(super) fn is_among(&self, readings: &Readings) -> Option<u64> {
        // A negative time is out of range, and so less than any.
        readings
            .whole_ns()
            .filter(|&whole_ns| whole_ns >= self.least_ns)
    }

    /// Keeps a record that is among the slowest; what is out of range is not.
    #[cold]
    pub(super) fn keep(&mut self, whole_ns: u64, exemplar: &Exemplar) {
        if whole_ns > MAX_NS {
            return;
        }
        let took = |kept: &Exemplar| kept.readings.whole_ns().unwrap_or(0);
        let place = self.kept().partition_point(|kept| took(kept) >= whole_ns);
        // The last falls off; while there is room, it is an empty place.
        self.count = (self.count + 1).min(WORST_KEPT);
        self.kept[place..self.count].rotate_right(1);
        self.kept[place] = *exemplar;
        if self.count == WORST_KEPT {
            self.least_ns = took(&self.kept[WORST_KEPT - 1]) + 1;
        }
    }

    pub(super) fn kept(&self) -> &[Exemplar] {
        &self.kept[..self.count]
    }
}
