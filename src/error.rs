//! Owns what can go wrong before anything runs, and how a run can end badly.
//!
//! Three classes of failure, kept apart: the operator's mistakes are the `Result`s of `open` and
//! `start` and name the thing and the remedy; the world's behaviour (malformed packets, full
//! rings) is counted and shown in-band, never an [`Error`]; our own bugs are panics with
//! "invariant:", which the runtime turns into [`Error::StagePanicked`].

use std::io;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::time::Duration;

/// A result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be started, or how a part of it ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting that cannot work, whatever the machine.
    #[error("{what}: {remedy}")]
    Config {
        /// The setting and its value.
        what: String,
        /// What to write instead.
        remedy: String,
    },

    /// A core that the machine does not have.
    #[error("core {core} does not exist or is offline: online cores are {online}")]
    NoSuchCore {
        /// The core that was asked for.
        core: usize,
        /// The kernel's list of online cores.
        online: String,
    },

    /// The kernel refused to pin a thread, or pinned it elsewhere.
    #[error(
        "could not pin to core {core}: the thread may run on {allowed}; \
         allow the core in the cpuset or cgroup of this process, or choose another"
    )]
    Pin {
        /// The core that was asked for.
        core: usize,
        /// Where the thread may run, read back from the kernel.
        allowed: String,
    },

    /// A line's address is taken, or is not one of this machine's.
    #[error("line {line}: cannot listen on {address}: {os}; {remedy}")]
    Bind {
        /// The line's name.
        line: String,
        /// The address that was asked for.
        address: SocketAddrV4,
        /// What the kernel said.
        os: io::Error,
        /// What to do.
        remedy: &'static str,
    },

    /// A network interface that does not exist.
    #[error("line {line}: no network interface {interface}: there are {present}")]
    NoSuchInterface {
        /// The line's name.
        line: String,
        /// The interface that was asked for.
        interface: String,
        /// The interfaces of this machine.
        present: String,
    },

    /// A multicast group that could not be joined.
    #[error("line {line}: cannot join group {group} on {interface}: {os}; {remedy}")]
    Join {
        /// The line's name.
        line: String,
        /// The group.
        group: SocketAddrV4,
        /// The interface, or "the default interface".
        interface: String,
        /// What the kernel said.
        os: io::Error,
        /// What to do.
        remedy: &'static str,
    },

    /// `io_uring` was asked for by name and the kernel or a container refuses it.
    #[error("io_uring is not to be had here: {reason}; use the recvmmsg backend, or auto")]
    UringUnavailable {
        /// The call that failed and what the kernel said.
        reason: String,
    },

    /// Another system call failed.
    #[error("{action}: {os}")]
    Os {
        /// What was being done, with the name of the thing.
        action: String,
        /// What the kernel said.
        os: io::Error,
    },

    /// A directory or a file is not the journal that it should be, or cannot be used as one now.
    #[error("{} {problem}: {remedy}", path.display())]
    Journal {
        /// The directory or the file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },

    /// Bytes of a segment are not what was written, and good frames may lie behind them.
    #[error(
        "{} is corrupt at byte {offset}: {reason}; `ringtape verify` lists what is left",
        segment.display()
    )]
    Corrupt {
        /// The segment.
        segment: PathBuf,
        /// Where, in bytes.
        offset: u64,
        /// How it shows.
        reason: String,
    },

    /// Segments are missing between others.
    #[error(
        "{} lacks the segments {first_segment} to {last_segment}, with the records {first} to {last}: \
         bring them back, or move away the segments before them",
        directory.display()
    )]
    SegmentsMissing {
        /// The journal.
        directory: PathBuf,
        /// The number of the first segment that is missing.
        first_segment: u64,
        /// The number of the last.
        last_segment: u64,
        /// The first sequence that is missing; where the segment before them cannot be read, the
        /// first of that.
        first: u64,
        /// The last sequence that is missing; less than `first` if they held no record.
        last: u64,
    },

    /// A handler panicked. Its subscription ended there; the feed and the others went on.
    #[error("handler {name} panicked at sequence {sequence}: {message}")]
    HandlerPanicked {
        /// The subscriber's name.
        name: String,
        /// The last record that it was given; 0 before the first.
        sequence: u64,
        /// The panic's message.
        message: String,
    },

    /// A handler could not take the next record of a replay: who takes what the handler itself
    /// hands on is slow or gone.
    #[error(
        "handler {name} was not ready for {waited:?}: read what it publishes on another thread, \
         with a lossy subscription, or allow it more time with `ready_within`"
    )]
    HandlerNotReady {
        /// The handler's name.
        name: String,
        /// For how long.
        waited: Duration,
    },

    /// A stage of this library panicked: a bug, please report it with the message.
    #[error("stage {stage} panicked, which is a bug in ringtape: {message}")]
    StagePanicked {
        /// The stage's name.
        stage: String,
        /// The panic's message.
        message: String,
    },
}

impl Error {
    /// Makes an [`Error::Config`].
    pub fn config(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Config {
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    /// Makes an [`Error::Os`].
    pub fn os(action: impl Into<String>, os: io::Error) -> Self {
        Self::Os {
            action: action.into(),
            os,
        }
    }
}

/// Returns the text of a caught panic.
#[must_use]
pub(crate) fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
