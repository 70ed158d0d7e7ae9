//! Owns the record: 64 bytes, one cache line, the same in the ring, on disk and in replay.
//!
//! ```text
//!  0        8            16                                                      64
//!  ├────────┼────────────┼────────────────────────────────────────────────────────┤
//!  │ stamp  │ ts_recv_ns │ body: 48 bytes, laid out as the stamp's kind says      │
//!  └────────┴────────────┴────────────────────────────────────────────────────────┘
//!  stamp = kind (high 8 bits) | sequence (low 56 bits), never 0 in a written record
//! ```
//!
//! | kind | value | body |
//! |---|---|---|
//! | event | 1 | the user's [`Event`], at most 48 bytes, the rest zero |
//! | gap | 2 | [`Gap`] |
//! | session | 3 | [`Session`] |
//! | dead letter | 5 | [`DeadLetter`] |
//!
//! 4 is kept for the clock record of feeds that publish their own time. All integers are
//! little-endian; a big-endian target is refused at compile time, because a record is written to
//! disk as it lies in memory.
//!
//! This module does not know how records travel (`bus`), nor what an event means (`market`).

mod batch;
mod digest;

use std::fmt;
use std::marker::PhantomData;
use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, transmute, transmute_mut, transmute_ref,
};

pub use batch::Batch;
pub use digest::Digest;

#[cfg(target_endian = "big")]
compile_error!("ringtape writes records as they lie in memory and needs a little-endian target");

/// Bytes of a record, and its alignment: one cache line.
pub const RECORD_BYTES: usize = 64;
/// Words of a record, the first of which is its stamp.
pub(crate) const RECORD_WORDS: usize = RECORD_BYTES / size_of::<u64>();
/// Bytes of a record's body.
pub const BODY_BYTES: usize = 48;
/// Alignment of a record's body, and so the largest that an [`Event`] may ask for.
pub const BODY_ALIGN: usize = 16;

/// Our own number of a record on its bus: dense, from 1, spent by every record. 56 bits.
///
/// Not the venue's number: that is the *feed sequence*, a plain `u64`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sequence(u64);

impl Sequence {
    /// The first number of every bus.
    pub const FIRST: Self = Self(1);
    /// The largest number. At 100 million records a second it is reached after 22 years.
    pub const MAX: Self = Self((1 << 56) - 1);

    /// Makes a sequence of `n`; bits above the 56th are cut off.
    #[must_use]
    pub const fn new(n: u64) -> Self {
        Self(n & Self::MAX.0)
    }

    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the number that follows.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What a record's body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Kind {
    /// One event of the bus's [`Event`] type.
    Event = 1,
    /// Numbers that will not come: [`Gap`].
    Gap = 2,
    /// Start or end of a venue's session: [`Session`].
    Session = 3,
    /// A message that could not become an event: [`DeadLetter`].
    DeadLetter = 5,
}

impl Kind {
    const fn from_u8(kind: u8) -> Option<Self> {
        match kind {
            1 => Some(Self::Event),
            2 => Some(Self::Gap),
            3 => Some(Self::Session),
            5 => Some(Self::DeadLetter),
            _ => None,
        }
    }
}

/// Names the layout of an event type, so that a file of one type is never read as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// For people and error messages.
    pub name: &'static str,
    /// Chosen once for a type and never reused.
    pub id: u32,
    /// Raised when the layout changes.
    pub version: u16,
}

/// Plain data that a bus can carry: at most [`BODY_BYTES`] bytes, aligned to at most
/// [`BODY_ALIGN`]. Both are checked at compile time where the type is first used.
///
/// # Examples
///
/// ```
/// use ringtape::record::{Event, Schema};
/// use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
///
/// #[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
/// #[repr(C)]
/// struct Tick {
///     price_e9: i64,
///     quantity: u64,
/// }
///
/// impl Event for Tick {
///     const SCHEMA: Schema = Schema { name: "tick", id: 0x7469_636b, version: 1 };
/// }
/// ```
pub trait Event:
    FromBytes + IntoBytes + Immutable + KnownLayout + Copy + Send + Sync + fmt::Debug + 'static
{
    /// What the journal stores and replay compares.
    const SCHEMA: Schema;
}

/// Why numbers are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum GapCause {
    /// No line brought these feed sequence numbers within the hold time.
    Absent = 1,
    /// The datagram was longer than the receive buffer, and no other line brought the rest.
    Truncated = 2,
    /// The message or its packet broke the format, and no other line brought a good copy.
    Malformed = 3,
    /// The lines ran ahead by more than the arbitration window, so the wait was cut short.
    Window = 4,
    /// This subscriber's own ring was full. The numbers are our [`Sequence`]s, not the feed's.
    Overrun = 16,
    /// The journal could not be written. The numbers are our [`Sequence`]s.
    NotJournaled = 17,
}

impl GapCause {
    /// All causes for which a feed gives numbers up, in the order in which reports list them.
    pub const FEED: [Self; 4] = [Self::Absent, Self::Truncated, Self::Malformed, Self::Window];

    /// Returns the name that reports use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
            Self::Window => "window",
            Self::Overrun => "overrun",
            Self::NotJournaled => "not journaled",
        }
    }

    const fn from_u8(cause: u8) -> Option<Self> {
        match cause {
            1 => Some(Self::Absent),
            2 => Some(Self::Truncated),
            3 => Some(Self::Malformed),
            4 => Some(Self::Window),
            16 => Some(Self::Overrun),
            17 => Some(Self::NotJournaled),
            _ => None,
        }
    }
}

/// A run of numbers that will not come, all for one cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// First missing number: the feed's for what a feed lost, ours for an overrun.
    pub first: u64,
    /// Last missing number, at least `first`.
    pub last: u64,
    /// Why.
    pub cause: GapCause,
    /// The feed that lost them; 0 for an overrun, which concerns every feed on the bus.
    pub feed: u8,
}

impl Gap {
    /// How many numbers are missing.
    #[must_use]
    pub const fn count(&self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

/// What happened to a venue's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum SessionMark {
    /// The feed follows this session from now on; `feed_sequence` is its first number.
    Start = 1,
    /// The venue ended the session; `feed_sequence` is the number that would have come next.
    End = 2,
    /// The venue began to number again inside the session: `feed_sequence` is the first number that
    /// is expected now. What was built from earlier numbers is void.
    Restart = 3,
    /// Every line of the feed has been silent for longer than the venue's heartbeats allow, or its
    /// connection is gone: what was built is not up to date. `feed_sequence` is the number that
    /// would come next.
    Silent = 4,
    /// A line of a silent feed brought something again.
    Resumed = 5,
}

impl SessionMark {
    /// Returns the name that reports use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::End => "end",
            Self::Restart => "restart",
            Self::Silent => "silent",
            Self::Resumed => "resumed",
        }
    }

    const fn from_u8(mark: u8) -> Option<Self> {
        match mark {
            1 => Some(Self::Start),
            2 => Some(Self::End),
            3 => Some(Self::Restart),
            4 => Some(Self::Silent),
            5 => Some(Self::Resumed),
            _ => None,
        }
    }
}

/// What happened to a venue's session, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// The venue's name of the session, ASCII, padded with zeros.
    pub id: [u8; 16],
    /// The number that comes next, as the mark says.
    pub feed_sequence: u64,
    /// What happened.
    pub mark: SessionMark,
    /// The feed.
    pub feed: u8,
}

/// A venue message that could not become an event: it arrived in order and is not lost, but its
/// type is not known to the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DeadLetter {
    /// The venue's number of the message.
    pub feed_sequence: u64,
    /// The message's whole length in bytes.
    pub message_bytes: u16,
    /// The feed.
    pub feed: u8,
    reserved: u8,
    /// The first bytes of the message, zero beyond its end.
    pub head: [u8; 36],
}

impl DeadLetter {
    /// Keeps the first bytes of `message`.
    #[must_use]
    pub fn new(feed: u8, feed_sequence: u64, message: &[u8], message_bytes: u16) -> Self {
        let mut head = [0; 36];
        let kept = message.len().min(head.len());
        head[..kept].copy_from_slice(&message[..kept]);
        Self {
            feed_sequence,
            message_bytes,
            feed,
            reserved: 0,
            head,
        }
    }
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct GapBody {
    first: u64,
    last: u64,
    cause: u8,
    feed: u8,
    reserved: [u8; 30],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct SessionBody {
    id: [u8; 16],
    feed_sequence: u64,
    mark: u8,
    feed: u8,
    reserved: [u8; 22],
}

const _: () = assert!(size_of::<GapBody>() == BODY_BYTES);
const _: () = assert!(size_of::<SessionBody>() == BODY_BYTES);
const _: () = assert!(size_of::<DeadLetter>() == BODY_BYTES);

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(64))]
struct Raw {
    stamp: u64,
    ts_recv_ns: u64,
    body: [u8; BODY_BYTES],
}

const fn stamp(kind: Kind, sequence: Sequence) -> u64 {
    (kind as u64) << 56 | sequence.get()
}

/// One record: a stamp, a receive time and a body.
///
/// # Examples
///
/// ```
/// use ringtape::market::MarketEvent;
/// use ringtape::record::{Content, Gap, GapCause, Record, Sequence};
///
/// let gap = Gap { first: 7, last: 9, cause: GapCause::Absent, feed: 1 };
/// let record = Record::<MarketEvent>::gap(Sequence::FIRST, 1_700_000_000_000_000_000, gap);
/// assert_eq!(record.sequence(), Sequence::FIRST);
/// assert!(matches!(record.content(), Content::Gap(g) if g.count() == 3));
/// ```
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct Record<E> {
    raw: Raw,
    event: PhantomData<E>,
}

const _: () = assert!(size_of::<Record<()>>() == RECORD_BYTES);
const _: () = assert!(align_of::<Record<()>>() == RECORD_BYTES);
const _: () = assert!(std::mem::offset_of!(Raw, body) % BODY_ALIGN == 0);

/// A record's body, read as its kind says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Content<'a, E> {
    /// An event.
    Event(&'a E),
    /// Numbers that will not come.
    Gap(Gap),
    /// What happened to a session.
    Session(Session),
    /// A message that could not become an event.
    DeadLetter(&'a DeadLetter),
    /// Not a record that this version writes.
    Invalid,
}

impl<E: Event> Record<E> {
    /// Fails to compile for an event type that does not fit the body.
    const EVENT_FITS: () = {
        assert!(
            size_of::<E>() <= BODY_BYTES,
            "an Event must be at most 48 bytes"
        );
        assert!(
            align_of::<E>() <= BODY_ALIGN,
            "an Event must be aligned to at most 16 bytes"
        );
    };

    /// Makes an event record.
    #[must_use]
    pub fn event(sequence: Sequence, ts_recv_ns: u64, event: &E) -> Self {
        const { Self::EVENT_FITS };
        let mut body = [0; BODY_BYTES];
        body[..size_of::<E>()].copy_from_slice(event.as_bytes());
        Self::new(Kind::Event, sequence, ts_recv_ns, body)
    }

    /// Makes a gap record.
    #[must_use]
    pub fn gap(sequence: Sequence, ts_recv_ns: u64, gap: Gap) -> Self {
        let body = GapBody {
            first: gap.first,
            last: gap.last,
            cause: gap.cause as u8,
            feed: gap.feed,
            reserved: [0; 30],
        };
        Self::new(Kind::Gap, sequence, ts_recv_ns, transmute!(body))
    }

    /// Makes a session record.
    #[must_use]
    pub fn session(sequence: Sequence, ts_recv_ns: u64, session: Session) -> Self {
        let body = SessionBody {
            id: session.id,
            feed_sequence: session.feed_sequence,
            mark: session.mark as u8,
            feed: session.feed,
            reserved: [0; 22],
        };
        Self::new(Kind::Session, sequence, ts_recv_ns, transmute!(body))
    }

    /// Makes a dead-letter record.
    #[must_use]
    pub fn dead_letter(sequence: Sequence, ts_recv_ns: u64, letter: DeadLetter) -> Self {
        Self::new(Kind::DeadLetter, sequence, ts_recv_ns, transmute!(letter))
    }

    fn new(kind: Kind, sequence: Sequence, ts_recv_ns: u64, body: [u8; BODY_BYTES]) -> Self {
        Self {
            raw: Raw {
                stamp: stamp(kind, sequence),
                ts_recv_ns,
                body,
            },
            event: PhantomData,
        }
    }

    /// Returns kind and sequence as they are stored.
    #[must_use]
    pub fn stamp(&self) -> u64 {
        self.raw.stamp
    }

    /// Returns whether this is the event with the number `sequence`: one comparison.
    pub(crate) fn is_event_with(&self, sequence: Sequence) -> bool {
        self.raw.stamp == stamp(Kind::Event, sequence)
    }

    /// Returns the kind, or `None` where the stamp is not one that this version writes.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        Kind::from_u8(self.raw.stamp.to_le_bytes()[7])
    }

    /// Returns our number of the record.
    #[must_use]
    pub fn sequence(&self) -> Sequence {
        Sequence::new(self.raw.stamp)
    }

    /// Returns when the datagram was received: UNIX nanoseconds, by the kernel's receive stamp
    /// where configured, else the moment at which its batch was seen.
    #[must_use]
    pub fn ts_recv_ns(&self) -> u64 {
        self.raw.ts_recv_ns
    }

    /// Returns the body's bytes.
    #[must_use]
    pub fn body(&self) -> &[u8; BODY_BYTES] {
        &self.raw.body
    }

    /// Reads the body as its kind says. Checks every byte that selects a meaning, so a record
    /// from a damaged file is `Invalid` and never undefined.
    ///
    /// Hot path: no allocation, no system call, O(1).
    #[must_use]
    pub fn content(&self) -> Content<'_, E> {
        const { Self::EVENT_FITS };
        match self.kind() {
            Some(Kind::Event) => match E::ref_from_prefix(&self.raw.body) {
                Ok((event, _)) => Content::Event(event),
                Err(_) => Content::Invalid,
            },
            Some(Kind::Gap) => self.read_gap().map_or(Content::Invalid, Content::Gap),
            Some(Kind::Session) => self
                .read_session()
                .map_or(Content::Invalid, Content::Session),
            Some(Kind::DeadLetter) => match DeadLetter::ref_from_bytes(&self.raw.body) {
                Ok(letter) => Content::DeadLetter(letter),
                Err(_) => Content::Invalid,
            },
            None => Content::Invalid,
        }
    }

    fn read_gap(&self) -> Option<Gap> {
        let body: GapBody = transmute!(self.raw.body);
        let cause = GapCause::from_u8(body.cause)?;
        (body.first <= body.last).then_some(Gap {
            first: body.first,
            last: body.last,
            cause,
            feed: body.feed,
        })
    }

    fn read_session(&self) -> Option<Session> {
        let body: &SessionBody = SessionBody::ref_from_bytes(&self.raw.body).ok()?;
        let mark = SessionMark::from_u8(body.mark)?;
        let (id, feed_sequence, feed) = (body.id, body.feed_sequence, body.feed);
        Some(Session {
            id,
            feed_sequence,
            mark,
            feed,
        })
    }
}

impl<E> Record<E> {
    /// Returns the 64 bytes as they are stored.
    #[must_use]
    pub fn as_stored(&self) -> &[u8; RECORD_BYTES] {
        transmute_ref!(&self.raw)
    }

    /// Returns the record as words, for who copies it word by word.
    pub(crate) fn words(&self) -> &[u64; RECORD_WORDS] {
        transmute_ref!(&self.raw)
    }

    /// Returns the words of a record that is being copied.
    pub(crate) fn words_mut(&mut self) -> &mut [u64; RECORD_WORDS] {
        transmute_mut!(&mut self.raw)
    }
}

impl<E: Event> fmt::Debug for Record<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("sequence", &self.sequence())
            .field("ts_recv_ns", &self.ts_recv_ns())
            .field("content", &self.content())
            .finish()
    }
}

#[cfg(test)]
mod tests;
