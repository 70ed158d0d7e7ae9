//! `ringtape inspect` reproduces the figures that an independent reader computed from real captures.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use support::{inspect, market_data, ringtape};

const ORDERS: &str = "nasdaq-itch50/2019-12-30.0400.4000msgs.itch50";
const DIRECTORY: &str = "nasdaq-itch50/2020-01-30.head-1mib.itch50";
const OPEN: &str = "nasdaq-moldudp64/2023-08-22.open.100packets.pcap";

/// Midnight of 2023-08-22 in New York.
const OPEN_MIDNIGHT_NS: u64 = 1_692_676_800_000_000_000;

#[track_caller]
fn assert_has(report: &Value, expected: &Value) {
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&report[key], value, "{key}");
    }
}

#[test]
fn the_order_flow_file_has_its_figures() {
    let Some(file) = market_data(ORDERS) else {
        return;
    };
    let report = inspect(&file);
    assert_has(
        &report,
        &json!({
            "format": "itch50-binaryfile",
            "compression": null,
            "feed": "nasdaq-itch50",
            "packets": 0,
            "heartbeats": 0,
            "messages": 4000,
            "messages_by_type": {
                "A": 2764, "F": 36, "D": 715, "X": 369, "U": 107, "E": 5, "P": 2, "H": 1, "S": 1
            },
            "malformed": 0,
            "truncated_tail_bytes": 0,
            "trading_date": null,
            "first_event_ns": 14_400_000_198_145_u64,
            "last_event_ns": 14_404_136_455_656_u64,
            "warnings": [],
        }),
    );
    assert_has(
        &report["sessions"][0],
        &json!({
            "session": null, "first_sequence": 1, "last_sequence": 4000, "messages": 4000,
            "gaps": 0, "missing": 0, "restarts": 0,
        }),
    );
    // Every stock is learned from an add message: one more event for each.
    let instruments = report["instruments"].as_u64().unwrap();
    assert!(instruments > 0);
    assert!(report["events"].as_u64().unwrap() >= 4000 + instruments - 1);
}

#[test]
fn a_date_turns_event_times_into_unix_time() {
    let Some(file) = market_data(ORDERS) else {
        return;
    };
    let run = ringtape([
        "inspect",
        file.to_str().unwrap(),
        "--date",
        "2019-12-30",
        "--json",
    ]);
    let midnight_ns = 1_577_682_000_000_000_000_u64;
    assert_has(
        &run.json(),
        &json!({
            "trading_date": "2019-12-30",
            "first_event_ns": midnight_ns + 14_400_000_198_145,
            "last_event_ns": midnight_ns + 14_404_136_455_656,
        }),
    );
}

#[test]
fn the_directory_file_has_its_figures_and_its_torn_message_is_one_of_them() {
    let Some(file) = market_data(DIRECTORY) else {
        return;
    };
    let report = inspect(&file);
    assert_has(
        &report,
        &json!({
            "messages": 35_536,
            "messages_by_type": { "R": 8915, "H": 8903, "Y": 8903, "L": 8814, "S": 1 },
            "truncated_tail_bytes": 8,
            "instruments": 8915,
            "events": 35_536,
            "malformed": 0,
        }),
    );
    let warnings = report["warnings"].as_array().unwrap();
    assert!(warnings.len() == 1 && warnings[0].as_str().unwrap().contains("8 bytes"));
}

#[test]
fn the_capture_of_the_open_has_its_figures() {
    let Some(file) = market_data(OPEN) else {
        return;
    };
    let report = inspect(&file);
    assert_has(
        &report,
        &json!({
            "format": "pcap",
            "feed": "moldudp64/itch50",
            "packets": 100,
            "heartbeats": 0,
            "messages": 269,
            "messages_by_type": {
                "A": 125, "U": 99, "D": 30, "F": 6, "I": 5, "E": 3, "S": 1
            },
            "malformed": 0,
            "truncated_tail_bytes": 0,
            "other_datagrams": 0,
            "trading_date": "2023-08-22",
            "warnings": [],
        }),
    );
    assert_eq!(report["sessions"].as_array().unwrap().len(), 1);
    assert_has(
        &report["sessions"][0],
        &json!({
            "session": "000010059B", "first_sequence": 14_757_701, "last_sequence": 14_757_969,
            "messages": 269, "gaps": 0, "missing": 0, "restarts": 0,
        }),
    );
    let since_midnight_ns = |key: &str| report[key].as_u64().unwrap() - OPEN_MIDNIGHT_NS;
    let open_ns = 34_200_000_000_000;
    assert!(since_midnight_ns("first_event_ns") < open_ns);
    assert!(since_midnight_ns("last_event_ns") > open_ns);
}

#[test]
fn an_unknown_date_leaves_the_times_of_a_capture_since_midnight() {
    let Some(file) = market_data(OPEN) else {
        return;
    };
    let dated = inspect(&file);
    let run = ringtape([
        "inspect",
        file.to_str().unwrap(),
        "--date",
        "unknown",
        "--json",
    ]);
    let undated = run.json();
    assert_eq!(undated["trading_date"], Value::Null);
    let first_ns = |report: &Value| report["first_event_ns"].as_u64().unwrap();
    assert_eq!(first_ns(&dated) - first_ns(&undated), OPEN_MIDNIGHT_NS);
}

/// The part of a file's name that names the message, and the type's letter.
const TYPES: [(&str, &str); 29] = [
    ("AddOrderMpidAttributionMessage", "F"),
    ("AddOrderWithMpidAttributionMessage", "F"),
    ("AddOrderWithMPID", "F"),
    ("AddOrderNoMpidAttributionMessage", "A"),
    ("AddOrderNoMPID", "A"),
    ("NonCrossTradeMessage", "P"),
    ("NonCrossTrade", "P"),
    ("TradeMessageNon-cross", "P"),
    ("CrossTrade", "Q"),
    ("OrderCancelMessage", "X"),
    ("OrderCancel", "X"),
    ("OrderDeleteMessage", "D"),
    ("OrderDelete", "D"),
    ("OrderExecutedMessage", "E"),
    ("OrderExecuted", "E"),
    ("OrderExecutedWithPriceMessage", "C"),
    ("OrderExecutedWithPrice", "C"),
    ("OrderReplaceMessage", "U"),
    ("OrderReplace", "U"),
    ("RegShoShortSalePriceTestRestrictedIndicatorMessage", "Y"),
    ("RegSHORestriction", "Y"),
    ("RetailInterestMessage", "N"),
    ("StockTradingActionMessage", "H"),
    ("StockTradingAction", "H"),
    ("SystemEventMessage", "S"),
    ("SystemEvent", "S"),
    ("LULDAuctionCollar", "J"),
    ("MarketParticipantPosition", "L"),
    ("NetOrderImbalanceIndicator", "I"),
];

#[test]
fn every_message_of_the_type_files_decodes_as_the_type_in_the_files_name() {
    let Some(folder) = market_data("nasdaq-itch50-types") else {
        return;
    };
    let mut files = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let (_, message) = name.split_once("__").unwrap();
        let report = inspect(&path);
        files += 1;

        let messages = report["messages"].as_u64().unwrap();
        assert!(messages > 0, "{name}");
        assert_eq!(report["feed"], "moldudp64/itch50", "{name}");
        assert_eq!(report["malformed"], 0, "{name}");
        assert_eq!(report["unknown_messages"], 0, "{name}");
        assert!(report["events"].as_u64().unwrap() >= messages, "{name}");
        let letters = report["messages_by_type"].as_object().unwrap();
        if message == "Multiple.Packets" {
            assert!(letters.len() > 1, "{name}");
        } else {
            let stem = message.strip_suffix("Message").unwrap_or(message);
            let known = TYPES
                .iter()
                .find(|(known, _)| *known == message || *known == stem);
            let (_, letter) = known.unwrap_or_else(|| panic!("{message}"));
            assert!(letters.contains_key(*letter), "{name}: {letters:?}");
            // One to five packets; a packet of the feed at the open may carry others along.
            if name.contains(".20230822__") {
                assert_eq!(letters.len(), 1, "{name}: {letters:?}");
            }
        }
        let session = &report["sessions"][0];
        assert_eq!(session["messages"], messages, "{name}");
        let zeroed = name.contains(".20230822__");
        assert_eq!(session["session"].is_null(), zeroed, "{name}");
    }
    assert!(files > 0, "no files in {}", folder.display());
}

#[test]
fn compression_changes_nothing_but_its_name_and_the_files_name_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    for path in [ORDERS, DIRECTORY, OPEN] {
        let Some(file) = market_data(path) else {
            return;
        };
        let bytes = fs::read(&file).unwrap();
        let plain = inspect(&file);

        let gzip = folder.path().join("gzip.dat");
        let level = flate2::Compression::default();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
        encoder.write_all(&bytes).unwrap();
        fs::write(&gzip, encoder.finish().unwrap()).unwrap();
        let zstd = folder.path().join("zstd.pcap.txt");
        fs::write(&zstd, zstd::encode_all(&bytes[..], 3).unwrap()).unwrap();

        for (name, wrapped) in [("gzip", &gzip), ("zstd", &zstd)] {
            let mut report = inspect(wrapped);
            assert_eq!(report["compression"], name);
            report["compression"] = Value::Null;
            report["file"] = plain["file"].clone();
            assert_eq!(report, plain, "{name} of {path}");
        }
    }
}

#[test]
fn the_report_for_people_has_the_same_figures() {
    let Some(file) = market_data(OPEN) else {
        return;
    };
    let run = ringtape([Path::new("inspect"), &file]);
    assert_eq!(run.code, Some(0));
    for text in [
        "moldudp64/itch50",
        "000010059B",
        "14,757,701",
        "2023-08-22 09:29:59.",
    ] {
        assert!(
            run.stdout.contains(text),
            "{text} is missing in\n{}",
            run.stdout
        );
    }
}
