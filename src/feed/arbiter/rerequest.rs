//! Owns what arbitration has to do with re-requests: which numbers are missing, and what becomes of
//! answers. When to ask whom is not known here.

use super::{Arbiter, Decode, Outlet, Run};
use std::ops::Range;

impl Arbiter {
    /// Returns the number above the highest that is known to exist.
    #[must_use]
    pub fn known_end(&self) -> u64 {
        self.known_end
    }

    /// Returns whether a number is missing now.
    #[must_use]
    pub fn has_hole(&self) -> bool {
        self.is_running() && self.next < self.known_end
    }

    /// Returns the first run of missing numbers in `within`, first and end, as far as it has at most
    /// `count_max`. O(window), and no more than what is looked at: the numbers up to its end.
    #[must_use]
    pub fn missing(&self, within: Range<u64>, count_max: u64) -> Option<(u64, u64)> {
        if !self.is_running() {
            return None;
        }
        let limit = within.end.min(self.known_end);
        let mut rest = within.start.max(self.next)..limit;
        let first = rest.find(|&number| !self.window.holds(number))?;
        let limit = limit.min(first.saturating_add(count_max));
        let end = (first..limit).find(|&number| self.window.holds(number));
        Some((first, end.unwrap_or(limit)))
    }

    /// Notes that the missing numbers `first..end` are asked for.
    pub fn ask(&mut self, first: u64, end: u64) {
        let end = end.min(self.next.saturating_add(self.window.len()));
        for number in first.max(self.next)..end {
            self.window.ask(number);
        }
    }

    /// Takes the messages of an answer. Only what is missing and was asked for is used; the rest
    /// changes nothing but counters. Returns how many numbers it brought that were missing.
    pub fn take_answer<'m>(
        &mut self,
        run: Run<impl Iterator<Item = &'m [u8]>>,
        to: &mut Outlet<'_, impl Decode>,
    ) -> u64 {
        let Run {
            line,
            first,
            count,
            messages,
        } = run;
        let mut brought = 0;
        // What was cut from an answer is as if the answer had been shorter.
        for (number, bytes) in (first..first + count).zip(messages) {
            self.counters.messages.add(1);
            if number < self.next {
                self.count_passed(line, number, number + 1);
                self.compare_answered(line, number, bytes);
            } else if !self.is_running()
                || number >= self.known_end
                || !(self.window.was_asked(number) || self.window.holds(number))
            {
                self.counters.unasked.add(1);
            } else if number > self.next || self.window.holds(number) {
                let was_missing = !self.window.holds(number);
                self.hold(line, number, bytes, to);
                brought += u64::from(was_missing && self.window.holds(number));
            } else {
                self.deliver_next(line, bytes, to);
                brought += u64::from(number < self.next);
            }
        }
        self.settle(to);
        brought
    }
}
