//! Owns the strategy `spread`: when an instrument's spread is much wider than usual.

use super::Verdict;
use crate::instrument::label;
use crate::price::decimal;
use ringtape::book::{Books, BooksConfig};
use ringtape::handler::{At, Handler};
use ringtape::market::MarketEvent;
use ringtape::record::{Gap, Session};

/// A spread of more than so many times the usual one is wide.
const WIDE_TIMES: i64 = 4;
/// So many spreads tell the usual one, which each further one moves by that part of the way.
const USUAL_OF: i64 = 32;

/// Watches the spread of every instrument of a feed while its book can be trusted, and counts those
/// that are wider than [`WIDE_TIMES`] the usual one.
#[derive(Debug)]
pub(crate) struct Spread {
    pub(super) books: Books,
    /// Usual spread × 10⁹, and of how many; by the instrument's place in the books.
    usual: Vec<(i64, i64)>,
    wide: u64,
    /// The widest above the usual one: the difference, both, and the instrument's place.
    widest: Option<(i64, i64, i64, u32)>,
}

impl Spread {
    pub(crate) fn new(feed: u8) -> Self {
        let config = BooksConfig::default();
        Self {
            books: Books::new(BooksConfig { feed, ..config }),
            usual: Vec::with_capacity(config.instruments_max),
            wide: 0,
            widest: None,
        }
    }
}

impl Handler<MarketEvent> for Spread {
    fn on_event(&mut self, event: &MarketEvent, at: At) {
        self.books.on_event(event, at);
        self.usual.resize(self.books.len(), (0, 0));
        for &index in self.books.changed() {
            // The spread of a book that cannot be trusted tells nothing.
            let top = self.books.top(index);
            let spread = top.and_then(|top| top.trusted().ok()?.spread_e9());
            let Some(spread_e9) = spread else { continue };
            let (usual_e9, of) = &mut self.usual[index as usize];
            if *of == USUAL_OF && spread_e9 / WIDE_TIMES > *usual_e9 {
                self.wide += 1;
                let wide = (spread_e9 - *usual_e9, spread_e9, *usual_e9, index);
                self.widest = self.widest.max(Some(wide));
            }
            *of = USUAL_OF.min(*of + 1);
            *usual_e9 += (spread_e9 - *usual_e9) / *of;
        }
    }

    fn on_gap(&mut self, gap: Gap) {
        self.books.on_gap(gap);
    }

    fn on_session(&mut self, session: &Session, at: At) {
        self.books.on_session(session, at);
    }
}

impl Verdict for Spread {
    fn verdict(&self) -> String {
        let widest = self.widest.map(|(_, spread_e9, usual_e9, index)| {
            let (spread, usual) = (decimal(spread_e9), decimal(usual_e9));
            let name = label(&self.books, index);
            format!(", the widest of {name}: {spread}, usually {usual}")
        });
        let (of, wide, widest) = (self.books.len(), self.wide, widest.unwrap_or_default());
        format!("{of} instruments, spreads wider than {WIDE_TIMES} × the usual: {wide}{widest}")
    }
}
