//! Owns `demo`: the whole path on one machine, with nothing to set up.

use crate::cli::Outcome;
use crate::config::{Backend, Wait};
use crate::report::{Replayed, RunJson, Told};
use crate::strategies::{Audit, Flow, Noted};
use crate::trading_date::TradingDate;
use crate::venue::{Script, Venue};
use crate::watch::{self, Until};
use crate::{output, report, worst};
use anyhow::{Context as _, Result};
use jiff::civil::Date;
use ringtape::clock::SystemClock;
use ringtape::feed::{FeedConfig, NasdaqFeed, Start};
use ringtape::net::{self, Line, Stamps};
use ringtape::pipeline::{HandlerSettings, JournalSettings, Pipeline, Settings};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Run the whole path on this machine: synthetic venue, io_uring, two strategies, tape, replay
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The venue publishes on two loopback lines. Its order flow is made up from a seed, though consistent:
executions, cancels and replaces refer to orders that are alive. Line A loses a share of its
datagrams on purpose, so that there is something to heal; line B has them all. Everything is
journaled; at the end the tape is replayed twice, and each replay's digest is compared with what the
strategies were given live. The same seed and rate give the same digest on every machine.

Examples:
  ringtape demo
  ringtape demo --journal tape/
  ringtape demo --messages 1000000 --rate 250000 --seed 7
  ringtape demo --loss 20 --json

Exit codes: 0 nothing was lost, and the replays are equal; 1 otherwise; 2 wrong use, or the machine
does not let it start. Ctrl-C ends the day early and in good order.")]
pub struct Args {
    /// Messages of order flow
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    messages: u64,
    /// Messages a second, on a schedule that does not slow down
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    rate: u64,
    /// The same seed gives the same order flow and the same losses
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Share of its datagrams that line A loses, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=100))]
    loss: u8,
    /// What idle threads do
    #[arg(long, value_enum, default_value_t)]
    wait: Wait,
    /// How datagrams are fetched
    #[arg(long, value_enum, default_value_t)]
    backend: Backend,
    /// Record to this directory, and keep it; else to a temporary one
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
    /// Record nothing and replay nothing
    #[arg(long, conflicts_with = "journal")]
    no_journal: bool,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

/// The made-up day: always the same, so that a seed has one digest.
const DAY: Date = jiff::civil::date(2020, 1, 2);
/// Longer than any stall of a machine that is worth watching.
const HOLD_NS: u64 = 1_000_000_000;
/// Orders that the audit follows without growing its table.
const ORDERS_ALIVE: usize = 1 << 16;

/// Runs the demo.
///
/// # Errors
///
/// When the machine does not let it start.
pub fn run(args: &Args) -> Result<Outcome> {
    let clock = SystemClock;
    let midnight_ns = TradingDate::Known(DAY).midnight_ns()?;
    let anywhere = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    let lines = ["A", "B"];

    let mut pipeline = Pipeline::new(Settings {
        net: net::Config {
            backend: args.backend.into(),
            stamps: Stamps::Kernel,
            ..net::Config::default()
        },
        wait: args.wait.into(),
        ingest_core: None,
    });
    let feed = NasdaqFeed::new(FeedConfig {
        name: "synthetic".to_owned(),
        lines: lines.map(str::to_owned).to_vec(),
        start: Start::At(1),
        // The other line has it for certain: only a stall of the venue can make it late.
        hold_ns: HOLD_NS,
        midnight_ns,
        ..FeedConfig::default()
    })?;
    pipeline.feed(feed, lines.map(|name| Line::new(name, anywhere)).to_vec())?;
    let flow = pipeline.subscribe(
        "flow",
        HandlerSettings::default(),
        Noted::new(Flow::default()),
    );
    let audit = Noted::new(Audit::with_capacity(ORDERS_ALIVE));
    let audit = pipeline.subscribe("audit", HandlerSettings::default(), audit);
    let script = Script {
        messages: args.messages,
        messages_per_s: args.rate,
        seed: args.seed,
        loss_percent: args.loss,
    };
    let (venue, controls) = Venue::new(script, clock);
    pipeline.stage(venue, None);
    let tape = Tape::choose(args)?;
    if let Some(tape) = &tape {
        pipeline.journal(JournalSettings::new(tape.directory()));
    }

    let running = pipeline.start()?;
    let first = running.first();
    output::note(&report::start_text(running.receiver(), running.cores()));
    controls.open_lines(running.receiver().lines.iter().map(|line| line.address));
    watch::until(&running, Until::EndOfSession, None, args.json);
    // Ctrl-C: the venue ends first, so that all that it has published can still arrive.
    controls.end_day();
    watch::settle(&running);
    running.stop();
    let mut report = running.join();

    let told = [
        Told::take(&mut report, flow),
        Told::take(&mut report, audit),
    ];
    let replayed = tape
        .as_ref()
        .map(|tape| Replayed::run(tape.directory(), first, &report))
        .transpose();
    // A tape that cannot be read is no reason to keep the report back.
    let (replayed, unreadable) = match replayed {
        Ok(replayed) => (replayed, None),
        Err(error) => (None, Some(error)),
    };
    if args.json {
        output::print_json(&RunJson::new(&report, &told).with_replay(replayed.as_ref()))?;
    } else {
        output::print(&format!("\n{}\n", controls.told()))?;
        output::print(&report::text(&report, &told))?;
        if let Some(replayed) = &replayed {
            output::print(&replayed.to_text())?;
        }
    }
    if let Some(Tape::Kept(directory)) = &tape {
        worst::kept(directory, &report, args.json)?;
    }
    if let Some(error) = unreadable {
        return Err(error.context("the tape cannot be replayed"));
    }
    // The venue's own count is the one that no part of the library had a hand in.
    let expected: u64 = report.feeds.iter().map(|feed| feed.ledger.expected).sum();
    if expected != controls.messages() {
        let published = controls.messages();
        output::warn(&[format!(
            "the venue published {published} messages, {expected} were expected"
        )]);
        return Ok(Outcome::Failed);
    }
    if replayed.is_some_and(|replayed| !replayed.is_equal()) {
        return Ok(Outcome::Failed);
    }
    Ok(watch::outcome(&report))
}

/// Where the demo records to.
enum Tape {
    /// Removed at the end.
    Temporary(TempDir),
    Kept(PathBuf),
}

impl Tape {
    fn choose(args: &Args) -> Result<Option<Self>> {
        Ok(match &args.journal {
            _ if args.no_journal => None,
            Some(directory) => Some(Self::Kept(directory.clone())),
            None => Some(Self::Temporary(
                tempfile::Builder::new()
                    .prefix("ringtape-demo-")
                    .tempdir()
                    .context("cannot make a directory for the tape; name one with --journal")?,
            )),
        })
    }

    fn directory(&self) -> &Path {
        match self {
            Self::Temporary(directory) => directory.path(),
            Self::Kept(directory) => directory,
        }
    }
}
