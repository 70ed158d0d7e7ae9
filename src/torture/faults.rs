//! Owns what becomes of the packets of one line, whatever their protocol.

use super::random::{Purpose, generator};
use super::scenario::{Behind, LineScenario};
use fastrand::Rng;

/// A packet as it leaves the venue.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a, T> {
    /// When, in nanoseconds since the first.
    pub ts_ns: u64,
    /// All its bytes.
    pub bytes: &'a [u8],
    /// How many of them are the header.
    pub header_bytes: usize,
    /// The caller's own, which comes back with what arrives.
    pub brings: T,
}

/// A packet as it arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due<T> {
    /// When, in nanoseconds since the venue's first packet.
    pub due_ns: u64,
    /// Its place among the packets that the line was given, from 0.
    pub ordinal: u64,
    /// What is left of its bytes.
    pub bytes: Vec<u8>,
    /// Whether they are what the venue sent.
    pub intact: bool,
    /// What the packet was given with.
    pub brings: T,
}

/// What became of a line's packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct FaultCounts {
    /// Packets that the line was given.
    pub packets: u64,
    /// Packets that arrived, duplicates not counted.
    pub arrived: u64,
    /// Lost, each for itself.
    pub lost: u64,
    /// Lost in bursts.
    pub lost_in_bursts: u64,
    /// Lost because the line was silent.
    pub silenced: u64,
    /// Arrived behind later ones, or were meant to.
    pub reordered: u64,
    /// Arrived twice.
    pub duplicated: u64,
    /// Late by a delay.
    pub delayed: u64,
    /// Arrived with another bit in their header.
    pub corrupt_headers: u64,
    /// Arrived with another bit behind their header.
    pub corrupt_messages: u64,
    /// Arrived cut.
    pub truncated: u64,
    /// Arrived with another last byte.
    pub differing: u64,
}

/// The faults of one line: takes packets in the order in which they are sent, and gives those that
/// arrive.
///
/// # Examples
///
/// ```
/// use ringtape::torture::{Faults, LineScenario, Packet, Share};
///
/// let scenario = LineScenario { duplicate: Share::ALL, skew_ns: 5, ..LineScenario::default() };
/// let mut faults = Faults::new(1, 0, scenario);
/// let mut arrived = Vec::new();
/// faults.take(Packet { ts_ns: 10, bytes: b"packet", header_bytes: 2, brings: () }, &mut arrived);
/// assert_eq!(arrived.len(), 2);
/// assert!(arrived.iter().all(|due| due.due_ns == 15 && due.intact));
/// ```
#[derive(Debug)]
pub struct Faults<T> {
    seed: u64,
    line: usize,
    scenario: LineScenario,
    counts: FaultCounts,
    /// Packets of the present burst that are still to be lost.
    burst_left: u32,
    /// When the last packet in order arrived: the line keeps its order but for reordered packets.
    floor_ns: u64,
    held: Vec<Held<T>>,
}

/// A packet that waits until others have overtaken it.
#[derive(Debug)]
struct Held<T> {
    behind: u32,
    copies: usize,
    due: Due<T>,
}

/// What was drawn for one packet. All draws are made for each packet, so that one fault's share
/// changes nothing of what the others do.
struct Fate {
    lost: bool,
    burst: Option<u32>,
    duplicate: bool,
    jitter_ns: u64,
    delay_ns: u64,
    reorder: Option<Behind>,
    behind: u32,
    corrupt_header: Option<u64>,
    corrupt_message: Option<u64>,
    truncate: Option<u64>,
    differ: bool,
}

impl Fate {
    fn draw(scenario: &LineScenario, random: &mut Rng) -> Self {
        let lost = scenario.loss.strikes(random);
        let mut apart = random.fork();
        let burst = scenario.burst.and_then(|burst| {
            let begins = burst.share.strikes(&mut apart);
            begins.then(|| burst.packets.draw(&mut apart))
        });
        let duplicate = scenario.duplicate.strikes(random);
        let jitter_ns = random.u64(..) % (scenario.jitter_ns + 1);
        let mut apart = random.fork();
        let delay = scenario
            .delay
            .filter(|delay| delay.share.strikes(&mut apart));
        let mut apart = random.fork();
        let reorder = scenario
            .reorder
            .filter(|reorder| reorder.share.strikes(&mut apart));
        let behind = match reorder.map(|reorder| reorder.behind) {
            Some(Behind::Packets(packets)) => packets.draw(&mut apart),
            _ => 0,
        };
        let mut apart = random.fork();
        let mut place = |strikes: bool| {
            let place = random.u64(..);
            strikes.then_some(place)
        };
        Self {
            lost,
            burst,
            duplicate,
            jitter_ns,
            delay_ns: delay.map_or(0, |delay| delay.ns),
            reorder: reorder.map(|reorder| reorder.behind),
            behind,
            corrupt_header: place(scenario.corrupt.header.strikes(&mut apart)),
            corrupt_message: place(scenario.corrupt.message.strikes(&mut apart)),
            truncate: place(scenario.truncate.strikes(&mut apart)),
            differ: scenario.differ.strikes(&mut apart),
        }
    }
}

impl<T: Copy> Faults<T> {
    /// Makes the faults of line `line`, counted from 0.
    #[must_use]
    pub fn new(seed: u64, line: usize, scenario: LineScenario) -> Self {
        Self {
            seed,
            line,
            scenario,
            counts: FaultCounts::default(),
            burst_left: 0,
            floor_ns: 0,
            held: Vec::new(),
        }
    }

    /// Takes a packet; adds what arrives by it, which is nothing, or several packets, to `arrived`.
    pub fn take(&mut self, packet: Packet<'_, T>, arrived: &mut Vec<Due<T>>) {
        let ordinal = self.counts.packets;
        self.counts.packets += 1;
        let mut random = generator(self.seed, Purpose::Faults, self.line, ordinal);
        let fate = Fate::draw(&self.scenario, &mut random);
        if self.is_lost(packet.ts_ns, &fate) {
            return;
        }
        self.counts.arrived += 1;
        self.counts.delayed += u64::from(fate.delay_ns > 0);
        self.counts.duplicated += u64::from(fate.duplicate);
        let late_ns = self.scenario.skew_ns + fate.jitter_ns + fate.delay_ns;
        let due_ns = packet.ts_ns.saturating_add(late_ns).max(self.floor_ns);
        self.floor_ns = due_ns;
        let mut due = Due {
            due_ns,
            ordinal,
            bytes: packet.bytes.to_vec(),
            intact: true,
            brings: packet.brings,
        };
        self.damage(&mut due, packet.header_bytes, &fate);
        // Two faults of one bit undo each other.
        due.intact = due.bytes == packet.bytes;
        let copies = 1 + usize::from(fate.duplicate);
        self.counts.reordered += u64::from(fate.reorder.is_some());
        match fate.reorder {
            Some(Behind::Packets(_)) => {
                let behind = fate.behind;
                self.held.push(Held {
                    behind,
                    copies,
                    due,
                });
                // Who is held itself overtakes nobody.
                return;
            }
            Some(Behind::Time(ns)) => {
                due.due_ns = due_ns.saturating_add(ns);
                give(due, copies, arrived);
            }
            None => give(due, copies, arrived),
        }
        for held in &mut self.held {
            held.behind -= 1;
        }
        self.release(due_ns, |held| held.behind == 0, arrived);
    }

    /// Gives what still waits to be overtaken: nothing follows any more.
    pub fn finish(&mut self, arrived: &mut Vec<Due<T>>) {
        self.release(self.floor_ns, |_| true, arrived);
    }

    /// Returns what became of the packets so far.
    #[must_use]
    pub fn counts(&self) -> FaultCounts {
        self.counts
    }

    fn is_lost(&mut self, ts_ns: u64, fate: &Fate) -> bool {
        let silent = |(from, to): &(u64, u64)| (*from..*to).contains(&ts_ns);
        if self.burst_left == 0 {
            self.burst_left = fate.burst.unwrap_or(0);
        }
        let in_burst = self.burst_left > 0;
        self.burst_left = self.burst_left.saturating_sub(1);
        let count = if self.scenario.silences.iter().any(silent) {
            &mut self.counts.silenced
        } else if in_burst {
            &mut self.counts.lost_in_bursts
        } else if fate.lost {
            &mut self.counts.lost
        } else {
            return false;
        };
        *count += 1;
        true
    }

    fn damage(&mut self, due: &mut Due<T>, header_bytes: usize, fate: &Fate) {
        let header_bytes = header_bytes.min(due.bytes.len());
        let (header, rest) = due.bytes.split_at_mut(header_bytes);
        if let Some(place) = fate.corrupt_header
            && flip(header, place)
        {
            self.counts.corrupt_headers += 1;
        }
        if let Some(place) = fate.corrupt_message
            && flip(rest, place)
        {
            self.counts.corrupt_messages += 1;
        }
        if fate.differ
            && let Some(last) = rest.last_mut()
        {
            *last ^= 1;
            self.counts.differing += 1;
        }
        if let Some(place) = fate.truncate
            && due.bytes.len() > 1
        {
            due.bytes.truncate(1 + below(place, due.bytes.len() - 1));
            self.counts.truncated += 1;
        }
    }

    fn release(
        &mut self,
        due_ns: u64,
        ready: impl Fn(&Held<T>) -> bool,
        arrived: &mut Vec<Due<T>>,
    ) {
        for mut held in self.held.extract_if(.., |held| ready(held)) {
            held.due.due_ns = due_ns.max(held.due.due_ns);
            give(held.due, held.copies, arrived);
        }
    }
}

fn give<T: Copy>(due: Due<T>, copies: usize, arrived: &mut Vec<Due<T>>) {
    for _ in 1..copies {
        arrived.push(due.clone());
    }
    arrived.push(due);
}

/// Makes one bit another; returns false where there is none.
fn flip(bytes: &mut [u8], place: u64) -> bool {
    if bytes.is_empty() {
        return false;
    }
    let bit = below(place, bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
    true
}

fn below(place: u64, end: usize) -> usize {
    usize::try_from(place % end as u64).expect("invariant: smaller than a length")
}

#[cfg(test)]
mod tests;
