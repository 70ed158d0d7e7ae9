//! Owns the writing end: one batch, copied into each subscriber's lane, and once into the
//! broadcast ring.

use super::subscriber::{Place, Source};
use super::{Books, End, Passage, Ring, Subscriber, Subscription, broadcast, lane};
use crate::error::Result;
use crate::record::{Batch, Event, Sequence};
use std::fmt;
use std::sync::Arc;

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
    /// Made by the first subscriber that asks for it.
    broadcast: Option<broadcast::Producer>,
    lanes: Vec<lane::Producer<E>>,
    end: Arc<End>,
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
            broadcast: None,
            lanes: Vec::new(),
            end: Arc::default(),
        }
    }

    /// Attaches a subscriber; it gets every record that is numbered from now on. Allocates the
    /// ring and touches all of its memory, so that no record meets a page fault. The broadcast
    /// ring is made by the first subscription to it; those after it share it.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::error::Error::Config) for a capacity of zero or of more than 2²⁴
    /// records, and for one that the broadcast ring, being there already, does not have.
    pub fn subscribe(&mut self, subscription: Subscription) -> Result<Subscriber<E>> {
        subscription.check("a subscription")?;
        let first = self.batch.next_sequence();
        let (source, books) = match subscription.ring {
            Ring::Lane => {
                let books = Arc::<Books>::default();
                let (producer, consumer) = lane::make(subscription, first, &books);
                self.lanes.push(producer);
                (Source::Lane(consumer), books)
            }
            Ring::Broadcast => {
                let make = || broadcast::Producer::new(subscription.capacity, first);
                let ring = self.broadcast.get_or_insert_with(make);
                let (consumer, books) = ring.attach(subscription, first)?;
                (Source::Broadcast(consumer), books)
            }
        };
        books.given.first.set(first.get());
        let place = Place {
            expected: first,
            books,
            end: Arc::clone(&self.end),
        };
        Ok(Subscriber { source, place })
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
        let untouched = self.subscribers() == 0 && self.batch.records().is_empty();
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

    /// Hands the batch to every subscriber and empties it: to a lane with one release store, to the
    /// broadcast ring with one for each record, whoever reads it. Returns false if a lossless
    /// subscriber's ring is too full for the rest: then there is a backlog, and the caller commits
    /// again before it takes in more.
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
        if let Some(ring) = &mut self.broadcast {
            let done = ring.done();
            all_done &= ring.hand_over(records, next, &passage);
            filled |= ring.done() != done;
        }
        for lane in &mut self.lanes {
            let done = lane.done();
            if filled && lane.wants_passages() && done != next {
                passage.published_ns = now_ns();
                filled = false;
            }
            all_done &= lane.hand_over(records, next, &passage);
            filled |= lane.done() != done;
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
        let broadcast = self.broadcast.as_ref();
        broadcast.is_some_and(broadcast::Producer::wants_passages)
            || self.lanes.iter().any(lane::Producer::wants_passages)
    }

    /// Returns whether records wait for room in a lossless subscriber's ring.
    #[must_use]
    pub fn has_backlog(&self) -> bool {
        !self.batch.records().is_empty()
    }

    fn subscribers(&self) -> usize {
        let broadcast = self.broadcast.as_ref();
        self.lanes.len() + broadcast.map_or(0, broadcast::Producer::subscribers)
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
            lane.end(next, waiting);
        }
        if let Some(ring) = &self.broadcast {
            ring.end(next, waiting);
        }
        // The rings are dropped after it.
        self.end.set(next);
    }
}

impl<E: Event> fmt::Debug for Publisher<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("next", &self.batch.next_sequence())
            .field("subscribers", &self.subscribers())
            .finish_non_exhaustive()
    }
}
