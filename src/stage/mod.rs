//! Owns the units of work: ingest, handle and record. The only place where net, feed, bus and
//! journal meet.
//!
//! A stage is a plain struct that owns all it touches. It does not know on which thread it runs,
//! nor whether it has the thread for itself, so it never blocks and never waits.
//!
//! # The contract of the hot path
//!
//! From the start to the stop no thread of a pipeline allocates or releases memory, and the system
//! calls that it makes are those of this table: those of the stages that it polls, and, after a poll
//! in which none of them had work, those of the [`WaitStrategy`](crate::wait::WaitStrategy).
//!
//! | who | with | system calls | at most, each |
//! |---|---|---|---|
//! | ingest | io_uring | `io_uring_enter` | 1 a batch, and 1 in 10 more |
//! | ingest | recvmmsg | `recvmmsg` | 1 a line and poll |
//! | ingest | a re-request server | `sendto` | 1 a request |
//! | ingest | a TCP line | `recvfrom` | 1 a line and poll |
//! | ingest | a TCP line | `sendto` | 1 a packet sent |
//! | ingest | a TCP line | `socket`, `setsockopt`, `connect`, `getsockname`, `close` | 1 a connection |
//! | ingest | a TCP line | `getsockopt`, `getpeername` | 1 a line and poll |
//! | handle | always | none | 0 |
//! | record | a journal | `prlimit64`, `statx`, `pwritev` | 1 a frame |
//! | record | a journal | `fallocate` | 1 for 8 MiB |
//! | every thread | spin, spin-pause | none | 0 |
//! | every thread | yield, park | `sched_yield` | 1 an idle poll |
//! | every thread | park | `futex` | 1 for 50 µs |

mod handle;
mod ingest;
mod record;

use crate::error::Result;
use std::any::Any;

pub use handle::{HandleOutcome, HandleStage};
pub use ingest::{IngestCounters, IngestOutcome, IngestStage, Route};
pub use record::{Framing, JournalAccount, NotJournaled, RecordOutcome, RecordStage};

/// A pollable unit of work. A user's own (an order gateway, say) can share a core with ours.
pub trait Stage: Any + Send {
    /// Returns the name that reports, errors and the thread's name use.
    fn name(&self) -> &str;

    /// Called once on the thread that will poll, before the first poll of any stage.
    ///
    /// # Errors
    ///
    /// What keeps the whole pipeline from starting.
    fn start(&mut self) -> Result<()> {
        Ok(())
    }

    /// Does the work that is ready and returns how much; never waits for more.
    fn poll(&mut self) -> usize;

    /// Asks the stage to end in good order. May be called before every poll from then on. Stages
    /// that end by themselves when their input ends need not react.
    fn request_stop(&mut self) {}

    /// Returns whether the stage has ended and wants no more polls.
    fn is_finished(&self) -> bool;
}
