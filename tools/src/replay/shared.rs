//! Owns what to say of journals whose records cannot be told apart once they are merged.

use crate::tape;
use ringtape::journal::Journal;
use ringtape::market::MarketEvent;
use ringtape::record::Content;
use std::collections::BTreeSet;

/// How much of a journal is read for its feeds' numbers: some 65,000 records from its beginning,
/// where each of its feeds says that its session starts.
const READ_BYTES_MAX: u64 = 4 << 20;

/// Returns a warning for each two journals that were received at the same time and have feeds with
/// one number. Parts or days of one feed, one behind the other, are meant to have the same.
pub(super) fn warnings(journals: &[Journal<MarketEvent>]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (place, journal) in journals.iter().enumerate() {
        for other in &journals[..place] {
            if !overlap(other, journal) {
                continue;
            }
            let shared = &feeds(other) & &feeds(journal);
            warnings.extend(shared.iter().map(|feed| {
                format!(
                    "{} and {} both have a feed {feed} at one time: strategies, books and --symbol \
                     take their instruments for the same. Record each feed with a number of its own: \
                     `id` in a configuration, `convert --feed`",
                    other.directory().display(),
                    journal.directory().display(),
                )
            }));
        }
    }
    warnings
}

/// Returns whether one has records from the time at which the other begins on. What cannot be read
/// is told when it is replayed.
fn overlap(one: &Journal<MarketEvent>, other: &Journal<MarketEvent>) -> bool {
    let (Some(one_ns), Some(other_ns)) = (first_recv_ns(one), first_recv_ns(other)) else {
        return false;
    };
    let (earlier, later_ns) = match one_ns <= other_ns {
        true => (one, other_ns),
        false => (other, one_ns),
    };
    let reader = earlier.reader_at_time(later_ns);
    reader.is_ok_and(|reader| {
        let mut reader = reader.without_verification();
        reader.next().is_ok_and(|frame| frame.is_some())
    })
}

fn first_recv_ns(journal: &Journal<MarketEvent>) -> Option<u64> {
    let mut reader = journal.reader().without_verification();
    let first = reader.next().ok()??.records.first()?.ts_recv_ns();
    Some(first)
}

/// Returns the numbers of the feeds that a journal begins with.
fn feeds(journal: &Journal<MarketEvent>) -> BTreeSet<u8> {
    let mut feeds = BTreeSet::new();
    let mut reader = journal.reader().without_verification();
    let mut read_bytes = 0;
    while read_bytes < READ_BYTES_MAX
        && let Ok(Some(frame)) = reader.next()
    {
        feeds.extend(
            frame
                .records
                .iter()
                .filter_map(|record| match record.content() {
                    Content::Event(event) => Some(event.head.feed),
                    Content::Gap(gap) if tape::is_of_feed(gap.cause) => Some(gap.feed),
                    Content::Session(session) => Some(session.feed),
                    Content::DeadLetter(letter) => Some(letter.feed),
                    Content::Gap(_) | Content::Invalid => None,
                }),
        );
        read_bytes += frame.header.frame_bytes();
    }
    feeds
}
