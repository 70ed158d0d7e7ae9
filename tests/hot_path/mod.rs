//! What the tests of the hot path share: the settings that its contract is held for, a pipeline
//! with each of them, and traffic that takes every way through it.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "shared by tests, which fail by panicking"
)]

pub mod tcp;

use crate::support::{Folder, SESSION, anywhere, end_of_session, lines, senders};
use ringtape::bus::{Contract, Ring, Subscription};
use ringtape::counters::Counter;
use ringtape::cpu;
use ringtape::error::Result;
use ringtape::feed::moldudp64::{self, Packet, PacketWriter};
use ringtape::feed::{FeedConfig, NasdaqFeed, RerequestConfig, Start};
use ringtape::handler::{At, Handler};
use ringtape::market::MarketEvent;
use ringtape::net::{self, Backend, Sender, Stamps};
use ringtape::pipeline::{HandlerSettings, JournalSettings, Pipeline, Running, Settings};
use ringtape::record::Gap;
use ringtape::stage::Stage;
use ringtape::wait::WaitStrategy;
use std::fmt;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;

pub const WAITS: [WaitStrategy; 4] = [
    WaitStrategy::Spin,
    WaitStrategy::SpinPause,
    WaitStrategy::Yield,
    WaitStrategy::Park,
];

/// Every pipeline has one handler of each of these kinds, small enough that rings fill up.
pub fn subscriptions() -> Vec<(&'static str, Subscription)> {
    let of = |contract, ring| Subscription {
        contract,
        ring,
        capacity: 64,
        ..Subscription::default()
    };
    vec![
        ("lossy", of(Contract::Lossy, Ring::Lane)),
        ("lossless", of(Contract::Lossless, Ring::Lane)),
        ("lossy broadcast", of(Contract::Lossy, Ring::Broadcast)),
        (
            "lossless broadcast",
            of(Contract::Lossless, Ring::Broadcast),
        ),
    ]
}

/// Settings that the contract is held for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Combination {
    pub backend: Backend,
    pub stamps: Stamps,
    pub wait: WaitStrategy,
    pub journaled: bool,
}

impl Combination {
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for backend in [Backend::Uring, Backend::Mmsg] {
            for wait in WAITS {
                for journaled in [false, true] {
                    all.extend([Stamps::Kernel, Stamps::Batch].map(|stamps| Self {
                        backend,
                        stamps,
                        wait,
                        journaled,
                    }));
                }
            }
        }
        all
    }
}

impl fmt::Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            backend,
            stamps,
            wait,
            journaled,
        } = self;
        let journal = if *journaled { ", journal" } else { "" };
        write!(
            f,
            "{backend:?}, {stamps:?} stamps, {}{journal}",
            wait.name()
        )
    }
}

pub struct Ignore;

impl Handler<MarketEvent> for Ignore {
    fn on_event(&mut self, _: &MarketEvent, _: At) {}
    fn on_gap(&mut self, _: Gap) {}
}

/// Counts the polls of the core that it shares.
pub struct Polls {
    polls: Arc<Counter>,
    stopped: bool,
}

impl Stage for Polls {
    fn name(&self) -> &str {
        "polls"
    }

    fn poll(&mut self) -> usize {
        self.polls.add(1);
        0
    }

    fn request_stop(&mut self) {
        self.stopped = true;
    }

    fn is_finished(&self) -> bool {
        self.stopped
    }
}

/// The cores of a pipeline under test: ingest has the first for itself where there are two, so that
/// nothing it does is put down to the others.
pub struct Cores {
    pub ingest: usize,
    pub others: usize,
}

impl Cores {
    pub fn choose() -> Self {
        let allowed = cpu::allowed();
        Self {
            ingest: allowed[0],
            others: allowed[allowed.len() - 1],
        }
    }

    /// Adds a counter of polls to each core that is used.
    pub fn count_polls(&self, pipeline: &mut Pipeline<MarketEvent>) -> Vec<(usize, Arc<Counter>)> {
        let mut cores = vec![self.ingest, self.others];
        cores.dedup();
        let add = |core: usize| {
            let polls = Arc::<Counter>::default();
            let stage = Polls {
                polls: Arc::clone(&polls),
                stopped: false,
            };
            pipeline.stage(stage, Some(core));
            (core, polls)
        };
        cores.into_iter().map(add).collect()
    }
}

/// Adds a handler of each kind, measured, to the other core.
pub fn subscribe(pipeline: &mut Pipeline<MarketEvent>, cores: &Cores) {
    for (name, subscription) in subscriptions() {
        let settings = HandlerSettings {
            subscription,
            measure: true,
            core: Some(cores.others),
        };
        pipeline.subscribe(name, settings, Ignore);
    }
}

/// A pipeline that runs.
pub struct Rig {
    pub running: Running<MarketEvent>,
    pub senders: Vec<Sender>,
    /// The polls of each core.
    pub polls: Vec<(usize, Arc<Counter>)>,
    _folder: Folder,
}

impl Rig {
    /// Starts a pipeline with two lines whose feed asks `server` for what is missing.
    pub fn start(combination: Combination, server: &Server) -> Result<Self> {
        Self::start_with(combination, server, |_| {})
    }

    /// The same, with a journal that is `set` up otherwise.
    pub fn start_with(
        combination: Combination,
        server: &Server,
        set: impl FnOnce(&mut JournalSettings),
    ) -> Result<Self> {
        let cores = Cores::choose();
        let mut pipeline = Pipeline::new(Settings {
            net: net::Config {
                backend: combination.backend,
                stamps: combination.stamps,
                ..net::Config::default()
            },
            wait: combination.wait,
            ingest_core: Some(cores.ingest),
        });
        let feed = NasdaqFeed::new(FeedConfig {
            start: Start::At(1),
            hold_ns: 1_000,
            rerequest: RerequestConfig {
                servers: vec![server.address()],
                ..RerequestConfig::default()
            },
            ..FeedConfig::default()
        })?;
        pipeline.feed(feed, lines(["A", "B"]))?;
        subscribe(&mut pipeline, &cores);
        let folder = Folder::new();
        if combination.journaled {
            let mut journal = JournalSettings::new(folder.path().join("tape"));
            journal.core = Some(cores.others);
            // Room for all that is sent; touching a ring of 64 MiB each time would take long.
            journal.capacity = 1 << 14;
            // Several frames, whoever is how fast.
            journal.framing.frame_records = 256;
            set(&mut journal);
            pipeline.journal(journal);
        }
        let polls = cores.count_polls(&mut pipeline);
        let running = pipeline.start()?;
        Ok(Self {
            senders: senders(&running),
            running,
            polls,
            _folder: folder,
        })
    }
}

/// Good packets on both lines, with losses on one, on the other and on both, repeated, out of
/// order, cut, empty, too long for the buffers, and bytes that are no packet at all: each with the
/// line that it goes to.
pub fn traffic(good: &[Vec<u8>]) -> Vec<(usize, Vec<u8>)> {
    let mut traffic = Vec::new();
    for (n, packet) in good.iter().enumerate() {
        let mut on_line = |line, bytes: &[u8]| traffic.push((line, bytes.to_vec()));
        if n % 97 != 13 && n % 11 != 5 {
            on_line(0, packet);
        }
        if n % 97 != 13 && n % 13 != 5 {
            on_line(1, packet);
        }
        match n % 29 {
            3 => on_line(0, &good[n / 2]),
            7 => on_line(1, &packet[..packet.len() / 2]),
            11 => on_line(0, &vec![0xa5; n % 64]),
            13 => on_line(1, &[packet.as_slice(), &[0; 4_000]].concat()),
            17 if n + 1 < good.len() => on_line(0, &good[n + 1]),
            23 => on_line(1, &[]),
            _ => {}
        }
    }
    traffic
}

/// [`traffic`] of the messages before `next`, to the end of the session.
pub fn whole_session(good: &[Vec<u8>], next: u64) -> Vec<(usize, Vec<u8>)> {
    let mut traffic = traffic(good);
    traffic.push((0, crate::support::heartbeat(next)));
    traffic.push((1, end_of_session(next)));
    traffic
}

/// Answers requests with one message each, but never with one of each third number: so some of what
/// no line brings is healed and some is lost, however fast anybody is.
pub struct Server {
    socket: UdpSocket,
    /// By number, from 1.
    answers: Vec<Vec<u8>>,
}

impl Server {
    pub fn open(good: &[Vec<u8>]) -> Self {
        let socket = UdpSocket::bind(anywhere()).unwrap();
        socket.set_nonblocking(true).unwrap();
        let messages = good
            .iter()
            .flat_map(|bytes| Packet::parse(bytes, bytes.len()).unwrap().messages());
        let answers = messages.zip(1..).map(|(message, number)| {
            let mut buffer = [0; 100];
            let mut answer = PacketWriter::new(&mut buffer, SESSION, number);
            assert!(answer.push(message));
            answer.finish().to_vec()
        });
        Self {
            socket,
            answers: answers.collect(),
        }
    }

    fn address(&self) -> SocketAddrV4 {
        let SocketAddr::V4(address) = self.socket.local_addr().unwrap() else {
            unreachable!("bound to IPv4");
        };
        address
    }

    pub fn serve(&self) {
        let mut request = [0; 64];
        while let Ok((bytes, client)) = self.socket.recv_from(&mut request) {
            let asked = moldudp64::read_request(&request[..bytes]).unwrap();
            if asked.sequence.is_multiple_of(3) {
                continue;
            }
            let index = usize::try_from(asked.sequence - 1).unwrap();
            self.socket.send_to(&self.answers[index], client).unwrap();
        }
    }
}
