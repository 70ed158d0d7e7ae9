//! Owns the main thread while a pipeline runs: waits for its end, shows that it is alive.

use crate::cli::Outcome;
use crate::interrupt;
use crate::output::thousands;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ringtape::pipeline::{Report, Running};
use ringtape::record::Event;
use std::io::{self, IsTerminal as _};
use std::thread;
use std::time::{Duration, Instant};

/// How often the end is looked for. Well below what a person notices.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Longer than a venue on a starved machine needs for a last packet.
const SETTLE_MAX: Duration = Duration::from_secs(5);

/// When a run ends by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Until {
    /// Only when it is stopped (Ctrl-C).
    #[default]
    Stopped,
    /// When the venue of every feed has ended its session.
    EndOfSession,
}

/// Waits until `running` has ended as `until` says, its venues have rejected what they have not
/// ended, `limit` has passed or Ctrl-C was pressed.
pub fn until<E: Event>(running: &Running<E>, until: Until, limit: Option<Duration>, json: bool) {
    let begin = Instant::now();
    let line = status_line(json);
    loop {
        let over = until == Until::EndOfSession && running.has_ended()
            || running.is_finished()
            || running.is_rejected()
            || limit.is_some_and(|limit| begin.elapsed() >= limit)
            || interrupt::requested();
        if over {
            break;
        }
        let net = running.net();
        let streams: u64 = running.streams().iter().map(|line| line.bytes.get()).sum();
        line.set_message(format!(
            "{} datagrams, {} bytes, {} dropped by the kernel",
            thousands(net.datagrams()),
            thousands(net.bytes() + streams),
            thousands(net.kernel_drops()),
        ));
        line.tick();
        // Ctrl-C unparks this thread.
        thread::park_timeout(LOOK_EVERY);
    }
    line.finish_and_clear();
}

/// Gives a venue that has been asked to end its session the time for it.
pub fn settle<E: Event>(running: &Running<E>) {
    let begin = Instant::now();
    while !running.has_ended() && !running.is_finished() && begin.elapsed() < SETTLE_MAX {
        thread::park_timeout(LOOK_EVERY);
    }
}

/// A line on standard error that says what arrives, where a person watches.
fn status_line(json: bool) -> ProgressBar {
    let watched = !json || io::stdout().is_terminal();
    let line = if watched {
        // indicatif hides it where standard error is no terminal.
        ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
    } else {
        ProgressBar::hidden()
    };
    line.with_style(
        ProgressStyle::with_template("{spinner} {elapsed} {msg}")
            .expect("invariant: the template is well formed"),
    )
}

/// Says how a run ended: the check is that nothing was lost. Ctrl-C is how most runs end and is
/// no failure.
pub fn outcome(report: &Report) -> Outcome {
    if report.is_lossless() {
        Outcome::Passed
    } else {
        Outcome::Failed
    }
}
