//! Owns `ringtape replay`: journals to a strategy, once more.

mod around;
mod burst;
mod report;
mod selection;
mod shared;

use self::around::Surroundings;
use self::report::Report;
use self::selection::Selection;
use crate::cli::Outcome;
use crate::config::Strategy;
use crate::instrument::parse_symbol;
use crate::place::Place;
use crate::play::parse_speed;
use crate::progress::Progress;
use crate::strategies::{Audit, Compare, Flow, Spread, Verdict, Watch};
use crate::{interrupt, output, tape};
use anyhow::{Result, anyhow, ensure};
use ringtape::error::Error;
use ringtape::handler::{At, Handler};
use ringtape::journal::Journal;
use ringtape::market::{EventKind, MarketEvent, Symbol};
use ringtape::record::{Gap, RECORD_BYTES};
use ringtape::replay::{Replay, Speed};
use std::path::PathBuf;
use std::str::FromStr as _;
use std::thread;
use std::time::{Duration, Instant};

/// Replay journals: the same records to the same handlers, and the digest of what was given
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Gives all records in the order of the journal, as fast as possible unless --speed says otherwise:
events, gaps, session marks and dead letters, and as gaps also what the recorder had to leave out.
Several journals are merged by receive time; of records received at the same time, those of the
journal that is named first come first. They begin and end with times, since each has sequences of
its own. Their feeds need numbers of their own (`id` in a configuration, `convert --feed`).

A PLACE is a sequence (14000), a time in New York (09:30:00.5 on the day of the first record, or
2023-08-22T09:30), a time with its offset (2023-08-22T13:30:00Z), or UNIX time (1692711000000000000ns).
Both ends are part of the replay. A place that the journal does not have is an error.

The strategies `spread` and `compare` keep books: give them all events, from the first record on.

--around-worst K begins with the burst that the K-th slowest record of a run was in (records that
were received less than 10 µs one after the other), at least --window records before it, and ends
behind it in the same way; how slow it was live, and what came with it, is in the report.
`worst.json` beside the segments has the list; `run`, `demo` and `latency` write it when they record.

The digest is of the records that were given: of the whole journal it is the digest of the live
handler, of a part of it that of the part. Speed does not change it.

Examples:
  ringtape replay tape/
  ringtape replay tape/ --expect 2f6c1a0a4b5c6d7e8f90a1b2c3d4e5f6
  ringtape replay tape/ --from 09:30 --to 09:31 --speed 10 --strategy audit
  ringtape replay nasdaq/ bx/ --symbol AAPL --kind trade --json
  ringtape replay tape/ --around-worst 1 --strategy audit --speed 1

Exit codes: 0 all was replayed; 1 the digest is not the expected one, or a journal is damaged; 2 wrong
use, or no journal; 130 stopped by Ctrl-C.")]
pub struct Args {
    /// Directories of journals
    #[arg(required = true)]
    dir: Vec<PathBuf>,

    /// Begin here [default: the first record]
    #[arg(long, value_name = "PLACE", value_parser = Place::from_str)]
    from: Option<Place>,

    /// End here [default: the last record]
    #[arg(long, value_name = "PLACE", value_parser = Place::from_str)]
    to: Option<Place>,

    /// Only the burst around the K-th slowest record of a run; 1 is the slowest
    #[arg(
        long,
        value_name = "K",
        value_parser = parse_rank,
        conflicts_with_all = ["from", "to"]
    )]
    around_worst: Option<usize>,

    /// Records on each side of that record at least
    #[arg(
        long,
        value_name = "N",
        requires = "around_worst",
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u64).range(..=1_000_000)
    )]
    window: u64,

    /// Of which run on this tape [default: the last]
    #[arg(long, value_name = "NUMBER", requires = "around_worst")]
    run: Option<u64>,

    /// Replay at K times the recorded pace: 1 is real time [default: as fast as possible]
    #[arg(long, value_name = "K", value_parser = parse_speed)]
    speed: Option<u64>,

    /// Only events of this instrument, by the name that its number has, or is given first; may be
    /// given several times
    #[arg(long, value_name = "NAME", value_parser = parse_symbol)]
    symbol: Vec<Symbol>,

    /// Only events of this instrument, by the venue's number; 0 for events that concern none
    #[arg(long, value_name = "NUMBER")]
    instrument: Vec<u32>,

    /// Only events of this kind, as `dump` names it; may be given several times
    #[arg(long, value_name = "KIND", value_parser = parse_kind)]
    kind: Vec<EventKind>,

    /// Who is given the records [default: nobody, they are only counted]
    #[arg(long, value_enum)]
    strategy: Option<Strategy>,

    /// The number of a feed whose books the strategy watches: `spread` one, `compare` two [default:
    /// 1, and 2]
    #[arg(long, value_name = "NUMBER", requires = "strategy")]
    feed: Vec<u8>,

    /// Fail unless this is the digest
    #[arg(long, value_name = "DIGEST", value_parser = parse_digest)]
    expect: Option<u128>,

    /// Leave out the checksums of the records
    #[arg(long)]
    no_verify: bool,

    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

/// A strategy for those who only count.
#[derive(Debug)]
struct Nobody;

impl Handler<MarketEvent> for Nobody {
    fn on_event(&mut self, _: &MarketEvent, _: At) {}
    fn on_gap(&mut self, _: Gap) {}
}

impl Verdict for Nobody {
    fn verdict(&self) -> String {
        String::new()
    }
}

impl Watch for Nobody {}

/// Runs the command.
///
/// # Errors
///
/// When a directory is no journal, does not have the range, is damaged, or cannot be read.
pub fn run(args: &Args) -> Result<Outcome> {
    let wanted = Wanted::find(args)?;
    let feeds = watched(args)?;
    match args.strategy {
        None => play(args, wanted, &feeds, "nobody", Nobody),
        Some(Strategy::Flow) => play(args, wanted, &feeds, "flow", Flow::default()),
        Some(Strategy::Audit) => play(args, wanted, &feeds, "audit", Audit::default()),
        Some(Strategy::Spread) => {
            let spread = Spread::new(feeds[0]);
            play(args, wanted, &feeds, "spread", spread)
        }
        Some(Strategy::Compare) => {
            let compare = Compare::new([feeds[0], feeds[1]]);
            play(args, wanted, &feeds, "compare", compare)
        }
    }
}

/// Returns the feeds whose books the strategy watches.
fn watched(args: &Args) -> Result<Vec<u8>> {
    let count = args.strategy.map_or(0, Strategy::books);
    let all = match args.feed.is_empty() {
        true => (1..).take(count).collect(),
        false => args.feed.clone(),
    };
    ensure!(
        all.len() == count,
        "--feed: the strategy watches the books of {count} feeds: name as many"
    );
    ensure!(
        count < 2 || all[0] != all[1],
        "--feed: {} is named twice, and the strategy compares two feeds",
        all[0]
    );
    Ok(all)
}

/// What is to be replayed.
struct Wanted {
    replay: Replay<MarketEvent>,
    /// The ends of the range, as they were understood.
    range: Vec<String>,
    around: Option<Surroundings>,
    /// What was said before it begins.
    warnings: Vec<String>,
}

impl Wanted {
    fn find(args: &Args) -> Result<Self> {
        let mut replay = Replay::<MarketEvent>::merge(&args.dir)?;
        let mut range = Vec::new();
        let (mut around, mut from, mut to) = (None, None, None);
        if let Some(found) = around::find(args, replay.journals())? {
            from = Some(found.from);
            replay = replay.from(found.from).to(found.to);
            around = Some(found.report);
        }
        if let Some(named) = &args.from {
            let place = named.resolve(|| first_recv_ns(replay.journals()))?;
            range.push(format!("--from {}", named.shown(place)));
            from = Some(place);
            replay = replay.from(place);
        }
        if let Some(named) = &args.to {
            let place = named.resolve(|| first_recv_ns(replay.journals()))?;
            range.push(format!("--to {}", named.shown(place)));
            to = Some(place);
            replay = replay.to(place);
        }
        if let Some(e3) = args.speed {
            replay = replay.speed(Speed::Times { e3 });
        }
        if args.no_verify {
            replay = replay.without_verification();
        }
        let journals = replay.journals();
        let (symbols, instruments) = (&args.symbol, &args.instrument);
        let verifies = !args.no_verify;
        let selection =
            Selection::find(journals, from, verifies, symbols, instruments, &args.kind)?;
        if let Some(mut selection) = selection {
            replay = replay.filter(move |event| selection.has(event));
        }
        let warnings = shared::warnings(replay.journals(), from, to);
        // Before the first record, which may be hours before the report.
        output::warn(&warnings);
        Ok(Self {
            replay,
            range,
            around,
            warnings,
        })
    }
}

/// Returns when the first records of all were received.
fn first_recv_ns(journals: &[Journal<MarketEvent>]) -> Result<Option<u64>> {
    let mut least: Option<u64> = None;
    for journal in journals {
        // The header says enough.
        let mut reader = journal.reader().without_verification();
        if let Some(frame) = reader.next()? {
            let recv_ns = frame.header.least_recv_ns;
            least = Some(least.map_or(recv_ns, |least| least.min(recv_ns)));
        }
    }
    Ok(least)
}

fn play<H: Handler<MarketEvent> + Verdict + Watch>(
    args: &Args,
    wanted: Wanted,
    feeds: &[u8],
    name: &str,
    strategy: H,
) -> Result<Outcome> {
    let Wanted {
        replay,
        range,
        around,
        warnings,
    } = wanted;
    let mut report = Report::new(replay.journals(), args.expect, around.as_ref());
    let said = warnings.len();
    report.warnings = warnings;
    let segments = replay.journals().iter().map(Journal::segments);
    let bytes = segments.map(tape::file_bytes).sum();
    let progress = Progress::over(bytes, args.speed.is_some(), args.json);
    let begin = Instant::now();
    let started = replay.start(name, strategy);
    let mut playback = started.map_err(|error| match error {
        // It names times in nanoseconds: say, too, what they were meant to be.
        Error::Config { .. } if !range.is_empty() => anyhow!(error).context(range.join(" ")),
        other => other.into(),
    })?;
    let ended = loop {
        if playback.is_finished() {
            break Ok(());
        }
        if interrupt::requested() {
            break playback.stop();
        }
        match playback.poll() {
            // Ctrl-C unparks this thread.
            Ok(0) => thread::park_timeout(Duration::from_nanos(playback.due_in_ns())),
            Ok(_) => progress.set(playback.records() * RECORD_BYTES as u64),
            Err(error) => break Err(error),
        }
    };
    let elapsed = begin.elapsed();
    progress.finish();
    let outcome = playback.into_outcome();
    report.end(&outcome, args.strategy.is_some(), elapsed);
    if let Some(strategy) = &outcome.handler {
        report.watched(feeds, strategy.books());
    }
    output::warn(&report.warnings[said..]);
    if let Err(error) = &ended {
        // Standard error gets it last, as the error that it is.
        report.stopped(error);
    }
    if args.json {
        output::print_json(&report)?;
    } else {
        output::print(&report.to_text())?;
    }
    // The report is of what came before it.
    ended?;
    Ok(match report.is_expected {
        _ if interrupt::requested() => Outcome::Interrupted,
        Some(false) => Outcome::Failed,
        _ => Outcome::Passed,
    })
}

fn parse_kind(text: &str) -> Result<EventKind, String> {
    let mut kinds = EventKind::ALL.iter().copied();
    kinds.find(|kind| kind.name() == Some(text)).ok_or_else(|| {
        let names = EventKind::ALL.iter().filter_map(|kind| kind.name());
        format!("there are {}", names.collect::<Vec<_>>().join(", "))
    })
}

fn parse_rank(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("ranks begin with 1, the slowest".to_owned()),
        Ok(rank) => Ok(rank),
        Err(_) => Err("a rank is a number from 1, the slowest".to_owned()),
    }
}

fn parse_digest(text: &str) -> Result<u128, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match u128::from_str_radix(text, 16) {
        Ok(digest) if text.len() == 32 && digits => Ok(digest),
        _ => Err("a digest has 32 hexadecimal digits".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_nothing_is_refused_with_what_would() {
        assert_eq!(parse_kind("trade"), Ok(EventKind::TRADE));
        let kinds = parse_kind("trades").unwrap_err();
        assert!(
            kinds.contains("add_order") && kinds.contains("collar"),
            "{kinds}"
        );
        assert_eq!(parse_symbol("BRK.A"), Ok(Symbol(*b"BRK.A   ")));
        assert!(parse_symbol("").is_err() && parse_symbol("NINELONG!").is_err());
        let digest = "0123456789abcdef0123456789ABCDEF";
        assert_eq!(
            parse_digest(digest),
            Ok(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef)
        );
        for text in ["", &digest[1..], "+123456789abcdef0123456789ABCDEF", "x"] {
            assert!(parse_digest(text).is_err(), "{text}");
        }
    }
}
