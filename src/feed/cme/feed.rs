//! Owns the CME feed: MDP 3.0 with CME's templates, arbitrated.

use super::{Decoder, PACKET_BYTES_MAX, is_sound, records_max};
use crate::error::{Error, Result};
use crate::feed::{
    ArbitratedFeed, Decode, FeedConfig, FeedCounters, Malformed, MalformedMessage, Message, Packet,
    Protocol, mdp3,
};
use crate::market::MarketEvent;
use crate::record::Batch;
use std::sync::Arc;

/// CME MDP 3.0 on one or more lines: one channel's incremental feed, or its snapshots.
///
/// # Examples
///
/// ```
/// use ringtape::feed::{Arrival, CmeFeed, Feed, FeedConfig, mdp3::PacketWriter};
/// use ringtape::record::Batch;
///
/// let mut feed = CmeFeed::new(FeedConfig::default())?;
/// let mut out = Batch::with_capacity(feed.records_max(1500));
///
/// let mut buffer = [0; 1500];
/// let mut packet = PacketWriter::new(&mut buffer, 1, 5);
/// let reset = [5, 0, 0, 0, 0, 0, 0, 0, 0x80, /* group */ 2, 0, 1, /* channel */ 54, 1];
/// assert!(packet.push(4, 9, 9, &reset));
/// let bytes = packet.finish();
///
/// for line in [0, 1] {
///     let datagram_bytes = bytes.len();
///     feed.on_datagram(Arrival { line, bytes, datagram_bytes, ts_recv_ns: 5, seen_ns: 5 }, &mut out);
/// }
/// assert_eq!(out.records().len(), 2); // the start of the session, and one event
/// assert_eq!(feed.ledger().lines()[1].duplicates, 1);
/// assert_eq!(feed.ledger().messages_by_type[4], 1);
/// assert!(feed.ledger().closes());
/// # Ok::<(), ringtape::error::Error>(())
/// ```
pub type CmeFeed = ArbitratedFeed<Cme>;

/// MDP 3.0 with CME's templates inside.
#[derive(Debug)]
pub struct Cme {
    decoder: Decoder,
    counters: Arc<FeedCounters>,
}

impl Protocol for Cme {
    type Messages<'a> = std::option::IntoIter<&'a [u8]>;

    const HELD_BYTES: usize = PACKET_BYTES_MAX;

    fn open(config: &FeedConfig, counters: Arc<FeedCounters>) -> Result<Self> {
        if config
            .session
            .is_some_and(|session| session != mdp3::SESSION)
        {
            return Err(Error::config(
                format!("feed {}: session of an MDP 3.0 channel", config.name),
                "leave it out: the venue names none",
            ));
        }
        Ok(Self {
            decoder: Decoder::new(config.id),
            counters,
        })
    }

    #[inline(always)]
    fn parse<'a>(
        &self,
        bytes: &'a [u8],
        datagram_bytes: usize,
    ) -> Result<Packet<Self::Messages<'a>>, Malformed> {
        mdp3::Packet::parse(bytes, datagram_bytes)
            .map(Packet::from)
            .map_err(Malformed::from)
    }

    fn message_records_max(message_bytes: usize) -> usize {
        records_max(message_bytes)
    }

    fn datagram_records_max(datagram_bytes: usize) -> usize {
        records_max(datagram_bytes)
    }

    fn publish(&self) {
        self.counters.events.set(self.decoder.events());
        self.counters.book_breaks.set(self.decoder.book_breaks());
        self.counters
            .untracked_updates
            .set(self.decoder.untracked_updates());
    }
}

impl Decode for Cme {
    type Event = MarketEvent;

    fn is_sound(&self, bytes: &[u8]) -> bool {
        is_sound(bytes)
    }

    fn decode(
        &mut self,
        message: Message<'_>,
        out: &mut Batch<MarketEvent>,
    ) -> std::result::Result<(), MalformedMessage> {
        self.decoder.decode(message, out, &self.counters)
    }
}
