//! Owns the simulation: a scenario drives a feed on one thread, in a time of its own.

use super::faults::FaultCounts;
use super::lines::{Lines, Truth};
use super::scenario::Scenario;
use super::server::{Answer, Request, RerequestServer, ServerCounts};
use crate::error::Result;
use crate::feed::{Arrival, Feed, FeedConfig, Ledger, NasdaqFeed, RerequestConfig, Start};
use crate::market::MarketEvent;
use crate::record::{Batch, Digest, Record};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::Range;

/// The longest datagram.
const DATAGRAM_BYTES_MAX: usize = 65_507;
/// The most ticks without a datagram between them; then time jumps to the next datagram.
const IDLE_TICKS_MAX: u64 = 4_096;
/// The most answers that are on their way at once: a feed that asks without end gets no more.
const ANSWERS_MAX: usize = 1 << 16;

/// A run of a scenario without sockets and threads: the time is the scenario's.
///
/// # Examples
///
/// ```
/// use ringtape::torture::{Scenario, Simulation};
///
/// let lines = "[[line]]\nloss = 5\n[[line]]\nloss = 5";
/// let scenario = Scenario::parse(&format!("[traffic]\nmessages = 500\n{lines}"))?;
/// let simulation = Simulation::new(scenario);
/// let mut feed = simulation.feed()?;
/// let checked = simulation.run(&mut feed).check()?;
/// assert_eq!(checked.delivered + checked.lost, 500);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Simulation {
    /// What happens.
    pub scenario: Scenario,
    /// What the feed was told: its contract, which [`Outcome::check`] holds it to.
    pub config: FeedConfig,
    /// How often time passes for the feed; at least 1.
    pub tick_ns: u64,
    /// What a receive buffer holds of a datagram; longer ones arrive cut, and the feed knows it.
    pub receive_bytes_max: usize,
}

/// One call of the feed.
#[derive(Clone, Debug)]
pub struct Step {
    /// UNIX nanoseconds, of the simulation's clock.
    pub now_ns: u64,
    /// Which call.
    pub kind: StepKind,
    /// Which of [`Outcome::records`] it made.
    pub records: Range<usize>,
}

/// A call of a feed.
#[derive(Clone, Debug)]
pub enum StepKind {
    /// It was given a datagram.
    Datagram {
        /// On which line; those of servers come after the market's.
        line: usize,
        /// What the receive buffer kept.
        bytes: Vec<u8>,
        /// How long it was.
        datagram_bytes: usize,
        /// Which of the venue's epochs it belongs to, unless a server sent it.
        epoch: Option<usize>,
        /// Whether it is what the venue sent, as far as it was kept.
        intact: bool,
    },
    /// Time passed.
    Time,
    /// It was closed.
    Close,
}

/// What a feed made of a scenario.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the feed was told.
    pub config: FeedConfig,
    /// The market lines.
    pub lines: usize,
    /// All calls, in order.
    pub steps: Vec<Step>,
    /// All records, in order.
    pub records: Vec<Record<MarketEvent>>,
    /// What the feed asked for: the number of calls before, the server and the request.
    pub requests: Vec<(usize, usize, Request)>,
    /// Datagrams of the feed to its servers that are no requests.
    pub strange_requests: u64,
    /// The digest of the records.
    pub digest: Digest,
    /// The feed's account.
    pub ledger: Ledger,
    /// What the venue sent.
    pub truth: Truth,
    /// What became of each line's packets.
    pub faults: Vec<FaultCounts>,
    /// What each server did.
    pub servers: Vec<ServerCounts>,
}

impl Simulation {
    /// UNIX nanoseconds at which scenarios begin.
    pub const START_NS: u64 = 1_700_000_000_000_000_000;

    /// Makes a run of a scenario for a feed that has its lines and servers, expects its first
    /// number and is otherwise at its defaults; all of it can be changed.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        let config = FeedConfig {
            name: "simulated".to_owned(),
            lines: scenario
                .lines
                .iter()
                .map(|line| line.name.clone())
                .collect(),
            start: Start::At(scenario.traffic.first),
            rerequest: RerequestConfig {
                // Nobody sends to them: what counts is how many there are.
                servers: (1..)
                    .map(|port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
                    .take(scenario.servers.len())
                    .collect(),
                retry_ns: 300_000,
                ..RerequestConfig::default()
            },
            ..FeedConfig::default()
        };
        Self {
            scenario,
            config,
            tick_ns: 100_000,
            receive_bytes_max: DATAGRAM_BYTES_MAX,
        }
    }

    /// Makes a feed as the run expects it.
    ///
    /// # Errors
    ///
    /// For a setting that cannot work.
    pub fn feed(&self) -> Result<NasdaqFeed> {
        NasdaqFeed::new(self.config.clone())
    }

    /// Runs the scenario with its made-up order flow.
    pub fn run(&self, feed: &mut dyn Feed<MarketEvent>) -> Outcome {
        self.run_lines(Lines::new(&self.scenario), feed)
    }

    /// Runs the scenario with messages of the caller's, as [`Lines::with_messages`] takes them.
    pub fn run_messages(
        &self,
        make: impl FnMut(u64) -> Vec<u8> + Send + 'static,
        feed: &mut dyn Feed<MarketEvent>,
    ) -> Outcome {
        self.run_lines(Lines::with_messages(&self.scenario, make), feed)
    }

    fn run_lines(&self, lines: Lines, feed: &mut dyn Feed<MarketEvent>) -> Outcome {
        let servers = self.scenario.servers.iter().enumerate();
        let servers = servers
            .map(|(index, server)| RerequestServer::new(self.scenario.seed, index, server.clone()));
        let mut run = Run {
            simulation: self,
            batch: Batch::with_capacity(feed.records_max(DATAGRAM_BYTES_MAX)),
            feed,
            servers: servers.collect(),
            answers: BinaryHeap::new(),
            steps: Vec::new(),
            records: Vec::new(),
            requests: Vec::new(),
            strange_requests: 0,
            digest: Digest::new(),
        };
        run.drive(lines)
    }
}

/// An answer: when it is due, how many requests were there before, the server and the bytes.
type OnItsWay = (u64, usize, usize, Vec<u8>);

struct Run<'a> {
    simulation: &'a Simulation,
    feed: &'a mut dyn Feed<MarketEvent>,
    batch: Batch<MarketEvent>,
    servers: Vec<RerequestServer>,
    answers: BinaryHeap<Reverse<OnItsWay>>,
    steps: Vec<Step>,
    records: Vec<Record<MarketEvent>>,
    requests: Vec<(usize, usize, Request)>,
    strange_requests: u64,
    digest: Digest,
}

impl Run<'_> {
    fn drive(&mut self, mut lines: Lines) -> Outcome {
        let tick_ns = self.simulation.tick_ns.max(1);
        let hold_ns = self.simulation.config.hold_ns;
        let (mut now_ns, mut ticks_idle) = (0_u64, 0);
        let mut next = lines.next();
        loop {
            let answer_ns = self.answers.peek().map(|Reverse(answer)| answer.0);
            let datagram_ns = next.as_ref().map(|datagram| datagram.ts_ns);
            let due_ns = [answer_ns, datagram_ns].into_iter().flatten().min();
            let tick_due_ns = now_ns / tick_ns * tick_ns + tick_ns;
            // Nothing more can change once the last hole was given up.
            let settled = ticks_idle > IDLE_TICKS_MAX.min(2 + hold_ns / tick_ns * 2);
            match due_ns {
                None if settled => break,
                Some(due_ns) if due_ns < tick_due_ns || settled => {
                    now_ns = due_ns.max(now_ns);
                    ticks_idle = 0;
                    if answer_ns == Some(due_ns) {
                        self.answer(now_ns);
                    } else if let Some(datagram) = next.take() {
                        let (epoch, intact) = (Some(datagram.epoch), datagram.intact);
                        self.give(datagram.line, datagram.bytes, epoch, intact, now_ns);
                        next = lines.next();
                    }
                }
                _ => {
                    now_ns = tick_due_ns;
                    ticks_idle += 1;
                    let unix_ns = Simulation::START_NS + now_ns;
                    self.feed.on_time(unix_ns, &mut self.batch);
                    self.note(unix_ns, StepKind::Time);
                }
            }
            self.ask(now_ns, &lines);
        }
        let unix_ns = Simulation::START_NS + now_ns;
        self.feed.close(unix_ns, &mut self.batch);
        self.note(unix_ns, StepKind::Close);
        self.outcome(&lines)
    }

    fn answer(&mut self, now_ns: u64) {
        if let Some(Reverse((_, _, server, bytes))) = self.answers.pop() {
            let line = self.simulation.scenario.lines.len() + server;
            self.give(line, bytes, None, false, now_ns);
        }
    }

    fn give(
        &mut self,
        line: usize,
        mut bytes: Vec<u8>,
        epoch: Option<usize>,
        intact: bool,
        now_ns: u64,
    ) {
        let unix_ns = Simulation::START_NS + now_ns;
        let datagram_bytes = bytes.len();
        bytes.truncate(self.simulation.receive_bytes_max);
        let arrival = Arrival {
            line,
            bytes: &bytes,
            datagram_bytes,
            ts_recv_ns: unix_ns,
            seen_ns: unix_ns,
        };
        self.feed.on_datagram(arrival, &mut self.batch);
        let kind = StepKind::Datagram {
            line,
            bytes,
            datagram_bytes,
            epoch,
            intact,
        };
        self.note(unix_ns, kind);
    }

    fn note(&mut self, now_ns: u64, kind: StepKind) {
        let first = self.records.len();
        for record in self.batch.records() {
            self.digest.record(record);
            self.records.push(*record);
        }
        self.batch.clear();
        let records = first..self.records.len();
        self.steps.push(Step {
            now_ns,
            kind,
            records,
        });
    }

    /// Takes the feed's requests to its servers.
    fn ask(&mut self, now_ns: u64, lines: &Lines) {
        let market_lines = self.simulation.scenario.lines.len();
        let Self {
            feed,
            servers,
            answers,
            requests,
            strange_requests,
            steps,
            ..
        } = self;
        let unix_ns = Simulation::START_NS + now_ns;
        feed.requests(unix_ns, &mut |line, datagram| {
            let server = line
                .checked_sub(market_lines)
                .filter(|&index| index < servers.len());
            let Some(index) = server else {
                *strange_requests += 1;
                return;
            };
            match Request::parse(datagram) {
                Some(request) => requests.push((steps.len(), index, request)),
                None => *strange_requests += 1,
            }
            let answer = servers[index].request(now_ns, datagram, lines.history());
            if let Some(Answer { due_ns, bytes }) = answer
                && answers.len() < ANSWERS_MAX
            {
                // Never in the same instant: a request takes time.
                let due_ns = due_ns.max(now_ns + 1);
                answers.push(Reverse((due_ns, requests.len(), index, bytes)));
            }
        });
    }

    fn outcome(&mut self, lines: &Lines) -> Outcome {
        Outcome {
            config: self.simulation.config.clone(),
            lines: self.simulation.scenario.lines.len(),
            steps: std::mem::take(&mut self.steps),
            records: std::mem::take(&mut self.records),
            requests: std::mem::take(&mut self.requests),
            strange_requests: self.strange_requests,
            digest: self.digest.clone(),
            ledger: self.feed.ledger(),
            truth: lines.truth(),
            faults: lines.fault_counts().collect(),
            servers: self.servers.iter().map(RerequestServer::counts).collect(),
        }
    }
}
