//! Owns the feed: the bytes of a link that may die at any of them, in front of the client.

use super::client::{Client, Times};
use super::link::{Due, LinkTimes, Phase};
use super::packet::{
    CLIENT_HEARTBEAT, End, Login, Password, ServerPacket, is_text, login_request, padded_right,
    session_id,
};
use super::reader::Reader;
use crate::error::{Error, Result};
use crate::feed::{
    Arrival, Feed, FeedConfig, FeedCounters, LinkChange, LinkCounters, LinkState, Nasdaq,
    Protocol as _,
};
use crate::market::MarketEvent;
use crate::record::Batch;
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
/// Takes the bytes of its one line in order, as [`Arrival`]s of any length, and word of the
/// connection through [`on_link`](Feed::on_link). After a connection is lost it asks for the number
/// after the last one it delivered, so each message is delivered once, wherever the connection
/// died.
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
        let login = Login {
            username,
            password: config.password,
            session: [b' '; 10],
            sequence: 0,
        };
        let client = Client::new(&config, login, pinned, nasdaq, counters);
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
        // A message of one unknown byte takes four bytes of the stream and is one record; those
        // that become more are longer in proportion. The first may have begun in earlier bytes.
        // Marks: silent, resumed, a session's start and its end, and a gap at the login.
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
