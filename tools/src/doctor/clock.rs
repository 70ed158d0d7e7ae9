//! Owns the checks of the clock: what reading it costs, and whether its times mean anything.

use super::check::{Finding, Group, Level, Unseen, Verdict, not_applicable};
use super::host::{Checked, Host, field};

/// An error beyond which times of this host and of a venue cannot be compared, in microseconds.
const ERROR_US_MAX: u64 = 1_000_000;
/// What keeps a clock right; the kernel keeps 15 characters of a name.
const DAEMONS: [&str; 7] = [
    "chronyd",
    "ntpd",
    "ntp-daemon",
    "ptp4l",
    "phc2sys",
    "sfptpd",
    "systemd-timesyn",
];
const FOLDER: &str = "/sys/devices/system/clocksource/clocksource0";

pub(crate) const CHECKS: &[Checked] = &[
    (
        Group::Clock.subject(
            "clock-source",
            "clock source",
            "tsc",
            "any but the processor's counter makes reading the time slow, most a system call",
        ),
        source,
    ),
    (
        Group::Clock.subject(
            "tsc",
            "time stamp counter",
            "constant_tsc and nonstop_tsc",
            "without them its pace changes with the frequency, or it stops in idle states",
        ),
        counter,
    ),
    (
        Group::Clock.subject(
            "clock-sync",
            "synchronisation",
            "the kernel was told that the clock is right",
            "times of the venue, of captures and of other hosts are compared with this clock's",
        ),
        synchronisation,
    ),
];

fn source(host: &Host<'_>) -> Verdict {
    let current = host.tree.text(&format!("{FOLDER}/current_clocksource"))?;
    let available = host
        .tree
        .text(&format!("{FOLDER}/available_clocksource"))
        .unwrap_or_default();
    let level = match current.as_str() {
        "tsc" | "arch_sys_counter" => Level::Ok,
        // Read in user space all the same.
        "kvm-clock" | "hyperv_clocksource_tsc_page" => Level::Note,
        "" => {
            return Err(Unseen::Unknown(format!(
                "{FOLDER}/current_clocksource is empty"
            )));
        }
        _ => Level::Fail,
    };
    let offered = available.split_whitespace().any(|name| name == "tsc");
    let command = match offered {
        true => format!("echo tsc > {FOLDER}/current_clocksource"),
        false => "kernel command line: clocksource=tsc tsc=reliable".to_owned(),
    };
    Ok(Finding::new(level, current).fix(command))
}

fn counter(host: &Host<'_>) -> Verdict {
    let text = host.tree.text("/proc/cpuinfo")?;
    let flags = field(&text, "flags").ok_or_else(|| not_applicable("no x86 processor"))?;
    let has = |flag: &&str| flags.split_whitespace().any(|word| word == *flag);
    let needed = ["constant_tsc", "nonstop_tsc"];
    let known = [
        "constant_tsc",
        "nonstop_tsc",
        "tsc_known_freq",
        "tsc_reliable",
    ];
    let there: Vec<&str> = known.into_iter().filter(has).collect();
    let value = if there.is_empty() {
        "none of its flags".to_owned()
    } else {
        there.join(" ")
    };
    let good = needed.iter().all(has);
    Ok(Finding::wanted(good, Level::Warn, value)
        .fix("no setting helps: use another processor, or let the hypervisor pass the flags"))
}

fn synchronisation(host: &Host<'_>) -> Verdict {
    let daemons = host.tree.running(&DAEMONS);
    let by = match daemons.as_slice() {
        [] => "no daemon is running".to_owned(),
        daemons => format!("{} is running", daemons.join(", ")),
    };
    let steering = match &host.readings.steering {
        Ok(steering) => steering,
        Err(reason) if host.readings.tried => return Err(Unseen::Unknown(reason.clone())),
        Err(reason) => return Err(not_applicable(reason)),
    };
    let (level, value) = match (steering.synchronised, daemons.is_empty()) {
        (true, _) if steering.error_us_max < ERROR_US_MAX => {
            let (offset_ns, error_us) = (steering.offset_ns, steering.error_us_max);
            let value = format!("yes, offset {offset_ns} ns, error at most {error_us} us; {by}");
            (Level::Ok, value)
        }
        // Daemons that steer the clock by themselves need not tell the kernel.
        (_, false) => (Level::Note, format!("not told to the kernel; {by}")),
        (_, true) => (Level::Warn, format!("no; {by}")),
    };
    let finding = Finding::new(level, value)
        .number("offset_ns", steering.offset_ns)
        .number("error_us_max", steering.error_us_max);
    Ok(match daemons.first() {
        None => finding.fix("systemctl enable --now chronyd"),
        Some(&"chronyd") => finding.fix("chronyc tracking; and `rtcsync` in chrony.conf"),
        Some(&("ptp4l" | "phc2sys")) => {
            finding.fix("pmc -u -b 0 'GET TIME_STATUS_NP' tells the offset")
        }
        Some(_) => finding.fix("timedatectl timesync-status; ntpq -p"),
    })
}
