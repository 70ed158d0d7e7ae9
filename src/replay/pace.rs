//! Owns when records are due.

use crate::clock::Clock;

/// How fast records are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speed {
    /// As fast as the handler takes them.
    #[default]
    Max,
    /// As they were received, so many thousandths as fast.
    Times {
        /// 1,000 is real time; at least 1.
        e3: u64,
    },
}

impl Speed {
    /// As they were received.
    pub const REAL_TIME: Self = Self::Times { e3: 1_000 };
}

/// The time on the tape that has come. Counted from the first record, so a record that is late
/// makes none of the following late.
#[derive(Debug)]
pub(super) struct Pace<C> {
    speed: Speed,
    clock: C,
    /// The clock when the first record was due, and that record's receive time.
    origin: Option<(u64, u64)>,
    due_in_ns: u64,
}

impl<C: Clock> Pace<C> {
    pub(super) fn new(speed: Speed, clock: C) -> Self {
        Self {
            speed,
            clock,
            origin: None,
            due_in_ns: 0,
        }
    }

    /// Returns the receive time up to which records are due when the next was received at
    /// `next_recv_ns`, reading the clock unless all are.
    pub(super) fn due(&mut self, next_recv_ns: u64) -> u64 {
        let Speed::Times { e3 } = self.speed else {
            return u64::MAX;
        };
        let now_ns = self.clock.now_ns();
        let (begun_ns, first_recv_ns) = *self.origin.get_or_insert((now_ns, next_recv_ns));
        // A clock that is set back stops the tape until it is where it was.
        let elapsed_ns = now_ns.saturating_sub(begun_ns);
        let played_ns = u128::from(elapsed_ns) * u128::from(e3) / 1_000;
        let due_ns = u128::from(first_recv_ns) + played_ns;
        // At the end of time everything is due.
        let due_ns = u64::try_from(due_ns).unwrap_or(u64::MAX);
        let ahead_ns = u128::from(next_recv_ns.saturating_sub(due_ns));
        let wait_ns = (ahead_ns * 1_000).div_ceil(u128::from(e3.max(1)));
        self.due_in_ns = u64::try_from(wait_ns).unwrap_or(u64::MAX);
        due_ns
    }

    /// Returns how long the record that [`due`](Self::due) asked for last had to wait then.
    pub(super) fn due_in_ns(&self) -> u64 {
        self.due_in_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn the_time_that_is_due_counts_from_the_first_record() {
        for (e3, due_ns, due_in_ns) in [
            (1_000, 5_100, 400),
            (500, 5_050, 900),
            (2_500, 5_250, 100),
            (100_000, 15_000, 0),
        ] {
            let clock = ManualClock::new(70);
            let mut pace = Pace::new(Speed::Times { e3 }, clock.clone());
            assert_eq!(pace.due(5_000), 5_000);
            assert_eq!(pace.due_in_ns(), 0);
            clock.advance(100);
            assert_eq!(pace.due(5_500), due_ns, "{e3}");
            assert_eq!(pace.due_in_ns(), due_in_ns, "{e3}");
        }
    }

    #[test]
    fn no_reading_overflows() {
        let clock = ManualClock::new(0);
        let mut pace = Pace::new(Speed::Times { e3: u64::MAX }, clock.clone());
        assert_eq!(pace.due(1), 1);
        clock.advance(u64::MAX);
        assert_eq!(pace.due(u64::MAX), u64::MAX);
        let mut slow = Pace::new(Speed::Times { e3: 1 }, ManualClock::new(9));
        assert_eq!(slow.due(0), 0);
        assert_eq!(slow.due(u64::MAX), 0);
        assert_eq!(slow.due_in_ns(), u64::MAX);
    }

    #[test]
    fn at_full_speed_no_clock_is_read() {
        #[derive(Clone)]
        struct Broken;
        impl Clock for Broken {
            fn now_ns(&self) -> u64 {
                panic!("somebody read the clock")
            }
        }
        assert_eq!(Pace::new(Speed::Max, Broken).due(7), u64::MAX);
    }
}
