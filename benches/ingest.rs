//! Ingest beside what it is made of: the time to empty a socket whose queue is full.
//!
//! * `receive`: our receive loop over a bare loop around `recvmmsg` with 64 headers, for both
//!   backends. A fall means that handing a datagram to a visitor costs more than it must.
//!   Kernel stamps are shown for orientation: they buy exact times with control messages.
//! * `ingest`: the whole ingest stage (receive, MoldUDP64, arbitration, ITCH, publish to a lossy
//!   subscriber) over receiving alone. A fall means that decoding or publishing became dearer.
//!   With passages, for orientation: they buy a latency report's hops with a reading of the clock
//!   for each datagram and a second ring.
//! * `two lines`: the same with every datagram on two lines, twice as many in all, over receiving
//!   them on one. A fall means that arbitration, or comparing the copies, became dearer.
//!
//! One thread sends, untimed, until 2048 datagrams of 1 to 13 messages wait in the socket (fewer
//! where `net.core.rmem_max` is too small for them), then empties it, timed. Every pass checks that
//! each datagram came, in order; those of the stage, that each message became an event in the
//! subscriber's ring.

#![allow(
    clippy::print_stdout,
    missing_docs,
    reason = "a bench prints, and is no public interface"
)]

#[allow(
    unsafe_code,
    reason = "the baseline is a system call without a wrapper"
)]
#[path = "support/bare_recvmmsg.rs"]
mod bare_recvmmsg;
mod support;

use bare_recvmmsg::BareRecvmmsg;
use ringtape::bus::{Delivery, Publisher, Subscriber, Subscription};
use ringtape::clock::SystemClock;
use ringtape::cpu;
use ringtape::error::Error;
use ringtape::feed::moldudp64::PacketWriter;
use ringtape::feed::{Feed, FeedConfig, NasdaqFeed};
use ringtape::market::{Flags, MarketEvent};
use ringtape::net::{Backend, Config, Flow, Line, Receiver, Sender, Stamps};
use ringtape::record::Content;
use ringtape::stage::{IngestStage, Route, Stage};
use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};
use support::order_flow::OrderFlow;
use support::{Goal, Took, compare_short};

/// Datagrams that wait when the clock starts, where the kernel grants memory for them.
const DATAGRAMS_MAX: usize = 2048;
/// More than the kernel charges a socket for a datagram of [`PACKET_BYTES_MAX`] or less.
const DATAGRAM_CHARGE_BYTES_MAX: usize = 4096;
/// Payload of the longest packet, as venues keep it.
const PACKET_BYTES_MAX: usize = 1400;
/// How long a pass may take before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(10);

const HERE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);

fn main() {
    let core = *cpu::allowed().last().expect("a thread runs on some core");
    cpu::pin(core).expect("the core is allowed");
    for (backend, name) in [(Backend::Mmsg, "recvmmsg"), (Backend::Uring, "io_uring")] {
        match open(backend, Stamps::Batch) {
            Ok(_) => compare_backend(backend, name),
            Err(error @ Error::UringUnavailable { .. }) => println!("SKIPPED: {error}"),
            Err(error) => panic!("{error}"),
        }
    }
}

fn compare_backend(backend: Backend, name: &str) {
    let mut bare = Bare::open();
    let mut alone = Receiving::open(backend, Stamps::Batch);
    let mut stamped = Receiving::open(backend, Stamps::Kernel);
    let mut stage = Ingesting::open(backend, false, 1);
    let mut timed_stage = Ingesting::open(backend, true, 1);
    let mut two_lines = Ingesting::open(backend, false, 2);
    compare_short(
        &format!("receive: {name} / bare recvmmsg(64)"),
        Goal::ThroughputAtLeast(0.95),
        || bare.pass(),
        || alone.pass(),
    );
    compare_short(
        &format!("receive: {name}, kernel stamps / bare recvmmsg(64)"),
        Goal::None,
        || bare.pass(),
        || stamped.pass(),
    );
    compare_short(
        &format!("ingest: {name} / receive alone"),
        Goal::ThroughputAtLeast(0.8),
        || alone.pass(),
        || stage.pass(),
    );
    compare_short(
        &format!("ingest: {name}, passages / receive alone"),
        Goal::None,
        || alone.pass(),
        || timed_stage.pass(),
    );
    compare_short(
        &format!("two lines: ingest of 2 N, {name} / 2 x receive of N"),
        Goal::ThroughputAtLeast(0.9),
        || alone.pass(),
        || two_lines.pass(),
    );
}

/// A venue that sends the same packets again and again, with numbers that go on.
struct Venue {
    senders: Vec<Sender>,
    packets: Vec<Vec<Vec<u8>>>,
    next: u64,
}

impl Venue {
    fn open(targets: &[SocketAddrV4]) -> Self {
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
            next: 1,
        }
    }

    /// Fills the queue of every line; returns what is to come out of it.
    fn fill(&mut self) -> Check {
        let check = Check {
            next: self.next,
            expected: self.packets.len() * self.senders.len(),
        };
        for messages in &self.packets {
            let mut buffer = [0; PACKET_BYTES_MAX];
            let mut packet = PacketWriter::new(&mut buffer, *b"BENCH00001", self.next);
            for message in messages {
                assert!(packet.push(message), "13 messages fit");
            }
            self.next += u64::from(packet.count());
            let packet = packet.finish();
            for sender in &self.senders {
                sender.send(packet).expect("sent");
            }
        }
        check
    }
}

/// What is to come.
struct Check {
    /// Number of the next message.
    next: u64,
    /// Datagrams of the pass.
    expected: usize,
}

impl Check {
    /// Takes a MoldUDP64 packet, of which it reads sequence and count.
    fn take(&mut self, packet: &[u8]) {
        let sequence = packet[10..18].try_into().expect("8 bytes");
        let count = packet[18..20].try_into().expect("2 bytes");
        let sequence = u64::from_be_bytes(sequence);
        assert_eq!(sequence, self.next, "a datagram is lost");
        self.next += u64::from(u16::from_be_bytes(count));
    }

    /// Times `poll`, which returns how many datagrams it took, until all came.
    fn time(mut self, mut poll: impl FnMut(&mut Self) -> usize) -> Took {
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

fn bare_socket() -> Socket {
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

/// The baseline.
struct Bare {
    socket: UdpSocket,
    receive: BareRecvmmsg,
    venue: Venue,
}

impl Bare {
    fn open() -> Self {
        let socket = bare_socket();
        socket.bind(&HERE.into()).expect("loopback");
        let socket = UdpSocket::from(socket);
        let Ok(SocketAddr::V4(address)) = socket.local_addr() else {
            panic!("bound to an IPv4 address");
        };
        Self {
            socket,
            receive: BareRecvmmsg::new(),
            venue: Venue::open(&[address]),
        }
    }

    fn pass(&mut self) -> Took {
        let Self {
            socket, receive, ..
        } = self;
        let check = self.venue.fill();
        check.time(|check| receive.receive(socket, |packet| check.take(packet)))
    }
}

fn open(backend: Backend, stamps: Stamps) -> Result<Receiver, Error> {
    open_lines(backend, stamps, 1)
}

fn open_lines(backend: Backend, stamps: Stamps, lines: usize) -> Result<Receiver, Error> {
    let config = Config {
        backend,
        stamps,
        ..Config::default()
    };
    Receiver::open(&config, &vec![Line::new("A", HERE); lines])
}

/// Our receive loop.
struct Receiving {
    receiver: Receiver,
    venue: Venue,
}

impl Receiving {
    fn open(backend: Backend, stamps: Stamps) -> Self {
        let mut receiver = open(backend, stamps).expect("opened before");
        receiver.start().expect("enabled");
        Self {
            venue: Venue::open(&[receiver.local_address(0)]),
            receiver,
        }
    }

    fn pass(&mut self) -> Took {
        let Self { receiver, venue } = self;
        venue.fill().time(|check| {
            receiver.receive(&SystemClock, |datagram| {
                check.take(datagram.bytes);
                Flow::Continue
            })
        })
    }
}

/// The ingest stage with one subscriber, whose ring takes a whole pass.
struct Ingesting {
    stage: IngestStage<MarketEvent, SystemClock>,
    subscriber: Subscriber<MarketEvent>,
    venue: Venue,
}

impl Ingesting {
    fn open(backend: Backend, passages: bool, lines: usize) -> Self {
        let receiver = open_lines(backend, Stamps::Batch, lines).expect("opened before");
        let targets: Vec<_> = (0..lines)
            .map(|line| receiver.local_address(line))
            .collect();
        let venue = Venue::open(&targets);
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

    fn pass(&mut self) -> Took {
        let Self { stage, .. } = self;
        let check = self.venue.fill();
        let first = check.next;
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
        assert_eq!(next, self.venue.next);
    }
}
