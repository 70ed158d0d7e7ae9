//! Owns what `inspect` tells of the books that the events make.

use crate::book::ErrorsReport;
use crate::output::{Table, thousands};
use ringtape::book::{Books, DataErrorKind};
use serde::Serialize;

/// What the books of all feeds took, and what was wrong with the data.
#[derive(Debug, Default, Serialize)]
pub(super) struct BookReport {
    /// Orders that were added; a replace adds none.
    orders_added: u64,
    /// Orders in the books at the end.
    orders_alive: u64,
    /// Most orders at once; of several feeds the sum of each one's.
    orders_alive_max: u64,
    #[serde(flatten)]
    errors: ErrorsReport,
}

impl BookReport {
    /// Sums the books of the feeds.
    pub(super) fn new<'a>(feeds: impl Iterator<Item = &'a Books> + Clone) -> Self {
        let sum = |of: fn(&Books) -> u64| feeds.clone().map(of).sum();
        let counts = |of: fn(&Books, DataErrorKind) -> u64| {
            let feeds = feeds.clone();
            feeds.flat_map(move |books| DataErrorKind::ALL.map(|kind| (kind, of(books, kind))))
        };
        Self {
            orders_added: sum(Books::orders_added),
            orders_alive: sum(|books| books.orders_alive() as u64),
            orders_alive_max: sum(|books| books.orders_alive_max() as u64),
            errors: ErrorsReport::new(
                counts(|books, kind| books.errors().count(kind)),
                counts(|books, kind| books.errors().doubtful(kind)),
            ),
        }
    }

    pub(super) fn rows(&self, facts: &mut Table) {
        if self.orders_added > 0 {
            facts.row(["orders added", &thousands(self.orders_added)]);
            facts.row(["  alive at the end", &thousands(self.orders_alive)]);
            facts.row([
                "  alive at once, at most",
                &thousands(self.orders_alive_max),
            ]);
        }
        facts.row(["errors in the books' data", &self.errors.to_text()]);
    }
}
