//! Owns the slowest records of a run: their ranking, and the file beside the tape that has them.
//!
//! `worst.json` lies beside the segments of a journal. It has the runs that were recorded there,
//! the oldest first, each with its slowest records in the order of their ranks. A run adds itself;
//! runs whose records are no longer on the tape go, and the oldest where there are more than
//! [`RUNS_MAX`]. The file is replaced as a whole, so that who reads it never sees half of it, and
//! the journal knows nothing of it: without the file the tape is as good as before.

use crate::{config, output};
use anyhow::{Context as _, Result, bail, ensure};
use ringtape::journal::Journal;
use ringtape::latency::{Exemplar, WORST_KEPT};
use ringtape::market::MarketEvent;
use ringtape::pipeline::Report;
use ringtape::record::{Kind, Sequence};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

/// The file's name.
pub(crate) const FILE: &str = "worst.json";
/// Where it is written before it takes that name.
const FILE_UNFINISHED: &str = "worst.json.unfinished";
/// Raised when its keys change their meaning.
const VERSION: u32 = 1;
/// Runs that a file has.
const RUNS_MAX: usize = 64;
/// No file of ours is longer.
const FILE_BYTES_MAX: u64 = 1 << 24;

/// What the file has. The keys are stable.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    version: u32,
    pub(crate) journal_id: String,
    pub(crate) runs: Vec<KeptRun>,
}

impl Kept {
    /// Returns whether all is in order that others rely on: numbers of runs rise, and so do ranks,
    /// every number can be that of a record, and what is printed has nothing that a terminal obeys.
    fn makes_sense(&self) -> bool {
        let id = &self.journal_id;
        let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let runs = &self.runs;
        let rises = runs.is_sorted_by(|earlier, later| earlier.run < later.run);
        let numbers = runs.iter().all(|run| (1..u64::MAX).contains(&run.run));
        let moments = runs.iter().all(|run| {
            let mut ranked = (1..).zip(&run.worst);
            !run.worst.is_empty()
                && ranked.all(|(rank, moment)| {
                    moment.rank == rank
                        && (1..=Sequence::MAX.get()).contains(&moment.sequence)
                        && config::is_name(&moment.subscriber)
                        && config::is_name(&moment.record)
                })
        });
        is_id && rises && numbers && moments
    }
}

/// The slowest records of a run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeptRun {
    /// Its number on this tape, from 1.
    pub(crate) run: u64,
    /// What the run recorded.
    pub(crate) first_sequence: u64,
    pub(crate) last_sequence: u64,
    pub(crate) worst: Vec<Moment>,
}

/// One of the slowest records, at the moment at which its handler was called. All times are UNIX
/// nanoseconds. The keys are stable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moment {
    /// 1 is the worst of the run.
    pub(crate) rank: usize,
    pub(crate) subscriber: String,
    pub(crate) sequence: u64,
    /// As `dump` names it.
    pub(crate) record: String,
    pub(crate) wire_to_handler_ns: u64,
    pub(crate) wire_ns: u64,
    /// `null` where the subscription carried no passages, as the next two are.
    pub(crate) seen_ns: Option<u64>,
    pub(crate) decoded_ns: Option<u64>,
    pub(crate) published_ns: Option<u64>,
    pub(crate) handler_ns: u64,
    /// Records that were ready behind it.
    pub(crate) ready_behind: u64,
    /// Its place among the records of its poll, from 0.
    pub(crate) place: u64,
    /// When the handler was called for the record before it.
    pub(crate) before_ns: Option<u64>,
}

impl Moment {
    fn new(subscriber: &str, exemplar: &Exemplar) -> Self {
        let Exemplar {
            sequence,
            kind,
            readings,
            has_hops,
            ready_behind,
            place,
            before_ns,
        } = *exemplar;
        let hop = |ns| has_hops.then_some(ns);
        Self {
            rank: 0,
            subscriber: subscriber.to_owned(),
            sequence: sequence.get(),
            record: name(kind).to_owned(),
            wire_to_handler_ns: readings.whole_ns().unwrap_or(0),
            wire_ns: readings.wire_ns,
            seen_ns: hop(readings.seen_ns),
            decoded_ns: hop(readings.decoded_ns),
            published_ns: hop(readings.published_ns),
            handler_ns: readings.handler_ns,
            ready_behind,
            place,
            before_ns,
        }
    }

    /// Returns the hops in order of the way; nothing where they were not read, or one is negative.
    pub(crate) fn hops_ns(&self) -> [Option<u64>; 4] {
        let readings = [
            Some(self.wire_ns),
            self.seen_ns,
            self.decoded_ns,
            self.published_ns,
            Some(self.handler_ns),
        ];
        let hop = |at: usize| readings[at + 1]?.checked_sub(readings[at]?);
        [0, 1, 2, 3].map(hop)
    }
}

/// Names what a record is as `dump` does.
pub(crate) fn name(kind: Option<Kind>) -> &'static str {
    match kind {
        Some(Kind::Event) => "event",
        Some(Kind::Gap) => "gap",
        Some(Kind::Session) => "session",
        Some(Kind::DeadLetter) => "dead_letter",
        _ => "invalid",
    }
}

/// Returns the slowest records of all subscribers, the worst first: as many as are certain to be
/// those, since each subscriber keeps no more.
pub(crate) fn ranked(report: &Report) -> Vec<Moment> {
    let mut moments: Vec<Moment> = Vec::new();
    for subscriber in &report.subscribers {
        let worst = subscriber
            .latency
            .iter()
            .flat_map(|latency| latency.worst());
        moments.extend(worst.map(|exemplar| Moment::new(&subscriber.name, exemplar)));
    }
    // Stable: of equals that of the subscriber that was attached first comes first.
    moments.sort_by_key(|moment| (Reverse(moment.wire_to_handler_ns), moment.sequence));
    moments.truncate(WORST_KEPT);
    for (place, moment) in moments.iter_mut().enumerate() {
        moment.rank = place + 1;
    }
    moments
}

/// Writes the slowest records of a run beside the segments of the journal in `directory` that it
/// recorded to, and returns the number that the run has there. Nothing is written for a run that
/// measured nothing, or recorded nothing.
///
/// # Errors
///
/// When the file cannot be read or written, or is none of ours.
pub(crate) fn keep(directory: &Path, report: &Report) -> Result<Option<u64>> {
    let worst = ranked(report);
    let Some(journal) = &report.journal else {
        return Ok(None);
    };
    let (first, last) = (journal.first.get(), journal.counters.written.get());
    if worst.is_empty() || last < first {
        return Ok(None);
    }
    let journal_id = format!("{:032x}", journal.identity.id);
    // Of another journal that was here before: its records are gone.
    let before = read(directory)?.filter(|kept| kept.journal_id == journal_id);
    let mut runs = before.map_or_else(Vec::new, |kept| kept.runs);
    let run = runs.last().map_or(0, |run| run.run) + 1;
    runs.push(KeptRun {
        run,
        first_sequence: first,
        last_sequence: last,
        worst,
    });
    let tape_first = Journal::<MarketEvent>::open(directory)?.first().get();
    runs.retain(|run| run.last_sequence >= tape_first);
    runs.drain(..runs.len().saturating_sub(RUNS_MAX));
    write(
        directory,
        &Kept {
            version: VERSION,
            journal_id,
            runs,
        },
    )?;
    Ok(Some(run))
}

/// Keeps the slowest records of a run whose report was printed, and says how to replay them. That
/// they cannot be kept is a warning: the tape is whole, and the run is over.
///
/// # Errors
///
/// When standard output cannot be written to.
pub(crate) fn kept(directory: &Path, report: &Report, json: bool) -> Result<()> {
    match keep(directory, report) {
        Err(error) => output::warn(&[format!("the slowest records are not kept: {error:#}")]),
        Ok(Some(run)) if !json => output::print(&format!(
            "\nThe slowest records of run {run} are in {}: \
             ringtape replay {} --around-worst 1\n",
            directory.join(FILE).display(),
            directory.display()
        ))?,
        Ok(_) => {}
    }
    Ok(())
}

/// Reads the file; `None` where there is none.
///
/// # Errors
///
/// When it cannot be read, or is none of ours.
pub(crate) fn read(directory: &Path) -> Result<Option<Kept>> {
    let path = directory.join(FILE);
    let bytes = match fs::metadata(&path) {
        // Opening a pipe would wait for who writes to it.
        Ok(metadata) if !metadata.is_file() => bail!("{} is no file: move it away", path.display()),
        Ok(metadata) if metadata.len() > FILE_BYTES_MAX => {
            bail!("{} is too long to be ours: move it away", path.display())
        }
        Ok(_) => fs::read(&path),
        Err(error) => Err(error),
    };
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let kept: Kept = serde_json::from_slice(&bytes)
        .with_context(|| format!("{} is damaged: move it away", path.display()))?;
    ensure!(
        kept.version == VERSION,
        "{} has version {}, and this program reads version {VERSION}: move it away, or use the \
         program that wrote it",
        path.display(),
        kept.version
    );
    ensure!(
        kept.makes_sense(),
        "{} is damaged: move it away: its runs or ranks are not in order, or its names are none",
        path.display()
    );
    Ok(Some(kept))
}

fn write(directory: &Path, kept: &Kept) -> Result<()> {
    let mut text = serde_json::to_string_pretty(kept).context("cannot write the worst records")?;
    text.push('\n');
    let (unfinished, path) = (directory.join(FILE_UNFINISHED), directory.join(FILE));
    let written = || {
        let mut file = File::create(&unfinished)?;
        file.write_all(text.as_bytes())?;
        // Before it takes its name: a loss of power must not leave that name to half a file.
        file.sync_all()?;
        fs::rename(&unfinished, &path)
    };
    written().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringtape::latency::Readings;

    #[test]
    fn a_way_of_two_readings_has_no_hops_and_one_of_five_has_four() {
        let readings = Readings {
            wire_ns: 100,
            seen_ns: 110,
            decoded_ns: 130,
            published_ns: 130,
            handler_ns: 170,
        };
        let way = |has_hops| Exemplar {
            readings,
            has_hops,
            ..Exemplar::default()
        };
        let moment = Moment::new("flow", &way(true));
        assert_eq!(moment.hops_ns(), [10, 20, 0, 40].map(Some));
        assert_eq!(moment.wire_to_handler_ns, 70);
        let moment = Moment::new("flow", &way(false));
        assert_eq!(moment.hops_ns(), [None; 4]);
        assert_eq!((moment.seen_ns, moment.wire_to_handler_ns), (None, 70));
        assert_eq!(moment.record, "invalid", "no kind that this version knows");
    }
}
