//! Owns the reading end: record by record, with each hole in the numbering before what reveals it.

use super::{Books, End, Passage, broadcast, lane, overrun};
use crate::record::{Event, Gap, Record, Sequence};
use std::fmt;
use std::sync::Arc;

/// What a subscriber is given.
#[derive(Debug)]
pub enum Delivery<'a, E: Event> {
    /// A record.
    Record {
        /// The record: in a lane, still in the ring; of the broadcast ring, a copy.
        record: &'a Record<E>,
        /// When its datagram passed the ingest stage, where the subscription asked for it.
        passage: Option<Passage>,
        /// How many records were ready behind it at the last look at the publisher's line.
        ready_behind: usize,
        /// True on the last record that is ready now.
        end_of_batch: bool,
    },
    /// Records that a lane had no room for, or that were overwritten in the broadcast ring before
    /// this subscriber came to them. Comes before the record after them.
    Overrun(Gap),
}

/// A reading end of a bus.
pub struct Subscriber<E> {
    pub(super) source: Source<E>,
    pub(super) place: Place,
}

/// What a subscriber reads.
pub(super) enum Source<E> {
    Lane(lane::Consumer<E>),
    Broadcast(broadcast::Consumer<E>),
}

/// Where a subscriber is on its bus, whatever it reads.
pub(super) struct Place {
    /// The number that comes next if nothing is missing.
    pub(super) expected: Sequence,
    pub(super) books: Arc<Books>,
    pub(super) end: Arc<End>,
}

impl<E: Event> Subscriber<E> {
    /// Hands over at most `limit` records that are ready, in order, with each hole in the
    /// numbering before the record that reveals it. Returns how many deliveries there were; 0
    /// means that nothing is ready.
    ///
    /// If `each` panics, what it was given stays undelivered and comes again with the next poll;
    /// what it was given before does not.
    ///
    /// Hot path: no allocation, no system call.
    pub fn poll(&mut self, limit: usize, mut each: impl FnMut(Delivery<'_, E>)) -> usize {
        self.poll_while(limit, |delivery| {
            each(delivery);
            true
        })
    }

    /// As [`poll`](Self::poll), but stops behind a delivery for which `each` returns false; what
    /// comes after it stays in the ring.
    ///
    /// Hot path: no allocation, no system call.
    pub fn poll_while(&mut self, limit: usize, each: impl FnMut(Delivery<'_, E>) -> bool) -> usize {
        match &mut self.source {
            Source::Lane(lane) => lane.poll_while(&mut self.place, limit, each),
            Source::Broadcast(ring) => ring.poll_while(&mut self.place, limit, each),
        }
    }

    /// Shows records that are ready, at most `limit` of them, in order and in one piece or two, and
    /// leaves them where they are. In a lane numbers can be missing between two of them. Of the
    /// broadcast ring they are copies, at most 4,096, up to the first number that is missing; to a
    /// lossy subscription others can be delivered in their stead, where the publisher was faster.
    ///
    /// Hot path: no allocation, no system call.
    pub fn peek(&mut self, limit: usize, show: impl FnMut(&[Record<E>])) {
        match &mut self.source {
            Source::Lane(lane) => lane.peek(limit, show),
            Source::Broadcast(ring) => ring.peek(self.place.expected, limit, show),
        }
    }

    /// Returns how many records are ready. Reads the line that the publisher writes. Of the
    /// broadcast ring, numbers of records that are missing count as well.
    #[must_use]
    pub fn waiting(&self) -> usize {
        match &self.source {
            Source::Lane(lane) => lane.ring.slots(),
            Source::Broadcast(ring) => ring.waiting(self.place.expected),
        }
    }

    /// Returns whether the publisher has ended; its last records may still be ready.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        match &self.source {
            Source::Lane(lane) => lane.ring.is_abandoned(),
            Source::Broadcast(_) => self.place.end.next().is_some(),
        }
    }

    /// Returns whether everything was delivered and the publisher has ended, as the last
    /// [`poll`](Self::poll) found out.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.place.books.taken.completed.get() == 1
    }

    /// Returns the books of this subscription, readable from any thread.
    #[must_use]
    pub fn books(&self) -> Arc<Books> {
        Arc::clone(&self.place.books)
    }
}

impl Place {
    /// Delivers that what is expected before `found` is missing. Returns what `each` returns.
    pub(super) fn lose<E: Event>(
        &mut self,
        found: Sequence,
        mut each: impl FnMut(Delivery<'_, E>) -> bool,
    ) -> bool {
        let gap = overrun(self.expected, found);
        let goes_on = each(Delivery::Overrun(gap));
        self.books.taken.overrun.add(gap.count());
        self.expected = found;
        goes_on
    }

    /// Ends the subscription of a bus that ended before the number `next`. Returns how many
    /// deliveries that took.
    pub(super) fn finish<E: Event>(
        &mut self,
        next: Sequence,
        each: impl FnMut(Delivery<'_, E>) -> bool,
    ) -> usize {
        let missing = self.expected < next;
        if missing {
            self.lose(next, each);
        }
        self.books.taken.completed.set(1);
        usize::from(missing)
    }
}

impl<E> fmt::Debug for Subscriber<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("expected", &self.place.expected)
            .finish_non_exhaustive()
    }
}
