//! The command line as a whole: help, bad files, and how commands end.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use support::tape;
use support::{Run, binary_file, command, message, ringtape, system_event, unprivileged, wait};

const COMMANDS: [&str; 11] = [
    "demo", "run", "capture", "play", "inspect", "convert", "verify", "dump", "tail", "replay",
    "diff",
];
/// Those that read a capture.
const READERS: [&str; 3] = ["inspect", "play", "convert"];

/// The arguments of a command that reads a capture.
fn arguments(name: &str, file: &Path) -> Vec<OsString> {
    let mut arguments = vec![OsString::from(name), file.as_os_str().to_owned()];
    if name == "convert" {
        arguments.push("/dev/null/tape".into());
    }
    arguments
}

/// Runs a command on a file.
fn on(name: &str, file: &Path) -> Run {
    ringtape(arguments(name, file))
}

#[test]
fn help_shows_an_example_of_each_command() {
    let overview = ringtape(["--help"]);
    assert_eq!(overview.code, Some(0));
    for name in COMMANDS {
        assert!(
            overview.stdout.contains(&format!("  {name} ")),
            "{name}: {}",
            overview.stdout
        );
        for args in [["help", name], [name, "--help"]] {
            let help = ringtape(args);
            assert_eq!(help.code, Some(0));
            let (_, examples) = help.stdout.split_once("Examples:").unwrap();
            assert!(
                examples.contains(&format!("ringtape {name} ")),
                "{name}: {}",
                help.stdout
            );
            assert!(help.stdout.contains("Exit codes:"), "{name}");
        }
    }
}

#[test]
fn names_of_files_that_a_terminal_obeys_are_shown_escaped() {
    const NAME: &str = "red\u{1b}[31m\u{9b}1m";
    const SHOWN: &str = "red\\u001b[31m\\u009b1m";
    let folder = tempfile::tempdir().unwrap();
    let (named, misnamed) = (folder.path().join(NAME), folder.path().join("misnamed"));
    tape::write(&named, &[5]);
    fs::create_dir(&misnamed).unwrap();
    fs::write(misnamed.join(format!("{NAME}.tape")), "").unwrap();
    let missing = folder.path().join(format!("not {NAME}"));
    for (args, code) in [
        (vec![OsStr::new("verify"), named.as_os_str()], 0),
        (vec![OsStr::new("top"), named.as_os_str()], 0),
        (vec![OsStr::new("verify"), misnamed.as_os_str()], 2),
        (vec![OsStr::new("inspect"), missing.as_os_str()], 2),
    ] {
        let run = ringtape(args);
        assert_eq!(run.code, Some(code), "{run:?}");
        let text = format!("{}{}", run.stdout, run.stderr);
        assert!(text.contains(SHOWN), "{run:?}");
        assert!(!text.contains(['\u{1b}', '\u{9b}']), "{run:?}");
    }
    let run = ringtape([
        OsStr::new("verify"),
        named.as_os_str(),
        OsStr::new("--json"),
    ]);
    assert!(!run.stdout.contains(['\u{1b}', '\u{9b}']), "{run:?}");
    assert_eq!(run.json()["journal"].as_str(), named.to_str());
}

#[test]
fn wrong_arguments_are_exit_code_2_and_show_the_usage() {
    for args in [
        &["nosuch"][..],
        &["inspect"],
        &["play"],
        &["inspect", "a", "b"],
        &["convert", "a"],
        &["verify"],
        &["dump", "a", "b"],
        &[],
    ] {
        let run = ringtape(args);
        assert_eq!(run.code, Some(2), "{args:?}");
        assert!(run.stderr.contains("Usage:"), "{args:?}: {}", run.stderr);
    }
    let run = ringtape(["dump", "a", "--limit", "0"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("--limit"), "{run:?}");
    let run = ringtape(["inspect", "file", "--date", "30.12.2019"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("2020-01-30"), "{run:?}");
}

#[test]
fn files_that_cannot_be_read_are_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("empty"), b"").unwrap();
    fs::write(path("text.pcap"), b"date,price\n2020-01-30,7\n").unwrap();
    fs::write(
        path("nothing.gz"),
        [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xff],
    )
    .unwrap();
    for (file, message) in [
        (path("nosuch"), "No such file"),
        (folder.path().to_owned(), "is a directory"),
        (path("empty"), "is empty; supported are pcap"),
        (path("text.pcap"), "is no capture file but text"),
        (path("nothing.gz"), "cannot read"),
    ] {
        for name in READERS {
            let run = on(name, &file);
            assert_eq!(run.code, Some(2), "{run:?}");
            assert!(run.stderr.starts_with("error: "), "{run:?}");
            let message = match name {
                // They take a directory for a journal.
                "inspect" | "play" if file.is_dir() => "is no journal",
                _ => message,
            };
            assert!(run.stderr.contains(message), "{run:?}");
            assert!(run.stderr.contains(file.to_str().unwrap()), "{run:?}");
            assert!(run.stdout.is_empty(), "{run:?}");
        }
    }
}

#[test]
fn a_file_without_permission_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let file = folder.path().join("secret.pcap");
    fs::write(&file, b"secret").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    for name in READERS {
        let command = unprivileged(arguments(name, &file), folder.path());
        let run = support::finish(command);
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(
            run.stderr.contains("secret.pcap: Permission denied"),
            "{run:?}"
        );
    }
}

#[test]
fn a_damaged_file_is_reported_as_far_as_it_goes_with_exit_code_1() {
    use std::io::Write as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("damaged.gz");
    let mut random = fastrand::Rng::with_seed(1);
    let messages: Vec<_> = (0..50_000)
        .map(|_| message(b'D', 19, random.u64(..) >> 17))
        .collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&binary_file(&messages)).unwrap();
    let mut bytes = gzip.finish().unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0xff);
    fs::write(&file, bytes).unwrap();
    let run = ringtape([
        OsStr::new("inspect"),
        file.as_os_str(),
        OsStr::new("--json"),
    ]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(
        run.stderr.contains("warning: the file is damaged"),
        "{run:?}"
    );
    let read = run.json()["messages"].as_u64().unwrap();
    assert!(read > 0 && read < 50_000, "{read}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file.itch50");
    fs::write(&file, binary_file([system_event(1)])).unwrap();
    let args = [
        OsStr::new("inspect"),
        file.as_os_str(),
        OsStr::new("--json"),
    ];
    let mut child = command(args).spawn().unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(stderr, "");
    assert_eq!(wait(child).code, Some(0));
}
