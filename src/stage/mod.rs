//! Owns the units of work: ingest, handle and record. The only place where net, feed, bus and
//! journal meet.
//!
//! A stage is a plain struct that owns all it touches. It does not know on which thread it runs,
//! nor whether it has the thread for itself, so it never blocks and never waits.
//!
//! # The contract of the hot path
//!
//! **Memory.** From the start to the stop no thread of a pipeline allocates or releases any, but
//! for a new segment of a journal and for a journal that cannot be written. What is written to is
//! there and was written to before the start: a thread meets at most 8 minor page faults, in its
//! first moments (its code, its stack), then none, and no major one.
//!
//! **System calls.** A thread makes those of the stages that it polls and, after a poll in which
//! none of them had work, those of the [`WaitStrategy`](crate::wait::WaitStrategy); no other than
//! in this table. Where stages share a thread their rows add up. A handler's own calls are the
//! handler's.
//!
//! | who | with | system calls | at most, of each |
//! |---|---|---|---|
//! | ingest | io_uring | `io_uring_enter` | 1 a batch and re-arm, and 1 in 10 more |
//! | ingest | recvmmsg | `recvmmsg` | 1 a line and poll |
//! | ingest | a re-request server | `sendto` | 1 a request |
//! | ingest | a TCP line | `recvfrom` | 1 a line and poll |
//! | ingest | a TCP line | `sendto` | 1 a packet sent |
//! | ingest | a TCP line | `socket`, `setsockopt`, `connect`, `close` | 1 a connection |
//! | ingest | a TCP line | `fcntl` | 1 a connection, in debug builds |
//! | ingest | a TCP line | `getsockopt`, `getpeername`, `getsockname` | 1 a line and poll |
//! | handle | always | none | 0 |
//! | record | a journal | `prlimit64`, `statx`, `pwritev` | 1 a frame |
//! | record | a journal | `fallocate` | 1 for 8 MiB |
//! | record | a journal that syncs | `fdatasync` | 1 a frame |
//! | record | a journal | `openat`, `close`, `ftruncate`, `statx`, `prlimit64` | 4 a segment |
//! | record | a journal | `pwrite64`, `pwritev`, `fallocate`, `fdatasync`, `fsync` | 4 a segment |
//! | record | a journal | `fcntl` | 4 a segment, in debug builds |
//! | every thread | spin, spin-pause | none | 0 |
//! | every thread | yield, park | `sched_yield` | 1 an idle poll |
//! | every thread | park | `futex` | 1 for 50 µs |
//! | every thread | a clock source other than tsc | `clock_gettime` | 1 a reading |
//!
//! With io_uring nothing is called while nothing arrives, and a million events cost ingest at most
//! 1.1 million calls, when each has a datagram and each datagram is a batch of its own. The one
//! more in ten is the kernel asking for a call on account of a datagram that the call before had
//! already brought ([`enters_idle`](crate::net::NetCounters::enters_idle)); a re-arm follows an
//! empty datagram, or buffers that ran out. `getsockopt`, `getpeername` and `getsockname` are
//! called only while a connection is being made. `yield` begins with the 65th idle poll in a row;
//! `park` yields 192 times and then sleeps, 50 µs at first and up to 1 ms. A lock that two threads
//! want would be a `futex`: with the other strategies there is none.
//!
//! `tests/system_calls.rs` reads this table and holds the threads of every wait strategy and
//! backend to it, with and without a journal, with handlers that lose and that make the feed wait,
//! latency measured. `tests/no_alloc.rs`, `tests/no_alloc_stream.rs` and `tests/page_faults.rs` do
//! so for memory.

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
