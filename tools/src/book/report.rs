//! Owns what `book` reports.

use crate::new_york::wall_or_time_of_day;
use crate::output::{Table, thousands};
use crate::price::{self, decimal, decimal_to};
use crate::reading::{Origin, Stream};
use crate::watched::{Errors, LastTrade, Watched};
use ringtape::book::{Book, BookSide, DataErrorKind, PriceLevel, PrintSource, Trust};
use ringtape::market::Side;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// A book. The keys are stable; numbers are integers, prices are strings with all their decimals,
/// and `null` stands for what there is not.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    source: String,
    /// The session of a capture, or the number in a journal.
    feed: String,
    instrument: u32,
    symbol: Option<String>,
    trust: &'static str,
    /// UNIX nanoseconds, by receive time; `null` where the book is not stale.
    stale_since_ns: Option<u64>,
    /// The venue's word on whether it trades: a letter, of CME a number.
    status: Option<String>,
    /// Of the last event of the feed that was read: our number of it in a journal, and when it was
    /// received.
    sequence: Option<u64>,
    recv_ns: Option<u64>,
    /// When the best prices changed last, by the venue.
    changed_ns: Option<u64>,
    bid: Option<Level>,
    ask: Option<Level>,
    spread: Option<String>,
    /// The best first.
    bids: Vec<Level>,
    asks: Vec<Level>,
    /// How many levels there are, also those that are not shown.
    bid_levels: usize,
    ask_levels: usize,
    implied_bids: Vec<Level>,
    implied_asks: Vec<Level>,
    last_trade: Option<Trade>,
    trades: u64,
    /// Shares or contracts that were traded.
    volume: u64,
    /// Events of the instrument.
    events: u64,
    #[serde(flatten)]
    errors: ErrorsReport,
    pub(super) warnings: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
struct Level {
    price: String,
    quantity: u64,
    /// `null` where the venue does not tell.
    orders: Option<u32>,
    #[serde(skip)]
    price_e9: i64,
}

#[derive(Debug, Serialize)]
struct Trade {
    price: String,
    quantity: u64,
    /// `buy` or `sell`.
    aggressor: Option<&'static str>,
    source: &'static str,
    match_id: u64,
    ts_event_ns: u64,
}

/// Errors in data, by kind: only kinds that occurred.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ErrorsReport {
    pub(crate) errors: BTreeMap<&'static str, u64>,
    pub(crate) errors_total: u64,
    /// Of books that were not trusted anyway.
    pub(crate) errors_doubtful: BTreeMap<&'static str, u64>,
    pub(crate) errors_doubtful_total: u64,
}

impl ErrorsReport {
    /// Makes the report of counts by kind.
    pub(crate) fn new(
        trusted: impl IntoIterator<Item = (DataErrorKind, u64)>,
        doubtful: impl IntoIterator<Item = (DataErrorKind, u64)>,
    ) -> Self {
        fn named(
            counts: impl IntoIterator<Item = (DataErrorKind, u64)>,
        ) -> BTreeMap<&'static str, u64> {
            let mut by_name = BTreeMap::new();
            for (kind, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
                *by_name.entry(kind.name()).or_default() += count;
            }
            by_name
        }
        let (errors, errors_doubtful) = (named(trusted), named(doubtful));
        Self {
            errors_total: errors.values().sum(),
            errors_doubtful_total: errors_doubtful.values().sum(),
            errors,
            errors_doubtful,
        }
    }

    /// Says it in a line.
    pub(crate) fn to_text(&self) -> String {
        let list = |by_name: &BTreeMap<&str, u64>| {
            let named = by_name.iter();
            let named: Vec<String> = named
                .map(|(name, count)| format!("{} {}", thousands(*count), name.replace('_', " ")))
                .collect();
            named.join(", ")
        };
        let mut text = match self.errors_total {
            0 => "none".to_owned(),
            _ => list(&self.errors),
        };
        if self.errors_doubtful_total > 0 {
            let doubtful = list(&self.errors_doubtful);
            _ = write!(text, "; while not trusted: {doubtful}");
        }
        text
    }
}

impl From<&Errors> for ErrorsReport {
    fn from(errors: &Errors) -> Self {
        let counts = |counts: &BTreeMap<DataErrorKind, u64>| counts.clone();
        Self::new(counts(&errors.trusted), counts(&errors.doubtful))
    }
}

impl Level {
    fn new(level: PriceLevel) -> Self {
        Self {
            price: decimal(level.price_e9),
            quantity: level.quantity,
            orders: (level.orders > 0).then_some(level.orders),
            price_e9: level.price_e9,
        }
    }
}

impl Trade {
    fn new(last: LastTrade) -> Self {
        Self {
            price: decimal(last.print.price_e9),
            quantity: last.print.quantity,
            aggressor: match last.print.aggressor {
                Side::BUY => Some("buy"),
                Side::SELL => Some("sell"),
                _ => None,
            },
            source: match last.print.source {
                PrintSource::Execute => "execute",
                PrintSource::Hidden => "hidden",
                PrintSource::Cross => "cross",
                PrintSource::Report => "report",
            },
            match_id: last.print.match_id,
            ts_event_ns: last.ts_event_ns,
        }
    }
}

impl Report {
    /// Reads the book of the instrument at a place; nothing where there is none.
    pub(super) fn new(
        source: &Path,
        stream: &Stream<Watched>,
        index: u32,
        depth: usize,
        warnings: Vec<String>,
    ) -> Option<Self> {
        let watched = &stream.handler;
        let book = watched.books.as_is(index)?;
        let (trust, best) = (book.trust(), book.best());
        let levels = |side| book.depth(side).take(depth).map(Level::new).collect();
        let implied = |side| book.implied(side).take(depth).map(Level::new).collect();
        let activity = watched.activity(index);
        let latest = watched.latest();
        let is_journal = matches!(stream.origin, Origin::Feed(_));
        let changed_ns = book.top().ts_event_ns();
        Some(Self {
            source: source.display().to_string(),
            feed: stream.origin.name(),
            instrument: book.instrument(),
            symbol: book.symbol().map(|symbol| symbol.to_string()),
            trust: trust.name(),
            stale_since_ns: match trust {
                Trust::Stale { since_ns } => Some(since_ns),
                _ => None,
            },
            status: status(&book),
            sequence: latest
                .filter(|_| is_journal)
                .map(|latest| latest.sequence.get()),
            recv_ns: latest.map(|latest| latest.ts_recv_ns),
            changed_ns: (changed_ns > 0).then_some(changed_ns),
            bid: best.level(BookSide::Bid).map(Level::new),
            ask: best.level(BookSide::Ask).map(Level::new),
            spread: best.spread_e9().map(decimal),
            bids: levels(BookSide::Bid),
            asks: levels(BookSide::Ask),
            bid_levels: book.depth(BookSide::Bid).count(),
            ask_levels: book.depth(BookSide::Ask).count(),
            implied_bids: implied(BookSide::Bid),
            implied_asks: implied(BookSide::Ask),
            last_trade: activity.last_trade.map(Trade::new),
            trades: activity.trades,
            volume: activity.volume,
            events: activity.events,
            errors: ErrorsReport::from(&watched.errors_of(book.instrument())),
            warnings,
        })
    }

    /// Returns whether the book and its data are as they should be. What contradicts a book that is
    /// not complete says nothing about the data.
    pub(super) fn is_sound(&self) -> bool {
        self.stale_since_ns.is_none() && self.errors.errors_total == 0
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        let name = self.symbol.as_deref().unwrap_or("(no name)");
        // Writing to a String cannot fail.
        _ = writeln!(
            text,
            "{name}, instrument {} of feed {} in {}\n",
            self.instrument, self.feed, self.source
        );
        text.push_str(&self.facts().render());
        let sides = [
            ("", &self.bids, &self.asks),
            ("implied", &self.implied_bids, &self.implied_asks),
        ];
        for (what, bids, asks) in sides {
            if !bids.is_empty() || !asks.is_empty() {
                _ = write!(text, "\n{}", ladder(what, bids, asks));
            }
        }
        let hidden = [
            (self.bid_levels - self.bids.len(), "bid"),
            (self.ask_levels - self.asks.len(), "ask"),
        ];
        let hidden: Vec<String> = hidden
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, side)| format!("{count} {side}"))
            .collect();
        if !hidden.is_empty() {
            _ = writeln!(
                text,
                "\n  and more levels, see --depth: {}",
                hidden.join(", ")
            );
        }
        text
    }

    fn facts(&self) -> Table {
        let wall = |ns: Option<u64>| ns.map_or("-".to_owned(), wall_or_time_of_day);
        let side = |level: &Option<Level>| match level {
            Some(level) => format!("{} × {}", level.price, thousands(level.quantity)),
            None => "nobody".to_owned(),
        };
        let mut facts = Table::default();
        if let Some(sequence) = self.sequence {
            facts.row(["as of sequence", &thousands(sequence)]);
        }
        facts.row(["as of, received, New York", &wall(self.recv_ns)]);
        let trust = match self.stale_since_ns {
            Some(since_ns) => format!("stale since {}", wall_or_time_of_day(since_ns)),
            None => self.trust.to_owned(),
        };
        facts.row(["trust", &trust]);
        facts.row(["status of the venue", self.status.as_deref().unwrap_or("-")]);
        facts.row(["best bid", &side(&self.bid)]);
        facts.row(["best ask", &side(&self.ask)]);
        facts.row(["spread", self.spread.as_deref().unwrap_or("-")]);
        facts.row(["last change, New York", &wall(self.changed_ns)]);
        if let Some(trade) = &self.last_trade {
            let by = trade
                .aggressor
                .map_or(String::new(), |side| format!(", by a {side}er"));
            facts.row([
                "last trade",
                &format!("{} × {}{by}", trade.price, thousands(trade.quantity)),
            ]);
            facts.row(["  New York", &wall_or_time_of_day(trade.ts_event_ns)]);
        }
        facts.row([
            "trades, traded",
            &format!("{}, {}", thousands(self.trades), thousands(self.volume)),
        ]);
        facts.row(["events", &thousands(self.events)]);
        facts.row(["errors in its data", &self.errors.to_text()]);
        facts
    }
}

/// Returns the venue's word on whether an instrument trades: printable, or as the number it is.
fn status(book: &Book<'_>) -> Option<String> {
    match book.status() {
        0 => None,
        letter if letter.is_ascii_graphic() => Some(char::from(letter).to_string()),
        number => Some(number.to_string()),
    }
}

/// Lays both sides out beside each other, the best first.
fn ladder(what: &str, bids: &[Level], asks: &[Level]) -> String {
    let all = || bids.iter().chain(asks);
    let places = all()
        .map(|level| price::places(level.price_e9))
        .max()
        .unwrap_or(2);
    let counts_orders = all().any(|level| level.orders.is_some());
    let mut table = Table::default();
    if counts_orders {
        table.row([
            what, "orders", "quantity", "bid", "ask", "quantity", "orders",
        ]);
    } else {
        table.row([what, "quantity", "bid", "ask", "quantity"]);
    }
    for place in 0..bids.len().max(asks.len()) {
        let cells = |level: Option<&Level>| match level {
            Some(level) => [
                level
                    .orders
                    .map_or("-".to_owned(), |orders| thousands(orders.into())),
                thousands(level.quantity),
                decimal_to(level.price_e9, places),
            ],
            None => Default::default(),
        };
        let ([bid_orders, bid_quantity, bid], [ask_orders, ask_quantity, ask]) =
            (cells(bids.get(place)), cells(asks.get(place)));
        let number = (place + 1).to_string();
        if counts_orders {
            table.row([
                &number,
                &bid_orders,
                &bid_quantity,
                &bid,
                &ask,
                &ask_quantity,
                &ask_orders,
            ]);
        } else {
            table.row([&number, &bid_quantity, &bid, &ask, &ask_quantity]);
        }
    }
    table.render()
}
