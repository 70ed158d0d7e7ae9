//! Owns `ringtape book`: an instrument's book as of a moment of a capture or a journal.

mod report;

pub(crate) use self::report::ErrorsReport;
use self::report::Report;
use crate::cli::Outcome;
use crate::instrument::Wanted;
use crate::place::Place;
use crate::reading::{Moment, Origin, Reading, Stream, Streams};
use crate::trading_date::TradingDate;
use crate::watched::Watched;
use crate::{interrupt, output};
use anyhow::{Context as _, Result};
use ringtape::record::Sequence;
use std::path::PathBuf;
use std::str::FromStr as _;

/// Show the book of an instrument as of a moment of a capture file or a journal
#[derive(Debug, clap::Args)]
#[command(after_help = "\
SOURCE is a capture file of any format that `inspect` reads, or the directory of a journal. The
book is made of its records from the first one on, up to the end or to the moment that is named:
what was received at that time or has that number is part of it. Numbers are ours in a journal, as
`dump` shows them, and in a capture the venue's: of messages, of CME those of packets.

A PLACE is a time in New York (09:30:00.5 on the day of the first record, or 2023-08-22T09:30), a
time with its offset (2023-08-22T13:30:00Z), UNIX time (1692711000000000000ns), or a number.

What the book is worth is told with it: live, empty, halted (the venue does not trade it now),
recovering (the feed was joined in the middle, so what the book had before is not known) or stale
(something was lost or contradicts it). Between the messages of one event of the venue the best
prices stay as they were. Where the venue does not count the orders of a level, none are shown.

Examples:
  ringtape book 01302020.NASDAQ_ITCH50.gz --symbol AAPL --date 2020-01-30 --at 09:30:00.5
  ringtape book tape/ --symbol AAPL --sequence 14000 --depth 20
  ringtape book cme.pcapng --instrument 27252 --json

Exit codes: 0 the book is shown; 1 it is, and it is stale or there were errors in its data, or the
source is damaged; 2 wrong use, or there is no such instrument or moment; 130 stopped by Ctrl-C.")]
pub struct Args {
    /// Capture file, or the directory of a journal
    source: PathBuf,

    #[command(flatten)]
    wanted: Wanted,

    /// As of this moment [default: the end]
    #[arg(long, value_name = "PLACE", value_parser = Place::from_str)]
    at: Option<Place>,

    /// As of this record of a journal, or this number of the venue in a capture
    #[arg(long, value_name = "N", conflicts_with = "at")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=Sequence::MAX.get()))]
    sequence: Option<u64>,

    /// Levels of each side
    #[arg(long, value_name = "N", default_value_t = 10)]
    depth: usize,

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
/// When the source cannot be read, or does not have the instrument or the moment.
pub fn run(args: &Args) -> Result<Outcome> {
    let sequence = args.sequence.map(Place::sequence);
    let mut moment = Moment::new(sequence.or_else(|| args.at.clone()));
    let mut reading = Reading::open(&args.source, args.date, args.json)?;
    let mut streams = Streams::new(|origin: &Origin| Watched::new(origin.feed()));
    while !is_over(&moment, args, &streams, &reading)
        && let Some(part) = reading.next()?
    {
        streams.give(moment.cut(part)?);
    }
    reading.finish();
    let mut warnings = reading.warnings();
    if interrupt::requested() {
        warnings.push("stopped before the end".to_owned());
    }
    let found = args.wanted.find(streams.all(), |watched| &watched.books);
    let found = found.or_else(|error| moment.check_begun().and(Err(error)));
    let told = found.and_then(|found| {
        let stream = &streams.all()[found.stream];
        Ok((found, stream, moment.check(session_of(stream))?))
    });
    let (found, stream, told) = match told {
        Ok(told) => told,
        Err(error) => {
            output::warn(&warnings);
            let error = error.context(args.source.display().to_string());
            // What is not there may be behind the damage, or behind where the user stopped it.
            let outcome = match reading.is_whole() {
                _ if interrupt::requested() => Outcome::Interrupted,
                false => Outcome::Failed,
                true => return Err(error),
            };
            output::fail(&error);
            return Ok(outcome);
        }
    };
    warnings.extend(told);
    let report = Report::new(&args.source, stream, found.index, args.depth, warnings)
        .context("invariant: the instrument was found")?;
    output::warn(&report.warnings);
    if args.json {
        output::print_json(&report)?;
    } else {
        output::print(&report.to_text())?;
    }
    Ok(match report.is_sound() && reading.is_whole() {
        _ if interrupt::requested() => Outcome::Interrupted,
        true => Outcome::Passed,
        false => Outcome::Failed,
    })
}

/// Returns whether what follows is behind the moment: of the feed that is meant, or of all.
fn is_over(moment: &Moment, args: &Args, streams: &Streams<Watched>, reading: &Reading) -> bool {
    let mut meant = streams
        .all()
        .iter()
        .filter(|s| args.wanted.is_named(&s.origin.name()));
    let of_meant = meant.find_map(session_of);
    of_meant.is_some_and(|session| moment.is_over_for(session))
        || moment.is_over(reading.may_bring_sessions())
}

fn session_of(stream: &Stream<Watched>) -> Option<usize> {
    match stream.origin {
        Origin::Session { index, .. } => Some(index),
        Origin::Feed(_) => None,
    }
}
