//! Every cut and every flipped bit: a reader returns what was written or says what is wrong, the
//! verdict is never clean, and a writer cuts what was torn off and nothing else.

use crate::rig::{
    Directory, FRAME_HEADER_BYTES, HEADER_BYTES, RECORD_BYTES, Stored, Tick, append, check_all,
    read, records, stored, write,
};
use ringtape::error::Error;
use ringtape::journal::{Verdict, Writer, verify};
use ringtape::record::Sequence;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

/// Two segments: one finished, one whose writer was killed.
const FINISHED: [u64; 3] = [3, 1, 2];
const KILLED: [u64; 3] = [4, 1, 2];
const RECORDS: u64 = 13;

fn small_journal() -> Directory {
    let directory = Directory::new();
    let mut writer = directory.writer();
    for count in FINISHED {
        append(&mut writer, count);
    }
    writer.close().unwrap();
    write(&directory, &KILLED);
    assert_eq!(directory.segments().len(), 2);
    check_all(directory.path(), RECORDS);
    directory
}

fn verdict(directory: &Directory) -> Option<Verdict> {
    verify::<Tick>(directory.path(), |_, _| {})
        .ok()
        .map(|findings| findings.verdict())
}

fn starts_with(all: &[Stored], read: &[Stored]) -> bool {
    all.starts_with(read)
}

/// Where each frame of `counts` ends in its segment, with the records up to there.
fn ends(counts: &[u64]) -> Vec<(u64, u64)> {
    let mut at = (HEADER_BYTES, 0);
    let frames = counts.iter().map(|count| {
        at = (
            at.0 + FRAME_HEADER_BYTES + count * RECORD_BYTES,
            at.1 + count,
        );
        at
    });
    std::iter::once((HEADER_BYTES, 0)).chain(frames).collect()
}

#[test]
fn a_journal_cut_at_any_byte_gives_the_whole_frames_before_the_cut_and_goes_on_there() {
    let frames = [3, 5, 2, 4];
    let directory = Directory::new();
    write(&directory, &frames);
    let path = directory.last_segment();
    let whole = fs::read(&path).unwrap();
    let ends = ends(&frames);
    assert_eq!(ends.last().unwrap().0, whole.len() as u64);
    for cut in HEADER_BYTES..whole.len() as u64 {
        fs::write(&path, &whole[..usize::try_from(cut).unwrap()]).unwrap();
        let (end, count) = *ends.iter().rfind(|(end, _)| *end <= cut).unwrap();

        check_all(directory.path(), count);
        let findings = verify::<Tick>(directory.path(), |_, _| {}).unwrap();
        assert_eq!(
            (findings.records, findings.torn_bytes),
            (count, cut - end),
            "cut at {cut}"
        );
        let verdict = if cut > end {
            Verdict::Torn
        } else if count == 0 {
            Verdict::Empty
        } else {
            Verdict::Clean
        };
        assert_eq!(findings.verdict(), verdict, "cut at {cut}");

        let mut writer = directory.writer();
        assert_eq!(writer.next_sequence(), Sequence::new(count + 1));
        assert_eq!(writer.recovery().torn_bytes, cut - end);
        append(&mut writer, 2);
        drop(writer);
        check_all(directory.path(), count + 2);
    }
}

#[test]
fn a_segment_cut_inside_its_header_is_begun_again_with_the_same_number() {
    let directory = Directory::new();
    let mut writer = directory.writer();
    append(&mut writer, 6);
    writer.close().unwrap();
    drop(directory.writer());
    let path = directory.last_segment();
    let header = fs::read(&path).unwrap();
    assert_eq!(header.len() as u64, HEADER_BYTES);
    for cut in 0..header.len() {
        fs::write(&path, &header[..cut]).unwrap();
        check_all(directory.path(), 6);
        let findings = verify::<Tick>(directory.path(), |_, _| {}).unwrap();
        assert_eq!(findings.verdict(), Verdict::Torn, "cut at {cut}");
        assert!(findings.unfinished);

        let mut writer = directory.writer();
        assert_eq!(writer.recovery().torn_bytes, cut as u64);
        assert_eq!(writer.next_sequence(), Sequence::new(7));
        append(&mut writer, 1);
        drop(writer);
        check_all(directory.path(), 7);
        assert_eq!(directory.last_segment(), path);
    }
}

#[test]
fn numbering_goes_on_from_the_name_of_an_only_segment_without_a_header() {
    let directory = Directory::new();
    fs::create_dir(directory.path()).unwrap();
    let path = directory
        .path()
        .join("0000000007-00000000000000000500.tape");
    fs::write(&path, []).unwrap();
    let mut writer = directory.writer();
    assert_eq!(writer.next_sequence(), Sequence::new(500));
    append(&mut writer, 3);
    drop(writer);
    assert!(read(directory.path()).stored == stored(&records(500, 3)));
    assert_eq!(directory.segments(), [path]);
}

#[test]
fn every_flipped_bit_is_found_and_no_record_differs_from_what_was_written() {
    let directory = small_journal();
    let all = stored(&records(1, RECORDS));
    for path in directory.segments() {
        let bytes = fs::read(&path).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        for (at, byte) in bytes.iter().enumerate() {
            for bit in 0..8 {
                file.write_all_at(&[byte ^ 1 << bit], at as u64).unwrap();
                let read = read(directory.path());
                let place = format!("bit {bit} of byte {at} of {}", path.display());
                assert!(starts_with(&all, &read.stored), "{place}");
                let verdict = verdict(&directory);
                assert_ne!(verdict, Some(Verdict::Clean), "{place}");
                assert_ne!(verdict, Some(Verdict::Empty), "{place}");
                if read.error.is_none() && verdict == Some(Verdict::Torn) {
                    // What is torn off is missing at the end, or is a closing mark.
                    assert!(read.stored.len() >= all.len() - 2, "{place}");
                }
            }
            file.write_all_at(&[*byte], at as u64).unwrap();
        }
    }
    check_all(directory.path(), RECORDS);
}

/// A reader may leave out the checksums of records, and then returns them as they are; the frames
/// are found all the same.
#[test]
fn without_verification_only_a_records_own_bytes_can_differ() {
    let directory = small_journal();
    let path = directory.segments().remove(0);
    let file = File::options().write(true).open(&path).unwrap();
    let in_third_record = HEADER_BYTES + FRAME_HEADER_BYTES + 2 * RECORD_BYTES + 20;
    file.write_all_at(&[0x55; 4], in_third_record).unwrap();
    let journal = ringtape::journal::Journal::<Tick>::open(directory.path()).unwrap();
    assert!(journal.reader().next().is_err());

    let mut reader = journal.reader().without_verification();
    let read: Vec<_> = reader.records().map(Result::unwrap).collect();
    let differ: Vec<_> = (1..)
        .zip(&read)
        .filter(|(n, record)| record.as_stored() != crate::rig::record(*n).as_stored())
        .map(|(n, _)| n)
        .collect();
    assert_eq!((read.len() as u64, differ), (RECORDS, vec![3]));
}

#[test]
fn a_writer_cuts_a_flipped_last_frame_and_refuses_flips_with_good_frames_behind_them() {
    let all = stored(&records(1, RECORDS));
    let directory = small_journal();
    let path = directory.last_segment();
    let whole = fs::read(&path).unwrap();
    let last_frame = ends(&KILLED)[KILLED.len() - 1].0;
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&path, &flipped).unwrap();
        match directory.try_writer() {
            Ok(writer) => {
                assert!(at as u64 >= last_frame, "byte {at} was cut");
                assert_eq!(
                    writer.recovery().torn_bytes,
                    whole.len() as u64 - last_frame
                );
                drop(writer);
                let kept = read(directory.path());
                assert!(kept.error.is_none() && starts_with(&all, &kept.stored));
                assert_eq!(kept.stored.len(), all.len() - 2);
                assert_eq!(verdict(&directory), Some(Verdict::Clean));
            }
            Err(Error::Corrupt { segment, .. }) => {
                assert!((at as u64) < last_frame, "byte {at} was not cut");
                assert_eq!(segment, path);
                assert!(fs::read(&path).unwrap() == flipped, "byte {at}: changed");
            }
            Err(other) => panic!("byte {at}: {other}"),
        }
    }
}

#[test]
fn a_damaged_frame_is_named_with_its_place_and_what_it_held() {
    let directory = small_journal();
    let path = directory.segments().remove(0);
    let second = ends(&FINISHED)[1].0;
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(b"X", second + FRAME_HEADER_BYTES + 9)
        .unwrap();

    let read = read(directory.path());
    assert!(read.stored == stored(&records(1, 3)));
    let error = read.error.unwrap().to_string();
    assert!(
        error.contains(&format!("corrupt at byte {second}")),
        "{error}"
    );
    assert!(error.contains(path.to_str().unwrap()), "{error}");

    let findings = verify::<Tick>(directory.path(), |_, _| {}).unwrap();
    assert_eq!(findings.verdict(), Verdict::Corrupt);
    assert_eq!(findings.records, RECORDS - 1);
    assert_eq!(findings.damage.len(), 1);
    let damage = &findings.damage[0];
    assert_eq!((&damage.segment, damage.offset), (&path, second));
    assert!(
        damage.reason.contains("records 4 to 4 are lost"),
        "{}",
        damage.reason
    );
}

#[test]
fn a_closing_mark_is_the_end_of_its_segment() {
    let directory = Directory::new();
    let mut writer = directory.writer();
    append(&mut writer, 2);
    writer.close().unwrap();
    let path = directory.last_segment();
    // A second mark, good in itself, at the place that it names.
    let mut bytes = fs::read(&path).unwrap();
    let mark: [u8; 64] = *bytes.last_chunk().unwrap();
    bytes.extend(mark);
    fs::write(&path, &bytes).unwrap();
    // It names another place, so it is no frame here: torn off, and cut.
    assert_eq!(verdict(&directory), Some(Verdict::Torn));
    let writer = Writer::<Tick>::open(directory.config(), 0).unwrap();
    assert_eq!(writer.recovery().torn_bytes, 64);
    drop(writer);
    assert_eq!(verdict(&directory), Some(Verdict::Clean));
    assert_eq!(fs::read(&path).unwrap().len(), bytes.len() - 64);
    assert_eq!(directory.segments().len(), 2);
}
