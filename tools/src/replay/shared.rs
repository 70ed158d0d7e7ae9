//! Owns what to say of journals whose records cannot be told apart once they are merged.

use crate::progress::Progress;
use crate::{interrupt, tape};
use ringtape::journal::Journal;
use ringtape::market::MarketEvent;
use ringtape::replay::Place;
use std::collections::BTreeSet;

const NS_PER_S: u64 = 1_000_000_000;

/// A feed's number, and a second in which it was received.
type Seconds = BTreeSet<(u8, u64)>;

/// Returns a warning for each two journals that have feeds with one number received in the same
/// second of the range. Days of one feed, one behind the other, are meant to have the same, and so
/// are parts of one journal. Reads the journals where there may be any.
pub(super) fn warnings(
    journals: &[Journal<MarketEvent>],
    from: Option<Place>,
    to: Option<Place>,
) -> Vec<String> {
    let mut pairs = journals.iter().enumerate().flat_map(|(place, journal)| {
        let others = journals[..place].iter();
        others.map(move |other| (other, journal))
    });
    if !pairs.any(|(one, other)| may_share(one, other)) {
        return Vec::new();
    }
    let bytes = journals.iter().map(Journal::segments).map(tape::file_bytes);
    let progress = Progress::over(bytes.sum(), false, false);
    let mut read_bytes = 0;
    let mut received = Vec::new();
    for journal in journals {
        received.push(seconds(journal, from, to, |bytes| {
            read_bytes += bytes;
            progress.set(read_bytes);
        }));
    }
    progress.finish();
    let mut warnings = Vec::new();
    for (place, journal) in journals.iter().enumerate() {
        for (other, earlier) in journals[..place].iter().zip(&received) {
            if !may_share(other, journal) {
                continue;
            }
            let shared = received[place].intersection(earlier);
            let feeds: BTreeSet<u8> = shared.map(|(feed, _)| *feed).collect();
            warnings.extend(feeds.iter().map(|feed| {
                format!(
                    "{} and {} both have a feed {feed} at one time: strategies, books and --symbol \
                     cannot tell one's instruments from the other's. Unless they are one feed, record \
                     each with a number of its own: `id` in a configuration, `convert --feed`",
                    other.directory().display(),
                    journal.directory().display(),
                )
            }));
        }
    }
    warnings
}

/// Returns whether they are different journals, one with records from the time on at which the other
/// begins.
fn may_share(one: &Journal<MarketEvent>, other: &Journal<MarketEvent>) -> bool {
    one.identity().id != other.identity().id && overlap(one, other)
}

/// What cannot be read is told when it is replayed.
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
    // The header says enough.
    Some(reader.next().ok()??.header.least_recv_ns)
}

/// Returns in which seconds of the range which feeds of a journal were received, as far as it can be
/// read; `read` is told how many bytes were.
fn seconds(
    journal: &Journal<MarketEvent>,
    from: Option<Place>,
    to: Option<Place>,
    mut read: impl FnMut(u64),
) -> Seconds {
    let mut seconds = Seconds::new();
    // Most records are of a second that is known.
    let mut latest = [u64::MAX; 256];
    let range_ns = recv_ns(from).unwrap_or(0)..=recv_ns(to).unwrap_or(u64::MAX);
    let mut reader = journal.reader().without_verification();
    while let Ok(Some(frame)) = reader.next() {
        if interrupt::requested() {
            interrupt::leave("stopped before it was known whether feeds share a number");
        }
        for record in frame.records {
            let Some(feed) = tape::feed_of(record) else {
                continue;
            };
            let second = record.ts_recv_ns() / NS_PER_S;
            if latest[usize::from(feed)] != second && range_ns.contains(&record.ts_recv_ns()) {
                latest[usize::from(feed)] = second;
                seconds.insert((feed, second));
            }
        }
        read(frame.header.frame_bytes());
    }
    seconds
}

/// Returns the time of a place: a merge has no others.
fn recv_ns(place: Option<Place>) -> Option<u64> {
    match place? {
        Place::Time(recv_ns) => Some(recv_ns),
        Place::Sequence(_) => None,
    }
}
