//! The naive model's bars: groups of a list of trades.

use super::model::{Model, Moment, Traded};
use super::rig::DERIVED;
use ringtape::book::BarRule;
use ringtape::market::{Bar, BarClose, EventKind, Flags, Head, MarketEvent, Side, Vwap};
use std::collections::BTreeMap;

/// A bar that should have been put out.
#[derive(Debug)]
pub(crate) struct Closed {
    /// The input that closed it.
    pub(crate) at: usize,
    /// Whether that is its last trade.
    pub(crate) filled: bool,
    rule: usize,
    place: usize,
    trades: Vec<Traded>,
    begin_ns: u64,
    end_ns: u64,
    why: u8,
}

/// Returns all bars in their order.
pub(crate) fn closed(model: &Model, rules: &[BarRule]) -> Vec<Closed> {
    let mut all = Vec::new();
    for (rule, &kind) in rules.iter().enumerate() {
        for place in 0..model.instruments.len() {
            let trades = model.trades.iter().filter(|trade| trade.place == place);
            let mut by_session = BTreeMap::<usize, Vec<Traded>>::new();
            trades.for_each(|&trade| by_session.entry(trade.session).or_default().push(trade));
            for trades in by_session.values() {
                match kind {
                    BarRule::Time { every_ns } => {
                        all.extend(by_time(model, trades, every_ns).map(|bar| Closed {
                            rule,
                            place,
                            ..bar
                        }));
                    }
                    BarRule::Ticks { .. } | BarRule::Volume { .. } => {
                        all.extend(by_size(model, trades, kind).into_iter().map(|bar| Closed {
                            rule,
                            place,
                            ..bar
                        }));
                    }
                }
            }
        }
    }
    all.sort_by_key(|bar| (bar.at, bar.filled, bar.rule, bar.place));
    all
}

/// Returns the input that ends the session.
fn end_of_session(model: &Model, session: usize) -> usize {
    let later = |moment: &Moment| moment.session > session;
    model.moments.iter().position(later).unwrap()
}

fn by_time<'a>(
    model: &'a Model,
    trades: &[Traded],
    every_ns: u64,
) -> impl Iterator<Item = Closed> + use<'a> {
    let mut by_stretch = BTreeMap::<u64, Vec<Traded>>::new();
    for &trade in trades {
        let stretch = model.moments[trade.at].now_ns / every_ns;
        by_stretch.entry(stretch).or_default().push(trade);
    }
    by_stretch.into_iter().map(move |(stretch, trades)| {
        let (begin_ns, end_ns) = (stretch * every_ns, (stretch + 1) * every_ns);
        let (last, session) = (trades[trades.len() - 1].at, trades[0].session);
        let session_end = end_of_session(model, session);
        let over = (last + 1..session_end)
            .find(|&at| model.moments[at].ts_event_ns.is_some_and(|ts| ts >= end_ns));
        let (at, why) = over.map_or((session_end, 4), |at| (at, 1));
        Closed {
            at,
            filled: false,
            rule: 0,
            place: 0,
            trades,
            begin_ns,
            end_ns: if why == 1 {
                end_ns
            } else {
                model.moments[at].now_ns
            },
            why,
        }
    })
}

fn by_size(model: &Model, trades: &[Traded], rule: BarRule) -> Vec<Closed> {
    let mut bars = Vec::new();
    let mut open: Vec<Traded> = Vec::new();
    let close = |trades: Vec<Traded>, filled_by: Option<Traded>| {
        let session_end = end_of_session(model, trades[0].session);
        let at = filled_by.map_or(session_end, |trade| trade.at);
        let why = match (filled_by, rule) {
            (None, _) => 4,
            (Some(_), BarRule::Ticks { .. }) => 2,
            (Some(_), _) => 3,
        };
        Closed {
            at,
            filled: filled_by.is_some(),
            rule: 0,
            place: 0,
            begin_ns: trades[0].ts_event_ns,
            end_ns: filled_by.map_or(model.moments[at].now_ns, |trade| trade.ts_event_ns),
            trades,
            why,
        }
    };
    for &trade in trades {
        open.push(trade);
        let volume: u64 = open.iter().map(|trade| trade.quantity).sum();
        let full = match rule {
            BarRule::Ticks { count } => open.len() as u64 == u64::from(count),
            BarRule::Volume { quantity } => volume >= quantity,
            BarRule::Time { .. } => unreachable!("made by time"),
        };
        if full {
            bars.push(close(std::mem::take(&mut open), Some(trade)));
        }
    }
    if !open.is_empty() {
        bars.push(close(open, None));
    }
    bars
}

/// The average, with the remainder taken off before the division.
fn vwap_e9<'a>(trades: impl Iterator<Item = &'a Traded>) -> (i64, u64, u32) {
    let (mut value, mut volume, mut count) = (0_i128, 0_u64, 0);
    for trade in trades {
        value += i128::from(trade.price_e9) * i128::from(trade.quantity);
        volume += trade.quantity;
        count += 1;
    }
    let remainder = value.rem_euclid(volume.into());
    let average = (value - remainder) / i128::from(volume);
    (i64::try_from(average).unwrap(), volume, count)
}

pub(crate) fn events(model: &Model, bar: &Closed) -> [MarketEvent; 3] {
    let ended = Head {
        ts_event_ns: bar.end_ns,
        instrument: model.instruments[bar.place],
        feed: DERIVED,
        kind: EventKind::BAR,
        side: Side::NONE,
        flags: Flags::LAST,
    };
    let message = model.moments[bar.at].message;
    let prices = || bar.trades.iter().map(|trade| trade.price_e9);
    let (vwap, volume, trades) = vwap_e9(bar.trades.iter());
    let so_far = model.trades.iter().filter(|trade| {
        let told = trade.at < bar.at || (bar.filled && trade.at == bar.at);
        trade.place == bar.place && trade.session == bar.trades[0].session && told
    });
    let (session_vwap_e9, session_volume, session_trades) = vwap_e9(so_far);
    [
        Bar {
            head: Head {
                ts_event_ns: bar.begin_ns,
                flags: Flags::NONE,
                ..ended
            },
            open_price_e9: prices().next().unwrap(),
            high_price_e9: prices().max().unwrap(),
            low_price_e9: prices().min().unwrap(),
            trades,
            message,
        }
        .into(),
        BarClose {
            head: ended,
            close_price_e9: prices().next_back().unwrap(),
            vwap_e9: vwap,
            volume,
            rule: u8::try_from(bar.rule).unwrap(),
            end: bar.why,
            reserved: [0; 2],
            message,
        }
        .into(),
        Vwap {
            head: ended,
            vwap_e9: session_vwap_e9,
            volume: session_volume,
            trades: session_trades,
            reserved: [0; 8],
            message,
        }
        .into(),
    ]
}
