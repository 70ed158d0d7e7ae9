//! Owns the NASDAQ feed: MoldUDP64 and ITCH 5.0, arbitrated.

use super::blocks;
use super::moldudp64::{self, Messages};
use super::{
    ArbitratedFeed, Decode, FeedConfig, FeedCounters, Malformed, MalformedMessage, Message, Packet,
    Protocol, REQUEST_BYTES_MAX, SessionName, itch,
};
use crate::error::Result;
use crate::market::MarketEvent;
use crate::record::Batch;
use std::sync::Arc;

/// NASDAQ TotalView: MoldUDP64 on one or more lines, ITCH 5.0 inside.
///
/// # Examples
///
/// ```
/// use ringtape::feed::{Arrival, Feed, FeedConfig, NasdaqFeed, itch, moldudp64::PacketWriter};
/// use ringtape::record::Batch;
///
/// let mut feed = NasdaqFeed::new(FeedConfig::default())?;
/// let mut out = Batch::with_capacity(feed.records_max(1500));
///
/// let mut buffer = [0; 1500];
/// let mut packet = PacketWriter::new(&mut buffer, *b"000000001A", 1);
/// let head = itch::encode::Head { locate: 0, tracking: 0, since_midnight_ns: 1 };
/// assert!(packet.push(&itch::encode::system_event(head, b'O')));
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
pub type NasdaqFeed = ArbitratedFeed<Nasdaq>;

/// MoldUDP64 with ITCH 5.0 inside.
#[derive(Debug)]
pub struct Nasdaq {
    decoder: itch::Decoder,
    counters: Arc<FeedCounters>,
}

impl Protocol for Nasdaq {
    type Messages<'a> = Messages<'a>;

    const HELD_BYTES: usize = 116;

    const REREQUESTS: bool = true;

    fn request(
        session: SessionName,
        first: u64,
        count: u16,
        buffer: &mut [u8; REQUEST_BYTES_MAX],
    ) -> &[u8] {
        let session = session
            .first_chunk()
            .expect("invariant: ten of sixteen bytes");
        moldudp64::request(buffer, *session, first, count)
    }

    fn open(config: &FeedConfig, counters: Arc<FeedCounters>) -> Result<Self> {
        Ok(Self {
            decoder: itch::Decoder::new(config.id, config.midnight_ns),
            counters,
        })
    }

    #[inline(always)]
    fn parse<'a>(
        &self,
        bytes: &'a [u8],
        datagram_bytes: usize,
    ) -> Result<Packet<Messages<'a>>, Malformed> {
        moldudp64::Packet::parse(bytes, datagram_bytes)
            .map(Packet::from)
            .map_err(Malformed::from)
    }

    fn message_records_max(_: usize) -> usize {
        itch::RECORDS_MAX
    }

    fn datagram_records_max(datagram_bytes: usize) -> usize {
        blocks::records_max(datagram_bytes)
    }

    fn publish(&self) {
        self.counters.events.set(self.decoder.events());
        self.counters.instruments.set(self.decoder.instruments());
    }
}

impl Decode for Nasdaq {
    type Event = MarketEvent;

    fn is_sound(&self, bytes: &[u8]) -> bool {
        itch::is_sound(bytes)
    }

    // Inlined where messages arrive in order. `cargo bench --bench decode` (feed) compares.
    #[inline(always)]
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
