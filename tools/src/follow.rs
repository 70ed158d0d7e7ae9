//! Owns the way from the packets of a file to the records that a handler would be given of them,
//! if the file were played without loss.

use crate::new_york::{self, UNIX_NS_MIN};
use crate::packets::{LineProtocol, SessionTally};
use crate::source::Format;
use crate::trading_date::TradingDate;
use anyhow::{Context as _, Result};
use ringtape::feed::moldudp64::{self, HEADER_BYTES};
use ringtape::feed::{Arrival, Feed, FeedConfig};
use ringtape::market::MarketEvent;
use ringtape::record::{Batch, Record, Sequence};
use std::fmt;

/// Bytes of the largest datagram over IPv4.
const DATAGRAM_BYTES_MAX: usize = 65_507;
/// Calls of the feed between two that hand records out: time passes, a datagram comes, it closes.
const CALLS_MAX: usize = 3;

/// What the times of a file's packets count from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calendar {
    format: Format,
    date: Option<TradingDate>,
    /// Of the date: the time zone is not asked for each packet.
    midnight_ns: Option<u64>,
}

impl Calendar {
    /// Makes the calendar of a file; `date` is the trading date, where the user gave one.
    ///
    /// # Errors
    ///
    /// For a date that cannot be counted from: before hours of reading.
    pub(crate) fn new(format: Format, date: Option<TradingDate>) -> Result<Self> {
        Ok(Self {
            format,
            date,
            midnight_ns: date.map(TradingDate::midnight_ns).transpose()?,
        })
    }

    /// Returns what the file's event times count from, in UNIX nanoseconds, or 0 where the day is
    /// not known. That of a capture is the day of its first packet.
    pub(crate) fn midnight_ns(&mut self, packet_ns: u64) -> Result<u64> {
        if let Some(midnight_ns) = self.midnight_ns {
            return Ok(midnight_ns);
        }
        let date = match self.format {
            Format::Pcap | Format::PcapNg if packet_ns >= UNIX_NS_MIN => {
                TradingDate::Known(new_york::date(packet_ns))
            }
            _ => TradingDate::Unknown,
        };
        let midnight_ns = date.midnight_ns()?;
        (self.date, self.midnight_ns) = (Some(date), Some(midnight_ns));
        Ok(midnight_ns)
    }

    /// Returns the receive time of a packet: when it was captured, or the venue's time where there
    /// was no capture.
    pub(crate) fn recv_ns(&self, packet_ns: u64, midnight_ns: u64) -> u64 {
        match self.format {
            Format::Itch50BinaryFile => midnight_ns.saturating_add(packet_ns),
            Format::Pcap | Format::PcapNg => packet_ns,
        }
    }

    /// Returns the trading date, once there was a packet.
    pub(crate) fn date(&self) -> Option<TradingDate> {
        self.date
    }
}

/// Follows one session, as the feed of a pipeline does that leaves everything at its defaults but
/// its number and the trading date. Hold times pass in capture time.
pub(crate) struct Follower {
    feed: Box<dyn Feed<MarketEvent>>,
    batch: Batch<MarketEvent>,
    time_ns: u64,
}

impl Follower {
    /// Starts to follow a session of a protocol as feed number `feed`; event times count from
    /// `midnight_ns`, and the first record gets the number `first`.
    pub(crate) fn new(
        protocol: LineProtocol,
        feed: u8,
        midnight_ns: u64,
        first: Sequence,
    ) -> Result<Self> {
        let config = FeedConfig {
            id: feed,
            name: "file".to_owned(),
            lines: vec!["A".to_owned()],
            // Where a capture is silent, `play` sends heartbeats.
            silence_ns: 0,
            midnight_ns,
            ..FeedConfig::default()
        };
        let feed = protocol.feed(config).context("cannot decode the file")?;
        let capacity = CALLS_MAX * feed.records_max(DATAGRAM_BYTES_MAX);
        Ok(Self {
            batch: Batch::starting_at(first, capacity),
            feed,
            time_ns: 0,
        })
    }

    /// Takes the next packet; returns the records that it brought.
    pub(crate) fn follow(&mut self, packet: &[u8], recv_ns: u64) -> &[Record<MarketEvent>] {
        self.batch.clear();
        self.take(packet, recv_ns);
        self.batch.records()
    }

    /// Ends the session as `play` does, where the protocol has an end; returns the last records.
    pub(crate) fn end(&mut self, session: &SessionTally) -> &[Record<MarketEvent>] {
        self.batch.clear();
        if session.protocol == LineProtocol::MoldUdp64 {
            let mut packet = [0; HEADER_BYTES];
            let end = moldudp64::end_of_session(&mut packet, session.wire_name, session.next);
            self.take(end, self.time_ns);
        }
        self.feed.close(self.time_ns, &mut self.batch);
        self.batch.records()
    }

    /// Returns how many instruments have a name.
    pub(crate) fn instruments(&self) -> u64 {
        self.feed.ledger().instruments
    }

    fn take(&mut self, packet: &[u8], recv_ns: u64) {
        // Capture times may step back; a feed's time does not.
        self.time_ns = self.time_ns.max(recv_ns);
        self.feed.on_time(self.time_ns, &mut self.batch);
        let arrival = Arrival {
            line: 0,
            bytes: packet,
            datagram_bytes: packet.len(),
            ts_recv_ns: recv_ns,
            seen_ns: self.time_ns,
        };
        self.feed.on_datagram(arrival, &mut self.batch);
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower")
            .field("feed", &self.feed.name())
            .field("time_ns", &self.time_ns)
            .finish_non_exhaustive()
    }
}
