//! The slowest records of a run, kept beside its tape, and the burst around them replayed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use support::tape;
use support::{Run, ringtape};

const HOPS: [&str; 4] = [
    "wire_to_seen",
    "seen_to_decoded",
    "decoded_to_published",
    "published_to_handler",
];

fn demo(directory: &Path) -> Value {
    let options = ["--messages", "5000", "--rate", "50000", "--json"];
    let directory = directory.to_str().unwrap();
    let run = ringtape([&["demo", "--journal", directory], &options[..]].concat());
    assert_eq!(run.code, Some(0), "{run:?}");
    run.json()
}

fn around(directory: &Path, options: &[&str]) -> Run {
    let args = ["replay", directory.to_str().unwrap(), "--around-worst"];
    ringtape([&args, options].concat())
}

fn kept(directory: &Path) -> Value {
    serde_json::from_slice(&fs::read(directory.join("worst.json")).unwrap()).unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value}"))
}

/// The readings of a moment in order of the way.
fn readings(moment: &Value) -> [u64; 5] {
    [
        "wire_ns",
        "seen_ns",
        "decoded_ns",
        "published_ns",
        "handler_ns",
    ]
    .map(|key| number(&moment[key]))
}

#[track_caller]
fn check_moments(report: &Value) {
    let worst = report["worst"].as_array().unwrap();
    assert_eq!(worst.len(), 16);
    let whole: Vec<u64> = worst
        .iter()
        .map(|moment| number(&moment["wire_to_handler_ns"]))
        .collect();
    assert!(whole.is_sorted_by(|one, other| one >= other), "{whole:?}");
    for (rank, (moment, whole)) in (1..).zip(worst.iter().zip(&whole)) {
        let readings = readings(moment);
        assert_eq!(number(&moment["rank"]), rank);
        assert_eq!(readings[4] - readings[0], *whole);
        // The mark of the session's start is handled first, and can be slow.
        assert!(["event", "session"].contains(&moment["record"].as_str().unwrap()));
    }
    let maxima = report["subscribers"].as_array().unwrap().iter();
    let max = maxima.map(|subscriber| number(&subscriber["latency_ns"]["max"]));
    // The histogram's figure is the upper end of the bucket.
    let (max, found) = (max.max().unwrap(), whole[0]);
    assert!(found <= max && max - found <= max / 64 + 1, "{found} {max}");
}

#[test]
fn a_run_tells_its_hop_budget_and_its_slowest_records() {
    let folder = tempfile::tempdir().unwrap();
    let report = demo(&folder.path().join("tape"));
    check_moments(&report);
    for subscriber in report["subscribers"].as_array().unwrap() {
        let (whole, hops) = (&subscriber["latency_ns"], &subscriber["hops_ns"]);
        let hops = HOPS.map(|name| &hops[name]);
        let share: u64 = hops.iter().map(|hop| number(&hop["share_e3"])).sum();
        // Each is rounded to the nearest thousandth.
        assert!((998..=1_002).contains(&share), "{hops:?}");
        let of_all = |key: &str| hops.iter().map(|hop| number(&hop[key])).sum::<u64>();
        assert_eq!(
            number(&whole["count"]) + number(&whole["out_of_range"]),
            number(&subscriber["handled"])
        );
        // A clock that is set meanwhile puts readings out of range, which are in no sum.
        if of_all("out_of_range") + number(&whole["out_of_range"]) == 0 {
            assert_eq!(of_all("sum"), number(&whole["sum"]));
        }
    }
}

#[test]
fn the_burst_around_a_slow_record_is_replayed_from_the_tape() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("tape");
    let report = demo(&directory);
    let kept = kept(&directory);
    assert_eq!(kept["runs"][0]["worst"], report["worst"]);
    for rank in ["1", "16"] {
        let run = around(&directory, &[rank, "--window", "100", "--json"]);
        assert_eq!(run.code, Some(0), "{run:?}");
        let replayed = run.json();
        let found = &replayed["around_worst"];
        let moment = &report["worst"][rank.parse::<usize>().unwrap() - 1];
        for (key, value) in moment.as_object().unwrap() {
            assert_eq!(&found[key], value, "{key}");
        }
        let readings = readings(moment);
        for (place, name) in HOPS.iter().enumerate() {
            assert_eq!(
                number(&found["hops_ns"][name]),
                readings[place + 1] - readings[place]
            );
        }
        let sequence = number(&moment["sequence"]);
        let (first, last) = (
            number(&replayed["first_sequence"]),
            number(&replayed["last_sequence"]),
        );
        let burst = &found["burst"];
        let burst_of = |key: &str| number(&burst[key]);
        let end = number(&report["journal"]["last_sequence"]);
        assert_eq!(
            first,
            burst_of("first_sequence").min(sequence.saturating_sub(100).max(1))
        );
        assert_eq!(
            last,
            burst_of("last_sequence").max((sequence + 100).min(end))
        );
        let records = burst_of("last_sequence") - burst_of("first_sequence") + 1;
        assert_eq!(burst_of("records"), records);
        let kinds = burst["kinds"].as_object().unwrap().values();
        assert_eq!(kinds.map(number).sum::<u64>(), records);
        assert!(burst_of("datagrams") >= 1 && burst_of("datagrams") <= records);

        // The same as the range named by hand, and the very record is among those that are shown.
        let range = [first.to_string(), last.to_string()];
        let by_hand = ringtape([
            "replay",
            directory.to_str().unwrap(),
            "--from",
            &range[0],
            "--to",
            &range[1],
            "--json",
        ]);
        assert_eq!(by_hand.json()["digest"], replayed["digest"]);
        let shown = found["records"].as_array().unwrap();
        let it = shown.iter().find(|record| record["sequence"] == sequence);
        let it = it.unwrap_or_else(|| panic!("{shown:?}"));
        assert_eq!(it["recv_ns"], moment["wire_ns"]);
        assert_eq!(it["record"], moment["record"]);
        let event = shown.iter().find(|record| record["record"] == "event");
        assert!(event.unwrap()["symbol"].is_string(), "{shown:?}");
    }
    let text = around(&directory, &["1", "--strategy", "audit", "--speed", "1000"]);
    assert_eq!(text.code, Some(0), "{text:?}");
    let sequence = number(&report["worst"][0]["sequence"]).to_string();
    let marked = text.stdout.lines().find(|line| line.starts_with('>'));
    assert!(marked.unwrap().contains(&sequence), "{text:?}");
}

#[test]
fn each_run_on_a_tape_has_its_own_list_and_the_last_is_meant() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("tape");
    let (first, second) = (demo(&directory), demo(&directory));
    let kept = kept(&directory);
    let runs = kept["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2);
    for (number, (run, report)) in (1..).zip(runs.iter().zip([&first, &second])) {
        assert_eq!(run["run"], number);
        assert_eq!(run["worst"], report["worst"]);
        for key in ["first_sequence", "last_sequence"] {
            assert_eq!(run[key], report["journal"][key]);
        }
    }
    for (options, report) in [
        (&["2"][..], &second),
        (&["2", "--run", "1"], &first),
        (&["2", "--run", "2"], &second),
    ] {
        let run = around(&directory, &[options, &["--json"]].concat());
        assert_eq!(run.code, Some(0), "{run:?}");
        let found = &run.json()["around_worst"];
        assert_eq!(found["sequence"], report["worst"][1]["sequence"]);
    }
    let run = around(&directory, &["1", "--run", "3"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("there are the runs 1, 2"), "{run:?}");
}

#[test]
fn the_list_stays_short_and_never_mixes_journals_and_a_damaged_one_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("tape");
    demo(&directory);
    let list = directory.join("worst.json");
    let first = kept(&directory);
    let mut many = first.clone();
    let run = first["runs"][0].clone();
    let runs = (1..=64).map(|number| {
        let mut run = run.clone();
        run["run"] = json!(number);
        run
    });
    many["runs"] = runs.collect();
    fs::write(&list, many.to_string()).unwrap();
    demo(&directory);
    let runs = kept(&directory)["runs"].as_array().unwrap().clone();
    let numbers: Vec<u64> = runs.iter().map(|run| number(&run["run"])).collect();
    assert_eq!(numbers, (2..=65).collect::<Vec<_>>());

    let mut others = first;
    others["journal_id"] = json!("0".repeat(32));
    fs::write(&list, others.to_string()).unwrap();
    demo(&directory);
    assert_eq!(kept(&directory)["runs"].as_array().unwrap().len(), 1);

    fs::write(&list, "not ours").unwrap();
    let args = ["demo", "--messages", "500", "--json", "--journal"];
    let run = ringtape([&args[..], &[directory.to_str().unwrap()]].concat());
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(
        run.stderr.contains("the slowest records are not kept"),
        "{run:?}"
    );
    assert_eq!(fs::read_to_string(&list).unwrap(), "not ours");
}

#[test]
fn whatever_reads_or_keeps_a_journal_does_not_mind_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("tape");
    demo(&directory);
    let dir = directory.to_str().unwrap();
    let before = kept(&directory);
    for args in [
        &["verify", dir][..],
        &["inspect", dir],
        &["dump", dir, "--limit", "1"],
        &["replay", dir],
        &["diff", dir, dir],
        &["top", dir],
        &["archive", dir],
        &["prune", dir, "--keep-bytes", "1GB"],
    ] {
        let run = ringtape(args);
        assert_eq!(run.code, Some(0), "{args:?}: {run:?}");
    }
    assert_eq!(kept(&directory), before);
    let names = fs::read_dir(&directory).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let unfinished = names.filter(|name| name.contains("unfinished")).count();
    assert_eq!(unfinished, 0);
}

#[test]
fn what_cannot_be_replayed_is_refused_with_what_could() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("tape");
    demo(&directory);
    let list = directory.join("worst.json");
    let refused = |options: &[&str], code: i32, why: &str| {
        let run = around(&directory, options);
        assert_eq!(run.code, Some(code), "{run:?}");
        assert!(run.stderr.contains(why), "{why}: {run:?}");
    };
    refused(&["0"], 2, "ranks begin with 1");
    refused(&["17"], 2, "name 1 to 16");
    refused(&["one"], 2, "a rank is a number");
    refused(&["1", "--from", "5"], 2, "cannot be used with");
    refused(&["1", "--to", "5"], 2, "cannot be used with");
    let other = folder.path().join("other");
    tape::write(&other, &[1]);
    refused(&["1", other.to_str().unwrap()], 2, "name one");

    let good = kept(&directory);
    let write = |change: &dyn Fn(&mut Value)| {
        let mut changed = good.clone();
        change(&mut changed);
        fs::write(&list, changed.to_string()).unwrap();
    };
    // The record of that number is another one than the one that was slow.
    write(&|list| {
        let wire_ns = number(&list["runs"][0]["worst"][0]["wire_ns"]);
        list["runs"][0]["worst"][0]["wire_ns"] = json!(wire_ns + 1);
    });
    refused(&["1"], 2, "is not the one that was slow");
    write(&|list| list["runs"][0]["worst"][0]["record"] = json!("gap"));
    refused(&["1"], 2, "is not the one that was slow");
    write(&|list| list["journal_id"] = json!("0".repeat(32)));
    refused(&["1"], 2, "is of the journal 000");
    write(&|list| list["runs"][0]["worst"][0]["sequence"] = json!(900_000));
    refused(&["1"], 2, "record 900000 was slow, and is not on the tape");
    type Change = fn(&mut Value);
    let changes: [Change; 10] = [
        |list| list["runs"][0]["run"] = json!(0),
        |list| list["runs"][0]["run"] = json!(u64::MAX),
        |list| list["runs"] = json!([list["runs"][0], list["runs"][0]]),
        |list| list["runs"][0]["worst"] = json!([]),
        |list| list["runs"][0]["worst"][0]["rank"] = json!(2),
        |list| list["runs"][0]["worst"][0]["sequence"] = json!(0),
        |list| list["runs"][0]["worst"][0]["sequence"] = json!(1_u64 << 56),
        // What a terminal obeys.
        |list| list["runs"][0]["worst"][0]["subscriber"] = json!("\u{1b}[31mflow"),
        |list| list["runs"][0]["worst"][0]["record"] = json!("\u{1b}[31mevent"),
        |list| list["journal_id"] = json!("\u{1b}[31m"),
    ];
    for change in changes {
        write(&change);
        refused(&["1"], 2, "worst.json is damaged");
        assert!(!around(&directory, &["1"]).stderr.contains('\u{1b}'));
    }
    write(&|list| list["version"] = json!(2));
    refused(&["1"], 2, "has version 2");
    fs::write(&list, "{\"version\":").unwrap();
    refused(&["1"], 2, "worst.json is damaged");
    fs::remove_file(&list).unwrap();
    refused(&["1"], 2, "has no worst.json");
    // One that is read like a file waits for ever.
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &list,
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    refused(&["1"], 2, "worst.json is no file");
}

#[test]
fn damage_far_from_a_slow_record_does_not_keep_it_from_being_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("tape");
    demo(&directory);
    let dir = directory.to_str().unwrap();
    // The slow record is to be one in the middle of the tape.
    let dump = ringtape(["dump", dir, "--from", "2500", "--limit", "1", "--json"]);
    let record = dump.json();
    let mut list = kept(&directory);
    let moment = &mut list["runs"][0]["worst"][0];
    moment["sequence"] = json!(2_500);
    moment["wire_ns"] = record["recv_ns"].clone();
    moment["record"] = record["record"].clone();
    fs::write(directory.join("worst.json"), list.to_string()).unwrap();

    let segments = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut tapes = segments.filter(|path| path.extension().is_some_and(|end| end == "tape"));
    let tape = tapes.next().unwrap();
    let whole = fs::read(&tape).unwrap();
    let around = |options: &[&str]| around(&directory, &[&["1", "--json"], options].concat());
    let expected = around(&["--window", "10"]);
    assert_eq!(expected.code, Some(0), "{expected:?}");
    // Among the first records, and among the last.
    for at in [400, whole.len() - 100] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&tape, damaged).unwrap();
        let run = around(&["--window", "10"]);
        assert_eq!(run.code, Some(0), "{run:?}");
        assert_eq!(run.json()["digest"], expected.json()["digest"], "{at}");
        let run = around(&["--window", "5000"]);
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.stderr.contains("is corrupt at"), "{run:?}");
    }
}

#[test]
fn what_is_archived_is_replayed_and_what_was_pruned_away_is_refused_and_leaves_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("tape");
    // Each run begins a segment.
    let first = demo(&directory);
    demo(&directory);
    let dir = directory.to_str().unwrap();
    let archived = ringtape(["archive", dir]);
    assert_eq!(archived.code, Some(0), "{archived:?}");
    assert_eq!(tape::segments(&directory).len(), 1, "the other is archived");
    let run = around(&directory, &["1", "--run", "1", "--json"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let found = &run.json()["around_worst"]["sequence"];
    assert_eq!(found, &first["worst"][0]["sequence"]);

    let pruned = ringtape(["prune", dir, "--keep-segments", "1"]);
    assert_eq!(pruned.code, Some(0), "{pruned:?}");
    let run = around(&directory, &["1", "--run", "1"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("no longer on the tape"), "{run:?}");
    let run = around(&directory, &["1"]);
    assert_eq!(run.code, Some(0), "{run:?}");

    demo(&directory);
    let kept = kept(&directory);
    let runs = kept["runs"].as_array().unwrap().iter();
    let numbers: Vec<u64> = runs.map(|run| number(&run["run"])).collect();
    assert_eq!(numbers, [2, 3]);
}
