//! Owns whether a book can be trusted: what speaks against it, as bits, and what follows from them.

use std::fmt;

/// Whether a book can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trust {
    /// It is complete and up to date, and the instrument trades.
    Live,
    /// It is complete and up to date, and nobody bids or offers.
    Empty,
    /// The venue does not trade the instrument now: halted, paused, in an auction, not open.
    Halted,
    /// It is being built and not complete: the feed was joined in the middle, or a picture of the
    /// whole book is still coming in.
    Recovering,
    /// It was complete and is not any more: something was lost, contradicts it, or the feed is
    /// silent.
    Stale {
        /// Since when: UNIX nanoseconds, by receive time.
        since_ns: u64,
    },
}

impl Trust {
    /// Returns the name that reports use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Empty => "empty",
            Self::Halted => "halted",
            Self::Recovering => "recovering",
            Self::Stale { .. } => "stale",
        }
    }

    /// Returns the number that derived events carry: 0 live, 1 empty, 2 halted, 3 recovering, 4
    /// stale.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Live => 0,
            Self::Empty => 1,
            Self::Halted => 2,
            Self::Recovering => 3,
            Self::Stale { .. } => 4,
        }
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What speaks against a book: a set of bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(transparent)]
pub(super) struct Marks(u8);

impl Marks {
    pub(super) const NONE: Self = Self(0);
    /// Messages of the feed were lost.
    pub(super) const GAP: Self = Self(1);
    /// Every line of the feed is silent.
    pub(super) const SILENT: Self = Self(1 << 1);
    /// An event contradicted the book, or records were lost behind the feed.
    pub(super) const BROKEN: Self = Self(1 << 2);
    /// Somebody bids more than another asks.
    pub(super) const CROSSED: Self = Self(1 << 3);
    /// The feed was joined in the middle, so what the book had before is not known.
    pub(super) const JOINED: Self = Self(1 << 4);
    /// A picture of the whole book is coming in.
    pub(super) const SNAPSHOT: Self = Self(1 << 5);
    /// The venue's status says that it does not trade.
    pub(super) const HALTED: Self = Self(1 << 6);
    /// One market of the venue's operator stopped it.
    pub(super) const OPERATIONAL_HALT: Self = Self(1 << 7);

    const STALE: Self = Self::GAP
        .with(Self::SILENT)
        .with(Self::BROKEN)
        .with(Self::CROSSED);
    pub(super) const RECOVERING: Self = Self::JOINED.with(Self::SNAPSHOT);
    const NOT_TRADING: Self = Self::HALTED.with(Self::OPERATIONAL_HALT);

    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) const fn bits(self) -> u8 {
        self.0
    }

    pub(super) const fn has(self, any_of: Self) -> bool {
        self.0 & any_of.0 != 0
    }

    /// Returns whether the instrument does not trade.
    pub(super) const fn is_halted(self) -> bool {
        self.has(Self::NOT_TRADING)
    }

    /// Returns whether the book ceased to be what the venue's is.
    pub(super) const fn is_stale(self) -> bool {
        self.has(Self::STALE)
    }

    /// Returns whether the book is not what the venue's is, or may not be.
    pub(super) const fn is_doubtful(self) -> bool {
        self.has(Self::STALE.with(Self::RECOVERING))
    }

    #[inline]
    pub(super) const fn trust(self, is_empty: bool, since_ns: u64) -> Trust {
        if self.has(Self::STALE) {
            Trust::Stale { since_ns }
        } else if self.has(Self::RECOVERING) {
            Trust::Recovering
        } else if self.is_halted() {
            Trust::Halted
        } else if is_empty {
            Trust::Empty
        } else {
            Trust::Live
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_outweighs_what_is_missing_and_that_outweighs_a_halt() {
        let trust = |marks: Marks| marks.trust(false, 7);
        let halted = Marks::HALTED;
        assert_eq!(trust(Marks::NONE), Trust::Live);
        assert_eq!(Marks::NONE.trust(true, 7), Trust::Empty);
        assert_eq!(trust(halted), Trust::Halted);
        assert_eq!(trust(halted.with(Marks::JOINED)), Trust::Recovering);
        for stale in [Marks::GAP, Marks::SILENT, Marks::BROKEN, Marks::CROSSED] {
            let marks = halted.with(Marks::JOINED).with(stale);
            assert_eq!(trust(marks), Trust::Stale { since_ns: 7 });
            assert_eq!(trust(marks.without(stale)), Trust::Recovering);
        }
    }
}
