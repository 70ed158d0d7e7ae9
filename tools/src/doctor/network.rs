//! Owns the checks from the card to the socket: what is dropped, and what would be.

use super::card;
use super::check::{Finding, Group, Level, Unseen, Verdict};
use super::host::{Checked, Host};
use super::tree::malformed;
use ringtape::net::Line;

pub(crate) const CHECKS: &[Checked] = &[
    (
        Group::Network.subject(
            "receive-buffer",
            "receive buffer",
            "4,194,304 bytes, which a line asks for unless told otherwise",
            "what a burst brings beyond it is lost, and the kernel cuts the request silently",
        ),
        receive_buffer,
    ),
    (
        Group::Network.subject(
            "udp-drops",
            "UDP errors so far",
            "0",
            "datagrams that reached this host and no process, since boot",
        ),
        udp_errors,
    ),
    (
        Group::Network.subject(
            "socket-drops",
            "drops of open sockets",
            "0",
            "somebody on this host does not fetch datagrams as fast as they come",
        ),
        socket_drops,
    ),
    (
        Group::Network.subject(
            "softnet-drops",
            "drops of the backlog",
            "0",
            "packets that the kernel had taken from a card, and had no room for",
        ),
        softnet_drops,
    ),
    (
        Group::Network.subject(
            "softnet-squeezed",
            "backlog squeezed",
            "0",
            "the kernel stopped fetching packets with more of them waiting in the card",
        ),
        softnet_squeezed,
    ),
    (
        Group::Network.subject(
            "card",
            "card",
            "there, and up",
            "nothing can be said of a card that is not named, but what all of them dropped",
        ),
        card::state,
    ),
    (
        Group::Network.subject(
            "card-drops",
            "drops of the card",
            "0",
            "packets that reached the card and found no room in its ring",
        ),
        card::drops,
    ),
    (
        Group::Network.subject(
            "card-node",
            "memory node of the card",
            "that of the chosen cores",
            "every packet crosses between the nodes before it is seen",
        ),
        card::node,
    ),
    (
        Group::Network.subject(
            "card-interrupts",
            "interrupts of the card",
            "on cores that are not chosen",
            "receiving takes the core away from what the packets are received for",
        ),
        card::interrupts,
    ),
    (
        Group::Network.subject(
            "busy-poll",
            "busy poll",
            "busy_read and busy_poll above 0 on a card that interrupts",
            "without it a packet waits for an interrupt before the socket has it",
        ),
        busy_poll,
    ),
    (
        Group::Network.subject(
            "igmp-memberships",
            "groups of a socket",
            "at least 1 group, and 1 source of it",
            "a line joins one group, from one source; beyond the limit the join fails",
        ),
        memberships,
    ),
    (
        Group::Network.subject(
            "rp-filter",
            "reverse path filter",
            "0 or 2",
            "in strict mode (1) multicast from a sender that is routed elsewhere is thrown away",
        ),
        card::reverse_path,
    ),
];

fn receive_buffer(host: &Host<'_>) -> Verdict {
    const ASKED: u64 = Line::RECEIVE_BUFFER_BYTES as u64;
    let limit = host.tree.number("/proc/sys/net/core/rmem_max")?;
    let granted = match &host.readings.receive_buffer {
        Ok(buffer) => buffer.granted_bytes as u64,
        Err(reason) if host.readings.tried => return Err(Unseen::Unknown(reason.clone())),
        Err(_) => limit.min(ASKED),
    };
    let (level, value) = if granted < ASKED {
        (Level::Fail, format!("{granted} of {ASKED} bytes granted"))
    } else if limit < ASKED {
        // SO_RCVBUFFORCE went beyond the limit.
        let value = format!("{granted} bytes by CAP_NET_ADMIN; rmem_max is {limit}");
        (Level::Note, value)
    } else {
        (Level::Ok, format!("{granted} bytes granted"))
    };
    Ok(Finding::new(level, value)
        .number("rmem_max_bytes", limit)
        .number("granted_bytes", granted)
        .fix(format!("sysctl -w net.core.rmem_max={ASKED}"))
        .fix("or give the program the right: setcap cap_net_admin+ep $(command -v ringtape)"))
}

/// Reads a counter of UDP from `/proc/net/snmp`: a line of names, then one of values.
fn udp_counter(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Udp:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let mut pairs = names.split_whitespace().zip(values.split_whitespace());
    pairs.find(|(key, _)| *key == name)?.1.parse().ok()
}

fn udp_errors(host: &Host<'_>) -> Verdict {
    const PATH: &str = "/proc/net/snmp";
    let text = host.tree.text(PATH)?;
    let counter = |name| udp_counter(&text, name).ok_or_else(|| malformed(PATH, &text));
    let full = counter("RcvbufErrors")?;
    let errors = counter("InErrors")?;
    let datagrams = counter("InDatagrams")?;
    let value = match errors.max(full) {
        0 => format!("0 of {datagrams} datagrams"),
        _ => format!("{errors} errors, {full} by full buffers, {datagrams} datagrams received"),
    };
    Ok(
        Finding::wanted(errors == 0 && full == 0, Level::Warn, value)
            .number("in_errors", errors)
            .number("receive_buffer_errors", full)
            .number("in_datagrams", datagrams)
            .fix("watch whether it grows: nstat -az UdpRcvbufErrors UdpInErrors"),
    )
}

fn socket_drops(host: &Host<'_>) -> Verdict {
    const PATH: &str = "/proc/net/udp";
    let text = host.tree.text(PATH)?;
    let (mut sockets, mut dropping, mut drops) = (0_u64, 0_u64, 0_u64);
    for line in text.lines().skip(1) {
        let last = line.split_whitespace().next_back();
        let dropped = last.and_then(|last| last.parse::<u64>().ok());
        let dropped = dropped.ok_or_else(|| malformed(PATH, line))?;
        sockets += 1;
        dropping += u64::from(dropped > 0);
        drops = drops.saturating_add(dropped);
    }
    let value = match drops {
        0 => format!("0, of {sockets} sockets"),
        _ => format!("{drops}, by {dropping} of {sockets} sockets"),
    };
    Ok(Finding::wanted(drops == 0, Level::Warn, value)
        .number("sockets", sockets)
        .number("drops", drops)
        .fix("find the process by `d` of its skmem: ss -uanpm"))
}

/// Sums a column of `/proc/net/softnet_stat`: hexadecimal, a line for each core.
fn softnet(host: &Host<'_>, column: usize) -> Result<u64, Unseen> {
    const PATH: &str = "/proc/net/softnet_stat";
    let text = host.tree.text(PATH)?;
    let read = |line: &str| -> Option<u64> {
        u64::from_str_radix(line.split_whitespace().nth(column)?, 16).ok()
    };
    let mut sum = 0_u64;
    for line in text.lines() {
        let count = read(line).ok_or_else(|| malformed(PATH, line))?;
        sum = sum.saturating_add(count);
    }
    Ok(sum)
}

fn softnet_drops(host: &Host<'_>) -> Verdict {
    let drops = softnet(host, 1)?;
    let backlog = host
        .tree
        .number("/proc/sys/net/core/netdev_max_backlog")
        .unwrap_or(1_000);
    let more = backlog.saturating_mul(4).max(4_000);
    Ok(Finding::wanted(drops == 0, Level::Warn, drops.to_string())
        .number("drops", drops)
        .fix(format!("sysctl -w net.core.netdev_max_backlog={more}")))
}

fn softnet_squeezed(host: &Host<'_>) -> Verdict {
    let squeezed = softnet(host, 2)?;
    let value = format!("{squeezed} times");
    Ok(Finding::wanted(squeezed == 0, Level::Note, value)
        .number("squeezed", squeezed)
        .fix("sysctl -w net.core.netdev_budget=600 net.core.netdev_budget_usecs=8000"))
}

fn busy_poll(host: &Host<'_>) -> Verdict {
    let read = host.tree.number("/proc/sys/net/core/busy_read")?;
    let poll = host.tree.number("/proc/sys/net/core/busy_poll")?;
    let value = format!("busy_read {read}, busy_poll {poll}");
    Ok(Finding::wanted(read > 0 && poll > 0, Level::Note, value)
        .number("busy_read_us", read)
        .number("busy_poll_us", poll)
        .fix("sysctl -w net.core.busy_read=50 net.core.busy_poll=50"))
}

fn memberships(host: &Host<'_>) -> Verdict {
    let groups = host
        .tree
        .number("/proc/sys/net/ipv4/igmp_max_memberships")?;
    let sources = host.tree.number("/proc/sys/net/ipv4/igmp_max_msf")?;
    let value = format!("{groups} groups, {sources} sources of each");
    Ok(
        Finding::wanted(groups > 0 && sources > 0, Level::Fail, value)
            .number("groups", groups)
            .number("sources", sources)
            .fix("sysctl -w net.ipv4.igmp_max_memberships=20 net.ipv4.igmp_max_msf=10"),
    )
}
