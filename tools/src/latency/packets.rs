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
    next: Tick,
}

impl Ticks {
    pub(super) fn open(target: SocketAddrV4) -> Result<Self> {
        let socket = Sender::open(target, None)?;
        let next = Tick {
            number: 0,
            due_ns: 0,
        };
        Ok(Self { socket, next })
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
        self.socket.send(&self.next.bytes()).is_ok()
    }

    fn end(&mut self) {
        let end = Tick {
            number: self.next.number + 1,
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
        let packet = &self.buffer[..self.packet_bytes];
        self.socket.send(packet).is_ok()
    }

    fn end(&mut self) {
        let mut buffer = [0; moldudp64::HEADER_BYTES];
        let packet = moldudp64::end_of_session(&mut buffer, SESSION, self.number + 1);
        for _ in 0..ENDS {
            // As for ticks.
            _ = self.socket.send(packet);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
