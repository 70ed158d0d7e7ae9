//! Owns NASDAQ's BinaryFILE framing: u16 big-endian length, then a message of that length; a length
//! of 0 ends the session.

use super::window::Window;
use std::ops::Range;

/// Bytes of a record's length.
const LENGTH_BYTES: usize = 2;

#[derive(Default)]
pub(super) struct BinaryFile {
    /// Bytes of the record that was handed out last.
    pending: usize,
    ordinal: u64,
    /// Bytes behind the record that ended the session; `None` while it goes on.
    behind_end_bytes: Option<u64>,
}

impl BinaryFile {
    /// Moves on to the next message: its ordinal, and where in the window it lies.
    pub(super) fn advance(&mut self, window: &mut Window) -> Option<(u64, Range<usize>)> {
        window.consume(std::mem::take(&mut self.pending));
        if self.behind_end_bytes.is_some() || !window.fill(LENGTH_BYTES) {
            return None;
        }
        let data = window.data();
        let record_bytes = LENGTH_BYTES + usize::from(u16::from_be_bytes([data[0], data[1]]));
        if record_bytes == LENGTH_BYTES {
            window.consume(LENGTH_BYTES);
            self.behind_end_bytes = Some(window.drain());
            return None;
        }
        if !window.fill(record_bytes) {
            return None;
        }
        self.pending = record_bytes;
        self.ordinal += 1;
        Some((self.ordinal, LENGTH_BYTES..record_bytes))
    }

    /// Says what else there was.
    pub(super) fn note(&self) -> Option<String> {
        let bytes = self.behind_end_bytes.filter(|&bytes| bytes > 0)?;
        Some(format!(
            "{bytes} bytes behind the end of the session were not read"
        ))
    }
}
