//! Owns the `ring` stage: a publisher on one core, a reader on another, and a bus between them.

use super::conduct::{Local, conduct};
use super::gaps::Gaps;
use super::measured::Measured;
use super::recorder::Recorder;
use super::sender::{Begin, Outlet, Sender};
use super::setup::{Setup, subscription};
use super::ticks::event;
use crate::config::RingName;
use anyhow::{Result, bail};
use ringtape::bus::{Account, Books, Delivery, Passage, Publisher, Subscriber, Subscription};
use ringtape::clock::{Clock as _, SystemClock};
use ringtape::counters::Counter;
use ringtape::journal::{self, Writer};
use ringtape::market::MarketEvent;
use ringtape::record::{Content, Sequence};
use ringtape::runtime::{self, CorePlan};
use ringtape::stage::{Framing, RecordStage, Stage};
use ringtape::wait::WaitStrategy;
use std::any::Any;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Records of a poll.
const RECORDS_PER_POLL: usize = 256;
/// Empty polls of the reader for one reading of the clock: more of them would be what is measured.
const POLLS_PER_READING: u32 = 16;
/// Records that a tape's ring holds, as in a pipeline.
const TAPE_CAPACITY: usize = 1 << 20;

/// Publishes instead of sending. The bus ends when this is dropped.
struct Bus {
    publisher: Publisher<MarketEvent>,
    number: u64,
    due_ns: u64,
}

impl Outlet for Bus {
    fn prepare(&mut self, due_ns: u64) {
        self.number += 1;
        self.due_ns = due_ns;
    }

    fn send(&mut self) -> bool {
        let event = event(self.number, self.due_ns);
        self.publisher.batch().push_event(self.due_ns, &event);
        // All subscribers are lossy: there is never a backlog.
        self.publisher.commit(Passage::default())
    }

    /// The reader goes on until it is stopped, so that its thread can be looked at.
    fn end(&mut self) {}
}

/// Reads the bus, and the clock before anything else.
struct Reader {
    subscriber: Subscriber<MarketEvent>,
    books: Arc<Books>,
    clock: SystemClock,
    recorder: Recorder,
    received: Arc<Counter>,
    empty_polls: u32,
    gaps: Gaps,
}

impl Stage for Reader {
    fn name(&self) -> &str {
        "reader"
    }

    /// Hot path: no allocation, no system call.
    fn poll(&mut self) -> usize {
        let Self {
            subscriber,
            clock,
            recorder,
            received,
            ..
        } = self;
        let deliveries = subscriber.poll(RECORDS_PER_POLL, |delivery| {
            let handler_ns = clock.now_ns();
            // What an overrun lost is in the books.
            let Delivery::Record { record, .. } = delivery else {
                return;
            };
            if let Content::Event(event) = record.content() {
                recorder.sample(handler_ns, event.head.ts_event_ns);
                received.add(1);
            }
        });
        if deliveries > 0 {
            self.empty_polls = 0;
            self.gaps.busy();
            return deliveries;
        }
        if self.empty_polls.is_multiple_of(POLLS_PER_READING) {
            self.gaps.idle(self.clock.now_ns());
        }
        self.empty_polls = self.empty_polls.wrapping_add(1);
        0
    }

    fn is_finished(&self) -> bool {
        self.subscriber.is_closed()
    }
}

type Tape = RecordStage<MarketEvent, SystemClock>;

/// Opens the tape and attaches it to a bus that goes on where the tape ends.
fn open_tape(directory: &Path) -> Result<(Publisher<MarketEvent>, Tape)> {
    let writer = Writer::open(journal::Config::new(directory), SystemClock.now_ns())?;
    let mut publisher = Publisher::starting_at(writer.next_sequence(), 1);
    let subscriber = publisher.subscribe(Subscription {
        capacity: TAPE_CAPACITY,
        passages: false,
        ..subscription(RingName::Lane)
    })?;
    let framing = Framing::default();
    let tape = RecordStage::new("journal", subscriber, writer, SystemClock, framing)?;
    Ok((publisher, tape))
}

/// Measures.
///
/// # Errors
///
/// What keeps it from starting.
pub(super) fn run(setup: &Setup) -> Result<Measured> {
    let (mut publisher, tape) = match &setup.journal {
        Some(directory) => {
            let (publisher, tape) = open_tape(directory)?;
            (publisher, Some(tape))
        }
        None => (Publisher::starting_at(Sequence::FIRST, 1), None),
    };
    let subscriber = publisher.subscribe(Subscription {
        passages: false,
        ..subscription(setup.ring)
    })?;
    let begin = Arc::<Begin>::default();
    let received = Arc::<Counter>::default();
    let reader = Reader {
        books: subscriber.books(),
        subscriber,
        clock: SystemClock,
        recorder: Recorder::new(Arc::clone(&begin), setup.warm_up_ns, setup.measured_ns()),
        received: Arc::clone(&received),
        empty_polls: 0,
        gaps: Gaps::new(),
    };
    let bus = Bus {
        publisher,
        number: 0,
        due_ns: 0,
    };
    let schedule = setup.plan.schedule();
    let sender = Sender::new(schedule, bus, SystemClock, Arc::clone(&begin));
    let mut local = Local {
        begin,
        progress: sender.progress(),
    };
    let running = runtime::launch(plans(setup, sender, reader, tape))?;
    let cores = setup.cores.all();
    let conducted = conduct(&mut local, &received, setup.plan, &cores)?;
    running.stop();
    let mut ended = Ended::default();
    for stage in running.join() {
        ended.take(stage?);
    }
    let (Some(sender), Some(reader)) = (ended.sender, ended.reader) else {
        bail!("a stage of the run was lost");
    };
    let account = reader.books.account();
    // A journal on the same core writes when the ring is idle, too: that is no noise.
    let watched = setup.cores.journal != Some(setup.cores.handler);
    let noise = watched.then(|| reader.gaps.into_noise(setup.cores.handler));
    let mut measured = Measured::new(
        setup,
        reader.recorder,
        received.get(),
        sender.into_sent(),
        noise.into_iter().collect(),
        conducted,
    );
    take_accounts(&mut measured, &account, ended.tape);
    Ok(measured)
}

fn take_accounts(measured: &mut Measured, account: &Account, tape: Option<Tape>) {
    measured.drops.insert("overruns", account.overrun);
    let mut closes = account.closes();
    if let Some(outcome) = tape.map(RecordStage::into_outcome) {
        measured.take_tape(outcome.account.missing());
        closes &= outcome.account.closes();
    }
    if !closes {
        measured
            .broken
            .push("the loss ledger does not close".to_owned());
    }
}

/// What runs on which core. The sender spins wherever it has its core for itself.
fn plans(
    setup: &Setup,
    sender: Sender<Bus, SystemClock>,
    reader: Reader,
    tape: Option<Tape>,
) -> Vec<CorePlan> {
    let cores = setup.cores;
    let mut stages: Vec<(usize, Box<dyn Stage>)> = vec![
        (cores.sender, Box::new(sender)),
        (cores.handler, Box::new(reader)),
    ];
    if let (Some(core), Some(tape)) = (cores.journal, tape) {
        stages.push((core, Box::new(tape)));
    }
    let mut plans = BTreeMap::<usize, CorePlan>::new();
    for (core, stage) in stages {
        let plan = plans.entry(core).or_insert_with(|| CorePlan {
            core,
            wait: setup.wait(),
            stages: Vec::new(),
        });
        plan.stages.push(stage);
    }
    if let Some(plan) = plans.get_mut(&cores.sender)
        && plan.stages.len() == 1
    {
        plan.wait = WaitStrategy::Spin;
    }
    plans.into_values().collect()
}

/// The stages, told apart again.
#[derive(Default)]
struct Ended {
    sender: Option<Sender<Bus, SystemClock>>,
    reader: Option<Reader>,
    tape: Option<Tape>,
}

impl Ended {
    fn take(&mut self, stage: Box<dyn Stage>) {
        let stage: Box<dyn Any> = stage;
        let stage = match stage.downcast() {
            Ok(sender) => return self.sender = Some(*sender),
            Err(other) => other,
        };
        match stage.downcast() {
            Ok(reader) => self.reader = Some(*reader),
            Err(other) => self.tape = other.downcast().ok().map(|tape| *tape),
        }
    }
}
