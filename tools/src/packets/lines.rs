//! Owns what is counted by line: who was first, whose copies were the same, how far apart they
//! came.

use super::LineProtocol;
use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddrV4;

/// Packets of a session that are remembered to compare copies with: many seconds of a busy line.
const COPIES_MAX: usize = 65_536;
/// Differences that are kept for a line: 32 MiB.
const SKEWS_MAX: usize = 1 << 22;

/// One line of a feed: a destination.
#[derive(Clone, Debug)]
pub struct LineTally {
    /// Where its datagrams were sent to.
    pub address: SocketAddrV4,
    /// What it speaks.
    pub protocol: LineProtocol,
    /// Index of its session.
    pub session: usize,
    /// Datagrams, well-formed or not.
    pub datagrams: u64,
    /// Numbers that it brought before any other line.
    pub won: u64,
    /// Numbers that another line, or itself, had brought before.
    pub duplicates: u64,
    /// Its packets that were copies of another line's packet, byte for byte (told by a hash).
    pub identical: u64,
    /// Its packets that have the number of another line's packet and other bytes.
    pub different: u64,
    skews_ns: Vec<i64>,
}

/// How far apart two lines brought the same packets: capture time of this line minus the other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skew {
    /// How many packets were compared.
    pub count: u64,
    /// The least, in nanoseconds.
    pub min: i64,
    /// The median.
    pub p50: i64,
    /// What 99 % are not above.
    pub p99: i64,
    /// The greatest.
    pub max: i64,
}

impl LineTally {
    pub(super) fn new(address: SocketAddrV4, protocol: LineProtocol, session: usize) -> Self {
        Self {
            address,
            protocol,
            session,
            datagrams: 0,
            won: 0,
            duplicates: 0,
            identical: 0,
            different: 0,
            skews_ns: Vec::new(),
        }
    }

    /// Returns how far behind the other line it was; `None` where there was nothing to compare.
    #[must_use]
    pub fn skew(&self) -> Option<Skew> {
        let mut sorted = self.skews_ns.clone();
        sorted.sort_unstable();
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        // The nearest rank, so that each is a difference that there was.
        let percentile = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100) - 1];
        Some(Skew {
            count: sorted.len() as u64,
            min,
            p50: percentile(50),
            p99: percentile(99),
            max,
        })
    }

    fn note(&mut self, skew_ns: i64) {
        if self.skews_ns.len() < SKEWS_MAX {
            self.skews_ns.push(skew_ns);
        }
    }
}

/// The latest packets of a session, by the number of their first message.
#[derive(Clone, Debug, Default)]
pub(super) struct Copies {
    seen: HashMap<u64, Seen>,
    order: VecDeque<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    line: usize,
    ts_ns: u64,
    hash: u64,
}

impl Copies {
    /// Compares a packet with the one of its number that another line brought, if there is one, and
    /// remembers it if there is none.
    pub(super) fn compare(
        &mut self,
        lines: &mut [LineTally],
        line: usize,
        (first, ts_ns, payload): (u64, u64, &[u8]),
    ) {
        let hash = hash(payload);
        let Some(&seen) = self.seen.get(&first) else {
            self.seen.insert(first, Seen { line, ts_ns, hash });
            self.order.push_back(first);
            if self.order.len() > COPIES_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.seen.remove(&oldest);
            }
            return;
        };
        if seen.line == line {
            return;
        }
        if seen.hash == hash {
            lines[line].identical += 1;
        } else {
            lines[line].different += 1;
        }
        let skew_ns = i64::try_from(i128::from(ts_ns) - i128::from(seen.ts_ns));
        if let Ok(skew_ns) = skew_ns
            && seen.ts_ns > 0
            && ts_ns > 0
        {
            lines[line].note(skew_ns);
            lines[seen.line].note(-skew_ns);
        }
    }

    /// Tells whether a packet is a copy of one that is remembered; `None` where none has its
    /// number.
    pub(super) fn is_copy(&self, first: u64, payload: &[u8]) -> Option<bool> {
        self.seen.get(&first).map(|seen| seen.hash == hash(payload))
    }

    /// Forgets all: the numbers begin again.
    pub(super) fn clear(&mut self) {
        self.seen.clear();
        self.order.clear();
    }
}

fn hash(payload: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    payload.hash(&mut hasher);
    hasher.finish()
}
