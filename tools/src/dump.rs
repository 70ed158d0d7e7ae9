//! Owns `ringtape dump`: the records of a journal, one on a line.

use crate::cli::Outcome;
use crate::output::{self, Lines};
use crate::report::record::{self, Names};
use crate::{interrupt, tape};
use anyhow::{Result, ensure};
use ringtape::journal::{Journal, Reader};
use ringtape::market::MarketEvent;
use ringtape::record::{Record, Sequence};
use std::path::PathBuf;

/// Print the records of a journal, as text or as JSON lines
#[derive(Debug, clap::Args)]
#[command(after_help = "\
One record on a line, in the order of the journal, with every field by its name. Sequences are the
bus's own numbers. An instrument's name is known from the record that told it, wherever in the
journal that is: with --from, what comes before is read for the names.

A journal that ends in a torn frame is printed up to there, with a warning. At damage printing stops,
and `ringtape verify` lists what is behind it.

Examples:
  ringtape dump tape/ | less
  ringtape dump tape/ --from 14000 --to 14100
  ringtape dump tape/ --json --limit 1000 | jq -c 'select(.symbol == \"AAPL\")'

Exit codes: 0 all was printed; 1 the journal is damaged; 2 wrong use, or no journal; 130 stopped by
Ctrl-C.")]
pub struct Args {
    /// Directory of the journal
    dir: PathBuf,

    /// Begin with this sequence [default: the first that is there]
    #[arg(long, value_name = "SEQUENCE", value_parser = parse_sequence)]
    from: Option<Sequence>,

    /// End with this sequence [default: the last that is there]
    #[arg(long, value_name = "SEQUENCE", value_parser = parse_sequence)]
    to: Option<Sequence>,

    /// Print at most so many records
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
/// When the directory is no journal, does not have the range, is damaged, or cannot be read.
pub fn run(args: &Args) -> Result<Outcome> {
    let journal = Journal::<MarketEvent>::open(&args.dir)?;
    if let Some(to) = args.to {
        let from = args.from.unwrap_or(journal.first());
        ensure!(
            from <= to,
            "--to {to} lies before {from}, where printing begins"
        );
        // Tells that the journal ends before it.
        journal.reader_at(to)?;
    }
    let (mut reader, names) = match args.from {
        Some(from) => (journal.reader_at(from)?, tape::names_before(from, &journal)),
        None => (journal.reader(), Names::default()),
    };
    let mut dump = Dump {
        lines: Lines::start(),
        names,
        json: args.json,
        to: args.to.unwrap_or(Sequence::MAX),
        left: args.limit.unwrap_or(u64::MAX),
    };
    let printed = dump.all(&mut reader);
    // What was held back comes before the error.
    dump.lines.flush()?;
    let at_the_end = printed?;
    if interrupt::requested() {
        return Ok(Outcome::Interrupted);
    }
    let torn_bytes = reader.torn_bytes();
    if at_the_end && torn_bytes > 0 {
        output::warn(&[format!(
            "{torn_bytes} bytes at the end are not a whole frame: torn off, or still being written"
        )]);
    }
    Ok(Outcome::Passed)
}

struct Dump {
    lines: Lines,
    names: Names,
    json: bool,
    to: Sequence,
    left: u64,
}

impl Dump {
    /// Prints what is wanted. Returns whether that ended with the journal.
    fn all(&mut self, reader: &mut Reader<MarketEvent>) -> Result<bool> {
        while let Some(frame) = reader.next()? {
            for record in frame.records {
                if record.sequence() > self.to || self.left == 0 || interrupt::requested() {
                    return Ok(false);
                }
                self.names.learn(record);
                if !self.print(record)? {
                    return Ok(false);
                }
                self.left -= 1;
            }
            // What lies behind it, damage perhaps, was not asked for.
            if frame.header.end > self.to || self.left == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn print(&mut self, record: &Record<MarketEvent>) -> Result<bool> {
        let line = if self.json {
            record::json(record, &self.names).to_string()
        } else {
            record::text(record, &self.names)
        };
        self.lines.print(&line)
    }
}

pub(crate) fn parse_sequence(text: &str) -> Result<Sequence, String> {
    let numbers = 1..=Sequence::MAX.get();
    let number = text.parse().ok().filter(|number| numbers.contains(number));
    number
        .map(Sequence::new)
        .ok_or_else(|| format!("sequences are numbers from 1 to {}", Sequence::MAX))
}
