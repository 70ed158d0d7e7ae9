//! Owns the sender: sends each message when it is due, at once when that is past, and never waits
//! for anybody.

use super::gaps::Gaps;
use super::schedule::Schedule;
use ringtape::clock::Clock;
use ringtape::counters::Counter;
use ringtape::stage::Stage;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Messages that are sent before the stop flag is looked at again.
const SENDS_PER_POLL: usize = 64;

/// When a run begins; not known before everything has started.
#[derive(Debug, Default)]
pub(super) struct Begin(AtomicU64);

impl Begin {
    /// Sets the begin, once.
    pub(super) fn set(&self, begin_ns: u64) {
        // Relaxed: the time stands for itself and orders nothing else.
        self.0.store(begin_ns, Ordering::Relaxed);
    }

    /// Returns the begin in UNIX nanoseconds, or 0 before it is known.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a sender tells while it runs.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Messages that were sent.
    pub(super) sent: Counter,
    done: AtomicBool,
}

impl Progress {
    /// Returns whether the schedule is over; all that was sent is counted then.
    pub(super) fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }
}

/// Where messages go.
pub(super) trait Outlet: Send + 'static {
    /// Makes the next message, which is due at `due_ns`, so that sending it takes less.
    fn prepare(&mut self, due_ns: u64);

    /// Sends it. Returns whether it went out.
    fn send(&mut self) -> bool;

    /// Says that nothing follows.
    fn end(&mut self);
}

/// What a sender did.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Sent {
    /// Messages that went out.
    pub(super) sent: u64,
    /// Messages that the kernel refused to send.
    pub(super) refused: u64,
    /// When the last one went out, in nanoseconds since the begin.
    pub(super) last_at_ns: u64,
    /// How late the latest went out, in nanoseconds.
    pub(super) late_ns_max: u64,
    /// How long the sender was watched while it waited, in nanoseconds.
    pub(super) watched_ns: u64,
    /// Its pauses while it waited, the longest quiet one last.
    pub(super) pauses_ns: Vec<u64>,
}

/// A sender as a stage. Ends when it is asked to, so that its thread can be looked at after the
/// last message.
pub(super) struct Sender<O, C> {
    schedule: Schedule,
    /// Gone once the stage has ended.
    outlet: Option<O>,
    clock: C,
    begin: Arc<Begin>,
    progress: Arc<Progress>,
    /// When the message that is prepared is due.
    due_ns: Option<u64>,
    begun: bool,
    counts: Sent,
    gaps: Gaps,
}

impl<O: Outlet, C: Clock> Sender<O, C> {
    /// Makes a sender that begins when `begin` is set.
    pub(super) fn new(schedule: Schedule, outlet: O, clock: C, begin: Arc<Begin>) -> Self {
        Self {
            schedule,
            outlet: Some(outlet),
            clock,
            begin,
            progress: Arc::default(),
            due_ns: None,
            begun: false,
            counts: Sent::default(),
            gaps: Gaps::new(),
        }
    }

    /// Returns what the sender tells while it runs.
    pub(super) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Takes the stage apart.
    pub(super) fn into_sent(self) -> Sent {
        let (watched_ns, pauses_ns) = self.gaps.into_pauses();
        Sent {
            watched_ns,
            pauses_ns,
            ..self.counts
        }
    }

    /// Makes the next message, or says that there is none.
    fn prepare(&mut self) {
        let begin_ns = self.begin.get();
        let Some(outlet) = &mut self.outlet else {
            return;
        };
        self.due_ns = self
            .schedule
            .next()
            .map(|since_ns| begin_ns.saturating_add(since_ns));
        match self.due_ns {
            Some(due_ns) => outlet.prepare(due_ns),
            None => {
                outlet.end();
                // Release pairs with the acquire in `is_done`: the counts are final.
                self.progress.done.store(true, Ordering::Release);
            }
        }
    }
}

impl<O: Outlet, C: Clock> Stage for Sender<O, C> {
    fn name(&self) -> &str {
        "sender"
    }

    /// Hot path: no allocation, no system call but the one that sends.
    fn poll(&mut self) -> usize {
        if !self.begun {
            self.begun = self.begin.get() > 0;
            if self.begun {
                self.prepare();
            }
            return 0;
        }
        let mut sent = 0;
        while let (Some(due_ns), Some(outlet)) = (self.due_ns, &mut self.outlet) {
            let now_ns = self.clock.now_ns();
            if now_ns < due_ns {
                self.gaps.idle(now_ns);
                break;
            }
            self.gaps.busy();
            if outlet.send() {
                self.counts.sent += 1;
                self.progress.sent.set(self.counts.sent);
            } else {
                self.counts.refused += 1;
            }
            self.counts.last_at_ns = now_ns.saturating_sub(self.begin.get());
            self.counts.late_ns_max = self.counts.late_ns_max.max(now_ns - due_ns);
            self.prepare();
            sent += 1;
            if sent == SENDS_PER_POLL {
                break;
            }
        }
        sent
    }

    fn request_stop(&mut self) {
        if let (Some(mut outlet), Some(_)) = (self.outlet.take(), self.due_ns.take()) {
            outlet.end();
            self.progress.done.store(true, Ordering::Release);
        }
    }

    fn is_finished(&self) -> bool {
        self.outlet.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::super::recorder::Recorder;
    use super::super::schedule::{Arrivals, Plan};
    use super::*;
    use ringtape::clock::ManualClock;

    /// A way to a handler that takes 200 ns, but for one message, which holds the sender up.
    struct HeldUp {
        clock: ManualClock,
        due_ns: u64,
        index: u64,
        held_up_at: u64,
        recorder: Recorder,
        ended: bool,
    }

    impl Outlet for HeldUp {
        fn prepare(&mut self, due_ns: u64) {
            self.due_ns = due_ns;
        }

        fn send(&mut self) -> bool {
            if self.index == self.held_up_at {
                self.clock.advance(1_000_000);
            }
            self.clock.advance(200);
            self.recorder.sample(self.clock.now_ns(), self.due_ns);
            self.index += 1;
            true
        }

        fn end(&mut self) {
            self.ended = true;
        }
    }

    fn plan(span_ns: u64) -> Plan {
        Plan {
            arrivals: Arrivals::Constant,
            messages_per_s: 100_000,
            span_ns,
            seed: 0,
        }
    }

    #[test]
    fn a_stall_of_the_sender_is_charged_to_all_who_waited() {
        let clock = ManualClock::new(1_000_000);
        let begin = Arc::<Begin>::default();
        let outlet = HeldUp {
            clock: clock.clone(),
            due_ns: 0,
            index: 0,
            held_up_at: 100,
            recorder: Recorder::new(Arc::clone(&begin), 0, 20_000_000),
            ended: false,
        };
        let schedule = plan(10_000_000).schedule();
        let mut sender = Sender::new(schedule, outlet, clock.clone(), Arc::clone(&begin));
        let progress = sender.progress();
        begin.set(2_000_000);
        while !progress.is_done() {
            if sender.poll() == 0 {
                clock.advance(100);
            }
        }
        let outlet = sender.outlet.take().unwrap();
        assert!(outlet.ended);
        // Message 100 is due at 1 ms and comes through at 2 ms. Those due meanwhile, one each
        // 10 µs, go out at once then, 200 ns apart, and so do those that come due while the
        // backlog lasts; the rest take 200 ns, and what the clock's steps add.
        let (total, _) = outlet.recorder.into_total();
        assert_eq!(total.len(), 1_000);
        let waited = |ns: u64| total.count_between(ns, u64::MAX);
        assert_eq!(waited(1_000_000), 1);
        // A backlog of n messages is worked off in n × 200 ns: message 100 + n waits for
        // 1,000,200 − n × 9,800 ns.
        for (ns, expected) in [(900_000, 11), (500_000, 52), (100_000, 92), (10_000, 102)] {
            assert!(waited(ns).abs_diff(expected) <= 1, "{ns}: {}", waited(ns));
        }
        assert_eq!(total.count_between(0, 500), 1_000 - waited(512));
        let sent = sender.into_sent();
        assert_eq!((sent.sent, sent.refused), (1_000, 0));
        assert!(sent.late_ns_max.abs_diff(990_200) <= 100, "{sent:?}");
        assert!(
            (9_990_000..=9_990_100).contains(&sent.last_at_ns),
            "{sent:?}"
        );
    }

    #[test]
    fn a_stop_ends_a_sender_in_the_middle_and_says_so_to_the_other_side() {
        let clock = ManualClock::new(1);
        let begin = Arc::<Begin>::default();
        let outlet = HeldUp {
            clock: clock.clone(),
            due_ns: 0,
            index: 0,
            held_up_at: u64::MAX,
            recorder: Recorder::new(Arc::clone(&begin), 0, 1),
            ended: false,
        };
        let mut sender = Sender::new(plan(u64::MAX).schedule(), outlet, clock, Arc::clone(&begin));
        assert_eq!((sender.poll(), sender.is_finished()), (0, false));
        begin.set(1);
        assert_eq!((sender.poll(), sender.poll()), (0, 1));
        let progress = sender.progress();
        assert!(!progress.is_done());
        sender.request_stop();
        assert!(sender.is_finished() && progress.is_done());
        assert_eq!((sender.poll(), progress.sent.get()), (0, 1));
        assert_eq!(sender.into_sent().sent, 1);
    }
}
