//! Owns the calendar of NASDAQ: ITCH times are nanoseconds since midnight in New York.
//!
//! The time zone comes with the binary, so no machine has to have it.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

const NS_PER_S: u64 = 1_000_000_000;

/// Times below this count from midnight: the day was not known. Nothing was recorded on the first
/// day of 1970, unless by a clock that was not set.
pub const UNIX_NS_MIN: u64 = 86_400 * NS_PER_S;

fn zone() -> TimeZone {
    TimeZone::get("America/New_York").expect("invariant: the time zones are part of the binary")
}

fn zoned(unix_ns: u64) -> Zoned {
    Timestamp::from_nanosecond(i128::from(unix_ns))
        .expect("invariant: 2^64 ns end in the year 2554, and a timestamp reaches 9999")
        .to_zoned(zone())
}

/// Returns the date in New York at a time.
#[must_use]
pub fn date(unix_ns: u64) -> Date {
    zoned(unix_ns).date()
}

/// Returns the UNIX nanoseconds of a day's midnight in New York, or `None` before 1970 and where
/// they do not fit.
#[must_use]
pub fn midnight_ns(date: Date) -> Option<u64> {
    let midnight = date.to_zoned(zone()).ok()?.start_of_day().ok()?;
    u64::try_from(midnight.timestamp().as_nanosecond()).ok()
}

/// Returns the UNIX nanoseconds at which a wall clock in New York shows a time, or `None` before 1970
/// and where they do not fit. Of an hour that comes twice in a night the first is meant.
#[must_use]
pub fn unix_ns(wall: DateTime) -> Option<u64> {
    let zoned = wall.to_zoned(zone()).ok()?;
    u64::try_from(zoned.timestamp().as_nanosecond()).ok()
}

/// Writes a time as a wall clock in New York shows it, with its date.
#[must_use]
pub fn wall(unix_ns: u64) -> String {
    zoned(unix_ns).strftime("%F %T.%9f").to_string()
}

/// Writes a time of a recording: as [`wall`], or as [`time_of_day`] where the day was not known.
#[must_use]
pub fn wall_or_time_of_day(ns: u64) -> String {
    if ns < UNIX_NS_MIN {
        time_of_day(ns)
    } else {
        wall(ns)
    }
}

/// Writes nanoseconds since midnight as a wall clock shows them.
#[must_use]
pub fn time_of_day(since_midnight_ns: u64) -> String {
    let (seconds, ns) = (since_midnight_ns / NS_PER_S, since_midnight_ns % NS_PER_S);
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{ns:09}", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date as day;

    #[test]
    fn midnight_follows_daylight_saving() {
        // 05:00 UTC in winter, 04:00 UTC in summer.
        for (date, unix_s) in [
            (day(2019, 12, 30), 1_577_682_000),
            (day(2023, 8, 22), 1_692_676_800),
            // The clocks change in the night of these days, after midnight.
            (day(2023, 3, 12), 1_678_597_200),
            (day(2023, 11, 5), 1_699_156_800),
        ] {
            assert_eq!(midnight_ns(date), Some(unix_s * NS_PER_S), "{date}");
        }
        assert_eq!(midnight_ns(day(1969, 12, 31)), None);
    }

    #[test]
    fn the_date_changes_at_midnight_in_new_york_and_not_in_greenwich() {
        let midnight = midnight_ns(day(2023, 8, 22)).unwrap();
        assert_eq!(date(midnight), day(2023, 8, 22));
        assert_eq!(date(midnight - 1), day(2023, 8, 21));
        assert_eq!(
            wall(midnight + 34_200 * NS_PER_S + 7),
            "2023-08-22 09:30:00.000000007"
        );
        assert_eq!(wall(u64::MAX), "2554-07-21 19:34:33.709551615");
    }

    #[test]
    fn a_time_of_day_is_written_to_the_nanosecond() {
        assert_eq!(time_of_day(14_400_000_198_145), "04:00:00.000198145");
    }
}
