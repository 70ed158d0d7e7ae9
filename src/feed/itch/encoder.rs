//! Owns the way from events back to the messages that they came from.
//!
//! Knows which events are one message, and whose name a message carries; the bytes are those of
//! [`encode`](super::encode).

use super::decode::ANONYMOUS;
use super::values::{self, Values};
use super::wire;
use crate::market::{EventKind, Flags, Head, MarketEvent, NO_PRICE, Symbol, View};
use crate::record::DeadLetter;
use std::fmt;
use std::ops::Deref;

/// Bytes of the longest message that an event becomes.
const BYTES_MAX: usize = 50;

const _: () = {
    let mut message_type = 0;
    while message_type < wire::BYTES_MIN.len() {
        assert!(wire::BYTES_MIN[message_type] as usize <= BYTES_MAX);
        message_type += 1;
    }
};

/// Returns the wire's type of the message that an event came from, `None` for an event that is not
/// a message of its own: a derived instrument, the first half of a group, an unknown kind.
///
/// So the events for which it answers count the messages that became events. A dead letter's type
/// is the first byte of its head.
///
/// # Examples
///
/// ```
/// use ringtape::feed::{Message, itch};
/// use ringtape::record::{Batch, Content};
///
/// let mut bytes = [0; 50];
/// bytes[0] = b'I';
/// let mut out = Batch::with_capacity(itch::RECORDS_MAX);
/// let message = Message { number: 1, bytes: &bytes, message_bytes: 50, ts_recv_ns: 0 };
/// itch::Decoder::new(1, 0).decode(message, &mut out).expect("long enough");
///
/// // The stock's name, the quantities and the prices: three events, one message.
/// let types: Vec<_> = out.records().iter().map(|record| match record.content() {
///     Content::Event(event) => itch::message_type(event),
///     _ => None,
/// }).collect();
/// assert_eq!(types, [None, None, Some(b'I')]);
/// ```
#[must_use]
pub fn message_type(event: &MarketEvent) -> Option<u8> {
    let flags = event.head.flags;
    if !flags.contains(Flags::LAST) || flags.contains(Flags::DERIVED) {
        return None;
    }
    Some(match event.view() {
        View::AddOrder(add) if add.attribution == ANONYMOUS => wire::AddOrder::TYPE,
        View::AddOrder(_) => wire::AddOrderAttributed::TYPE,
        View::Execute(execute) if execute.price_e9 == NO_PRICE => wire::Executed::TYPE,
        View::Execute(_) => wire::ExecutedWithPrice::TYPE,
        View::Cancel(_) => wire::Cancel::TYPE,
        View::Delete(_) => wire::Delete::TYPE,
        View::Replace(_) => wire::Replace::TYPE,
        View::Trade(_) => wire::Trade::TYPE,
        View::CrossTrade(_) => wire::CrossTrade::TYPE,
        View::TradeBreak(_) => wire::TradeBreak::TYPE,
        View::ImbalancePrices(_) => wire::Imbalance::TYPE,
        View::Status(_) => wire::TradingAction::TYPE,
        View::ShortSale(_) => wire::ShortSale::TYPE,
        View::Participant(_) => wire::Participant::TYPE,
        View::Instrument(_) => wire::Directory::TYPE,
        View::System(_) => wire::System::TYPE,
        View::CircuitBreakerLevels(_) => wire::CircuitBreakerLevels::TYPE,
        View::CircuitBreaker(_) => wire::CircuitBreaker::TYPE,
        View::IpoQuote(_) => wire::IpoQuote::TYPE,
        View::Collar(_) => wire::Collar::TYPE,
        View::OperationalHalt(_) => wire::OperationalHalt::TYPE,
        View::RetailInterest(_) => wire::RetailInterest::TYPE,
        View::DirectListingCollar(_) => wire::DirectListing::TYPE,
        // The first halves of groups, and what ITCH has no message for.
        _ => return None,
    })
}

/// Why an event or a dead letter cannot be a message again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unencodable {
    /// The record is of another feed, whose stocks have other numbers.
    #[error("a record of feed {feed}: give each feed an encoder of its own")]
    OtherFeed {
        /// The record's feed.
        feed: u8,
    },

    /// ITCH has no message of this kind.
    #[error("{kind}: ITCH has no such message; the event is of another venue or version")]
    UnknownKind {
        /// The event's kind.
        kind: EventKind,
    },

    /// The event is not what ends a message: its flags are not those of an ITCH message, or the
    /// first half of its group did not come just before it.
    #[error("{kind}: not a whole message; the events of one message must come together")]
    Incomplete {
        /// The event's kind.
        kind: EventKind,
    },

    /// The message names its stock, and no event named it so far.
    #[error("{kind}: nothing named instrument {instrument}; begin with the records that do")]
    Unnamed {
        /// The event's kind.
        kind: EventKind,
        /// The event's instrument.
        instrument: u32,
    },

    /// A value that the message's field cannot hold.
    #[error(
        "{kind}: {field} does not fit an ITCH message; for a time, give the midnight that the \
         feed was given"
    )]
    OutOfRange {
        /// The event's kind.
        kind: EventKind,
        /// The field of the event's view or head.
        field: &'static str,
    },

    /// A dead letter keeps the first 36 bytes of its message, and this one had more.
    #[error("a dead letter of {message_bytes} bytes, of which the first 36 were kept")]
    LetterCut {
        /// The message's whole length in bytes.
        message_bytes: u16,
    },
}

/// One message's bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Encoded {
    /// Zero beyond the message's end.
    bytes: [u8; BYTES_MAX],
    message_bytes: usize,
}

impl Encoded {
    fn new(message: &[u8]) -> Self {
        let mut bytes = [0; BYTES_MAX];
        bytes[..message.len()].copy_from_slice(message);
        Self {
            bytes,
            message_bytes: message.len(),
        }
    }
}

impl<const N: usize> From<[u8; N]> for Encoded {
    fn from(message: [u8; N]) -> Self {
        const { assert!(N <= BYTES_MAX) };
        Self::new(&message)
    }
}

impl Deref for Encoded {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.message_bytes]
    }
}

impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}

/// Makes messages again of one feed's records, in the order of the bus.
///
/// Give it every event from where the feed began, because that is where the stocks are named.
/// What comes out equals what the venue sent but for what an event does not keep, which the
/// [module](super) lists.
///
/// # Examples
///
/// ```
/// use ringtape::feed::{Message, itch};
/// use ringtape::record::{Batch, Content};
///
/// let head = itch::encode::Head { locate: 13, tracking: 0, since_midnight_ns: 5 };
/// let sent = itch::encode::delete(head, 42);
/// let mut out = Batch::with_capacity(itch::RECORDS_MAX);
/// let message = Message { number: 1, bytes: &sent, message_bytes: 19, ts_recv_ns: 0 };
/// itch::Decoder::new(1, 0).decode(message, &mut out).expect("long enough");
///
/// let mut encoder = itch::Encoder::new(1, 0);
/// let Content::Event(event) = out.records()[0].content() else { panic!("an event") };
/// let again = encoder.event(event)?.expect("a message of its own");
/// assert_eq!(*again, sent);
/// # Ok::<(), itch::Unencodable>(())
/// ```
#[derive(Debug)]
pub struct Encoder {
    feed: u8,
    midnight_ns: u64,
    names: Box<[Option<Symbol>]>,
    first_half: Option<MarketEvent>,
    cut_groups: u64,
}

impl Encoder {
    /// Makes an encoder for the records of feed `feed`. `midnight_ns` is what the feed was given:
    /// UNIX nanoseconds of the day's midnight in New York, or 0 where times count from it.
    #[must_use]
    pub fn new(feed: u8, midnight_ns: u64) -> Self {
        Self {
            feed,
            midnight_ns,
            names: vec![None; 1 << 16].into_boxed_slice(),
            first_half: None,
            cut_groups: 0,
        }
    }

    /// Goes on with another day's midnight, as a tape does on which each day's recorder continued;
    /// the names of the stocks stay known.
    pub fn set_midnight(&mut self, midnight_ns: u64) {
        self.midnight_ns = midnight_ns;
    }

    /// Returns how many groups lack their second half: something else came in its place, as after
    /// an overrun, or nothing came so far. Such a message was neither encoded nor refused.
    #[must_use]
    pub fn cut_groups(&self) -> u64 {
        self.cut_groups + u64::from(self.first_half.is_some())
    }

    /// Returns the message that `event` completes, `None` where it completes none: it is a derived
    /// instrument or the first half of a group. Answers where [`message_type`] does.
    ///
    /// Does not allocate; O(1).
    ///
    /// # Errors
    ///
    /// [`Unencodable`]; the next event can be encoded all the same.
    pub fn event(&mut self, event: &MarketEvent) -> Result<Option<Encoded>, Unencodable> {
        let Head { feed, kind, .. } = event.head;
        if feed != self.feed {
            return Err(Unencodable::OtherFeed { feed });
        }
        let first = match self.first_half.take() {
            Some(first) if are_one_message(&first, event) => Some(first),
            waiting => {
                self.cut_groups += u64::from(waiting.is_some());
                None
            }
        };
        let last = event.head.flags.contains(Flags::LAST);
        match event.view() {
            View::Instrument(instrument) => {
                let locate = values::locate(event)?;
                self.names[usize::from(locate)] = Some(instrument.symbol);
                if instrument.head.flags.contains(Flags::DERIVED) && !last {
                    return Ok(None);
                }
            }
            View::Imbalance(_) | View::DirectListing(_) if !last => {
                self.first_half = Some(*event);
                return Ok(None);
            }
            _ if kind.0 > EventKind::DIRECT_LISTING_COLLAR.0 || kind.name().is_none() => {
                return Err(Unencodable::UnknownKind { kind });
            }
            _ => {}
        }
        if message_type(event).is_none() {
            return Err(Unencodable::Incomplete { kind });
        }
        let instrument = usize::try_from(event.head.instrument).ok();
        let stock = instrument.and_then(|instrument| self.names.get(instrument).copied().flatten());
        let values = Values::new(event, first, stock, self.midnight_ns)?;
        values.message().map(Some)
    }

    /// Returns the message of a dead letter.
    ///
    /// # Errors
    ///
    /// [`Unencodable::LetterCut`] for one that was longer than what is kept of it, and
    /// [`Unencodable::OtherFeed`].
    pub fn dead_letter(&self, letter: &DeadLetter) -> Result<Encoded, Unencodable> {
        let (feed, message_bytes) = (letter.feed, letter.message_bytes);
        if feed != self.feed {
            return Err(Unencodable::OtherFeed { feed });
        }
        letter
            .head
            .get(..usize::from(message_bytes))
            .map(Encoded::new)
            .ok_or(Unencodable::LetterCut { message_bytes })
    }
}

/// Returns whether `second` is what the decoder pushes after `first`.
fn are_one_message(first: &MarketEvent, second: &MarketEvent) -> bool {
    let kind = match first.head.kind {
        EventKind::IMBALANCE => EventKind::IMBALANCE_PRICES,
        _ => EventKind::DIRECT_LISTING_COLLAR,
    };
    let head = Head {
        kind,
        flags: Flags::LAST,
        ..first.head
    };
    second.head == head && second.message == first.message
}
