//! Owns the ready-made event: what a venue's message says, in 48 bytes that fit every venue.
//!
//! ```text
//!  0             8            12     13     14     15      16               44        48
//!  ├─────────────┼────────────┼──────┼──────┼──────┼───────┼────────────────┼─────────┤
//!  │ ts_event_ns │ instrument │ feed │ kind │ side │ flags │ body: 28 bytes │ message │
//!  │ u64         │ u32        │ u8   │ u8   │ u8   │ u8    │ as kind says   │ u32     │
//!  └─────────────┴────────────┴──────┴──────┴──────┴───────┴────────────────┴─────────┘
//! ```
//!
//! The first 16 bytes are the [`Head`]. A body is the fields of its typed view ([`AddOrder`],
//! [`Execute`], …) in the order in which they are declared, without padding; [`MarketEvent::view`]
//! reads an event as the view that its kind names, without copying. Prices are `i64` × 10⁻⁹, so
//! that the venues' 4, 6, 8 and 9 decimals all fit without rounding; quantities are integers.
//!
//! This module does not know any venue's wire format (`feed`), and keeps no book.

mod symbol;
mod view;

use crate::record::{BODY_BYTES, Event, Schema};
use std::fmt;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub use symbol::Symbol;
pub use view::{
    AddOrder, Bar, BarClose, Bbo, BookOrder, Cancel, ChannelReset, CircuitBreaker,
    CircuitBreakerLevels, Collar, CrossTrade, Delete, DirectListing, DirectListingCollar, Execute,
    Imbalance, ImbalancePrices, Instrument, IpoQuote, LastSale, Level, OfficialPrice,
    OperationalHalt, OrderPriority, Participant, PriceLimits, Print, Quote, Replace,
    RetailInterest, SecurityEvent, SecurityStatus, ShortSale, SnapshotStart, Statistic, Status,
    System, Trade, TradeBreak, TradeOrder, View, Volume, Vwap,
};

/// A price that the venue did not give.
pub const NO_PRICE: i64 = i64::MIN;

/// A quantity that the venue did not give.
pub const NO_QUANTITY: u32 = u32::MAX;

/// What an event is: selects the layout of its body.
///
/// Any byte is a value, because an event may come from a file; one that is not among the constants
/// reads as [`View::Unknown`].
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(transparent)]
pub struct EventKind(pub u8);

impl fmt::Debug for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "kind {}", self.0),
        }
    }
}

/// Who wants to trade, as the venue's ASCII letter.
///
/// A byte that is none of the constants is what the venue sent in a field where `B` or `S` belongs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct Side(pub u8);

impl Side {
    /// The event has no side.
    pub const NONE: Self = Self(0);
    /// The buyer's.
    pub const BUY: Self = Self(b'B');
    /// The seller's.
    pub const SELL: Self = Self(b'S');
}

impl fmt::Debug for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NONE => f.write_str("none"),
            Self::BUY => f.write_str("buy"),
            Self::SELL => f.write_str("sell"),
            Self(other) => write!(f, "side {other:#04x}"),
        }
    }
}

/// What becomes of a level of a book, an order, a trade or a figure.
///
/// The numbers below 16 are CME's `MDUpdateAction`; one that is not among the constants is what the
/// venue sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct LevelAction(pub u8);

impl LevelAction {
    /// It is new; the levels behind it move down by one place.
    pub const NEW: Self = Self(0);
    /// It changed and keeps its place.
    pub const CHANGE: Self = Self(1);
    /// It is gone; the levels behind it move up by one place.
    pub const DELETE: Self = Self(2);
    /// The whole side is gone.
    pub const DELETE_THRU: Self = Self(3);
    /// It is gone with all that are better; the levels behind it move up to the best place.
    pub const DELETE_FROM: Self = Self(4);
    /// Whatever was in its place is replaced.
    pub const OVERLAY: Self = Self(5);
    /// The level of this price is now as told, whether there was one or not.
    pub const SET: Self = Self(16);
}

impl fmt::Debug for LevelAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::NEW => "new",
            Self::CHANGE => "change",
            Self::DELETE => "delete",
            Self::DELETE_THRU => "delete thru",
            Self::DELETE_FROM => "delete from",
            Self::OVERLAY => "overlay",
            Self::SET => "set",
            Self(other) => return write!(f, "action {other}"),
        })
    }
}

/// What is particular about an event: a set of bits.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(transparent)]
pub struct Flags(pub u8);

impl Flags {
    /// No bit.
    pub const NONE: Self = Self(0);
    /// The last event of one venue message. A book is consistent after it; between the events of a
    /// group it need not be.
    pub const LAST: Self = Self(1);
    /// The execution is not to be counted in volume: a later print (a cross) covers it.
    pub const NON_PRINTABLE: Self = Self(1 << 1);
    /// An [`Instrument`] that the feed made from the stock name of another message, because the
    /// venue's directory was not seen: only its symbol is known.
    pub const DERIVED: Self = Self(1 << 2);
    /// Part of a picture of the whole book, not a change of it.
    pub const SNAPSHOT: Self = Self(1 << 3);
    /// An update of this instrument was lost or not seen, so its book cannot be trusted until a
    /// snapshot or a reset.
    pub const STALE_BOOK: Self = Self(1 << 4);

    /// Returns whether all bits of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns the bits of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut set = f.debug_set();
        let names = [
            (Self::LAST, "LAST"),
            (Self::NON_PRINTABLE, "NON_PRINTABLE"),
            (Self::DERIVED, "DERIVED"),
            (Self::SNAPSHOT, "SNAPSHOT"),
            (Self::STALE_BOOK, "STALE_BOOK"),
        ];
        for (flag, name) in names {
            if self.contains(flag) {
                set.entry(&format_args!("{name}"));
            }
        }
        set.finish()
    }
}

/// What every event begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Head {
    /// The venue's time: UNIX nanoseconds, or nanoseconds since the venue's midnight where the feed
    /// was not told the day.
    pub ts_event_ns: u64,
    /// The venue's number of the instrument, whose name an [`Instrument`] event gives; 0 where the
    /// event concerns none.
    pub instrument: u32,
    /// The feed that decoded the message.
    pub feed: u8,
    /// Layout of the body.
    pub kind: EventKind,
    /// Buyer or seller, where it means something.
    pub side: Side,
    /// Bits.
    pub flags: Flags,
}

/// What a venue's message says, in a layout that all venues share.
///
/// # Examples
///
/// ```
/// use ringtape::market::{AddOrder, EventKind, Flags, Head, MarketEvent, Side, View};
///
/// let head = Head {
///     ts_event_ns: 34_200_000_000_000,
///     instrument: 13,
///     feed: 1,
///     kind: EventKind::ADD_ORDER,
///     side: Side::BUY,
///     flags: Flags::LAST,
/// };
/// let price_e9 = 210_120_000_000;
/// let add = AddOrder { head, order_id: 7, price_e9, quantity: 100, attribution: [0; 4], message: 1 };
/// let event = MarketEvent::from(add);
/// assert!(matches!(event.view(), View::AddOrder(order) if order.price_e9 == price_e9));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct MarketEvent {
    /// What every event begins with.
    pub head: Head,
    /// The fields of the view that `head.kind` names; [`MarketEvent::view`] reads them.
    pub body: [u8; 28],
    /// Low 32 bits of the venue's number of the message: finds it again in a capture.
    pub message: u32,
}

const _: () = assert!(size_of::<MarketEvent>() == BODY_BYTES);
const _: () = assert!(align_of::<MarketEvent>() == 8);
const _: () = assert!(std::mem::offset_of!(MarketEvent, body) == 16);
const _: () = assert!(std::mem::offset_of!(MarketEvent, message) == 44);

impl Event for MarketEvent {
    const SCHEMA: Schema = Schema {
        name: "ringtape.market",
        id: u32::from_be_bytes(*b"mket"),
        version: 1,
    };
}

impl fmt::Debug for MarketEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.view() {
            View::Unknown(_) => f
                .debug_struct("Unknown")
                .field("head", &self.head)
                .field("body", &self.body)
                .field("message", &self.message)
                .finish(),
            view => view.fmt(f),
        }
    }
}
