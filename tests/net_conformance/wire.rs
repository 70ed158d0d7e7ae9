//! A receiver on loopback with a sender for each of its lines.

use crate::confined;
use ringtape::clock::{Clock, SystemClock};
use ringtape::error::Error;
use ringtape::net::{Backend, Config, Flow, Line, LineCounters, Receiver, Sender, Stamps};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

pub(crate) const ANY_PORT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);

pub(crate) const STAMPS: [Stamps; 2] = [Stamps::Kernel, Stamps::Batch];

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) fn of(backend: Backend) -> Config {
    Config {
        backend,
        ..Config::default()
    }
}

pub(crate) fn uring_is_allowed() -> bool {
    match Receiver::open(&of(Backend::Uring), &[Line::new("A", ANY_PORT)]) {
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

pub(crate) fn upto(count: u32) -> Vec<u32> {
    (0..count).collect()
}

/// A receiver on loopback, a sender for each line, and all that came.
pub(crate) struct Wire {
    pub(crate) receiver: Receiver,
    pub(crate) senders: Vec<Sender>,
    pub(crate) got: Vec<Got>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) line: usize,
    pub(crate) bytes: Vec<u8>,
    pub(crate) datagram_bytes: usize,
    pub(crate) truncated: bool,
    pub(crate) ts_recv_ns: u64,
    pub(crate) seen_ns: u64,
}

impl Wire {
    pub(crate) fn open(config: &Config, lines: &[Line]) -> Self {
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

    pub(crate) fn start(config: &Config) -> Self {
        Self::start_lines(config, &[Line::new("A", ANY_PORT)])
    }

    pub(crate) fn start_lines(config: &Config, lines: &[Line]) -> Self {
        let mut wire = Self::open(config, lines);
        wire.receiver.start().unwrap();
        wire
    }

    /// Sends the numbers of `range` on line 0, one a datagram.
    pub(crate) fn send(&self, range: std::ops::Range<u32>) {
        range.for_each(|n| self.senders[0].send(&n.to_le_bytes()).unwrap());
    }

    /// One call of `receive`.
    pub(crate) fn poll(&mut self, clock: &impl Clock, flow: Flow) -> usize {
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
    pub(crate) fn receive(&mut self, count: usize) {
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
    pub(crate) fn drain(&mut self, flow: Flow) {
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
    pub(crate) fn numbers(&self, line: usize) -> Vec<u32> {
        let of_line = self.got.iter().filter(|got| got.line == line);
        of_line
            .map(|got| u32::from_le_bytes(got.bytes[..4].try_into().unwrap()))
            .collect()
    }

    pub(crate) fn counts<T>(&self, read: impl Fn(&LineCounters) -> T) -> T {
        read(&self.receiver.counters().lines()[0])
    }
}
