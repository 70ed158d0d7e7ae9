//! Owns the wiring: lines to feeds to a bus to handlers, on cores; and the report at the end.
//!
//! One pipeline has one ingest stage and so one bus and one total order.

use crate::bus::{Account, Publisher, Subscription};
use crate::clock::SystemClock;
use crate::cpu;
use crate::error::{Error, Result};
use crate::feed::{Feed, Ledger};
use crate::handler::{Handler, Tally};
use crate::latency::Latency;
use crate::net::{self, Line, NetCounters, ReceiveBuffer, Receiver};
use crate::record::{Digest, Event};
use crate::runtime::{self, CorePlan, Ended};
use crate::stage::{
    HandleOutcome, HandleStage, IngestCounters, IngestOutcome, IngestStage, Route, Stage,
};
use crate::wait::WaitStrategy;
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddrV4;
use std::sync::Arc;

/// What holds for a whole pipeline.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How datagrams are received.
    pub net: net::Config,
    /// What idle poll loops do.
    pub wait: WaitStrategy,
    /// The core of the ingest stage; chosen if `None`.
    pub ingest_core: Option<usize>,
}

/// How a handler is attached.
#[derive(Clone, Copy, Debug)]
pub struct HandlerSettings {
    /// Its ring.
    pub subscription: Subscription,
    /// Whether its latency is measured, at one clock reading for each record.
    pub measure: bool,
    /// Its core; chosen if `None`.
    pub core: Option<usize>,
}

impl Default for HandlerSettings {
    /// A lossy subscription, measured.
    fn default() -> Self {
        Self {
            subscription: Subscription::default(),
            measure: true,
            core: None,
        }
    }
}

/// Names a handler that was given to a pipeline, to get it back from the [`Report`].
pub struct Ticket<H> {
    index: usize,
    handler: PhantomData<fn() -> H>,
}

impl<H> Clone for Ticket<H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<H> Copy for Ticket<H> {}

impl<H> fmt::Debug for Ticket<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({})", self.index)
    }
}

/// A pipeline that has not started.
///
/// # Examples
///
/// ```no_run
/// use ringtape::feed::{NasdaqConfig, NasdaqFeed};
/// use ringtape::handler::{At, Handler};
/// use ringtape::market::MarketEvent;
/// use ringtape::net::Line;
/// use ringtape::pipeline::{HandlerSettings, Pipeline, Settings};
/// use ringtape::record::Gap;
///
/// #[derive(Default)]
/// struct Count(u64);
///
/// impl Handler<MarketEvent> for Count {
///     fn on_event(&mut self, _: &MarketEvent, _: At) {
///         self.0 += 1;
///     }
///     fn on_gap(&mut self, gap: Gap) {
///         eprintln!("lost {gap:?}");
///     }
/// }
///
/// let mut pipeline = Pipeline::new(Settings::default());
/// let feed = NasdaqFeed::new(NasdaqConfig::default())?;
/// pipeline.feed(feed, vec![Line::new("A", "127.0.0.1:26477".parse()?)])?;
/// let count = pipeline.subscribe("count", HandlerSettings::default(), Count::default());
///
/// let running = pipeline.start()?;
/// // … until it is time to stop.
/// running.stop();
/// let mut report = running.join();
/// println!("{} events", report.take(count).map_or(0, |count| count.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Pipeline<E: Event> {
    settings: Settings,
    feeds: Vec<Box<dyn Feed<E>>>,
    lines: Vec<Line>,
    routes: Vec<Route>,
    subscribers: Vec<Planned<E>>,
    others: Vec<(Box<dyn Stage>, Option<usize>)>,
}

/// A subscriber before the bus exists. The functions remember the handler's type.
struct Planned<E: Event> {
    name: String,
    settings: HandlerSettings,
    attach: Attach<E>,
    collect: Collect,
}

/// A handler on its way back to the user.
type Handback = Option<Box<dyn Any + Send>>;
/// Takes a handle stage apart, knowing the handler's type.
type Collect = fn(Box<dyn Stage>) -> (SubscriberReport, Handback);
/// Makes a handle stage once there is a bus.
type Attach<E> =
    Box<dyn FnOnce(&str, HandlerSettings, &mut Publisher<E>) -> Result<Box<dyn Stage>> + Send>;

impl<E: Event> Pipeline<E> {
    /// Makes a pipeline without feeds and handlers.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            feeds: Vec::new(),
            lines: Vec::new(),
            routes: Vec::new(),
            subscribers: Vec::new(),
            others: Vec::new(),
        }
    }

    /// Adds a feed that listens on `lines`, in the order in which the feed numbers them.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the feed expects another number of lines, or has the id of another.
    pub fn feed(&mut self, feed: impl Feed<E> + 'static, lines: Vec<Line>) -> Result<()> {
        let expected = feed.lines().len();
        if lines.len() != expected {
            return Err(Error::config(
                format!("feed {} has {} lines", feed.name(), lines.len()),
                format!("it was made for {expected}"),
            ));
        }
        if let Some(other) = self.feeds.iter().find(|other| other.id() == feed.id()) {
            return Err(Error::config(
                format!(
                    "feeds {} and {} both have id {}",
                    other.name(),
                    feed.name(),
                    feed.id()
                ),
                "give each feed of a pipeline an id of its own",
            ));
        }
        let index = self.feeds.len();
        self.routes
            .extend((0..expected).map(|line| Route { feed: index, line }));
        self.lines.extend(lines);
        self.feeds.push(Box::new(feed));
        Ok(())
    }

    /// Adds a handler. The ticket gets it back from the report.
    pub fn subscribe<H: Handler<E>>(
        &mut self,
        name: impl Into<String>,
        settings: HandlerSettings,
        handler: H,
    ) -> Ticket<H> {
        let index = self.subscribers.len();
        self.subscribers.push(Planned {
            name: name.into(),
            settings,
            attach: Box::new(|name, settings, publisher| {
                let subscriber = publisher.subscribe(settings.subscription)?;
                let stage =
                    HandleStage::new(name, subscriber, handler, SystemClock, settings.measure);
                Ok(Box::new(stage))
            }),
            collect: collect::<E, H>,
        });
        Ticket {
            index,
            handler: PhantomData,
        }
    }

    /// Adds a stage of the user's own, polled in turn with ours on its core.
    pub fn stage(&mut self, stage: impl Stage, core: Option<usize>) {
        self.others.push((Box::new(stage), core));
    }

    /// Opens the sockets, builds the bus, starts the threads.
    ///
    /// # Errors
    ///
    /// Every mistake of an operator: see [`Error`]. Nothing runs then.
    pub fn start(self) -> Result<Running<E>> {
        self.check_names()?;
        let Self {
            settings,
            feeds,
            lines,
            routes,
            subscribers,
            others,
        } = self;
        let asked: Vec<Option<usize>> = std::iter::once(settings.ingest_core)
            .chain(subscribers.iter().map(|planned| planned.settings.core))
            .chain(others.iter().map(|(_, core)| *core))
            .collect();
        cpu::check_online(asked.iter().flatten().copied())?;
        let cores = runtime::assign_cores(&asked, &cpu::allowed());

        let receiver = Receiver::open(&settings.net, &lines)?;
        let receiver_report = ReceiverReport::of(&receiver, &lines);
        let feed_count = feeds.len();
        let batch_records = feeds
            .iter()
            .map(|feed| feed.records_max(settings.net.datagram_bytes_max))
            .max()
            .ok_or_else(|| Error::config("a pipeline without a feed", "add one"))?;
        let mut publisher = Publisher::new(batch_records);

        let mut collectors = Vec::with_capacity(subscribers.len());
        let mut handle_stages = Vec::with_capacity(subscribers.len());
        for planned in subscribers {
            let Planned {
                name,
                settings,
                attach,
                collect,
            } = planned;
            handle_stages.push(attach(&name, settings, &mut publisher)?);
            collectors.push(collect);
        }
        let ingest = IngestStage::new("ingest", receiver, routes, feeds, publisher, SystemClock);
        let (ingest_counters, net) = (ingest.counters(), ingest.net_counters());

        let first: Box<dyn Stage> = Box::new(ingest);
        let stages = std::iter::once(first)
            .chain(handle_stages)
            .chain(others.into_iter().map(|(stage, _)| stage));
        let (plans, order) = plan_cores(stages, &cores, settings.wait);
        let core_reports = plans
            .iter()
            .map(|plan| CoreReport {
                core: plan.core,
                wait: plan.wait,
                stages: plan
                    .stages
                    .iter()
                    .map(|stage| stage.name().to_owned())
                    .collect(),
            })
            .collect();
        let threads = runtime::launch(plans)?;
        Ok(Running {
            threads,
            order,
            collectors,
            cores: core_reports,
            ingest: ingest_counters,
            net,
            receiver: receiver_report,
            feeds: feed_count,
            event: PhantomData,
        })
    }
}

impl<E: Event> Pipeline<E> {
    /// Two subscribers of one name could not be told apart in a report.
    fn check_names(&self) -> Result<()> {
        let names: Vec<&str> = self
            .subscribers
            .iter()
            .map(|planned| planned.name.as_str())
            .collect();
        match (1..names.len()).find(|&index| names[..index].contains(&names[index])) {
            None => Ok(()),
            Some(twin) => Err(Error::config(
                format!("two subscribers are named {}", names[twin]),
                "give each a name of its own",
            )),
        }
    }
}

impl<E: Event> fmt::Debug for Pipeline<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let feeds: Vec<&str> = self.feeds.iter().map(|feed| feed.name()).collect();
        let subscribers: Vec<&str> = self
            .subscribers
            .iter()
            .map(|planned| planned.name.as_str())
            .collect();
        f.debug_struct("Pipeline")
            .field("settings", &self.settings)
            .field("feeds", &feeds)
            .field("lines", &self.lines)
            .field("subscribers", &subscribers)
            .finish_non_exhaustive()
    }
}

/// Groups stages by core. Also returns, for each stage in the order of the plans, its index in
/// the order given.
fn plan_cores(
    stages: impl Iterator<Item = Box<dyn Stage>>,
    cores: &[usize],
    wait: WaitStrategy,
) -> (Vec<CorePlan>, Vec<usize>) {
    type Placed = (usize, Box<dyn Stage>);
    let mut by_core: BTreeMap<usize, Vec<Placed>> = BTreeMap::new();
    for (index, (stage, &core)) in stages.zip(cores).enumerate() {
        by_core.entry(core).or_default().push((index, stage));
    }
    let mut order = Vec::with_capacity(cores.len());
    let plans = by_core
        .into_iter()
        .map(|(core, members)| {
            let (indices, stages): (Vec<_>, Vec<_>) = members.into_iter().unzip();
            order.extend(indices);
            CorePlan { core, wait, stages }
        })
        .collect();
    (plans, order)
}

/// A pipeline whose threads are polling. Dropping it stops them and waits for them.
#[derive(Debug)]
pub struct Running<E> {
    threads: runtime::Running,
    /// For each stage in the order of the threads: its index as planned. 0 is ingest, then the
    /// subscribers, then the user's own stages.
    order: Vec<usize>,
    collectors: Vec<Collect>,
    cores: Vec<CoreReport>,
    ingest: Arc<IngestCounters>,
    net: Arc<NetCounters>,
    receiver: ReceiverReport,
    feeds: usize,
    event: PhantomData<fn() -> E>,
}

impl<E: Event> Running<E> {
    /// Returns which core runs what.
    #[must_use]
    pub fn cores(&self) -> &[CoreReport] {
        &self.cores
    }

    /// Returns the receiver's counters, which go on counting.
    #[must_use]
    pub fn net(&self) -> &NetCounters {
        &self.net
    }

    /// Returns how often a lossless subscriber has made the feeds wait.
    #[must_use]
    pub fn waits(&self) -> u64 {
        self.ingest.waits.get()
    }

    /// Returns what receives, and where.
    #[must_use]
    pub fn receiver(&self) -> &ReceiverReport {
        &self.receiver
    }

    /// Returns whether every stage has ended by itself.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.threads.is_finished()
    }

    /// Returns whether the venue of every feed has ended its session.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ingest.feeds_ended.get() == self.feeds as u64
    }

    /// Asks for the end: reception stops, open holes are published as gaps, every ring is
    /// drained. Returns at once.
    pub fn stop(&self) {
        self.threads.stop();
    }

    /// Waits for the end and returns the report. Without a [`stop`](Self::stop) before it, that
    /// can be never.
    #[must_use]
    pub fn join(self) -> Report {
        let mut stages: Vec<(usize, Ended)> = self
            .order
            .iter()
            .copied()
            .zip(self.threads.join())
            .collect();
        stages.sort_by_key(|(index, _)| *index);
        let mut stages = stages.into_iter().map(|(_, ended)| ended);
        let mut report = Report {
            feeds: Vec::new(),
            subscribers: Vec::new(),
            net: self.net,
            receiver: self.receiver,
            waits: 0,
            waited_ns: 0,
            cores: self.cores,
            errors: Vec::new(),
            handlers: Vec::new(),
        };

        match stages.next() {
            Some(Ok(stage)) => {
                let stage: Box<dyn Any> = stage;
                let ingest = stage
                    .downcast::<IngestStage<E, SystemClock>>()
                    .expect("invariant: the first stage is the ingest stage of this pipeline");
                report.take_ingest(&ingest.into_outcome());
            }
            Some(Err(error)) => report.errors.push(error),
            None => {}
        }
        for (&collect, ended) in self.collectors.iter().zip(&mut stages) {
            let handler = match ended {
                Ok(stage) => {
                    let (subscriber, handler) = collect(stage);
                    report.subscribers.push(subscriber);
                    handler
                }
                Err(error) => {
                    report.errors.push(error);
                    None
                }
            };
            report.handlers.push(handler);
        }
        report.errors.extend(stages.filter_map(Result::err));
        report
    }
}

/// Takes apart the stage of a handler of type `H`.
fn collect<E: Event, H: Handler<E>>(stage: Box<dyn Stage>) -> (SubscriberReport, Handback) {
    let stage: Box<dyn Any> = stage;
    let stage = stage
        .downcast::<HandleStage<E, H, SystemClock>>()
        .expect("invariant: the function was chosen with the stage's handler type");
    let HandleOutcome {
        name,
        handler,
        account,
        tally,
        digest,
        latency,
        error,
    } = stage.into_outcome();
    let report = SubscriberReport {
        name,
        account,
        tally,
        digest,
        latency,
        error,
    };
    (
        report,
        handler.map(|handler| -> Box<dyn Any + Send> { Box::new(handler) }),
    )
}

/// What a run has done: the loss ledger and everything beside it.
#[derive(Debug)]
pub struct Report {
    /// Each feed's part of the loss ledger, in the order in which they were added.
    pub feeds: Vec<FeedReport>,
    /// Each subscriber's part, in the order in which they were added.
    pub subscribers: Vec<SubscriberReport>,
    /// What the receiver counted.
    pub net: Arc<NetCounters>,
    /// What received, and where.
    pub receiver: ReceiverReport,
    /// How often, and for how many nanoseconds in all, a lossless subscriber made the feeds wait.
    pub waits: u64,
    /// See `waits`.
    pub waited_ns: u64,
    /// Which core ran what.
    pub cores: Vec<CoreReport>,
    /// Stages that panicked. A handler's panic is in its [`SubscriberReport`].
    pub errors: Vec<Error>,
    handlers: Vec<Handback>,
}

impl Report {
    /// Gives a handler back. `None` if it panicked, or if it was taken before.
    pub fn take<H: 'static>(&mut self, ticket: Ticket<H>) -> Option<H> {
        let handler = self.handlers.get_mut(ticket.index)?.take()?;
        handler.downcast().ok().map(|handler| *handler)
    }

    /// Returns whether every number is accounted for, at every place where one could get lost.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.errors.is_empty()
            && self.feeds.iter().all(|feed| feed.ledger.closes())
            && self
                .subscribers
                .iter()
                .all(|subscriber| subscriber.account.closes())
    }

    /// Returns whether nothing at all was lost: the ledger closes, no feed, no ring and no panic cost
    /// anybody a record, and there is nothing [`unaccounted`](Self::unaccounted).
    #[must_use]
    pub fn is_lossless(&self) -> bool {
        self.closes()
            && self.unaccounted() == 0
            && self.feeds.iter().all(|feed| feed.ledger.lost() == 0)
            && self.subscribers.iter().all(|subscriber| {
                let account = &subscriber.account;
                subscriber.error.is_none() && account.handled == account.published
            })
    }

    /// Returns how many datagrams and messages may have brought numbers that no ledger knows of, and
    /// that no later number revealed: those of sessions that are not followed, those that contradict
    /// the end of their session and, unless the venue has told the last number of each session, those
    /// that the kernel dropped and those that could not be read.
    #[must_use]
    pub fn unaccounted(&self) -> u64 {
        let other = |feed: &FeedReport| feed.ledger.wrong_session + feed.ledger.after_end;
        let unread = |feed: &FeedReport| {
            let ledger = &feed.ledger;
            ledger.malformed_datagrams() + ledger.truncated_datagrams
        };
        let open = self.feeds.iter().filter(|feed| !feed.ended);
        let dropped = if self.feeds.iter().all(|feed| feed.ended) {
            0
        } else {
            self.net.kernel_drops() + self.net.errors()
        };
        self.feeds.iter().map(other).sum::<u64>() + open.map(unread).sum::<u64>() + dropped
    }

    fn take_ingest<E: Event>(&mut self, outcome: &IngestOutcome<E>) {
        self.waits = outcome.counters.waits.get();
        self.waited_ns = outcome.counters.waited_ns.get();
        self.feeds = outcome
            .feeds
            .iter()
            .map(|feed| FeedReport {
                name: feed.name().to_owned(),
                ledger: feed.ledger(),
                ended: feed.ended(),
            })
            .collect();
    }
}

/// One feed's part of the loss ledger.
#[derive(Clone, Debug)]
pub struct FeedReport {
    /// The feed's name.
    pub name: String,
    /// Its books.
    pub ledger: Ledger,
    /// Whether the venue has ended its session, and so told the last number.
    pub ended: bool,
}

/// One subscriber's part of the loss ledger, and what it was given.
#[derive(Debug)]
pub struct SubscriberReport {
    /// The subscriber's name.
    pub name: String,
    /// Its books.
    pub account: Account,
    /// How often the handler was called for what.
    pub tally: Tally,
    /// What it was given, as one number.
    pub digest: Digest,
    /// How long that took, where measured.
    pub latency: Option<Latency>,
    /// The handler's panic, if it had one.
    pub error: Option<Error>,
}

/// What receives, and where: known from the start, and the same at the end.
#[derive(Clone, Debug)]
pub struct ReceiverReport {
    /// The backend that runs and, where it is not the one hoped for, why.
    pub backend: net::ActiveBackend,
    /// The lines, in the order in which they were added.
    pub lines: Vec<LineReport>,
}

impl ReceiverReport {
    fn of(receiver: &Receiver, lines: &[Line]) -> Self {
        let line = |(index, line): (usize, &Line)| LineReport {
            name: line.name.clone(),
            address: receiver.local_address(index),
            receive_buffer: receiver.receive_buffer(index),
        };
        Self {
            backend: receiver.active_backend().clone(),
            lines: lines.iter().enumerate().map(line).collect(),
        }
    }
}

/// One line as the kernel granted it.
#[derive(Clone, Debug)]
pub struct LineReport {
    /// The line's name.
    pub name: String,
    /// Where it listens, with the port that the kernel chose where none was asked for.
    pub address: SocketAddrV4,
    /// How much its socket holds.
    pub receive_buffer: ReceiveBuffer,
}

/// One core and its stages, in the order in which they are polled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreReport {
    /// The core's number.
    pub core: usize,
    /// What its thread does when there is nothing to do.
    pub wait: WaitStrategy,
    /// The names of its stages.
    pub stages: Vec<String>,
}
