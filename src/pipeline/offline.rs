//! Owns a pipeline whose datagrams are handed to it: no socket, no thread, no clock of its own.

use super::attach::{Attached, Close, Collect, OtherJournal, attach, batch_records};
use super::{Pipeline, ReceiverReport, Report};
use crate::bus::{Contract, Passage, Publisher};
use crate::clock::SystemClock;
use crate::error::{Error, Result};
use crate::feed::{Arrival, Feed};
use crate::net::{Datagram, NetCounters};
use crate::record::{Batch, Event, Sequence};
use crate::stage::{RecordStage, Route, Stage};
use std::fmt;
use std::sync::Arc;

/// A pipeline that is fed from a capture, on the caller's thread.
///
/// Feeds, bus, handlers and journal are those of a pipeline that runs; what differs is where
/// datagrams and time come from. Hold times run on the datagrams' own times, so what the handlers
/// are given depends on the capture alone, and not on how fast it is read. All subscribers are
/// lossless: there is nobody to be too slow for. Latencies are not measured.
///
/// # Examples
///
/// ```
/// use ringtape::feed::{FeedConfig, NasdaqFeed, moldudp64};
/// use ringtape::handler::{At, Handler};
/// use ringtape::market::MarketEvent;
/// use ringtape::net::{Datagram, Line};
/// use ringtape::pipeline::{HandlerSettings, Pipeline, Settings};
/// use ringtape::record::{Gap, Session};
///
/// #[derive(Default)]
/// struct Sessions(u64);
///
/// impl Handler<MarketEvent> for Sessions {
///     fn on_event(&mut self, _: &MarketEvent, _: At) {}
///     fn on_gap(&mut self, _: Gap) {}
///     fn on_session(&mut self, _: &Session, _: At) {
///         self.0 += 1;
///     }
/// }
///
/// let mut pipeline = Pipeline::new(Settings::default());
/// let feed = NasdaqFeed::new(FeedConfig { lines: vec!["A".into()], ..FeedConfig::default() })?;
/// pipeline.feed(feed, vec![Line::new("A", "233.54.12.111:26477".parse()?)])?;
/// let sessions = pipeline.subscribe("sessions", HandlerSettings::default(), Sessions::default());
///
/// let mut offline = pipeline.offline()?;
/// let mut packet = [0; moldudp64::HEADER_BYTES];
/// let bytes = moldudp64::heartbeat(&mut packet, *b"000000001A", 1);
/// let (datagram_bytes, ts_recv_ns) = (bytes.len(), 1_577_696_400_000_000_000);
/// let seen_ns = ts_recv_ns;
/// offline.take(Datagram { line: 0, bytes, datagram_bytes, ts_recv_ns, seen_ns });
/// let mut report = offline.finish();
/// assert_eq!(report.take(sessions).map(|sessions| sessions.0), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Offline<E: Event> {
    feeds: Vec<Box<dyn Feed<E>>>,
    routes: Vec<Route>,
    /// Gone once the bus has ended.
    publisher: Option<Publisher<E>>,
    /// Those of the subscribers, in their order.
    handle_stages: Vec<Box<dyn Stage>>,
    collectors: Vec<Collect>,
    record: Option<RecordStage<E, SystemClock>>,
    /// Those of the journals of other buses.
    other_records: Vec<(Box<dyn Stage>, Close)>,
    /// The user's own.
    others: Vec<Box<dyn Stage>>,
    net: Arc<NetCounters>,
    receiver: ReceiverReport,
    datagram_bytes_max: usize,
    first: Sequence,
    /// The latest time of a datagram.
    now_ns: u64,
}

impl<E: Event> Pipeline<E> {
    /// Opens the journal and builds the bus, for datagrams that are handed over instead of
    /// received.
    ///
    /// # Errors
    ///
    /// Every mistake of an operator but those about cores and sockets, which are not used.
    pub fn offline(self) -> Result<Offline<E>> {
        self.check_names()?;
        let Self {
            settings,
            feeds,
            lines,
            routes,
            streams,
            stream_routes: _,
            mut subscribers,
            mut journal,
            other_journals,
            others,
        } = self;
        if let Some(stream) = streams.first() {
            return Err(Error::config(
                format!("line {} is a stream", stream.name),
                "leave its feed out: what is handed over here is datagrams",
            ));
        }
        let datagram_bytes_max = settings.net.datagram_bytes_max;
        let batch_records = batch_records(&feeds, datagram_bytes_max)?;
        for planned in &mut subscribers {
            planned.settings.subscription.contract = Contract::Lossless;
            planned.settings.subscription.passages = false;
            planned.make_lossless();
            // From the capture to now is no latency.
            planned.settings.measure = false;
        }
        if let Some(journal) = &mut journal {
            journal.contract = Contract::Lossless;
        }
        other_journals.iter().for_each(OtherJournal::make_lossless);
        let Attached {
            publisher,
            first,
            mut handle_stages,
            collectors,
            mut record,
        } = attach(subscribers, journal.as_ref(), batch_records)?;
        let mut others: Vec<Box<dyn Stage>> = others.into_iter().map(|(stage, _)| stage).collect();
        for stage in handle_stages.iter_mut().chain(&mut others) {
            stage.start()?;
        }
        if let Some(record) = &mut record {
            record.start()?;
        }
        let mut other_records = Vec::with_capacity(other_journals.len());
        for mut journal in other_journals {
            journal.stage.start()?;
            other_records.push((journal.stage, journal.close));
        }
        Ok(Offline {
            feeds,
            routes,
            publisher: Some(publisher),
            handle_stages,
            collectors,
            record,
            other_records,
            others,
            net: Arc::new(NetCounters::new(
                lines.iter().map(|line| line.name.as_str()),
            )),
            receiver: ReceiverReport::offline(&lines),
            datagram_bytes_max,
            first,
            now_ns: 0,
        })
    }
}

impl<E: Event> Offline<E> {
    /// Takes a datagram that was received at `seen_ns`, on the line of that index over all feeds.
    /// Hand them over in the order of their times: a time that steps back counts as the one before.
    ///
    /// As a receiver would, keeps no more of it than
    /// [`datagram_bytes_max`](crate::net::Config::datagram_bytes_max).
    ///
    /// # Panics
    ///
    /// When there is no such line.
    pub fn take(&mut self, datagram: Datagram<'_>) {
        let Datagram {
            line,
            bytes,
            datagram_bytes,
            ts_recv_ns,
            seen_ns,
        } = datagram;
        let Route { feed, line: copy } = self.routes[line];
        let bytes = &bytes[..bytes.len().min(self.datagram_bytes_max)];
        self.net.lines()[line].arrived(bytes.len(), datagram_bytes);
        self.pass_time(seen_ns);
        let now_ns = self.now_ns;
        let arrival = Arrival {
            line: copy,
            bytes,
            datagram_bytes,
            ts_recv_ns,
            seen_ns: now_ns,
        };
        self.call_feed(feed, |feed, batch| feed.on_datagram(arrival, batch));
    }

    /// Lets time pass without a datagram: gives up what was missing for long enough.
    pub fn pass_time(&mut self, now_ns: u64) {
        let now_ns = self.now_ns.max(now_ns);
        self.now_ns = now_ns;
        for feed in 0..self.feeds.len() {
            self.call_feed(feed, |feed, batch| feed.on_time(now_ns, batch));
        }
    }

    /// Returns whether the venue of every feed has ended its session.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.feeds.iter().all(|feed| feed.ended())
    }

    /// Returns the number of the first record: 1, or the one after the journal's last.
    #[must_use]
    pub fn first(&self) -> Sequence {
        self.first
    }

    /// Publishes open holes as gaps, lets everybody come to an end and returns the report. A
    /// handler that is not ready to end is waited for.
    #[must_use]
    pub fn finish(mut self) -> Report {
        let now_ns = self.now_ns;
        for feed in 0..self.feeds.len() {
            self.call_feed(feed, |feed, batch| feed.close(now_ns, batch));
        }
        // Ends the bus.
        self.publisher = None;
        for stage in &mut self.others {
            stage.request_stop();
        }
        // In turn and not one after the other: a handler's end can wait for those whom it publishes
        // to.
        while self.stages().any(|stage| !stage.is_finished()) {
            self.poll_stages();
        }
        let mut report = Report::new(self.net, Arc::new([]), self.receiver, Vec::new());
        report.take_feeds(&self.feeds);
        for (collect, stage) in self.collectors.into_iter().zip(self.handle_stages) {
            report.take_handler(collect(stage));
        }
        report.journal = self.record.map(RecordStage::into_outcome);
        let others = self.other_records.into_iter();
        report.other_journals = others.map(|(stage, close)| close(stage)).collect();
        report
    }

    fn stages(&self) -> impl Iterator<Item = &dyn Stage> {
        let handlers = self.handle_stages.iter().map(|stage| stage.as_ref());
        let others = self.others.iter().map(|stage| stage.as_ref());
        let other_records = self.other_records.iter().map(|(stage, _)| stage.as_ref());
        let record = self.record.iter().map(|stage| stage as &dyn Stage);
        handlers.chain(record).chain(other_records).chain(others)
    }

    /// Runs `call` on a feed and delivers what it published.
    fn call_feed(&mut self, feed: usize, call: impl FnOnce(&mut dyn Feed<E>, &mut Batch<E>)) {
        let Some(publisher) = &mut self.publisher else {
            return;
        };
        call(self.feeds[feed].as_mut(), publisher.batch());
        if !publisher.has_backlog() {
            return;
        }
        let passage = Passage {
            seen_ns: self.now_ns,
            decoded_ns: self.now_ns,
            published_ns: self.now_ns,
        };
        // A ring that is too small for the rest is emptied by the stages behind it.
        while !self.commit(passage) {
            self.poll_stages();
        }
        self.poll_stages();
    }

    fn commit(&mut self, passage: Passage) -> bool {
        match &mut self.publisher {
            Some(publisher) => publisher.commit(passage),
            None => true,
        }
    }

    /// Lets everybody do what there is to do now. What handlers publish to other buses of the
    /// pipeline is part of that, whoever was added first.
    fn poll_stages(&mut self) {
        let mut work = 1;
        while work > 0 {
            work = self
                .handle_stages
                .iter_mut()
                .map(|stage| stage.poll())
                .sum();
            work += self.record.iter_mut().map(Stage::poll).sum::<usize>();
            let others = self.other_records.iter_mut();
            work += others.map(|(stage, _)| stage.poll()).sum::<usize>();
        }
        for stage in self.others.iter_mut().filter(|stage| !stage.is_finished()) {
            stage.poll();
        }
    }
}

impl<E: Event> fmt::Debug for Offline<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offline")
            .field("routes", &self.routes)
            .field("publisher", &self.publisher)
            .field("now_ns", &self.now_ns)
            .finish_non_exhaustive()
    }
}
