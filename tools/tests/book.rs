//! `ringtape book` shows the book as of a moment, what it is worth, and what was wrong with its
//! data.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use ringtape::feed::itch;
use ringtape::journal::{Config, Writer};
use ringtape::market::{Side, Symbol};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use support::orders::{Item, NS_PER_S, add, append, execute, gap, named, start, write};
use support::tape::{self, RECV_NS};
use support::{Run, Writer as Capture, ethernet, inspect, market_data, packet, ringtape};
use tempfile::TempDir;

const ITCH: &str = "nasdaq-itch50/2019-12-30.0400.4000msgs.itch50";
const DEEP: &str = "iex/2017-04-25.DEEP10.8000packets.pcap.gz";
const TOPS: &str = "iex/2017-07-10.TOPS16.pcapng.gz";
const CME: &str = "cme-mdp3/2016-09-27.v8.AB.pcapng";

fn run(source: &Path, more: &[&str]) -> Run {
    let source = source.to_str().unwrap();
    ringtape([&["book", source], more].concat())
}

#[track_caller]
fn book(source: &Path, more: &[&str]) -> Value {
    let run = run(source, &[more, &["--json"]].concat());
    assert_eq!(run.code, Some(0), "{run:?}");
    run.json()
}

/// Prices, quantities and orders of a side, the best first.
fn levels(side: &Value) -> Vec<(String, u64, Option<u64>)> {
    let levels = side.as_array().unwrap().iter();
    let read = |level: &Value| {
        let price = level["price"].as_str().unwrap().to_owned();
        (
            price,
            level["quantity"].as_u64().unwrap(),
            level["orders"].as_u64(),
        )
    };
    levels.map(read).collect()
}

/// One feed, two instruments.
fn flow() -> Vec<Item> {
    vec![
        start(1),
        named(1, 13, "AAPL"),
        add(1, 13, 1, Side::BUY, 10_000),
        add(1, 13, 2, Side::SELL, 10_010),
        named(1, 14, "MSFT"),
        add(1, 13, 3, Side::BUY, 10_000),
        add(1, 13, 4, Side::BUY, 9_950),
        execute(1, 13, 1, 40),
    ]
}

#[test]
fn a_book_is_as_of_the_record_or_the_time_that_is_named() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), &flow());
    let full = ("100.00".to_owned(), 160, Some(2));
    let behind = ("99.50".to_owned(), 100, Some(1));
    for (sequence, bids) in [
        (2, vec![]),
        (3, vec![("100.00".to_owned(), 100, Some(1))]),
        (6, vec![("100.00".to_owned(), 200, Some(2))]),
        (7, vec![("100.00".to_owned(), 200, Some(2)), behind.clone()]),
        (8, vec![full.clone(), behind.clone()]),
    ] {
        let number = sequence.to_string();
        let of = book(folder.path(), &["--symbol", "AAPL", "--sequence", &number]);
        assert_eq!(levels(&of["bids"]), bids, "{sequence}");
        assert_eq!(of["sequence"], sequence);
        let time = format!("{}ns", RECV_NS + sequence * NS_PER_S);
        assert_eq!(
            book(folder.path(), &["--symbol", "AAPL", "--at", &time]),
            of
        );
        assert_eq!(of["trust"], if bids.is_empty() { "empty" } else { "live" });
    }
    let end = book(folder.path(), &["--instrument", "13", "--depth", "1"]);
    assert_eq!(levels(&end["bids"]), [full]);
    assert_eq!(
        (&end["bid_levels"], &end["ask_levels"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(
        (&end["spread"], &end["bid"]),
        (&json!("0.10"), &end["bids"][0])
    );
    assert_eq!(
        end["last_trade"],
        json!({
            "price": "100.00", "quantity": 40, "aggressor": "sell", "source": "execute",
            "match_id": 77, "ts_event_ns": RECV_NS + 8 * NS_PER_S
        })
    );
    let text = run(folder.path(), &["--symbol", "AAPL"]).stdout;
    let ladder: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    for line in [
        vec!["orders", "quantity", "bid", "ask", "quantity", "orders"],
        vec!["1", "2", "160", "100.00", "100.10", "100", "1"],
        vec!["2", "1", "100", "99.50"],
    ] {
        assert!(ladder.contains(&line), "{line:?}: {text}");
    }
}

#[test]
fn an_instrument_or_a_moment_that_is_not_there_is_an_error_that_says_what_is() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), &flow());
    for (more, said) in [
        (&["--symbol", "APPL"][..], "did you mean AAPL?"),
        (&["--symbol", "aapl"], "did you mean AAPL?"),
        (
            &["--symbol", "MSFT", "--sequence", "4"],
            "no instrument is called MSFT up to here",
        ),
        (
            &["--instrument", "15"],
            "there are 2 of them, such as 13, 14",
        ),
        (&[], "--symbol"),
        (
            &["--symbol", "AAPL", "--sequence", "9"],
            "the numbers end with 8",
        ),
        (
            &["--symbol", "AAPL", "--at", "5ns"],
            "is before the first record",
        ),
        (
            &["--symbol", "AAPL", "--feed", "2"],
            "there is no feed 2: there are 1",
        ),
        (
            &["--symbol", "AAPL", "--date", "2020-01-30"],
            "--date is for files",
        ),
    ] {
        let run = run(folder.path(), more);
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains(said), "{more:?}: {run:?}");
        assert_eq!(run.stdout, "");
    }
    let late = format!("{}ns", RECV_NS + 60 * NS_PER_S);
    let run = run(
        folder.path(),
        &["--symbol", "AAPL", "--at", &late, "--json"],
    );
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stderr.contains("is behind the end"), "{run:?}");
    assert_eq!(run.json()["sequence"], 8);
}

#[test]
fn what_contradicts_a_book_or_is_lost_is_told_and_is_an_exit_code() {
    let folder = TempDir::new().unwrap();
    let (wrong, lost) = (folder.path().join("wrong"), folder.path().join("lost"));
    let aapl = ["--symbol", "AAPL", "--json"];
    write(
        &wrong,
        &[flow(), vec![execute(1, 13, 2, 101), execute(1, 14, 99, 1)]].concat(),
    );
    let contradicted = run(&wrong, &aapl);
    assert_eq!(contradicted.code, Some(1), "{contradicted:?}");
    let report = contradicted.json();
    assert_eq!(report["errors"], json!({ "negative_remaining": 1 }));
    assert_eq!(
        (&report["errors_total"], &report["trust"]),
        (&json!(1), &json!("stale"))
    );
    assert_eq!(report["stale_since_ns"], RECV_NS + 9 * NS_PER_S);
    assert_eq!(report["asks"], json!([]));
    let all = inspect(&wrong)["book"].clone();
    assert_eq!(
        all["errors"],
        json!({ "negative_remaining": 1, "unknown_order": 1 })
    );
    assert_eq!(
        (&all["errors_total"], &all["orders_alive"]),
        (&json!(2), &json!(3))
    );

    write(&lost, &[flow(), vec![gap(1)]].concat());
    let stale = run(&lost, &aapl);
    assert_eq!(stale.code, Some(1), "{stale:?}");
    assert_eq!(
        (&stale.json()["trust"], &stale.json()["errors_total"]),
        (&json!("stale"), &json!(0))
    );
    assert_eq!(stale.json()["bids"].as_array().unwrap().len(), 2);
}

#[test]
fn of_several_feeds_that_have_an_instrument_one_has_to_be_named() {
    let folder = TempDir::new().unwrap();
    let other = [
        start(2),
        named(2, 1, "AAPL"),
        named(2, 2, "ONLY"),
        add(2, 1, 1, Side::BUY, 20_000),
    ];
    write(folder.path(), &[flow(), other.to_vec()].concat());
    let both = run(folder.path(), &["--symbol", "AAPL"]);
    assert_eq!(both.code, Some(2), "{both:?}");
    assert!(
        both.stderr.contains("say which with --feed: 1, 2"),
        "{both:?}"
    );
    for (feed, price) in [("1", "100.00"), ("2", "200.00")] {
        let book = book(folder.path(), &["--symbol", "AAPL", "--feed", feed]);
        assert_eq!(
            (&book["feed"], &book["bid"]["price"]),
            (&json!(feed), &json!(price))
        );
    }
    assert_eq!(book(folder.path(), &["--symbol", "ONLY"])["feed"], "2");
}

#[test]
fn the_itch_slice_has_its_figures_and_its_journal_the_same_books() {
    let Some(file) = market_data(ITCH) else {
        return;
    };
    let figures = json!({
        "orders_added": 2_800, "orders_alive": 2_084, "orders_alive_max": 2_087,
        "errors": {}, "errors_total": 0, "errors_doubtful": {}, "errors_doubtful_total": 0,
    });
    assert_eq!(inspect(&file)["book"], figures);
    let folder = TempDir::new().unwrap();
    let tape = folder.path().join("tape");
    let converted = ringtape(["convert", file.to_str().unwrap(), tape.to_str().unwrap()]);
    assert_eq!(converted.code, Some(0), "{converted:?}");
    assert_eq!(inspect(&tape)["book"], figures);

    for (symbol, at) in [
        ("ASML", "04:00:01"),
        ("MT", "04:00:00.5"),
        ("RDS.B", "04:00:04"),
    ] {
        let read = |source: &Path| {
            let mut book = book(source, &["--symbol", symbol, "--at", at]);
            for of_source in ["source", "feed", "sequence"] {
                book.as_object_mut().unwrap().remove(of_source).unwrap();
            }
            book
        };
        assert_eq!(read(&file), read(&tape), "{symbol}");
        assert_eq!(read(&file)["trust"], "live");
    }
    // The venue's number in a capture.
    let first = book(&file, &["--symbol", "ASML", "--sequence", "4000"]);
    assert_eq!(first, book(&file, &["--symbol", "ASML"]));
    let beyond = run(&file, &["--symbol", "ASML", "--sequence", "4001"]);
    assert!(
        beyond.stderr.contains("the numbers end with 4000"),
        "{beyond:?}"
    );
    let asml = ["297.43", "297.42", "295.91"].map(str::to_owned);
    let bids: Vec<String> = levels(&first["bids"])
        .into_iter()
        .map(|(price, ..)| price)
        .collect();
    assert_eq!(bids, asml);
}

#[test]
fn books_of_levels_and_of_quotes_tell_what_their_venues_tell() {
    let (Some(deep), Some(tops), Some(cme)) =
        (market_data(DEEP), market_data(TOPS), market_data(CME))
    else {
        return;
    };
    // Joined in the middle: what contradicts a book that is not known is no error of the data.
    let nq = book(&cme, &["--instrument", "48819", "--depth", "3"]);
    assert_eq!(
        (&nq["symbol"], &nq["trust"]),
        (&Value::Null, &json!("recovering"))
    );
    assert!(
        levels(&nq["bids"])
            .iter()
            .all(|(_, quantity, orders)| *quantity > 0 && orders.is_some())
    );
    let unnamed = run(&cme, &["--symbol", "NQ"]);
    assert!(
        unnamed.stderr.contains("by its number, with --instrument"),
        "{unnamed:?}"
    );

    let msft = run(
        &deep,
        &["--symbol", "MSFT", "--sequence", "23500", "--json"],
    )
    .json();
    for (side, is_sorted) in [
        ("bids", (|a, b| a > b) as fn(&str, &str) -> bool),
        ("asks", |a, b| a < b),
    ] {
        let levels = levels(&msft[side]);
        let is_told =
            |(_, quantity, orders): &(String, u64, Option<u64>)| *quantity > 0 && orders.is_none();
        assert!(levels.len() > 1 && levels.iter().all(is_told), "{msft}");
        assert!(levels.is_sorted_by(|a, b| is_sorted(&a.0, &b.0)), "{msft}");
    }
    let tops = book(&tops, &["--symbol", "ZIEXT"]);
    assert!(tops["last_trade"]["source"] == "report", "{tops}");
    assert!(tops["bid_levels"].as_u64().unwrap() <= 1, "{tops}");
}

#[test]
fn damage_is_told_with_the_book_of_what_came_before_it() {
    let folder = TempDir::new().unwrap();
    let mut writer = Writer::open(Config::new(folder.path()), RECV_NS).unwrap();
    append(&mut writer, &flow());
    append(&mut writer, &[add(1, 13, 5, Side::BUY, 10_001)]);
    append(&mut writer, &[add(1, 13, 6, Side::BUY, 10_002)]);
    writer.close().unwrap();
    let segment = tape::segments(folder.path()).remove(0);
    let bytes = std::fs::read(&segment).unwrap();
    // The price of the order in the second of three frames.
    let price = 100_010_000_000_i64.to_le_bytes();
    let place = bytes.windows(8).position(|eight| eight == price).unwrap();
    tape::flip(&segment, place);
    let run = run(folder.path(), &["--symbol", "AAPL", "--json"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("the journal is damaged"), "{run:?}");
    assert_eq!(
        (&run.json()["sequence"], &run.json()["bid"]["price"]),
        (&json!(8), &json!("100.00"))
    );
    let directory = folder.path().to_str().unwrap();
    for more in [
        &["top"][..],
        &["bars", "--every", "1s"],
        // What is not there may be behind the damage.
        &["bars", "--every", "1s", "--symbol", "NOPE"],
        &["book", "--symbol", "NOPE"],
        &["book", "--symbol", "AAPL", "--sequence", "10"],
    ] {
        let run = ringtape([more, &[directory]].concat());
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.stderr.contains("the journal is damaged"), "{run:?}");
    }
}

/// A packet of a session that adds an order of its own instrument.
fn order(session: &[u8; 10], number: u64, locate: u16, symbol: &[u8; 8]) -> Vec<u8> {
    let head = itch::encode::Head {
        locate,
        tracking: 0,
        since_midnight_ns: number,
    };
    let order = itch::encode::Order {
        order_id: number,
        side: b'B',
        shares: 100,
        stock: Symbol(*symbol),
        price_e4: 100_000,
    };
    ethernet(
        1,
        &packet(session, number, &[itch::encode::add_order(head, order)]),
    )
}

#[test]
fn a_number_is_looked_for_in_later_sessions_and_inside_gaps() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("sessions.pcap");
    let (first, second) = (b"000000001A", b"000000001B");
    let none: [&[u8]; 0] = [];
    let frames = [
        order(first, 1, 13, b"AAPL    "),
        order(first, 2, 13, b"AAPL    "),
        order(first, 3, 13, b"AAPL    "),
        // Numbers 4 to 8 are lost.
        ethernet(1, &packet(first, 9, &none)),
        order(second, 1, 14, b"MSFT    "),
        order(second, 2, 14, b"MSFT    "),
    ];
    let times = (0..).map(|place| RECV_NS + place * NS_PER_S);
    let frames: Vec<(u64, Vec<u8>)> = times.zip(frames).collect();
    fs::write(&file, Capture::PCAP.write(1, &frames)).unwrap();
    // The first session has passed it before the second begins.
    for more in [&[][..], &["--feed", "000000001B"]] {
        let of = book(
            &file,
            &[&["--symbol", "MSFT", "--sequence", "1"], more].concat(),
        );
        assert_eq!(of["bids"][0]["quantity"], 100, "{of}");
    }
    let of = book(&file, &["--symbol", "AAPL", "--sequence", "3"]);
    assert_eq!((&of["trust"], &of["events"]), (&json!("live"), &json!(4)));
    for (number, code) in [("4", 1), ("8", 1), ("9", 2)] {
        let run = run(&file, &["--symbol", "AAPL", "--sequence", number, "--json"]);
        assert_eq!(run.code, Some(code), "{number}: {run:?}");
        match code {
            1 => assert_eq!(run.json()["trust"], "stale"),
            _ => assert!(run.stderr.contains("the numbers end with 8"), "{run:?}"),
        }
    }
    let early = run(&file, &["--symbol", "AAPL", "--at", "0ns"]);
    assert_eq!(early.code, Some(2));
    assert!(
        early.stderr.contains("is before the first record"),
        "{early:?}"
    );
}
