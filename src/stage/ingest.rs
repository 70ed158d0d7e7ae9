//! Owns the stage from the sockets to the bus.

use super::Stage;
use crate::bus::{Passage, Publisher};
use crate::clock::Clock;
use crate::counters::Counter;
use crate::error::Result;
use crate::feed::{Arrival, Feed, LinkChange, LinkState};
use crate::net::{Datagram, Flow, Incident, NetCounters, Receiver, StreamEvent, Streams};
use crate::record::{Batch, Event};
use std::fmt;
use std::sync::Arc;

/// Polls after which what was in the sockets at the first of them has been taken in: both backends
/// go round the lines, and the fullest socket buffer that Linux grants by default holds some five
/// thousand datagrams, of which io_uring takes at least 32 at a time.
const POLLS_BUSY_MAX: u32 = 1024;

/// Where a receiver's line belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Index of the feed in the stage.
    pub feed: usize,
    /// Index of the line in the feed.
    pub line: usize,
}

/// Counters of an ingest stage, readable from any thread.
#[derive(Debug, Default)]
pub struct IngestCounters {
    /// How often a lossless subscriber's full ring made the feeds wait.
    pub waits: Counter,
    /// Nanoseconds spent so.
    pub waited_ns: Counter,
    /// Feeds whose venue has ended its session.
    pub feeds_ended: Counter,
    /// Feeds whose venue rejected them, for an operator to mend.
    pub feeds_rejected: Counter,
}

/// Receives, arbitrates, decodes and publishes: one receiver with many lines, any number of
/// feeds, one bus.
pub struct IngestStage<E: Event, C> {
    name: String,
    receiver: Receiver,
    routes: Vec<Route>,
    streams: Streams,
    stream_routes: Vec<Route>,
    feeds: Vec<Box<dyn Feed<E>>>,
    /// Gone once the bus has ended.
    publisher: Option<Publisher<E>>,
    clock: C,
    counters: Arc<IngestCounters>,
    backlog: Backlog,
    /// Polls since time was last passed on to the feeds.
    polls_busy: u32,
    /// How many feeds have been closed.
    closed_feeds: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// A stop was asked for; what had been received is still being taken in.
    Draining,
    /// The feeds are closed; their last records wait for room.
    Flushing,
    Finished,
}

/// What is left of an [`IngestStage`] that has ended.
#[allow(missing_debug_implementations, reason = "feeds need not be Debug")]
pub struct IngestOutcome<E: Event> {
    /// The feeds, for their ledgers.
    pub feeds: Vec<Box<dyn Feed<E>>>,
    /// The stage's own counters.
    pub counters: Arc<IngestCounters>,
}

impl<E: Event, C: Clock> IngestStage<E, C> {
    /// Makes a stage. `routes` has an entry for each line of `receiver`.
    ///
    /// # Panics
    ///
    /// When it has not, or an entry names a feed or a line that there is not.
    pub fn new(
        name: impl Into<String>,
        receiver: Receiver,
        routes: Vec<Route>,
        feeds: Vec<Box<dyn Feed<E>>>,
        publisher: Publisher<E>,
        clock: C,
    ) -> Self {
        let lines = receiver.counters().lines().len();
        assert_eq!(routes.len(), lines, "each line of the receiver has a route");
        for Route { feed, line } in &routes {
            let lines = feeds.get(*feed).map_or(0, |feed| feed.lines().len());
            assert!(*line < lines, "no line {line} of feed {feed}");
        }
        let streams = Streams::open(&[], 1).expect("invariant: no line has nothing wrong");
        let counters = Arc::<IngestCounters>::default();
        Self {
            name: name.into(),
            receiver,
            routes,
            streams,
            stream_routes: Vec::new(),
            feeds,
            publisher: Some(publisher),
            clock,
            backlog: Backlog::new(&counters),
            counters,
            polls_busy: 0,
            closed_feeds: 0,
            state: State::Running,
        }
    }

    /// Gives the stage streams beside its receiver. `routes` has an entry for each of their lines.
    ///
    /// # Panics
    ///
    /// When it has not, or an entry names a feed or a line that there is not.
    #[must_use]
    pub fn with_streams(self, streams: Streams, routes: Vec<Route>) -> Self {
        assert_eq!(routes.len(), streams.lines(), "each stream has a route");
        for Route { feed, line } in &routes {
            let lines = self.feeds.get(*feed).map_or(0, |feed| feed.lines().len());
            assert!(*line < lines, "no line {line} of feed {feed}");
        }
        Self {
            streams,
            stream_routes: routes,
            ..self
        }
    }

    /// Returns the stage's counters, readable from any thread.
    #[must_use]
    pub fn counters(&self) -> Arc<IngestCounters> {
        Arc::clone(&self.counters)
    }

    /// Returns the receiver's counters, readable from any thread.
    #[must_use]
    pub fn net_counters(&self) -> Arc<NetCounters> {
        self.receiver.counters()
    }

    /// Takes the stage apart.
    #[must_use]
    pub fn into_outcome(self) -> IngestOutcome<E> {
        IngestOutcome {
            feeds: self.feeds,
            counters: self.counters,
        }
    }

    /// Hands over what waits for room. Returns whether there is room for more.
    fn flush(&mut self) -> bool {
        let Some(publisher) = &mut self.publisher else {
            return true;
        };
        !publisher.has_backlog() || self.backlog.flush(publisher, &self.clock)
    }

    /// Takes in at most one batch of datagrams, each with a commit of its own.
    fn receive(&mut self) -> usize {
        let Some(publisher) = &mut self.publisher else {
            return 0;
        };
        let mut intake = Intake {
            routes: &self.routes,
            feeds: &mut self.feeds,
            publisher,
            clock: &self.clock,
            backlog: &mut self.backlog,
        };
        self.receiver
            .receive(&self.clock, |datagram: Datagram<'_>| {
                // In parts: see `take`.
                intake.take(
                    datagram.line,
                    datagram.bytes,
                    datagram.datagram_bytes,
                    datagram.ts_recv_ns,
                    datagram.seen_ns,
                )
            })
    }

    /// Sends what the feeds have to ask for. After a batch and not after each datagram: what the
    /// other line has brought in the same batch need not be asked for.
    fn send_requests(&mut self, now_ns: u64) {
        let Self {
            receiver,
            routes,
            streams,
            stream_routes,
            feeds,
            ..
        } = self;
        for (index, feed) in feeds.iter_mut().enumerate() {
            feed.requests(now_ns, &mut |line, bytes| {
                let route = Route { feed: index, line };
                let at = |routes: &[Route]| routes.iter().position(|&other| other == route);
                if let Some(line) = at(routes) {
                    receiver.send(line, bytes);
                } else if let Some(line) = at(stream_routes) {
                    streams.send(line, bytes);
                }
            });
        }
    }

    /// Takes in what happened on the streams, at most one read of each, with a commit for each
    /// piece.
    fn receive_streams(&mut self) -> usize {
        let Self {
            streams,
            stream_routes,
            feeds,
            publisher,
            clock,
            backlog,
            ..
        } = self;
        let Some(publisher) = publisher else { return 0 };
        // The datagrams before may have left records for which there is no room yet.
        if publisher.has_backlog() {
            return 0;
        }
        streams.receive(&*clock, |incident: Incident<'_>| {
            let Route { feed, line } = stream_routes[incident.line];
            let (feed, seen_ns) = (&mut feeds[feed], incident.seen_ns);
            match incident.event {
                StreamEvent::Bytes(bytes) => {
                    let arrival = Arrival {
                        line,
                        bytes,
                        datagram_bytes: bytes.len(),
                        ts_recv_ns: seen_ns,
                        seen_ns,
                    };
                    feed.on_datagram(arrival, publisher.batch());
                }
                StreamEvent::Connected => {
                    feed.on_link(line, LinkChange::Connected, seen_ns, publisher.batch());
                }
                StreamEvent::Closed => {
                    feed.on_link(line, LinkChange::Closed, seen_ns, publisher.batch());
                }
            }
            backlog.publish(publisher, clock, seen_ns)
        })
    }

    /// Makes and closes connections as the feeds want them.
    fn set_links(&mut self) {
        for (line, route) in self.stream_routes.iter().enumerate() {
            let wanted = self.feeds[route.feed].link(route.line);
            self.streams.set(line, wanted == LinkState::Up);
        }
    }

    /// Lets hold times run out. Only when all lines are drained: while a datagram waits in a socket
    /// it is this thread that is late, and what the datagram brings must not be given up for it.
    /// Lines that are never all drained at once have each had their turn often enough after
    /// [`POLLS_BUSY_MAX`] polls; a stall of the thread is not a poll, so it costs nothing.
    fn pass_time(&mut self) {
        let now_ns = self.clock.now_ns();
        let (mut ended, mut rejected) = (0, 0);
        for feed in 0..self.feeds.len() {
            self.call_feed(feed, now_ns, |feed, batch| feed.on_time(now_ns, batch));
            ended += u64::from(self.feeds[feed].ended());
            rejected += u64::from(self.feeds[feed].is_rejected());
        }
        self.set_links();
        self.send_requests(now_ns);
        self.counters.feeds_rejected.set(rejected);
        self.counters.feeds_ended.set(ended);
    }

    /// Closes the feeds one by one, as room allows, then goes on to flushing.
    fn close_feeds(&mut self) {
        let now_ns = self.clock.now_ns();
        while self.closed_feeds < self.feeds.len()
            && self.call_feed(self.closed_feeds, now_ns, |feed, batch| {
                feed.close(now_ns, batch)
            })
        {
            self.closed_feeds += 1;
        }
        if self.closed_feeds == self.feeds.len() {
            self.state = State::Flushing;
        }
    }

    /// Runs `call` on a feed and commits what it published. Returns false, without calling, when
    /// there is no room for that.
    fn call_feed(
        &mut self,
        feed: usize,
        now_ns: u64,
        call: impl FnOnce(&mut dyn Feed<E>, &mut Batch<E>),
    ) -> bool {
        let Some(publisher) = &mut self.publisher else {
            return false;
        };
        if publisher.has_backlog() {
            return false;
        }
        call(self.feeds[feed].as_mut(), publisher.batch());
        if publisher.has_backlog() {
            // A refusal leaves a backlog, which `flush` deals with before anything else happens.
            _ = self.backlog.publish(publisher, &self.clock, now_ns);
        }
        true
    }
}

impl<E: Event, C: Clock> Stage for IngestStage<E, C> {
    fn name(&self) -> &str {
        &self.name
    }

    fn start(&mut self) -> Result<()> {
        self.receiver.start()
    }

    /// Hot path: no allocation; no system call but the receiver's, and one for each request for
    /// what is missing.
    fn poll(&mut self) -> usize {
        if !self.flush() {
            return 0;
        }
        match self.state {
            State::Running => {
                let received = self.receive() + self.receive_streams();
                if received > 0 {
                    self.set_links();
                    self.send_requests(self.backlog.passage.seen_ns);
                }
                self.polls_busy += 1;
                let quiet = self.receiver.is_quiet() && self.streams.is_quiet();
                if quiet || self.polls_busy >= POLLS_BUSY_MAX {
                    self.polls_busy = 0;
                    self.pass_time();
                }
                received
            }
            State::Draining => {
                let received = self.receive() + self.receive_streams();
                if self.receiver.is_drained() && self.streams.is_drained() {
                    self.close_feeds();
                }
                received.max(1)
            }
            State::Flushing => {
                // Dropping the publisher ends the bus.
                self.publisher = None;
                self.state = State::Finished;
                1
            }
            State::Finished => 0,
        }
    }

    fn request_stop(&mut self) {
        if self.state == State::Running {
            self.receiver.stop();
            self.streams.stop();
            self.state = State::Draining;
        }
    }

    fn is_finished(&self) -> bool {
        self.state == State::Finished
    }
}

/// What a datagram needs on its way from the receiver to the bus.
struct Intake<'a, E: Event, C> {
    routes: &'a [Route],
    feeds: &'a mut [Box<dyn Feed<E>>],
    publisher: &'a mut Publisher<E>,
    clock: &'a C,
    backlog: &'a mut Backlog,
}

impl<E: Event, C: Clock> Intake<'_, E, C> {
    /// Gives a datagram to its feed and hands over what that has written.
    ///
    /// The datagram comes in parts, in registers. As a whole it would be written to memory and
    /// copied at once in pieces wider than the writes, which wait for those to leave the store
    /// buffer. `cargo bench --bench ingest` compares.
    #[inline(never)]
    fn take(
        &mut self,
        line: usize,
        bytes: &[u8],
        datagram_bytes: usize,
        ts_recv_ns: u64,
        seen_ns: u64,
    ) -> Flow {
        let Route { feed, line } = self.routes[line];
        let arrival = Arrival {
            line,
            bytes,
            datagram_bytes,
            ts_recv_ns,
            seen_ns,
        };
        self.feeds[feed].on_datagram(arrival, self.publisher.batch());
        self.backlog.publish(self.publisher, self.clock, seen_ns)
    }
}

/// What waits for room on the bus, from the commit that was refused to the one that was not.
struct Backlog {
    /// When the latest batch was seen; and when what waits of it was decoded.
    passage: Passage,
    since_ns: Option<u64>,
    counters: Arc<IngestCounters>,
}

impl Backlog {
    fn new(counters: &Arc<IngestCounters>) -> Self {
        Self {
            passage: Passage::default(),
            since_ns: None,
            counters: Arc::clone(counters),
        }
    }

    /// Hands over what a feed has written, if anything, of a batch that was seen at `seen_ns`, and
    /// notes when. Says to pause when there is no room for more.
    #[inline(always)]
    fn publish<E: Event>(
        &mut self,
        publisher: &mut Publisher<E>,
        clock: &impl Clock,
        seen_ns: u64,
    ) -> Flow {
        self.passage.seen_ns = seen_ns;
        if publisher.batch().records().is_empty() {
            return Flow::Continue;
        }
        let decoded_ns = if publisher.wants_passages() {
            clock.now_ns()
        } else {
            seen_ns
        };
        let now = Passage {
            seen_ns,
            decoded_ns,
            // Also when the first subscriber is served: nothing lies between that another reading
            // could tell. Those behind it get readings of their own.
            published_ns: decoded_ns,
        };
        if publisher.commit_timed(now, || clock.now_ns()) {
            return Flow::Continue;
        }
        self.passage = now;
        if self.since_ns.is_none() {
            self.since_ns = Some(clock.now_ns());
            self.counters.waits.add(1);
        }
        Flow::Pause
    }

    /// Hands over what waits for room. Returns whether there was room for all of it.
    fn flush<E: Event>(&mut self, publisher: &mut Publisher<E>, clock: &impl Clock) -> bool {
        let now_ns = clock.now_ns();
        // The wait for room belongs to the hop from decoding to the ring.
        let passage = Passage {
            published_ns: now_ns,
            ..self.passage
        };
        let flushed = publisher.commit_timed(passage, || clock.now_ns());
        if flushed && let Some(since_ns) = self.since_ns.take() {
            let waited_ns = now_ns.saturating_sub(since_ns);
            self.counters.waited_ns.add(waited_ns);
        }
        flushed
    }
}

impl<E: Event, C> fmt::Debug for IngestStage<E, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IngestStage")
            .field("name", &self.name)
            .field("state", &self.state)
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}
