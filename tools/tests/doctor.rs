//! `ringtape doctor` says of a host what is true of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../src/doctor/tests/fixture.rs"]
mod fixture;
mod support;

use fixture::Files;
use serde_json::{Value, json};
use support::background::{signal, wait_until_interruptible};
use support::{Run, command, ringtape};

fn on(files: &Files, args: &[&str]) -> Run {
    let root = files.write();
    let root = root.path().to_str().unwrap();
    ringtape([&["doctor", "--root", root], args].concat())
}

fn check<'a>(report: &'a Value, id: &str) -> &'a Value {
    let mut checks = report["checks"].as_array().unwrap().iter();
    checks
        .find(|check| check["id"] == id)
        .unwrap_or_else(|| panic!("no {id}: {report}"))
}

/// Sees that the exit code, the verdict and the counts are those of the checks.
#[track_caller]
fn assert_counts(run: &Run) -> Value {
    let report = run.json();
    let checks = report["checks"].as_array().unwrap();
    for (key, level) in [
        ("fail", "fail"),
        ("warn", "warn"),
        ("note", "note"),
        ("ok", "ok"),
        ("unknown", "unknown"),
        ("not_applicable", "not-applicable"),
    ] {
        let count = checks
            .iter()
            .filter(|check| check["level"] == level)
            .count();
        assert_eq!(report[key], json!(count), "{key}: {report}");
    }
    let failed = report["fail"] != json!(0);
    assert_eq!(run.code, Some(i32::from(failed)), "{run:?}");
    assert_eq!(report["verdict"] == "unfit", failed);
    report
}

#[test]
fn a_tuned_host_passes() {
    let args = [
        "--core",
        "2",
        "--core",
        "3",
        "--interface",
        "eth0",
        "--journal",
        "/tape",
    ];
    let run = on(&fixture::tuned(), &[&args[..], &["--json"]].concat());
    let report = assert_counts(&run);
    assert_eq!((run.code, &report["verdict"]), (Some(0), &json!("fit")));
    assert_eq!(report["cores"], json!([2, 3]));
    let why = "what a burst brings beyond it is lost, and the kernel cuts the request silently";
    assert_eq!(
        check(&report, "receive-buffer"),
        &json!({
            "id": "receive-buffer", "group": "network", "name": "receive buffer", "core": null,
            "level": "ok", "value": "4194304 bytes granted", "reason": null,
            "wanted": "4,194,304 bytes, which a line asks for unless told otherwise",
            "why": why,
            "fix": [],
            "numbers": { "granted_bytes": 4_194_304, "rmem_max_bytes": 67_108_864 },
        })
    );
    // What would have to be tried is not made up for a host that is only files.
    assert_eq!(check(&report, "io-uring")["level"], "not-applicable");
    assert_eq!(check(&report, "jitter")["level"], "not-applicable");
    let text = on(&fixture::tuned(), &args);
    assert!(
        text.stdout.contains("\nfit: 0 fail, 0 warn, 0 note, "),
        "{text:?}"
    );
}

#[test]
fn a_quota_or_a_small_buffer_is_exit_code_1_with_the_command_that_helps() {
    let run = on(&fixture::container(), &["--json"]);
    let report = assert_counts(&run);
    assert_eq!(run.code, Some(1));
    let quota = check(&report, "cpu-quota");
    assert_eq!(quota["level"], "fail");
    let command = "echo -1 > /sys/fs/cgroup/cpu,cpuacct/docker/1f3a/cpu.cfs_quota_us";
    assert_eq!(quota["fix"][0], command);
    let run = on(&fixture::laptop(), &[]);
    assert_eq!(run.code, Some(1));
    for part in [
        "  fail     receive buffer ",
        "sysctl -w net.core.rmem_max=4194304",
        "\nunfit: ",
    ] {
        assert!(run.stdout.contains(part), "{part} is not in {}", run.stdout);
    }
}

#[test]
fn warnings_alone_are_no_failure() {
    let run = on(&fixture::virtual_machine(), &["--json"]);
    let report = assert_counts(&run);
    assert_eq!(
        (run.code, &report["verdict"]),
        (Some(0), &json!("fit, with reservations"))
    );
}

#[test]
fn this_host_is_tried_and_measured() {
    let folder = tempfile::tempdir().unwrap();
    // The journal's directory need not be there yet.
    let journal = folder.path().join("not/yet");
    let journal = journal.to_str().unwrap();
    let run = ringtape([
        "doctor",
        "--json",
        "--jitter-ms",
        "20",
        "--journal",
        journal,
    ]);
    let report = assert_counts(&run);
    assert_eq!(run.stderr, "");
    for id in [
        "receive-buffer",
        "journal-space",
        "journal-fs",
        "clock-sync",
        "jitter",
    ] {
        let found = check(&report, id);
        assert!(found["value"].is_string(), "{found}");
    }
    let granted = &check(&report, "receive-buffer")["numbers"]["granted_bytes"];
    assert!(granted.as_u64().unwrap() > 0);
    let cores = report["cores"].as_array().unwrap();
    let watched = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["id"] == "jitter");
    for (check, core) in watched.zip(cores) {
        assert_eq!(&check["core"], core);
        assert!(
            check["numbers"]["watched_ns"].as_u64().unwrap() >= 20_000_000,
            "{check}"
        );
    }
    assert!(report["stamp"][0].as_str().unwrap().starts_with("doctor: "));
}

#[test]
fn a_core_that_does_not_exist_fails_and_names_those_that_do() {
    let run = ringtape(["doctor", "--json", "--jitter-ms", "1", "--core", "8000"]);
    let report = assert_counts(&run);
    assert_eq!(run.code, Some(1));
    let found = check(&report, "cores-online")["value"].as_str().unwrap();
    assert!(found.starts_with("8000 not online, only 0"), "{found}");
}

#[test]
fn the_jitter_test_can_be_left_out() {
    let run = ringtape(["doctor", "--json", "--jitter-ms", "0"]);
    let report = assert_counts(&run);
    let jitter = check(&report, "jitter");
    assert_eq!(jitter["reason"], "left out: --jitter-ms 0");
}

#[test]
fn ctrl_c_ends_the_jitter_test_with_a_report_and_exit_code_130() {
    let args = ["doctor", "--json", "--jitter-ms", "600000"];
    let child = command(args).spawn().unwrap();
    wait_until_interruptible(child.id());
    signal(&child, "INT");
    let run = support::wait(child);
    assert_eq!(run.code, Some(130), "{run:?}");
    let report = run.json();
    let jitter = check(&report, "jitter");
    let watched_ns = jitter["numbers"]["watched_ns"].as_u64().unwrap();
    assert!(watched_ns < 600_000_000_000, "{jitter}");
}

#[test]
fn a_root_that_is_no_directory_is_wrong_use() {
    let run = ringtape(["doctor", "--root", "/dev/null"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("/dev/null is no directory"), "{run:?}");
}

#[test]
fn a_root_without_the_files_of_a_host_is_wrong_use() {
    let root = tempfile::tempdir().unwrap();
    let run = ringtape(["doctor", "--root", root.path().to_str().unwrap()]);
    assert_eq!(run.code, Some(2));
    let reason = "has neither proc nor sys";
    assert!(run.stderr.contains(reason), "{run:?}");
}
