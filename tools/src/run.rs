//! Owns `run`: your feeds, your cores, the strategies that the command line brings.

use crate::cli::Outcome;
use crate::config::{Config, Strategy};
use crate::strategies::{Audit, Flow};
use crate::watch::{self, Until};
use crate::{output, report};
use anyhow::Result;
use ringtape::pipeline::{Pipeline, Report, Ticket};
use std::path::PathBuf;
use std::time::Duration;

/// Receives the feeds of a configuration file and prints the loss ledger and the latency at the
/// end: when the venue ends its session, when the time is up, or at Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example, with this in feed.toml:

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

  ringtape run feed.toml --until end-of-session
  ringtape run feed.toml --for 60 --json

The crate's README.md lists every key. Exit code 0: nothing was lost.")]
pub struct Args {
    /// Configuration file
    config: PathBuf,

    /// When to end; overrides the file
    #[arg(long, value_enum)]
    until: Option<Until>,

    /// End after this many seconds at the latest
    #[arg(long = "for", value_name = "SECONDS")]
    limit_s: Option<u64>,

    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

/// A strategy that was given to the pipeline.
enum Attached {
    Flow(Ticket<Flow>),
    Audit(Ticket<Audit>),
}

impl Attached {
    /// Takes the strategy back and lets it say what it found.
    fn verdict(&self, report: &mut Report) -> Option<String> {
        match *self {
            Self::Flow(ticket) => report.take(ticket).map(|flow| flow.verdict()),
            Self::Audit(ticket) => report.take(ticket).map(|audit| audit.verdict()),
        }
    }
}

/// Runs the command.
///
/// # Errors
///
/// A mistake in the configuration, or what the machine does not let start.
pub fn run(args: &Args) -> Result<Outcome> {
    let config = Config::read(&args.config)?;
    let mut pipeline = Pipeline::new(config.settings());
    for (feed, lines) in config.feeds()? {
        pipeline.feed(feed, lines)?;
    }
    let mut attached = Vec::new();
    for subscriber in &config.subscribers {
        let (name, settings) = (&subscriber.name, subscriber.settings());
        let ticket = match subscriber.strategy {
            Strategy::Flow => Attached::Flow(pipeline.subscribe(name, settings, Flow::default())),
            Strategy::Audit => {
                Attached::Audit(pipeline.subscribe(name, settings, Audit::default()))
            }
        };
        attached.push((name, ticket));
    }

    let running = pipeline.start()?;
    // On standard error, so that a script can wait for it and still read one object.
    output::note(&report::start_text(running.receiver(), running.cores()));
    let until = args.until.unwrap_or(config.run.until);
    watch::until(
        &running,
        until,
        args.limit_s.map(Duration::from_secs),
        args.json,
    );
    running.stop();
    let mut report = running.join();

    if args.json {
        output::print_json(&report::RunJson::from(&report))?;
    } else {
        let mut text = report::text(&report);
        for (name, ticket) in attached {
            if let Some(verdict) = ticket.verdict(&mut report) {
                text.push_str(&format!("{name}: {verdict}\n"));
            }
        }
        output::print(&text)?;
    }
    Ok(watch::outcome(&report))
}
