//! Owns MoldUDP64 1.00, NASDAQ's framing: packets of numbered messages.
//!
//! ```text
//!  0         10         18      20       22
//!  ├─────────┼──────────┼───────┼────────┼─────────┬── … ──┤   big-endian
//!  │ session │ sequence │ count │ length │ message │ more  │   length: of the message alone
//!  └─────────┴──────────┴───────┴────────┴─────────┴── … ──┘   sequence: of the first message
//! ```
//!
//! | count | meaning | sequence |
//! |---|---|---|
//! | 0 | heartbeat | the number that comes next |
//! | 1 to 0xFFFE | that many messages; an empty one spends a number too | of the first message |
//! | 0xFFFF | end of session | the number that would have come next |
//!
//! A request for missing messages is a header alone, with the first number and how many are wanted; the
//! answer is a packet like those of the lines, and may bring fewer.
//!
//! Knows nothing of what the messages say.

use super::blocks;
use super::protocol::{self, Fault, PacketKind, session_name};
use zerocopy::byteorder::BigEndian;
use zerocopy::byteorder::big_endian::{U16, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a packet's header.
pub const HEADER_BYTES: usize = size_of::<Header>();
/// Bytes of the length before each message.
pub const LENGTH_BYTES: usize = blocks::LENGTH_BYTES;
/// The count that says end of session.
const END_OF_SESSION: u16 = 0xffff;

/// The venue's name of a session, ASCII.
pub type SessionId = [u8; 10];

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Header {
    session: SessionId,
    sequence: U64,
    count: U16,
}

const _: () = assert!(HEADER_BYTES == 20);

/// A datagram that breaks the format. None of its messages can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedPacket {
    /// How.
    pub fault: Fault,
    /// Session, first number and count that the header claims, where there is a whole header.
    pub claim: Option<Claim>,
}

/// What a header names: what a broken datagram claims to bring, or a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Session.
    pub session: SessionId,
    /// Number of the first message.
    pub sequence: u64,
    /// How many messages; 0 for a heartbeat or an end of session.
    pub count: u16,
}

/// A well-formed packet, read in place.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    session: SessionId,
    sequence: u64,
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
    /// [`MalformedPacket`] when the messages do not fill the datagram exactly. A datagram that was cut
    /// inside its header has [`Fault::ShortHeader`].
    pub fn parse(bytes: &'a [u8], datagram_bytes: usize) -> Result<Self, MalformedPacket> {
        let Ok((header, blocks)) = Header::ref_from_prefix(bytes) else {
            return Err(MalformedPacket {
                fault: Fault::ShortHeader,
                claim: None,
            });
        };
        let (session, sequence) = (header.session, header.sequence.get());
        let kind_or_count = header.count.get();
        let count = if kind_or_count == END_OF_SESSION {
            0
        } else {
            kind_or_count
        };
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
        let whole = blocks::walk::<BigEndian>(blocks, blocks_bytes, count).map_err(malformed)?;
        Ok(Self {
            session,
            sequence,
            count: kind_or_count,
            whole,
            blocks,
        })
    }

    /// Returns what the packet is.
    #[must_use]
    pub const fn kind(&self) -> PacketKind {
        match self.count {
            0 => PacketKind::Heartbeat,
            END_OF_SESSION => PacketKind::EndOfSession,
            _ => PacketKind::Messages,
        }
    }

    /// Returns the session.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// Returns the number of the first message, or the one that comes next.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Returns how many numbers the packet spends: whole messages and cut ones.
    #[must_use]
    pub const fn count(&self) -> u16 {
        if self.count == END_OF_SESSION {
            0
        } else {
            self.count
        }
    }

    /// Returns the messages that are there as a whole, in order.
    #[must_use]
    pub const fn messages(&self) -> Messages<'a> {
        Messages::new(self.whole, self.blocks)
    }
}

impl<'a> From<Packet<'a>> for protocol::Packet<Messages<'a>> {
    #[inline(always)]
    fn from(packet: Packet<'a>) -> Self {
        Self {
            session: session_name(&packet.session),
            kind: packet.kind(),
            first: packet.sequence,
            count: u64::from(packet.count()),
            sent_ns: 0,
            messages: packet.messages(),
        }
    }
}

impl From<MalformedPacket> for protocol::Malformed {
    fn from(malformed: MalformedPacket) -> Self {
        Self {
            fault: malformed.fault,
            claim: malformed.claim.map(|claim| protocol::Claim {
                session: session_name(&claim.session),
                first: claim.sequence,
                count: u64::from(claim.count),
            }),
        }
    }
}

/// The messages of a packet, in order.
pub type Messages<'a> = blocks::Messages<'a, BigEndian>;

/// Writes one packet into a buffer of the caller's.
///
/// # Examples
///
/// ```
/// use ringtape::feed::moldudp64::{Packet, PacketWriter};
///
/// let mut buffer = [0; 64];
/// let mut writer = PacketWriter::new(&mut buffer, *b"000000001A", 7);
/// assert!(writer.push(b"first") && writer.push(b"second"));
/// let datagram = writer.finish();
/// let packet = Packet::parse(datagram, datagram.len()).expect("well-formed");
/// assert_eq!(packet.sequence(), 7);
/// assert_eq!(packet.messages().last(), Some(&b"second"[..]));
/// ```
#[derive(Debug)]
pub struct PacketWriter<'a> {
    buffer: &'a mut [u8],
    used: usize,
    header: Claim,
}

impl<'a> PacketWriter<'a> {
    /// Begins a packet whose first message is number `sequence`; `buffer` is as long as the packet
    /// may become.
    ///
    /// # Panics
    ///
    /// When `buffer` is shorter than [`HEADER_BYTES`].
    #[must_use]
    pub fn new(buffer: &'a mut [u8], session: SessionId, sequence: u64) -> Self {
        assert!(
            buffer.len() >= HEADER_BYTES,
            "a packet needs room for its header"
        );
        Self {
            buffer,
            used: HEADER_BYTES,
            header: Claim {
                session,
                sequence,
                count: 0,
            },
        }
    }

    /// Adds a message. Returns false, and adds nothing, when the packet is full or `message` is
    /// longer than its length field can say.
    #[must_use]
    pub fn push(&mut self, message: &[u8]) -> bool {
        if self.header.count == END_OF_SESSION - 1 {
            return false;
        }
        let Some(end) = blocks::put::<BigEndian>(self.buffer, self.used, message) else {
            return false;
        };
        self.used = end;
        self.header.count += 1;
        true
    }

    /// Returns how many messages the packet has so far.
    #[must_use]
    pub const fn count(&self) -> u16 {
        self.header.count
    }

    /// Writes the header and returns the packet: a heartbeat where no message was pushed.
    #[must_use]
    pub fn finish(self) -> &'a [u8] {
        let count = self.header.count;
        self.finish_as(count)
    }

    fn finish_as(self, count: u16) -> &'a [u8] {
        let Claim {
            session, sequence, ..
        } = self.header;
        let header = Header {
            session,
            sequence: U64::new(sequence),
            count: U16::new(count),
        };
        self.buffer[..HEADER_BYTES].copy_from_slice(header.as_bytes());
        &self.buffer[..self.used]
    }
}

/// Writes a heartbeat, which tells that `next` comes next, and returns it.
///
/// # Panics
///
/// When `buffer` is shorter than [`HEADER_BYTES`].
pub fn heartbeat(buffer: &mut [u8], session: SessionId, next: u64) -> &[u8] {
    PacketWriter::new(buffer, session, next).finish()
}

/// Writes an end of session, which tells that `next` would have come next, and returns it.
///
/// # Panics
///
/// When `buffer` is shorter than [`HEADER_BYTES`].
pub fn end_of_session(buffer: &mut [u8], session: SessionId, next: u64) -> &[u8] {
    PacketWriter::new(buffer, session, next).finish_as(END_OF_SESSION)
}

/// Writes a request for `count` messages from number `first` on, and returns it.
///
/// # Panics
///
/// When `buffer` is shorter than [`HEADER_BYTES`].
pub fn request(buffer: &mut [u8], session: SessionId, first: u64, count: u16) -> &[u8] {
    PacketWriter::new(buffer, session, first).finish_as(count)
}

/// Reads a request: session, first number and count. `None` for what is none.
#[must_use]
pub fn read_request(bytes: &[u8]) -> Option<Claim> {
    let header = Header::ref_from_bytes(bytes).ok()?;
    Some(Claim {
        session: header.session,
        sequence: header.sequence.get(),
        count: header.count.get(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: SessionId = *b"000010059B";

    fn packet(sequence: u64, messages: &[&[u8]]) -> Vec<u8> {
        let mut buffer = [0; 2048];
        let mut writer = PacketWriter::new(&mut buffer, SESSION, sequence);
        for message in messages {
            assert!(writer.push(message));
        }
        writer.finish().to_vec()
    }

    fn messages(bytes: &[u8], datagram_bytes: usize) -> Result<Vec<&[u8]>, Fault> {
        Packet::parse(bytes, datagram_bytes)
            .map(|packet| packet.messages().collect())
            .map_err(|malformed| malformed.fault)
    }

    #[test]
    fn the_bytes_of_a_packet_are_the_documented_layout() {
        let bytes = packet(0x0102_0304_0506_0708, &[b"A", b"", b"BC"]);
        assert_eq!(&bytes[..10], b"000010059B");
        assert_eq!(bytes[10..20], [1, 2, 3, 4, 5, 6, 7, 8, 0, 3]);
        assert_eq!(bytes[20..], [0, 1, b'A', 0, 0, 0, 2, b'B', b'C']);
    }

    #[test]
    fn a_packet_reads_back_what_was_written() {
        let bytes = packet(9, &[b"one", b"", b"three"]);
        let read = Packet::parse(&bytes, bytes.len()).unwrap();
        assert_eq!(read.kind(), PacketKind::Messages);
        assert_eq!(
            (read.session(), read.sequence(), read.count()),
            (SESSION, 9, 3)
        );
        assert_eq!(
            read.messages().collect::<Vec<_>>(),
            [&b"one"[..], b"", b"three"]
        );

        let mut buffer = [0; HEADER_BYTES];
        let beat = Packet::parse(heartbeat(&mut buffer, SESSION, 5), 20).unwrap();
        assert_eq!(
            (beat.kind(), beat.sequence(), beat.count()),
            (PacketKind::Heartbeat, 5, 0)
        );
        let end = end_of_session(&mut buffer, SESSION, u64::MAX);
        let end = Packet::parse(end, 20).unwrap();
        assert_eq!(
            (end.kind(), end.sequence()),
            (PacketKind::EndOfSession, u64::MAX)
        );
        assert_eq!((end.count(), end.messages().count()), (0, 0));
    }

    #[test]
    fn a_packet_whose_messages_do_not_fill_it_exactly_is_refused_by_name() {
        let good = packet(1, &[b"abc", b"de"]);
        for short in 0..HEADER_BYTES {
            assert_eq!(messages(&good[..short], short), Err(Fault::ShortHeader));
        }
        for short in HEADER_BYTES..good.len() {
            assert_eq!(messages(&good[..short], short), Err(Fault::BlockPastEnd));
        }
        let mut long = good.clone();
        long.push(0);
        assert_eq!(messages(&long, long.len()), Err(Fault::TrailingBytes));

        let mut overflow = good.clone();
        overflow[10..18].copy_from_slice(&(u64::MAX - 1).to_be_bytes());
        assert_eq!(
            messages(&overflow, overflow.len()),
            Err(Fault::SequenceOverflow)
        );
        let claim = Packet::parse(&overflow, overflow.len())
            .unwrap_err()
            .claim
            .unwrap();
        assert_eq!(
            (claim.session, claim.sequence, claim.count),
            (SESSION, u64::MAX - 1, 2)
        );

        let mut buffer = [0; 21];
        heartbeat(&mut buffer, SESSION, 5);
        assert_eq!(messages(&buffer, 21), Err(Fault::TrailingBytes));
        end_of_session(&mut buffer, SESSION, 5);
        assert_eq!(messages(&buffer, 21), Err(Fault::TrailingBytes));
    }

    #[test]
    fn a_cut_packet_keeps_its_whole_messages_and_knows_how_many_were_cut() {
        let all: [&[u8]; 3] = [b"abc", b"", b"de"];
        let wire = packet(1, &all);
        for kept in HEADER_BYTES..wire.len() {
            let read = Packet::parse(&wire[..kept], wire.len()).unwrap();
            let whole: Vec<_> = read.messages().collect();
            assert_eq!(whole, all[..whole.len()], "{kept} bytes kept");
            assert_eq!(read.count(), 3);
        }
        assert_eq!(
            Packet::parse(&wire[..27], wire.len())
                .unwrap()
                .messages()
                .count(),
            2
        );
        assert_eq!(
            Packet::parse(&wire[..26], wire.len())
                .unwrap()
                .messages()
                .count(),
            1
        );
    }

    #[test]
    fn a_cut_packet_cannot_claim_more_messages_than_the_datagram_had_room_for() {
        let mut wire = packet(1, &[b"abc", b"de"]);
        wire[18..20].copy_from_slice(&4u16.to_be_bytes());
        assert_eq!(messages(&wire[..22], wire.len()), Err(Fault::BlockPastEnd));
        wire[18..20].copy_from_slice(&3u16.to_be_bytes());
        assert_eq!(messages(&wire[..22], wire.len()), Ok(vec![]));
    }

    #[test]
    fn a_full_packet_takes_no_more_and_stays_as_it_was() {
        let mut buffer = [0; HEADER_BYTES + 5];
        let mut writer = PacketWriter::new(&mut buffer, SESSION, 1);
        assert!(writer.push(b"abc"));
        assert!(!writer.push(b""));
        assert_eq!(writer.count(), 1);
        assert_eq!(
            messages(writer.finish(), HEADER_BYTES + 5),
            Ok(vec![&b"abc"[..]])
        );

        let mut buffer = vec![0; 200_000];
        let mut writer = PacketWriter::new(&mut buffer, SESSION, 1);
        assert!(!writer.push(&[0; 65_536]));
        while writer.push(b"") {}
        assert_eq!(writer.count(), 0xfffe);
        assert_eq!(
            messages(writer.finish(), HEADER_BYTES + 2 * 0xfffe)
                .unwrap()
                .len(),
            0xfffe
        );
    }
}
