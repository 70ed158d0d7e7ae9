//! Owns `[[feed]]`: what is received, in which protocol, on which lines.

use super::soup::LoginConfig;
use crate::trading_date::TradingDate;
use anyhow::{Context as _, Result, bail};
use ringtape::feed::{self, CmeFeed, IexFeed, NasdaqFeed, session_name};
use ringtape::market::MarketEvent;
use ringtape::net::Line;
use ringtape::pipeline::Pipeline;
use serde::Deserialize;
use std::net::{Ipv4Addr, SocketAddrV4};

/// `[[feed]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FeedConfig {
    pub(super) name: String,
    pub(super) id: Option<u8>,
    protocol: Protocol,
    pub(super) session: Option<String>,
    #[serde(default)]
    pub(super) start: Start,
    pub(super) hold_us: Option<u64>,
    pub(super) window_messages: Option<usize>,
    pub(super) silence_ms: Option<u64>,
    #[serde(default)]
    pub(super) rerequest: RerequestConfig,
    pub(super) login: Option<LoginConfig>,
    pub(super) trading_date: Option<TradingDate>,
    #[serde(default, rename = "line")]
    pub(super) lines: Vec<LineConfig>,
}

impl FeedConfig {
    /// Adds the feed, the one at `index`, with its lines; `date` is its trading date where it names
    /// none.
    pub(super) fn add_to(
        &self,
        pipeline: &mut Pipeline<MarketEvent>,
        index: usize,
        date: TradingDate,
    ) -> Result<()> {
        let config = || self.config(index, date);
        let lines = || self.lines.iter().map(LineConfig::make).collect();
        match self.protocol {
            Protocol::MoldItch => pipeline.feed(NasdaqFeed::new(config()?)?, lines())?,
            Protocol::Tops16 | Protocol::Deep10 => {
                pipeline.feed(IexFeed::new(config()?)?, lines())?;
            }
            Protocol::Cme => pipeline.feed(CmeFeed::new(config()?)?, lines())?,
            Protocol::SoupItch => {
                let (feed, line) = self.make_soup(index, date)?;
                pipeline.stream_feed(feed, vec![line])?;
            }
        }
        Ok(())
    }

    /// Tells whether it is a TCP stream, and not datagrams.
    pub(super) fn is_stream(&self) -> bool {
        self.protocol == Protocol::SoupItch
    }

    /// Returns the settings of a feed of datagrams.
    pub(super) fn config(&self, index: usize, date: TradingDate) -> Result<feed::FeedConfig> {
        if self.login.is_some() {
            bail!("feed {}: [feed.login] is of soupbintcp/itch50", self.name);
        }
        if self.lines.is_empty() {
            bail!("feed {}: no [[feed.line]]: nowhere to listen", self.name);
        }
        let defaults = feed::FeedConfig::default();
        Ok(feed::FeedConfig {
            id: self.id(index)?,
            name: self.name.clone(),
            lines: self.lines.iter().map(|line| line.name.clone()).collect(),
            session: self
                .session
                .as_deref()
                .map(|name| self.protocol.session(name))
                .transpose()?,
            start: match self.start {
                Start::At(number) => feed::Start::At(number),
                Start::FirstSeen => feed::Start::FirstSeen,
            },
            hold_ns: self.ns("hold_us", self.hold_us, 1_000, defaults.hold_ns)?,
            silence_ns: self.ns(
                "silence_ms",
                self.silence_ms,
                1_000_000,
                self.protocol.silence_ns(defaults.silence_ns),
            )?,
            rerequest: self.rerequest(defaults.rerequest)?,
            window_messages: self.window_messages.unwrap_or(defaults.window_messages),
            midnight_ns: self.trading_date.unwrap_or(date).midnight_ns()?,
        })
    }

    /// Returns its number: its own, or that of its place.
    pub(super) fn id(&self, index: usize) -> Result<u8> {
        match self.id {
            Some(id) => Ok(id),
            None => u8::try_from(index + 1).context("more than 255 feeds"),
        }
    }

    /// Returns nanoseconds, of a key in units of `unit_ns`.
    pub(super) fn ns(
        &self,
        key: &str,
        value: Option<u64>,
        unit_ns: u64,
        default_ns: u64,
    ) -> Result<u64> {
        let Some(value) = value else {
            return Ok(default_ns);
        };
        value.checked_mul(unit_ns).with_context(|| {
            format!(
                "feed {}: {key} = {value} is longer than 584 years",
                self.name
            )
        })
    }

    fn rerequest(&self, defaults: feed::RerequestConfig) -> Result<feed::RerequestConfig> {
        let asked = &self.rerequest;
        Ok(feed::RerequestConfig {
            servers: asked.servers.clone(),
            retry_ns: self.ns("retry_us", asked.retry_us, 1_000, defaults.retry_ns)?,
            in_flight_max: asked.in_flight_max.unwrap_or(defaults.in_flight_max),
            count_max: asked.count_max.unwrap_or(defaults.count_max),
        })
    }
}

/// `[[feed.line]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LineConfig {
    pub(super) name: String,
    pub(super) address: SocketAddrV4,
    pub(super) interface: Option<String>,
    pub(super) source: Option<Ipv4Addr>,
    pub(super) receive_buffer_bytes: Option<usize>,
}

impl LineConfig {
    /// Makes a line of datagrams.
    pub(super) fn make(&self) -> Line {
        Line {
            interface: self.interface.clone(),
            source: self.source,
            receive_buffer_bytes: self
                .receive_buffer_bytes
                .unwrap_or(Line::RECEIVE_BUFFER_BYTES),
            ..Line::new(&self.name, self.address)
        }
    }
}

/// `[feed.rerequest]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RerequestConfig {
    pub(super) servers: Vec<SocketAddrV4>,
    retry_us: Option<u64>,
    in_flight_max: Option<usize>,
    count_max: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Protocol {
    #[serde(rename = "moldudp64/itch50")]
    MoldItch,
    #[serde(rename = "iextp/tops16")]
    Tops16,
    #[serde(rename = "iextp/deep10")]
    Deep10,
    #[serde(rename = "mdp3/cme")]
    Cme,
    #[serde(rename = "soupbintcp/itch50")]
    SoupItch,
}

impl Protocol {
    /// Returns after which time a line counts as silent, where the configuration does not tell; the
    /// other protocols' is `default_ns`.
    fn silence_ns(self, default_ns: u64) -> u64 {
        match self {
            // CME's heartbeats come every 30 seconds.
            Self::Cme => 65_000_000_000,
            _ => default_ns,
        }
    }

    /// Returns the name of a session as the protocol's records have it.
    fn session(self, name: &str) -> Result<feed::SessionName> {
        match self {
            // 10 bytes, padded with spaces.
            Self::MoldItch => {
                let mut id = [b' '; 10];
                let Some(start) = id.get_mut(..name.len()).filter(|_| !name.trim().is_empty())
                else {
                    bail!("session = {name:?}: a MoldUDP64 session has 1 to 10 characters");
                };
                start.copy_from_slice(name.as_bytes());
                Ok(session_name(&id))
            }
            Self::Tops16 | Self::Deep10 => {
                let letter = match self {
                    Self::Tops16 => 'T',
                    _ => 'D',
                };
                if !name.starts_with(letter) || name.len() > 16 {
                    bail!(
                        "session = {name:?}: a session of IEX is named by {letter}, its channel, a \
                         hyphen and its number, such as {letter}1-1137508352"
                    );
                }
                Ok(session_name(name.as_bytes()))
            }
            Self::Cme => bail!("session = {name:?}: leave it out, CME's channels name none"),
            Self::SoupItch => bail!("session = {name:?}: it belongs into [feed.login]"),
        }
    }
}

/// The first number to expect: a number, or "first-seen".
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(try_from = "toml::Value")]
pub(super) enum Start {
    At(u64),
    #[default]
    FirstSeen,
}

impl TryFrom<toml::Value> for Start {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        let number = value
            .as_integer()
            .and_then(|number| u64::try_from(number).ok());
        match (number, value.as_str()) {
            (Some(number @ 1..), _) => Ok(Self::At(number)),
            (None, Some("first-seen")) => Ok(Self::FirstSeen),
            _ => Err(format!(
                "start = {value}: expected a number from 1 or \"first-seen\""
            )),
        }
    }
}
