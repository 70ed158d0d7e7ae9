//! After the start, nothing on the way from a TCP connection to a handler allocates: not for whole
//! packets, not for cut ones, not for garbage, and not for connecting again.

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
use ringtape::feed::itch::encode::{self, Head};
use ringtape::feed::soupbintcp::{
    Carried, END_OF_SESSION, LinkTimes, SoupConfig, SoupFeed, login_accepted, push_message,
};
use ringtape::handler::{At, Handler};
use ringtape::market::MarketEvent;
use ringtape::net::StreamLine;
use ringtape::pipeline::{HandlerSettings, Pipeline, Settings};
use ringtape::record::Gap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use support::wait_until;

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

const CONNECTIONS: u64 = 6;
const MESSAGES: u64 = 1_000;

struct Ignore;

impl Handler<MarketEvent> for Ignore {
    fn on_event(&mut self, _: &MarketEvent, _: At) {}
    fn on_gap(&mut self, _: Gap) {}
}

/// What the server sends on connection `index`: an answer, messages, and something that ends it.
fn conversation(index: u64) -> Vec<u8> {
    let mut bytes = login_accepted(*b"        S1", 1 + index * MESSAGES).to_vec();
    for number in 0..MESSAGES {
        let head = Head {
            locate: 0,
            tracking: 0,
            since_midnight_ns: number,
        };
        let message = encode::system_event(head, b'O');
        assert!(push_message(&mut bytes, Carried::Sequenced, &message));
    }
    match index {
        _ if index + 1 == CONNECTIONS => bytes.extend(END_OF_SESSION),
        _ if index.is_multiple_of(2) => bytes.extend(b"garbage"),
        _ => bytes.extend([0, 30, b'S', b'S']),
    }
    bytes
}

fn answer(listener: &TcpListener, bytes: &[u8]) -> TcpStream {
    let mut stream = listener.accept().unwrap().0;
    let mut login = [0; 49];
    stream.read_exact(&mut login).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

#[test]
fn nothing_allocates_between_the_start_and_the_end_of_the_session() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let SocketAddr::V4(address) = listener.local_addr().unwrap() else {
        panic!("not IPv4")
    };
    let times = LinkTimes {
        back_off_min_ns: 1_000_000,
        ..LinkTimes::default()
    };
    let feed = SoupFeed::new(SoupConfig {
        times,
        ..SoupConfig::default()
    });
    let line = StreamLine {
        name: "A".to_owned(),
        address,
    };
    let mut pipeline = Pipeline::new(Settings::default());
    pipeline.stream_feed(feed.unwrap(), vec![line]).unwrap();
    pipeline.subscribe("ignore", HandlerSettings::default(), Ignore);
    let conversations: Vec<_> = (0..CONNECTIONS).map(conversation).collect();

    let running = pipeline.start().unwrap();
    // One connection through everything before counting, as for datagrams.
    let bytes = &running.streams()[0].bytes;
    let first = answer(&listener, &conversations[0]);
    wait_until("the first connection", || {
        bytes.get() >= conversations[0].len() as u64
    });
    drop(first);
    let allocations = ALLOCATOR.during(|| {
        for conversation in &conversations[1..] {
            let before = bytes.get();
            let stream = answer(&listener, conversation);
            wait_until("a connection", || {
                bytes.get() >= before + conversation.len() as u64
            });
            drop(stream);
        }
        wait_until("the end of the session", || running.has_ended());
    });
    running.stop();
    let report = running.join();
    assert_eq!(allocations, 0);
    assert!(report.closes());
    let feed = &report.feeds[0];
    assert_eq!(feed.ledger.delivered(), CONNECTIONS * MESSAGES);
    let link = feed.link.unwrap();
    assert_eq!(
        (link.connects, link.garbage(), link.cut_packets),
        (CONNECTIONS, 3, 2)
    );
}
