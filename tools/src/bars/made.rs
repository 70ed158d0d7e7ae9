//! Owns one bar: how it is collected from the derived events, and how it is written.

use crate::instrument::Wanted;
use crate::new_york::wall_or_time_of_day;
use crate::output::thousands;
use crate::price::decimal;
use crate::reading::Origin;
use ringtape::handler::{At, Handler};
use ringtape::market::{Bar, BarClose, MarketEvent, Symbol, View};
use ringtape::record::Gap;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::mpsc::Sender;

/// A bar. The keys are stable; prices are strings with all their decimals.
#[derive(Debug, Serialize)]
pub(super) struct Made {
    /// The session of a capture, or the number in a journal.
    feed: String,
    symbol: Option<String>,
    instrument: u32,
    /// The venue's time.
    begin_ns: u64,
    end_ns: u64,
    open: String,
    high: String,
    low: String,
    close: String,
    /// By volume.
    vwap: String,
    volume: u64,
    trades: u32,
    /// Why it closed.
    end: &'static str,
}

impl Made {
    fn new(feed: &str, symbol: Option<Symbol>, bar: &Bar, close: &BarClose) -> Self {
        Self {
            feed: feed.to_owned(),
            symbol: symbol.map(|symbol| symbol.to_string()),
            instrument: bar.head.instrument,
            begin_ns: bar.head.ts_event_ns,
            end_ns: close.head.ts_event_ns,
            open: decimal(bar.open_price_e9),
            high: decimal(bar.high_price_e9),
            low: decimal(bar.low_price_e9),
            close: decimal(close.close_price_e9),
            vwap: decimal(close.vwap_e9),
            volume: close.volume,
            trades: bar.trades,
            end: match close.end {
                1 => "time",
                2 => "ticks",
                3 => "volume",
                _ => "session",
            },
        }
    }

    fn label(&self) -> String {
        let symbol = self.symbol.clone();
        symbol.unwrap_or_else(|| self.instrument.to_string())
    }

    pub(super) fn text_head() -> String {
        columns([
            "begin", "name", "open", "high", "low", "close", "average", "volume", "trades", "end",
        ])
    }

    pub(super) fn text(&self) -> String {
        columns([
            &wall_or_time_of_day(self.begin_ns),
            &self.label(),
            &self.open,
            &self.high,
            &self.low,
            &self.close,
            &self.vwap,
            &thousands(self.volume),
            &thousands(self.trades.into()),
            self.end,
        ])
    }

    pub(super) fn csv_head() -> &'static str {
        "feed,symbol,instrument,begin_ns,end_ns,open,high,low,close,vwap,volume,trades,end"
    }

    pub(super) fn csv(&self) -> String {
        format!(
            "{},{},{},{},{},{},{},{},{},{},{},{},{}",
            quoted(&self.feed),
            quoted(self.symbol.as_deref().unwrap_or_default()),
            self.instrument,
            self.begin_ns,
            self.end_ns,
            self.open,
            self.high,
            self.low,
            self.close,
            self.vwap,
            self.volume,
            self.trades,
            self.end
        )
    }
}

/// Lays a line out: bars come one by one, and nobody knows how wide the next will be.
fn columns(
    [
        begin,
        name,
        open,
        high,
        low,
        close,
        vwap,
        volume,
        trades,
        end,
    ]: [&str; 10],
) -> String {
    format!(
        "{begin:<29}  {name:<8}  {open:>10}  {high:>10}  {low:>10}  {close:>10}  {vwap:>14}  \
         {volume:>11}  {trades:>7}  {end}"
    )
}

/// Quotes what could be taken for more than one value.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Takes derived events, and sends on the bars that are wanted.
#[derive(Debug)]
pub(super) struct Collector {
    feed: String,
    /// Which instruments are meant; `None` where the feed is not.
    wanted: Option<Wanted>,
    names: HashMap<u32, Symbol>,
    begun: Option<Bar>,
    made: Sender<Made>,
}

impl Collector {
    pub(super) fn new(origin: &Origin, wanted: &Wanted, made: Sender<Made>) -> Self {
        let feed = origin.name();
        Self {
            wanted: wanted.is_of(&feed).then(|| wanted.clone()),
            feed,
            names: HashMap::new(),
            begun: None,
            made,
        }
    }

    fn close(&mut self, close: &BarClose) {
        let Some(bar) = self.begun.take() else { return };
        let symbol = self.names.get(&bar.head.instrument).copied();
        let wanted = self.wanted.as_ref();
        if wanted.is_some_and(|wanted| wanted.has(bar.head.instrument, symbol)) {
            // Nobody wants bars any more where this fails: the command is ending.
            _ = self.made.send(Made::new(&self.feed, symbol, &bar, close));
        }
    }
}

impl Handler<MarketEvent> for Collector {
    fn on_event(&mut self, event: &MarketEvent, _: At) {
        match event.view() {
            View::Instrument(named) => {
                self.names.insert(named.head.instrument, named.symbol);
            }
            View::Bar(bar) => self.begun = Some(*bar),
            View::BarClose(close) => self.close(close),
            _ => {}
        }
    }

    // Derived events have no gaps; what the feed lost is in the trust of its books.
    fn on_gap(&mut self, _: Gap) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_taken_for_several_values_is_quoted() {
        assert_eq!(quoted("BRK.A"), "BRK.A");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
