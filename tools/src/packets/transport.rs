//! Owns the way from the datagrams of a capture to the packets of its feeds.
//!
//! Each destination is a line. What a line speaks is told by content: its protocol is that of the
//! first datagram on it that is a convincing packet of one. Lines that carry one session are copies
//! of each other: a packet is passed on if it brings a number that none brought before.
//!
//! A channel of CME has no session's name. A line with packets of CME belongs to the channel of
//! which its first packet is a copy, or else to one whose numbers are near its own.

use super::lines::{Copies, LineTally};
use super::protocol::{Heading, LineProtocol, Packet};
use super::{Head, SessionTally, Tally};
use crate::source::Datagram;
use ringtape::feed::moldudp64::SessionId;
use ringtape::feed::{Epoch, LINES_MAX, PacketKind, Place, Restarts};
use std::collections::BTreeMap;
use std::net::SocketAddrV4;

/// Destinations that are told apart; more have been seen only in captures of port scans.
const DESTINATIONS_MAX: usize = 4096;
/// Sessions that are told apart: a day has one or two for each feed.
const SESSIONS_MAX: usize = 64;
/// How far the numbers of two lines of one channel can be apart where the second one begins.
const CHANNEL_NUMBERS_APART_MAX: u64 = 1024;

#[derive(Debug, Default)]
pub(super) struct Transport {
    destinations: BTreeMap<SocketAddrV4, Destination>,
    /// In the order of [`Tally::sessions`].
    sessions: Vec<Session>,
    /// The session of packets that have none, once there was one.
    unnumbered: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Destination {
    /// What it speaks, once that is known, and its place in [`Tally::lines`].
    line: Option<(LineProtocol, usize)>,
    /// Datagrams that are no packets of its protocol.
    strange: u64,
}

/// What is known of a session beside what is reported.
#[derive(Debug)]
struct Session {
    copies: Copies,
    restarts: Restarts,
    /// Its lines, as places in [`Tally::lines`].
    lines: Vec<usize>,
}

/// A packet, and where it belongs.
#[derive(Clone, Copy)]
struct Arrived<'a> {
    packet: Packet<'a>,
    heading: Heading,
    session: usize,
    line: usize,
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
        let arrived = self.place(datagram, tally, substitute)?;
        let Arrived {
            packet,
            heading,
            session: index,
            line,
        } = arrived;
        tally.packets += 1;
        match heading.kind {
            PacketKind::Heartbeat => tally.heartbeats += 1,
            PacketKind::EndOfSession => tally.session_ends += 1,
            PacketKind::Messages => {}
        }
        packet.count(tally);
        let unnumbered = packet.is_unnumbered();
        let first = match unnumbered {
            true => tally.sessions[index].next,
            false => heading.first,
        };
        if !self.is_present(&arrived, tally) {
            tally.lines[line].duplicates += heading.count;
            return None;
        }
        let session = &mut tally.sessions[index];
        if heading.count == 0 {
            session.announce(first);
        } else {
            let new = session.bring(first, heading.count, packet.first_message());
            session.messages += match heading.protocol {
                // Numbers are packets there.
                LineProtocol::Mdp3 => new * packet.messages(),
                _ => new,
            };
            tally.lines[line].won += new;
            tally.lines[line].duplicates += heading.count - new;
            let copy = (first, datagram.ts_ns, datagram.payload);
            self.sessions[index]
                .copies
                .compare(&mut tally.lines, line, copy);
            if new == 0 {
                return None;
            }
        }
        buffer.clear();
        buffer.extend_from_slice(datagram.payload);
        if unnumbered {
            tally.unnumbered_packets += 1;
            buffer[..10].copy_from_slice(&tally.sessions[index].wire_name);
            buffer[10..18].copy_from_slice(&first.to_be_bytes());
        }
        Some(Head {
            ts_ns: datagram.ts_ns,
            session: index,
            first,
            count: heading.count,
            messages: packet.messages(),
        })
    }

    /// Finds out which packet of which session on which line a datagram is; counts one that is
    /// none.
    fn place<'a>(
        &mut self,
        datagram: Datagram<'a>,
        tally: &mut Tally,
        substitute: SessionId,
    ) -> Option<Arrived<'a>> {
        let to = datagram.destination;
        if self.destinations.len() == DESTINATIONS_MAX && !self.destinations.contains_key(&to) {
            tally.foreign_datagrams += 1;
            return None;
        }
        let destination = self.destinations.entry(to).or_default();
        let packet = match destination.line {
            Some((protocol, line)) => {
                tally.lines[line].datagrams += 1;
                protocol.parse(datagram.payload)
            }
            None => Packet::detect(datagram.payload),
        };
        let Some(packet) = packet else {
            destination.strange += 1;
            return None;
        };
        let known = destination.line.map(|(_, line)| line);
        let heading = packet.heading();
        let substitute = packet.is_unnumbered().then_some(substitute);
        let session = match (heading.protocol, known) {
            (LineProtocol::Mdp3, Some(line)) => Some(tally.lines[line].session),
            (LineProtocol::Mdp3, None) => self.channel_of(&heading, datagram.payload, tally),
            _ => self.session_of(&heading, substitute, tally),
        };
        let Some(session) = session else {
            tally.excess_session_packets += 1;
            return None;
        };
        let line = known.unwrap_or_else(|| {
            let mut line = LineTally::new(to, heading.protocol, session);
            // Those before the first packet were of the same line.
            line.datagrams = self.destinations[&to].strange + 1;
            tally.lines.push(line);
            tally.lines.len() - 1
        });
        self.destinations.entry(to).or_default().line = Some((heading.protocol, line));
        let lines = &mut self.sessions[session].lines;
        if !lines.contains(&line) {
            lines.push(line);
        }
        Some(Arrived {
            packet,
            heading,
            session,
            line,
        })
    }

    /// Tells whether a packet is of the sequence that its session is in, after beginning that anew
    /// where the packet does.
    fn is_present(&mut self, arrived: &Arrived<'_>, tally: &mut Tally) -> bool {
        let Arrived {
            heading,
            session: index,
            line,
            ..
        } = *arrived;
        let session = &mut self.sessions[index];
        let place = session.lines.iter().position(|&one| one == line);
        let Some(line) = place.filter(|&line| line < LINES_MAX) else {
            return true;
        };
        if heading.sent_ns == 0 {
            return true;
        }
        let epoch = session.restarts.judge(Place {
            line,
            first: heading.first,
            count: heading.count,
            sent_ns: heading.sent_ns,
        });
        if epoch == Epoch::Restart {
            session.copies.clear();
            tally.sessions[index].restart();
        }
        epoch != Epoch::Past
    }

    /// Returns the session of a packet, a new one where it was not seen before; `substitute` is
    /// the name to give it where the packet has none.
    fn session_of(
        &mut self,
        heading: &Heading,
        substitute: Option<SessionId>,
        tally: &mut Tally,
    ) -> Option<usize> {
        let known = match substitute {
            Some(_) => self.unnumbered,
            None => tally.sessions.iter().position(|session| {
                session.named
                    && session.protocol == heading.protocol
                    && session.id == heading.session
            }),
        };
        if known.is_some() {
            return known;
        }
        let session = match substitute {
            Some(name) => SessionTally::new(name, false),
            None => SessionTally::of(heading.protocol, heading.session),
        };
        let index = self.begin(session, tally)?;
        if substitute.is_some() {
            self.unnumbered = Some(index);
        }
        Some(index)
    }

    /// Returns the channel of a line's first packet.
    fn channel_of(
        &mut self,
        heading: &Heading,
        payload: &[u8],
        tally: &mut Tally,
    ) -> Option<usize> {
        let mut known = self.sessions.iter().zip(&tally.sessions);
        let channel = known.position(|(session, counted)| {
            let near = heading.first.abs_diff(counted.next) <= CHANNEL_NUMBERS_APART_MAX;
            let copy = session.copies.is_copy(heading.first, payload);
            counted.protocol == LineProtocol::Mdp3 && copy.unwrap_or(near)
        });
        channel.or_else(|| {
            let session = SessionTally::of(heading.protocol, heading.session);
            self.begin(session, tally)
        })
    }

    fn begin(&mut self, session: SessionTally, tally: &mut Tally) -> Option<usize> {
        if tally.sessions.len() == SESSIONS_MAX {
            return None;
        }
        tally.sessions.push(session);
        self.sessions.push(Session {
            copies: Copies::default(),
            // Only send times tell: what has none is told by the first message.
            restarts: Restarts::new(u64::MAX),
            lines: Vec::new(),
        });
        Some(tally.sessions.len() - 1)
    }

    /// Counts what was left open: on a feed's lines a datagram that is no packet is malformed, on
    /// others it is something else.
    pub(super) fn settle(&mut self, tally: &mut Tally) {
        for destination in self.destinations.values_mut() {
            let strange = std::mem::take(&mut destination.strange);
            if destination.line.is_some() {
                tally.malformed_packets += strange;
            } else {
                tally.foreign_datagrams += strange;
            }
        }
    }
}
