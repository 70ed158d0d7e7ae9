//! Owns what no file tells: what is tried, asked by system calls or measured. The verdicts take it
//! as plain values, so that they can be tested for hosts that are not there.

use super::tree::Tree;
use super::{Options, share};
use crate::noise::{self, Noise};
use ringtape::net::{Backend, Config, Line, ReceiveBuffer, Receiver};
use rtime_clock::adjtime::{self, Timex};
use rustix::fs::Access;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What was tried and measured; `Err` says why there is nothing.
#[derive(Clone, Debug)]
pub(crate) struct Readings {
    /// Whether anything was tried at all.
    pub tried: bool,
    /// Whether a ring of the library's own kind can be set up.
    pub io_uring: Tried<()>,
    /// What the default line asked for, and was granted.
    pub receive_buffer: Tried<ReceiveBuffer>,
    /// How the kernel's clock is steered.
    pub steering: Tried<Steering>,
    /// Bytes that this user can still write where the journal is.
    pub journal_free_bytes: Tried<u64>,
    /// The journal's directory, or the nearest above it that exists, without symbolic links.
    pub journal: Option<PathBuf>,
    /// Whether this user can make files there.
    pub journal_writable: Tried<()>,
    /// The noise of each core.
    pub noise: Vec<(usize, Tried<Noise>)>,
    /// Of the time of the noise test, how much was stolen, in millionths.
    pub stolen_ppm: Tried<u64>,
}

/// A value, or why there is none.
pub(crate) type Tried<T> = Result<T, String>;

/// How the kernel's clock is steered (`adjtimex`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Steering {
    /// Whether the kernel was told that the clock is right.
    pub synchronised: bool,
    /// What is still to be made up, in nanoseconds, whichever way.
    pub offset_ns: u64,
    /// Bound of the error that the kernel was told, in microseconds.
    pub error_us_max: u64,
}

impl Readings {
    /// Makes the readings of a host that is only files.
    pub(crate) fn none(journal: Option<&Path>) -> Self {
        let reason = || "read from a directory: this was not tried".to_owned();
        Self {
            tried: false,
            io_uring: Err(reason()),
            receive_buffer: Err(reason()),
            steering: Err(reason()),
            journal_free_bytes: Err(reason()),
            journal: journal.map(Path::to_owned),
            journal_writable: Err(reason()),
            noise: Vec::new(),
            stolen_ppm: Err(reason()),
        }
    }

    /// Tries and measures on this host; takes as long as the jitter test.
    pub(crate) fn take(tree: &Tree, options: &Options, cores: &[usize]) -> Self {
        let journal = options.journal.as_deref().map(existing);
        let before = share::times(tree);
        let noise = measure(cores, options.jitter);
        let after = share::times(tree);
        let stolen_ppm = match (options.jitter.is_zero(), before, after) {
            (false, Ok(before), Ok(after)) => Ok(before.stolen_ppm_until(after)),
            _ => Err("there was no jitter test".to_owned()),
        };
        Self {
            tried: true,
            io_uring: receiver(Backend::Uring).map(drop),
            receive_buffer: receiver(Backend::Mmsg).map(|receiver| receiver.receive_buffer(0)),
            steering: steering(),
            journal_free_bytes: free_bytes(journal.as_deref()),
            journal_writable: journal.as_deref().map_or(Ok(()), writable),
            journal,
            noise,
            stolen_ppm,
        }
    }
}

/// Opens what a pipeline opens: the library's flags, its ring of buffers, its socket options.
fn receiver(backend: Backend) -> Tried<Receiver> {
    let config = Config {
        backend,
        ..Config::default()
    };
    let line = Line::new("doctor", SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));
    Receiver::open(&config, &[line]).map_err(|error| error.to_string())
}

fn steering() -> Tried<Steering> {
    /// What `adjtimex` returns for a clock that is not synchronised (`TIME_ERROR`).
    const UNSYNCHRONISED: i32 = 5;
    /// The offset is in nanoseconds, not in microseconds (`STA_NANO`).
    const NANO: i32 = 0x2000;
    let mut timex = Timex::new();
    let state = adjtime::adjtimex(&mut timex).map_err(|error| format!("adjtimex: {error}"))?;
    let unit_ns = if timex.0.status & NANO == 0 { 1_000 } else { 1 };
    Ok(Steering {
        synchronised: state != UNSYNCHRONISED,
        offset_ns: timex.0.offset.unsigned_abs().saturating_mul(unit_ns),
        error_us_max: timex.0.maxerror.unsigned_abs(),
    })
}

fn existing(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let real = absolute
        .ancestors()
        .find_map(|path| path.canonicalize().ok());
    real.unwrap_or(absolute)
}

fn free_bytes(journal: Option<&Path>) -> Tried<u64> {
    let journal = journal.ok_or("no journal was named")?;
    let space = rustix::fs::statvfs(journal)
        .map_err(|error| format!("statvfs {}: {error}", journal.display()))?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

fn writable(journal: &Path) -> Tried<()> {
    if !journal.is_dir() {
        return Err(format!("{} is no directory", journal.display()));
    }
    rustix::fs::access(journal, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| format!("this user may not write to {}: {error}", journal.display()))
}

/// Watches all cores at the same time, as they would be used.
fn measure(cores: &[usize], duration: Duration) -> Vec<(usize, Tried<Noise>)> {
    if duration.is_zero() {
        return Vec::new();
    }
    let watch = |core: usize| noise::probe(core, duration).map_err(|error| format!("{error:#}"));
    std::thread::scope(|scope| {
        let watched: Vec<_> = cores
            .iter()
            .map(|&core| (core, scope.spawn(move || watch(core))))
            .collect();
        let joined = watched.into_iter().map(|(core, thread)| {
            let noise = thread.join();
            (
                core,
                noise.unwrap_or_else(|_| Err("the probe panicked".to_owned())),
            )
        });
        joined.collect()
    })
}
