//! Owns the checks of how the chosen cores save energy: frequencies and idle states.

use super::check::{Finding, Level, Unseen, Verdict, not_applicable};
use super::host::{Host, by_value};
use std::fmt::Write as _;

/// What waking may take, in microseconds: about what a datagram needs from card to handler.
const WAKE_US_MAX: u64 = 10;
const CPUS: &str = "/sys/devices/system/cpu";

/// Explains a missing file of frequencies by what is mostly the reason.
fn by_hypervisor(host: &Host<'_>, unseen: Unseen) -> Unseen {
    match (unseen, host.hypervisor()) {
        (Unseen::NotApplicable(reason), Some(_)) => {
            Unseen::NotApplicable(format!("{reason}: the hypervisor decides"))
        }
        (unseen, _) => unseen,
    }
}

pub(super) fn governor(host: &Host<'_>) -> Verdict {
    let governors = host
        .each(|core| {
            host.tree
                .text(&format!("{CPUS}/cpu{core}/cpufreq/scaling_governor"))
        })
        .map_err(|unseen| by_hypervisor(host, unseen))?;
    let good = governors
        .iter()
        .all(|(_, governor)| governor == "performance");
    let command = format!("cpupower -c {} frequency-set -g performance", host.list());
    Ok(Finding::wanted(good, Level::Warn, by_value(&governors)).fix(command))
}

pub(super) fn turbo(host: &Host<'_>) -> Verdict {
    let (intel, other) = (
        format!("{CPUS}/intel_pstate/no_turbo"),
        format!("{CPUS}/cpufreq/boost"),
    );
    let (on, command) = match host.tree.number(&intel) {
        Ok(off) => (off == 0, format!("echo 1 > {intel}")),
        Err(Unseen::NotApplicable(_)) => {
            let on = host
                .tree
                .number(&other)
                .map_err(|unseen| by_hypervisor(host, unseen))?;
            (on != 0, format!("echo 0 > {other}"))
        }
        Err(unknown) => return Err(unknown),
    };
    let value = if on { "on" } else { "off" };
    Ok(Finding::wanted(!on, Level::Note, value)
        .number("on", on.into())
        .fix(command))
}

pub(super) fn energy(host: &Host<'_>) -> Verdict {
    let preference =
        |core: usize| format!("{CPUS}/cpu{core}/cpufreq/energy_performance_preference");
    let read = |core: usize| {
        let preference = preference(core);
        let bias = format!("{CPUS}/cpu{core}/power/energy_perf_bias");
        match host.tree.text(&preference) {
            Err(Unseen::NotApplicable(_)) => Ok(host.tree.number(&bias)?.to_string()),
            read => read,
        }
    };
    let found = host
        .each(read)
        .map_err(|unseen| by_hypervisor(host, unseen))?;
    let good = found
        .iter()
        .all(|(_, value)| value == "performance" || value == "0");
    let finding = Finding::wanted(good, Level::Note, by_value(&found));
    let bias = format!("cpupower -c {} set -b 0", host.list());
    // Where the driver has preferences, the bias is not what it goes by.
    let command = |(core, value): &(usize, String)| {
        let path = preference(*core);
        (value != "performance" && host.tree.has(&path))
            .then(|| format!("echo performance > {path}"))
    };
    let mut commands = found.iter().filter_map(command).peekable();
    Ok(match commands.peek() {
        None => finding.fix(bias),
        Some(_) => commands.fold(finding, Finding::fix),
    })
}

/// Returns the longest that a core takes to leave an idle state which it may enter, with its name.
fn deepest(host: &Host<'_>, core: usize, allowed_us: u64) -> Result<(u64, String), Unseen> {
    let folder = format!("{CPUS}/cpu{core}/cpuidle");
    let names = host.tree.names(&folder);
    if names.is_empty() {
        return Err(not_applicable(format!("no {folder}")));
    }
    let mut deepest = (0, "none".to_owned());
    for state in names.iter().filter(|name| name.starts_with("state")) {
        let latency_us = host.tree.number(&format!("{folder}/{state}/latency"))?;
        let disabled = host.tree.number(&format!("{folder}/{state}/disable"))? != 0;
        if !disabled && latency_us <= allowed_us && latency_us >= deepest.0 {
            deepest = (
                latency_us,
                host.tree.text(&format!("{folder}/{state}/name"))?,
            );
        }
    }
    Ok(deepest)
}

pub(super) fn idle_states(host: &Host<'_>) -> Verdict {
    if host.switch("idle") == Some("poll") {
        return Ok(Finding::new(Level::Ok, "none: idle=poll"));
    }
    // What some process holds open; four bytes, as the CPU has them.
    let held = host.tree.bytes("/dev/cpu_dma_latency").ok();
    let held = held.and_then(|bytes| Some(i32::from_ne_bytes(bytes.try_into().ok()?)));
    let allowed_us = held.map_or(u64::MAX, |held| u64::try_from(held).unwrap_or(u64::MAX));
    let deepest = host
        .each(|core| deepest(host, core, allowed_us))
        .map_err(|unseen| by_hypervisor(host, unseen))?;
    let worst_us = deepest.iter().map(|(_, (latency_us, _))| *latency_us).max();
    let worst_us = worst_us.unwrap_or(0);
    let named = |(core, (latency_us, name)): &(usize, (u64, String))| {
        (*core, format!("{name}, {latency_us} us"))
    };
    let named: Vec<(usize, String)> = deepest.iter().map(named).collect();
    let mut value = format!("down to {}", by_value(&named));
    for switch in ["intel_idle.max_cstate", "processor.max_cstate"] {
        if let Some(max) = host.switch(switch) {
            // Writing to a String cannot fail.
            _ = write!(value, ", {switch}={max}");
        }
    }
    Ok(Finding::wanted(worst_us <= WAKE_US_MAX, Level::Warn, value)
        .number("wake_us_max", worst_us)
        .fix(format!(
            "cpupower -c {} idle-set -D {WAKE_US_MAX}",
            host.list()
        )))
}
