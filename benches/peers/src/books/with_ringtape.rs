//! Owns the books of ringtape.

use super::{Peer, Step};
use crate::support::our_books::OurBooks;
use ringtape::book::{Book, BookSide};
use ringtape::market::MarketEvent;
use ringtape::record::{Content, Record, Sequence};

pub struct Side(OurBooks);

impl Side {
    fn book(&self, instrument: u32) -> Option<Book<'_>> {
        self.0.books.as_is(self.0.books.index(instrument)?)
    }
}

impl Peer for Side {
    type Event = Record<MarketEvent>;

    fn new(_: usize, orders: usize) -> Self {
        Self(OurBooks::new(orders))
    }

    fn empty(&mut self) {
        self.0.empty();
    }

    fn event(event: &MarketEvent, _: Option<Step>) -> Option<Record<MarketEvent>> {
        Some(Record::event(Sequence::FIRST, 0, event))
    }

    fn look_ahead(&self, records: &[Record<MarketEvent>]) {
        if self.0.books.look_ahead() > 0 {
            self.0.books.on_ahead(records);
        }
    }

    fn on_event(&mut self, record: &Record<MarketEvent>) -> i64 {
        let Content::Event(event) = record.content() else {
            unreachable!("made of events");
        };
        self.0.on_event(event);
        let index = self.0.books.index(event.head.instrument);
        let Some(top) = index.and_then(|index| self.0.books.top(index)) else {
            return 0;
        };
        let best = top.as_is();
        best.bid_price_e9.wrapping_add(best.ask_price_e9)
    }

    fn best_e9(&self, instrument: u32, side: BookSide) -> Option<i64> {
        let level = self.book(instrument)?.best().level(side)?;
        Some(level.price_e9)
    }

    fn quantity(&self, instrument: u32, side: BookSide, price_e9: i64) -> u64 {
        let Some(book) = self.book(instrument) else {
            return 0;
        };
        let level = book.depth(side).find(|level| level.price_e9 == price_e9);
        level.map_or(0, |level| level.quantity)
    }
}
