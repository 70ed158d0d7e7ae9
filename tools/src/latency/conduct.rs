//! Owns the main thread during a run: begins it, sleeps so that it is in nobody's way, and tells
//! when it is over.

use super::platform::{CoreSteal, Snapshot, ThreadNoise};
use super::schedule::Plan;
use super::sender::{Begin, Progress};
use crate::interrupt;
use anyhow::Result;
use ringtape::clock::{Clock as _, SystemClock};
use ringtape::counters::Counter;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// From the moment at which everything has started to the first message: readings of `/proc` are
/// over then.
const LEAD: Duration = Duration::from_millis(20);
/// How often the end is looked for, once it is near.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Longer than what was sent is on its way, on any machine.
const SETTLE_MAX: Duration = Duration::from_secs(5);
/// How long what was sent last may be on its way when a run is stopped: less, for who waits for
/// the report.
const STOP_MAX: Duration = Duration::from_millis(500);
/// How much longer than its schedule a sender may take that cannot keep up, at least.
const LATE_MAX: Duration = Duration::from_secs(5);

/// The sender of a run, wherever it is.
pub(super) trait Pilot {
    /// Lets the schedule begin.
    fn begin(&mut self, begin_ns: u64) -> Result<()>;

    /// Returns how many messages were sent, once the schedule is over.
    fn sent(&mut self) -> Result<Option<u64>>;
}

/// A sender in this process.
#[derive(Clone, Debug)]
pub(super) struct Local {
    pub(super) begin: Arc<Begin>,
    pub(super) progress: Arc<Progress>,
}

impl Pilot for Local {
    fn begin(&mut self, begin_ns: u64) -> Result<()> {
        self.begin.set(begin_ns);
        Ok(())
    }

    fn sent(&mut self) -> Result<Option<u64>> {
        let progress = &self.progress;
        Ok(progress.is_done().then(|| progress.sent.get()))
    }
}

/// Waits until all that was `sent` before a run was stopped has been `received`, but not for long:
/// what is stopped on its way would count as lost.
pub(super) fn settle(received: &Counter, sent: u64) {
    let given_up_at = Instant::now() + STOP_MAX;
    while received.get() < sent && Instant::now() < given_up_at {
        thread::park_timeout(LOOK_EVERY);
    }
}

/// How a run went, seen from outside.
#[derive(Clone, Debug, Default)]
pub(super) struct Conducted {
    /// When the first message could be due, UNIX nanoseconds.
    pub(super) begin_ns: u64,
    pub(super) interrupted: bool,
    pub(super) threads: Vec<ThreadNoise>,
    pub(super) steal: Vec<CoreSteal>,
}

/// Begins a run on `cores` whose threads have all started, and waits until all that was sent has
/// been `received`, or will not be.
pub(super) fn conduct(
    pilot: &mut dyn Pilot,
    received: &Counter,
    plan: Plan,
    cores: &[usize],
) -> Result<Conducted> {
    let before = Snapshot::read(cores);
    let lead_ns = u64::try_from(LEAD.as_nanos()).unwrap_or(u64::MAX);
    let begin_ns = SystemClock.now_ns().saturating_add(lead_ns);
    pilot.begin(begin_ns)?;
    let span = Duration::from_nanos(plan.span_ns);
    let over_at = Instant::now() + LEAD + span;
    let given_up_at = over_at + span.max(LATE_MAX);
    let mut done_at = None;
    let interrupted = loop {
        if interrupt::requested() {
            break true;
        }
        let now = Instant::now();
        if let Some(sent) = pilot.sent()? {
            let done_at = *done_at.get_or_insert(now);
            if received.get() >= sent || now > done_at + SETTLE_MAX {
                break false;
            }
        }
        if now > given_up_at + SETTLE_MAX {
            break false;
        }
        // Ctrl-C unparks this thread.
        thread::park_timeout(over_at.saturating_duration_since(now).max(LOOK_EVERY));
    };
    let after = Snapshot::read(cores);
    Ok(Conducted {
        begin_ns,
        interrupted,
        threads: after.threads_since(&before),
        steal: after.steal_since(&before),
    })
}
