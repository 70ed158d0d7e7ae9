//! Owns the writing end of the ring, and for whom it waits.

use super::slots::Cursor;
use super::{Consumer, Marks, Slots, mark_words};
use crate::bus::{Books, Contract, Passage, PassageMark, Subscription};
use crate::error::{Error, Result};
use crate::record::{Event, Record, Sequence};
use std::sync::Arc;

/// The writing end.
pub(in crate::bus) struct Producer {
    slots: Arc<Slots>,
    /// Only where a consumer wants them.
    marks: Option<Arc<Marks>>,
    /// Numbers before it are pieces of their own: the last of the consumers begins there, and finds
    /// its mark only where a piece begins.
    alone_before: u64,
    readers: Vec<Reader>,
    /// The next number to write.
    next: u64,
    /// The first number that there may be no room for: a cached copy of how far the slowest
    /// lossless consumer is, which is looked up when it is reached.
    limit: u64,
}

/// One consumer as the producer sees it.
struct Reader {
    /// The first number that it is owed.
    first: u64,
    cursor: Arc<Cursor>,
    books: Arc<Books>,
}

impl Producer {
    /// Makes a ring of at least `capacity` records, the first of which will be `first`.
    pub(in crate::bus) fn new(capacity: usize, first: Sequence) -> Self {
        Self {
            slots: Arc::new(Slots::new(capacity, first.get())),
            marks: None,
            alone_before: first.get(),
            readers: Vec::new(),
            next: first.get(),
            limit: first.get(),
        }
    }

    /// Attaches a consumer that is given every number from `first` on.
    pub(in crate::bus) fn attach<E: Event>(
        &mut self,
        subscription: Subscription,
        first: Sequence,
    ) -> Result<(Consumer<E>, Arc<Books>)> {
        let capacity = self.slots.capacity();
        if subscription.capacity > capacity {
            return Err(Error::config(
                format!(
                    "a broadcast subscription of {} records to a ring of {capacity}",
                    subscription.capacity
                ),
                "all share the ring that the first subscription made: attach the largest first",
            ));
        }
        let books = Arc::new(Books::of_broadcast(Arc::clone(&self.slots)));
        if subscription.contract == Contract::Lossless {
            books.make_lossless();
        }
        let cursor = Arc::new(Cursor::new(first.get()));
        let marks = subscription.passages.then(|| {
            let made = || Arc::new(Marks::new(capacity));
            Arc::clone(self.marks.get_or_insert_with(made))
        });
        self.alone_before = first.get();
        self.readers.push(Reader {
            first: first.get(),
            cursor: Arc::clone(&cursor),
            books: Arc::clone(&books),
        });
        // So that the next record looks for whom it has to wait.
        self.limit = self.next;
        let consumer = Consumer::new(Arc::clone(&self.slots), marks, cursor, first);
        Ok((consumer, books))
    }

    pub(in crate::bus) fn subscribers(&self) -> usize {
        self.readers.len()
    }

    /// Returns the next number to write.
    pub(in crate::bus) fn done(&self) -> Sequence {
        Sequence::new(self.next)
    }

    pub(in crate::bus) fn wants_passages(&self) -> bool {
        self.marks.is_some()
    }

    /// Writes what has not been written of `records`, the last of which is the one before `next`.
    /// Returns whether there was room for all.
    ///
    /// Hot path: no allocation, no system call.
    pub(in crate::bus) fn hand_over<E: Event>(
        &mut self,
        records: &[Record<E>],
        next: Sequence,
        passage: &Passage,
    ) -> bool {
        let waiting = usize::try_from(next.get() - self.next).unwrap_or(usize::MAX);
        let rest = &records[records.len().saturating_sub(waiting)..];
        if rest.is_empty() {
            return true;
        }
        // Fewer are there when the batch was cleared: those numbers are lost to everyone.
        let first = next.get() - rest.len() as u64;
        if first > self.next && !self.write_hole(first) {
            return false;
        }
        let fits = self.room_for(rest.len());
        let mut pieces = &rest[..fits];
        while !pieces.is_empty() {
            let size = if self.next < self.alone_before {
                1
            } else {
                self.slots.piece_max()
            };
            let (piece, others) = pieces.split_at(size.min(pieces.len()));
            self.write_piece(piece, passage);
            pieces = others;
        }
        fits == rest.len()
    }

    /// Writes the first record last: a consumer that keeps up waits for it, and then finds the
    /// whole piece. Were the records shown in their order, it would take each slot's line while the
    /// next is being written; `cargo bench --bench bus` (stream) shows the difference.
    #[inline]
    fn write_piece<E: Event>(&mut self, piece: &[Record<E>], passage: &Passage) {
        let write = |number, record: &Record<E>, beside| {
            let [stamp, body @ ..] = record.words();
            self.slots.write(number, *stamp, body, beside);
        };
        let Some((first, others)) = piece.split_first() else {
            return;
        };
        for (number, record) in (self.next + 1..).zip(others) {
            write(number, record, None);
        }
        let next = self.next + piece.len() as u64;
        let words = mark_words(&PassageMark {
            last: Sequence::new(next - 1),
            passage: *passage,
        });
        let beside = self.marks.as_deref().map(|marks| (marks, &words));
        write(self.next, first, beside);
        self.next = next;
        self.slots.publish(next);
    }

    /// Says in the slot of the next number that those before `to` will not come. Where a consumer
    /// begins among them, another hole begins: of the numbers inside one no slot tells. Returns
    /// whether there was room for all.
    #[cold]
    fn write_hole(&mut self, to: u64) -> bool {
        while self.next < to {
            if self.room_for(1) == 0 {
                return false;
            }
            let begins = self.readers.iter().map(|at| at.first);
            let inside = begins.filter(|first| (self.next + 1..to).contains(first));
            let end = inside.min().unwrap_or(to);
            let mut body = [0; _];
            body[0] = end;
            let nothing = None::<(&Marks, _)>;
            self.slots.write(self.next, self.next, &body, nothing);
            self.next = end;
            self.slots.publish(end);
        }
        true
    }

    /// Returns how many of `wanted` records to write now.
    #[inline]
    fn room_for(&mut self, wanted: usize) -> usize {
        if self.next + wanted as u64 <= self.limit {
            return wanted;
        }
        self.look_for_room(wanted)
    }

    #[cold]
    fn look_for_room(&mut self, wanted: usize) -> usize {
        let gated = self.readers.iter().filter(|at| at.books.is_lossless());
        let slowest = gated.map(|at| at.cursor.get()).min();
        let capacity = self.slots.capacity();
        // Whoever attaches later has the limit looked up again.
        self.limit = slowest
            .unwrap_or(Cursor::GONE)
            .saturating_add(capacity as u64);
        let room = usize::try_from(self.limit.saturating_sub(self.next)).unwrap_or(usize::MAX);
        // As in a lane: who waits does so for a piece that is worth it.
        if room < wanted.min(capacity / 2) {
            return 0;
        }
        room.min(wanted)
    }

    /// Ends the ring. The last `waiting` numbers before `next` were at most not written.
    pub(in crate::bus) fn end(&self, next: Sequence, waiting: u64) {
        let unwritten = (next.get() - self.next).min(waiting);
        for Reader { cursor, books, .. } in &self.readers {
            if cursor.get() != Cursor::GONE {
                books.given.overrun.add(unwritten);
            }
            books.given.end.set(next.get());
        }
    }
}
