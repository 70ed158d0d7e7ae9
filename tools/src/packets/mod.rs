//! Owns the packets that a file is played as.
//!
//! `play` sends them and `inspect` decodes them, so that what the one prints about a file is what
//! the other makes a receiver see. A capture keeps its own packets, session and numbers; of the
//! copies that several lines brought, the first is taken. A BinaryFILE has no transport: its
//! messages are numbered from 1 in session [`DEFAULT_SESSION`].
//!
//! A journal is played from its events ([`Tape`]), with the session and numbers that the venue gave
//! them.
//!
//! What is counted on the way stands in [`Tally`]. How packets are sent (`play`) and what their
//! messages mean (the library's feed) is not known here.

mod framing;
mod lines;
mod protocol;
mod ranges;
mod tally;
mod tape;
mod transport;

use self::framing::Framing;
use self::transport::Transport;
use crate::source::{End, Format, Item, Source};
use ringtape::feed::moldudp64::SessionId;

pub use self::lines::{LineTally, Skew};
pub use self::protocol::LineProtocol;
pub use self::ranges::Ranges;
pub use self::tally::{SessionTally, Tally, by_letter};
pub(crate) use self::tape::feeds_text;
pub use self::tape::{Tape, Unsent};

/// Name that the session gets where the file has none.
pub const DEFAULT_SESSION: SessionId = *b"RINGTAPE01";

/// A packet to play.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// When it is due: capture time in UNIX nanoseconds, or venue time since midnight where the
    /// file is a BinaryFILE. Only differences are comparable between the two.
    pub ts_ns: u64,
    /// Which of [`Tally::sessions`] it belongs to.
    pub session: usize,
    /// Number of its first message, or the one that comes next where it has none.
    pub first: u64,
    /// How many numbers it spends; 0 for a heartbeat or the end of a session, but not for CME's.
    pub count: u64,
    /// How many messages it has: as many as numbers, where messages are numbered.
    pub messages: u64,
    /// The whole packet.
    pub bytes: &'a [u8],
}

/// The packets of a source.
#[derive(Debug)]
pub struct Packets {
    source: Source,
    substitute: SessionId,
    tally: Tally,
    buffer: Vec<u8>,
    framing: Framing,
    transport: Transport,
}

/// A packet without its bytes.
#[derive(Clone, Copy, Debug)]
struct Head {
    ts_ns: u64,
    session: usize,
    first: u64,
    count: u64,
    messages: u64,
}

impl Head {
    fn with(self, bytes: &[u8]) -> Packet<'_> {
        let Self {
            ts_ns,
            session,
            first,
            count,
            messages,
        } = self;
        Packet {
            ts_ns,
            session,
            first,
            count,
            messages,
            bytes,
        }
    }
}

impl Packets {
    /// Takes the packets from `source`; `substitute` names the session of those that have none.
    #[must_use]
    pub fn new(source: Source, substitute: SessionId) -> Self {
        Self {
            source,
            substitute,
            tally: Tally::default(),
            buffer: Vec::new(),
            framing: Framing::default(),
            transport: Transport::default(),
        }
    }

    /// Returns the next packet; `None` at the end of the file.
    pub fn read(&mut self) -> Option<Packet<'_>> {
        let head = if self.source.format() == Format::Itch50BinaryFile {
            let Self {
                source,
                substitute,
                tally,
                buffer,
                framing,
                ..
            } = self;
            framing.next(source, tally, *substitute, buffer)?
        } else {
            self.read_capture()?
        };
        Some(head.with(&self.buffer))
    }

    /// Returns the bytes of the packet that was read last.
    #[must_use]
    pub fn current(&self) -> &[u8] {
        &self.buffer
    }

    fn read_capture(&mut self) -> Option<Head> {
        loop {
            let Some(item) = self.source.read() else {
                self.transport.settle(&mut self.tally);
                return None;
            };
            let Item::Datagram(datagram) = item else {
                continue;
            };
            let (tally, buffer) = (&mut self.tally, &mut self.buffer);
            let head = self
                .transport
                .take(datagram, tally, self.substitute, buffer);
            if head.is_some() {
                return head;
            }
        }
    }

    /// Returns the file that the packets come from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Returns what was counted so far; complete once [`Packets::read`] returned `None`.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Returns the name that reports give the feed in the file.
    #[must_use]
    pub fn feed(&self) -> &'static str {
        if self.source.format() == Format::Itch50BinaryFile {
            return "nasdaq-itch50";
        }
        let tally = &self.tally;
        match tally.protocols()[..] {
            [] => "unknown",
            [LineProtocol::MoldUdp64] if tally.messages == 0 => "moldudp64",
            [LineProtocol::MoldUdp64] if !tally.is_known() => "moldudp64/unknown",
            [protocol] => protocol.name(),
            _ => "several",
        }
    }

    /// Tells how reading ended, with what the packets make worth knowing.
    #[must_use]
    pub fn end(&self) -> End {
        let mut end = self.source.end();
        end.notes.extend(self.tally.notes());
        end
    }
}
