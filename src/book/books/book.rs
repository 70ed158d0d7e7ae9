//! Owns the reading of one instrument's book.

use super::Books;
use crate::book::{Best, BookSide, PriceLevel, QueuePosition, RestingOrder, Top, Trust};
use crate::market::Symbol;
use xxhash_rust::xxh3::Xxh3;

/// One instrument's book, to be read.
///
/// Its levels are as the last event left them. Between the events of a group that is not how the
/// venue's book ever was, and [`Books::trusted`] does not give it then.
#[derive(Clone, Copy, Debug)]
pub struct Book<'a> {
    books: &'a Books,
    index: u32,
}

impl Books {
    /// Returns the book of an instrument that is [`Trust::Live`] or [`Trust::Empty`].
    ///
    /// # Errors
    ///
    /// Why it cannot be trusted, or that the instrument does not trade; [`Trust::Recovering`] also
    /// between the events of a group, and where there is no such instrument.
    pub fn trusted(&self, index: u32) -> Result<Book<'_>, Trust> {
        let book = self.as_is(index).ok_or(Trust::Recovering)?;
        book.top().trusted()?;
        if self.instruments[index as usize].open {
            return Err(Trust::Recovering);
        }
        Ok(book)
    }

    /// Returns the book of an instrument whatever it is worth; `None` where there is no such
    /// instrument.
    #[must_use]
    pub fn as_is(&self, index: u32) -> Option<Book<'_>> {
        self.top(index)?;
        Some(Book { books: self, index })
    }
}

impl<'a> Book<'a> {
    /// Returns the top of the book, as of the last whole event.
    #[must_use]
    pub fn top(&self) -> &'a Top {
        &self.books.tops[self.index as usize]
    }

    /// Returns the instrument's place.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Returns the venue's number of the instrument.
    #[must_use]
    pub fn instrument(&self) -> u32 {
        self.top().instrument()
    }

    /// Returns the instrument's name, if the venue named it.
    #[must_use]
    pub fn symbol(&self) -> Option<Symbol> {
        self.books.symbol(self.index)
    }

    /// Returns whether the book can be trusted.
    #[must_use]
    pub fn trust(&self) -> Trust {
        self.top().trust()
    }

    /// Returns the best prices, as of the last whole event.
    #[must_use]
    pub fn best(&self) -> Best {
        self.top().as_is()
    }

    /// Returns the venue's last word on whether the instrument trades: a letter, of CME a number; 0
    /// before there was one.
    #[must_use]
    pub fn status(&self) -> u8 {
        self.books.instruments[self.index as usize].status
    }

    /// Returns the levels of a side, the best first.
    pub fn depth(&self, side: BookSide) -> impl Iterator<Item = PriceLevel> + 'a {
        let levels = self.books.levels(self.index);
        let by_order = levels
            .is_none()
            .then(|| self.books.orders.levels(self.index, side));
        let by_level = levels.map(|levels| levels.levels(side));
        by_order
            .into_iter()
            .flatten()
            .chain(by_level.into_iter().flatten())
    }

    /// Returns the implied levels of a side, the best first: what spreads offer here. Only of CME.
    pub fn implied(&self, side: BookSide) -> impl Iterator<Item = PriceLevel> + 'a {
        let levels = self.books.levels(self.index);
        levels
            .into_iter()
            .flat_map(move |levels| levels.implied(side))
    }

    /// Returns the orders of a level, the one that trades first first. Only where the venue tells of
    /// orders one by one.
    pub fn queue(&self, side: BookSide, price_e9: i64) -> impl Iterator<Item = RestingOrder> + 'a {
        self.books.orders.queue(self.index, side, price_e9)
    }

    /// Returns where an order of this book stands in the queue of its level. Looks at all orders
    /// before it.
    #[must_use]
    pub fn position(&self, order_id: u64) -> Option<QueuePosition> {
        let resting = self.books.orders.order(order_id)?;
        if resting.book != self.index {
            return None;
        }
        self.books.orders.position(order_id)
    }

    pub(super) fn digest(&self, hash: &mut Xxh3) {
        let top = self.top();
        let best = top.as_is();
        hash.update(&top.instrument.to_le_bytes());
        hash.update(&[top.marks.bits(), self.status()]);
        hash.update(&best.bid_price_e9.to_le_bytes());
        hash.update(&best.ask_price_e9.to_le_bytes());
        for side in BookSide::BOTH {
            hash.update(&[side as u8]);
            self.depth(side).for_each(|level| {
                digest_level(hash, b'L', level);
                for order in self.queue(side, level.price_e9) {
                    hash.update(&order.order_id.to_le_bytes());
                    hash.update(&order.quantity.to_le_bytes());
                }
            });
            self.implied(side)
                .for_each(|level| digest_level(hash, b'I', level));
        }
    }
}

fn digest_level(hash: &mut Xxh3, kind: u8, level: PriceLevel) {
    hash.update(&[kind]);
    hash.update(&level.price_e9.to_le_bytes());
    hash.update(&level.quantity.to_le_bytes());
    hash.update(&level.orders.to_le_bytes());
}
