//! Owns numbers with decimals on the command line, kept as integers.

/// Reads a number that is not negative with at most `DECIMALS` decimals, and returns it multiplied
/// by 10 to the power of `DECIMALS`.
pub(crate) fn parse_scaled<const DECIMALS: usize>(text: &str) -> Result<u64, String> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if text.len() < 1 + usize::from(text.contains('.')) || !digits(whole) || !digits(decimals) {
        return Err(format!("{text:?} is no number such as 20 or 0.5"));
    }
    if decimals.len() > DECIMALS {
        return Err(format!("{text} has more than {DECIMALS} decimals"));
    }
    format!("{whole}{decimals:0<DECIMALS$}")
        .parse()
        .map_err(|_| format!("{text} is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_without_rounding() {
        for (text, scaled) in [("1", 1_000), ("0.5", 500), (".25", 250), ("10.", 10_000)] {
            assert_eq!(parse_scaled::<3>(text), Ok(scaled), "{text}");
        }
        for text in [
            "",
            ".",
            "-1",
            "1e3",
            "1.2345",
            "1,5",
            "x",
            "99999999999999999999",
        ] {
            assert!(parse_scaled::<3>(text).is_err(), "{text}");
        }
    }
}
