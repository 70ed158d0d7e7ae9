//! Owns `ringtape bars`: the bars of instruments of a capture or a journal.

mod made;

use self::made::{Collector, Made};
use crate::cli::Outcome;
use crate::instrument::Wanted;
use crate::output::Lines;
use crate::reading::{Origin, Reading, Streams};
use crate::trading_date::TradingDate;
use crate::watched::books_config;
use crate::{interrupt, output};
use anyhow::{Context as _, Result};
use ringtape::book::{BarRule, BookHandler, DerivedConfig, InlineOutput};
use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::mpsc::{self, Receiver};

/// Make bars of the trades of a capture file or a journal: by time, number of trades or volume
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("rule").required(true),
    after_help = "\
SOURCE is a capture file of any format that `inspect` reads, or the directory of a journal. A bar
has at least one trade; where nothing was traded there is none. Executions, hidden trades, crosses
and reports of trades count as trades; what the venue takes back later stays.

Bars of time run by the venue's clock and begin at multiples of their length. One closes as soon
as any message of the feed has a time at or behind its end, with or without a trade; a trade that
comes late goes into the bar that is open then. A trade that completes a number or a volume
belongs to the bar whole. The end of the session closes what is open.

Times are New York's in text, and UNIX nanoseconds otherwise; where the day is not known, since
midnight. The average price is that of the bar by volume, exact and rounded down to 10⁻⁹.

Examples:
  ringtape bars 01302020.NASDAQ_ITCH50.gz --date 2020-01-30 --every 1s --symbol AAPL
  ringtape bars tape/ --ticks 100 --json
  ringtape bars tape/ --every 5min --csv > day.csv

Exit codes: 0 all was read; 1 the source is damaged; 2 wrong use, or there is no such instrument;
130 stopped by Ctrl-C.")]
pub struct Args {
    /// Capture file, or the directory of a journal
    source: PathBuf,

    #[command(flatten)]
    wanted: Wanted,

    /// Bars of time, such as 500ms, 1s, 5min or 1h
    #[arg(long, value_name = "TIME", value_parser = parse_every, group = "rule")]
    every: Option<u64>,

    /// Bars of so many trades
    #[arg(long, value_name = "N", group = "rule")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    ticks: Option<u32>,

    /// Bars of so many shares or contracts
    #[arg(long, value_name = "N", group = "rule")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    volume: Option<u64>,

    /// Trading date of a file, in New York, or `unknown` to leave event times as nanoseconds since
    /// midnight
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = TradingDate::from_str)]
    date: Option<TradingDate>,

    /// Print each bar as a JSON object
    #[arg(long)]
    json: bool,

    /// Print the bars as comma-separated values
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// Makes the bars of a feed.
type Maker = BookHandler<InlineOutput<Collector>>;

/// Runs the command.
///
/// # Errors
///
/// When the source cannot be read, or does not have the instrument.
pub fn run(args: &Args) -> Result<Outcome> {
    let mut reading = Reading::open(&args.source, args.date, true)?;
    let (mut streams, made) = makers(args)?;
    let mut printer = Printer {
        args,
        lines: Lines::start(),
        made,
        bars: 0,
    };
    // Also where there is no bar: who reads it expects the names.
    let mut is_read = !args.csv || printer.lines.print(Made::csv_head())?;
    while is_read && let Some(part) = reading.next()? {
        streams.give(part);
        is_read = printer.print()?;
    }
    reading.finish();
    if is_read && !interrupt::requested() {
        streams.stop();
        printer.print()?;
    }
    printer.lines.flush()?;
    output::warn(&reading.warnings());
    if interrupt::requested() {
        output::warn(&["stopped before the end".to_owned()]);
    }
    // Of what is damaged or was stopped, the rest may have had what is wanted.
    if is_read && printer.bars == 0 && !interrupt::requested() && reading.is_whole() {
        let checked = match args.wanted.is_one() {
            true => args.wanted.find_all(streams.all(), Maker::books).map(drop),
            false => args.wanted.check_feed(streams.all()),
        };
        checked.with_context(|| args.source.display().to_string())?;
        output::warn(&["nothing was traded: there is no bar".to_owned()]);
    }
    Ok(match reading.is_whole() {
        _ if interrupt::requested() => Outcome::Interrupted,
        true => Outcome::Passed,
        false => Outcome::Failed,
    })
}

fn makers(args: &Args) -> Result<(Streams<Maker>, Receiver<Made>)> {
    let config = DerivedConfig {
        rules: vec![args.rule()],
        ..DerivedConfig::default()
    };
    let (sender, made) = mpsc::channel();
    let wanted = args.wanted.clone();
    let streams = Streams::new(move |origin: &Origin| {
        let collector = Collector::new(origin, &wanted, sender.clone());
        let books = books_config(origin.feed());
        let derived = DerivedConfig {
            // Any number but the feed's own.
            feed: origin.feed().wrapping_add(1),
            ..config.clone()
        };
        BookHandler::new(books, &derived, InlineOutput::new(collector))
            .expect("invariant: the arguments were checked, and the feeds' numbers differ")
    });
    Ok((streams, made))
}

impl Args {
    fn rule(&self) -> BarRule {
        match (self.every, self.ticks, self.volume) {
            (Some(every_ns), ..) => BarRule::Time { every_ns },
            (_, Some(count), _) => BarRule::Ticks { count },
            (.., quantity) => BarRule::Volume {
                quantity: quantity.expect("invariant: one of the group is there"),
            },
        }
    }
}

/// Prints bars as they are made.
struct Printer<'a> {
    args: &'a Args,
    lines: Lines,
    made: Receiver<Made>,
    bars: u64,
}

impl Printer<'_> {
    fn is_text(&self) -> bool {
        !self.args.json && !self.args.csv
    }

    /// Prints what was made since. Returns whether there is still a reader.
    fn print(&mut self) -> Result<bool> {
        while let Ok(bar) = self.made.try_recv() {
            if self.bars == 0 && self.is_text() && !self.lines.print(&Made::text_head())? {
                return Ok(false);
            }
            self.bars += 1;
            let line = match (self.args.json, self.args.csv) {
                (true, _) => serde_json::to_string(&bar).context("cannot write a bar")?,
                (_, true) => bar.csv(),
                _ => bar.text(),
            };
            if !self.lines.print(&line)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Reads a length of time: a number and its unit.
fn parse_every(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 6] = [
        ("ns", 1),
        ("us", 1_000),
        ("ms", 1_000_000),
        ("min", 60_000_000_000),
        ("h", 3_600_000_000_000),
        ("s", 1_000_000_000),
    ];
    let read = UNITS.iter().find_map(|(unit, ns)| {
        let number = text.strip_suffix(unit)?.trim_end();
        let number: u64 = number.parse().ok()?;
        number.checked_mul(*ns).filter(|every_ns| *every_ns > 0)
    });
    read.ok_or_else(|| {
        format!("{text} is no length of time such as 500ms, 1s, 5min or 1h; at least 1ns")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_a_number_and_its_unit() {
        for (text, ns) in [
            ("7ns", 7),
            ("250us", 250_000),
            ("500ms", 500_000_000),
            ("1s", 1_000_000_000),
            ("5min", 300_000_000_000),
            ("2 h", 7_200_000_000_000),
        ] {
            assert_eq!(parse_every(text), Ok(ns), "{text}");
        }
        for text in [
            "",
            "1",
            "s",
            "0s",
            "-1s",
            "1.5s",
            "1 fortnight",
            "99999999999h",
        ] {
            assert!(parse_every(text).is_err(), "{text}");
        }
    }
}
