//! Owns when packets are due.

use crate::interrupt;
use std::thread;
use std::time::{Duration, Instant};

/// How fast packets are played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// As the file's times say, times a speed in thousandths.
    Own {
        /// 1,000 is the file's own pace.
        speed_e3: u64,
    },
    /// So many messages a second.
    Rate {
        /// At least 1.
        messages_per_s: u64,
    },
    /// Without a pause.
    Max,
}

/// How much earlier than due the kernel is asked to wake us: a sleeping thread comes back some
/// 50 µs late. The rest is waited with `sched_yield`, because a receiver may want this core.
const YIELDED: Duration = Duration::from_micros(150);
/// Packets sent without a pause after which others may use the core: a receiver that shares it
/// would otherwise find its socket buffer full when its turn comes.
const PACKETS_PER_YIELD: u64 = 32;

/// The times at which packets are due, all counted from the first: a packet that is late makes
/// none of the following late.
#[derive(Debug)]
pub(super) struct Schedule {
    pace: Pace,
    started: Instant,
    first_ts_ns: Option<u64>,
    packets: u64,
    messages: u64,
}

impl Schedule {
    pub(super) fn start(pace: Pace) -> Self {
        Self {
            pace,
            started: Instant::now(),
            first_ts_ns: None,
            packets: 0,
            messages: 0,
        }
    }

    /// Returns when the next packet is due, since the start; `None` for at once.
    pub(super) fn due(&mut self, ts_ns: u64, messages: u64) -> Option<Duration> {
        let first_ts_ns = *self.first_ts_ns.get_or_insert(ts_ns);
        let due_ns = match self.pace {
            Pace::Max => None,
            Pace::Own { speed_e3 } => {
                let since_ns = u128::from(ts_ns.saturating_sub(first_ts_ns));
                Some(since_ns * 1_000 / u128::from(speed_e3))
            }
            Pace::Rate { messages_per_s } => {
                Some(u128::from(self.messages) * 1_000_000_000 / u128::from(messages_per_s))
            }
        };
        self.packets += 1;
        self.messages += messages;
        if due_ns.is_none() && self.packets.is_multiple_of(PACKETS_PER_YIELD) {
            thread::yield_now();
        }
        due_ns.map(|ns| Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX)))
    }

    /// Returns how fast packets are played.
    pub(super) fn pace(&self) -> Pace {
        self.pace
    }

    /// Returns when what the scenario has at `ts_ns` is due, since the start; `None` for at once.
    pub(super) fn due_at(&mut self, ts_ns: u64) -> Option<Duration> {
        let due_ns = match self.pace {
            Pace::Max => {
                self.packets += 1;
                if self.packets.is_multiple_of(PACKETS_PER_YIELD) {
                    thread::yield_now();
                }
                return None;
            }
            Pace::Own { speed_e3 } => u128::from(ts_ns) * 1_000 / u128::from(speed_e3),
            // The scenario was told the rate.
            Pace::Rate { .. } => u128::from(ts_ns),
        };
        let due_ns = u64::try_from(due_ns).unwrap_or(u64::MAX);
        Some(Duration::from_nanos(due_ns))
    }

    /// Returns how long ago the start was.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits until `due`, counted from the start, or until Ctrl-C.
    pub(super) fn wait_until(&self, due: Duration) {
        while let Some(left) = due
            .checked_sub(self.elapsed())
            .filter(|left| !left.is_zero())
        {
            if interrupt::requested() {
                return;
            }
            match left.checked_sub(YIELDED) {
                Some(parked) if !parked.is_zero() => thread::park_timeout(parked),
                _ => thread::yield_now(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due_ns(pace: Pace, packets: &[(u64, u64)]) -> Vec<Option<u128>> {
        let mut schedule = Schedule::start(pace);
        let due = packets
            .iter()
            .map(|&(ts_ns, messages)| schedule.due(ts_ns, messages));
        due.map(|due| due.map(|due| due.as_nanos())).collect()
    }

    #[test]
    fn every_packet_is_due_at_a_time_counted_from_the_first() {
        let packets = [(1_000, 3), (1_500, 1), (1_400, 2), (9_000, 1)];
        let own = |speed_e3| due_ns(Pace::Own { speed_e3 }, &packets);
        assert_eq!(own(1_000), [Some(0), Some(500), Some(400), Some(8_000)]);
        assert_eq!(own(500), [Some(0), Some(1_000), Some(800), Some(16_000)]);
        assert_eq!(own(10_000), [Some(0), Some(50), Some(40), Some(800)]);
        let rate = due_ns(
            Pace::Rate {
                messages_per_s: 1_000_000,
            },
            &packets,
        );
        assert_eq!(rate, [Some(0), Some(3_000), Some(4_000), Some(6_000)]);
        assert_eq!(due_ns(Pace::Max, &packets), [None; 4]);
    }
}
