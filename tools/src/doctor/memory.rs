//! Owns the checks of memory: pages that move, that are missing, or that may not be locked.

use super::check::{Finding, Group, Level, Verdict, not_applicable};
use super::host::{Checked, Host, field};
use super::tree::malformed;

/// What the receive buffers of the default configuration need, rounded up: 256 of 2,112 bytes.
const LOCKED_BYTES_MIN: u64 = 1 << 20;

pub(crate) const CHECKS: &[Checked] = &[
    (
        Group::Memory.subject(
            "thp",
            "transparent huge pages",
            "madvise",
            "with `always` the kernel copies pages together behind the back of running threads, \
             with `never` large books have to do without",
        ),
        huge,
    ),
    (
        Group::Memory.subject(
            "thp-defrag",
            "their defragmentation",
            "madvise, defer+madvise, defer or never",
            "with `always` a page fault can wait for the kernel to move other memory",
        ),
        defrag,
    ),
    (
        Group::Memory.subject(
            "huge-pages",
            "reserved huge pages",
            "none, or all in use",
            "nothing here asks for them: those that are free are memory that nobody can use",
        ),
        reserved,
    ),
    (
        Group::Memory.subject(
            "memlock",
            "locked memory",
            "at least 1,048,576 bytes",
            "kernels that count io_uring's buffers as locked memory refuse them beyond the limit",
        ),
        locked,
    ),
    (
        Group::Memory.subject(
            "swap",
            "swap",
            "none",
            "a page that was swapped out costs a read from disk in the middle of a burst",
        ),
        swap,
    ),
    (
        Group::Memory.subject(
            "swappiness",
            "swappiness",
            "at most 10, where there is swap",
            "how readily the kernel swaps memory of processes for its file cache",
        ),
        swappiness,
    ),
    (
        Group::Memory.subject(
            "numa-balancing",
            "automatic NUMA balancing",
            "0",
            "the kernel takes pages away, to see which node faults on them",
        ),
        balancing,
    ),
];

const THP: &str = "/sys/kernel/mm/transparent_hugepage";

fn huge(host: &Host<'_>) -> Verdict {
    let path = format!("{THP}/enabled");
    let chosen = host.tree.choice(&path)?;
    let good = chosen == "madvise";
    Ok(Finding::wanted(good, Level::Warn, chosen).fix(format!("echo madvise > {path}")))
}

fn defrag(host: &Host<'_>) -> Verdict {
    let path = format!("{THP}/defrag");
    let chosen = host.tree.choice(&path)?;
    let good = chosen != "always";
    Ok(Finding::wanted(good, Level::Warn, chosen).fix(format!("echo madvise > {path}")))
}

/// Reads a number of `/proc/meminfo`: pages, or KiB.
pub(crate) fn meminfo(host: &Host<'_>, key: &str) -> Result<u64, super::check::Unseen> {
    const PATH: &str = "/proc/meminfo";
    let text = host.tree.text(PATH)?;
    let value = field(&text, &format!("{key}:"));
    let value = value.ok_or_else(|| not_applicable(format!("no {key} in {PATH}")))?;
    let number = value
        .split_whitespace()
        .next()
        .and_then(|number| number.parse().ok());
    number.ok_or_else(|| malformed(PATH, &value))
}

fn reserved(host: &Host<'_>) -> Verdict {
    let total = meminfo(host, "HugePages_Total")?;
    let free = meminfo(host, "HugePages_Free")?;
    let value = match total {
        0 => "none".to_owned(),
        _ => format!("{total} pages, {free} of them free"),
    };
    Ok(Finding::wanted(free == 0, Level::Note, value)
        .number("total", total)
        .number("free", free)
        .fix(format!(
            "sysctl -w vm.nr_hugepages={}",
            total.saturating_sub(free)
        )))
}

fn locked(host: &Host<'_>) -> Verdict {
    const PATH: &str = "/proc/self/limits";
    const KEY: &str = "Max locked memory";
    let text = host.tree.text(PATH)?;
    let values = field(&text, KEY);
    let values = values.ok_or_else(|| not_applicable(format!("no `{KEY}` in {PATH}")))?;
    let soft = values.split_whitespace().next().unwrap_or_default();
    if soft == "unlimited" {
        return Ok(Finding::new(Level::Ok, soft));
    }
    let bytes: u64 = soft.parse().map_err(|_| malformed(PATH, &values))?;
    let value = format!("{bytes} bytes");
    Ok(
        Finding::wanted(bytes >= LOCKED_BYTES_MIN, Level::Warn, value)
            .number("limit_bytes", bytes)
            .fix("ulimit -l unlimited; for a service: LimitMEMLOCK=infinity in its unit"),
    )
}

fn swap(host: &Host<'_>) -> Verdict {
    let total = meminfo(host, "SwapTotal")?;
    let used = total.saturating_sub(meminfo(host, "SwapFree")?);
    let (level, value) = match (total, used) {
        (0, _) => (Level::Ok, "none".to_owned()),
        (_, 0) => (Level::Note, format!("{total} KiB, unused")),
        _ => (Level::Warn, format!("{used} of {total} KiB used")),
    };
    Ok(Finding::new(level, value)
        .number("total_kib", total)
        .number("used_kib", used)
        .fix("swapoff -a"))
}

fn swappiness(host: &Host<'_>) -> Verdict {
    let value = host.tree.number("/proc/sys/vm/swappiness")?;
    if meminfo(host, "SwapTotal")? == 0 {
        return Err(not_applicable("there is no swap"));
    }
    Ok(Finding::wanted(value <= 10, Level::Note, value.to_string())
        .number("swappiness", value)
        .fix("sysctl -w vm.swappiness=1"))
}

fn balancing(host: &Host<'_>) -> Verdict {
    let value = host.tree.number("/proc/sys/kernel/numa_balancing")?;
    let nodes = host
        .tree
        .cores("/sys/devices/system/node/online")
        .unwrap_or_default();
    if nodes.len() == 1 {
        return Err(not_applicable("there is one memory node"));
    }
    Ok(Finding::wanted(value == 0, Level::Warn, value.to_string())
        .number("numa_balancing", value)
        .fix("sysctl -w kernel.numa_balancing=0"))
}
