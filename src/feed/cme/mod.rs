//! Owns CME's MDP 3.0: packets of SBE messages to events, and which books are stale.
//!
//! | template | message | events |
//! |---|---|---|
//! | 4 | channel reset | [`ChannelReset`]; every book is empty and complete from then on |
//! | 12 | heartbeat | none; its packet spends a number |
//! | 30 | security status | [`SecurityStatus`] |
//! | 32, 46 | book | [`Level`] for each entry; then for each entry of the second group [`BookOrder`], with price, side and instrument of the entry that it refers to, and [`OrderPriority`] where there is one |
//! | 33, 49 | daily statistics | [`Statistic`] |
//! | 34, 50 | limits | [`PriceLimits`] |
//! | 35, 51 | session statistics | [`Statistic`] |
//! | 37 | volume | [`Volume`] |
//! | 38, 52 | snapshot | [`SnapshotStart`], [`PriceLimits`], then [`Level`] for entries of types `0`, `1`, `E`, `F` and `J`, and [`Statistic`] for all others, each with [`Flags::SNAPSHOT`] |
//! | 42, 48 | trade summary | for each entry [`LastSale`], then [`TradeOrder`] for as many entries of the second group as it says that orders took part; what a wrong count leaves over follows the last |
//! | 43, 47 | book, order by order | [`BookOrder`], and [`OrderPriority`] where there is one |
//! | others | instrument definitions, requests for quotes, … | one [`DeadLetter`](crate::record::DeadLetter) |
//!
//! The last event of each SBE message has [`Flags::LAST`]; the venue's own end of an event is a bit
//! of `venue_flags`. `instrument` is the venue's security id and `message` the packet's number.
//! Prices are × 10⁻⁷ up to template 44 and × 10⁻⁹ from 46 on. What the venue leaves out is
//! [`NO_PRICE`](crate::market::NO_PRICE) and [`NO_QUANTITY`](crate::market::NO_QUANTITY).
//!
//! How far apart entries are and where a group begins is said by the wire, so that longer blocks of
//! newer schemas decode as far as they are known here; so do groups behind those that are known. A
//! block that is shorter than what is known of it, a value that does not fit (a negative quantity, a
//! price beyond 64 bits), or a reference to an entry that is not there breaks the message, and with
//! it the whole packet: it becomes all its events or none.
//!
//! # Packets, not messages
//!
//! The venue numbers packets. So for this feed the numbers of the ledger, its `messages`, `won`,
//! `duplicates`, `delivered` and `lost` among them, are packets, and a gap is one of packets; only
//! `messages_by_type`, which counts templates below 256, `unknown_messages` and `events` count what
//! is in them. Several dead letters can have the number of one packet.
//!
//! A channel that has nothing to say sends a heartbeat every 30 seconds, so
//! [`FeedConfig::silence_ns`](super::FeedConfig::silence_ns) has to be longer than that here, or 0.
//!
//! # Stale books
//!
//! Nothing can be asked for again here. The venue counts the updates of each security (RptSeq), and
//! an update that does not follow the last one makes the security stale: it and each one after it has
//! [`Flags::STALE_BOOK`], until a snapshot of the security in the same stream or a channel reset.
//! Where the stream was joined in the middle, a security whose first update is not number 1 is stale
//! from the start.
//!
//! * The venue sends snapshots on a channel with packet numbers of its own, which is a feed of its
//!   own here and clears nothing in this one. Whoever merges the two compares `report` of
//!   [`SnapshotStart`] with that of the updates.
//! * Order-by-order entries (43, 47) have no count. They are flagged while the security is stale, and
//!   all of them from a missing packet, or from a join at another packet than number 1, until a reset.
//! * An update in a template that is not known is an update that was not seen.
//! * A packet number that is not above the last one means that the venue counts anew: as with a reset,
//!   all securities are forgotten.
//! * At most [`SECURITIES_MAX`] securities are followed; the events of others are always flagged, and
//!   counted in [`Ledger::untracked_updates`](super::Ledger::untracked_updates).
//!
//! [`ChannelReset`]: crate::market::ChannelReset
//! [`SecurityStatus`]: crate::market::SecurityStatus
//! [`Level`]: crate::market::Level
//! [`BookOrder`]: crate::market::BookOrder
//! [`OrderPriority`]: crate::market::OrderPriority
//! [`Statistic`]: crate::market::Statistic
//! [`PriceLimits`]: crate::market::PriceLimits
//! [`Volume`]: crate::market::Volume
//! [`SnapshotStart`]: crate::market::SnapshotStart
//! [`LastSale`]: crate::market::LastSale
//! [`TradeOrder`]: crate::market::TradeOrder
//! [`Flags::SNAPSHOT`]: crate::market::Flags::SNAPSHOT
//! [`Flags::LAST`]: crate::market::Flags::LAST
//! [`Flags::STALE_BOOK`]: crate::market::Flags::STALE_BOOK

mod books;
mod decode;
mod feed;
mod visit;
mod wire;

use super::mdp3;

pub use books::SECURITIES_MAX;
pub use decode::{Decoder, is_sound};
pub use feed::{Cme, CmeFeed};

/// The longest packet that is decoded: one Ethernet frame's. The venue's are shorter; a longer one
/// is malformed, whether it comes in order or has to wait.
pub const PACKET_BYTES_MAX: usize = 1_500;

/// Returns the most records that a packet of at most `packet_bytes` becomes.
///
/// Densest are messages of unknown templates, which are no more than their header. An order of a
/// book becomes two records, and takes 22 bytes.
#[must_use]
pub const fn records_max(packet_bytes: usize) -> usize {
    let bytes = if packet_bytes < PACKET_BYTES_MAX {
        packet_bytes
    } else {
        PACKET_BYTES_MAX
    };
    bytes.saturating_sub(mdp3::HEADER_BYTES) / mdp3::MESSAGE_HEADER_BYTES
}
