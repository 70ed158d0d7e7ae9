//! What no line brought comes from a re-request server, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use ringtape::bus::{Contract, Subscription};
use ringtape::error::Error;
use ringtape::feed::moldudp64::{self, Packet, PacketWriter};
use ringtape::feed::{FeedConfig, NasdaqFeed, RerequestConfig, Start};
use ringtape::handler::{At, Handler};
use ringtape::market::MarketEvent;
use ringtape::net::{self, Backend, Sender};
use ringtape::pipeline::{HandlerSettings, Pipeline, Report, Settings};
use ringtape::record::Gap;
use ringtape::wait::WaitStrategy;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::{SESSION, anywhere, direct_digest, end_of_session, lines, packets, skip, wait_until};

/// Long enough that no stall of a test machine makes an answer late.
const PATIENT_NS: u64 = 60_000_000_000;

#[derive(Default)]
struct Gaps(Vec<Gap>);

impl Handler<MarketEvent> for Gaps {
    fn on_event(&mut self, _: &MarketEvent, _: At) {}
    fn on_gap(&mut self, gap: Gap) {
        self.0.push(gap);
    }
}

/// Answers with up to three messages, until it is told to stop. Returns how many requests came.
fn serve(socket: &UdpSocket, packets: &[Vec<u8>], stop: &AtomicBool) -> u64 {
    let messages: Vec<&[u8]> = packets
        .iter()
        .flat_map(|bytes| Packet::parse(bytes, bytes.len()).unwrap().messages())
        .collect();
    let mut requests = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut request = [0; 64];
        let Ok((bytes, client)) = socket.recv_from(&mut request) else {
            continue;
        };
        requests += 1;
        let asked = moldudp64::read_request(&request[..bytes]).unwrap();
        let mut buffer = [0; 1_400];
        let mut answer = PacketWriter::new(&mut buffer, SESSION, asked.sequence);
        let first = usize::try_from(asked.sequence - 1).unwrap();
        let wanted = messages[first..].iter().take(usize::from(asked.count));
        for message in wanted.take(3) {
            assert!(answer.push(message));
        }
        socket.send_to(answer.finish(), client).unwrap();
    }
    requests
}

fn address(socket: &UdpSocket) -> SocketAddrV4 {
    match socket.local_addr().unwrap() {
        SocketAddr::V4(address) => address,
        SocketAddr::V6(_) => unreachable!("bound to IPv4"),
    }
}

/// Runs a feed whose two lines both lose every seventh packet; returns the report and the gaps.
fn run(backend: Backend, servers: Vec<SocketAddrV4>, hold_ns: u64) -> Option<(Report, Vec<Gap>)> {
    let mut pipeline = Pipeline::new(Settings {
        net: net::Config {
            backend,
            ..net::Config::default()
        },
        // Tests run side by side on few cores.
        wait: WaitStrategy::Park,
        ingest_core: None,
    });
    let feed = NasdaqFeed::new(FeedConfig {
        start: Start::At(1),
        hold_ns,
        rerequest: RerequestConfig {
            servers,
            ..RerequestConfig::default()
        },
        ..FeedConfig::default()
    });
    pipeline.feed(feed.unwrap(), lines(["A", "B"])).unwrap();
    let settings = HandlerSettings {
        subscription: Subscription {
            contract: Contract::Lossless,
            ..Subscription::default()
        },
        ..HandlerSettings::default()
    };
    let gaps = pipeline.subscribe("gaps", settings, Gaps::default());
    let running = match pipeline.start() {
        Err(error @ Error::UringUnavailable { .. }) => {
            skip(&error.to_string());
            return None;
        }
        started => started.unwrap(),
    };
    let market = &running.receiver().lines[..2];
    let senders: Vec<Sender> = market
        .iter()
        .map(|line| Sender::open(line.address, None).unwrap())
        .collect();
    let (mut sent, stream) = (0, packets(4_000));
    let received = || {
        let lines = &running.net().lines()[..2];
        lines.iter().map(|line| line.datagrams.get()).sum::<u64>()
    };
    for (n, packet) in stream.iter().chain([&end_of_session(4_001)]).enumerate() {
        if n % 7 != 3 || n == stream.len() {
            senders
                .iter()
                .for_each(|sender| sender.send(packet).unwrap());
            sent += 2;
        }
        wait_until("room", || received() + 200 > sent);
    }
    wait_until("the session ended", || running.has_ended());
    running.stop();
    let mut report = running.join();
    let gaps = report.take(gaps).unwrap().0;
    Some((report, gaps))
}

#[test]
fn what_both_lines_lost_is_healed_by_a_server_that_answers_in_parts() {
    for backend in [Backend::Uring, Backend::Mmsg] {
        let socket = UdpSocket::bind(anywhere()).unwrap();
        let pause = Some(Duration::from_millis(5));
        socket.set_read_timeout(pause).unwrap();
        let (stop, stream) = (Arc::new(AtomicBool::new(false)), packets(4_000));
        let server = address(&socket);
        let serving = std::thread::spawn({
            let (stop, stream) = (Arc::clone(&stop), stream.clone());
            move || serve(&socket, &stream, &stop)
        });
        let ran = run(backend, vec![server], PATIENT_NS);
        stop.store(true, Ordering::Relaxed);
        let requests = serving.join().unwrap();
        let Some((report, gaps)) = ran else { continue };
        assert_eq!(gaps, []);
        let ledger = report.feeds[0].ledger;
        assert!(report.closes() && report.is_lossless());
        let lost: u64 = stream
            .iter()
            .enumerate()
            .filter(|(n, _)| n % 7 == 3)
            .map(|(_, bytes)| u64::from(Packet::parse(bytes, bytes.len()).unwrap().count()))
            .sum();
        assert_eq!((ledger.delivered(), ledger.rerequested), (4_000, lost));
        assert!(requests > 0 && requests <= ledger.requests);
        assert_eq!(report.feeds[0].lines[2], format!("server {server}"));
        let mut whole = stream;
        whole.push(end_of_session(4_001));
        assert_eq!(
            report.subscribers[0].digest.to_string(),
            direct_digest(&whole)
        );
    }
}

#[test]
fn a_server_that_nobody_runs_costs_the_hold_time_and_no_more() {
    let socket = UdpSocket::bind(anywhere()).unwrap();
    let nobody = address(&socket);
    drop(socket);
    let Some((report, gaps)) = run(Backend::Mmsg, vec![nobody], 1_000_000) else {
        return;
    };
    let ledger = report.feeds[0].ledger;
    assert!(report.closes());
    let lost: u64 = gaps.iter().map(Gap::count).sum();
    assert_eq!((lost, ledger.lost_absent), (ledger.lost(), lost));
    assert!(lost > 0 && ledger.requests > 0 && ledger.rerequested == 0);
    assert_eq!(report.unaccounted(), 0);
}
