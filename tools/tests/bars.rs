//! `ringtape bars` makes the bars that a naive reader of the same trades makes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use ringtape::market::Side;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use support::orders::{Item, NS_PER_S, add, execute, named, print, start, write};
use support::tape::RECV_NS;
use support::{Run, market_data, ringtape};
use tempfile::TempDir;

const TOPS: &str = "iex/2017-07-10.TOPS16.pcapng.gz";

fn run(source: &Path, more: &[&str]) -> Run {
    let run = ringtape([&["bars", source.to_str().unwrap()], more].concat());
    assert_eq!(run.code, Some(0), "{run:?}");
    run
}

fn bars(source: &Path, more: &[&str]) -> Vec<Value> {
    let run = run(source, &[more, &["--json"]].concat());
    let lines = run.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Trades of 10, 20, 30 and 40 at 100.00, 100.01, 100.02 and 100.00 in seconds 8 to 11.
fn flow() -> Vec<Item> {
    let order = |order_id, cents| add(1, 13, order_id, Side::SELL, cents);
    vec![
        start(1),
        named(1, 13, "AAPL"),
        named(1, 14, "MSFT"),
        order(1, 10_000),
        order(2, 10_001),
        order(3, 10_002),
        order(4, 10_000),
        execute(1, 13, 1, 10),
        execute(1, 13, 2, 20),
        execute(1, 13, 3, 30),
        execute(1, 13, 4, 40),
    ]
}

#[test]
fn bars_close_by_time_number_or_volume_and_at_the_end() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), &flow());
    let brief = |more: &[&str]| -> Vec<(String, u64, u64, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let brief = |bar: &Value| {
            let (volume, trades) = (&bar["volume"], &bar["trades"]);
            let counts = (volume.as_u64().unwrap(), trades.as_u64().unwrap());
            (text(&bar["close"]), counts.0, counts.1, text(&bar["end"]))
        };
        bars(folder.path(), more).iter().map(brief).collect()
    };
    let bar =
        |close: &str, volume, trades, end: &str| (close.to_owned(), volume, trades, end.to_owned());
    assert_eq!(
        brief(&["--every", "5s"]),
        [
            bar("100.01", 30, 2, "time"),
            bar("100.00", 70, 2, "session")
        ]
    );
    assert_eq!(
        brief(&["--ticks", "3"]),
        [
            bar("100.02", 60, 3, "ticks"),
            bar("100.00", 40, 1, "session")
        ]
    );
    assert_eq!(
        brief(&["--volume", "25", "--symbol", "AAPL"]),
        [
            bar("100.01", 30, 2, "volume"),
            bar("100.02", 30, 1, "volume"),
            bar("100.00", 40, 1, "volume"),
        ]
    );
    assert_eq!(brief(&["--every", "1h", "--instrument", "14"]), []);
    let first = &bars(folder.path(), &["--every", "5s"])[0];
    let (begin_ns, end_ns) = (RECV_NS + 5 * NS_PER_S, RECV_NS + 10 * NS_PER_S);
    assert_eq!(
        first,
        &json!({
            "feed": "1", "symbol": "AAPL", "instrument": 13, "begin_ns": begin_ns, "end_ns": end_ns,
            "open": "100.00", "high": "100.01", "low": "100.00", "close": "100.01",
            "vwap": "100.006666666", "volume": 30, "trades": 2, "end": "time",
        })
    );
    let csv = run(folder.path(), &["--every", "5s", "--csv"]).stdout;
    let line = format!(
        "1,AAPL,13,{begin_ns},{end_ns},100.00,100.01,100.00,100.01,100.006666666,30,2,time"
    );
    assert_eq!(csv.lines().nth(1), Some(&line[..]), "{csv}");
    assert!(csv.starts_with("feed,symbol,instrument,begin_ns,"), "{csv}");
}

#[test]
fn no_bar_is_told_and_a_name_that_is_not_there_is_an_error() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), &flow());
    let none = run(
        folder.path(),
        &["--every", "1s", "--symbol", "MSFT", "--csv"],
    );
    assert!(none.stderr.contains("nothing was traded"), "{none:?}");
    assert_eq!(none.stdout.lines().count(), 1);
    let directory = folder.path().to_str().unwrap();
    let wrong = ringtape(["bars", directory, "--every", "1s", "--symbol", "MFST"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.stderr.contains("did you mean MSFT?"), "{wrong:?}");
    let wrong = ringtape(["bars", directory, "--every", "1s", "--feed", "2"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(
        wrong.stderr.contains("there is no feed 2: there are 1"),
        "{wrong:?}"
    );
    for more in [
        &[][..],
        &["--every", "0s"],
        &["--every", "1s", "--ticks", "2"],
    ] {
        let wrong = ringtape([&["bars", directory], more].concat());
        assert_eq!(wrong.code, Some(2), "{more:?}: {wrong:?}");
    }
}

/// Open, high, low, close, sum of price × quantity, volume, trades.
type Naive = (i128, i128, i128, i128, i128, u64, u64);

/// Reads a decimal × 10⁹.
fn e9(text: &Value) -> i128 {
    let (whole, rest) = text.as_str().unwrap().split_once('.').unwrap();
    format!("{whole}{rest:0<9}").parse().unwrap()
}

#[test]
fn bars_of_real_trades_are_those_of_a_naive_reader() {
    const EVERY_NS: u64 = 10 * NS_PER_S;
    let Some(file) = market_data(TOPS) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let tape = folder.path().join("tape");
    let converted = ringtape(["convert", file.to_str().unwrap(), tape.to_str().unwrap()]);
    assert_eq!(converted.code, Some(0), "{converted:?}");
    let mut naive: BTreeMap<(u64, u64), Naive> = BTreeMap::new();
    let dump = ringtape(["dump", tape.to_str().unwrap(), "--json"]);
    for line in dump
        .stdout
        .lines()
        .filter(|line| line.contains("\"last_sale\""))
    {
        let trade: Value = serde_json::from_str(line).unwrap();
        let (price, quantity) = (e9(&trade["price"]), trade["quantity"].as_u64().unwrap());
        let begin_ns = trade["event_ns"].as_u64().unwrap() / EVERY_NS * EVERY_NS;
        let key = (trade["instrument"].as_u64().unwrap(), begin_ns);
        let bar = naive
            .entry(key)
            .or_insert((price, price, price, price, 0, 0, 0));
        *bar = (
            bar.0,
            bar.1.max(price),
            bar.2.min(price),
            price,
            bar.4 + price * i128::from(quantity),
            bar.5 + quantity,
            bar.6 + 1,
        );
    }
    assert_eq!(naive.len(), 394);
    let mut made = BTreeMap::new();
    for bar in bars(&file, &["--every", "10s"]) {
        let number = |key: &str| bar[key].as_u64().unwrap();
        let (volume, trades) = (number("volume"), number("trades"));
        let prices = (
            e9(&bar["open"]),
            e9(&bar["high"]),
            e9(&bar["low"]),
            e9(&bar["close"]),
        );
        let key = (number("instrument"), number("begin_ns"));
        let bar = (prices, e9(&bar["vwap"]), volume, trades);
        assert_eq!(made.insert(key, bar), None, "two bars of one stretch");
    }
    let naive: BTreeMap<_, _> = naive
        .into_iter()
        .map(|(key, (open, high, low, close, sum, volume, trades))| {
            let vwap = sum / i128::from(volume);
            (key, ((open, high, low, close), vwap, volume, trades))
        })
        .collect();
    assert_eq!(made, naive);
}

#[test]
fn a_journal_of_derived_events_is_told_from_one_without_trades() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), &[named(2, 13, "AAPL"), print(2, 13)]);
    let directory = folder.path().to_str().unwrap();
    for more in [
        &["bars", directory, "--ticks", "1"][..],
        &["top", directory],
        &["book", directory, "--symbol", "AAPL"],
    ] {
        let run = ringtape(more);
        assert!(run.stderr.contains("derived from books"), "{run:?}");
    }
}
