//! Owns the books of a subscription: what was given, what was taken, and whether that is the same.

use super::broadcast;
use crate::counters::Counter;
use crossbeam_utils::CachePadded;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What one subscription's publisher side has done; the other half of the books is
/// [`Taken`]. Written by the publisher. Of the broadcast ring, which is written once for all, the
/// publisher keeps no books of each subscription: there `handed` and `after_end` stay 0, and
/// `overrun` has only what a lossless subscriber's ring had no room for at the very end.
#[derive(Debug, Default)]
pub struct Given {
    /// The first number that the subscription is owed.
    pub first: Counter,
    /// The number after the last that it is owed; 0 until the publisher has ended.
    pub end: Counter,
    /// Records that were put into the ring.
    pub handed: Counter,
    /// Records for which the ring had no room.
    pub overrun: Counter,
    /// Records published after the subscriber had gone.
    pub after_end: Counter,
}

/// What one subscription's subscriber side has done. Written by the subscriber.
#[derive(Debug, Default)]
pub struct Taken {
    /// Records that were delivered in full.
    pub handled: Counter,
    /// Records that were found missing, by the hole in the numbering.
    pub overrun: Counter,
    /// 1 once the subscriber has been given everything up to the publisher's end.
    pub completed: Counter,
}

/// Both halves of one subscription's books.
#[derive(Debug, Default)]
pub struct Books {
    /// By the publisher.
    pub given: Given,
    /// By the subscriber, on cache lines of its own.
    pub taken: CachePadded<Taken>,
    /// Whether the publisher waits for room whatever contract was asked for.
    lossless: AtomicBool,
    /// What tells how much was published, where that is not counted for each subscription.
    ring: Option<Arc<broadcast::Slots>>,
}

impl Books {
    /// The books of a subscription to the broadcast ring.
    pub(super) fn of_broadcast(ring: Arc<broadcast::Slots>) -> Self {
        Self {
            ring: Some(ring),
            ..Self::default()
        }
    }

    /// Makes the subscription lossless, whatever was asked for. Before the first record.
    pub(crate) fn make_lossless(&self) {
        // Relaxed: the publisher's thread has still to be started, or is this one.
        self.lossless.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_lossless(&self) -> bool {
        self.lossless.load(Ordering::Relaxed)
    }

    /// Returns the account of the subscription. Final once publisher and subscriber have ended.
    #[must_use]
    pub fn account(&self) -> Account {
        match &self.ring {
            None => self.of_lane(),
            Some(ring) => self.of_ring(ring.published()),
        }
    }

    fn of_lane(&self) -> Account {
        let Given {
            first,
            end,
            handed,
            overrun,
            after_end,
        } = &self.given;
        let counted = handed.get() + overrun.get() + after_end.get();
        let handled = self.taken.handled.get();
        Account {
            published: match end.get() {
                0 => counted,
                end => end - first.get(),
            },
            handled,
            overrun: overrun.get(),
            overrun_seen: self.taken.overrun.get(),
            left_behind: handed.get().saturating_sub(handled) + after_end.get(),
            completed: self.taken.completed.get() == 1,
        }
    }

    /// The account of a subscription to the broadcast ring, of which all before `next` is
    /// published.
    fn of_ring(&self, next: u64) -> Account {
        let taken = &self.taken;
        let (handled, seen) = (taken.handled.get(), taken.overrun.get());
        let overrun = if self.is_lossless() {
            // The publisher waited, so what is missing before the very end was lost by nobody
            // who is allowed to, and the books do not close.
            self.given.overrun.get()
        } else {
            seen
        };
        let next = match self.given.end.get() {
            0 => next,
            end => end,
        };
        let published = next.saturating_sub(self.given.first.get());
        Account {
            published,
            handled,
            overrun,
            overrun_seen: seen,
            left_behind: published.saturating_sub(handled + overrun.max(seen)),
            completed: taken.completed.get() == 1,
        }
    }
}

/// One subscription's part of the loss ledger: `published = handled + overrun + left_behind`.
///
/// `published` comes from the numbers of the bus, `handled` and `overrun_seen` from what the
/// subscriber counted as it took records. In a lane, `overrun` and `left_behind` come from what the
/// publisher counted as it handed them over. Of the broadcast ring it counts only the numbers: a
/// lossy subscriber's `overrun` is what it has seen, a lossless one's what there was no room for at
/// the very end, and `left_behind` is the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Records that were numbered while this subscription lasted.
    pub published: u64,
    /// Records that were delivered.
    pub handled: u64,
    /// Records that did not fit the ring, as the publisher counted them; of the broadcast ring,
    /// those that were overwritten before they were taken.
    pub overrun: u64,
    /// The same as the subscriber counted them, by the holes in the numbering.
    pub overrun_seen: u64,
    /// Records that a stop or a panic of the handler left undelivered.
    pub left_behind: u64,
    /// Whether the subscriber stayed to the end.
    pub completed: bool,
}

impl Account {
    /// Returns whether the books close: every number is accounted for and, if the subscriber
    /// stayed to the end, it was left nothing and both sides counted the same overruns.
    #[must_use]
    pub fn closes(&self) -> bool {
        let sums = self.published == self.handled + self.overrun + self.left_behind;
        let sides = if self.completed {
            self.left_behind == 0 && self.overrun == self.overrun_seen
        } else {
            self.overrun_seen <= self.overrun
        };
        sums && sides
    }
}
