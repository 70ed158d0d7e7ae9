//! Owns `capture`: datagrams from live lines into a pcapng file.

mod blocks;
mod file;
mod lines;
mod recorder;
mod report;

use self::lines::LineArg;
use self::recorder::Recorder;
use self::report::{Report, StoppedBy};
use crate::cli::Outcome;
use crate::config::{Backend, Config};
use crate::trading_date::TradingDate;
use crate::watch::Until;
use crate::{interrupt, output};
use anyhow::{Result, bail};
use clap::ArgGroup;
use clap::builder::RangedU64ValueParser;
use ringtape::clock::{Clock as _, SystemClock};
use ringtape::market::MarketEvent;
use ringtape::net::{self, Flow, Receiver, Stamps};
use ringtape::pipeline::{Offline, Settings};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// How long nothing is asked for when nothing arrived: sockets hold far more than comes meanwhile.
const IDLE: Duration = Duration::from_micros(100);
/// How long what was received may wait for its buffer to fill while the lines are quiet.
const FLUSH_EVERY: Duration = Duration::from_millis(500);
/// How long the lines are listened to after the venue has ended its session: the slower one has yet
/// to say so.
const SETTLE: Duration = Duration::from_millis(250);

/// Receive the datagrams of live lines into a pcapng file, with the kernel's receive times
#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("what").required(true).args(["config", "lines"])))]
#[command(after_help = "\
The lines are those of the feeds in a configuration file, as `ringtape run` reads it, or are given
directly. The file has one interface for each line, with its name; times in nanoseconds; and around
each payload headers of Ethernet, IPv4 and UDP that say where it was sent to. Who sent it is not
known. It opens in Wireshark, and `inspect`, `play`, `convert` and `run --from` read it.

A unicast address can be listened on by one process only; a multicast group also while `run`
listens on it.

Examples:
  ringtape capture feed.toml --to morning.pcapng
  ringtape capture feed.toml --to morning.pcapng --until end-of-session --json
  ringtape capture --line A=233.54.12.111:26477@eth0 --line B=233.49.196.111:26477@eth1 \\
    --to morning.pcapng --for 60
  ringtape inspect morning.pcapng
  ringtape run feed.toml --from morning.pcapng

Exit codes: 0 every datagram that arrived is in the file; 1 the kernel dropped some, or a receive
failed; 2 wrong use, or the machine does not let it, or the file cannot be written: then it ends
with its last whole datagram; or it was removed. Ctrl-C is how most captures end, and is no
failure.")]
pub struct Args {
    /// Configuration file whose feeds' lines are captured
    config: Option<PathBuf>,

    /// A line, instead of a configuration file; repeat for more
    #[arg(long = "line", value_name = "NAME=ADDR:PORT[@INTERFACE]")]
    lines: Vec<LineArg>,

    /// File to write, pcapng
    #[arg(long, value_name = "FILE.pcapng")]
    to: PathBuf,

    /// Replace the file if it exists
    #[arg(long)]
    force: bool,

    /// Bytes that are kept of each payload; longer ones are cut and marked as cut
    #[arg(long, value_name = "BYTES", default_value_t = 65_507, value_parser = RangedU64ValueParser::<usize>::new().range(1..=65_507))]
    snap: usize,

    /// When to end; overrides the file
    #[arg(long, value_enum)]
    until: Option<Until>,

    /// End after this many seconds at the latest
    #[arg(long = "for", value_name = "SECONDS")]
    limit_s: Option<u64>,

    /// End after this many datagrams at the latest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    datagrams: Option<u64>,

    /// How datagrams are fetched; overrides the file
    #[arg(long, value_enum)]
    backend: Option<Backend>,

    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
///
/// Wrong use, what the machine does not let start, or a file that cannot be written.
pub fn run(args: &Args) -> Result<Outcome> {
    let mut config = args.config.as_deref().map(Config::read).transpose()?;
    let left_out = config
        .as_mut()
        .map(Config::leave_out_streams)
        .unwrap_or_default();
    let lines = match &config {
        Some(config) => config.lines(),
        None => lines::given(&args.lines)?,
    };
    if lines.is_empty() && !left_out.is_empty() {
        bail!("every feed is on TCP, and a capture has datagrams: nothing to receive");
    }
    let left_out: Vec<String> = left_out
        .iter()
        .map(|name| format!("feed {name} is on TCP, and is not captured"))
        .collect();
    let settings = settings(args, config.as_ref());
    let until = args
        .until
        .or_else(|| Some(config.as_ref()?.run.until))
        .unwrap_or_default();
    let ends = match (until, &config) {
        (Until::Stopped, _) => None,
        (Until::EndOfSession, Some(config)) => Some(Ends::new(config, settings.clone())?),
        (Until::EndOfSession, None) => {
            bail!(
                "--until end-of-session: of lines without a feed's protocol the end is not known; \
                 give a configuration file"
            )
        }
    };

    let net_lines: Vec<net::Line> = lines.iter().map(|(_, line)| line.clone()).collect();
    let mut receiver = Receiver::open(&settings.net, &net_lines)?;
    let mut recorder = Recorder::create(args, &receiver, lines)?;
    receiver.start()?;
    // On standard error, so that a script can wait for it and still read one object.
    output::note(&recorder.start_text(&receiver));
    // Before rather than after hours of capturing.
    output::warn(&left_out);
    let begin = Instant::now();
    let stopped_by = record(args, &mut receiver, &mut recorder, ends)?;
    let (counters, elapsed) = (receiver.counters(), begin.elapsed());
    let bytes = recorder.finish(&counters)?;

    let mut report = Report::new(&recorder.summary(), &receiver, elapsed, stopped_by, bytes);
    output::warn(&report.warnings);
    report.warnings.extend(left_out);
    if args.json {
        output::print_json(&report)?;
    } else {
        output::print(&report.to_text())?;
    }
    Ok(match report.is_complete() {
        true => Outcome::Passed,
        false => Outcome::Failed,
    })
}

/// Returns how datagrams are received: always with the kernel's times.
fn settings(args: &Args, config: Option<&Config>) -> Settings {
    let settings = config.map(Config::settings).unwrap_or_default();
    let backend = args.backend.map_or(settings.net.backend, Into::into);
    Settings {
        net: net::Config {
            backend,
            stamps: Stamps::Kernel,
            datagram_bytes_max: args.snap,
            ..settings.net
        },
        ..settings
    }
}

/// Receives until there is an end.
fn record(
    args: &Args,
    receiver: &mut Receiver,
    recorder: &mut Recorder,
    mut ends: Option<Ends>,
) -> Result<StoppedBy> {
    let begin = Instant::now();
    let limit = args.limit_s.map(Duration::from_secs);
    let mut flushed = Instant::now();
    let stopped_by = loop {
        take(args, receiver, recorder, ends.as_mut())?;
        if receiver.is_quiet() {
            // All that came before has been handed over, so its order is known.
            recorder.settle()?;
            if flushed.elapsed() >= FLUSH_EVERY {
                recorder.flush()?;
                flushed = Instant::now();
            }
        }
        if args.datagrams.is_some_and(|most| recorder.taken() >= most) {
            receiver.refresh_drops();
            recorder.settle()?;
            return Ok(StoppedBy::Datagrams);
        }
        if interrupt::requested() {
            break StoppedBy::Interrupt;
        }
        if limit.is_some_and(|limit| begin.elapsed() >= limit) {
            break StoppedBy::Time;
        }
        if ends.as_mut().is_some_and(Ends::are_over) {
            break StoppedBy::EndOfSession;
        }
        if receiver.is_quiet() {
            // Ctrl-C unparks this thread.
            thread::park_timeout(IDLE);
        }
    };
    receiver.stop();
    while !receiver.is_drained() {
        take(args, receiver, recorder, ends.as_mut())?;
        if args.datagrams.is_some_and(|most| recorder.taken() >= most) {
            receiver.refresh_drops();
            break;
        }
    }
    recorder.settle()?;
    Ok(stopped_by)
}

/// Takes one batch of datagrams in.
fn take(
    args: &Args,
    receiver: &mut Receiver,
    recorder: &mut Recorder,
    mut ends: Option<&mut Ends>,
) -> Result<()> {
    let mut failed = None;
    receiver.receive(&SystemClock, |datagram| {
        if let Some(ends) = ends.as_deref_mut() {
            ends.feeds.take(datagram);
        }
        failed = recorder.take(datagram).err();
        let enough = args.datagrams.is_some_and(|most| recorder.taken() >= most);
        match failed.is_some() || enough {
            true => Flow::Pause,
            false => Flow::Continue,
        }
    });
    failed.map_or(Ok(()), Err)
}

/// Follows the feeds for the ends of their sessions.
struct Ends {
    feeds: Offline<MarketEvent>,
    /// Since when all have ended.
    since: Option<Instant>,
}

impl Ends {
    fn new(config: &Config, settings: Settings) -> Result<Self> {
        Ok(Self {
            // No event is kept, so it does not matter what its time counts from.
            feeds: config.pipeline(settings, TradingDate::Unknown)?.offline()?,
            since: None,
        })
    }

    /// Tells whether every feed's session has ended, some time ago.
    fn are_over(&mut self) -> bool {
        self.feeds.pass_time(SystemClock.now_ns());
        if !self.feeds.has_ended() {
            self.since = None;
            return false;
        }
        self.since.get_or_insert_with(Instant::now).elapsed() >= SETTLE
    }
}
