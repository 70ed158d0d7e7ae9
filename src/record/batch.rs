//! Owns the batch: where records get their numbers before they are published.

use super::{DeadLetter, Event, Gap, Record, Sequence, Session};
use crate::memory;

/// Records that are numbered but not yet published, in a buffer of fixed capacity.
///
/// A feed writes what a datagram brought into a batch; `bus::Publisher` hands the batch to its
/// subscribers and clears it. The numbers go on from batch to batch: dense, from
/// [`Sequence::FIRST`].
///
/// # Examples
///
/// ```
/// use ringtape::market::MarketEvent;
/// use ringtape::record::{Batch, Gap, GapCause};
///
/// let mut batch = Batch::<MarketEvent>::with_capacity(8);
/// batch.push_gap(0, Gap { first: 1, last: 1, cause: GapCause::Absent, feed: 1 });
/// assert_eq!(batch.records()[0].sequence().get(), 1);
/// batch.clear();
/// batch.push_gap(0, Gap { first: 2, last: 2, cause: GapCause::Absent, feed: 1 });
/// assert_eq!(batch.records()[0].sequence().get(), 2);
/// ```
#[derive(Debug)]
pub struct Batch<E: Event> {
    records: Vec<Record<E>>,
    /// The number of `records[0]`, or of the record that will be. The others follow from their
    /// place, so that a push has one counter to raise, the vector's length.
    first: Sequence,
}

impl<E: Event> Batch<E> {
    /// Makes a batch that holds up to `capacity` records; it never grows.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self::starting_at(Sequence::FIRST, capacity)
    }

    /// Makes a batch whose first record will have the number `first`.
    #[must_use]
    pub fn starting_at(first: Sequence, capacity: usize) -> Self {
        Self {
            records: memory::with_capacity(capacity),
            first,
        }
    }

    /// Adds an event.
    ///
    /// Hot path: no allocation, no system call, O(1).
    ///
    /// # Panics
    ///
    /// Like every `push_*`: when the batch is full. Who fills a batch sizes it for the worst
    /// datagram (`feed::Feed::records_max`), so this is a bug, not a condition of the world.
    pub fn push_event(&mut self, ts_recv_ns: u64, event: &E) {
        let sequence = self.spend();
        self.records
            .push(Record::event(sequence, ts_recv_ns, event));
    }

    /// Adds the event that `make` returns. It is called when it is clear that there is room, so
    /// that nothing of the event has to be kept across that question.
    #[inline(always)]
    pub(crate) fn push_event_with(&mut self, ts_recv_ns: u64, make: impl FnOnce() -> E) {
        let sequence = self.spend();
        self.records
            .push(Record::event(sequence, ts_recv_ns, &make()));
    }

    /// Adds a gap.
    pub fn push_gap(&mut self, ts_recv_ns: u64, gap: Gap) {
        let sequence = self.spend();
        self.records.push(Record::gap(sequence, ts_recv_ns, gap));
    }

    /// Adds a session mark.
    pub fn push_session(&mut self, ts_recv_ns: u64, session: Session) {
        let sequence = self.spend();
        self.records
            .push(Record::session(sequence, ts_recv_ns, session));
    }

    /// Adds a dead letter.
    pub fn push_dead_letter(&mut self, ts_recv_ns: u64, letter: DeadLetter) {
        let sequence = self.spend();
        self.records
            .push(Record::dead_letter(sequence, ts_recv_ns, letter));
    }

    fn spend(&mut self) -> Sequence {
        assert!(
            self.records.len() < self.records.capacity(),
            "invariant: a batch is sized for the most records that one datagram can bring"
        );
        self.next_sequence()
    }

    /// Returns the records that wait to be published, in order.
    #[must_use]
    pub fn records(&self) -> &[Record<E>] {
        &self.records
    }

    /// Forgets the records; their numbers stay spent.
    pub fn clear(&mut self) {
        self.first = self.next_sequence();
        self.records.clear();
    }

    /// Returns the number that the next record will get.
    #[must_use]
    pub fn next_sequence(&self) -> Sequence {
        Sequence(self.first.0 + self.records.len() as u64)
    }

    /// Returns how many more records fit.
    #[must_use]
    pub fn room(&self) -> usize {
        self.records.capacity() - self.records.len()
    }
}
