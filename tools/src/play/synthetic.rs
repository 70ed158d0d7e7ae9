//! Owns the playing of a scenario's own traffic.

use super::Args;
use super::loss::Loss;
use super::pace::Pace;
use super::pulse::Pulse;
use super::report::Report;
use super::tcp::Direct;
use super::wire::Wire;
use crate::cli::Outcome;
use crate::packets::Ranges;
use crate::{interrupt, output};
use anyhow::{Result, ensure};
use ringtape::feed::moldudp64::Packet;
use ringtape::torture::{Lines, Scenario};

/// Publishes the scenario's made-up messages and reports.
pub(super) fn run(
    args: &Args,
    mut scenario: Scenario,
    mut wire: Wire,
    mut loss: Loss,
) -> Result<Outcome> {
    ensure!(
        args.feed.is_none() && args.session.is_none() && !args.no_end,
        "--feed, --session and --no-end are for files: a scenario names its session and ends it"
    );
    let traffic = &mut scenario.traffic;
    traffic.messages = args.synthetic.unwrap_or(traffic.messages);
    if let Pace::Rate { messages_per_s } = wire.schedule.pace() {
        traffic.rate = messages_per_s;
    }
    let mut direct = wire.tcp.as_ref().map(|_| Direct::new(&scenario));
    let mut lines = Lines::new(&scenario);
    // Of each epoch, the numbers that a line was sent in a packet as the venue made it.
    let mut sent: Vec<Ranges> = Vec::new();
    let mut lost = Vec::new();
    while !interrupt::requested() {
        let datagram = lines.next();
        if let Some(direct) = &mut direct {
            let until_ns = datagram.as_ref().map(|datagram| datagram.ts_ns);
            direct.play(until_ns, &mut wire, lines.history())?;
        }
        let Some(datagram) = datagram else { break };
        let due = wire.schedule.due_at(datagram.ts_ns);
        wire.wait_until(due.unwrap_or_default(), lines.history())?;
        loss.draw(&mut lost);
        // What is broken brings no message.
        let packet = Packet::parse(&datagram.bytes, datagram.bytes.len());
        let (first, count) = packet.map_or((0, 0), |packet| (packet.sequence(), packet.count()));
        let count = u64::from(count);
        let lost = lost[datagram.line];
        wire.lines[datagram.line].publish(&datagram.bytes, count, lost)?;
        if datagram.intact && !lost && count > 0 {
            let epochs = sent.len().max(datagram.epoch + 1);
            sent.resize_with(epochs, Ranges::default);
            sent[datagram.epoch].insert(first..=first + (count - 1));
        }
    }
    let elapsed = wire.schedule.elapsed();
    let epochs = lines.truth().epochs;
    sent.resize_with(epochs.len(), Ranges::default);
    if let Some(last) = epochs.last() {
        let pulse = Pulse::Mold(last.session);
        wire.close(pulse, last.end, false, lines.history())?;
    }
    let epochs: Vec<_> = epochs.into_iter().zip(sent).collect();
    let faults = lines.fault_counts();
    let report = Report::of_scenario(args, scenario.seed, &wire, &epochs, faults, elapsed);
    output::warn(&report.warnings);
    if args.json {
        output::print_json(&report)?;
    } else {
        output::print(&report.to_text())?;
    }
    Ok(match interrupt::requested() {
        true => Outcome::Interrupted,
        false => Outcome::Passed,
    })
}
