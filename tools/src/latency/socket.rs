//! Owns the `net` and `full` stages: a sender, a socket, and a pipeline as users have it.

use super::conduct::{Conducted, Local, conduct, settle};
use super::gaps::IdleWatch;
use super::measured::Measured;
use super::packets::{Orders, Ticks, midnight_ns};
use super::process::Remote;
use super::recorder::{Probe, Recorder};
use super::schedule::Plan;
use super::sender::{Begin, Outlet, Progress, Sender, Sent};
use super::setup::{Setup, Stage, subscription};
use super::ticks::TickFeed;
use crate::noise::Noise;
use crate::{output, report, worst};
use anyhow::{Context as _, Result};
use ringtape::clock::{Clock as _, SystemClock};
use ringtape::counters::Counter;
use ringtape::feed::{Feed, FeedConfig, FeedCounters, NasdaqFeed, Start};
use ringtape::market::MarketEvent;
use ringtape::net::{self, Line, Stamps};
use ringtape::pipeline::{HandlerSettings, JournalSettings, Pipeline, Report, Settings, Ticket};
use ringtape::runtime::{self, CorePlan};
use ringtape::wait::WaitStrategy;
use std::any::Any;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

/// Longer than any stall in which a datagram can still be under way.
const HOLD_NS: u64 = 1_000_000_000;

/// What is to be sent where: all that a sender needs to know, in whichever process it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) stage: Stage,
    pub(super) target: SocketAddrV4,
    pub(super) plan: Plan,
    pub(super) core: usize,
    /// Whether other threads need the core, too.
    pub(super) shared: bool,
    /// From when the times of the messages count.
    pub(super) midnight_ns: u64,
}

/// A sender on a thread of this process.
pub(super) struct Sending {
    pub(super) progress: Arc<Progress>,
    running: runtime::Running,
    take: fn(Box<dyn Any>) -> Option<Sent>,
}

impl Sending {
    /// Starts the thread; the schedule begins when `begin` is set.
    pub(super) fn start(route: Route, begin: Arc<Begin>) -> Result<Self> {
        let Route {
            stage,
            target,
            plan,
            midnight_ns,
            ..
        } = route;
        match stage {
            Stage::Full => {
                let outlet = Orders::open(target, plan, midnight_ns)?;
                Self::start_with(outlet, route, begin)
            }
            Stage::Net | Stage::Ring => Self::start_with(Ticks::open(target)?, route, begin),
        }
    }

    fn start_with<O: Outlet>(outlet: O, route: Route, begin: Arc<Begin>) -> Result<Self> {
        let sender = Sender::new(route.plan.schedule(), outlet, SystemClock, begin);
        let wait = if route.shared {
            WaitStrategy::Yield
        } else {
            WaitStrategy::Spin
        };
        Ok(Self {
            progress: sender.progress(),
            running: runtime::launch(vec![CorePlan {
                core: route.core,
                wait,
                stages: vec![Box::new(sender)],
            }])?,
            take: |stage| {
                let sender = stage.downcast::<Sender<O, SystemClock>>().ok()?;
                Some(sender.into_sent())
            },
        })
    }

    /// Ends the sender, in the middle of its schedule if need be.
    pub(super) fn finish(self) -> Result<Sent> {
        self.running.stop();
        let stage = self.running.join().pop().context("the sender was lost")??;
        (self.take)(stage).context("the sender was lost")
    }
}

/// Measures.
///
/// # Errors
///
/// What keeps it from starting, or ends a sender in another process.
pub(super) fn run(setup: &Setup) -> Result<Measured> {
    let begin = Arc::<Begin>::default();
    let midnight_ns = midnight_ns(SystemClock.now_ns());
    let recorder = Recorder::new(Arc::clone(&begin), setup.warm_up_ns, setup.measured_ns());
    let probe = Probe::new(recorder);
    let received = Arc::clone(&probe.received);
    let Planned {
        pipeline,
        ticket,
        noise,
    } = plan(setup, probe, midnight_ns)?;
    let running = pipeline.start()?;
    output::note(&report::start_text(running.receiver(), running.cores()));
    let cores = setup.cores;
    let route = Route {
        stage: setup.stage,
        target: running.receiver().lines[0].address,
        plan: setup.plan,
        core: cores.sender,
        shared: setup.shares_sender_core(),
        midnight_ns,
    };
    let (sent, conducted) = send(setup, route, begin, &received)?;
    if conducted.interrupted {
        settle(&received, sent.sent);
    }
    running.stop();
    let mut report = running.join();
    if let Some(directory) = &setup.journal {
        keep_worst(directory, &report);
    }
    let probe = report.take(ticket).context("the handler was lost")?;
    let mut measured = Measured::new(
        setup,
        probe.recorder,
        received.get(),
        sent,
        noise.into_iter().collect(),
        conducted,
    );
    measured.take_report(&report, probe.missing);
    if let Some(latency) = &report.subscribers[0].latency {
        measured.take_hops(&probe.due_to_wire, latency);
    }
    Ok(measured)
}

/// Keeps the slowest records beside the tape that they can be replayed from.
fn keep_worst(directory: &Path, report: &Report) {
    match worst::keep(directory, report) {
        Err(error) => output::warn(&[format!("the slowest records are not kept: {error:#}")]),
        Ok(Some(_)) => output::note(&format!(
            "the slowest records: ringtape replay {} --around-worst 1\n",
            directory.display()
        )),
        Ok(None) => {}
    }
}

/// Runs the sender from begin to end.
fn send(
    setup: &Setup,
    route: Route,
    begin: Arc<Begin>,
    received: &Counter,
) -> Result<(Sent, Conducted)> {
    let cores = setup.cores.all();
    if setup.process {
        let mut remote = Remote::start(route, begin)?;
        let mut conducted = conduct(&mut remote, received, setup.plan, &cores)?;
        let (sent, threads) = remote.finish()?;
        conducted.threads.extend(threads);
        return Ok((sent, conducted));
    }
    let sending = Sending::start(route, Arc::clone(&begin))?;
    let mut local = Local {
        begin,
        progress: Arc::clone(&sending.progress),
    };
    let conducted = conduct(&mut local, received, setup.plan, &cores)?;
    Ok((sending.finish()?, conducted))
}

/// A pipeline, and what will come out of it.
struct Planned {
    pipeline: Pipeline<MarketEvent>,
    ticket: Ticket<Probe>,
    noise: Receiver<Noise>,
}

fn plan(setup: &Setup, probe: Probe, midnight_ns: u64) -> Result<Planned> {
    let cores = setup.cores;
    let mut pipeline = Pipeline::new(Settings {
        net: net::Config {
            backend: setup.backend.into(),
            stamps: Stamps::Kernel,
            ..net::Config::default()
        },
        wait: setup.wait(),
        ingest_core: cores.ingest,
    });
    let anywhere = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    let lines = vec![Line::new("A", anywhere)];
    let counters = match setup.stage {
        Stage::Full => {
            let feed = NasdaqFeed::new(FeedConfig {
                name: "synthetic".to_owned(),
                lines: vec!["A".to_owned()],
                start: Start::At(1),
                hold_ns: HOLD_NS,
                midnight_ns,
                ..FeedConfig::default()
            })?;
            add_feed(&mut pipeline, feed, lines)?
        }
        Stage::Net | Stage::Ring => add_feed(&mut pipeline, TickFeed::new(), lines)?,
    };
    let received = Arc::clone(&probe.received);
    let settings = HandlerSettings {
        subscription: subscription(setup.ring),
        measure: true,
        core: Some(cores.handler),
    };
    let ticket = pipeline.subscribe("probe", settings, probe);
    if let Some(directory) = &setup.journal {
        pipeline.journal(JournalSettings {
            core: cores.journal,
            ..JournalSettings::new(directory)
        });
    }
    let noise = watch(setup, &mut pipeline, counters, received);
    Ok(Planned {
        pipeline,
        ticket,
        noise,
    })
}

fn add_feed(
    pipeline: &mut Pipeline<MarketEvent>,
    feed: impl Feed<MarketEvent> + 'static,
    lines: Vec<Line>,
) -> Result<Arc<FeedCounters>> {
    let counters = Arc::clone(feed.counters());
    pipeline.feed(feed, lines)?;
    Ok(counters)
}

/// Has each core of the pipeline watched while nothing happens on it. Not one that a journal writes
/// on, nor one whose thread sleeps: their pauses are not the machine's.
fn watch(
    setup: &Setup,
    pipeline: &mut Pipeline<MarketEvent>,
    counters: Arc<FeedCounters>,
    received: Arc<Counter>,
) -> Receiver<Noise> {
    let cores = setup.cores;
    let mut watched = vec![cores.handler];
    watched.extend(cores.ingest);
    watched.dedup();
    watched.retain(|&core| cores.journal != Some(core) && core != cores.sender);
    if setup.wait() == WaitStrategy::Park {
        watched.clear();
    }
    let (noted, noise) = sync_channel(watched.len());
    for core in watched {
        let (counters, received) = (Arc::clone(&counters), Arc::clone(&received));
        let work = move || counters.by_line[0].packets.get() + received.get();
        let watch = IdleWatch::new(core, SystemClock, work, noted.clone());
        pipeline.stage(watch, Some(core));
    }
    noise
}
