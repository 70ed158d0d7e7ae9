//! Owns a run of `play`: takes packets in turn, waits for their time, gives them to the lines.

use super::line::Line;
use super::loss::Loss;
use super::origin::Origin;
use super::pace::Pace;
use super::wire::{Wire, nanos};
use crate::interrupt;
use crate::packets::Ranges;
use crate::progress::Progress;
use anyhow::Result;
use ringtape::feed::moldudp64::{self, HEADER_BYTES, SessionId};
use ringtape::torture::{self, Due, FaultCounts, Faults, History};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Silence after which a venue sends a heartbeat.
const HEARTBEAT_AFTER: Duration = Duration::from_secs(1);
/// A session on its way from a file or journal to its lines.
#[derive(Debug)]
pub(super) struct Player {
    origin: Origin,
    wire: Wire,
    loss: Loss,
    /// What becomes of packets on each line; nothing without a scenario.
    faults: Vec<Faults<Numbered>>,
    /// Packets on their way, the earliest first.
    queue: BinaryHeap<Reverse<Queued>>,
    queued: u64,
    arrived: Vec<Due<Numbered>>,
    /// What servers answer from.
    history: History,
    first_ts_ns: Option<u64>,
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

/// What a packet brings: its first number and how many.
pub(super) type Numbered = (u64, u64);

/// A packet on its way to a line.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Queued {
    due_ns: u64,
    place: u64,
    line: usize,
    numbers: Numbered,
    intact: bool,
    bytes: Vec<u8>,
}

impl Player {
    pub(super) fn new(
        origin: Origin,
        wire: Wire,
        loss: Loss,
        faults: Vec<Faults<Numbered>>,
    ) -> Self {
        Self {
            origin,
            wire,
            loss,
            faults,
            queue: BinaryHeap::new(),
            queued: 0,
            arrived: Vec::new(),
            history: History::default(),
            first_ts_ns: None,
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
            let due = self.wire.schedule.due(ts_ns, count);
            let first_ts_ns = *self.first_ts_ns.get_or_insert(ts_ns);
            // Where nothing waits, the file's own times say what overtakes what.
            let sent_ns = due.map_or(ts_ns.saturating_sub(first_ts_ns), nanos);
            self.send_due(sent_ns, session_name)?;
            self.wait_until(due.unwrap_or_default(), session_name)?;
            if due.is_some() && interrupt::requested() {
                break;
            }
            self.session = Some(index);
            self.loss.draw(&mut lost);
            if self.faults.is_empty() {
                for (line, &lost) in self.wire.lines.iter_mut().zip(&lost) {
                    line.publish(self.origin.current(), count, lost)?;
                }
            } else {
                self.enqueue(sent_ns, first, count, &lost)?;
            }
            if count > 0 {
                let numbers = first..=first + (count - 1);
                if self.faults.is_empty() && lost.contains(&false) {
                    self.sent.insert(numbers.clone());
                }
                self.offered.insert(numbers);
            }
            self.remember(session_name)?;
            self.next = self.next.max(first + count);
            self.last_sent = self.wire.schedule.elapsed();
            progress.set(self.origin.read_bytes());
        }
        if let Some(session) = self.session {
            let name = self.origin.tally().sessions[session].wire_name;
            for line in 0..self.faults.len() {
                self.faults[line].finish(&mut self.arrived);
                self.take_arrived(line);
            }
            self.send_due(u64::MAX, name)?;
        }
        Ok(())
    }

    /// Gives the packet that was read last to the lines' faults.
    fn enqueue(&mut self, ts_ns: u64, first: u64, count: u64, lost: &[bool]) -> Result<()> {
        let header_bytes = self.origin.header_bytes();
        for (line, &lost) in lost.iter().enumerate() {
            if lost {
                self.wire.lines[line].publish(self.origin.current(), count, true)?;
                continue;
            }
            let packet = torture::Packet {
                ts_ns,
                bytes: self.origin.current(),
                header_bytes,
                brings: (first, count),
            };
            self.faults[line].take(packet, &mut self.arrived);
            self.take_arrived(line);
        }
        Ok(())
    }

    fn take_arrived(&mut self, line: usize) {
        for due in self.arrived.drain(..) {
            self.queue.push(Reverse(Queued {
                due_ns: due.due_ns,
                place: self.queued,
                line,
                numbers: due.brings,
                intact: due.intact,
                bytes: due.bytes,
            }));
            self.queued += 1;
        }
    }

    /// Sends what arrives before `until_ns`, each when it is due.
    fn send_due(&mut self, until_ns: u64, session: SessionId) -> Result<()> {
        let waits = self.wire.schedule.pace() != Pace::Max;
        while let Some(Reverse(queued)) = self.queue.peek()
            && queued.due_ns < until_ns
            && !interrupt::requested()
        {
            if waits {
                self.wait_until(Duration::from_nanos(queued.due_ns), session)?;
            }
            let Some(Reverse(queued)) = self.queue.pop() else {
                break;
            };
            let (first, count) = queued.numbers;
            // What is broken brings no message.
            let count = if queued.intact { count } else { 0 };
            self.wire.lines[queued.line].publish(&queued.bytes, count, false)?;
            if count > 0 {
                self.sent.insert(first..=first + (count - 1));
            }
            self.last_sent = self.wire.schedule.elapsed();
        }
        Ok(())
    }

    /// Keeps the messages of the packet that was read last for the servers.
    fn remember(&mut self, session: SessionId) -> Result<()> {
        if let Some(tcp) = &mut self.wire.tcp {
            tcp.publish_packet(self.origin.current())?;
        }
        if self.wire.servers.is_empty() {
            return Ok(());
        }
        let bytes = self.origin.current();
        if let Ok(packet) = moldudp64::Packet::parse(bytes, bytes.len()) {
            for (number, message) in (packet.sequence()..).zip(packet.messages()) {
                self.history.insert(session, number, message);
            }
        }
        Ok(())
    }

    /// Waits until `due`; keeps the lines alive meanwhile.
    fn wait_until(&mut self, due: Duration, session: SessionId) -> Result<()> {
        let mut heartbeat_due = self.last_sent + HEARTBEAT_AFTER;
        while heartbeat_due < due && self.next > 0 && !interrupt::requested() {
            self.wire.wait_until(heartbeat_due, &self.history)?;
            let mut buffer = [0; HEADER_BYTES];
            let heartbeat = moldudp64::heartbeat(&mut buffer, session, self.next);
            self.wire.announce(heartbeat)?;
            heartbeat_due += HEARTBEAT_AFTER;
        }
        self.wire.wait_until(due, &self.history)
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
        self.wire.close(session, next, no_end, &self.history)
    }

    /// Returns which of the sessions was played; `None` where no packet was.
    pub(super) fn session(&self) -> Option<usize> {
        self.session
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) fn lines(&self) -> &[Line] {
        &self.wire.lines
    }

    pub(super) fn wire(&self) -> &Wire {
        &self.wire
    }

    /// Returns what the scenario did to each line's packets; nothing without one.
    pub(super) fn faults(&self) -> impl Iterator<Item = FaultCounts> {
        self.faults.iter().map(Faults::counts)
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
