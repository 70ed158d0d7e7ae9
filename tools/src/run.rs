//! Owns `run`: your feeds, your cores, the strategies that the command line brings; live, or fed
//! from a capture.

use crate::cli::Outcome;
use crate::config::{Config, Strategy};
use crate::recorded::{CaptureJson, Recorded};
use crate::report::{RunJson, Told};
use crate::strategies::{Audit, Compare, Flow, Noted, Spread};
use crate::trading_date::TradingDate;
use crate::watch::{self, Until};
use crate::{output, report, worst};
use anyhow::{Result, bail};
use ringtape::market::MarketEvent;
use ringtape::pipeline::{Pipeline, Report, Ticket};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Receive the feeds of a configuration file and report: loss ledger, latency, digests
#[derive(Debug, clap::Args)]
#[command(after_help = "\
With this in feed.toml:

  [[feed]]
  name = \"nasdaq\"
  protocol = \"moldudp64/itch50\"
  trading_date = \"2019-12-30\"

  [[feed.line]]
  name = \"A\"
  address = \"127.0.0.1:26477\"

  [[feed.line]]
  name = \"B\"
  address = \"127.0.0.1:26478\"

  [[subscriber]]
  name = \"audit\"
  strategy = \"audit\"

  [journal]
  directory = \"tape\"

Examples:
  ringtape run feed.toml --until end-of-session
  ringtape run feed.toml --for 60 --json
  ringtape run feed.toml --from morning.pcapng

With --from the datagrams come from a capture (pcap or pcapng, plain, gzip or zstd) instead of
sockets: each line takes those that were sent to its address, and, where lines share one, on the
interface of its name. Receive times and hold times are those of the capture, feeds without a
trading date take its day, and nobody is too slow for it, so the result is the same each time.

README.md lists every key.

Exit codes: 0 nothing was lost; 1 something was; 2 a mistake in the configuration, or the machine
does not let it start. Ctrl-C is how most runs end, and is no failure; with --from it is 130, and 1
for a damaged capture, or one whose datagrams could be for any of several lines.")]
pub struct Args {
    /// Configuration file
    config: PathBuf,

    /// Read a capture instead of receiving
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,

    /// When to end; overrides the file
    #[arg(long, value_enum)]
    until: Option<Until>,

    /// End after this many seconds at the latest; with --from, of the capture's time
    #[arg(long = "for", value_name = "SECONDS")]
    limit_s: Option<u64>,

    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

/// A strategy that was given to the pipeline.
enum Attached {
    Flow(Ticket<Noted<Flow>>),
    Audit(Ticket<Noted<Audit>>),
    Spread(Ticket<Noted<Spread>>),
    Compare(Ticket<Noted<Compare>>),
}

/// Runs the command.
///
/// # Errors
///
/// A mistake in the configuration, or what the machine does not let start.
pub fn run(args: &Args) -> Result<Outcome> {
    let config = Config::read(&args.config)?;
    config.check_subscribers()?;
    match &args.from {
        None => live(args, &config),
        Some(capture) => recorded(args, &config, capture),
    }
}

/// Receives.
fn live(args: &Args, config: &Config) -> Result<Outcome> {
    let (pipeline, attached) = wire(config, TradingDate::today())?;
    let running = pipeline.start()?;
    // On standard error, so that a script can wait for it and still read one object.
    output::note(&report::start_text(running.receiver(), running.cores()));
    watch::until(
        &running,
        args.until.unwrap_or(config.run.until),
        args.limit_s.map(Duration::from_secs),
        args.json,
    );
    running.stop();
    let mut report = running.join();
    let printed = print(args, &mut report, &attached, None);
    if let Some(journal) = &report.journal {
        worst::kept(&journal.directory, &report, args.json)?;
    }
    printed?;
    Ok(watch::outcome(&report))
}

/// Reads a capture instead.
fn recorded(args: &Args, config: &Config, capture: &Path) -> Result<Outcome> {
    config.check_recorded()?;
    let mut recorded = Recorded::open(capture, &config.lines())?;
    let (pipeline, attached) = wire(config, recorded.date())?;
    let mut offline = pipeline.offline()?;
    let interrupted = recorded.feed(
        &mut offline,
        args.until.unwrap_or(config.run.until),
        args.limit_s.map(Duration::from_secs),
        args.json,
    );
    let mut report = offline.finish();
    let read = recorded.report();
    read.warn();
    print(args, &mut report, &attached, Some(&read))?;
    Ok(match watch::outcome(&report) {
        _ if interrupted => Outcome::Interrupted,
        _ if !read.is_whole() => Outcome::Failed,
        outcome => outcome,
    })
}

/// Makes the pipeline of a configuration; `date` is the trading date of feeds that name none.
fn wire(config: &Config, date: TradingDate) -> Result<(Pipeline<MarketEvent>, Vec<Attached>)> {
    let mut pipeline = config.pipeline(config.settings(), date)?;
    let mut attached = Vec::new();
    for subscriber in &config.subscribers {
        let (name, settings) = (&subscriber.name, subscriber.settings());
        let feeds = config.watched(subscriber)?;
        attached.push(match subscriber.strategy {
            Strategy::Flow => {
                Attached::Flow(pipeline.subscribe(name, settings, Noted::new(Flow::default())))
            }
            Strategy::Audit => {
                Attached::Audit(pipeline.subscribe(name, settings, Noted::new(Audit::default())))
            }
            Strategy::Spread => {
                let spread = Spread::new(feeds[0]);
                Attached::Spread(pipeline.subscribe(name, settings, Noted::new(spread)))
            }
            Strategy::Compare => {
                let compare = Compare::new([feeds[0], feeds[1]]);
                Attached::Compare(pipeline.subscribe(name, settings, Noted::new(compare)))
            }
        });
    }
    if let Some(journal) = config.journal() {
        pipeline.journal(journal);
    }
    Ok((pipeline, attached))
}

fn print(
    args: &Args,
    report: &mut Report,
    attached: &[Attached],
    read: Option<&CaptureJson>,
) -> Result<()> {
    let told: Vec<Told> = attached
        .iter()
        .map(|attached| match *attached {
            Attached::Flow(ticket) => Told::take(report, ticket),
            Attached::Audit(ticket) => Told::take(report, ticket),
            Attached::Spread(ticket) => Told::take(report, ticket),
            Attached::Compare(ticket) => Told::take(report, ticket),
        })
        .collect();
    if args.json {
        output::print_json(&RunJson::new(report, &told).with_capture(read))?;
    } else {
        output::print(&report::text(report, &told))?;
    }
    if let Some(feed) = report.feeds.iter().find(|feed| feed.rejected) {
        bail!(
            "feed {}: the server rejected the login as not authorised: check username and password \
             in [feed.login]",
            feed.name
        );
    }
    Ok(())
}
