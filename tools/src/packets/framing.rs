//! Owns the way from the messages of a BinaryFILE to packets.

use super::{Head, SessionTally, Tally};
use crate::source::{Item, Message, Source};
use ringtape::feed::itch;
use ringtape::feed::moldudp64::{HEADER_BYTES, LENGTH_BYTES, PacketWriter, SessionId};

/// Bytes of a packet: what servers of MoldUDP64 keep to, and an Ethernet frame holds.
pub(super) const PACKET_BYTES: usize = 1400;
/// Bytes of the largest datagram over IPv4.
const DATAGRAM_BYTES_MAX: usize = 65_507;
/// Bytes of the largest message that a datagram can carry.
const MESSAGE_BYTES_MAX: usize = DATAGRAM_BYTES_MAX - HEADER_BYTES - LENGTH_BYTES;
/// How far apart in venue time the messages of one packet may be: a venue does not hold a message
/// back to fill a packet.
const PACKET_SPAN_NS: u64 = 100_000;

/// Gathers messages into packets.
#[derive(Debug, Default)]
pub(super) struct Framing {
    /// The message that was read last, and its place in the file while it waits for a packet.
    message: Vec<u8>,
    waiting: Option<u64>,
    /// Its venue time, or that of the last one before it that had one.
    venue_ns: u64,
}

impl Framing {
    /// Reads messages until a packet is full; returns it, with its bytes in `buffer`.
    pub(super) fn next(
        &mut self,
        source: &mut Source,
        tally: &mut Tally,
        session: SessionId,
        buffer: &mut Vec<u8>,
    ) -> Option<Head> {
        if tally.sessions.is_empty() {
            tally.sessions.push(SessionTally::new(session, false));
        }
        let first = self.waiting.or_else(|| self.load(source, tally))?;
        let (first_ns, mut last_ns, mut count) = (self.venue_ns, self.venue_ns, 0);
        let alone_bytes = HEADER_BYTES + LENGTH_BYTES + self.message.len();
        buffer.resize(PACKET_BYTES.max(alone_bytes), 0);
        let mut writer = PacketWriter::new(buffer, session, first);
        // A message that fits nowhere leaves a number out, and with it ends the packet.
        while self.waiting == Some(first + count)
            && self.venue_ns.saturating_sub(first_ns) <= PACKET_SPAN_NS
            && writer.push(&self.message)
        {
            count += 1;
            last_ns = self.venue_ns;
            self.waiting = None;
            self.load(source, tally);
        }
        let packet_bytes = writer.finish().len();
        buffer.truncate(packet_bytes);
        let session = &mut tally.sessions[0];
        session.messages += session.bring(first, count, &[]);
        Some(Head {
            ts_ns: last_ns,
            session: 0,
            first,
            count,
            messages: count,
        })
    }

    /// Reads the next message that fits into a datagram; returns its place in the file.
    fn load(&mut self, source: &mut Source, tally: &mut Tally) -> Option<u64> {
        loop {
            let Item::Message(Message { ordinal, bytes }) = source.read()? else {
                continue;
            };
            tally.message(bytes, itch::bytes_min, itch::is_sound);
            self.venue_ns = venue_ns(bytes).unwrap_or(self.venue_ns);
            if bytes.len() > MESSAGE_BYTES_MAX {
                tally.oversized_messages += 1;
                continue;
            }
            bytes.clone_into(&mut self.message);
            self.waiting = Some(ordinal);
            return self.waiting;
        }
    }
}

/// Returns the time of a message: nanoseconds since midnight in New York.
fn venue_ns(message: &[u8]) -> Option<u64> {
    let time: &[u8; 6] = message.get(5..11)?.try_into().ok()?;
    let mut bytes = [0; 8];
    bytes[2..].copy_from_slice(time);
    Some(u64::from_be_bytes(bytes))
}
