//! Owns the checks of the kernel: its version, `io_uring`, what it spends on safety and fairness.

use super::check::{Finding, Group, Level, Verdict, not_applicable};
use super::host::{Checked, Host, field};
use super::tree::{Tree, malformed};

pub(crate) const CHECKS: &[Checked] = &[
    (
        Group::Kernel.subject(
            "kernel-version",
            "version",
            "6.1 or later",
            "older ones lack what the io_uring backend needs; recvmmsg is used instead",
        ),
        version,
    ),
    (
        Group::Kernel.subject(
            "io-uring",
            "io_uring",
            "a ring with single issuer, deferred work and a ring of buffers",
            "without it every poll of every line is a system call (recvmmsg)",
        ),
        io_uring,
    ),
    (
        Group::Kernel.subject(
            "hypervisor",
            "virtual machine",
            "none",
            "the tail of any latency is then what the host does to this machine, and moves with it",
        ),
        virtual_machine,
    ),
    (
        Group::Kernel.subject(
            "mitigations",
            "mitigations",
            "known, and a decision",
            "each makes system calls and interrupts dearer; a host that runs only its own code may \
             do without",
        ),
        mitigations,
    ),
    (
        Group::Kernel.subject(
            "timer-migration",
            "timer migration",
            "0",
            "timers of idle cores are given to busy ones, and the chosen cores are always busy",
        ),
        timer_migration,
    ),
    (
        Group::Kernel.subject(
            "rt-throttling",
            "real-time throttling",
            "-1, where threads are given a real-time priority",
            "a spinning real-time thread is stopped for the rest of every period",
        ),
        rt_throttling,
    ),
    (
        Group::Kernel.subject(
            "autogroup",
            "scheduler autogroup",
            "0",
            "a terminal's processes share one weight, so that nice values do not do what they say",
        ),
        autogroup,
    ),
];

/// Returns major and minor of the kernel's version.
pub(crate) fn release(tree: &Tree) -> Result<(String, (u32, u32)), super::check::Unseen> {
    const PATH: &str = "/proc/sys/kernel/osrelease";
    let text = tree.text(PATH)?;
    let mut parts = text.split(|c: char| !c.is_ascii_digit());
    let mut part = || parts.next()?.parse().ok();
    let numbers = part().zip(part()).ok_or_else(|| malformed(PATH, &text))?;
    Ok((text, numbers))
}

fn version(host: &Host<'_>) -> Verdict {
    let (text, (major, minor)) = release(host.tree)?;
    let finding = Finding::wanted((major, minor) >= (6, 1), Level::Warn, text);
    Ok(finding
        .number("major", major.into())
        .number("minor", minor.into())
        .fix("install a kernel of 6.1 or later"))
}

fn io_uring(host: &Host<'_>) -> Verdict {
    const SYSCTL: &str = "/proc/sys/kernel/io_uring_disabled";
    let disabled = host.tree.number(SYSCTL).unwrap_or(0);
    let finding = match &host.readings.io_uring {
        Ok(()) => Finding::new(Level::Ok, "a ring was set up"),
        Err(_) if disabled > 0 => {
            let value = format!("refused: kernel.io_uring_disabled = {disabled}");
            Finding::new(Level::Warn, value).fix("sysctl -w kernel.io_uring_disabled=0")
        }
        Err(reason) if !host.readings.tried => return Err(not_applicable(reason)),
        Err(reason) => {
            let kernel = release(host.tree).map_or((0, 0), |(_, numbers)| numbers);
            let finding = Finding::new(Level::Warn, reason);
            if kernel < (6, 1) {
                finding.fix("install a kernel of 6.1 or later")
            } else {
                finding.fix(
                    "let the container's seccomp profile pass io_uring_setup, io_uring_enter and \
                     io_uring_register; docker: --security-opt seccomp=profile.json",
                )
            }
        }
    };
    Ok(finding.number("io_uring_disabled", disabled))
}

/// Returns what runs this kernel, where it is a virtual machine.
pub(crate) fn hypervisor(tree: &Tree) -> Option<String> {
    let cpu = tree.text("/proc/cpuinfo").unwrap_or_default();
    let flags = field(&cpu, "flags").unwrap_or_default();
    let xen = tree.text("/sys/hypervisor/type").ok();
    let flagged = flags.split_whitespace().any(|flag| flag == "hypervisor");
    if !flagged && xen.is_none() {
        return None;
    }
    let maker = |file: &str| tree.text(&format!("/sys/class/dmi/id/{file}")).ok();
    let named = xen
        .or_else(|| maker("product_name"))
        .or_else(|| maker("sys_vendor"));
    let named = named.filter(|name| !name.is_empty());
    Some(named.unwrap_or_else(|| "of an unnamed hypervisor".to_owned()))
}

fn virtual_machine(host: &Host<'_>) -> Verdict {
    host.tree.text("/proc/cpuinfo")?;
    Ok(match host.hypervisor() {
        Some(name) => Finding::new(Level::Note, format!("yes, {name}"))
            .fix("measure on the host that it will run on, best without a hypervisor"),
        None => Finding::new(Level::Ok, "none"),
    })
}

fn mitigations(host: &Host<'_>) -> Verdict {
    const FOLDER: &str = "/sys/devices/system/cpu/vulnerabilities";
    let names = host.tree.names(FOLDER);
    if names.is_empty() {
        return Err(not_applicable(format!("no {FOLDER}")));
    }
    let (mut active, mut open) = (0_u64, 0_u64);
    for name in names {
        let state = host.tree.text(&format!("{FOLDER}/{name}"))?;
        active += u64::from(state.contains("Mitigation"));
        open += u64::from(state.starts_with("Vulnerable"));
    }
    let switch = host
        .switch("mitigations")
        .map_or_else(String::new, |value| {
            format!(", mitigations={value} on the kernel command line")
        });
    let value = format!("{active} active, {open} left open{switch}");
    let finding = Finding::wanted(active == 0, Level::Note, value);
    Ok(finding
        .number("active", active)
        .number("open", open)
        .fix("kernel command line: mitigations=off (only where no foreign code runs)"))
}

fn timer_migration(host: &Host<'_>) -> Verdict {
    let value = host.tree.number("/proc/sys/kernel/timer_migration")?;
    Ok(Finding::wanted(value == 0, Level::Note, value.to_string())
        .number("timer_migration", value)
        .fix("sysctl -w kernel.timer_migration=0"))
}

fn rt_throttling(host: &Host<'_>) -> Verdict {
    let runtime_us = host.tree.signed("/proc/sys/kernel/sched_rt_runtime_us")?;
    let period_us = host.tree.number("/proc/sys/kernel/sched_rt_period_us")?;
    let value = format!("{runtime_us} of each {period_us} us");
    let free = runtime_us < 0 || runtime_us.unsigned_abs() >= period_us;
    Ok(Finding::wanted(free, Level::Note, value)
        .number("period_us", period_us)
        .fix("sysctl -w kernel.sched_rt_runtime_us=-1"))
}

fn autogroup(host: &Host<'_>) -> Verdict {
    let value = host
        .tree
        .number("/proc/sys/kernel/sched_autogroup_enabled")?;
    Ok(Finding::wanted(value == 0, Level::Note, value.to_string())
        .number("autogroup", value)
        .fix("sysctl -w kernel.sched_autogroup_enabled=0"))
}
