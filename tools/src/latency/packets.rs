//! Owns what the sender puts on the wire: ITCH order flow in MoldUDP64, or bare ticks.

use super::schedule::Plan;
use super::sender::Outlet;
use ringtape::error::Result;
use ringtape::feed::moldudp64::{self, PacketWriter, SessionId};
use ringtape::net::Sender;
use ringtape::torture::OrderFlow;
use std::net::SocketAddrV4;

const SESSION: SessionId = *b"LATENCY   ";
const PACKET_BYTES_MAX: usize = 128;
/// An end is repeated, since nothing follows that would reveal its loss.
const ENDS: usize = 3;
const NS_PER_DAY: u64 = 86_400_000_000_000;

/// Bytes of a [`Tick`].
pub(super) const TICK_BYTES: usize = 16;

/// The message of the `net` stage: its number, from 1, and when it was due, both little-endian.
/// One that was due at 0 is the end: its number is the one that would have come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tick {
    pub(super) number: u64,
    pub(super) due_ns: u64,
}

impl Tick {
    /// Reads a datagram.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (number, rest) = bytes.split_first_chunk()?;
        let due_ns = rest.try_into().ok()?;
        Some(Self {
            number: u64::from_le_bytes(*number),
            due_ns: u64::from_le_bytes(due_ns),
        })
    }

    fn bytes(self) -> [u8; TICK_BYTES] {
        let mut bytes = [0; TICK_BYTES];
        bytes[..8].copy_from_slice(&self.number.to_le_bytes());
        bytes[8..].copy_from_slice(&self.due_ns.to_le_bytes());
        bytes
    }
}

/// Sends ticks, each in a datagram of its own.
pub(super) struct Ticks {
    socket: Sender,
    /// The one that is prepared.
    next: Tick,
    /// The last number that was sent, or refused by the kernel.
    last: u64,
}

impl Ticks {
    pub(super) fn open(target: SocketAddrV4) -> Result<Self> {
        let socket = Sender::open(target, None)?;
        let next = Tick {
            number: 0,
            due_ns: 0,
        };
        Ok(Self {
            socket,
            next,
            last: 0,
        })
    }
}

impl Outlet for Ticks {
    fn prepare(&mut self, due_ns: u64) {
        self.next = Tick {
            number: self.next.number + 1,
            due_ns,
        };
    }

    fn send(&mut self) -> bool {
        self.last = self.next.number;
        self.socket.send(&self.next.bytes()).is_ok()
    }

    /// What is prepared is not sent any more, and not missing.
    fn end(&mut self) {
        let end = Tick {
            number: self.last + 1,
            due_ns: 0,
        };
        for _ in 0..ENDS {
            // One that gets through suffices, and the report says when none did.
            _ = self.socket.send(&end.bytes());
        }
    }
}

/// Returns UNIX nanoseconds of the midnight before `now_ns`, from which times in ITCH count here.
pub(super) fn midnight_ns(now_ns: u64) -> u64 {
    now_ns - now_ns % NS_PER_DAY
}

/// Sends order flow, each message in a packet of its own.
pub(super) struct Orders {
    socket: Sender,
    flow: OrderFlow,
    midnight_ns: u64,
    /// Number of the message that is prepared.
    number: u64,
    /// The last number that was sent, or refused by the kernel.
    last: u64,
    buffer: [u8; PACKET_BYTES_MAX],
    packet_bytes: usize,
}

impl Orders {
    pub(super) fn open(target: SocketAddrV4, plan: Plan, midnight_ns: u64) -> Result<Self> {
        Ok(Self {
            socket: Sender::open(target, None)?,
            flow: OrderFlow::new(plan.seed, plan.messages()),
            midnight_ns,
            number: 0,
            last: 0,
            buffer: [0; PACKET_BYTES_MAX],
            packet_bytes: 0,
        })
    }
}

impl Outlet for Orders {
    fn prepare(&mut self, due_ns: u64) {
        let since_midnight_ns = due_ns.saturating_sub(self.midnight_ns);
        let message = self
            .flow
            .message(since_midnight_ns)
            .expect("invariant: the day is longer than the schedule");
        self.number += 1;
        let mut packet = PacketWriter::new(&mut self.buffer, SESSION, self.number);
        assert!(
            packet.push(message.as_bytes()),
            "invariant: the longest message fits a packet"
        );
        self.packet_bytes = packet.finish().len();
    }

    fn send(&mut self) -> bool {
        self.last = self.number;
        let packet = &self.buffer[..self.packet_bytes];
        self.socket.send(packet).is_ok()
    }

    /// As for ticks.
    fn end(&mut self) {
        let mut buffer = [0; moldudp64::HEADER_BYTES];
        let packet = moldudp64::end_of_session(&mut buffer, SESSION, self.last + 1);
        for _ in 0..ENDS {
            // As for ticks.
            _ = self.socket.send(packet);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::schedule::Arrivals;
    use super::*;
    use std::net::{SocketAddr, UdpSocket};
    use std::time::Duration;

    #[test]
    fn a_tick_is_read_as_it_was_written_and_nothing_else_is_one() {
        let tick = Tick {
            number: 1 << 40,
            due_ns: u64::MAX - 3,
        };
        assert_eq!(Tick::read(&tick.bytes()), Some(tick));
        for bytes in 0..64 {
            let read = Tick::read(&[0xa5; 64][..bytes]);
            assert_eq!(read.is_some(), bytes == TICK_BYTES);
        }
    }

    #[test]
    fn the_end_names_the_number_after_the_last_that_was_sent() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let SocketAddr::V4(target) = socket.local_addr().unwrap() else {
            panic!("bound to IPv4");
        };
        let plan = Plan {
            arrivals: Arrivals::Constant,
            messages_per_s: 1_000,
            span_ns: 1_000_000_000,
            seed: 1,
        };
        let outlets: [Box<dyn Outlet>; 2] = [
            Box::new(Ticks::open(target).unwrap()),
            Box::new(Orders::open(target, plan, 0).unwrap()),
        ];
        for (mut outlet, number_at) in outlets.into_iter().zip([0, SESSION.len()]) {
            outlet.prepare(1);
            assert!(outlet.send());
            // Stopped before it is due.
            outlet.prepare(2);
            outlet.end();
            let mut buffer = [0; 256];
            let mut datagrams = (0..=ENDS).map(|_| {
                socket.recv(&mut buffer).unwrap();
                let number = buffer[number_at..].first_chunk().unwrap();
                // MoldUDP64 has the first byte first.
                match number_at {
                    0 => u64::from_le_bytes(*number),
                    _ => u64::from_be_bytes(*number),
                }
            });
            assert_eq!(datagrams.next(), Some(1));
            assert!(datagrams.all(|number| number == 2));
        }
    }
}
