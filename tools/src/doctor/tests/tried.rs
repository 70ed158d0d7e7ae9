//! What is not read from files: what was tried, and what was measured.

use super::*;

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
