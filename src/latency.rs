//! Owns histograms of latency with fixed bounds, the hops between wire and handler, and the records
//! that were slowest.
//!
//! ```text
//!  wire ────────► seen ────────► decoded ────────► published ────────► handler
//!  receive stamp  the batch is   the datagram is   its records are     first instruction
//!  (kernel's, or  seen by        arbitrated and    handed to this      of the handler
//!  `seen` itself) ingest         decoded           subscriber's ring
//! ```
//!
//! The hops of one record add up to its wire-to-handler time exactly: they are differences of the
//! same five readings. So do their sums, as long as nothing is out of range. A message that waited
//! behind a missing one keeps its own receive stamp and has the other readings of the datagram that
//! released it. A record that is not about a datagram (a gap whose hold time is over) has its hops
//! too, from the moment at which it was noticed.
//!
//! Reads no clock and knows no rings: `stage` brings the readings.

mod histogram;
mod recorder;
mod worst;

use crate::record::{Kind, Sequence};

pub use histogram::{Histogram, MAX_NS, SIGNIFICANT_DIGITS, Summary};
pub use recorder::Recorder;
pub use worst::WORST_KEPT;
use worst::Worst;

/// The five readings of one record's way, in order; UNIX nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readings {
    /// When the datagram was received.
    pub wire_ns: u64,
    /// When its batch was seen.
    pub seen_ns: u64,
    /// When it was arbitrated and decoded.
    pub decoded_ns: u64,
    /// When its records were handed to the subscriber's ring.
    pub published_ns: u64,
    /// When the handler was called.
    pub handler_ns: u64,
}

impl Readings {
    /// Returns the whole way, from wire to handler; nothing where the clock was set back in
    /// between.
    #[must_use]
    pub const fn whole_ns(&self) -> Option<u64> {
        self.handler_ns.checked_sub(self.wire_ns)
    }

    /// Returns the hops by name, in order of the way; nothing for one that is negative.
    #[must_use]
    pub fn hops_ns(&self) -> [(&'static str, Option<u64>); 4] {
        let Self {
            wire_ns,
            seen_ns,
            decoded_ns,
            published_ns,
            handler_ns,
        } = *self;
        let ways = [
            (wire_ns, seen_ns),
            (seen_ns, decoded_ns),
            (decoded_ns, published_ns),
            (published_ns, handler_ns),
        ];
        let mut hops = HOPS.map(|name| (name, None));
        for ((_, hop), (earlier_ns, later_ns)) in hops.iter_mut().zip(ways) {
            *hop = later_ns.checked_sub(earlier_ns);
        }
        hops
    }
}

/// The names of the hops in order of the way, as reports have them.
pub const HOPS: [&str; 4] = [
    "wire_to_seen",
    "seen_to_decoded",
    "decoded_to_published",
    "published_to_handler",
];

/// One record's way with what was around it, at the moment at which its handler was called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exemplar {
    /// Its number.
    pub sequence: Sequence,
    /// What it is.
    pub kind: Option<Kind>,
    /// When it passed where.
    pub readings: Readings,
    /// Whether all five were read. Where the subscription carries no passages there are two, and
    /// the three between are the wire's.
    pub has_hops: bool,
    /// How many records were ready behind it in the ring, as far as the poll knew: the lag from
    /// the subscriber's side, without another look at the publisher's line.
    pub ready_behind: u64,
    /// Its place among the records of its poll, from 0.
    pub place: u64,
    /// When the handler was called for the record before it, if there was one: how long that one
    /// took, or how long the handler had nothing to do.
    pub before_ns: Option<u64>,
}

/// Wire-to-handler latency and its hops. Belongs to one handler's thread.
///
/// # Examples
///
/// ```
/// use ringtape::latency::{Latency, Readings};
///
/// let mut latency = Latency::default();
/// latency.record(Readings {
///     wire_ns: 100,
///     seen_ns: 130,
///     decoded_ns: 180,
///     published_ns: 190,
///     handler_ns: 250,
/// });
/// let hops: u128 = latency.hops().iter().map(|(_, hop)| hop.sum_ns()).sum();
/// assert_eq!(hops, latency.wire_to_handler.sum_ns());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Latency {
    /// The whole way.
    pub wire_to_handler: Histogram,
    /// From the receive stamp to the batch being seen: the kernel's queue. For a message that
    /// waited behind a missing one, to the batch that released it: the wait is in here.
    pub wire_to_seen: Histogram,
    /// From there until the datagram is arbitrated and decoded, waiting behind batch-mates
    /// included.
    pub seen_to_decoded: Histogram,
    /// From there until its records are handed to this subscriber's ring: filling those of
    /// subscribers that were attached before, and waiting for room.
    pub decoded_to_published: Histogram,
    /// From there to the handler: the ring, and waiting behind earlier records.
    pub published_to_handler: Histogram,
    worst: Worst,
}

impl Latency {
    /// Counts one record's way. A [`Recorder`] counts many for less, and keeps the worst.
    ///
    /// Hot path: no allocation, no system call, O(1).
    pub fn record(&mut self, readings: Readings) {
        self.record_whole(&readings);
        self.record_shared(&readings, 1);
        self.record_last(&readings);
    }

    fn record_whole(&mut self, readings: &Readings) {
        self.wire_to_handler
            .record(readings.wire_ns, readings.handler_ns);
    }

    /// Counts the hops that all records of a datagram have in common.
    fn record_shared(&mut self, readings: &Readings, count: u64) {
        let Readings {
            wire_ns,
            seen_ns,
            decoded_ns,
            published_ns,
            handler_ns: _,
        } = *readings;
        self.wire_to_seen.record_n(wire_ns, seen_ns, count);
        self.seen_to_decoded.record_n(seen_ns, decoded_ns, count);
        self.decoded_to_published
            .record_n(decoded_ns, published_ns, count);
    }

    fn record_last(&mut self, readings: &Readings) {
        self.published_to_handler
            .record(readings.published_ns, readings.handler_ns);
    }

    /// Adds all that `other` counted. Of records that took equally long, those of `self` come
    /// first.
    pub fn merge(&mut self, other: &Self) {
        self.wire_to_handler.merge(&other.wire_to_handler);
        self.wire_to_seen.merge(&other.wire_to_seen);
        self.seen_to_decoded.merge(&other.seen_to_decoded);
        self.decoded_to_published.merge(&other.decoded_to_published);
        self.published_to_handler.merge(&other.published_to_handler);
        for exemplar in other.worst() {
            if let Some(whole_ns) = self.worst.is_among(&exemplar.readings) {
                self.worst.keep(whole_ns, exemplar);
            }
        }
    }

    /// Returns the hops by name, in order of the way.
    #[must_use]
    pub fn hops(&self) -> [(&'static str, &Histogram); 4] {
        let [seen, decoded, published, handler] = HOPS;
        [
            (seen, &self.wire_to_seen),
            (decoded, &self.seen_to_decoded),
            (published, &self.decoded_to_published),
            (handler, &self.published_to_handler),
        ]
    }

    /// Returns the slowest records from wire to handler, the worst first, at most [`WORST_KEPT`].
    /// Of those that took equally long the earlier stays and comes first. What is out of range is
    /// not among them.
    #[must_use]
    pub fn worst(&self) -> &[Exemplar] {
        self.worst.kept()
    }
}

#[cfg(test)]
mod tests;
