//! Owns looking ahead: fetching what records will need before they are applied.

use super::Books;
use crate::book::order_book::{AHEAD_MAX, Ahead};
use crate::market::MarketEvent;
use crate::memory;
use crate::record::{Content, Record};

/// Records below which fetching takes as long as it saves.
const AHEAD_MIN: usize = 4;

impl Books {
    /// Returns how many records ahead these books want to see, as a handler's
    /// [`look_ahead`](crate::handler::Handler::look_ahead): none while all that there is fits a
    /// cache.
    #[inline]
    #[must_use]
    pub fn look_ahead(&self) -> usize {
        if self.orders.is_far() { AHEAD_MAX } else { 0 }
    }

    /// Fetches what records will need that come next, as a handler's
    /// [`on_ahead`](crate::handler::Handler::on_ahead). Of many orders at once the waits for memory
    /// overlap, which otherwise come one after the other. Changes nothing.
    ///
    /// Hot path: no allocation, no system call.
    pub fn on_ahead(&self, records: &[Record<MarketEvent>]) {
        for records in records.chunks(AHEAD_MAX) {
            if records.len() >= AHEAD_MIN {
                self.fetch(records);
            }
        }
    }

    fn fetch(&self, records: &[Record<MarketEvent>]) {
        let mut ahead = Ahead::default();
        for record in records {
            let Content::Event(event) = record.content() else {
                continue;
            };
            if event.head.feed != self.feed {
                continue;
            }
            if let Some(index) = self.index(event.head.instrument) {
                memory::fetch(&self.tops[index as usize]);
                self.orders.note(&mut ahead, index, event);
            }
        }
        self.orders.fetch(&mut ahead);
    }
}
