mod fixture;
mod remedies;
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

#[test]
fn a_tuned_host_has_nothing_left_to_do() {
    let examination = on(&tuned(), &options(), &good());
    for check in &examination.checks {
        // Without swap there is nothing to be said of swappiness.
        let expected = match check.id {
            "swappiness" => Level::NotApplicable,
            _ => Level::Ok,
        };
        assert_eq!(check.level, expected, "{check:#?}");
    }
    assert_eq!(examination.verdict(), "fit");
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
fn what_was_tried_and_measured_is_judged() {
    type Change = fn(&mut Readings);
    let cases: &[(&str, Change, Level, &[&str])] = &[
        (
            "io-uring",
            |r| r.io_uring = Err("io_uring_setup: EPERM".to_owned()),
            Level::Warn,
            &["EPERM", "seccomp"],
        ),
        (
            "receive-buffer",
            |r| r.receive_buffer = Err("cannot create a socket".to_owned()),
            Level::Unknown,
            &["socket"],
        ),
        (
            "clock-sync",
            |r| r.steering = Err("adjtimex: EPERM".to_owned()),
            Level::Unknown,
            &["EPERM"],
        ),
        (
            "journal-space",
            |r| r.journal_free_bytes = Err("statvfs: EIO".to_owned()),
            Level::Unknown,
            &["EIO"],
        ),
        (
            "io-uring",
            |r| *r = Readings::none(None),
            Level::NotApplicable,
            &["not tried"],
        ),
        (
            "clock-sync",
            |r| *r = Readings::none(None),
            Level::NotApplicable,
            &["not tried"],
        ),
        (
            "receive-buffer",
            |r| *r = Readings::none(None),
            Level::Ok,
            &["4194304"],
        ),
        (
            "jitter",
            |r| *r = Readings::none(None),
            Level::NotApplicable,
            &["nothing to measure"],
        ),
        (
            "receive-buffer",
            |r| r.receive_buffer = Ok(granted(212_992)),
            Level::Fail,
            &["212992 of 4194304", "sysctl -w net.core.rmem_max=4194304"],
        ),
        (
            "clock-sync",
            |r| r.steering.as_mut().unwrap().synchronised = false,
            Level::Note,
            &["chronyd is running", "chronyc tracking"],
        ),
        (
            "clock-sync",
            |r| r.steering.as_mut().unwrap().error_us_max = 16_000_000,
            Level::Note,
            &["not told to the kernel"],
        ),
        (
            "steal",
            |r| r.stolen_ppm = Ok(20_000),
            Level::Warn,
            &["20000 ppm during"],
        ),
        (
            "journal-space",
            |r| r.journal_free_bytes = Ok(1 << 20),
            Level::Fail,
            &["1 MiB"],
        ),
        (
            "journal-space",
            |r| r.journal_free_bytes = Ok(8 << 30),
            Level::Warn,
            &["8192 MiB"],
        ),
        (
            "journal-fs",
            |r| r.journal = None,
            Level::NotApplicable,
            &["--journal"],
        ),
        ("jitter", |r| r.noise.clear(), Level::NotApplicable, &[]),
        (
            "jitter",
            |r| r.noise[0].1 = Err("core 2 does not exist".to_owned()),
            Level::NotApplicable,
            &["does not exist"],
        ),
    ];
    for (id, change, level, words) in cases {
        let mut readings = good();
        change(&mut readings);
        assert_check(&on(&tuned(), &options(), &readings), id, *level, words);
    }
}

#[test]
fn the_sysctl_that_forbids_io_uring_is_named() {
    let mut files = tuned();
    files.set("/proc/sys/kernel/io_uring_disabled", "2");
    let mut readings = good();
    readings.io_uring = Err("io_uring_setup: EPERM".to_owned());
    let words = [
        "kernel.io_uring_disabled = 2",
        "sysctl -w kernel.io_uring_disabled=0",
    ];
    assert_check(
        &on(&files, &options(), &readings),
        "io-uring",
        Level::Warn,
        &words,
    );
}

#[test]
fn a_clock_that_nobody_keeps_right_is_a_warning() {
    let mut files = tuned();
    files.remove("/proc/812");
    let mut readings = good();
    readings.steering.as_mut().unwrap().synchronised = false;
    let words = ["no daemon is running", "systemctl enable --now chronyd"];
    assert_check(
        &on(&files, &options(), &readings),
        "clock-sync",
        Level::Warn,
        &words,
    );
}

#[test]
fn a_stall_is_judged_by_what_it_would_cost() {
    for (pauses_ns, level) in [
        (vec![900], Level::Ok),
        (vec![60, 19_000], Level::Ok),
        (vec![60, 900_000], Level::Note),
        (vec![60, 2_000_000], Level::Warn),
        (vec![60, 9_900_000], Level::Warn),
        (vec![60, 10_100_000], Level::Fail),
    ] {
        let mut readings = good();
        readings.noise[0].1 = Ok(Noise::of(2, SECOND_NS, &pauses_ns));
        let examination = on(&tuned(), &options(), &readings);
        let check = find(&examination, "jitter");
        assert_eq!(
            (check.core, check.level),
            (Some(2), level),
            "{pauses_ns:?}: {check:#?}"
        );
    }
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
fn a_laptop_is_told_what_it_is_not() {
    let options = Options::default();
    let mut readings = good();
    readings.receive_buffer = Ok(granted(212_992));
    let examination = on(&laptop(), &options, &readings);
    for (id, level, word) in [
        (
            "governor",
            Level::Warn,
            "cpupower -c 0-3 frequency-set -g performance",
        ),
        ("energy-bias", Level::Note, "6"),
        ("c-states", Level::Warn, "C6, 133 us"),
        ("smt", Level::Warn, "0,2 and 1,3"),
        ("turbo", Level::Note, "on"),
        ("thp", Level::Warn, "always"),
        ("swap", Level::Warn, "1000000 of 8000000 KiB used"),
        ("memlock", Level::Warn, "65536"),
        ("receive-buffer", Level::Fail, "212992"),
        ("irqbalance", Level::Warn, "running"),
        // One core has to be left to the system.
        (
            "cores-isolated",
            Level::Warn,
            "isolcpus=managed_irq,domain,1-3",
        ),
    ] {
        assert_check(&examination, id, level, &[word]);
    }
    assert_eq!(examination.cores, [0, 1, 2, 3]);
    assert_eq!(examination.verdict(), "unfit");
}

#[test]
fn a_virtual_machine_says_what_its_hypervisor_hides() {
    let examination = on(&virtual_machine(), &Options::default(), &good());
    for id in ["governor", "turbo", "energy-bias", "c-states"] {
        assert_check(
            &examination,
            id,
            Level::NotApplicable,
            &["the hypervisor decides"],
        );
    }
    for (id, level, word) in [
        ("hypervisor", Level::Note, "yes, KVM"),
        ("clock-source", Level::Note, "kvm-clock"),
        ("steal", Level::Warn, "ppm since boot"),
        ("smt", Level::Ok, "says the hypervisor"),
        ("card", Level::NotApplicable, "--interface, of lo"),
        ("irq-affinity", Level::NotApplicable, "every core is chosen"),
        ("rp-filter", Level::Ok, "0"),
    ] {
        assert_check(&examination, id, level, &[word]);
    }
}

#[test]
fn a_container_is_told_of_its_quota() {
    let options = Options {
        cores: vec![1, 2, 3],
        journal: Some("/tape".into()),
        ..Options::default()
    };
    let examination = on(&container(), &options, &good());
    for (id, level, word) in [
        (
            "cpu-quota",
            Level::Fail,
            "200000 us in each 100000 us, for 3 cores",
        ),
        ("cpu-throttled", Level::Warn, "17 times"),
        ("cpuset", Level::Ok, "0-7"),
        ("journal-fs", Level::Warn, "overlay of overlay at /"),
        (
            "numa-balancing",
            Level::NotApplicable,
            "no /proc/sys/kernel/numa_balancing",
        ),
    ] {
        assert_check(&examination, id, level, &[word]);
    }
    let two = Options {
        cores: vec![1, 2],
        ..options
    };
    // As much as two threads can use.
    assert_check(
        &on(&container(), &two, &good()),
        "cpu-quota",
        Level::Ok,
        &[],
    );
}

#[test]
fn a_core_or_a_card_that_is_not_there_is_a_failure() {
    let wrong = Options {
        cores: vec![2, 4_000],
        interface: Some("../../proc".to_owned()),
        ..options()
    };
    let examination = on(&tuned(), &wrong, &good());
    assert_check(
        &examination,
        "cores-online",
        Level::Fail,
        &["4000 not online, only 0-7"],
    );
    assert_check(
        &examination,
        "card",
        Level::Fail,
        &["choose --interface from eth0, lo"],
    );
    assert_check(
        &examination,
        "card-drops",
        Level::NotApplicable,
        &["no card ../../proc"],
    );
}

#[test]
fn files_that_are_missing_are_no_finding() {
    let examination = on(
        &Files::default(),
        &Options::default(),
        &Readings::none(None),
    );
    for check in &examination.checks {
        assert!(check.level == Level::NotApplicable, "{check:#?}");
        assert!(
            !check.found().is_empty() && check.value.is_none(),
            "{check:#?}"
        );
    }
    assert_eq!(examination.verdict(), "fit");
}

#[test]
fn files_that_hold_something_else_are_unknown() {
    for (id, path) in [
        ("kernel-version", "/proc/sys/kernel/osrelease"),
        ("timer-migration", "/proc/sys/kernel/timer_migration"),
        ("cores-online", "/sys/devices/system/cpu/online"),
        ("cores-isolated", "/sys/devices/system/cpu/isolated"),
        ("tick", "/sys/devices/system/cpu/nohz_full"),
        ("turbo", "/sys/devices/system/cpu/intel_pstate/no_turbo"),
        (
            "c-states",
            "/sys/devices/system/cpu/cpu3/cpuidle/state1/latency",
        ),
        (
            "smt",
            "/sys/devices/system/cpu/cpu3/topology/thread_siblings_list",
        ),
        ("cores-node", "/sys/devices/system/node/node0/cpulist"),
        ("irq-affinity", "/proc/irq/41/smp_affinity_list"),
        ("cpu-quota", "/sys/fs/cgroup/system.slice/cpu.max"),
        ("cpu-quota", "/proc/self/cgroup"),
        ("cpuset", "/sys/fs/cgroup/cpuset.cpus.effective"),
        ("steal", "/proc/stat"),
        ("load", "/proc/loadavg"),
        ("thp", "/sys/kernel/mm/transparent_hugepage/enabled"),
        ("receive-buffer", "/proc/sys/net/core/rmem_max"),
        ("udp-drops", "/proc/net/snmp"),
        ("softnet-drops", "/proc/net/softnet_stat"),
        ("card-drops", "/sys/class/net/eth0/statistics/rx_dropped"),
        ("card-node", "/sys/class/net/eth0/device/numa_node"),
        ("rp-filter", "/proc/sys/net/ipv4/conf/all/rp_filter"),
        ("journal-fs", "/proc/self/mountinfo"),
        ("dirty-writeback", "/proc/sys/vm/dirty_background_ratio"),
    ] {
        let mut files = tuned();
        if id == "irq-affinity" {
            files.remove("/proc/irq/41/effective_affinity_list");
        }
        files.set(path, "\u{1b}[31m0-99999999999");
        let examination = on(&files, &options(), &good());
        assert_check(&examination, id, Level::Unknown, &[path]);
    }
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
