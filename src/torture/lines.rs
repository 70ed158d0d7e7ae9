//! Owns what arrives: the datagrams of all lines of a scenario, in the order of time.

use super::faults::{Due, FaultCounts, Faults, Packet};
use super::history::History;
use super::packer::Packer;
use super::runs::Numbers;
use super::scenario::Scenario;
use super::venue::{Epoch, Messages, Step, Venue};
use crate::feed::moldudp64::HEADER_BYTES;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A datagram as it arrives on a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// When, in nanoseconds since the venue's first message.
    pub ts_ns: u64,
    /// On which line, counted from 0.
    pub line: usize,
    /// Which of the venue's epochs it belongs to.
    pub epoch: usize,
    /// Whether it is what the venue sent.
    pub intact: bool,
    /// What arrives.
    pub bytes: Vec<u8>,
}

/// What a venue sent and what arrived of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// Which numbers there are, in order: one entry for each session and each restart.
    pub epochs: Vec<Epoch>,
    /// For each epoch and each line the numbers that arrived in packets as the venue sent them.
    pub intact: Vec<Vec<Numbers>>,
}

/// The datagrams of all lines of a scenario, in the order of time. The same scenario gives the
/// same datagrams.
///
/// # Examples
///
/// ```
/// use ringtape::torture::{Lines, Scenario};
///
/// let scenario = Scenario::parse("[traffic]\nmessages = 100\n[[line]]\n[[line]]\nskew_us = 50")?;
/// let mut lines = Lines::new(&scenario);
/// let datagrams: Vec<_> = lines.by_ref().collect();
/// assert!(datagrams.is_sorted_by_key(|datagram| datagram.ts_ns));
/// assert_eq!(lines.truth().intact[0][1].count(), 100);
/// # Ok::<(), ringtape::torture::ScenarioError>(())
/// ```
#[derive(Debug)]
pub struct Lines {
    venue: Venue,
    message: Vec<u8>,
    packers: Vec<Packer>,
    faults: Vec<Faults<Brought>>,
    queue: BinaryHeap<Reverse<Queued>>,
    queued: u64,
    arrived: Vec<Due<Brought>>,
    now_ns: u64,
    exhausted: bool,
    history: History,
    intact: Vec<Vec<Numbers>>,
}

/// What a packet brings: epoch, first number and count.
type Brought = (usize, u64, u64);

/// A datagram on its way; the earliest is the least, and of two at one time the one sent first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Queued {
    due_ns: u64,
    place: u64,
    line: usize,
    brings: Brought,
    intact: bool,
    bytes: Vec<u8>,
}

impl Lines {
    /// Sets up the scenario with a made-up order flow.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let messages = Messages::synthetic(scenario.seed, &scenario.traffic);
        Self::with(scenario, messages)
    }

    /// Sets up the scenario with messages of the caller's: `make` is called for each, in order,
    /// with its place among all, from 0. None may be longer than 65,000 bytes.
    #[must_use]
    pub fn with_messages(
        scenario: &Scenario,
        make: impl FnMut(u64) -> Vec<u8> + Send + 'static,
    ) -> Self {
        Self::with(scenario, Messages::Own(Box::new(make)))
    }

    fn with(scenario: &Scenario, messages: Messages) -> Self {
        let (seed, traffic) = (scenario.seed, &scenario.traffic);
        let lines = || scenario.lines.iter().enumerate();
        let packer = |(line, own): (usize, &super::LineScenario)| match own.packet_messages {
            // Without packets of their own all lines have the same.
            None => Packer::new(seed, 0, traffic.packet_messages),
            Some(messages) => Packer::new(seed, line + 1, messages),
        };
        Self {
            venue: Venue::new(traffic.clone(), scenario.events.clone(), messages),
            message: Vec::new(),
            packers: lines().map(packer).collect(),
            faults: lines()
                .map(|(line, scenario)| Faults::new(seed, line, scenario.clone()))
                .collect(),
            queue: BinaryHeap::new(),
            queued: 0,
            arrived: Vec::new(),
            now_ns: 0,
            exhausted: false,
            history: History::default(),
            intact: Vec::new(),
        }
    }

    /// Returns the messages that the venue has sent, for re-request servers.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Returns what was sent and what arrived so far.
    #[must_use]
    pub fn truth(&self) -> Truth {
        let mut intact = self.intact.clone();
        let lines = vec![Numbers::default(); self.packers.len()];
        intact.resize(self.venue.epochs().len(), lines);
        Truth {
            epochs: self.venue.epochs().to_vec(),
            intact,
        }
    }

    /// Returns what became of each line's packets so far.
    pub fn fault_counts(&self) -> impl Iterator<Item = FaultCounts> {
        self.faults.iter().map(Faults::counts)
    }

    /// Lets the venue do its next step; returns false once it has done all.
    fn step(&mut self) -> bool {
        let Some(timed) = self.venue.next(&mut self.message) else {
            return false;
        };
        self.now_ns = timed.ts_ns;
        let epoch = &self.venue.epochs()[timed.epoch];
        let session = epoch.session;
        if let Step::Message { number } = timed.step {
            if epoch.restarts > 0 && number == epoch.first {
                self.history.forget(session);
            }
            self.history.insert(session, number, &self.message);
        }
        let lines = self.packers.iter_mut().zip(&mut self.faults);
        for (line, (packer, faults)) in lines.enumerate() {
            packer.take(timed, session, &self.message, |packed| {
                let packet = Packet {
                    ts_ns: packed.ts_ns,
                    bytes: packed.bytes,
                    header_bytes: HEADER_BYTES,
                    brings: (packed.epoch, packed.first, packed.count),
                };
                faults.take(packet, &mut self.arrived);
            });
            enqueue(&mut self.arrived, line, &mut self.queued, &mut self.queue);
        }
        true
    }

    fn finish(&mut self) {
        self.exhausted = true;
        for (line, faults) in self.faults.iter_mut().enumerate() {
            faults.finish(&mut self.arrived);
            enqueue(&mut self.arrived, line, &mut self.queued, &mut self.queue);
        }
    }

    /// Notes what arrived intact; returns the datagram's epoch.
    fn note(&mut self, queued: &Queued) -> usize {
        let (epoch, first, count) = queued.brings;
        if queued.intact {
            let lines = vec![Numbers::default(); self.packers.len()];
            let epochs = self.intact.len().max(epoch + 1);
            self.intact.resize(epochs, lines);
            self.intact[epoch][queued.line].insert(first..first + count);
        }
        epoch
    }
}

fn enqueue(
    arrived: &mut Vec<Due<Brought>>,
    line: usize,
    queued: &mut u64,
    queue: &mut BinaryHeap<Reverse<Queued>>,
) {
    for due in arrived.drain(..) {
        queue.push(Reverse(Queued {
            due_ns: due.due_ns,
            place: *queued,
            line,
            brings: due.brings,
            intact: due.intact,
            bytes: due.bytes,
        }));
        *queued += 1;
    }
}

impl Iterator for Lines {
    type Item = Datagram;

    fn next(&mut self) -> Option<Datagram> {
        // What is sent from now on arrives now or later, so what is due by now is next.
        while !self.exhausted
            && self
                .queue
                .peek()
                .is_none_or(|Reverse(first)| first.due_ns > self.now_ns)
        {
            if !self.step() {
                self.finish();
            }
        }
        let Reverse(queued) = self.queue.pop()?;
        let epoch = self.note(&queued);
        Some(Datagram {
            ts_ns: queued.due_ns,
            line: queued.line,
            epoch,
            intact: queued.intact,
            bytes: queued.bytes,
        })
    }
}
