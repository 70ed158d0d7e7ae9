//! Owns the client: sessions, numbers and records, on a link that may die at any byte.

use super::link::{Due, Link, LinkTimes, Phase};
use super::packet::{
    CLIENT_HEARTBEAT, End, Fault, Login, Password, Reject, ServerPacket, SessionId, is_text,
    login_request, padded_right, session_id,
};
use super::reader::Reader;
use crate::counters::Counter;
use crate::error::{Error, Result};
use crate::feed::{
    Arrival, Decode as _, Feed, FeedConfig, FeedCounters, LinkChange, LinkCounters, LinkState,
    Message, Nasdaq, Protocol as _, session_name,
};
use crate::market::MarketEvent;
use crate::record::{Batch, Gap, GapCause, Session, SessionMark};
use std::sync::Arc;

/// Where to join the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoupStart {
    /// At this number, from 1: what the server no longer has of it is a gap.
    At(u64),
    /// At what is new when the login is accepted.
    New,
}

/// What a [`SoupFeed`] is told.
#[derive(Clone, Debug)]
pub struct SoupConfig {
    /// The feed's number, which its records carry.
    pub id: u8,
    /// The feed's name, for reports.
    pub name: String,
    /// The name of its line, for reports.
    pub line: String,
    /// At most 6 characters.
    pub username: String,
    /// See [`Password`].
    pub password: Password,
    /// The only session to follow; without one the present session, whichever that is.
    pub session: Option<String>,
    /// Where to join it. A session that takes its place is followed from its number 1.
    pub start: SoupStart,
    /// UNIX nanoseconds of the trading day's midnight in New York, as in
    /// [`FeedConfig`](crate::feed::FeedConfig).
    pub midnight_ns: u64,
    /// How long is waited for what.
    pub times: LinkTimes,
}

impl Default for SoupConfig {
    /// Feed 1, `feed`, line `A`, blank username and password, the present session from number 1.
    fn default() -> Self {
        Self {
            id: 1,
            name: "feed".to_owned(),
            line: "A".to_owned(),
            username: String::new(),
            password: Password::new("").expect("invariant: no bytes fit"),
            session: None,
            start: SoupStart::At(1),
            midnight_ns: 0,
            times: LinkTimes::default(),
        }
    }
}

/// NASDAQ TotalView over TCP: SoupBinTCP 3.00 with ITCH 5.0 inside.
///
/// Takes the bytes of its one line in order, as [`Arrival`]s of any length, and word of the connection
/// through [`on_link`](Feed::on_link). After a connection is lost it asks for the number after the
/// last one it delivered, so each message is delivered once, wherever the connection died.
///
/// # Examples
///
/// ```
/// use ringtape::feed::soupbintcp::{Server, SoupConfig, SoupFeed};
/// use ringtape::feed::{Arrival, Feed, LinkChange, LinkState, itch};
/// use ringtape::record::Batch;
///
/// let mut server = Server::new(*b"         1");
/// let head = itch::encode::Head { locate: 0, tracking: 0, since_midnight_ns: 1 };
/// assert!(server.publish(&itch::encode::system_event(head, b'O')));
/// server.end();
///
/// let mut feed = SoupFeed::new(SoupConfig::default())?;
/// let mut out = Batch::with_capacity(feed.records_max(1500));
/// feed.on_time(1, &mut out);
/// assert_eq!(feed.link(0), LinkState::Up);
/// feed.on_link(0, LinkChange::Connected, 1, &mut out);
///
/// let mut connection = server.connect(1);
/// feed.requests(1, &mut |_, login| connection.on_bytes(&server, login, 1));
/// let mut bytes = Vec::new();
/// connection.poll(&server, 1, 1500, &mut bytes);
/// feed.on_datagram(
///     Arrival { line: 0, datagram_bytes: bytes.len(), bytes: &bytes, ts_recv_ns: 1, seen_ns: 1 },
///     &mut out,
/// );
/// assert_eq!(out.records().len(), 3); // the session's start, one event, the session's end
/// assert!(feed.ended() && feed.ledger().closes());
/// # Ok::<(), ringtape::error::Error>(())
/// ```
#[derive(Debug)]
pub struct SoupFeed {
    reader: Reader,
    client: Client,
    names: [String; 1],
    name: String,
}

#[derive(Debug)]
struct Client {
    id: u8,
    link: Link,
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
    nasdaq: Nasdaq,
    counters: Arc<FeedCounters>,
    link_counters: Arc<LinkCounters>,
}

/// The times of one call.
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
}

impl SoupFeed {
    /// Makes a feed; allocates all that it will ever need.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for a setting that cannot work.
    pub fn new(config: SoupConfig) -> Result<Self> {
        let named = |what: String| format!("feed {}: {what}", config.name);
        let username = padded_right(&config.username)
            .filter(|username: &[u8; 6]| is_text(username))
            .ok_or_else(|| {
                Error::config(
                    named(format!("username = {:?}", config.username)),
                    "use at most 6 printable ASCII characters",
                )
            })?;
        if !config.password.is_printable() {
            return Err(Error::config(
                named("password".to_owned()),
                "use at most 10 printable ASCII characters",
            ));
        }
        let session = |name: &String| {
            let blank = name.trim().is_empty();
            session_id(name.as_bytes()).filter(|id| !blank && is_text(id))
        };
        let pinned = match &config.session {
            Some(name) => Some(session(name).ok_or_else(|| {
                Error::config(
                    named(format!("session = {name:?}")),
                    "use 1 to 10 printable ASCII characters, or none for the present session",
                )
            })?),
            None => None,
        };
        if config.start == SoupStart::At(0) {
            return Err(Error::config(
                named("start = At(0)".to_owned()),
                "venues count from 1: use At(1) for the whole session, or New",
            ));
        }
        let times = config.times;
        if times.back_off_min_ns == 0 || times.heartbeat_ns == 0 || times.silence_ns == 0 {
            return Err(Error::config(
                named(format!("{times:?}")),
                "a heartbeat, a silence and a pause of no time would never end",
            ));
        }
        let counters = Arc::new(FeedCounters::new(1));
        let like_datagrams = FeedConfig {
            id: config.id,
            name: config.name.clone(),
            lines: vec![config.line.clone()],
            midnight_ns: config.midnight_ns,
            ..FeedConfig::default()
        };
        like_datagrams.check()?;
        let nasdaq = Nasdaq::open(&like_datagrams, Arc::clone(&counters))?;
        let client = Client {
            id: config.id,
            link: Link::new(times),
            login: Login {
                username,
                password: config.password,
                session: [b' '; 10],
                sequence: 0,
            },
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
        };
        Ok(Self {
            reader: Reader::new(End::Server),
            client,
            names: [config.line],
            name: config.name,
        })
    }
}

impl Feed<MarketEvent> for SoupFeed {
    /// Takes the next bytes of the stream.
    ///
    /// Hot path: no allocation, no system call, O(bytes).
    fn on_datagram(&mut self, arrival: Arrival<'_>, out: &mut Batch<MarketEvent>) {
        let Arrival {
            ts_recv_ns,
            seen_ns,
            ..
        } = arrival;
        let times = Times {
            ts_recv_ns,
            seen_ns,
        };
        let mut stream = arrival.bytes;
        while self.client.is_listening() {
            let Some(packet) = self.reader.next(&mut stream) else {
                break;
            };
            // Not for bytes alone: a server that drips them would be waited for without end.
            self.client.link.heard(seen_ns);
            self.client.counters.by_line[0].packets.add(1);
            let taken = packet
                .and_then(ServerPacket::parse)
                .and_then(|packet| self.client.take(packet, times, out));
            if let Err(fault) = taken {
                self.client.refuse(fault, times, out);
            }
        }
        // Of a connection that is being dropped, or behind the end of its session.
        self.client
            .link_counters
            .discarded_bytes
            .add(stream.len() as u64);
        self.client.nasdaq.publish();
    }

    fn on_time(&mut self, now_ns: u64, out: &mut Batch<MarketEvent>) {
        let client = &mut self.client;
        if client.link.pass_time(now_ns, &client.link_counters) {
            client.drop_link(Times::at(now_ns), out);
        }
    }

    fn requests(&mut self, now_ns: u64, send: &mut dyn FnMut(usize, &[u8])) {
        let client = &mut self.client;
        match client.link.take_due(now_ns, &client.link_counters) {
            Some(Due::Login) => send(0, &login_request(&client.next_login())),
            Some(Due::Heartbeat) => send(0, &CLIENT_HEARTBEAT),
            None => {}
        }
    }

    fn link(&self, _: usize) -> LinkState {
        self.client.link.wanted()
    }

    fn on_link(&mut self, _: usize, change: LinkChange, now_ns: u64, out: &mut Batch<MarketEvent>) {
        let client = &mut self.client;
        let counters = &client.link_counters;
        // Whatever was cut belongs to the connection before.
        let cut = self.reader.reset() > 0;
        counters.cut_packets.add(u64::from(cut));
        match change {
            LinkChange::Connected => client.link.connected(now_ns, counters),
            LinkChange::Closed => {
                client.link.closed(now_ns, counters);
                client.tell_silence(Times::at(now_ns), out);
            }
        }
    }

    /// Publishes nothing: on a stream every number that is known is accounted for at once.
    fn close(&mut self, _: u64, _: &mut Batch<MarketEvent>) {
        self.client.nasdaq.publish();
    }

    fn records_max(&self, datagram_bytes_max: usize) -> usize {
        // A message of one unknown byte takes four bytes of the stream and is one record; those that
        // become more are longer in proportion. The first may have begun in earlier bytes. Marks:
        // silent, resumed, a session's start and its end, and a gap at the login.
        datagram_bytes_max / 4 + crate::feed::itch::RECORDS_MAX + 5
    }

    fn counters(&self) -> &Arc<FeedCounters> {
        &self.client.counters
    }

    fn link_counters(&self) -> Option<&Arc<LinkCounters>> {
        Some(&self.client.link_counters)
    }

    fn ended(&self) -> bool {
        self.client.link.phase() == Phase::Ended
    }

    fn is_rejected(&self) -> bool {
        self.client.link.phase() == Phase::Rejected
    }

    fn id(&self) -> u8 {
        self.client.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn lines(&self) -> &[String] {
        &self.names
    }
}

impl Client {
    fn is_listening(&self) -> bool {
        matches!(self.link.phase(), Phase::LoggingIn | Phase::LoggedIn)
    }

    /// What to log in with: the session that is followed from the next number, or the first login.
    fn next_login(&self) -> Login {
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

    fn take(
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

    fn refuse(&mut self, fault: Fault, times: Times, out: &mut Batch<MarketEvent>) {
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

    fn drop_link(&mut self, times: Times, out: &mut Batch<MarketEvent>) {
        self.link.enter(Phase::Dropping, times.seen_ns);
        self.tell_silence(times, out);
    }

    /// Tells once that what was built is not up to date, unless there was nothing or it is complete.
    fn tell_silence(&mut self, times: Times, out: &mut Batch<MarketEvent>) {
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
