//! Owns `ringtape inspect`: what is in a capture file or a journal.

mod book;
mod capture;
mod journal;
mod report;

use crate::cli::Outcome;
use crate::output;
use crate::trading_date::TradingDate;
use anyhow::{Result, ensure};
use std::path::PathBuf;
use std::str::FromStr as _;

/// Say what is in a capture file or a journal: messages by type, sessions, gaps, time span, digest
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A directory is a journal. A file is told by its content: pcap, pcapng or NASDAQ BinaryFILE with
ITCH 5.0, each plain, gzip or zstd. So is what each line of a capture speaks: MoldUDP64 with ITCH
5.0, IEX-TP with TOPS 1.6 or DEEP 1.0, or CME MDP 3.0; of others the datagrams are counted.
Messages are counted on every line, sessions and events after the lines are arbitrated; a journal
has only what is left after that. CME numbers packets: its sessions' numbers are those. A file or
journal that was cut inside a record is no failure: the bytes are counted.

Lines that carry one session are compared: the numbers that each was the first to bring, copies
that were byte for byte the same, and how much later than the other line it brought the same
packets.

The digest is the one that a handler's run has when `ringtape play FILE` reaches it without loss,
as feed number 1 with the same trading date, or that of replaying the journal. ITCH times are
since midnight in New York: of a capture the date is that of its first packet there; a BinaryFILE
has none, and its times stay as they are.

Books are made of the events, one for each instrument: how many orders they took, how many were
left at the end and were there at once at most, and what in the data contradicts them. `doubtful`
is what contradicts a book that was not complete anyway, since the recording does not begin with
the session.

Examples:
  ringtape inspect 2023-08-22.open.100packets.pcap
  ringtape inspect 01302020.NASDAQ_ITCH50.gz --date 2020-01-30
  ringtape inspect day.itch50 --json | jq .messages_by_type
  ringtape inspect tape/

Exit codes: 0 all was read; 1 the file or journal is damaged; 2 wrong use; 130 stopped by Ctrl-C.")]
pub struct Args {
    /// Capture file, or the directory of a journal
    #[arg(value_name = "FILE|DIR")]
    file: PathBuf,

    /// Trading date of a file, in New York, or `unknown` to leave event times as nanoseconds since
    /// midnight
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = TradingDate::from_str)]
    date: Option<TradingDate>,

    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
///
/// When the file or journal cannot be read, or is none.
pub fn run(args: &Args) -> Result<Outcome> {
    let (report, outcome) = if args.file.is_dir() {
        ensure!(
            args.date.is_none(),
            "--date is for files: the times of a journal were fixed when it was written"
        );
        journal::inspect(&args.file, args.json)?
    } else {
        capture::inspect(&args.file, args.date, args.json)?
    };
    output::warn(&report.warnings);
    if args.json {
        output::print_json(&report)?;
    } else {
        output::print(&report.to_text())?;
    }
    Ok(outcome)
}
