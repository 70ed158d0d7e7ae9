//! Owns the verdict on the measured noise of the chosen cores.

use super::check::{Check, Finding, Group, Level, Subject, Verdict, not_applicable};
use super::host::Host;
use super::readings::Tried;
use crate::noise::Noise;
use crate::output::thousands;

/// Longest stall that is left of a core that is kept free of everything but the hardware's own.
const STALL_NS_NOTE: u64 = 20_000;
/// How long the default receive buffer lasts at 500,000 datagrams a second, at about 768 bytes of
/// kernel memory each: what comes later in such a stall is lost.
const STALL_NS_FAIL: u64 = 10_000_000;
/// One thousandth of the time: p99.9 of any latency is then a stall of the machine.
const STALLED_PPM_WARN: u64 = 1_000;

const SUBJECT: Subject = Subject {
    id: "jitter",
    group: Group::Jitter,
    name: "stalls",
    wanted: "no stall of 20 us, and stalls below 1,000 ppm of the time",
    why: "so long is a thread kept from running that wants nothing but to run; a stall of 10 ms \
          overflows a line's buffer",
};

/// Returns a check for each core that was watched.
pub(crate) fn checks(host: &Host<'_>) -> Vec<Check> {
    if host.readings.noise.is_empty() {
        let reason = match (host.readings.tried, host.options.jitter.is_zero()) {
            (false, _) => "read from a directory: nothing to measure",
            (true, true) => "left out: --jitter-ms 0",
            (true, false) => "no core is known: name one with --core",
        };
        return vec![SUBJECT.check(Err(not_applicable(reason)))];
    }
    let one = |(core, noise): &(usize, Tried<Noise>)| {
        let mut check = SUBJECT.check(verdict(host, noise));
        check.core = Some(*core);
        check.name = format!("core {core}");
        check
    };
    host.readings.noise.iter().map(one).collect()
}

fn verdict(host: &Host<'_>, noise: &Tried<Noise>) -> Verdict {
    let noise = noise
        .as_ref()
        .map_err(|reason| not_applicable(reason.as_str()))?;
    let at = |quantile| noise.hiccups.value_at_quantile(quantile);
    let (median_ns, p99_ns, p99_9_ns) = (at(0.5), at(0.99), at(0.999));
    let max_ns = noise.hiccups.max();
    let level = match max_ns {
        STALL_NS_FAIL.. => Level::Fail,
        _ if noise.stalled_ppm() >= STALLED_PPM_WARN => Level::Warn,
        STALL_NS_NOTE.. => Level::Note,
        _ => Level::Ok,
    };
    let value = format!(
        "p99 {}, p99.9 {}, max {} ns, stalled {} ppm",
        thousands(p99_ns),
        thousands(p99_9_ns),
        thousands(max_ns),
        thousands(noise.stalled_ppm())
    );
    let isolate = "keep the cores free: isolated, timer tick, RCU callbacks and interrupts above";
    let finding = Finding::new(level, value)
        .number("watched_ns", noise.watched_ns)
        .number("stalls", noise.stalls)
        .number("stalled_ns", noise.stalled_ns)
        .number("stalled_ppm", noise.stalled_ppm())
        .number("p50_ns", median_ns)
        .number("p99_ns", p99_ns)
        .number("p99_9_ns", p99_9_ns)
        .number("max_ns", max_ns)
        .fix(isolate);
    Ok(match host.hypervisor() {
        Some(_) => finding.fix("on the hypervisor's host: pin the virtual CPUs to cores of theirs"),
        None => finding,
    })
}
