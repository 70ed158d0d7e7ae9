//! Owns the checks of who else gets time on the chosen cores: interrupts, control groups, the
//! hypervisor.

use super::check::{Finding, Group, Level, Unseen, Verdict, not_applicable};
use super::groups;
use super::host::{Checked, Host, field};
use super::tree::{Tree, malformed};
use ringtape::cpu;

/// Stolen time that is worth telling, and that spoils a measurement, in millionths.
const STOLEN_PPM_NOTE: u64 = 100;
const STOLEN_PPM_WARN: u64 = 1_000;
/// Interrupts that are named one by one.
const NAMED_MAX: usize = 4;

pub(crate) const CHECKS: &[Checked] = &[
    (
        Group::Sharing.subject(
            "irq-affinity",
            "interrupts",
            "none may come to a chosen core",
            "each takes the core for microseconds, and brings its softirqs along",
        ),
        interrupts,
    ),
    (
        Group::Sharing.subject(
            "irqbalance",
            "irqbalance",
            "not running, or the chosen cores isolated",
            "it moves interrupts to whichever core it finds idle, at any time",
        ),
        irqbalance,
    ),
    (
        Group::Sharing.subject(
            "cpuset",
            "cpuset",
            "has all chosen cores",
            "pinning to a core outside of it is refused",
        ),
        groups::cpuset,
    ),
    (
        Group::Sharing.subject(
            "cpu-quota",
            "CPU quota",
            "none, or more than the chosen cores can use",
            "threads that spin use it up, and are all stopped for the rest of every period",
        ),
        groups::quota,
    ),
    (
        Group::Sharing.subject(
            "cpu-throttled",
            "throttled so far",
            "never",
            "this control group was stopped because its quota was used up",
        ),
        groups::throttled,
    ),
    (
        Group::Sharing.subject(
            "steal",
            "stolen time",
            "less than 0.01 %",
            "the hypervisor ran something else while this machine wanted to run",
        ),
        steal,
    ),
    (
        Group::Sharing.subject(
            "load",
            "load",
            "below 1 in the last minute, before anything is started",
            "what else runs takes time, caches and memory bandwidth from the chosen cores",
        ),
        load,
    ),
];

fn interrupts(host: &Host<'_>) -> Verdict {
    let others = cpu::format_list(&host.others()?);
    let all = host.tree.numbers("/proc/irq");
    if all.is_empty() {
        return Err(not_applicable("no /proc/irq"));
    }
    let mut here = Vec::new();
    for irq in &all {
        let folder = format!("/proc/irq/{irq}");
        // Where it goes, of where it may go; older kernels tell only the latter. One that nobody
        // handles goes nowhere.
        let cores = match host
            .tree
            .cores(&format!("{folder}/effective_affinity_list"))
        {
            Ok(cores) => cores,
            Err(_) => host.tree.cores(&format!("{folder}/smp_affinity_list"))?,
        };
        let chosen = host.cores()?;
        if cores.iter().any(|core| chosen.contains(core)) {
            here.push(*irq);
        }
    }
    let named: Vec<String> = here.iter().take(NAMED_MAX).map(u32::to_string).collect();
    let more = if here.len() > NAMED_MAX {
        " and more"
    } else {
        ""
    };
    let value = match here.as_slice() {
        [] => format!("none of {} comes to {}", all.len(), host.list()),
        _ => format!(
            "{} of {}: {}{more}",
            here.len(),
            all.len(),
            named.join(", ")
        ),
    };
    let mut finding = Finding::wanted(here.is_empty(), Level::Warn, value)
        .number("interrupts", all.len() as u64)
        .number("on_chosen_cores", here.len() as u64);
    if here.len() > NAMED_MAX {
        let all = "for f in /proc/irq/*/smp_affinity_list; do echo";
        finding = finding.fix(format!("{all} {others} > $f; done"));
    } else {
        for irq in here {
            finding = finding.fix(format!("echo {others} > /proc/irq/{irq}/smp_affinity_list"));
        }
    }
    Ok(finding)
}

fn irqbalance(host: &Host<'_>) -> Verdict {
    if !host.tree.has("/proc") {
        return Err(not_applicable("no /proc"));
    }
    if host.tree.running(&["irqbalance"]).is_empty() {
        return Ok(Finding::new(Level::Ok, "not running"));
    }
    let isolated = host
        .tree
        .cores("/sys/devices/system/cpu/isolated")
        .unwrap_or_default();
    let spared = host.outside(&isolated)?.is_empty();
    let value = if spared {
        "running, spares isolated cores"
    } else {
        "running"
    };
    Ok(Finding::wanted(spared, Level::Warn, value).fix("systemctl disable --now irqbalance"))
}

fn load(host: &Host<'_>) -> Verdict {
    const PATH: &str = "/proc/loadavg";
    let text = host.tree.text(PATH)?;
    let last_minute = text.split_whitespace().next().unwrap_or_default();
    let (whole, _) = last_minute
        .split_once('.')
        .ok_or_else(|| malformed(PATH, &text))?;
    let whole: u64 = whole.parse().map_err(|_| malformed(PATH, &text))?;
    let value = format!("{last_minute} in the last minute");
    let level = match whole >= host.online()?.len() as u64 {
        true => Level::Warn,
        false => Level::Note,
    };
    Ok(Finding::wanted(whole == 0, level, value)
        .number("load", whole)
        .fix("see what it is: ps -eo pcpu,psr,comm --sort=-pcpu | head"))
}

/// Ticks of all cores since boot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    all: u64,
    stolen: u64,
}

impl Times {
    /// Returns how much was stolen between two readings, in millionths.
    pub(crate) fn stolen_ppm_until(self, later: Self) -> u64 {
        let all = u128::from(later.all.saturating_sub(self.all)).max(1);
        let stolen = u128::from(later.stolen.saturating_sub(self.stolen));
        u64::try_from(stolen * 1_000_000 / all).unwrap_or(u64::MAX)
    }
}

/// Reads what the cores did since boot.
pub(crate) fn times(tree: &Tree) -> Result<Times, Unseen> {
    /// user, nice, system, idle, iowait, irq, softirq, steal; guests are counted as users.
    const FIELDS: usize = 8;
    const PATH: &str = "/proc/stat";
    let text = tree.text(PATH)?;
    let line = field(&text, "cpu ").ok_or_else(|| malformed(PATH, &text))?;
    let fields = line.split_whitespace().take(FIELDS).map(str::parse);
    let fields: Vec<u64> = fields
        .collect::<Result<_, _>>()
        .map_err(|_| malformed(PATH, &line))?;
    let &[.., stolen] = fields.as_slice() else {
        return Err(malformed(PATH, &line));
    };
    if fields.len() < FIELDS {
        return Err(malformed(PATH, &line));
    }
    let all = fields
        .iter()
        .fold(0, |sum: u64, &ticks| sum.saturating_add(ticks));
    Ok(Times { all, stolen })
}

fn steal(host: &Host<'_>) -> Verdict {
    let since_boot = times(host.tree)?;
    let boot_ppm = Times { all: 0, stolen: 0 }.stolen_ppm_until(since_boot);
    let during = host.readings.stolen_ppm.as_ref().ok().copied();
    let worst = boot_ppm.max(during.unwrap_or(0));
    let value = match during {
        Some(during) => format!("{boot_ppm} ppm since boot, {during} ppm during the jitter test"),
        None => format!("{boot_ppm} ppm since boot"),
    };
    let level = match worst {
        STOLEN_PPM_WARN.. => Level::Warn,
        STOLEN_PPM_NOTE.. => Level::Note,
        _ => Level::Ok,
    };
    let finding = Finding::new(level, value).number("since_boot_ppm", boot_ppm);
    let finding = match during {
        Some(during) => finding.number("during_ppm", during),
        None => finding,
    };
    Ok(finding.fix("ask the provider for dedicated cores, or pin the virtual CPUs on the host"))
}
