//! `capture` of live lines: `inspect` and `run --from` of its file equal what was live.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use support::background::Background;
use support::{ORDER_FLOW, Run, market_data, network, packet, ringtape, system_event};
use tempfile::TempDir;

const DATE: &str = "2019-12-30";
/// The kernel chooses the port.
const ANYWHERE: [&str; 2] = ["127.0.0.1:0", "127.0.0.1:0"];

fn config(folder: &Path, name: &str, addresses: [&str; 2], more: &str) -> PathBuf {
    let mut text = format!(
        "[run]\nuntil = \"end-of-session\"\nwait = \"park\"\n[[feed]]\nname = \"nasdaq\"\n\
         protocol = \"moldudp64/itch50\"\ntrading_date = \"{DATE}\"\nhold_us = 200000\n"
    );
    for (name, address) in ["A", "B"].iter().zip(addresses) {
        text += &format!("[[feed.line]]\nname = \"{name}\"\naddress = \"{address}\"\n{more}\n");
    }
    text += "[[subscriber]]\nname = \"audit\"\nstrategy = \"audit\"\ncontract = \"lossless\"\n";
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

fn play(file: &Path, addresses: &[String], more: &[&str]) {
    let mut args = vec!["play", file.to_str().unwrap(), "--json", "--rate", "20000"];
    for address in addresses {
        args.extend(["--to", address]);
    }
    args.extend(more);
    let played = ringtape(args);
    assert_eq!(played.code, Some(0), "{played:?}");
}

fn inspect(file: &Path) -> Value {
    let run = ringtape(["inspect", file.to_str().unwrap(), "--date", DATE, "--json"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    run.json()
}

/// What a feed did with its lines is the same in a run from the capture, but for which line was
/// first where the two are apart by less than a clock can tell.
#[track_caller]
fn assert_same_run(live: &Value, recorded: &Value) {
    for key in [
        "published",
        "handled",
        "events",
        "gaps",
        "sessions",
        "digest",
        "gap_list",
    ] {
        let (live, recorded) = (&live["subscribers"][0], &recorded["subscribers"][0]);
        assert_eq!(live[key], recorded[key], "{key}");
    }
    for key in [
        "expected",
        "delivered",
        "lost",
        "causes",
        "closes",
        "messages",
        "events",
    ] {
        assert_eq!(live["ledger"][0][key], recorded["ledger"][0][key], "{key}");
    }
}

#[test]
fn a_capture_beside_a_live_run_gives_the_same_digest_twice_over() {
    let Some(file) = market_data(ORDER_FLOW) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let feed = config(folder.path(), "feed.toml", ANYWHERE, "");
    let feed = feed.to_str().unwrap();
    let morning = folder.path().join("morning.pcapng");
    let morning = morning.to_str().unwrap();
    let live = Background::listening(["run", feed, "--json"], "core");
    let capture = Background::listening(["capture", feed, "--to", morning, "--json"], "to");
    let addresses = [&capture.addresses[0][..], &capture.addresses[1]];
    let offline = config(folder.path(), "offline.toml", addresses, "");

    // Two sockets cannot share a unicast address: both get the same packets lost.
    let lost = ["--loss", "A=20", "--loss-both", "2", "--seed", "7"];
    play(&file, &live.addresses, &lost);
    play(&file, &capture.addresses, &lost);
    let live = live.finish();
    assert_eq!(live.code, Some(1), "what both lines lost is lost");
    let captured = capture.finish();
    assert_eq!(captured.code, Some(0), "{captured:?}");
    let captured = captured.json();
    assert_eq!(captured["stopped_by"], "end-of-session");
    assert_eq!(captured["complete"], true);

    let inspected = inspect(Path::new(morning));
    assert_eq!(inspected["warnings"], json!([]));
    let live = live.json();
    assert!(live["ledger"][0]["lost"].as_u64().unwrap() > 0);
    assert_eq!(inspected["digest"], live["subscribers"][0]["digest"]);
    let by_line = |key: &str| -> u64 {
        let lines = inspected["lines"].as_array().unwrap();
        lines.iter().map(|line| line[key].as_u64().unwrap()).sum()
    };
    assert_eq!(captured["datagrams"], by_line("datagrams"));
    assert_eq!(
        by_line("won"),
        live["ledger"][0]["delivered"].as_u64().unwrap()
    );
    assert_eq!(by_line("different"), 0);

    let journal = folder.path().join("tape");
    let with_journal = fs::read_to_string(&offline).unwrap();
    let with_journal = format!(
        "{with_journal}[journal]\ndirectory = \"{}\"\n",
        journal.display()
    );
    fs::write(&offline, with_journal).unwrap();
    let from = [
        "run",
        offline.to_str().unwrap(),
        "--from",
        morning,
        "--json",
    ];
    let first = ringtape(from);
    assert_eq!(first.code, Some(1), "{first:?}");
    assert_same_run(&live, &first.json());
    let replayed = ringtape(["replay", journal.to_str().unwrap(), "--json"]);
    assert_eq!(
        replayed.json()["digest"],
        live["subscribers"][0]["digest"],
        "{replayed:?}"
    );
}

#[test]
fn one_multicast_feed_is_captured_while_it_is_run() {
    let name = "one_multicast_feed_is_captured_while_it_is_run";
    network::alone(name, || {
        let Some(file) = market_data(ORDER_FLOW) else {
            return;
        };
        let folder = TempDir::new().unwrap();
        let groups = ["239.255.1.1:31001", "239.255.1.2:31002"];
        let feed = config(folder.path(), "feed.toml", groups, "interface = \"lo\"");
        let feed = feed.to_str().unwrap();
        let file_name = folder.path().join("both.pcapng");
        let to = file_name.to_str().unwrap();
        let live = Background::listening(["run", feed, "--json"], "core");
        let capture = Background::listening(["capture", feed, "--to", to, "--json"], "to");
        let lost = ["--loss", "A=10", "--loss-both", "1", "--interface", "lo"];
        play(&file, &live.addresses, &lost);
        let live = live.finish().json();
        assert_eq!(capture.finish().code, Some(0));
        assert_eq!(
            inspect(&file_name)["digest"],
            live["subscribers"][0]["digest"]
        );
        let recorded = ringtape(["run", feed, "--from", to, "--json"]);
        assert_same_run(&live, &recorded.json());
    });
}

/// The blocks of a file: type and body.
fn blocks(file: &[u8]) -> Vec<(u32, &[u8])> {
    let u32_at = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let (mut blocks, mut at) = (Vec::new(), 0);
    while at < file.len() {
        let length = u32_at(at + 4) as usize;
        assert_eq!(
            u32_at(at + length - 4) as usize,
            length,
            "the length stands at both ends"
        );
        blocks.push((u32_at(at), &file[at + 8..at + length - 4]));
        at += length;
    }
    blocks
}

/// Captures what is sent to one line with these options.
fn captured(to: &Path, options: &[&str], payloads: &[Vec<u8>]) -> Run {
    let mut args = vec!["capture", "--line", "A=127.0.0.1:0", "--to"];
    args.extend([to.to_str().unwrap(), "--json"]);
    args.extend(options);
    let capture = Background::listening(args, "to");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for payload in payloads {
        socket.send_to(payload, &capture.addresses[0]).unwrap();
    }
    capture.finish()
}

#[test]
fn the_file_is_pcapng_and_a_cut_datagram_says_how_long_it_was() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("cut.pcapng");
    let payloads = [vec![7; 40], vec![9; 301], vec![]];
    let run = captured(&file, &["--snap", "101", "--datagrams", "3"], &payloads);
    assert_eq!(run.code, Some(0), "{run:?}");
    let report = run.json();
    assert_eq!(
        (&report["datagrams"], &report["cut"]),
        (&json!(3), &json!(1))
    );
    assert_eq!(report["stopped_by"], "datagrams");

    let bytes = fs::read(&file).unwrap();
    assert_eq!(report["bytes"], bytes.len());
    let blocks = blocks(&bytes);
    let types: Vec<u32> = blocks.iter().map(|(block, _)| *block).collect();
    assert_eq!(types, [0x0a0d_0d0a, 1, 6, 6, 6, 5]);
    let interface = blocks[1].1;
    assert_eq!(
        interface[..8],
        [1, 0, 0, 0, 42 + 101, 0, 0, 0],
        "Ethernet, and the snap"
    );
    assert_eq!(interface[8..13], [2, 0, 1, 0, b'A'], "its name");
    let number = |body: &[u8], at: usize| u32::from_le_bytes(body[at..at + 4].try_into().unwrap());
    for ((_, body), payload) in blocks[2..5].iter().zip(&payloads) {
        let kept = payload.len().min(101);
        assert_eq!(number(body, 12) as usize, 42 + kept, "caplen");
        assert_eq!(number(body, 16) as usize, 42 + payload.len(), "len");
        assert_eq!(body[20 + 42..20 + 42 + kept], payload[..kept]);
        let ip_bytes = u16::from_be_bytes([body[20 + 16], body[20 + 17]]);
        assert_eq!(usize::from(ip_bytes), 28 + payload.len());
    }
    let ts_ns = u64::from(number(blocks[2].1, 4)) << 32 | u64::from(number(blocks[2].1, 8));
    assert_eq!(report["first_recv_ns"], ts_ns);
}

#[test]
fn a_cut_datagram_brings_what_is_there_of_it_to_a_run() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("cut.pcapng");
    let both = packet(b"CUTSESSION", 1, &[system_event(1), system_event(2)]);
    let run = captured(&file, &["--snap", "40", "--datagrams", "1"], &[both]);
    let line = run.json()["lines"][0]["address"]
        .as_str()
        .unwrap()
        .to_owned();
    let text = format!(
        "[[feed]]\nname = \"x\"\nprotocol = \"moldudp64/itch50\"\nstart = 1\n[[feed.line]]\n\
         name = \"A\"\naddress = \"{line}\"\n[[subscriber]]\nname = \"f\"\nstrategy = \"flow\"\n"
    );
    let config = folder.path().join("feed.toml");
    fs::write(&config, text).unwrap();
    let from = [
        "run",
        config.to_str().unwrap(),
        "--from",
        file.to_str().unwrap(),
        "--json",
    ];
    let run = ringtape(from);
    assert_eq!(run.code, Some(1), "{run:?}");
    let ledger = &run.json()["ledger"][0];
    assert_eq!(
        (&ledger["delivered"], &ledger["lost"]),
        (&json!(1), &json!(1)),
        "{ledger}"
    );
    assert_eq!(ledger["anomalies"]["truncated_datagrams"], 1);
}

#[test]
fn a_file_that_exists_is_replaced_only_by_force() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("old.pcapng");
    fs::write(&file, "precious").unwrap();
    let to = file.to_str().unwrap();
    let line = ["capture", "--line", "A=127.0.0.1:0", "--to", to];
    let refused = ringtape(line);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("--force"), "{refused:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    let options = ["--force", "--datagrams", "1"];
    assert_eq!(captured(&file, &options, &[vec![1]]).code, Some(0));
    assert_eq!(blocks(&fs::read(&file).unwrap()).len(), 4);
}

#[test]
fn a_full_disk_is_an_error_that_says_what_is_safe() {
    let run = ringtape([
        "capture",
        "--line",
        "A=127.0.0.1:0",
        "--to",
        "/dev/full",
        "--force",
    ]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(
        run.stderr.contains("first 0 datagrams, 0 bytes, are safe"),
        "{run:?}"
    );
    assert!(run.stderr.contains("No space left"), "{run:?}");
}

#[test]
fn what_the_kernel_dropped_is_in_the_report_the_exit_code_and_the_file() {
    let folder = TempDir::new().unwrap();
    let more = "receive_buffer_bytes = 4096";
    let feed = config(folder.path(), "feed.toml", ANYWHERE, more);
    let file = folder.path().join("lossy.pcapng");
    let (feed, to) = (feed.to_str().unwrap(), file.to_str().unwrap());
    let args = ["capture", feed, "--to", to, "--until", "stopped", "--json"];
    let capture = Background::listening(args, "to");
    // While it stands still nobody empties its sockets.
    capture.signal("STOP");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let sent = 2_000;
    for number in 1..=sent {
        let bytes = packet(b"DROPPED   ", number, &[system_event(number)]);
        socket.send_to(&bytes, &capture.addresses[0]).unwrap();
    }
    capture.signal("INT");
    capture.signal("CONT");
    let run = capture.finish();
    assert_eq!(run.code, Some(1), "{run:?}");
    let report = run.json();
    let drops = report["kernel_drops"].as_u64().unwrap();
    assert!(drops > 0);
    assert_eq!(report["datagrams"].as_u64().unwrap() + drops, sent);
    assert_eq!(report["complete"], false);
    assert_eq!(report["stopped_by"], "interrupt");

    let bytes = fs::read(&file).unwrap();
    let blocks = blocks(&bytes);
    let statistics: Vec<_> = blocks.iter().filter(|(block, _)| *block == 5).collect();
    assert_eq!(statistics.len(), 2, "one a line");
    let option = [&[5, 0, 8, 0], &drops.to_le_bytes()[..]].concat();
    assert!(
        statistics[0].1.windows(12).any(|window| window == option),
        "isb_ifdrop"
    );
    let warnings = inspect(&file)["warnings"].to_string();
    assert!(
        warnings.contains(&format!("lacks {drops} datagrams")),
        "{warnings}"
    );
}

#[test]
fn a_run_from_a_capture_names_what_it_cannot_find_in_it() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("other.pcapng");
    let run = captured(&file, &["--datagrams", "1"], &[vec![1]]);
    let there = run.json()["lines"][0]["address"]
        .as_str()
        .unwrap()
        .to_owned();
    for (addresses, expected) in [
        (
            ["127.0.0.1:1", "127.0.0.1:2"],
            format!("there are {there} (1 datagrams)"),
        ),
        (ANYWHERE, "port 0".to_owned()),
    ] {
        let feed = config(folder.path(), "feed.toml", addresses, "");
        let from = [
            "run",
            feed.to_str().unwrap(),
            "--from",
            file.to_str().unwrap(),
        ];
        let run = ringtape(from);
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains(&expected), "{run:?}");
    }

    // Inside its only packet, which the statistics of its line follow.
    let head = fs::read(&file).unwrap();
    let cut = folder.path().join("cut.pcapng");
    fs::write(&cut, &head[..head.len() - 100]).unwrap();
    let messages = folder.path().join("messages.itch50");
    let message = system_event(1);
    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
    fs::write(&messages, [&length[..], &message].concat().repeat(9)).unwrap();
    let feed = config(
        folder.path(),
        "feed.toml",
        ["127.0.0.1:1", "127.0.0.1:2"],
        "",
    );
    for (file, expected) in [
        (&cut, "cut inside a record"),
        (&messages, "ringtape convert"),
    ] {
        let file = file.to_str().unwrap();
        let run = ringtape(["run", feed.to_str().unwrap(), "--from", file]);
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains(expected), "{run:?}");
    }
}

#[test]
fn what_could_be_for_either_of_two_lines_is_named_and_not_called_somebody_elses() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("one.pcapng");
    // Its interface is named A; the lines below, C and B.
    let run = captured(&file, &["--datagrams", "2"], &[vec![1], vec![2]]);
    let there = run.json()["lines"][0]["address"]
        .as_str()
        .unwrap()
        .to_owned();
    let feed = config(folder.path(), "feed.toml", [&there, &there], "");
    let text = fs::read_to_string(&feed).unwrap();
    fs::write(&feed, text.replace("\"A\"", "\"C\"")).unwrap();
    let from = |feed: &Path| {
        let (feed, file) = (feed.to_str().unwrap(), file.to_str().unwrap());
        ringtape(["run", feed, "--from", file, "--json"])
    };
    let run = from(&feed);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(
        run.stderr
            .contains("2 datagrams are to an address that several")
    );
}

#[test]
fn a_feed_on_tcp_is_left_out_of_a_capture_and_said_to_be() {
    let folder = TempDir::new().unwrap();
    let feed = config(folder.path(), "feed.toml", ANYWHERE, "");
    let stream = "[[feed]]\nname = \"glimpse\"\nprotocol = \"soupbintcp/itch50\"\n\
                  [feed.login]\nusername = \"u\"\n\
                  [[feed.line]]\nname = \"A\"\naddress = \"127.0.0.1:1\"\n";
    let datagrams = fs::read_to_string(&feed).unwrap();
    fs::write(&feed, datagrams + stream).unwrap();
    let capture = |to: &str| {
        let to = folder.path().join(to);
        let to = to.to_str().unwrap();
        let args = ["capture", feed.to_str().unwrap(), "--to", to];
        ringtape(args.iter().chain(&["--for", "0", "--json"]))
    };
    // Until the end of the session, as the configuration says: of those that are captured.
    let run = capture("mixed.pcapng");
    assert_eq!(run.code, Some(0), "{run:?}");
    let report = run.json();
    let names: Vec<_> = report["lines"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 2, "{report}");
    // As `run --from` names them, which takes no feed on TCP.
    assert_eq!(
        (&names[0]["name"], &names[1]["name"]),
        (&json!("A"), &json!("B"))
    );
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("glimpse"), "{warnings}");
    assert!(run.stderr.contains("glimpse"), "{run:?}");

    let only = "[[feed]]\nname = \"glimpse\"".to_owned();
    let text = fs::read_to_string(&feed).unwrap();
    fs::write(&feed, &text[text.find(&only).unwrap()..]).unwrap();
    let run = capture("none.pcapng");
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("every feed is on TCP"), "{run:?}");
}

#[test]
fn a_file_that_is_removed_meanwhile_is_told_with_where_it_still_is() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("removed.pcapng");
    let to = file.to_str().unwrap();
    let args = [
        "capture",
        "--line",
        "A=127.0.0.1:0",
        "--to",
        to,
        "--datagrams",
        "2",
    ];
    let capture = Background::listening(args, "to");
    fs::remove_file(&file).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..2 {
        socket.send_to(&[7; 100], &capture.addresses[0]).unwrap();
    }
    let run = capture.finish();
    assert_eq!(run.code, Some(2), "{run:?}");
    for said in ["warning: ", "/proc/", "was removed", "its 2 datagrams"] {
        assert!(run.stderr.contains(said), "{said}: {run:?}");
    }
    assert_eq!(run.stdout, "", "nothing says that they are in the file");
}

#[test]
fn a_file_that_another_capture_writes_is_not_replaced() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("busy.pcapng");
    let to = file.to_str().unwrap();
    let args = ["capture", "--line", "A=127.0.0.1:0", "--to", to];
    let first = Background::listening(args, "to");
    let begun = fs::read(&file).unwrap();
    let forced = [&args[..], &["--force", "--for", "0"]].concat();
    let run = ringtape(&forced);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("another capture"), "{run:?}");
    assert_eq!(fs::read(&file).unwrap(), begun);
    first.signal("INT");
    assert_eq!(first.finish().code, Some(0));
    assert_eq!(ringtape(&forced).code, Some(0));
}

#[test]
fn the_limit_for_the_size_of_files_leaves_whole_datagrams_as_a_full_disk_does() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("limited.pcapng");
    let to = file.to_str().unwrap();
    let args = [
        "capture",
        "--line",
        "A=127.0.0.1:0",
        "--to",
        to,
        "--datagrams",
        "20",
    ];
    let capture = Background::of(support::limited(8, args)).until("to");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..20 {
        socket.send_to(&[7; 1_000], &capture.addresses[0]).unwrap();
    }
    let run = capture.finish();
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("File too large"), "{run:?}");
    let written = fs::read(&file).unwrap();
    let packets = blocks(&written)
        .iter()
        .filter(|(block, _)| *block == 6)
        .count();
    assert!((1..20).contains(&packets), "{packets}");
    let safe = format!("its first {packets} datagrams");
    assert!(run.stderr.contains(&safe), "{safe}: {run:?}");
}

#[test]
fn mistakes_in_lines_are_named() {
    let folder = TempDir::new().unwrap();
    let to = folder.path().join("x.pcapng");
    let to = to.to_str().unwrap();
    for (args, expected) in [
        (vec!["--line", "A"], "NAME=ADDR:PORT"),
        (
            vec!["--line", "A=127.0.0.1:0", "--line", "A=127.0.0.1:0"],
            "two lines are named A",
        ),
        (
            vec!["--line", "A=127.0.0.1:0", "--until", "end-of-session"],
            "configuration file",
        ),
        (vec!["--line", "A=127.0.0.1:0", "--snap", "0"], "--snap"),
        (vec![], "--line"),
    ] {
        let run = ringtape(["capture", "--to", to].into_iter().chain(args.clone()));
        assert_eq!(run.code, Some(2), "{args:?}: {run:?}");
        assert!(run.stderr.contains(expected), "{args:?}: {run:?}");
        assert!(!Path::new(to).exists(), "nothing is left behind");
    }
}
