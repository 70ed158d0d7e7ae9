//! Owns the machine's own noise: how long a pinned thread that only reads the clock is kept from
//! it.
//!
//! What is told is what work would have met that arrives at any moment, as in `jHiccup`: a stall of
//! 1 ms met not one arrival but all that came during it, each with what was left of it. So a stall
//! counts once for each [`STEP_NS`] that it lasted, with the rest of its length, and the quiet time
//! between stalls counts with the longest that a reading took there.

use crate::interrupt;
use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;
use ringtape::clock::{Clock as _, SystemClock};
use ringtape::{cpu, latency};
use std::time::Duration;

/// Between arrivals that a stall is counted for.
const STEP_NS: u64 = 1_000;
/// Stalls that are kept; when there are more, the probe ends early and says how long it was.
const STALLS_MAX: usize = 1 << 20;

/// What a core did to a thread that wanted nothing but to run.
#[derive(Clone, Debug)]
pub(crate) struct Noise {
    /// The core.
    pub core: usize,
    /// How long it was watched, in nanoseconds.
    pub watched_ns: u64,
    /// Pauses of at least [`STEP_NS`] between two readings.
    pub stalls: u64,
    /// Their sum, in nanoseconds.
    pub stalled_ns: u64,
    /// What arrivals would have met, in nanoseconds.
    pub hiccups: Histogram<u64>,
}

impl Noise {
    /// Makes the noise of a core that was watched for `watched_ns`, from its pauses between two
    /// readings; those that are shorter than [`STEP_NS`] may be left out.
    pub(crate) fn of(core: usize, watched_ns: u64, pauses_ns: &[u64]) -> Self {
        let mut hiccups =
            Histogram::new_with_bounds(1, latency::MAX_NS, latency::SIGNIFICANT_DIGITS)
                .expect("invariant: the bounds are constants that the histogram accepts");
        let stalls = pauses_ns.iter().filter(|&&pause_ns| pause_ns >= STEP_NS);
        let (mut count, mut stalled_ns) = (0, 0_u64);
        for &pause_ns in stalls {
            count += 1;
            stalled_ns = stalled_ns.saturating_add(pause_ns);
            // A pause beyond the bounds is a minute long: the bound says enough.
            let met_ns = pause_ns.min(latency::MAX_NS);
            hiccups.saturating_record(met_ns);
            for step in 1..=(met_ns / STEP_NS).saturating_sub(1) {
                hiccups.saturating_record(met_ns - step * STEP_NS);
            }
        }
        let quiet_steps = watched_ns.saturating_sub(stalled_ns) / STEP_NS;
        let quiet_ns = pauses_ns.iter().filter(|&&pause_ns| pause_ns < STEP_NS);
        hiccups.saturating_record_n(quiet_ns.max().copied().unwrap_or(0), quiet_steps);
        Self {
            core,
            watched_ns,
            stalls: count,
            stalled_ns,
            hiccups,
        }
    }

    /// Returns how much of the time was stalled, in millionths.
    pub(crate) fn stalled_ppm(&self) -> u64 {
        let ppm = u128::from(self.stalled_ns) * 1_000_000 / u128::from(self.watched_ns.max(1));
        u64::try_from(ppm).unwrap_or(u64::MAX)
    }
}

/// Watches `core` for `duration`, on a thread of its own that is pinned to it.
/// Ends early, and says how long it was, when the command is asked to stop.
///
/// # Errors
///
/// When the core does not exist or this process may not use it.
pub(crate) fn probe(core: usize, duration: Duration) -> Result<Noise> {
    let watch = move || {
        cpu::pin(core)?;
        // Ones, not zeros: those would come as pages that fault when they are first written to,
        // while the clock runs.
        let mut stalls_ns = vec![1_u64; STALLS_MAX + 1];
        stalls_ns.clear();
        let clock = SystemClock;
        let begin_ns = clock.now_ns();
        let span_ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let end_ns = begin_ns.saturating_add(span_ns);
        let (mut last_ns, mut quiet_ns) = (begin_ns, 0);
        while last_ns < end_ns && stalls_ns.len() < STALLS_MAX && !interrupt::requested() {
            let now_ns = clock.now_ns();
            // A clock that was set back paused for nobody.
            let pause_ns = now_ns.saturating_sub(last_ns);
            if pause_ns >= STEP_NS {
                stalls_ns.push(pause_ns);
            } else {
                quiet_ns = pause_ns.max(quiet_ns);
            }
            last_ns = now_ns;
        }
        stalls_ns.push(quiet_ns);
        let watched_ns = last_ns.saturating_sub(begin_ns);
        Ok(Noise::of(core, watched_ns, &stalls_ns))
    };
    std::thread::Builder::new()
        .name(format!("noise-{core}"))
        .spawn(watch)
        .context("cannot start the thread that measures noise")?
        .join()
        .expect("invariant: the probe does not panic")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_counts_for_all_who_would_have_come_during_it() {
        let noise = Noise::of(0, 1_000_000, &[100, 10_000, 250, 3_500]);
        assert_eq!((noise.stalls, noise.stalled_ns), (2, 13_500));
        assert_eq!(noise.stalled_ppm(), 13_500);
        // 10 of the long one, 3 of the short one, and the quiet rest.
        assert_eq!(noise.hiccups.len(), 10 + 3 + 986);
        let at_least = |ns| noise.hiccups.count_between(ns, u64::MAX);
        assert_eq!((at_least(9_900), at_least(2_400)), (1, 10));
        let median = noise.hiccups.value_at_quantile(0.5);
        assert!((250..=252).contains(&median), "{median}");
    }

    #[test]
    fn a_core_without_a_stall_is_as_noisy_as_its_longest_reading() {
        let noise = Noise::of(3, 5_000_000, &[40]);
        assert_eq!((noise.stalls, noise.stalled_ppm()), (0, 0));
        assert_eq!((noise.hiccups.len(), noise.hiccups.max()), (5_000, 40));
    }

    #[test]
    fn every_core_can_be_watched_and_one_that_is_not_there_is_an_error() {
        for core in cpu::allowed() {
            let noise = probe(core, Duration::from_millis(5)).unwrap();
            assert!(noise.core == core && noise.watched_ns >= 5_000_000);
            assert!(noise.stalled_ns <= noise.watched_ns && !noise.hiccups.is_empty());
        }
        assert!(probe(100_000, Duration::from_millis(1)).is_err());
    }
}
