//! Owns a run of `play`: takes packets in turn, waits for their time, gives them to the lines.

use super::line::Line;
use super::loss::Loss;
use super::origin::Origin;
use super::pace::{Pace, Schedule};
use crate::interrupt;
use crate::packets::Ranges;
use crate::progress::Progress;
use anyhow::Result;
use ringtape::feed::moldudp64::{self, HEADER_BYTES, SessionId};
use std::time::Duration;

/// Silence after which a venue sends a heartbeat.
const HEARTBEAT_AFTER: Duration = Duration::from_secs(1);
/// How often the end is told, so that a receiver whose buffer is full at that moment hears it
/// still.
const CLOSING_PACKETS: u32 = 5;
/// How far apart.
const CLOSING_INTERVAL: Duration = Duration::from_millis(20);

/// A session on its way from a file or journal to its lines.
#[derive(Debug)]
pub(super) struct Player {
    origin: Origin,
    lines: Vec<Line>,
    loss: Loss,
    schedule: Schedule,
    /// Which of the sessions is played, once a packet of it was.
    session: Option<usize>,
    /// The number that comes next in it.
    next: u64,
    /// Numbers that were to be sent.
    offered: Ranges,
    /// Numbers that at least one line sent.
    sent: Ranges,
    other_session_packets: u64,
    /// When the last packet was sent, since the start.
    last_sent: Duration,
}

impl Player {
    pub(super) fn new(origin: Origin, lines: Vec<Line>, loss: Loss, pace: Pace) -> Self {
        Self {
            origin,
            lines,
            loss,
            schedule: Schedule::start(pace),
            session: None,
            next: 0,
            offered: Ranges::default(),
            sent: Ranges::default(),
            other_session_packets: 0,
            last_sent: Duration::ZERO,
        }
    }

    /// Plays the session of this name, or the first, until the end of the file or Ctrl-C.
    pub(super) fn play(&mut self, wanted: Option<SessionId>, progress: &Progress) -> Result<()> {
        let mut lost = Vec::new();
        while !interrupt::requested() {
            let Some(packet) = self.origin.read() else {
                break;
            };
            let (index, ts_ns, first, count) =
                (packet.session, packet.ts_ns, packet.first, packet.count);
            let session_name = self.origin.tally().sessions[index].wire_name;
            if wanted.is_some_and(|wanted| !same_name(&wanted, &session_name))
                || self.session.is_some_and(|session| session != index)
            {
                self.other_session_packets += 1;
                continue;
            }
            if let Some(due) = self.schedule.due(ts_ns, count) {
                self.wait_until(due, session_name)?;
                if interrupt::requested() {
                    break;
                }
            }
            self.session = Some(index);
            self.loss.draw(&mut lost);
            for (line, &lost) in self.lines.iter_mut().zip(&lost) {
                line.publish(self.origin.current(), count, lost)?;
            }
            if count > 0 {
                let numbers = first..=first + (count - 1);
                if lost.contains(&false) {
                    self.sent.insert(numbers.clone());
                }
                self.offered.insert(numbers);
            }
            self.next = self.next.max(first + count);
            self.last_sent = self.schedule.elapsed();
            progress.set(self.origin.read_bytes());
        }
        Ok(())
    }

    /// Waits until `due`; keeps the lines alive meanwhile.
    fn wait_until(&mut self, due: Duration, session: SessionId) -> Result<()> {
        let mut heartbeat_due = self.last_sent + HEARTBEAT_AFTER;
        while heartbeat_due < due && self.next > 0 && !interrupt::requested() {
            self.schedule.wait_until(heartbeat_due);
            self.send_to_all(moldudp64::heartbeat(
                &mut [0; HEADER_BYTES],
                session,
                self.next,
            ))?;
            heartbeat_due += HEARTBEAT_AFTER;
        }
        self.schedule.wait_until(due);
        Ok(())
    }

    /// Tells every line where the session stands, and that it ended.
    pub(super) fn close(&mut self, session: usize, no_end: bool) -> Result<()> {
        let tally = &self.origin.tally().sessions[session];
        let (session, told) = (tally.wire_name, tally.next);
        // A journal tells of numbers behind its last message; who stopped did not come to them.
        let next = match interrupt::requested() {
            true => self.next,
            false => self.next.max(told),
        };
        let (mut heartbeat, mut end) = ([0; HEADER_BYTES], [0; HEADER_BYTES]);
        let heartbeat = moldudp64::heartbeat(&mut heartbeat, session, next);
        let end = moldudp64::end_of_session(&mut end, session, next);
        let started = self.schedule.elapsed();
        self.send_to_all(heartbeat)?;
        for repetition in 1..=CLOSING_PACKETS {
            self.schedule
                .wait_until(started + CLOSING_INTERVAL * repetition);
            self.send_to_all(if no_end { heartbeat } else { end })?;
        }
        Ok(())
    }

    fn send_to_all(&mut self, packet: &[u8]) -> Result<()> {
        self.lines
            .iter_mut()
            .try_for_each(|line| line.announce(packet))
    }

    /// Returns which of the sessions was played; `None` where no packet was.
    pub(super) fn session(&self) -> Option<usize> {
        self.session
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Returns the numbers that were to be sent.
    pub(super) fn offered(&self) -> &Ranges {
        &self.offered
    }

    /// Returns the numbers that at least one line sent.
    pub(super) fn sent(&self) -> &Ranges {
        &self.sent
    }

    pub(super) fn other_session_packets(&self) -> u64 {
        self.other_session_packets
    }

    /// Returns the time from the start to the last packet of the file.
    pub(super) fn elapsed(&self) -> Duration {
        self.last_sent
    }
}

/// Tells whether two names are the same but for their padding.
fn same_name(a: &SessionId, b: &SessionId) -> bool {
    a.trim_ascii() == b.trim_ascii()
}
