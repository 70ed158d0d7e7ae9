//! Owns sets of message numbers, kept as runs.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A set of numbers as runs that neither touch nor overlap.
///
/// # Examples
///
/// ```
/// use ringtape_cli::packets::Ranges;
///
/// let mut seen = Ranges::default();
/// assert_eq!(seen.insert(1..=3), 3);
/// assert_eq!(seen.insert(3..=5), 2);
/// assert_eq!(seen.insert(9..=9), 1);
/// assert_eq!(seen.runs().collect::<Vec<_>>(), [1..=5, 9..=9]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Ranges {
    /// Last number of each run by its first.
    runs: BTreeMap<u64, u64>,
}

impl Ranges {
    /// Adds a run; returns how many of its numbers are new.
    pub fn insert(&mut self, run: RangeInclusive<u64>) -> u64 {
        let (mut first, mut last) = run.into_inner();
        if first > last {
            return 0;
        }
        let (before, mut joined) = (last - first + 1, 0);
        // Runs that touch it from either side become one with it.
        let reach = last.saturating_add(1);
        while let Some((&start, &end)) = self.runs.range(..=reach).next_back() {
            if end.saturating_add(1) < first {
                break;
            }
            self.runs.remove(&start);
            joined += end - start + 1;
            (first, last) = (first.min(start), last.max(end));
        }
        self.runs.insert(first, last);
        let overlap = (before + joined) - (last - first + 1);
        before - overlap
    }

    /// Takes a run out.
    pub fn remove(&mut self, run: RangeInclusive<u64>) {
        let (first, last) = run.into_inner();
        while let Some((&start, &end)) = self.runs.range(..=last).next_back() {
            if end < first {
                break;
            }
            self.runs.remove(&start);
            if start < first {
                self.runs.insert(start, first - 1);
            }
            if end > last {
                self.runs.insert(last + 1, end);
            }
        }
    }

    /// Tells whether every number of a run is in the set.
    #[must_use]
    pub fn contains(&self, run: &RangeInclusive<u64>) -> bool {
        let below = self.runs.range(..=*run.start()).next_back();
        below.is_some_and(|(_, last)| run.end() <= last)
    }

    /// Returns the runs, ascending.
    pub fn runs(&self) -> impl Iterator<Item = RangeInclusive<u64>> {
        self.runs.iter().map(|(&first, &last)| first..=last)
    }

    /// Returns how many runs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// Tells whether the set holds no number.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Forgets the lowest run.
    pub(super) fn forget_first(&mut self) {
        self.runs.pop_first();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ranges_are_what_a_set_of_numbers_would_be() {
        let mut random = fastrand::Rng::with_seed(7);
        for round in 0..200 {
            let (mut ranges, mut oracle) = (Ranges::default(), BTreeSet::new());
            for _ in 0..60 {
                let first = random.u64(0..80);
                let run = first..=first + random.u64(0..12);
                if random.u32(0..3) == 0 {
                    ranges.remove(run.clone());
                    oracle.retain(|number| !run.contains(number));
                } else {
                    let new = run.clone().filter(|&number| oracle.insert(number)).count();
                    assert_eq!(ranges.insert(run), new as u64, "round {round}");
                }
                let numbers: Vec<u64> = ranges.runs().flatten().collect();
                assert_eq!(
                    numbers,
                    oracle.iter().copied().collect::<Vec<_>>(),
                    "round {round}"
                );
                let touching = ranges.runs().zip(ranges.runs().skip(1));
                assert!(touching.into_iter().all(|(a, b)| a.end() + 1 < *b.start()));
                let probe = random.u64(0..90);
                let probe = probe..=probe + random.u64(0..4);
                let all = probe.clone().all(|number| oracle.contains(&number));
                assert_eq!(ranges.contains(&probe), all, "round {round} {probe:?}");
            }
        }
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let mut ranges = Ranges::default();
        assert_eq!(ranges.insert(u64::MAX - 1..=u64::MAX), 2);
        assert_eq!(ranges.insert(1..=u64::MAX - 2), u64::MAX - 2);
        assert_eq!(ranges.len(), 1);
        ranges.remove(5..=u64::MAX);
        assert_eq!(ranges.runs().collect::<Vec<_>>(), [1..=4]);
    }
}
