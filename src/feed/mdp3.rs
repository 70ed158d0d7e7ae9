//! Owns CME's MDP 3.0 framing: numbered packets of SBE messages.
//!
//! ```text
//!  0          4         12     14           16         18       20        22
//!  ├──────────┼─────────┼──────┼────────────┼──────────┼────────┼─────────┼── … ──┬── … ──┤
//!  │ sequence │ sent_ns │ size │ root block │ template │ schema │ version │ body  │ more  │
//!  └──────────┴─────────┴──────┴────────────┴──────────┴────────┴─────────┴── … ──┴── … ──┘
//!  little-endian; size: of the message with its 10 bytes of header; root block: bytes of the body
//!  before its repeating groups
//! ```
//!
//! The venue numbers *packets*: each spends one number, whatever it brings. There is no end of
//! session and no heartbeat on the wire that tells the next number: an idle channel sends packets
//! with a message of template 12, which spend numbers like any other.
//!
//! Knows nothing of what the messages say.

use super::protocol::{self, Claim, Fault, PacketKind, SessionName, session_name};
use zerocopy::byteorder::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a packet's header.
pub const HEADER_BYTES: usize = size_of::<Header>();
/// Bytes of a message's header, its size among them.
pub const MESSAGE_HEADER_BYTES: usize = size_of::<MessageHeader>();
/// The name that the one session of a channel has in records: the venue gives none.
pub const SESSION: SessionName = session_name(b"mdp3");

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Header {
    sequence: U32,
    sent_ns: U64,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct MessageHeader {
    size: U16,
    root_bytes: U16,
    template: U16,
    schema: U16,
    version: U16,
}

const _: () = assert!(HEADER_BYTES == 12);
const _: () = assert!(MESSAGE_HEADER_BYTES == 10);

/// A datagram that breaks the format. None of its messages can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedPacket {
    /// How.
    pub fault: Fault,
    /// The number that the header claims, where there is a whole header.
    pub sequence: Option<u32>,
}

impl From<MalformedPacket> for protocol::Malformed {
    fn from(malformed: MalformedPacket) -> Self {
        Self {
            fault: malformed.fault,
            claim: malformed.sequence.map(|sequence| Claim {
                session: SESSION,
                first: sequence.into(),
                count: 1,
            }),
        }
    }
}

/// A well-formed packet, read in place.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    sequence: u32,
    sent_ns: u64,
    bytes: &'a [u8],
    whole: bool,
}

impl<'a> Packet<'a> {
    /// Checks a datagram from its header to its last byte, before anything of it is used.
    /// `datagram_bytes` is how long it was on the wire: where that is more than `bytes`, the packet
    /// has the messages that are there as a whole.
    ///
    /// Hot path: no allocation, no system call, O(messages).
    ///
    /// # Errors
    ///
    /// [`MalformedPacket`] when the messages do not fill the datagram exactly. A datagram that was
    /// cut inside its header has [`Fault::ShortHeader`].
    pub fn parse(bytes: &'a [u8], datagram_bytes: usize) -> Result<Self, MalformedPacket> {
        let Ok((header, blocks)) = Header::ref_from_prefix(bytes) else {
            return Err(MalformedPacket {
                fault: Fault::ShortHeader,
                sequence: None,
            });
        };
        let sequence = header.sequence.get();
        let blocks_bytes = datagram_bytes.max(bytes.len()) - HEADER_BYTES;
        check(blocks, blocks_bytes).map_err(|fault| MalformedPacket {
            fault,
            sequence: Some(sequence),
        })?;
        Ok(Self {
            sequence,
            sent_ns: header.sent_ns.get(),
            bytes,
            whole: blocks.len() == blocks_bytes,
        })
    }

    /// Returns the packet's number.
    #[must_use]
    pub const fn sequence(&self) -> u32 {
        self.sequence
    }

    /// Returns when the venue sent it, UNIX nanoseconds.
    #[must_use]
    pub const fn sent_ns(&self) -> u64 {
        self.sent_ns
    }

    /// Returns whether nothing of it was cut.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.whole
    }

    /// Returns the messages that are there as a whole, in order.
    #[must_use]
    pub fn messages(&self) -> Messages<'a> {
        Messages {
            blocks: &self.bytes[HEADER_BYTES..],
        }
    }
}

impl<'a> From<Packet<'a>> for protocol::Packet<std::option::IntoIter<&'a [u8]>> {
    #[inline(always)]
    fn from(packet: Packet<'a>) -> Self {
        Self {
            session: SESSION,
            kind: PacketKind::Messages,
            first: packet.sequence.into(),
            count: 1,
            sent_ns: packet.sent_ns,
            messages: packet.whole.then_some(packet.bytes).into_iter(),
        }
    }
}

/// Sees that messages fill `blocks` exactly, which is `blocks_bytes` long, or was before it was cut.
fn check(blocks: &[u8], blocks_bytes: usize) -> Result<(), Fault> {
    let mut at = 0;
    while at < blocks_bytes {
        if blocks_bytes - at < MESSAGE_HEADER_BYTES {
            return Err(Fault::TrailingBytes);
        }
        let Some(&[low, high]) = blocks.get(at..at + 2) else {
            // Cut before this message's size: what came behind is not known.
            return Ok(());
        };
        let size = usize::from(u16::from_le_bytes([low, high]));
        if size < MESSAGE_HEADER_BYTES || size > blocks_bytes - at {
            return Err(Fault::BlockPastEnd);
        }
        at += size;
    }
    Ok(())
}

/// One SBE message, read in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Which layout it has.
    pub template: u16,
    /// Whose templates these are; 1 for CME's market data.
    pub schema: u16,
    /// The version of the schema that the sender has.
    pub version: u16,
    /// Bytes of the body before its repeating groups.
    pub root_bytes: u16,
    /// The whole message from its size on.
    pub bytes: &'a [u8],
}

impl<'a> Message<'a> {
    /// Returns what is behind the header.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.bytes.get(MESSAGE_HEADER_BYTES..).unwrap_or_default()
    }
}

/// The messages of a packet that are there as a whole, in order.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    blocks: &'a [u8],
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let (header, _) = MessageHeader::ref_from_prefix(self.blocks).ok()?;
        let (bytes, rest) = self
            .blocks
            .split_at_checked(usize::from(header.size.get()))?;
        self.blocks = rest;
        Some(Message {
            template: header.template.get(),
            schema: header.schema.get(),
            version: header.version.get(),
            root_bytes: header.root_bytes.get(),
            bytes,
        })
    }
}

/// Writes one packet into a buffer of the caller's.
///
/// # Examples
///
/// ```
/// use ringtape::feed::mdp3::{Packet, PacketWriter};
///
/// let mut buffer = [0; 64];
/// let mut writer = PacketWriter::new(&mut buffer, 7, 1_700_000_000_000_000_000);
/// assert!(writer.push(12, 9, 0, b"")); // a message of template 12, version 9, without a body
/// let datagram = writer.finish();
/// let packet = Packet::parse(datagram, datagram.len()).expect("well-formed");
/// assert_eq!((packet.sequence(), packet.messages().count()), (7, 1));
/// ```
#[derive(Debug)]
pub struct PacketWriter<'a> {
    buffer: &'a mut [u8],
    used: usize,
}

impl<'a> PacketWriter<'a> {
    /// Begins packet number `sequence`, sent at `sent_ns`; `buffer` is as long as the packet may
    /// become.
    ///
    /// # Panics
    ///
    /// When `buffer` is shorter than [`HEADER_BYTES`].
    #[must_use]
    pub fn new(buffer: &'a mut [u8], sequence: u32, sent_ns: u64) -> Self {
        assert!(
            buffer.len() >= HEADER_BYTES,
            "a packet needs room for its header"
        );
        let header = Header {
            sequence: U32::new(sequence),
            sent_ns: U64::new(sent_ns),
        };
        buffer[..HEADER_BYTES].copy_from_slice(header.as_bytes());
        Self {
            buffer,
            used: HEADER_BYTES,
        }
    }

    /// Adds a message of CME's schema, whose `body` begins with a block of `root_bytes`. Returns
    /// false, and adds nothing, when the packet is full or the message is longer than its size can
    /// say.
    #[must_use]
    pub fn push(&mut self, template: u16, version: u16, root_bytes: u16, body: &[u8]) -> bool {
        let Ok(size) = u16::try_from(MESSAGE_HEADER_BYTES + body.len()) else {
            return false;
        };
        let end = self.used + usize::from(size);
        if end > self.buffer.len() {
            return false;
        }
        let header = MessageHeader {
            size: U16::new(size),
            root_bytes: U16::new(root_bytes),
            template: U16::new(template),
            schema: U16::new(1),
            version: U16::new(version),
        };
        let (head, rest) = self.buffer[self.used..end].split_at_mut(MESSAGE_HEADER_BYTES);
        head.copy_from_slice(header.as_bytes());
        rest.copy_from_slice(body);
        self.used = end;
        true
    }

    /// Returns the packet. One without a message spends its number all the same.
    #[must_use]
    pub fn finish(self) -> &'a [u8] {
        &self.buffer[..self.used]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(bodies: &[&[u8]]) -> Vec<u8> {
        let mut buffer = [0; 2048];
        let mut writer = PacketWriter::new(&mut buffer, 0x0403_0201, 0x0c0b_0a09_0807_0605);
        for body in bodies {
            assert!(writer.push(0x0f0e, 9, 1, body));
        }
        writer.finish().to_vec()
    }

    fn fault(bytes: &[u8], datagram_bytes: usize) -> Result<usize, Fault> {
        Packet::parse(bytes, datagram_bytes)
            .map(|packet| packet.messages().count())
            .map_err(|malformed| malformed.fault)
    }

    #[test]
    fn the_bytes_of_a_packet_are_the_documented_layout() {
        let bytes = packet(&[b"\xaa", b""]);
        assert_eq!(bytes[..12], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(bytes[12..23], [11, 0, 1, 0, 0x0e, 0x0f, 1, 0, 9, 0, 0xaa]);
        assert_eq!(bytes[23..], [10, 0, 1, 0, 0x0e, 0x0f, 1, 0, 9, 0]);
        let read = Packet::parse(&bytes, bytes.len()).unwrap();
        assert_eq!(
            (read.sequence(), read.sent_ns()),
            (0x0403_0201, 0x0c0b_0a09_0807_0605)
        );
        let message = read.messages().next().unwrap();
        assert_eq!(
            (message.template, message.schema, message.version),
            (0x0f0e, 1, 9)
        );
        assert_eq!((message.root_bytes, message.body()), (1, &b"\xaa"[..]));
    }

    #[test]
    fn a_packet_whose_messages_do_not_fill_it_exactly_is_refused_by_name() {
        let good = packet(&[b"abc", b"de"]);
        assert_eq!(good.len(), 12 + 13 + 12);
        for short in 0..HEADER_BYTES {
            assert_eq!(fault(&good[..short], short), Err(Fault::ShortHeader));
        }
        for short in HEADER_BYTES..=good.len() {
            let expected = match short {
                12 => Ok(0),
                25 => Ok(1),
                37 => Ok(2),
                13..22 | 26..35 => Err(Fault::TrailingBytes),
                _ => Err(Fault::BlockPastEnd),
            };
            assert_eq!(fault(&good[..short], short), expected, "{short}");
        }
        let mut small = good.clone();
        for size in 0..10 {
            small[12] = size;
            assert_eq!(fault(&small, small.len()), Err(Fault::BlockPastEnd));
        }
        let malformed = Packet::parse(&small, small.len()).unwrap_err();
        assert_eq!(malformed.sequence, Some(0x0403_0201));
    }

    #[test]
    fn a_cut_packet_is_one_number_without_a_message() {
        let wire = packet(&[b"abc", b"de"]);
        for kept in HEADER_BYTES..wire.len() {
            let read = Packet::parse(&wire[..kept], wire.len()).unwrap();
            assert_eq!(read.messages().count(), usize::from(kept >= 25));
            let packet = protocol::Packet::from(read);
            assert_eq!((packet.first, packet.count), (0x0403_0201, 1));
            assert_eq!(packet.messages.count(), 0);
        }
        let packet = protocol::Packet::from(Packet::parse(&wire, wire.len()).unwrap());
        assert_eq!(packet.messages.collect::<Vec<_>>(), [&wire[..]]);
        let mut wrong = wire.clone();
        wrong[12] = 26;
        assert_eq!(fault(&wrong[..20], wrong.len()), Err(Fault::BlockPastEnd));
    }

    #[test]
    fn a_full_packet_takes_no_more_and_stays_as_it_was() {
        let mut buffer = [0; HEADER_BYTES + 13];
        let mut writer = PacketWriter::new(&mut buffer, 1, 2);
        assert!(!writer.push(12, 9, 0, b"abcd"));
        assert!(writer.push(12, 9, 0, b"abc"));
        assert!(!writer.push(12, 9, 0, b""));
        assert_eq!(fault(writer.finish(), 25), Ok(1));
        let mut buffer = vec![0; 70_000];
        let mut writer = PacketWriter::new(&mut buffer, 1, 2);
        assert!(!writer.push(12, 9, 0, &[0; 65_526]));
        assert!(writer.push(12, 9, 0, &[0; 65_525]));
    }
}
