//! Owns a reading end of the ring.

use super::slots::{Cursor, Look};
use super::{MARK_WORDS, Marks, Slots, mark};
use crate::bus::subscriber::Place;
use crate::bus::{Delivery, Passage, PassageMark};
use crate::record::{Event, Record, Sequence};
use std::sync::Arc;
use zerocopy::FromZeros;

/// Records that are lent at once where they are taken in bulk: 256 KiB.
const BULK_MAX: usize = 4096;

/// A reading end.
pub(in crate::bus) struct Consumer<E> {
    ring: Ring,
    gate: Gate,
    /// The record that was copied last.
    record: Record<E>,
    /// The latest mark that was copied; applies to the records up to its `last`. Where no passages
    /// are wanted, it applies to all.
    mark: PassageMark,
    /// The number after the last that was published, at the last look.
    published: u64,
    /// Copies that are lent in bulk.
    bulk: Box<[Record<E>]>,
    /// The mark of the last of them.
    bulk_mark: PassageMark,
}

/// What is read.
struct Ring {
    slots: Arc<Slots>,
    marks: Option<Arc<Marks>>,
    /// The first number that the subscriber is owed: the only one that can lie inside a hole, where
    /// no slot tells that it will not come.
    first: u64,
}

/// How far the producer may go.
struct Gate {
    cursor: Arc<Cursor>,
    /// The number at which the cursor is published again.
    publish_at: u64,
    quarter: u64,
}

/// What there is of a number.
enum Found {
    Nothing,
    /// It was copied.
    Record,
    /// All before this number are missing.
    Missing(Sequence),
    /// This number was overwritten, be it the expected one or the one that had its mark.
    Overwritten(u64),
}

/// What tells that copies were taken.
pub(in crate::bus) struct Taking<'a> {
    gate: &'a mut Gate,
    mark: &'a mut PassageMark,
    bulk_mark: PassageMark,
}

/// What can be lent in bulk.
pub(in crate::bus) enum Bulk {
    /// So many records with dense numbers.
    Records(usize),
    /// Nothing before this number.
    Missing(Sequence),
}

impl<E: Event> Consumer<E> {
    pub(super) fn new(
        slots: Arc<Slots>,
        marks: Option<Arc<Marks>>,
        cursor: Arc<Cursor>,
        first: Sequence,
    ) -> Self {
        let quarter = (slots.capacity() as u64 / 4).max(1);
        let mut bulk = vec![Record::new_zeroed(); slots.capacity().min(BULK_MAX)];
        for (record, stamp) in bulk.iter_mut().zip(1..) {
            // Zeros may be memory that the kernel has yet to bring.
            record.words_mut()[0] = stamp;
        }
        let last = match &marks {
            Some(_) => Sequence::default(),
            None => Sequence::MAX,
        };
        let mark = PassageMark {
            last,
            passage: Passage::default(),
        };
        Self {
            ring: Ring {
                slots,
                marks,
                first: first.get(),
            },
            gate: Gate {
                cursor,
                publish_at: first.get() + quarter,
                quarter,
            },
            record: Record::new_zeroed(),
            mark,
            published: first.get(),
            bulk: bulk.into(),
            bulk_mark: mark,
        }
    }

    /// Hot path: no allocation, no system call.
    pub(in crate::bus) fn poll_while(
        &mut self,
        place: &mut Place,
        limit: usize,
        mut each: impl FnMut(Delivery<'_, E>) -> bool,
    ) -> usize {
        let mut deliveries = 0;
        // Not more than a ring at once, however fast the publisher is.
        let mut left = limit.min(self.ring.slots.capacity());
        let mut is_behind_loss = false;
        while left > 0 {
            let found = self
                .ring
                .find(place.expected, &mut self.record, &mut self.mark);
            match found {
                Found::Record => {}
                // A second loss in a row waits for the next poll, so that a publisher who laps this
                // subscriber again and again cannot keep it here.
                Found::Missing(_) | Found::Overwritten(_) if !is_behind_loss => {
                    is_behind_loss = true;
                    let to = self.goes_on_at(found);
                    let goes_on = place.lose(to, &mut each);
                    self.gate.advance(to);
                    deliveries += 1;
                    if goes_on {
                        continue;
                    }
                    return deliveries;
                }
                _ => break,
            }
            is_behind_loss = false;
            left -= 1;
            let next = place.expected.next();
            let ready_behind = self.ready_from(next);
            let goes_on = each(Delivery::Record {
                record: &self.record,
                passage: self.ring.marks.is_some().then_some(self.mark.passage),
                ready_behind,
                end_of_batch: ready_behind == 0,
            });
            place.expected = next;
            place.books.taken.handled.add(1);
            self.gate.advance(next);
            deliveries += 1;
            if !goes_on {
                break;
            }
        }
        if deliveries == 0 {
            return self.poll_end(place, each);
        }
        deliveries
    }

    /// Delivers the loss at the very end, once, when the publisher has ended and nothing is left.
    pub(in crate::bus) fn poll_end(
        &self,
        place: &mut Place,
        each: impl FnMut(Delivery<'_, E>) -> bool,
    ) -> usize {
        // In this order: what is not there once the publisher has ended never comes.
        match place.end.next() {
            Some(next) if !self.ring.has(place.expected) => place.finish(next, each),
            _ => 0,
        }
    }

    /// Copies what is ready from `expected` on, at most `limit` records.
    pub(in crate::bus) fn copy(&mut self, expected: Sequence, limit: usize) -> Bulk {
        let mut count = 0;
        let mut number = expected;
        self.bulk_mark = self.mark;
        for record in self.bulk.iter_mut().take(limit) {
            match self.ring.find(number, record, &mut self.bulk_mark) {
                Found::Record => {}
                found @ (Found::Missing(_) | Found::Overwritten(_)) if count == 0 => {
                    return Bulk::Missing(self.goes_on_at(found));
                }
                _ => break,
            }
            count += 1;
            number = number.next();
        }
        Bulk::Records(count)
    }

    /// Lends `count` records that were copied, and what to tell when they are taken.
    pub(in crate::bus) fn lend(&mut self, count: usize) -> (&[Record<E>], Taking<'_>) {
        let taking = Taking {
            gate: &mut self.gate,
            mark: &mut self.mark,
            bulk_mark: self.bulk_mark,
        };
        (&self.bulk[..count], taking)
    }

    /// Returns how many numbers are ready, at most a ring.
    pub(in crate::bus) fn waiting(&self, expected: Sequence) -> usize {
        let slots = &self.ring.slots;
        let numbers = slots.published().saturating_sub(expected.get());
        usize::try_from(numbers).map_or(slots.capacity(), |n| n.min(slots.capacity()))
    }

    /// Tells the producer, in time, that `expected` comes next.
    pub(in crate::bus) fn advance(&mut self, expected: Sequence) {
        self.gate.advance(expected);
    }

    /// Returns how many numbers are ready from `number` on, as far as known. The next slot tells
    /// whether any is, and to ask it brings its line while the record before it is handled; the
    /// publisher's count, a line that is always written, is read once for each batch, and for a
    /// lone record never.
    #[inline]
    fn ready_from(&mut self, number: Sequence) -> usize {
        if !self.ring.has(number) {
            return 0;
        }
        if self.published <= number.get() {
            self.published = self.ring.slots.published();
        }
        let known = self.published.saturating_sub(number.get()).max(1);
        let capacity = self.ring.slots.capacity();
        usize::try_from(known).map_or(capacity, |known| known.min(capacity))
    }

    /// Returns the number at which a loss that was found ends.
    #[cold]
    fn goes_on_at(&mut self, found: Found) -> Sequence {
        let number = match found {
            Found::Missing(to) => return to,
            Found::Overwritten(number) => number,
            Found::Nothing | Found::Record => unreachable!("invariant: something is missing"),
        };
        let to = self.ring.slots.resume(number);
        // That may be in the midst of a piece, whose beginning is overwritten before it is.
        if let Some(marks) = &self.ring.marks {
            let mut words = [0; _];
            if let Ok(true) = self.ring.slots.search(to, marks, &mut words) {
                self.mark = mark(words);
            }
        }
        Sequence::new(to)
    }
}

impl Ring {
    /// Returns whether there is anything in the place of `number`, be it that it is missing.
    #[inline]
    fn has(&self, number: Sequence) -> bool {
        let number = number.get();
        self.slots.look(number) != Look::NotYet
            || number == self.first && number < self.slots.published()
    }

    /// Copies `number`, if it is there, and its mark where `latest` does not apply to it.
    #[inline(always)]
    fn find<E>(&self, number: Sequence, record: &mut Record<E>, latest: &mut PassageMark) -> Found {
        let is_marked = number <= latest.last;
        let number = number.get();
        let stamp = match self.slots.look(number) {
            Look::NotYet if number == self.first => return self.begin(number),
            Look::NotYet => return Found::Nothing,
            Look::Overwritten => return Found::Overwritten(number),
            Look::There(stamp) => stamp,
        };
        let [copied_stamp, body @ ..] = record.words_mut();
        let mut words = [0; _];
        let marks = if is_marked {
            None
        } else {
            self.marks.as_deref()
        };
        let beside = marks.map(|marks| (marks, &mut words));
        if !self.slots.copy(number, stamp, body, beside) {
            return Found::Overwritten(number);
        }
        if stamp == number {
            // Kind 0: a hole.
            return Found::Missing(Sequence::new(body[0]));
        }
        *copied_stamp = stamp;
        if let Some(marks) = marks {
            if !self.slots.covers(&words, number)
                && let Err(overwritten) = self.search(number, marks, &mut words)
            {
                return Found::Overwritten(overwritten);
            }
            *latest = mark(words);
        }
        Found::Record
    }

    /// Finds the mark of a record in the midst of a piece.
    #[cold]
    fn search(&self, number: u64, marks: &Marks, words: &mut [u64; MARK_WORDS]) -> Result<(), u64> {
        let is_found = self.slots.search(number, marks, words)?;
        assert!(is_found, "invariant: a record that is there is in a piece");
        Ok(())
    }

    /// Finds out whether the first number was cleared from the batch that it was attached behind.
    #[cold]
    fn begin(&self, number: u64) -> Found {
        let published = self.slots.published();
        // In this order: what is published and not there never comes.
        if published <= number || self.slots.look(number) != Look::NotYet {
            return Found::Nothing;
        }
        let ring = self.slots.capacity() as u64;
        let to = (published.saturating_sub(ring).max(number + 1)..published)
            .find(|&number| self.slots.look(number) != Look::NotYet)
            .unwrap_or(published);
        Found::Missing(Sequence::new(to))
    }
}

impl Taking<'_> {
    /// Tells that all were taken that are before `expected`.
    pub(in crate::bus) fn end(self, expected: Sequence) {
        *self.mark = self.bulk_mark;
        self.gate.advance(expected);
    }
}

impl Gate {
    /// Publishes how far the subscriber is, if that is a quarter of the ring from where it was.
    #[inline]
    fn advance(&mut self, expected: Sequence) {
        if expected.get() >= self.publish_at {
            self.cursor.publish(expected.get());
            self.publish_at = expected.get() + self.quarter;
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.cursor.publish(Cursor::GONE);
    }
}
