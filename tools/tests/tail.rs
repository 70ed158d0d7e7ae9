//! `ringtape tail` shows what is there, and what another process writes from then on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use ringtape::journal::{Config, SEGMENT_BYTES_MIN, Writer};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use support::background::signal;
use support::tape::{self, RECV_NS, SEGMENT_RECORDS};
use support::{command, ringtape, wait};

/// More than is written while a command starts and looks.
const RECORDS_MAX: u64 = 4_000_000;

fn arguments<'a>(directory: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    [&["tail", directory.to_str().unwrap(), "--json"], more].concat()
}

fn sequence(line: &str) -> u64 {
    let record: Value = serde_json::from_str(line).unwrap();
    record["sequence"].as_u64().unwrap()
}

#[test]
fn records_are_shown_as_they_are_written_across_segments_and_with_their_names() {
    let folder = tempfile::tempdir().unwrap();
    tape::write(folder.path(), &[5]);
    let more = 2 * SEGMENT_RECORDS;
    let limit = (3 + more).to_string();
    let args = arguments(folder.path(), &["-n", "3", "--limit", &limit]);
    let mut child = command(args).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    // Only then is more written: what follows cannot have been there at the start.
    for number in 3..=5 {
        assert_eq!(sequence(&next()), number);
    }
    let config = Config {
        segment_bytes: SEGMENT_BYTES_MIN,
        ..Config::new(folder.path())
    };
    let mut writer = Writer::open(config, RECV_NS).unwrap();
    let mut written = 5;
    while written < 5 + more {
        let records: Vec<_> = (written + 1..=written + 1_024).map(tape::record).collect();
        writer.append([&records, &[]], RECV_NS).unwrap();
        for number in written + 1..=written + 1_024 {
            let line = next();
            assert_eq!(sequence(&line), number);
            assert!(line.contains("\"symbol\":\"AAPL\""), "{line}");
        }
        written += 1_024;
    }
    assert!(tape::segments(folder.path()).len() > 2);
    assert_eq!(wait(child).code, Some(0));
}

#[test]
fn it_begins_where_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let (ten, none) = (folder.path().join("ten"), folder.path().join("none"));
    tape::write(&ten, &[10]);
    tape::write(&none, &[]);
    for (more, first) in [
        (&["-n", "4", "--limit", "1"][..], 7),
        (&["-n", "99", "--limit", "1"], 1),
        (&["--from", "2", "--limit", "1"], 2),
    ] {
        let run = ringtape(arguments(&ten, more));
        assert_eq!(run.code, Some(0), "{run:?}");
        assert_eq!(sequence(run.stdout.trim()), first);
    }
    for (directory, message) in [(&ten, "the journal ends before 11"), (&none, "the journal")] {
        let run = ringtape(arguments(directory, &["--from", "11", "--limit", "1"]));
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains(message), "{run:?}");
    }

    // From the end of both, only what is new.
    for (directory, first) in [(&ten, 11), (&none, 1)] {
        let args = arguments(directory, &["-n", "0", "--limit", "1"]);
        let child = command(args).spawn().unwrap();
        let mut writer = Writer::open(Config::new(directory), RECV_NS).unwrap();
        // Until it has begun it may not have seen the end yet: one more record for each look.
        let mut child = child;
        let mut number = first;
        while child.try_wait().unwrap().is_none() {
            writer
                .append([&[tape::record(number)], &[]], RECV_NS)
                .unwrap();
            number += 1;
            assert!(number < RECORDS_MAX, "it does not see what is written");
            std::thread::yield_now();
        }
        let run = wait(child);
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(
            (first..number).contains(&sequence(run.stdout.trim())),
            "{run:?}"
        );
    }
}

#[test]
fn a_reader_that_goes_away_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    tape::write(folder.path(), &[10]);
    let mut child = command(arguments(folder.path(), &[])).spawn().unwrap();
    drop(child.stdout.take());
    // The records that are there may have gone into the pipe before it broke; these do not.
    let mut writer = Writer::open(Config::new(folder.path()), RECV_NS).unwrap();
    while child.try_wait().unwrap().is_none() {
        let next = writer.next_sequence().get();
        assert!(next < RECORDS_MAX, "it does not see that nobody reads");
        writer
            .append([&[tape::record(next)], &[]], RECV_NS)
            .unwrap();
        std::thread::yield_now();
    }
    let run = wait(child);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
}

#[test]
fn ctrl_c_is_how_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    tape::write(folder.path(), &[10]);
    let mut child = command(arguments(folder.path(), &[])).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for number in 1..=10 {
        assert_eq!(sequence(&lines.next().unwrap().unwrap()), number);
    }
    signal(&child, "INT");
    assert!(lines.next().is_none());
    assert_eq!(wait(child).code, Some(0));
}

#[test]
fn the_last_records_are_those_before_what_was_torn_off() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::new(folder.path());
    let mut writer = Writer::open(config, RECV_NS).unwrap();
    for first in [1, 6] {
        let records: Vec<_> = (first..first + 5).map(tape::record).collect();
        writer.append([&records, &[]], RECV_NS).unwrap();
    }
    drop(writer);
    // In the second frame, whose header stays.
    tape::flip(
        &tape::segments(folder.path())[0],
        256 + 64 + 5 * 64 + 64 + 40,
    );
    let run = ringtape(arguments(folder.path(), &["-n", "2", "--limit", "2"]));
    assert_eq!(run.code, Some(0), "{run:?}");
    let shown: Vec<_> = run.stdout.lines().map(sequence).collect();
    assert_eq!(shown, [4, 5]);
}
