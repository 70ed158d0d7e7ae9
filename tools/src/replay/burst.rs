//! Owns how the burst around a slow record is told: for people, and with the keys that scripts rely
//! on.

use super::around::{Burst, Surroundings};
use crate::output::{Table, thousands};
use crate::report::{micros, record};
use crate::worst::Moment;
use ringtape::latency::HOPS;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Instruments that are listed, the most active first.
const SYMBOLS_LISTED: usize = 16;

/// The record that was slow, and its burst. The keys are stable; all numbers are integers.
#[derive(Debug, Serialize)]
pub(super) struct AroundJson {
    run: u64,
    #[serde(flatten)]
    moment: Moment,
    hops_ns: BTreeMap<&'static str, Option<u64>>,
    burst: BurstJson,
    /// Right around it, as `dump` has them.
    records: Vec<Value>,
    #[serde(skip)]
    text: String,
}

#[derive(Debug, Serialize)]
struct BurstJson {
    first_sequence: u64,
    last_sequence: u64,
    records: u64,
    datagrams: u64,
    datagram_records_max: u64,
    span_ns: u64,
    /// Thousandths; `null` where all was received at one time.
    records_per_us_e3: Option<u64>,
    /// `null` where the tape begins with the burst.
    gap_before_ns: Option<u64>,
    /// Whether it goes on beyond what was looked at.
    is_cut: bool,
    kinds: BTreeMap<&'static str, u64>,
    symbols: Vec<SymbolJson>,
}

#[derive(Debug, Serialize)]
struct SymbolJson {
    symbol: String,
    events: u64,
}

impl AroundJson {
    pub(super) fn new(around: &Surroundings) -> Self {
        let Surroundings {
            run,
            moment,
            burst,
            shown,
        } = around;
        let json = |r| record::json(r, &shown.names);
        Self {
            run: *run,
            moment: moment.clone(),
            hops_ns: HOPS.into_iter().zip(moment.hops_ns()).collect(),
            burst: BurstJson::new(burst),
            records: shown.records.iter().map(json).collect(),
            text: text(around),
        }
    }

    pub(super) fn to_text(&self) -> &str {
        &self.text
    }
}

impl BurstJson {
    fn new(burst: &Burst) -> Self {
        let listed = active(burst).into_iter();
        Self {
            first_sequence: burst.first.get(),
            last_sequence: burst.last.get(),
            records: burst.records,
            datagrams: burst.datagrams,
            datagram_records_max: burst.datagram_records_max,
            span_ns: burst.span_ns,
            records_per_us_e3: burst.records_per_us_e3(),
            gap_before_ns: burst.gap_before_ns,
            is_cut: burst.is_cut,
            kinds: burst.kinds.clone(),
            symbols: listed
                .map(|(symbol, events)| SymbolJson { symbol, events })
                .collect(),
        }
    }
}

/// Returns the instruments with the most events.
fn active(burst: &Burst) -> Vec<(String, u64)> {
    let mut symbols: Vec<_> = burst.symbols.clone().into_iter().collect();
    // Stable: of equals by name.
    symbols.sort_by_key(|(_, events)| std::cmp::Reverse(*events));
    symbols.truncate(SYMBOLS_LISTED);
    symbols
}

fn text(around: &Surroundings) -> String {
    let Surroundings {
        run,
        moment,
        burst,
        shown,
    } = around;
    // Writing to a String cannot fail, here and below.
    let mut text = format!(
        "around record {}: number {} of the slowest of run {run}, given to {}\n\n",
        moment.sequence, moment.rank, moment.subscriber
    );
    text.push_str(&live_table(moment).render());
    text.push('\n');
    text.push_str(&burst_table(burst).render());
    text.push('\n');
    for shown_record in &shown.records {
        let is_it = shown_record.sequence().get() == moment.sequence;
        let mark = if is_it { '>' } else { ' ' };
        _ = writeln!(text, "{mark} {}", record::text(shown_record, &shown.names));
    }
    text
}

/// What the record was live.
fn live_table(moment: &Moment) -> Table {
    let mut table = Table::default();
    let micros = |ns: Option<u64>| ns.map_or("-".to_owned(), micros);
    table.row(["live, µs", ""]);
    table.row(["wire to handler", &micros(Some(moment.wire_to_handler_ns))]);
    for (name, hop) in HOPS.iter().zip(moment.hops_ns()) {
        table.row([&format!("  {}", name.replace('_', " ")), &micros(hop)]);
    }
    let before = moment.before_ns;
    let since = before.and_then(|before_ns| moment.handler_ns.checked_sub(before_ns));
    table.row(["handler's call before it", &micros(since)]);
    table.row(["records ready behind it", &thousands(moment.ready_behind)]);
    table.row(["records before it in its poll", &thousands(moment.place)]);
    table
}

fn burst_table(burst: &Burst) -> Table {
    let mut table = Table::default();
    let at_least = if burst.is_cut { "at least " } else { "" };
    let range = format!("{} to {}", burst.first, burst.last);
    table.row(["its burst", &range]);
    let records = format!("{at_least}{}", thousands(burst.records));
    table.row(["records", &records]);
    table.row(["datagrams", &thousands(burst.datagrams)]);
    table.row([
        "records of the largest",
        &thousands(burst.datagram_records_max),
    ]);
    table.row(["received within, µs", &micros(burst.span_ns)]);
    let rate = burst.records_per_us_e3();
    let rate = rate.map_or("-".to_owned(), |e3| {
        format!("{}.{:03}", thousands(e3 / 1_000), e3 % 1_000)
    });
    table.row(["records per µs", &rate]);
    let gap = burst.gap_before_ns.map_or("-".to_owned(), micros);
    table.row(["gap before it, µs", &gap]);
    for (kind, count) in &burst.kinds {
        table.row([&format!("  {kind}"), &thousands(*count)]);
    }
    for (symbol, count) in active(burst) {
        table.row([&format!("  {symbol}"), &thousands(count)]);
    }
    table
}
