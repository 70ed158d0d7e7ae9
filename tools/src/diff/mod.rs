//! Owns `ringtape diff`: where two recordings differ.

mod side;

use self::side::Side;
use crate::cli::Outcome;
use crate::interrupt;
use crate::output::{self, thousands};
use crate::report::record::{self, Names};
use crate::trading_date::TradingDate;
use anyhow::{Result, ensure};
use ringtape::market::MarketEvent;
use ringtape::record::{Content, Record};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::str::FromStr as _;

/// Print the first record in which two journals, or a journal and a capture, differ
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A directory is a journal, a file a capture: pcap, pcapng or NASDAQ BinaryFILE, as `inspect` reads
them.

Of two journals, what a handler is given is compared, record by record: sequences, kinds and
contents. That is what the digest covers. Receive times are left out: two recorders of one feed have
different ones.

Where one is a capture, its first session is decoded as a feed would, and events, gaps and dead
letters are compared in their order. Left out are, beside receive times, our sequences and session
marks, since a recorder that joins later has other ones, and the feed's number in the configuration.
Give --date if the journal was recorded with a trading date that the capture does not tell.

Examples:
  ringtape diff monday/ monday-again/
  ringtape diff tape/ 2023-08-22.open.100packets.pcap
  ringtape diff tape/ 01302020.NASDAQ_ITCH50.gz --date 2020-01-30 --json

Exit codes: 0 they are equal; 1 they differ, or one is damaged; 2 wrong use, or neither journal nor
capture; 130 stopped by Ctrl-C.")]
pub struct Args {
    /// Journal or capture
    a: PathBuf,

    /// Journal or capture
    b: PathBuf,

    /// Trading date of a capture, in New York, or `unknown` to leave event times as nanoseconds
    /// since midnight
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = TradingDate::from_str)]
    date: Option<TradingDate>,

    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

/// What was compared. The keys are stable.
#[derive(Debug, Serialize)]
struct Report {
    a: String,
    b: String,
    /// `records` of two journals, `contents` where one is a capture.
    compared: &'static str,
    /// Records that are equal, before the difference.
    records: u64,
    /// `null` where the comparison did not come to its end.
    equal: Option<bool>,
    difference: Option<Difference>,
    warnings: Vec<String>,
}

/// The first difference.
#[derive(Debug, Serialize)]
struct Difference {
    /// `null` where that side has no more records.
    a: Option<Value>,
    b: Option<Value>,
    /// What is different: keys of both.
    keys: Vec<String>,
    #[serde(skip)]
    text: String,
}

/// Runs the command.
///
/// # Errors
///
/// When one of them is no journal and no capture, is damaged, or cannot be read.
pub fn run(args: &Args) -> Result<Outcome> {
    let mut a = Side::open(&args.a, args.date, args.json)?;
    let mut b = Side::open(&args.b, args.date, args.json)?;
    let by_content = a.is_capture() || b.is_capture();
    ensure!(
        by_content || args.date.is_none(),
        "--date is for captures: the times of a journal were fixed when it was written"
    );
    let mut report = Report {
        a: args.a.display().to_string(),
        b: args.b.display().to_string(),
        compared: if by_content { "contents" } else { "records" },
        records: 0,
        equal: None,
        difference: None,
        warnings: Vec::new(),
    };
    let mut names = [Names::default(), Names::default()];
    let mut failure = None;
    while !interrupt::requested() {
        let next = match (a.next(by_content), b.next(by_content)) {
            (Ok(a), Ok(b)) => (a, b),
            (Err(error), _) | (_, Err(error)) => {
                failure = Some(error);
                break;
            }
        };
        for (record, names) in [next.0, next.1].iter().zip(&mut names) {
            record.iter().for_each(|record| names.learn(record));
        }
        match next {
            (None, None) => report.equal = Some(true),
            (Some(a), Some(b)) if same(&a, &b, by_content) => {
                report.records += 1;
                continue;
            }
            (a, b) => {
                report.equal = Some(false);
                report.difference = Some(Difference::of(a, b, &names, by_content));
            }
        }
        break;
    }
    let damaged = [&a, &b].map(Side::finish);
    for (name, end) in [&report.a, &report.b].into_iter().zip(&damaged) {
        let warnings = end.warnings.iter();
        report
            .warnings
            .extend(warnings.map(|warning| format!("{name}: {warning}")));
    }
    output::warn(&report.warnings);
    if let Some(error) = &failure {
        // Standard error gets it last, as the error that it is.
        let stopped = format!("stopped before the end: {error:#}");
        report.warnings.push(stopped);
    }
    if args.json {
        output::print_json(&report)?;
    } else {
        output::print(&report.to_text())?;
    }
    if let Some(error) = failure {
        return Err(error);
    }
    Ok(match report.equal {
        None => Outcome::Interrupted,
        Some(true) if damaged.iter().all(|end| !end.damaged) => Outcome::Passed,
        Some(_) => Outcome::Failed,
    })
}

/// Compares what a digest covers, or the contents without what depends on the recorder.
fn same(a: &Record<MarketEvent>, b: &Record<MarketEvent>, by_content: bool) -> bool {
    if !by_content {
        return (a.stamp(), a.body()) == (b.stamp(), b.body());
    }
    match (a.content(), b.content()) {
        (Content::Event(a), Content::Event(b)) => {
            let mut a = *a;
            a.head.feed = b.head.feed;
            a == *b
        }
        (Content::Gap(mut a), Content::Gap(b)) => {
            a.feed = b.feed;
            a == b
        }
        (Content::DeadLetter(a), Content::DeadLetter(b)) => {
            let mut a = *a;
            a.feed = b.feed;
            a == *b
        }
        _ => false,
    }
}

impl Difference {
    fn of(
        a: Option<Record<MarketEvent>>,
        b: Option<Record<MarketEvent>>,
        names: &[Names; 2],
        by_content: bool,
    ) -> Self {
        let object = |record: Option<Record<MarketEvent>>, names| {
            record.map(|record| record::json(&record, names))
        };
        let objects = [object(a, &names[0]), object(b, &names[1])];
        let mut keys = BTreeSet::new();
        if let [Some(Value::Object(a)), Some(Value::Object(b))] = &objects {
            let left_out: &[&str] = if by_content {
                &["recv_ns", "sequence", "feed", "symbol"]
            } else {
                &["recv_ns", "symbol"]
            };
            let all = a.keys().chain(b.keys());
            let wanted = all.filter(|key| !left_out.contains(&key.as_str()));
            keys = wanted
                .filter(|key| a.get(*key) != b.get(*key))
                .cloned()
                .collect();
        }
        let line = |record: Option<Record<MarketEvent>>, names| match record {
            Some(record) => record::text(&record, names),
            None => "no more records".to_owned(),
        };
        let text = format!(
            "  A {}\n  B {}\n",
            line(a, &names[0]).trim_start(),
            line(b, &names[1]).trim_start()
        );
        let [a, b] = objects;
        let keys = keys.into_iter().collect();
        Self { a, b, keys, text }
    }
}

impl Report {
    fn to_text(&self) -> String {
        let mut text = format!("A = {}\nB = {}\n\n", self.a, self.b);
        let records = thousands(self.records);
        // Writing to a String cannot fail.
        match (&self.difference, self.equal) {
            (None, None) => _ = writeln!(text, "{records} records are equal; stopped there"),
            (None, _) => _ = writeln!(text, "equal: {records} records"),
            (Some(difference), _) => {
                _ = writeln!(text, "{records} records are equal, the next ones differ:");
                text.push_str(&difference.text);
                if !difference.keys.is_empty() {
                    _ = writeln!(text, "\ndifferent: {}", difference.keys.join(", "));
                }
            }
        }
        text
    }
}
