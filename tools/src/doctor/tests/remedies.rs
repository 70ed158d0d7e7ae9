//! Remedies must do what they say, and hurt nobody who follows them.

use super::*;

#[test]
fn a_fifo_in_place_of_a_file_is_unknown_and_holds_nobody_up() {
    let mut files = tuned();
    files.remove("/proc/loadavg");
    let root = files.write();
    let made = std::process::Command::new("mkfifo")
        .arg(root.path().join("proc/loadavg"))
        .status()
        .unwrap();
    assert!(made.success());
    let examination = judge(&Tree::new(root.path()), &options(), &good());
    let load = find(&examination, "load");
    assert_eq!(load.level, Level::Unknown);
    assert!(load.found().contains("it is a FIFO"), "{load:?}");
}

#[test]
fn a_core_that_is_not_there_is_in_no_command() {
    let mut files = tuned();
    for file in ["isolated", "nohz_full"] {
        files.set(&format!("{CPUS}/{file}"), "");
    }
    files.set("/proc/cmdline", "quiet");
    let chosen = |cores| Options { cores, ..options() };
    let examination = on(&files, &chosen(vec![2, 4_000]), &good());
    for (id, command) in [
        ("cores-isolated", "isolcpus=managed_irq,domain,2"),
        ("tick", "nohz_full=2"),
        ("rcu", "rcu_nocbs=2"),
    ] {
        let fix = find(&examination, id).fix.join("\n");
        assert!(fix.ends_with(command), "{id}: {fix}");
    }
    let nowhere = on(&files, &chosen(vec![4_000]), &good());
    assert_check(&nowhere, "tick", Level::NotApplicable, &["no chosen core"]);
}

#[test]
fn an_energy_preference_is_set_where_the_driver_reads_it() {
    let mut files = tuned();
    let path = |core| format!("{CPUS}/cpu{core}/cpufreq/energy_performance_preference");
    files.set(&path(2), "balance_performance");
    files.set(&path(3), "performance");
    let examination = on(&files, &options(), &good());
    let fix = &find(&examination, "energy-bias").fix;
    assert_eq!(*fix, [format!("echo performance > {}", path(2))]);
}

#[test]
fn a_quota_is_lifted_to_what_the_cores_need() {
    let options = Options {
        cores: vec![1, 2, 3],
        ..Options::default()
    };
    let examination = on(&container(), &options, &good());
    let command = "docker update --cpus=3 CONTAINER";
    assert_check(&examination, "cpu-quota", Level::Fail, &[command]);
}

#[test]
fn a_cpuset_keeps_the_cores_that_it_has() {
    let mut files = tuned();
    let path = "/sys/fs/cgroup/system.slice/ringtape.service/cpuset.cpus";
    files.set(&format!("{path}.effective"), "0-2");
    let examination = on(&files, &options(), &good());
    let command = format!("echo 0-3 > {path}");
    assert_check(&examination, "cpuset", Level::Fail, &[&command]);
}

#[test]
fn a_core_that_is_not_there_is_no_matter_of_the_cpuset() {
    for (cores, level) in [(vec![2, 8], Level::Ok), (vec![8, 9], Level::NotApplicable)] {
        let options = Options { cores, ..options() };
        let examination = on(&tuned(), &options, &good());
        assert_check(
            &examination,
            "cores-online",
            Level::Fail,
            &["choose --core"],
        );
        assert_check(&examination, "cpuset", level, &[]);
    }
}

#[test]
fn a_card_may_have_dots_in_its_name() {
    for name in ["br.lan", "eth0.100", "eth0.100.7"] {
        let mut files = tuned();
        files.set(&format!("/sys/class/net/{name}/operstate"), "up");
        let filter = format!("/proc/sys/net/ipv4/conf/{name}/rp_filter");
        files.set(&filter, "1");
        let options = Options {
            interface: Some(name.to_owned()),
            ..options()
        };
        let examination = on(&files, &options, &good());
        assert_check(&examination, "card", Level::Ok, &[name]);
        // As sysctl(8) wants it: between dots, a slash stands for a dot of the name.
        let key = format!("net.ipv4.conf.{}.rp_filter=2", name.replace('.', "/"));
        assert_check(&examination, "rp-filter", Level::Warn, &[&key]);
    }
}

#[test]
fn a_journal_that_cannot_be_written_fails() {
    let mut readings = good();
    readings.journal_writable = Err("this user may not write to /tape: EACCES".to_owned());
    let examination = on(&tuned(), &options(), &readings);
    assert_check(&examination, "journal-fs", Level::Fail, &["EACCES"]);

    let file = tempfile::NamedTempFile::new().unwrap();
    let options = Options {
        journal: Some(file.path().join("below")),
        ..Options::default()
    };
    let taken = Readings::take(&Tree::new(Path::new("/")), &options, &[]);
    let refused = taken.journal_writable.unwrap_err();
    assert!(refused.ends_with("is no directory"), "{refused}");
}
