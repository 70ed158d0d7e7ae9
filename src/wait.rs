//! Owns what a poll loop does when there was nothing to do.
//!
//! What that costs in system calls stands with those of the stages, in the table of
//! [`stage`](crate::stage#the-contract-of-the-hot-path).

use std::hint::spin_loop;
use std::thread;
use std::time::Duration;

/// What an idle poll loop does. From the fastest reaction and a burning core, to a core shared
/// with others and a reaction in tens of microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WaitStrategy {
    /// Polls again at once. For a core that nothing else uses.
    Spin,
    /// Polls again after a `PAUSE`: kinder to the sibling hyper-thread; slower in some virtual
    /// machines, which trap long runs of it.
    SpinPause,
    /// Lets others run on the core (`sched_yield`) after 64 empty polls. One system call each.
    #[default]
    Yield,
    /// As `Yield`, and after 256 empty polls sleeps, 50 µs at first and up to 1 ms. For machines
    /// where ringtape is a guest.
    Park,
}

impl WaitStrategy {
    /// Returns the name that configurations and reports use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spin => "spin",
            Self::SpinPause => "spin-pause",
            Self::Yield => "yield",
            Self::Park => "park",
        }
    }
}

/// Empty polls before the first `sched_yield`.
const POLLS_BEFORE_YIELD: u32 = 64;
/// Empty polls before the first sleep.
const POLLS_BEFORE_PARK: u32 = 256;
const PARK_MIN: Duration = Duration::from_micros(50);
const PARK_MAX: Duration = Duration::from_millis(1);

/// The idle side of a poll loop: owns how long the loop has had nothing to do.
///
/// # Examples
///
/// ```
/// use ringtape::wait::{Idle, WaitStrategy};
///
/// let mut idle = Idle::new(WaitStrategy::SpinPause);
/// let mut polls = 0;
/// while polls < 3 {
///     let work_done = 0;
///     polls += 1;
///     idle.after(work_done);
/// }
/// ```
#[derive(Debug)]
pub struct Idle {
    strategy: WaitStrategy,
    empty_polls: u32,
    park: Duration,
}

impl Idle {
    /// Starts with the strategy's quickest reaction.
    #[must_use]
    pub fn new(strategy: WaitStrategy) -> Self {
        Self {
            strategy,
            empty_polls: 0,
            park: PARK_MIN,
        }
    }

    /// Waits as the strategy says after a poll that did `work`; not at all after work was done.
    ///
    /// Hot path: no allocation; no system call with `Spin` and `SpinPause`, at most one with
    /// `Yield` and `Park`.
    #[inline]
    pub fn after(&mut self, work: usize) {
        if work > 0 {
            self.empty_polls = 0;
            self.park = PARK_MIN;
            return;
        }
        match self.rest() {
            Rest::Nothing => {}
            Rest::Pause => spin_loop(),
            Rest::Yield => thread::yield_now(),
            Rest::Park(time) => thread::park_timeout(time),
        }
    }

    /// Counts an empty poll and decides what comes after it.
    fn rest(&mut self) -> Rest {
        let empty_polls = self.empty_polls;
        match self.strategy {
            WaitStrategy::Spin => return Rest::Nothing,
            WaitStrategy::SpinPause => return Rest::Pause,
            WaitStrategy::Park if empty_polls >= POLLS_BEFORE_PARK => {
                let time = self.park;
                self.park = (time * 2).min(PARK_MAX);
                return Rest::Park(time);
            }
            WaitStrategy::Yield | WaitStrategy::Park => {}
        }
        self.empty_polls = empty_polls.saturating_add(1);
        if empty_polls < POLLS_BEFORE_YIELD {
            Rest::Pause
        } else {
            Rest::Yield
        }
    }
}

/// What comes after an empty poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Nothing,
    Pause,
    /// One `sched_yield`.
    Yield,
    /// One `futex` that lasts at least this long, unless the thread is woken.
    Park(Duration),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the first `count` empty polls are followed by, neighbours that are equal as one.
    fn rests(idle: &mut Idle, count: u32) -> Vec<(Rest, u32)> {
        let mut runs: Vec<(Rest, u32)> = Vec::new();
        for _ in 0..count {
            let rest = idle.rest();
            match runs.last_mut() {
                Some((last, times)) if *last == rest => *times += 1,
                _ => runs.push((rest, 1)),
            }
        }
        runs
    }

    #[test]
    fn each_strategy_rests_as_long_as_it_says_and_begins_again_after_work() {
        let micros = Duration::from_micros;
        let spun = (Rest::Pause, POLLS_BEFORE_YIELD);
        let parks = [50, 100, 200, 400, 800].map(|time| (Rest::Park(micros(time)), 1));
        for (strategy, expected) in [
            (WaitStrategy::Spin, vec![(Rest::Nothing, 1_000)]),
            (WaitStrategy::SpinPause, vec![(Rest::Pause, 1_000)]),
            (WaitStrategy::Yield, vec![spun, (Rest::Yield, 936)]),
            (
                WaitStrategy::Park,
                [spun, (Rest::Yield, 192)]
                    .into_iter()
                    .chain(parks)
                    .chain([(Rest::Park(micros(1_000)), 739)])
                    .collect(),
            ),
        ] {
            let mut idle = Idle::new(strategy);
            assert_eq!(rests(&mut idle, 1_000), expected, "{strategy:?}");
            idle.after(1);
            assert_eq!(rests(&mut idle, 1_000), expected, "{strategy:?} after work");
        }
    }

    #[test]
    fn a_loop_that_is_idle_for_ever_goes_on_as_it_was() {
        let mut idle = Idle::new(WaitStrategy::Yield);
        idle.empty_polls = u32::MAX;
        assert_eq!(rests(&mut idle, 2), [(Rest::Yield, 2)]);
    }
}
