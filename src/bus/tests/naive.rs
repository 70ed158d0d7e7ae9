//! The naive broadcast ring: which delivery comes next, worked out from all that was ever written.

use super::Expected::{self, Overrun, Record};
use std::collections::BTreeMap;

/// The naive ring: everything that was ever written, by number.
pub(super) struct Naive {
    pub(super) capacity: u64,
    pub(super) written: BTreeMap<u64, Entry>,
    pub(super) next: u64,
    pub(super) readers: Vec<NaiveReader>,
}

#[derive(Clone, Copy)]
pub(super) struct Entry {
    /// Where the hole that begins here ends, if one does.
    pub(super) hole: Option<u64>,
    pub(super) stamp_ns: u64,
}

pub(super) struct NaiveReader {
    pub(super) lossless: bool,
    pub(super) first: u64,
    pub(super) expected: u64,
    /// What it last told.
    pub(super) cursor: u64,
    pub(super) gone: bool,
}

pub(super) enum Sight {
    Nothing,
    Record,
    Missing(u64),
}

impl Naive {
    /// `batch` are the numbers that wait.
    pub(super) fn commit(&mut self, batch: std::ops::Range<u64>, stamp_ns: u64) -> bool {
        let rest = batch.start.max(self.next)..batch.end;
        if rest.is_empty() {
            return true;
        }
        while rest.start > self.next {
            if self.room(1) == 0 {
                return false;
            }
            // Whoever begins inside a hole finds one that begins there.
            let begins = self.readers.iter().map(|reader| reader.first);
            let to = begins.filter(|first| *first > self.next).min();
            let to = to.map_or(rest.start, |first| first.min(rest.start));
            let hole = Some(to);
            self.written.insert(self.next, Entry { hole, stamp_ns });
            self.next = to;
        }
        let fits = self.room(rest.end - rest.start);
        for number in rest.start..rest.start + fits {
            let hole = None;
            self.written.insert(number, Entry { hole, stamp_ns });
        }
        self.next += fits;
        self.next == rest.end
    }

    fn room(&self, wanted: u64) -> u64 {
        let gated = self.readers.iter().filter(|at| at.lossless && !at.gone);
        let Some(slowest) = gated.map(|at| at.cursor).min() else {
            return wanted;
        };
        let room = (slowest + self.capacity).saturating_sub(self.next);
        if room < wanted.min(self.capacity / 2) {
            0
        } else {
            room.min(wanted)
        }
    }

    fn is_overwritten(&self, number: u64) -> bool {
        let laps = (1..).map(|lap| number + lap * self.capacity);
        laps.take_while(|&later| later < self.next)
            .any(|later| self.written.contains_key(&later))
    }

    pub(super) fn see(&self, number: u64) -> Sight {
        if self.is_overwritten(number) {
            let behind = self.next - self.capacity / 2..self.next;
            let is_there = |n: &u64| self.written.contains_key(n) || self.is_overwritten(*n);
            return Sight::Missing({ behind }.find(is_there).unwrap_or(self.next));
        }
        match self.written.get(&number) {
            None => Sight::Nothing,
            Some(Entry { hole: Some(to), .. }) => Sight::Missing(*to),
            Some(_) => Sight::Record,
        }
    }

    /// What a poll that takes at most `deliveries_max` deliveries gives.
    pub(super) fn poll(
        &mut self,
        who: usize,
        limit: usize,
        deliveries_max: usize,
    ) -> Vec<Expected> {
        let mut got = Vec::new();
        for _ in 0..limit.min(usize::try_from(self.capacity).unwrap()) {
            for second in [false, true] {
                let expected = self.readers[who].expected;
                let (delivery, next) = match self.see(expected) {
                    Sight::Nothing => return got,
                    // One loss after the other, without a record between: with the next poll.
                    Sight::Missing(_) if second => return got,
                    Sight::Missing(to) => (Overrun(expected, to - 1), to),
                    Sight::Record => (Record(expected), expected + 1),
                };
                if got.len() == deliveries_max {
                    return got;
                }
                got.push(delivery);
                self.advance(who, next);
                if matches!(delivery, Record(_)) {
                    break;
                }
            }
        }
        got
    }

    /// What is lent in bulk.
    pub(super) fn ready(&self, who: usize, limit: usize) -> Vec<Expected> {
        let expected = self.readers[who].expected;
        if let Sight::Missing(to) = self.see(expected) {
            return vec![Overrun(expected, to - 1)];
        }
        let numbers = expected..expected + (limit as u64).min(self.capacity);
        numbers
            .take_while(|&number| matches!(self.see(number), Sight::Record))
            .map(Record)
            .collect()
    }

    pub(super) fn take(&mut self, who: usize, taken: &[Expected]) {
        match taken.last() {
            Some(&Record(last) | &Overrun(_, last)) => self.advance(who, last + 1),
            None => {}
        }
    }

    fn advance(&mut self, who: usize, next: u64) {
        let reader = &mut self.readers[who];
        reader.expected = next;
        if next >= reader.cursor + (self.capacity / 4).max(1) {
            reader.cursor = next;
        }
    }
}
