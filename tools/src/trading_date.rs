//! Owns which day it is: ITCH counts time from midnight in New York and does not say of which day.

use crate::new_york;
use anyhow::{Context as _, Result};
use jiff::civil::Date;
use ringtape::clock::{Clock as _, SystemClock};
use std::str::FromStr;

/// What event times count from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub enum TradingDate {
    /// From 1970, by way of the midnight of this day in New York.
    Known(Date),
    /// From midnight.
    Unknown,
}

impl TradingDate {
    /// Returns the day that it is in New York.
    #[must_use]
    pub fn today() -> Self {
        Self::Known(new_york::date(SystemClock.now_ns()))
    }

    /// Returns the UNIX nanoseconds of midnight, 0 where the date is not known.
    ///
    /// # Errors
    ///
    /// When the day is before 1970 or too late to be counted in nanoseconds.
    pub fn midnight_ns(self) -> Result<u64> {
        match self {
            Self::Known(date) => new_york::midnight_ns(date).with_context(|| {
                format!("trading date {date}: times are counted from 1970 to 2554")
            }),
            Self::Unknown => Ok(0),
        }
    }

    /// Returns the date, if it is known.
    #[must_use]
    pub fn date(self) -> Option<Date> {
        match self {
            Self::Known(date) => Some(date),
            Self::Unknown => None,
        }
    }
}

impl FromStr for TradingDate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "unknown" => Ok(Self::Unknown),
            "today" => Ok(Self::today()),
            _ => text.parse().map(Self::Known).map_err(|_| {
                format!("{text} is neither a date such as 2020-01-30 nor `today` nor `unknown`")
            }),
        }
    }
}

impl TryFrom<String> for TradingDate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
