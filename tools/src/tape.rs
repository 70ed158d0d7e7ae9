//! Owns what the commands that read a journal have in common.

use crate::progress::Progress;
use crate::report::record::Names;
use crate::{interrupt, output};
use ringtape::journal::{Journal, SegmentEntry};
use ringtape::market::MarketEvent;
use ringtape::record::Sequence;
use std::fs;

/// Returns how many bytes the segments have, for a progress bar; `None` where that cannot be told.
pub(crate) fn file_bytes(segments: &[SegmentEntry]) -> Option<u64> {
    let bytes = |segment: &SegmentEntry| Some(fs::metadata(&segment.path).ok()?.len());
    segments.iter().map(bytes).sum()
}

/// Reads the names that were told before a record, in the first `bytes_max` of the journal.
pub(crate) fn names_before(
    from: Sequence,
    journal: &Journal<MarketEvent>,
    bytes_max: u64,
) -> Names {
    let mut names = Names::default();
    let progress = Progress::over(file_bytes(journal.segments()), false, false);
    let mut reader = journal.reader();
    let mut read_bytes = 0;
    while !interrupt::requested() {
        match reader.next() {
            Ok(Some(frame)) if frame.header.first < from => {
                let before = frame.records.iter().take_while(|r| r.sequence() < from);
                before.for_each(|record| names.learn(record));
                read_bytes += frame.header.frame_bytes();
                progress.set(read_bytes);
                if read_bytes >= bytes_max {
                    output::warn(&[format!(
                        "names that were told behind the first {bytes_max} bytes, and before what \
                         is shown, are not known"
                    )]);
                    break;
                }
            }
            Ok(_) => break,
            Err(error) => {
                // What was asked for may be whole all the same.
                output::warn(&[format!("names may be missing: {error}")]);
                break;
            }
        }
    }
    progress.finish();
    names
}
