//! Owns how latency is told: percentiles, the hop budget, the slowest records.

use crate::output::{Table, thousands};
use crate::worst::Moment;
use ringtape::latency::{Histogram, Latency, Summary};
use ringtape::pipeline::Report;
use std::fmt::Write as _;

/// Of the slowest records; JSON has all.
const WORST_SHOWN: usize = 5;

/// A hop, and its part of the hop budget.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hop {
    pub(super) name: &'static str,
    pub(super) summary: Summary,
    pub(super) sum_ns: u128,
    /// Of the sum of all hops, in thousandths, to the nearest.
    pub(super) share_e3: u64,
}

/// The hops that were measured, in order of the way, and what each takes of the whole.
pub(super) fn hops(latency: &Latency) -> Option<[Hop; 4]> {
    let hops = latency.hops();
    let total_ns: u128 = hops.iter().map(|(_, hop)| hop.sum_ns()).sum();
    let hop = |(name, hop): (&'static str, &Histogram)| Hop {
        name,
        summary: hop.summary(),
        sum_ns: hop.sum_ns(),
        share_e3: share_e3(hop.sum_ns(), total_ns),
    };
    let hops = hops.map(hop);
    hops.iter()
        .any(|hop| hop.summary.count + hop.summary.out_of_range > 0)
        .then_some(hops)
}

/// Thousandths of `total`, to the nearest; 0 of nothing.
fn share_e3(part: u128, total: u128) -> u64 {
    let share = (part * 1_000 + total / 2).checked_div(total).unwrap_or(0);
    u64::try_from(share).unwrap_or(u64::MAX)
}

pub(super) fn latency_text(text: &mut String, report: &Report) {
    let mut table = Table::default();
    table.row([
        "latency, µs",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "p99.99",
        "max",
        "share",
        "count",
        "out",
    ]);
    let mut row = |name: &str, summary: Summary, share: &str| {
        table.row([
            name,
            &micros(summary.p50),
            &micros(summary.p90),
            &micros(summary.p99),
            &micros(summary.p999),
            &micros(summary.p9999),
            &micros(summary.max),
            share,
            &thousands(summary.count),
            &thousands(summary.out_of_range),
        ]);
    };
    let mut measured = false;
    for subscriber in &report.subscribers {
        let Some(latency) = &subscriber.latency else {
            continue;
        };
        measured = true;
        let name = format!("{}: wire to handler", subscriber.name);
        row(&name, latency.wire_to_handler.summary(), "");
        for hop in hops(latency).into_iter().flatten() {
            let (name, share) = (hop.name.replace('_', " "), hop.share_e3);
            let share = format!("{}.{} %", share / 10, share % 10);
            row(&format!("  {name}"), hop.summary, &share);
        }
    }
    if measured {
        _ = write!(text, "\n{}", table.render());
    }
}

/// The slowest records with their hops, and what was around them.
pub(super) fn worst_text(text: &mut String, moments: &[Moment]) {
    if moments.is_empty() {
        return;
    }
    let mut table = Table::default();
    table.row([
        "slowest, µs",
        "sequence",
        "wire to handler",
        "to seen",
        "to decoded",
        "to published",
        "to handler",
        "since the one before",
        "ready behind",
    ]);
    for moment in moments.iter().take(WORST_SHOWN) {
        let hop = |ns: Option<u64>| ns.map_or("-".to_owned(), micros);
        let [seen, decoded, published, handler] = moment.hops_ns().map(hop);
        let before = moment.before_ns;
        let since = before.and_then(|before_ns| moment.handler_ns.checked_sub(before_ns));
        table.row([
            &format!("{} {}", moment.rank, moment.subscriber),
            &moment.sequence.to_string(),
            &micros(moment.wire_to_handler_ns),
            &seen,
            &decoded,
            &published,
            &handler,
            &hop(since),
            &thousands(moment.ready_behind),
        ]);
    }
    _ = write!(text, "\n{}", table.render());
}

/// Nanoseconds as microseconds with one decimal, without floating point.
pub(crate) fn micros(ns: u64) -> String {
    let tenths = ns.saturating_add(50) / 100;
    format!("{}.{}", thousands(tenths / 10), tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_to_the_nearest_thousandth() {
        for (part, total, share) in [
            (0, 0, 0),
            (5, 0, 0),
            (1, 3, 333),
            (2, 3, 667),
            (3, 3, 1_000),
            (u128::from(u64::MAX), u128::from(u64::MAX) * 2, 500),
        ] {
            assert_eq!(share_e3(part, total), share, "{part} of {total}");
        }
    }
}
