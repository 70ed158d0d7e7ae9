//! What `play` sends is what Wireshark's own dissector of MoldUDP64 calls MoldUDP64.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::wire::{Listener, parse, play};
use support::{Writer, ethernet, inspect, market_data, skipped};
use tempfile::TempDir;

/// The port that the capture is given, which the dissector is told.
const PORT: u16 = 26_477;

/// One packet as the dissector shows it.
#[derive(Debug, PartialEq, Eq)]
struct Dissected {
    session: String,
    sequence: u64,
    count: u16,
    lengths: Vec<usize>,
}

/// Asks Wireshark; `None` where it is not installed.
fn dissect(capture: &Path) -> Option<Vec<Dissected>> {
    if Command::new("tshark").arg("--version").output().is_err() {
        skipped("no tshark: apt-get install tshark");
        return None;
    }
    let fields = ["session", "sequence", "count", "msglen"];
    let malformed = ["msglen.invalid", "count.invalid", "end_of_session_extra"];
    let mut command = Command::new("tshark");
    command.args(["-n", "-r"]).arg(capture);
    command.args(["-d", &format!("udp.port=={PORT},moldudp64")]);
    // Its dissector of ITCH is for an older version.
    command.args(["--disable-protocol", "itch", "-T", "fields"]);
    command.args(["-E", "separator=;", "-E", "aggregator=,"]);
    for field in fields.iter().chain(&malformed) {
        command.args(["-e", &format!("moldudp64.{field}")]);
    }
    command.args(["-e", "_ws.malformed"]);
    let output = command.output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(stdout.lines().map(dissected).collect())
}

fn dissected(line: &str) -> Dissected {
    let columns: Vec<&str> = line.split(';').collect();
    let [session, sequence, count, lengths, faults @ ..] = columns.as_slice() else {
        panic!("{line}");
    };
    assert!(
        faults.iter().all(|fault| fault.is_empty()),
        "malformed: {line}"
    );
    let numbers = lengths.split(',').filter(|length| !length.is_empty());
    Dissected {
        session: (*session).to_owned(),
        sequence: sequence.parse().unwrap(),
        count: count.parse().unwrap(),
        lengths: numbers.map(|length| length.parse().unwrap()).collect(),
    }
}

/// Plays a file of the market data and captures what arrives: the capture, and its packets.
fn capture_of(file: &Path, folder: &TempDir) -> (PathBuf, Vec<Vec<u8>>) {
    let listener = Listener::new();
    let to = listener.to();
    let receiving = listener.until_end();
    let run = play(file, [OsStr::new(&to), OsStr::new("--rate=10000")]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let packets = receiving.join().unwrap();
    let frames = packets.iter().map(|packet| ethernet(PORT, packet));
    let frames: Vec<_> = (1_600_000_000_000_000_000..).zip(frames).collect();
    let path = folder.path().join("played.pcap");
    fs::write(&path, Writer::PCAP.write(1, &frames)).unwrap();
    (path, packets)
}

fn check(file: &str) {
    let Some(file) = market_data(file) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let (capture, played) = capture_of(&file, &folder);
    let Some(packets) = dissect(&capture) else {
        return;
    };
    let inspected = inspect(&capture);
    let count = |key: &str| inspected[key].as_u64().unwrap();
    let session: &Value = &inspected["sessions"][0];
    let number = |key: &str| session[key].as_u64().unwrap();

    assert_eq!(packets.len() as u64, count("packets"));
    let name = session["session"].as_str().unwrap();
    assert!(
        packets
            .iter()
            .all(|packet| packet.session.trim_end() == name)
    );
    let (mut next, mut messages, mut heartbeats, mut ends) = (number("first_sequence"), 0, 0, 0);
    for packet in &packets {
        assert_eq!(packet.sequence, next, "{packet:?}");
        match packet.count {
            0 => heartbeats += 1,
            u16::MAX => ends += 1,
            count => {
                assert_eq!(packet.lengths.len(), usize::from(count));
                next += u64::from(count);
                messages += u64::from(count);
            }
        }
    }
    assert_eq!(next - 1, number("last_sequence"));
    assert_eq!(messages, count("messages"));
    assert_eq!(
        (heartbeats, ends),
        (count("heartbeats"), count("ends_of_session"))
    );
    let lengths = |packet: &Vec<u8>| parse(packet).messages().map(<[u8]>::len).collect();
    let lengths: Vec<Vec<usize>> = played.iter().map(lengths).collect();
    assert!(packets.iter().map(|packet| &packet.lengths).eq(&lengths));
}

#[test]
fn wireshark_takes_the_packets_of_a_played_file() {
    check("nasdaq-itch50/2019-12-30.0400.4000msgs.itch50");
}

#[test]
fn wireshark_takes_the_packets_of_a_played_capture() {
    check("nasdaq-moldudp64/2023-08-22.open.100packets.pcap");
}
