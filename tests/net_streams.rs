//! The contract of streams, on loopback: order, pauses, stops, and servers that do not play along.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use ringtape::clock::SystemClock;
use ringtape::net::{Flow, StreamEvent, StreamLine, Streams};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use support::wait_until;

const PIECE_BYTES: usize = 100;

struct Rig {
    streams: Streams,
    listeners: Vec<TcpListener>,
    /// What was received, by line; and whether it was told of a connection and of its end.
    bytes: Vec<Vec<u8>>,
    connected: Vec<u32>,
    closed: Vec<u32>,
}

impl Rig {
    fn new(lines: usize) -> Self {
        let listeners: Vec<_> = (0..lines)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let line = |(index, listener): (usize, &TcpListener)| {
            let SocketAddr::V4(address) = listener.local_addr().unwrap() else {
                panic!("not IPv4")
            };
            StreamLine {
                name: format!("line {index}"),
                address,
            }
        };
        let named: Vec<_> = listeners.iter().enumerate().map(line).collect();
        Self {
            streams: Streams::open(&named, PIECE_BYTES).unwrap(),
            listeners,
            bytes: vec![Vec::new(); lines],
            connected: vec![0; lines],
            closed: vec![0; lines],
        }
    }

    fn connect(&mut self, line: usize) -> TcpStream {
        self.streams.set(line, true);
        let server = self.listeners[line].accept().unwrap().0;
        let before = self.connected[line];
        self.poll_until(|rig| rig.connected[line] > before);
        server
    }

    /// Receives once, pausing after each incident if so wanted.
    fn poll(&mut self, flow: Flow) -> usize {
        let (bytes, connected, closed) = (&mut self.bytes, &mut self.connected, &mut self.closed);
        self.streams.receive(&SystemClock, |incident| {
            assert!(incident.seen_ns > 0);
            match incident.event {
                StreamEvent::Connected => connected[incident.line] += 1,
                StreamEvent::Closed => closed[incident.line] += 1,
                StreamEvent::Bytes(piece) => {
                    assert!((1..=PIECE_BYTES).contains(&piece.len()));
                    bytes[incident.line].extend_from_slice(piece);
                }
            }
            flow
        })
    }

    fn poll_until(&mut self, mut done: impl FnMut(&Self) -> bool) {
        wait_until("what the streams bring", || {
            self.poll(Flow::Continue);
            done(self)
        });
    }
}

fn pattern(count: usize, salt: usize) -> Vec<u8> {
    (0..count)
        .map(|n| u8::try_from((n * 7 + n / 251 + salt) % 256).unwrap())
        .collect()
}

#[test]
fn bytes_arrive_in_order_in_pieces_on_every_line_and_then_the_end() {
    let mut rig = Rig::new(3);
    let sent: Vec<_> = (0..3).map(|line| pattern(5_000 + line, line)).collect();
    for (line, bytes) in sent.iter().enumerate() {
        rig.connect(line).write_all(bytes).unwrap();
    }
    rig.poll_until(|rig| rig.closed == [1, 1, 1]);
    assert_eq!(rig.bytes, sent);
    assert_eq!(rig.poll(Flow::Continue), 0);
    assert!(rig.streams.is_quiet());
    let counters = rig.streams.counters();
    assert_eq!(
        (counters[2].bytes.get(), counters[2].closed.get()),
        (5_002, 1)
    );
}

#[test]
fn a_pause_leaves_everything_behind_it() {
    let mut rig = Rig::new(2);
    let mut servers = [rig.connect(0), rig.connect(1)];
    let sent = [pattern(1_000, 1), pattern(1_000, 2)];
    for (server, sent) in servers.iter_mut().zip(&sent) {
        server.write_all(sent).unwrap();
    }
    wait_until("all bytes, one piece a call", || {
        let handed = rig.poll(Flow::Pause);
        assert!(handed <= 1);
        rig.bytes == sent
    });
}

#[test]
fn what_had_arrived_before_a_stop_is_handed_over_and_nothing_else_is_waited_for() {
    let mut rig = Rig::new(2);
    let mut server = rig.connect(0);
    // More than one read takes, as far as the kernel has room for it.
    let sent = pattern(150_000, 3);
    server.set_nonblocking(true).unwrap();
    let mut written = 0;
    wait_until("the socket holds what it can", || {
        match server.write(&sent[written..]) {
            Ok(bytes) => written += bytes,
            Err(_) => return true,
        }
        written == sent.len()
    });
    // The other line is still connecting, or has just connected: it ends all the same.
    rig.streams.set(1, true);
    rig.streams.stop();
    let mut calls = 0;
    while !rig.streams.is_drained() {
        rig.poll(Flow::Pause);
        calls += 1;
        assert!(calls < 10_000);
    }
    assert!(!rig.bytes[0].is_empty() && sent.starts_with(&rig.bytes[0]));
    let handed = rig.bytes[0].len();
    // What arrives now is too late, and nobody is connected to any more.
    rig.streams.set(0, true);
    for _ in 0..100 {
        rig.poll(Flow::Continue);
    }
    assert_eq!(rig.bytes[0].len(), handed);
}

#[test]
fn a_server_that_reads_nothing_loses_its_connection_and_blocks_nobody() {
    let mut rig = Rig::new(1);
    let server = rig.connect(0);
    let mut sent = 0_u64;
    while rig.closed[0] == 0 {
        rig.streams.send(0, &[b'R'; 1_000]);
        sent += 1_000;
        rig.poll(Flow::Continue);
        assert!(sent < 1 << 30, "somewhere the kernel has no more room");
    }
    let counters = rig.streams.counters();
    assert_eq!(
        (counters[0].stalled.get(), counters[0].closed.get()),
        (1, 0)
    );
    drop(server);
    // And the line can have another one.
    let mut server = rig.connect(0);
    rig.streams.send(0, b"again");
    let mut read = [0; 5];
    server.read_exact(&mut read).unwrap();
    assert_eq!(&read, b"again");
}

#[test]
fn what_the_kernel_takes_only_in_part_arrives_whole_once_the_server_reads() {
    let mut rig = Rig::new(1);
    let mut server = rig.connect(0);
    let counters = rig.streams.counters();
    // Fills the kernel's buffers, and then some of our own.
    let mut sent = Vec::new();
    let piece = pattern(999, 5);
    while counters[0].sent_bytes.get() == sent.len() as u64 {
        rig.streams.send(0, &piece);
        sent.extend_from_slice(&piece);
    }
    let count = sent.len();
    let reader = std::thread::spawn(move || {
        let mut read = vec![0; count];
        server.read_exact(&mut read).unwrap();
        (server, read)
    });
    rig.poll_until(|_| counters[0].sent_bytes.get() == count as u64);
    assert!(reader.join().unwrap().1 == sent);
    assert_eq!(counters[0].stalled.get(), 0);
}

#[test]
fn closing_a_line_gives_up_what_was_not_handed_over_and_tells_the_end_once() {
    let mut rig = Rig::new(1);
    let mut server = rig.connect(0);
    server.write_all(&pattern(10_000, 9)).unwrap();
    wait_until("a first piece", || {
        rig.poll(Flow::Pause);
        !rig.bytes[0].is_empty()
    });
    rig.streams.set(0, false);
    rig.streams.set(0, true); // not before its end was told
    assert_eq!(rig.poll(Flow::Continue), 1);
    assert_eq!((rig.closed[0], rig.bytes[0].len()), (1, PIECE_BYTES));
    assert_eq!(rig.poll(Flow::Continue), 0);
}
