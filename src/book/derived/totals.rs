//! Owns sums over prints, and their average price, which is exact.

use crate::market::NO_PRICE;

/// What some prints sum up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// Σ price × quantity × 10⁹.
    value_e9: i128,
    /// Σ quantity.
    pub(super) volume: u64,
    /// How many they are.
    pub(super) trades: u32,
}

impl Totals {
    /// Returns the sums with one print more; `None` where one of them does not fit.
    #[inline]
    #[must_use]
    pub(super) fn with(self, price_e9: i64, quantity: u64) -> Option<Self> {
        // At most 2⁶³ × 2⁶⁴: always fits.
        let value_e9 = i128::from(price_e9) * i128::from(quantity);
        Some(Self {
            value_e9: self.value_e9.checked_add(value_e9)?,
            volume: self.volume.checked_add(quantity)?,
            trades: self.trades.checked_add(1)?,
        })
    }

    /// Returns the average price of a share or contract × 10⁹, rounded down; [`NO_PRICE`] of
    /// nothing.
    #[must_use]
    pub(super) fn vwap_e9(&self) -> i64 {
        if self.volume == 0 {
            return NO_PRICE;
        }
        let average = self.value_e9.div_euclid(i128::from(self.volume));
        i64::try_from(average).expect("invariant: an average lies between two of its prices")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_average_is_exact_and_rounded_down_on_both_sides_of_zero() {
        for (prints, average) in [
            (&[][..], NO_PRICE),
            (&[(7, 1)], 7),
            (&[(1, 1), (2, 1)], 1),
            (&[(-1, 1), (-2, 1)], -2),
            (&[(1, 2), (2, 1)], 1),
            (&[(10, 3), (20, 1), (31, 2)], 18),
            (&[(i64::MAX, u64::MAX)], i64::MAX),
            (&[(i64::MIN, u64::MAX)], i64::MIN),
        ] {
            let totals = prints
                .iter()
                .try_fold(Totals::default(), |totals, &(price_e9, quantity)| {
                    totals.with(price_e9, quantity)
                });
            assert_eq!(totals.unwrap().vwap_e9(), average, "{prints:?}");
        }
    }

    #[test]
    fn sums_that_do_not_fit_are_refused_and_nothing_is_added() {
        let full = Totals::default().with(i64::MAX, u64::MAX - 1).unwrap();
        assert_eq!(full.with(1, 2), None);
        assert!(full.with(1, 1).is_some());
        let trades = Totals {
            trades: u32::MAX,
            ..Totals::default()
        };
        assert_eq!(trades.with(1, 1), None);
    }
}
