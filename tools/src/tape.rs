//! Owns what the commands that read a journal have in common.

use ringtape::journal::SegmentEntry;
use std::fs;

/// Returns how many bytes the segments have, for a progress bar; `None` where that cannot be told.
pub(crate) fn file_bytes(segments: &[SegmentEntry]) -> Option<u64> {
    let bytes = |segment: &SegmentEntry| Some(fs::metadata(&segment.path).ok()?.len());
    segments.iter().map(bytes).sum()
}
