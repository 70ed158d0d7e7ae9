//! `ringtape replay` gives what is in the journals, and says what it gave; `diff` finds the first
//! difference.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use ringtape::journal::{Config, Writer};
use ringtape::market::{MarketEvent, Side};
use ringtape::record::{Content, Gap, GapCause, Record, Sequence};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use support::background::{signal, wait_until_interruptible};
use support::tape::{self, RECV_NS};
use support::{Run, command, inspect, market_data, orders, ringtape};

const ORDERS: &str = "nasdaq-itch50/2019-12-30.0400.4000msgs.itch50";
const OPEN: &str = "nasdaq-moldudp64/2023-08-22.open.100packets.pcap";

fn replay(directory: &Path, more: &[&str]) -> Run {
    ringtape([&["replay", directory.to_str().unwrap()], more].concat())
}

fn replayed(directory: &Path, more: &[&str]) -> Value {
    let run = replay(directory, &[&["--json"], more].concat());
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(run.stderr, "");
    run.json()
}

fn diff(a: &Path, b: &Path, more: &[&str]) -> Run {
    let args = ["diff", a.to_str().unwrap(), b.to_str().unwrap(), "--json"];
    ringtape([&args[..], more].concat())
}

#[track_caller]
fn assert_has(report: &Value, expected: &Value) {
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&report[key], value, "{key}");
    }
}

fn convert(capture: &Path, directory: &Path) {
    let args = [
        "convert",
        capture.to_str().unwrap(),
        directory.to_str().unwrap(),
    ];
    let run = ringtape(args);
    assert_eq!(run.code, Some(0), "{run:?}");
}

#[test]
fn real_data_replays_to_the_digest_of_its_capture_and_does_not_differ_from_it() {
    let folder = tempfile::tempdir().unwrap();
    for (name, kinds) in [(ORDERS, 2764 + 36), (OPEN, 125 + 6)] {
        let Some(capture) = market_data(name) else {
            return;
        };
        let directory = folder.path().join(capture.file_stem().unwrap());
        convert(&capture, &directory);
        let expected = inspect(&capture);
        let digest = expected["digest"].as_str().unwrap();
        let report = replayed(&directory, &["--expect", digest]);
        assert_has(
            &report,
            &json!({
                "events": expected["events"], "gaps": 0, "overruns": 0, "not_journaled": 0,
                "sessions": 2, "digest": digest, "is_expected": true, "first_sequence": 1,
                "last_sequence": report["records"], "filtered": 0,
            }),
        );
        let audit = replayed(&directory, &["--strategy", "audit", "--speed", "1000000"]);
        assert_eq!(audit["digest"], digest);
        let adds = replayed(&directory, &["--kind", "add_order"]);
        assert_eq!(adds["events"], kinds);

        let same = diff(&directory, &capture, &[]);
        assert_eq!(same.code, Some(0), "{same:?}");
        // Session marks are left out.
        let records = report["records"].as_u64().unwrap() - 2;
        assert_has(
            &same.json(),
            &json!({ "equal": true, "records": records, "compared": "contents", "difference": null }),
        );
    }
}

#[test]
fn a_date_that_was_not_told_is_the_difference() {
    let Some(capture) = market_data(ORDERS) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("tape");
    let (from, to) = (capture.to_str().unwrap(), directory.to_str().unwrap());
    let dated = ringtape(["convert", from, to, "--date", "2019-12-30"]);
    assert_eq!(dated.code, Some(0), "{dated:?}");
    let run = diff(&capture, &directory, &[]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(run.json()["difference"]["keys"], json!(["event_ns"]));
    assert_eq!(run.json()["records"], 0);
    assert_eq!(
        diff(&capture, &directory, &["--date", "2019-12-30"]).code,
        Some(0)
    );

    // A BinaryFILE's receive times are the venue's: four seconds from four o'clock.
    let whole = replayed(&directory, &[]);
    let to_the_end = replayed(&directory, &["--to", "04:00:04.136455656"]);
    assert_eq!(to_the_end["digest"], whole["digest"]);
    let first_second = replayed(&directory, &["--to", "04:00:01"]);
    let rest = replayed(&directory, &["--from", "04:00:01.000000001"]);
    let records = |report: &Value| report["records"].as_u64().unwrap();
    assert!(records(&first_second) > 0 && records(&rest) > 0);
    assert_eq!(records(&first_second) + records(&rest), records(&whole));
}

#[test]
fn a_range_and_a_selection_give_a_part() {
    let folder = tempfile::tempdir().unwrap();
    tape::write(folder.path(), &[40, 40, 20]);
    let whole = replayed(folder.path(), &[]);
    assert_has(
        &whole,
        &json!({
            "records": 100, "events": 100, "first_sequence": 1, "last_sequence": 100,
            "first_recv_ns": RECV_NS + 1, "last_recv_ns": RECV_NS + 100, "warnings": [],
            "expected_digest": null, "is_expected": null, "strategy": null, "torn_bytes": 0,
        }),
    );
    let (from, to) = (format!("{}ns", RECV_NS + 50), format!("{}ns", RECV_NS + 59));
    for (args, records, first) in [
        (&["--from", "50", "--to", "59"][..], 10, 50),
        (&["--from", &from, "--to", &to], 10, 50),
        (&["--to", "2023-08-22T09:30:00.000000007"], 7, 1),
        (&["--from", "2023-08-22T13:30:00.000000100Z"], 1, 100),
        (&["--from", "09:30:00.000000091", "--speed", "2.5"], 10, 91),
        (&["--kind", "instrument"], 1, 1),
        (
            &["--symbol", "AAPL", "--kind", "add_order", "--from", "91"],
            10,
            91,
        ),
        (&["--instrument", "13", "--no-verify"], 100, 1),
    ] {
        let part = replayed(folder.path(), args);
        assert_has(
            &part,
            &json!({ "records": records, "first_sequence": first }),
        );
        assert_eq!(
            part["digest"] == whole["digest"],
            records == 100,
            "{args:?}"
        );
    }
    let nothing = replay(folder.path(), &["--instrument", "14", "--json"]);
    assert_eq!(nothing.code, Some(0), "{nothing:?}");
    assert_has(
        &nothing.json(),
        &json!({ "records": 0, "filtered": 100, "last_sequence": null }),
    );
    assert!(
        nothing.stderr.contains("no event was selected"),
        "{nothing:?}"
    );
}

#[test]
fn a_place_or_a_name_that_is_not_there_is_exit_code_2_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    tape::write(&path("tape"), &[10]);
    tape::write(&path("other"), &[10]);
    tape::write_ticks(&path("ticks"));
    fs::create_dir(path("empty")).unwrap();
    let other = path("other").to_str().unwrap().to_owned();
    let same = path("tape").to_str().unwrap().to_owned();
    for (name, args, message) in [
        ("tape", &["--from", "11"][..], "the journal ends before 11"),
        ("tape", &["--to", "11"], "the journal ends before 11"),
        (
            "tape",
            &["--from", "9", "--to", "8"],
            "ends before it begins",
        ),
        (
            "tape",
            &["--from", "09:29"],
            "2023-08-22 09:29:00.000000000 in New York",
        ),
        (
            "tape",
            &["--to", "09:31"],
            "no record was received then or later",
        ),
        (
            "tape",
            &["--from", "5", "--to", "09:30:00.000000004"],
            "ends before it begins",
        ),
        ("tape", &["--from", "noon"], "neither a sequence"),
        ("tape", &["--kind", "trades"], "there are add_order"),
        (
            "tape",
            &["--symbol", "MSFT"],
            "MSFT: no instrument has that name",
        ),
        ("tape", &["--speed", "0"], "the slowest is 0.001"),
        ("tape", &["--expect", "12"], "32 hexadecimal digits"),
        ("tape", &[&same], "are the same journal"),
        ("tape", &[&other, "--from", "3"], "merge of 2 journals"),
        ("ticks", &[], "holds events of schema tick"),
        ("empty", &[], "is no journal"),
        ("nosuch", &[], "No such file"),
    ] {
        let run = replay(&path(name), args);
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains(message), "{message}: {run:?}");
        assert!(run.stdout.is_empty(), "{run:?}");
    }
}

#[test]
fn another_digest_than_the_expected_one_is_exit_code_1_and_so_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    tape::write(folder.path(), &[3, 3]);
    let digest = replayed(folder.path(), &[])["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    let as_expected = replay(folder.path(), &["--expect", &digest.to_uppercase()]);
    assert_eq!(as_expected.code, Some(0), "{as_expected:?}");
    assert!(as_expected.stdout.contains(&digest), "{as_expected:?}");
    let other = format!("{:032x}", 7);
    let run = replay(folder.path(), &["--expect", &other, "--json"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_has(
        &run.json(),
        &json!({ "digest": digest, "is_expected": false }),
    );
    assert!(
        run.stderr
            .contains(&format!("the digest is {digest}, and {other}")),
        "{run:?}"
    );

    // In the second frame.
    tape::flip(
        &tape::segments(folder.path())[0],
        256 + 64 + 3 * 64 + 64 + 40,
    );
    let run = replay(folder.path(), &["--json"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(run.json()["records"], 3);
    let place = "is corrupt at byte 512";
    assert_eq!(run.stderr.matches(place).count(), 1, "{run:?}");
    let warnings = run.json()["warnings"].to_string();
    assert!(warnings.contains(place), "{warnings}");
}

#[test]
fn times_of_a_day_that_was_not_known_are_named_and_shown_since_midnight() {
    let Some(capture) = market_data(ORDERS) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    convert(&capture, folder.path());
    let whole = replayed(folder.path(), &[]);
    let first_second = replayed(folder.path(), &["--to", "04:00:01"]);
    let rest = replayed(folder.path(), &["--from", "04:00:01.000000001"]);
    let records = |report: &Value| report["records"].as_u64().unwrap();
    assert!(records(&first_second) > 0 && records(&rest) > 0);
    assert_eq!(records(&first_second) + records(&rest), records(&whole));

    let directory = folder.path().to_str().unwrap();
    let text = replay(folder.path(), &[]).stdout;
    let line = ringtape(["dump", directory, "--limit", "1"]).stdout;
    for shown in [&text, &line] {
        assert!(shown.contains(" 04:00:00.000198145"), "{shown}");
        assert!(!shown.contains("1969"), "{shown}");
    }
}

#[test]
fn a_missing_segment_is_damage_to_every_command_that_reads_on() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().to_str().unwrap();
    tape::write(folder.path(), &[tape::SEGMENT_RECORDS; 3]);
    fs::remove_file(&tape::segments(folder.path())[1]).unwrap();
    for args in [
        &["replay", directory][..],
        &["dump", directory],
        &["inspect", directory],
        &["tail", directory],
        &["diff", directory, directory],
        &["play", directory],
    ] {
        let run = ringtape(args);
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.stderr.contains("lacks the segments 2 to 2"), "{run:?}");
    }
}

/// Writes records 1 to 9, of which one may be another.
fn write_variant(directory: &Path, change: impl Fn(u64) -> Option<Record<MarketEvent>>) {
    let mut writer = Writer::open(Config::new(directory), RECV_NS).unwrap();
    let records = (1..10).map(|number| change(number).unwrap_or_else(|| tape::record(number)));
    let records: Vec<_> = records.collect();
    writer.append([&records, &[]], RECV_NS).unwrap();
    writer.close().unwrap();
}

#[test]
fn the_first_difference_of_two_journals_is_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_variant(&path("a"), |_| None);
    // Receive times of their own are no difference.
    write_variant(&path("same"), |number| {
        match tape::record(number).content() {
            Content::Event(event) => Some(Record::event(Sequence::new(number), 7, event)),
            _ => None,
        }
    });
    write_variant(&path("other"), |number| {
        let gap = Gap {
            first: 1,
            last: 2,
            cause: GapCause::Absent,
            feed: 1,
        };
        (number == 5).then(|| Record::gap(Sequence::new(5), 7, gap))
    });
    write_variant(&path("quantity"), |number| {
        match tape::record(9).content() {
            Content::Event(event) if number == 9 => {
                let mut event = *event;
                event.body[16] += 1;
                Some(Record::event(Sequence::new(9), RECV_NS + 9, &event))
            }
            _ => None,
        }
    });
    tape::write(&path("short"), &[4]);

    let same = diff(&path("a"), &path("same"), &[]);
    assert_eq!(same.code, Some(0), "{same:?}");
    assert_has(
        &same.json(),
        &json!({ "equal": true, "records": 9, "compared": "records" }),
    );

    let other = diff(&path("a"), &path("other"), &[]);
    assert_eq!(other.code, Some(1), "{other:?}");
    let report = other.json();
    assert_has(&report, &json!({ "equal": false, "records": 4 }));
    let difference = &report["difference"];
    assert_eq!(difference["a"]["kind"], "add_order");
    assert_eq!(difference["a"]["symbol"], "AAPL");
    assert_eq!(difference["b"]["record"], "gap");

    let quantity = diff(&path("quantity"), &path("a"), &[]).json();
    assert_eq!(quantity["difference"]["keys"], json!(["quantity"]));
    let args = ["quantity", "a"].map(|name| path(name).to_str().unwrap().to_owned());
    let text = ringtape(["diff", &args[0], &args[1]]).stdout;
    for part in [
        "8 records are equal",
        "quantity=101",
        "quantity=100",
        "different: quantity",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }

    let short = diff(&path("short"), &path("a"), &[]).json();
    assert_has(&short, &json!({ "equal": false, "records": 4 }));
    assert_eq!(short["difference"]["a"], Value::Null);
    assert_eq!(short["difference"]["b"]["sequence"], 5);

    // Damage ends the comparison, and the report is of what came before.
    tape::write(&path("damaged"), &[4, 5]);
    tape::flip(
        &tape::segments(&path("damaged"))[0],
        256 + 64 + 4 * 64 + 64 + 40,
    );
    for (a, b) in [("a", "damaged"), ("damaged", "a")] {
        let run = diff(&path(a), &path(b), &[]);
        assert_eq!(run.code, Some(1), "{run:?}");
        let report = run.json();
        assert_has(&report, &json!({ "equal": null, "records": 4 }));
        let place = "is corrupt at byte 576";
        assert!(report["warnings"].to_string().contains(place), "{report}");
        assert_eq!(run.stderr.matches(place).count(), 1, "{run:?}");
    }

    let dated = diff(&path("a"), &path("same"), &["--date", "2023-08-22"]);
    assert_eq!(dated.code, Some(2), "{dated:?}");
    assert!(dated.stderr.contains("--date is for captures"), "{dated:?}");

    let missing = diff(&path("a"), &path("nosuch"), &[]);
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.stderr.contains("nosuch"), "{missing:?}");
}

#[test]
fn ctrl_c_ends_a_replay_that_waits_with_its_report_and_exit_code_130() {
    let folder = tempfile::tempdir().unwrap();
    write_variant(folder.path(), |number| {
        match tape::record(number).content() {
            // From the second record on, hours apart.
            Content::Event(event) => {
                let recv_ns = RECV_NS + (number - 1) * 3_600_000_000_000;
                Some(Record::event(Sequence::new(number), recv_ns, event))
            }
            _ => None,
        }
    });
    let directory = folder.path().to_str().unwrap();
    let args = ["replay", directory, "--speed", "1", "--json"];
    let child = command(args).spawn().unwrap();
    wait_until_interruptible(child.id());
    signal(&child, "INT");
    let run = support::wait(child);
    assert_eq!(run.code, Some(130), "{run:?}");
    // It may not have come to the first.
    assert!(run.json()["records"].as_u64().unwrap() <= 1, "{run:?}");
    assert!(run.stderr.contains("stopped before the end"), "{run:?}");
}

#[test]
fn journals_are_merged_by_receive_time_and_have_no_sequences_in_common() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    tape::write(&one, &[5]);
    tape::write(&two, &[8]);
    // They have one feed's number: that it is warned of is another test's.
    let merge = |one: &Path, two: &Path| {
        let run = replay(one, &["--json", two.to_str().unwrap()]);
        assert_eq!(run.code, Some(0), "{run:?}");
        run.json()
    };
    let merged = merge(&one, &two);
    assert_has(
        &merged,
        &json!({
            "records": 13, "first_sequence": null, "last_sequence": null,
            "first_recv_ns": RECV_NS + 1, "last_recv_ns": RECV_NS + 8,
        }),
    );
    assert_eq!(merged["journals"].as_array().unwrap().len(), 2);
    let swapped = merge(&two, &one);
    // Records of one time are the same in both, so whose come first makes no difference.
    assert_eq!(swapped["digest"], merged["digest"]);
    assert_ne!(swapped["digest"], replayed(&two, &[])["digest"]);
}

/// An order of feed 4.
fn buy(instrument: u32, order_id: u64) -> orders::Item {
    orders::add(4, instrument, order_id, Side::BUY, 10_000)
}

#[test]
fn a_name_that_is_selected_is_followed_when_the_venue_gives_its_number_to_another() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("two days");
    let items = [
        orders::start(4),
        // Before any name was told: that which is told first.
        buy(13, 1),
        orders::named(4, 13, "AAPL"),
        orders::named(4, 14, "MSFT"),
        buy(13, 2),
        buy(14, 3),
        orders::named(4, 14, "AAPL"),
        orders::named(4, 13, "MSFT"),
        buy(13, 4),
        buy(14, 5),
    ];
    orders::write(&directory, &items);
    let adds = |symbol: &str, more: &[&str]| {
        let args = [&["--symbol", symbol, "--kind", "add_order"], more].concat();
        replayed(&directory, &args)["events"].as_u64().unwrap()
    };
    assert_eq!(adds("AAPL", &[]), 3);
    assert_eq!(adds("MSFT", &[]), 2);
    // The names that hold where it begins were told before.
    assert_eq!(adds("AAPL", &["--from", "5"]), 2);
    assert_eq!(adds("AAPL", &["--from", "9"]), 1);
    assert_eq!(adds("MSFT", &["--from", "9", "--to", "9"]), 1);
}

#[test]
fn the_order_of_a_journal_decides_what_a_number_is_called_and_not_its_times() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("times step back");
    // The second day begins at an earlier time than the first, as those without a date do.
    let days = [
        (
            500,
            [orders::named(4, 13, "AAPL"), orders::named(4, 14, "MSFT")],
        ),
        (
            100,
            [orders::named(4, 13, "MSFT"), orders::named(4, 14, "AAPL")],
        ),
    ];
    let mut records = Vec::new();
    for (at_s, names) in days {
        let at_ns = RECV_NS + at_s * orders::NS_PER_S;
        for item in names.into_iter().chain([buy(13, 1), buy(14, 2)]) {
            let number = records.len() as u64 + 1;
            let record = orders::record(number, item);
            let Content::Event(event) = record.content() else {
                panic!("an event");
            };
            records.push(Record::event(Sequence::new(number), at_ns + number, event));
        }
    }
    let mut writer = Writer::open(Config::new(&directory), 0).unwrap();
    writer.append([&records, &[]], 0).unwrap();
    writer.close().unwrap();
    let first = |symbol: &str, from: &str| {
        let args = ["--symbol", symbol, "--kind", "add_order", "--from", from];
        let report = replayed(&directory, &args);
        (report["events"].clone(), report["first_sequence"].clone())
    };
    // 3: 13, AAPL. 4: 14, MSFT. 7: 13, MSFT. 8: 14, AAPL.
    assert_eq!(first("AAPL", "3"), (json!(2), json!(3)));
    assert_eq!(first("AAPL", "7"), (json!(1), json!(8)));
    assert_eq!(first("MSFT", "7"), (json!(1), json!(7)));
    let from_first_day = format!("{}ns", RECV_NS + 500 * orders::NS_PER_S + 3);
    assert_eq!(first("AAPL", &from_first_day), (json!(2), json!(3)));
    assert_eq!(first("MSFT", &from_first_day), (json!(2), json!(4)));
}

#[test]
fn journals_that_share_a_feed_at_one_time_are_told_apart_by_nobody_and_so_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let tape = |name: &str, feed: u8, times_ns: [u64; 2]| {
        let directory = folder.path().join(name);
        let mut writer = Writer::open(Config::new(&directory), 0).unwrap();
        let records = [orders::start(feed), orders::named(feed, 13, "AAPL")];
        let records: Vec<_> = (1..)
            .zip(records)
            .zip(times_ns)
            .map(|((number, item), recv_ns)| {
                let record = orders::record(number, item);
                match record.content() {
                    Content::Event(event) => Record::event(Sequence::new(number), recv_ns, event),
                    Content::Session(session) => {
                        Record::session(Sequence::new(number), recv_ns, session)
                    }
                    other => panic!("{other:?}"),
                }
            })
            .collect();
        writer.append([&records, &[]], 0).unwrap();
        writer.close().unwrap();
        directory.to_str().unwrap().to_owned()
    };
    let one = tape("one", 4, [1_001, 1_002]);
    let same = tape("same", 4, [1_002, 1_003]);
    let other = tape("other", 5, [1_001, 1_002]);
    let later = tape("later", 4, [1_004, 1_005]);
    const DAY_NS: u64 = 86_400 * orders::NS_PER_S;
    let around = tape("around", 4, [1_000, 2 * DAY_NS]);
    let between = tape("between", 4, [DAY_NS, DAY_NS + 1]);
    let warnings = |journals: &[&str]| {
        let run = ringtape([&["replay", "--json"], journals].concat());
        assert_eq!(run.code, Some(0), "{run:?}");
        let warnings = run.json()["warnings"].as_array().unwrap().clone();
        assert_eq!(run.stderr.lines().count(), warnings.len(), "{run:?}");
        warnings
    };
    let found = warnings(&[&same, &other, &one]);
    assert_eq!(found.len(), 1, "{found:?}");
    let text = found[0].as_str().unwrap();
    for part in [&*one, &*same, "both have a feed 4", "convert --feed"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert_eq!(warnings(&[&one, &other]).len(), 0);
    // Another day of the same.
    assert_eq!(warnings(&[&later, &one]).len(), 0);
    assert_eq!(warnings(&[&one, &later, &other]).len(), 0);
    assert_eq!(warnings(&[&around, &between]).len(), 0);
    // Of what the other journal has at that time nothing is replayed.
    let day = format!("{DAY_NS}ns");
    assert_eq!(warnings(&[&around, &one]).len(), 1);
    assert_eq!(warnings(&[&around, &one, "--from", &day]).len(), 0);
}

#[test]
fn strategies_that_watch_books_are_given_the_feeds_that_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let feed = |feed: u8, bid: i64| {
        let directory = folder.path().join(feed.to_string());
        let items = [
            orders::start(feed),
            orders::named(feed, 13, "AAPL"),
            orders::add(feed, 13, 1, Side::BUY, bid),
            orders::add(feed, 13, 2, Side::SELL, bid + 2),
            orders::add(feed, 13, 3, Side::SELL, bid + 1),
            orders::add(feed, 13, 4, Side::BUY, bid - 50),
        ];
        orders::write(&directory, &items);
        directory
    };
    let (one, two) = (feed(4, 10_000), feed(6, 10_002));
    let compared = |feeds: [&str; 4]| {
        let more = [
            &[two.to_str().unwrap(), "--strategy", "compare"],
            &feeds[..],
        ]
        .concat();
        replayed(&one, &more)["strategy"].clone()
    };
    // In second 4 one feed offers at what the other bids, which is not above, and from second 5 to
    // 6, the last, below it.
    assert_eq!(
        compared(["--feed", "4", "--feed", "6"]),
        "1 and 1 instruments, bids above the other's offer: 1, for 1000000 µs in all"
    );
    let run = ringtape([
        "replay",
        one.to_str().unwrap(),
        "--strategy",
        "compare",
        "--feed",
        "4",
        "--feed",
        "7",
        "--json",
    ]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let report = run.json();
    assert_eq!(
        report["strategy"],
        "1 and 0 instruments, bids above the other's offer: 0, for 0 µs in all"
    );
    let warnings = report["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1, "{run:?}");
    let warning = warnings[0].as_str().unwrap();
    assert!(warning.contains("no instrument of feed 7"), "{warning}");
    assert!(run.stderr.contains(warning), "{run:?}");
    let spread = replayed(&one, &["--strategy", "spread", "--feed", "4"]);
    assert_eq!(spread["warnings"].as_array().unwrap().len(), 0);
    assert_eq!(
        spread["strategy"],
        "1 instruments, spreads wider than 4 × the usual: 0"
    );
    for wrong in [
        &["--strategy", "spread", "--feed", "4", "--feed", "6"][..],
        &["--strategy", "compare", "--feed", "4", "--feed", "4"],
        &["--feed", "4"],
    ] {
        let run = ringtape([&["replay", one.to_str().unwrap()], wrong].concat());
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(
            run.stderr.contains("--feed") || run.stderr.contains("--strategy"),
            "{run:?}"
        );
    }
}
