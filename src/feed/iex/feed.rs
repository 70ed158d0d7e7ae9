//! Owns the IEX feed: IEX-TP with TOPS 1.6 or DEEP 1.0, arbitrated.

use super::{Decoder, RECORDS_MAX, is_sound};
use crate::error::Result;
use crate::feed::blocks;
use crate::feed::iextp::{self, Messages, SessionId};
use crate::feed::{
    ArbitratedFeed, Decode, FeedConfig, FeedCounters, Malformed, MalformedMessage, Message, Packet,
    Protocol, SessionName,
};
use crate::market::MarketEvent;
use crate::record::Batch;
use std::cell::Cell;
use std::sync::Arc;

/// IEX on one or more lines: IEX-TP, TOPS 1.6 or DEEP 1.0 inside.
///
/// A feed follows one of the two, because their packets are of different sessions
/// ([`SessionId::name`]): the first that comes, or the one that the configuration names.
///
/// # Examples
///
/// ```
/// use ringtape::feed::iextp::{MessageProtocol, PacketWriter, Position, SessionId};
/// use ringtape::feed::{Arrival, Feed, FeedConfig, IexFeed};
/// use ringtape::record::Batch;
///
/// let mut feed = IexFeed::new(FeedConfig::default())?;
/// let mut out = Batch::with_capacity(feed.records_max(1500));
///
/// let session = SessionId { protocol: MessageProtocol::Tops16, channel: 1, session: 7 };
/// let mut buffer = [0; 1500];
/// let first = Position { sequence: 1, stream_offset: 0, sent_ns: 5 };
/// let mut packet = PacketWriter::new(&mut buffer, session, first);
/// assert!(packet.push(b"SO\x05\0\0\0\0\0\0\0")); // a system event at nanosecond 5
/// let bytes = packet.finish();
///
/// for line in [0, 1] {
///     let datagram_bytes = bytes.len();
///     feed.on_datagram(Arrival { line, bytes, datagram_bytes, ts_recv_ns: 5, seen_ns: 5 }, &mut out);
/// }
/// assert_eq!(out.records().len(), 2); // the start of the session, and one event
/// assert_eq!(feed.ledger().lines()[1].duplicates, 1);
/// assert!(feed.ledger().closes());
/// # Ok::<(), ringtape::error::Error>(())
/// ```
pub type IexFeed = ArbitratedFeed<Iex>;

/// IEX-TP with TOPS 1.6 or DEEP 1.0 inside.
#[derive(Debug)]
pub struct Iex {
    decoder: Decoder,
    counters: Arc<FeedCounters>,
    /// The session of the last packet and its name, which costs more than the rest of the header.
    named: Cell<Option<(SessionId, SessionName)>>,
}

impl Iex {
    #[inline(always)]
    fn name(&self, session: SessionId) -> SessionName {
        match self.named.get() {
            Some((known, name)) if known == session => name,
            _ => {
                let name = session.name();
                self.named.set(Some((session, name)));
                name
            }
        }
    }
}

impl Protocol for Iex {
    type Messages<'a> = Messages<'a>;

    const HELD_BYTES: usize = 116;

    /// There is no end of session on the wire. TOPS and DEEP do not take each other's place.
    fn succeeds(next: SessionName, present: SessionName) -> bool {
        next[0] == present[0]
    }

    fn open(config: &FeedConfig, counters: Arc<FeedCounters>) -> Result<Self> {
        Ok(Self {
            decoder: Decoder::new(config.id),
            counters,
            named: Cell::new(None),
        })
    }

    #[inline(always)]
    fn parse<'a>(
        &self,
        bytes: &'a [u8],
        datagram_bytes: usize,
    ) -> Result<Packet<Messages<'a>>, Malformed> {
        let packet = iextp::Packet::parse(bytes, datagram_bytes)?;
        Ok(packet.named(self.name(packet.session())))
    }

    fn message_records_max(_: usize) -> usize {
        RECORDS_MAX
    }

    fn datagram_records_max(datagram_bytes: usize) -> usize {
        blocks::records_max(datagram_bytes)
    }

    fn publish(&self) {
        self.counters.events.set(self.decoder.events());
        self.counters.instruments.set(self.decoder.instruments());
    }
}

impl Decode for Iex {
    type Event = MarketEvent;

    fn is_sound(&self, bytes: &[u8]) -> bool {
        is_sound(bytes)
    }

    fn decode(
        &mut self,
        message: Message<'_>,
        out: &mut Batch<MarketEvent>,
    ) -> Result<(), MalformedMessage> {
        let decoded = self.decoder.decode(message, out)?;
        decoded.count(message.bytes, &self.counters);
        Ok(())
    }
}
