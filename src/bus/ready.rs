//! Owns reading in bulk: runs of records where they lie in the ring, for who copies them.

use super::{Delivery, PassageMark, Subscriber, Taken, overrun};
use crate::record::{Event, Gap, Record, Sequence};
use rtrb::Consumer;
use rtrb::chunks::ReadChunk;
use std::fmt;

impl<E: Event> Subscriber<E> {
    /// Lends the records that are ready as they lie in the ring, at most `limit` of them, as far as
    /// their numbers are dense: for who copies them in bulk. With [`poll`](Self::poll) the other
    /// way to read a subscription; the two can be mixed.
    ///
    /// Hot path: no allocation, no system call, O(1) where no number is missing.
    pub fn ready(&mut self, limit: usize) -> Ready<'_, E> {
        let ready = match self.ring.cached_slots() {
            0 => self.ring.slots(),
            cached => cached,
        };
        if ready == 0 {
            let mut lost = None;
            self.poll_end(|delivery| {
                if let Delivery::Overrun(gap) = delivery {
                    lost = Some(gap);
                }
            });
            return lost.map_or(Ready::Nothing, Ready::Overrun);
        }
        let Ok(chunk) = self.ring.read_chunk(ready.min(limit)) else {
            unreachable!("invariant: only this subscriber empties the ring");
        };
        let slices = chunk.as_slices();
        let Some(first) = slices.0.first().map(Record::sequence) else {
            return Ready::Nothing;
        };
        if first != self.expected {
            let gap = overrun(self.expected, first);
            self.books.taken.overrun.add(gap.count());
            self.expected = first;
            return Ready::Overrun(gap);
        }
        let count = dense(slices, first);
        Ready::Records(Run {
            chunk,
            count,
            expected: &mut self.expected,
            marks: self.marks.as_mut(),
            taken: &self.books.taken,
        })
    }
}

/// What a subscriber can take in bulk.
#[derive(Debug)]
pub enum Ready<'a, E: Event> {
    /// Nothing now.
    Nothing,
    /// Records that this subscriber's ring had no room for; they count as taken.
    Overrun(Gap),
    /// Records with dense numbers.
    Records(Run<'a, E>),
}

/// Records that are ready, still in the ring. Dropped without [`take`](Self::take), they stay.
pub struct Run<'a, E> {
    chunk: ReadChunk<'a, Record<E>>,
    count: usize,
    expected: &'a mut Sequence,
    marks: Option<&'a mut Consumer<PassageMark>>,
    taken: &'a Taken,
}

impl<E: Event> Run<'_, E> {
    /// Returns the records, in the order of both slices.
    #[must_use]
    pub fn records(&self) -> [&[Record<E>]; 2] {
        let (first, second) = self.chunk.as_slices();
        let split = self.count.min(first.len());
        [&first[..split], &second[..self.count - split]]
    }

    /// Takes the records out of the ring; they count as handled.
    pub fn take(self) {
        let count = self.count as u64;
        *self.expected = Sequence::new(self.expected.get() + count);
        if let Some(marks) = self.marks {
            while marks.peek().is_ok_and(|mark| mark.last < *self.expected) {
                _ = marks.pop();
            }
        }
        self.taken.handled.add(count);
        self.chunk.commit(self.count);
    }
}

impl<E: Event> fmt::Debug for Run<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("first", &self.expected)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// How many records have the numbers from `first` on without one missing. Numbers only rise, so
/// the last one tells unless there is a hole.
fn dense<E: Event>((head, tail): (&[Record<E>], &[Record<E>]), first: Sequence) -> usize {
    let count = head.len() + tail.len();
    let in_place = |(index, record): (usize, &Record<E>)| {
        record.sequence().get() == first.get() + index as u64
    };
    if tail
        .last()
        .or(head.last())
        .is_some_and(|last| in_place((count - 1, last)))
    {
        return count;
    }
    head.iter()
        .chain(tail)
        .enumerate()
        .take_while(|&item| in_place(item))
        .count()
}
