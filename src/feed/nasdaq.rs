//! Owns the NASDAQ feed: MoldUDP64, arbitration and ITCH 5.0 as one.

use super::moldudp64::{Fault, MalformedPacket, Packet, PacketKind, SessionId};
use super::{
    Arbiter, Arrival, Decode, Feed, FeedCounters, LINES_MAX, MalformedMessage, Message, Outlet,
    Run, Start, itch,
};
use crate::error::{Error, Result};
use crate::market::MarketEvent;
use crate::record::Batch;
use std::sync::Arc;

/// The largest arbitration window: a million numbers are 128 MiB.
const WINDOW_MESSAGES_MAX: usize = 1 << 20;
/// The most that a 48-bit count of nanoseconds since midnight adds.
const SINCE_MIDNIGHT_NS_MAX: u64 = (1 << 48) - 1;
/// Ended sessions that are remembered, to tell their stragglers from a session that begins.
const ENDED_SESSIONS: usize = 8;

/// What a [`NasdaqFeed`] is told.
#[derive(Clone, Debug)]
pub struct NasdaqConfig {
    /// The feed's number, which its records carry.
    pub id: u8,
    /// The feed's name, for reports.
    pub name: String,
    /// The lines' names, for reports: 1 to [`LINES_MAX`].
    pub lines: Vec<String>,
    /// The session to follow; without one, that of the first well-formed packet, and once the venue
    /// told its end, the next one that brings a packet.
    pub session: Option<SessionId>,
    /// Where to join the first session; venues count from 1. A later one is followed from its
    /// number 1.
    pub start: Start,
    /// How long a missing number is waited for: longer than the lines are apart, shorter than a
    /// strategy can bear to stand still. 0 gives up at once.
    pub hold_ns: u64,
    /// How many numbers can be held behind a missing one: a power of two, 128 bytes each.
    pub window_messages: usize,
    /// UNIX nanoseconds of the trading day's midnight in New York. With 0 the events' times count
    /// from midnight. It is fixed for the life of the feed: the session of the next day keeps it,
    /// so make a feed for each trading day.
    pub midnight_ns: u64,
}

impl Default for NasdaqConfig {
    /// Feed 1, `nasdaq`, with lines `A` and `B`, joins where it finds the session, waits 1 ms.
    fn default() -> Self {
        Self {
            id: 1,
            name: "nasdaq".to_owned(),
            lines: vec!["A".to_owned(), "B".to_owned()],
            session: None,
            start: Start::FirstSeen,
            hold_ns: 1_000_000,
            window_messages: 4096,
            midnight_ns: 0,
        }
    }
}

impl NasdaqConfig {
    fn check(&self) -> Result<()> {
        let lines = self.lines.len();
        if !(1..=LINES_MAX).contains(&lines) {
            let remedy = format!("give it 1 to {LINES_MAX} lines");
            return Err(Error::config(
                format!("feed {}: {lines} lines", self.name),
                remedy,
            ));
        }
        let window = self.window_messages;
        if !window.is_power_of_two() || !(2..=WINDOW_MESSAGES_MAX).contains(&window) {
            return Err(Error::config(
                format!("feed {}: window_messages = {window}", self.name),
                format!("use a power of two from 2 to {WINDOW_MESSAGES_MAX}, such as 4096"),
            ));
        }
        if self.start == Start::At(0) {
            return Err(Error::config(
                format!("feed {}: start = At(0)", self.name),
                "venues count from 1: use At(1) for the whole session, or FirstSeen",
            ));
        }
        if let Some(session) = self.session
            && !is_printable(&session)
        {
            return Err(Error::config(
                format!(
                    "feed {}: session = \"{}\"",
                    self.name,
                    session.escape_ascii()
                ),
                "use 10 printable ASCII characters, as the venue publishes them",
            ));
        }
        if self.midnight_ns > u64::MAX - SINCE_MIDNIGHT_NS_MAX {
            return Err(Error::config(
                format!("feed {}: midnight_ns = {}", self.name, self.midnight_ns),
                "use UNIX nanoseconds of midnight in New York, or 0",
            ));
        }
        Ok(())
    }
}

/// NASDAQ TotalView: MoldUDP64 on one or more lines, ITCH 5.0 inside.
///
/// # Examples
///
/// ```
/// use ringtape::feed::{Arrival, Feed, NasdaqConfig, NasdaqFeed, itch, moldudp64::PacketWriter};
/// use ringtape::record::Batch;
///
/// let mut feed = NasdaqFeed::new(NasdaqConfig::default())?;
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
#[derive(Debug)]
pub struct NasdaqFeed {
    config: NasdaqConfig,
    session: Option<SessionId>,
    ended: EndedSessions,
    arbiter: Arbiter,
    decoder: Counted,
    counters: Arc<FeedCounters>,
}

impl NasdaqFeed {
    /// Makes a feed; allocates all that it will ever need.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for a setting that cannot work.
    pub fn new(config: NasdaqConfig) -> Result<Self> {
        config.check()?;
        let counters = Arc::new(FeedCounters::new(config.lines.len()));
        let arbiter = Arbiter::new(
            config.id,
            config.hold_ns,
            config.window_messages,
            Arc::clone(&counters),
        );
        let decoder = itch::Decoder::new(config.id, config.midnight_ns);
        let decoder = Counted {
            decoder,
            counters: Arc::clone(&counters),
        };
        Ok(Self {
            config,
            session: None,
            ended: EndedSessions::default(),
            arbiter,
            decoder,
            counters,
        })
    }

    /// Returns whether a packet of `session` is to be used, after beginning it where it is new.
    /// Counts one that is not.
    fn follow(&mut self, session: SessionId, times: Times, out: &mut Batch<MarketEvent>) -> bool {
        if self.session == Some(session) {
            return true;
        }
        if self.ended.contains(&session) {
            self.counters.ended_session.add(1);
            return false;
        }
        let wanted = self.config.session.is_none_or(|pinned| pinned == session);
        let free = self.session.is_none() || self.arbiter.end_is_known();
        if !wanted || !free || !is_printable(&session) {
            self.counters.wrong_session.add(1);
            return false;
        }
        let start = match self.session.replace(session) {
            None => self.config.start,
            // Whoever listened while the last session ended has missed nothing of the next.
            Some(last) => {
                self.ended.push(last);
                Start::At(1)
            }
        };
        let mut id = [0; 16];
        id[..session.len()].copy_from_slice(&session);
        self.arbiter
            .begin(id, start, &mut times.outlet(&mut self.decoder, out));
        true
    }

    fn refuse(&mut self, malformed: MalformedPacket, truncated: bool) {
        let count = match malformed.fault {
            // What we cut ourselves is not the venue's fault; it is counted as truncated.
            Fault::ShortHeader if truncated => return,
            Fault::ShortHeader => &self.counters.malformed_short_header,
            Fault::BlockPastEnd => &self.counters.malformed_block_past_end,
            Fault::TrailingBytes => &self.counters.malformed_trailing_bytes,
            Fault::SequenceOverflow => &self.counters.malformed_sequence_overflow,
        };
        count.add(1);
        if let Some(claim) = malformed.claim
            && self.session == Some(claim.session)
        {
            self.arbiter.suspect(claim.sequence, u64::from(claim.count));
        }
    }
}

impl Feed<MarketEvent> for NasdaqFeed {
    fn on_datagram(&mut self, arrival: Arrival<'_>, out: &mut Batch<MarketEvent>) {
        let counters = Arc::as_ref(&self.counters);
        counters.by_line[arrival.line].packets.add(1);
        let truncated = arrival.datagram_bytes > arrival.bytes.len();
        counters.truncated_datagrams.add(u64::from(truncated));
        let packet = match Packet::parse(arrival.bytes, arrival.datagram_bytes) {
            Ok(packet) => packet,
            Err(malformed) => return self.refuse(malformed, truncated),
        };
        let times = Times {
            ts_recv_ns: arrival.ts_recv_ns,
            seen_ns: arrival.seen_ns,
        };
        if !self.follow(packet.session(), times, out) {
            return;
        }
        let line = u8::try_from(arrival.line).expect("invariant: a feed has at most 8 lines");
        let first = packet.sequence();
        let mut to = times.outlet(&mut self.decoder, out);
        match packet.kind() {
            PacketKind::Messages => {
                let (count, messages) = (u64::from(packet.count()), packet.messages());
                self.arbiter.take(
                    Run {
                        line,
                        first,
                        count,
                        messages,
                    },
                    &mut to,
                );
            }
            PacketKind::Heartbeat => {
                self.counters.heartbeats.add(1);
                self.arbiter.take_heartbeat(line, first, &mut to);
            }
            PacketKind::EndOfSession => {
                self.counters.ends_of_session.add(1);
                self.arbiter.take_end_of_session(line, first, &mut to);
            }
        }
        self.decoder.publish();
    }

    fn on_time(&mut self, now_ns: u64, out: &mut Batch<MarketEvent>) {
        self.arbiter
            .expire(&mut Times::at(now_ns).outlet(&mut self.decoder, out));
        self.decoder.publish();
    }

    fn close(&mut self, now_ns: u64, out: &mut Batch<MarketEvent>) {
        self.arbiter
            .close(&mut Times::at(now_ns).outlet(&mut self.decoder, out));
        self.decoder.publish();
    }

    fn records_max(&self, datagram_bytes_max: usize) -> usize {
        // A message of one unknown byte takes three bytes of a datagram and is one record; those
        // that become more are longer in proportion.
        self.arbiter.records_max(itch::RECORDS_MAX) + datagram_bytes_max / 3
    }

    fn counters(&self) -> &Arc<FeedCounters> {
        &self.counters
    }

    fn ended(&self) -> bool {
        self.arbiter.ended()
    }

    fn id(&self) -> u8 {
        self.config.id
    }

    fn name(&self) -> &str {
        &self.config.name
    }

    fn lines(&self) -> &[String] {
        &self.config.lines
    }
}

/// The most recent sessions that ended before the present one began.
#[derive(Debug, Default)]
struct EndedSessions {
    sessions: [Option<SessionId>; ENDED_SESSIONS],
    oldest: usize,
}

impl EndedSessions {
    fn contains(&self, session: &SessionId) -> bool {
        self.sessions.iter().flatten().any(|ended| ended == session)
    }

    fn push(&mut self, session: SessionId) {
        self.sessions[self.oldest] = Some(session);
        self.oldest = (self.oldest + 1) % ENDED_SESSIONS;
    }
}

#[derive(Clone, Copy)]
struct Times {
    ts_recv_ns: u64,
    seen_ns: u64,
}

impl Times {
    fn at(now_ns: u64) -> Self {
        Self {
            ts_recv_ns: now_ns,
            seen_ns: now_ns,
        }
    }

    fn outlet<'a>(
        self,
        decoder: &'a mut Counted,
        out: &'a mut Batch<MarketEvent>,
    ) -> Outlet<'a, Counted> {
        Outlet {
            decoder,
            out,
            ts_recv_ns: self.ts_recv_ns,
            seen_ns: self.seen_ns,
        }
    }
}

/// The decoder, with the counts of what it delivered.
#[derive(Debug)]
struct Counted {
    decoder: itch::Decoder,
    counters: Arc<FeedCounters>,
}

impl Decode for Counted {
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
        let counters = &self.counters;
        if let Some(&message_type) = message.bytes.first() {
            counters.messages_by_type[usize::from(message_type)].add(1);
        }
        match decoded {
            itch::Decoded::Events => {}
            itch::Decoded::Unknown => counters.unknown_messages.add(1),
            itch::Decoded::Empty => counters.empty_messages.add(1),
        }
        Ok(())
    }
}

impl Counted {
    /// Publishes what the decoder counts by itself.
    fn publish(&self) {
        self.counters.events.set(self.decoder.events());
        self.counters.instruments.set(self.decoder.instruments());
    }
}

fn is_printable(session: &SessionId) -> bool {
    session
        .iter()
        .all(|byte| byte.is_ascii_graphic() || *byte == b' ')
}
