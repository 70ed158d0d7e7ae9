//! Owns the way from an order's id to its place: a hash table of lines.
//!
//! ```text
//!  0        4                                                    60          64
//!  ├────────┼────────┬─── 15 entries, in no order ───┬────────────┼───────────┤
//!  │ tag+at │ tag+at │              …                │ tag+at     │ passed on │
//!  └────────┴────────┴───────────────────────────────┴────────────┴───────────┘
//! ```
//!
//! An entry is an order's place in the low bits, as many as places need, and bits of its id's hash
//! above. A full line passes its orders on to the next one and counts them, so that an id that is
//! not there is known after the first line that passed nothing on, and nothing has to move when an
//! order goes.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// Entries in a line.
const LANES: usize = 15;

/// Entries for which a line is made: few enough that one in fifty is passed on.
const LANES_FILLED: u32 = 10;

/// An entry that is none. No order has the last place, so no entry equals it.
const EMPTY: u32 = u32::MAX;

/// One cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line {
    entries: [u32; LANES],
    /// Orders that belong here, or were passed on to here, and went on.
    passed_on: u32,
}

const _: () = assert!(size_of::<Line>() == 64);

impl Line {
    const EMPTY: Self = Self {
        entries: [EMPTY; LANES],
        passed_on: 0,
    };

    /// Returns the lanes whose entries equal `entry` in the bits of `mask`, as bits.
    #[inline]
    fn matching(&self, entry: u32, mask: u32) -> u32 {
        let mut lanes = 0;
        for (lane, other) in self.entries.iter().enumerate() {
            lanes |= u32::from((other ^ entry) & mask == 0) << lane;
        }
        lanes
    }
}

/// Where an order was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// The order's place.
    pub(super) at: u32,
    line: usize,
    lane: u32,
}

/// Ids to places. The ids themselves are with the orders.
#[derive(Debug)]
pub(super) struct Index {
    lines: Vec<Line>,
    /// Bits of an entry that are the order's place.
    at_mask: u32,
    /// Drawn at the start, so that no venue can choose ids that all belong to one line.
    seeds: [u64; 2],
}

impl Index {
    /// Makes room for orders at the places 1 to `room`, writing to all of it.
    pub(super) fn new(room: u32) -> Self {
        let random = RandomState::new();
        let at_mask = (room.saturating_add(2)).next_power_of_two().wrapping_sub(1);
        Self {
            lines: vec![Line::EMPTY; room as usize / LANES_FILLED as usize + 1],
            at_mask,
            seeds: [random.hash_one(0), random.hash_one(1) | 1],
        }
    }

    pub(super) const fn memory_bytes(&self) -> usize {
        self.lines.capacity() * size_of::<Line>()
    }

    /// Finds an order by its id. `id_at` tells the id of the order at a place.
    ///
    /// Hot path: no allocation, no system call, O(1) expected, whatever the ids.
    #[inline]
    pub(super) fn find(&self, id: u64, id_at: impl Fn(u32) -> u64) -> Option<Found> {
        let (mut line, tag) = self.home(id);
        // An empty entry can equal a tag; its place then is one that no order has.
        let tag_mask = !self.at_mask;
        for _ in 0..self.lines.len() {
            let Line { entries, passed_on } = &self.lines[line];
            let mut lanes = self.lines[line].matching(tag, tag_mask);
            while lanes != 0 {
                let lane = lanes.trailing_zeros();
                let entry = entries[lane as usize];
                let at = entry & self.at_mask;
                if entry != EMPTY && id_at(at) == id {
                    return Some(Found { at, line, lane });
                }
                lanes &= lanes - 1;
            }
            if *passed_on == 0 {
                return None;
            }
            line = self.after(line);
        }
        None
    }

    /// Adds an order that is not in here.
    ///
    /// Hot path: no allocation, no system call, O(1) expected, whatever the ids.
    #[inline]
    pub(super) fn insert(&mut self, id: u64, at: u32) {
        let (mut line, tag) = self.home(id);
        loop {
            let free = self.lines[line].matching(EMPTY, u32::MAX);
            if free != 0 {
                self.lines[line].entries[free.trailing_zeros() as usize] = tag | at;
                return;
            }
            self.lines[line].passed_on += 1;
            line = self.after(line);
        }
    }

    /// Removes an order where it was found.
    ///
    /// Hot path: no allocation, no system call, O(1) expected, whatever the ids.
    #[inline]
    pub(super) fn remove(&mut self, id: u64, found: Found) {
        let last = found.line as usize;
        self.lines[last].entries[found.lane as usize] = EMPTY;
        let (mut line, _) = self.home(id);
        while line != last {
            self.lines[line].passed_on -= 1;
            line = self.after(line);
        }
    }

    /// Returns the line that an id belongs to, and the bits that its entry has above the place.
    #[inline]
    fn home(&self, id: u64) -> (usize, u32) {
        let product = u128::from(id ^ self.seeds[0]) * u128::from(self.seeds[1]);
        let hash = ((product ^ (product >> 64)) & u128::from(u64::MAX)) as u64;
        // The upper half chooses the line, the lower half is the tag: they do not depend on each
        // other.
        let line = ((hash >> 32) * self.lines.len() as u64) >> 32;
        (line as usize, (hash & 0xffff_ffff) as u32 & !self.at_mask)
    }

    #[inline]
    fn after(&self, line: usize) -> usize {
        if line + 1 == self.lines.len() {
            0
        } else {
            line + 1
        }
    }
}
