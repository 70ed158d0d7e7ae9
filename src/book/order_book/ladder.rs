//! Owns the prices of one side of a book in their order, and where their levels are.

use super::slab::NIL;
use crate::memory;
use std::collections::BTreeMap;

/// Rungs that are kept in an array; worse ones are in a map.
pub(super) const NEAR_MAX: usize = 1024;

/// Rungs nearest to the best that are compared one by one before the others are searched.
const SCANNED: usize = 8;

/// A price and its level. A better price has a greater key. Packed, since a quarter of what a rung
/// takes would else be padding.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(4))]
struct Rung {
    key: i64,
    level: u32,
}

const _: () = assert!(size_of::<Rung>() == 12);

/// The rungs of all ladders that are too far from the best for the arrays: by ladder and key.
pub(super) type Far = BTreeMap<(u32, i64), u32>;

/// The prices of one side of one book. The best is at the end, where adding and removing moves
/// least.
#[derive(Debug, Default)]
pub(super) struct Ladder {
    near: Vec<Rung>,
    /// The level of the last rung: known without a look at the array.
    best: u32,
    /// Rungs of this ladder among the far ones, all of which are worse than the near ones.
    far: u32,
}

const _: () = assert!(size_of::<Ladder>() == 32);

/// What is left to be searched of the rungs that are not compared one by one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Search {
    base: u32,
    size: u32,
}

impl Search {
    /// Returns whether a step is left.
    #[inline]
    pub(super) const fn goes_on(self) -> bool {
        self.size > 1
    }

    #[inline]
    const fn middle(self) -> usize {
        (self.base + self.size / 2) as usize
    }
}

/// Where a key that was not found belongs, until the ladder changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(usize);

impl Ladder {
    /// Returns the best level, [`NIL`] where there is none.
    #[inline]
    pub(super) const fn best(&self) -> u32 {
        self.best
    }

    /// Fetches the rungs that every search looks at, and begins one that fetches a rung before it
    /// looks at it.
    #[inline]
    pub(super) fn begin_search(&self) -> Search {
        let rest = self.near.len().saturating_sub(SCANNED);
        let size = u32::try_from(rest).expect("invariant: at most NEAR_MAX");
        let search = Search { base: 0, size };
        // Eight rungs lie in two lines or in three, wherever they begin: the first rung, one behind
        // their middle and the last word are in each of them.
        self.fetch(rest);
        self.fetch(rest + SCANNED / 2 + 1);
        if let Some(best) = self.near.last() {
            memory::fetch(&best.level);
        }
        self.fetch(search.middle());
        search
    }

    /// Halves what is left of a search by a rung that was fetched, and fetches the next.
    #[inline]
    pub(super) fn step(&self, key: i64, search: Search) -> Search {
        let Search { base, size } = search;
        let half = size / 2;
        let middle = self.near.get(search.middle());
        let is_below = middle.is_some_and(|rung| rung.key < key);
        let base = if is_below { base + half } else { base };
        let search = Search {
            base,
            size: size - half,
        };
        self.fetch(search.middle());
        search
    }

    /// Returns the level of the key, if the rungs where its search ended have it.
    #[inline]
    pub(super) fn found(&self, key: i64, search: Search) -> Option<u32> {
        let base = search.base as usize;
        let near = self.near.get(base..(base + 2).min(self.near.len()))?;
        let end = &self.near[self.near.len().saturating_sub(SCANNED)..];
        // All are looked at, so that there is nothing to mispredict.
        let level = |level, rung: &Rung| if rung.key == key { rung.level } else { level };
        let found = near.iter().chain(end).fold(NIL, level);
        (found != NIL).then_some(found)
    }

    /// Returns the level that is the best when the best is gone.
    #[inline]
    pub(super) fn second(&self) -> u32 {
        let second = self.near.len().checked_sub(2);
        second.map_or(NIL, |second| self.near[second].level)
    }

    #[inline]
    fn fetch(&self, at: usize) {
        if let Some(rung) = self.near.get(at) {
            memory::fetch(rung);
        }
    }

    pub(super) const fn memory_bytes(&self) -> usize {
        self.near.capacity() * size_of::<Rung>()
    }

    /// Returns the level of a key, or else where the key belongs. `own` is this ladder's number.
    ///
    /// Hot path: no allocation, O(log n), and O(1) near the best.
    #[inline]
    pub(super) fn find(&self, own: u32, key: i64, far: &Far) -> Result<u32, Place> {
        let place = self.place(key);
        let level = match self.near.get(place) {
            Some(rung) if rung.key == key => Some(rung.level),
            _ if place == 0 && self.far > 0 => far.get(&(own, key)).copied(),
            _ => None,
        };
        level.ok_or(Place(place))
    }

    /// Adds a key that was not found, where it belongs.
    ///
    /// Hot path: at most [`NEAR_MAX`] rungs move; allocates while there are more rungs than ever
    /// before, and where some are far, which costs O(log n) as well.
    #[inline]
    pub(super) fn insert(&mut self, own: u32, key: i64, at: Place, level: u32, far: &mut Far) {
        let Place(mut place) = at;
        if self.near.len() == self.near.capacity() {
            self.make_room(own, far);
            place = self.place(key);
        }
        if place == 0 && self.far > 0 && self.is_far(own, key, far) {
            far.insert((own, key), level);
            self.far += 1;
            return;
        }
        self.near.insert(place, Rung { key, level });
        self.best = self.near.last().map_or(NIL, |rung| rung.level);
    }

    /// Removes a key that is in here.
    ///
    /// Hot path: O(log n), at most [`NEAR_MAX`] rungs move; allocates only where some are far.
    #[inline]
    pub(super) fn remove(&mut self, own: u32, key: i64, far: &mut Far) {
        let place = self.place(key);
        if self.near.get(place).is_some_and(|rung| rung.key == key) {
            self.near.remove(place);
            if self.near.is_empty() && self.far > 0 {
                self.come_near(own, far);
            }
            self.best = self.near.last().map_or(NIL, |rung| rung.level);
        } else if far.remove(&(own, key)).is_some() {
            self.far -= 1;
        }
    }

    /// Returns the levels, best first.
    pub(super) fn levels(&self, own: u32, far: &Far) -> impl Iterator<Item = u32> {
        let near = self.near.iter().rev().map(|rung| rung.level);
        // Most ladders have nothing far, and need not look for it.
        let rest = (self.far > 0).then(|| far.range((own, i64::MIN)..=(own, i64::MAX)).rev());
        near.chain(rest.into_iter().flatten().map(|(_, level)| *level))
    }

    /// Returns the first place whose key is not below `key`.
    #[inline]
    fn place(&self, key: i64) -> usize {
        let (rest, end) = self.near.split_at(self.near.len().saturating_sub(SCANNED));
        let is_below = |rung: &&Rung| rung.key < key;
        // Counting all instead of stopping at the first leaves nothing to mispredict.
        let below = end.iter().filter(is_below).count();
        if below > 0 || rest.is_empty() {
            return rest.len() + below;
        }
        rest.partition_point(|rung| rung.key < key)
    }

    /// Returns whether a key that is worse than all near ones belongs to the far ones.
    fn is_far(&self, own: u32, key: i64, far: &Far) -> bool {
        let best = far.range((own, i64::MIN)..=(own, i64::MAX)).next_back();
        best.is_some_and(|((_, best), _)| *best > key)
    }

    /// Makes room for one more rung: a quarter more of it, or by sending the worse half away.
    #[cold]
    fn make_room(&mut self, own: u32, far: &mut Far) {
        let len = self.near.len();
        if len < NEAR_MAX {
            self.near
                .reserve_exact((len / 4).max(4).min(NEAR_MAX - len));
            return;
        }
        for rung in self.near.drain(..NEAR_MAX / 2) {
            far.insert((own, rung.key), rung.level);
            self.far += 1;
        }
    }

    /// Brings the best of the far rungs near: half as many as fit, so that it takes as many events
    /// again until rungs have to move.
    #[cold]
    fn come_near(&mut self, own: u32, far: &mut Far) {
        while self.near.len() < NEAR_MAX / 2 {
            let best = far.range((own, i64::MIN)..=(own, i64::MAX)).next_back();
            let Some((&(_, key), &level)) = best else {
                break;
            };
            far.remove(&(own, key));
            self.far -= 1;
            self.near.push(Rung { key, level });
        }
        self.near.reverse();
    }
}
