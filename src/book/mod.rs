//! Owns the books: what a venue's events make of each instrument, and whether to trust it.
//!
//! # Trust
//!
//! A book is complete only where all that made it was seen. What speaks against it is kept beside
//! the best prices, in one cache line ([`Top`]), and reading a book that is not trusted is a choice
//! that has to be written down: [`Top::trusted`] gives prices or the reason why not,
//! [`Top::as_is`] gives prices whatever they are worth.
//!
//! This module makes no books of its own accord: it is fed by a handler, live or in replay, and the
//! same events give the same books.

mod best;
mod books;
mod derived;
mod errors;
mod level_book;
mod order_book;
mod print;
mod trust;

pub use best::{Best, BookSide, PriceLevel, Top};
pub use books::{Book, Books, BooksConfig, INSTRUMENTS_MAX, Prices, Update};
pub use derived::{
    BAR_RULES_MAX, BarEnd, BarRule, BookHandler, BusOutput, DerivedConfig, DerivedCounts,
    InlineOutput, Output,
};
pub use errors::{DataError, DataErrorKind, DataErrors, ERRORS_LISTED};
pub use level_book::{LEVELS_MAX, LevelBook, LevelDepth, Reach};
pub use order_book::{NEAR_PRICES_MAX, OrderBook, QueuePosition, RestingOrder};
pub use print::{Print, PrintSource};
pub use trust::Trust;
