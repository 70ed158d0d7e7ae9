//! Owns the bus: one publisher, one total order, one `rtrb` ring for each subscriber.
//!
//! A slow subscriber can hurt only itself, unless it was attached as [`Contract::Lossless`]. Each
//! record is copied once into each ring, because a ring with many readers would couple them.
//!
//! Nothing here blocks and nothing reads a clock: a full ring of a lossless subscriber leaves a
//! *backlog*, and whoever drives the publisher does not take in more until it is gone. So a
//! publisher and its slowest subscriber can share one thread.
//!
//! ```text
//!             ┌ batch: numbered, not yet handed over ┐    ring        ┌────────────┐
//!  feed ────► │ 4711 4712 4713                       │ ══════════════► Subscriber │
//!             └──────────────────────────────────────┘ ══════════════► Subscriber │
//!                       Publisher::commit                             └────────────┘
//! ```

use crate::counters::Counter;
use crate::error::{Error, Result};
use crate::record::{Batch, Event, Gap, GapCause, Record, Sequence};
use crossbeam_utils::CachePadded;
use rtrb::chunks::ReadChunk;
use rtrb::{Consumer, Producer, RingBuffer};
use std::cell::Cell;
use std::fmt;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The largest ring: 2²⁴ records are 1 GiB.
pub const CAPACITY_MAX: usize = 1 << 24;

/// What happens when a subscriber's ring is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contract {
    /// The publisher never waits. What does not fit is lost to this subscriber, who sees it
    /// in-band as [`Delivery::Overrun`].
    Lossy,
    /// The publisher waits, and with it the feed: the kernel's socket buffer absorbs.
    Lossless,
}

/// When the datagram behind some records passed the ingest stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Passage {
    /// UNIX nanoseconds at which its batch was seen.
    pub seen_ns: u64,
    /// UNIX nanoseconds at which its records were committed.
    pub published_ns: u64,
}

/// A passage and the last record that it applies to.
#[derive(Clone, Copy, Debug)]
struct PassageMark {
    last: Sequence,
    passage: Passage,
}

/// How a subscriber is attached.
#[derive(Clone, Copy, Debug)]
pub struct Subscription {
    /// What happens when the ring is full.
    pub contract: Contract,
    /// Records that the ring holds; each takes 64 bytes.
    pub capacity: usize,
    /// Whether each datagram's [`Passage`] travels beside its records, for the hops of a latency
    /// report. Costs a second, smaller ring and one more commit for each datagram.
    pub passages: bool,
}

impl Subscription {
    /// Sees that it can be attached.
    pub(crate) fn check(&self) -> Result<()> {
        if (1..=CAPACITY_MAX).contains(&self.capacity) {
            return Ok(());
        }
        Err(Error::config(
            format!("a ring of {} records", self.capacity),
            format!("choose between 1 and {CAPACITY_MAX}; 16384 is usual"),
        ))
    }
}

impl Default for Subscription {
    /// Lossy, 16,384 records (1 MiB), with passages.
    fn default() -> Self {
        Self {
            contract: Contract::Lossy,
            capacity: 16_384,
            passages: true,
        }
    }
}

/// What one subscription's publisher side has done; the other half of the books is
/// [`Taken`]. Written by the publisher.
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
}

impl Books {
    /// Returns the account of the subscription. Final once publisher and subscriber have ended.
    #[must_use]
    pub fn account(&self) -> Account {
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
}

/// One subscription's part of the loss ledger: `published = handled + overrun + left_behind`.
///
/// `published` comes from the numbers of the bus, `overrun` and `left_behind` from what the
/// publisher counted as it handed records over, `handled` and `overrun_seen` from what the
/// subscriber counted as it took them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Records that were numbered while this subscription lasted.
    pub published: u64,
    /// Records that were delivered.
    pub handled: u64,
    /// Records that did not fit the ring, as the publisher counted them.
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

/// Shared by a publisher and its subscribers.
#[derive(Debug, Default)]
struct End {
    /// The number after the last record, once the publisher has ended; 0 before.
    next: AtomicU64,
}

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
    /// [`Error::Config`] for a capacity of zero or of more than 2²⁴ records.
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
        let (records, next) = (self.batch.records(), self.batch.next_sequence());
        let mut all_done = true;
        for lane in &mut self.lanes {
            lane.hand_over(records, next, passage);
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
        if fits == 0 && self.contract == Contract::Lossless {
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
        if self.contract == Contract::Lossy && left > 0 {
            // Their numbers are spent all the same: the hole is how the subscriber learns of it.
            given.overrun.add(left);
            self.done = next;
        }
    }
}

impl<E> Lane<E> {
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
        match self.contract {
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

/// What a subscriber is given.
#[derive(Debug)]
pub enum Delivery<'a, E: Event> {
    /// A record.
    Record {
        /// The record, still in the ring.
        record: &'a Record<E>,
        /// When its datagram passed the ingest stage, where the subscription asked for it.
        passage: Option<Passage>,
        /// True on the last record that is ready now.
        end_of_batch: bool,
    },
    /// Records that this subscriber's ring had no room for. Comes before the record after them.
    Overrun(Gap),
}

/// A reading end of a bus.
pub struct Subscriber<E> {
    ring: Consumer<Record<E>>,
    marks: Option<Consumer<PassageMark>>,
    /// The latest mark taken; applies to the records up to its `last`.
    mark: PassageMark,
    /// The number that comes next if nothing is missing.
    expected: Sequence,
    books: Arc<Books>,
    end: Arc<End>,
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
        // `slots` reads the line that the publisher writes: only when the last look is used up.
        let ready = match self.ring.cached_slots() {
            0 => self.ring.slots(),
            cached => cached,
        };
        if ready == 0 {
            return self.poll_end(each);
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
                each(Delivery::Overrun(gap));
                taken.overrun.add(gap.count());
                self.expected = sequence;
                deliveries += 1;
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
            each(Delivery::Record {
                record,
                passage,
                end_of_batch: left == 0,
            });
            self.expected = sequence.next();
            taking.handled.set(taking.handled.get() + 1);
            taken.handled.add(1);
            deliveries += 1;
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

    /// Delivers the loss at the very end, once, when the publisher has gone and the ring is empty.
    fn poll_end(&mut self, mut each: impl FnMut(Delivery<'_, E>)) -> usize {
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

/// The records from `expected` up to, but without, `found`.
fn overrun(expected: Sequence, found: Sequence) -> Gap {
    assert!(
        expected < found,
        "invariant: a ring keeps the order of its bus"
    );
    Gap {
        first: expected.get(),
        last: found.get() - 1,
        cause: GapCause::Overrun,
        feed: 0,
    }
}

#[cfg(test)]
mod tests;
