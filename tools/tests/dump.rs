//! `ringtape dump` prints the records that were asked for, and no others.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::Value;
use std::path::Path;
use support::tape::{self, RECV_NS, SEGMENT_RECORDS};
use support::{Run, market_data, ringtape};

fn dump(directory: &Path, more: &[&str]) -> Run {
    ringtape([&["dump", directory.to_str().unwrap()], more].concat())
}

/// Reads JSON lines.
#[track_caller]
fn lines(run: &Run) -> Vec<Value> {
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(run.stderr, "");
    let lines = run.stdout.lines().map(serde_json::from_str);
    lines.map(Result::unwrap).collect()
}

fn sequences(records: &[Value]) -> Vec<u64> {
    let numbers = records.iter().map(|record| record["sequence"].as_u64());
    numbers.map(Option::unwrap).collect()
}

#[test]
fn every_record_is_a_line_of_text_or_a_json_object() {
    let folder = tempfile::tempdir().unwrap();
    tape::write(folder.path(), &[2, 1]);
    let objects = lines(&dump(folder.path(), &["--json"]));
    assert_eq!(sequences(&objects), [1, 2, 3]);
    let order = &objects[1];
    assert_eq!(order["kind"], "add_order");
    assert_eq!(order["symbol"], "AAPL");
    assert_eq!(order["price"], "210.12");
    assert_eq!(order["recv_ns"], RECV_NS + 2);
    let text = dump(folder.path(), &[]);
    assert_eq!(
        (text.code, text.stdout.lines().count()),
        (Some(0), 3),
        "{text:?}"
    );
    let line = text.stdout.lines().nth(1).unwrap();
    for part in ["add_order", "symbol=AAPL", "price=210.12", "order_id=2"] {
        assert!(line.contains(part), "{part} is missing in {line}");
    }
}

#[test]
fn a_range_is_cut_at_both_ends_whatever_frames_and_segments_it_crosses() {
    let folder = tempfile::tempdir().unwrap();
    tape::write(folder.path(), &[SEGMENT_RECORDS, 10, SEGMENT_RECORDS, 3]);
    let last = 2 * SEGMENT_RECORDS + 13;
    for (from, to) in [
        (None, Some(3)),
        (Some(2), Some(2)),
        (Some(SEGMENT_RECORDS), Some(SEGMENT_RECORDS + 1)),
        (Some(SEGMENT_RECORDS + 8), Some(SEGMENT_RECORDS + 12)),
        (Some(last - 2), None),
        (Some(last), Some(last)),
    ] {
        let mut args = vec!["--json".to_owned()];
        args.extend(from.map(|from| format!("--from={from}")));
        args.extend(to.map(|to| format!("--to={to}")));
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let records = lines(&dump(folder.path(), &args));
        let expected = from.unwrap_or(1)..=to.unwrap_or(last);
        assert!(sequences(&records).into_iter().eq(expected), "{args:?}");
        // The name was told by record 1.
        assert!(
            records.iter().all(|record| record["symbol"] == "AAPL"),
            "{args:?}"
        );
    }
}

#[test]
fn a_limit_ends_the_dump() {
    let folder = tempfile::tempdir().unwrap();
    tape::write(folder.path(), &[5, 5]);
    for (args, expected) in [
        (&["--limit", "1"][..], vec![1]),
        (&["--limit", "7"], (1..=7).collect()),
        (&["--limit", "99"], (1..=10).collect()),
        (&["--limit", "2", "--from", "5"], vec![5, 6]),
        (&["--limit", "4", "--from", "5", "--to", "6"], vec![5, 6]),
    ] {
        let records = lines(&dump(folder.path(), &[&["--json"], args].concat()));
        assert_eq!(sequences(&records), expected, "{args:?}");
    }
}

#[test]
fn a_range_that_is_not_there_is_named_and_nothing_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    tape::write(folder.path(), &[SEGMENT_RECORDS; 2]);
    // Retention took the first segment.
    std::fs::remove_file(&tape::segments(folder.path())[0]).unwrap();
    for (args, message) in [
        (&["--from", "7"][..], "the journal begins with 4097"),
        (&["--to", "7"], "--to 7 lies before 4097"),
        (&["--from", "8193"], "the journal ends before 8193"),
        (&["--to", "9999"], "the journal ends before 8193"),
        (
            &["--from", "5000", "--to", "4999"],
            "--to 4999 lies before 5000",
        ),
        (&["--from", "0"], "numbers from 1 to 72057594037927935"),
        (&["--to", "72057594037927936"], "numbers from 1 to"),
        (&["--from", "noon"], "numbers from 1 to"),
    ] {
        let run = dump(folder.path(), args);
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains(message), "{args:?}: {run:?}");
        assert!(run.stdout.is_empty(), "{run:?}");
    }
}

#[test]
fn damage_before_the_range_costs_only_names() {
    let folder = tempfile::tempdir().unwrap();
    tape::write(folder.path(), &[SEGMENT_RECORDS; 2]);
    tape::flip(&tape::segments(folder.path())[0], 1_000);
    let run = dump(folder.path(), &["--json", "--from", "4100", "--limit", "1"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(
        run.stderr.contains("warning: names may be missing"),
        "{run:?}"
    );
    assert!(run.stdout.contains("\"sequence\":4100"), "{run:?}");
}

#[test]
fn a_real_session_is_dumped_by_name() {
    let Some(file) = market_data("nasdaq-moldudp64/2023-08-22.open.100packets.pcap") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let run = ringtape([Path::new("convert"), &file, folder.path()]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let records = lines(&dump(folder.path(), &["--json"]));
    let marks: Vec<_> = records
        .iter()
        .filter(|r| r["record"] == "session")
        .collect();
    assert_eq!(marks.len(), 2);
    assert_eq!(marks[0]["session"], "000010059B");
    assert_eq!(marks[0]["feed_sequence"], 14_757_701);
    let of_kind = |kind| {
        records
            .iter()
            .filter(|record| record["kind"] == kind)
            .count()
    };
    // A and F; U; D; E; S.
    assert_eq!(of_kind("add_order"), 131);
    assert_eq!(of_kind("replace"), 99);
    assert_eq!(of_kind("delete"), 30);
    assert_eq!(of_kind("execute"), 3);
    assert_eq!(of_kind("system"), 1);
    assert_eq!((of_kind("imbalance"), of_kind("imbalance_prices")), (5, 5));
    let added = records
        .iter()
        .find(|record| record["kind"] == "add_order")
        .unwrap();
    assert!(!added["symbol"].as_str().unwrap().is_empty());
}
