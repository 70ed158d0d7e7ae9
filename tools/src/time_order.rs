//! Owns the order of datagrams in time, where several lines bring them: each line in its own order,
//! and what lies between the lines by when it was received.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Datagrams that wait for an earlier one. Receivers bring some hundreds of one line before the
/// next line has its turn.
const DATAGRAMS_MAX: usize = 8192;
/// Bytes of them.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Buffers that are kept for further datagrams.
const SPARE_MAX: usize = 1024;

/// One datagram of a line.
#[derive(Debug, Default)]
pub(crate) struct Timed {
    /// Index of the line.
    pub(crate) line: usize,
    /// When it was received: UNIX nanoseconds.
    pub(crate) ts_ns: u64,
    /// What there is of it.
    pub(crate) bytes: Vec<u8>,
    /// How long it was on the wire.
    pub(crate) datagram_bytes: usize,
    /// Its place in the order: its time, but never before its line's last, then as they came.
    rank: (u64, u64),
}

/// A bounded number of datagrams, the earliest first.
#[derive(Debug, Default)]
pub(crate) struct TimeOrder {
    waiting: BinaryHeap<Timed>,
    waiting_bytes: usize,
    spare: Vec<Vec<u8>>,
    /// The latest time of each line.
    latest_ns: Vec<u64>,
    taken: u64,
}

impl TimeOrder {
    /// Takes a datagram. Returns the earliest, once more wait than are waited for.
    pub(crate) fn push(
        &mut self,
        line: usize,
        ts_ns: u64,
        bytes: &[u8],
        datagram_bytes: usize,
    ) -> Option<Timed> {
        if self.latest_ns.len() <= line {
            self.latest_ns.resize(line + 1, 0);
        }
        let latest_ns = &mut self.latest_ns[line];
        *latest_ns = ts_ns.max(*latest_ns);
        let rank = (*latest_ns, self.taken);
        self.taken += 1;
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.clear();
        kept.extend_from_slice(bytes);
        self.waiting_bytes += bytes.len();
        self.waiting.push(Timed {
            line,
            ts_ns,
            bytes: kept,
            datagram_bytes,
            rank,
        });
        if self.waiting.len() > DATAGRAMS_MAX || self.waiting_bytes > BYTES_MAX {
            return self.pop();
        }
        None
    }

    /// Returns the earliest datagram.
    pub(crate) fn pop(&mut self) -> Option<Timed> {
        let timed = self.waiting.pop()?;
        self.waiting_bytes -= timed.bytes.len();
        Some(timed)
    }

    /// Takes a datagram's buffer back, for another one.
    pub(crate) fn reuse(&mut self, timed: Timed) {
        if self.spare.len() < SPARE_MAX {
            self.spare.push(timed.bytes);
        }
    }
}

impl Ord for Timed {
    /// The heap gives its greatest first: that is the earliest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.rank.cmp(&self.rank)
    }
}

impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Timed {}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(order: &mut TimeOrder) -> Vec<(usize, u64)> {
        std::iter::from_fn(|| order.pop())
            .map(|timed| (timed.line, timed.ts_ns))
            .collect()
    }

    #[test]
    fn lines_are_merged_by_time_and_equal_times_keep_their_order() {
        let mut order = TimeOrder::default();
        for (line, ts_ns) in [(0, 10), (0, 20), (0, 30), (1, 5), (1, 20), (1, 25)] {
            assert!(order.push(line, ts_ns, &[1, 2], 2).is_none());
        }
        let merged = [(1, 5), (0, 10), (0, 20), (1, 20), (1, 25), (0, 30)];
        assert_eq!(drain(&mut order), merged);
    }

    #[test]
    fn a_clock_that_steps_back_does_not_reorder_a_line() {
        let mut order = TimeOrder::default();
        for (line, ts_ns) in [(0, 100), (0, 40), (1, 50), (0, 120)] {
            assert!(order.push(line, ts_ns, &[], 0).is_none());
        }
        assert_eq!(drain(&mut order), [(1, 50), (0, 100), (0, 40), (0, 120)]);
    }

    #[test]
    fn what_waits_is_bounded_in_number_and_in_bytes() {
        let mut order = TimeOrder::default();
        let count = DATAGRAMS_MAX as u64;
        for ts_ns in 0..count {
            assert!(order.push(0, ts_ns, &[], 0).is_none());
        }
        let earliest = order.push(0, count, &[], 0).expect("one too many");
        assert_eq!(earliest.ts_ns, 0);

        let mut order = TimeOrder::default();
        let bytes = vec![0; 65_507];
        let given = (0..2_000).filter_map(|ts_ns| order.push(0, ts_ns, &bytes, 65_507));
        assert_eq!(given.count(), 2_000 - BYTES_MAX / 65_507);
    }
}
