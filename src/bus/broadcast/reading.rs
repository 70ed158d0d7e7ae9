//! Owns what is read of the ring by number: a record, its mark, or why there is none.

use super::slots::Look;
use super::{MARK_WORDS, Marks, Slots, View, mark};
use crate::bus::{Passage, PassageMark};
use crate::record::{Record, Sequence};
use std::sync::Arc;

/// What is read.
pub(super) struct Ring {
    pub(super) slots: Arc<Slots>,
    pub(super) marks: Option<Arc<Marks>>,
}

/// The passage of the latest records, as they are given it: put together once for each piece. For
/// each record anew, it went over the stack in wider loads than the stores just before them, which
/// wait for those: a record of a stream to four took 38 ns with that, and 30 without.
#[derive(Clone, Copy)]
pub(super) struct Latest {
    /// The last number that it applies to. Where no passages are wanted, it applies to all.
    pub(super) last: Sequence,
    pub(super) passage: Option<Passage>,
}

/// Why there is no record of a number.
pub(super) enum Lack {
    Nothing,
    /// All before this number are missing.
    Missing(Sequence),
    /// This number was overwritten, be it the expected one or the one that had its mark.
    Overwritten(u64),
}

impl Ring {
    /// Returns whether there is anything in the place of `number`, be it that it is missing.
    #[inline]
    pub(super) fn has(&self, number: Sequence) -> bool {
        self.slots.look(number.get()) != Look::NotYet
    }

    /// Copies the record `number`, and its mark where `latest` does not apply to it.
    #[inline(always)]
    pub(super) fn copy<E>(
        &self,
        view: View<'_>,
        number: Sequence,
        record: &mut Record<E>,
        latest: &mut Latest,
    ) -> Result<(), Lack> {
        if latest.last < number {
            self.copy_mark(number.get(), latest)?;
        }
        let [copied_stamp, body @ ..] = record.words_mut();
        match view.copy(number.get(), body) {
            Ok(stamp) => {
                *copied_stamp = stamp;
                Ok(())
            }
            Err(look) => Err(self.lack(number.get(), look)),
        }
    }

    /// Copies the mark of the record `number`, unless there is a hole.
    pub(super) fn copy_mark(&self, number: u64, latest: &mut Latest) -> Result<(), Lack> {
        let Some(marks) = &self.marks else {
            return Ok(());
        };
        let stamp = match self.slots.look(number) {
            Look::There(stamp) if stamp == number => return Ok(()),
            Look::There(stamp) => stamp,
            look => return Err(self.lack(number, look)),
        };
        let mut words = [0; _];
        if !self.slots.copy_beside(number, stamp, marks, &mut words) {
            return Err(Lack::Overwritten(number));
        }
        if !self.slots.covers(&words, number) {
            self.search(number, marks, &mut words)?;
        }
        *latest = Latest::of(words);
        Ok(())
    }

    /// Finds the mark of a record in the midst of a piece.
    #[cold]
    fn search(
        &self,
        number: u64,
        marks: &Marks,
        words: &mut [u64; MARK_WORDS],
    ) -> Result<(), Lack> {
        match self.slots.search(number, marks, words) {
            Ok(true) => Ok(()),
            Ok(false) => unreachable!("invariant: a record that is there is in a piece"),
            Err(overwritten) => Err(Lack::Overwritten(overwritten)),
        }
    }

    /// Returns how many numbers are ready from `number` on. The publisher's count, a line that is
    /// always written, is read once for each batch, and for a lone record never: the slot tells
    /// whether there is anything behind what is `known`.
    #[inline(never)]
    pub(super) fn look_behind(&self, number: u64, known: &mut u64) -> u64 {
        if self.slots.look(number) == Look::NotYet {
            return 0;
        }
        let ring = self.slots.capacity() as u64;
        // A stamp is there before its number is published.
        *known = self.slots.published().clamp(number + 1, number + ring);
        *known - number
    }

    /// Says why there is no record `number`, where a look has found this.
    #[inline]
    pub(super) fn lack(&self, number: u64, look: Look) -> Lack {
        match look {
            Look::NotYet => Lack::Nothing,
            Look::There(_) => match self.slots.end_of_hole(number) {
                Some(to) => Lack::Missing(Sequence::new(to)),
                None => Lack::Overwritten(number),
            },
            Look::Overwritten => Lack::Overwritten(number),
        }
    }

    /// Returns the number at which a loss ends, if it is one.
    #[cold]
    pub(super) fn end_of(&self, lack: Lack, latest: &mut Latest) -> Option<Sequence> {
        let number = match lack {
            Lack::Nothing => return None,
            Lack::Missing(to) => return Some(to),
            Lack::Overwritten(number) => number,
        };
        let to = self.slots.resume(number);
        // That may be in the midst of a piece, whose beginning is overwritten before it is.
        if let Some(marks) = &self.marks {
            let mut words = [0; _];
            if let Ok(true) = self.slots.search(to, marks, &mut words) {
                *latest = Latest::of(words);
            }
        }
        Some(Sequence::new(to))
    }
}

impl Latest {
    fn of(words: [u64; MARK_WORDS]) -> Self {
        let PassageMark { last, passage } = mark(words);
        Self {
            last,
            passage: Some(passage),
        }
    }
}

#[cfg(test)]
mod tests {
    //! What is seen of a producer between two of its steps.

    use super::*;
    use crate::bus::broadcast::mark_words;

    const KIND: u64 = 1 << 56;

    fn ring(capacity: usize) -> Ring {
        Ring {
            slots: Arc::new(Slots::new(capacity, 1)),
            marks: Some(Arc::new(Marks::new(capacity))),
        }
    }

    /// Writes `number`, as the first of a piece up to `last` where there is one.
    fn put(ring: &Ring, number: u64, last: Option<u64>) {
        let passage = Passage {
            seen_ns: 100 + number,
            ..Passage::default()
        };
        let words = last.map(|last| {
            mark_words(&PassageMark {
                last: Sequence::new(last),
                passage,
            })
        });
        let beside = ring.marks.as_deref().zip(words.as_ref());
        ring.slots
            .write(number, KIND | number, &[number; _], beside);
    }

    fn latest() -> Latest {
        Latest {
            last: Sequence::default(),
            passage: None,
        }
    }

    #[test]
    fn a_record_that_is_there_before_it_is_published_is_ready() {
        let ring = ring(8);
        let mut known = 1;
        assert_eq!(ring.look_behind(1, &mut known), 0);
        put(&ring, 1, Some(1));
        assert_eq!((ring.look_behind(1, &mut known), known), (1, 2));
        put(&ring, 2, Some(2));
        ring.slots.publish(3);
        assert_eq!((ring.look_behind(1, &mut known), known), (2, 3));
    }

    #[test]
    fn the_rest_of_a_piece_is_lost_to_who_has_not_seen_its_beginning_once_that_is_overwritten() {
        let ring = ring(8);
        for first in [1, 3, 5, 7, 9, 11, 13] {
            put(&ring, first + 1, None);
            put(&ring, first, Some(first + 1));
            ring.slots.publish(first + 2);
        }
        let told = |latest: &Latest| (latest.last.get(), latest.passage.map(|it| it.seen_ns));
        let mut who = latest();
        assert!(ring.copy_mark(8, &mut who).is_ok());
        assert_eq!(told(&who), (8, Some(107)));
        // Over 7, and 8 is still there.
        put(&ring, 15, Some(15));
        let mut who = latest();
        let Err(lack @ Lack::Overwritten(7)) = ring.copy_mark(8, &mut who) else {
            panic!("where a piece begins was overwritten");
        };
        assert_eq!(told(&who), (0, None));
        assert_eq!(ring.end_of(lack, &mut who), Some(Sequence::new(11)));
        assert_eq!(told(&who), (12, Some(111)));
    }
}
