//! Owns the levels of a book where they are addressed by place, with holes where not known.

use super::LevelDepth;
use crate::book::{BookSide, DataErrorKind, PriceLevel};
use crate::market::NO_PRICE;

/// A place of which nothing is known. No level has this price.
const HOLE: PriceLevel = PriceLevel {
    price_e9: NO_PRICE,
    quantity: 0,
    orders: 0,
};

/// Four ladders in one block: bids, asks, implied bids, implied asks, each best first.
#[derive(Clone, Debug)]
pub(super) struct Places {
    slots: Box<[PriceLevel]>,
    depth: LevelDepth,
    /// The first known place of each ladder, from 0; its depth where there is none. Always in sync.
    first: [u8; 4],
}

/// One of the four, to be changed.
pub(super) struct Ladder<'a> {
    slots: &'a mut [PriceLevel],
    first: &'a mut u8,
}

impl Places {
    pub(super) fn new(depth: LevelDepth) -> Self {
        let slots = 2 * (usize::from(depth.direct) + usize::from(depth.implied));
        Self {
            slots: vec![HOLE; slots].into(),
            depth,
            first: Self::none(depth),
        }
    }

    pub(super) fn ladder(&mut self, side: BookSide, is_implied: bool) -> Ladder<'_> {
        let (start, end) = self.bounds(side, is_implied);
        Ladder {
            slots: &mut self.slots[start..end],
            first: &mut self.first[ladder_number(side, is_implied)],
        }
    }

    pub(super) fn best(&self, side: BookSide) -> Option<PriceLevel> {
        let first = self.first[ladder_number(side, false)];
        if first == self.depth.direct {
            return None;
        }
        let (start, _) = self.bounds(side, false);
        Some(self.slots[start + usize::from(first)])
    }

    /// Returns the levels of a ladder without its holes.
    pub(super) fn known(
        &self,
        side: BookSide,
        is_implied: bool,
    ) -> impl Iterator<Item = PriceLevel> {
        let (start, end) = self.bounds(side, is_implied);
        let slots = self.slots[start..end].iter().copied();
        slots.filter(|slot| slot.price_e9 != NO_PRICE)
    }

    pub(super) fn clear(&mut self) {
        self.slots.fill(HOLE);
        self.first = Self::none(self.depth);
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.slots)
    }

    /// Returns what `first` is where nothing is known.
    const fn none(depth: LevelDepth) -> [u8; 4] {
        [depth.direct, depth.direct, depth.implied, depth.implied]
    }

    /// Returns where a ladder begins and ends among the slots.
    fn bounds(&self, side: BookSide, is_implied: bool) -> (usize, usize) {
        let [direct, implied] = [self.depth.direct, self.depth.implied].map(usize::from);
        let (start, depth) = match is_implied {
            true => (2 * direct + side as usize * implied, implied),
            false => (side as usize * direct, direct),
        };
        (start, start + depth)
    }
}

const fn ladder_number(side: BookSide, is_implied: bool) -> usize {
    2 * is_implied as usize + side as usize
}

/// Places are from 0 here, and below the depth: the caller has checked them.
impl Ladder<'_> {
    /// What passes the depth falls off.
    pub(super) fn insert(&mut self, place: usize, level: PriceLevel) {
        let behind = &mut self.slots[place..];
        behind.rotate_right(1);
        behind[0] = level;
        self.find_first();
    }

    pub(super) fn change(&mut self, place: usize, level: PriceLevel) -> Result<(), DataErrorKind> {
        let was_known = self.slots[place].price_e9 == level.price_e9;
        self.overlay(place, level);
        found(was_known)
    }

    pub(super) fn overlay(&mut self, place: usize, level: PriceLevel) {
        self.slots[place] = level;
        self.find_first();
    }

    /// The venue may leave out the price of what it removes, but may not name another.
    pub(super) fn remove(&mut self, place: usize, price_e9: i64) -> Result<(), DataErrorKind> {
        let known_e9 = self.slots[place].price_e9;
        let was_known = known_e9 != NO_PRICE && [NO_PRICE, known_e9].contains(&price_e9);
        // The venue's ladder is one place shorter even where ours had none there: what is behind
        // has to move, or every later place would be another than the venue means.
        let behind = &mut self.slots[place..];
        behind.rotate_left(1);
        if let Some(last) = behind.last_mut() {
            *last = HOLE;
        }
        self.find_first();
        found(was_known)
    }

    pub(super) fn remove_best(&mut self, count: usize) -> Result<(), DataErrorKind> {
        let gone = &mut self.slots[..count];
        let were_known = gone.iter().all(|slot| slot.price_e9 != NO_PRICE);
        gone.fill(HOLE);
        self.slots.rotate_left(count);
        self.find_first();
        found(were_known)
    }

    pub(super) fn remove_all(&mut self) -> Result<(), DataErrorKind> {
        let was_known = usize::from(*self.first) < self.slots.len();
        self.slots.fill(HOLE);
        self.find_first();
        found(was_known)
    }

    fn find_first(&mut self) {
        let is_hole = |slot: &&PriceLevel| slot.price_e9 == NO_PRICE;
        let holes = self.slots.iter().take_while(is_hole).count();
        *self.first = u8::try_from(holes).expect("invariant: a depth fits in 8 bits");
    }
}

fn found(was_known: bool) -> Result<(), DataErrorKind> {
    if was_known {
        Ok(())
    } else {
        Err(DataErrorKind::UnknownLevel)
    }
}
