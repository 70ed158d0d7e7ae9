//! Owns `ringtape tail`: the last records of a journal, and those that are written from now on.

use crate::cli::Outcome;
use crate::dump::parse_sequence;
use crate::output::Lines;
use crate::report::record::{self, Names};
use crate::{interrupt, tape};
use anyhow::Result;
use ringtape::journal::{Journal, Reader};
use ringtape::market::MarketEvent;
use ringtape::record::Sequence;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// How often more is looked for: what was written is shown this much later at most.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Print the last records of a journal, and go on as more are written
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Follows a journal that another process writes, without a lock and without disturbing it: a record is
printed within 20 ms of being written. Also follows one that nobody writes now. Ends with Ctrl-C, or
after --limit records.

Examples:
  ringtape tail tape/
  ringtape tail tape/ -n 0 --json | jq -c 'select(.record == \"gap\")'
  ringtape tail tape/ --from 14000 --limit 100

Exit codes: 0 stopped; 1 the journal is damaged; 2 wrong use, or no journal.")]
pub struct Args {
    /// Directory of the journal
    dir: PathBuf,

    /// Begin with the last N records that are there
    #[arg(short = 'n', long = "last", value_name = "N", default_value_t = 10)]
    last: u64,

    /// Begin with this sequence
    #[arg(long, value_name = "SEQUENCE", value_parser = parse_sequence, conflicts_with = "last")]
    from: Option<Sequence>,

    /// End after so many records
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    /// Print each record as a JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
///
/// When the directory is no journal, does not have the sequence, is damaged, or cannot be read.
pub fn run(args: &Args) -> Result<Outcome> {
    let journal = Journal::<MarketEvent>::open(&args.dir)?;
    let (first, end) = (journal.first(), journal.end()?);
    let begin = args.from.unwrap_or_else(|| {
        let last = Sequence::new(end.get().saturating_sub(args.last));
        last.max(first)
    });
    let mut reader = match begin {
        _ if first == end && args.from.is_none() => journal.reader(),
        // No reader begins behind the end, so the last record is read and not shown.
        begin if begin == end && args.from.is_none() => {
            journal.reader_at(Sequence::new(end.get() - 1))?
        }
        begin => journal.reader_at(begin)?,
    };
    let mut names = tape::names_before(begin, &journal);
    let mut lines = Lines::start();
    let mut left = args.limit.unwrap_or(u64::MAX);
    // What was read at the end is no news, unless it was asked for.
    let shown_from = if begin == end { end } else { first };
    let mut read = || {
        print_new(
            &mut reader,
            &mut names,
            &mut lines,
            shown_from,
            &mut left,
            args.json,
        )
    };
    while !interrupt::requested() && read()? {
        // Ctrl-C unparks this thread.
        thread::park_timeout(LOOK_EVERY);
    }
    Ok(Outcome::Passed)
}

/// Prints what is there now. Returns whether more is wanted.
fn print_new(
    reader: &mut Reader<MarketEvent>,
    names: &mut Names,
    lines: &mut Lines,
    shown_from: Sequence,
    left: &mut u64,
    json: bool,
) -> Result<bool> {
    while let Some(frame) = reader.next()? {
        for record in frame.records {
            names.learn(record);
            if record.sequence() < shown_from {
                continue;
            }
            let line = if json {
                record::json(record, names).to_string()
            } else {
                record::text(record, names)
            };
            *left -= 1;
            if !lines.print(&line)? || interrupt::requested() {
                return Ok(false);
            }
            if *left == 0 {
                lines.flush()?;
                return Ok(false);
            }
        }
    }
    lines.flush()
}
