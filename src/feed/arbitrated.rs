//! Owns a feed: framing, arbitration and decoding as one, for any [`Protocol`].

use super::config::is_printable;
use super::{
    Arbiter, Arrival, Fault, Feed, FeedConfig, FeedCounters, Malformed, Outlet, PacketKind,
    Protocol, Run, SessionName, Start,
};
use crate::error::Result;
use crate::record::Batch;
use std::sync::Arc;

/// Ended sessions that are remembered, to tell their stragglers from a session that begins.
const ENDED_SESSIONS: usize = 8;

/// One logical stream of a venue on one or more lines.
///
/// [`NasdaqFeed`](super::NasdaqFeed) and its siblings are this with a protocol of theirs.
#[derive(Debug)]
pub struct ArbitratedFeed<P> {
    config: FeedConfig,
    session: Option<SessionName>,
    ended: EndedSessions,
    arbiter: Arbiter,
    protocol: P,
    counters: Arc<FeedCounters>,
}

impl<P: Protocol> ArbitratedFeed<P> {
    /// Makes a feed; allocates all that it will ever need.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::error::Error::Config) for a setting that cannot work.
    pub fn new(config: FeedConfig) -> Result<Self> {
        config.check()?;
        let counters = Arc::new(FeedCounters::new(config.lines.len()));
        let arbiter = Arbiter::new(
            config.id,
            config.hold_ns,
            config.window_messages,
            P::HELD_BYTES,
            Arc::clone(&counters),
        );
        let protocol = P::open(&config, Arc::clone(&counters))?;
        Ok(Self {
            config,
            session: None,
            ended: EndedSessions::default(),
            arbiter,
            protocol,
            counters,
        })
    }

    /// Returns whether a packet of `session` is to be used, after beginning it where it is new.
    /// Counts one that is not.
    fn follow(&mut self, session: SessionName, times: Times, out: &mut Batch<P::Event>) -> bool {
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
        self.arbiter
            .begin(session, start, &mut times.outlet(&mut self.protocol, out));
        true
    }

    fn refuse(&mut self, malformed: Malformed, truncated: bool) {
        let count = match malformed.fault {
            // What we cut ourselves is not the venue's fault; it is counted as truncated.
            Fault::ShortHeader if truncated => return,
            Fault::ShortHeader => &self.counters.malformed_short_header,
            Fault::BlockPastEnd => &self.counters.malformed_block_past_end,
            Fault::TrailingBytes => &self.counters.malformed_trailing_bytes,
            Fault::SequenceOverflow => &self.counters.malformed_sequence_overflow,
            Fault::Foreign => &self.counters.foreign,
        };
        count.add(1);
        if let Some(claim) = malformed.claim
            && self.session == Some(claim.session)
        {
            self.arbiter.suspect(claim.first, claim.count);
        }
    }
}

impl<P: Protocol> Feed<P::Event> for ArbitratedFeed<P> {
    fn on_datagram(&mut self, arrival: Arrival<'_>, out: &mut Batch<P::Event>) {
        let counters = Arc::as_ref(&self.counters);
        counters.by_line[arrival.line].packets.add(1);
        let truncated = arrival.datagram_bytes > arrival.bytes.len();
        counters.truncated_datagrams.add(u64::from(truncated));
        let packet = match self.protocol.parse(arrival.bytes, arrival.datagram_bytes) {
            Ok(packet) => packet,
            Err(malformed) => return self.refuse(malformed, truncated),
        };
        let times = Times {
            ts_recv_ns: arrival.ts_recv_ns,
            seen_ns: arrival.seen_ns,
        };
        if !self.follow(packet.session, times, out) {
            return;
        }
        let line = u8::try_from(arrival.line).expect("invariant: a feed has at most 8 lines");
        let first = packet.first;
        let mut to = times.outlet(&mut self.protocol, out);
        match packet.kind {
            PacketKind::Messages => {
                let (count, messages) = (packet.count, packet.messages);
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
        self.protocol.publish();
    }

    fn on_time(&mut self, now_ns: u64, out: &mut Batch<P::Event>) {
        self.arbiter
            .expire(&mut Times::at(now_ns).outlet(&mut self.protocol, out));
        self.protocol.publish();
    }

    fn close(&mut self, now_ns: u64, out: &mut Batch<P::Event>) {
        self.arbiter
            .close(&mut Times::at(now_ns).outlet(&mut self.protocol, out));
        self.protocol.publish();
    }

    fn records_max(&self, datagram_bytes_max: usize) -> usize {
        self.arbiter
            .records_max(P::message_records_max(P::HELD_BYTES))
            + P::datagram_records_max(datagram_bytes_max)
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
    sessions: [Option<SessionName>; ENDED_SESSIONS],
    oldest: usize,
}

impl EndedSessions {
    fn contains(&self, session: &SessionName) -> bool {
        self.sessions.iter().flatten().any(|ended| ended == session)
    }

    fn push(&mut self, session: SessionName) {
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

    fn outlet<'a, P: Protocol>(
        self,
        decoder: &'a mut P,
        out: &'a mut Batch<P::Event>,
    ) -> Outlet<'a, P> {
        Outlet {
            decoder,
            out,
            ts_recv_ns: self.ts_recv_ns,
            seen_ns: self.seen_ns,
        }
    }
}
