//! Owns the writing end: one batch, copied into each subscriber's ring.

use super::{Books, Contract, End, Passage, PassageMark, Subscriber, Subscription};
use crate::error::Result;
use crate::record::{Batch, Event, Record, Sequence};
use rtrb::{Producer, RingBuffer};
use std::fmt;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The writing end of a bus.
///
/// # Examples
///
/// ```
/// use ringtape::bus::{Delivery, Passage, Publisher, Subscription};
/// use ringtape::market::MarketEvent;
/// use ringtape::record::{Content, Gap, GapCause};
///
/// let mut publisher = Publisher::<MarketEvent>::new(64);
/// let mut subscriber = publisher.subscribe(Subscription::default())?;
///
/// let gap = Gap { first: 1, last: 3, cause: GapCause::Absent, feed: 1 };
/// publisher.batch().push_gap(0, gap);
/// assert!(publisher.commit(Passage::default()));
///
/// let delivered = subscriber.poll(16, |delivery| match delivery {
///     Delivery::Record { record, .. } => assert_eq!(record.content(), Content::Gap(gap)),
///     Delivery::Overrun(_) => unreachable!(),
/// });
/// assert_eq!(delivered, 1);
/// # Ok::<(), ringtape::error::Error>(())
/// ```
pub struct Publisher<E: Event> {
    batch: Batch<E>,
    lanes: Vec<Lane<E>>,
    end: Arc<End>,
}

/// One subscriber as the publisher sees it.
struct Lane<E> {
    ring: Producer<Record<E>>,
    passages: Option<Producer<PassageMark>>,
    contract: Contract,
    books: Arc<Books>,
    /// The first number that this lane is not done with. A number and not a place in the batch, so
    /// that emptying the batch leaves the lanes alone.
    done: Sequence,
}

impl<E: Event> Publisher<E> {
    /// Makes a bus without subscribers whose batch holds up to `batch_capacity` records.
    #[must_use]
    pub fn new(batch_capacity: usize) -> Self {
        Self::starting_at(Sequence::FIRST, batch_capacity)
    }

    /// Makes a bus whose first record has the number `first`: the one that a journal goes on with.
    #[must_use]
    pub fn starting_at(first: Sequence, batch_capacity: usize) -> Self {
        Self {
            batch: Batch::starting_at(first, batch_capacity),
            lanes: Vec::new(),
            end: Arc::default(),
        }
    }

    /// Attaches a subscriber; it gets every record that is numbered from now on. Allocates the
    /// ring and touches all of its memory, so that no record meets a page fault.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::error::Error::Config) for a capacity of zero or of more than 2²⁴
    /// records.
    pub fn subscribe(&mut self, subscription: Subscription) -> Result<Subscriber<E>> {
        subscription.check()?;
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
        let books = Arc::<Books>::default();
        books.given.first.set(self.batch.next_sequence().get());
        self.lanes.push(Lane {
            ring,
            passages: mark_producer,
            contract: subscription.contract,
            books: Arc::clone(&books),
            done: self.batch.next_sequence(),
        });
        Ok(Subscriber {
            ring: consumer,
            marks: mark_consumer,
            mark: PassageMark {
                last: Sequence::default(),
                passage: Passage::default(),
            },
            expected: self.batch.next_sequence(),
            books,
            end: Arc::clone(&self.end),
        })
    }

    /// Returns the number that the next record will get.
    #[must_use]
    pub fn next_sequence(&self) -> Sequence {
        self.batch.next_sequence()
    }

    /// Lets the bus begin with the number `first`: the one that a journal goes on with. Returns
    /// false, and changes nothing, where it has begun or has subscribers already.
    pub(crate) fn begin_at(&mut self, first: Sequence) -> bool {
        let next = self.batch.next_sequence();
        if next == first {
            return true;
        }
        let untouched = self.lanes.is_empty() && self.batch.records().is_empty();
        if untouched && next == Sequence::FIRST {
            let capacity = self.batch.room();
            self.batch = Batch::starting_at(first, capacity);
        }
        self.batch.next_sequence() == first
    }

    /// Returns the batch to write to. What is written becomes visible with the next
    /// [`commit`](Self::commit); what is cleared before it is an overrun for everyone.
    pub fn batch(&mut self) -> &mut Batch<E> {
        &mut self.batch
    }

    /// Hands the batch to every subscriber, with one release store each, and empties it. Returns
    /// false if a lossless subscriber's ring is too full for the rest: then there is a backlog,
    /// and the caller commits again before it takes in more.
    ///
    /// Hot path: no allocation, no system call, no waiting.
    #[must_use = "a backlog means: take in nothing more before it is gone"]
    pub fn commit(&mut self, passage: Passage) -> bool {
        self.commit_timed(passage, || passage.published_ns)
    }

    /// As [`commit`](Self::commit), with a reading of the clock (`now_ns`) for each subscriber that
    /// wants passages and is served behind another: `passage` says when the first is.
    ///
    /// Hot path: no allocation, no waiting, no system call but those of `now_ns`.
    #[must_use = "a backlog means: take in nothing more before it is gone"]
    pub fn commit_timed(&mut self, mut passage: Passage, mut now_ns: impl FnMut() -> u64) -> bool {
        let (records, next) = (self.batch.records(), self.batch.next_sequence());
        let mut all_done = true;
        // Whether a ring was filled since the latest reading.
        let mut filled = false;
        for lane in &mut self.lanes {
            let done = lane.done;
            if filled && lane.passages.is_some() && done != next {
                passage.published_ns = now_ns();
                filled = false;
            }
            lane.hand_over(records, next, passage);
            filled |= lane.done != done;
            all_done &= lane.done == next;
        }
        if all_done {
            self.batch.clear();
        }
        all_done
    }

    /// Returns whether any subscriber wants each datagram's [`Passage`]: if none does, the reading
    /// of the clock behind it can be saved.
    #[must_use]
    pub fn wants_passages(&self) -> bool {
        self.lanes.iter().any(|lane| lane.passages.is_some())
    }

    /// Returns whether records wait for room in a lossless subscriber's ring.
    #[must_use]
    pub fn has_backlog(&self) -> bool {
        !self.batch.records().is_empty()
    }
}

impl<E: Event> Lane<E> {
    /// Hands over what the lane is not done with of `records`, the last of which is the one before
    /// `next`.
    fn hand_over(&mut self, records: &[Record<E>], next: Sequence, passage: Passage) {
        let waiting = usize::try_from(next.get() - self.done.get()).unwrap_or(usize::MAX);
        // Fewer are there when the batch was cleared during a backlog: those are lost.
        let rest = &records[records.len().saturating_sub(waiting)..];
        if rest.is_empty() {
            self.done = next;
            return;
        }
        let given = &self.books.given;
        if self.ring.is_abandoned() {
            given.after_end.add(rest.len() as u64);
            self.done = next;
            return;
        }
        let fits = self.room_for(rest.len());
        if fits == 0 && self.contract() == Contract::Lossless {
            return;
        }
        if let (Some(passages), Some(last)) = (&mut self.passages, rest[..fits].last()) {
            // Before the records, whose release store then covers the mark as well.
            let mark = PassageMark {
                last: last.sequence(),
                passage,
            };
            assert!(
                passages.push(mark).is_ok(),
                "invariant: every mark in its ring stands for a record in the other"
            );
        }
        let Ok(chunk) = self.ring.write_chunk_uninit(fits) else {
            unreachable!("invariant: only this publisher fills the ring");
        };
        // Record by record, not as one slice: `memcpy` stalls on lines that the subscriber's core
        // holds, where separate stores go on. What the compiler makes of this loop matters: loads
        // wider than the stores that have just written the batch wait for those to leave the store
        // buffer, behind the ring's own misses. `cargo bench --bench bus` (stream) tells: 0.9 of
        // bare rtrb when they forward, 0.2 when they wait.
        chunk.fill_from_iter(rest[..fits].iter().copied());
        given.handed.add(fits as u64);
        let left = (rest.len() - fits) as u64;
        self.done = Sequence::new(next.get() - left);
        if left > 0 && self.contract() == Contract::Lossy {
            // Their numbers are spent all the same: the hole is how the subscriber learns of it.
            given.overrun.add(left);
            self.done = next;
        }
    }
}

impl<E> Lane<E> {
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

impl<E: Event> Drop for Publisher<E> {
    /// Ends the bus. Subscribers get what is in their rings, then learn the final number, so that
    /// a loss at the very end is not invisible.
    fn drop(&mut self) {
        // A backlog that was never committed is not lost without a trace either: it is numbered,
        // so it counts as an overrun on both sides.
        let waiting = self.batch.records().len() as u64;
        let next = self.batch.next_sequence();
        for lane in &self.lanes {
            let given = &lane.books.given;
            let gone = lane.ring.is_abandoned();
            let count = if gone {
                &given.after_end
            } else {
                &given.overrun
            };
            count.add((next.get() - lane.done.get()).min(waiting));
            given.end.set(next.get());
        }
        // Release pairs with the acquire in `Subscriber::poll`; the rings are dropped after it.
        self.end.next.store(next.get(), Ordering::Release);
    }
}

impl<E: Event> fmt::Debug for Publisher<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("next", &self.batch.next_sequence())
            .field("subscribers", &self.lanes.len())
            .finish_non_exhaustive()
    }
}

/// Writes the whole ring once, so that its pages are there before the first record.
fn touch<T: Copy>(ring: &mut Producer<T>) {
    let capacity = ring.buffer().capacity();
    if let Ok(mut chunk) = ring.write_chunk_uninit(capacity) {
        // Zeros, not `uninit`: the compiler may leave out a write of nothing. The chunk is
        // dropped without a commit and the slots stay empty.
        let (first, second) = chunk.as_mut_slices();
        first.fill(MaybeUninit::zeroed());
        second.fill(MaybeUninit::zeroed());
    }
}
