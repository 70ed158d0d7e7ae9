//! A full disk, a limit and a removed directory are error codes; what was written before stays,
//! and the journal goes on where it can.

use crate::confine::{SMALL_DISK, small_disk};
use crate::confined;
use crate::rig::{Directory, Tick, append, check_all, records, time, write};
use ringtape::journal::{Journal, SEGMENT_BYTES_MIN, SyncPolicy, Verdict, Writer, verify};
use ringtape::record::{Gap, GapCause, Sequence};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::fs;
use std::io;
use std::path::Path;

/// Appends frames until one is refused. Returns the next number then, and the error.
fn fill(writer: &mut Writer<Tick>, count: u64) -> (Sequence, io::Error) {
    for _ in 0..10_000 {
        let next = writer.next_sequence();
        if let Err(error) = writer.append([&records(next.get(), count), &[]], 0) {
            assert_eq!(writer.next_sequence(), next, "a refused frame was counted");
            assert_eq!(writer.counters().written.get(), next.get() - 1);
            return (next, error);
        }
    }
    panic!("nothing was ever refused");
}

fn file_limit(bytes: Option<u64>) {
    let limit = Rlimit {
        current: bytes,
        maximum: None,
    };
    setrlimit(Resource::Fsize, limit).unwrap();
}

#[test]
fn a_file_size_limit_is_an_error_and_not_a_signal() {
    confined::run(
        "limits::a_file_size_limit_is_an_error_and_not_a_signal",
        "cannot run in a process of its own",
        || Ok(()),
        || {
            let directory = Directory::new();
            let mut writer = directory.writer();
            for limit in [50_000, 100_001] {
                file_limit(Some(limit));
                let (next, error) = fill(&mut writer, 10);
                assert_eq!(error.kind(), io::ErrorKind::FileTooLarge, "{error}");
                let bytes = fs::metadata(directory.last_segment()).unwrap().len();
                assert!(bytes <= limit && bytes + 704 > limit, "{bytes} of {limit}");
                check_all(directory.path(), next.get() - 1);
            }
            // Below what is there already.
            file_limit(Some(10_000));
            let (next, _) = fill(&mut writer, 1);
            file_limit(None);
            append(&mut writer, 10);
            writer.close().unwrap();
            check_all(directory.path(), next.get() + 9);
            let findings = verify::<Tick>(directory.path(), |_, _| {}).unwrap();
            assert_eq!(findings.verdict(), Verdict::Clean);
        },
    );
}

#[test]
fn a_full_disk_is_an_error_and_writing_goes_on_when_there_is_room() {
    confined::run(
        "limits::a_full_disk_is_an_error_and_writing_goes_on_when_there_is_room",
        "cannot mount a small tmpfs in a namespace of its own",
        small_disk,
        || {
            let directory = Directory::new_in(SMALL_DISK.as_ref());
            // Room for three segments, and somebody else takes some.
            let ballast = Path::new(SMALL_DISK).join("ballast");
            fs::write(&ballast, vec![1; 100_000]).unwrap();
            let mut writer = directory.writer();
            let (next, error) = fill(&mut writer, 100);
            assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{error}");
            check_all(directory.path(), next.get() - 1);
            let segments = directory.segments().len();
            // However often it fails, it does no harm.
            for _ in 0..100 {
                let refused = writer.append([&records(next.get(), 100), &[]], 0);
                assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::StorageFull);
            }
            assert_eq!(directory.segments().len(), segments);
            for segment in directory.segments() {
                assert!(fs::metadata(segment).unwrap().len() <= SEGMENT_BYTES_MIN);
            }
            fs::remove_file(ballast).unwrap();
            append(&mut writer, 100);
            check_all(directory.path(), next.get() + 99);
            // Opening finds no room for a header either: an error, and nothing is lost.
            let (next, _) = fill(&mut writer, 10);
            writer.close().ok();
            match directory.try_writer() {
                Ok(writer) => assert_eq!(writer.next_sequence(), next),
                Err(error) => assert!(error.to_string().contains("No space left"), "{error}"),
            }
            check_all(directory.path(), next.get() - 1);
        },
    );
}

#[test]
fn a_removed_segment_is_noticed_and_what_went_with_it_is_known() {
    let directory = Directory::new();
    let mut writer = directory.writer();
    append(&mut writer, 4096);
    append(&mut writer, 10);
    fs::remove_file(directory.last_segment()).unwrap();
    let error = writer.append([&records(4107, 1), &[]], 0).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    let gone = writer.removed(0).unwrap();
    assert_eq!(gone, Some((Sequence::new(4097), Sequence::new(4106))));
    let gap = Gap {
        first: 4097,
        last: 4106,
        cause: GapCause::NotJournaled,
        feed: 0,
    };
    writer.append_gap(gap, time(4097), 0).unwrap();
    append(&mut writer, 5);
    writer.close().unwrap();
    let findings = verify::<Tick>(directory.path(), |_, _| {}).unwrap();
    assert_eq!(findings.verdict(), Verdict::Clean);
    assert_eq!(findings.last, Some(Sequence::new(4111)));
    assert_eq!(crate::rig::read_all(directory.path()).len(), 4096 + 1 + 5);
}

#[test]
fn who_reads_a_segment_that_is_removed_while_it_is_written_is_told() {
    let directory = Directory::new();
    let mut writer = directory.writer();
    append(&mut writer, 10);
    let mut reader = Journal::<Tick>::open(directory.path()).unwrap().reader();
    assert_eq!(reader.next().unwrap().unwrap().records.len(), 10);
    append(&mut writer, 5);
    fs::remove_file(directory.last_segment()).unwrap();
    assert_eq!(reader.next().unwrap().unwrap().records.len(), 5);
    writer.removed(0).unwrap();
    let error = reader.next().unwrap_err().to_string();
    assert!(error.contains("removed while it was written"), "{error}");
}

#[test]
fn a_removed_directory_is_made_again() {
    let directory = Directory::new();
    let mut writer = directory.writer();
    append(&mut writer, 10);
    fs::remove_dir_all(directory.path()).unwrap();
    assert!(writer.append([&records(11, 1), &[]], 0).is_err());
    let gone = writer.removed(0).unwrap();
    assert_eq!(gone, Some((Sequence::FIRST, Sequence::new(10))));
    assert!(directory.try_writer().is_err(), "the lock is held again");
    let gap = Gap {
        first: 1,
        last: 10,
        cause: GapCause::NotJournaled,
        feed: 0,
    };
    writer.append_gap(gap, time(1), 0).unwrap();
    append(&mut writer, 5);
    assert_eq!(crate::rig::read_all(directory.path()).len(), 6);
}

/// Takes note of what was removed, and returns the numbers.
fn go_on(writer: &mut Writer<Tick>) -> (u64, u64) {
    let (first, last) = writer.removed(0).unwrap().unwrap();
    let (first, last) = (first.get(), last.get());
    let gap = Gap {
        first,
        last,
        cause: GapCause::NotJournaled,
        feed: 0,
    };
    writer.append_gap(gap, time(first), 0).unwrap();
    (first, last)
}

fn check_clean(directory: &Directory, first: u64, last: u64) {
    let findings = verify::<Tick>(directory.path(), |_, _| {}).unwrap();
    assert_eq!(findings.verdict(), Verdict::Clean, "{findings:?}");
    assert_eq!(findings.first, Some(Sequence::new(first)));
    assert_eq!(findings.last, Some(Sequence::new(last)));
}

#[cfg(feature = "archive")]
#[test]
fn archived_segments_are_not_lost_when_the_one_behind_them_is_removed() {
    let directory = Directory::new();
    let mut writer = directory.writer();
    for count in [4096, 4096, 10] {
        append(&mut writer, count);
    }
    for segment in ringtape::journal::finished_segments(directory.path()).unwrap() {
        ringtape::journal::archive(&segment, 1).unwrap();
    }
    fs::remove_file(directory.last_segment()).unwrap();
    assert_eq!(go_on(&mut writer), (8193, 8202));
    append(&mut writer, 5);
    writer.close().unwrap();
    check_clean(&directory, 1, 8207);
}

#[test]
fn a_removed_segment_of_an_earlier_writer_leaves_no_hole() {
    let directory = Directory::new();
    write(&directory, &[4096, 10]);
    let mut writer = directory.writer();
    append(&mut writer, 10);
    fs::remove_file(directory.last_segment()).unwrap();
    assert_eq!(go_on(&mut writer), (4097, 4116));
    append(&mut writer, 5);
    writer.close().unwrap();
    check_clean(&directory, 1, 4121);
}

#[test]
fn a_renamed_directory_keeps_what_it_has_and_the_next_segment_begins_a_new_one() {
    let directory = Directory::new();
    let renamed = Directory::new();
    let mut writer = directory.writer();
    append(&mut writer, 4096);
    fs::rename(directory.path(), renamed.path()).unwrap();
    append(&mut writer, 4096);
    append(&mut writer, 4096);
    assert!(
        directory.try_writer().is_err(),
        "the new one is locked, too"
    );
    writer.close().unwrap();
    check_all(renamed.path(), 4096);
    check_clean(&directory, 4097, 12_288);
}

#[test]
fn another_journal_in_the_place_of_a_renamed_one_is_left_alone() {
    let directory = Directory::new();
    let renamed = Directory::new();
    let mut writer = directory.writer();
    append(&mut writer, 4096);
    fs::rename(directory.path(), renamed.path()).unwrap();
    let mut other = directory.writer();
    append(&mut other, 10);
    assert!(writer.append([&records(4097, 4096), &[]], 0).is_err());
    drop(other);
    let error = writer.append([&records(4097, 4096), &[]], 0).unwrap_err();
    assert!(error.to_string().contains("another journal"), "{error}");
    check_all(directory.path(), 10);
    check_all(renamed.path(), 4096);
}

#[test]
fn durable_never_runs_ahead_of_the_disk_and_closing_catches_up() {
    let directory = Directory::new();
    let mut config = directory.config();
    config.sync = SyncPolicy::EveryFrame;
    let mut writer = Writer::<Tick>::open(config, 0).unwrap();
    let counters = writer.counters();
    append(&mut writer, 3);
    assert_eq!((counters.written.get(), counters.durable.get()), (3, 3));
    assert_eq!(counters.syncs.get(), 1);
    drop(writer);

    let mut writer = directory.writer();
    let counters = writer.counters();
    append(&mut writer, 4096);
    append(&mut writer, 4096);
    assert_eq!((counters.written.get(), counters.durable.get()), (8195, 0));
    assert_eq!(counters.segments.get(), 3);
    writer.sync().unwrap();
    assert_eq!(counters.durable.get(), 8195);
    writer.close().unwrap();
}
