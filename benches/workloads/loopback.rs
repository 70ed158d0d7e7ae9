//! Owns sockets whose queues are filled, and what empties them: one thread sends, untimed, until
//! all datagrams of a pass wait, then takes them, timed. Every pass checks that each came, in the
//! order of its socket.

use crate::support::Took;
use crate::support::order_flow::OrderFlow;
use ringtape::bus::{Delivery, Publisher, Subscriber, Subscription};
use ringtape::clock::SystemClock;
use ringtape::error::Error;
use ringtape::feed::moldudp64::PacketWriter;
use ringtape::feed::{Feed, FeedConfig, NasdaqFeed};
use ringtape::market::{Flags, MarketEvent};
use ringtape::net::{Backend, Config, Flow, Line, Receiver, Sender, Stamps};
use ringtape::record::Content;
use ringtape::stage::{IngestStage, Route, Stage};
use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

/// Datagrams that wait when the clock starts, where the kernel grants memory for them.
const DATAGRAMS_MAX: usize = 2048;
/// More than the kernel charges a socket for a datagram of [`PACKET_BYTES_MAX`] or less.
const DATAGRAM_CHARGE_BYTES_MAX: usize = 4096;
/// Payload of the longest packet, as venues keep it.
const PACKET_BYTES_MAX: usize = 1400;
/// How long a pass may take before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where lines listen: a port of the system's choice.
pub const HERE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);

/// Both backends, and how benches name them.
pub const BACKENDS: [(Backend, &str); 2] =
    [(Backend::Mmsg, "recvmmsg"), (Backend::Uring, "io_uring")];

/// Whether this machine has a backend; says so where it has not.
pub fn has(backend: Backend) -> bool {
    match open(backend, Stamps::Batch, 1) {
        Ok(_) => true,
        Err(error @ Error::UringUnavailable { .. }) => {
            println!("SKIPPED: {error}");
            false
        }
        Err(error) => panic!("{error}"),
    }
}

/// What the lines bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// Each packet comes on every line.
    Copies,
    /// Packets come on one line after the other, each line with numbers of its own.
    Turns,
}

/// A venue that sends the same packets again and again, with numbers that go on.
pub struct Venue {
    senders: Vec<Sender>,
    packets: Vec<Vec<Vec<u8>>>,
    traffic: Traffic,
    /// The next message's number, of each line.
    next: Vec<u64>,
}

impl Venue {
    pub fn open(targets: &[SocketAddrV4], traffic: Traffic) -> Self {
        let mut flow = OrderFlow::new(1);
        let packets = (0..datagrams())
            .map(|_| {
                let messages = flow.packet_messages();
                flow.by_ref().take(messages).collect()
            })
            .collect();
        Self {
            senders: targets
                .iter()
                .map(|&target| Sender::open(target, None).expect("loopback"))
                .collect(),
            packets,
            traffic,
            next: vec![1; targets.len()],
        }
    }

    /// Fills the queues of the lines; returns what is to come out of them.
    pub fn fill(&mut self) -> Check {
        let check = Check {
            next: self.next.clone(),
            expected: match self.traffic {
                Traffic::Copies => self.packets.len() * self.senders.len(),
                Traffic::Turns => self.packets.len(),
            },
        };
        for (messages, turn) in self.packets.iter().zip(0..) {
            let lines = match self.traffic {
                Traffic::Copies => 0..self.senders.len(),
                Traffic::Turns => {
                    let line = turn % self.senders.len();
                    line..line + 1
                }
            };
            for line in lines {
                let mut buffer = [0; PACKET_BYTES_MAX];
                let mut packet = PacketWriter::new(&mut buffer, *b"BENCH00001", self.next[line]);
                for message in messages {
                    assert!(packet.push(message), "13 messages fit");
                }
                self.next[line] += u64::from(packet.count());
                self.senders[line].send(packet.finish()).expect("sent");
            }
        }
        check
    }
}

/// What is to come.
pub struct Check {
    /// Number of the next message, of each line.
    next: Vec<u64>,
    /// Datagrams of the pass.
    expected: usize,
}

impl Check {
    /// Takes a line's MoldUDP64 packet, of which it reads sequence and count.
    pub fn take(&mut self, line: usize, packet: &[u8]) {
        let sequence = packet[10..18].try_into().expect("8 bytes");
        let count = packet[18..20].try_into().expect("2 bytes");
        let sequence = u64::from_be_bytes(sequence);
        assert_eq!(sequence, self.next[line], "a datagram is lost");
        self.next[line] += u64::from(u16::from_be_bytes(count));
    }

    /// Times `poll`, which returns how many datagrams it took, until all came.
    pub fn time(mut self, mut poll: impl FnMut(&mut Self) -> usize) -> Took {
        let begin = Instant::now();
        let mut taken = 0;
        while taken < self.expected {
            let more = poll(&mut self);
            taken += more;
            assert!(
                more > 0 || begin.elapsed() < PATIENCE,
                "{taken} datagrams came"
            );
        }
        let elapsed = begin.elapsed();
        assert_eq!(taken, self.expected);
        Took {
            elapsed,
            items: u64::try_from(taken).expect("fits"),
        }
    }
}

/// A socket with a buffer like a line's.
pub fn bare_socket() -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket");
    socket
        .set_recv_buffer_size(Line::RECEIVE_BUFFER_BYTES)
        .expect("a size");
    socket
}

/// Returns how many datagrams any socket here can hold.
fn datagrams() -> usize {
    let granted = bare_socket().recv_buffer_size().expect("a size");
    (granted / DATAGRAM_CHARGE_BYTES_MAX).clamp(1, DATAGRAMS_MAX)
}

fn open(backend: Backend, stamps: Stamps, lines: usize) -> Result<Receiver, Error> {
    let config = Config {
        backend,
        stamps,
        ..Config::default()
    };
    Receiver::open(&config, &vec![Line::new("A", HERE); lines])
}

fn targets(receiver: &Receiver, lines: usize) -> Vec<SocketAddrV4> {
    let lines = 0..lines;
    lines.map(|line| receiver.local_address(line)).collect()
}

/// Our receive loop.
pub struct Receiving {
    receiver: Receiver,
    venue: Venue,
}

impl Receiving {
    pub fn open(backend: Backend, stamps: Stamps, lines: usize) -> Self {
        let mut receiver = open(backend, stamps, lines).expect("opened before");
        receiver.start().expect("enabled");
        Self {
            venue: Venue::open(&targets(&receiver, lines), Traffic::Turns),
            receiver,
        }
    }

    pub fn pass(&mut self) -> Took {
        let Self { receiver, venue } = self;
        venue.fill().time(|check| {
            receiver.receive(&SystemClock, |datagram| {
                check.take(datagram.line, datagram.bytes);
                Flow::Continue
            })
        })
    }
}

/// The ingest stage with one subscriber, whose ring takes a whole pass.
pub struct Ingesting {
    stage: IngestStage<MarketEvent, SystemClock>,
    subscriber: Subscriber<MarketEvent>,
    venue: Venue,
}

impl Ingesting {
    pub fn open(backend: Backend, passages: bool, lines: usize) -> Self {
        let receiver = open(backend, Stamps::Batch, lines).expect("opened before");
        let venue = Venue::open(&targets(&receiver, lines), Traffic::Copies);
        let feed = NasdaqFeed::new(FeedConfig {
            lines: vec!["A".to_owned(); lines],
            // The lines are read one after the other, and nothing is lost.
            window_messages: 1 << 16,
            hold_ns: u64::MAX,
            ..FeedConfig::default()
        })
        .expect("a valid configuration");
        let mut publisher = Publisher::new(feed.records_max(Config::default().datagram_bytes_max));
        let subscriber = publisher
            .subscribe(Subscription {
                passages,
                ..Subscription::default()
            })
            .expect("a valid ring");
        let routes = (0..lines).map(|line| Route { feed: 0, line }).collect();
        let feeds: Vec<Box<dyn Feed<MarketEvent>>> = vec![Box::new(feed)];
        let mut stage = IngestStage::new("ingest", receiver, routes, feeds, publisher, SystemClock);
        stage.start().expect("enabled");
        Self {
            stage,
            subscriber,
            venue,
        }
    }

    pub fn pass(&mut self) -> Took {
        let Self { stage, .. } = self;
        let check = self.venue.fill();
        let first = check.next[0];
        let took = check.time(|_| stage.poll());
        self.check_published(first);
        took
    }

    /// Empties the ring: each message from `first` on is there, once, in order.
    fn check_published(&mut self, first: u64) {
        let mut next = first;
        while self.subscriber.poll(usize::MAX, |delivery| match delivery {
            Delivery::Record { record, .. } => {
                if let Content::Event(event) = record.content()
                    && !event.head.flags.contains(Flags::DERIVED)
                {
                    let low = next & u64::from(u32::MAX);
                    assert_eq!(u64::from(event.message), low, "a message is lost");
                    next += 1;
                }
            }
            Delivery::Overrun(gap) => panic!("the ring is too small: {gap:?}"),
        }) > 0
        {}
        assert_eq!(next, self.venue.next[0]);
    }
}
