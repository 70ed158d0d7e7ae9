//! Owns the books that are measured, as a handler has them.

use super::busy_session::FEED;
use super::plain_book::PlainBooks;
use ringtape::book::{BookSide, Books, BooksConfig, Update};
use ringtape::handler::At;
use ringtape::market::MarketEvent;
use ringtape::record::{Sequence, Session, SessionMark};

pub struct OurBooks {
    pub books: Books,
    taken: u64,
}

impl OurBooks {
    /// Makes empty books that are complete, with memory for `orders`.
    pub fn new(orders: usize) -> Self {
        let mut books = Books::new(BooksConfig {
            feed: FEED,
            orders_expected: orders,
            ..BooksConfig::default()
        });
        books.on_session(&session(SessionMark::Start), at(0));
        Self { books, taken: 0 }
    }

    /// Empties all books, as when the venue begins anew.
    pub fn empty(&mut self) {
        self.books
            .on_session(&session(SessionMark::Restart), at(self.taken));
    }

    pub fn on_event(&mut self, event: &MarketEvent) -> Update<'_> {
        self.taken += 1;
        self.books.on_event(event, at(self.taken))
    }

    /// Sees that they are equal to `plain`: the best of each instrument, all levels, all queues.
    pub fn assert_equal(&self, plain: &PlainBooks) {
        assert_eq!(self.books.errors().total() + plain.errors, 0);
        assert_eq!(self.books.orders_alive(), plain.alive());
        for instrument in 1..plain.instruments() {
            let Some(index) = self.books.index(instrument) else {
                assert!(plain.best(instrument).is_empty(), "{instrument} is missing");
                continue;
            };
            let book = self.books.as_is(index).expect("it has a place");
            assert_eq!(book.best(), plain.best(instrument), "best of {instrument}");
            for side in BookSide::BOTH {
                let levels: Vec<_> = book.depth(side).collect();
                assert_eq!(
                    levels,
                    plain.levels(instrument, side),
                    "levels of {instrument}"
                );
                for level in levels {
                    let queue = book.queue(side, level.price_e9);
                    let queue: Vec<_> = queue.map(|order| order.order_id).collect();
                    assert_eq!(queue, plain.queue(instrument, side, level.price_e9));
                }
            }
        }
    }
}

fn session(mark: SessionMark) -> Session {
    Session {
        id: *b"BENCH00001\0\0\0\0\0\0",
        feed_sequence: 1,
        mark,
        feed: FEED,
    }
}

fn at(sequence: u64) -> At {
    At {
        sequence: Sequence::new(sequence),
        ts_recv_ns: sequence,
        end_of_batch: true,
    }
}
