//! Owns the words of the ring: in which order they are written, and how a reader tells a whole
//! record from a torn one. Only atomics, so that no interleaving is undefined; `super::sync` says
//! whose, because `tests/broadcast_loom` runs this very file with those of a model checker.
//!
//! A stamp's low 56 bits are the number of what the slot holds, its high 8 bits the kind:
//!
//! | stamp in the slot of `n` | means |
//! |---|---|
//! | a number below `n` | `n` is not there yet (`n - 1` while it is being written) |
//! | `n`, kind above 0 | the record `n` |
//! | `n`, kind 0 | a hole from `n` on; the first word of the body is the number after it |
//! | a number above `n` | `n` was overwritten, or is being overwritten |

use super::sync::{AtomicU64, Ordering, fence};
use crossbeam_utils::CachePadded;
use std::fmt;

/// The bits of a stamp that are the number.
pub(super) const NUMBERS: u64 = (1 << 56) - 1;

/// A stamp and the words that belong to it. Aligned to a cache line, which a record fills.
#[repr(C, align(64))]
struct Slot<const BODY: usize> {
    stamp: AtomicU64,
    body: [AtomicU64; BODY],
}

/// The ring. Written by one producer, read by any number of consumers, who write nothing here.
pub(crate) struct Slots<const BODY: usize> {
    slots: Box<[Slot<BODY>]>,
    mask: u64,
    /// The number after the last that was published. On a line of its own, which nobody polls, so
    /// that writing it costs the producer nothing.
    published: CachePadded<AtomicU64>,
}

/// Words beside the slot of the first record of each piece, under the protection of its stamp: they
/// hold for the whole piece. The first of them is the number of its last record, which tells them
/// from what an earlier piece has left there.
///
/// Once for each piece and not beside each record: a store that finds its line at hand, between two
/// that do not, keeps the store buffer from asking for the lines of those behind it, whoever reads
/// what. `cargo bench --bench bus` (stream) shows the difference.
pub(super) struct Beside<const WORDS: usize>(Box<[Words<WORDS>]>);

/// Aligned so that four words share a line with four others, and never lie on two.
#[repr(C, align(32))]
struct Words<const WORDS: usize>([AtomicU64; WORDS]);

/// What the slot of a number holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// The number was not written yet.
    NotYet,
    /// This stamp, which is that of the number.
    There(u64),
    /// A later number.
    Overwritten,
}

impl<const BODY: usize> Slots<BODY> {
    /// Makes a ring of at least `capacity` slots, a power of two from 2 on, for numbers from
    /// `first` on. Writes every slot, so that none meets a page fault later.
    pub(super) fn new(capacity: usize, first: u64) -> Self {
        // One slot would be the one before itself, and its mark of being written ambiguous.
        let capacity = capacity.next_power_of_two().max(2);
        let slots = Self {
            slots: (0..capacity).map(|_| Slot::empty()).collect(),
            mask: capacity as u64 - 1,
            published: CachePadded::new(AtomicU64::new(first)),
        };
        for slot in &slots.slots {
            // Zeros were there before, and the compiler may have left them to the kernel.
            slot.stamp.store(0, Ordering::Relaxed);
        }
        slots
    }

    pub(super) fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Returns how many numbers may be written before the number after them is published.
    pub(super) fn piece_max(&self) -> usize {
        (self.capacity() / 4).max(1)
    }

    /// Writes `number`, whose stamp is `stamp`. Only the producer may call it, in whatever order
    /// inside a piece of at most [`piece_max`](Self::piece_max) numbers, all before which are
    /// published.
    ///
    /// Hot path: no allocation, no system call, O(1).
    #[inline]
    pub(super) fn write<const WORDS: usize>(
        &self,
        number: u64,
        stamp: u64,
        body: &[u64; BODY],
        beside: Option<(&Beside<WORDS>, &[u64; WORDS])>,
    ) {
        debug_assert_eq!(stamp & NUMBERS, number, "invariant: a stamp has its number");
        let index = self.index(number);
        let slot = &self.slots[index];
        // Release pairs with the acquire in `look`: who learns from this mark that it was lapped
        // goes on with an earlier number, and must find published what comes before the piece.
        slot.stamp.store(number - 1, Ordering::Release);
        // Pairs with the fence in `is_still`: who has read one of the words below finds the mark
        // above, or a later stamp, at the second look. Without it, new words under the old stamp.
        fence(Ordering::Release);
        store(&slot.body, body);
        if let Some((beside, words)) = beside {
            store(&beside.0[index].0, words);
        }
        // Release pairs with the acquire in `look`: who sees this stamp sees the words above.
        slot.stamp.store(stamp, Ordering::Release);
    }

    /// Says that every number before `next` is written, or will never be. Readers need not wait for
    /// it: a stamp that is there can be read.
    pub(super) fn publish(&self, next: u64) {
        // Release pairs with the acquire in `published`: the numbers before it are written.
        self.published.store(next, Ordering::Release);
    }

    /// Returns the number after the last that was published.
    pub(crate) fn published(&self) -> u64 {
        self.published.load(Ordering::Acquire)
    }

    /// Looks at the slot of `number`.
    ///
    /// Hot path: no allocation, no system call, one load.
    #[inline]
    pub(super) fn look(&self, number: u64) -> Look {
        // Acquire pairs with both stores of a stamp in `write`.
        Look::of(self.slot(number).stamp.load(Ordering::Acquire), number)
    }

    /// Copies the body of a hole, which [`look`](Self::look) has found at `number`, and returns the
    /// number after it; none if it was overwritten meanwhile.
    #[cold]
    pub(super) fn end_of_hole(&self, number: u64) -> Option<u64> {
        let slot = self.slot(number);
        let mut body = [0; BODY];
        load(&slot.body, &mut body);
        slot.is_still(number).then_some(body[0])
    }

    /// Copies the words beside `number`, the stamp of which is `stamp`, as [`look`](Self::look) has
    /// found. Returns false if they were overwritten meanwhile: then the copy is worth nothing.
    ///
    /// Hot path: no allocation, no system call, O(1).
    #[inline]
    pub(super) fn copy_beside<const WORDS: usize>(
        &self,
        number: u64,
        stamp: u64,
        beside: &Beside<WORDS>,
        words: &mut [u64; WORDS],
    ) -> bool {
        load(&beside.0[self.index(number)].0, words);
        self.slot(number).is_still(stamp)
    }

    /// Copies the words beside the piece that `number`, which was published, is in, from wherever
    /// it begins. Returns the number of a slot that was overwritten where that has happened to
    /// them, else whether they were found.
    ///
    /// O(length of the piece), for who has come into the middle of one.
    #[cold]
    pub(super) fn search<const WORDS: usize>(
        &self,
        number: u64,
        beside: &Beside<WORDS>,
        words: &mut [u64; WORDS],
    ) -> Result<bool, u64> {
        for first in (0..=number).rev().take(self.piece_max()) {
            let stamp = match self.look(first) {
                Look::There(stamp) => stamp,
                Look::NotYet => break,
                Look::Overwritten => return Err(first),
            };
            if !self.copy_beside(first, stamp, beside, words) {
                return Err(first);
            }
            if self.covers(words, first) {
                return Ok(words[0] >= number);
            }
        }
        Ok(false)
    }

    /// Returns whether words beside the slot of `first` are of a piece that begins there.
    #[inline]
    pub(super) fn covers<const WORDS: usize>(&self, words: &[u64; WORDS], first: u64) -> bool {
        words[0].wrapping_sub(first) < self.piece_max() as u64
    }

    /// Returns where a reader goes on whose `number` was overwritten: half a ring behind the
    /// newest, so that it is not overwritten again at once.
    #[cold]
    pub(super) fn resume(&self, number: u64) -> u64 {
        // Acquires what the second look of a copy did not: whoever found a stamp of a piece finds
        // the end of the piece before it published. Pieces are a quarter of the ring at most, so
        // that is at least three quarters of the ring ahead of `number`.
        let overwritten = self.look(number);
        debug_assert_eq!(
            overwritten,
            Look::Overwritten,
            "invariant: stamps only rise"
        );
        let newest = self.published();
        let half = self.capacity() as u64 / 2;
        // What is not there of numbers that are published lies in a hole, and never comes.
        let resumed = (newest.saturating_sub(half)..newest)
            .find(|&number| self.look(number) != Look::NotYet)
            .unwrap_or(newest);
        debug_assert!(
            resumed > number,
            "invariant: a ring keeps the order of its bus"
        );
        resumed
    }

    /// Returns the slots for who reads many.
    #[inline]
    pub(super) fn view(&self) -> View<'_, BODY> {
        View {
            slots: &self.slots,
            mask: self.mask,
        }
    }

    fn slot(&self, number: u64) -> &Slot<BODY> {
        &self.slots[self.index(number)]
    }

    fn index(&self, number: u64) -> usize {
        index(number, self.mask)
    }
}

/// The slots, for who reads many: behind an acquiring load the compiler fetches again what lies
/// behind a reference, and this not.
#[derive(Clone, Copy)]
pub(super) struct View<'a, const BODY: usize> {
    slots: &'a [Slot<BODY>],
    mask: u64,
}

impl<const BODY: usize> View<'_, BODY> {
    /// Copies the record `number` and returns its stamp. If it is not there, returns what is
    /// instead, and the copy is worth nothing: [`Look::There`] is a hole.
    ///
    /// Hot path: no allocation, no system call, O(1).
    #[inline(always)]
    pub(super) fn copy(self, number: u64, body: &mut [u64; BODY]) -> Result<u64, Look> {
        let slot = &self.slots[index(number, self.mask)];
        // Acquire pairs with both stores of a stamp in `write`.
        let stamp = slot.stamp.load(Ordering::Acquire);
        if stamp & NUMBERS != number || stamp == number {
            return Err(Look::of(stamp, number));
        }
        load(&slot.body, body);
        if slot.is_still(stamp) {
            Ok(stamp)
        } else {
            Err(Look::Overwritten)
        }
    }
}

impl Look {
    #[inline]
    fn of(stamp: u64, number: u64) -> Self {
        match (stamp & NUMBERS).cmp(&number) {
            std::cmp::Ordering::Less => Self::NotYet,
            std::cmp::Ordering::Equal => Self::There(stamp),
            std::cmp::Ordering::Greater => Self::Overwritten,
        }
    }
}

#[inline]
fn index(number: u64, mask: u64) -> usize {
    usize::try_from(number & mask).expect("invariant: below the capacity, a usize")
}

impl<const BODY: usize> Slot<BODY> {
    fn empty() -> Self {
        Self {
            stamp: AtomicU64::new(0),
            body: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Returns whether the stamp is still the one that was found before something was copied that
    /// belongs to it.
    #[inline]
    fn is_still(&self, stamp: u64) -> bool {
        // Pairs with the fence in `write`: if any word that was copied is of a later record, the
        // load below finds that record's mark or its stamp.
        fence(Ordering::Acquire);
        self.stamp.load(Ordering::Relaxed) == stamp
    }
}

impl<const WORDS: usize> Beside<WORDS> {
    /// Makes words beside `capacity` slots, and writes them.
    pub(super) fn new(capacity: usize) -> Self {
        let beside: Box<[_]> = (0..capacity)
            .map(|_| Words(std::array::from_fn(|_| AtomicU64::new(0))))
            .collect();
        for words in &beside {
            store(&words.0, &[0; WORDS]);
        }
        Self(beside)
    }
}

/// How far a consumer is, on a line of its own.
pub(super) struct Cursor(CachePadded<AtomicU64>);

impl Cursor {
    /// Where a consumer is that has gone: it holds nobody back.
    pub(super) const GONE: u64 = u64::MAX;

    pub(super) fn new(number: u64) -> Self {
        Self(CachePadded::new(AtomicU64::new(number)))
    }

    /// Says that the consumer is done with every number before `number`. Only the consumer may
    /// call it.
    pub(super) fn publish(&self, number: u64) {
        // Release pairs with the acquire in `get`: the consumer's copies come before whatever the
        // producer writes over them.
        self.0.store(number, Ordering::Release);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

fn store<const WORDS: usize>(words: &[AtomicU64; WORDS], values: &[u64; WORDS]) {
    for (word, &value) in words.iter().zip(values) {
        word.store(value, Ordering::Relaxed);
    }
}

fn load<const WORDS: usize>(words: &[AtomicU64; WORDS], values: &mut [u64; WORDS]) {
    for (word, value) in words.iter().zip(values) {
        *value = word.load(Ordering::Relaxed);
    }
}

impl<const BODY: usize> fmt::Debug for Slots<BODY> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots")
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
