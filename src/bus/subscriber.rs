//! Owns the reading end: record by record, with each hole in the numbering before what reveals it.

use super::{Books, End, Passage, PassageMark, overrun};
use crate::record::{Event, Gap, Record, Sequence};
use rtrb::Consumer;
use rtrb::chunks::ReadChunk;
use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What a subscriber is given.
#[derive(Debug)]
pub enum Delivery<'a, E: Event> {
    /// A record.
    Record {
        /// The record, still in the ring.
        record: &'a Record<E>,
        /// When its datagram passed the ingest stage, where the subscription asked for it.
        passage: Option<Passage>,
        /// How many records were ready behind it at the last look at the publisher's line.
        ready_behind: usize,
        /// True on the last record that is ready now.
        end_of_batch: bool,
    },
    /// Records that this subscriber's ring had no room for. Comes before the record after them.
    Overrun(Gap),
}

/// A reading end of a bus.
pub struct Subscriber<E> {
    pub(super) ring: Consumer<Record<E>>,
    pub(super) marks: Option<Consumer<PassageMark>>,
    /// The latest mark taken; applies to the records up to its `last`.
    pub(super) mark: PassageMark,
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
    pub fn poll_while(
        &mut self,
        limit: usize,
        mut each: impl FnMut(Delivery<'_, E>) -> bool,
    ) -> usize {
        // `slots` reads the line that the publisher writes: only when the last look is used up.
        let ready = match self.ring.cached_slots() {
            0 => self.ring.slots(),
            cached => cached,
        };
        if ready == 0 {
            return self.poll_end(|delivery| {
                each(delivery);
            });
        }
        let taken = &self.books.taken;
        let count = ready.min(limit);
        let Ok(chunk) = self.ring.read_chunk(count) else {
            unreachable!("invariant: only this subscriber empties the ring");
        };
        let taking = Taking {
            handled: Cell::new(0),
            chunk: Some(chunk),
        };
        let (first, second) = taking.slices();
        let mut deliveries = 0;
        let mut left = ready;
        for record in first.iter().chain(second) {
            left -= 1;
            let sequence = record.sequence();
            if sequence != self.expected {
                let gap = overrun(self.expected, sequence);
                let goes_on = each(Delivery::Overrun(gap));
                taken.overrun.add(gap.count());
                self.expected = sequence;
                deliveries += 1;
                if !goes_on {
                    break;
                }
            }
            let passage = self.marks.as_mut().map(|marks| {
                while self.mark.last < sequence {
                    match marks.pop() {
                        Ok(mark) => self.mark = mark,
                        Err(_) => unreachable!("invariant: a record's mark is pushed before it"),
                    }
                }
                self.mark.passage
            });
            let goes_on = each(Delivery::Record {
                record,
                passage,
                ready_behind: left,
                end_of_batch: left == 0,
            });
            self.expected = sequence.next();
            taking.handled.set(taking.handled.get() + 1);
            taken.handled.add(1);
            deliveries += 1;
            if !goes_on {
                break;
            }
        }
        deliveries
    }

    /// Returns how many records are ready. Reads the line that the publisher writes.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.ring.slots()
    }

    /// Returns whether the publisher has ended; its last records may still be ready.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }

    /// Delivers the loss at the very end, once, when the publisher has gone and the ring is empty.
    pub(super) fn poll_end(&mut self, mut each: impl FnMut(Delivery<'_, E>)) -> usize {
        // `is_abandoned` acquires what the publisher did before it dropped the ring, so a ring
        // that is empty after it stays empty, and the final number is there.
        if !self.ring.is_abandoned() || self.ring.slots() > 0 {
            return 0;
        }
        let taken = &self.books.taken;
        let next = Sequence::new(self.end.next.load(Ordering::Acquire));
        let missing = self.expected < next;
        if missing {
            let gap = overrun(self.expected, next);
            each(Delivery::Overrun(gap));
            taken.overrun.add(gap.count());
            self.expected = next;
        }
        taken.completed.set(1);
        usize::from(missing)
    }

    /// Returns whether everything was delivered and the publisher has ended, as the last
    /// [`poll`](Self::poll) found out.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.books.taken.completed.get() == 1
    }

    /// Returns the books of this subscription, readable from any thread.
    #[must_use]
    pub fn books(&self) -> Arc<Books> {
        Arc::clone(&self.books)
    }
}

impl<E> fmt::Debug for Subscriber<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}

/// Records that are being delivered. Takes out of the ring what was handled, also when the handler
/// panics.
struct Taking<'a, E> {
    handled: Cell<usize>,
    chunk: Option<ReadChunk<'a, Record<E>>>,
}

impl<E> Taking<'_, E> {
    fn slices(&self) -> (&[Record<E>], &[Record<E>]) {
        self.chunk.as_ref().map_or((&[], &[]), ReadChunk::as_slices)
    }
}

impl<E> Drop for Taking<'_, E> {
    fn drop(&mut self) {
        if let Some(chunk) = self.chunk.take() {
            chunk.commit(self.handled.get());
        }
    }
}
