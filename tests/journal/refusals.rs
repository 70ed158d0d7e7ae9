//! What is not a journal, or not this one, is refused with a sentence that says what and what to
//! do, and nothing of it is changed.

use crate::rig::{Directory, Tick, append, check_all, write};
use crate::{confine, confined};
use ringtape::error::Error;
use ringtape::journal::{Config, Journal, SEGMENT_BYTES_MIN, Verdict, Writer, verify};
use ringtape::market::MarketEvent;
use ringtape::record::Sequence;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Sees that the directory is as it was, but for the lock's file.
fn unchanged(directory: &Directory, before: &[(PathBuf, Vec<u8>)]) {
    let mut after = directory.contents();
    after.retain(|(path, _)| !path.ends_with("journal.lock"));
    let mut before = before.to_vec();
    before.retain(|(path, _)| !path.ends_with("journal.lock"));
    assert!(after == before, "something was changed");
}

fn says(error: impl ToString, parts: &[&str]) {
    let error = error.to_string();
    for part in parts {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
}

/// Three segments with 4096 records each but the last, which has 10.
fn three_segments() -> Directory {
    let directory = Directory::new();
    write(&directory, &[4096, 4096, 10]);
    assert_eq!(directory.segments().len(), 3);
    directory
}

/// Writes `bytes` over a header and makes its checksum fit.
fn change_header(path: &PathBuf, at: usize, bytes: &[u8]) {
    let mut header = fs::read(path).unwrap();
    header[at..at + bytes.len()].copy_from_slice(bytes);
    let crc = crc32c::crc32c(&header[..252]);
    header[252..256].copy_from_slice(&crc.to_le_bytes());
    fs::write(path, header).unwrap();
}

#[test]
fn a_second_writer_is_refused_when_the_lock_file_was_removed_too() {
    let directory = Directory::new();
    let mut writer = directory.writer();
    fs::remove_file(directory.path().join("journal.lock")).unwrap();
    let error = directory.try_writer().unwrap_err().to_string();
    assert!(error.contains("being written by another"), "{error}");
    append(&mut writer, 4096);
    append(&mut writer, 4096);
    assert!(directory.try_writer().is_err());
    writer.close().unwrap();
    check_all(directory.path(), 8192);
}

#[test]
fn a_directory_without_a_name_is_refused_and_nothing_is_made() {
    let error = Writer::<Tick>::open(Config::new(""), 0).unwrap_err();
    assert!(matches!(error, Error::Config { .. }), "{error}");
    assert!(!Path::new("journal.lock").exists());
}

#[test]
fn a_second_writer_is_refused_until_the_first_is_gone() {
    let directory = Directory::new();
    let first = directory.writer();
    let error = directory.try_writer().unwrap_err();
    says(
        error,
        &[
            directory.path().to_str().unwrap(),
            "written by another",
            "stop",
        ],
    );
    drop(first);
    assert_eq!(directory.writer().next_sequence(), Sequence::FIRST);
}

#[test]
fn a_directory_of_other_files_is_no_journal_and_stays_as_it_is() {
    let directory = Directory::new();
    fs::create_dir(directory.path()).unwrap();
    fs::write(directory.path().join("notes.txt"), "mine").unwrap();
    let before = directory.contents();
    says(
        directory.try_writer().unwrap_err(),
        &["is no journal", "1 other", "empty"],
    );
    says(
        Journal::<Tick>::open(directory.path()).unwrap_err(),
        &["is no journal"],
    );
    says(
        verify::<Tick>(directory.path(), |_, _| {}).unwrap_err(),
        &["is no journal"],
    );
    assert_eq!(directory.contents(), before);
}

#[test]
fn other_files_beside_the_segments_are_left_alone() {
    let directory = Directory::new();
    write(&directory, &[3]);
    let notes = directory.path().join("notes.txt");
    fs::write(&notes, "mine").unwrap();
    let mut writer = directory.writer();
    append(&mut writer, 2);
    drop(writer);
    check_all(directory.path(), 5);
    assert_eq!(fs::read_to_string(notes).unwrap(), "mine");
}

#[test]
fn what_does_not_exist_or_is_a_file_is_named() {
    let directory = Directory::new();
    let path = directory.path().to_str().unwrap().to_owned();
    says(
        Journal::<Tick>::open(directory.path()).unwrap_err(),
        &[&path, "No such file"],
    );
    fs::create_dir(directory.path()).unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "mine").unwrap();
    says(
        Journal::<Tick>::open(&file).unwrap_err(),
        &[file.to_str().unwrap(), "Not a directory"],
    );
    let error = Writer::<Tick>::open(Config::new(&file), 0).unwrap_err();
    says(error, &[file.to_str().unwrap(), "Not a directory"]);
    assert_eq!(fs::read_to_string(file).unwrap(), "mine");
}

#[test]
fn settings_that_cannot_work_are_refused_before_anything_is_made() {
    let directory = Directory::new();
    let too_small = Config {
        segment_bytes: SEGMENT_BYTES_MIN - 1,
        ..directory.config()
    };
    let long_name = Config {
        bus: "b".repeat(57),
        ..directory.config()
    };
    let no_name = Config {
        bus: String::new(),
        ..directory.config()
    };
    for (config, remedy) in [
        (too_small, "choose between"),
        (long_name, "1 to 56 bytes"),
        (no_name, "1 to 56"),
    ] {
        says(Writer::<Tick>::open(config, 0).unwrap_err(), &[remedy]);
    }
    assert!(!directory.path().exists());
}

#[test]
fn missing_segments_are_named_with_their_records() {
    let directory = three_segments();
    fs::remove_file(&directory.segments()[1]).unwrap();
    let before = directory.contents();
    let expected = ["lacks the segments 2 to 2", "records 4097 to 8192"];
    says(
        Journal::<Tick>::open(directory.path()).unwrap_err(),
        &expected,
    );
    says(directory.try_writer().unwrap_err(), &expected);
    unchanged(&directory, &before);
    let findings = verify::<Tick>(directory.path(), |_, _| {}).unwrap();
    assert_eq!(findings.verdict(), Verdict::Corrupt);
    let reasons: Vec<_> = findings
        .damage
        .iter()
        .map(|damage| &damage.reason)
        .collect();
    assert_eq!(
        reasons,
        [
            "segments 2 to 2 are missing before it",
            "records 4097 to 8192 are missing before it"
        ]
    );
}

/// As retention does it.
#[test]
fn the_first_segments_may_be_removed() {
    let directory = three_segments();
    fs::remove_file(&directory.segments()[0]).unwrap();
    let journal = Journal::<Tick>::open(directory.path()).unwrap();
    assert_eq!(journal.first(), Sequence::new(4097));
    assert_eq!(crate::rig::read_all(directory.path()).len(), 4106);
    says(
        journal.reader_at(Sequence::new(4096)).unwrap_err(),
        &["sequence 4096", "begins with 4097"],
    );
    let findings = verify::<Tick>(directory.path(), |_, _| {}).unwrap();
    assert_eq!(findings.verdict(), Verdict::Clean);
    assert_eq!(directory.writer().next_sequence(), Sequence::new(8203));
}

#[test]
fn a_cut_in_an_earlier_segment_is_corruption() {
    let directory = three_segments();
    let path = directory.segments().remove(1);
    let bytes = fs::metadata(&path).unwrap().len();
    // The closing mark alone holds no record.
    for (cut, lost) in [(64, false), (65, true), (bytes - 256, true), (bytes, true)] {
        let whole = fs::read(&path).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(bytes - cut).unwrap();
        let read = crate::rig::read(directory.path());
        let findings = verify::<Tick>(directory.path(), |_, _| {}).unwrap();
        if lost {
            assert_eq!(read.stored.len(), 4096, "{cut}");
            assert!(matches!(read.error, Some(Error::Corrupt { .. })), "{cut}");
            assert_eq!(findings.verdict(), Verdict::Corrupt);
        } else {
            assert_eq!(read.stored.len(), 8202, "{cut}");
            assert_eq!(findings.verdict(), Verdict::Clean);
        }
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn events_of_another_schema_are_refused_with_both_names() {
    let directory = Directory::new();
    write(&directory, &[3]);
    let before = directory.contents();
    let names = ["tick (id 0x6b636974, version 3)", "market"];
    let writer = Writer::<MarketEvent>::open(directory.config(), 0);
    says(writer.unwrap_err(), &names);
    let journal = Journal::<MarketEvent>::open(directory.path());
    says(journal.unwrap_err(), &names);
    let verdict = verify::<MarketEvent>(directory.path(), |_, _| {});
    says(verdict.unwrap_err(), &names);
    unchanged(&directory, &before);
}

#[test]
fn a_newer_format_is_refused_with_both_versions() {
    let directory = Directory::new();
    write(&directory, &[3]);
    change_header(&directory.last_segment(), 8, &9u16.to_le_bytes());
    let before = directory.contents();
    let versions = ["format version 9", "up to 1", "newer"];
    says(directory.try_writer().unwrap_err(), &versions);
    says(
        Journal::<Tick>::open(directory.path()).unwrap_err(),
        &versions,
    );
    says(
        verify::<Tick>(directory.path(), |_, _| {}).unwrap_err(),
        &versions,
    );
    unchanged(&directory, &before);
}

#[test]
fn another_bus_is_refused() {
    let directory = Directory::new();
    write(&directory, &[3]);
    let before = directory.contents();
    let config = Config {
        bus: "other".to_owned(),
        ..directory.config()
    };
    let error = Writer::<Tick>::open(config, 0).unwrap_err();
    says(error, &["bus main, not other", "directory of its own"]);
    unchanged(&directory, &before);
}

#[test]
fn a_segment_of_another_journal_is_found_where_it_begins() {
    let directory = three_segments();
    let path = directory.segments().remove(1);
    change_header(&path, 24, &[7; 16]);
    let read = crate::rig::read(directory.path());
    assert_eq!(read.stored.len(), 4096);
    says(
        read.error.unwrap(),
        &["corrupt at byte 0", "another journal"],
    );
    let findings = verify::<Tick>(directory.path(), |_, _| {}).unwrap();
    assert_eq!(findings.verdict(), Verdict::Corrupt);
}

#[test]
fn a_name_that_differs_from_its_header_is_refused() {
    let directory = Directory::new();
    write(&directory, &[3]);
    let path = directory.last_segment();
    let wrong = directory
        .path()
        .join("0000000001-00000000000000000002.tape");
    fs::rename(&path, &wrong).unwrap();
    says(
        directory.try_writer().unwrap_err(),
        &["its name says segment 1 from record 2, its header 1 from 1"],
    );
    let odd = directory.path().join("copy of 1.tape");
    fs::rename(&wrong, &odd).unwrap();
    says(
        Journal::<Tick>::open(directory.path()).unwrap_err(),
        &["is not named as a segment", "NUMBER-FIRST.tape"],
    );
}

#[test]
fn two_segments_with_one_number_are_refused() {
    let directory = Directory::new();
    write(&directory, &[3]);
    let twin = directory
        .path()
        .join("0000000001-00000000000000000009.tape");
    fs::copy(directory.last_segment(), &twin).unwrap();
    says(
        Journal::<Tick>::open(directory.path()).unwrap_err(),
        &[twin.to_str().unwrap(), "has the number of", "move away"],
    );
}

#[test]
fn a_segment_of_zero_bytes_in_the_middle_is_corruption_and_is_not_overwritten() {
    let directory = three_segments();
    let path = directory.segments().remove(1);
    File::create(&path).unwrap();
    let read = crate::rig::read(directory.path());
    assert_eq!(read.stored.len(), 4096);
    says(
        read.error.unwrap(),
        &[path.to_str().unwrap(), "has no header"],
    );
    let findings = verify::<Tick>(directory.path(), |_, _| {}).unwrap();
    assert_eq!(findings.verdict(), Verdict::Corrupt);
    assert!(fs::read(&path).unwrap().is_empty());
}

/// Whoever removed it, as the remedy for a journal that was never begun says, would lose its records
/// without a trace.
#[test]
fn a_first_segment_of_zero_bytes_with_others_behind_it_is_corruption() {
    let directory = three_segments();
    let path = directory.segments().remove(0);
    File::create(&path).unwrap();
    let error = Journal::<Tick>::open(directory.path()).unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    says(error, &[path.to_str().unwrap(), "has no header"]);
}

#[test]
fn bytes_in_front_of_a_loss_are_not_told_as_torn_off_the_end() {
    let directory = three_segments();
    let path = directory.segments().remove(1);
    let bytes = fs::metadata(&path).unwrap().len();
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(bytes - 64 - 32).unwrap();
    let journal = Journal::<Tick>::open(directory.path()).unwrap();
    let mut reader = journal.reader();
    let error = reader.records().find_map(Result::err).unwrap();
    says(error, &["are missing before the next segment"]);
    assert_eq!(reader.torn_bytes(), 0);
}

/// The name of an unfinished last segment says that records were lost before it.
#[test]
fn an_unfinished_last_segment_that_does_not_follow_is_not_removed() {
    let directory = Directory::new();
    write(&directory, &[3]);
    let path = directory
        .path()
        .join("0000000002-00000000000000000009.tape");
    File::create(&path).unwrap();
    says(
        directory.try_writer().unwrap_err(),
        &["it ends before record 4", "says 9"],
    );
    assert!(path.exists());
}

#[test]
fn whatever_a_segment_begins_with_it_is_refused_and_kept() {
    let directory = Directory::new();
    write(&directory, &[3]);
    let path = directory.last_segment();
    for garbage in [vec![b'x'; 10], vec![b'x'; 10_000], vec![0; 10_000]] {
        fs::write(&path, &garbage).unwrap();
        says(
            directory.try_writer().unwrap_err(),
            &[path.to_str().unwrap(), "corrupt at byte 0"],
        );
        says(
            Journal::<Tick>::open(directory.path()).unwrap_err(),
            &["corrupt at byte 0"],
        );
        assert!(fs::read(&path).unwrap() == garbage);
    }
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(b"RINGTAPE", 0).unwrap();
    says(directory.try_writer().unwrap_err(), &["checksum"]);
}

#[test]
fn without_permission_the_error_names_what_may_not_be_touched() {
    confined::run(
        "refusals::without_permission_the_error_names_what_may_not_be_touched",
        "cannot become another user",
        confine::nobody,
        || {
            let directory = Directory::new();
            write(&directory, &[3]);
            let path = directory.path().to_str().unwrap().to_owned();
            let allow = |mode| {
                let permissions = fs::Permissions::from_mode(mode);
                fs::set_permissions(directory.path(), permissions).unwrap();
            };
            allow(0o000);
            let error = Journal::<Tick>::open(directory.path()).unwrap_err();
            says(error, &[&path, "Permission denied"]);
            let error = directory.try_writer().unwrap_err();
            says(error, &[&path, "Permission denied"]);
            allow(0o755);
            let segment = directory.last_segment();
            fs::set_permissions(&segment, fs::Permissions::from_mode(0o400)).unwrap();
            check_all(directory.path(), 3);
            let error = directory.try_writer().unwrap_err();
            says(error, &[segment.to_str().unwrap(), "Permission denied"]);
            check_all(directory.path(), 3);
        },
    );
}
