//! Owns `ringtape archive` and `ringtape prune`: what a journal keeps, and how.

use crate::cli::Outcome;
use crate::interrupt;
use crate::output::{self, thousands};
use crate::progress::Progress;
use anyhow::{Result, bail};
use ringtape::clock::{Clock as _, SystemClock};
use ringtape::journal::{self, FinishedSegment, Retention};
use serde::Serialize;
use std::path::PathBuf;
use std::slice;
use std::time::Duration;

/// Compress finished segments of a journal; every command reads them as before
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Compresses whole segments with zstd in frames that can be read one by one, reads each archive back,
compares it with the segment, and only then deletes the plain file. The segment that is being written
is never touched, so a journal can be archived while it is recorded. Without a rule every finished
segment is archived; with rules, those beyond any of them. `zstd -d` gives a plain segment back.

Examples:
  ringtape archive tape/
  ringtape archive tape/ --keep-segments 4
  ringtape archive tape/ --keep-age 1d --dry-run

Exit codes: 0 done; 1 the journal is damaged; 2 wrong use, or a segment could not be archived: it
stays as it was, and those before it are archived; 130 stopped by Ctrl-C, after the report.")]
pub struct ArchiveArgs {
    #[command(flatten)]
    rules: Rules,
    /// Effort of zstd: higher is smaller and slower
    #[arg(long, value_name = "LEVEL", default_value_t = 3, value_parser = clap::value_parser!(i32).range(1..=22))]
    level: i32,
}

/// Delete the oldest finished segments of a journal
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Deletes whole segments, plain or archived, from the oldest on, until no rule is broken. The segment
that is being written is never touched, so a journal can be pruned while it is recorded.

Examples:
  ringtape prune tape/ --keep-bytes 100GB
  ringtape prune tape/ --keep-age 7d --dry-run
  ringtape prune tape/ --keep-segments 24 --json

Exit codes: 0 done; 1 the journal is damaged; 2 wrong use, or a segment could not be deleted: those
before it are gone; 130 stopped by Ctrl-C, after the report.")]
pub struct PruneArgs {
    #[command(flatten)]
    rules: Rules,
}

#[derive(Debug, clap::Args)]
struct Rules {
    /// Directory of the journal
    dir: PathBuf,
    /// Keep at most this many segments, the one that is being written included
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    keep_segments: Option<u64>,
    /// Keep at most this much on disk, the segment that is being written included: 500MB, 2GiB, …
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    keep_bytes: Option<u64>,
    /// Keep what was finished at most so long ago: 36h, 7d, …
    #[arg(long, value_name = "AGE", value_parser = age)]
    keep_age: Option<Duration>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

/// What was done. The keys are stable.
#[derive(Debug, Serialize)]
struct Report {
    journal: String,
    dry_run: bool,
    segments: Vec<SegmentJson>,
    bytes_before: u64,
    /// What those segments take now; the same as before in a dry run.
    bytes_after: u64,
}

#[derive(Debug, Serialize)]
struct SegmentJson {
    segment: String,
    first_sequence: u64,
    bytes_before: u64,
    bytes_after: u64,
}

/// Runs `archive`.
///
/// # Errors
///
/// When the directory is no journal, or a segment cannot be archived.
pub fn archive(args: &ArchiveArgs) -> Result<Outcome> {
    let rules = &args.rules;
    let chosen = if rules.retention() == Retention::default() {
        journal::finished_segments(&rules.dir)?
    } else {
        rules.beyond()?
    };
    let plain: Vec<_> = chosen
        .into_iter()
        .filter(|segment| !segment.entry.archived)
        .collect();
    let progress = Progress::over(Some(sum(&plain)), false, rules.json);
    let mut report = rules.report();
    let mut done = 0;
    let archived = report.each(rules, &plain, |segment| {
        let archived = journal::archive(segment, args.level)?;
        done += segment.bytes;
        progress.set(done);
        Ok(archived.map(|archived| archived.archived_bytes))
    });
    progress.finish();
    report.print(rules, archived, "archived", "would be archived")
}

/// Runs `prune`.
///
/// # Errors
///
/// Without a rule; when the directory is no journal, or a segment cannot be deleted.
pub fn prune(args: &PruneArgs) -> Result<Outcome> {
    let rules = &args.rules;
    if rules.retention() == Retention::default() {
        bail!("nothing says what to keep: give --keep-segments, --keep-bytes or --keep-age");
    }
    let beyond = rules.beyond()?;
    let mut report = rules.report();
    let deleted = report.each(rules, &beyond, |segment| {
        journal::delete(&rules.dir, slice::from_ref(segment))?;
        Ok(Some(0))
    });
    report.print(rules, deleted, "deleted", "would be deleted")
}

impl Rules {
    fn retention(&self) -> Retention {
        Retention {
            segments: self.keep_segments,
            bytes: self.keep_bytes,
            age: self.keep_age,
        }
    }

    fn beyond(&self) -> Result<Vec<FinishedSegment>> {
        Ok(self.retention().beyond(&self.dir, SystemClock.now_ns())?)
    }

    fn report(&self) -> Report {
        Report {
            journal: self.dir.display().to_string(),
            dry_run: self.dry_run,
            segments: Vec::new(),
            bytes_before: 0,
            bytes_after: 0,
        }
    }
}

impl Report {
    fn add(&mut self, segment: &FinishedSegment, bytes_after: u64) {
        self.bytes_before += segment.bytes;
        self.bytes_after += bytes_after;
        self.segments.push(SegmentJson {
            segment: segment.entry.path.display().to_string(),
            first_sequence: segment.entry.first.get(),
            bytes_before: segment.bytes,
            bytes_after,
        });
    }

    /// Does with each segment what is to be done, unless that is only to be told, up to Ctrl-C or
    /// the first that fails. `act` returns the bytes that are left, or `None` where there was
    /// nothing to do.
    fn each(
        &mut self,
        rules: &Rules,
        segments: &[FinishedSegment],
        mut act: impl FnMut(&FinishedSegment) -> Result<Option<u64>>,
    ) -> Result<()> {
        for segment in segments {
            if interrupt::requested() {
                break;
            }
            let bytes_after = match rules.dry_run {
                true => Some(segment.bytes),
                false => act(segment)?,
            };
            if let Some(bytes_after) = bytes_after {
                self.add(segment, bytes_after);
            }
        }
        Ok(())
    }

    /// Prints what was done, also where the rest failed.
    fn print(&self, rules: &Rules, result: Result<()>, done: &str, would: &str) -> Result<Outcome> {
        if rules.json {
            output::print_json(self)?;
        } else {
            let mut text = String::new();
            for segment in &self.segments {
                text += &format!(
                    "{}: {} bytes\n",
                    segment.segment,
                    thousands(segment.bytes_before)
                );
            }
            text += &format!(
                "{} segments {}: {} bytes",
                self.segments.len(),
                if self.dry_run { would } else { done },
                thousands(self.bytes_before),
            );
            if !self.dry_run {
                text += &format!(", {} after", thousands(self.bytes_after));
            }
            text.push('\n');
            output::print(&text)?;
        }
        result?;
        Ok(if interrupt::requested() {
            Outcome::Interrupted
        } else {
            Outcome::Passed
        })
    }
}

fn sum(segments: &[FinishedSegment]) -> u64 {
    segments.iter().map(|segment| segment.bytes).sum()
}

/// Reads `500MB`, `2GiB`, `1000`.
fn bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 9] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("", 1),
    ];
    scaled(text, &UNITS).ok_or_else(|| {
        "expected a whole number of bytes, with kB, MB, GB, TB, KiB, MiB, GiB or TiB".to_owned()
    })
}

/// Reads `90s`, `15m`, `36h`, `7d`.
fn age(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
    scaled(text, &UNITS)
        .map(Duration::from_secs)
        .ok_or_else(|| "expected a whole number with s, m, h or d, such as 7d".to_owned())
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, scale) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_with_their_units_and_nothing_else_is() {
        assert_eq!(bytes("1000"), Ok(1_000));
        assert_eq!(bytes("2GiB"), Ok(2 << 30));
        assert_eq!(bytes("500 MB"), Ok(500_000_000));
        assert_eq!(age("36h"), Ok(Duration::from_secs(36 * 3_600)));
        for wrong in ["", "GB", "1.5GB", "-1", "99999999TB", "5 parsecs"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "7", "d", "7w", "1h30m"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
    }
}
