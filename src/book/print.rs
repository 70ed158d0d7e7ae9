//! Owns what is known of one trade, however the venue told it.

use crate::market::Side;

/// How a venue told of a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PrintSource {
    /// An order that the book showed was executed.
    Execute = 1,
    /// An order that the book never showed was executed.
    Hidden = 2,
    /// An auction's single print.
    Cross = 3,
    /// A report of a trade, beside the book.
    Report = 4,
}

/// A trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Print {
    /// The instrument's place in [`Books`](super::Books).
    pub index: u32,
    /// Price × 10⁹.
    pub price_e9: i64,
    /// Shares or contracts.
    pub quantity: u64,
    /// The venue's number of the match or of the trade; 0 where it gave none.
    pub match_id: u64,
    /// Who came to trade with what rested: the side opposite to the order that was executed, or what
    /// the venue says. [`Side::NONE`] of auctions, and where it is not known: NASDAQ gives the side
    /// of hidden orders as buy whatever it was, and IEX gives none.
    pub aggressor: Side,
    /// How it was told.
    pub source: PrintSource,
}
