//! Owns IEX-TP 1, IEX's framing: packets of numbered messages.
//!
//! ```text
//!  0         1          2          4         8         12        14      16       24         32
//!  ├─────────┼──────────┼──────────┼─────────┼─────────┼─────────┼───────┼────────┼──────────┼───
//!  │ version │ reserved │ protocol │ channel │ session │ payload │ count │ offset │ sequence │
//!  └─────────┴──────────┴──────────┴─────────┴─────────┴─────────┴───────┴────────┴──────────┴───
//!
//!  32        40       42
//! ─┼─────────┼────────┼─────────┬── … ──┤   little-endian
//!  │ sent    │ length │ message │ more  │   payload: bytes behind the header
//! ─┴─────────┴────────┴─────────┴── … ──┘   length: of the message alone
//! ```
//!
//! | field | meaning |
//! |---|---|
//! | version | 1 |
//! | protocol | what the messages are: 0x8003 TOPS 1.6, 0x8004 DEEP 1.0. Others are [`Fault::Foreign`], TOPS 1.5 (0x8002) too: its layouts differ |
//! | channel, session | who numbers the messages: see [`SessionId`] |
//! | offset | bytes of the session's payloads before this one, lengths included |
//! | sequence | number of the first message |
//! | sent | when the packet was sent, UNIX nanoseconds |
//!
//! A packet of 0 messages is a heartbeat: sequence is the number that comes next. The end of a
//! session is not told on the wire. Two lines carry the same messages in the same order, but not
//! always in the same packets.
//!
//! Knows nothing of what the messages say ([`iex`](super::iex) does), and requests nothing again.

use super::blocks;
use super::protocol::{self, Fault, PacketKind, SessionName};
use zerocopy::byteorder::LittleEndian;
use zerocopy::byteorder::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a packet's header.
pub const HEADER_BYTES: usize = size_of::<Header>();
/// Bytes of the length before each message.
pub const LENGTH_BYTES: usize = blocks::LENGTH_BYTES;
/// The only version of the header that there is.
const VERSION: u8 = 1;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Header {
    version: u8,
    reserved: u8,
    protocol: U16,
    channel: U32,
    session: U32,
    payload_bytes: U16,
    count: U16,
    stream_offset: U64,
    sequence: U64,
    sent_ns: U64,
}

const _: () = assert!(HEADER_BYTES == 40);

/// What a packet's messages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum MessageProtocol {
    /// Best quotes and trades.
    Tops16 = 0x8003,
    /// Price levels and trades.
    Deep10 = 0x8004,
}

impl MessageProtocol {
    const fn from_u16(protocol: u16) -> Option<Self> {
        match protocol {
            0x8003 => Some(Self::Tops16),
            0x8004 => Some(Self::Deep10),
            _ => None,
        }
    }

    const fn letter(self) -> u8 {
        match self {
            Self::Tops16 => b'T',
            Self::Deep10 => b'D',
        }
    }
}

/// Who numbers the messages of a packet: packets of different protocols, channels or sessions have
/// nothing to do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId {
    /// What the messages are.
    pub protocol: MessageProtocol,
    /// The venue's number of the channel.
    pub channel: u32,
    /// The venue's number of the session.
    pub session: u32,
}

impl SessionId {
    /// Returns the name that records and configurations use: `T` for TOPS or `D` for DEEP, the
    /// channel, a hyphen and the session, both decimal. Where that is longer than a name can be, the
    /// letter, a dot and 13 digits to the base 36 of channel × 2³² + session.
    ///
    /// # Examples
    ///
    /// ```
    /// use ringtape::feed::iextp::{MessageProtocol, SessionId};
    /// use ringtape::feed::session_name;
    ///
    /// let tops = SessionId { protocol: MessageProtocol::Tops16, channel: 1, session: 1_137_508_352 };
    /// assert_eq!(tops.name(), session_name(b"T1-1137508352"));
    /// let longest = SessionId { channel: u32::MAX, session: u32::MAX, ..tops };
    /// assert_eq!(longest.name(), session_name(b"T.3w5e11264sgsf"));
    /// ```
    #[must_use]
    pub fn name(self) -> SessionName {
        let mut name = [0; 16];
        name[0] = self.protocol.letter();
        let hyphen = 1 + decimal_digits(self.channel);
        let end = hyphen + 1 + decimal_digits(self.session);
        if end <= name.len() {
            write_number(&mut name[1..hyphen], u64::from(self.channel), 10);
            name[hyphen] = b'-';
            write_number(&mut name[hyphen + 1..end], u64::from(self.session), 10);
        } else {
            let both = u64::from(self.channel) << 32 | u64::from(self.session);
            name[1] = b'.';
            write_number(&mut name[2..15], both, 36);
        }
        name
    }
}

fn decimal_digits(value: u32) -> usize {
    value
        .checked_ilog10()
        .map_or(1, |log| usize::try_from(log).unwrap_or(0) + 1)
}

/// Fills `digits` from its end.
fn write_number(digits: &mut [u8], mut value: u64, base: u64) {
    for digit in digits.iter_mut().rev() {
        let low = u8::try_from(value % base).unwrap_or(0);
        *digit = if low < 10 {
            b'0' + low
        } else {
            b'a' + low - 10
        };
        value /= base;
    }
}

/// Where a packet stands in its session's stream, and when it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Number of the first message, or the one that comes next.
    pub sequence: u64,
    /// Bytes of the session's payloads before this one.
    pub stream_offset: u64,
    /// When it was sent, UNIX nanoseconds.
    pub sent_ns: u64,
}

/// A datagram that breaks the format. None of its messages can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedPacket {
    /// How.
    pub fault: Fault,
    /// Session, first number and count that the header claims, where there is a whole header of this
    /// protocol.
    pub claim: Option<Claim>,
}

/// What the header of a broken datagram claims to bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Session.
    pub session: SessionId,
    /// Number of the first message.
    pub sequence: u64,
    /// How many messages; 0 for a heartbeat.
    pub count: u16,
}

/// The messages of a packet, in order.
pub type Messages<'a> = blocks::Messages<'a, LittleEndian>;

/// A well-formed packet, read in place.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    session: SessionId,
    position: Position,
    count: u16,
    whole: u16,
    blocks: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Checks a datagram from its header to its last byte, before anything of it is used.
    /// `datagram_bytes` is how long it was on the wire: where that is more than `bytes`, the packet
    /// has the messages that are there as a whole, and knows how many were cut.
    ///
    /// Hot path: no allocation, no system call, O(messages).
    ///
    /// # Errors
    ///
    /// [`MalformedPacket`] when the header is not of this protocol, or when the payload that it tells
    /// of, or the messages, do not fill the datagram exactly. A datagram that was cut inside its
    /// header has [`Fault::ShortHeader`].
    pub fn parse(bytes: &'a [u8], datagram_bytes: usize) -> Result<Self, MalformedPacket> {
        let nameless = |fault| MalformedPacket { fault, claim: None };
        let (header, blocks) =
            Header::ref_from_prefix(bytes).map_err(|_| nameless(Fault::ShortHeader))?;
        let protocol = MessageProtocol::from_u16(header.protocol.get())
            .filter(|_| header.version == VERSION)
            .ok_or_else(|| nameless(Fault::Foreign))?;
        let session = SessionId {
            protocol,
            channel: header.channel.get(),
            session: header.session.get(),
        };
        let (sequence, count) = (header.sequence.get(), header.count.get());
        let malformed = |fault| MalformedPacket {
            fault,
            claim: Some(Claim {
                session,
                sequence,
                count,
            }),
        };

        if sequence.checked_add(u64::from(count)).is_none() {
            return Err(malformed(Fault::SequenceOverflow));
        }
        let blocks_bytes = datagram_bytes.max(bytes.len()) - HEADER_BYTES;
        let payload_bytes = usize::from(header.payload_bytes.get());
        if payload_bytes > blocks_bytes {
            return Err(malformed(Fault::BlockPastEnd));
        }
        if payload_bytes < blocks_bytes {
            return Err(malformed(Fault::TrailingBytes));
        }
        let whole = blocks::walk::<LittleEndian>(blocks, blocks_bytes, count).map_err(malformed)?;
        Ok(Self {
            session,
            position: Position {
                sequence,
                stream_offset: header.stream_offset.get(),
                sent_ns: header.sent_ns.get(),
            },
            count,
            whole,
            blocks,
        })
    }

    /// Returns what the packet is: messages or a heartbeat.
    #[must_use]
    pub const fn kind(&self) -> PacketKind {
        match self.count {
            0 => PacketKind::Heartbeat,
            _ => PacketKind::Messages,
        }
    }

    /// Returns the session.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// Returns where the packet stands in the session.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Returns how many numbers the packet spends: whole messages and cut ones.
    #[must_use]
    pub const fn count(&self) -> u16 {
        self.count
    }

    /// Returns the messages that are there as a whole, in order.
    #[must_use]
    pub const fn messages(&self) -> Messages<'a> {
        Messages::new(self.whole, self.blocks)
    }

    /// Returns the packet as arbitration sees it. `name` is [`SessionId::name`] of its session, which
    /// a feed need not put together for each packet.
    #[inline(always)]
    pub(super) fn named(self, name: SessionName) -> protocol::Packet<Messages<'a>> {
        protocol::Packet {
            session: name,
            kind: self.kind(),
            first: self.position.sequence,
            count: u64::from(self.count),
            sent_ns: self.position.sent_ns,
            messages: self.messages(),
        }
    }
}

impl From<MalformedPacket> for protocol::Malformed {
    fn from(malformed: MalformedPacket) -> Self {
        Self {
            fault: malformed.fault,
            claim: malformed.claim.map(|claim| protocol::Claim {
                session: claim.session.name(),
                first: claim.sequence,
                count: u64::from(claim.count),
            }),
        }
    }
}

/// Writes one packet into a buffer of the caller's.
///
/// # Examples
///
/// ```
/// use ringtape::feed::iextp::{MessageProtocol, Packet, PacketWriter, Position, SessionId};
///
/// let session = SessionId { protocol: MessageProtocol::Deep10, channel: 1, session: 7 };
/// let position = Position { sequence: 9, stream_offset: 300, sent_ns: 5 };
/// let mut buffer = [0; 64];
/// let mut writer = PacketWriter::new(&mut buffer, session, position);
/// assert!(writer.push(b"first") && writer.push(b"second"));
/// let datagram = writer.finish();
/// let packet = Packet::parse(datagram, datagram.len()).expect("well-formed");
/// assert_eq!(packet.position(), position);
/// assert_eq!(packet.messages().last(), Some(&b"second"[..]));
/// ```
#[derive(Debug)]
pub struct PacketWriter<'a> {
    buffer: &'a mut [u8],
    used: usize,
    count: u16,
    session: SessionId,
    position: Position,
}

impl<'a> PacketWriter<'a> {
    /// Begins a packet that stands at `position`; `buffer` is as long as the packet may become.
    ///
    /// # Panics
    ///
    /// When `buffer` is shorter than [`HEADER_BYTES`].
    #[must_use]
    pub fn new(buffer: &'a mut [u8], session: SessionId, position: Position) -> Self {
        assert!(
            buffer.len() >= HEADER_BYTES,
            "a packet needs room for its header"
        );
        Self {
            buffer,
            used: HEADER_BYTES,
            count: 0,
            session,
            position,
        }
    }

    /// Adds a message. Returns false, and adds nothing, when the packet is full or the payload would
    /// be longer than its length field can say.
    #[must_use]
    pub fn push(&mut self, message: &[u8]) -> bool {
        let payload_bytes = self.used - HEADER_BYTES + LENGTH_BYTES + message.len();
        if payload_bytes > usize::from(u16::MAX) {
            return false;
        }
        let Some(end) = blocks::put::<LittleEndian>(self.buffer, self.used, message) else {
            return false;
        };
        self.used = end;
        // A payload of 65,535 bytes has room for half as many messages.
        self.count += 1;
        true
    }

    /// Returns how many messages the packet has so far.
    #[must_use]
    pub const fn count(&self) -> u16 {
        self.count
    }

    /// Writes the header and returns the packet: a heartbeat where no message was pushed.
    #[must_use]
    pub fn finish(self) -> &'a [u8] {
        let payload_bytes = u16::try_from(self.used - HEADER_BYTES)
            .expect("invariant: push keeps the payload within 16 bits");
        let header = Header {
            version: VERSION,
            reserved: 0,
            protocol: U16::new(self.session.protocol as u16),
            channel: U32::new(self.session.channel),
            session: U32::new(self.session.session),
            payload_bytes: U16::new(payload_bytes),
            count: U16::new(self.count),
            stream_offset: U64::new(self.position.stream_offset),
            sequence: U64::new(self.position.sequence),
            sent_ns: U64::new(self.position.sent_ns),
        };
        self.buffer[..HEADER_BYTES].copy_from_slice(header.as_bytes());
        &self.buffer[..self.used]
    }
}

/// Writes a heartbeat, which tells that `position.sequence` comes next, and returns it.
///
/// # Panics
///
/// When `buffer` is shorter than [`HEADER_BYTES`].
pub fn heartbeat(buffer: &mut [u8], session: SessionId, position: Position) -> &[u8] {
    PacketWriter::new(buffer, session, position).finish()
}

#[cfg(test)]
mod tests;
