//! Owns the wiring: lines to feeds to a bus to handlers and a journal, on cores; and the report at
//! the end.
//!
//! One pipeline has one ingest stage and so one bus and one total order. It runs on threads that
//! receive from sockets, or, [`Offline`], on the caller's from what was captured.
//!
//! A handler can publish to a bus of its own, and handlers and journals of that bus run in the same
//! pipeline ([`Pipeline::subscribe_to`]). Buses end one after the other: the pipeline's own, then
//! the handler, which hands over what is left and drops its publisher, then those who listen to
//! that.

mod attach;
mod offline;
mod report;
mod running;

use self::attach::{Attached, OtherJournal, Planned, attach, batch_records};
use crate::bus::{Contract, Publisher, Subscription};
use crate::clock::SystemClock;
use crate::cpu;
use crate::error::{Error, Result};
use crate::feed::Feed;
use crate::handler::Handler;
use crate::journal;
use crate::net::{self, Line, Receiver, StreamLine, Streams};
use crate::record::Event;
use crate::runtime::{self, CorePlan};
use crate::stage::{Framing, IngestStage, RecordStage, Route, Stage};
use crate::wait::WaitStrategy;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

pub use offline::Offline;
pub use report::{
    CoreReport, FeedReport, LineReport, ReceiverReport, Report, StreamReport, SubscriberReport,
};
pub use running::Running;

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

/// How a pipeline is journaled.
#[derive(Clone, Debug)]
pub struct JournalSettings {
    /// Where and how the tape is written.
    pub tape: journal::Config,
    /// What happens when its ring is full. [`Contract::Lossy`] never makes the feed wait: what did
    /// not fit is a named gap in the tape and in the ledger.
    pub contract: Contract,
    /// Records that its ring holds; each takes 64 bytes.
    pub capacity: usize,
    /// When a frame is written; at the latest when it has half the records that the ring holds.
    pub framing: Framing,
    /// Its core; chosen if `None`. A sync policy makes everything on this core wait for the disk.
    pub core: Option<usize>,
}

impl JournalSettings {
    /// A lossy subscription with a ring of 1,048,576 records (64 MiB), to a journal in `directory`
    /// with the settings of [`journal::Config::new`].
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            tape: journal::Config::new(directory),
            contract: Contract::Lossy,
            capacity: 1 << 20,
            framing: Framing::default(),
            core: None,
        }
    }

    fn subscription(&self) -> Subscription {
        Subscription {
            contract: self.contract,
            capacity: self.capacity,
            passages: false,
            ..Subscription::default()
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
/// [`start`](Self::start) runs it on threads that receive from sockets, [`offline`](Self::offline)
/// on the caller's, from datagrams that were captured.
///
/// # Examples
///
/// ```no_run
/// use ringtape::feed::{FeedConfig, NasdaqFeed};
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
/// let feed = NasdaqFeed::new(FeedConfig::default())?;
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
    streams: Vec<StreamLine>,
    stream_routes: Vec<Route>,
    subscribers: Vec<Planned<E>>,
    journal: Option<JournalSettings>,
    other_journals: Vec<OtherJournal>,
    others: Vec<(Box<dyn Stage>, Option<usize>)>,
}

impl<E: Event> Pipeline<E> {
    /// Makes a pipeline without feeds and handlers.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            feeds: Vec::new(),
            lines: Vec::new(),
            routes: Vec::new(),
            streams: Vec::new(),
            stream_routes: Vec::new(),
            subscribers: Vec::new(),
            journal: None,
            other_journals: Vec::new(),
            others: Vec::new(),
        }
    }

    /// Adds a feed that listens on `lines`, in the order in which the feed numbers them. Lines to
    /// its re-request servers are added by themselves.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the feed expects another number of lines, or has the id of another.
    pub fn feed(&mut self, feed: impl Feed<E> + 'static, lines: Vec<Line>) -> Result<()> {
        let servers = feed.servers();
        let expected = feed.lines().len() - servers.len();
        if lines.len() != expected {
            return Err(Error::config(
                format!("feed {} has {} lines", feed.name(), lines.len()),
                format!("it was made for {expected}"),
            ));
        }
        self.check_id(&feed)?;
        let index = self.feeds.len();
        self.routes
            .extend((0..feed.lines().len()).map(|line| Route { feed: index, line }));
        self.lines.extend(lines);
        let names = feed.lines()[expected..].iter();
        self.lines.extend(
            names
                .zip(servers)
                .map(|(name, &server)| Line::server(name, server)),
        );
        self.feeds.push(Box::new(feed));
        Ok(())
    }

    /// Adds a feed that takes the streams of `lines`, in the order in which the feed numbers them,
    /// such as a [`SoupFeed`](crate::feed::soupbintcp::SoupFeed).
    ///
    /// # Errors
    ///
    /// As for [`feed`](Self::feed).
    pub fn stream_feed(
        &mut self,
        feed: impl Feed<E> + 'static,
        lines: Vec<StreamLine>,
    ) -> Result<()> {
        let expected = feed.lines().len();
        if lines.len() != expected {
            return Err(Error::config(
                format!("feed {} has {} stream lines", feed.name(), lines.len()),
                format!("it was made for {expected}"),
            ));
        }
        self.check_id(&feed)?;
        let index = self.feeds.len();
        self.stream_routes
            .extend((0..expected).map(|line| Route { feed: index, line }));
        self.streams.extend(lines);
        self.feeds.push(Box::new(feed));
        Ok(())
    }

    fn check_id(&self, feed: &impl Feed<E>) -> Result<()> {
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
        Ok(())
    }

    /// Adds a handler. The ticket gets it back from the report.
    pub fn subscribe<H: Handler<E>>(
        &mut self,
        name: impl Into<String>,
        settings: HandlerSettings,
        handler: H,
    ) -> Ticket<H> {
        self.plan(Planned::new(name.into(), settings, handler))
    }

    /// Adds a handler to another bus than the pipeline's own: one to which a handler of this
    /// pipeline publishes, such as a [`BookHandler`](crate::book::BookHandler). Call it before
    /// `publisher` is given away. The handler runs, ends and appears in the report like all others:
    /// its bus ends when its publisher is dropped.
    ///
    /// # Errors
    ///
    /// What [`Publisher::subscribe`] gives.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use ringtape::book::{BookHandler, BooksConfig, BusOutput, DerivedConfig};
    /// use ringtape::bus::Publisher;
    /// use ringtape::handler::{At, Handler};
    /// use ringtape::market::{MarketEvent, View};
    /// use ringtape::pipeline::{HandlerSettings, JournalSettings, Pipeline, Settings};
    /// use ringtape::record::Gap;
    ///
    /// struct Spreads;
    ///
    /// impl Handler<MarketEvent> for Spreads {
    ///     fn on_event(&mut self, event: &MarketEvent, _: At) {
    ///         if let View::Bbo(bbo) = event.view() {
    ///             println!("{} to {}", bbo.bid_price_e9, bbo.ask_price_e9);
    ///         }
    ///     }
    ///     fn on_gap(&mut self, _: Gap) {}
    /// }
    ///
    /// let mut pipeline = Pipeline::<MarketEvent>::new(Settings::default());
    /// // … with a feed.
    /// let mut derived = Publisher::new(1_024);
    /// pipeline.journal_of(&mut derived, JournalSettings::new("derived/"))?;
    /// pipeline.subscribe_to(&mut derived, "spreads", HandlerSettings::default(), Spreads)?;
    /// let output = BusOutput::new(derived)?;
    /// let books = BookHandler::new(BooksConfig::default(), &DerivedConfig::default(), output)?;
    /// pipeline.subscribe("books", HandlerSettings::default(), books);
    /// # Ok::<(), ringtape::error::Error>(())
    /// ```
    pub fn subscribe_to<D: Event, H: Handler<D>>(
        &mut self,
        publisher: &mut Publisher<D>,
        name: impl Into<String>,
        settings: HandlerSettings,
        handler: H,
    ) -> Result<Ticket<H>> {
        let subscriber = publisher.subscribe(settings.subscription)?;
        let planned = Planned::attached(name.into(), settings, subscriber, handler);
        Ok(self.plan(planned))
    }

    fn plan<H>(&mut self, planned: Planned<E>) -> Ticket<H> {
        let index = self.subscribers.len();
        self.subscribers.push(planned);
        Ticket {
            index,
            handler: PhantomData,
        }
    }

    /// Journals the bus. The bus then goes on with the number after the journal's last.
    pub fn journal(&mut self, settings: JournalSettings) {
        self.journal = Some(settings);
    }

    /// Journals another bus than the pipeline's own, as [`subscribe_to`](Self::subscribe_to)
    /// listens to one. Opens the journal at once; `publisher` then goes on with the number after
    /// its last, so call this before anything subscribes. Its part of the ledger is in
    /// [`Report::other_journals`].
    ///
    /// # Errors
    ///
    /// What [`Writer::open`](crate::journal::Writer::open) gives, and [`Error::Config`] for a bus
    /// that has begun with another number than the journal goes on with.
    pub fn journal_of<D: Event>(
        &mut self,
        publisher: &mut Publisher<D>,
        settings: JournalSettings,
    ) -> Result<()> {
        self.other_journals
            .push(OtherJournal::open(publisher, settings)?);
        Ok(())
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
            streams,
            stream_routes,
            subscribers,
            journal,
            other_journals,
            others,
        } = self;
        let asked: Vec<Option<usize>> = std::iter::once(settings.ingest_core)
            .chain(subscribers.iter().map(|planned| planned.settings.core))
            .chain(journal.iter().map(|journal| journal.core))
            .chain(other_journals.iter().map(|journal| journal.core))
            .chain(others.iter().map(|(_, core)| *core))
            .collect();
        cpu::check_online(asked.iter().flatten().copied())?;
        let cores = runtime::assign_cores(&asked, &cpu::allowed());

        let receiver = if lines.is_empty() && !streams.is_empty() {
            Receiver::idle()
        } else {
            Receiver::open(&settings.net, &lines)?
        };
        let receiver_report = ReceiverReport::of(&receiver, &lines, &streams);
        // A piece of a stream is at most as long as a datagram, so batches have room for either.
        let streams = Streams::open(&streams, settings.net.datagram_bytes_max)?;
        let stream_counters = streams.counters();
        let feed_count = feeds.len();
        let batch_records = batch_records(&feeds, settings.net.datagram_bytes_max)?;
        let Attached {
            publisher,
            first,
            handle_stages,
            collectors,
            record,
        } = attach(subscribers, journal.as_ref(), batch_records)?;
        let journal_counters = record.as_ref().map(RecordStage::counters);
        let (other_records, other_closers): (Vec<_>, Vec<_>) = other_journals
            .into_iter()
            .map(|journal| (journal.stage, journal.close))
            .unzip();
        let ingest = IngestStage::new("ingest", receiver, routes, feeds, publisher, SystemClock)
            .with_streams(streams, stream_routes);
        let (ingest_counters, net) = (ingest.counters(), ingest.net_counters());

        let ingest: Box<dyn Stage> = Box::new(ingest);
        let stages = std::iter::once(ingest)
            .chain(handle_stages)
            .chain(record.map(|stage| -> Box<dyn Stage> { Box::new(stage) }))
            .chain(other_records)
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
            streams: stream_counters,
            first,
            journal: journal_counters,
            other_journals: other_closers,
            receiver: receiver_report,
            feeds: feed_count,
            event: PhantomData,
        })
    }

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
            .field("streams", &self.streams)
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
