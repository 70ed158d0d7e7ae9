//! What both backends of `net` promise, each promise a test, all on loopback.

#![allow(unsafe_code, reason = "a seccomp filter is installed by prctl")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod confined;

use ringtape::clock::{Clock, SystemClock};
use ringtape::error::Error;
use ringtape::net::{
    ActiveBackend, Backend, Config, Flow, Line, LineCounters, Receiver, Sender, Stamps,
};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{io, thread};

const ANY_PORT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
const STAMPS: [Stamps; 2] = [Stamps::Kernel, Stamps::Batch];
const DEADLINE: Duration = Duration::from_secs(20);

/// Makes of each claim one test per backend.
macro_rules! on_both_backends {
    ($($claim:ident)*) => {
        mod uring {
            $(#[test]
            fn $claim() {
                if super::uring_is_allowed() {
                    super::$claim(super::Backend::Uring);
                }
            })*
        }
        mod mmsg {
            $(#[test]
            fn $claim() {
                super::$claim(super::Backend::Mmsg);
            })*
        }
    };
}

on_both_backends! {
    datagrams_of_a_line_come_in_order
    a_datagram_that_is_too_long_is_cut_and_says_its_real_length
    an_empty_datagram_is_delivered_and_reception_goes_on
    buffers_that_run_out_lose_nothing
    sixteen_lines_share_a_receiver_and_each_keeps_its_order
    what_arrived_before_a_stop_is_handed_over
    what_arrived_before_a_stop_without_start_is_handed_over
    a_stop_under_fire_ends_and_leaves_no_hole
    a_stop_hands_over_under_pauses_too
    a_drop_without_stop_gives_the_port_back
    a_drop_on_another_thread_after_the_drain_gives_the_port_back
    a_drop_on_another_thread_after_the_polling_thread_ended_is_harmless
    drops_are_exact_with_the_datagrams_and_when_asked_for
    drops_are_exact_when_asked_for_without_kernel_stamps
    kernel_stamps_lie_between_send_and_receive_and_do_not_go_back
    datagrams_that_are_ready_together_share_one_batch_stamp
    a_pause_loses_nothing
    a_burst_longer_than_a_batch_comes_in_batches
    a_port_in_use_is_an_error_that_names_it
    an_address_of_another_machine_is_an_error_that_names_it
    an_unknown_interface_is_an_error_that_lists_those_present
    an_interface_for_a_unicast_line_is_an_error
    the_receive_buffer_that_was_granted_is_read_back
    nothing_comes_before_start_or_after_the_drain
    a_line_to_a_server_sends_there_and_hears_nobody_else
    a_server_that_does_not_listen_is_counted_and_reception_goes_on
}

fn of(backend: Backend) -> Config {
    Config {
        backend,
        ..Config::default()
    }
}

fn a_line_to_a_server_sends_there_and_hears_nobody_else(backend: Backend) {
    let server = UdpSocket::bind(ANY_PORT).unwrap();
    let std::net::SocketAddr::V4(address) = server.local_addr().unwrap() else {
        unreachable!("bound to IPv4");
    };
    let mut wire = Wire::start_lines(&of(backend), &[Line::server("server", address)]);
    wire.receiver.send(0, b"request");
    let (bytes, client) = server.recv_from(&mut [0; 64]).unwrap();
    assert_eq!((bytes, wire.counts(|line| line.sent.get())), (7, 1));
    let stranger = UdpSocket::bind(ANY_PORT).unwrap();
    for number in 0..10_u32 {
        stranger.send_to(&[0xff; 4], client).unwrap();
        server.send_to(&number.to_le_bytes(), client).unwrap();
    }
    wire.receive(10);
    wire.drain(Flow::Continue);
    assert_eq!(wire.numbers(0), (0..10).collect::<Vec<_>>());
}

fn a_server_that_does_not_listen_is_counted_and_reception_goes_on(backend: Backend) {
    let server = UdpSocket::bind(ANY_PORT).unwrap();
    let std::net::SocketAddr::V4(address) = server.local_addr().unwrap() else {
        unreachable!("bound to IPv4");
    };
    drop(server);
    let lines = [Line::server("server", address), Line::new("A", ANY_PORT)];
    let mut wire = Wire::start_lines(&of(backend), &lines);
    let deadline = Instant::now() + DEADLINE;
    while wire.counts(|line| line.refused.get() == 0 || line.sent.get() < 3) {
        assert!(Instant::now() < deadline, "nobody refused");
        wire.receiver.send(0, b"request");
        wire.poll(&SystemClock, Flow::Continue);
    }
    wire.senders[1].send(&7_u32.to_le_bytes()).unwrap();
    wire.receive(1);
    wire.drain(Flow::Continue);
    assert_eq!(wire.numbers(1), [7]);
}

fn uring_is_allowed() -> bool {
    let config = Config {
        backend: Backend::Uring,
        ..Config::default()
    };
    match Receiver::open(&config, &[Line::new("A", ANY_PORT)]) {
        Err(Error::UringUnavailable { reason }) => {
            confined::skipped(&reason);
            false
        }
        opened => {
            opened.unwrap();
            true
        }
    }
}

/// A receiver on loopback, a sender for each line, and all that came.
struct Wire {
    receiver: Receiver,
    senders: Vec<Sender>,
    got: Vec<Got>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Got {
    line: usize,
    bytes: Vec<u8>,
    datagram_bytes: usize,
    truncated: bool,
    ts_recv_ns: u64,
    seen_ns: u64,
}

impl Wire {
    fn open(config: &Config, lines: &[Line]) -> Self {
        let receiver = Receiver::open(config, lines).unwrap();
        let senders = (0..lines.len())
            .map(|line| Sender::open(receiver.local_address(line), None).unwrap())
            .collect();
        Self {
            receiver,
            senders,
            got: Vec::new(),
        }
    }

    fn start(config: &Config) -> Self {
        Self::start_lines(config, &[Line::new("A", ANY_PORT)])
    }

    fn start_lines(config: &Config, lines: &[Line]) -> Self {
        let mut wire = Self::open(config, lines);
        wire.receiver.start().unwrap();
        wire
    }

    /// Sends the numbers of `range` on line 0, one a datagram.
    fn send(&self, range: std::ops::Range<u32>) {
        range.for_each(|n| self.senders[0].send(&n.to_le_bytes()).unwrap());
    }

    /// One call of `receive`.
    fn poll(&mut self, clock: &impl Clock, flow: Flow) -> usize {
        let got = &mut self.got;
        self.receiver.receive(clock, |datagram| {
            got.push(Got {
                line: datagram.line,
                bytes: datagram.bytes.to_vec(),
                datagram_bytes: datagram.datagram_bytes,
                truncated: datagram.truncated(),
                ts_recv_ns: datagram.ts_recv_ns,
                seen_ns: datagram.seen_ns,
            });
            flow
        })
    }

    /// Polls until `count` datagrams are there in all.
    fn receive(&mut self, count: usize) {
        let deadline = Instant::now() + DEADLINE;
        while self.got.len() < count {
            assert!(
                Instant::now() < deadline,
                "{} of {count} came",
                self.got.len()
            );
            self.poll(&SystemClock, Flow::Continue);
        }
    }

    /// Stops and takes what there is. Then nothing may be left, and the counters agree.
    fn drain(&mut self, flow: Flow) {
        self.receiver.stop();
        let deadline = Instant::now() + DEADLINE;
        while !self.receiver.is_drained() {
            assert!(Instant::now() < deadline, "the stop did not end");
            self.poll(&SystemClock, flow);
        }
        let counters = self.receiver.counters();
        assert_eq!(counters.datagrams(), self.got.len() as u64);
        let bytes: usize = self.got.iter().map(|got| got.datagram_bytes).sum();
        assert_eq!(counters.bytes(), bytes as u64);
        assert_eq!(counters.invalid_completions.get(), 0);
        assert_eq!(counters.enter_errors.get(), 0);
        for line in counters.lines() {
            assert_eq!(line.errors(), 0, "{line:?}");
            assert_eq!(line.unstamped.get(), 0, "{line:?}");
        }
    }

    /// The numbers that came on a line.
    fn numbers(&self, line: usize) -> Vec<u32> {
        let of_line = self.got.iter().filter(|got| got.line == line);
        of_line
            .map(|got| u32::from_le_bytes(got.bytes[..4].try_into().unwrap()))
            .collect()
    }

    fn counts<T>(&self, read: impl Fn(&LineCounters) -> T) -> T {
        read(&self.receiver.counters().lines()[0])
    }
}

fn upto(count: u32) -> Vec<u32> {
    (0..count).collect()
}

fn datagrams_of_a_line_come_in_order(backend: Backend) {
    for stamps in STAMPS {
        let mut wire = Wire::start(&Config {
            backend,
            stamps,
            ..Config::default()
        });
        for part in [0..1, 1..100, 100..1000] {
            let end = part.end;
            wire.send(part);
            wire.receive(end as usize);
        }
        wire.drain(Flow::Continue);
        assert_eq!(wire.numbers(0), upto(1000));
    }
}

fn a_datagram_that_is_too_long_is_cut_and_says_its_real_length(backend: Backend) {
    for stamps in STAMPS {
        let config = Config {
            backend,
            stamps,
            datagram_bytes_max: 100,
            ..Config::default()
        };
        let mut wire = Wire::start(&config);
        let payload: Vec<u8> = (0..=u8::MAX).cycle().take(9000).collect();
        let lengths = [99, 100, 101, 9000, 1];
        for length in lengths {
            wire.senders[0].send(&payload[..length]).unwrap();
        }
        wire.receive(lengths.len());
        wire.drain(Flow::Continue);
        for (got, length) in wire.got.iter().zip(lengths) {
            assert_eq!(got.datagram_bytes, length);
            assert_eq!(got.bytes, payload[..length.min(100)]);
            assert_eq!(got.truncated, length > 100);
        }
        assert_eq!(wire.counts(|line| line.truncated.get()), 2);
    }
}

fn an_empty_datagram_is_delivered_and_reception_goes_on(backend: Backend) {
    for stamps in STAMPS {
        let mut wire = Wire::start(&Config {
            backend,
            stamps,
            ..Config::default()
        });
        let sent: [&[u8]; 6] = [b"one", b"", b"", b"two", b"", b"three"];
        for datagram in sent {
            wire.senders[0].send(datagram).unwrap();
        }
        wire.receive(sent.len());
        // Alone, with the receive that the one before it ended armed again.
        wire.senders[0].send(b"").unwrap();
        wire.receive(sent.len() + 1);
        wire.senders[0].send(b"four").unwrap();
        wire.receive(sent.len() + 2);
        wire.drain(Flow::Continue);
        let got: Vec<&[u8]> = wire.got.iter().map(|got| got.bytes.as_slice()).collect();
        assert_eq!(got[..6], sent);
        assert_eq!(got[6..], [b"".as_slice(), b"four"]);
        assert!(wire.got.iter().all(|got| got.ts_recv_ns > 0));
        assert_eq!(wire.counts(|line| line.empty.get()), 4);
        let rearms = if backend == Backend::Uring { 4 } else { 0 };
        assert_eq!(wire.counts(|line| line.rearms_empty.get()), rearms);
    }
}

fn buffers_that_run_out_lose_nothing(backend: Backend) {
    for stamps in STAMPS {
        for buffers in [1, 8] {
            let config = Config {
                backend,
                stamps,
                buffers,
                ..Config::default()
            };
            let mut wire = Wire::start(&config);
            wire.send(0..300);
            // Paused polls hold buffers back while more arrives.
            for _ in 0..20 {
                wire.poll(&SystemClock, Flow::Pause);
            }
            wire.send(300..400);
            wire.receive(400);
            wire.drain(Flow::Continue);
            assert_eq!(wire.numbers(0), upto(400));
            assert_eq!(wire.counts(|line| line.kernel_drops.get()), 0);
            let ran_out = wire.counts(|line| line.rearms_no_buffers.get()) > 0;
            assert_eq!(ran_out, backend == Backend::Uring);
        }
    }
}

fn sixteen_lines_share_a_receiver_and_each_keeps_its_order(backend: Backend) {
    let lines: Vec<Line> = (0..16)
        .map(|i| Line::new(format!("line {i}"), ANY_PORT))
        .collect();
    for stamps in STAMPS {
        let mut wire = Wire::start_lines(
            &Config {
                backend,
                stamps,
                ..Config::default()
            },
            &lines,
        );
        for n in 0..100_u32 {
            for sender in &wire.senders {
                sender.send(&n.to_le_bytes()).unwrap();
            }
        }
        wire.receive(1600);
        wire.drain(Flow::Continue);
        let counters = wire.receiver.counters();
        for (line, counts) in counters.lines().iter().enumerate() {
            assert_eq!(wire.numbers(line), upto(100));
            assert_eq!(counts.datagrams.get(), 100);
            assert_eq!(counts.name, format!("line {line}"));
        }
    }
}

fn what_arrived_before_a_stop_is_handed_over(backend: Backend) {
    for stamps in STAMPS {
        // More than the buffers hold, so that the rest is in the socket when the stop comes.
        let config = Config {
            backend,
            stamps,
            buffers: 64,
            ..Config::default()
        };
        let mut wire = Wire::start(&config);
        wire.send(0..500);
        wire.poll(&SystemClock, Flow::Continue);
        assert!(wire.got.len() < 500);
        wire.drain(Flow::Continue);
        assert_eq!(wire.numbers(0), upto(500));
    }
}

fn what_arrived_before_a_stop_without_start_is_handed_over(backend: Backend) {
    let config = Config {
        backend,
        ..Config::default()
    };
    let mut wire = Wire::open(&config, &[Line::new("A", ANY_PORT)]);
    wire.send(0..100);
    wire.drain(Flow::Continue);
    assert_eq!(wire.numbers(0), upto(100));
}

fn a_stop_hands_over_under_pauses_too(backend: Backend) {
    for stamps in STAMPS {
        let config = Config {
            backend,
            stamps,
            buffers: 16,
            ..Config::default()
        };
        let mut wire = Wire::start(&config);
        wire.send(0..200);
        wire.poll(&SystemClock, Flow::Pause);
        wire.drain(Flow::Pause);
        assert_eq!(wire.numbers(0), upto(200));
    }
}

fn a_stop_under_fire_ends_and_leaves_no_hole(backend: Backend) {
    for stamps in STAMPS {
        let mut wire = Wire::start(&Config {
            backend,
            stamps,
            ..Config::default()
        });
        let sender = Sender::open(wire.receiver.local_address(0), None).unwrap();
        let sent = Arc::new(AtomicU64::new(0));
        let enough = Arc::new(AtomicBool::new(false));
        let firing = thread::spawn({
            let (sent, enough) = (Arc::clone(&sent), Arc::clone(&enough));
            move || {
                for n in 0_u32.. {
                    if enough.load(Ordering::Relaxed) {
                        break;
                    }
                    sender.send(&n.to_le_bytes()).unwrap();
                    sent.store(u64::from(n) + 1, Ordering::Release);
                }
            }
        });
        wire.receive(2000);
        let before_stop = sent.load(Ordering::Acquire);
        wire.drain(Flow::Continue);
        enough.store(true, Ordering::Relaxed);
        firing.join().unwrap();

        // Where the receiver keeps up nothing is dropped; where it does not, the kernel's drops
        // explain each missing number, except those that came after the last one handed over.
        let numbers = wire.numbers(0);
        assert!(numbers.is_sorted_by(|a, b| a < b));
        let last = u64::from(*numbers.last().unwrap());
        let missing = last + 1 - numbers.len() as u64;
        let drops = wire.counts(|line| line.kernel_drops.get());
        assert!(missing <= drops, "{missing} missing, {drops} dropped");
        assert!(
            last + 1 + drops >= before_stop,
            "{last} {drops} {before_stop}"
        );
    }
}

fn a_drop_without_stop_gives_the_port_back(backend: Backend) {
    for stamps in STAMPS {
        let config = Config {
            backend,
            stamps,
            ..Config::default()
        };
        let mut wire = Wire::start(&config);
        wire.send(0..200);
        wire.poll(&SystemClock, Flow::Pause);
        let address = wire.receiver.local_address(0);
        drop(wire);
        // The next start of the same program must not find the port in use.
        UdpSocket::bind(address).unwrap();
    }
}

fn a_drop_on_another_thread_after_the_drain_gives_the_port_back(backend: Backend) {
    for stamps in STAMPS {
        let config = Config {
            backend,
            stamps,
            ..Config::default()
        };
        let mut wire = Wire::open(&config, &[Line::new("A", ANY_PORT)]);
        let address = wire.receiver.local_address(0);
        let wire = thread::spawn(move || {
            wire.receiver.start().unwrap();
            wire.drain(Flow::Continue);
            wire
        });
        drop(wire.join().unwrap());
        UdpSocket::bind(address).unwrap();
    }
}

fn a_drop_on_another_thread_after_the_polling_thread_ended_is_harmless(backend: Backend) {
    for stamps in STAMPS {
        let mut wire = Wire::open(
            &Config {
                backend,
                stamps,
                ..Config::default()
            },
            &[Line::new("A", ANY_PORT)],
        );
        let wire = thread::spawn(move || {
            wire.receiver.start().unwrap();
            wire.send(0..10);
            wire.receive(10);
            wire
        });
        let wire = wire.join().unwrap();
        wire.send(10..20);
        drop(wire);
    }
}

/// Sends more than the socket holds; returns how many were sent.
fn flood(wire: &mut Wire) -> u32 {
    // Fewer than the kernel queues between loopback and the socket, so that every datagram
    // either reaches the socket or is dropped there.
    let count = 500;
    wire.send(0..count);
    while wire.poll(&SystemClock, Flow::Continue) > 0 {}
    count
}

fn tiny_line() -> Line {
    Line {
        receive_buffer_bytes: 8192,
        ..Line::new("A", ANY_PORT)
    }
}

fn drops_are_exact_with_the_datagrams_and_when_asked_for(backend: Backend) {
    // With few buffers the ring cannot empty the socket meanwhile.
    let config = Config {
        backend,
        stamps: Stamps::Kernel,
        buffers: 2,
        ..Config::default()
    };
    let mut wire = Wire::start_lines(&config, &[tiny_line()]);
    let sent = flood(&mut wire);
    let first = wire.got.len();
    assert!(first < sent as usize, "nothing was dropped");
    // The count rides on the next datagram.
    wire.send(sent..sent + 1);
    wire.receive(first + 1);
    let in_band = wire.counts(|line| line.kernel_drops.get());
    assert_eq!(in_band, u64::from(sent) - first as u64);
    wire.receiver.refresh_drops();
    assert_eq!(wire.counts(|line| line.kernel_drops.get()), in_band);
}

fn drops_are_exact_when_asked_for_without_kernel_stamps(backend: Backend) {
    let config = Config {
        backend,
        stamps: Stamps::Batch,
        buffers: 2,
        ..Config::default()
    };
    let mut wire = Wire::start_lines(&config, &[tiny_line()]);
    let sent = flood(&mut wire);
    let first = wire.got.len();
    assert_eq!(wire.counts(|line| line.kernel_drops.get()), 0);
    wire.receiver.refresh_drops();
    let drops = wire.counts(|line| line.kernel_drops.get());
    assert!(drops > 0);
    assert_eq!(first as u64 + drops, u64::from(sent));
    // A stop asks by itself.
    wire.send(0..sent);
    wire.drain(Flow::Continue);
    let drops = wire.receiver.counters().kernel_drops();
    assert_eq!(wire.got.len() as u64 + drops, u64::from(2 * sent));
}

fn kernel_stamps_lie_between_send_and_receive_and_do_not_go_back(backend: Backend) {
    let config = Config {
        backend,
        stamps: Stamps::Kernel,
        ..Config::default()
    };
    let mut wire = Wire::start(&config);
    // The kernel turns stamping off and on in the background as sockets of the whole host come
    // and go, and stamps late while it is off: once it has settled, every stamp is right.
    let deadline = Instant::now() + DEADLINE;
    loop {
        let before = SystemClock.now_ns();
        wire.send(0..300);
        let after = SystemClock.now_ns();
        wire.receive(300);
        let stamps: Vec<u64> = wire.got.iter().map(|got| got.ts_recv_ns).collect();
        assert!(wire.got.iter().all(|got| got.ts_recv_ns <= got.seen_ns));
        if stamps.iter().all(|stamp| (before..=after).contains(stamp)) {
            assert!(stamps.is_sorted());
            assert!(
                stamps[0] < stamps[299],
                "one stamp for all is not the kernel's"
            );
            break;
        }
        assert!(
            Instant::now() < deadline,
            "{before} <= {stamps:?} <= {after}"
        );
        wire.got.clear();
    }
}

/// A clock that shows another time at each reading.
#[derive(Clone, Default)]
struct Ticking(Arc<AtomicU64>);

impl Clock for Ticking {
    fn now_ns(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

fn datagrams_that_are_ready_together_share_one_batch_stamp(backend: Backend) {
    let mut wire = Wire::start(&Config {
        backend,
        ..Config::default()
    });
    let clock = Ticking::default();
    for batch in 1..=3 {
        wire.send(0..10);
        while wire.got.len() < 10 {
            wire.poll(&clock, Flow::Pause);
        }
        // Ten calls, one reading of the clock: a datagram keeps the time at which it was seen.
        assert!(
            wire.got
                .iter()
                .all(|got| got.ts_recv_ns == batch && got.seen_ns == batch)
        );
        assert_eq!(wire.receiver.counters().batches.get(), batch);
        wire.got.clear();
    }
    assert_eq!(wire.poll(&clock, Flow::Continue), 0);
    assert_eq!(
        clock.0.load(Ordering::Relaxed),
        3,
        "an empty poll read the clock"
    );
}

fn a_pause_loses_nothing(backend: Backend) {
    for stamps in STAMPS {
        let mut wire = Wire::start(&Config {
            backend,
            stamps,
            ..Config::default()
        });
        wire.send(0..200);
        for expected in 1..=50 {
            assert_eq!(wire.poll(&SystemClock, Flow::Pause), 1);
            assert_eq!(wire.got.len(), expected);
        }
        wire.send(200..300);
        wire.receive(300);
        wire.drain(Flow::Continue);
        assert_eq!(wire.numbers(0), upto(300));
    }
}

fn a_burst_longer_than_a_batch_comes_in_batches(backend: Backend) {
    let mut wire = Wire::start(&Config {
        backend,
        batch_max: 7,
        ..Config::default()
    });
    wire.send(0..1000);
    let deadline = Instant::now() + DEADLINE;
    while wire.got.len() < 1000 {
        assert!(wire.poll(&SystemClock, Flow::Continue) <= 7);
        assert!(Instant::now() < deadline);
    }
    wire.drain(Flow::Continue);
    assert_eq!(wire.numbers(0), upto(1000));
    let counters = wire.receiver.counters();
    assert!(counters.batches.get() <= counters.enters.get());
}

fn open_error(backend: Backend, line: Line) -> Error {
    Receiver::open(
        &Config {
            backend,
            ..Config::default()
        },
        &[line],
    )
    .unwrap_err()
}

fn a_port_in_use_is_an_error_that_names_it(backend: Backend) {
    let other = UdpSocket::bind(ANY_PORT).unwrap();
    let address: SocketAddrV4 = other.local_addr().unwrap().to_string().parse().unwrap();
    let error = open_error(backend, Line::new("line A", address));
    assert!(matches!(&error, Error::Bind { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains(&format!("line A: cannot listen on {address}")),
        "{text}"
    );
    assert!(text.contains("another socket has this port"), "{text}");
}

fn an_address_of_another_machine_is_an_error_that_names_it(backend: Backend) {
    // TEST-NET-1 (RFC 5737) is nobody's.
    let text = open_error(backend, Line::new("A", "192.0.2.1:5000".parse().unwrap())).to_string();
    assert!(text.contains("192.0.2.1:5000"), "{text}");
    assert!(text.contains("not an address of this machine"), "{text}");
}

fn an_unknown_interface_is_an_error_that_lists_those_present(backend: Backend) {
    for interface in ["eth99", "192.0.2.1"] {
        let group = SocketAddrV4::new(Ipv4Addr::new(239, 255, 77, 1), 0);
        let line = Line {
            interface: Some(interface.to_owned()),
            ..Line::new("B", group)
        };
        let error = open_error(backend, line);
        assert!(matches!(&error, Error::NoSuchInterface { .. }), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains(&format!("line B: no network interface {interface}")),
            "{text}"
        );
        assert!(text.contains("lo (127.0.0.1"), "{text}");
    }
}

fn an_interface_for_a_unicast_line_is_an_error(backend: Backend) {
    let line = Line {
        interface: Some("lo".to_owned()),
        ..Line::new("A", ANY_PORT)
    };
    let text = open_error(backend, line).to_string();
    assert!(text.contains("127.0.0.1 is no multicast group"), "{text}");
}

fn the_receive_buffer_that_was_granted_is_read_back(backend: Backend) {
    let config = Config {
        backend,
        ..Config::default()
    };
    let line = |bytes| Line {
        receive_buffer_bytes: bytes,
        ..Line::new("A", ANY_PORT)
    };
    let receiver = Receiver::open(&config, &[line(100_000), line(usize::MAX), line(0)]).unwrap();
    let modest = receiver.receive_buffer(0);
    assert_eq!(
        (modest.asked_bytes, modest.granted_bytes),
        (100_000, 100_000)
    );
    let absurd = receiver.receive_buffer(1);
    assert!(
        (1..absurd.asked_bytes).contains(&absurd.granted_bytes),
        "{absurd:?}"
    );
    let default = receiver.receive_buffer(2);
    assert!(default.granted_bytes > 0, "{default:?}");
}

fn nothing_comes_before_start_or_after_the_drain(backend: Backend) {
    let config = Config {
        backend,
        ..Config::default()
    };
    let mut wire = Wire::open(&config, &[Line::new("A", ANY_PORT)]);
    wire.send(0..5);
    assert_eq!(wire.poll(&SystemClock, Flow::Continue), 0);
    wire.receiver.start().unwrap();
    wire.receive(5);
    wire.drain(Flow::Continue);
    wire.send(5..10);
    wire.receiver.stop();
    assert_eq!(wire.poll(&SystemClock, Flow::Continue), 0);
    assert_eq!(wire.numbers(0), upto(5));
}

#[test]
fn idle_polls_of_io_uring_make_no_system_call() {
    if !uring_is_allowed() {
        return;
    }
    for stamps in STAMPS {
        let mut wire = Wire::start(&Config {
            backend: Backend::Uring,
            stamps,
            ..Config::default()
        });
        wire.send(0..100);
        wire.receive(100);
        // The burst's last receive, which found nothing, may still be at work.
        while wire.poll(&SystemClock, Flow::Continue) > 0 {}
        wire.poll(&SystemClock, Flow::Continue);
        let counters = wire.receiver.counters();
        let enters = counters.enters.get();
        for _ in 0..10_000 {
            wire.poll(&SystemClock, Flow::Continue);
        }
        assert_eq!(counters.enters.get(), enters);
        assert!(enters <= counters.batches.get() + 2, "{counters:?}");
    }
}

/// Makes a system call fail with EPERM in this process, as a container's filter does.
fn refuse(call: libc::c_long) -> io::Result<()> {
    let statement = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: u16::try_from(code).expect("invariant: BPF codes are 16 bits"),
        jt,
        jf,
        k,
    };
    let call = u32::try_from(call).map_err(io::Error::other)?;
    let errno = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
    let mut filter = [
        // The call's number is the first word of `seccomp_data`.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, call),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, errno),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: 4,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: changes this process only, and asks for no memory.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: asks for a filter program, which the kernel copies during the call.
    match unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Runs `test` where `call` is refused. Where `io_uring` is refused already, for another reason,
/// there is nothing to show.
fn is_refused(test: &str, filter: fn() -> io::Result<()>, call: &str) {
    if confined::is_inside() || uring_is_allowed() {
        confined::run(test, "seccomp filter", filter, || {
            receives_without_io_uring(call)
        });
    }
}

fn receives_without_io_uring(call: &str) {
    let lines = [Line::new("A", ANY_PORT)];
    let config = Config {
        backend: Backend::Uring,
        ..Config::default()
    };
    let error = Receiver::open(&config, &lines).unwrap_err();
    assert!(matches!(&error, Error::UringUnavailable { reason } if reason.contains(call)));

    let mut wire = Wire::start(&Config::default());
    let ActiveBackend::Mmsg {
        uring_refused: Some(reason),
    } = wire.receiver.active_backend().clone()
    else {
        panic!("{} runs", wire.receiver.active_backend());
    };
    assert!(
        reason.contains(call) && reason.contains("not permitted"),
        "{reason}"
    );
    wire.send(0..10);
    wire.receive(10);
    assert_eq!(wire.numbers(0), upto(10));
}

#[test]
fn where_io_uring_setup_is_refused_auto_falls_back_and_says_why() {
    is_refused(
        "where_io_uring_setup_is_refused_auto_falls_back_and_says_why",
        || refuse(libc::SYS_io_uring_setup),
        "io_uring_setup",
    );
}

#[test]
fn where_io_uring_enter_is_refused_auto_falls_back_and_says_why() {
    is_refused(
        "where_io_uring_enter_is_refused_auto_falls_back_and_says_why",
        || refuse(libc::SYS_io_uring_enter),
        "io_uring_enter",
    );
}

#[test]
fn where_io_uring_register_is_refused_auto_falls_back_and_says_why() {
    is_refused(
        "where_io_uring_register_is_refused_auto_falls_back_and_says_why",
        || refuse(libc::SYS_io_uring_register),
        "io_uring_register",
    );
}

#[test]
fn without_a_filter_auto_runs_io_uring() {
    if uring_is_allowed() {
        let wire = Wire::start(&Config::default());
        assert_eq!(wire.receiver.active_backend(), &ActiveBackend::Uring);
    }
}
