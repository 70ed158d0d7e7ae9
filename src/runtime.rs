//! Owns threads: one for each core that has stages. Names them, pins them, polls until every
//! stage has ended, and turns a panic into an error that names the stage.
//!
//! Threads never outnumber the cores they are given, whatever the wait strategy: stages that
//! share a core are polled in turn on one thread.

use crate::cpu;
use crate::error::{Error, Result, panic_message};
use crate::stage::Stage;
use crate::wait::{Idle, WaitStrategy};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, Thread};

/// The stages of one core.
pub struct CorePlan {
    /// The core to pin to.
    pub core: usize,
    /// What to do when none of the stages has work.
    pub wait: WaitStrategy,
    /// Polled in turn.
    pub stages: Vec<Box<dyn Stage>>,
}

impl std::fmt::Debug for CorePlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stages: Vec<&str> = self.stages.iter().map(|stage| stage.name()).collect();
        f.debug_struct("CorePlan")
            .field("core", &self.core)
            .field("wait", &self.wait)
            .field("stages", &stages)
            .finish()
    }
}

/// Chooses a core for each of `stages`, given as the core that was asked for, if any; returns the
/// cores in the same order.
///
/// The first stage gets a core for itself if it can, because a feed that is not drained loses
/// datagrams; the others spread over what is left, and share in turn when there are fewer cores
/// than stages. Cores that were asked for by number are left to those who asked.
///
/// # Panics
///
/// When `usable` is empty.
#[must_use]
pub fn assign_cores(stages: &[Option<usize>], usable: &[usize]) -> Vec<usize> {
    assert!(
        !usable.is_empty(),
        "invariant: the thread that asks runs on some core"
    );
    let mut load: BTreeMap<usize, usize> = usable.iter().map(|&core| (core, 0)).collect();
    for core in stages.iter().flatten() {
        *load.entry(*core).or_default() += 1;
    }
    // This weight makes the first stage's core the last resort for the others.
    let first_weight = stages.len();
    if let Some(&Some(core)) = stages.first() {
        *load.entry(core).or_default() += first_weight;
    }
    stages
        .iter()
        .enumerate()
        .map(|(index, asked)| {
            asked.unwrap_or_else(|| {
                let core = *usable
                    .iter()
                    .min_by_key(|&core| load[core])
                    .expect("invariant: checked above that there is one");
                *load.entry(core).or_default() += if index == 0 { first_weight } else { 1 };
                core
            })
        })
        .collect()
}

/// Starts one thread for each plan and returns when all stages have started.
///
/// # Errors
///
/// The first failure to start a thread, to pin it or to start a stage; everything that had
/// started is dropped and joined before.
pub fn launch(plans: Vec<CorePlan>) -> Result<Running> {
    cpu::check_online(plans.iter().map(|plan| plan.core))?;
    let shared = Arc::new(Shared {
        phase: AtomicU8::new(STARTING),
        starting: AtomicUsize::new(plans.len()),
        failure: Mutex::new(None),
        launcher: thread::current(),
        stop: AtomicBool::new(false),
        unfinished: AtomicUsize::new(plans.iter().map(|plan| plan.stages.len()).sum()),
    });
    let mut running = Running {
        shared,
        threads: Vec::with_capacity(plans.len()),
    };
    for plan in plans {
        match spawn(plan, Arc::clone(&running.shared)) {
            Ok(thread) => running.threads.push(thread),
            Err(error) => running.shared.started(Err(error)),
        }
    }
    while running.shared.starting.load(Ordering::Acquire) > 0 {
        thread::park();
    }
    let failure = running.shared.failure().take();
    match failure {
        None => {
            running.release(RUNNING);
            Ok(running)
        }
        Some(error) => {
            running.release(ABANDONED);
            drop(running.join());
            Err(error)
        }
    }
}

/// Threads have not all reported.
const STARTING: u8 = 0;
/// All stages have started: poll.
const RUNNING: u8 = 1;
/// Something did not start: drop the stages without polling them.
const ABANDONED: u8 = 2;

#[derive(Debug)]
struct Shared {
    /// No stage is polled before every stage has started, so that no record is published to a
    /// handler that has not.
    phase: AtomicU8,
    /// Threads that have not reported.
    starting: AtomicUsize,
    /// The first failure to start.
    failure: Mutex<Option<Error>>,
    launcher: Thread,
    stop: AtomicBool,
    /// Stages that have not ended.
    unfinished: AtomicUsize,
}

impl Shared {
    /// Reports how a thread started. The last thing that it does before it polls: what it
    /// allocates and releases for its start is done.
    fn started(&self, outcome: Result<()>) {
        if let Err(error) = outcome {
            self.failure().get_or_insert(error);
        }
        // Release pairs with the launcher's acquire: it sees the failure.
        self.starting.fetch_sub(1, Ordering::Release);
        self.launcher.unpark();
    }

    fn failure(&self) -> MutexGuard<'_, Option<Error>> {
        // A thread that panicked while it held the lock had at most stored a whole error.
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Threads that poll.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Vec<Ended>>>,
}

/// How a stage ended: itself, to be taken apart, or the panic that ended it.
pub type Ended = Result<Box<dyn Stage>>;

impl Running {
    /// Asks all stages to end in good order. Returns at once.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.unpark();
    }

    fn release(&self, phase: u8) {
        self.shared.phase.store(phase, Ordering::Release);
        self.unpark();
    }

    fn unpark(&self) {
        for thread in &self.threads {
            thread.thread().unpark();
        }
    }

    /// Returns whether every stage has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.shared.unfinished.load(Ordering::Acquire) == 0
    }

    /// Waits until every stage has ended and returns them in the order of the plans. Without a
    /// [`stop`](Self::stop) before it, that can be never.
    #[must_use]
    pub fn join(mut self) -> Vec<Ended> {
        let mut ended = Vec::new();
        for thread in std::mem::take(&mut self.threads) {
            match thread.join() {
                Ok(stages) => ended.extend(stages),
                // Every call into a stage is contained, so this is a panic of the loop itself.
                Err(payload) => std::panic::resume_unwind(payload),
            }
        }
        ended
    }
}

impl Drop for Running {
    /// Stops and joins threads that nobody has joined.
    fn drop(&mut self) {
        self.stop();
        for thread in self.threads.drain(..) {
            // Its panic has no one left to be told to, and a drop must not panic.
            _ = thread.join();
        }
    }
}

/// A stage on its thread.
struct Slot {
    /// Gone after a panic.
    stage: Option<Box<dyn Stage>>,
    /// The panic.
    error: Option<Error>,
    /// Wants no more polls.
    finished: bool,
}

impl Slot {
    /// Calls into the stage. A panic ends this stage and no other: it is dropped at once, so that
    /// whoever is at the other end of its rings learns of it.
    fn contain<R>(&mut self, call: impl FnOnce(&mut dyn Stage) -> R) -> Option<R> {
        let stage = self.stage.as_mut()?;
        // Unwind safety: after a panic the stage is not called again, only dropped.
        match catch_unwind(AssertUnwindSafe(|| call(stage.as_mut()))) {
            Ok(value) => Some(value),
            Err(payload) => {
                self.error = Some(Error::StagePanicked {
                    stage: stage.name().to_owned(),
                    message: panic_message(payload.as_ref()),
                });
                let panicked = self.stage.take();
                // A second panic while it is dropped says nothing more than the first.
                _ = catch_unwind(AssertUnwindSafe(|| drop(panicked)));
                None
            }
        }
    }

    /// How it ended; `None` for a stage whose panic at the start went to whoever started it.
    fn ended(self) -> Option<Ended> {
        match self.stage {
            Some(stage) => Some(Ok(stage)),
            None => self.error.map(Err),
        }
    }
}

fn spawn(plan: CorePlan, shared: Arc<Shared>) -> Result<JoinHandle<Vec<Ended>>> {
    let names: Vec<&str> = plan.stages.iter().map(|stage| stage.name()).collect();
    // The kernel keeps 15 bytes of a thread's name.
    let name: String = names.join("+").chars().take(15).collect();
    let core = plan.core;
    thread::Builder::new()
        .name(name)
        .spawn(move || run(plan, &shared))
        .map_err(|source| Error::os(format!("cannot start a thread for core {core}"), source))
}

fn run(plan: CorePlan, shared: &Shared) -> Vec<Ended> {
    let slot = |stage| Slot {
        stage: Some(stage),
        error: None,
        finished: false,
    };
    let mut slots: Vec<Slot> = plan.stages.into_iter().map(slot).collect();
    shared.started(cpu::pin(plan.core).and_then(|()| start(&mut slots)));
    loop {
        match shared.phase.load(Ordering::Acquire) {
            STARTING => thread::park(),
            RUNNING => break poll_until_finished(&mut slots, plan.wait, shared),
            // Nobody will take them apart, and their ends of the rings must not outlive this.
            _ => return Vec::new(),
        }
    }
    slots.into_iter().filter_map(Slot::ended).collect()
}

fn start(slots: &mut [Slot]) -> Result<()> {
    for slot in slots {
        match (slot.contain(|stage| stage.start()), slot.error.take()) {
            (Some(outcome), _) => outcome?,
            (None, Some(panic)) => return Err(panic),
            (None, None) => unreachable!("invariant: a contained panic leaves an error"),
        }
    }
    Ok(())
}

/// Hot path: no allocation, no system call but what the wait strategy asks for.
fn poll_until_finished(slots: &mut [Slot], wait: WaitStrategy, shared: &Shared) {
    let mut idle = Idle::new(wait);
    let mut unfinished = slots.len();
    while unfinished > 0 {
        let stopping = shared.stop.load(Ordering::Acquire);
        let mut work = 0;
        for slot in slots.iter_mut().filter(|slot| !slot.finished) {
            let polled = slot.contain(|stage| {
                if stopping {
                    stage.request_stop();
                }
                (stage.poll(), stage.is_finished())
            });
            let (stage_work, finished) = polled.unwrap_or((0, true));
            work += stage_work;
            if finished {
                slot.finished = true;
                unfinished -= 1;
                shared.unfinished.fetch_sub(1, Ordering::Release);
            }
        }
        idle.after(work);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_stage_keeps_its_core_and_the_others_share_what_is_left() {
        for (stages, usable, expected) in [
            (vec![None; 4], vec![0], vec![0, 0, 0, 0]),
            (vec![None; 4], vec![0, 1], vec![0, 1, 1, 1]),
            (vec![None; 4], vec![2, 5, 7], vec![2, 5, 7, 5]),
            (vec![None; 3], vec![0, 1, 2, 3], vec![0, 1, 2]),
            (vec![None, Some(0), None], vec![0, 1], vec![1, 0, 0]),
            (vec![Some(1), None, None], vec![0, 1], vec![1, 0, 0]),
            (vec![Some(9), None], vec![0, 1], vec![9, 0]),
        ] {
            assert_eq!(
                assign_cores(&stages, &usable),
                expected,
                "{stages:?} on {usable:?}"
            );
        }
    }
}
