//! Owns time: the only module that reads it.
//!
//! All times are UNIX nanoseconds of `CLOCK_REALTIME`, because that is the clock of the kernel's
//! receive stamps, and a latency is only honest between two readings of one clock. The read goes
//! through the vDSO and is no system call where the clock source is `tsc`.

use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const NS_PER_S: u64 = 1_000_000_000;

/// Tells UNIX nanoseconds.
pub trait Clock: Clone + Send + 'static {
    /// Returns the time. May step when the machine's clock is set.
    fn now_ns(&self) -> u64;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    /// Hot path: no allocation; no system call where the vDSO serves the clock source.
    fn now_ns(&self) -> u64 {
        // The kernel's own reading: `SystemTime` takes half as long again to be compared with 1970
        // and put together (`cargo bench --bench latency`, clock). Every measured record pays it.
        let now = clock_gettime(ClockId::Realtime);
        // Before 1970 or after 2554 the reading saturates: nothing here depends on more.
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        let below_ns = u64::try_from(now.tv_nsec).unwrap_or(0);
        seconds.saturating_mul(NS_PER_S).saturating_add(below_ns)
    }
}

/// A clock that stands until it is moved, for tests and simulations. Clones show the same time.
///
/// # Examples
///
/// ```
/// use ringtape::clock::{Clock, ManualClock};
///
/// let clock = ManualClock::new(1_000);
/// let seen_by_a_stage = clock.clone();
/// clock.advance(500);
/// assert_eq!(seen_by_a_stage.now_ns(), 1_500);
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// Makes a clock that shows `now_ns`.
    #[must_use]
    pub fn new(now_ns: u64) -> Self {
        Self(Arc::new(AtomicU64::new(now_ns)))
    }

    /// Moves the clock on by `by_ns`.
    pub fn advance(&self, by_ns: u64) {
        // Relaxed: the time is a value by itself and orders nothing else.
        self.0.fetch_add(by_ns, Ordering::Relaxed);
    }
}

impl ManualClock {
    /// Sets the clock back by `by_ns`, as the machine's may be.
    pub fn step_back(&self, by_ns: u64) {
        // Relaxed: as in `advance`.
        self.0.fetch_sub(by_ns, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now_ns(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{SystemTime, UNIX_EPOCH};

    #[test]
    fn the_machines_clock_is_the_one_that_everybody_reads() {
        let standard = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            u64::try_from(since.expect("after 1970").as_nanos()).expect("before 2554")
        };
        // Unless the clock is set meanwhile; not each time.
        let between = (0..100).any(|_| {
            let (before, now, after) = (standard(), SystemClock.now_ns(), standard());
            (before..=after).contains(&now)
        });
        assert!(between);
    }
}
