//! Owns what `top` tells of which instruments.

use crate::instrument::{label, places};
use crate::new_york::wall_or_time_of_day;
use crate::output::{Table, thousands};
use crate::price::{self, decimal, decimal_to};
use crate::reading::Stream;
use crate::watched::{Activity, Watched};
use ringtape::book::{BookSide, DataErrors, Top, Trust};
use serde::Serialize;
use std::cmp::Ordering;
use std::path::{Path, PathBuf};

/// What the order of instruments is by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum SortBy {
    /// Most events.
    #[default]
    Events,
    /// Most events since the table before.
    New,
    /// Most trades.
    Trades,
    /// Most shares or contracts traded.
    Volume,
    /// Widest spread.
    Spread,
    /// Name.
    Name,
}

/// Makes tables, and remembers what the one before had.
#[derive(Debug)]
pub(super) struct Board {
    source: PathBuf,
    sort: SortBy,
    /// Events by feed and instrument, as of the last table.
    before: Vec<Vec<u64>>,
}

/// The most active instruments. The keys are stable; prices are strings with all their decimals.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    source: String,
    /// When the last event was received: UNIX nanoseconds.
    recv_ns: Option<u64>,
    instruments: u64,
    /// Of all instruments, as are the next ones.
    events: u64,
    trades: u64,
    /// Instruments whose books are stale.
    stale: u64,
    /// Errors in the data, and those of books that were not trusted anyway.
    errors: u64,
    errors_doubtful: u64,
    /// Whether names alone do not tell the instruments apart.
    #[serde(skip)]
    has_feeds: bool,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    feed: String,
    symbol: Option<String>,
    instrument: u32,
    #[serde(skip)]
    label: String,
    bid: Option<Level>,
    ask: Option<Level>,
    spread: Option<String>,
    #[serde(skip)]
    spread_e9: Option<i64>,
    last: Option<String>,
    #[serde(skip)]
    last_e9: Option<i64>,
    events: u64,
    /// Since the table before.
    new_events: u64,
    trades: u64,
    volume: u64,
    trust: &'static str,
}

#[derive(Debug, Serialize)]
struct Level {
    price: String,
    quantity: u64,
    #[serde(skip)]
    price_e9: i64,
}

/// What was found of an instrument.
#[derive(Debug)]
struct Candidate {
    stream: usize,
    index: u32,
    activity: Activity,
    new_events: u64,
    spread_e9: Option<i64>,
    label: String,
}

/// Lines above the instruments.
const HEAD_ROWS: usize = 4;

impl Board {
    pub(super) fn new(source: &Path, sort: SortBy) -> Self {
        Self {
            source: source.to_owned(),
            sort,
            before: Vec::new(),
        }
    }

    /// Returns how many lines a table has above its instruments.
    pub(super) fn head_rows(&self) -> usize {
        HEAD_ROWS
    }

    /// Makes a table of so many instruments.
    pub(super) fn table(&mut self, streams: &[Stream<Watched>], rows: usize) -> Shown {
        let mut candidates = self.candidates(streams);
        candidates.sort_by(|a, b| self.order(a, b));
        let latest = streams.iter().filter_map(|stream| stream.handler.latest());
        let sum = |of: fn(&Candidate) -> u64| candidates.iter().map(of).sum();
        let shown = candidates.iter().take(rows);
        Shown {
            source: self.source.display().to_string(),
            recv_ns: latest.map(|latest| latest.ts_recv_ns).max(),
            instruments: candidates.len() as u64,
            events: streams.iter().map(|stream| stream.handler.events()).sum(),
            trades: sum(|c| c.activity.trades),
            stale: streams.iter().map(stale).sum(),
            errors: errors(streams, DataErrors::total),
            errors_doubtful: errors(streams, DataErrors::doubtful_total),
            has_feeds: streams.len() > 1,
            rows: shown
                .filter_map(|candidate| Row::new(&streams[candidate.stream], candidate))
                .collect(),
        }
    }

    fn candidates(&mut self, streams: &[Stream<Watched>]) -> Vec<Candidate> {
        self.before.resize_with(streams.len(), Vec::new);
        let mut candidates = Vec::new();
        for (place, (stream, before)) in streams.iter().zip(&mut self.before).enumerate() {
            let books = &stream.handler.books;
            before.resize(books.len(), 0);
            for (index, before) in places(books).zip(before) {
                let activity = stream.handler.activity(index);
                let best = books.top(index).map(Top::as_is);
                candidates.push(Candidate {
                    stream: place,
                    index,
                    activity,
                    new_events: activity.events - *before,
                    spread_e9: best.and_then(|best| best.spread_e9()),
                    label: label(books, index),
                });
                *before = activity.events;
            }
        }
        candidates
    }

    /// The most first; what is equal goes by more events, and then by feed and place.
    fn order(&self, a: &Candidate, b: &Candidate) -> Ordering {
        let most = |of: fn(&Candidate) -> u64| of(b).cmp(&of(a));
        let first = match self.sort {
            SortBy::Events => Ordering::Equal,
            SortBy::New => most(|c| c.new_events),
            SortBy::Trades => most(|c| c.activity.trades),
            SortBy::Volume => most(|c| c.activity.volume),
            SortBy::Spread => b.spread_e9.cmp(&a.spread_e9),
            SortBy::Name => a.label.cmp(&b.label),
        };
        first
            .then_with(|| most(|c| c.activity.events))
            .then_with(|| (a.stream, a.index).cmp(&(b.stream, b.index)))
    }
}

impl Row {
    fn new(stream: &Stream<Watched>, candidate: &Candidate) -> Option<Self> {
        let (books, index) = (&stream.handler.books, candidate.index);
        let top = books.top(index)?;
        let best = top.as_is();
        let level = |side| {
            best.level(side).map(|level| Level {
                price: decimal(level.price_e9),
                quantity: level.quantity,
                price_e9: level.price_e9,
            })
        };
        let last_e9 = candidate
            .activity
            .last_trade
            .map(|last| last.print.price_e9);
        Some(Self {
            feed: stream.origin.name(),
            symbol: books.symbol(index).map(|symbol| symbol.to_string()),
            instrument: top.instrument(),
            label: candidate.label.clone(),
            bid: level(BookSide::Bid),
            ask: level(BookSide::Ask),
            spread: candidate.spread_e9.map(decimal),
            spread_e9: candidate.spread_e9,
            last: last_e9.map(decimal),
            last_e9,
            events: candidate.activity.events,
            new_events: candidate.new_events,
            trades: candidate.activity.trades,
            volume: candidate.activity.volume,
            trust: top.trust().name(),
        })
    }

    /// The prices that are shown.
    fn prices(&self) -> impl Iterator<Item = i64> {
        let levels = [&self.bid, &self.ask];
        let levels = levels.map(|level| level.as_ref().map(|level| level.price_e9));
        [levels[0], levels[1], self.spread_e9, self.last_e9]
            .into_iter()
            .flatten()
    }
}

impl Shown {
    /// Writes the table for people.
    pub(super) fn to_text(&self) -> String {
        let recv = self.recv_ns.map_or("-".to_owned(), wall_or_time_of_day);
        let doubtful = match self.errors_doubtful {
            0 => String::new(),
            count => format!(" and {} while not trusted", thousands(count)),
        };
        let mut text = format!(
            "{}  {recv} New York\n{} instruments, {} events, {} trades, {} stale, {} errors\
             {doubtful}\n\n",
            self.source,
            thousands(self.instruments),
            thousands(self.events),
            thousands(self.trades),
            thousands(self.stale),
            thousands(self.errors),
        );
        let prices = self.rows.iter().flat_map(Row::prices);
        let places = prices.map(price::places).max().unwrap_or(2);
        let shown = |price_e9: Option<i64>| match price_e9 {
            Some(price_e9) => decimal_to(price_e9, places),
            None => "-".to_owned(),
        };
        let mut table = Table::default();
        table.row([
            "name", "trust", "quantity", "bid", "ask", "quantity", "spread", "last", "events",
            "new", "trades", "volume",
        ]);
        for row in &self.rows {
            let side = |level: &Option<Level>| match level {
                Some(level) => (thousands(level.quantity), shown(Some(level.price_e9))),
                None => (String::new(), "-".to_owned()),
            };
            let ((bid_quantity, bid), (ask_quantity, ask)) = (side(&row.bid), side(&row.ask));
            let label = match self.has_feeds {
                true => format!("{} ({})", row.label, row.feed),
                false => row.label.clone(),
            };
            table.row([
                &label,
                // Not at the end, where a narrow terminal cuts.
                row.trust,
                &bid_quantity,
                &bid,
                &ask,
                &ask_quantity,
                &shown(row.spread_e9),
                &shown(row.last_e9),
                &thousands(row.events),
                &thousands(row.new_events),
                &thousands(row.trades),
                &thousands(row.volume),
            ]);
        }
        text.push_str(&table.render());
        text
    }
}

fn stale(stream: &Stream<Watched>) -> u64 {
    let books = &stream.handler.books;
    let tops = places(books).filter_map(|index| books.top(index));
    tops.filter(|top| matches!(top.trust(), Trust::Stale { .. }))
        .count() as u64
}

fn errors(streams: &[Stream<Watched>], count: fn(&DataErrors) -> u64) -> u64 {
    let errors = streams.iter().map(|stream| stream.handler.books.errors());
    errors.map(count).sum()
}
