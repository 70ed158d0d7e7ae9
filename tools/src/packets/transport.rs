//! Owns the way from the datagrams of a capture to the packets of its feed.
//!
//! Each destination is a line. What a line carries is told by content: it is the feed's from the
//! first datagram on that is a well-formed MoldUDP64 packet. Lines that carry one session are
//! copies of each other: a packet is passed on if it brings a number that none brought before.

use super::{Head, SessionTally, Tally};
use crate::source::Datagram;
use ringtape::feed::PacketKind;
use ringtape::feed::itch;
use ringtape::feed::moldudp64::{Packet, SessionId};
use std::collections::BTreeMap;
use std::net::SocketAddrV4;

/// Destinations that are told apart; more have been seen only in captures of port scans.
const LINES_MAX: usize = 4096;
/// Sessions that are told apart: a day has one or two for each feed.
const SESSIONS_MAX: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Transport {
    lines: BTreeMap<SocketAddrV4, Line>,
    /// The session of packets that have none, once there was one.
    unnumbered: Option<usize>,
}

#[derive(Debug, Default)]
struct Line {
    is_feed: bool,
    /// Datagrams that are no packets of the feed.
    strange: u64,
}

impl Transport {
    /// Takes a datagram; returns the packet to play, with its bytes in `buffer`, if it is one.
    pub(super) fn take(
        &mut self,
        datagram: Datagram<'_>,
        tally: &mut Tally,
        substitute: SessionId,
        buffer: &mut Vec<u8>,
    ) -> Option<Head> {
        if self.lines.len() == LINES_MAX && !self.lines.contains_key(&datagram.destination) {
            tally.foreign_datagrams += 1;
            return None;
        }
        let line = self.lines.entry(datagram.destination).or_default();
        let packet = Packet::parse(datagram.payload, datagram.payload.len()).ok();
        let Some(packet) = packet.filter(|packet| line.is_feed || is_feed(packet)) else {
            line.strange += 1;
            return None;
        };
        line.is_feed = true;
        let unnumbered = is_unnumbered(&packet);
        let Some(index) = self.session_of(&packet, unnumbered.then_some(substitute), tally) else {
            tally.excess_session_packets += 1;
            return None;
        };
        tally.packets += 1;
        match packet.kind() {
            PacketKind::Heartbeat => tally.heartbeats += 1,
            PacketKind::EndOfSession => tally.session_ends += 1,
            PacketKind::Messages => {}
        }
        packet.messages().for_each(|message| tally.message(message));

        let session = &mut tally.sessions[index];
        let count = u64::from(packet.count());
        let first = if unnumbered {
            session.next
        } else {
            packet.sequence()
        };
        if count == 0 {
            session.announce(first);
        } else {
            let first_message = packet.messages().next().unwrap_or_default();
            if !session.bring(first, count, first_message) {
                return None;
            }
        }
        buffer.clear();
        buffer.extend_from_slice(datagram.payload);
        if unnumbered {
            tally.unnumbered_packets += 1;
            buffer[..10].copy_from_slice(&session.wire_name);
            buffer[10..18].copy_from_slice(&first.to_be_bytes());
        }
        Some(Head {
            ts_ns: datagram.ts_ns,
            session: index,
            first,
            count,
        })
    }

    /// Returns the session of a packet, a new one where it was not seen before; `substitute` is
    /// the name to give it where the packet has none.
    fn session_of(
        &mut self,
        packet: &Packet<'_>,
        substitute: Option<SessionId>,
        tally: &mut Tally,
    ) -> Option<usize> {
        let known = match substitute {
            Some(_) => self.unnumbered,
            None => tally
                .sessions
                .iter()
                .position(|session| session.named && session.wire_name == packet.session()),
        };
        if known.is_some() {
            return known;
        }
        let index = tally.sessions.len();
        if index == SESSIONS_MAX {
            return None;
        }
        if substitute.is_some() {
            self.unnumbered = Some(index);
        }
        let name = substitute.unwrap_or_else(|| packet.session());
        tally
            .sessions
            .push(SessionTally::new(name, substitute.is_none()));
        Some(index)
    }

    /// Counts what was left open: on the feed's lines a datagram that is no packet is malformed,
    /// on others it is something else.
    pub(super) fn settle(&mut self, tally: &mut Tally) {
        for line in self.lines.values_mut() {
            let strange = std::mem::take(&mut line.strange);
            if line.is_feed {
                tally.malformed_packets += strange;
            } else {
                tally.foreign_datagrams += strange;
            }
        }
    }
}

/// Some published captures have session and sequence zeroed. No venue sends a message with the
/// number 0.
fn is_unnumbered(packet: &Packet<'_>) -> bool {
    packet.session() == [0; 10] && packet.sequence() == 0 && packet.messages().next().is_some()
}

/// Tells whether a well-formed packet is one of MoldUDP64 by more than its lengths.
fn is_feed(packet: &Packet<'_>) -> bool {
    let named = packet
        .session()
        .iter()
        .all(|byte| (b' '..=b'~').contains(byte));
    let first = packet.messages().next().unwrap_or_default();
    let known = first.first().and_then(|&kind| itch::bytes_min(kind));
    named || is_unnumbered(packet) && known.is_some_and(|bytes| first.len() >= bytes)
}
