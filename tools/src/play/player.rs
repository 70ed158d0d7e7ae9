//! Owns a run of `play`: takes packets in turn, waits for their time, gives them to the lines.

use super::line::Line;
use super::loss::Loss;
use super::origin::Origin;
use super::pace::Pace;
use super::pulse::{Buffer, Pulse};
use super::wire::{Wire, nanos};
use crate::interrupt;
use crate::packets::{LineProtocol, Ranges};
use crate::progress::Progress;
use anyhow::{Result, ensure};
use ringtape::feed::SessionName;
use ringtape::feed::moldudp64::{self, SessionId};
use ringtape::torture::{self, Due, FaultCounts, Faults, History};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::RangeInclusive;
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
    /// How it says so.
    pulse: Pulse,
    /// Its numbers, in each sequence that it began.
    numberings: Vec<Numbering>,
    /// Different messages that were to be sent.
    messages: u64,
    other_session_packets: u64,
    /// When the last packet was sent, since the start.
    last_sent: Duration,
}

/// Numbers of a session until it begins to number again.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    /// Those that were to be sent.
    pub(super) offered: Ranges,
    /// Those that at least one line sent.
    pub(super) sent: Ranges,
}

/// What a packet brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Numbered {
    /// Place in the player's numberings.
    numbering: usize,
    first: u64,
    /// How many numbers.
    count: u64,
    messages: u64,
}

impl Numbered {
    fn numbers(&self) -> Option<RangeInclusive<u64>> {
        (self.count > 0).then(|| self.first..=self.first + (self.count - 1))
    }
}

/// A packet on its way to a line.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Queued {
    due_ns: u64,
    place: u64,
    line: usize,
    brings: Numbered,
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
            pulse: Pulse::Silent,
            numberings: Vec::new(),
            messages: 0,
            other_session_packets: 0,
            last_sent: Duration::ZERO,
        }
    }

    /// Plays the session of this name, or the first, until the end of the file or Ctrl-C.
    pub(super) fn play(&mut self, wanted: Option<&str>, progress: &Progress) -> Result<()> {
        let mut lost = Vec::new();
        while !interrupt::requested() {
            let Some(packet) = self.origin.read() else {
                break;
            };
            let (index, ts_ns) = (packet.session, packet.ts_ns);
            let mut brings = Numbered {
                numbering: 0,
                first: packet.first,
                count: packet.count,
                messages: packet.messages,
            };
            let session = &self.origin.tally().sessions[index];
            let (protocol, name) = (session.protocol, session.wire_name);
            if wanted.is_some_and(|wanted| !is_named(&session.id, wanted))
                || self.session.is_some_and(|session| session != index)
            {
                self.other_session_packets += 1;
                continue;
            }
            if protocol != LineProtocol::MoldUdp64 {
                ensure!(
                    self.wire.servers.is_empty(),
                    "re-request servers speak MoldUDP64, and the file holds {}: leave --rerequest \
                     and the scenario's servers out",
                    protocol.name()
                );
                ensure!(
                    self.wire.tcp.is_none(),
                    "--tcp serves the messages of MoldUDP64, and the file holds {}: leave it out",
                    protocol.name()
                );
                // With MoldUDP64, what comes behind a restart counts as a duplicate.
                brings.numbering = usize::try_from(session.restarts)?;
            }
            let due = self.wire.schedule.due(ts_ns, brings.messages);
            let first_ts_ns = *self.first_ts_ns.get_or_insert(ts_ns);
            // Where nothing waits, the file's own times say what overtakes what.
            let sent_ns = due.map_or(ts_ns.saturating_sub(first_ts_ns), nanos);
            self.send_due(sent_ns)?;
            self.wait_until(due.unwrap_or_default())?;
            if due.is_some() && interrupt::requested() {
                break;
            }
            self.session = Some(index);
            self.loss.draw(&mut lost);
            if self.faults.is_empty() {
                for (line, &lost) in self.wire.lines.iter_mut().zip(&lost) {
                    line.publish(self.origin.current(), brings.messages, lost)?;
                }
            } else {
                self.enqueue(sent_ns, protocol, brings, &lost)?;
            }
            self.note(protocol, name, brings, &lost);
            self.remember(name)?;
            self.last_sent = self.wire.schedule.elapsed();
            progress.set(self.origin.read_bytes());
        }
        if self.session.is_some() {
            for line in 0..self.faults.len() {
                self.faults[line].finish(&mut self.arrived);
                self.take_arrived(line);
            }
            self.send_due(u64::MAX)?;
        }
        Ok(())
    }

    /// Gives the packet that was read last to the lines' faults.
    fn enqueue(
        &mut self,
        ts_ns: u64,
        protocol: LineProtocol,
        brings: Numbered,
        lost: &[bool],
    ) -> Result<()> {
        for (line, &lost) in lost.iter().enumerate() {
            if lost {
                self.wire.lines[line].publish(self.origin.current(), brings.messages, true)?;
                continue;
            }
            let packet = torture::Packet {
                ts_ns,
                bytes: self.origin.current(),
                header_bytes: protocol.header_bytes(),
                brings,
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
                brings: due.brings,
                intact: due.intact,
                bytes: due.bytes,
            }));
            self.queued += 1;
        }
    }

    /// Sends what arrives before `until_ns`, each when it is due.
    fn send_due(&mut self, until_ns: u64) -> Result<()> {
        let waits = self.wire.schedule.pace() != Pace::Max;
        while let Some(Reverse(queued)) = self.queue.peek()
            && queued.due_ns < until_ns
            && !interrupt::requested()
        {
            if waits {
                self.wait_until(Duration::from_nanos(queued.due_ns))?;
            }
            let Some(Reverse(queued)) = self.queue.pop() else {
                break;
            };
            // What is broken brings no message.
            let brings = Some(queued.brings).filter(|_| queued.intact);
            let messages = brings.map_or(0, |brings| brings.messages);
            self.wire.lines[queued.line].publish(&queued.bytes, messages, false)?;
            if let Some(brings) = brings {
                self.note_sent(brings);
            }
            self.last_sent = self.wire.schedule.elapsed();
        }
        Ok(())
    }

    /// Takes note of where the session stands behind the packet that was read last.
    fn note(&mut self, protocol: LineProtocol, name: SessionId, brings: Numbered, lost: &[bool]) {
        if self.numberings.len() <= brings.numbering {
            self.numberings
                .resize_with(brings.numbering + 1, Numbering::default);
            self.next = 0;
        }
        if let Some(numbers) = brings.numbers() {
            let offered = &mut self.numberings[brings.numbering].offered;
            let new = offered.insert(numbers);
            self.messages += match protocol {
                // Numbers are packets there.
                LineProtocol::Mdp3 => new * brings.messages,
                _ => new,
            };
        }
        if self.faults.is_empty() && lost.contains(&false) {
            self.note_sent(brings);
        }
        let next = brings.first + brings.count;
        if next >= self.next {
            self.next = next;
            self.pulse = Pulse::behind(protocol, name, self.origin.current());
        }
    }

    fn note_sent(&mut self, brings: Numbered) {
        if let Some(numbers) = brings.numbers() {
            let numbering = &mut self.numberings[brings.numbering];
            numbering.sent.insert(numbers);
        }
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
    fn wait_until(&mut self, due: Duration) -> Result<()> {
        let mut heartbeat_due = self.last_sent + HEARTBEAT_AFTER;
        while heartbeat_due < due && self.next > 0 && !interrupt::requested() {
            self.wire.wait_until(heartbeat_due, &self.history)?;
            let mut buffer = Buffer::default();
            if let Some(heartbeat) = self.pulse.heartbeat(&mut buffer, self.next) {
                self.wire.announce(heartbeat)?;
            }
            heartbeat_due += HEARTBEAT_AFTER;
        }
        self.wire.wait_until(due, &self.history)
    }

    /// Tells every line where the session stands, and that it ended.
    pub(super) fn close(&mut self, session: usize, no_end: bool) -> Result<()> {
        let told = self.origin.tally().sessions[session].next;
        // A journal tells of numbers behind its last message; who stopped did not come to them.
        let next = match interrupt::requested() {
            true => self.next,
            false => self.next.max(told),
        };
        self.wire.close(self.pulse, next, no_end, &self.history)
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

    /// Returns the numbers of the session, in each sequence that it began.
    pub(super) fn numberings(&self) -> &[Numbering] {
        &self.numberings
    }

    /// Returns how many different messages were to be sent.
    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    pub(super) fn other_session_packets(&self) -> u64 {
        self.other_session_packets
    }

    /// Returns the time from the start to the last packet of the file.
    pub(super) fn elapsed(&self) -> Duration {
        self.last_sent
    }
}

/// Tells whether this is a session's name but for its padding.
fn is_named(id: &SessionName, wanted: &str) -> bool {
    let name = id.split(|&byte| byte == 0).next().unwrap_or_default();
    name.trim_ascii() == wanted.as_bytes()
}
