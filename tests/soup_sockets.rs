//! ITCH over TCP on real sockets: connections that are killed, refused, stalled and filled with
//! garbage, and each message once.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the figures of a run are shown")]

mod support;
#[path = "support/tcp_venue.rs"]
#[allow(missing_docs, unreachable_pub, reason = "shared by tests")]
mod tcp_venue;

use ringtape::bus::{Contract, Subscription};
use ringtape::feed::itch::encode::{self, Head, Order};
use ringtape::feed::moldudp64::PacketWriter;
use ringtape::feed::soupbintcp::{
    LinkTimes, Misbehaviour, Reject, Server, SoupConfig, SoupFeed, session_id,
};
use ringtape::feed::{Arrival, Feed as _, LinkLedger};
use ringtape::handler::{At, Handler};
use ringtape::market::{MarketEvent, Symbol};
use ringtape::net::{StreamLine, Streams};
use ringtape::pipeline::{HandlerSettings, Pipeline, Report, Running, Settings, Ticket};
use ringtape::record::{Batch, Content, Gap};
use socket2::{Domain, Socket, Type};
use std::net::SocketAddrV4;
use support::wait_until;
use tcp_venue::TcpVenue;
use zerocopy::IntoBytes as _;

const MESSAGES: u64 = 10_000;
/// Kills in the big session.
const KILLS: u64 = 60;

fn message(number: u64) -> [u8; 36] {
    let head = Head {
        locate: u16::try_from(1 + number % 7).unwrap(),
        tracking: 0,
        since_midnight_ns: number,
    };
    let order = Order {
        order_id: number,
        side: b'B',
        shares: 100,
        stock: Symbol([b'A' + u8::try_from(number % 7).unwrap(); 8]),
        price_e4: 1_000_000,
    };
    encode::add_order(head, order)
}

fn server(count: u64) -> Server {
    let mut server = Server::new(session_id(b"S1").unwrap());
    for number in 1..=count {
        assert!(server.publish(&message(number)));
    }
    server.end();
    server
}

/// The events of messages 1 to `count`, decoded from datagrams on this thread.
fn direct(count: u64) -> Vec<u8> {
    let mut feed = support::feed(["A"], 0);
    let mut batch = Batch::<MarketEvent>::with_capacity(feed.records_max(2_048));
    let mut events = Vec::new();
    for number in 1..=count {
        let mut buffer = [0; 100];
        let mut packet = PacketWriter::new(&mut buffer, support::SESSION, number);
        assert!(packet.push(&message(number)));
        let bytes = packet.finish();
        let arrival = Arrival {
            line: 0,
            bytes,
            datagram_bytes: bytes.len(),
            ts_recv_ns: 0,
            seen_ns: 0,
        };
        feed.on_datagram(arrival, &mut batch);
        for record in batch.records() {
            if let Content::Event(event) = record.content() {
                events.extend_from_slice(event.as_bytes());
            }
        }
        batch.clear();
    }
    events
}

/// Keeps the bytes of every event.
#[derive(Default)]
struct Keep {
    events: Vec<u8>,
    gaps: Vec<Gap>,
}

impl Handler<MarketEvent> for Keep {
    fn on_event(&mut self, event: &MarketEvent, _: At) {
        self.events.extend_from_slice(event.as_bytes());
    }
    fn on_gap(&mut self, gap: Gap) {
        self.gaps.push(gap);
    }
}

/// Short pauses, so that a test of many reconnects is a matter of milliseconds.
const TIMES: LinkTimes = LinkTimes {
    heartbeat_ns: 20_000_000,
    silence_ns: 300_000_000,
    back_off_min_ns: 1_000_000,
    back_off_max_ns: 8_000_000,
};

fn start(address: SocketAddrV4) -> (Running<MarketEvent>, Ticket<Keep>) {
    let mut pipeline = Pipeline::new(Settings::default());
    let feed = SoupFeed::new(SoupConfig {
        times: TIMES,
        ..SoupConfig::default()
    });
    let line = StreamLine {
        name: "A".to_owned(),
        address,
    };
    pipeline.stream_feed(feed.unwrap(), vec![line]).unwrap();
    // Room for a ring that is full now and then, which makes the feed wait.
    let settings = HandlerSettings {
        subscription: Subscription {
            contract: Contract::Lossless,
            capacity: 64,
            passages: true,
            ..Subscription::default()
        },
        ..HandlerSettings::default()
    };
    let keep = pipeline.subscribe("keep", settings, Keep::default());
    (pipeline.start().unwrap(), keep)
}

/// Runs a session to its end, and checks that each message was delivered once.
fn run(messages: u64, misbehaviour: impl FnMut(u64) -> Misbehaviour + Send + 'static) -> Report {
    let venue = TcpVenue::start(server(messages), misbehaviour);
    let (running, keep) = start(venue.address);
    wait_until("the end of the session", || running.has_ended());
    running.stop();
    let mut report = running.join();
    let kept = report.take(keep).unwrap();
    assert_eq!(kept.gaps, []);
    assert!(
        kept.events == direct(messages),
        "each message once, in order"
    );
    assert!(report.closes() && report.is_lossless());
    assert_eq!(report.feeds[0].ledger.expected, messages);
    report
}

fn link(report: &Report) -> LinkLedger {
    report.feeds[0].link.unwrap()
}

#[test]
fn a_session_killed_at_many_points_delivers_each_message_once() {
    let mut random = 7_u64;
    let report = run(MESSAGES, move |index| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        Misbehaviour {
            close_after_bytes: (index < KILLS).then_some((random >> 33) % 10_000),
            ..Misbehaviour::default()
        }
    });
    let link = link(&report);
    // One that is killed before the client looks was never there for it.
    assert_eq!(link.connects + link.refused, KILLS + 1, "{link:?}");
    assert_eq!(link.connects - 1, link.closed_by_venue);
    println!(
        "{} messages, {} reconnects, {} logins, {} cut packets",
        MESSAGES,
        link.reconnects(),
        link.logins,
        link.cut_packets
    );
    assert!(link.cut_packets > 10);
}

#[test]
fn garbage_stalls_and_sessions_that_are_not_there_are_counted_and_outlived() {
    let report = run(500, |index| match index {
        0..5 => Misbehaviour {
            garbage_after_bytes: Some((33 + index * 390, b"garbage".to_vec())),
            ..Misbehaviour::default()
        },
        5..8 => Misbehaviour {
            reject: Some(Reject::SessionNotAvailable),
            ..Misbehaviour::default()
        },
        8 => Misbehaviour {
            stall_after_bytes: Some(1_000),
            ..Misbehaviour::default()
        },
        9 => Misbehaviour {
            accept_at: Some(1),
            close_after_bytes: Some(2_000),
            ..Misbehaviour::default()
        },
        _ => Misbehaviour::default(),
    });
    let link = link(&report);
    assert_eq!(
        (link.garbage(), link.rejected_session, link.silences),
        (5, 3, 1)
    );
    assert_eq!((link.reconnects(), link.closed_by_venue), (10, 1));
    assert!(report.feeds[0].ledger.lines()[0].duplicates > 0);
    // The server that stalled was sent heartbeats all the same.
    assert!(link.heartbeats_sent > 0);
}

#[test]
fn a_port_where_nobody_listens_is_tried_again_after_pauses_that_grow() {
    // Bound and not listening: nobody else can take the port.
    let taken = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    taken.bind(&support::anywhere().into()).unwrap();
    let address = taken.local_addr().unwrap().as_socket_ipv4().unwrap();
    let (running, _) = start(address);
    wait_until("five attempts", || running.streams()[0].refused.get() >= 5);
    // Now somebody listens: the session comes through.
    taken.listen(4).unwrap();
    wait_until("a connection", || running.streams()[0].connects.get() == 1);
    running.stop();
    let report = running.join();
    let link = link(&report);
    assert!(link.refused >= 5 && link.connects == 1, "{link:?}");
    assert!(report.closes() && report.feeds[0].ledger.expected == 0);
}

#[test]
fn a_stop_takes_in_what_had_arrived_and_no_server_holds_it_up() {
    let open = Misbehaviour {
        stall_after_bytes: Some(33 + 39 * 400),
        ..Misbehaviour::default()
    };
    let venue = TcpVenue::start(server(1_000), move |_| open.clone());
    let (running, keep) = start(venue.address);
    wait_until("something", || running.streams()[0].bytes.get() > 0);
    running.stop();
    let mut report = running.join();
    let kept = report.take(keep).unwrap();
    let delivered = report.feeds[0].ledger.delivered();
    assert!(delivered <= 400 && report.closes());
    assert!(direct(delivered) == kept.events, "a whole prefix");
}

#[test]
fn an_address_where_no_server_can_be_is_refused_at_the_start() {
    for address in [
        "127.0.0.1:0",
        "0.0.0.0:1",
        "233.54.12.111:1",
        "255.255.255.255:1",
    ] {
        let line = StreamLine {
            name: "A".to_owned(),
            address: address.parse().unwrap(),
        };
        let error = Streams::open(&[line], 100).unwrap_err().to_string();
        assert!(
            error.contains(address) && error.contains("line A"),
            "{error}"
        );
    }
}
