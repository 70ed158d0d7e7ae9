//! Owns `ringtape verify`: whether a journal is what was written.

use crate::cli::Outcome;
use crate::output::{self, Table, thousands};
use crate::progress::Progress;
use crate::{interrupt, tape};
use anyhow::Result;
use ringtape::journal::{Findings, Identity, Journal, Verdict};
use ringtape::market::MarketEvent;
use ringtape::record::Sequence;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Check every byte of a journal: is it what was written, and is anything missing
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads all segments and compares every checksum and every number. Changes nothing and takes no lock:
a journal can be verified while it is written. What is being appended then can look torn.

The verdict is
  clean    every byte belongs to a whole frame, and no record is missing
  torn     the end was torn off by a crash; everything before it is whole. Whoever records to the
           journal next cuts the rest and goes on
  corrupt  bytes have changed, or segments are missing: each place is listed, and what lies behind
           it was checked too
  empty    there is no record yet

What the recorder itself could not write down is a gap in the journal, and no damage: `ringtape
inspect` counts those.

Examples:
  ringtape verify tape/
  ringtape verify tape/ --json | jq -r .verdict

Exit codes: 0 clean, torn or empty; 1 corrupt; 2 wrong use, or no journal; 130 stopped by Ctrl-C.")]
pub struct Args {
    /// Directory of the journal
    dir: PathBuf,

    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

/// What was found. The keys are stable.
#[derive(Debug, Serialize)]
struct Report {
    journal: String,
    /// `null`, as is `bus`, where the first header cannot be read.
    journal_id: Option<String>,
    bus: Option<String>,
    verdict: &'static str,
    segments: u64,
    frames: u64,
    records: u64,
    events: u64,
    first_sequence: Option<u64>,
    last_sequence: Option<u64>,
    torn_bytes: u64,
    /// Whether the writer ended in good order.
    closed: bool,
    corrupt: Vec<Corrupt>,
}

#[derive(Debug, Serialize)]
struct Corrupt {
    segment: String,
    offset: u64,
    reason: String,
}

/// Runs the command.
///
/// # Errors
///
/// When the directory is no journal, or cannot be read.
pub fn run(args: &Args) -> Result<Outcome> {
    // A journal that does not open can still be verified: the findings then say why.
    let journal = Journal::<MarketEvent>::open(&args.dir).ok();
    let file_bytes = journal
        .as_ref()
        .and_then(|j| tape::file_bytes(j.segments()));
    let progress = Progress::over(file_bytes, false, args.json);
    let findings = ringtape::journal::verify::<MarketEvent>(&args.dir, |done, segments| {
        progress.set(file_bytes.unwrap_or_default() / segments * done);
        if interrupt::requested() && done < segments {
            progress.finish();
            interrupt::leave("stopped before the end of the journal: there is no verdict");
        }
    });
    progress.finish();
    let findings = findings?;
    let report = Report::new(
        &args.dir,
        journal.as_ref().map(Journal::identity),
        &findings,
    );
    if args.json {
        output::print_json(&report)?;
    } else {
        output::print(&report.to_text())?;
    }
    Ok(match findings.verdict() {
        Verdict::Corrupt => Outcome::Failed,
        Verdict::Clean | Verdict::Torn | Verdict::Empty => Outcome::Passed,
    })
}

impl Report {
    fn new(directory: &Path, identity: Option<&Identity>, findings: &Findings) -> Self {
        let damage = findings.damage.iter();
        Self {
            journal: directory.display().to_string(),
            journal_id: identity.map(|identity| format!("{:032x}", identity.id)),
            bus: identity.map(|identity| identity.bus.clone()),
            verdict: match findings.verdict() {
                Verdict::Clean => "clean",
                Verdict::Torn => "torn",
                Verdict::Corrupt => "corrupt",
                Verdict::Empty => "empty",
            },
            segments: findings.segments,
            frames: findings.frames,
            records: findings.records,
            events: findings.events,
            first_sequence: findings.first.map(Sequence::get),
            last_sequence: findings.last.map(Sequence::get),
            torn_bytes: findings.torn_bytes,
            closed: findings.closed,
            corrupt: damage
                .map(|damage| Corrupt {
                    segment: damage.segment.display().to_string(),
                    offset: damage.offset,
                    reason: damage.reason.clone(),
                })
                .collect(),
        }
    }

    fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail, here and below.
        _ = writeln!(text, "{}: {}\n", self.journal, self.verdict);
        let sequence = |number: Option<u64>| number.map_or("-".to_owned(), thousands);
        let mut facts = Table::default();
        facts.row(["journal", self.journal_id.as_deref().unwrap_or("-")]);
        facts.row(["bus", self.bus.as_deref().unwrap_or("-")]);
        facts.row(["segments", &thousands(self.segments)]);
        facts.row(["frames", &thousands(self.frames)]);
        facts.row(["records", &thousands(self.records)]);
        facts.row(["  of them events", &thousands(self.events)]);
        facts.row(["first sequence", &sequence(self.first_sequence)]);
        facts.row(["last sequence", &sequence(self.last_sequence)]);
        facts.row(["torn off, bytes", &thousands(self.torn_bytes)]);
        facts.row([
            "closed by its writer",
            if self.closed { "yes" } else { "no" },
        ]);
        text.push_str(&facts.render());
        if !self.corrupt.is_empty() {
            text.push_str("\ncorrupt:\n");
        }
        for Corrupt {
            segment,
            offset,
            reason,
        } in &self.corrupt
        {
            _ = writeln!(text, "  {segment} at byte {offset}: {reason}");
        }
        text
    }
}
