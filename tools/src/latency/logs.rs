//! Owns the files that HdrHistogram's tools open: interval logs (`.hlog`) and percentiles
//! (`.hgrm`).

#![allow(
    clippy::float_arithmetic,
    reason = "both formats have times and values with decimals"
)]

use super::measured::Measured;
use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;
use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

/// What values are divided by where people read them: nanoseconds in a millisecond.
const NS_PER_MS: f64 = 1e6;
/// And in a microsecond.
const NS_PER_US: f64 = 1e3;
/// Lines of a `.hgrm` for each halving of what is left above.
const TICKS_PER_HALVING: u32 = 5;

/// Writes an interval log: a line for each interval, with all its counts, in nanoseconds.
///
/// # Errors
///
/// Never on this data; the format's own writer could.
pub(super) fn interval_log(measured: &Measured, comments: &[String]) -> Result<Vec<u8>> {
    let begin = UNIX_EPOCH + Duration::from_nanos(measured.measured_from_ns);
    let mut builder = IntervalLogWriterBuilder::new();
    builder.add_comment("[Histogram log format version 1.3]");
    for comment in comments {
        builder.add_comment(comment);
    }
    builder.add_comment("values are nanoseconds, maxima of intervals milliseconds");
    builder
        .with_start_time(begin)
        .with_base_time(begin)
        .with_max_value_divisor(NS_PER_MS);
    let mut log = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut writer = builder.begin_log_with(&mut log, &mut serializer)?;
    let mut left_ns = measured.setup.measured_ns();
    let mut since_ns = 0;
    // Of a run that was stopped, those after the stop never were.
    let last = measured.intervals.iter().rposition(|i| !i.is_empty());
    let count = match measured.interrupted {
        true => last.map_or(0, |last| last + 1),
        false => measured.intervals.len(),
    };
    for interval in &measured.intervals[..count] {
        let length_ns = left_ns.min(measured.interval_ns);
        let (since, length) = (
            Duration::from_nanos(since_ns),
            Duration::from_nanos(length_ns),
        );
        writer
            .write_histogram(interval, since, length, None)
            .ok()
            .context("cannot write an interval")?;
        left_ns -= length_ns;
        since_ns += length_ns;
    }
    Ok(log)
}

/// Writes percentiles in microseconds, as HdrHistogram's `plotFiles.html` reads them.
pub(super) fn percentiles(histogram: &Histogram<u64>, comments: &[String]) -> String {
    let mut text = String::new();
    for comment in comments {
        // Writing to a String cannot fail, here and below.
        _ = writeln!(text, "#{comment}");
    }
    text.push_str("#values are microseconds\n");
    text.push_str("       Value     Percentile TotalCount 1/(1-Percentile)\n\n");
    let mut count = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALVING) {
        count += step.count_since_last_iteration();
        let value = step.value_iterated_to() as f64 / NS_PER_US;
        let quantile = step.quantile_iterated_to();
        _ = write!(text, "{value:12.3} {quantile:.12} {count:10}");
        _ = match quantile < 1.0 {
            true => writeln!(text, " {:14.2}", 1.0 / (1.0 - quantile)),
            false => writeln!(text),
        };
    }
    let (mean, deviation) = (histogram.mean() / NS_PER_US, histogram.stdev() / NS_PER_US);
    let max = histogram.max() as f64 / NS_PER_US;
    let total = histogram.len();
    let (buckets, sub_buckets) = (histogram.buckets(), sub_buckets(histogram));
    _ = writeln!(
        text,
        "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]\n\
         #[Max     = {max:12.3}, Total count    = {total:12}]\n\
         #[Buckets = {buckets:12}, SubBuckets     = {sub_buckets:12}]"
    );
    text
}

/// Parts of a bucket: enough to tell values of so many digits apart.
fn sub_buckets(histogram: &Histogram<u64>) -> u64 {
    (2 * 10_u64.pow(u32::from(histogram.sigfig()))).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::super::measured::tests::measured;
    use super::super::setup::Stage;
    use super::*;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    #[test]
    fn an_interval_log_is_read_back_as_it_was_measured() {
        let measured = measured(Stage::Ring);
        let log = interval_log(&measured, &["command: x".to_owned()]).unwrap();
        let text = String::from_utf8(log.clone()).unwrap();
        assert!(
            text.starts_with("#[Histogram log format version 1.3]\n#command: x\n"),
            "{text}"
        );
        assert!(text.contains("\n#[StartTime: 1700000000.000 (seconds since epoch)]\n"));
        let mut read = Vec::new();
        for entry in IntervalLogIterator::new(&log) {
            if let LogEntry::Interval(interval) = entry.unwrap() {
                assert_eq!(interval.tag(), None);
                let histogram: Histogram<u64> = Deserializer::new()
                    .deserialize(&mut decode(interval.encoded_histogram()).as_slice())
                    .unwrap();
                let times = (interval.start_timestamp(), interval.duration());
                read.push((times, interval.max(), histogram));
            }
        }
        let second = Duration::from_secs(1);
        assert_eq!(read.len(), 2);
        for (index, (times, max_ms, histogram)) in read.iter().enumerate() {
            assert_eq!(*times, (second * u32::try_from(index).unwrap(), second));
            assert_eq!(*histogram, measured.intervals[index]);
            assert!((max_ms * NS_PER_MS - histogram.max() as f64).abs() < 1_000.0);
        }
    }

    #[test]
    fn a_log_of_a_run_that_was_stopped_ends_there() {
        let mut measured = measured(Stage::Ring);
        let lines = |measured: &Measured| {
            let log = String::from_utf8(interval_log(measured, &[]).unwrap()).unwrap();
            log.lines().filter(|line| !line.starts_with('#')).count()
        };
        measured.intervals[1].reset();
        assert_eq!(lines(&measured), 2, "nothing came in the second");
        measured.interrupted = true;
        assert_eq!(lines(&measured), 1);
        measured.intervals[0].reset();
        assert_eq!(lines(&measured), 0);
    }

    /// Decodes base64, the other way round than the writer under test.
    fn decode(text: &str) -> Vec<u8> {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let digits = text
            .bytes()
            .filter_map(|c| alphabet.iter().position(|&a| a == c));
        let bits = digits.flat_map(|digit| (0..6).rev().map(move |bit| digit >> bit & 1));
        let bits: Vec<usize> = bits.collect();
        let byte = |bits: &[usize]| bits.iter().fold(0, |byte, bit| byte << 1 | bit);
        bits.chunks_exact(8)
            .map(|bits| u8::try_from(byte(bits)).unwrap())
            .collect()
    }

    #[test]
    fn percentiles_stand_in_four_columns_that_rise_to_all_samples() {
        // Message n took n microseconds, n from 1 to 1,000.
        let text = percentiles(&measured(Stage::Ring).total, &["cpu: x".to_owned()]);
        let (comments, columns): (Vec<&str>, Vec<&str>) =
            text.lines().partition(|line| line.starts_with('#'));
        assert_eq!(comments[0], "#cpu: x");
        assert_eq!(
            columns[0].split_whitespace().last(),
            Some("1/(1-Percentile)")
        );
        assert_eq!(columns[1], "");
        let rows: Vec<Vec<f64>> = columns[2..]
            .iter()
            .map(|line| {
                line.split_whitespace()
                    .map(|cell| cell.parse().unwrap())
                    .collect()
            })
            .collect();
        assert!(rows.len() > 20);
        assert!(rows.is_sorted_by(|a, b| a[0] <= b[0] && a[1] <= b[1] && a[2] <= b[2]));
        for row in &rows {
            let expected = (row[1] * 1_000.0).ceil().max(1.0);
            assert!((row[0] - expected).abs() <= expected / 50.0, "{row:?}");
            if let [_, quantile, _, inverse] = row[..] {
                assert!((inverse - 1.0 / (1.0 - quantile)).abs() <= 0.01 * inverse);
            }
        }
        let last = rows.last().unwrap();
        assert_eq!((last.len(), last[1], last[2]), (3, 1.0, 1_000.0));
        let number = |line: &str, name: &str| -> f64 {
            let (_, rest) = line.split_once(name).unwrap();
            let rest = rest.trim_start_matches([' ', '=']);
            rest.split([',', ']'])
                .next()
                .unwrap()
                .trim()
                .parse()
                .unwrap()
        };
        let of = |name: &str| {
            let line = comments.iter().find(|line| line.contains(name)).unwrap();
            number(line, name)
        };
        assert!((of("Mean") - 500.5).abs() < 5.0);
        assert!((of("StdDeviation") - 288.7).abs() < 5.0);
        assert!((of("Max") - 1_000.0).abs() < 10.0);
        assert_eq!((of("Total count"), of("SubBuckets")), (1_000.0, 256.0));
    }
}
