//! Owns when records are due, and when tables are.

use std::time::{Duration, Instant};

const NS_PER_MS: u64 = 1_000_000;

/// The pace of reading, as a multiple of the recorded one.
#[derive(Debug)]
pub(super) struct Pace {
    /// In thousandths; `None` for as fast as possible.
    speed_e3: Option<u64>,
    /// When the first record was given, and when it was received.
    origin: Option<(Instant, u64)>,
}

impl Pace {
    pub(super) fn new(speed_e3: Option<u64>) -> Self {
        Self {
            speed_e3,
            origin: None,
        }
    }

    /// Returns how long a record has to wait.
    pub(super) fn due_in(&mut self, recv_ns: u64) -> Duration {
        let Some(speed_e3) = self.speed_e3 else {
            return Duration::ZERO;
        };
        let (began, first_ns) = *self.origin.get_or_insert_with(|| (Instant::now(), recv_ns));
        let since_ns = u128::from(recv_ns.saturating_sub(first_ns)) * 1_000 / u128::from(speed_e3);
        let due = Duration::from_nanos(u64::try_from(since_ns).unwrap_or(u64::MAX));
        due.saturating_sub(began.elapsed())
    }

    /// Returns the receive time up to which records are due.
    pub(super) fn horizon_ns(&self) -> u64 {
        let (Some(speed_e3), Some((began, first_ns))) = (self.speed_e3, self.origin) else {
            return u64::MAX;
        };
        let elapsed_ns = began.elapsed().as_nanos() * u128::from(speed_e3) / 1_000;
        first_ns.saturating_add(u64::try_from(elapsed_ns).unwrap_or(u64::MAX))
    }
}

/// Intervals of receive time.
#[derive(Debug)]
pub(super) struct Ticks {
    every_ns: Option<u64>,
    /// Where the interval ends that the records are in.
    end_ns: Option<u64>,
}

impl Ticks {
    pub(super) fn new(every_ms: Option<u64>) -> Self {
        Self {
            every_ns: every_ms.map(|ms| ms * NS_PER_MS),
            end_ns: None,
        }
    }

    /// Returns whether an interval ends before a record; then its own begins. Intervals without a
    /// record have no end.
    pub(super) fn is_due(&mut self, recv_ns: u64) -> bool {
        let Some(every_ns) = self.every_ns else {
            return false;
        };
        if self.end_ns.is_some_and(|end_ns| recv_ns < end_ns) {
            return false;
        }
        let begin_ns = recv_ns - recv_ns % every_ns;
        self.end_ns
            .replace(begin_ns.saturating_add(every_ns))
            .is_some()
    }

    /// Returns the last receive time of the interval.
    pub(super) fn last_ns(&self) -> u64 {
        self.end_ns.map_or(u64::MAX, |end_ns| end_ns - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_ends_before_the_first_record_behind_it_and_empty_ones_are_left_out() {
        let mut ticks = Ticks::new(Some(1_000));
        let times_ms = [1_500, 1_999, 2_000, 2_001, 9_999, 9_000, 10_000];
        let due = times_ms.map(|ms| ticks.is_due(ms * NS_PER_MS));
        assert_eq!(due, [false, false, true, false, true, false, true]);
        assert_eq!(ticks.last_ns(), 11_000 * NS_PER_MS - 1);
        let mut never = Ticks::new(None);
        assert!(!never.is_due(5) && !never.is_due(u64::MAX));
        assert_eq!(never.last_ns(), u64::MAX);
    }

    #[test]
    fn records_are_due_as_they_were_received_and_at_once_where_no_pace_is_asked_for() {
        let mut pace = Pace::new(Some(500));
        assert_eq!(pace.due_in(1_000), Duration::ZERO);
        let hour_ns = 3_600_000_000_000;
        let due_in = pace.due_in(1_000 + hour_ns);
        let two_hours = Duration::from_secs(7_200);
        assert!(due_in <= two_hours && due_in > two_hours / 2, "{due_in:?}");
        assert!(pace.horizon_ns() < 1_000 + hour_ns);
        let mut max = Pace::new(None);
        assert_eq!(max.due_in(u64::MAX), Duration::ZERO);
        assert_eq!(max.horizon_ns(), u64::MAX);
    }
}
