//! Owns the two memories of the arbiter: when and by whom numbers were told of that have not come,
//! and which numbers were given up.

use crate::memory;
use std::collections::VecDeque;

/// Ranges of given-up numbers that are remembered, to tell a late message from a duplicate.
const GIVEN_UP_RANGES: usize = 64;

/// All numbers below `end` were known to exist since `seen_ns`, when `line` went past them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reveal {
    pub(super) end: u64,
    pub(super) seen_ns: u64,
    pub(super) line: u8,
}

/// What was told of numbers that are not yet accounted for, oldest first. The ends rise strictly,
/// and the times never fall.
///
/// Invariants: the ends are from `next` (while a session is being joined; above it afterwards) to a
/// window beyond it, so there is never more than one entry beyond the window's numbers, and the
/// buffer never grows. Before what is told now is pushed, what was told before is rebased to now.
#[derive(Debug)]
pub(super) struct Reveals(VecDeque<Reveal>);

impl Reveals {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self(memory::with_capacity(capacity).into())
    }

    pub(super) fn push(&mut self, reveal: Reveal) {
        match self.0.back_mut() {
            Some(last) if last.line == reveal.line && last.seen_ns == reveal.seen_ns => {
                last.end = reveal.end;
            }
            _ => {
                assert!(
                    self.0.len() < self.0.capacity(),
                    "invariant: there are no more reveals than numbers that can be missing"
                );
                self.0.push_back(reveal);
            }
        }
    }

    /// Where the clock has stepped back to `now_ns`, counts what was told after that as told now.
    pub(super) fn rebase(&mut self, now_ns: u64) {
        let later = |reveal: &&mut Reveal| reveal.seen_ns > now_ns;
        for reveal in self.0.iter_mut().rev().take_while(later) {
            reveal.seen_ns = now_ns;
        }
    }

    /// Returns what first told of `number`.
    pub(super) fn of(&self, number: u64) -> Option<&Reveal> {
        self.0
            .get(self.0.partition_point(|reveal| reveal.end <= number))
    }

    /// Returns the end of the numbers that were known for `hold_ns` or longer at `now_ns`.
    pub(super) fn expired(&self, now_ns: u64, hold_ns: u64) -> Option<u64> {
        let old = |reveal: &&Reveal| now_ns.saturating_sub(reveal.seen_ns) >= hold_ns;
        self.0
            .iter()
            .take_while(old)
            .last()
            .map(|reveal| reveal.end)
    }

    /// Forgets what was told of numbers below `next`.
    pub(super) fn pass(&mut self, next: u64) {
        while self.0.front().is_some_and(|reveal| reveal.end <= next) {
            self.0.pop_front();
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// The most recent ranges of numbers that were given up, disjoint and rising.
#[derive(Debug)]
pub(super) struct GivenUp {
    ranges: VecDeque<(u64, u64)>,
    /// End of the last range: what begins here or later overlaps none.
    end: u64,
}

impl GivenUp {
    pub(super) fn new() -> Self {
        Self {
            ranges: memory::with_capacity(GIVEN_UP_RANGES).into(),
            end: 0,
        }
    }

    /// Adds `first..end`, which lies above all that was added before.
    pub(super) fn push(&mut self, first: u64, end: u64) {
        self.end = end;
        match self.ranges.back_mut() {
            Some(last) if last.1 == first => last.1 = end,
            _ => {
                if self.ranges.len() == GIVEN_UP_RANGES {
                    self.ranges.pop_front();
                }
                self.ranges.push_back((first, end));
            }
        }
    }

    /// Returns how many of `from..to` were given up.
    pub(super) fn count(&self, from: u64, to: u64) -> u64 {
        if from >= self.end {
            return 0;
        }
        let overlap = |&(first, end): &(u64, u64)| end.min(to).saturating_sub(first.max(from));
        self.ranges.iter().map(overlap).sum()
    }

    pub(super) fn clear(&mut self) {
        self.ranges.clear();
        self.end = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_up_numbers_are_counted_until_64_later_ranges_push_them_out() {
        let mut given_up = GivenUp::new();
        given_up.push(10, 12);
        given_up.push(12, 15);
        assert_eq!(given_up.ranges.len(), 1, "adjacent ranges are one");
        for (from, to, count) in [(0, 10, 0), (0, 11, 1), (11, 20, 4), (15, 99, 0), (0, 99, 5)] {
            assert_eq!(given_up.count(from, to), count, "{from}..{to}");
        }
        for range in 2..66 {
            given_up.push(range * 10, range * 10 + 1);
        }
        assert_eq!(given_up.count(0, 20), 0);
        assert_eq!(given_up.count(0, 1_000), 64);
        assert_eq!(given_up.ranges.capacity(), GIVEN_UP_RANGES);
    }

    #[test]
    fn a_number_was_told_of_by_the_first_who_went_past_it() {
        let mut reveals = Reveals::with_capacity(4);
        reveals.push(Reveal {
            end: 5,
            seen_ns: 10,
            line: 0,
        });
        reveals.push(Reveal {
            end: 8,
            seen_ns: 10,
            line: 0,
        });
        reveals.push(Reveal {
            end: 9,
            seen_ns: 20,
            line: 1,
        });
        assert_eq!(reveals.0.len(), 2);
        assert_eq!(reveals.of(7).map(|reveal| reveal.line), Some(0));
        assert_eq!(reveals.of(8).map(|reveal| reveal.line), Some(1));
        assert!(reveals.of(9).is_none());
        assert_eq!(reveals.expired(29, 10), Some(8));
        assert_eq!(reveals.expired(30, 10), Some(9));
        reveals.pass(8);
        assert_eq!(reveals.of(0).map(|reveal| reveal.end), Some(9));
        reveals.pass(9);
        assert!(reveals.of(0).is_none());
    }

    #[test]
    fn a_step_back_rebases_what_was_told_after_it_and_nothing_else() {
        let mut reveals = Reveals::with_capacity(4);
        for (end, seen_ns) in [(5, 10), (6, 20), (7, 30)] {
            reveals.push(Reveal {
                end,
                seen_ns,
                line: 0,
            });
        }
        reveals.rebase(15);
        assert_eq!(reveals.expired(15, 1), Some(5));
        assert_eq!(reveals.expired(24, 10), Some(5));
        assert_eq!(reveals.expired(25, 10), Some(7));
    }
}
