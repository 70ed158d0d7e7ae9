//! Owns NASDAQ TotalView-ITCH 5.0: messages to events, and back.
//!
//! Every message begins with its type, stock locate, tracking number and nanoseconds since
//! midnight in New York; all numbers are big-endian. The layouts are the structs of `wire.rs`.
//!
//! | type | event | type | event |
//! |---|---|---|---|
//! | `S` | [`System`] | `X` | [`Cancel`] |
//! | `R` | [`Instrument`] | `D` | [`Delete`] |
//! | `H` | [`Status`] | `U` | [`Replace`] |
//! | `Y` | [`ShortSale`] | `P` | [`Trade`] |
//! | `L` | [`Participant`] | `Q` | [`CrossTrade`] |
//! | `V` | [`CircuitBreakerLevels`] | `B` | [`TradeBreak`] |
//! | `W` | [`CircuitBreaker`] | `I` | [`Imbalance`], [`ImbalancePrices`] |
//! | `K` | [`IpoQuote`] | `N` | [`RetailInterest`] |
//! | `J` | [`Collar`] | `O` | [`DirectListing`], [`DirectListingCollar`] |
//! | `h` | [`OperationalHalt`] | `E` | [`Execute`] without a price |
//! | `A` `F` | [`AddOrder`] | `C` | [`Execute`] with its price |
//!
//! A message that names its stock while the directory does not (the capture began after the
//! directory was sent) is preceded by an [`Instrument`] with
//! [`Flags::DERIVED`](crate::market::Flags::DERIVED). A longer message than is known here is
//! accepted, because the venue lengthens messages at their tail.
//!
//! An [`Encoder`] makes the messages again. Of what a venue sends, an event does not keep
//!
//! * the tracking number, the venue's internal one: it comes back as 0;
//! * the tail of a message that is longer than its type was known to be.
//!
//! Of what no venue should send, it does not keep these, which come back as the specification has
//! them:
//!
//! * a `printable` of `C` that is neither `Y` nor `N`, which counts as `Y`;
//! * an attribution of `F` that is four zeros, which is kept as four spaces, so that the order is
//!   not taken for an anonymous one;
//! * a stock name of eight bytes `0xff`, unless its number had another name before: it stands for
//!   having none, so its messages cannot be made again.
//!
//! A message without bytes becomes no record, though it has a number. One of an unknown type comes
//! back whole if it has no more bytes than a [`DeadLetter`](crate::record::DeadLetter) keeps.
//!
//! [`System`]: crate::market::System
//! [`Instrument`]: crate::market::Instrument
//! [`Status`]: crate::market::Status
//! [`ShortSale`]: crate::market::ShortSale
//! [`Participant`]: crate::market::Participant
//! [`CircuitBreakerLevels`]: crate::market::CircuitBreakerLevels
//! [`CircuitBreaker`]: crate::market::CircuitBreaker
//! [`IpoQuote`]: crate::market::IpoQuote
//! [`Collar`]: crate::market::Collar
//! [`OperationalHalt`]: crate::market::OperationalHalt
//! [`AddOrder`]: crate::market::AddOrder
//! [`Cancel`]: crate::market::Cancel
//! [`Delete`]: crate::market::Delete
//! [`Replace`]: crate::market::Replace
//! [`Trade`]: crate::market::Trade
//! [`CrossTrade`]: crate::market::CrossTrade
//! [`TradeBreak`]: crate::market::TradeBreak
//! [`Imbalance`]: crate::market::Imbalance
//! [`ImbalancePrices`]: crate::market::ImbalancePrices
//! [`RetailInterest`]: crate::market::RetailInterest
//! [`DirectListing`]: crate::market::DirectListing
//! [`DirectListingCollar`]: crate::market::DirectListingCollar
//! [`Execute`]: crate::market::Execute

mod decode;
pub mod encode;
mod encoder;
mod order;
mod values;
mod wire;

pub use super::Decoded;
pub use decode::Decoder;
pub use encoder::{Encoded, Encoder, Unencodable, message_type};

/// The most records that one message becomes: a derived instrument and a group of two.
pub const RECORDS_MAX: usize = 3;

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
    let Some(&message_type) = bytes.first() else {
        return true;
    };
    bytes.len() >= usize::from(wire::BYTES_MIN[usize::from(message_type)])
        && (message_type != wire::CircuitBreakerLevels::TYPE || decode::levels(bytes).is_ok())
}
