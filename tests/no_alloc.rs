//! After the start, nothing on the way from the sockets to the handlers and the tape allocates: not
//! for good packets, not for holes, requests, answers, duplicates and garbage, not with either
//! backend.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/counting_allocator.rs"]
#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    reason = "an allocator is unsafe by its trait"
)]
mod counting_allocator;
mod support;

use counting_allocator::Counting;
use ringtape::bus::{Contract, Subscription};
use ringtape::feed::moldudp64::{self, Packet, PacketWriter};
use ringtape::feed::{FeedConfig, NasdaqFeed, RerequestConfig, Start};
use ringtape::handler::{At, Handler};
use ringtape::market::MarketEvent;
use ringtape::net::{self, Backend, Stamps};
use ringtape::pipeline::{HandlerSettings, JournalSettings, Pipeline, Settings};
use ringtape::record::Gap;
use ringtape::wait::WaitStrategy;
use std::net::{SocketAddr, UdpSocket};
use support::{
    Folder, SESSION, anywhere, end_of_session, heartbeat, lines, packets, senders, wait_received,
    wait_until,
};

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

struct Ignore;

impl Handler<MarketEvent> for Ignore {
    fn on_event(&mut self, _: &MarketEvent, _: At) {}
    fn on_gap(&mut self, _: Gap) {}
}

/// Good packets on both lines, with losses on one, on the other and on both, repeated, out of
/// order, cut, too long for the buffers, and bytes that are no packet at all.
fn traffic() -> Vec<(usize, Vec<u8>)> {
    let mut traffic = Vec::new();
    let good = packets(3_000);
    for (n, packet) in good.iter().enumerate() {
        let mut on_line = |line, bytes: &[u8]| traffic.push((line, bytes.to_vec()));
        if n % 97 != 0 && n % 11 != 0 {
            on_line(0, packet);
        }
        if n % 97 != 0 && n % 13 != 0 {
            on_line(1, packet);
        }
        match n % 29 {
            3 => on_line(0, &good[n / 2]),
            7 => on_line(1, &packet[..packet.len() / 2]),
            11 => on_line(0, &vec![0xa5; n % 64]),
            13 => on_line(1, &[packet.as_slice(), &[0; 4_000]].concat()),
            17 if n + 1 < good.len() => on_line(0, &good[n + 1]),
            _ => {}
        }
    }
    traffic.push((0, heartbeat(3_001)));
    traffic.push((1, end_of_session(3_001)));
    traffic
}

/// Answers each request with one message.
struct Server {
    socket: UdpSocket,
    /// By number, from 1.
    answers: Vec<Vec<u8>>,
}

impl Server {
    fn open() -> Self {
        let socket = UdpSocket::bind(anywhere()).unwrap();
        socket.set_nonblocking(true).unwrap();
        let good = packets(3_000);
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

    fn serve(&self) {
        let mut request = [0; 64];
        while let Ok((bytes, client)) = self.socket.recv_from(&mut request) {
            let asked = moldudp64::read_request(&request[..bytes]).unwrap();
            let index = usize::try_from(asked.sequence - 1).unwrap();
            self.socket.send_to(&self.answers[index], client).unwrap();
        }
    }
}

#[test]
fn nothing_allocates_between_the_start_and_the_stop() {
    for backend in [Backend::Uring, Backend::Mmsg] {
        for stamps in [Stamps::Kernel, Stamps::Batch] {
            for wait in [WaitStrategy::Yield, WaitStrategy::Park] {
                check(backend, stamps, wait);
            }
        }
    }
}

fn check(backend: Backend, stamps: Stamps, wait: WaitStrategy) {
    let net = net::Config {
        backend,
        stamps,
        ..net::Config::default()
    };
    let mut pipeline = Pipeline::new(Settings {
        net,
        wait,
        ingest_core: None,
    });
    let server = Server::open();
    let SocketAddr::V4(address) = server.socket.local_addr().unwrap() else {
        unreachable!("bound to IPv4");
    };
    let feed = NasdaqFeed::new(FeedConfig {
        start: Start::At(1),
        hold_ns: 1_000,
        rerequest: RerequestConfig {
            servers: vec![address],
            ..RerequestConfig::default()
        },
        ..FeedConfig::default()
    });
    pipeline.feed(feed.unwrap(), lines(["A", "B"])).unwrap();
    for (contract, capacity) in [(Contract::Lossy, 64), (Contract::Lossless, 64)] {
        let subscription = Subscription {
            contract,
            capacity,
            passages: true,
        };
        let settings = HandlerSettings {
            subscription,
            ..HandlerSettings::default()
        };
        pipeline.subscribe(format!("{contract:?}"), settings, Ignore);
    }
    let folder = Folder::new();
    pipeline.journal(JournalSettings::new(folder.path().join("tape")));
    let traffic = traffic();
    let running = match pipeline.start() {
        Ok(running) => running,
        Err(error) => return support::skip(&error.to_string()),
    };
    let senders = senders(&running);
    // One datagram through everything before counting: what the standard library sets up for a
    // thread at its first use is no part of the hot path.
    senders[0].send(&heartbeat(1)).unwrap();
    wait_received(&running, 1);

    let allocations = ALLOCATOR.during(|| {
        for (sent, (line, bytes)) in traffic.iter().enumerate() {
            senders[*line].send(bytes).unwrap();
            server.serve();
            // Never more in flight than the sockets hold.
            wait_received(&running, (sent as u64 + 2).saturating_sub(100));
        }
        wait_received(&running, traffic.len() as u64 + 1);
        wait_until("the end of the session", || running.has_ended());
    });
    running.stop();
    let report = running.join();
    assert_eq!(allocations, 0, "{backend:?} {stamps:?} {wait:?}");
    assert!(report.closes());
    let journal = report.journal.unwrap();
    assert_eq!(journal.account.missing(), 0);
    assert!(journal.counters.frames.get() > 1);
    let ledger = &report.feeds[0].ledger;
    assert_eq!(ledger.expected, 3_000);
    assert!(ledger.lost() > 0 && ledger.lines()[1].won > 0 && ledger.malformed_datagrams() > 0);
    assert!(ledger.truncated_datagrams > 0);
    assert!(ledger.requests > 0 && ledger.lines()[2].packets > 0);
}
