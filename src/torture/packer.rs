//! Owns the way from a venue's messages to the packets of one line.

use super::random::{Purpose, generator};
use super::values::Between;
use super::venue::{Step, Timed};
use crate::feed::moldudp64::{self, HEADER_BYTES, LENGTH_BYTES, PacketWriter, SessionId};

/// The longest packet, unless one message alone is longer.
const PACKET_BYTES_MAX: usize = 1_400;

/// A packet of a line, ready to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed<'a> {
    pub(super) ts_ns: u64,
    pub(super) epoch: usize,
    pub(super) first: u64,
    pub(super) count: u64,
    pub(super) bytes: &'a [u8],
}

/// Gathers messages into packets.
#[derive(Debug)]
pub(super) struct Packer {
    seed: u64,
    /// 0 for packets that all lines share.
    stream: usize,
    messages: Between,
    /// Packets begun so far.
    begun: u64,
    /// Messages of the present packet, and how many it is to have.
    ends: Vec<usize>,
    bytes: Vec<u8>,
    target: usize,
    first: u64,
    epoch: usize,
    ts_ns: u64,
    session: SessionId,
    buffer: Vec<u8>,
}

impl Packer {
    pub(super) fn new(seed: u64, stream: usize, messages: Between) -> Self {
        Self {
            seed,
            stream,
            messages,
            begun: 0,
            ends: Vec::new(),
            bytes: Vec::new(),
            target: 0,
            first: 0,
            epoch: 0,
            ts_ns: 0,
            session: [b' '; 10],
            buffer: Vec::new(),
        }
    }

    /// Takes a step, of a message with its bytes; hands the packets that it completes to `send`.
    pub(super) fn take(
        &mut self,
        timed: Timed,
        session: SessionId,
        message: &[u8],
        mut send: impl FnMut(Packed<'_>),
    ) {
        let number = match timed.step {
            Step::Message { number } => number,
            Step::Heartbeat { next } | Step::End { next } => {
                self.flush(&mut send);
                let mut buffer = [0; HEADER_BYTES];
                let bytes = match timed.step {
                    Step::End { .. } => moldudp64::end_of_session(&mut buffer, session, next),
                    _ => moldudp64::heartbeat(&mut buffer, session, next),
                };
                return send(Packed {
                    ts_ns: timed.ts_ns,
                    epoch: timed.epoch,
                    first: next,
                    count: 0,
                    bytes,
                });
            }
            Step::Pause => return self.flush(&mut send),
        };
        let bytes = HEADER_BYTES + (self.ends.len() + 1) * LENGTH_BYTES;
        if bytes + self.bytes.len() + message.len() > PACKET_BYTES_MAX {
            self.flush(&mut send);
        }
        if self.ends.is_empty() {
            let mut random = generator(self.seed, Purpose::Packing, self.stream, self.begun);
            self.begun += 1;
            let target = self.messages.draw(&mut random);
            self.target = usize::try_from(target).expect("invariant: a range is below 10,000");
            (self.first, self.epoch, self.session) = (number, timed.epoch, session);
        }
        self.bytes.extend_from_slice(message);
        self.ends.push(self.bytes.len());
        self.ts_ns = timed.ts_ns;
        if self.ends.len() >= self.target {
            self.flush(&mut send);
        }
    }

    fn flush(&mut self, send: &mut impl FnMut(Packed<'_>)) {
        if self.ends.is_empty() {
            return;
        }
        let bytes = HEADER_BYTES + self.ends.len() * LENGTH_BYTES + self.bytes.len();
        self.buffer.resize(bytes, 0);
        let mut packet = PacketWriter::new(&mut self.buffer, self.session, self.first);
        let mut at = 0;
        for &end in &self.ends {
            let pushed = packet.push(&self.bytes[at..end]);
            assert!(pushed, "a message is longer than a datagram can carry");
            at = end;
        }
        let count = self.ends.len() as u64;
        let bytes = packet.finish();
        send(Packed {
            ts_ns: self.ts_ns,
            epoch: self.epoch,
            first: self.first,
            count,
            bytes,
        });
        self.ends.clear();
        self.bytes.clear();
    }
}
