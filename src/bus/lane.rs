//! Owns the lane: an `rtrb` ring of one subscriber's own, with its passages beside it.

use super::subscriber::Place;
use super::{Books, Contract, Delivery, Passage, PassageMark, Subscription};
use crate::record::{Event, Record, Sequence};
use rtrb::RingBuffer;
use rtrb::chunks::ReadChunk;
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::sync::Arc;

/// The writing end: one subscriber as the publisher sees it.
pub(super) struct Producer<E> {
    ring: rtrb::Producer<Record<E>>,
    passages: Option<rtrb::Producer<PassageMark>>,
    contract: Contract,
    books: Arc<Books>,
    /// The first number that this lane is not done with. A number and not a place in the batch, so
    /// that emptying the batch leaves the lanes alone.
    done: Sequence,
}

/// The reading end.
pub(super) struct Consumer<E> {
    pub(super) ring: rtrb::Consumer<Record<E>>,
    pub(super) marks: Option<rtrb::Consumer<PassageMark>>,
    /// The latest mark taken; applies to the records up to its `last`.
    mark: PassageMark,
}

/// Makes a lane whose first record will be `first`, and touches all of its memory.
pub(super) fn make<E: Event>(
    subscription: Subscription,
    first: Sequence,
    books: &Arc<Books>,
) -> (Producer<E>, Consumer<E>) {
    let capacity = subscription.capacity;
    let (mut ring, consumer) = RingBuffer::new(capacity);
    touch(&mut ring);
    // A mark stands for at least one record in the ring, so as many marks as records suffice.
    let (mark_producer, mark_consumer) = if subscription.passages {
        let (mut producer, consumer) = RingBuffer::new(capacity);
        touch(&mut producer);
        (Some(producer), Some(consumer))
    } else {
        (None, None)
    };
    let producer = Producer {
        ring,
        passages: mark_producer,
        contract: subscription.contract,
        books: Arc::clone(books),
        done: first,
    };
    let consumer = Consumer {
        ring: consumer,
        marks: mark_consumer,
        mark: PassageMark {
            last: Sequence::default(),
            passage: Passage::default(),
        },
    };
    (producer, consumer)
}

impl<E: Event> Producer<E> {
    /// Hands over what the lane is not done with of `records`, the last of which is the one before
    /// `next`. Returns whether it is done with all.
    ///
    /// Hot path: no allocation, no system call.
    pub(super) fn hand_over(
        &mut self,
        records: &[Record<E>],
        next: Sequence,
        passage: &Passage,
    ) -> bool {
        let waiting = usize::try_from(next.get() - self.done.get()).unwrap_or(usize::MAX);
        // Fewer are there when the batch was cleared during a backlog: those are lost.
        let rest = &records[records.len().saturating_sub(waiting)..];
        if rest.is_empty() {
            self.done = next;
            return true;
        }
        let given = &self.books.given;
        if self.ring.is_abandoned() {
            given.after_end.add(rest.len() as u64);
            self.done = next;
            return true;
        }
        let fits = self.room_for(rest.len());
        if fits == 0 && self.contract() == Contract::Lossless {
            return false;
        }
        if let (Some(passages), Some(last)) = (&mut self.passages, rest[..fits].last()) {
            // Before the records, whose release store then covers the mark as well.
            let mark = PassageMark {
                last: last.sequence(),
                passage: *passage,
            };
            assert!(
                passages.push(mark).is_ok(),
                "invariant: every mark in its ring stands for a record in the other"
            );
        }
        write(&mut self.ring, &rest[..fits]);
        given.handed.add(fits as u64);
        let left = (rest.len() - fits) as u64;
        self.done = Sequence::new(next.get() - left);
        if left > 0 && self.contract() == Contract::Lossy {
            // Their numbers are spent all the same: the hole is how the subscriber learns of it.
            given.overrun.add(left);
            self.done = next;
        }
        self.done == next
    }
}

/// Writes records for which there is room.
#[inline(always)]
fn write<E: Event>(ring: &mut rtrb::Producer<Record<E>>, records: &[Record<E>]) {
    // Most datagrams bring one message, and a chunk of one costs more than all the rest of it.
    if let [record] = records {
        let pushed = ring.push(*record).is_ok();
        assert!(pushed, "invariant: only this publisher fills the ring");
        return;
    }
    let Ok(chunk) = ring.write_chunk_uninit(records.len()) else {
        unreachable!("invariant: only this publisher fills the ring");
    };
    // Record by record, not as one slice: `memcpy` stalls on lines that the subscriber's core holds,
    // where separate stores go on. What the compiler makes of this loop matters: loads wider than the
    // stores that have just written the batch wait for those to leave the store buffer, behind the
    // ring's own misses. `cargo bench --bench bus` (stream) tells: 0.9 of bare rtrb when they
    // forward, 0.2 when they wait.
    chunk.fill_from_iter(records.iter().copied());
}

impl<E> Producer<E> {
    /// Returns the first number that this lane is not done with.
    pub(super) fn done(&self) -> Sequence {
        self.done
    }

    pub(super) fn wants_passages(&self) -> bool {
        self.passages.is_some()
    }

    /// Ends the lane before the number `next`. At most the last `waiting` were not handed over.
    pub(super) fn end(&self, next: Sequence, waiting: u64) {
        let given = &self.books.given;
        let count = if self.ring.is_abandoned() {
            &given.after_end
        } else {
            &given.overrun
        };
        count.add((next.get() - self.done.get()).min(waiting));
        given.end.set(next.get());
    }

    fn contract(&self) -> Contract {
        if self.books.is_lossless() {
            return Contract::Lossless;
        }
        self.contract
    }

    /// Returns how many of `wanted` records to hand over now.
    fn room_for(&self, wanted: usize) -> usize {
        if self.ring.cached_slots() >= wanted {
            return wanted;
        }
        let slots = self.ring.slots().min(wanted);
        // A publisher that waits fills a nearly full ring record by record, and pays a cache miss
        // for each, unless it waits for a piece that is worth one. `cargo bench --bench bus`
        // (stream) shows the difference.
        let worthwhile = wanted.min((self.ring.buffer().capacity() / 2).max(1));
        match self.contract() {
            Contract::Lossless if slots < worthwhile => 0,
            _ => slots,
        }
    }
}

impl<E: Event> Consumer<E> {
    /// Returns how many records are ready. Reads the line that the publisher writes only when the
    /// last look is used up.
    pub(super) fn look(&self) -> usize {
        match self.ring.cached_slots() {
            0 => self.ring.slots(),
            cached => cached,
        }
    }

    /// Shows what is ready.
    pub(super) fn peek(&mut self, limit: usize, mut show: impl FnMut(&[Record<E>])) {
        let ready = self.look().min(limit);
        let Ok(chunk) = self.ring.read_chunk(ready) else {
            unreachable!("invariant: only this subscriber empties the ring");
        };
        let (first, second) = chunk.as_slices();
        for records in [first, second] {
            if !records.is_empty() {
                show(records);
            }
        }
    }

    /// Hot path: no allocation, no system call.
    pub(super) fn poll_while(
        &mut self,
        place: &mut Place,
        limit: usize,
        mut each: impl FnMut(Delivery<'_, E>) -> bool,
    ) -> usize {
        let ready = self.look();
        if ready == 0 {
            return self.poll_end(place, each);
        }
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
            if sequence != place.expected {
                let goes_on = place.lose(sequence, &mut each);
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
            place.expected = sequence.next();
            taking.handled.set(taking.handled.get() + 1);
            place.books.taken.handled.add(1);
            deliveries += 1;
            if !goes_on {
                break;
            }
        }
        deliveries
    }

    /// Delivers the loss at the very end, once, when the publisher has gone and the ring is empty.
    pub(super) fn poll_end(
        &self,
        place: &mut Place,
        each: impl FnMut(Delivery<'_, E>) -> bool,
    ) -> usize {
        // `is_abandoned` acquires what the publisher did before it dropped the ring, so a ring
        // that is empty after it stays empty, and the final number is there.
        if !self.ring.is_abandoned() || self.ring.slots() > 0 {
            return 0;
        }
        let next = place.end.next();
        place.finish(
            next.expect("invariant: a publisher ends its bus first"),
            each,
        )
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

/// Writes the whole ring once, so that its pages are there before the first record.
fn touch<T: Copy>(ring: &mut rtrb::Producer<T>) {
    let capacity = ring.buffer().capacity();
    if let Ok(mut chunk) = ring.write_chunk_uninit(capacity) {
        // Zeros, not `uninit`: the compiler may leave out a write of nothing. The chunk is
        // dropped without a commit and the slots stay empty.
        let (first, second) = chunk.as_mut_slices();
        first.fill(MaybeUninit::zeroed());
        second.fill(MaybeUninit::zeroed());
    }
}
