//! Owns the packets that a venue sends when it has no message to send: heartbeats and ends of
//! session.

use crate::packets::LineProtocol;
use ringtape::feed::iextp::{self, Position};
use ringtape::feed::moldudp64::{self, SessionId};

/// The longest of these packets.
const PACKET_BYTES: usize = iextp::HEADER_BYTES;

const _: () = assert!(moldudp64::HEADER_BYTES <= PACKET_BYTES);

/// Where such a packet is put together.
#[derive(Debug)]
pub(super) struct Buffer([u8; PACKET_BYTES]);

impl Default for Buffer {
    fn default() -> Self {
        Self([0; PACKET_BYTES])
    }
}

/// How a feed says that it is alive.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pulse {
    /// It does not, or has not begun: a heartbeat of CME spends a number, which is the venue's.
    Silent,
    /// With heartbeats and an end of its session.
    Mold(SessionId),
    /// With heartbeats of the place in the stream that comes next; there is no end of session.
    Iex(iextp::SessionId, Position),
}

impl Pulse {
    /// Reads from a packet, of the session that has this name, how its feed goes on.
    pub(super) fn behind(protocol: LineProtocol, session: SessionId, packet: &[u8]) -> Self {
        match protocol {
            LineProtocol::MoldUdp64 => Self::Mold(session),
            LineProtocol::Tops16 | LineProtocol::Deep10 => {
                iextp::Packet::parse(packet, packet.len()).map_or(Self::Silent, |parsed| {
                    let Position {
                        sequence,
                        stream_offset,
                        sent_ns,
                    } = parsed.position();
                    let payload_bytes = (packet.len() - iextp::HEADER_BYTES) as u64;
                    let next = Position {
                        sequence: sequence + u64::from(parsed.count()),
                        stream_offset: stream_offset.saturating_add(payload_bytes),
                        // A later time would make the packet behind a silence look late.
                        sent_ns,
                    };
                    Self::Iex(parsed.session(), next)
                })
            }
            LineProtocol::Mdp3 => Self::Silent,
        }
    }

    /// Returns a heartbeat that says that number `next` comes next, if there is such a packet.
    pub(super) fn heartbeat(self, buffer: &mut Buffer, next: u64) -> Option<&[u8]> {
        match self {
            Self::Silent => None,
            Self::Mold(session) => Some(moldudp64::heartbeat(&mut buffer.0, session, next)),
            // The packet that it is read from knows also the place in bytes.
            Self::Iex(session, position) => {
                Some(iextp::heartbeat(&mut buffer.0, session, position))
            }
        }
    }

    /// Returns the end of the session, if the protocol has one.
    pub(super) fn end_of_session(self, buffer: &mut Buffer, next: u64) -> Option<&[u8]> {
        match self {
            Self::Mold(session) => Some(moldudp64::end_of_session(&mut buffer.0, session, next)),
            Self::Silent | Self::Iex(..) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringtape::feed::PacketKind;
    use ringtape::feed::iextp::{MessageProtocol, PacketWriter};
    use ringtape::feed::mdp3;

    #[test]
    fn a_heartbeat_of_iex_stands_where_the_packet_before_it_ended() {
        let session = iextp::SessionId {
            protocol: MessageProtocol::Deep10,
            channel: 1,
            session: 7,
        };
        let position = Position {
            sequence: 40,
            stream_offset: 1_000,
            sent_ns: 5,
        };
        let mut packet = [0; 200];
        let mut writer = PacketWriter::new(&mut packet, session, position);
        assert!(writer.push(b"first") && writer.push(b"second"));
        let pulse = Pulse::behind(LineProtocol::Deep10, *b"D1-7      ", writer.finish());
        let mut buffer = Buffer::default();
        let heartbeat = pulse.heartbeat(&mut buffer, 42).unwrap();
        let heartbeat = iextp::Packet::parse(heartbeat, heartbeat.len()).unwrap();
        assert_eq!(heartbeat.kind(), PacketKind::Heartbeat);
        assert_eq!(heartbeat.session(), session);
        let next = Position {
            sequence: 42,
            stream_offset: 1_000 + 2 + 5 + 2 + 6,
            sent_ns: 5,
        };
        assert_eq!(heartbeat.position(), next);
        assert!(pulse.end_of_session(&mut buffer, 42).is_none());
    }

    #[test]
    fn cme_has_neither_heartbeats_nor_ends_that_cost_nothing() {
        let mut packet = [0; 200];
        let packet = mdp3::PacketWriter::new(&mut packet, 9, 5).finish();
        let pulse = Pulse::behind(LineProtocol::Mdp3, *b"mdp3      ", packet);
        let mut buffer = Buffer::default();
        assert!(pulse.heartbeat(&mut buffer, 10).is_none());
        assert!(pulse.end_of_session(&mut buffer, 10).is_none());
    }
}
