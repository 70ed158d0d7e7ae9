//! Owns IEX's messages, TOPS 1.6 and DEEP 1.0: messages to events.
//!
//! Every message begins with its type, a byte of bits or a letter, and UNIX nanoseconds; all but `S`
//! go on with the symbol, 8 letters padded with spaces. Numbers are little-endian, prices × 10⁴,
//! signed, in 64 bits. The layouts are the structs of `wire.rs`; the bytes behind the symbol are:
//!
//! ```text
//!  0      1       2        10       18
//!  ├──────┼───────┼────────┼────────┼── … ──┤
//!  │ type │ flags │ time   │ symbol │ more  │
//!  └──────┴───────┴────────┴────────┴── … ──┘
//! ```
//!
//! | type | bytes | more, as offset and bytes | flags | event |
//! |---|---|---|---|---|
//! | `S` | 10 | | code | [`System`] |
//! | `D` | 31 | 18:4 round lot, 22:8 previous close, 30:1 price band tier | bits | [`Instrument`], [`OfficialPrice`] of type `P` |
//! | `H` | 22 | 18:4 reason | state | [`Status`] |
//! | `O` | 18 | | `O` halted, `N` not | [`OperationalHalt`] |
//! | `P` | 19 | 18:1 detail | 0 or 1 | [`ShortSale`] |
//! | `I` | 18 | | interest | [`RetailInterest`] |
//! | `E` | 18 | | code | [`SecurityEvent`] |
//! | `Q` | 42 | 18:4 bid size, 22:8 bid, 30:8 ask, 38:4 ask size | bits | [`Quote`] |
//! | `8` `5` | 30 | 18:4 size, 22:8 price | bits | [`Level`], buy and sell |
//! | `T` | 38 | 18:4 size, 22:8 price, 30:8 trade | conditions | [`LastSale`] |
//! | `B` | 38 | as `T` | conditions | [`TradeBreak`] |
//! | `X` | 26 | 18:8 price | price type | [`OfficialPrice`] |
//! | `A` | 80 | 18:4 paired, 22:8 reference, 30:8 indicative, 38:4 imbalance, 42:1 side, 43:1 extensions, 44:4 scheduled, 48:8 book clearing, 56:8 collar reference, 64:8 lower, 72:8 upper | auction | [`Imbalance`], [`ImbalancePrices`], [`Collar`] |
//!
//! What is not obvious from the names:
//!
//! * `D`: bit 0x80 of the flags is `T` in `authenticity`, else `P`; bit 0x20 is `Y` in `etp`, else
//!   `N`; all of them, 0x40 for when-issued too, are in the official price's `venue_flags`.
//! * `8`, `5`: a size of 0 removes the level ([`LevelAction::DELETE`]), any other sets it
//!   ([`LevelAction::SET`]). Bit 1 of the flags says that the venue's own event is complete; until
//!   then the book is between two states. [`Flags::LAST`] marks the end of a message, as
//!   everywhere.
//! * `A`: the far price is that of the auction's own orders (book clearing), the near one that of
//!   all orders (indicative).
//! * `I`: `A` is buy interest and `B` sell interest, unlike NASDAQ's letters; `head.side` says which.
//!
//! The venue numbers no instruments. They are numbered here from 1 in the order in which the feed
//! first names them, up to [`INSTRUMENTS_MAX`]; a message that names one more becomes a dead letter.
//! An instrument that is first named by another message than `D` is preceded by an [`Instrument`]
//! with [`Flags::DERIVED`]. A longer message than is known here is accepted, because the venue
//! lengthens messages at their tail. One whose time is negative, or with a price that × 10⁹ does not
//! fit in 64 bits, is malformed.
//!
//! [`System`]: crate::market::System
//! [`Instrument`]: crate::market::Instrument
//! [`OfficialPrice`]: crate::market::OfficialPrice
//! [`Status`]: crate::market::Status
//! [`OperationalHalt`]: crate::market::OperationalHalt
//! [`ShortSale`]: crate::market::ShortSale
//! [`RetailInterest`]: crate::market::RetailInterest
//! [`SecurityEvent`]: crate::market::SecurityEvent
//! [`Quote`]: crate::market::Quote
//! [`Level`]: crate::market::Level
//! [`LevelAction::DELETE`]: crate::market::LevelAction::DELETE
//! [`LevelAction::SET`]: crate::market::LevelAction::SET
//! [`LastSale`]: crate::market::LastSale
//! [`TradeBreak`]: crate::market::TradeBreak
//! [`Imbalance`]: crate::market::Imbalance
//! [`ImbalancePrices`]: crate::market::ImbalancePrices
//! [`Collar`]: crate::market::Collar
//! [`Flags::LAST`]: crate::market::Flags::LAST
//! [`Flags::DERIVED`]: crate::market::Flags::DERIVED

mod decode;
mod feed;
mod symbols;
mod wire;

pub use super::Decoded;
pub use decode::Decoder;
pub use feed::{Iex, IexFeed};
pub use symbols::INSTRUMENTS_MAX;

/// The most records that one message becomes: a derived instrument and a group of three.
pub const RECORDS_MAX: usize = 4;

/// Returns the fewest bytes that a message of `message_type` has, or `None` for an unknown type.
#[must_use]
pub const fn bytes_min(message_type: u8) -> Option<usize> {
    match wire::BYTES_MIN[message_type as usize] {
        0 => None,
        bytes => Some(bytes as usize),
    }
}

/// Returns whether [`Decoder::decode`] takes these bytes: they are as long as their type demands,
/// and their values fit. An empty message, and one of an unknown type, is sound.
#[must_use]
pub fn is_sound(bytes: &[u8]) -> bool {
    bytes
        .first()
        .is_none_or(|&message_type| wire::check(message_type, bytes).is_ok())
}
