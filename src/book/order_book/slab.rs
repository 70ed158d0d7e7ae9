//! Owns places of one size that are taken, given back and taken again.

use crate::memory;

/// What lives in a [`Slab`]: it lends the list of free places one of its fields.
pub(super) trait Place: Copy {
    /// A place that nobody has, with the next of its kind.
    fn free(next: u32) -> Self;

    /// Returns the next free place, of a free one.
    fn next_free(&self) -> u32;
}

/// Where nothing is: the first place, which is never given out, so that a link needs no `Option`.
pub(super) const NIL: u32 = 0;

/// Places in one array, the last that was given back first: it is the likeliest to be in a cache.
#[derive(Debug)]
pub(super) struct Slab<T> {
    places: Vec<T>,
    free: u32,
    taken: u32,
    max: u32,
}

impl<T: Place> Slab<T> {
    /// Makes room for `expected` at once, writing to all of it, and for `max` in the end.
    pub(super) fn new(expected: u32, max: u32) -> Self {
        let mut slab = Self {
            places: Vec::new(),
            free: NIL,
            taken: 0,
            max,
        };
        slab.grow(expected.clamp(1, max));
        slab
    }

    /// Returns how many places there are, taken or not.
    pub(super) fn room(&self) -> u32 {
        u32::try_from(self.places.len() - 1).expect("invariant: places are numbered by u32")
    }

    pub(super) const fn taken(&self) -> u32 {
        self.taken
    }

    pub(super) const fn is_full(&self) -> bool {
        self.taken == self.max
    }

    pub(super) const fn memory_bytes(&self) -> usize {
        self.places.capacity() * size_of::<T>()
    }

    /// Takes a place for `what`; `None` where all that may be are taken.
    ///
    /// Hot path: O(1), and allocates only when more are taken than ever before.
    #[inline]
    pub(super) fn take(&mut self, what: T) -> Option<u32> {
        if self.free == NIL {
            if self.is_full() {
                return None;
            }
            self.grow(grown(self.room()).min(self.max));
        }
        let at = self.free;
        let place = &mut self.places[at as usize];
        self.free = place.next_free();
        *place = what;
        self.taken += 1;
        Some(at)
    }

    /// Returns what is at a place, if there is such a place.
    #[inline]
    pub(super) fn get(&self, at: u32) -> Option<&T> {
        self.places.get(at as usize)
    }

    #[inline]
    pub(super) fn give_back(&mut self, at: u32) {
        self.places[at as usize] = T::free(self.free);
        self.free = at;
        self.taken -= 1;
    }

    /// Adds free places up to `room`, which is more than there is, the first of them first in the
    /// list.
    #[cold]
    fn grow(&mut self, room: u32) {
        let first = if self.places.is_empty() {
            1
        } else {
            self.room() + 1
        };
        self.places
            .reserve_exact(room as usize + 1 - self.places.len());
        memory::prefer_huge_pages(self.places.spare_capacity_mut());
        if self.places.is_empty() {
            self.places.push(T::free(NIL));
        }
        self.places.extend((first..room).map(|at| T::free(at + 1)));
        self.places.push(T::free(self.free));
        self.free = first;
    }
}

/// Returns a quarter more, and at least one: what is not needed is not taken, and growing costs as
/// many moves of each place as it has grown by quarters.
fn grown(room: u32) -> u32 {
    room.saturating_add((room / 4).max(1))
}

impl<T> std::ops::Index<u32> for Slab<T> {
    type Output = T;

    #[inline]
    fn index(&self, at: u32) -> &T {
        &self.places[at as usize]
    }
}

impl<T> std::ops::IndexMut<u32> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, at: u32) -> &mut T {
        &mut self.places[at as usize]
    }
}
