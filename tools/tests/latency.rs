//! `latency`: small real runs of every stage, how they fail, and files that others can open.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use support::background::Background;
use support::{Run, hdrhistogram, ringtape};
use tempfile::TempDir;

/// 5,000 messages, 1,000 of them of the warm-up, on cores that other tests use, too.
const SHORT: [&str; 7] = [
    "--rate",
    "20k",
    "--seconds",
    "0.2",
    "--warm-up",
    "0.05",
    "--json",
];

fn latency(options: &[&str]) -> Run {
    ringtape(["latency", "--wait", "yield"].iter().chain(options))
}

/// Checks what holds whatever the machine does meanwhile: every message that was scheduled was sent
/// and came, and each is in exactly one count.
fn check_whole(run: &Value, messages: u64) {
    for key in ["scheduled", "sent", "received"] {
        assert_eq!(run[key], messages, "{key}: {run}");
    }
    let count = |value: &Value| value.as_u64().unwrap();
    let latency = &run["latency_ns"];
    let (samples, out_of_range) = (count(&latency["count"]), count(&latency["out_of_range"]));
    assert_eq!(samples + out_of_range + count(&run["warm_up"]), messages);
    assert_eq!(run["dropped"], 0, "{run}");
    for drops in run["drops"].as_object().unwrap().values() {
        assert_eq!(drops, 0, "{run}");
    }
    // A machine under load may miss the rate; nothing else may go wrong.
    let failures = run["failures"].as_array().unwrap();
    for failure in failures {
        assert!(
            failure.as_str().unwrap().ends_with("a second were reached"),
            "{run}"
        );
    }
    assert_eq!(run["passed"], failures.is_empty());
    assert!(!run["threads"].as_array().unwrap().is_empty(), "{run}");
}

/// Checks the exit code against what the report says.
fn check_code(run: &Run) -> Value {
    let json = run.json();
    let code = if json["passed"] == true { 0 } else { 1 };
    assert_eq!(run.code, Some(code), "{run:?}");
    json
}

#[test]
fn every_stage_brings_every_message() {
    let run = latency(&[&["--stage", "all"], &SHORT[..]].concat());
    let json = check_code(&run);
    let runs = json["runs"].as_array().unwrap();
    let names: Vec<&str> = runs
        .iter()
        .map(|run| run["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["ring-20k", "net-20k", "full-20k"]);
    for run in runs {
        check_whole(run, 5_000);
        assert_eq!(run["warm_up"], 1_000);
        assert_eq!(run["cores"]["ingest"].is_null(), run["stage"] == "ring");
    }
    // The wire is seen where there is one, and every message has each hop.
    assert_eq!(runs[0]["hops_ns"], serde_json::json!({}));
    for run in &runs[1..] {
        let hops = run["hops_ns"].as_object().unwrap();
        for hop in ["due_to_wire", "wire_to_seen", "published_to_handler"] {
            let hop = &hops[hop];
            let samples = hop["count"].as_u64().unwrap() + hop["out_of_range"].as_u64().unwrap();
            assert!(samples >= 4_000, "{hop} of {run}");
        }
    }
    assert!(
        json["host"][0]
            .as_str()
            .unwrap()
            .contains("latency --wait yield --stage all")
    );
    let cores = json["noise_before"].as_array().unwrap();
    assert!(!cores.is_empty() && cores.iter().all(|core| core["watched_ns"] != 0));
}

#[test]
fn a_sweep_goes_through_the_rates_with_poisson_arrivals_and_bursts() {
    for (arrivals, expected) in [("poisson", None), ("burst:10", Some([200, 1_000]))] {
        let run = latency(&[
            "--stage",
            "net",
            "--rate",
            "1k,5k",
            "--seconds",
            "0.15",
            "--warm-up",
            "0.05",
            "--arrivals",
            arrivals,
            "--seed",
            "3",
            "--json",
        ]);
        let json = check_code(&run);
        let runs = json["runs"].as_array().unwrap();
        assert_eq!(runs.len(), 2);
        for (index, run) in runs.iter().enumerate() {
            let scheduled = run["scheduled"].as_u64().unwrap();
            check_whole(run, scheduled);
            assert_eq!(run["arrivals"], arrivals);
            match expected {
                Some(messages) => assert_eq!(scheduled, messages[index]),
                None => assert!(scheduled > 100, "{run}"),
            }
        }
    }
}

#[test]
fn the_tape_of_a_run_has_all_of_its_messages() {
    let folder = TempDir::new().unwrap();
    let tape = folder.path().join("tape");
    let journal = ["--stage", "all", "--journal", tape.to_str().unwrap()];
    let json = check_code(&latency(&[&journal[..], &SHORT[..]].concat()));
    for (run, more) in json["runs"].as_array().unwrap().iter().zip([0, 0, 1]) {
        check_whole(run, 5_000);
        assert_eq!(
            (&run["journal"], &run["drops"]["not_journaled"]),
            (&true.into(), &0.into())
        );
        let directory = tape.join(run["name"].as_str().unwrap());
        // The start of the session is the first record that the probe gets, and has no hops.
        if run["stage"] == "full" {
            let hop = &run["hops_ns"]["published_to_handler"];
            let records = hop["count"].as_u64().unwrap() + hop["out_of_range"].as_u64().unwrap();
            assert!((4_000..5_002).contains(&records), "{hop}");
        }
        let verified = ringtape(["verify", directory.to_str().unwrap(), "--json"]);
        assert_eq!(verified.code, Some(0), "{verified:?}");
        let records = verified.json()["records"].as_u64().unwrap();
        // ITCH over MoldUDP64 also has the session's start and end.
        assert!(
            (5_000..=5_000 + 2 * more).contains(&records),
            "{records} of {run}"
        );
    }
}

#[test]
fn a_sender_in_another_process_sends_the_same() {
    for stage in ["net", "full"] {
        let options = ["--stage", stage, "--sender", "process"];
        let json = check_code(&latency(&[&options, &SHORT[..]].concat()));
        let run = &json["runs"][0];
        check_whole(run, 5_000);
        assert_eq!(run["sender"], "process");
        let threads = run["threads"].as_array().unwrap();
        assert!(
            threads.iter().any(|thread| thread["name"] == "sender"),
            "{run}"
        );
    }
}

#[test]
fn a_rate_that_no_machine_reaches_is_a_failure() {
    let run = latency(&[
        "--stage",
        "ring",
        "--rate",
        "100m",
        "--seconds",
        "0.01",
        "--warm-up",
        "0",
    ]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let failed = run
        .stdout
        .lines()
        .filter(|line| line.starts_with("ring-100m: FAIL: "));
    assert!(
        failed
            .clone()
            .any(|line| line.ends_with("of 100000000 messages a second were reached")),
        "{run:?}"
    );
}

#[test]
fn wrong_use_is_named_before_anything_runs() {
    for (options, why) in [
        (
            &["--arrivals", "sometimes"][..],
            "choose constant, poisson or burst:N",
        ),
        (
            &["--arrivals", "burst:0"],
            "a burst has 1 to 10000 messages",
        ),
        (&["--rate", "0"], "not between 1 and 100m"),
        (&["--rate", "1k,x"], "no number"),
        (&["--rate", "2.5k,1k,2500"], "full-2500 is asked for twice"),
        (
            &["--ring", "lane,lane"],
            "full-100k is asked for twice: name each --rate and each --ring once",
        ),
        (&["--seconds", "0"], "measures nothing"),
        (&["--seconds", "3601"], "at most 3600 seconds"),
        (
            &["--rate", "100m", "--seconds", "60"],
            "choose a lower --rate",
        ),
        (&["--core", "sender"], "no role=core"),
        (&["--core", "sender=4000"], "core 4000 does not exist"),
        (
            &["--stage", "ring", "--sender", "process"],
            "needs a socket",
        ),
    ] {
        let run = latency(options);
        assert_eq!(run.code, Some(2), "{options:?}: {run:?}");
        assert!(run.stderr.contains(why), "{options:?}: {}", run.stderr);
        assert!(
            run.stdout.is_empty() && !run.stderr.contains("watching"),
            "{run:?}"
        );
    }
}

#[test]
fn ctrl_c_ends_a_run_with_a_report_of_what_was_measured() {
    for sender in ["thread", "process"] {
        let mut background = Background::start([
            "latency",
            "--stage",
            "net",
            "--rate",
            "1k",
            "--seconds",
            "600",
            "--wait",
            "yield",
            "--sender",
            sender,
            "--json",
        ]);
        while !background.line().contains("core ") {}
        background.signal("INT");
        let run = background.finish();
        assert_eq!(run.code, Some(130), "{run:?}");
        let json = run.json();
        for run in json["runs"].as_array().unwrap() {
            assert_eq!(
                (&run["interrupted"], &run["passed"]),
                (&true.into(), &false.into())
            );
            // What was on its way when the stop came is not lost.
            assert_eq!(run["dropped"], 0, "{run}");
        }
    }
}

#[test]
fn a_stop_in_the_warm_up_has_no_percentiles_and_one_before_the_runs_nothing_to_tell() {
    let options = [
        "latency", "--stage", "ring", "--rate", "1k", "--wait", "yield",
    ];
    let times = ["--seconds", "600", "--warm-up", "600"];
    let mut background = Background::start([&options[..], &times[..]].concat());
    while !background.line().contains("core ") {}
    background.signal("INT");
    let run = background.finish();
    assert_eq!(run.code, Some(130), "{run:?}");
    let row = run
        .stdout
        .lines()
        .find(|line| line.starts_with("  ring-1k"));
    let cells: Vec<&str> = row.unwrap().split_whitespace().collect();
    assert_eq!(cells, ["ring-1k", "-", "-", "-", "-", "-", "-"]);
    assert!(run.stdout.ends_with("ring-1k: interrupted\n"), "{run:?}");

    let mut background = Background::start([&options[..], &times[..]].concat());
    while !background.line().contains("watching") {}
    background.signal("INT");
    let run = background.finish();
    assert_eq!((run.code, run.stdout.as_str()), (Some(130), ""), "{run:?}");
}

#[test]
fn the_death_of_a_sender_is_noticed_before_its_schedule_is_over() {
    let mut background = Background::start([
        "latency",
        "--stage",
        "net",
        "--rate",
        "1k",
        "--seconds",
        "600",
        "--wait",
        "yield",
        "--sender",
        "process",
    ]);
    while !background.line().contains("line A") {}
    background.kill_child();
    let run = background.finish();
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(
        run.stderr.contains("net-1k: the sender's process has gone"),
        "{run:?}"
    );
}

#[test]
fn a_place_that_takes_no_file_is_an_error_before_anything_runs() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    // The second is a directory of the kernel's own, in which not even root makes files.
    for out in [file.to_str().unwrap(), "/sys/kernel"] {
        let run = latency(&["--stage", "ring", "--out", out]);
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains("error: cannot "), "{run:?}");
        assert!(!run.stderr.contains("watching"), "{run:?}");
    }
}

#[test]
fn files_of_an_earlier_sweep_are_neither_replaced_nor_left_among_those_of_another() {
    for name in [
        "ring-1m.hlog",
        "noise-core-9.hgrm",
        "latency.svg",
        "latency.json",
    ] {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join(name);
        fs::write(&file, "earlier").unwrap();
        fs::write(folder.path().join("notes.txt"), "no matter").unwrap();
        let run = latency(&["--stage", "ring", "--out", folder.path().to_str().unwrap()]);
        assert_eq!(run.code, Some(2), "{run:?}");
        let why = format!("has {name:?} of an earlier sweep");
        assert!(run.stderr.contains(&why), "{run:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "earlier");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}

/// Measures, and returns where the files are and the report.
fn with_files(folder: &TempDir) -> (PathBuf, Value) {
    let out = folder.path().join("deep").join("out");
    let run = ringtape([
        "latency",
        "--stage",
        "full",
        "--rate",
        "5k",
        "--seconds",
        "1.2",
        "--warm-up",
        "0.1",
        "--wait",
        "yield",
        "--out",
        out.to_str().unwrap(),
        "--json",
    ]);
    let json = check_code(&run);
    (out, json)
}

#[test]
fn files_say_where_their_numbers_come_from() {
    let folder = TempDir::new().unwrap();
    let (out, json) = with_files(&folder);
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    let host: Vec<&str> = json["host"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(Value::as_str)
        .collect();
    assert!(host.len() >= 4);
    for name in ["full-5k.hlog", "full-5k.hgrm"] {
        let text = read(name);
        for line in &host {
            assert!(text.contains(&format!("#{line}\n")), "{name}: {line}");
        }
        assert!(text.contains("verdict "), "{name}");
    }
    let written: Value = serde_json::from_str(&read("latency.json")).unwrap();
    assert_eq!(written, json);
    let svg = read("latency.svg");
    assert!(svg.contains("<desc>") && svg.contains("full-5k"));
    let core = json["noise_before"][0]["core"].as_u64().unwrap();
    assert!(read(&format!("noise-core-{core}.hgrm")).contains("#[Max"));
}

#[test]
fn another_hdrhistogram_finds_the_same_counts_and_percentiles_in_the_log() {
    let Some(python) = hdrhistogram::python() else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let (out, json) = with_files(&folder);
    let log = out.join("full-5k.hlog");
    let read = Command::new(python)
        .args(["-c", hdrhistogram::READER])
        .arg(log)
        .output()
        .unwrap();
    assert!(read.status.success(), "{read:?}");
    let read: Value = serde_json::from_slice(&read.stdout).unwrap();
    let latency = &json["runs"][0]["latency_ns"];
    let samples = latency["count"].as_u64().unwrap();
    // Lengths in milliseconds: a second, and the rest.
    let intervals = read["intervals"].as_array().unwrap();
    let lengths: Vec<&Value> = intervals.iter().map(|interval| &interval[0]).collect();
    assert_eq!(lengths, [1_000, 200]);
    let counted = intervals
        .iter()
        .map(|interval| interval[1].as_u64().unwrap());
    assert_eq!(counted.sum::<u64>(), samples);

    let pair = |pair: &Value| (pair[0].as_u64().unwrap(), pair[1].as_u64().unwrap());
    let counts: Vec<(u64, u64)> = read["counts"]
        .as_array()
        .unwrap()
        .iter()
        .map(pair)
        .collect();
    assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), samples);
    // The smallest value that so many of ten thousand samples do not exceed.
    let at = |per_10_000: u64| {
        let rank = (samples * per_10_000).div_ceil(10_000).max(1);
        let mut seen = 0;
        let reached = counts.iter().find(|(_, count)| {
            seen += count;
            seen >= rank
        });
        reached.unwrap().0
    };
    for (key, per_10_000) in [
        ("p50", 5_000),
        ("p90", 9_000),
        ("p99", 9_900),
        ("p999", 9_990),
        ("p9999", 9_999),
        ("max", 10_000),
    ] {
        assert_eq!(latency[key], at(per_10_000), "{key}");
    }
    // The port's own percentiles round the rank, and so may take the next sample.
    for (value, per_10_000) in read["percentiles"]
        .as_array()
        .unwrap()
        .iter()
        .zip([5_000, 9_000, 9_900, 10_000])
    {
        let value = value.as_u64().unwrap();
        let own = at(per_10_000);
        let step = counts.iter().position(|(at, _)| *at == own).unwrap();
        let near = &counts[step.saturating_sub(1)..(step + 2).min(counts.len())];
        assert!(
            near.iter().any(|(at, _)| *at == value),
            "{value} is not near {own}"
        );
    }
}
