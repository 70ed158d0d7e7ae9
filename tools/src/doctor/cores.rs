//! Owns the checks of the chosen cores: whether they are there, theirs alone, awake and steady.

use super::check::{Finding, Group, Level, Unseen, Verdict, not_applicable};
use super::host::{Checked, Host};
use super::{power, tree};
use ringtape::cpu;

const CPUS: &str = "/sys/devices/system/cpu";

pub(crate) const CHECKS: &[Checked] = &[
    (
        Group::Cores.subject(
            "cores-online",
            "online",
            "all chosen cores",
            "a thread cannot be pinned to a core that is not there",
        ),
        online,
    ),
    (
        Group::Cores.subject(
            "cores-isolated",
            "isolated",
            "all chosen cores, and not all that there are",
            "the scheduler puts any other process on a core that is not isolated",
        ),
        isolated,
    ),
    (
        Group::Cores.subject(
            "tick",
            "timer tick",
            "off (nohz_full) on all chosen cores",
            "the kernel interrupts a running thread HZ times a second, some microseconds each",
        ),
        tick,
    ),
    (
        Group::Cores.subject(
            "rcu",
            "RCU callbacks",
            "moved away (rcu_nocbs) from all chosen cores",
            "the kernel frees memory of others in softirqs of the chosen cores",
        ),
        rcu,
    ),
    (
        Group::Cores.subject(
            "governor",
            "frequency governor",
            "performance",
            "others lower the frequency between bursts, and the first message of one pays for it",
        ),
        power::governor,
    ),
    (
        Group::Cores.subject(
            "turbo",
            "turbo",
            "off, where the tail matters more than the median",
            "the frequency then depends on what the neighbours do, and changing it stops the core",
        ),
        power::turbo,
    ),
    (
        Group::Cores.subject(
            "energy-bias",
            "energy preference",
            "performance (0)",
            "firmware saves energy between bursts, whatever the governor says",
        ),
        power::energy,
    ),
    (
        Group::Cores.subject(
            "c-states",
            "idle states",
            "none that takes longer than 10 us to leave",
            "threads that yield or park, and the cores that take interrupts, have to wake first",
        ),
        power::idle_states,
    ),
    (
        Group::Cores.subject(
            "smt",
            "hyper-threads",
            "the sibling of a chosen core is offline",
            "siblings share one core's execution units and first caches",
        ),
        siblings,
    ),
    (
        Group::Cores.subject(
            "cores-node",
            "memory node",
            "one for all chosen cores",
            "a ring between nodes costs several times as much for each cache line",
        ),
        node,
    ),
];

fn online(host: &Host<'_>) -> Verdict {
    let online = host.online()?;
    let list = cpu::format_list(&online);
    let missing = host.outside(&online)?;
    if missing.is_empty() {
        let value = format!("{}, of {list} online", host.list());
        return Ok(Finding::new(Level::Ok, value));
    }
    let value = format!("{} not online, only {list}", cpu::format_list(&missing));
    let mut finding = Finding::new(Level::Fail, value);
    for core in missing.iter().take(4) {
        finding = finding.fix(match host.tree.has(&format!("{CPUS}/cpu{core}/online")) {
            true => format!("echo 1 > {CPUS}/cpu{core}/online"),
            false => format!("there is no core {core}: choose --core from {list}"),
        });
    }
    Ok(finding)
}

/// Returns the cores that are to be kept free: the chosen ones, but not all that there are.
fn keep_free(host: &Host<'_>) -> Result<String, Unseen> {
    let online = host.online()?;
    let chosen = host.cores()?;
    if online.len() < 2 {
        return Err(not_applicable("the only core cannot be kept free"));
    }
    let everything = online.iter().all(|core| chosen.contains(core));
    let left = if everything { online.first() } else { None };
    let free: Vec<usize> = chosen
        .iter()
        .copied()
        // The kernel ignores a list with a core that is not there.
        .filter(|core| Some(core) != left && online.contains(core))
        .collect();
    if free.is_empty() {
        return Err(not_applicable("no chosen core is online"));
    }
    Ok(cpu::format_list(&free))
}

fn isolated(host: &Host<'_>) -> Verdict {
    let mut isolated = host.tree.cores(&format!("{CPUS}/isolated"))?;
    // Those of isolated cpuset partitions, since Linux 6.9.
    let partitions = host.tree.cores("/sys/fs/cgroup/cpuset.cpus.isolated");
    isolated.extend(partitions.unwrap_or_default());
    let free = keep_free(host)?;
    let outside = host.outside(&isolated)?;
    let good = outside.is_empty();
    let value = match (good, outside.len() == host.cores()?.len()) {
        (true, _) => host.list(),
        (false, true) => format!("none of {}", host.list()),
        (false, false) => format!("not {}", cpu::format_list(&outside)),
    };
    Ok(Finding::wanted(good, Level::Warn, value)
        .number("not_isolated", outside.len() as u64)
        .fix(format!(
            "kernel command line: isolcpus=managed_irq,domain,{free}"
        )))
}

/// Returns a setting of the kernel's build, where the kernel's configuration can be read.
fn built_with(host: &Host<'_>, key: &str) -> Option<String> {
    let release = host.tree.text("/proc/sys/kernel/osrelease").ok()?;
    let text = host
        .tree
        .text(&format!("/boot/config-{release}"))
        .or_else(|_| host.tree.gzip("/proc/config.gz"))
        .ok()?;
    let found = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    Some(found.unwrap_or("n").to_owned())
}

fn tick(host: &Host<'_>) -> Verdict {
    let rate = built_with(host, "CONFIG_HZ");
    let rate = rate.filter(|rate| rate.parse::<u32>().is_ok_and(|rate| rate > 0));
    let rate = rate.map_or_else(String::new, |rate| format!(", {rate} a second"));
    let free = keep_free(host)?;
    let without = match host.tree.cores(&format!("{CPUS}/nohz_full")) {
        Ok(without) => without,
        Err(Unseen::NotApplicable(_)) => {
            let value = format!("on{rate}; this kernel is built without nohz_full");
            let finding = Finding::new(Level::Warn, value);
            return Ok(finding.fix("install a kernel that is built with CONFIG_NO_HZ_FULL"));
        }
        Err(unknown) => return Err(unknown),
    };
    let outside = host.outside(&without)?;
    let value = match outside.is_empty() {
        true => format!("off on {}", host.list()),
        false => format!("on on {}{rate}", cpu::format_list(&outside)),
    };
    Ok(Finding::wanted(outside.is_empty(), Level::Warn, value)
        .number("with_tick", outside.len() as u64)
        .fix(format!("kernel command line: nohz_full={free}")))
}

fn rcu(host: &Host<'_>) -> Verdict {
    // Nothing in /sys says it; nohz_full implies it.
    host.tree.text("/proc/cmdline")?;
    let free = keep_free(host)?;
    let mut moved = host
        .tree
        .cores(&format!("{CPUS}/nohz_full"))
        .unwrap_or_default();
    match host.switch("rcu_nocbs") {
        Some("all") => moved.extend(host.cores()?),
        Some(list) => {
            let list = tree::cores(list);
            moved.extend(list.ok_or_else(|| {
                Unseen::Unknown("rcu_nocbs of the kernel command line is no list".to_owned())
            })?);
        }
        None => {}
    }
    let outside = host.outside(&moved)?;
    let value = match outside.is_empty() {
        true => format!("moved away from {}", host.list()),
        false => format!("run on {}", cpu::format_list(&outside)),
    };
    let finding = Finding::wanted(outside.is_empty(), Level::Warn, value);
    let finding = finding.number("with_callbacks", outside.len() as u64);
    Ok(match built_with(host, "CONFIG_RCU_NOCB_CPU").as_deref() {
        Some("n") => finding.fix("install a kernel that is built with CONFIG_RCU_NOCB_CPU"),
        _ => finding.fix(format!("kernel command line: rcu_nocbs={free}")),
    })
}

fn siblings(host: &Host<'_>) -> Verdict {
    let sets = host.each(|core| {
        host.tree
            .cores(&format!("{CPUS}/cpu{core}/topology/thread_siblings_list"))
    })?;
    let chosen = host.cores()?;
    let mut shared: Vec<Vec<usize>> = sets.into_iter().map(|(_, set)| set).collect();
    shared.retain(|set| set.len() > 1);
    shared.dedup();
    shared.sort_unstable();
    shared.dedup();
    if shared.is_empty() {
        let virtual_machine = host.hypervisor().is_some();
        let doubt = if virtual_machine {
            ", says the hypervisor"
        } else {
            ""
        };
        return Ok(Finding::new(
            Level::Ok,
            format!("no sibling is online{doubt}"),
        ));
    }
    let lists: Vec<String> = shared.iter().map(|set| cpu::format_list(set)).collect();
    let value = format!("siblings are online: {}", lists.join(" and "));
    let mut others: Vec<usize> = shared.concat();
    others.retain(|core| !chosen.contains(core));
    others.sort_unstable();
    let finding = Finding::new(Level::Warn, value).number("shared", shared.len() as u64);
    Ok(match others.as_slice() {
        [] => finding.fix("choose one --core of each pair, and take the other offline"),
        [core] => finding.fix(format!("echo 0 > {CPUS}/cpu{core}/online")),
        _ => finding.fix(format!("echo off > {CPUS}/smt/control")),
    })
}

/// Returns the memory nodes of these cores, ascending.
pub(crate) fn nodes(host: &Host<'_>, cores: &[usize]) -> Result<Vec<usize>, Unseen> {
    let mut nodes = Vec::new();
    for node in host.tree.cores("/sys/devices/system/node/online")? {
        let list = host
            .tree
            .cores(&format!("/sys/devices/system/node/node{node}/cpulist"))?;
        if list.iter().any(|core| cores.contains(core)) {
            nodes.push(node);
        }
    }
    Ok(nodes)
}

fn node(host: &Host<'_>) -> Verdict {
    let nodes = nodes(host, host.cores()?)?;
    let list = cpu::format_list(&nodes);
    let first = nodes.first().copied().unwrap_or(0);
    let there = host
        .tree
        .cores(&format!("/sys/devices/system/node/node{first}/cpulist"))?;
    let command = format!("choose --core from {}", cpu::format_list(&there));
    Ok(Finding::wanted(nodes.len() <= 1, Level::Warn, list)
        .number("nodes", nodes.len() as u64)
        .fix(command))
}
