//! Owns the pauses of a poll loop that had nothing to do: what the machine did to a core while
//! something was measured on it.

use crate::noise::Noise;
use ringtape::clock::Clock;
use ringtape::stage::Stage;
use std::sync::mpsc::SyncSender;

/// Pauses that are kept. What comes after them is not watched.
const PAUSES_MAX: usize = 1 << 18;
/// Below this a pause is no stall: readings of the clock are that far apart.
const STALL_NS: u64 = 1_000;

/// Pauses between polls of one thread, without those in which it worked.
#[derive(Debug)]
pub(super) struct Gaps {
    pauses_ns: Vec<u64>,
    /// The shortest pause: the poll loop itself, which is left out of all others as in `jHiccup`.
    loop_ns: u64,
    /// The longest pause that was no stall.
    quiet_ns: u64,
    watched_ns: u64,
    /// When the last poll was that had nothing to do, if none since had.
    idle_since_ns: Option<u64>,
}

impl Gaps {
    /// Allocates and touches all that it will need.
    pub(super) fn new() -> Self {
        let mut pauses_ns = vec![1; PAUSES_MAX];
        pauses_ns.clear();
        Self {
            pauses_ns,
            loop_ns: u64::MAX,
            quiet_ns: 0,
            watched_ns: 0,
            idle_since_ns: None,
        }
    }

    /// Takes note of a poll at `now_ns` that had nothing to do.
    ///
    /// Hot path: no allocation, no system call, O(1).
    pub(super) fn idle(&mut self, now_ns: u64) {
        let Some(since_ns) = self.idle_since_ns.replace(now_ns) else {
            return;
        };
        if self.pauses_ns.len() == PAUSES_MAX {
            return;
        }
        // A clock that was set back paused for nobody.
        let pause_ns = now_ns.saturating_sub(since_ns);
        self.watched_ns = self.watched_ns.saturating_add(pause_ns);
        self.loop_ns = self.loop_ns.min(pause_ns);
        let kept_ns = pause_ns - self.loop_ns;
        if kept_ns >= STALL_NS {
            self.pauses_ns.push(kept_ns);
        } else {
            self.quiet_ns = self.quiet_ns.max(kept_ns);
        }
    }

    /// Takes note of a poll that worked: the time to the next is not the machine's.
    pub(super) fn busy(&mut self) {
        self.idle_since_ns = None;
    }

    /// Returns what was noted: how long was watched, and the pauses, the longest quiet one last.
    pub(super) fn into_pauses(mut self) -> (u64, Vec<u64>) {
        self.pauses_ns.push(self.quiet_ns);
        (self.watched_ns, self.pauses_ns)
    }

    /// Returns what was noted of `core`.
    pub(super) fn into_noise(self, core: usize) -> Noise {
        let (watched_ns, pauses_ns) = self.into_pauses();
        Noise::of(core, watched_ns, &pauses_ns)
    }
}

/// Watches the core of other stages between their polls, in turn with them.
pub(super) struct IdleWatch<A, C> {
    core: usize,
    clock: C,
    /// A count that rises with the work that the other stages do.
    work: A,
    worked: u64,
    /// Gone, to `noted`, once the stage has ended.
    gaps: Option<Gaps>,
    noted: SyncSender<Noise>,
}

impl<A: Fn() -> u64 + Send, C: Clock> IdleWatch<A, C> {
    /// Makes a stage for `core` that sends what it has noted when it ends.
    pub(super) fn new(core: usize, clock: C, work: A, noted: SyncSender<Noise>) -> Self {
        Self {
            core,
            clock,
            work,
            worked: 0,
            gaps: Some(Gaps::new()),
            noted,
        }
    }
}

impl<A: Fn() -> u64 + Send + 'static, C: Clock> Stage for IdleWatch<A, C> {
    fn name(&self) -> &str {
        "idle watch"
    }

    /// Hot path: no allocation, no system call.
    fn poll(&mut self) -> usize {
        let Some(gaps) = &mut self.gaps else { return 0 };
        let worked = (self.work)();
        // Before the first message the other stages are still starting.
        if worked == self.worked && worked > 0 {
            gaps.idle(self.clock.now_ns());
        } else {
            self.worked = worked;
            gaps.busy();
        }
        0
    }

    fn request_stop(&mut self) {
        if let Some(gaps) = self.gaps.take() {
            // Nobody takes it when the run was given up.
            _ = self.noted.try_send(gaps.into_noise(self.core));
        }
    }

    fn is_finished(&self) -> bool {
        self.gaps.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringtape::clock::ManualClock;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc::sync_channel;

    #[test]
    fn only_pauses_between_two_idle_polls_are_the_machines() {
        let mut gaps = Gaps::new();
        // The loop takes 100 ns.
        gaps.idle(1_000);
        gaps.idle(1_100);
        gaps.idle(6_200);
        gaps.busy();
        gaps.idle(900_000);
        gaps.idle(900_350);
        assert_eq!(gaps.into_pauses(), (5_550, vec![5_000, 250]));
    }

    #[test]
    fn a_clock_that_is_set_back_is_no_pause() {
        let mut gaps = Gaps::new();
        for now_ns in [5_000, 4_000, 4_000 + STALL_NS] {
            gaps.idle(now_ns);
        }
        assert_eq!(gaps.into_pauses(), (STALL_NS, vec![STALL_NS, 0]));
    }

    #[test]
    fn a_full_list_ends_the_watch_and_not_the_run() {
        let mut gaps = Gaps::new();
        gaps.idle(0);
        gaps.idle(0);
        for poll in 1..PAUSES_MAX as u64 + 10 {
            gaps.idle(poll * STALL_NS);
        }
        let (watched_ns, pauses_ns) = gaps.into_pauses();
        assert_eq!(pauses_ns.len(), PAUSES_MAX + 1);
        assert_eq!(watched_ns, PAUSES_MAX as u64 * STALL_NS);
    }

    #[test]
    fn a_watch_leaves_out_the_time_in_which_others_worked() {
        let (clock, work) = (ManualClock::new(10_000), Arc::new(AtomicU64::new(0)));
        let (noted, noise) = sync_channel(1);
        let count = Arc::clone(&work);
        let count = move || count.load(Ordering::Relaxed);
        let mut watch = IdleWatch::new(3, clock.clone(), count, noted);
        let polls = [
            (0, 0),
            (7_000, 0),
            (9_000, 1),
            (0, 1),
            (100, 1),
            (4_100, 1),
            (8_000, 2),
        ];
        for (pause_ns, worked) in polls {
            clock.advance(pause_ns);
            work.store(worked, Ordering::Relaxed);
            assert_eq!(watch.poll(), 0);
        }
        assert!(!watch.is_finished());
        watch.request_stop();
        assert!(watch.is_finished());
        let noise = noise.try_recv().unwrap();
        assert_eq!((noise.core, noise.stalls, noise.stalled_ns), (3, 1, 4_000));
    }
}
