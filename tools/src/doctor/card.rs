//! Owns the checks of the network card, of that which was named or of all.

use super::check::{Finding, Level, Unseen, Verdict, not_applicable};
use super::cores::nodes;
use super::host::Host;
use ringtape::cpu;

const CARDS: &str = "/sys/class/net";
/// What a card counts as lost on the way in.
const LOST: [&str; 3] = ["rx_dropped", "rx_missed_errors", "rx_fifo_errors"];

/// Returns the card that was named. A name that leads elsewhere is no card's.
fn named<'a>(host: &Host<'a>) -> Result<&'a str, Unseen> {
    let name = host.options.interface.as_deref();
    let name = name.ok_or_else(|| not_applicable("no card was named: --interface"))?;
    // Dots are for VLANs (`eth0.100`) and for who likes them.
    let there = !matches!(name, "" | "." | "..") && !name.contains('/');
    if there && host.tree.has(&format!("{CARDS}/{name}")) {
        return Ok(name);
    }
    Err(not_applicable(format!("there is no card {name}")))
}

pub(super) fn state(host: &Host<'_>) -> Verdict {
    let cards = host.tree.names(CARDS);
    let Some(asked) = &host.options.interface else {
        let list = cards.join(", ");
        return Err(not_applicable(format!(
            "no card was named: --interface, of {list}"
        )));
    };
    let Ok(name) = named(host) else {
        let finding = Finding::new(Level::Fail, format!("there is no card {asked}"));
        return Ok(finding.fix(format!("choose --interface from {}", cards.join(", "))));
    };
    let state = host.tree.text(&format!("{CARDS}/{name}/operstate"))?;
    // The loopback interface does not say.
    let up = matches!(state.as_str(), "up" | "unknown");
    Ok(Finding::wanted(up, Level::Fail, format!("{name}, {state}"))
        .fix(format!("ip link set {name} up")))
}

fn lost(host: &Host<'_>, name: &str) -> Result<u64, Unseen> {
    let mut sum = 0_u64;
    for counter in LOST {
        let path = format!("{CARDS}/{name}/statistics/{counter}");
        sum = sum.saturating_add(host.tree.number(&path)?);
    }
    Ok(sum)
}

pub(super) fn drops(host: &Host<'_>) -> Verdict {
    if host.options.interface.is_some() {
        let name = named(host)?;
        let lost = lost(host, name)?;
        return Ok(
            Finding::wanted(lost == 0, Level::Warn, format!("{lost}, {name}"))
                .number("drops", lost)
                .fix(format!(
                    "ethtool -g {name}  # tells MAX, then: ethtool -G {name} rx MAX"
                )),
        );
    }
    let mut sum = 0_u64;
    let mut cards = Vec::new();
    for name in host.tree.names(CARDS) {
        // Some entries are no cards: bonding_masters is a file.
        let Ok(lost) = lost(host, &name) else {
            continue;
        };
        sum = sum.saturating_add(lost);
        cards.push(format!("{name} {lost}"));
    }
    if cards.is_empty() {
        return Err(not_applicable("no card counts what it drops"));
    }
    let finding = Finding::wanted(sum == 0, Level::Note, cards.join(", "));
    Ok(finding
        .number("drops", sum)
        .fix("name the card that matters: --interface CARD"))
}

pub(super) fn node(host: &Host<'_>) -> Verdict {
    let name = named(host)?;
    let node = host
        .tree
        .signed(&format!("{CARDS}/{name}/device/numa_node"))?;
    let Ok(node) = usize::try_from(node) else {
        return Err(not_applicable(format!("{name} does not say where it is")));
    };
    let here = nodes(host, host.cores()?)?;
    let there = host
        .tree
        .cores(&format!("/sys/devices/system/node/node{node}/cpulist"))?;
    let value = format!(
        "{node}; the chosen cores are on {}",
        cpu::format_list(&here)
    );
    let command = format!("choose --core from {}", cpu::format_list(&there));
    Ok(Finding::wanted(here == [node], Level::Warn, value)
        .number("card_node", node as u64)
        .fix(command))
}

pub(super) fn interrupts(host: &Host<'_>) -> Verdict {
    let name = named(host)?;
    // A virtual card has its interrupts at the device that it sits on.
    let places = ["device/msi_irqs", "device/../msi_irqs"];
    let mut all = Vec::new();
    for place in places {
        all.extend(host.tree.numbers(&format!("{CARDS}/{name}/{place}")));
    }
    if all.is_empty() {
        return Err(not_applicable(format!(
            "{name} has no interrupts of its own"
        )));
    }
    let others = cpu::format_list(&host.others()?);
    let chosen = host.cores()?;
    let mut here = Vec::new();
    for irq in &all {
        let cores = host
            .tree
            .cores(&format!("/proc/irq/{irq}/smp_affinity_list"));
        // Those without a handler have no directory.
        if cores.is_ok_and(|cores| cores.iter().any(|core| chosen.contains(core))) {
            here.push(*irq);
        }
    }
    let value = format!(
        "{} of {} may come to {}",
        here.len(),
        all.len(),
        host.list()
    );
    let mut finding = Finding::wanted(here.is_empty(), Level::Warn, value)
        .number("interrupts", all.len() as u64)
        .number("on_chosen_cores", here.len() as u64);
    for irq in here {
        finding = finding.fix(format!("echo {others} > /proc/irq/{irq}/smp_affinity_list"));
    }
    Ok(finding)
}

pub(super) fn reverse_path(host: &Host<'_>) -> Verdict {
    const FOLDER: &str = "/proc/sys/net/ipv4/conf";
    let all = host.tree.number(&format!("{FOLDER}/all/rp_filter"))?;
    // The kernel takes the larger of the two.
    let (name, level) = match host.options.interface {
        Some(_) => (named(host)?, Level::Warn),
        None => ("default", Level::Note),
    };
    // Between dots, sysctl takes a slash for a dot of the name.
    let key = name.replace('.', "/");
    let own = host.tree.number(&format!("{FOLDER}/{name}/rp_filter"))?;
    let mode = all.max(own);
    let value = format!("{mode}, as all {all} and {name} {own}");
    Ok(Finding::wanted(mode != 1, level, value)
        .number("rp_filter", mode)
        .fix(format!(
            "sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.{key}.rp_filter=2"
        )))
}
