//! Owns what becomes of a number: delivered when its turn comes, or given up; and its count.

use super::copies::Comparison;
use super::past::Reveal;
use super::{Arbiter, Decode, Origin, Outlet};
use crate::feed::LineCounters;
use crate::record::{Gap, GapCause};

impl Arbiter {
    /// Delivers what is held from `next` on.
    pub(super) fn drain(&mut self, to: &mut Outlet<'_, impl Decode>) {
        while !self.window.is_clear() && self.window.holds(self.next) {
            self.deliver_held(to);
        }
    }

    fn deliver_held(&mut self, to: &mut Outlet<'_, impl Decode>) {
        let number = self.next;
        let (line, origin) = self.window.brought(number);
        let message = self.window.held(number);
        let decoded = to.decoder.decode(message, to.out);
        if decoded.is_ok() {
            // What was kept in part cannot be compared with a whole copy.
            if message.bytes.len() == usize::from(message.message_bytes) {
                self.copies
                    .note(number, message.bytes, line, message.ts_recv_ns);
            } else {
                self.copies.forget(number, number + 1);
            }
            self.count_delivered(line, origin);
        } else {
            // A decoder that called sound what it cannot decode: still no silent loss.
            self.publish_gap(number, number + 1, GapCause::Malformed, to);
        }
        self.pass(number + 1);
    }

    /// Gives up the oldest missing numbers as far as `first..end` needs room in the window. A run
    /// longer than the window makes room for itself as it is delivered.
    pub(super) fn make_room(&mut self, first: u64, end: u64, to: &mut Outlet<'_, impl Decode>) {
        let oldest = end.saturating_sub(self.window.len()).min(first);
        self.give_up_to(oldest, GapCause::Window, to);
    }

    /// Accounts for every number below `target`: delivers what is held, and publishes each run of
    /// the rest as a gap of the cause that is known for it, else of `cause`. O(window), because
    /// once no mark is left the rest is one run.
    pub(super) fn give_up_to(
        &mut self,
        target: u64,
        cause: GapCause,
        to: &mut Outlet<'_, impl Decode>,
    ) {
        // Not even what is held may be delivered then: the session may still be being joined.
        if target <= self.next {
            return;
        }
        while self.next < target {
            if self.window.holds(self.next) {
                self.deliver_held(to);
                continue;
            }
            let first = self.next;
            let why = self.window.cause(first, cause);
            let mut end = first;
            while end < target && !self.window.holds(end) && self.window.cause(end, cause) == why {
                self.window.forget(end);
                end = if self.window.is_clear() && why == cause {
                    target
                } else {
                    end + 1
                };
            }
            self.publish_gap(first, end, why, to);
            self.pass(end);
        }
        self.known_end = self.known_end.max(self.next);
        self.drain(to);
    }

    fn publish_gap(
        &mut self,
        first: u64,
        end: u64,
        cause: GapCause,
        to: &mut Outlet<'_, impl Decode>,
    ) {
        let gap = Gap {
            first,
            last: end - 1,
            cause,
            feed: self.feed,
        };
        to.out.push_gap(to.ts_recv_ns, gap);
        self.given_up.push(first, end);
        self.copies.forget(first, end);
        if let Some(lost) = self.counters.lost(cause) {
            lost.add(end - first);
        }
    }

    /// Moves `next` on: all below is accounted for.
    pub(super) fn pass(&mut self, next: u64) {
        self.window.forget(self.next);
        self.next = next;
        self.reveals.pass(next);
    }

    /// Notes that all numbers below `end` exist. What is not there yet is missing from now on.
    pub(super) fn reveal(&mut self, line: u8, end: u64, seen_ns: u64) {
        if end > self.known_end {
            self.known_end = end;
            self.reveals.push(Reveal { end, seen_ns, line });
        }
    }

    pub(super) fn origin(&self, line: u8, number: u64) -> Origin {
        if line >= self.market_lines {
            return Origin::Rerequest;
        }
        if number >= self.known_end {
            return Origin::First;
        }
        match self.reveals.of(number) {
            Some(reveal) if reveal.line != line => Origin::OtherLine,
            _ => Origin::Reordered,
        }
    }

    /// Counts messages whose numbers lie below `next`.
    pub(super) fn count_passed(&self, line: u8, from: u64, to: u64) {
        if from >= to {
            return;
        }
        let before_start = to.min(self.first).saturating_sub(from);
        let late = self.given_up.count(from, to);
        let counts = self.line_counts(line);
        self.counters.before_start.add(before_start);
        counts.late.add(late);
        counts.duplicates.add(to - from - before_start - late);
    }

    /// Compares the messages of a packet, numbered from `first`, as far as they lie below `next`,
    /// with what was delivered. What is late or was before the start was not, so it has nobody to
    /// compare with.
    pub(super) fn compare_passed<'m>(
        &mut self,
        line: u8,
        first: u64,
        messages: impl Iterator<Item = &'m [u8]>,
        ts_recv_ns: u64,
    ) {
        let mut timed = false;
        for (number, bytes) in (first..self.next).zip(messages) {
            if !self.copies.remembers(number, self.next) {
                continue;
            }
            match self.copies.compare(number, bytes, line) {
                Comparison::Unknown => continue,
                Comparison::Same => {}
                Comparison::Different => self.line_counts(line).mismatched.add(1),
            }
            // Once for each packet: its messages came together.
            if !timed {
                self.copies.time(number, line, ts_recv_ns);
                timed = true;
            }
        }
    }

    /// Compares a message of an answer, whose number lies below `next`, with what was delivered. When
    /// it came says nothing of the lines: it was on its way for as long as asking takes.
    pub(super) fn compare_answered(&mut self, line: u8, number: u64, bytes: &[u8]) {
        let remembered = self.copies.remembers(number, self.next);
        if remembered && self.copies.compare(number, bytes, line) == Comparison::Different {
            self.line_counts(line).mismatched.add(1);
        }
    }

    pub(super) fn count_delivered(&self, line: u8, origin: Origin) {
        let by_origin = match origin {
            Origin::First => &self.counters.first_arrival,
            Origin::OtherLine => &self.counters.other_line,
            Origin::Reordered => &self.counters.reordered,
            Origin::Rerequest => &self.counters.rerequested,
        };
        by_origin.add(1);
        self.line_counts(line).won.add(1);
    }

    pub(super) fn line_counts(&self, line: u8) -> &LineCounters {
        &self.counters.by_line[usize::from(line)]
    }
}
