//! Owns what the commands that read a journal have in common.

use crate::progress::Progress;
use crate::report::record::Names;
use crate::{interrupt, output};
use ringtape::journal::{Journal, SegmentEntry};
use ringtape::market::MarketEvent;
use ringtape::record::{Content, GapCause, Record, Sequence};
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

/// Returns the number of the feed that a record is of, if it is of one.
pub(crate) fn feed_of(record: &Record<MarketEvent>) -> Option<u8> {
    match record.content() {
        Content::Event(event) => Some(event.head.feed),
        Content::Gap(gap) if is_of_feed(gap.cause) => Some(gap.feed),
        Content::Session(session) => Some(session.feed),
        Content::DeadLetter(letter) => Some(letter.feed),
        Content::Gap(_) | Content::Invalid => None,
    }
}

/// Tells whether a gap of this cause is of the feed's numbers and not of ours.
pub(crate) fn is_of_feed(cause: GapCause) -> bool {
    GapCause::FEED.contains(&cause)
}

/// Returns the venue's number of which an event keeps the low half: the one that is closest to what
/// comes next, or the low half itself where that is not known.
pub(crate) fn whole_number(next: Option<u64>, low: u32) -> u64 {
    let Some(next) = next else {
        return u64::from(low);
    };
    let [a, b, c, d, ..] = next.to_le_bytes();
    let ahead = low.wrapping_sub(u32::from_le_bytes([a, b, c, d]));
    next.wrapping_add_signed(i64::from(ahead.cast_signed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_from_its_low_half_on_both_sides_of_a_turn() {
        let turn = 1_u64 << 32;
        for (next, low, number) in [
            (1, 1, 1),
            (5, 9, 9),
            (9, 5, 5),
            (turn - 1, u32::MAX, turn - 1),
            (turn - 1, 3, turn + 3),
            (turn + 2, u32::MAX, turn - 1),
            (7 * turn + 5, 6, 7 * turn + 6),
        ] {
            assert_eq!(whole_number(Some(next), low), number, "{next} {low}");
        }
        assert_eq!(whole_number(None, 77), 77);
    }
}
