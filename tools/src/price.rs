//! Owns how prices are written: as decimals that were never a float.

const E9: u64 = 1_000_000_000;
/// What prices are shown with at least.
const PLACES_MIN: usize = 2;

/// Writes a price × 10⁹ with as many decimals as it needs, and at least two.
pub(crate) fn decimal(price_e9: i64) -> String {
    decimal_to(price_e9, places(price_e9))
}

/// Returns how many decimals a price × 10⁹ needs, and at least two.
pub(crate) fn places(price_e9: i64) -> usize {
    let decimals = format!("{:09}", price_e9.unsigned_abs() % E9);
    decimals.trim_end_matches('0').len().max(PLACES_MIN)
}

/// Writes a price × 10⁹ with so many decimals, at most nine, so that several line up. What is
/// behind them is cut.
pub(crate) fn decimal_to(price_e9: i64, places: usize) -> String {
    let sign = if price_e9 < 0 { "-" } else { "" };
    let (whole, rest) = (price_e9.unsigned_abs() / E9, price_e9.unsigned_abs() % E9);
    let decimals = format!("{rest:09}");
    format!("{sign}{whole}.{}", &decimals[..places.min(decimals.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_written_without_rounding() {
        for (price_e9, shown) in [
            (0, "0.00"),
            (1, "0.000000001"),
            (-1, "-0.000000001"),
            (210_120_000_000, "210.12"),
            (199_999_999_900_000, "199999.9999"),
            (-5_000_000_000, "-5.00"),
            (i64::MAX, "9223372036.854775807"),
        ] {
            assert_eq!(decimal(price_e9), shown);
        }
        assert_eq!(decimal_to(-1_500_000_000, 4), "-1.5000");
        assert_eq!(decimal_to(1_234_567_890, 12), "1.234567890");
    }
}
