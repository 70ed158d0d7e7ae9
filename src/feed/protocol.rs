//! Owns what a protocol brings to an [`ArbitratedFeed`](super::ArbitratedFeed): framing and
//! decoding.

use super::{Decode, FeedConfig, FeedCounters};
use crate::error::Result;
use std::sync::Arc;

/// The most bytes that a request for missing numbers has.
pub const REQUEST_BYTES_MAX: usize = 64;

/// The venue's name of a session: ASCII, padded with zeros.
pub type SessionName = [u8; 16];

/// Returns the name of a session in the form that records have it.
///
/// # Panics
///
/// When it is longer than 16 bytes.
#[must_use]
pub const fn session_name(name: &[u8]) -> SessionName {
    let mut session = [0; 16];
    assert!(name.len() <= session.len(), "a session's name has 16 bytes");
    let mut at = 0;
    while at < name.len() {
        session[at] = name[at];
        at += 1;
    }
    session
}

/// How a datagram breaks the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Shorter than a header.
    ShortHeader,
    /// A message, or the length before it, reaches beyond the datagram's end.
    BlockPastEnd,
    /// There are bytes behind the last message.
    TrailingBytes,
    /// The last message's number does not fit in 64 bits.
    SequenceOverflow,
    /// The header says that it is another protocol, or another version.
    Foreign,
}

/// A datagram that breaks the format. None of its messages can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// How.
    pub fault: Fault,
    /// What its header claims to bring, where there is a whole header.
    pub claim: Option<Claim>,
}

/// What the header of a broken datagram claims to bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Session.
    pub session: SessionName,
    /// Number of the first message.
    pub first: u64,
    /// How many numbers; 0 for a heartbeat or an end of session.
    pub count: u64,
}

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketKind {
    /// Brings nothing and tells the number that comes next.
    Heartbeat,
    /// Brings nothing and tells the number that would have come next.
    EndOfSession,
    /// Brings messages.
    Messages,
}

/// A well-formed packet, as arbitration sees it.
#[derive(Clone, Copy, Debug)]
pub struct Packet<M> {
    /// The session that numbers it.
    pub session: SessionName,
    /// What it is.
    pub kind: PacketKind,
    /// Number of its first message, or the one that comes next.
    pub first: u64,
    /// How many numbers it spends: whole messages and cut ones. `first + count` fits in 64 bits.
    pub count: u64,
    /// When the venue sent it, UNIX nanoseconds; 0 where the protocol does not tell. It is how a
    /// sequence that began again is told from a packet that is late.
    pub sent_ns: u64,
    /// What the numbers stand for, one item each, for as many as are there as a whole.
    pub messages: M,
}

/// What a message became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// One event or a group of them.
    Events,
    /// A dead letter: the type is not known.
    Unknown,
    /// A dead letter: there is no number left for the instrument that it names. Only of venues that
    /// number none themselves.
    Unnumbered,
    /// No record: the message has no bytes.
    Empty,
}

impl Decoded {
    /// Counts a message that became this, by its first byte and by what is wrong with it.
    #[inline(always)]
    pub(super) fn count(self, bytes: &[u8], counters: &FeedCounters) {
        if let Some(&message_type) = bytes.first() {
            counters.messages_by_type[usize::from(message_type)].add(1);
        }
        match self {
            Self::Events => {}
            Self::Unknown => counters.unknown_messages.add(1),
            Self::Unnumbered => counters.unnumbered_messages.add(1),
            Self::Empty => counters.empty_messages.add(1),
        }
    }
}

/// A protocol: how datagrams are packets of numbered messages, and how messages become records.
///
/// Where the venue numbers packets instead of messages, a whole packet is one "message" here.
pub trait Protocol: Decode + Send + Sized + 'static {
    /// The messages of a packet, in order.
    type Messages<'a>: Iterator<Item = &'a [u8]>;

    /// Bytes of a message that are kept while it waits behind a hole: of the longest that is known,
    /// and some more for what the venue adds at its tail.
    const HELD_BYTES: usize;

    /// Returns whether session `next` can take the place of `present` although nobody told the end of
    /// that, nor is it silent: where the protocol has no end of session, what was sent later is of the
    /// later session.
    fn succeeds(_next: SessionName, _present: SessionName) -> bool {
        false
    }

    /// Whether there are servers that can be asked for missing numbers.
    const REREQUESTS: bool = false;

    /// Writes a request for `count` numbers from `first` on into `buffer` and returns it.
    fn request(
        _session: SessionName,
        _first: u64,
        _count: u16,
        _buffer: &mut [u8; REQUEST_BYTES_MAX],
    ) -> &[u8] {
        &[]
    }

    /// Makes the protocol's half of a feed; allocates all that it will ever need. Counts what it
    /// decodes in `counters`: by type, unknown and empty messages, events and instruments.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::error::Error::Config) for a setting that this protocol cannot have.
    fn open(config: &FeedConfig, counters: Arc<FeedCounters>) -> Result<Self>;

    /// Checks a datagram from its header to its last byte, before anything of it is used.
    /// `datagram_bytes` is how long it was on the wire: where that is more than `bytes`, the packet
    /// has the messages that are there as a whole, and knows how many were cut.
    ///
    /// Hot path: no allocation, no system call, O(messages).
    ///
    /// # Errors
    ///
    /// [`Malformed`] when the messages do not fill the datagram exactly.
    fn parse<'a>(
        &self,
        bytes: &'a [u8],
        datagram_bytes: usize,
    ) -> Result<Packet<Self::Messages<'a>>, Malformed>;

    /// Returns the most records that one message of at most `message_bytes` becomes.
    fn message_records_max(message_bytes: usize) -> usize;

    /// Returns the most records that the messages of one datagram of at most `datagram_bytes`
    /// become.
    fn datagram_records_max(datagram_bytes: usize) -> usize;

    /// Publishes what it counts by itself. Called after every call that may have decoded.
    fn publish(&self);
}
