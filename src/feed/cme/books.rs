//! Owns which books can be trusted: of each security the last update's number.
//!
//! Keeps no book. The table has a fixed number of slots, is allocated once, and is emptied by
//! moving to the next generation, so that a channel reset costs no more than any message.

/// How many securities can be followed: more than any of the venue's channels has.
pub const SECURITIES_MAX: usize = 1 << 15;

/// Half of the slots stay free, so that a search is short.
const SLOTS: usize = 2 * SECURITIES_MAX;
const SLOT_BITS: u32 = SLOTS.trailing_zeros();

#[derive(Clone, Copy, Debug)]
struct Slot {
    security: u32,
    /// The number of its last update (CME RptSeq).
    report: u32,
    /// The slot is free unless this is the table's own.
    generation: u32,
    stale: bool,
}

/// Follows the securities' updates.
#[derive(Debug)]
pub(super) struct Books {
    slots: Box<[Slot; SLOTS]>,
    generation: u32,
    used: usize,
    breaks: u64,
    untracked: u64,
}

enum Found {
    Slot(usize),
    Free(usize),
    Full,
}

impl Books {
    pub(super) fn new() -> Self {
        // Values that are not zero make the allocation touch its pages now, not at the open.
        let free = Slot {
            security: u32::MAX,
            report: u32::MAX,
            generation: u32::MAX,
            stale: true,
        };
        let slots = vec![free; SLOTS].into_boxed_slice();
        Self {
            slots: slots.try_into().expect("invariant: as long as it was made"),
            generation: 0,
            used: 0,
            breaks: 0,
            untracked: 0,
        }
    }

    /// Returns how many updates did not follow the one before.
    pub(super) fn breaks(&self) -> u64 {
        self.breaks
    }

    /// Returns how many updates were of securities that found no room.
    pub(super) fn untracked(&self) -> u64 {
        self.untracked
    }

    /// Takes an update, and returns whether the security's book is stale. O(1) amortised: a search
    /// ends at the first free slot, and half of them are free.
    pub(super) fn update(&mut self, security: u32, report: u32) -> bool {
        match self.find(security) {
            Found::Slot(index) => {
                let slot = &mut self.slots[index];
                let follows = report == slot.report.wrapping_add(1);
                slot.stale |= !follows;
                slot.report = report;
                self.breaks += u64::from(!follows);
                slot.stale
            }
            Found::Free(index) => {
                // Whoever sees a security from its first update on has missed nothing of it.
                let stale = report != 1;
                self.insert(index, security, report, stale);
                stale
            }
            Found::Full => {
                self.untracked += 1;
                true
            }
        }
    }

    /// Takes a picture of the whole book as of update `report`.
    pub(super) fn snapshot(&mut self, security: u32, report: u32) {
        match self.find(security) {
            Found::Slot(index) | Found::Free(index) => {
                self.insert(index, security, report, false);
            }
            Found::Full => self.untracked += 1,
        }
    }

    /// Returns whether a security's book is known to be stale, or cannot be known.
    pub(super) fn is_stale(&self, security: u32) -> bool {
        match self.find(security) {
            Found::Slot(index) => self.slots[index].stale,
            Found::Free(_) => false,
            Found::Full => true,
        }
    }

    /// Forgets all securities: every book is empty and complete.
    pub(super) fn reset(&mut self) {
        self.used = 0;
        self.generation += 1;
        if self.generation == u32::MAX {
            // What free slots are made with: begin again, lest an old slot come back to life.
            for slot in self.slots.iter_mut() {
                slot.generation = u32::MAX;
            }
            self.generation = 0;
        }
    }

    fn insert(&mut self, index: usize, security: u32, report: u32, stale: bool) {
        self.used += usize::from(self.slots[index].generation != self.generation);
        self.slots[index] = Slot {
            security,
            report,
            generation: self.generation,
            stale,
        };
    }

    fn find(&self, security: u32) -> Found {
        let mut index = home(security);
        loop {
            let slot = &self.slots[index];
            if slot.generation != self.generation {
                let full = self.used == SECURITIES_MAX;
                return if full {
                    Found::Full
                } else {
                    Found::Free(index)
                };
            }
            if slot.security == security {
                return Found::Slot(index);
            }
            index = (index + 1) % SLOTS;
        }
    }
}

/// Where the search for a security begins: the high bits of a multiplication by 2³² / golden ratio,
/// which spread the venue's mostly consecutive numbers.
fn home(security: u32) -> usize {
    (security.wrapping_mul(0x9e37_79b1) >> (u32::BITS - SLOT_BITS)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn a_book_is_stale_from_the_update_that_does_not_follow_until_a_snapshot() {
        let mut books = Books::new();
        assert!(!books.update(7, 1));
        assert!(!books.update(7, 2));
        assert!(books.update(7, 4));
        assert!(books.update(7, 5), "following again heals nothing");
        assert!(books.is_stale(7) && !books.is_stale(8));
        books.snapshot(7, 9);
        assert!(!books.update(7, 10));
        assert!(books.update(7, 10), "twice is once too often");
        assert!(books.update(8, 3), "seen too late");
        assert_eq!((books.breaks(), books.untracked()), (2, 0));
        books.reset();
        assert!(!books.is_stale(7) && !books.update(7, 1));
        assert!(books.update(8, 2));
        assert_eq!(books.breaks(), 2);
    }

    #[test]
    fn the_table_agrees_with_a_map_over_many_securities_and_resets() {
        let mut books = Books::new();
        let mut naive: HashMap<u32, (u32, bool)> = HashMap::new();
        let mut state = 1u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut securities = 0;
        for _ in 0..300_000 {
            let draw = random();
            let security = u32::try_from(draw % 20_000).unwrap().wrapping_mul(0x1001);
            match (draw >> 32) % 100_000 {
                0 => {
                    books.reset();
                    naive.clear();
                }
                1..5_000 => {
                    let report = u32::try_from(draw >> 60).unwrap();
                    books.snapshot(security, report);
                    naive.insert(security, (report, false));
                }
                _ => {
                    let skip = u32::from((draw >> 50) % 50 == 0);
                    let (last, stale) = naive
                        .get(&security)
                        .map_or((0, false), |&(last, stale)| (last, stale));
                    let report = last + 1 + skip;
                    naive.insert(security, (report, stale || skip == 1));
                    assert_eq!(books.update(security, report), stale || skip == 1);
                }
            }
            securities = securities.max(naive.len());
        }
        assert!(securities > 10_000, "{securities}");
        for (security, (_, stale)) in naive {
            assert_eq!(books.is_stale(security), stale);
        }
    }

    #[test]
    fn a_security_that_finds_no_room_is_stale_and_counted_and_the_others_go_on() {
        let mut books = Books::new();
        let all = u32::try_from(SECURITIES_MAX).unwrap();
        for security in 0..all {
            assert!(!books.update(security, 1));
        }
        assert!(books.update(all, 1) && books.is_stale(all));
        books.snapshot(all, 1);
        assert!(books.is_stale(all));
        assert_eq!(books.untracked(), 2);
        assert!((0..all).all(|security| !books.update(security, 2)));
        books.reset();
        assert!(!books.update(all, 1));
    }

    #[test]
    fn no_old_slot_comes_back_when_the_generations_begin_again() {
        let mut books = Books::new();
        books.update(7, 1);
        books.generation = u32::MAX - 1;
        books.update(8, 1);
        books.reset();
        assert_eq!(books.generation, 0);
        assert!(!books.update(7, 1) && !books.update(8, 1));
    }
}
