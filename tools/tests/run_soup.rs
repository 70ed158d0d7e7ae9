//! `run` of a feed on TCP, against a server that kills its connections, and one that knows nobody.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;
#[path = "../../tests/support/tcp_venue.rs"]
#[allow(missing_docs, unreachable_pub, reason = "shared by tests")]
mod tcp_venue;

use ringtape::feed::soupbintcp::{Misbehaviour, Password, Server, session_id};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use support::{Run, command, system_event};
use tcp_venue::TcpVenue;
use tempfile::TempDir;

const MESSAGES: u64 = 2_000;

fn server() -> Server {
    let mut server = Server::new(session_id(b"S1").unwrap());
    for number in 0..MESSAGES {
        assert!(server.publish(&system_event(number)));
    }
    server.end();
    server.for_user(*b"user  ", Password::new("secret").unwrap())
}

/// Runs until the end of the session, with the password from the environment.
fn run(venue: &TcpVenue, password: &str, json: bool) -> Run {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("feed.toml");
    let config = format!(
        "[run]\nuntil = \"end-of-session\"\nwait = \"park\"\n\
         [[feed]]\nname = \"tcp\"\nprotocol = \"soupbintcp/itch50\"\n\
         trading_date = \"2019-12-30\"\n\
         [feed.login]\nusername = \"user\"\npassword_env = \"SOUP_PASSWORD\"\n\
         [[feed.line]]\nname = \"A\"\naddress = \"{}\"\n\
         [[subscriber]]\nname = \"flow\"\nstrategy = \"flow\"\ncontract = \"lossless\"\n",
        venue.address
    );
    fs::write(&path, config).unwrap();
    let mut command = command(["run", path.to_str().unwrap(), "--for", "60"]);
    command.env("SOUP_PASSWORD", password);
    if json {
        command.arg("--json");
    }
    support::finish(command)
}

#[test]
fn a_session_with_killed_connections_is_reported_with_its_reconnects() {
    let kill = |index| Misbehaviour {
        close_after_bytes: (index < 3).then_some(5_000),
        ..Misbehaviour::default()
    };
    let venue = TcpVenue::start(server(), kill);
    let run = run(&venue, "secret", true);
    assert_eq!(run.code, Some(0), "{run:?}");
    let report = run.json();
    assert_eq!(report["closes"], true);
    assert_eq!(report["lossless"], true);
    let ledger = &report["ledger"][0];
    assert_eq!(
        (&ledger["expected"], &ledger["delivered"]),
        (&MESSAGES.into(), &MESSAGES.into())
    );
    let link = &ledger["link"];
    for (key, count) in [
        ("connects", 4),
        ("reconnects", 3),
        ("logins", 4),
        ("rejected", 0),
        ("closed_by_venue", 3),
    ] {
        assert_eq!(link[key], count, "{key}: {link}");
    }
    assert!(link["heartbeats_sent"].is_u64() && link["heartbeats_received"].is_u64());
    let stream = &report["net"]["streams"][0];
    assert_eq!(
        (&stream["name"], &stream["connects"]),
        (&"A".into(), &4.into())
    );
    assert_eq!(stream["address"], venue.address.to_string());
}

#[test]
fn a_page_for_people_tells_of_the_connection() {
    let venue = TcpVenue::start(server(), |_| Misbehaviour::default());
    let run = run(&venue, "secret", false);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(
        run.stderr
            .contains(&format!("line A at {}, by TCP", venue.address))
    );
    for expected in [
        "connection: reconnects",
        "connection: logins",
        "Nothing was lost",
    ] {
        assert!(run.stdout.contains(expected), "{expected}: {}", run.stdout);
    }
}

#[test]
fn a_wrong_password_ends_the_run_with_what_to_do() {
    let venue = TcpVenue::start(server(), |_| Misbehaviour::default());
    let run = run(&venue, "wrong", true);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("feed tcp") && run.stderr.contains("check username and password"));
    let report = run.json();
    assert_eq!(report["ledger"][0]["rejected"], true);
    assert_eq!(report["ledger"][0]["link"]["rejected_not_authorised"], 1);
}

#[test]
fn a_password_that_is_no_text_is_refused_and_not_shown() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("feed.toml");
    let text = "[[feed]]\nname = \"glimpse\"\nprotocol = \"soupbintcp/itch50\"\n\
                [feed.login]\nusername = \"user\"\npassword_env = \"RINGTAPE_TEST_BYTES\"\n\
                [[feed.line]]\nname = \"A\"\naddress = \"127.0.0.1:1\"\n\
                [[subscriber]]\nname = \"audit\"\nstrategy = \"audit\"\n";
    fs::write(&path, text).unwrap();
    let mut command = command(["run", path.to_str().unwrap(), "--for", "0"]);
    command.env("RINGTAPE_TEST_BYTES", OsStr::from_bytes(b"hidden\xff"));
    let run = support::finish(command);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("is no text"), "{run:?}");
    assert!(!run.stderr.contains("hidden"), "{run:?}");
}
