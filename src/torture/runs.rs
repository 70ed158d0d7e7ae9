//! Owns sets of numbers, kept as runs.

use std::collections::BTreeMap;
use std::ops::Range;

/// A set of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers(BTreeMap<u64, u64>);

impl Numbers {
    /// Adds the numbers of `range`.
    pub fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let (mut first, mut end) = (range.start, range.end);
        // Runs that touch the new one become one with it.
        while let Some((&from, &to)) = self.0.range(..=end).next_back()
            && to >= first
        {
            self.0.remove(&from);
            (first, end) = (first.min(from), end.max(to));
        }
        self.0.insert(first, end);
    }

    /// Returns whether `number` is in the set.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        let run = self.0.range(..=number).next_back();
        run.is_some_and(|(_, &end)| number < end)
    }

    /// Returns how many numbers there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.runs().map(|run| run.end - run.start).sum()
    }

    /// Returns the runs, rising and apart.
    pub fn runs(&self) -> impl Iterator<Item = Range<u64>> {
        self.0.iter().map(|(&first, &end)| first..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_set_of_runs_is_a_set() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..200 {
            let (mut numbers, mut naive) = (Numbers::default(), BTreeSet::new());
            for _ in 0..20 {
                let first = random.u64(0..60);
                let range = first..first + random.u64(0..6);
                numbers.insert(range.clone());
                naive.extend(range);
            }
            assert_eq!(numbers.count(), naive.len() as u64);
            assert!((0..70).all(|number| numbers.contains(number) == naive.contains(&number)));
            let runs: Vec<_> = numbers.runs().collect();
            assert!(runs.windows(2).all(|pair| pair[0].end < pair[1].start));
        }
    }
}
