//! Owns reading in bulk: runs of records where they lie in the ring, for who copies them.

use super::broadcast::{Bulk, Taking};
use super::subscriber::{Place, Source};
use super::{Delivery, PassageMark, Subscriber, broadcast, lane};
use crate::record::{Event, Gap, Record, Sequence};
use rtrb::Consumer;
use rtrb::chunks::ReadChunk;
use std::fmt;

impl<E: Event> Subscriber<E> {
    /// Lends the records that are ready, at most `limit` of them, as far as their numbers are
    /// dense: for who copies them in bulk. In a lane they stay where they lie; of the broadcast
    /// ring they are copied, at most 4,096 at once. With [`poll`](Self::poll) the other way to
    /// read a subscription; the two can be mixed.
    ///
    /// Hot path: no allocation, no system call; in a lane, O(1) where no number is missing.
    pub fn ready(&mut self, limit: usize) -> Ready<'_, E> {
        match &mut self.source {
            Source::Lane(lane) => of_lane(lane, &mut self.place, limit),
            Source::Broadcast(ring) => of_broadcast(ring, &mut self.place, limit),
        }
    }
}

fn of_lane<'a, E: Event>(
    lane: &'a mut lane::Consumer<E>,
    place: &'a mut Place,
    limit: usize,
) -> Ready<'a, E> {
    let ready = lane.look();
    if ready == 0 {
        return at_end(|each| lane.poll_end(place, each));
    }
    let Ok(chunk) = lane.ring.read_chunk(ready.min(limit)) else {
        unreachable!("invariant: only this subscriber empties the ring");
    };
    let slices = chunk.as_slices();
    let Some(first) = slices.0.first().map(Record::sequence) else {
        return Ready::Nothing;
    };
    if first != place.expected {
        return missing(place, first);
    }
    let count = dense(slices, first);
    let marks = lane.marks.as_mut();
    Ready::Records(Run {
        records: Records::Lane { chunk, marks },
        count,
        place,
    })
}

fn of_broadcast<'a, E: Event>(
    ring: &'a mut broadcast::Consumer<E>,
    place: &'a mut Place,
    limit: usize,
) -> Ready<'a, E> {
    let count = match ring.copy(place.expected, limit) {
        Bulk::Missing(to) => {
            ring.advance(to);
            return missing(place, to);
        }
        Bulk::Records(0) if limit == 0 => return Ready::Nothing,
        Bulk::Records(0) => return at_end(|each| ring.poll_end(place, each)),
        Bulk::Records(count) => count,
    };
    let (copies, taking) = ring.lend(count);
    Ready::Records(Run {
        records: Records::Copies { copies, taking },
        count,
        place,
    })
}

/// The loss at the very end, if `poll` delivers it.
fn at_end<'a, E: Event>(
    poll: impl FnOnce(&mut dyn FnMut(Delivery<'_, E>) -> bool) -> usize,
) -> Ready<'a, E> {
    let mut lost = None;
    poll(&mut |delivery| {
        if let Delivery::Overrun(gap) = delivery {
            lost = Some(gap);
        }
        true
    });
    lost.map_or(Ready::Nothing, Ready::Overrun)
}

/// The loss before `found`, which counts as taken.
fn missing<'a, E: Event>(place: &mut Place, found: Sequence) -> Ready<'a, E> {
    at_end(|each| usize::from(place.lose(found, each)))
}

/// What a subscriber can take in bulk.
#[derive(Debug)]
pub enum Ready<'a, E: Event> {
    /// Nothing now.
    Nothing,
    /// Records that are missing, as in [`Delivery::Overrun`]; they count as taken.
    Overrun(Gap),
    /// Records with dense numbers.
    Records(Run<'a, E>),
}

/// Records that are ready. Dropped without [`take`](Self::take), they stay in the ring.
pub struct Run<'a, E> {
    records: Records<'a, E>,
    count: usize,
    place: &'a mut Place,
}

enum Records<'a, E> {
    Lane {
        chunk: ReadChunk<'a, Record<E>>,
        marks: Option<&'a mut Consumer<PassageMark>>,
    },
    Copies {
        copies: &'a [Record<E>],
        taking: Taking<'a>,
    },
}

impl<E: Event> Run<'_, E> {
    /// Returns the records, in the order of both slices.
    #[must_use]
    pub fn records(&self) -> [&[Record<E>]; 2] {
        match &self.records {
            Records::Lane { chunk, .. } => {
                let (first, second) = chunk.as_slices();
                let split = self.count.min(first.len());
                [&first[..split], &second[..self.count - split]]
            }
            Records::Copies { copies, .. } => [copies, &[]],
        }
    }

    /// Takes the records out of the ring; they count as handled.
    pub fn take(self) {
        let Self {
            records,
            count,
            place,
        } = self;
        let next = Sequence::new(place.expected.get() + count as u64);
        place.expected = next;
        place.books.taken.handled.add(count as u64);
        match records {
            Records::Lane { chunk, marks } => {
                if let Some(marks) = marks {
                    while marks.peek().is_ok_and(|mark| mark.last < next) {
                        _ = marks.pop();
                    }
                }
                chunk.commit(count);
            }
            Records::Copies { taking, .. } => taking.end(next),
        }
    }
}

impl<E: Event> fmt::Debug for Run<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("first", &self.place.expected)
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
