//! Owns the client's side of the session: which login to send, which numbers are accounted for, and
//! what becomes a record.

use super::feed::{SoupConfig, SoupStart};
use super::link::{Link, Phase};
use super::packet::{Fault, Login, Reject, ServerPacket, SessionId};
use crate::counters::Counter;
use crate::feed::{Decode as _, FeedCounters, LinkCounters, Message, Nasdaq, session_name};
use crate::market::MarketEvent;
use crate::record::{Batch, Gap, GapCause, Session, SessionMark};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: u8,
    pub(super) link: Link,
    login: Login,
    /// The session that was configured.
    pinned: Option<SessionId>,
    start: SoupStart,
    /// The session that is followed, as the server spells it.
    session: Option<SessionId>,
    /// Whether to ask for the present session, because the one that is followed was not available.
    ask_present: bool,
    /// Whether the feed's subscribers were told that its line is down.
    silent: bool,
    /// Where the session was joined.
    first: u64,
    /// The lowest number that is not accounted for.
    next: u64,
    /// The number of the next sequenced packet on this connection.
    arriving: u64,
    /// Numbers expected in the sessions before this one.
    expected_before: u64,
    pub(super) nasdaq: Nasdaq,
    pub(super) counters: Arc<FeedCounters>,
    pub(super) link_counters: Arc<LinkCounters>,
}

/// The times of one call.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) ts_recv_ns: u64,
    pub(super) seen_ns: u64,
}

impl Times {
    pub(super) fn at(now_ns: u64) -> Self {
        Self {
            ts_recv_ns: now_ns,
            seen_ns: now_ns,
        }
    }
}

impl Client {
    /// `login` has the user; session and number are filled in by each login.
    pub(super) fn new(
        config: &SoupConfig,
        login: Login,
        pinned: Option<SessionId>,
        nasdaq: Nasdaq,
        counters: Arc<FeedCounters>,
    ) -> Self {
        Self {
            id: config.id,
            link: Link::new(config.times),
            login,
            pinned,
            start: config.start,
            session: None,
            ask_present: false,
            silent: false,
            first: 0,
            next: 0,
            arriving: 0,
            expected_before: 0,
            nasdaq,
            counters,
            link_counters: Arc::default(),
        }
    }

    pub(super) fn is_listening(&self) -> bool {
        matches!(self.link.phase(), Phase::LoggingIn | Phase::LoggedIn)
    }

    /// What to log in with: the session that is followed from the next number, or the first login.
    pub(super) fn next_login(&self) -> Login {
        let (session, sequence) = match (self.session, self.start) {
            (Some(session), _) if !self.ask_present => (session, self.next),
            // In another session than the one that is followed, everything is new.
            (Some(_), _) => ([b' '; 10], 1),
            (None, SoupStart::At(first)) => (self.pinned.unwrap_or([b' '; 10]), first),
            (None, SoupStart::New) => (self.pinned.unwrap_or([b' '; 10]), 0),
        };
        Login {
            session,
            sequence,
            ..self.login
        }
    }

    pub(super) fn take(
        &mut self,
        packet: ServerPacket<'_>,
        times: Times,
        out: &mut Batch<MarketEvent>,
    ) -> Result<(), Fault> {
        let logged_in = self.link.phase() == Phase::LoggedIn;
        match packet {
            ServerPacket::Sequenced(message) if logged_in => {
                self.deliver(message, times.ts_recv_ns, out)
            }
            ServerPacket::EndOfSession if logged_in => {
                self.end(times, out);
                Ok(())
            }
            ServerPacket::Unsequenced(_) if logged_in => {
                self.link_counters.unsequenced.add(1);
                Ok(())
            }
            ServerPacket::LoginAccepted { session, next } if !logged_in => {
                self.accept(session, next, times, out);
                Ok(())
            }
            ServerPacket::LoginRejected(reject) if !logged_in => {
                self.reject(reject, times, out);
                Ok(())
            }
            ServerPacket::Heartbeat => {
                self.counters.heartbeats.add(1);
                Ok(())
            }
            ServerPacket::Debug(_) => {
                self.link_counters.debug.add(1);
                Ok(())
            }
            _ => Err(Fault::State),
        }
    }

    /// Takes the next numbered message: delivers it, unless an earlier connection had brought it.
    fn deliver(
        &mut self,
        bytes: &[u8],
        ts_recv_ns: u64,
        out: &mut Batch<MarketEvent>,
    ) -> Result<(), Fault> {
        let number = self.arriving;
        self.arriving = number.checked_add(1).ok_or(Fault::Field)?;
        let counters = Arc::as_ref(&self.counters);
        let line = &counters.by_line[0];
        counters.messages.add(1);
        if number < self.next {
            let count = if number < self.first {
                &counters.before_start
            } else {
                &line.duplicates
            };
            count.add(1);
            return Ok(());
        }
        let message = Message {
            number,
            bytes,
            message_bytes: u16::try_from(bytes.len()).unwrap_or(u16::MAX),
            ts_recv_ns,
        };
        if self.nasdaq.decode(message, out).is_ok() {
            counters.first_arrival.add(1);
            line.won.add(1);
        } else {
            // Asking again would bring the same bytes.
            counters.malformed_messages.add(1);
            self.lose(number, number + 1, GapCause::Malformed, ts_recv_ns, out);
        }
        self.pass(number + 1);
        self.link.progressed();
        Ok(())
    }

    fn accept(
        &mut self,
        session: SessionId,
        accepted: u64,
        times: Times,
        out: &mut Batch<MarketEvent>,
    ) {
        let same = |other: SessionId| other.trim_ascii() == session.trim_ascii();
        if self.pinned.is_some_and(|pinned| !same(pinned)) {
            self.counters.wrong_session.add(1);
            return self.drop_link(times, out);
        }
        self.link_counters.logins.add(1);
        match self.session {
            Some(followed) if same(followed) => {}
            Some(_) => {
                // Where the old one ended is not known, and never will be.
                self.link_counters.abandoned_sessions.add(1);
                self.begin(session, 1, times.ts_recv_ns, out);
                if accepted > 1 {
                    // The number that was asked for was the old session's. What is before it in the
                    // new one may still be there.
                    return self.drop_link(times, out);
                }
            }
            None => {
                let first = match self.start {
                    SoupStart::At(first) => first,
                    SoupStart::New => accepted,
                };
                self.begin(session, first, times.ts_recv_ns, out);
            }
        }
        self.ask_present = false;
        self.arriving = accepted;
        self.link.logged_in(times.seen_ns);
        if self.silent {
            self.silent = false;
            self.mark(SessionMark::Resumed, times.ts_recv_ns, out);
        }
        if accepted > self.next {
            let first = self.next;
            self.lose(first, accepted, GapCause::Absent, times.ts_recv_ns, out);
            self.pass(accepted);
        }
    }

    fn begin(
        &mut self,
        session: SessionId,
        first: u64,
        ts_recv_ns: u64,
        out: &mut Batch<MarketEvent>,
    ) {
        self.expected_before = self.expected_before.wrapping_add(self.next - self.first);
        (self.first, self.next) = (first, first);
        self.session = Some(session);
        self.ask_present = false;
        self.mark(SessionMark::Start, ts_recv_ns, out);
    }

    fn reject(&mut self, reject: Reject, times: Times, out: &mut Batch<MarketEvent>) {
        match reject {
            Reject::NotAuthorised => {
                self.link_counters.rejected_not_authorised.add(1);
                self.tell_silence(times, out);
                self.link.enter(Phase::Rejected, times.seen_ns);
            }
            Reject::SessionNotAvailable => {
                self.link_counters.rejected_session.add(1);
                // The session that was followed may be over and another in its place; or its server
                // may be coming back. So both are asked for in turn.
                self.ask_present =
                    !self.ask_present && self.session.is_some() && self.pinned.is_none();
                self.drop_link(times, out);
            }
        }
    }

    fn end(&mut self, times: Times, out: &mut Batch<MarketEvent>) {
        self.counters.ends_of_session.add(1);
        if self.arriving < self.next {
            self.counters.contradicting_ends.add(1);
        }
        self.mark(SessionMark::End, times.ts_recv_ns, out);
        self.link.enter(Phase::Ended, times.seen_ns);
    }

    pub(super) fn refuse(&mut self, fault: Fault, times: Times, out: &mut Batch<MarketEvent>) {
        self.garbage(fault).add(1);
        self.drop_link(times, out);
    }

    fn garbage(&self, fault: Fault) -> &Counter {
        let counters = &self.link_counters;
        match fault {
            Fault::UnknownType => &counters.garbage_type,
            Fault::Length => &counters.garbage_length,
            Fault::Field => &counters.garbage_field,
            Fault::State => &counters.garbage_state,
        }
    }

    pub(super) fn drop_link(&mut self, times: Times, out: &mut Batch<MarketEvent>) {
        self.link.enter(Phase::Dropping, times.seen_ns);
        self.tell_silence(times, out);
    }

    /// Tells once that what was built is not up to date, unless there was nothing or it is
    /// complete.
    pub(super) fn tell_silence(&mut self, times: Times, out: &mut Batch<MarketEvent>) {
        if self.session.is_some() && !self.silent && self.link.phase() != Phase::Ended {
            self.silent = true;
            self.counters.silences.add(1);
            self.counters.by_line[0].silences.add(1);
            self.mark(SessionMark::Silent, times.ts_recv_ns, out);
        }
    }

    fn mark(&self, mark: SessionMark, ts_recv_ns: u64, out: &mut Batch<MarketEvent>) {
        let session = Session {
            id: session_name(self.session.as_ref().map_or(&[], |id| id.trim_ascii())),
            feed_sequence: self.next,
            mark,
            feed: self.id,
        };
        out.push_session(ts_recv_ns, session);
    }

    fn lose(
        &self,
        first: u64,
        end: u64,
        cause: GapCause,
        ts_recv_ns: u64,
        out: &mut Batch<MarketEvent>,
    ) {
        let gap = Gap {
            first,
            last: end - 1,
            cause,
            feed: self.id,
        };
        out.push_gap(ts_recv_ns, gap);
        if let Some(lost) = self.counters.lost(cause) {
            lost.add(end - first);
        }
    }

    /// Moves `next` on: all below is accounted for.
    fn pass(&mut self, next: u64) {
        self.next = next;
        let expected = self.expected_before.wrapping_add(next - self.first);
        self.counters.expected.set(expected);
    }
}
