//! Owns Ctrl-C: the first one asks a command to stop and report; one more after a second ends the
//! process. Until then more of them mean the same: supervisors signal a process and its group.

use anyhow::{Context as _, Result};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// What a shell reports for a command that SIGINT ended: 128 + 2.
pub const EXIT_CODE: u8 = 130;

/// How long signals count as one.
const REPEATS_WITHIN: Duration = Duration::from_secs(1);

static REQUESTED: AtomicBool = AtomicBool::new(false);
static FIRST: OnceLock<Instant> = OnceLock::new();

/// Catches SIGINT and SIGTERM from now on, and wakes the calling thread when one comes, should it
/// be parked. Call it once.
///
/// # Errors
///
/// When the handler cannot be installed.
pub fn catch() -> Result<()> {
    let waiting: Thread = thread::current();
    ctrlc::set_handler(move || {
        let first = *FIRST.get_or_init(Instant::now);
        // Relaxed: the flag stands for itself and orders nothing else.
        if REQUESTED.swap(true, Ordering::Relaxed) && first.elapsed() > REPEATS_WITHIN {
            std::process::exit(i32::from(EXIT_CODE));
        }
        waiting.unpark();
    })
    .context("cannot catch Ctrl-C")
}

/// Tells whether the command was asked to stop.
#[must_use]
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// Ends the process as a command that was asked to stop, from where it cannot return: says `why` on
/// standard error.
pub fn leave(why: &str) -> ! {
    crate::output::warn(&[why.to_owned()]);
    std::process::exit(i32::from(EXIT_CODE));
}
