//! `play` on the wire, `run` at the other end, `inspect` of the file: three ways to one digest.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "a skipped test says so")]

mod support;

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;
use support::background::Background;
use support::{
    ORDER_FLOW, Run, Writer, ethernet, market_data, network, packet, ringtape, system_event,
};
use tempfile::TempDir;

const MULTICAST: &str = "nasdaq-moldudp64/2023-08-22.open.100packets.pcap";

/// A configuration with two subscribers and these lines.
fn config(date: &str, feed: &str, addresses: &[&str], interface: Option<&str>) -> String {
    let mut text = format!(
        "[run]\nuntil = \"end-of-session\"\nwait = \"park\"\n\n\
         [[feed]]\nname = \"nasdaq\"\nprotocol = \"moldudp64/itch50\"\n\
         trading_date = \"{date}\"\n{feed}\n"
    );
    for (name, address) in ["A", "B"].iter().zip(addresses) {
        _ = write!(
            text,
            "[[feed.line]]\nname = \"{name}\"\naddress = \"{address}\"\n"
        );
        if let Some(interface) = interface {
            _ = writeln!(text, "interface = \"{interface}\"");
        }
    }
    for strategy in ["flow", "audit"] {
        _ = write!(
            text,
            "[[subscriber]]\nname = \"{strategy}\"\nstrategy = \"{strategy}\"\n\
             contract = \"lossless\"\n"
        );
    }
    text
}

/// Starts a `run` in the background, listening.
fn start(config: &str) -> Background {
    start_as(config, &["--json"])
}

fn start_as(config: &str, options: &[&str]) -> Background {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("feed.toml");
    std::fs::write(&path, config).unwrap();
    // The last line before it listens says which core runs what.
    let args = ["run", path.to_str().unwrap()];
    Background::listening(args.iter().chain(options), "core")
}

/// Plays `file` to a `run` with this configuration; returns both reports and the exit code.
fn live(config: &str, file: &Path, options: &[&str]) -> (Value, Value, Option<i32>) {
    let live = start(config);
    let mut args = vec!["play", file.to_str().unwrap(), "--json", "--rate", "20000"];
    for address in &live.addresses {
        args.extend(["--to", address]);
    }
    args.extend(options);
    let played = ringtape(args);
    assert_eq!(played.code, Some(0), "{played:?}");
    let ran = live.finish();
    (ran.json(), played.json(), ran.code)
}

/// Checks that both subscribers were given what decoding the file directly gives.
fn check_whole(run: &Value, inspected: &Value, messages: u64) {
    let ledger = &run["ledger"][0];
    assert_eq!(ledger["expected"], messages);
    assert_eq!(ledger["delivered"], messages);
    assert_eq!(ledger["closes"], true);
    assert_eq!(inspected["messages"], messages);
    let subscribers = run["subscribers"].as_array().unwrap();
    assert_eq!(subscribers.len(), 2);
    for subscriber in subscribers {
        assert_eq!(subscriber["digest"], inspected["digest"], "{subscriber}");
        assert_eq!(subscriber["events"], inspected["events"]);
        for key in ["gaps", "overruns", "left_behind"] {
            assert_eq!(subscriber[key], 0, "{key}");
        }
        let latency = &subscriber["latency_ns"];
        let samples =
            latency["count"].as_u64().unwrap() + latency["out_of_range"].as_u64().unwrap();
        assert_eq!(samples, subscriber["handled"].as_u64().unwrap());
    }
}

fn inspect(file: &Path, date: &str) -> Value {
    let run = ringtape(["inspect", file.to_str().unwrap(), "--json", "--date", date]);
    assert_eq!(run.code, Some(0), "{run:?}");
    run.json()
}

const ANYWHERE: [&str; 2] = ["127.0.0.1:0", "127.0.0.1:0"];
/// Longer than any stall of a test machine between the two lines.
const PATIENT: &str = "start = 1\nhold_us = 10000000\n";

#[test]
fn the_order_flow_file_arrives_whole_over_two_lines() {
    let Some(file) = market_data(ORDER_FLOW) else {
        return;
    };
    let config = config("2019-12-30", PATIENT, &ANYWHERE, None);
    let (run, _, code) = live(&config, &file, &[]);
    check_whole(&run, &inspect(&file, "2019-12-30"), 4_000);
    assert_eq!(run["lossless"], true);
    assert_eq!(code, Some(0));
}

#[test]
fn a_fifth_lost_on_one_line_is_healed_by_the_other() {
    let Some(file) = market_data(ORDER_FLOW) else {
        return;
    };
    let config = config("2019-12-30", PATIENT, &ANYWHERE, None);
    let (run, played, code) = live(&config, &file, &["--loss", "A=20", "--seed", "3"]);
    assert!(
        played["lines"][0]["dropped_messages"].as_u64().unwrap() > 200,
        "{played}"
    );
    check_whole(&run, &inspect(&file, "2019-12-30"), 4_000);
    let won = &run["ledger"][0]["lines"][1]["won"];
    assert!(
        won.as_u64().unwrap() > 200,
        "what line A lost came by line B: {won}"
    );
    assert_eq!(code, Some(0));
}

#[test]
fn what_both_lines_lose_is_reported_number_by_number_and_fails_the_check() {
    let Some(file) = market_data(ORDER_FLOW) else {
        return;
    };
    // A short hold: nobody will bring them.
    let config = config(
        "2019-12-30",
        "start = 1\nhold_us = 20000\n",
        &ANYWHERE,
        None,
    );
    let (run, played, code) = live(&config, &file, &["--loss-both", "20", "--seed", "5"]);
    let numbers = |list: &Value, ends: fn(&Value) -> (u64, u64)| -> BTreeSet<u64> {
        let runs = list.as_array().unwrap().iter().map(ends);
        runs.flat_map(|(first, last)| first..=last).collect()
    };
    let dropped = numbers(&played["dropped_both"], |run| {
        (run[0].as_u64().unwrap(), run[1].as_u64().unwrap())
    });
    assert!(dropped.len() > 200, "{played}");
    for subscriber in run["subscribers"].as_array().unwrap() {
        let gaps = numbers(&subscriber["gap_list"], |gap| {
            assert_eq!(gap["cause"], "absent");
            (
                gap["first"].as_u64().unwrap(),
                gap["last"].as_u64().unwrap(),
            )
        });
        assert_eq!(gaps, dropped);
    }
    let ledger = &run["ledger"][0];
    assert_eq!(ledger["causes"]["absent"], dropped.len());
    assert_eq!(ledger["delivered"], 4_000 - dropped.len());
    assert_eq!(ledger["closes"], true);
    assert_eq!(run["lossless"], false);
    assert_eq!(code, Some(1));
}

#[test]
fn a_real_capture_arrives_with_its_own_session_and_numbers() {
    let Some(file) = market_data(MULTICAST) else {
        return;
    };
    let feed = "session = \"000010059B\"\nstart = 14757701\nhold_us = 10000000\n";
    let (run, _, code) = live(&config("2023-08-22", feed, &ANYWHERE, None), &file, &[]);
    check_whole(&run, &inspect(&file, "2023-08-22"), 269);
    assert_eq!(code, Some(0));
}

/// Lets `run` record what is played to it: the rest of a configuration.
fn recorded_to(directory: &Path) -> String {
    let directory = directory.display();
    format!("[journal]\ndirectory = \"{directory}\"\nwhen_full = \"wait\"\n")
}

#[test]
fn the_order_flow_file_arrives_whole_from_its_journal() {
    let Some(file) = market_data(ORDER_FLOW) else {
        return;
    };
    let (folder, date) = (TempDir::new().unwrap(), "2019-12-30");
    let tape = folder.path().join("tape");
    let (from, to) = (file.to_str().unwrap(), tape.to_str().unwrap());
    let converted = ringtape(["convert", from, to, "--date", date]);
    assert_eq!(converted.code, Some(0), "{converted:?}");
    let config = config(date, PATIENT, &ANYWHERE, None);
    let (run, played, code) = live(&config, &tape, &[]);
    check_whole(&run, &inspect(&file, date), 4_000);
    assert_eq!(code, Some(0));
    for (key, value) in [
        ("format", json!("journal")),
        ("feed", json!("nasdaq-itch50")),
        ("feed_id", json!(1)),
        ("session", json!("RINGTAPE01")),
        ("messages", json!(4_000)),
        ("unsent", json!({})),
        ("warnings", json!([])),
    ] {
        assert_eq!(played[key], value, "{key}");
    }
}

#[test]
fn a_recorded_run_played_again_has_its_session_numbers_and_digest() {
    let Some(file) = market_data(MULTICAST) else {
        return;
    };
    let (folder, date) = (TempDir::new().unwrap(), "2023-08-22");
    let tape = folder.path().join("tape");
    let feed = "session = \"000010059B\"\nstart = 14757701\nhold_us = 10000000\n";
    let receiver = config(date, feed, &ANYWHERE, None);
    let recorder = receiver.clone() + &recorded_to(&tape);
    let (_, _, code) = live(&recorder, &file, &[]);
    assert_eq!(code, Some(0));
    let (run, played, code) = live(&receiver, &tape, &[]);
    check_whole(&run, &inspect(&file, date), 269);
    assert_eq!(code, Some(0));
    assert_eq!(played["session"], "000010059B");
    assert_eq!(played["first_sequence"], 14_757_701);
    assert_eq!(played["last_sequence"], 14_757_969);
}

#[test]
fn a_recorded_run_replays_to_the_digest_of_decoding_the_file() {
    let session = "session = \"000010059B\"\nstart = 14757701\nhold_us = 10000000\n";
    for (file, date, feed, messages) in [
        (ORDER_FLOW, "2019-12-30", PATIENT, 4_000),
        (MULTICAST, "2023-08-22", session, 269),
    ] {
        let Some(file) = market_data(file) else {
            return;
        };
        let folder = TempDir::new().unwrap();
        let tape = folder.path().join("tape");
        let recorder = config(date, feed, &ANYWHERE, None) + &recorded_to(&tape);
        let (run, _, code) = live(&recorder, &file, &["--loss", "A=20"]);
        assert_eq!(code, Some(0));
        let inspected = inspect(&file, date);
        check_whole(&run, &inspected, messages);
        let journal = &run["journal"];
        assert_eq!(journal["published"], journal["written"]);
        assert_eq!(journal["not_journaled"], 0);
        assert_eq!(journal["closes"], true);

        let tape = tape.to_str().unwrap();
        let digest = inspected["digest"].as_str().unwrap();
        let replayed = ringtape(["replay", tape, "--json", "--expect", digest]);
        assert_eq!(replayed.code, Some(0), "{replayed:?}");
        let replayed = replayed.json();
        assert_eq!(replayed["digest"], inspected["digest"]);
        assert_eq!(replayed["events"], inspected["events"]);
        assert_eq!(replayed["records"], journal["written"]);
        let other = "0".repeat(32);
        let refused = ringtape(["replay", tape, "--json", "--expect", &other]);
        assert_eq!(refused.code, Some(1));
    }
}

#[test]
fn what_the_tape_lacks_stands_in_the_first_line_and_fails_the_check() {
    let Some(file) = market_data(ORDER_FLOW) else {
        return;
    };
    for json in [true, false] {
        let folder = TempDir::new().unwrap();
        let tape = folder.path().join("tape");
        // One record fits, and waits in the ring for more.
        let recorder = config("2019-12-30", PATIENT, &ANYWHERE[..1], None)
            + &recorded_to(&tape).replace("wait", "gap")
            + "ring_records = 1\nflush_us = 1000\n";
        let live = start_as(&recorder, if json { &["--json"] } else { &[] });
        let address = &live.addresses[0];
        let file = file.to_str().unwrap();
        let played = ringtape(["play", file, "--to", address, "--rate", "20000"]);
        assert_eq!(played.code, Some(0), "{played:?}");
        let run = live.finish();
        assert_eq!(run.code, Some(1), "{run:?}");
        if !json {
            let first = run.stdout.lines().next().unwrap();
            assert!(first.starts_with("THE JOURNAL LACKS "), "{first}");
            assert!(first.contains("(overrun)"), "{first}");
            continue;
        }
        let report = run.json();
        let journal = &report["journal"];
        let count = |key: &str| journal[key].as_u64().unwrap();
        assert!(count("not_journaled") > 0);
        assert_eq!(
            count("published"),
            count("written") + count("not_journaled")
        );
        assert_eq!(report["closes"], true);
        assert_eq!(report["lossless"], false);
        assert_eq!(report["ledger"][0]["delivered"], 4_000, "the feed went on");
        let verified = ringtape(["verify", tape.to_str().unwrap(), "--json"]).json();
        assert_eq!(verified["verdict"], "clean");
        assert_eq!(verified["last_sequence"], journal["published"]);
    }
}

#[test]
fn what_a_recorded_run_lost_is_missing_exactly_when_it_is_played_again() {
    let Some(file) = market_data(ORDER_FLOW) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let tape = folder.path().join("tape");
    let feed = "start = 1\nhold_us = 20000\n";
    let receiver = config("2019-12-30", feed, &ANYWHERE[..1], None);
    let recorder = receiver.clone() + &recorded_to(&tape);
    let (run, lossy, _) = live(&recorder, &file, &["--loss-both", "20", "--seed", "5"]);
    let (again, played, code) = live(&receiver, &tape, &[]);
    let gaps = |run: &Value| run["subscribers"][0]["gap_list"].clone();
    assert!(gaps(&run).as_array().unwrap().len() > 100, "{run}");
    let numbers = |gaps: Value| -> Vec<[u64; 2]> {
        let ends = |gap: &Value| [&gap["first"], &gap["last"]].map(|end| end.as_u64().unwrap());
        gaps.as_array().unwrap().iter().map(ends).collect()
    };
    assert_eq!(json!(numbers(gaps(&run))), lossy["dropped_both"]);
    assert_eq!(numbers(gaps(&again)), numbers(gaps(&run)));
    for place in 0..2 {
        let [first, second] = [&run, &again].map(|run| &run["subscribers"][place]);
        assert_eq!(first["digest"], second["digest"]);
    }
    assert_eq!(code, Some(1), "the receiver of a loss fails its check");
    let warning = played["warnings"][0].as_str().unwrap();
    let lost = &run["ledger"][0]["causes"]["absent"];
    assert_eq!(
        warning,
        format!("{lost} numbers are gaps of the feed on the tape, and stay missing")
    );
}

#[test]
fn both_files_arrive_whole_over_two_multicast_groups() {
    let name = "both_files_arrive_whole_over_two_multicast_groups";
    network::alone(name, || {
        let groups = ["239.255.1.1:31001", "239.255.1.2:31002"];
        let flow = "start = 1\nhold_us = 10000000\n";
        let session = "start = 14757701\nhold_us = 10000000\n";
        for (file, date, feed, messages) in [
            (ORDER_FLOW, "2019-12-30", flow, 4_000),
            (MULTICAST, "2023-08-22", session, 269),
        ] {
            let Some(file) = market_data(file) else {
                return;
            };
            let config = config(date, feed, &groups, Some("lo"));
            let (run, _, code) = live(&config, &file, &[]);
            check_whole(&run, &inspect(&file, date), messages);
            assert_eq!(code, Some(0));
        }
    });
}

#[test]
fn an_interrupted_run_still_reports() {
    for signal in ["INT", "TERM"] {
        let live = start(&config("today", "", &ANYWHERE, None));
        live.signal(signal);
        let run = live.finish();
        let report = run.json();
        assert_eq!(report["closes"], true);
        assert_eq!(report["ledger"][0]["expected"], 0);
        assert_eq!(run.code, Some(0), "nothing was lost");
    }
}

#[test]
fn a_run_that_was_to_start_behind_all_that_came_says_so() {
    let folder = TempDir::new().unwrap();
    let (path, capture) = (
        folder.path().join("feed.toml"),
        folder.path().join("c.pcap"),
    );
    let line = ["233.54.12.111:26477"];
    std::fs::write(&path, config("2023-08-22", "start = 1000", &line, None)).unwrap();
    let messages = [system_event(1), system_event(2)];
    let packet = packet(b"FRIDAY    ", 7, &messages);
    let frames = [(1_692_711_000_000_000_000, ethernet(26_477, &packet))];
    std::fs::write(&capture, Writer::PCAP.write(1, &frames)).unwrap();
    let run = ringtape([
        OsStr::new("run"),
        path.as_os_str(),
        OsStr::new("--from"),
        capture.as_os_str(),
    ]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let last = run.stdout.trim_end().lines().last().unwrap();
    assert!(
        last.contains("2 messages") && last.contains("before"),
        "{last}"
    );
    assert!(!last.contains("Nothing arrived"), "{last}");
}

#[test]
fn a_mistake_in_the_configuration_is_named_and_nothing_runs() {
    let good = config("today", "", &ANYWHERE, None);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("feed.toml");
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (wrong, expected) in [
        (good.replace("wait =", "wiat ="), "did you mean `wait`?"),
        (
            good.replace("\"park\"", "\"parked\""),
            "did you mean `park`?",
        ),
        (
            good.replace("wait =", "ingest_core = 512\nwait ="),
            "core 512 does not exist",
        ),
        (good.replacen("127.0.0.1:0", &taken, 1), "cannot listen on"),
        (
            good.replacen("127.0.0.1:0", "8.8.8.8:1", 1),
            "cannot listen on",
        ),
        (
            good.replacen(
                "127.0.0.1:0\"",
                "239.255.1.1:0\"\ninterface = \"nosuch0\"",
                1,
            ),
            "no network interface nosuch0",
        ),
        (
            good.replace("moldudp64/itch50", "moldudp64"),
            "did you mean `moldudp64/itch50`?",
        ),
        ("[[feed]".to_owned(), "line 1"),
        (String::new(), "no [[feed]]"),
    ] {
        std::fs::write(&path, &wrong).unwrap();
        let run = ringtape(["run", path.to_str().unwrap()]);
        assert_eq!(run.code, Some(2), "{wrong}\n{run:?}");
        assert!(run.stderr.starts_with("error: "), "{run:?}");
        assert!(run.stderr.contains(expected), "{expected}: {run:?}");
    }
    let run = ringtape(["run", "/nonexistent/feed.toml"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("/nonexistent/feed.toml"), "{run:?}");
}

#[test]
fn the_demo_loses_nothing_and_gives_the_same_digest_for_the_same_seed() {
    let demo = |seed: &str| {
        let args = [
            "demo",
            "--messages",
            "5000",
            "--wait",
            "park",
            "--loss",
            "30",
            "--json",
        ];
        let run = ringtape(args.into_iter().chain(["--seed", seed]));
        assert_eq!(run.code, Some(0), "{run:?}");
        let report = run.json();
        assert_eq!(report["lossless"], true);
        let ledger = &report["ledger"][0];
        assert_eq!(ledger["expected"], 5_030);
        let won = &ledger["lines"][1]["won"];
        assert!(
            won.as_u64().unwrap() > 0,
            "what line A lost came by line B: {ledger}"
        );
        let [flow, audit] = &report["subscribers"].as_array().unwrap()[..] else {
            panic!("{report}")
        };
        assert_eq!(flow["digest"], audit["digest"]);
        assert_eq!(flow["events"], 5_030);
        assert_eq!(report["journal"]["closes"], true);
        assert_eq!(report["journal"]["not_journaled"], 0);
        assert_eq!(report["replay"]["equal"], true);
        for digest in report["replay"]["digests"].as_array().unwrap() {
            assert_eq!(*digest, flow["digest"]);
        }
        flow["digest"].clone()
    };
    let digest = demo("7");
    assert_eq!(digest, demo("7"));
    assert_ne!(digest, demo("8"));
}

/// Begins a demo that would take over an hour. Returns once it runs.
fn endless_demo(options: &[&str]) -> Background {
    let day = ["demo", "--messages", "100000000", "--rate", "20000"];
    // It says where it listens once it runs.
    Background::listening(day.iter().chain(options).chain(&["--json"]), "core")
}

fn interrupt(demo: Background) -> Run {
    demo.signal("INT");
    demo.finish()
}

#[test]
fn an_interrupted_demo_drains_and_still_reports() {
    let run = interrupt(endless_demo(&[]));
    let report = run.json();
    assert_eq!(run.code, Some(0), "{report}");
    assert_eq!(report["closes"], true);
    assert_eq!(report["lossless"], true);
}

#[test]
fn a_demo_whose_tape_cannot_be_replayed_still_reports() {
    let folder = TempDir::new().unwrap();
    let [tape, away, file] = ["tape", "away", "file"].map(|name| folder.path().join(name));
    std::fs::write(&file, b"in the way").unwrap();
    let demo = endless_demo(&["--journal", tape.to_str().unwrap()]);
    std::fs::rename(&tape, away).unwrap();
    std::fs::rename(file, tape).unwrap();
    let run = interrupt(demo);
    let report = run.json();
    assert_eq!(run.code, Some(2), "{report}");
    assert_eq!(report["closes"], true);
    assert_eq!(
        report["journal"]["not_journaled"], 0,
        "the disk did not fail"
    );
}

/// How many messages: some, or as many as the environment says, for a longer run.
fn messages() -> u64 {
    std::env::var("RINGTAPE_MESSAGES")
        .ok()
        .and_then(|messages| messages.parse().ok())
        .unwrap_or(50_000)
}

#[test]
fn what_both_lines_lose_is_healed_by_a_re_request_server() {
    // Freed for the server, which begins to listen after `run` was told where.
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = port.local_addr().unwrap().to_string();
    drop(port);
    let recovery = format!("{PATIENT}[feed.rerequest]\nservers = [\"{server}\"]\n");
    let config = config("unknown", &recovery, &ANYWHERE, None);
    let live = start(&config);
    let count = messages().to_string();
    let mut args = vec!["play", "--synthetic", &count, "--rate", "50000", "--json"];
    args.extend([
        "--loss",
        "A=1",
        "--loss",
        "B=1",
        "--seed",
        "7",
        "--rerequest",
        &server,
    ]);
    for address in &live.addresses {
        args.extend(["--to", address]);
    }
    let played = ringtape(args);
    assert_eq!(played.code, Some(0), "{played:?}");
    let ran = live.finish();
    let (run, played) = (ran.json(), played.json());
    assert_eq!(ran.code, Some(0), "{run}");
    assert_eq!(
        (&run["closes"], &run["lossless"]),
        (&json!(true), &json!(true))
    );
    let ledger = &run["ledger"][0];
    assert_eq!(ledger["delivered"], messages());
    for subscriber in run["subscribers"].as_array().unwrap() {
        assert_eq!(
            (&subscriber["gaps"], &subscriber["gap_list"]),
            (&json!(0), &json!([]))
        );
    }
    let healed = |by: &str| ledger["delivered_by"][by].as_u64().unwrap();
    assert!(
        healed("other_line") > 0 && healed("rerequested") > 0,
        "{ledger}"
    );
    for line in 0..2 {
        let dropped = played["lines"][line]["dropped_messages"].as_u64().unwrap();
        assert!(dropped > messages() / 200, "{played}");
    }
    let requests = played["servers"][0]["requests"].as_u64().unwrap();
    assert!(requests > 0 && requests <= ledger["requests"].as_u64().unwrap());
    let by = ["first_arrival", "other_line", "reordered", "rerequested"].map(|by| (by, healed(by)));
    println!("{} messages, 1 % lost on each line: {by:?}", messages());
}
