//! Owns the bus: one publisher, one total order, and what carries it to each subscriber.
//!
//! Nothing here blocks and nothing reads a clock: a full ring of a lossless subscriber leaves a
//! *backlog*, and whoever drives the publisher does not take in more until it is gone. So a
//! publisher and its slowest subscriber can share one thread.
//!
//! ```text
//!             ┌ batch: numbered, not yet handed over ┐    lane        ┌────────────┐
//!  feed ────► │ 4711 4712 4713                       │ ══════════════► Subscriber │
//!             └──────────────────────────────────────┘ ══════════════► Subscriber │
//!                       Publisher::commit              ╚═ broadcast ══► Subscriber │
//!                                                            ╚════════► Subscriber │
//! ```
//!
//! # Lanes and the broadcast ring
//!
//! A subscriber chooses its [`Ring`]; what it is given, in-band losses and the end included, is
//! told in the same way.
//!
//! | | [`Ring::Lane`] | [`Ring::Broadcast`] |
//! |---|---|---|
//! | for | subscribers that must not hurt each other; large rings, as a journal's | handlers that wait for each record, each on a core of its own |
//! | the publisher writes | each record once for each lane | each record once |
//! | a lone record takes | three hops of a cache line: index, index, record | two: the record is its own flag |
//! | a subscriber reads | records where they lie | a copy of each, which is checked behind the copying |
//! | lossy: lost is | what came while the lane was full | the oldest, when the publisher comes round; it goes on half a ring behind the newest |
//! | lossless: waits | for room in this lane | for the slowest lossless one, and with it all who share the ring |
//! | the account | both sides count, and are compared | numbers against what the subscriber counted |
//!
//! A record that is waited for takes about 0.7 of the time that it takes through a lane. In long
//! runs, where either shows a batch at once, copying and looking twice cost the broadcast ring about
//! what writing once saves: it has a tenth or two less than the lanes' throughput to one subscriber
//! and to eight, and about as much to two, to four, and with passages.
//!
//! `cargo bench --bench bus` compares both with bare `rtrb` and with a bare cache line, in one run.

mod books;
mod broadcast;
mod lane;
mod publisher;
mod ready;
mod subscriber;

use crate::error::{Error, Result};
use crate::record::{Gap, GapCause, Sequence};
use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicU64, Ordering};

pub use books::{Account, Books, Given, Taken};
pub use publisher::Publisher;
pub use ready::{Ready, Run};
pub use subscriber::{Delivery, Subscriber};

/// The largest ring: 2²⁴ records are 1 GiB.
pub const CAPACITY_MAX: usize = 1 << 24;

/// What happens when a subscriber's ring is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contract {
    /// The publisher never waits. What does not fit is lost to this subscriber, who sees it
    /// in-band as [`Delivery::Overrun`].
    Lossy,
    /// The publisher waits, and with it the feed: the kernel's socket buffer absorbs.
    Lossless,
}

/// When the datagram behind some records passed the ingest stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Passage {
    /// UNIX nanoseconds at which its batch was seen.
    pub seen_ns: u64,
    /// UNIX nanoseconds at which it was arbitrated and decoded.
    pub decoded_ns: u64,
    /// UNIX nanoseconds at which its records were handed to this subscriber's ring.
    pub published_ns: u64,
}

/// A passage and the last record that it applies to.
#[derive(Clone, Copy, Debug)]
struct PassageMark {
    last: Sequence,
    passage: Passage,
}

/// What carries the records to a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Ring {
    /// An SPSC ring of its own (`rtrb`): a slow subscriber hurts only itself, and a lossy one loses
    /// what came last. The publisher copies each record into each lane.
    #[default]
    Lane,
    /// The ring that all who ask for it share: each record is written once, whoever reads it, and
    /// reaches a waiting subscriber in two hops of a cache line instead of three. A lossy one loses
    /// what it was slowest to take; a lossless one holds back all who share the ring. Of what it
    /// is given each subscriber makes a copy.
    Broadcast,
}

/// How a subscriber is attached.
#[derive(Clone, Copy, Debug)]
pub struct Subscription {
    /// What happens when the ring is full.
    pub contract: Contract,
    /// What carries the records.
    pub ring: Ring,
    /// Records that the ring holds; each takes 64 bytes. The broadcast ring has at least as many
    /// as its first subscription asks for, the next power of two; later ones cannot have more.
    pub capacity: usize,
    /// Whether each datagram's [`Passage`] travels beside its records, for the hops of a latency
    /// report. Costs a second, smaller ring (a lane's has one more commit for each datagram, the
    /// broadcast ring's four words for each piece that is written at once), and a reading of the
    /// clock where another subscriber is served first.
    pub passages: bool,
}

impl Subscription {
    /// Sees that it can be attached, by whom an error names.
    pub(crate) fn check(&self, name: &str) -> Result<()> {
        if (1..=CAPACITY_MAX).contains(&self.capacity) {
            return Ok(());
        }
        Err(Error::config(
            format!("{name}: a ring of {} records", self.capacity),
            format!("choose between 1 and {CAPACITY_MAX}; 16384 is usual"),
        ))
    }
}

impl Default for Subscription {
    /// Lossy, a lane of 16,384 records (1 MiB), with passages.
    fn default() -> Self {
        Self {
            contract: Contract::Lossy,
            ring: Ring::Lane,
            capacity: 16_384,
            passages: true,
        }
    }
}

/// Shared by a publisher and its subscribers: on a line that is written once.
#[derive(Debug, Default)]
struct End {
    /// The number after the last record, once the publisher has ended; 0 before.
    next: CachePadded<AtomicU64>,
}

impl End {
    /// Ends the bus before the number `next`.
    fn set(&self, next: Sequence) {
        // Release pairs with the acquire in `next`: who sees the end sees all that came before it.
        self.next.store(next.get(), Ordering::Release);
    }

    /// Returns the number after the last record, once the publisher has ended.
    fn next(&self) -> Option<Sequence> {
        match self.next.load(Ordering::Acquire) {
            0 => None,
            next => Some(Sequence::new(next)),
        }
    }
}

/// The records from `expected` up to, but without, `found`.
fn overrun(expected: Sequence, found: Sequence) -> Gap {
    assert!(
        expected < found,
        "invariant: a ring keeps the order of its bus"
    );
    Gap {
        first: expected.get(),
        last: found.get() - 1,
        cause: GapCause::Overrun,
        feed: 0,
    }
}

#[cfg(test)]
mod tests;
