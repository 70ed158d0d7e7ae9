//! `ringtape top` tells which instruments are the most active, of a file and of a journal that is
//! being written.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use ringtape::journal::{Config, Writer};
use ringtape::market::Side;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use support::background::signal;
use support::orders::{Item, add, append, execute, named, start, write};
use support::tape::RECV_NS;
use support::{command, inspect, market_data, ringtape, wait};
use tempfile::TempDir;

const ITCH: &str = "nasdaq-itch50/2019-12-30.0400.4000msgs.itch50";

fn tables(source: &Path, more: &[&str]) -> Vec<Value> {
    let run = ringtape([&["top", source.to_str().unwrap(), "--json"], more].concat());
    assert_eq!(run.code, Some(0), "{run:?}");
    let lines = run.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn names(table: &Value) -> Vec<&str> {
    let rows = table["rows"].as_array().unwrap().iter();
    rows.map(|row| row["symbol"].as_str().unwrap()).collect()
}

/// A record each second: the first names, then orders, most of AAPL.
fn flow() -> Vec<Item> {
    vec![
        start(1),
        named(1, 1, "MSFT"),
        named(1, 2, "AAPL"),
        add(1, 1, 1, Side::BUY, 1_000),
        add(1, 1, 2, Side::SELL, 2_000),
        add(1, 2, 3, Side::BUY, 5_000),
        add(1, 2, 4, Side::SELL, 5_001),
        add(1, 2, 5, Side::SELL, 5_002),
        execute(1, 1, 1, 70),
        add(1, 2, 6, Side::BUY, 4_999),
    ]
}

#[test]
fn the_order_is_by_what_is_asked_for() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), &flow());
    for (sort, first) in [
        ("events", ["AAPL", "MSFT"]),
        ("trades", ["MSFT", "AAPL"]),
        ("volume", ["MSFT", "AAPL"]),
        ("spread", ["MSFT", "AAPL"]),
        ("name", ["AAPL", "MSFT"]),
    ] {
        let tables = tables(folder.path(), &["--sort", sort]);
        assert_eq!(tables.len(), 1);
        assert_eq!(names(&tables[0]), first, "{sort}");
    }
    let table = &tables(folder.path(), &["--rows", "1", "--sort", "trades"])[0];
    assert_eq!(
        table["rows"],
        json!([{
            "feed": "1", "symbol": "MSFT", "instrument": 1,
            "bid": { "price": "10.00", "quantity": 30 },
            "ask": { "price": "20.00", "quantity": 100 },
            "spread": "10.00", "last": "10.00", "events": 4, "new_events": 4, "trades": 1,
            "volume": 70, "trust": "live",
        }])
    );
    assert_eq!(
        (&table["instruments"], &table["events"]),
        (&json!(2), &json!(9))
    );
    let plain = ringtape(["top", folder.path().to_str().unwrap()]).stdout;
    assert!(
        plain.contains("MSFT   live        30  10.00  20.00"),
        "{plain}"
    );
    assert!(!plain.contains('\x1b'), "a pipe gets no escapes: {plain:?}");
}

#[test]
fn of_several_feeds_each_instrument_has_its_own_behind_it() {
    let folder = TempDir::new().unwrap();
    let of = |feed| [start(feed), named(feed, 13, "AAPL")];
    // The order that is executed was never added.
    let items = [
        &of(1)[..],
        &of(2),
        &[execute(2, 13, 9, 1), execute(2, 13, 9, 1)],
    ]
    .concat();
    write(folder.path(), &items);
    let plain = ringtape(["top", folder.path().to_str().unwrap()]).stdout;
    assert!(
        plain.contains("1 errors and 1 while not trusted"),
        "{plain}"
    );
    assert!(plain.contains("  AAPL (2)  stale"), "{plain}");
    assert!(plain.contains("  AAPL (1)  empty"), "{plain}");
    let table = &tables(folder.path(), &[])[0];
    assert_eq!(
        (&table["errors"], &table["errors_doubtful"]),
        (&json!(1), &json!(1))
    );
}

#[test]
fn an_interval_of_receive_time_has_its_own_table() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), &flow());
    // Records 1 to 10 come a second after each other: 1; 2, 3; 4, 5; 6, 7; 8, 9; 10.
    let tables = tables(folder.path(), &["--every", "2000", "--sort", "new"]);
    let events: Vec<u64> = tables
        .iter()
        .map(|table| table["events"].as_u64().unwrap())
        .collect();
    assert_eq!(events, [0, 2, 4, 6, 8, 9]);
    let new = |table: &Value| -> Vec<u64> {
        let rows = table["rows"].as_array().unwrap().iter();
        rows.map(|row| row["new_events"].as_u64().unwrap())
            .collect()
    };
    let all: Vec<Vec<u64>> = tables.iter().map(new).collect();
    assert_eq!(
        all,
        [
            vec![],
            vec![1, 1],
            vec![2, 0],
            vec![2, 0],
            vec![1, 1],
            vec![1, 0]
        ]
    );
}

#[test]
fn a_journal_is_followed_as_it_is_written_until_it_is_stopped() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), &flow());
    let directory = folder.path().to_str().unwrap();
    let args = ["top", directory, "--json", "--follow", "--every", "1000"];
    let mut child = command(args).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut until = |events: u64| loop {
        let table: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        let now = table["events"].as_u64().unwrap();
        assert!(now <= events, "{table}");
        if now == events {
            break table;
        }
    };
    // The last record's interval is open, so eight of the nine events are in a table.
    until(8);
    let mut writer = Writer::open(Config::new(folder.path()), RECV_NS).unwrap();
    append(
        &mut writer,
        &[
            add(1, 2, 6, Side::BUY, 4_000),
            add(1, 2, 7, Side::BUY, 4_001),
        ],
    );
    assert_eq!(until(10)["rows"][0]["events"], 6);
    signal(&child, "INT");
    // What it had read is told at the end.
    assert_eq!(until(11)["rows"][0]["events"], 7);
    assert_eq!(wait(child).code, Some(0));
}

#[test]
fn a_file_has_as_many_events_as_inspect_says_and_is_not_followed() {
    let Some(file) = market_data(ITCH) else {
        return;
    };
    let table = &tables(&file, &["--rows", "3"])[0];
    let inspected = inspect(&file);
    assert_eq!(table["events"], inspected["events"]);
    assert_eq!(table["instruments"], inspected["instruments"]);
    assert_eq!(names(table)[..2], ["ZJZZT", "UN"]);
    let followed = ringtape(["top", file.to_str().unwrap(), "--follow"]);
    assert_eq!(followed.code, Some(2), "{followed:?}");
    assert!(
        followed.stderr.contains("a file does not grow"),
        "{followed:?}"
    );
}
