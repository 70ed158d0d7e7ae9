//! `inspect` and `run --from` of captures of other venues reproduce the figures that an independent
//! reader computed, and compare the lines of a feed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use support::{Writer, ethernet, inspect, market_data, packet, ringtape, system_event};
use tempfile::TempDir;

const TOPS: &str = "iex/2017-07-10.TOPS16.pcapng.gz";
const DEEP: &str = "iex/2017-04-25.DEEP10.8000packets.pcap.gz";
const CME: &str = "cme-mdp3/2016-09-27.v8.AB.pcapng";
const DERIBIT: &str = "deribit/sample_capture_v1_6.pcapng";

#[track_caller]
fn assert_has(report: &Value, expected: &Value) {
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&report[key], value, "{key}");
    }
}

/// Runs a configuration with these lines of a protocol from a capture.
fn run_from(capture: &Path, protocol: &str, lines: &[(&str, &str)]) -> Value {
    let folder = TempDir::new().unwrap();
    // A file that is played has heartbeats where the capture is silent.
    let mut config =
        format!("[[feed]]\nname = \"venue\"\nprotocol = \"{protocol}\"\nsilence_ms = 0\n");
    for (name, address) in lines {
        config += &format!("[[feed.line]]\nname = \"{name}\"\naddress = \"{address}\"\n");
    }
    config += "[[subscriber]]\nname = \"flow\"\nstrategy = \"flow\"\n";
    let path = folder.path().join("feed.toml");
    fs::write(&path, config).unwrap();
    let run = ringtape([
        "run",
        path.to_str().unwrap(),
        "--from",
        capture.to_str().unwrap(),
        "--json",
    ]);
    assert_eq!(run.code, Some(0), "{run:?}");
    run.json()
}

/// Checks that a run from a capture gave its subscriber what `inspect` says that it would.
#[track_caller]
fn assert_same(run: &Value, inspected: &Value) {
    let subscriber = &run["subscribers"][0];
    assert_eq!(subscriber["digest"], inspected["digest"]);
    assert_eq!(subscriber["events"], inspected["events"]);
    assert_eq!(subscriber["gaps"], 0);
    assert_eq!(run["ledger"][0]["closes"], true);
    assert_eq!(run["capture"]["other_datagrams"], 0);
}

#[test]
fn the_tops_file_has_its_figures() {
    let Some(file) = market_data(TOPS) else {
        return;
    };
    let report = inspect(&file);
    assert_has(
        &report,
        &json!({
            "format": "pcap", "compression": "gzip", "feed": "iextp/tops16", "packets": 13_022, "heartbeats": 237, "messages": 57_674,
            "messages_by_type": {
                "Q": 27_217, "P": 7_802, "H": 7_803, "O": 7_801, "T": 6_390, "A": 642, "D": 10,
                "S": 6, "B": 3
            },
            "malformed": 0, "unknown_messages": 0, "other_datagrams": 0, "warnings": [],
        }),
    );
    assert_has(
        &report["sessions"][0],
        &json!({
            "first_sequence": 1, "last_sequence": 57_674, "messages": 57_674, "gaps": 0,
            "missing": 0, "restarts": 0,
        }),
    );
    let address = report["lines"][0]["name"].as_str().unwrap();
    assert_same(&run_from(&file, "iextp/tops16", &[("A", address)]), &report);
}

#[test]
fn the_deep_file_has_its_figures_and_its_three_restarts() {
    let Some(file) = market_data(DEEP) else {
        return;
    };
    let report = inspect(&file);
    assert_has(
        &report,
        &json!({
            "format": "pcap", "compression": "gzip", "feed": "iextp/deep10", "packets": 8_000, "heartbeats": 422, "messages": 82_627,
            "messages_by_type": {
                "H": 25_363, "O": 25_363, "P": 25_361, "T": 4_580, "8": 976, "5": 956, "S": 15,
                "E": 13
            },
            "malformed": 0, "unknown_messages": 0, "other_datagrams": 0,
        }),
    );
    assert_eq!(report["sessions"].as_array().unwrap().len(), 1);
    assert_has(
        &report["sessions"][0],
        &json!({
            "first_sequence": 1, "messages": 82_627, "gaps": 0, "missing": 0, "restarts": 3,
        }),
    );
    let address = report["lines"][0]["name"].as_str().unwrap();
    let run = run_from(&file, "iextp/deep10", &[("A", address)]);
    assert_same(&run, &report);
    assert_eq!(run["ledger"][0]["delivered"], 82_627);
}

#[test]
fn the_books_of_real_data_are_contradicted_only_where_that_is_known() {
    let files = [DEEP, TOPS, CME].map(market_data);
    let [Some(deep), Some(tops), Some(cme)] = files else {
        return;
    };
    let none = json!({});
    for (file, errors, doubtful) in [
        (tops, none.clone(), none.clone()),
        // The venue left events unfinished, or had not opened.
        (
            deep,
            json!({ "crossed": 16 }),
            json!({ "unknown_level": 1 }),
        ),
        // Begins in the middle of a session.
        (cme, none, json!({ "unknown_level": 49 })),
    ] {
        let total = |errors: &Value| {
            let counts = errors.as_object().unwrap().values();
            counts.map(|count| count.as_u64().unwrap()).sum::<u64>()
        };
        assert_eq!(
            inspect(&file)["book"],
            json!({
                "orders_added": 0, "orders_alive": 0, "orders_alive_max": 0,
                "errors_total": total(&errors), "errors": errors,
                "errors_doubtful_total": total(&doubtful), "errors_doubtful": doubtful,
            })
        );
    }
}

#[test]
fn both_cme_lines_have_their_figures() {
    let Some(file) = market_data(CME) else {
        return;
    };
    let report = inspect(&file);
    assert_has(
        &report,
        &json!({
            "format": "pcapng", "feed": "mdp3/cme", "packets": 10_000, "messages": 10_598,
            "messages_by_type": {
                "32": 9_796, "35": 358, "30": 198, "42": 120, "37": 114, "12": 12
            },
            "malformed": 0, "other_datagrams": 0, "warnings": [],
        }),
    );
    assert_eq!(report["sessions"].as_array().unwrap().len(), 1);
    assert_has(
        &report["sessions"][0],
        &json!({
            "first_sequence": 17_347_815, "last_sequence": 17_352_814, "numbers": 5_000,
            "messages": 5_299, "gaps": 0, "missing": 0, "restarts": 0,
        }),
    );
    let lines = report["lines"].as_array().unwrap();
    let names: Vec<_> = lines.iter().map(|line| &line["name"]).collect();
    assert_eq!(names, ["224.0.31.11:14320", "224.0.32.11:15320"]);
    for (line, other) in [(&lines[0], &lines[1]), (&lines[1], &lines[0])] {
        assert_eq!(
            (&line["datagrams"], &line["different"]),
            (&json!(5_000), &json!(0))
        );
        let number = |line: &Value, key: &str| line[key].as_u64().unwrap();
        assert_eq!(number(line, "won") + number(line, "duplicates"), 5_000);
        assert_eq!(line["won"], other["duplicates"]);
        assert_eq!(
            line["identical"], line["duplicates"],
            "every copy is the same"
        );
    }
    // A minus B: −5.0 to +14.4 µs, median 0.6 µs.
    let skew = &lines[0]["skew_ns"];
    assert_has(
        skew,
        &json!({ "count": 5_000, "min": -5_030, "p50": 589, "max": 14_350 }),
    );
    assert_eq!(lines[1]["skew_ns"]["min"], -14_350);
    assert_eq!(lines[1]["skew_ns"]["max"], 5_030);

    let both = [("A", "224.0.31.11:14320"), ("B", "224.0.32.11:15320")];
    let run = run_from(&file, "mdp3/cme", &both);
    assert_same(&run, &report);
    assert_eq!(run["ledger"][0]["delivered"], 5_000);
}

#[test]
fn a_feed_that_is_not_known_is_said_to_be_and_its_datagrams_are_counted() {
    let Some(file) = market_data(DERIBIT) else {
        return;
    };
    let report = inspect(&file);
    assert_has(
        &report,
        &json!({
            "format": "pcapng", "feed": "unknown", "packets": 0, "messages": 0,
            "other_datagrams": 5_066, "digest": null, "sessions": [], "first_event_ns": null,
        }),
    );
}

#[test]
fn lines_are_compared_by_number_bytes_and_time() {
    let session = b"COMPARED  ";
    let bytes = |number: u64, other: u64| packet(session, number, &[system_event(other)]);
    let frames: Vec<(u64, Vec<u8>)> = vec![
        (1_000, ethernet(1, &bytes(1, 1))),
        (1_040, ethernet(2, &bytes(1, 1))),
        // This one is first on the other line.
        (2_000, ethernet(2, &bytes(2, 2))),
        (2_300, ethernet(1, &bytes(2, 2))),
        // The lines contradict each other.
        (3_000, ethernet(1, &bytes(3, 3))),
        (3_005, ethernet(2, &bytes(3, 4))),
        // One line lacks one, the other has broken bytes.
        (4_000, ethernet(1, &bytes(4, 4))),
        (4_001, ethernet(2, &bytes(4, 4)[..25])),
    ];
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("two.pcapng");
    fs::write(&file, Writer::PCAPNG.write(1, &frames)).unwrap();
    let report = inspect(&file);
    assert_eq!(report["malformed"], 1);
    let expect = [
        json!({
            "datagrams": 4, "won": 3, "duplicates": 1, "identical": 1, "different": 0,
            "skew_ns": { "count": 3, "min": -40, "p50": -5, "p99": 300, "max": 300 },
        }),
        json!({
            "datagrams": 4, "won": 1, "duplicates": 2, "identical": 1, "different": 1,
            "skew_ns": { "count": 3, "min": -300, "p50": 5, "p99": 40, "max": 40 },
        }),
    ];
    for (line, expected) in report["lines"].as_array().unwrap().iter().zip(&expect) {
        assert_has(line, expected);
    }
    assert_eq!(report["lines"].as_array().unwrap().len(), 2);
}
