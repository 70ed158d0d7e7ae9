//! Owns what a journal's writer counts.

use crate::counters::Counter;

/// Counters of a writer, readable from any thread. They begin with 0 when it is opened.
#[derive(Debug, Default)]
pub struct JournalCounters {
    /// The last sequence that a killed process would leave behind; 0 before the first.
    pub written: Counter,
    /// The last sequence of this writer's that a loss of power would leave behind; 0 before the
    /// first sync. Rests once the disk has failed to make something durable.
    pub durable: Counter,
    /// Frames written.
    pub frames: Counter,
    /// Bytes written.
    pub bytes: Counter,
    /// Segments written to.
    pub segments: Counter,
    /// Times that the disk was waited for.
    pub syncs: Counter,
    /// Times that it failed; what was written then is not durable.
    pub sync_failures: Counter,
}
