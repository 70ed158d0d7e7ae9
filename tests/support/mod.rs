//! What the end-to-end tests share: a made-up stream of packets, lines on loopback, and the
//! records that decoding the packets directly gives.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "shared by tests, which fail by panicking"
)]

use ringtape::feed::itch::encode::{self, Head, Order};
use ringtape::feed::moldudp64::{self, PacketWriter, SessionId};
use ringtape::feed::{Arrival, Feed, FeedConfig, NasdaqFeed, Start};
use ringtape::market::{MarketEvent, Symbol};
use ringtape::net::{Line, Sender};
use ringtape::pipeline::Running;
use ringtape::record::{Batch, Digest};
use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// An empty folder that is removed with what is in it.
pub struct Folder(PathBuf);

impl Folder {
    #[allow(clippy::new_without_default, reason = "only tests make one")]
    pub fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringtape-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

pub const SESSION: SessionId = *b"TEST000001";

/// An address on loopback whose port the kernel chooses.
pub fn anywhere() -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)
}

pub fn lines<const N: usize>(names: [&str; N]) -> Vec<Line> {
    names.map(|name| Line::new(name, anywhere())).to_vec()
}

/// A feed that expects number 1 first.
pub fn feed<const N: usize>(names: [&str; N], hold_ns: u64) -> NasdaqFeed {
    NasdaqFeed::new(FeedConfig {
        lines: names.map(str::to_owned).to_vec(),
        start: Start::At(1),
        hold_ns,
        ..FeedConfig::default()
    })
    .unwrap()
}

/// `count` add orders in packets of one to five messages, numbered from 1.
pub fn packets(count: u64) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut next = 1;
    while next <= count {
        let mut buffer = [0; 1_400];
        let mut packet = PacketWriter::new(&mut buffer, SESSION, next);
        for number in next..=count.min(next + next % 5) {
            assert!(packet.push(&add(number)));
        }
        next += u64::from(packet.count());
        packets.push(packet.finish().to_vec());
    }
    packets
}

pub fn end_of_session(next: u64) -> Vec<u8> {
    moldudp64::end_of_session(&mut [0; 20], SESSION, next).to_vec()
}

pub fn heartbeat(next: u64) -> Vec<u8> {
    moldudp64::heartbeat(&mut [0; 20], SESSION, next).to_vec()
}

fn add(number: u64) -> [u8; 36] {
    let head = Head {
        locate: u16::try_from(1 + number % 7).unwrap(),
        tracking: 0,
        since_midnight_ns: number,
    };
    let order = Order {
        order_id: number,
        side: if number.is_multiple_of(2) { b'B' } else { b'S' },
        shares: 100,
        stock: Symbol([b'A' + u8::try_from(number % 7).unwrap(); 8]),
        price_e4: 1_000_000,
    };
    encode::add_order(head, order)
}

/// What a handler of a lossless run is given, by decoding the packets on one thread.
pub fn direct_digest(packets: &[Vec<u8>]) -> String {
    let mut feed = feed(["A"], 0);
    let mut batch = Batch::<MarketEvent>::with_capacity(feed.records_max(2_048));
    let mut digest = Digest::new();
    for bytes in packets {
        let arrival = Arrival {
            line: 0,
            bytes,
            datagram_bytes: bytes.len(),
            ts_recv_ns: 0,
            seen_ns: 0,
        };
        feed.on_datagram(arrival, &mut batch);
        batch
            .records()
            .iter()
            .for_each(|record| digest.record(record));
        batch.clear();
    }
    digest.to_string()
}

/// Senders to each line of a pipeline that runs.
pub fn senders(running: &Running<MarketEvent>) -> Vec<Sender> {
    let lines = running.receiver().lines.iter();
    lines
        .map(|line| Sender::open(line.address, None).unwrap())
        .collect()
}

/// Polls until `done`, and fails the test if that takes longer than any machine should need.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::yield_now();
    }
}

/// Waits until `count` datagrams were received.
pub fn wait_received(running: &Running<MarketEvent>, count: u64) {
    wait_until("all datagrams received", || {
        running.net().datagrams() >= count
    });
}

/// Says that a test cannot run here, which is a failure where `RINGTAPE_NO_SKIP=1`.
pub fn skip(reason: &str) {
    println!("SKIPPED: {reason}");
    let may_not = std::env::var_os("RINGTAPE_NO_SKIP").is_some_and(|value| value == "1");
    assert!(!may_not, "not to be skipped here: {reason}");
}
