//! Owns a histogram with fixed bounds and an exact sum.

use hdrhistogram::Histogram as Hdr;

/// The largest latency that has a bucket: 60 s.
pub const MAX_NS: u64 = 60_000_000_000;
/// Significant decimal digits of a bucket. Two keep a histogram at 28 KB, most of it untouched,
/// so that recording stays in the first-level cache; an error of 1 % is below what a shared
/// machine can tell apart.
pub const SIGNIFICANT_DIGITS: u8 = 2;

/// Counts latencies between 0 and [`MAX_NS`]; what lies outside is counted, never clamped.
///
/// # Examples
///
/// ```
/// use ringtape::latency::Histogram;
///
/// let mut latencies = Histogram::new();
/// latencies.record(1_000, 1_700);
/// latencies.record_n(2_000, 2_300, 2);
/// assert_eq!((latencies.summary().count, latencies.sum_ns()), (3, 1_300));
/// ```
#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: Hdr<u64>,
    /// Of the samples in range, each to the nanosecond.
    sum_ns: u128,
    out_of_range: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// Allocates all buckets; recording never does.
    #[must_use]
    pub fn new() -> Self {
        let buckets = Hdr::new_with_bounds(1, MAX_NS, SIGNIFICANT_DIGITS)
            .expect("invariant: the bounds are constants that the histogram accepts");
        Self {
            buckets,
            sum_ns: 0,
            out_of_range: 0,
        }
    }

    /// Counts the time from `earlier_ns` to `later_ns`. Out of range if it is negative, as when
    /// the machine's clock was set back in between, or longer than [`MAX_NS`].
    ///
    /// Hot path: no allocation, no system call, O(1).
    pub fn record(&mut self, earlier_ns: u64, later_ns: u64) {
        self.record_n(earlier_ns, later_ns, 1);
    }

    /// Counts the time from `earlier_ns` to `later_ns` as `count` samples.
    ///
    /// Hot path: no allocation, no system call, O(1).
    pub fn record_n(&mut self, earlier_ns: u64, later_ns: u64, count: u64) {
        match later_ns.checked_sub(earlier_ns) {
            Some(elapsed_ns) if self.buckets.record_n(elapsed_ns, count).is_ok() => {
                self.sum_ns += u128::from(elapsed_ns) * u128::from(count);
            }
            _ => self.out_of_range += count,
        }
    }

    /// Adds all that `other` counted.
    pub fn merge(&mut self, other: &Self) {
        self.buckets
            .add(&other.buckets)
            .expect("invariant: all histograms have the same bounds");
        self.sum_ns += other.sum_ns;
        self.out_of_range += other.out_of_range;
    }

    /// Returns the sum of the samples in range, exact to the nanosecond: what a share of a whole is
    /// computed from. No percentile can be had from it, and a mean alone hides what matters.
    #[must_use]
    pub const fn sum_ns(&self) -> u128 {
        self.sum_ns
    }

    /// Returns how many samples were out of range.
    #[must_use]
    pub const fn out_of_range(&self) -> u64 {
        self.out_of_range
    }

    /// Lends the buckets, for who writes logs.
    #[must_use]
    pub const fn hdr(&self) -> &Hdr<u64> {
        &self.buckets
    }

    /// Returns the percentiles.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let at = |quantile| self.buckets.value_at_quantile(quantile);
        Summary {
            count: self.buckets.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            p9999: at(0.9999),
            max: self.buckets.max(),
            out_of_range: self.out_of_range,
        }
    }
}

/// Percentiles of a [`Histogram`] in nanoseconds; each is the upper end of its bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Samples in range.
    pub count: u64,
    /// Half of the samples took at most this.
    pub p50: u64,
    /// 90 %.
    pub p90: u64,
    /// 99 %.
    pub p99: u64,
    /// 99.9 %.
    pub p999: u64,
    /// 99.99 %.
    pub p9999: u64,
    /// All of them.
    pub max: u64,
    /// Samples below zero or above [`MAX_NS`], in none of the other figures.
    pub out_of_range: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_lies_outside_the_bounds_is_counted_and_not_clamped() {
        let mut histogram = Histogram::new();
        histogram.record(10, 5);
        histogram.record(0, 2 * MAX_NS);
        histogram.record(0, u64::MAX);
        histogram.record(7, 7);
        let summary = histogram.summary();
        assert_eq!(
            (summary.count, summary.max, summary.out_of_range),
            (1, 0, 3)
        );
    }

    proptest! {
        #[test]
        fn percentiles_are_those_of_the_sorted_samples_within_the_bucket_width(
            mut samples in prop::collection::vec(0_u64..=MAX_NS, 1..500),
            split in 0_usize..500,
        ) {
            let (mut first, mut second) = (Histogram::new(), Histogram::new());
            for (i, &sample) in samples.iter().enumerate() {
                let histogram = if i < split { &mut first } else { &mut second };
                histogram.record(1_000, 1_000 + sample);
            }
            first.merge(&second);
            let summary = first.summary();
            samples.sort_unstable();
            prop_assert_eq!(summary.count, samples.len() as u64);
            for (per_10_000, found) in [
                (5_000, summary.p50),
                (9_000, summary.p90),
                (9_900, summary.p99),
                (9_990, summary.p999),
                (9_999, summary.p9999),
                (10_000, summary.max),
            ] {
                let rank = (samples.len() * per_10_000).div_ceil(10_000).max(1);
                let exact = samples[rank - 1];
                prop_assert!(found >= exact && found - exact <= exact / 64 + 1,
                    "{per_10_000}: {found} for {exact}");
            }
        }
    }
}
