//! Owns the units of work: ingest, handle and record. The only place where net, feed, bus and
//! journal meet.
//!
//! A stage is a plain struct that owns all it touches. It does not know on which thread it runs,
//! nor whether it has the thread for itself, so it never blocks and never waits.

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
