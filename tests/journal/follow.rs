//! Reading while somebody writes: nothing is returned that is not whole, nothing is missed, and a
//! file that becomes shorter is an error.

use crate::rig::{Directory, Tick, append, check_all, records, stored, write};
use ringtape::journal::{Journal, Reader};
use ringtape::record::Sequence;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};

fn numbers(reader: &mut Reader<Tick>) -> Vec<u64> {
    reader
        .records()
        .map(|record| record.unwrap().sequence().get())
        .collect()
}

#[test]
fn a_reader_at_the_end_goes_on_when_there_is_more() {
    let directory = Directory::new();
    let mut writer = directory.writer();
    append(&mut writer, 2);
    let mut reader = Journal::<Tick>::open(directory.path()).unwrap().reader();
    assert_eq!(numbers(&mut reader), [1, 2]);
    assert!(reader.next().unwrap().is_none());
    append(&mut writer, 1);
    append(&mut writer, 2);
    assert_eq!(numbers(&mut reader), [3, 4, 5]);
    // Into the next segment, and the one that another writer begins.
    append(&mut writer, 4096);
    assert_eq!(directory.segments().len(), 2);
    assert_eq!(numbers(&mut reader).len(), 4096);
    writer.close().unwrap();
    assert!(reader.next().unwrap().is_none());
    let mut writer = directory.writer();
    assert!(reader.next().unwrap().is_none());
    append(&mut writer, 1);
    assert_eq!(numbers(&mut reader), [4102]);
    assert_eq!(reader.torn_bytes(), 0);
}

#[test]
fn half_a_frame_is_waited_for() {
    let directory = Directory::new();
    write(&directory, &[2, 3]);
    let path = directory.last_segment();
    let whole = std::fs::read(&path).unwrap();
    let first = 256 + 64 + 2 * 64;
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(first).unwrap();
    let mut reader = Journal::<Tick>::open(directory.path()).unwrap().reader();
    assert_eq!(numbers(&mut reader), [1, 2]);
    for end in (first..whole.len() as u64).step_by(7) {
        file.write_all_at(&whole[..usize::try_from(end).unwrap()], 0)
            .unwrap();
        assert!(reader.next().unwrap().is_none());
        assert_eq!(reader.torn_bytes(), end - first);
    }
    file.write_all_at(&whole, 0).unwrap();
    assert_eq!(numbers(&mut reader), [3, 4, 5]);
    assert!(reader.next().unwrap().is_none());
    assert_eq!(reader.torn_bytes(), 0);
}

#[test]
fn a_torn_tail_that_a_writer_cuts_and_replaces_is_no_error_to_who_waits_there() {
    let directory = Directory::new();
    write(&directory, &[2, 4000]);
    let path = directory.last_segment();
    let file = File::options().write(true).open(&path).unwrap();
    // Most of the second frame is there, over many pages.
    file.set_len(200_000).unwrap();
    let mut reader = Journal::<Tick>::open(directory.path()).unwrap().reader();
    assert_eq!(numbers(&mut reader), [1, 2]);
    assert!(reader.next().unwrap().is_none());
    let mut writer = directory.writer();
    assert!(reader.next().unwrap().is_none());
    append(&mut writer, 3);
    assert_eq!(numbers(&mut reader), [3, 4, 5]);
}

#[test]
fn a_file_that_became_shorter_is_an_error_and_no_signal() {
    let directory = Directory::new();
    write(&directory, &[1000, 1000, 1000]);
    let mut reader = Journal::<Tick>::open(directory.path()).unwrap().reader();
    let mut records = reader.records();
    assert!(records.next().unwrap().is_ok());
    let file = File::options()
        .write(true)
        .open(directory.last_segment())
        .unwrap();
    file.set_len(300).unwrap();
    let rest: Vec<_> = records.collect();
    // The iterator had copied its frame.
    assert_eq!(rest.len(), 1000);
    let error = rest.last().unwrap().as_ref().unwrap_err().to_string();
    assert!(error.contains("became shorter"), "{error}");
    assert!(reader.next().is_err());
}

#[test]
fn a_reader_follows_a_writer_through_frames_and_segments_without_an_error() {
    const RECORDS: u64 = 60_000;
    let directory = Directory::new();
    let mut writer = directory.writer();
    let mut reader = Journal::<Tick>::open(directory.path()).unwrap().reader();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut size = 1;
            while writer.next_sequence() <= Sequence::new(RECORDS) {
                let left = RECORDS + 1 - writer.next_sequence().get();
                append(&mut writer, size.min(left));
                size = size * 7 % 1_009;
            }
            writer.close().unwrap();
        });
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut next = 1;
        while next <= RECORDS {
            assert!(Instant::now() < deadline, "stopped at {next}");
            match reader.next().unwrap() {
                Some(frame) => {
                    let count = frame.records.len() as u64;
                    assert!(stored(frame.records) == stored(&records(next, count)));
                    next += count;
                }
                None => thread::yield_now(),
            }
        }
    });
    assert!(directory.segments().len() > 10);
    check_all(directory.path(), RECORDS);
}

#[test]
fn a_segment_that_retention_removes_stays_readable_to_who_reads_it() {
    let directory = Directory::new();
    write(&directory, &[2000, 2000, 4096]);
    let mut reader = Journal::<Tick>::open(directory.path()).unwrap().reader();
    assert_eq!(reader.next().unwrap().unwrap().records.len(), 2000);
    std::fs::remove_file(&directory.segments()[0]).unwrap();
    assert_eq!(numbers(&mut reader).len(), 2000 + 4096);
}
