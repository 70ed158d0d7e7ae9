//! Seeking beside the naive way: reading from the start and leaving out what comes before.

use crate::rig::{Directory, Tick, append, record, records, stored, time, write};
use ringtape::journal::{Journal, Reader};
use ringtape::record::{Gap, GapCause, Record, Sequence};

fn rest(mut reader: Reader<Tick>) -> Vec<Record<Tick>> {
    reader.records().map(Result::unwrap).collect()
}

#[test]
fn reading_begins_with_the_record_that_was_asked_for() {
    let directory = Directory::new();
    // Frames of all sizes, over three segments, the last one not finished.
    let mut frames = vec![1, 2, 900, 4096, 3, 1, 3000];
    frames.extend([1; 300]);
    write(&directory, &frames);
    let last = frames.iter().sum::<u64>();
    assert!(directory.segments().len() >= 3);
    let journal = Journal::<Tick>::open(directory.path()).unwrap();
    let wanted = (1..=last).filter(|n| n % 97 == 0 || *n < 8 || last - n < 310);
    for n in wanted {
        let mut reader = journal.reader_at(Sequence::new(n)).unwrap();
        let frame = reader.next().unwrap().unwrap();
        assert_eq!(frame.records[0].as_stored(), record(n).as_stored(), "{n}");
    }
    for n in [1, 2, 3, 4, 900, 4097, 8000, last] {
        let read = rest(journal.reader_at(Sequence::new(n)).unwrap());
        assert!(
            stored(&read) == stored(&records(n, last - n + 1)),
            "from {n}"
        );
    }
}

#[test]
fn a_sequence_inside_a_gap_begins_with_the_gap() {
    let directory = Directory::new();
    let mut writer = directory.writer();
    append(&mut writer, 4);
    let gap = Gap {
        first: 5,
        last: 1_000,
        cause: GapCause::NotJournaled,
        feed: 0,
    };
    writer.append_gap(gap, time(5), 0).unwrap();
    append(&mut writer, 3);
    drop(writer);
    let journal = Journal::<Tick>::open(directory.path()).unwrap();
    for n in [5, 6, 999, 1_000] {
        let mut reader = journal.reader_at(Sequence::new(n)).unwrap();
        let first = reader.records().next().unwrap().unwrap();
        assert_eq!(
            first.as_stored(),
            Record::<Tick>::gap(Sequence::new(5), time(5), gap).as_stored(),
            "{n}"
        );
    }
    let read = rest(journal.reader_at(Sequence::new(1_001)).unwrap());
    assert!(stored(&read) == stored(&records(1_001, 3)));
}

#[test]
fn a_place_outside_the_journal_is_refused_with_the_place_where_it_begins_or_ends() {
    let directory = Directory::new();
    write(&directory, &[4, 5]);
    let journal = Journal::<Tick>::open(directory.path()).unwrap();
    for (n, expected) in [
        (0, "begins with 1"),
        (10, "ends before 10"),
        (999, "ends before 10"),
    ] {
        let error = journal.reader_at(Sequence::new(n)).unwrap_err().to_string();
        assert!(error.contains(&format!("sequence {n} in")), "{error}");
        assert!(error.contains(expected), "{error}");
    }
    assert!(journal.reader_at(Sequence::new(9)).is_ok());

    let empty = Directory::new();
    drop(empty.writer());
    let journal = Journal::<Tick>::open(empty.path()).unwrap();
    assert!(rest(journal.reader()).is_empty());
    assert!(rest(journal.reader_at_time(0).unwrap()).is_empty());
    let error = journal.reader_at(Sequence::FIRST).unwrap_err().to_string();
    assert!(error.contains("ends before 1"), "{error}");
}

#[test]
fn reading_begins_with_the_first_record_received_then_or_later() {
    let directory = Directory::new();
    let frames = [3, 1, 4096, 2, 4096, 40, 1, 1];
    write(&directory, &frames);
    let last = frames.iter().sum::<u64>();
    assert!(directory.segments().len() >= 3);
    let journal = Journal::<Tick>::open(directory.path()).unwrap();
    let mut times: Vec<_> = (1..=last).map(time).collect();
    times.dedup();
    let wanted = times
        .iter()
        .enumerate()
        .filter(|(at, _)| at % 61 == 0 || times.len() - at < 50 || *at < 20)
        .flat_map(|(_, time)| [time - 1, *time, time + 1])
        .chain([0, u64::MAX]);
    for wanted in wanted {
        let first = (1..=last).find(|n| time(*n) >= wanted);
        let mut reader = journal.reader_at_time(wanted).unwrap();
        let read = reader.records().next().map(Result::unwrap);
        assert_eq!(
            read.map(|record| record.sequence().get()),
            first,
            "time {wanted}"
        );
    }
}

/// A loss of power can keep the header of a frame and not its records. Whoever waited behind them
/// would pass over those that are written in their place.
#[test]
fn records_that_were_torn_from_their_headers_are_not_there() {
    let directory = Directory::new();
    let mut writer = directory.writer();
    (0..4).for_each(|_| append(&mut writer, 100));
    drop(writer);
    let path = directory.last_segment();
    let mut bytes = std::fs::read(&path).unwrap();
    for frame in [2, 3] {
        let records = 256 + frame * 6464 + 64;
        bytes[records..records + 6400].fill(0);
    }
    std::fs::write(&path, bytes).unwrap();
    let journal = Journal::<Tick>::open(directory.path()).unwrap();
    assert_eq!(journal.end().unwrap(), Sequence::new(201));
    for n in [201, 300, 301, 400] {
        let error = journal.reader_at(Sequence::new(n)).unwrap_err().to_string();
        assert!(error.contains("ends before 201"), "{n}: {error}");
    }
    let mut reader = journal.reader_at(Sequence::new(200)).unwrap();
    assert!(
        stored(&reader.records().map(Result::unwrap).collect::<Vec<_>>())
            == stored(&records(200, 1))
    );
    append(&mut directory.writer(), 100);
    assert!(stored(&rest(reader)) == stored(&records(201, 100)));
}

/// Damage elsewhere in a segment does not keep anyone from the records behind it.
#[test]
fn seeking_behind_damage_works_and_into_it_is_an_error() {
    let directory = Directory::new();
    write(&directory, &[100; 30]);
    let path = directory.last_segment();
    let mut bytes = std::fs::read(&path).unwrap();
    // The header of the eleventh frame.
    bytes[256 + 10 * 6464 + 5] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let journal = Journal::<Tick>::open(directory.path()).unwrap();
    let read = rest(journal.reader_at(Sequence::new(2_001)).unwrap());
    assert!(stored(&read) == stored(&records(2_001, 1_000)));
    let error = journal.reader_at(Sequence::new(1_050)).unwrap_err();
    assert!(error.to_string().contains("corrupt at byte"), "{error}");
}

#[test]
fn a_time_is_found_in_many_small_frames_also_where_times_fall() {
    // They rise, fall back over several frames, and rise again.
    let time = |n: u64| if n > 100 && n % 100 < 20 { n - 60 } else { n };
    let directory = Directory::new();
    let mut writer = directory.writer();
    let count = 30_000;
    for first in (1..=count).step_by(7) {
        let frame: Vec<Record<Tick>> = (first..(first + 7).min(count + 1))
            .map(|n| Record::gap(Sequence::new(n), time(n), FEED_GAP))
            .collect();
        writer.append([&frame, &[]], 0).unwrap();
    }
    writer.close().unwrap();
    let journal = Journal::<Tick>::open(directory.path()).unwrap();
    for recv_ns in (1..=count + 50).step_by(37) {
        let expected = (1..=count).find(|&n| time(n) >= recv_ns);
        let mut reader = journal.reader_at_time(recv_ns).unwrap();
        let found = reader.records().next().map(Result::unwrap);
        assert_eq!(
            found.map(|record| record.sequence().get()),
            expected,
            "{recv_ns}"
        );
    }
}

const FEED_GAP: Gap = Gap {
    first: 1,
    last: 1,
    cause: GapCause::Absent,
    feed: 1,
};
