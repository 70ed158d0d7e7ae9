//! Owns the values of a scenario: shares, ranges and durations, which cannot hold what is
//! impossible.

use fastrand::Rng;
use serde::de::{Deserialize, Deserializer, Error as _};

/// All packets, in parts per million.
const ALL_PPM: u32 = 1_000_000;
/// The longest duration of a scenario: an hour, in microseconds.
const US_MAX: u64 = 3_600_000_000;
const DECIMALS: usize = 4;

/// A share of all packets, in parts per million; in a scenario file a percentage such as `0.5`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "toml::Value")]
pub struct Share(u32);

impl Share {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Every packet.
    pub const ALL: Self = Self(ALL_PPM);

    /// Makes a share of so many parts per million; `None` for more than all.
    #[must_use]
    pub const fn from_ppm(ppm: u32) -> Option<Self> {
        if ppm > ALL_PPM { None } else { Some(Self(ppm)) }
    }

    /// Returns the share in parts per million.
    #[must_use]
    pub const fn ppm(self) -> u32 {
        self.0
    }

    /// Draws whether it is this one's turn. Draws the same number of times whatever the share.
    pub(super) fn strikes(self, random: &mut Rng) -> bool {
        random.u32(0..ALL_PPM) < self.0
    }
}

impl TryFrom<toml::Value> for Share {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        // Through the shortest text of a float, so that 0.1 is a thousand parts and no rounding of
        // ours comes in.
        let text = match value {
            toml::Value::Integer(percent) => percent.to_string(),
            toml::Value::Float(percent) => percent.to_string(),
            other => return Err(format!("{other} is no percentage such as 0.5")),
        };
        let refused = || format!("{text} is no percentage from 0 to 100 with at most 4 decimals");
        let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || decimals.len() > DECIMALS {
            return Err(refused());
        }
        let ppm = format!("{whole}{decimals:0<DECIMALS$}");
        let ppm = ppm.parse().ok().and_then(Self::from_ppm);
        ppm.ok_or_else(refused)
    }
}

/// A range from which numbers are drawn, both ends included; in a scenario file `3` or `[1, 12]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "toml::Value")]
pub struct Between {
    min: u32,
    max: u32,
}

impl Between {
    /// The most that a range can reach.
    pub const MAX: u32 = 10_000;

    /// Makes a range; `None` where it is empty, begins at 0 or reaches beyond [`Between::MAX`].
    #[must_use]
    pub const fn new(min: u32, max: u32) -> Option<Self> {
        if min == 0 || min > max || max > Self::MAX {
            None
        } else {
            Some(Self { min, max })
        }
    }

    pub(super) fn draw(self, random: &mut Rng) -> u32 {
        random.u32(self.min..=self.max)
    }
}

impl TryFrom<toml::Value> for Between {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        let number = |value: &toml::Value| {
            let number = value.as_integer();
            number.and_then(|number| u32::try_from(number).ok())
        };
        let ends = match value.as_array().map(Vec::as_slice) {
            None => number(&value).map(|only| (only, only)),
            Some([min, max]) => number(min).zip(number(max)),
            Some(_) => None,
        };
        let range = ends.and_then(|(min, max)| Self::new(min, max));
        range.ok_or_else(|| {
            let max = Self::MAX;
            format!("{value} is no number and no range such as [1, 12] within 1 to {max}")
        })
    }
}

/// Reads a `_us` key as nanoseconds.
pub(super) fn micros<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let us = i64::deserialize(from)?;
    match u64::try_from(us) {
        Ok(us) if us <= US_MAX => Ok(us * 1_000),
        _ => Err(D::Error::custom(format!(
            "{us} is no number of microseconds from 0 to {US_MAX}, an hour"
        ))),
    }
}

/// Reads a `_us` key that cannot be 0 as nanoseconds.
pub(super) fn micros_above_zero<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    match micros(from)? {
        0 => Err(D::Error::custom("0 is no period: the shortest is 1")),
        ns => Ok(ns),
    }
}

/// Reads a `_us` key that may be absent as nanoseconds.
pub(super) fn micros_if_any<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    micros(from).map(Some)
}

/// Reads a `_ms` key as nanoseconds; it is not 0.
pub(super) fn millis_above_zero<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<u64>, D::Error> {
    let ms = i64::deserialize(from)?;
    let max = US_MAX / 1_000;
    match u64::try_from(ms) {
        Ok(ms) if (1..=max).contains(&ms) => Ok(Some(ms * 1_000_000)),
        _ => Err(D::Error::custom(format!(
            "{ms} is no number of milliseconds from 1 to {max}, an hour"
        ))),
    }
}

/// Reads a `_bytes` key that is not 0.
pub(super) fn bytes_above_zero<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<u64>, D::Error> {
    let bytes = i64::deserialize(from)?;
    match u64::try_from(bytes) {
        Ok(bytes @ 1..) => Ok(Some(bytes)),
        _ => Err(D::Error::custom(format!(
            "{bytes} is no number of bytes from 1"
        ))),
    }
}
