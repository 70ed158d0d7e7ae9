//! Owns how a place in a recording is named on the command line.

use crate::new_york::{self, UNIX_NS_MIN};
use anyhow::{Context as _, Result};
use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use ringtape::record::Sequence;
use ringtape::replay;
use std::str::FromStr;

/// A place in a journal or a capture, as the user named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    text: String,
    named: Named,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    Sequence(u64),
    UnixNs(u64),
    /// In New York, on the day of the first record; where that is not known, since midnight.
    TimeOfDay(Time),
}

impl Place {
    /// Names the record with a number.
    pub(crate) fn sequence(number: u64) -> Self {
        Self {
            text: number.to_string(),
            named: Named::Sequence(number),
        }
    }

    /// Returns the place in a journal; `first_recv_ns` finds out when its first record was received,
    /// and is asked only for a time of day.
    ///
    /// # Errors
    ///
    /// Those of `first_recv_ns`; for a time of day where there is no first record.
    pub(crate) fn resolve(
        &self,
        first_recv_ns: impl FnOnce() -> Result<Option<u64>>,
    ) -> Result<replay::Place> {
        Ok(match self.named {
            Named::Sequence(number) => replay::Place::Sequence(Sequence::new(number)),
            Named::UnixNs(ns) => replay::Place::Time(ns),
            Named::TimeOfDay(time) => {
                let first_recv_ns = first_recv_ns()?.with_context(|| {
                    format!("{}: there is no record whose day that could be", self.text)
                })?;
                if first_recv_ns < UNIX_NS_MIN {
                    let since_midnight = time.duration_since(Time::midnight());
                    let ns = u64::try_from(since_midnight.as_nanos())
                        .context("invariant: no time of day is before midnight")?;
                    return Ok(replay::Place::Time(ns));
                }
                let wall = new_york::date(first_recv_ns).to_datetime(time);
                let ns = new_york::unix_ns(wall)
                    .with_context(|| format!("{}: times are counted from 1970", self.text))?;
                replay::Place::Time(ns)
            }
        })
    }

    /// Says what was meant, for the context of an error.
    pub(crate) fn shown(&self, place: replay::Place) -> String {
        match place {
            replay::Place::Sequence(_) => self.text.clone(),
            replay::Place::Time(ns) => {
                format!(
                    "{} ({} in New York)",
                    self.text,
                    new_york::wall_or_time_of_day(ns)
                )
            }
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = if let Some(ns) = text.strip_suffix("ns") {
            ns.parse().ok().map(Named::UnixNs)
        } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let number = text.parse().ok();
            let numbers = 1..=Sequence::MAX.get();
            number
                .filter(|number| numbers.contains(number))
                .map(Named::Sequence)
        } else if let Ok(timestamp) = text.parse::<Timestamp>() {
            u64::try_from(timestamp.as_nanosecond())
                .ok()
                .map(Named::UnixNs)
        } else if has_zone(text) {
            // The parsers below would read past it, and take the time for New York's.
            None
        } else if let Ok(wall) = text.parse::<DateTime>() {
            // Before a time of day, as which this would be read too, without its date.
            new_york::unix_ns(wall).map(Named::UnixNs)
        } else if let Ok(time) = text.parse::<Time>() {
            Some(Named::TimeOfDay(time))
        } else {
            None
        };
        let text = text.to_owned();
        match named {
            Some(named) => Ok(Self { text, named }),
            None => Err(format!(
                "{text} is neither a sequence such as 14000, nor a time such as 09:30:00.5, \
                 2023-08-22T09:30 (both New York), 2023-08-22T13:30:00Z or 1692711000000000000ns"
            )),
        }
    }
}

/// Returns whether an offset or a time zone is named behind a time.
fn has_zone(text: &str) -> bool {
    let behind = text.find(':').map_or("", |colon| &text[colon..]);
    behind.contains(['+', '-', '[']) || text.contains('[')
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringtape::replay::Place::{Sequence as Number, Time as At};

    const OPEN_NS: u64 = 1_692_711_000_000_000_000;

    #[test]
    fn places_are_sequences_or_times_in_any_of_four_ways() {
        let number = Number(Sequence::new(14_000));
        for (text, place) in [
            ("14000", number),
            ("1692711000000000000ns", At(OPEN_NS)),
            ("2023-08-22T13:30:00Z", At(OPEN_NS)),
            ("2023-08-22T15:30:00+02:00", At(OPEN_NS)),
            ("2023-08-22T09:30", At(OPEN_NS)),
            ("2023-08-22 09:30:00.000000007", At(OPEN_NS + 7)),
        ] {
            // On another day.
            let found = Place::from_str(text).unwrap().resolve(|| Ok(Some(1 << 60)));
            assert_eq!(found.unwrap(), place, "{text}");
        }
        for (text, place) in [
            ("09:30", At(OPEN_NS)),
            ("09:30:00.5", At(OPEN_NS + 500_000_000)),
        ] {
            // Some hours before the open, on its day.
            let found = Place::from_str(text).unwrap();
            let hours_before = || Ok(Some(OPEN_NS - (5 << 40)));
            assert_eq!(found.resolve(hours_before).unwrap(), place);
        }
        for text in [
            "",
            "0",
            "-1",
            "9:30pm",
            "soon",
            "72057594037927936",
            "1969-12-31T09:30",
            "xns",
            "09:30+00:00",
            "09:30:00-05:00",
            "2023-08-22T09:30[Europe/Paris]",
        ] {
            assert!(Place::from_str(text).is_err(), "{text}");
        }
        // A recording whose day was not known counts from midnight.
        let early = Place::from_str("03:05:00.5").unwrap();
        let place = early
            .resolve(|| Ok(Some(3 * 3_600 * 1_000_000_000)))
            .unwrap();
        assert_eq!(
            place,
            At((3 * 3_600 + 5 * 60) * 1_000_000_000 + 500_000_000)
        );
        assert_eq!(
            early.shown(place),
            "03:05:00.5 (03:05:00.500000000 in New York)"
        );
        let time_of_day = Place::from_str("09:30").unwrap();
        assert!(time_of_day.resolve(|| Ok(None)).is_err());
    }
}
