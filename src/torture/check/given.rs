//! Owns what a feed was given, as a map of numbers for each session: the naive oracle's memory.

use super::Violation;
use crate::feed::{PacketKind, SessionName, itch, moldudp64, session_name};
use crate::torture::{Outcome, StepKind};
use std::collections::BTreeMap;

/// A sound copy of a message in a well-formed packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copied<'a> {
    pub(super) step: usize,
    pub(super) now_ns: u64,
    pub(super) bytes: &'a [u8],
    /// The line, and the venue's epoch of a copy on a market line.
    pub(super) line: usize,
    pub(super) epoch: Option<usize>,
    /// Whether its packet is what the venue sent.
    pub(super) intact: bool,
    /// Whether a server brought it.
    pub(super) by_server: bool,
    /// Whether it counts as brought: it came on a line, or was asked for.
    pub(super) wanted: bool,
}

/// A packet's word that all numbers below `end` exist.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tell {
    pub(super) step: usize,
    pub(super) now_ns: u64,
    pub(super) end: u64,
    pub(super) by_server: bool,
}

/// What was given of one session.
#[derive(Debug, Default)]
pub(super) struct Told<'a> {
    pub(super) tells: Vec<Tell>,
    pub(super) copies: BTreeMap<u64, Vec<Copied<'a>>>,
    /// Steps at which a line told the end of the session.
    pub(super) ends: Vec<usize>,
    /// For each line the number above the highest that it brought.
    tops: BTreeMap<usize, u64>,
    /// Whether a line went back by more than a window: without send times a feed cannot tell that
    /// from a sequence that begins again.
    pub(super) went_far_back: bool,
    /// From which call on a line showed to be in an epoch: where the number 1 came behind one
    /// higher by more than a window.
    pub(super) joined: BTreeMap<(usize, usize), usize>,
}

/// A well-formed packet on a market line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) step: usize,
    pub(super) session: SessionName,
    pub(super) first: u64,
}

/// All that a feed was given.
#[derive(Debug, Default)]
pub(super) struct Given<'a> {
    pub(super) sessions: BTreeMap<SessionName, Told<'a>>,
    pub(super) seen: Vec<Seen>,
    /// Whether every datagram of the lines was what the venue sent.
    pub(super) intact: bool,
}

impl<'a> Given<'a> {
    pub(super) fn read(outcome: &'a Outcome) -> Result<Self, Violation> {
        let mut given = Self {
            intact: true,
            ..Self::default()
        };
        for (step, call) in outcome.steps.iter().enumerate() {
            let StepKind::Datagram {
                line,
                bytes,
                datagram_bytes,
                epoch,
                intact,
            } = &call.kind
            else {
                continue;
            };
            let server = line.checked_sub(outcome.lines);
            given.intact &= *intact || server.is_some();
            let Ok(packet) = moldudp64::Packet::parse(bytes, *datagram_bytes) else {
                continue;
            };
            let (session, first) = (session_name(&packet.session()), packet.sequence());
            let end = first + u64::from(packet.count());
            let told = given.sessions.entry(session).or_default();
            told.tells.push(Tell {
                step,
                now_ns: call.now_ns,
                end,
                by_server: server.is_some(),
            });
            if server.is_none() {
                let window = outcome.config.window_messages as u64;
                if told.went_back(*line, first, end, window)
                    && first <= 1
                    && let Some(epoch) = *epoch
                {
                    told.joined.entry((*line, epoch)).or_insert(step);
                    told.tops.insert(*line, end);
                }
                given.seen.push(Seen {
                    step,
                    session,
                    first,
                });
                if packet.kind() == PacketKind::EndOfSession {
                    told.ends.push(step);
                }
            }
            let wanted = server.is_none_or(|server| asked(outcome, step, server, &packet));
            for (number, message) in (first..).zip(packet.messages()) {
                if itch::is_sound(message) {
                    told.copies.entry(number).or_default().push(Copied {
                        step,
                        now_ns: call.now_ns,
                        bytes: message,
                        line: *line,
                        epoch: *epoch,
                        intact: *intact,
                        by_server: server.is_some(),
                        wanted,
                    });
                }
            }
        }
        Ok(given)
    }
}

/// Whether one request to this server before `step` covers all of an answer.
fn asked(outcome: &Outcome, step: usize, server: usize, packet: &moldudp64::Packet<'_>) -> bool {
    let (first, count) = (packet.sequence(), u64::from(packet.count()));
    outcome.requests.iter().any(|&(before, to, request)| {
        before <= step
            && to == server
            && request.session == packet.session()
            && first == request.first
            && count <= u64::from(request.count)
    })
}

impl Told<'_> {
    /// Notes a packet's place; returns whether it went back by more than a window.
    fn went_back(&mut self, line: usize, first: u64, end: u64, window: u64) -> bool {
        let top = self.tops.entry(line).or_default();
        let far = top.saturating_sub(first) > window;
        *top = end.max(*top);
        self.went_far_back |= far;
        far
    }

    /// Returns the highest end that packets of `steps` tell, if any does.
    pub(super) fn end(&self, steps: &std::ops::Range<usize>, servers: bool) -> Option<u64> {
        let tells = self.tells.iter().filter(|tell| steps.contains(&tell.step));
        tells
            .filter(|tell| servers || !tell.by_server)
            .map(|tell| tell.end)
            .max()
    }
}
