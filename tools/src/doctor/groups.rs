//! Owns the checks of the control group of this process: its cores and its quota, in the unified
//! hierarchy and in the old ones.

use super::check::{Finding, Level, Unseen, Verdict, not_applicable};
use super::host::{Host, field};
use super::tree::{Tree, malformed};
use ringtape::cpu;

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

pub(super) fn cpuset(host: &Host<'_>) -> Verdict {
    let group = ControlGroup::of(host.tree, "cpuset")?;
    let file = if group.unified {
        "cpuset.cpus.effective"
    } else {
        "cpuset.effective_cpus"
    };
    let path = group.nearest(host.tree, file)?;
    let cores = host.tree.cores(&path)?;
    let mut outside = host.outside(&cores)?;
    // One that is not there can be put into no group; that it is not is told under `online`.
    if let Ok(online) = host.online() {
        if !host.cores()?.iter().any(|core| online.contains(core)) {
            return Err(not_applicable("no chosen core is online"));
        }
        outside.retain(|core| online.contains(core));
    }
    let setting = path
        .replace("cpus.effective", "cpus")
        .replace("effective_cpus", "cpus");
    // With the cores that the group has: its other threads run there. One that is not online it
    // cannot be given.
    let mut wanted = host.online().unwrap_or_default();
    wanted.retain(|core| cores.contains(core) || outside.contains(core));
    let command = format!("echo {} > {setting}", cpu::format_list(&wanted));
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

pub(super) fn quota(host: &Host<'_>) -> Verdict {
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
        .fix(format!("docker: docker update --cpus={cores} CONTAINER")))
}

pub(super) fn throttled(host: &Host<'_>) -> Verdict {
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
