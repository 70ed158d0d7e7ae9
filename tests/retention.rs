//! What a journal keeps: archived segments read like plain ones, deleting leaves no hole, and the
//! segment that is being written is never touched.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod support;

use ringtape::error::Error;
use ringtape::journal::{
    Config, FinishedSegment, Journal, Retention, SEGMENT_BYTES_MIN, Verdict, Writer, archive,
    delete, finished_segments, verify,
};
use ringtape::market::MarketEvent;
use ringtape::record::{Gap, GapCause, Record, Sequence};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::Folder;

/// Records of a frame: four to a segment of the smallest size.
const FRAME: u64 = 1_000;
const FRAMES: u64 = 18;

type Slot = Record<MarketEvent>;

fn record(number: u64) -> Slot {
    let gap = Gap {
        first: number,
        last: number,
        cause: GapCause::Absent,
        feed: 1,
    };
    Record::gap(Sequence::new(number), number * 10, gap)
}

/// Writes frames at the times 1, 2, 3, … seconds.
fn write(tape: &Path, frames: u64) -> Writer<MarketEvent> {
    let config = Config {
        segment_bytes: SEGMENT_BYTES_MIN,
        ..Config::new(tape)
    };
    let mut writer = Writer::open(config, 0).unwrap();
    for frame in 1..=frames {
        let first = writer.next_sequence().get();
        let records: Vec<_> = (first..first + FRAME).map(record).collect();
        writer
            .append([&records, &[]], frame * 1_000_000_000)
            .unwrap();
    }
    writer
}

fn tape(folder: &Folder) -> PathBuf {
    let tape = folder.path().join("tape");
    write(&tape, FRAMES).close().unwrap();
    tape
}

fn read(tape: &Path) -> Vec<Slot> {
    let journal = Journal::open(tape).unwrap();
    let records: Result<Vec<_>, _> = journal.reader().records().collect();
    records.unwrap()
}

fn assert_same(left: &[Slot], right: &[Slot]) {
    assert_eq!(left.len(), right.len());
    for (left, right) in left.iter().zip(right) {
        assert_eq!(left.as_stored(), right.as_stored());
    }
}

fn archive_all(tape: &Path) -> Vec<FinishedSegment> {
    let mut finished = finished_segments(tape).unwrap();
    finished.retain(|segment| !segment.entry.archived);
    for segment in &finished {
        let archived = archive(segment, 3).unwrap().unwrap();
        assert!(archived.archived_bytes < archived.plain_bytes / 2);
        assert_eq!(archived.plain_bytes, segment.bytes);
    }
    finished
}

#[test]
fn an_archived_journal_reads_seeks_and_verifies_like_the_plain_one() {
    let folder = Folder::new();
    let tape = tape(&folder);
    let plain = read(&tape);
    let findings = verify::<MarketEvent>(&tape, |_, _| {}).unwrap();
    let archived = archive_all(&tape);
    assert!(archived.len() > 2);
    let journal = Journal::<MarketEvent>::open(&tape).unwrap();
    let (last, finished) = journal.segments().split_last().unwrap();
    assert!(finished.iter().all(|segment| segment.archived) && !last.archived);

    assert_same(&plain, &read(&tape));
    assert_eq!(verify::<MarketEvent>(&tape, |_, _| {}).unwrap(), findings);
    assert_eq!(findings.verdict(), Verdict::Clean);
    for number in (1..=FRAMES * FRAME).step_by(777) {
        let mut by_sequence = journal.reader_at(Sequence::new(number)).unwrap();
        let found = by_sequence.records().next().unwrap().unwrap();
        assert_eq!(found.sequence().get(), number);
        let mut by_time = journal.reader_at_time(number * 10 - 5).unwrap();
        let found = by_time.records().next().unwrap().unwrap();
        assert_eq!(found.sequence().get(), number);
    }
    let nothing = finished_segments(&tape).unwrap();
    assert_eq!(
        archive(&nothing[0], 3).unwrap(),
        None,
        "it is archived already"
    );
}

#[test]
fn an_ordinary_decoder_gives_the_plain_segment_back() {
    let folder = Folder::new();
    let tape = tape(&folder);
    let segment = finished_segments(&tape).unwrap().remove(0);
    let plain = fs::read(&segment.entry.path).unwrap();
    let archived = archive(&segment, 3).unwrap().unwrap();
    let unpacked = zstd::decode_all(fs::File::open(archived.entry.path).unwrap()).unwrap();
    assert!(unpacked == plain);
    assert!(!segment.entry.path.exists());
}

#[test]
fn a_reader_goes_on_when_what_lies_ahead_is_archived() {
    let folder = Folder::new();
    let tape = tape(&folder);
    let plain = read(&tape);
    let journal = Journal::<MarketEvent>::open(&tape).unwrap();
    let mut reader = journal.reader();
    let mut records = reader.next().unwrap().unwrap().records.to_vec();
    archive_all(&tape);
    while let Some(frame) = reader.next().unwrap() {
        records.extend_from_slice(frame.records);
    }
    assert_same(&plain, &records);
}

#[test]
fn verifying_goes_on_when_what_lies_ahead_is_archived() {
    let folder = Folder::new();
    let tape = tape(&folder);
    let before = verify::<MarketEvent>(&tape, |_, _| {}).unwrap();
    let during = verify::<MarketEvent>(&tape, |segments, _| {
        if segments == 1 {
            archive_all(&tape);
        }
    });
    assert_eq!(during.unwrap(), before);
}

#[test]
fn a_segment_that_is_deleted_before_it_is_read_is_named_with_what_to_do() {
    let expect = |error: Error, finished: &[FinishedSegment]| {
        let Error::Journal { path, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(*path, finished[1].entry.path);
        let text = error.to_string();
        assert!(text.contains("was deleted while"), "{text}");
        assert!(text.contains("read the journal again"), "{text}");
    };
    let folder = Folder::new();
    let first = tape(&folder);
    let finished = finished_segments(&first).unwrap();
    let verified = verify::<MarketEvent>(&first, |segments, _| {
        if segments == 1 {
            delete(&first, &finished[..3]).unwrap();
        }
    });
    expect(verified.unwrap_err(), &finished);

    let folder = Folder::new();
    let second = tape(&folder);
    let finished = finished_segments(&second).unwrap();
    let mut reader = Journal::<MarketEvent>::open(&second).unwrap().reader();
    assert!(reader.next().unwrap().is_some());
    delete(&second, &finished[..3]).unwrap();
    let failed = loop {
        match reader.next() {
            Ok(frame) => assert!(frame.is_some(), "it ends where records are missing"),
            Err(error) => break error,
        }
    };
    expect(failed, &finished);
}

#[test]
fn a_journal_opens_while_its_segments_are_archived_and_deleted() {
    for round in 0..8 {
        let folder = Folder::new();
        let tape = tape(&folder);
        let finished = finished_segments(&tape).unwrap();
        std::thread::scope(|scope| {
            let retained = scope.spawn(|| {
                for segment in &finished {
                    archive(segment, 1).unwrap();
                    delete(&tape, std::slice::from_ref(segment)).unwrap();
                }
            });
            while !retained.is_finished() {
                let opened = Journal::<MarketEvent>::open(&tape);
                opened.unwrap_or_else(|error| panic!("round {round}: {error}"));
            }
        });
    }
}

#[test]
fn a_writer_goes_on_behind_an_archived_segment() {
    let folder = Folder::new();
    let tape = tape(&folder);
    archive_all(&tape);
    write(&tape, 3).close().unwrap();
    archive_all(&tape);
    let records = read(&tape);
    assert_eq!(records.len() as u64, (FRAMES + 3) * FRAME);
    let findings = verify::<MarketEvent>(&tape, |_, _| {}).unwrap();
    assert_eq!(findings.verdict(), Verdict::Clean);
}

#[test]
fn damage_in_an_archive_is_found_and_no_other_record_is_returned() {
    let folder = Folder::new();
    let tape = tape(&folder);
    let plain = read(&tape);
    let archived = archive_all(&tape)[1].entry.path.with_extension("tape.zst");
    let sound = fs::read(&archived).unwrap();
    for at in (0..sound.len()).step_by(sound.len() / 97 + 1) {
        let mut damaged = sound.clone();
        damaged[at] ^= 0x10;
        fs::write(&archived, &damaged).unwrap();
        let findings = verify::<MarketEvent>(&tape, |_, _| {}).unwrap();
        assert_eq!(findings.verdict(), Verdict::Corrupt, "byte {at}");
        for verified in [true, false] {
            let mut reader = Journal::<MarketEvent>::open(&tape).unwrap().reader();
            if !verified {
                reader = reader.without_verification();
            }
            let (mut returned, mut failed) = (Vec::new(), false);
            for record in reader.records() {
                match record {
                    Ok(record) => returned.push(record),
                    Err(Error::Corrupt { segment, .. }) => {
                        assert_eq!(segment, archived);
                        failed = true;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            assert!(failed, "byte {at}");
            assert_same(&plain[..returned.len()], &returned);
        }
    }
}

#[test]
fn an_interrupted_archiving_leaves_the_segment_and_is_done_again() {
    let folder = Folder::new();
    let tape = tape(&folder);
    let plain = read(&tape);
    let segment = finished_segments(&tape).unwrap().remove(0);
    let archived = segment.entry.path.with_extension("tape.zst");
    fs::write(archived.with_extension("zst.unfinished"), b"cut").unwrap();
    assert_same(&plain, &read(&tape));
    // Both are there where it ended between the renaming and the deleting.
    fs::write(&archived, b"not used").unwrap();
    assert_same(&plain, &read(&tape));
    archive_all(&tape);
    assert_same(&plain, &read(&tape));
    let names = fs::read_dir(&tape)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    assert!(
        !names
            .into_iter()
            .any(|path| path.to_string_lossy().contains("unfinished"))
    );
}

#[test]
fn deleting_a_segment_deletes_what_an_interrupted_archiving_left_of_it() {
    let folder = Folder::new();
    let tape = tape(&folder);
    let finished = finished_segments(&tape).unwrap();
    let archived = finished[0].entry.path.with_extension("tape.zst");
    fs::write(archived.with_extension("zst.unfinished"), b"cut").unwrap();
    fs::write(&archived, b"whole").unwrap();
    delete(&tape, &finished[..2]).unwrap();
    let findings = verify::<MarketEvent>(&tape, |_, _| {}).unwrap();
    assert_eq!(findings.verdict(), Verdict::Clean);
    assert_eq!(findings.first, Some(finished[2].entry.first));
    let left = fs::read_dir(&tape).unwrap().map(|entry| entry.unwrap());
    let of_first = left.filter(|entry| {
        entry
            .file_name()
            .to_string_lossy()
            .starts_with("0000000001")
    });
    assert_eq!(of_first.count(), 0);
}

#[test]
fn what_was_deleted_meanwhile_is_not_archived_and_what_was_archived_meanwhile_is_deleted() {
    let folder = Folder::new();
    let tape = tape(&folder);
    let finished = finished_segments(&tape).unwrap();
    delete(&tape, &finished[..1]).unwrap();
    assert_eq!(archive(&finished[0], 3).unwrap(), None);
    archive(&finished[1], 3).unwrap().unwrap();
    assert_eq!(archive(&finished[1], 3).unwrap(), None);
    delete(&tape, &finished[..2]).unwrap();
    let findings = verify::<MarketEvent>(&tape, |_, _| {}).unwrap();
    assert_eq!(findings.verdict(), Verdict::Clean);
    assert_eq!(findings.first, Some(finished[2].entry.first));
}

#[test]
fn archiving_and_deleting_at_once_leave_a_whole_journal() {
    for round in 0..8 {
        let folder = Folder::new();
        let tape = tape(&folder);
        let finished = finished_segments(&tape).unwrap();
        let keep = finished.len() - 1;
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for segment in &finished {
                        archive(segment, 1).unwrap();
                    }
                });
            }
            scope.spawn(|| delete(&tape, &finished[..keep]).unwrap());
        });
        let findings = verify::<MarketEvent>(&tape, |_, _| {}).unwrap();
        assert_eq!(findings.verdict(), Verdict::Clean, "round {round}");
        assert_eq!(findings.first, Some(finished[keep].entry.first));
    }
}

#[test]
fn a_segment_that_is_just_being_made_is_no_obstacle_and_the_one_before_it_is_kept() {
    let folder = Folder::new();
    let tape = tape(&folder);
    let before = finished_segments(&tape).unwrap();
    let last = Journal::<MarketEvent>::open(&tape)
        .unwrap()
        .segments()
        .last()
        .cloned();
    let end = FRAMES * FRAME + 1;
    let made = format!("{:010}-{end:020}.tape", last.unwrap().index + 1);
    fs::write(tape.join(made), b"").unwrap();
    assert_eq!(finished_segments(&tape).unwrap(), before);
    let rules = Retention {
        bytes: Some(0),
        ..Retention::default()
    };
    assert_eq!(rules.beyond(&tape, 0).unwrap(), before);
}

#[test]
fn each_rule_lets_the_oldest_go_and_never_the_one_that_is_written() {
    let folder = Folder::new();
    let tape = folder.path().join("tape");
    let writer = write(&tape, FRAMES);
    let finished = finished_segments(&tape).unwrap();
    let count = finished.len() as u64;
    let all: u64 = finished.iter().map(|segment| segment.bytes).sum();
    let now_ns = (FRAMES + 1) * 1_000_000_000;
    let goes = |rules: Retention| rules.beyond(&tape, now_ns).unwrap().len() as u64;
    let keep = Retention::default();
    assert_eq!(goes(keep), 0);
    for kept in 1..=count + 2 {
        let segments = Some(kept);
        assert_eq!(
            goes(Retention { segments, ..keep }),
            (count + 1).saturating_sub(kept)
        );
    }
    assert_eq!(
        goes(Retention {
            bytes: Some(0),
            ..keep
        }),
        count
    );
    assert_eq!(
        goes(Retention {
            bytes: Some(2 * all),
            ..keep
        }),
        0
    );
    assert_eq!(
        goes(Retention {
            age: Some(Duration::ZERO),
            ..keep
        }),
        count
    );
    let age_ns = now_ns - finished[1].finished_ns;
    let age = Some(Duration::from_nanos(age_ns));
    assert_eq!(goes(Retention { age, ..keep }), 1, "older, and not as old");
    drop(writer);
}

#[test]
fn what_stays_after_deleting_is_a_whole_journal_that_is_gone_on_with() {
    let folder = Folder::new();
    let tape = tape(&folder);
    let plain = read(&tape);
    archive(&finished_segments(&tape).unwrap()[0], 3).unwrap();
    let rules = Retention {
        segments: Some(3),
        ..Retention::default()
    };
    let beyond = rules.beyond(&tape, 0).unwrap();
    assert!(beyond[0].entry.archived && beyond.len() > 1);
    delete(&tape, &beyond).unwrap();
    let kept = read(&tape);
    let first = Journal::<MarketEvent>::open(&tape).unwrap().first().get();
    assert!(first > 1);
    assert_same(&plain[usize::try_from(first - 1).unwrap()..], &kept);
    let findings = verify::<MarketEvent>(&tape, |_, _| {}).unwrap();
    assert_eq!(findings.verdict(), Verdict::Clean);
    assert_eq!(findings.first, Some(Sequence::new(first)));
    write(&tape, 1).close().unwrap();
    assert_eq!(
        read(&tape).len(),
        kept.len() + usize::try_from(FRAME).unwrap()
    );
}

#[test]
fn a_removed_segment_costs_no_segment_that_was_archived_before_it() {
    let folder = Folder::new();
    let tape = folder.path().join("tape");
    let mut writer = write(&tape, FRAMES);
    let archived = archive_all(&tape);
    let journal = Journal::<MarketEvent>::open(&tape).unwrap();
    let last = journal.segments().last().unwrap().clone();
    fs::remove_file(&last.path).unwrap();
    let next = writer.next_sequence();
    let more = record(next.get());
    assert!(writer.append([&[more], &[]], 0).is_err());
    let (first, end) = writer.removed(0).unwrap().unwrap();
    assert_eq!((first, end.next()), (last.first, next));
    let gap = Gap {
        first: first.get(),
        last: next.get(),
        cause: GapCause::NotJournaled,
        feed: 0,
    };
    writer.append_gap(gap, 0, 0).unwrap();
    writer.close().unwrap();
    let records = read(&tape);
    assert_eq!(
        records.len() as u64,
        first.get(),
        "all before it, and the gap"
    );
    assert!(archived.len() > 2);
}
