//! `ringtape play` over loopback: everything arrives, and what is lost on purpose is told exactly.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use ringtape::feed::PacketKind;
use ringtape::feed::{Arrival, Feed as _, FeedConfig, NasdaqFeed};
use ringtape::market::MarketEvent;
use ringtape::record::{Batch, Digest};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use support::background::signal;
use support::wire::{Listener, numbers, parse, play, with_messages};
use support::{
    DEADLINE, Writer, binary_file, command, ethernet, inspect, market_data, message, packet,
    ringtape, system_event,
};
use tempfile::TempDir;

const SESSION_A: [u8; 10] = *b"000000001A";
const SESSION_B: [u8; 10] = *b"000000001B";

/// Returns the digest of what a feed at its defaults makes of these packets.
fn digest(lines: &[Vec<Vec<u8>>], midnight_ns: u64) -> String {
    let mut feed = NasdaqFeed::new(FeedConfig {
        midnight_ns,
        ..FeedConfig::default()
    })
    .unwrap();
    let mut batch = Batch::<MarketEvent>::with_capacity(feed.records_max(2048));
    let mut digest = Digest::new();
    let mut take = |batch: &mut Batch<MarketEvent>| {
        batch
            .records()
            .iter()
            .for_each(|record| digest.record(record));
        batch.clear();
    };
    // The lines in turn, each as far as it goes.
    let longest = lines.iter().map(Vec::len).max().unwrap();
    for place in 0..longest {
        for (line, packets) in lines.iter().enumerate() {
            let Some(bytes) = packets.get(place) else {
                continue;
            };
            let now_ns = place as u64;
            let datagram_bytes = bytes.len();
            let arrival = Arrival {
                line,
                bytes,
                datagram_bytes,
                ts_recv_ns: now_ns,
                seen_ns: now_ns,
            };
            feed.on_datagram(arrival, &mut batch);
            take(&mut batch);
        }
    }
    feed.close(longest as u64, &mut batch);
    take(&mut batch);
    assert!(feed.ledger().closes());
    digest.to_string()
}

/// A BinaryFILE of `messages` messages, each in a packet of its own when it is played.
fn spread_file(folder: &TempDir, messages: u64) -> PathBuf {
    let path = folder.path().join("spread.itch50");
    let events = (1..=messages).map(|n| system_event(n * 1_000_000));
    fs::write(&path, binary_file(events)).unwrap();
    path
}

#[test]
fn every_message_of_the_order_flow_file_arrives_on_both_lines_with_the_digest_of_inspect() {
    let Some(file) = market_data("nasdaq-itch50/2019-12-30.0400.4000msgs.itch50") else {
        return;
    };
    let (a, b) = (Listener::new(), Listener::new());
    let to = [a.to(), b.to()];
    let lines = [a.until_end(), b.until_end()];
    // Slow enough for a receiver that is not scheduled for a tenth of a second.
    let run = play(
        &file,
        to.iter().map(String::as_str).chain(["--rate", "4000"]),
    );
    assert_eq!(run.code, Some(0), "{run:?}");
    let received = lines.map(|line| line.join().unwrap());
    for packets in &received {
        assert_eq!(numbers(packets), (1..=4000).collect());
    }
    let report = run.json();
    assert_eq!(report["session"], "RINGTAPE01");
    assert_eq!(
        (&report["first_sequence"], &report["last_sequence"]),
        (&json!(1), &json!(4000))
    );
    assert_eq!(report["dropped_both"], json!([]));
    for line in 0..2 {
        assert_eq!(report["lines"][line]["messages"], 4000);
        assert_eq!(
            report["lines"][line]["packets"],
            with_messages(&received[line]).len()
        );
    }
    assert_eq!(digest(&received, 0), inspect(&file)["digest"]);
}

#[test]
fn a_capture_is_played_byte_for_byte_with_the_digest_of_inspect() {
    let Some(file) = market_data("nasdaq-moldudp64/2023-08-22.open.100packets.pcap") else {
        return;
    };
    let listener = Listener::new();
    let run = play(&file, [&listener.to(), "--max"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let packets = listener.arrived();

    let mut source = ringtape_cli::source::Source::open(&file).unwrap();
    let mut captured = Vec::new();
    while let Some(ringtape_cli::source::Item::Datagram(datagram)) = source.read() {
        captured.push(datagram.payload.to_vec());
    }
    assert_eq!(with_messages(&packets), captured.iter().collect::<Vec<_>>());
    let report = run.json();
    assert_eq!(report["session"], "000010059B");
    assert_eq!(report["first_sequence"], 14_757_701);
    assert_eq!(report["last_sequence"], 14_757_969);
    let midnight_ns = 1_692_676_800_000_000_000;
    assert_eq!(digest(&[packets], midnight_ns), inspect(&file)["digest"]);
}

#[test]
fn messages_with_their_transport_zeroed_are_numbered_and_played() {
    let path = "nasdaq-itch50-types/\
                Nasdaq.Equities.TotalView.Itch.v5.0.20230822__OrderDelete.pcap";
    let Some(file) = market_data(path) else {
        return;
    };
    let listener = Listener::new();
    let run = play(&file, [&listener.to(), "--max", "--session", "MINE"]);
    let packets = listener.arrived();
    assert_eq!(run.json()["session"], "MINE");
    assert!(
        packets
            .iter()
            .all(|packet| parse(packet).session() == *b"MINE      ")
    );
    let last = run.json()["last_sequence"].as_u64().unwrap();
    assert_eq!(numbers(&packets), (1..=last).collect());
}

#[test]
fn what_is_lost_on_every_line_is_exactly_what_the_report_says() {
    let folder = tempfile::tempdir().unwrap();
    let file = spread_file(&folder, 120);
    let all: BTreeSet<u64> = (1..=120).collect();
    let mut lost_somewhere = 0;
    for seed in 0..8 {
        let lines = [Listener::new(), Listener::new()];
        let seed = format!("--seed={seed}");
        let faults = [
            "--max",
            "--loss=A=30",
            "--loss=B=20",
            "--loss-both=5",
            &seed,
        ];
        let to = lines.each_ref().map(Listener::to);
        let report = play(&file, to.iter().map(String::as_str).chain(faults)).json();
        let arrived = lines.each_ref().map(|line| line.arrived());

        let brought: BTreeSet<u64> = arrived
            .iter()
            .flat_map(|packets| numbers(packets))
            .collect();
        let runs: Vec<[u64; 2]> = serde_json::from_value(report["dropped_both"].clone()).unwrap();
        let dropped: BTreeSet<u64> = runs
            .iter()
            .flat_map(|[first, last]| *first..=*last)
            .collect();
        assert_eq!(&all - &brought, dropped, "{seed}");
        assert!(
            runs.windows(2).all(|pair| pair[0][1] + 1 < pair[1][0]),
            "{seed}: {runs:?}"
        );
        lost_somewhere += dropped.len();
        for (line, packets) in report["lines"].as_array().unwrap().iter().zip(&arrived) {
            let sent = with_messages(packets).len();
            assert_eq!(line["packets"], sent, "{seed}");
            assert_eq!(line["dropped_packets"], 120 - sent, "{seed}");
            assert_eq!(line["dropped_messages"], 120 - sent, "{seed}");
        }
    }
    assert!(lost_somewhere > 0);
}

#[test]
fn loss_is_the_same_for_the_same_seed_and_other_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let file = spread_file(&folder, 120);
    let lost = |seed: &str| {
        let listener = Listener::new();
        let run = play(
            &file,
            [&listener.to(), "--max", "--loss", "A=25", "--seed", seed],
        );
        let lost = run.json()["dropped_both"].clone();
        let expected: Vec<[u64; 2]> = serde_json::from_value(lost.clone()).unwrap();
        assert!(!expected.is_empty());
        lost
    };
    assert_eq!(lost("7"), lost("7"));
    assert_ne!(lost("7"), lost("8"));
}

#[test]
fn everything_can_be_lost_and_the_end_still_tells_how_much_there_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = spread_file(&folder, 10);
    let listener = Listener::new();
    let report = play(&file, [&listener.to(), "--max", "--loss-both", "100"]).json();
    assert_eq!(report["dropped_both"], json!([[1, 10]]));
    let packets = listener.arrived();
    assert!(with_messages(&packets).is_empty());
    assert!(packets.iter().all(|packet| parse(packet).sequence() == 11));
}

#[test]
fn the_feed_ends_with_a_heartbeat_and_repeated_ends_of_session_unless_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let file = spread_file(&folder, 3);
    for no_end in [false, true] {
        let listener = Listener::new();
        let to = listener.to();
        let args = [&to, "--max"]
            .into_iter()
            .chain(no_end.then_some("--no-end"));
        let report = play(&file, args).json();
        let packets = listener.arrived();
        let closing: Vec<PacketKind> = packets[3..]
            .iter()
            .map(|packet| parse(packet).kind())
            .collect();
        assert_eq!(report["lines"][0]["announcements"], closing.len());
        assert_eq!(closing[0], PacketKind::Heartbeat);
        assert!(closing.len() > 2);
        let last = if no_end {
            PacketKind::Heartbeat
        } else {
            PacketKind::EndOfSession
        };
        assert!(closing[1..].iter().all(|&kind| kind == last));
    }
}

#[test]
fn two_lines_of_a_capture_become_one_feed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lines.pcapng");
    let packets: Vec<_> = (1..=6)
        .map(|n| packet(&SESSION_A, n, &[message(b'D', 19, n)]))
        .collect();
    // Line A lost the second packet, line B the fifth; B is behind.
    let frame = |port, n: usize| (n as u64, ethernet(port, &packets[n - 1]));
    let frames = [
        frame(1, 1),
        frame(2, 1),
        frame(1, 3),
        frame(2, 2),
        frame(2, 3),
        frame(1, 4),
        frame(1, 5),
        frame(1, 6),
        frame(2, 4),
        frame(2, 6),
    ];
    fs::write(&file, Writer::PCAPNG.write(1, &frames)).unwrap();
    let report = inspect(&file);
    assert_eq!(
        (&report["packets"], &report["messages"]),
        (&json!(10), &json!(10))
    );
    let session = &report["sessions"][0];
    assert_eq!(
        (&session["messages"], &session["gaps"]),
        (&json!(6), &json!(0))
    );

    let listener = Listener::new();
    assert_eq!(play(&file, [&listener.to(), "--max"]).code, Some(0));
    let arrived = listener.arrived();
    let order: Vec<u64> = with_messages(&arrived)
        .iter()
        .map(|packet| parse(packet).sequence())
        .collect();
    assert_eq!(order, [1, 3, 2, 4, 5, 6]);
}

#[test]
fn gaps_sessions_heartbeats_and_restarts_of_a_capture_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sessions.pcap");
    let delete = |n: u64| message(b'D', 19, n);
    let none: [Vec<u8>; 0] = [];
    let payloads = [
        packet(&SESSION_A, 1, &[delete(1), delete(2)]),
        packet(&SESSION_A, 3, &none),
        packet(&SESSION_A, 6, &[delete(6)]),
        packet(&SESSION_B, 1, &[delete(1)]),
        b"not a packet at all, but on a line of the feed".to_vec(),
        packet(&SESSION_A, 9, &none),
        packet(&SESSION_A, 1, &[delete(77)]),
    ];
    let frames: Vec<_> = payloads
        .iter()
        .map(|payload| (0, ethernet(1, payload)))
        .collect();
    fs::write(&file, Writer::PCAP.write(1, &frames)).unwrap();
    let report = inspect(&file);
    assert_eq!(report["packets"], 6);
    assert_eq!(report["heartbeats"], 2);
    assert_eq!(report["malformed"], 1);
    assert_eq!(report["other_datagrams"], 0);
    let [a, b] = [0, 1].map(|index| &report["sessions"][index]);
    for (key, value) in [
        ("session", json!("000000001A")),
        ("first_sequence", json!(1)),
        ("last_sequence", json!(6)),
        ("messages", json!(3)),
        ("gaps", json!(2)),
        ("missing", json!(5)),
        ("restarts", json!(1)),
    ] {
        assert_eq!(a[key], value, "{key}");
    }
    assert_eq!(
        (&b["session"], &b["messages"]),
        (&json!("000000001B"), &json!(1))
    );
    assert_eq!(report["digest"], a["digest"]);
    assert_ne!(report["digest"], b["digest"]);
}

#[test]
fn one_of_several_sessions_is_played_the_first_unless_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sessions.pcap");
    let event = [system_event(5)];
    let frames = [(0, &SESSION_A), (1, &SESSION_B), (2, &SESSION_A)]
        .map(|(n, session)| (n, ethernet(1, &packet(session, n + 1, &event))));
    fs::write(&file, Writer::PCAP.write(1, &frames)).unwrap();
    let played = |args: &[&str]| {
        let listener = Listener::new();
        let to = listener.to();
        let run = play(
            &file,
            [&to, "--max"].iter().copied().chain(args.iter().copied()),
        );
        (listener.arrived(), run)
    };
    let (packets, run) = played(&[]);
    assert_eq!(numbers(&packets), [1, 3].into());
    assert!(
        run.stderr
            .contains("choose with --session from 000000001A, 000000001B"),
        "{run:?}"
    );
    let (packets, run) = played(&["--session", "000000001B"]);
    assert_eq!(numbers(&packets), [2].into());
    assert_eq!(run.json()["session"], "000000001B");
    let (packets, run) = played(&["--session", "OTHER"]);
    assert!(packets.is_empty());
    assert_eq!(run.code, Some(2));
    assert!(
        run.stderr.contains("it has 000000001A, 000000001B"),
        "{run:?}"
    );
}

#[test]
fn a_damaged_file_is_played_up_to_the_damage_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("damaged.pcap");
    let frame = ethernet(1, &packet(&SESSION_A, 1, &[system_event(5)]));
    let mut bytes = Writer::PCAP.write(1, &[(0, frame)]);
    bytes.extend_from_slice(&[0xff; 40]);
    fs::write(&file, bytes).unwrap();
    let listener = Listener::new();
    let run = play(&file, [&listener.to(), "--max"]);
    assert_eq!(run.code, Some(1));
    assert!(
        run.stderr.contains("warning: the file is damaged"),
        "{run:?}"
    );
    assert_eq!(numbers(&listener.arrived()), [1].into());
}

#[test]
fn ctrl_c_ends_the_session_and_reports_what_was_played() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("slow.itch50");
    let hour_ns = 3_600_000_000_000;
    fs::write(&file, binary_file([system_event(0), system_event(hour_ns)])).unwrap();
    let listener = Listener::new();
    let to = listener.to();
    let args = [
        OsStr::new("play"),
        file.as_os_str(),
        OsStr::new("--json"),
        OsStr::new(&to),
    ];
    let child = command(args).spawn().unwrap();
    // Once the first packet is here, the second waits for its hour.
    listener.0.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut first = [0; 1400];
    let first_bytes = listener.0.recv(&mut first).unwrap();
    assert_eq!(parse(&first[..first_bytes]).sequence(), 1);
    signal(&child, "INT");

    let run = support::wait(child);
    assert_eq!(run.code, Some(130), "{run:?}");
    let report = run.json();
    assert_eq!(report["interrupted"], true);
    assert_eq!(report["messages"], 1);
    let closing = listener.arrived();
    assert_eq!(
        parse(closing.last().unwrap()).kind(),
        PacketKind::EndOfSession
    );
    assert_eq!(parse(closing.last().unwrap()).sequence(), 2);
}

#[test]
fn wrong_use_is_named_with_its_remedy_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let file = spread_file(&folder, 3);
    let file = file.to_str().unwrap();
    for (args, message) in [
        (
            &["--to", "10.1.2.3:5"][..],
            "name the interface to send out of",
        ),
        (&["--to", "127.0.0.1:0"], "port other than 0"),
        (&["--to", "0.0.0.0:5"], "name the address of a host"),
        (&["--to", "255.255.255.255:5"], "name the address of a host"),
        (&["--to", "localhost"], "invalid"),
        (
            &["--to", "127.0.0.1:5", "--to", "127.0.0.1:5"],
            "given twice",
        ),
        (&["--interface", "nosuch0"], "nosuch0"),
        (&["--loss", "B=5"], "--loss names line B"),
        (&["--loss", "A=101"], "more than 100 percent"),
        (&["--loss-both", "x"], "is no number"),
        (&["--max", "--rate", "5"], "cannot be used with"),
        (&["--rate", "0"], "not in 1.."),
        (&["--speed", "0"], "0.001"),
        (&["--session", "much too long"], "1 to 16 printable"),
    ] {
        let run = ringtape(["play", file].iter().chain(args));
        assert_eq!(run.code, Some(2), "{args:?}: {run:?}");
        assert!(run.stderr.contains(message), "{args:?}: {}", run.stderr);
        assert!(run.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn a_capture_of_another_feed_is_not_played() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.pcap");
    fs::write(
        &file,
        Writer::PCAP.write(1, &[(0, ethernet(1, b"something else"))]),
    )
    .unwrap();
    let run = ringtape([OsStr::new("play"), file.as_os_str()]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("nothing to play"), "{run:?}");
    let report: Value = inspect(&file);
    assert_eq!(
        (&report["feed"], &report["other_datagrams"]),
        (&json!("unknown"), &json!(1))
    );
}
