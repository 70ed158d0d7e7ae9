//! Owns `latency`: open-loop measurement from when a message is due to the handler that has it,
//! with the machine's own noise beside it.
//!
//! ```text
//!  schedule ─► sender ─────────────► bus ─► reader                       ring
//!              (a core)  socket ─► ingest ─► bus ─► handler              net, full
//!  due ────────────────► wire ──► seen ──► … ──► published ──► handler   one clock
//! ```
//!
//! A message carries the time at which it was due, and latency counts from there: a sender that is
//! held up sends what is due at once, and the wait is in the samples of all who waited. Kernel
//! receive stamps and every reading are of one clock, `CLOCK_REALTIME`.

mod chart;
mod conduct;
mod curve;
mod files;
mod gaps;
mod json;
mod logs;
mod measured;
mod packets;
mod platform;
mod process;
mod recorder;
mod ring;
mod schedule;
mod sender;
mod setup;
mod socket;
mod stamp;
mod svg;
mod text;
mod ticks;

use self::json::LatencyJson;
use self::measured::Measured;
use self::schedule::{Arrivals, Plan};
use self::setup::{CoreChoice, Cores, Setup, Stage};
use crate::cli::Outcome;
use crate::config::{Backend, RingName, Wait};
use crate::noise::{self, Noise};
use crate::play::amount::parse_scaled;
use crate::{doctor, interrupt, output};
use anyhow::{Result, bail};
use ringtape::cpu;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Measure latency from when a message is due to its handler, beside the machine's own noise
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The sender keeps to a schedule, and latency counts from the time at which a message was due: when
the sender is late it sends at once, and the wait is in the samples. Nothing makes it slower. A run
fails when a message is lost anywhere, or the rate is missed by more than 1 %.

Stages: ring is a bus between two cores; net adds a socket and a feed that does next to nothing;
full is MoldUDP64 and ITCH order flow as in `run`. On two cores the sender has one, and ingest and
handler run in turn on the other.

Before the runs each core is watched for what the machine does to a thread that wants nothing but
to run. A percentile within twice the machine's own is marked: it says more of the machine than of
the code.

With --out, for each run an HdrHistogram log (.hlog) and percentiles (.hgrm), which HdrHistogram's
tools open, and for all of them a plot (latency.svg) and the report (latency.json). A directory that
has such files of an earlier sweep is refused.

Examples:
  ringtape latency
  ringtape latency --stage all --rate 10k,100k,1m --out latency/
  ringtape latency --stage ring --rate 1m --arrivals poisson --seed 7 --ring lane,broadcast
  ringtape latency --stage full --arrivals burst:32 --journal tape/ --wait yield
  ringtape latency --stage net --sender process --core sender=2,ingest=3,handler=3

Exit codes: 0 every run reached its rate and lost nothing; 1 one did not; 2 wrong use, or the
machine does not let it start; 130 stopped by Ctrl-C, after the report of what was measured.")]
pub struct Args {
    /// What is between sender and handler; `all` measures one after the other
    #[arg(long, value_enum, default_value_t)]
    stage: StageChoice,
    /// Messages a second: one rate or a sweep of several
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', default_value = "100k",
          value_parser = setup::parse_rate)]
    rate: Vec<u64>,
    /// How arrivals are spread: constant, poisson or burst:N
    #[arg(long, value_name = "HOW", default_value = "constant")]
    arrivals: Arrivals,
    /// How long each run measures
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    seconds: Duration,
    /// How long each run warms up before that
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = parse_seconds)]
    warm_up: Duration,
    /// What idle threads do; the sender always spins where it has a core for itself
    #[arg(long, value_enum, default_value = "spin")]
    wait: Wait,
    /// How datagrams are fetched
    #[arg(long, value_enum, default_value_t)]
    backend: Backend,
    /// What carries records to the handler: one ring, or both one after the other
    #[arg(
        long,
        value_enum,
        value_name = "RING,...",
        value_delimiter = ',',
        default_value = "lane"
    )]
    ring: Vec<RingName>,
    /// Which core runs what: sender, ingest, handler, journal; chosen where not named
    #[arg(long, value_name = "ROLE=CORE,...")]
    core: Option<CoreChoice>,
    /// Where the sender runs; `ring` has it in this process always
    #[arg(long, value_enum, default_value_t)]
    sender: Home,
    /// The same seed gives the same arrivals and the same order flow
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Record each run to a directory of its own in this one
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
    /// Write logs, percentiles, plot and report to this directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
    /// How this program starts its sender in another process
    #[arg(long = process::OPTION, hide = true)]
    order: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum StageChoice {
    /// A bus
    Ring,
    /// A socket, a feed that does next to nothing, a bus
    Net,
    /// A socket, MoldUDP64 and ITCH, a bus
    #[default]
    Full,
    /// All three
    All,
}

impl StageChoice {
    const fn stages(self) -> &'static [Stage] {
        match self {
            Self::Ring => &[Stage::Ring],
            Self::Net => &[Stage::Net],
            Self::Full => &[Stage::Full],
            Self::All => &[Stage::Ring, Stage::Net, Stage::Full],
        }
    }
}

/// Where a sender runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Home {
    /// On a thread of this process
    #[default]
    Thread,
    /// In a process of its own
    Process,
}

/// The longest run.
const SECONDS_MAX: u64 = 3_600;
/// The most messages of a run.
const MESSAGES_MAX: u128 = 1_000_000_000;
/// How long each core is watched before the runs, at most.
const NOISE_MAX: Duration = Duration::from_secs(1);
const NS_PER_S: u128 = 1_000_000_000;

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let duration = Duration::from_nanos(parse_scaled::<9>(text)?);
    if duration > Duration::from_secs(SECONDS_MAX) {
        return Err(format!("a run has at most {SECONDS_MAX} seconds"));
    }
    Ok(duration)
}

/// Runs the command.
///
/// # Errors
///
/// Wrong use, or what the machine does not let start.
pub fn run(args: &Args) -> Result<Outcome> {
    if let Some(order) = &args.order {
        return process::run(order);
    }
    let setups = setups(args)?;
    if let Some(directory) = &args.out {
        files::prepare(directory)?;
    }
    let cores: BTreeSet<usize> = setups.iter().flat_map(|setup| setup.cores.all()).collect();
    let watched = args.seconds.min(NOISE_MAX);
    output::note(&format!(
        "watching {} cores, for {} ms each\n",
        cores.len(),
        watched.as_millis()
    ));
    let mut before = Vec::new();
    for core in cores {
        if interrupt::requested() {
            break;
        }
        before.push(noise::probe(core, watched)?);
    }
    let (mut runs, mut broken) = (Vec::new(), None);
    for setup in &setups {
        if interrupt::requested() {
            break;
        }
        output::note(&text::announce(setup));
        let run = match setup.stage {
            Stage::Ring => ring::run(setup),
            Stage::Net | Stage::Full => socket::run(setup),
        };
        match run {
            Ok(run) => runs.push(run),
            // What was measured before it is told nevertheless.
            Err(error) => {
                broken = Some(error.context(setup.name()));
                break;
            }
        }
    }
    if runs.is_empty() {
        return match broken {
            Some(error) => Err(error),
            None => {
                output::warn(&["stopped before anything was measured".to_owned()]);
                Ok(Outcome::Interrupted)
            }
        };
    }
    // The cores were watched above, so the examination does not do it again.
    let fit = doctor::examine(
        Path::new("/"),
        &doctor::Options {
            cores: before.iter().map(|noise| noise.core).collect(),
            journal: args.journal.clone(),
            ..doctor::Options::default()
        },
    );
    let host = stamp::lines(&fit.stamp());
    let all_ran = runs.len() == setups.len() && !runs.iter().any(|run| run.interrupted);
    tell(args, &runs, &before, &host, !all_ran)?;
    if let Some(error) = broken {
        return Err(error);
    }
    if !all_ran {
        return Ok(Outcome::Interrupted);
    }
    let passed = runs.iter().all(Measured::passed);
    Ok(if passed {
        Outcome::Passed
    } else {
        Outcome::Failed
    })
}

/// Checks what was asked for, and makes the runs of it: each stage at each rate.
fn setups(args: &Args) -> Result<Vec<Setup>> {
    if args.seconds.is_zero() {
        bail!("--seconds 0 measures nothing");
    }
    if args.stage == StageChoice::Ring && args.sender == Home::Process {
        bail!("--sender process needs a socket: choose --stage net or full");
    }
    let nanoseconds = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let warm_up_ns = nanoseconds(args.warm_up);
    let span_ns = nanoseconds(args.seconds) + warm_up_ns;
    let allowed = cpu::allowed();
    let mut setups = Vec::new();
    for &stage in args.stage.stages() {
        let rings = args.ring.iter();
        for (&ring, &messages_per_s) in
            rings.flat_map(|ring| args.rate.iter().map(move |rate| (ring, rate)))
        {
            let messages = u128::from(messages_per_s) * u128::from(span_ns) / NS_PER_S;
            if messages > MESSAGES_MAX {
                bail!(
                    "{messages} messages are more than the {MESSAGES_MAX} that a run can have: \
                     choose a lower --rate or fewer --seconds"
                );
            }
            let choice = args.core.unwrap_or_default();
            let cores = Cores::choose(choice, stage, args.journal.is_some(), &allowed);
            cpu::check_online(cores.all())?;
            let mut setup = Setup {
                stage,
                plan: Plan {
                    arrivals: args.arrivals,
                    messages_per_s,
                    span_ns,
                    seed: args.seed,
                },
                warm_up_ns,
                wait: args.wait,
                backend: args.backend,
                ring,
                cores,
                journal: args.journal.clone(),
                process: args.sender == Home::Process && stage != Stage::Ring,
            };
            let name = setup.name();
            // In tables, and as names of files and of tapes.
            if setups.iter().any(|other: &Setup| other.name() == name) {
                bail!("{name} is asked for twice: name each --rate and each --ring once");
            }
            setup.journal = setup.journal.map(|directory| directory.join(name));
            setups.push(setup);
        }
    }
    Ok(setups)
}

/// Writes the files and prints the report: either whatever becomes of the other.
fn tell(
    args: &Args,
    runs: &[Measured],
    before: &[Noise],
    host: &[String],
    interrupted: bool,
) -> Result<()> {
    let curves = curve::curves(runs, before);
    let json = LatencyJson::new(runs, before, host, interrupted);
    let written = args.out.as_ref().map_or(Ok(()), |directory| {
        files::write_runs(directory, runs, host)?;
        files::write_noise(directory, before, host)?;
        let title = format!(
            "Latency from when a message was due, {} arrivals",
            args.arrivals
        );
        files::write_plot(directory, &title, &curves, host)?;
        files::write_report(directory, &json)
    });
    if args.json {
        output::print_json(&json)?;
    } else {
        output::print(&text::text(runs, before, &curves))?;
    }
    written?;
    if let Some(directory) = &args.out {
        output::note(&format!("wrote {}\n", directory.display()));
    }
    Ok(())
}
