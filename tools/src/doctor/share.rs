//! Owns the checks of who else gets time on the chosen cores: interrupts, control groups, the
//! hypervisor.

use super::check::{Finding, Group, Level, Subject, Unseen, Verdict, not_applicable};
use super::host::{Checked, Host, field};
use super::tree::{Tree, malformed};
use ringtape::cpu;

/// Stolen time that is worth telling, and that spoils a measurement, in millionths.
const STOLEN_PPM_NOTE: u64 = 100;
const STOLEN_PPM_WARN: u64 = 1_000;
/// Interrupts that are named one by one.
const NAMED_MAX: usize = 4;

const fn subject(
    id: &'static str,
    name: &'static str,
    wanted: &'static str,
    why: &'static str,
) -> Subject {
    Subject {
        id,
        group: Group::Sharing,
        name,
        wanted,
        why,
    }
}

pub(crate) const CHECKS: &[Checked] = &[
    (
        subject(
            "irq-affinity",
            "interrupts",
            "none may come to a chosen core",
            "each takes the core for microseconds, and brings its softirqs along",
        ),
        interrupts,
    ),
    (
        subject(
            "irqbalance",
            "irqbalance",
            "not running, or the chosen cores isolated",
            "it moves interrupts to whichever core it finds idle, at any time",
        ),
        irqbalance,
    ),
    (
        subject(
            "cpuset",
            "cpuset",
            "has all chosen cores",
            "pinning to a core outside of it is refused",
        ),
        cpuset,
    ),
    (
        subject(
            "cpu-quota",
            "CPU quota",
            "none, or more than the chosen cores can use",
            "threads that spin use it up, and are all stopped for the rest of every period",
        ),
        quota,
    ),
    (
        subject(
            "cpu-throttled",
            "throttled so far",
            "never",
            "this control group was stopped because its quota was used up",
        ),
        throttled,
    ),
    (
        subject(
            "steal",
            "stolen time",
            "less than 0.01 %",
            "the hypervisor ran something else while this machine wanted to run",
        ),
        steal,
    ),
    (
        subject(
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

/// Where the control group of this process is, for one controller.
struct ControlGroup {
    /// From the mount to the group, longest first: a limit above counts too.
    folders: Vec<String>,
    /// Whether it is of the unified hierarchy.
    unified: bool,
}

impl ControlGroup {
    fn of(tree: &Tree, controller: &str) -> Result<Self, Unseen> {
        const PATH: &str = "/proc/self/cgroup";
        let text = tree.text(PATH)?;
        let mut unified = None;
        for line in text.lines() {
            let mut parts = line.splitn(3, ':');
            let (Some(_), Some(names), Some(path)) = (parts.next(), parts.next(), parts.next())
            else {
                return Err(malformed(PATH, line));
            };
            if names.split(',').any(|name| name == controller) {
                let mounts = [controller, names].map(|name| format!("/sys/fs/cgroup/{name}"));
                let mount = mounts.into_iter().find(|mount| tree.has(mount));
                let mount =
                    mount.ok_or_else(|| not_applicable(format!("no {controller} group")))?;
                return Ok(Self::below(&mount, path, false));
            }
            if names.is_empty() {
                unified = Some(path);
            }
        }
        let path = unified.ok_or_else(|| not_applicable(format!("no {controller} group")))?;
        Ok(Self::below("/sys/fs/cgroup", path, true))
    }

    fn below(mount: &str, path: &str, unified: bool) -> Self {
        let mut folders = vec![mount.to_owned()];
        for part in path
            .split('/')
            .filter(|part| !part.is_empty() && *part != "..")
        {
            let last = folders.last().cloned().unwrap_or_default();
            folders.push(format!("{last}/{part}"));
        }
        folders.reverse();
        Self { folders, unified }
    }

    /// Returns the first of these that there is, from the group upwards.
    fn nearest(&self, tree: &Tree, file: &str) -> Result<String, Unseen> {
        let paths = self.folders.iter().map(|folder| format!("{folder}/{file}"));
        let mut there = paths.filter(|path| tree.has(path));
        there
            .next()
            .ok_or_else(|| not_applicable(format!("no {file} in the control group")))
    }
}

fn cpuset(host: &Host<'_>) -> Verdict {
    let group = ControlGroup::of(host.tree, "cpuset")?;
    let file = if group.unified {
        "cpuset.cpus.effective"
    } else {
        "cpuset.effective_cpus"
    };
    let path = group.nearest(host.tree, file)?;
    let cores = host.tree.cores(&path)?;
    let outside = host.outside(&cores)?;
    let setting = path
        .replace("cpus.effective", "cpus")
        .replace("effective_cpus", "cpus");
    let command = format!("echo {} > {setting}", host.list());
    Ok(
        Finding::wanted(outside.is_empty(), Level::Fail, cpu::format_list(&cores))
            .number("outside", outside.len() as u64)
            .fix(command),
    )
}

/// Reads a quota: microseconds in a period of microseconds; `None` is no limit.
fn limit(tree: &Tree, folder: &str, unified: bool) -> Result<Option<(u64, u64)>, Unseen> {
    if !unified {
        let quota_us = tree.signed(&format!("{folder}/cpu.cfs_quota_us"))?;
        let period_us = tree.number(&format!("{folder}/cpu.cfs_period_us"))?;
        return Ok(u64::try_from(quota_us)
            .ok()
            .map(|quota_us| (quota_us, period_us)));
    }
    let path = format!("{folder}/cpu.max");
    let text = tree.text(&path)?;
    let (quota, period) = text
        .split_once(' ')
        .ok_or_else(|| malformed(&path, &text))?;
    let period_us: u64 = period.parse().map_err(|_| malformed(&path, &text))?;
    match quota {
        "max" => Ok(None),
        _ => match quota.parse() {
            Ok(quota_us) => Ok(Some((quota_us, period_us))),
            Err(_) => Err(malformed(&path, &text)),
        },
    }
}

fn quota(host: &Host<'_>) -> Verdict {
    let group = ControlGroup::of(host.tree, "cpu")?;
    let mut least: Option<(u64, u64, String)> = None;
    let mut seen = false;
    for folder in &group.folders {
        match limit(host.tree, folder, group.unified) {
            Ok(limit) => {
                seen = true;
                let Some((quota_us, period_us)) = limit else {
                    continue;
                };
                let share = |quota: u64, period: u64| u128::from(quota) * u128::from(period);
                let less = least.as_ref().is_none_or(|(quota, period, _)| {
                    share(quota_us, *period) < share(*quota, period_us)
                });
                if less {
                    least = Some((quota_us, period_us, folder.clone()));
                }
            }
            // The root of the hierarchy has no limit, nor has a group without the controller.
            Err(Unseen::NotApplicable(_)) => {}
            Err(unknown) => return Err(unknown),
        }
    }
    if !seen {
        return Err(not_applicable("this control group has no CPU controller"));
    }
    let Some((quota_us, period_us, folder)) = least else {
        return Ok(Finding::new(Level::Ok, "none"));
    };
    let cores = host.cores()?.len() as u64;
    let enough = quota_us >= period_us.saturating_mul(cores);
    let value = format!("{quota_us} us in each {period_us} us, for {cores} cores");
    let command = match group.unified {
        true => format!("echo max > {folder}/cpu.max"),
        false => format!("echo -1 > {folder}/cpu.cfs_quota_us"),
    };
    Ok(Finding::wanted(enough, Level::Fail, value)
        .number("quota_us", quota_us)
        .number("period_us", period_us)
        .fix(command)
        .fix("docker: docker update --cpus=0 CONTAINER"))
}

fn throttled(host: &Host<'_>) -> Verdict {
    let group = ControlGroup::of(host.tree, "cpu")?;
    let path = group.nearest(host.tree, "cpu.stat")?;
    let text = host.tree.text(&path)?;
    let times = field(&text, "nr_throttled ")
        .ok_or_else(|| not_applicable(format!("no nr_throttled in {path}")))?;
    let times: u64 = times.parse().map_err(|_| malformed(&path, &text))?;
    let value = if times == 0 {
        "never".to_owned()
    } else {
        format!("{times} times")
    };
    Ok(Finding::wanted(times == 0, Level::Warn, value)
        .number("throttled", times)
        .fix("lift the quota: see the CPU quota above"))
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
