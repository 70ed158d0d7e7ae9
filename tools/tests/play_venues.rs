//! `ringtape play` of captures of IEX-TP and CME: the arbitrated packets on the wire, byte for
//! byte, and at the other end of `run` the digest of `inspect`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use ringtape::feed::iextp::{self, MessageProtocol, PacketWriter, Position, SessionId};
use ringtape::feed::{PacketKind, mdp3};
use ringtape_cli::packets::{DEFAULT_SESSION, Packets};
use ringtape_cli::source::Source;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use support::background::Background;
use support::wire::{Listener, play};
use support::{Run, Writer, ethernet, inspect, market_data};
use tempfile::TempDir;

const TOPS: &str = "iex/2017-07-10.TOPS16.pcapng.gz";
const DEEP: &str = "iex/2017-04-25.DEEP10.8000packets.pcap.gz";
const CME: &str = "cme-mdp3/2016-09-27.v8.AB.pcapng";
/// Slow enough for a receiver that is not scheduled for a tenth of a second: its buffer holds some
/// five thousand packets.
const RATE: [&str; 2] = ["--rate", "20000"];

/// Returns the packets that are to be played of a capture.
fn arbitrated(file: &Path) -> Vec<Vec<u8>> {
    let mut packets = Packets::new(Source::open(file).unwrap(), DEFAULT_SESSION);
    std::iter::from_fn(|| packets.read().map(|packet| packet.bytes.to_vec())).collect()
}

/// Plays a capture on one line; returns what arrived, as many packets as the report says, and it.
fn played(file: &Path, args: &[&str]) -> (Vec<Vec<u8>>, Value) {
    let listener = Listener::new();
    let to = listener.to();
    let sink = listener.0.try_clone().unwrap();
    let (tell, told) = std::sync::mpsc::channel::<u64>();
    let receiver = std::thread::spawn(move || {
        let (mut packets, mut buffer, mut expected) = (Vec::new(), [0; 65_536], None);
        sink.set_read_timeout(Some(std::time::Duration::from_millis(10)))
            .unwrap();
        while expected.is_none_or(|expected| (packets.len() as u64) < expected) {
            match sink.recv(&mut buffer) {
                Ok(bytes) => packets.push(buffer[..bytes].to_vec()),
                // What was sent over loopback is there once the sender has ended.
                Err(_) if expected.is_some() => break,
                Err(_) => expected = expected.or_else(|| told.try_recv().ok()),
            }
        }
        packets
    });
    let run = play(
        file,
        std::iter::once(to.as_str()).chain(args.iter().copied()),
    );
    assert_eq!(run.code, Some(0), "{run:?}");
    let report = run.json();
    let line = &report["lines"][0];
    let sent = line["packets"].as_u64().unwrap() + line["announcements"].as_u64().unwrap();
    tell.send(sent).unwrap();
    (receiver.join().unwrap(), report)
}

/// Checks that what arrives is the arbitrated packets and nothing but heartbeats of `play` behind.
#[track_caller]
fn check_wire(file: &Path, report: &Value, arrived: &[Vec<u8>]) {
    let expected = arbitrated(file);
    let inspected = inspect(file);
    assert!(arrived.len() >= expected.len(), "{report}");
    assert!(arrived[..expected.len()] == expected[..], "other bytes");
    let line = &report["lines"][0];
    assert_eq!(line["packets"], expected.len());
    assert_eq!(line["announcements"], arrived.len() - expected.len());
    let session = &inspected["sessions"][0];
    assert_eq!(report["feed"], inspected["feed"]);
    assert_eq!(report["session"], session["session"]);
    assert_eq!(report["messages"], session["messages"]);
    assert_eq!(line["messages"], session["messages"]);
    assert_eq!(report["first_sequence"], session["first_sequence"]);
    assert_eq!(report["last_sequence"], session["last_sequence"]);
    assert_eq!(report["dropped_both"], json!([]));
    let warnings = report["warnings"].as_array().unwrap();
    let of_end = |warning: &&Value| warning.as_str().unwrap().contains("no end of session");
    assert_eq!(warnings.iter().filter(of_end).count(), 1, "{warnings:?}");
}

#[test]
fn the_packets_of_iex_arrive_byte_for_byte_and_heartbeats_behind_them() {
    for (file, next) in [(TOPS, Some(57_675)), (DEEP, None)] {
        let Some(file) = market_data(file) else {
            return;
        };
        let (arrived, report) = played(&file, &RATE);
        check_wire(&file, &report, &arrived);
        let announced = report["lines"][0]["announcements"].as_u64().unwrap();
        let behind = &arrived[arrived.len() - usize::try_from(announced).unwrap()..];
        assert!(behind.len() > 2);
        for packet in behind {
            let packet = iextp::Packet::parse(packet, packet.len()).unwrap();
            assert_eq!(packet.kind(), PacketKind::Heartbeat);
            if let Some(next) = next {
                assert_eq!(packet.position().sequence, next);
            }
        }
        let epochs = report["epochs"].as_array().unwrap();
        let messages = |epoch: &Value| {
            let number = |key: &str| epoch[key].as_u64().unwrap();
            assert_eq!(epoch["missing"], json!([]));
            number("next_sequence") - number("first_sequence")
        };
        match next {
            Some(_) => assert!(epochs.is_empty()),
            None => {
                assert_eq!(epochs.len(), 4, "three restarts");
                assert_eq!(epochs.iter().map(messages).sum::<u64>(), 82_627);
            }
        }
    }
}

#[test]
fn the_packets_of_cme_arrive_once_of_both_lines_and_nothing_is_made_up() {
    let Some(file) = market_data(CME) else {
        return;
    };
    let (arrived, report) = played(&file, &RATE);
    check_wire(&file, &report, &arrived);
    assert_eq!(report["lines"][0]["announcements"], 0);
    assert_eq!(arrived.len(), 5_000);
    let number = |packet: &Vec<u8>| {
        mdp3::Packet::parse(packet, packet.len())
            .unwrap()
            .sequence()
    };
    assert!(arrived.iter().map(number).eq(17_347_815..=17_352_814));
}

#[test]
fn what_every_line_lost_of_cme_is_told_by_packet_number() {
    let Some(file) = market_data(CME) else {
        return;
    };
    let (arrived, report) = played(&file, &["--rate", "20000", "--loss-both", "10"]);
    let number = |packet: &Vec<u8>| {
        mdp3::Packet::parse(packet, packet.len())
            .unwrap()
            .sequence()
    };
    let brought: Vec<u32> = arrived.iter().map(number).collect();
    let dropped: Vec<[u32; 2]> = serde_json::from_value(report["dropped_both"].clone()).unwrap();
    let dropped: Vec<u32> = dropped.into_iter().flat_map(|[a, b]| a..=b).collect();
    assert!(dropped.len() > 400, "{}", dropped.len());
    assert_eq!(report["lines"][0]["dropped_packets"], dropped.len());
    let mut all = [brought, dropped].concat();
    all.sort_unstable();
    assert!(all.into_iter().eq(17_347_815..=17_352_814));
}

#[test]
fn packets_of_iex_suffer_what_a_scenario_says() {
    let folder = TempDir::new().unwrap();
    let file = iex_capture(&folder, 200);
    let scenario = folder.path().join("scenario.toml");
    let text = "[[line]]\nloss = 20\ncorrupt = { header = 10 }\n";
    fs::write(&scenario, text).unwrap();
    let scenario = format!("--scenario={}", scenario.display());
    let (arrived, report) = played(&file, &["--max", "--seed", "3", &scenario]);
    let count = |key: &str| report["faults"][0][key].as_u64().unwrap();
    assert_eq!(count("packets"), 200);
    assert!(
        count("lost") > 20 && count("corrupt_headers") > 5,
        "{report}"
    );
    let sent = report["lines"][0]["packets"].as_u64().unwrap();
    assert_eq!(sent, 200 - count("lost"));
    let originals = arbitrated(&file);
    let sent = &arrived[..usize::try_from(sent).unwrap()];
    let whole = sent.iter().filter(|packet| originals.contains(packet));
    let lost: Vec<[u64; 2]> = serde_json::from_value(report["dropped_both"].clone()).unwrap();
    let lost: u64 = lost.iter().map(|[first, last]| last - first + 1).sum();
    assert_eq!(whole.count() as u64 + lost, 200);
}

/// Makes a capture with packets of one message each.
fn iex_capture(folder: &TempDir, packets: u64) -> PathBuf {
    let session = SessionId {
        protocol: MessageProtocol::Tops16,
        channel: 1,
        session: 1_137_508_352,
    };
    let frames: Vec<_> = (0..packets)
        .map(|number| {
            let position = Position {
                sequence: number + 1,
                stream_offset: number * 12,
                sent_ns: 1_000 + number,
            };
            let mut buffer = [0; 100];
            let mut writer = PacketWriter::new(&mut buffer, session, position);
            assert!(writer.push(b"SO\0\0\0\0\0\0\0\0"));
            (number, ethernet(1, writer.finish()))
        })
        .collect();
    let file = folder.path().join("iex.pcap");
    fs::write(&file, Writer::PCAP.write(1, &frames)).unwrap();
    file
}

#[test]
fn a_session_of_iex_is_chosen_by_its_whole_name_and_has_no_rerequest_server() {
    let folder = TempDir::new().unwrap();
    let file = iex_capture(&folder, 3);
    let (_, report) = played(&file, &["--max", "--session", "T1-1137508352"]);
    assert_eq!(report["session"], "T1-1137508352");
    assert_eq!(report["messages"], 3);
    let line = Listener::new();
    let run = play(&file, [&line.to(), "--max", "--session", "T1-11375083"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("it has T1-1137508352"), "{run:?}");
    let run = play(&file, [&line.to(), "--max", "--rerequest=127.0.0.1:0"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(
        run.stderr.contains("re-request servers speak MoldUDP64"),
        "{run:?}"
    );
    assert!(line.arrived().is_empty());
}

/// Plays `file` to a `run` on two lines until it is interrupted; returns its report and the other.
fn live(file: &Path, feed: &str, options: &[&str]) -> (Run, Value) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("feed.toml");
    // Longer than any stall of a test machine between the two lines.
    let mut config = format!(
        "[run]\nwait = \"park\"\n[[feed]]\nname = \"venue\"\nsilence_ms = 0\n\
         hold_us = 10000000\n{feed}\n"
    );
    for name in ["A", "B"] {
        _ = write!(
            config,
            "[[feed.line]]\nname = \"{name}\"\naddress = \"127.0.0.1:0\"\n"
        );
    }
    config += "[[subscriber]]\nname = \"flow\"\nstrategy = \"flow\"\ncontract = \"lossless\"\n";
    fs::write(&path, config).unwrap();
    let run = Background::listening(["run", path.to_str().unwrap(), "--json"], "core");
    let to = run
        .addresses
        .iter()
        .map(|address| format!("--to={address}"));
    let mut args: Vec<_> = to.collect();
    let options = RATE.iter().chain(options).map(|&option| option.to_owned());
    args.extend(options);
    let played = play(file, &args);
    assert_eq!(played.code, Some(0), "{played:?}");
    // What is in the sockets by now is still taken in.
    run.signal("INT");
    (run.finish(), played.json())
}

#[track_caller]
fn check_whole(file: &Path, run: &Run, numbers: u64) {
    let report = run.json();
    let inspected = inspect(file);
    let (ledger, subscriber) = (&report["ledger"][0], &report["subscribers"][0]);
    assert_eq!(ledger["delivered"], numbers, "{ledger}");
    assert_eq!(ledger["closes"], true);
    assert_eq!(subscriber["digest"], inspected["digest"], "{subscriber}");
    assert_eq!(subscriber["events"], inspected["events"]);
    assert_eq!(subscriber["gaps"], 0);
    assert_eq!(run.code, Some(0));
}

const TOPS_FEED: &str = "protocol = \"iextp/tops16\"\nstart = 1";
const DEEP_FEED: &str = "protocol = \"iextp/deep10\"\nstart = 1";
const CME_FEED: &str = "protocol = \"mdp3/cme\"\nstart = 17347815";

#[test]
fn a_run_is_given_what_inspect_says() {
    for (file, feed, numbers) in [
        (TOPS, TOPS_FEED, 57_674),
        (DEEP, DEEP_FEED, 82_627),
        (CME, CME_FEED, 5_000),
    ] {
        let Some(file) = market_data(file) else {
            return;
        };
        let (run, _) = live(&file, feed, &[]);
        check_whole(&file, &run, numbers);
    }
}

#[test]
fn a_fifth_lost_on_one_line_is_healed_by_the_other() {
    for (file, feed, numbers) in [(TOPS, TOPS_FEED, 57_674), (CME, CME_FEED, 5_000)] {
        let Some(file) = market_data(file) else {
            return;
        };
        let (run, played) = live(&file, feed, &["--loss", "A=20", "--seed", "3"]);
        let dropped = &played["lines"][0]["dropped_packets"];
        assert!(dropped.as_u64().unwrap() > 500, "{dropped}");
        check_whole(&file, &run, numbers);
        let won = &run.json()["ledger"][0]["lines"][1]["won"];
        assert!(won.as_u64().unwrap() > 500, "{won}");
    }
}
