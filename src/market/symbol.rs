//! Owns the name of an instrument.

use std::fmt;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The venue's name of an instrument: ASCII, left-justified, padded with spaces to 8 bytes.
///
/// # Examples
///
/// ```
/// use ringtape::market::Symbol;
///
/// let apple = Symbol::new("AAPL").expect("short enough");
/// assert_eq!(apple, Symbol(*b"AAPL    "));
/// assert_eq!(apple.to_string(), "AAPL");
/// assert_eq!(Symbol::new("NINELONG!"), None);
/// ```
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(transparent)]
pub struct Symbol(pub [u8; 8]);

impl Symbol {
    /// Pads `name` with spaces. `None` for more than 8 bytes, or what is not printable ASCII.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let mut padded = [b' '; 8];
        padded
            .get_mut(..name.len())?
            .copy_from_slice(name.as_bytes());
        name.bytes()
            .all(|byte| byte.is_ascii_graphic())
            .then_some(Self(padded))
    }
}

impl fmt::Display for Symbol {
    /// Leaves out the padding; shows what is not printable ASCII as an escape, because the bytes
    /// come from outside and may go to a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self
            .0
            .iter()
            .rposition(|&b| b != b' ' && b != 0)
            .map_or(0, |last| last + 1);
        f.pad(&self.0[..used].escape_ascii().to_string())
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_shows_its_name_without_padding_and_never_raw_control_bytes() {
        for (bytes, shown) in [
            (*b"A       ", "A"),
            (*b"BRK.A   ", "BRK.A"),
            (*b"EIGHTLNG", "EIGHTLNG"),
            (*b"        ", ""),
            ([0; 8], ""),
            (*b"A\0\0\0\0\0\0\0", "A"),
            (*b"\x1b[31m   ", "\\x1b[31m"),
        ] {
            assert_eq!(Symbol(bytes).to_string(), shown);
        }
        assert_eq!(format!("{:<6}|", Symbol(*b"A       ")), "A     |");
    }
}
