//! Owns `run`: your feeds, your cores, the strategies that the command line brings.

use crate::cli::Outcome;
use crate::config::{Config, Strategy};
use crate::report::{RunJson, Told};
use crate::strategies::{Audit, Flow, Noted};
use crate::watch::{self, Until};
use crate::{output, report};
use anyhow::{Result, bail};
use ringtape::pipeline::{Pipeline, Ticket};
use std::path::PathBuf;
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

README.md lists every key.

Exit codes: 0 nothing was lost; 1 something was; 2 a mistake in the configuration, or the machine
does not let it start. Ctrl-C is how most runs end, and is no failure.")]
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
    Flow(Ticket<Noted<Flow>>),
    Audit(Ticket<Noted<Audit>>),
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
    for (feed, line) in config.stream_feeds()? {
        pipeline.stream_feed(feed, vec![line])?;
    }
    let mut attached = Vec::new();
    for subscriber in &config.subscribers {
        let (name, settings) = (&subscriber.name, subscriber.settings());
        attached.push(match subscriber.strategy {
            Strategy::Flow => {
                Attached::Flow(pipeline.subscribe(name, settings, Noted::new(Flow::default())))
            }
            Strategy::Audit => {
                Attached::Audit(pipeline.subscribe(name, settings, Noted::new(Audit::default())))
            }
        });
    }

    if let Some(journal) = config.journal() {
        pipeline.journal(journal);
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

    let told: Vec<Told> = attached
        .iter()
        .map(|attached| match *attached {
            Attached::Flow(ticket) => Told::take(&mut report, ticket),
            Attached::Audit(ticket) => Told::take(&mut report, ticket),
        })
        .collect();
    if args.json {
        output::print_json(&RunJson::new(&report, &told))?;
    } else {
        output::print(&report::text(&report, &told))?;
    }
    if let Some(feed) = report.feeds.iter().find(|feed| feed.rejected) {
        bail!(
            "feed {}: the server rejected the login as not authorised: check username and password \
             in [feed.login]",
            feed.name
        );
    }
    Ok(watch::outcome(&report))
}
