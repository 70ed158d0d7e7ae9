//! Owns the way from a number that the venue chose to a place: a hash table of lines.
//!
//! ```text
//!  0        4                                                    60          64
//!  ├────────┼────────┬─── 15 entries, in no order ───┬────────────┼───────────┤
//!  │ tag+at │ tag+at │              …                │ tag+at     │ passed on │
//!  └────────┴────────┴───────────────────────────────┴────────────┴───────────┘
//! ```
//!
//! An entry is a place in the low bits, as many as places need, and bits of its key's hash above.
//! A full line passes what comes on to the next one and counts it, so that a key that is not there
//! is known after the first line that passed nothing on, and nothing has to move when one goes.

use crate::memory;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// Entries in a line.
const LANES: usize = 15;

/// Entries for which a line is made: few enough that one in seventy is passed on.
const LANES_FILLED: u32 = 10;

/// An entry that is none. Nothing has the last place, so no entry equals it.
const EMPTY: u32 = u32::MAX;

/// An odd number with about as many ones as zeros: 2⁶⁴ / the golden ratio.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// One cache line: entries, and how many of those that belong here, or were passed on to here,
/// went on.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Line([u32; LANES + 1]);

const _: () = assert!(size_of::<Line>() == 64);

impl Line {
    const EMPTY: Self = {
        let mut words = [EMPTY; LANES + 1];
        words[LANES] = 0;
        Self(words)
    };

    /// Returns the lanes whose entries equal `entry` in the bits of `mask`, as bits.
    #[inline]
    fn matching(&self, entry: u32, mask: u32) -> u32 {
        let mut lanes = 0;
        for (lane, word) in self.0[..LANES].iter().enumerate() {
            lanes |= u32::from((word ^ entry) & mask == 0) << lane;
        }
        lanes
    }
}

/// Where a key was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// The place.
    pub(super) at: u32,
    home: u32,
    line: u32,
    lane: u32,
}

/// Where a key belongs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Home {
    line: u32,
    tag: u32,
}

/// Keys to places. The keys themselves are at the places.
#[derive(Debug)]
pub(super) struct Index {
    lines: Vec<Line>,
    /// Bits of an entry that are the place.
    at_mask: u32,
    /// Drawn at the start, so that no venue can choose keys that all belong to one line.
    seeds: [u64; 2],
}

impl Index {
    /// Makes room for the places 1 to `room`, writing to all of it.
    pub(super) fn new(room: u32) -> Self {
        let random = RandomState::new();
        let lines = room as usize / LANES_FILLED as usize + 1;
        Self {
            lines: memory::filled(Line::EMPTY, lines).into(),
            at_mask: (room + 2).next_power_of_two() - 1,
            seeds: [0, 1].map(|seed: u64| random.hash_one(seed) | 1),
        }
    }

    pub(super) const fn memory_bytes(&self) -> usize {
        self.lines.capacity() * size_of::<Line>()
    }

    /// Finds a key. `is_it` tells whether what is at a place has it.
    ///
    /// Hot path: no allocation, no system call, O(1) expected, whatever the keys.
    ///
    /// # Errors
    ///
    /// Where it belongs, if it is not there.
    #[inline]
    pub(super) fn find(&self, key: u64, is_it: impl Fn(u32) -> bool) -> Result<Found, Home> {
        let home = self.home(key);
        let mut line = home.line;
        // Bounded, though a line that passes nothing on always comes.
        for _ in 0..self.lines.len() {
            let words = &self.lines[line as usize];
            let mut lanes = words.matching(home.tag, !self.at_mask);
            while lanes != 0 {
                let lane = lanes.trailing_zeros();
                let entry = words.0[lane as usize];
                let at = entry & self.at_mask;
                // An empty entry can have the tag; its place is then one that does not exist.
                if entry != EMPTY && is_it(at) {
                    let home = home.line;
                    return Ok(Found {
                        at,
                        home,
                        line,
                        lane,
                    });
                }
                lanes &= lanes - 1;
            }
            if words.0[LANES] == 0 {
                break;
            }
            line = self.after(line);
        }
        Err(home)
    }

    /// Fetches the line that a key belongs to.
    #[inline]
    pub(super) fn fetch(&self, home: Home) {
        memory::fetch(&self.lines[home.line as usize]);
    }

    /// Returns a place that is likely to have the key, after one look at one line; any number where
    /// that has none.
    #[inline]
    pub(super) fn guess(&self, home: Home) -> u32 {
        let words = &self.lines[home.line as usize];
        let lanes = words.matching(home.tag, !self.at_mask);
        // Lane 15 where there is no other: nothing to mispredict.
        let lane = (lanes | 1 << LANES).trailing_zeros();
        words.0[lane as usize] & self.at_mask
    }

    /// Adds what was not found and is now at a place.
    ///
    /// Hot path: no allocation, no system call, O(1) expected, whatever the keys.
    #[inline]
    pub(super) fn insert(&mut self, home: Home, at: u32) {
        let mut line = home.line;
        loop {
            let words = &mut self.lines[line as usize];
            let free = words.matching(EMPTY, u32::MAX);
            if free != 0 {
                words.0[free.trailing_zeros() as usize] = home.tag | at;
                return;
            }
            words.0[LANES] += 1;
            line = self.after(line);
        }
    }

    /// Removes what was found.
    ///
    /// Hot path: no allocation, no system call, O(1) expected, whatever the keys.
    #[inline]
    pub(super) fn remove(&mut self, found: Found) {
        self.lines[found.line as usize].0[found.lane as usize] = EMPTY;
        let mut line = found.home;
        while line != found.line {
            self.lines[line as usize].0[LANES] -= 1;
            line = self.after(line);
        }
    }

    /// Returns how many entries are not where they belong, one by one for each line passed.
    #[cfg(test)]
    pub(super) fn passed_on(&self) -> u32 {
        self.lines.iter().map(|line| line.0[LANES]).sum()
    }

    /// Returns the line that a key belongs to, and the bits that its entry has above the place.
    #[inline]
    pub(super) fn home(&self, key: u64) -> Home {
        // Twice, since ids in strides times one number can be as regular as they were.
        let hash = fold(fold(key ^ self.seeds[0], self.seeds[1]), MIX);
        // The upper half chooses the line, the lower half is the tag: neither tells the other.
        let line = ((hash >> 32) * self.lines.len() as u64) >> 32;
        Home {
            line: line as u32,
            tag: (hash & 0xffff_ffff) as u32 & !self.at_mask,
        }
    }

    #[inline]
    fn after(&self, line: u32) -> u32 {
        let next = line + 1;
        if next as usize == self.lines.len() {
            0
        } else {
            next
        }
    }
}

/// Multiplies, and folds the upper half of the product onto the lower one.
#[inline]
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    (product & 0xffff_ffff_ffff_ffff) as u64 ^ (product >> 64) as u64
}
