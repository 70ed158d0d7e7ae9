//! `ringtape archive` and `ringtape prune` say what they did, also where they could not go on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use support::{Run, finish, limited, ringtape, tape};

/// A journal of five segments, the last of which is never touched.
fn journal(folder: &Path) -> PathBuf {
    let directory = folder.join("tape");
    tape::write(&directory, &[tape::SEGMENT_RECORDS - 1; 5]);
    assert_eq!(tape::segments(&directory).len(), 5);
    directory
}

/// Sees to it that the third segment can be neither archived nor deleted, by whomever.
fn obstruct(directory: &Path) -> PathBuf {
    let third = tape::segments(directory).remove(2);
    fs::create_dir(third.with_extension("tape.zst.unfinished")).unwrap();
    third
}

fn names_of(report: &Value) -> Vec<&str> {
    let segments = report["segments"].as_array().unwrap();
    let names = segments.iter().map(|segment| &segment["segment"]);
    names.map(|name| name.as_str().unwrap()).collect()
}

fn check_stopped(run: &Run, third: &Path) {
    assert_eq!(run.code, Some(2), "{run:?}");
    let third = third.to_str().unwrap();
    assert!(run.stderr.contains(third), "{run:?}");
}

#[test]
fn segments_that_were_archived_before_one_that_cannot_be_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let directory = journal(folder.path());
    let segments = tape::segments(&directory);
    let third = obstruct(&directory);
    let run = ringtape(["archive", directory.to_str().unwrap(), "--json"]);
    check_stopped(&run, &third);
    let expected: Vec<_> = segments[..2].iter().map(|s| s.to_str().unwrap()).collect();
    assert_eq!(names_of(&run.json()), expected);
    assert_eq!(tape::segments(&directory), segments[2..]);
}

#[test]
fn segments_that_were_deleted_before_one_that_cannot_be_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let directory = journal(folder.path());
    let segments = tape::segments(&directory);
    let third = obstruct(&directory);
    let args = ["prune", directory.to_str().unwrap(), "--keep-segments", "1"];
    let run = ringtape([&args[..], &["--json"]].concat());
    check_stopped(&run, &third);
    let expected: Vec<_> = segments[..2].iter().map(|s| s.to_str().unwrap()).collect();
    let report = run.json();
    assert_eq!(names_of(&report), expected);
    assert_eq!(report["bytes_after"], 0);
    assert_eq!(tape::segments(&directory), segments[2..]);

    let run = ringtape(args);
    check_stopped(&run, &third);
    assert!(run.stdout.contains("0 segments deleted"), "{run:?}");
}

#[test]
fn the_limit_for_the_size_of_files_leaves_the_segment_and_no_unfinished_archive() {
    let folder = tempfile::tempdir().unwrap();
    let directory = journal(folder.path());
    let segments = tape::segments(&directory);
    let run = finish(limited(1, ["archive", directory.to_str().unwrap()]));
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("File too large"), "{run:?}");
    assert_eq!(tape::segments(&directory), segments);
    let left = fs::read_dir(&directory).unwrap();
    let names: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    let archives = names
        .iter()
        .filter(|name| name.to_string_lossy().contains("zst"));
    assert_eq!(archives.count(), 0, "{names:?}");
}

#[test]
fn a_dry_run_tells_no_bytes_that_would_be_there_after() {
    for (command, did) in [("archive", "archived"), ("prune", "deleted")] {
        let folder = tempfile::tempdir().unwrap();
        let directory = journal(folder.path());
        let mut args = vec![command, directory.to_str().unwrap(), "--keep-segments", "1"];
        let run = ringtape(&args);
        args.push("--dry-run");
        assert_eq!(run.code, Some(0), "{run:?}");
        let done = format!("4 segments {did}: ");
        let last = run.stdout.lines().last().unwrap();
        assert!(
            last.starts_with(&done) && last.ends_with(" after"),
            "{last}"
        );

        let folder = tempfile::tempdir().unwrap();
        let directory = journal(folder.path());
        args[1] = directory.to_str().unwrap();
        let run = ringtape(&args);
        assert_eq!(run.code, Some(0), "{run:?}");
        let would = format!("4 segments would be {did}: ");
        let last = run.stdout.lines().last().unwrap();
        assert!(
            last.starts_with(&would) && last.ends_with(" bytes"),
            "{last}"
        );
    }
}
