//! `ringtape convert` turns a capture into the journal that playing it would have given.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use ringtape::feed::{Message, itch};
use ringtape::journal::{Config, Journal, Writer};
use ringtape::market::MarketEvent;
use ringtape::record::{Batch, Content, Digest, Record, Session, SessionMark};
use ringtape_cli::source::{Item, Source};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::background::signal;
use support::{
    Run, binary_file, command, ethernet, inspect, market_data, message, packet, ringtape,
    system_event, unprivileged,
};

const ORDERS: &str = "nasdaq-itch50/2019-12-30.0400.4000msgs.itch50";
const DIRECTORY: &str = "nasdaq-itch50/2020-01-30.head-1mib.itch50";
const OPEN: &str = "nasdaq-moldudp64/2023-08-22.open.100packets.pcap";
const TYPES: &str = "nasdaq-itch50-types";

fn convert(file: &Path, directory: &Path, more: &[&str]) -> Run {
    let mut args = vec![
        "convert",
        file.to_str().unwrap(),
        directory.to_str().unwrap(),
    ];
    args.extend(more);
    ringtape(args)
}

/// Converts a file; it has to work.
#[track_caller]
fn converted(file: &Path, directory: &Path, more: &[&str]) -> Value {
    let run = convert(file, directory, &[&["--json"], more].concat());
    assert_eq!(run.code, Some(0), "{run:?}");
    run.json()
}

fn records(directory: &Path) -> Vec<Record<MarketEvent>> {
    let journal = Journal::open(directory).unwrap();
    let mut reader = journal.reader();
    reader.records().map(Result::unwrap).collect()
}

fn digest_of(records: &[Record<MarketEvent>]) -> String {
    let mut digest = Digest::new();
    records.iter().for_each(|record| digest.record(record));
    digest.to_string()
}

/// Sees that a journal's report has the figures of the file's.
#[track_caller]
fn assert_same_figures(file: &Value, journal: &Value) {
    for key in [
        "messages",
        "messages_by_type",
        "empty_messages",
        "unknown_messages",
        "events",
        "instruments",
        "malformed",
        "trading_date",
        "first_event_ns",
        "last_event_ns",
        "digest",
    ] {
        assert_eq!(journal[key], file[key], "{key} of {}", file["file"]);
    }
    let sessions = [file, journal].map(|report| report["sessions"].as_array().unwrap());
    assert_eq!(sessions[0].len(), sessions[1].len());
    for (file, journal) in sessions[0].iter().zip(sessions[1]) {
        for key in [
            "first_sequence",
            "last_sequence",
            "messages",
            "gaps",
            "missing",
            "events",
        ] {
            assert_eq!(journal[key], file[key], "{key}: {file} {journal}");
        }
        let name = file["session"].as_str().unwrap_or("RINGTAPE01");
        assert_eq!(journal["session"], name);
    }
}

fn real_files() -> Option<Vec<PathBuf>> {
    let mut files: Vec<_> = fs::read_dir(market_data(TYPES)?)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(files.len() >= 49, "{}", files.len());
    for file in [ORDERS, DIRECTORY, OPEN] {
        files.push(market_data(file)?);
    }
    Some(files)
}

#[test]
fn a_feed_is_given_the_number_that_is_asked_for_and_does_not_differ_from_its_capture() {
    let Some(capture) = market_data(OPEN) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (first, third) = (folder.path().join("first"), folder.path().join("third"));
    converted(&capture, &first, &[]);
    converted(&capture, &third, &["--feed", "3"]);
    for (directory, number) in [(&first, 1), (&third, 3)] {
        for record in records(directory) {
            let feed = match record.content() {
                Content::Event(event) => event.head.feed,
                Content::Session(session) => session.feed,
                other => panic!("{other:?}"),
            };
            assert_eq!(feed, number);
        }
        let run = ringtape([
            "diff",
            capture.to_str().unwrap(),
            directory.to_str().unwrap(),
        ]);
        assert_eq!(run.code, Some(0), "{run:?}");
    }
    // What continues a journal is of its feed.
    let begun = records(&third).len();
    converted(&capture, &third, &["--append"]);
    let continued = records(&third);
    assert_eq!(continued.len(), 2 * begun);
    for record in &continued[begun..] {
        if let Content::Event(event) = record.content() {
            assert_eq!(event.head.feed, 3);
        }
    }
    let run = convert(&capture, &folder.path().join("none"), &["--feed", "0"]);
    assert_eq!(run.code, Some(2), "{run:?}");
}

#[test]
fn the_journal_of_every_real_file_has_the_figures_and_the_digest_of_the_file() {
    let Some(files) = real_files() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (place, file) in files.iter().enumerate() {
        let directory = folder.path().join(place.to_string());
        let report = converted(file, &directory, &[]);
        let (of_file, of_journal) = (inspect(file), inspect(&directory));
        assert_same_figures(&of_file, &of_journal);
        assert_eq!(of_journal["format"], "journal");
        assert_eq!(of_journal["feed"], "nasdaq-itch50");
        assert_eq!(of_journal["truncated_tail_bytes"], 0);
        assert_eq!(of_journal["packets"], 0);
        assert_eq!(of_journal["warnings"], json!([]));
        for key in [
            "digest",
            "messages",
            "events",
            "truncated_tail_bytes",
            "trading_date",
        ] {
            assert_eq!(report[key], of_file[key], "{key} of {}", file.display());
        }
        for key in [
            "records",
            "first_sequence",
            "last_sequence",
            "journal_id",
            "bus",
        ] {
            assert_eq!(report[key], of_journal[key], "{key} of {}", file.display());
        }
        let verdict = ringtape(["verify", directory.to_str().unwrap(), "--json"]).json();
        assert_eq!(verdict["verdict"], "clean");
        assert_eq!(verdict["closed"], true);
        assert_eq!(verdict["records"], report["records"]);
        assert_eq!(verdict["events"], report["events"]);
    }
}

#[test]
fn the_journal_of_the_order_flow_file_is_what_the_decoder_makes_of_its_messages() {
    let Some(file) = market_data(ORDERS) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let report = converted(&file, folder.path(), &[]);

    // Written apart from the command's own way: file, decoder, marks.
    let bytes = fs::read(file).unwrap();
    let mut out = Batch::<MarketEvent>::with_capacity(10_000);
    let mark = |mark, feed_sequence| Session {
        id: *b"RINGTAPE01\0\0\0\0\0\0",
        feed_sequence,
        mark,
        feed: 1,
    };
    out.push_session(0, mark(SessionMark::Start, 1));
    let mut decoder = itch::Decoder::new(1, 0);
    let (mut rest, mut number) = (&bytes[..], 1);
    while let Some((length, behind)) = rest.split_first_chunk() {
        let message_bytes = u16::from_be_bytes(*length);
        let (bytes, behind) = behind.split_at(message_bytes.into());
        let message = Message {
            number,
            bytes,
            message_bytes,
            ts_recv_ns: 0,
        };
        assert_eq!(decoder.decode(message, &mut out), Ok(itch::Decoded::Events));
        (rest, number) = (behind, number + 1);
    }
    out.push_session(0, mark(SessionMark::End, number));
    assert_eq!(number, 4_001);
    assert_eq!(report["digest"], digest_of(out.records()));
    assert_eq!(digest_of(&records(folder.path())), digest_of(out.records()));
}

#[test]
fn receive_times_are_those_of_the_captures_packets() {
    let Some(file) = market_data(OPEN) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    converted(&file, folder.path(), &[]);
    let mut source = Source::open(&file).unwrap();
    let mut expected = Vec::new();
    let mut number = 14_757_701_u32;
    while let Some(item) = source.read() {
        let Item::Datagram(datagram) = item else {
            panic!("{item:?}")
        };
        let count = u16::from_be_bytes([datagram.payload[18], datagram.payload[19]]);
        for _ in 0..count {
            expected.push((number, datagram.ts_ns));
            number += 1;
        }
    }
    let records = records(folder.path());
    let mut found: Vec<_> = records
        .iter()
        .filter_map(|record| match record.content() {
            Content::Event(event) => Some((event.message, record.ts_recv_ns())),
            _ => None,
        })
        .collect();
    found.dedup();
    assert_eq!(found.len(), 269);
    assert_eq!(found, expected);
    // The session begins with its first packet, though others were waited for.
    assert_eq!(records[0].ts_recv_ns(), expected[0].1);
}

#[test]
fn converting_twice_gives_the_same_records() {
    let Some(file) = market_data(DIRECTORY) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| {
        let directory = folder.path().join(name);
        converted(&file, &directory, &["--date", "2020-01-30"]);
        records(&directory)
    });
    assert_eq!(a.len(), 35_538);
    assert!(
        a.iter()
            .zip(&b)
            .all(|(a, b)| a.as_stored() == b.as_stored())
    );
    assert_eq!(a.len(), b.len());
}

/// Session, first number and messages of a packet.
type Packet<'a> = (&'a [u8; 10], u64, Vec<Vec<u8>>);

/// Writes a capture of packets, a nanosecond apart.
fn capture(file: &Path, packets: &[Packet<'_>]) {
    let frames: Vec<_> = packets
        .iter()
        .zip(1_692_711_000_000_000_000_u64..)
        .map(|((session, first, messages), ts_ns)| {
            (ts_ns, ethernet(26_477, &packet(session, *first, messages)))
        })
        .collect();
    fs::write(file, support::Writer::PCAP.write(1, &frames)).unwrap();
}

#[test]
fn what_the_capture_lacks_is_a_gap_and_what_nobody_knows_a_dead_letter() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file.pcap");
    let unknown = message(b'z', 40, 5);
    capture(
        &file,
        &[
            (b"000000001A", 7, vec![system_event(1), system_event(2)]),
            // 9 to 11 are missing.
            (b"000000001A", 12, vec![unknown, system_event(6)]),
            (b"000000001A", 14, vec![system_event(7)]),
        ],
    );
    let directory = folder.path().join("tape");
    let report = converted(&file, &directory, &[]);
    assert_eq!(report["gaps"], 1);
    let journal = inspect(&directory);
    assert_eq!(journal["messages_by_type"], json!({ "S": 4, "z": 1 }));
    assert_eq!(journal["unknown_messages"], 1);
    let session = &journal["sessions"][0];
    assert_eq!(session["gaps"], 1);
    assert_eq!(session["missing"], 3);
    assert_eq!(session["first_sequence"], 7);
    assert_eq!(session["last_sequence"], 14);
    assert_eq!(session["ended"], true);
    assert_same_figures(&inspect(&file), &journal);
}

#[test]
fn of_several_sessions_one_is_converted_and_the_others_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file.pcap");
    let messages = |count: u64| (0..count).map(system_event).collect::<Vec<_>>();
    capture(
        &file,
        &[
            (b"000000001A", 1, messages(3)),
            (b"000000002B", 1, messages(5)),
            (b"000000001A", 4, messages(1)),
        ],
    );
    for (more, session, messages, other) in [
        (&[][..], "000000001A", 4, "000000002B"),
        (&["--session", "000000002B"], "000000002B", 5, "000000001A"),
    ] {
        let report = converted(&file, &folder.path().join(session), more);
        assert_eq!(report["session"], session);
        assert_eq!(report["messages"], messages);
        let warnings = report["warnings"].to_string();
        assert!(
            warnings.contains("other sessions were left out"),
            "{warnings}"
        );
        assert!(warnings.contains(other), "{warnings}");
        let journal = inspect(&folder.path().join(session));
        assert_eq!(journal["sessions"].as_array().unwrap().len(), 1);
        assert_eq!(journal["messages"], messages);
    }
    let run = convert(&file, &folder.path().join("c"), &["--session", "NONE"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(
        run.stderr
            .contains("has no session NONE; it has 000000001A, 000000002B"),
        "{run:?}"
    );
    assert!(!folder.path().join("c").exists());
}

#[test]
fn a_journal_with_records_is_left_alone_and_continued_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file.itch50");
    fs::write(&file, binary_file((0..10).map(system_event))).unwrap();
    let directory = folder.path().join("tape");
    // The bus has another name than a new journal would have.
    let config = Config {
        bus: "nasdaq".to_owned(),
        ..Config::new(&directory)
    };
    Writer::<MarketEvent>::open(config, 1)
        .unwrap()
        .close()
        .unwrap();
    let run = convert(&file, &directory, &[]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(
        run.stderr.contains("is the journal of bus nasdaq"),
        "{run:?}"
    );

    let first = converted(&file, &directory, &["--append"]);
    assert_eq!(first["bus"], "nasdaq");
    assert_eq!(
        (&first["first_sequence"], &first["records"]),
        (&json!(1), &json!(12))
    );
    let before = records(&directory);
    let run = convert(&file, &directory, &[]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("already holds records"), "{run:?}");
    assert!(run.stderr.contains("--append"), "{run:?}");
    assert!(run.stdout.is_empty(), "{run:?}");
    assert_eq!(records(&directory).len(), before.len());

    let second = converted(&file, &directory, &["--append"]);
    assert_eq!(second["journal_id"], first["journal_id"]);
    assert_eq!(second["first_sequence"], 13);
    assert_eq!(second["last_sequence"], 24);
    let journal = inspect(&directory);
    assert_eq!(journal["records"], 24);
    assert_eq!(journal["messages"], 20);
    assert_eq!(journal["sessions"].as_array().unwrap().len(), 2);
    assert_eq!(journal["digest"], digest_of(&records(&directory)));
}

#[test]
fn a_torn_journal_is_cut_and_continued_and_a_refused_one_is_not_cut() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file.itch50");
    fs::write(&file, binary_file((0..10).map(system_event))).unwrap();
    let directory = folder.path().join("tape");
    support::tape::write(&directory, &[3, 2]);
    let segment = &support::tape::segments(&directory)[0];
    let bytes = fs::read(segment).unwrap();
    // The closing mark, and half a record.
    fs::write(segment, &bytes[..bytes.len() - 64 - 32]).unwrap();
    let run = convert(&file, &directory, &[]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert_eq!(
        fs::metadata(segment).unwrap().len(),
        bytes.len() as u64 - 96
    );
    let report = converted(&file, &directory, &["--append"]);
    assert_eq!(report["first_sequence"], 4);
    let warnings = report["warnings"].to_string();
    assert!(
        warnings.contains("160 bytes that a crash had torn off"),
        "{warnings}"
    );
    let verdict = ringtape(["verify", directory.to_str().unwrap(), "--json"]).json();
    assert_eq!(verdict["verdict"], "clean");
    assert_eq!(verdict["records"], 15);
}

/// As it is left by a writer that was killed before the segment's header was written.
#[test]
fn a_journal_that_was_never_begun_is_begun() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file.itch50");
    fs::write(&file, binary_file((0..10).map(system_event))).unwrap();
    for (name, args) in [("new", &[][..]), ("appended", &["--append"])] {
        let directory = folder.path().join(name);
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("0000000001-00000000000000000001.tape"), "").unwrap();
        let report = converted(&file, &directory, args);
        assert_eq!(report["first_sequence"], 1);
        assert_eq!(records(&directory).len(), 12);
    }
}

#[test]
fn a_damaged_file_is_converted_as_far_as_it_goes_with_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("damaged.gz");
    let mut random = fastrand::Rng::with_seed(1);
    let messages = (0..50_000).map(|_| message(b'D', 19, random.u64(..) >> 17));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&binary_file(messages)).unwrap();
    let mut bytes = gzip.finish().unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0xff);
    fs::write(&file, bytes).unwrap();
    let directory = folder.path().join("tape");
    let run = convert(&file, &directory, &["--json"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(
        run.stderr.contains("warning: the file is damaged"),
        "{run:?}"
    );
    let report = run.json();
    let messages = report["messages"].as_u64().unwrap();
    assert!(messages > 0 && messages < 50_000, "{messages}");
    assert_eq!(inspect(&directory)["messages"], report["messages"]);
}

#[test]
fn a_file_with_nothing_to_convert_makes_no_journal() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file.pcap");
    let frames = [(1, ethernet(53, b"no packet of any feed"))];
    fs::write(&file, support::Writer::PCAP.write(1, &frames)).unwrap();
    let directory = folder.path().join("tape");
    let run = convert(&file, &directory, &[]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(
        run.stderr
            .contains("1 datagrams are of no feed that is known here"),
        "{run:?}"
    );
    assert!(run.stderr.contains("nothing to convert"), "{run:?}");
    assert!(!directory.exists());
}

#[test]
fn targets_that_cannot_be_written_to_are_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = |name: &str| folder.path().join(name);
    let file = path("file.itch50");
    fs::write(&file, binary_file([system_event(1)])).unwrap();

    fs::write(path("plain"), b"").unwrap();
    fs::create_dir(path("photos")).unwrap();
    fs::write(path("photos/cat.jpg"), b"cat").unwrap();
    support::tape::write_ticks(&path("ticks"));
    support::tape::write(&path("newer"), &[1]);
    support::tape::make_newer(&support::tape::segments(&path("newer"))[0]);
    let busy = Writer::<MarketEvent>::open(Config::new(path("busy")), 1).unwrap();
    for (target, message) in [
        ("plain", "plain: "),
        ("photos", "is no journal, and holds 1 other files"),
        ("ticks", "holds events of schema tick"),
        ("newer", "has format version 2"),
        ("busy", "is being written by another process"),
    ] {
        for more in [&[][..], &["--append"]] {
            let run = convert(&file, &path(target), more);
            assert_eq!(run.code, Some(2), "{target}: {run:?}");
            assert!(run.stderr.starts_with("error: "), "{run:?}");
            assert!(run.stderr.contains(message), "{run:?}");
            assert!(run.stdout.is_empty(), "{run:?}");
        }
    }
    drop(busy);
    fs::create_dir(path("closed")).unwrap();
    fs::set_permissions(path("closed"), fs::Permissions::from_mode(0o555)).unwrap();
    let args = ["convert".into(), file, path("closed/new")];
    let run = support::finish(unprivileged(args, folder.path()));
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(
        run.stderr.contains("closed/new: Permission denied"),
        "{run:?}"
    );
}

#[test]
fn a_full_disk_is_an_error_and_what_was_written_before_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file.itch50");
    let messages = (0..20_000).map(|ts_ns| message(b'D', 19, ts_ns));
    fs::write(&file, binary_file(messages)).unwrap();
    let directory = folder.path().join("tape");
    // One frame fits in any case, and not all.
    let args = [
        OsStr::new("convert"),
        file.as_os_str(),
        directory.as_os_str(),
    ];
    let run = support::finish(support::limited(1_024, args));
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(
        run.stderr.contains("cannot write to the journal"),
        "{run:?}"
    );
    assert!(run.stderr.contains("File too large"), "{run:?}");
    let verify = ringtape(["verify", directory.to_str().unwrap(), "--json"]);
    assert_eq!(verify.code, Some(0), "{verify:?}");
    let written = verify.json()["records"].as_u64().unwrap();
    assert!(written > 0 && written % 4_096 == 0, "{written}");
    let next = format!("which ends before record {}", written + 1);
    assert!(run.stderr.contains(&next), "{next}: {run:?}");
}

#[test]
fn the_report_for_people_has_the_same_figures() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file.itch50");
    fs::write(&file, binary_file((0..2_000).map(system_event))).unwrap();
    let run = convert(&file, &folder.path().join("tape"), &[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    for text in ["nasdaq-itch50", "RINGTAPE01", "2,000", "2,002", "digest"] {
        assert!(
            run.stdout.contains(text),
            "{text} is missing in\n{}",
            run.stdout
        );
    }
}

#[test]
fn a_conversion_that_is_stopped_leaves_a_whole_journal_of_what_came_before() {
    let folder = tempfile::tempdir().unwrap();
    let (pipe, directory) = (folder.path().join("pipe"), folder.path().join("tape"));
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let args = [
        "convert".into(),
        pipe.clone(),
        directory.clone(),
        "--json".into(),
    ];
    let child = command(args).spawn().unwrap();
    let mut file = fs::File::options().write(true).open(&pipe).unwrap();
    // The file goes on for as long as somebody reads it.
    let some = binary_file((0..1_000).map(|place| system_event(place * 1_000_000)));
    let mut asked = false;
    while file.write_all(&some).is_ok() {
        if !asked && directory.exists() {
            signal(&child, "INT");
            asked = true;
        }
    }
    drop(file);
    let run = support::wait(child);
    assert_eq!(run.code, Some(130), "{run:?}");
    assert!(
        run.stderr.contains("warning: stopped before the end"),
        "{run:?}"
    );
    let report = inspect(&directory);
    assert_eq!(report["records"], run.json()["records"]);
    assert!(report["records"].as_u64().unwrap() > 0);
    assert_eq!(report["sessions"][0]["ended"], false);
    let verdict = ringtape(["verify", directory.to_str().unwrap(), "--json"]).json();
    assert_eq!(
        (&verdict["verdict"], &verdict["closed"]),
        (&json!("clean"), &json!(true))
    );
}
