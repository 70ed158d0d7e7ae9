//! Owns the digest: one number that says what a handler was given.

use super::{BODY_BYTES, Event, Gap, Record, Sequence};
use std::fmt;
use xxhash_rust::xxh3::Xxh3;

/// Hash over stamps and bodies in delivery order (XXH3, 128 bits), printed as 32 hex digits.
///
/// Covers everything a handler is given: events, gaps (also the overruns of its own ring),
/// sessions and dead letters. Leaves out receive times: the same market data arrives at other
/// times on another day, and a replay of it is still the same input. Equal digests therefore mean
/// equal input; a digest is not a signature and resists accidents, not forgers.
///
/// # Examples
///
/// ```
/// use ringtape::market::MarketEvent;
/// use ringtape::record::{Digest, Gap, GapCause, Record, Sequence};
///
/// let gap = Gap { first: 7, last: 9, cause: GapCause::Absent, feed: 1 };
/// let (mut live, mut replayed) = (Digest::new(), Digest::new());
/// live.record(&Record::<MarketEvent>::gap(Sequence::FIRST, 1_000, gap));
/// replayed.record(&Record::<MarketEvent>::gap(Sequence::FIRST, 2_000, gap));
/// assert_eq!(live.to_string(), replayed.to_string());
/// ```
#[derive(Clone, Default)]
pub struct Digest(Xxh3);

impl Digest {
    /// Starts a digest of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record that is handed to the handler.
    ///
    /// Hot path: no allocation, no system call, O(1).
    pub fn record<E: Event>(&mut self, record: &Record<E>) {
        // One update of 56 bytes instead of two: the streaming hash pays for each call.
        let mut bytes = [0; 8 + BODY_BYTES];
        bytes[..8].copy_from_slice(&record.stamp().to_le_bytes());
        bytes[8..].copy_from_slice(record.body());
        self.0.update(&bytes);
    }

    /// Adds an overrun, which the subscriber noticed and which is no record on the bus.
    pub fn overrun<E: Event>(&mut self, gap: Gap) {
        self.record(&Record::<E>::gap(Sequence::new(gap.first), 0, gap));
    }

    /// Returns the digest of all that was added so far.
    #[must_use]
    pub fn value(&self) -> u128 {
        self.0.digest128()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.value())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}
