//! Owns the strategy `compare`: when two feeds disagree about what an instrument is worth.

use super::Verdict;
use ringtape::book::{Books, BooksConfig};
use ringtape::handler::{At, Handler};
use ringtape::market::{MarketEvent, Symbol};
use ringtape::record::{Gap, Session};
use std::collections::HashMap;

/// Compares two feeds by name: how often and how long a bid was above an offer, both trusted.
#[derive(Debug)]
pub(crate) struct Compare {
    pub(super) books: [Books; 2],
    /// Where an instrument is in both, and whether a bid is above the other's offer.
    pairs: HashMap<Symbol, ([Option<u32>; 2], bool)>,
    /// Of how many instruments one is now, how often that began, and how long it was.
    above: u64,
    times: u64,
    total_ns: u128,
    now_ns: u64,
}

impl Compare {
    pub(crate) fn new(feeds: [u8; 2]) -> Self {
        let config = BooksConfig::default();
        Self {
            books: feeds.map(|feed| Books::new(BooksConfig { feed, ..config })),
            pairs: HashMap::with_capacity(config.instruments_max),
            above: 0,
            times: 0,
            total_ns: 0,
            now_ns: 0,
        }
    }

    /// Tells both feeds' books, each of which takes what is its own, and looks at what has changed.
    fn tell(&mut self, tell: impl Fn(&mut Books)) {
        for feed in [0, 1] {
            tell(&mut self.books[feed]);
            let books = &self.books;
            let changed = books[feed].changed().iter();
            for (symbol, index) in changed.filter_map(|&i| Some((books[feed].symbol(i)?, i))) {
                let (places, is_above) = self.pairs.entry(symbol).or_default();
                places[feed] = Some(index);
                let best = |feed: usize| books[feed].top(places[feed]?)?.trusted().ok();
                let both = best(0).zip(best(1));
                let was_above = *is_above;
                *is_above = both.is_some_and(|(a, b)| a.crosses(&b) || b.crosses(&a));
                self.times += u64::from(*is_above && !was_above);
                self.above = self.above + u64::from(*is_above) - u64::from(was_above);
            }
        }
    }
}

impl Handler<MarketEvent> for Compare {
    fn on_event(&mut self, event: &MarketEvent, at: At) {
        let passed_ns = at.ts_recv_ns.saturating_sub(self.now_ns);
        self.total_ns += u128::from(self.above) * u128::from(passed_ns);
        self.now_ns = at.ts_recv_ns;
        self.tell(|books| _ = books.on_event(event, at));
    }

    fn on_gap(&mut self, gap: Gap) {
        self.tell(|books| _ = books.on_gap(gap));
    }

    fn on_session(&mut self, session: &Session, at: At) {
        self.tell(|books| _ = books.on_session(session, at));
    }
}

impl Verdict for Compare {
    fn verdict(&self) -> String {
        let [a, b] = self.books.each_ref().map(Books::len);
        let (n, us) = (self.times, self.total_ns / 1_000);
        format!("{a} and {b} instruments, bids above the other's offer: {n}, for {us} µs in all")
    }
}
