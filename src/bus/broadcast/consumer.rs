//! Owns a reading end of the ring.

use super::reading::{Lack, Latest, Ring};
use super::slots::Cursor;
use super::{Marks, Slots};
use crate::bus::Delivery;
use crate::bus::subscriber::Place;
use crate::record::{Event, Record, Sequence};
use std::sync::Arc;
use zerocopy::FromZeros;

/// Records that are lent at once where they are taken in bulk: 256 KiB.
const BULK_MAX: usize = 4096;

/// A reading end.
pub(in crate::bus) struct Consumer<E> {
    ring: Ring,
    gate: Gate,
    latest: Latest,
    /// The number after the last that is known to be published, at most a ring from where the last
    /// look was.
    known: u64,
    /// Copies that are lent in bulk.
    bulk: Box<[Record<E>]>,
    /// Where the last of them is.
    bulk_latest: Latest,
}

/// How far the producer may go.
struct Gate {
    cursor: Arc<Cursor>,
    /// The number at which the cursor is published again.
    publish_at: u64,
    quarter: u64,
}

/// What tells that copies were taken.
pub(in crate::bus) struct Taking<'a> {
    gate: &'a mut Gate,
    latest: &'a mut Latest,
    bulk_latest: Latest,
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
        let latest = Latest {
            last,
            passage: None,
        };
        Self {
            ring: Ring { slots, marks },
            gate: Gate {
                cursor,
                publish_at: first.get() + quarter,
                quarter,
            },
            latest,
            known: first.get(),
            bulk: bulk.into(),
            bulk_latest: latest,
        }
    }

    /// Hot path: no allocation, no system call.
    pub(in crate::bus) fn poll_while(
        &mut self,
        place: &mut Place,
        limit: usize,
        mut each: impl FnMut(Delivery<'_, E>) -> bool,
    ) -> usize {
        // Not more than a ring at once, however fast the publisher is.
        let mut left = limit.min(self.ring.slots.capacity());
        let mut deliveries = 0;
        let mut is_behind_loss = false;
        while left > 0 {
            let (given, lack) = self.give(place, left, &mut each);
            deliveries += given;
            left -= given;
            // A second loss in a row waits for the next poll, so that a publisher who laps this
            // subscriber again and again cannot keep it here.
            if is_behind_loss && given == 0 {
                break;
            }
            let Some(to) = lack.and_then(|lack| self.ring.end_of(lack, &mut self.latest)) else {
                break;
            };
            is_behind_loss = true;
            let goes_on = place.lose(to, &mut each);
            self.gate.advance(to);
            deliveries += 1;
            if !goes_on {
                return deliveries;
            }
        }
        if deliveries == 0 {
            return self.poll_end(place, each);
        }
        deliveries
    }

    /// Gives records up to one that is not there, `limit` of them, or one that `each` returns false
    /// for. Returns how many, and what is missing behind them in the first case.
    #[inline(always)]
    fn give(
        &mut self,
        place: &mut Place,
        limit: usize,
        each: &mut impl FnMut(Delivery<'_, E>) -> bool,
    ) -> (usize, Option<Lack>) {
        let Self {
            ring,
            gate,
            latest,
            known,
            ..
        } = self;
        let view = ring.slots.view();
        let mut record = Record::new_zeroed();
        for given in 0..limit {
            let number = place.expected;
            // As in `Ring::copy`, but each way out from where it is found: joined to one and told
            // apart again, they are a sixth of the instructions (`cargo bench --bench
            // instructions`, poll).
            if latest.last < number
                && let Err(lack) = ring.copy_mark(number.get(), latest)
            {
                return (given, Some(lack));
            }
            let [stamp, body @ ..] = record.words_mut();
            match view.copy(number.get(), body) {
                Ok(copied) => *stamp = copied,
                Err(look) => return (given, Some(ring.lack(number.get(), look))),
            }
            let next = number.next();
            let ready_behind = if next.get() < *known {
                *known - next.get()
            } else {
                ring.look_behind(next.get(), known)
            };
            let goes_on = each(Delivery::Record {
                record: &record,
                passage: latest.passage,
                ready_behind: usize::try_from(ready_behind).unwrap_or(usize::MAX),
                end_of_batch: ready_behind == 0,
            });
            place.expected = next;
            place.books.taken.handled.add(1);
            gate.advance(next);
            if !goes_on {
                return (given + 1, None);
            }
        }
        (limit, None)
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
        match self.copy_dense(expected, limit) {
            (0, Some(lack)) => match self.ring.end_of(lack, &mut self.latest) {
                Some(to) => Bulk::Missing(to),
                None => Bulk::Records(0),
            },
            (count, _) => Bulk::Records(count),
        }
    }

    /// Copies records from `expected` on up to one that is not there, and says why it is not.
    fn copy_dense(&mut self, expected: Sequence, limit: usize) -> (usize, Option<Lack>) {
        let view = self.ring.slots.view();
        let mut count = 0;
        let mut number = expected;
        self.bulk_latest = self.latest;
        for record in self.bulk.iter_mut().take(limit) {
            if let Err(lack) = self.ring.copy(view, number, record, &mut self.bulk_latest) {
                return (count, Some(lack));
            }
            count += 1;
            number = number.next();
        }
        (count, None)
    }

    /// Shows what is ready from `expected` on, and leaves all that tells where this end is as it
    /// was.
    pub(in crate::bus) fn peek(
        &mut self,
        expected: Sequence,
        limit: usize,
        mut show: impl FnMut(&[Record<E>]),
    ) {
        let (count, _) = self.copy_dense(expected, limit);
        if count > 0 {
            show(&self.bulk[..count]);
        }
    }

    /// Lends `count` records that were copied, and what to tell when they are taken.
    pub(in crate::bus) fn lend(&mut self, count: usize) -> (&[Record<E>], Taking<'_>) {
        let taking = Taking {
            gate: &mut self.gate,
            latest: &mut self.latest,
            bulk_latest: self.bulk_latest,
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
}

impl Taking<'_> {
    /// Tells that all were taken that are before `expected`.
    pub(in crate::bus) fn end(self, expected: Sequence) {
        *self.latest = self.bulk_latest;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::broadcast::mark_words;
    use crate::bus::{Books, End, Passage, PassageMark};
    use crate::market::MarketEvent;

    /// Where the passage of a record was overwritten before the record itself, which only a race
    /// brings about, the record is lost, whether what is ready was shown before or not.
    #[test]
    fn showing_what_is_ready_changes_nothing_where_a_passage_is_lost() {
        let give = |peeks| {
            let slots = Arc::new(Slots::new(8, 1));
            let marks = Arc::new(Marks::new(8));
            let put = |number: u64, mark: Option<PassageMark>| {
                let words = mark.map(|mark| mark_words(&mark));
                let words = words.as_ref().map(|words| (&*marks, words));
                slots.write(number, 1 << 56 | number, &[number; _], words);
            };
            let mark = |first, last| PassageMark {
                last: Sequence::new(last),
                passage: Passage {
                    seen_ns: 100 + first,
                    ..Passage::default()
                },
            };
            for first in [1, 3, 5, 7, 9, 11, 13] {
                put(first + 1, None);
                put(first, Some(mark(first, first + 1)));
                slots.publish(first + 2);
            }
            // Over the mark of 7, and not yet over 8.
            put(15, Some(mark(15, 15)));
            let first = Sequence::new(8);
            let cursor = Arc::new(Cursor::new(8));
            let mut consumer = Consumer::<MarketEvent>::new(
                Arc::clone(&slots),
                Some(marks.clone()),
                cursor,
                first,
            );
            let mut place = Place {
                expected: first,
                books: Arc::new(Books::of_broadcast(Arc::clone(&slots))),
                end: Arc::new(End::default()),
            };
            if peeks {
                consumer.peek(place.expected, 64, |records| panic!("{records:?}"));
            }
            let mut given = Vec::new();
            consumer.poll_while(&mut place, 64, |delivery| {
                given.push(match delivery {
                    Delivery::Record {
                        record, passage, ..
                    } => (record.sequence().get(), passage.map(|p| p.seen_ns)),
                    Delivery::Overrun(gap) => (gap.last, None),
                });
                true
            });
            given
        };
        let given = give(false);
        assert_eq!(given[..2], [(10, None), (11, Some(111))]);
        assert_eq!(give(true), given);
    }
}
