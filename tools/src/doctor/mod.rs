//! Owns `ringtape doctor`: is this host fit for it, and if not, what to do.
//!
//! ```text
//!  files (tree) ──┐
//!                 ├──► host ──► checks, by group ──► examination ──► text, JSON, stamp
//!  readings ──────┘
//! ```
//!
//! What is tried and measured stands in `readings` and nowhere else: the verdicts are functions of
//! files below a root and of readings, so that they can be tested for hosts that are not there.

mod card;
mod check;
mod clock;
mod cores;
mod disk;
mod groups;
mod host;
mod jitter;
mod kernel;
mod memory;
mod network;
mod power;
mod readings;
mod share;
#[cfg(test)]
mod tests;
mod text;
mod tree;

use crate::cli::Outcome;
use crate::{interrupt, output};
use anyhow::Result;
use check::{Check, Level};
use host::Host;
use readings::Readings;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tree::Tree;

/// Longest stamp line: comments in files that other tools read.
const STAMP_CHARACTERS_MAX: usize = 160;
/// Of what is as wanted, only this is worth a line in every file of results.
const STAMPED: [&str; 6] = [
    "kernel-version",
    "io-uring",
    "governor",
    "cores-isolated",
    "clock-source",
    "jitter",
];

/// Is this host fit for low latency: what is wrong, why it matters, how to fix it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads /proc and /sys, sets a small io_uring up, asks for a receive buffer, and watches each chosen
core with a thread that spins on it for a second. Changes nothing. On a host that is trading, leave
the spinning out (--jitter-ms 0), or name cores that are free.

Each check ends as
  fail     data will be lost, or times cannot be believed
  warn     it costs latency at the tail, or was lost before
  note     good to know, and a matter of choice
  ok       as wanted
  unknown  it could not be found out, and why
  n/a      there is no such thing on this host, and why

A fix is a command for a root shell, or an addition to the kernel's command line: by
`grubby --update-kernel=ALL --args=...`, or in GRUB_CMDLINE_LINUX of /etc/default/grub and by
`update-grub`, and a reboot. What `sysctl -w` sets lasts until the next boot; /etc/sysctl.d keeps it.

Examples:
  ringtape doctor
  ringtape doctor --core 2 --core 3 --interface eth0 --journal tape/
  ringtape doctor --json --jitter-ms 0 | jq '.checks[] | select(.level == \"fail\")'

Exit codes: 0 no check failed; 1 one did; 2 wrong use; 130 stopped by Ctrl-C.")]
pub struct Args {
    /// A core that a thread will be pinned to; several times for several [default: all allowed]
    #[arg(long = "core", value_name = "N")]
    cores: Vec<usize>,

    /// Card that the lines come in by [default: none, and only what all of them dropped]
    #[arg(long, value_name = "IF")]
    interface: Option<String>,

    /// Directory that a journal will be written to; it need not be there yet
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,

    /// How long each core is watched for stalls; 0 leaves it out
    #[arg(long, value_name = "MS", default_value_t = 1_000,
          value_parser = clap::value_parser!(u32).range(0..=600_000))]
    jitter_ms: u32,

    /// Read /proc, /sys and /boot below this directory, and try and measure nothing
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,

    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

/// What is to be examined.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// The cores that threads will be pinned to; none for all that are allowed.
    pub cores: Vec<usize>,
    /// The card.
    pub interface: Option<String>,
    /// Where a journal will be written.
    pub journal: Option<PathBuf>,
    /// How long each core is watched; zero leaves it out.
    pub jitter: Duration,
}

/// Runs the command.
///
/// # Errors
///
/// When the root is no directory or has neither `/proc` nor `/sys`, or when the report cannot be written.
pub fn run(args: &Args) -> Result<Outcome> {
    if !args.root.is_dir() {
        anyhow::bail!("{} is no directory", args.root.display());
    }
    if !["proc", "sys"]
        .iter()
        .any(|name| args.root.join(name).is_dir())
    {
        anyhow::bail!("{} has neither proc nor sys", args.root.display());
    }
    let options = Options {
        cores: args.cores.clone(),
        interface: args.interface.clone(),
        journal: args.journal.clone(),
        jitter: Duration::from_millis(args.jitter_ms.into()),
    };
    let examination = examine(&args.root, &options);
    if args.json {
        output::print_json(&examination.report())?;
    } else {
        output::print(&text::render(&examination))?;
    }
    Ok(match examination.count(Level::Fail) {
        _ if interrupt::requested() => Outcome::Interrupted,
        0 => Outcome::Passed,
        _ => Outcome::Failed,
    })
}

/// Examines this host (`/`), or the files of one. Takes as long as the jitter test.
pub(crate) fn examine(root: &Path, options: &Options) -> Examination {
    let tree = Tree::new(root);
    if !tree.is_this_host() {
        let readings = Readings::none(options.journal.as_deref());
        return judge(&tree, options, &readings);
    }
    // The cores do not depend on readings.
    let nothing = Readings::none(None);
    let host = Host::new(&tree, options, &nothing);
    let cores = host.cores().map(<[usize]>::to_vec).unwrap_or_default();
    let readings = Readings::take(&tree, options, &cores);
    judge(&tree, options, &readings)
}

/// Judges files and readings; nothing else decides.
fn judge(tree: &Tree, options: &Options, readings: &Readings) -> Examination {
    let host = Host::new(tree, options, readings);
    let mut checks = Vec::new();
    for group in [
        kernel::CHECKS,
        cores::CHECKS,
        share::CHECKS,
        memory::CHECKS,
        network::CHECKS,
        clock::CHECKS,
        disk::CHECKS,
    ] {
        checks.extend(host.check(group));
    }
    checks.extend(jitter::checks(&host));
    Examination {
        cores: host.cores().map(<[usize]>::to_vec).unwrap_or_default(),
        interface: options.interface.clone(),
        journal: options
            .journal
            .as_ref()
            .map(|path| path.display().to_string()),
        checks,
    }
}

/// What was found on a host.
#[derive(Clone, Debug)]
pub(crate) struct Examination {
    cores: Vec<usize>,
    interface: Option<String>,
    journal: Option<String>,
    checks: Vec<Check>,
}

/// The report. The keys are stable.
#[derive(Debug, Serialize)]
struct Report<'a> {
    verdict: &'static str,
    fail: u64,
    warn: u64,
    note: u64,
    ok: u64,
    unknown: u64,
    not_applicable: u64,
    cores: &'a [usize],
    interface: Option<&'a str>,
    journal: Option<&'a str>,
    checks: &'a [Check],
    /// What is written into every file of results.
    stamp: Vec<String>,
}

impl Examination {
    /// Returns what files of results say of the host: short lines of printable ASCII.
    pub(crate) fn stamp(&self) -> Vec<String> {
        let worth = |check: &&Check| check.level >= Level::Note || STAMPED.contains(&check.id);
        let mut worth: Vec<&Check> = self.checks.iter().filter(worth).collect();
        worth.sort_by_key(|check| std::cmp::Reverse(check.level));
        let mut lines = vec![format!("doctor: {}", self.summary())];
        lines.extend(worth.into_iter().map(|check| {
            let core = check
                .core
                .map_or_else(String::new, |core| format!(" {core}"));
            let (word, id, found) = (check.level.word(), check.id, check.found());
            format!("doctor: {word} {id}{core}: {found}")
        }));
        lines.iter().map(|line| ascii(line)).collect()
    }

    fn count(&self, level: Level) -> u64 {
        self.checks
            .iter()
            .filter(|check| check.level == level)
            .count() as u64
    }

    fn verdict(&self) -> &'static str {
        match (self.count(Level::Fail), self.count(Level::Warn)) {
            (0, 0) => "fit",
            (0, _) => "fit, with reservations",
            _ => "unfit",
        }
    }

    fn summary(&self) -> String {
        let counts = [
            Level::Fail,
            Level::Warn,
            Level::Note,
            Level::Ok,
            Level::Unknown,
            Level::NotApplicable,
        ]
        .map(|level| format!("{} {}", self.count(level), level.word()));
        format!("{}: {}", self.verdict(), counts.join(", "))
    }

    fn report(&self) -> Report<'_> {
        Report {
            verdict: self.verdict(),
            fail: self.count(Level::Fail),
            warn: self.count(Level::Warn),
            note: self.count(Level::Note),
            ok: self.count(Level::Ok),
            unknown: self.count(Level::Unknown),
            not_applicable: self.count(Level::NotApplicable),
            cores: &self.cores,
            interface: self.interface.as_deref(),
            journal: self.journal.as_deref(),
            checks: &self.checks,
            stamp: self.stamp(),
        }
    }
}

fn ascii(line: &str) -> String {
    let plain = |c: char| {
        if c == ' ' || c.is_ascii_graphic() {
            c
        } else {
            '?'
        }
    };
    line.chars().take(STAMP_CHARACTERS_MAX).map(plain).collect()
}
