//! Whole hosts: tuned, a laptop, virtual, in a container, and with files that are missing or wrong.

use super::*;

#[test]
fn a_tuned_host_has_nothing_left_to_do() {
    let examination = on(&tuned(), &options(), &good());
    for check in &examination.checks {
        // Without swap there is nothing to be said of swappiness, and of a tape on a disk nothing
        // of pages in memory.
        let expected = match check.id {
            "swappiness" | "journal-huge" => Level::NotApplicable,
            _ => Level::Ok,
        };
        assert_eq!(check.level, expected, "{check:#?}");
    }
    assert_eq!(examination.verdict(), "fit");
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
