//! Owns what is wrong with the data that a book is fed: counted by kind, and the first of them by
//! name.

use crate::record::Sequence;
use std::fmt;

/// How an event contradicts the book that it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum DataErrorKind {
    /// It refers to an order that is not in the book. Nothing changes; of a replace, neither half
    /// happens, since only the old order tells the side of the new one.
    UnknownOrder,
    /// It adds an order with the id of one that is in a book. The old one stays, the new one is
    /// not added; of a replace, the replaced order is gone.
    DuplicateOrder,
    /// It takes more from an order than remains. The order is gone.
    NegativeRemaining,
    /// It refers to an order of another instrument. Nothing changes.
    WrongInstrument,
    /// It has no side where one is needed. Nothing changes.
    NoSide,
    /// It has no price where one is needed, or one that is not above 0 where the venue has none
    /// such. Nothing changes, and a trade is no print; of a replace, the replaced order is gone.
    NoPrice,
    /// It adds, takes or sets nothing. Nothing changes; of a replace, the replaced order is gone.
    NoQuantity,
    /// The sum of a level's quantities does not fit in 64 bits. The order is not added; of a
    /// replace, the replaced order is gone.
    QuantityOverflow,
    /// It removes or changes a level that is not in the book. A removal by price changes nothing,
    /// one by place moves what is behind it all the same; a change sets the level.
    UnknownLevel,
    /// A level's place is beyond the depth of the book, or its side has no room for one more price.
    /// Nothing changes.
    LevelOutOfRange,
    /// It does with a level what is not known here. Nothing changes.
    UnknownAction,
    /// Somebody bids more than another asks after a whole event, and the instrument trades.
    Crossed,
    /// A status for an instrument that neither the directory nor an event has named. Nothing
    /// changes.
    UnknownInstrument,
    /// There is no room for one more instrument. Nothing changes.
    InstrumentsFull,
    /// There is no room for one more order. The order is not added; of a replace, the replaced
    /// order is gone.
    OrdersFull,
}

impl DataErrorKind {
    /// How many kinds there are.
    pub const COUNT: usize = Self::ALL.len();

    /// All kinds, in the order in which reports list them.
    pub const ALL: [Self; 15] = [
        Self::UnknownOrder,
        Self::DuplicateOrder,
        Self::NegativeRemaining,
        Self::WrongInstrument,
        Self::NoSide,
        Self::NoPrice,
        Self::NoQuantity,
        Self::QuantityOverflow,
        Self::UnknownLevel,
        Self::LevelOutOfRange,
        Self::UnknownAction,
        Self::Crossed,
        Self::UnknownInstrument,
        Self::InstrumentsFull,
        Self::OrdersFull,
    ];

    /// Returns the name that reports use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownOrder => "unknown_order",
            Self::DuplicateOrder => "duplicate_order",
            Self::NegativeRemaining => "negative_remaining",
            Self::WrongInstrument => "wrong_instrument",
            Self::NoSide => "no_side",
            Self::NoPrice => "no_price",
            Self::NoQuantity => "no_quantity",
            Self::QuantityOverflow => "quantity_overflow",
            Self::UnknownLevel => "unknown_level",
            Self::LevelOutOfRange => "level_out_of_range",
            Self::UnknownAction => "unknown_action",
            Self::Crossed => "crossed",
            Self::UnknownInstrument => "unknown_instrument",
            Self::InstrumentsFull => "instruments_full",
            Self::OrdersFull => "orders_full",
        }
    }
}

impl fmt::Display for DataErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One error in the data, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataError {
    /// What is wrong.
    pub kind: DataErrorKind,
    /// The venue's number of the instrument.
    pub instrument: u32,
    /// Low 32 bits of the venue's number of the message.
    pub message: u32,
    /// Our number of the record.
    pub sequence: Sequence,
    /// Whether the book was not trusted before this either: then the error may be the book's and
    /// not the data's.
    pub doubtful: bool,
}

/// Errors that are kept by name; more are only counted.
pub const ERRORS_LISTED: usize = 256;

/// What was wrong with the data.
#[derive(Clone, Debug)]
pub struct DataErrors {
    counts: [[u64; 2]; DataErrorKind::COUNT],
    first: Vec<DataError>,
}

impl Default for DataErrors {
    fn default() -> Self {
        Self {
            counts: [[0; 2]; DataErrorKind::COUNT],
            first: Vec::with_capacity(ERRORS_LISTED),
        }
    }
}

impl DataErrors {
    /// Returns how many errors of a kind met a book that was trusted until then.
    #[must_use]
    pub fn count(&self, kind: DataErrorKind) -> u64 {
        self.counts[kind as usize][0]
    }

    /// Returns how many errors of a kind met a book that was not trusted anyway.
    #[must_use]
    pub fn doubtful(&self, kind: DataErrorKind) -> u64 {
        self.counts[kind as usize][1]
    }

    /// Returns how many errors met books that were trusted.
    #[must_use]
    pub fn total(&self) -> u64 {
        DataErrorKind::ALL.map(|kind| self.count(kind)).iter().sum()
    }

    /// Returns how many errors met books that were not trusted anyway.
    #[must_use]
    pub fn doubtful_total(&self) -> u64 {
        DataErrorKind::ALL
            .map(|kind| self.doubtful(kind))
            .iter()
            .sum()
    }

    /// Returns the first [`ERRORS_LISTED`] errors, in their order.
    #[must_use]
    pub fn first(&self) -> &[DataError] {
        &self.first
    }

    /// Hot path: no allocation, no system call, O(1).
    pub(super) fn push(&mut self, error: DataError) {
        self.counts[error.kind as usize][usize::from(error.doubtful)] += 1;
        if self.first.len() < ERRORS_LISTED {
            self.first.push(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_listed_at_its_own_place_and_has_a_name_of_its_own() {
        for (place, kind) in DataErrorKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
            let twins = DataErrorKind::ALL
                .iter()
                .filter(|other| other.name() == kind.name());
            assert_eq!(twins.count(), 1, "{kind}");
        }
    }
}
