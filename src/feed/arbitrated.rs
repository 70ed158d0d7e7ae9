//! Owns a feed: framing, arbitration and decoding as one, for any [`Protocol`].

use super::config::is_printable;
use super::left::{EndedSessions, LeftSession};
use super::pulse::Pulse;
use super::rerequest::{Request, Rerequests};
use super::restart::{Epoch, Place, Restarts};
use super::{
    Arbiter, Arbitration, Arrival, Fault, Feed, FeedConfig, FeedCounters, Malformed, Outlet,
    PacketKind, Protocol, REQUEST_BYTES_MAX, Run, SessionName, Start,
};
use crate::error::{Error, Result};
use crate::latency::{Histogram, Summary};
use crate::record::{Batch, SessionMark};
use std::net::SocketAddrV4;
use std::sync::Arc;

/// One logical stream of a venue on one or more lines.
///
/// [`NasdaqFeed`](super::NasdaqFeed) and its siblings are this with a protocol of theirs.
#[derive(Debug)]
pub struct ArbitratedFeed<P> {
    config: FeedConfig,
    /// The venue's lines, then the servers.
    lines: Vec<String>,
    session: Option<SessionName>,
    ended: EndedSessions,
    /// A session that may be about to take the place of the present one, and where it would go on.
    candidate: Option<(SessionName, u64)>,
    restarts: Restarts,
    pulse: Pulse,
    rerequests: Rerequests,
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
        let servers = &config.rerequest.servers;
        if !P::REREQUESTS && !servers.is_empty() {
            return Err(Error::config(
                format!("feed {}: re-request servers", config.name),
                "leave them out: this protocol has no live recovery",
            ));
        }
        let servers = servers.iter().map(|address| format!("server {address}"));
        let lines: Vec<String> = config.lines.iter().cloned().chain(servers).collect();
        let market_lines =
            u8::try_from(config.lines.len()).expect("invariant: a feed has at most 8 lines");
        let counters = Arc::new(FeedCounters::new(lines.len()));
        let arbitration = Arbitration {
            feed: config.id,
            market_lines,
            hold_ns: config.hold_ns,
            window_messages: config.window_messages,
            held_bytes: P::HELD_BYTES,
        };
        let protocol = P::open(&config, Arc::clone(&counters))?;
        Ok(Self {
            lines,
            session: None,
            ended: EndedSessions::default(),
            candidate: None,
            restarts: Restarts::new(config.window_messages as u64),
            pulse: Pulse::new(config.lines.len(), config.silence_ns),
            rerequests: Rerequests::new(&config.rerequest),
            arbiter: Arbiter::new(arbitration, Arc::clone(&counters)),
            config,
            protocol,
            counters,
        })
    }

    /// Returns whether a packet of `session` is to be used, after beginning it where it is new.
    /// Counts one that is not.
    fn follow(
        &mut self,
        session: SessionName,
        place: Place,
        times: Times,
        out: &mut Batch<P::Event>,
    ) -> bool {
        if self.session == Some(session) {
            self.candidate = None;
            return true;
        }
        let left = self.ended.find(&session);
        if left.is_some_and(|left| left.told) {
            self.counters.ended_session.add(1);
            return false;
        }
        let wanted = self.config.session.is_none_or(|pinned| pinned == session);
        if !wanted || !is_printable(&session) || !self.is_free_for(session, place, left.is_some()) {
            let unused = match left {
                Some(left) if place.end() <= left.end => &self.counters.ended_session,
                // It may bring numbers that nobody has accounted for.
                _ => &self.counters.wrong_session,
            };
            unused.add(1);
            return false;
        }
        let start = self.start_of(session, left);
        self.candidate = None;
        self.restarts.clear();
        self.rerequests.clear();
        self.pulse.begin(times.seen_ns);
        self.arbiter
            .begin(session, start, &mut times.outlet(&mut self.protocol, out));
        true
    }

    /// Puts `session` in the place of the present one, and returns where to join it.
    fn start_of(&mut self, session: SessionName, left: Option<LeftSession>) -> Start {
        let Some(last) = self.session.replace(session) else {
            return self.config.start;
        };
        self.ended.remove(&session);
        let told = self.arbiter.end_is_known();
        self.counters.left_sessions.add(u64::from(!told));
        self.ended.push(LeftSession {
            session: last,
            end: self.arbiter.known_end().max(1),
            told,
        });
        // Whoever listened while the last session ended has missed nothing of the next, and of one
        // that was left, what came meanwhile.
        Start::At(left.map_or(1, |left| left.end))
    }

    /// Returns whether another session can take the place of the present one now. Where the venue
    /// has not told the end of that, one stray packet is no session: either it is a session's
    /// first, or the next goes on from it. `was_left` says that the session was followed before, so
    /// that it does not begin.
    fn is_free_for(&mut self, session: SessionName, place: Place, was_left: bool) -> bool {
        let Some(present) = self.session else {
            return true;
        };
        let told = self.arbiter.end_is_known();
        let may_succeed = told
            || self.pulse.is_silent()
            || P::succeeds(session, present) && self.restarts.is_latest(place.sent_ns);
        if !may_succeed {
            return false;
        }
        let begins = !was_left && (told || place.first <= 1);
        let goes_on = self.candidate == Some((session, place.first));
        self.candidate = Some((session, place.end()));
        begins || goes_on
    }

    /// Returns whether a packet is of the sequence that is followed, after following one that began
    /// again. Counts one that is not.
    fn is_present(&mut self, place: Place, times: Times, out: &mut Batch<P::Event>) -> bool {
        if self.arbiter.ended() {
            return true;
        }
        match self.restarts.judge(place) {
            Epoch::Present => true,
            Epoch::Past => {
                let beyond = self.restarts.beyond_past(place);
                self.counters.before_restart.add(place.count - beyond);
                self.counters.messages.add(beyond);
                self.counters.after_end.add(beyond);
                false
            }
            Epoch::Doubtful => {
                self.counters.doubtful.add(place.count);
                false
            }
            Epoch::Restart => {
                self.rerequests.clear();
                self.arbiter
                    .restart(&mut times.outlet(&mut self.protocol, out));
                true
            }
        }
    }

    /// Takes what a re-request server sent. Whatever it is, it tells of no number that the lines
    /// did not tell of.
    #[cold]
    fn on_answer(&mut self, line: u8, arrival: Arrival<'_>, out: &mut Batch<P::Event>) {
        let packet = match self.protocol.parse(arrival.bytes, arrival.datagram_bytes) {
            Ok(packet)
                if self.session == Some(packet.session) && packet.kind == PacketKind::Messages =>
            {
                packet
            }
            _ => return self.counters.wrong_answers.add(1),
        };
        let (first, count, messages) = (packet.first, packet.count, packet.messages);
        let run = Run {
            line,
            first,
            count,
            messages,
        };
        let mut to = Times::of(&arrival).outlet(&mut self.protocol, out);
        if self.arbiter.take_answer(run, &mut to) > 0 {
            self.rerequests.answered(first, first + count);
        }
        self.protocol.publish();
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
        let line = u8::try_from(arrival.line).expect("invariant: a feed has at most 8 lines");
        if arrival.line >= self.config.lines.len() {
            return self.on_answer(line, arrival, out);
        }
        let truncated = arrival.datagram_bytes > arrival.bytes.len();
        counters.truncated_datagrams.add(u64::from(truncated));
        let packet = match self.protocol.parse(arrival.bytes, arrival.datagram_bytes) {
            Ok(packet) => packet,
            Err(malformed) => return self.refuse(malformed, truncated),
        };
        let times = Times::of(&arrival);
        let place = Place {
            line: arrival.line,
            first: packet.first,
            count: packet.count,
            sent_ns: packet.sent_ns,
        };
        if !self.follow(packet.session, place, times, out) || !self.is_present(place, times, out) {
            return;
        }
        let resumed = self
            .pulse
            .heard(arrival.line, arrival.seen_ns, &self.counters);
        if resumed && self.arbiter.is_running() {
            self.arbiter.mark(
                SessionMark::Resumed,
                &mut times.outlet(&mut self.protocol, out),
            );
        }
        let first = packet.first;
        // An outlet of its own for each kind: one that a call out of line is given lies in memory,
        // and messages are decoded in line.
        match packet.kind {
            PacketKind::Messages => {
                let (count, messages) = (packet.count, packet.messages);
                let run = Run {
                    line,
                    first,
                    count,
                    messages,
                };
                let mut to = times.outlet(&mut self.protocol, out);
                self.arbiter.take(run, &mut to);
            }
            PacketKind::Heartbeat => {
                self.counters.heartbeats.add(1);
                let mut to = times.outlet(&mut self.protocol, out);
                self.arbiter.take_heartbeat(line, first, &mut to);
            }
            PacketKind::EndOfSession => {
                self.counters.ends_of_session.add(1);
                let mut to = times.outlet(&mut self.protocol, out);
                self.arbiter.take_end_of_session(line, first, &mut to);
            }
        }
        self.protocol.publish();
    }

    fn on_time(&mut self, now_ns: u64, out: &mut Batch<P::Event>) {
        let mut to = Times::at(now_ns).outlet(&mut self.protocol, out);
        self.arbiter.expire(&mut to);
        if self.arbiter.is_running() && self.pulse.pass(now_ns, &self.counters) {
            self.arbiter.mark(SessionMark::Silent, &mut to);
        }
        self.protocol.publish();
    }

    fn requests(&mut self, now_ns: u64, send: &mut dyn FnMut(usize, &[u8])) {
        let Some(session) = self.session else { return };
        let market_lines = self.config.lines.len();
        if self.lines.len() == market_lines {
            return;
        }
        let Self {
            rerequests,
            arbiter,
            counters,
            ..
        } = self;
        rerequests.plan(now_ns, arbiter, counters, |request| {
            let Request {
                server,
                first,
                count,
            } = request;
            let mut buffer = [0; REQUEST_BYTES_MAX];
            send(
                market_lines + server,
                P::request(session, first, count, &mut buffer),
            );
        });
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
        &self.lines
    }

    fn servers(&self) -> &[SocketAddrV4] {
        &self.config.rerequest.servers
    }

    fn ahead(&self) -> Vec<Summary> {
        let ahead = self.arbiter.ahead().iter();
        ahead.map(Histogram::summary).collect()
    }
}

#[derive(Clone, Copy)]
struct Times {
    ts_recv_ns: u64,
    seen_ns: u64,
}

impl Times {
    fn of(arrival: &Arrival<'_>) -> Self {
        Self {
            ts_recv_ns: arrival.ts_recv_ns,
            seen_ns: arrival.seen_ns,
        }
    }

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
