mod fixture;
mod hosts;
mod remedies;
mod tried;
mod wrongs;

use super::readings::Steering;
use super::*;
use crate::noise::Noise;
use fixture::{Files, container, laptop, tuned, virtual_machine};
use proptest::prelude::*;
use ringtape::net::ReceiveBuffer;
use std::collections::BTreeSet;
use std::fs;
use wrongs::WRONGS;

const SECOND_NS: u64 = 1_000_000_000;

/// Readings of a host on which nothing is wrong.
fn good() -> Readings {
    Readings {
        tried: true,
        io_uring: Ok(()),
        receive_buffer: Ok(granted(4 << 20)),
        steering: Ok(Steering {
            synchronised: true,
            offset_ns: 350,
            error_us_max: 900,
        }),
        journal_free_bytes: Ok(500 << 30),
        journal: Some("/tape/today".into()),
        journal_writable: Ok(()),
        noise: [2, 3]
            .map(|core| (core, Ok(Noise::of(core, SECOND_NS, &[60]))))
            .to_vec(),
        stolen_ppm: Ok(0),
    }
}

fn granted(granted_bytes: usize) -> ReceiveBuffer {
    ReceiveBuffer {
        asked_bytes: 4 << 20,
        granted_bytes,
    }
}

fn options() -> Options {
    Options {
        cores: vec![3, 2],
        interface: Some("eth0".to_owned()),
        journal: Some("/tape/today".into()),
        jitter: Duration::from_secs(1),
    }
}

fn on(files: &Files, options: &Options, readings: &Readings) -> Examination {
    let root = files.write();
    judge(&Tree::new(root.path()), options, readings)
}

fn find<'a>(examination: &'a Examination, id: &str) -> &'a Check {
    let mut checks = examination.checks.iter();
    checks
        .find(|check| check.id == id)
        .unwrap_or_else(|| panic!("no check {id}"))
}

/// Sees how a check ended, and that the words of value, reason and fixes hold these.
#[track_caller]
fn assert_check(examination: &Examination, id: &str, level: Level, words: &[&str]) {
    let check = find(examination, id);
    assert_eq!(check.level, level, "{check:#?}");
    let text = format!("{}\n{}", check.found(), check.fix.join("\n"));
    for word in words {
        assert!(text.contains(word), "{word} is not in {check:#?}");
    }
    assert_eq!(check.fix.is_empty(), level < Level::Note, "{check:#?}");
}

const CPUS: &str = "/sys/devices/system/cpu";

#[test]
fn what_is_wrong_is_named_with_its_remedy() {
    for (id, path, text, level, words) in WRONGS {
        let mut files = tuned();
        files.set(path, text);
        assert_check(&on(&files, &options(), &good()), id, *level, words);
    }
}

#[test]
fn rcu_callbacks_follow_the_command_line_and_the_tick() {
    let mut files = tuned();
    files.remove(&format!("{CPUS}/nohz_full"));
    let verdict = |files: &Files| on(files, &options(), &good());
    assert_check(&verdict(&files), "rcu", Level::Ok, &["2-3"]);
    assert_check(
        &verdict(&files),
        "tick",
        Level::Warn,
        &["built without nohz_full"],
    );
    files.set("/proc/cmdline", "rcu_nocbs=2-3 rcu_nocbs=2 nohz_fullish");
    assert_check(
        &verdict(&files),
        "rcu",
        Level::Warn,
        &["run on 3", "rcu_nocbs=2-3"],
    );
    files.set("/proc/cmdline", "rcu_nocbs=all");
    assert_check(&verdict(&files), "rcu", Level::Ok, &[]);
    files.set("/proc/cmdline", "rcu_nocbs=2-x");
    assert_check(&verdict(&files), "rcu", Level::Unknown, &["no list"]);
}

#[test]
fn irqbalance_is_told_unless_the_cores_are_isolated() {
    let mut files = tuned();
    files.set("/proc/77/comm", "irqbalance");
    assert_check(
        &on(&files, &options(), &good()),
        "irqbalance",
        Level::Ok,
        &["spares"],
    );
    files.set(&format!("{CPUS}/isolated"), "2");
    let words = ["systemctl disable --now irqbalance"];
    assert_check(
        &on(&files, &options(), &good()),
        "irqbalance",
        Level::Warn,
        &words,
    );
}

#[test]
fn a_process_that_holds_the_latency_down_spares_the_idle_states() {
    let mut files = tuned();
    files.set(&format!("{CPUS}/cpu2/cpuidle/state2/disable"), "0");
    files.0.insert(
        "/dev/cpu_dma_latency".to_owned(),
        5_i32.to_ne_bytes().to_vec(),
    );
    assert_check(
        &on(&files, &options(), &good()),
        "c-states",
        Level::Ok,
        &["C1, 2 us"],
    );
    files.remove("/dev/cpu_dma_latency");
    files.set("/proc/cmdline", "idle=poll");
    assert_check(
        &on(&files, &options(), &good()),
        "c-states",
        Level::Ok,
        &["idle=poll"],
    );
}

#[test]
fn a_tape_in_memory_is_to_have_huge_pages_whoever_gives_them() {
    let mut files = tuned();
    let mut check = |options: &str, all: &str, level, words: &[&str]| {
        let mount = format!("1 1 0:1 / /tape rw - tmpfs none rw{options}");
        files.set("/proc/self/mountinfo", &mount);
        files.set("/sys/kernel/mm/transparent_hugepage/shmem_enabled", all);
        let examination = on(&files, &self::options(), &good());
        assert_check(&examination, "journal-huge", level, words);
    };
    check(",huge=within_size", "[never] deny", Level::Ok, &[]);
    check(",huge=always", "[never] deny", Level::Ok, &[]);
    check("", "[never] deny", Level::Note, &["huge=never", "remount"]);
    check("", "never [force]", Level::Ok, &["for all mounts"]);
    let denied = ["denied to all mounts", "echo never > "];
    check(",huge=always", "never [deny]", Level::Note, &denied);
}

/// Every check of the tuned host, but those that have tests of their own, has a wrong above.
#[test]
fn every_check_can_end_badly() {
    let own = [
        "io-uring",
        "rcu",
        "irqbalance",
        "receive-buffer",
        "clock-sync",
        "journal-space",
        "jitter",
    ];
    let covered: BTreeSet<&str> = WRONGS.iter().map(|wrong| wrong.0).chain(own).collect();
    let examination = on(&tuned(), &options(), &good());
    let all: BTreeSet<&str> = examination.checks.iter().map(|check| check.id).collect();
    assert_eq!(all, covered);
}

#[test]
fn the_text_fits_a_terminal_and_ends_with_the_summary() {
    for files in [tuned(), laptop(), virtual_machine(), container()] {
        let text = text::render(&on(&files, &Options::default(), &good()));
        for line in text.lines() {
            let command = line.starts_with("           fix") || line.starts_with(&" ".repeat(19));
            assert!(command || line.chars().count() <= 100, "{line}");
        }
        let last = text.lines().last().unwrap();
        assert!(last.contains(" fail, ") && last.contains("fit"), "{last}");
    }
}

#[track_caller]
fn assert_printable(examination: &Examination) {
    let lines = examination.stamp();
    assert!(lines[0].starts_with("doctor: "), "{lines:?}");
    for line in &lines {
        assert!(
            line.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
            "{line:?}"
        );
        assert!(line.len() <= STAMP_CHARACTERS_MAX, "{line:?}");
    }
    let text = text::render(examination);
    assert!(
        !text.chars().any(|c| c.is_control() && c != '\n'),
        "{text:?}"
    );
    serde_json::to_string(&examination.report()).unwrap();
}

#[test]
fn the_stamp_says_what_is_wrong_first_and_what_was_measured() {
    let mut files = tuned();
    files.set("/proc/sys/kernel/timer_migration", "1");
    let mut readings = good();
    readings.receive_buffer = Ok(granted(1_000));
    let examination = on(&files, &options(), &readings);
    let stamp = examination.stamp();
    assert_eq!(stamp[0], format!("doctor: {}", examination.summary()));
    assert_eq!(
        stamp[1],
        "doctor: fail receive-buffer: 1000 of 4194304 bytes granted"
    );
    assert_eq!(stamp[2], "doctor: note timer-migration: 1");
    assert!(
        stamp
            .iter()
            .any(|line| line.starts_with("doctor: ok jitter 3: p99 60, "))
    );
    assert_printable(&examination);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Files are input: whatever they hold, there is a report.
    #[test]
    fn random_bytes_in_any_file_are_survived(
        seeds in proptest::collection::vec(
            (any::<prop::sample::Index>(), proptest::collection::vec(any::<u8>(), 0..80)), 1..6),
        digits in proptest::collection::vec(
            (any::<prop::sample::Index>(), "[0-9 ,\\-:\\[\\]a-f/.]{0,24}"), 0..6),
        container_like in any::<bool>(),
    ) {
        thread_local! {
            static ROOTS: [(Files, tempfile::TempDir); 2] = [tuned(), container()].map(|files| {
                let root = files.write();
                (files, root)
            });
        }
        ROOTS.with(|roots| {
            let (files, root) = &roots[usize::from(container_like)];
            let paths: Vec<&String> = files.0.keys().collect();
            let texts = digits.iter().map(|(place, text)| (place, text.as_bytes()));
            let bytes = seeds.iter().map(|(place, bytes)| (place, bytes.as_slice()));
            let changed: Vec<(&String, &[u8])> =
                bytes.chain(texts).map(|(place, bytes)| (*place.get(&paths), bytes)).collect();
            let at = |path: &str| root.path().join(path.trim_start_matches('/'));
            for (path, bytes) in &changed {
                fs::write(at(path), bytes).unwrap();
            }
            assert_printable(&judge(&Tree::new(root.path()), &options(), &good()));
            assert_printable(&judge(&Tree::new(root.path()), &Options::default(), &good()));
            for (path, _) in &changed {
                fs::write(at(path), &files.0[*path]).unwrap();
            }
        });
    }
}
