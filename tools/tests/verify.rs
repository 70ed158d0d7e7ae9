//! `ringtape verify` and `ringtape inspect` say of a journal what is true of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use ringtape::journal::{Config, Writer};
use ringtape::market::MarketEvent;
use ringtape::record::{Gap, GapCause, Record, Sequence, Session, SessionMark};
use serde_json::{Value, json};
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use support::tape::{self, SEGMENT_RECORDS};
use support::{Run, command, inspect, ringtape, unprivileged, wait};

/// The commands that read a journal.
const READERS: [&str; 3] = ["verify", "inspect", "dump"];
/// Bytes of the segment's header, and of a frame's.
const HEADER: usize = 256;
const FRAME: usize = 64;

fn on(name: &str, directory: &Path) -> Run {
    ringtape([name, directory.to_str().unwrap(), "--json"])
}

/// Sees that a journal has a verdict, and the exit code that goes with it.
#[track_caller]
fn assert_verdict(directory: &Path, code: i32, expected: &Value) -> Value {
    let run = on("verify", directory);
    assert_eq!(run.code, Some(code), "{run:?}");
    assert_eq!(run.stderr, "");
    let report = run.json();
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&report[key], value, "{key} in {report}");
    }
    report
}

#[test]
fn a_whole_journal_is_clean() {
    let folder = tempfile::tempdir().unwrap();
    tape::write(folder.path(), &[SEGMENT_RECORDS, SEGMENT_RECORDS, 5, 1]);
    let report = assert_verdict(
        folder.path(),
        0,
        &json!({
            "verdict": "clean", "segments": 3, "frames": 4, "records": 8_198, "events": 8_198,
            "first_sequence": 1, "last_sequence": 8_198, "torn_bytes": 0, "closed": true,
            "corrupt": [], "bus": "main", "journal": folder.path(),
        }),
    );
    assert_eq!(report["journal_id"].as_str().unwrap().len(), 32);
    let run = ringtape([Path::new("verify"), folder.path()]);
    assert_eq!(run.code, Some(0));
    assert!(run.stdout.contains(": clean\n"), "{run:?}");
    assert!(run.stdout.contains("8,198"), "{run:?}");
}

#[test]
fn a_journal_without_records_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    tape::write(folder.path(), &[]);
    let nothing = json!({
        "verdict": "empty", "segments": 1, "frames": 0, "records": 0, "events": 0,
        "first_sequence": null, "last_sequence": null, "torn_bytes": 0, "closed": true,
    });
    assert_verdict(folder.path(), 0, &nothing);
    let report = inspect(folder.path());
    assert_eq!(
        (&report["records"], &report["feed"]),
        (&json!(0), &json!("unknown"))
    );
    assert_eq!(on("dump", folder.path()).stdout, "");
}

#[test]
fn a_torn_tail_is_told_and_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    tape::write(folder.path(), &[3, 2]);
    let segment = &tape::segments(folder.path())[0];
    let bytes = fs::read(segment).unwrap();
    // Without the closing mark and the last half record of the second frame.
    fs::write(segment, &bytes[..bytes.len() - FRAME - 32]).unwrap();
    let torn_bytes = FRAME + 2 * 64 - 32;
    let torn = json!({
        "verdict": "torn", "frames": 1, "records": 3, "last_sequence": 3,
        "torn_bytes": torn_bytes, "closed": false, "corrupt": [],
    });
    assert_verdict(folder.path(), 0, &torn);

    let report = inspect(folder.path());
    assert_eq!(report["truncated_tail_bytes"], torn_bytes);
    assert_eq!(report["records"], 3);
    let dump = on("dump", folder.path());
    assert_eq!(dump.code, Some(0), "{dump:?}");
    assert_eq!(dump.stdout.lines().count(), 3);
    for stderr in [dump.stderr, on("inspect", folder.path()).stderr] {
        assert!(
            stderr.contains(&format!(
                "warning: {torn_bytes} bytes at the end are not a whole"
            )),
            "{stderr}"
        );
    }
}

#[test]
fn a_changed_byte_is_found_and_named_by_every_command_and_what_is_behind_it_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    tape::write(folder.path(), &[3, 2, 4]);
    let segment = &tape::segments(folder.path())[0];
    let second = HEADER + FRAME + 3 * 64;
    tape::flip(segment, second + FRAME + 70);
    let report = assert_verdict(
        folder.path(),
        1,
        &json!({
            "verdict": "corrupt", "frames": 2, "records": 7, "last_sequence": 9,
            "torn_bytes": 0, "closed": true,
            "corrupt": [{
                "segment": segment, "offset": second,
                "reason": "the frame's records have another checksum; records 4 to 5 are lost",
            }],
        }),
    );
    assert_eq!(report["corrupt"].as_array().unwrap().len(), 1);
    let text = ringtape([Path::new("verify"), folder.path()]);
    assert_eq!(text.code, Some(1));
    let place = format!("{} at byte {second}: the frame's", segment.display());
    assert!(text.stdout.contains(&place), "{text:?}");

    let inspected = on("inspect", folder.path());
    assert_eq!(inspected.code, Some(1), "{inspected:?}");
    assert_eq!(inspected.json()["records"], 3);
    let dumped = on("dump", folder.path());
    assert_eq!(dumped.code, Some(1), "{dumped:?}");
    assert_eq!(dumped.stdout.lines().count(), 3);
    for stderr in [inspected.stderr, dumped.stderr] {
        let damage = format!("{} is corrupt at byte {second}", segment.display());
        assert!(stderr.contains(&damage), "{stderr}");
    }
    // What lies before and behind it can be had all the same.
    for (range, count) in [
        (["--to", "3"], 3),
        (["--from", "6"], 4),
        (["--limit", "3"], 3),
    ] {
        let args = [&["dump", folder.path().to_str().unwrap()], &range[..]].concat();
        let run = ringtape(args);
        assert_eq!(
            (run.code, run.stdout.lines().count()),
            (Some(0), count),
            "{run:?}"
        );
    }
}

#[test]
fn a_damaged_first_header_leaves_no_identity_and_a_verdict() {
    let folder = tempfile::tempdir().unwrap();
    tape::write(folder.path(), &[3]);
    tape::flip(&tape::segments(folder.path())[0], 100);
    let report = json!({ "verdict": "corrupt", "journal_id": null, "bus": null, "records": 0 });
    assert_verdict(folder.path(), 1, &report);
    for name in ["inspect", "dump"] {
        let run = on(name, folder.path());
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.stderr.contains("is corrupt at byte 0"), "{run:?}");
    }
}

#[test]
fn a_missing_segment_is_named_with_the_range() {
    let folder = tempfile::tempdir().unwrap();
    tape::write(folder.path(), &[SEGMENT_RECORDS; 3]);
    let segments = tape::segments(folder.path());
    assert_eq!(segments.len(), 3);
    fs::remove_file(&segments[1]).unwrap();
    let report = assert_verdict(
        folder.path(),
        1,
        &json!({ "verdict": "corrupt", "segments": 2 }),
    );
    let corrupt = report["corrupt"].to_string();
    assert!(corrupt.contains("segments 2 to 2 are missing"), "{corrupt}");
    for name in ["inspect", "dump"] {
        let run = on(name, folder.path());
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.stderr.contains("lacks the segments 2 to 2"), "{run:?}");
        assert!(run.stdout.is_empty(), "{run:?}");
    }
}

#[test]
fn what_is_no_journal_for_this_program_is_named_with_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("file"), b"date,price\n").unwrap();
    fs::create_dir(path("nothing")).unwrap();
    fs::create_dir(path("photos")).unwrap();
    fs::write(path("photos/cat.jpg"), b"cat").unwrap();
    fs::create_dir(path("renamed")).unwrap();
    fs::write(path("renamed/copy.tape"), b"").unwrap();
    tape::write_ticks(&path("ticks"));
    tape::write(&path("newer"), &[1]);
    tape::make_newer(&tape::segments(&path("newer"))[0]);
    for (name, message) in [
        ("nosuch", "No such file"),
        ("nothing", "is no journal: it has no segment"),
        ("photos", "is no journal: it has no segment"),
        ("renamed", "copy.tape is not named as a segment is"),
        (
            "ticks",
            "holds events of schema tick (id 0x4d, version 3), not ringtape.market",
        ),
        (
            "newer",
            "has format version 2, and this ringtape reads up to 1",
        ),
    ] {
        for reader in READERS {
            let run = on(reader, &path(name));
            assert_eq!(run.code, Some(2), "{run:?}");
            assert!(run.stderr.starts_with("error: "), "{run:?}");
            assert!(run.stderr.contains(message), "{reader}: {run:?}");
            assert!(run.stderr.contains(path(name).to_str().unwrap()), "{run:?}");
            assert!(run.stdout.is_empty(), "{run:?}");
        }
    }
    for reader in ["verify", "dump"] {
        let run = on(reader, &path("file"));
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains("Not a directory"), "{run:?}");
    }
    tape::write(&path("good"), &[1]);
    let dated = [
        "inspect",
        path("good").to_str().unwrap(),
        "--date",
        "2020-01-30",
    ]
    .map(str::to_owned);
    let run = ringtape(dated);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("--date is for files"), "{run:?}");
}

#[test]
fn a_journal_without_permission_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let everybody = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.path(), everybody).unwrap();
    for (what, name) in [("directory", "0"), ("segment", "1")] {
        let directory = folder.path().join(name);
        tape::write(&directory, &[1]);
        let segment = tape::segments(&directory).remove(0);
        let closed = if what == "segment" {
            &segment
        } else {
            &directory
        };
        fs::set_permissions(closed, fs::Permissions::from_mode(0o000)).unwrap();
        for reader in READERS {
            let args = [Path::new(reader), &directory];
            let run = support::finish(unprivileged(args, folder.path()));
            assert_eq!(run.code, Some(2), "{run:?}");
            let message = format!("{}: Permission denied", closed.display());
            assert!(run.stderr.contains(&message), "{run:?}");
        }
        // So that the folder can be removed by who owns it.
        fs::set_permissions(closed, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_journal_can_be_verified_and_read_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(Config::new(folder.path()), 1).unwrap();
    writer.append([&[tape::record(1)], &[]], 1).unwrap();
    let open = json!({ "verdict": "clean", "records": 1, "closed": false });
    assert_verdict(folder.path(), 0, &open);
    assert_eq!(inspect(folder.path())["records"], 1);
    writer.append([&[tape::record(2)], &[]], 1).unwrap();
    assert_eq!(on("dump", folder.path()).stdout.lines().count(), 2);
}

/// Writes gaps of each kind, sessions of two feeds, and orders without a start.
fn write_sessions(directory: &Path) {
    let mut writer = Writer::open(Config::new(directory), 1).unwrap();
    let gap = |cause, feed, first, last| Gap {
        first,
        last,
        cause,
        feed,
    };
    let session = |feed, feed_sequence, mark| Session {
        id: *b"000000001A\0\0\0\0\0\0",
        feed_sequence,
        mark,
        feed,
    };
    let at = Sequence::new;
    let frame = [
        // An order of feed 1, whose session began before; its message is number 1.
        Record::event(at(1), 1, &order(1)),
        Record::session(at(2), 2, session(2, 5, SessionMark::Start)),
        Record::gap(at(3), 3, gap(GapCause::Window, 2, 5, 6)),
        Record::gap(at(4), 3, gap(GapCause::Absent, 2, 7, 9)),
        Record::gap(at(5), 3, gap(GapCause::Malformed, 2, 20, 20)),
        Record::session(at(6), 4, session(2, 21, SessionMark::End)),
        Record::event(at(7), 9, &order(7)),
        Record::gap(at(8), 9, gap(GapCause::Overrun, 0, 8, 12)),
    ];
    writer.append([&frame, &[]], 1).unwrap();
    let gap = gap(GapCause::NotJournaled, 0, 13, 14);
    writer.append_gap(gap, 10, 1).unwrap();
    writer.close().unwrap();
}

/// The order that is the message of a number, of feed 1.
fn order(number: u64) -> MarketEvent {
    let record = tape::record(2);
    let ringtape::record::Content::Event(event) = record.content() else {
        panic!("{record:?}")
    };
    MarketEvent {
        message: u32::try_from(number).unwrap(),
        ..*event
    }
}

#[test]
fn gaps_and_sessions_of_a_journal_are_counted_by_feed_and_cause() {
    let folder = tempfile::tempdir().unwrap();
    write_sessions(folder.path());
    let report = inspect(folder.path());
    for (key, value) in [
        ("records", json!(9)),
        ("first_sequence", json!(1)),
        ("last_sequence", json!(14)),
        ("records_missing", json!(7)),
        ("first_recv_ns", json!(1)),
        ("last_recv_ns", json!(10)),
        ("malformed", json!(1)),
        ("messages", json!(2)),
        ("messages_by_type", json!({ "A": 2 })),
        (
            "sessions",
            json!([
                {
                    "session": null, "feed": 1, "ended": false, "first_sequence": 1,
                    "last_sequence": 7, "messages": 2, "gaps": 0, "missing": 0, "events": 2,
                    "restarts": 0, "digest": null,
                },
                {
                    "session": "000000001A", "feed": 2, "ended": true, "first_sequence": null,
                    "last_sequence": null, "messages": 0, "gaps": 2, "missing": 6, "events": 0,
                    "restarts": 0, "digest": null,
                },
            ]),
        ),
    ] {
        assert_eq!(report[key], value, "{key}");
    }
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("7 records are missing"), "{warnings}");
    assert!(
        warnings.contains("1 sessions began before the journal"),
        "{warnings}"
    );
    let text = ringtape([Path::new("inspect"), folder.path()]);
    assert!(
        text.stdout.contains(": journal, feed nasdaq-itch50"),
        "{text:?}"
    );
    assert!(text.stdout.contains("000000001A"), "{text:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    tape::write(folder.path(), &[SEGMENT_RECORDS; 2]);
    for reader in READERS {
        let args = [Path::new(reader), folder.path()];
        let mut child = command(args).spawn().unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        let mut pipe = child.stderr.take().unwrap();
        pipe.read_to_string(&mut stderr).unwrap();
        assert!(!stderr.contains("error"), "{reader}: {stderr}");
        assert_eq!(wait(child).code, Some(0), "{reader}");
    }
}

#[test]
fn a_full_standard_output_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    tape::write(folder.path(), &[1]);
    for reader in READERS {
        let mut command = command([Path::new(reader), folder.path()]);
        command.stdout(fs::File::options().write(true).open("/dev/full").unwrap());
        let run = support::finish(command);
        assert_eq!(run.code, Some(2), "{reader}: {run:?}");
        assert!(
            run.stderr.contains("cannot write to standard output"),
            "{run:?}"
        );
    }
}

fn make_fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

#[test]
fn a_fifo_in_place_of_a_segment_is_named_and_holds_nobody_up() {
    for place in [0, 1, 2] {
        let folder = tempfile::tempdir().unwrap();
        tape::write(folder.path(), &[tape::SEGMENT_RECORDS - 1; 3]);
        let segment = tape::segments(folder.path()).remove(place);
        fs::remove_file(&segment).unwrap();
        make_fifo(&segment);
        let directory = folder.path().to_str().unwrap();
        for command in ["verify", "dump", "inspect", "archive"] {
            let run = ringtape([command, directory]);
            assert_eq!(run.code, Some(2), "{command}, {place}: {run:?}");
            let named = format!("{}: it is no regular file", segment.display());
            assert!(run.stderr.contains(&named), "{command}, {place}: {run:?}");
        }
    }
}

#[test]
fn a_fifo_in_place_of_a_lock_or_an_unfinished_archive_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    tape::write(folder.path(), &[tape::SEGMENT_RECORDS - 1; 3]);
    let directory = folder.path().to_str().unwrap();
    let lock = folder.path().join("retention.lock");
    make_fifo(&lock);
    let run = ringtape(["archive", directory]);
    assert_eq!(run.code, Some(2), "{run:?}");
    let named = format!("{}: it is no regular file", lock.display());
    assert!(run.stderr.contains(&named), "{run:?}");
    fs::remove_file(lock).unwrap();

    let first = tape::segments(folder.path()).remove(0);
    let elsewhere = folder.path().join("elsewhere");
    fs::write(&elsewhere, "kept").unwrap();
    make_fifo(&first.with_extension("tape.zst.unfinished"));
    let second = tape::segments(folder.path()).remove(1);
    std::os::unix::fs::symlink(&elsewhere, second.with_extension("tape.zst.unfinished")).unwrap();
    let run = ringtape(["archive", directory]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(fs::read_to_string(elsewhere).unwrap(), "kept");
    assert_eq!(
        tape::segments(folder.path()).len(),
        1,
        "the others are archived"
    );
}
