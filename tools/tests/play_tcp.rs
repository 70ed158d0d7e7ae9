//! `play --tcp` at one end, `run` at the other: each message once, whatever becomes of connections.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "the figures of a run are shown")]

mod support;

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Child;
use support::background::Background;
use support::{ORDER_FLOW, Run, command, market_data, ringtape};
use tempfile::TempDir;

const DATE: &str = "2019-12-30";

/// A `play` that listens.
struct Venue {
    play: Background,
    address: String,
}

impl Venue {
    fn start(args: &[&str]) -> Self {
        let mut play = Background::start(
            ["play", "--json", "--tcp", "127.0.0.1:0"]
                .iter()
                .chain(args),
        );
        let line = play.line();
        let address = line.trim().strip_prefix("SoupBinTCP on ");
        let address = address.unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { play, address }
    }

    /// Waits for its end and returns the report.
    fn finish(self) -> Value {
        let run = self.play.finish();
        assert_eq!(run.code, Some(0), "{run:?}");
        run.json()
    }
}

/// Prepares a `run` that follows the session at an address to its end.
fn follow(folder: &TempDir, name: &str, address: &str) -> Child {
    let path = folder.path().join(name);
    let config = format!(
        "[run]\nuntil = \"end-of-session\"\nwait = \"park\"\n\
         [[feed]]\nname = \"tcp\"\nprotocol = \"soupbintcp/itch50\"\ntrading_date = \"{DATE}\"\n\
         [feed.login]\nusername = \"user\"\n\
         [[feed.line]]\nname = \"A\"\naddress = \"{address}\"\n\
         [[subscriber]]\nname = \"flow\"\nstrategy = \"flow\"\ncontract = \"lossless\"\n"
    );
    fs::write(&path, config).unwrap();
    let args = ["run", path.to_str().unwrap(), "--for", "50", "--json"];
    command(args).spawn().unwrap()
}

fn scenario(folder: &TempDir, text: &str) -> String {
    let path = folder.path().join("scenario.toml");
    fs::write(&path, text).unwrap();
    format!("--scenario={}", path.display())
}

/// Checks that every message of the session was delivered, once.
fn check_whole(run: &Run, messages: u64) -> Value {
    assert_eq!(run.code, Some(0), "{run:?}");
    let report = run.json();
    let ledger = &report["ledger"][0];
    assert_eq!(
        (&ledger["expected"], &ledger["delivered"]),
        (&messages.into(), &messages.into())
    );
    assert_eq!(
        (&report["closes"], &report["lossless"]),
        (&true.into(), &true.into())
    );
    assert_eq!(report["subscribers"][0]["gaps"], 0);
    report
}

fn digest_of(file: &Path) -> Value {
    let run = ringtape(["inspect", file.to_str().unwrap(), "--date", DATE, "--json"]);
    run.json()["digest"].clone()
}

#[test]
fn clients_at_once_are_given_what_decoding_the_file_gives() {
    let Some(file) = market_data(ORDER_FLOW) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let args = [
        file.to_str().unwrap(),
        "--tcp-wait-s",
        "50",
        "--rate",
        "20000",
    ];
    let venue = Venue::start(&args);
    let clients = ["one.toml", "two.toml"].map(|name| follow(&folder, name, &venue.address));
    let runs = clients.map(support::wait);
    let played = venue.finish();
    for run in &runs {
        let report = check_whole(run, 4_000);
        assert_eq!(report["subscribers"][0]["digest"], digest_of(&file));
    }
    let tcp = &played["tcp"];
    println!("{tcp}");
    assert_eq!(
        (&played["messages"], &played["lines"]),
        (&4_000.into(), &Value::Array(vec![]))
    );
    for (key, count) in [
        ("connections", 2),
        ("logins", 2),
        ("rejected", 0),
        ("sequenced", 8_000),
        ("closed_by_fault", 0),
        ("missing", 0),
    ] {
        assert_eq!(tcp[key], count, "{key}: {tcp}");
    }
}

#[test]
fn connections_that_are_closed_garbled_and_rejected_lose_and_repeat_nothing() {
    let Some(file) = market_data(ORDER_FLOW) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let text = "seed = 4\n[tcp]\nclose_after_bytes = 20_000\ngarbage = 30\nstall_ms = 3\n\
                reject = { share = 20 }\n";
    let scenario = scenario(&folder, text);
    let args = [
        file.to_str().unwrap(),
        "--tcp-wait-s",
        "50",
        "--max",
        &scenario,
    ];
    let venue = Venue::start(&args);
    let run = support::wait(follow(&folder, "feed.toml", &venue.address));
    let played = venue.finish();
    let link = check_whole(&run, 4_000)["ledger"][0]["link"].clone();
    let tcp = &played["tcp"];
    println!("{tcp}\n{link}");
    assert_eq!(tcp["connections"], link["connects"]);
    assert_eq!(tcp["logins"], link["logins"]);
    assert_eq!(tcp["rejected"], link["rejected"]);
    let count = |key: &str| tcp[key].as_u64().unwrap();
    assert!(count("closed_by_fault") >= 3 && count("garbage") >= 1 && count("rejected") >= 1);
    assert!(count("stalls") >= 3 && count("sequenced") >= 4_000);
}

#[test]
fn made_up_traffic_is_served_beside_lines_that_lose_it() {
    let folder = TempDir::new().unwrap();
    let line = support::wire::Listener::new();
    let scenario = scenario(
        &folder,
        "[traffic]\nmessages = 3_000\n[[line]]\nloss = 100\n",
    );
    let venue = Venue::start(&["--max", "--tcp-wait-s", "50", &scenario, &line.to()]);
    let run = support::wait(follow(&folder, "feed.toml", &venue.address));
    let played = venue.finish();
    check_whole(&run, 3_000);
    assert_eq!(played["tcp"]["sequenced"], 3_000);
    assert_eq!(played["lines"][0]["messages"], 0);
    assert_eq!(line.arrived().len(), 6, "announcements alone");
}

#[test]
fn what_cannot_be_on_tcp_is_refused() {
    let folder = TempDir::new().unwrap();
    let refused = |text: &str, args: &[&str], named: &str| {
        let scenario = scenario(&folder, text);
        let mut all = vec!["play", scenario.as_str()];
        all.extend(args);
        let run = ringtape(all);
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains(named), "{run:?}");
    };
    let tcp = ["--tcp", "127.0.0.1:0"];
    refused("[tcp]\nstall = 3\n", &tcp, "line 2: unknown field `stall`");
    refused("[tcp]\n[[line]]\n", &[], "there is no --tcp");
    let restart = "[[line]]\n[[event]]\nwhat = \"restart\"\nat_message = 5\n";
    refused(restart, &tcp, "leave the restarts out");
    refused("[[line]]\n", &["--tcp", "0.0.0.0:0"], "name the address");
    refused("[[line]]\n", &["--tcp-wait-s", "5"], "--tcp");
}
