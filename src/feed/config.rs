//! Owns what a feed is told.

use super::{LINES_MAX, RerequestConfig, SessionName, Start};
use crate::error::{Error, Result};

/// The largest arbitration window: a million numbers are 128 MiB.
const WINDOW_MESSAGES_MAX: usize = 1 << 20;
/// The most that a 48-bit count of nanoseconds since midnight adds.
const SINCE_MIDNIGHT_NS_MAX: u64 = (1 << 48) - 1;

/// What an [`ArbitratedFeed`](super::ArbitratedFeed) is told.
#[derive(Clone, Debug)]
pub struct FeedConfig {
    /// The feed's number, which its records carry.
    pub id: u8,
    /// The feed's name, for reports.
    pub name: String,
    /// The lines' names, for reports: 1 to [`LINES_MAX`], re-request servers included.
    pub lines: Vec<String>,
    /// The session to follow; without one, that of the first well-formed packet, and once the venue
    /// told its end, the next one that brings a packet. Where nobody told the end but every line is
    /// silent ([`silence_ns`](Self::silence_ns)), or the protocol tells no ends (IEX-TP), a session
    /// takes the present one's place with its packet number 1, or with two packets of which the second
    /// goes on from the first.
    pub session: Option<SessionName>,
    /// Where to join the first session; venues count from 1. A later one is followed from its
    /// number 1.
    pub start: Start,
    /// How long a missing number is waited for: longer than the lines are apart, shorter than a
    /// strategy can bear to stand still. 0 gives up at once.
    pub hold_ns: u64,
    /// How many numbers can be held behind a missing one: a power of two; each takes as many bytes
    /// as the protocol's longest message, 128 for ITCH and IEX; for CME, where the numbers are
    /// packets, 1,500.
    pub window_messages: usize,
    /// After which time without a packet a line counts as silent, and when all are, the feed
    /// ([`SessionMark::Silent`](crate::record::SessionMark::Silent) on the bus). Venues send a
    /// heartbeat every second. 0 for never.
    pub silence_ns: u64,
    /// Where missing numbers are asked for.
    pub rerequest: RerequestConfig,
    /// UNIX nanoseconds of the trading day's midnight in New York, for protocols whose times count
    /// from there (ITCH). With 0 the events' times count from midnight. It is fixed for the life of
    /// the feed: the session of the next day keeps it, so make a feed for each trading day.
    pub midnight_ns: u64,
}

impl Default for FeedConfig {
    /// Feed 1, `feed`, with lines `A` and `B`, joins where it finds the session, waits 1 ms, asks
    /// nobody, and calls three seconds a silence.
    fn default() -> Self {
        Self {
            id: 1,
            name: "feed".to_owned(),
            lines: vec!["A".to_owned(), "B".to_owned()],
            session: None,
            start: Start::FirstSeen,
            hold_ns: 1_000_000,
            window_messages: 4096,
            silence_ns: 3_000_000_000,
            rerequest: RerequestConfig::default(),
            midnight_ns: 0,
        }
    }
}

impl FeedConfig {
    pub(super) fn check(&self) -> Result<()> {
        let (lines, servers) = (self.lines.len(), self.rerequest.servers.len());
        if lines == 0 || lines + servers > LINES_MAX {
            let remedy = format!("give it 1 to {LINES_MAX} lines, re-request servers included");
            return Err(Error::config(
                format!("feed {}: {lines} lines, {servers} servers", self.name),
                remedy,
            ));
        }
        self.rerequest.check(&self.name)?;
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
                    session.trim_ascii_end().escape_ascii()
                ),
                "use printable ASCII characters, as the venue publishes them",
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

/// Whether a session's name can be shown: printable ASCII, then zeros.
pub(super) fn is_printable(session: &SessionName) -> bool {
    let used = session
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1);
    used > 0
        && session[..used]
            .iter()
            .all(|byte| byte.is_ascii_graphic() || *byte == b' ')
}
