//! Owns one side of a book whose levels are addressed by price: sorted, the best one last.
//!
//! Most changes are near the best price, so with that one at the end of the array few levels have
//! to move.

use crate::book::{BookSide, DataErrorKind, PriceLevel};

/// The most levels that a side has where they are addressed by price: more would be
/// [`DataErrorKind::LevelOutOfRange`]. It bounds what a feed that has gone mad can make this
/// process allocate, and is many times what a venue shows.
pub const LEVELS_MAX: usize = 16_384;

/// One side. The array is kept when it is emptied, to be used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Prices {
    worst_first: Vec<PriceLevel>,
}

impl Prices {
    pub(super) fn set(&mut self, side: BookSide, level: PriceLevel) -> Result<(), DataErrorKind> {
        let place = self.place(side, level.price_e9);
        let is_full = self.worst_first.len() >= LEVELS_MAX;
        match self.worst_first.get_mut(place) {
            Some(known) if known.price_e9 == level.price_e9 => *known = level,
            _ if is_full => return Err(DataErrorKind::LevelOutOfRange),
            _ => self.worst_first.insert(place, level),
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, side: BookSide, price_e9: i64) -> Result<(), DataErrorKind> {
        let place = self.place(side, price_e9);
        match self.worst_first.get(place) {
            Some(known) if known.price_e9 == price_e9 => {
                self.worst_first.remove(place);
                Ok(())
            }
            _ => Err(DataErrorKind::UnknownLevel),
        }
    }

    /// Makes a level the only one of a side that was emptied.
    pub(super) fn only(&mut self, level: PriceLevel) {
        self.worst_first.push(level);
    }

    pub(super) fn clear(&mut self) {
        self.worst_first.clear();
    }

    pub(super) fn best(&self) -> Option<PriceLevel> {
        self.worst_first.last().copied()
    }

    pub(super) fn worst_first(&self) -> &[PriceLevel] {
        &self.worst_first
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.worst_first.capacity() * size_of::<PriceLevel>()
    }

    /// Returns where a price is, or would have to be.
    fn place(&self, side: BookSide, price_e9: i64) -> usize {
        self.worst_first
            .partition_point(|level| side.is_better(price_e9, level.price_e9))
    }
}
