//! `ringtape play --scenario`: the same seed is the same datagrams, on real sockets as in the
//! library.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use ringtape::feed::PacketKind;
use ringtape::feed::moldudp64::{self, Packet};
use ringtape::torture::{Lines, Scenario};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::net::UdpSocket;
use std::path::PathBuf;
use support::wire::{Listener, numbers, play, with_messages};
use support::{DEADLINE, Run, binary_file, command, finish, system_event};
use tempfile::TempDir;

const BAD_DAY: &str = r#"
seed = 5
[traffic]
messages = 400
rate = 1_000_000
[[line]]
loss = 10
duplicate = 5
reorder = { share = 10, packets = 2 }
truncate = 3
[[line]]
burst = { share = 3, packets = [2, 4] }
skew_us = 40
corrupt = { header = 2, message = 5 }
differ = 2
[[event]]
what = "end-of-session"
at_message = 200
"#;

fn scenario_file(folder: &TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("scenario.toml");
    fs::write(&path, text).unwrap();
    path
}

/// Plays without a file.
fn play_traffic<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Run {
    let mut command = command(["play", "--json", "--max"]);
    command.args(args);
    finish(command)
}

/// Plays a scenario's traffic on two lines; returns what arrived on each, and the report.
fn played(scenario: &str, more: &[&str]) -> ([Vec<Vec<u8>>; 2], Value) {
    let folder = tempfile::tempdir().unwrap();
    let path = scenario_file(&folder, scenario);
    let lines = [Listener::new(), Listener::new()];
    let to = lines.each_ref().map(Listener::to);
    let scenario = format!("--scenario={}", path.display());
    let args = to.iter().map(String::as_str).chain([scenario.as_str()]);
    let run = play_traffic(args.chain(more.iter().copied()));
    assert_eq!(run.code, Some(0), "{run:?}");
    (lines.map(|line| line.arrived()), run.json())
}

#[test]
fn what_a_scenario_sends_is_what_the_library_says_and_the_report_counts_it() {
    let (arrived, report) = played(BAD_DAY, &[]);
    let mut lines = Lines::new(&Scenario::parse(BAD_DAY).unwrap());
    let mut expected = [Vec::new(), Vec::new()];
    for datagram in lines.by_ref() {
        expected[datagram.line].push(datagram.bytes);
    }
    for (line, (arrived, expected)) in arrived.iter().zip(&expected).enumerate() {
        // Behind them come a heartbeat and the ends of the last session.
        assert_eq!(arrived[..expected.len()], expected[..], "line {line}");
        let closing = &arrived[expected.len()..];
        assert_eq!(report["lines"][line]["announcements"], closing.len());
    }
    for (line, counts) in lines.fault_counts().enumerate() {
        let faults = &report["faults"][line];
        assert!(counts.lost + counts.lost_in_bursts > 0);
        assert_eq!(faults["lost"], counts.lost);
        assert_eq!(faults["lost_in_bursts"], counts.lost_in_bursts);
        assert_eq!(faults["truncated"], counts.truncated);
        assert_eq!(faults["corrupt_messages"], counts.corrupt_messages);
        assert_eq!(faults["packets"], counts.packets);
    }
    assert_eq!(report["messages"], 400);
    assert_eq!(report["seed"], 5);
    let epochs = report["epochs"].as_array().unwrap();
    assert_eq!(epochs.len(), 2);
    assert_eq!(epochs[0]["next_sequence"], 201);
    assert_eq!(epochs[0]["ended"], true);
}

#[test]
fn the_same_seed_is_the_same_datagrams_and_another_seed_others() {
    let of_seed = |seed| played(BAD_DAY, &["--seed", seed]).0;
    let first = of_seed("7");
    assert_eq!(first, of_seed("7"));
    assert_ne!(first, of_seed("8"));
}

#[test]
fn a_files_packets_suffer_what_the_scenario_says() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("spread.itch50");
    fs::write(
        &file,
        binary_file((1..=200).map(|n| system_event(n * 1_000_000))),
    )
    .unwrap();
    let text = "[[line]]\nloss = 20\n[[line]]\nreorder = { share = 20, packets = 3 }\n\
                [[event]]\nwhat = \"silence\"\nline = \"B\"\nat_us = 50_000\nfor_us = 20_000";
    let scenario = scenario_file(&folder, text);
    let scenario = format!("--scenario={}", scenario.display());
    let run = |seed: &str| {
        let lines = [Listener::new(), Listener::new()];
        let to = lines.each_ref().map(Listener::to);
        let args = [&to[0], &to[1], &scenario, "--max", "--seed", seed];
        let run = play(&file, args);
        assert_eq!(run.code, Some(0), "{run:?}");
        (lines.map(|line| line.arrived()), run.json())
    };
    let ([a, b], report) = run("3");
    assert_eq!(
        with_messages(&a).len() as u64,
        200 - report["faults"][0]["lost"].as_u64().unwrap()
    );
    assert!(report["faults"][0]["lost"].as_u64().unwrap() > 20);
    assert_eq!(report["faults"][1]["silenced"], 20);
    assert_eq!(numbers(&b).len(), 180);
    let order: Vec<u64> = with_messages(&b)
        .iter()
        .map(|packet| first(packet))
        .collect();
    assert!(!order.is_sorted());
    let lost: Vec<[u64; 2]> = serde_json::from_value(report["dropped_both"].clone()).unwrap();
    let brought = &numbers(&a) | &numbers(&b);
    let missing: u64 = lost.iter().map(|[first, last]| last - first + 1).sum();
    assert_eq!(brought.len() as u64 + missing, 200);
    assert_eq!(run("3").0, [a, b]);
}

fn first(packet: &[u8]) -> u64 {
    Packet::parse(packet, packet.len()).unwrap().sequence()
}

/// An address that was free a moment ago; no other test uses its host.
fn server_address() -> String {
    let socket = UdpSocket::bind("127.0.0.77:0").unwrap();
    socket.local_addr().unwrap().to_string()
}

#[test]
fn a_rerequest_server_answers_from_what_was_played() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        "[traffic]\nmessages = 300\n[[line]]\nloss = 100\n[[server]]\nbehaviour = \"partial\"";
    let scenario = scenario_file(&folder, text);
    let address = server_address();
    let line = Listener::new();
    let mut command = command(["play", "--json", "--max", "--rerequest", &address]);
    command.args([line.to(), format!("--scenario={}", scenario.display())]);
    let child = command.spawn().unwrap();

    // The line lost everything; its announcements tell how much there was.
    line.0.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut buffer = [0; 2_048];
    let bytes = line.0.recv(&mut buffer).unwrap();
    let packet = Packet::parse(&buffer[..bytes], bytes).unwrap();
    assert_eq!(
        (packet.kind(), packet.sequence()),
        (PacketKind::Heartbeat, 301)
    );
    let session = packet.session();

    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut next = 1;
    while next < 20 {
        let mut request = [0; 20];
        let request = moldudp64::request(&mut request, session, next, 10);
        client.send_to(request, &address).unwrap();
        let bytes = client.recv(&mut buffer).unwrap();
        let answer = Packet::parse(&buffer[..bytes], bytes).unwrap();
        assert_eq!((answer.session(), answer.sequence()), (session, next));
        assert_eq!(answer.count(), 3);
        next += 3;
    }
    // A request of another session is ignored.
    let mut request = [0; 20];
    client
        .send_to(
            moldudp64::request(&mut request, *b"OTHER     ", 1, 1),
            &address,
        )
        .unwrap();
    let run = support::wait(child);
    assert_eq!(run.code, Some(0), "{run:?}");
    let server = run.json()["servers"][0].clone();
    assert_eq!(server["address"], address);
    assert_eq!(server["requests"], 8);
    assert_eq!(server["answers"], 7);
    assert_eq!(server["answer_messages"], 21);
    assert_eq!(server["ignored"], 1);
}

#[test]
fn the_text_tells_each_range_of_numbers_and_what_the_scenario_did() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("{BAD_DAY}\n[[event]]\nwhat = \"restart\"\nat_message = 300");
    let path = scenario_file(&folder, &text);
    let mut command = command(["play", "--max", "--scenario", path.to_str().unwrap()]);
    command.args(
        [Listener::new(), Listener::new()]
            .each_ref()
            .map(Listener::to),
    );
    let run = finish(command);
    assert_eq!(run.code, Some(0), "{run:?}");

    let mut lines = Lines::new(&Scenario::parse(&text).unwrap());
    lines.by_ref().for_each(drop);
    let counts: Vec<_> = lines.fault_counts().collect();
    let expected = [
        "played made-up traffic: 400 messages in 3 ranges of numbers in ".to_owned(),
        "session TORTURE001: from 1 to 200\n".to_owned(),
        "session TORTURE002: from 1 to 100\n".to_owned(),
        "session TORTURE002, restart 1: from 1 to 100\n".to_owned(),
        format!(
            "line A by the scenario: of {} packets {} lost, ",
            counts[0].packets, counts[0].lost
        ),
        format!(
            "line B by the scenario: of {} packets {} lost in bursts, ",
            counts[1].packets, counts[1].lost_in_bursts
        ),
    ];
    for part in expected {
        assert!(run.stdout.contains(&part), "{part:?}: {run:?}");
    }
    let run = finish(support::command([
        "play",
        "--max",
        "--synthetic",
        "5",
        "--tcp=127.0.0.1:0",
    ]));
    assert!(
        run.stdout
            .contains("session TORTURE001, 5 messages from 1 to 5 in "),
        "{run:?}"
    );
    assert!(!run.stdout.contains("by the scenario: of"), "{run:?}");
}

#[test]
fn made_up_messages_need_no_scenario() {
    let line = Listener::new();
    let run = play_traffic(["--synthetic", "100", &line.to()]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let packets = line.arrived();
    assert_eq!(numbers(&packets), (1..=100).collect());
    assert_eq!(run.json()["format"], "synthetic");
}

#[test]
fn what_made_up_traffic_loses_on_purpose_is_missing_from_no_account() {
    let line = Listener::new();
    let run = play_traffic(["--synthetic", "300", "--loss", "A=30", &line.to()]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let report = run.json();
    let dropped: Vec<[u64; 2]> = serde_json::from_value(report["dropped_both"].clone()).unwrap();
    let dropped: BTreeSet<u64> = dropped.into_iter().flat_map(|[a, b]| a..=b).collect();
    assert!(!dropped.is_empty());
    assert_eq!(report["lines"][0]["dropped_messages"], dropped.len());
    let brought = numbers(&line.arrived());
    assert!(brought.is_disjoint(&dropped));
    assert_eq!(&brought | &dropped, (1..=300).collect());
}

#[test]
fn a_scenario_that_cannot_be_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    for (text, part) in [
        ("[[line]]\nloss = 101\n", "line 2: 101 is no percentage"),
        ("[[line]]\n\nlos = 1\n", "line 3: unknown field `los`"),
        (
            "[[line]]\n[[event]]\nwhat = \"flood\"\n",
            "line 3: unknown variant",
        ),
        (
            "[[line]]\n[[line]]\n",
            "it has 2 lines, and there are 1 --to",
        ),
        ("[[line]]\n[[server]]\n", "server R1 has no address"),
    ] {
        let path = scenario_file(&folder, text);
        let run = play_traffic(["--scenario", path.to_str().unwrap()]);
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains(part), "{run:?}");
    }
    let file = folder.path().join("file.itch50");
    fs::write(&file, binary_file([system_event(1)])).unwrap();
    let restart = "[[line]]\n[[event]]\nwhat = \"restart\"\nat_us = 5";
    let scenario = format!("--scenario={}", scenario_file(&folder, restart).display());
    let run = play(&file, [scenario]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("need its own traffic"), "{run:?}");
}
