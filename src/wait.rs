//! Owns what a poll loop does when there was nothing to do.

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
    /// Hot path: no allocation; no system call with `Spin` and `SpinPause`.
    #[inline]
    pub fn after(&mut self, work: usize) {
        if work > 0 {
            self.empty_polls = 0;
            self.park = PARK_MIN;
            return;
        }
        match self.strategy {
            WaitStrategy::Spin => {}
            WaitStrategy::SpinPause => spin_loop(),
            WaitStrategy::Yield => self.spin_then_yield(),
            WaitStrategy::Park if self.empty_polls < POLLS_BEFORE_PARK => self.spin_then_yield(),
            WaitStrategy::Park => {
                thread::park_timeout(self.park);
                self.park = (self.park * 2).min(PARK_MAX);
            }
        }
    }

    fn spin_then_yield(&mut self) {
        if self.empty_polls < POLLS_BEFORE_YIELD {
            spin_loop();
        } else {
            thread::yield_now();
        }
        self.empty_polls = self.empty_polls.saturating_add(1);
    }
}
