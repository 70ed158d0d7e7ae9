//! Owns the books of one feed with what `book` and `top` tell beside them: activity, last trades,
//! and whose data was wrong.

use ringtape::book::{Books, BooksConfig, DataErrorKind, Print};
use ringtape::handler::{At, Handler};
use ringtape::market::MarketEvent;
use ringtape::record::{Content, Gap, Record, Sequence, Session};
use std::collections::BTreeMap;

/// Live orders of a feed for which there is memory from the start: a capture may have many
/// sessions, and most have few orders.
const ORDERS_EXPECTED: usize = 1 << 12;

/// The books of one feed, watched.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) books: Books,
    /// By the instrument's place in the books.
    activity: Vec<Activity>,
    /// By the venue's number of the instrument, which may have no place.
    errors: BTreeMap<u32, Errors>,
    /// How many of the errors that are listed have been blamed on an instrument, and how many of
    /// each kind and whether the book was doubtful.
    listed: usize,
    blamed: BTreeMap<(DataErrorKind, bool), u64>,
    blamed_total: u64,
    latest: Option<Latest>,
    events: u64,
}

/// What an instrument did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Activity {
    pub(crate) events: u64,
    pub(crate) trades: u64,
    pub(crate) volume: u64,
    pub(crate) last_trade: Option<LastTrade>,
}

/// A trade, and the venue's time of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastTrade {
    pub(crate) print: Print,
    pub(crate) ts_event_ns: u64,
}

/// The event that came last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latest {
    pub(crate) sequence: Sequence,
    pub(crate) ts_recv_ns: u64,
}

/// Errors in the data of an instrument, by kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Errors {
    /// That met a book which was trusted.
    pub(crate) trusted: BTreeMap<DataErrorKind, u64>,
    /// That met a book which was not trusted anyway.
    pub(crate) doubtful: BTreeMap<DataErrorKind, u64>,
}

impl Watched {
    /// Makes the books of a feed.
    pub(crate) fn new(feed: u8) -> Self {
        Self {
            books: books(feed),
            activity: Vec::new(),
            errors: BTreeMap::new(),
            listed: 0,
            blamed: BTreeMap::new(),
            blamed_total: 0,
            latest: None,
            events: 0,
        }
    }

    /// Returns what the instrument at a place did.
    pub(crate) fn activity(&self, index: u32) -> Activity {
        self.activity
            .get(index as usize)
            .copied()
            .unwrap_or_default()
    }

    /// Returns the errors in the data of an instrument.
    pub(crate) fn errors_of(&self, instrument: u32) -> Errors {
        self.errors.get(&instrument).cloned().unwrap_or_default()
    }

    /// Returns the event that came last.
    pub(crate) fn latest(&self) -> Option<Latest> {
        self.latest
    }

    /// Returns how many events came.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    fn active(&mut self, index: u32) -> &mut Activity {
        let index = index as usize;
        if self.activity.len() <= index {
            self.activity.resize_with(index + 1, Activity::default);
        }
        &mut self.activity[index]
    }

    /// Finds out whose the errors are that came last, with this event.
    fn blame(&mut self, event: &MarketEvent) {
        let found = self.books.errors();
        if found.total() + found.doubtful_total() == self.blamed_total {
            return;
        }
        let listed = &found.first()[self.listed..];
        self.listed += listed.len();
        // A group can end with an event of another instrument: the list tells whose each is.
        let listed = listed.iter().map(|e| (e.instrument, e.kind, e.doubtful, 1));
        let mut blamed: Vec<_> = listed.collect();
        for kind in DataErrorKind::ALL {
            let counts = [found.count(kind), found.doubtful(kind)];
            for (doubtful, count) in [false, true].into_iter().zip(counts) {
                let of_kind = |b: &&(u32, DataErrorKind, bool, u64)| b.1 == kind && b.2 == doubtful;
                let named = blamed.iter().filter(of_kind).count() as u64;
                let known = self.blamed.entry((kind, doubtful)).or_default();
                // What the list had no room for.
                let unnamed = count - *known - named;
                *known = count;
                if unnamed > 0 {
                    blamed.push((event.head.instrument, kind, doubtful, unnamed));
                }
            }
        }
        self.blamed_total = found.total() + found.doubtful_total();
        for (instrument, kind, doubtful, count) in blamed {
            let errors = self.errors.entry(instrument).or_default();
            let by_kind = match doubtful {
                false => &mut errors.trusted,
                true => &mut errors.doubtful,
            };
            *by_kind.entry(kind).or_default() += count;
        }
    }
}

impl Handler<MarketEvent> for Watched {
    fn on_event(&mut self, event: &MarketEvent, at: At) {
        let print = self.books.on_event(event, at).print;
        self.latest = Some(Latest {
            sequence: at.sequence,
            ts_recv_ns: at.ts_recv_ns,
        });
        self.events += 1;
        if let Some(index) = self.books.index(event.head.instrument) {
            self.active(index).events += 1;
        }
        if let Some(print) = print {
            let active = self.active(print.index);
            active.trades += 1;
            active.volume = active.volume.saturating_add(print.quantity);
            active.last_trade = Some(LastTrade {
                print,
                ts_event_ns: event.head.ts_event_ns,
            });
        }
        self.blame(event);
    }

    fn on_gap(&mut self, gap: Gap) {
        self.books.on_gap(gap);
    }

    fn on_session(&mut self, session: &Session, at: At) {
        self.books.on_session(session, at);
    }
}

/// Makes the books of a feed as the command line does.
pub(crate) fn books(feed: u8) -> Books {
    Books::new(books_config(feed))
}

/// Returns how the command line makes the books of a feed.
pub(crate) fn books_config(feed: u8) -> BooksConfig {
    BooksConfig {
        feed,
        orders_expected: ORDERS_EXPECTED,
        ..BooksConfig::default()
    }
}

/// Tells books of a record that is not theirs to refuse: of their feed, or of all.
pub(crate) fn tell(books: &mut Books, record: &Record<MarketEvent>) {
    let at = At {
        sequence: record.sequence(),
        ts_recv_ns: record.ts_recv_ns(),
        end_of_batch: false,
    };
    match record.content() {
        Content::Event(event) => _ = books.on_event(event, at),
        Content::Gap(gap) => _ = books.on_gap(gap),
        Content::Session(session) => _ = books.on_session(&session, at),
        Content::DeadLetter(_) | Content::Invalid => {}
    }
}
