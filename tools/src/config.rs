//! Owns the configuration file of `run`: TOML, every key known, every mistake named.

mod soup;

use crate::trading_date::TradingDate;
use crate::watch::Until;
use anyhow::{Context as _, Result, anyhow, bail};
use clap::ValueEnum;
use ringtape::bus::{Contract, Subscription};
use ringtape::feed::{self, CmeFeed, IexFeed, NasdaqFeed, session_name};
use ringtape::journal::{self, SyncPolicy};
use ringtape::market::MarketEvent;
use ringtape::net::{self, Line};
use ringtape::pipeline::{HandlerSettings, JournalSettings, Pipeline, Settings};
use ringtape::stage::Framing;
use serde::Deserialize;
use std::collections::HashSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What fits a line of a report.
const NAME_BYTES_MAX: usize = 40;

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(default)]
    pub(crate) run: RunConfig,
    #[serde(default)]
    net: NetConfig,
    #[serde(default, rename = "feed")]
    feeds: Vec<FeedConfig>,
    #[serde(default, rename = "subscriber")]
    pub(crate) subscribers: Vec<SubscriberConfig>,
    journal: Option<JournalConfig>,
}

/// `[run]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RunConfig {
    wait: Wait,
    ingest_core: Option<usize>,
    pub(crate) until: Until,
}

/// What idle threads do.
#[derive(Clone, Copy, Debug, Default, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Wait {
    /// Poll again at once: a core that nothing else uses
    Spin,
    /// Poll again after a pause: kinder to a sibling hyper-thread
    SpinPause,
    /// Let others run: cores that are shared
    #[default]
    Yield,
    /// Sleep up to 1 ms: a machine where ringtape is a guest
    Park,
}

/// `[net]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct NetConfig {
    backend: Backend,
    stamps: Stamps,
    datagram_bytes_max: Option<usize>,
    buffers: Option<u16>,
    batch_max: Option<usize>,
}

/// How datagrams are fetched.
#[derive(Clone, Copy, Debug, Default, Deserialize, ValueEnum)]
pub(crate) enum Backend {
    /// `io_uring` where the kernel allows it, else `recvmmsg`
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// `io_uring` or an error
    #[serde(rename = "io_uring")]
    #[value(name = "io_uring")]
    Uring,
    /// `recvmmsg`, polled
    #[serde(rename = "recvmmsg")]
    #[value(name = "recvmmsg")]
    Mmsg,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Stamps {
    #[default]
    Kernel,
    Batch,
}

/// `[[feed]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FeedConfig {
    name: String,
    id: Option<u8>,
    protocol: Protocol,
    session: Option<String>,
    #[serde(default)]
    start: Start,
    hold_us: Option<u64>,
    window_messages: Option<usize>,
    silence_ms: Option<u64>,
    #[serde(default)]
    rerequest: RerequestConfig,
    login: Option<soup::LoginConfig>,
    trading_date: Option<TradingDate>,
    #[serde(default, rename = "line")]
    lines: Vec<LineConfig>,
}

/// `[feed.rerequest]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RerequestConfig {
    servers: Vec<SocketAddrV4>,
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

/// The first number to expect: a number, or "first-seen".
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(try_from = "toml::Value")]
enum Start {
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

/// `[[feed.line]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LineConfig {
    name: String,
    address: SocketAddrV4,
    interface: Option<String>,
    source: Option<Ipv4Addr>,
    receive_buffer_bytes: Option<usize>,
}

/// `[[subscriber]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubscriberConfig {
    pub(crate) name: String,
    pub(crate) strategy: Strategy,
    #[serde(default)]
    contract: ContractName,
    ring_records: Option<usize>,
    core: Option<usize>,
    #[serde(default)]
    latency: LatencyDetail,
}

/// The strategies that the command line brings.
#[derive(Clone, Copy, Debug, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Strategy {
    /// Sums what is bid, offered and traded.
    Flow,
    /// Checks that every message refers to an order that is alive.
    Audit,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ContractName {
    #[default]
    Lossy,
    Lossless,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum LatencyDetail {
    #[default]
    Hops,
    Wire,
    Off,
}

/// `[journal]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct JournalConfig {
    directory: PathBuf,
    bus: Option<String>,
    #[serde(default)]
    when_full: WhenFull,
    ring_records: Option<usize>,
    segment_bytes: Option<u64>,
    #[serde(default)]
    sync: Sync,
    frame_records: Option<usize>,
    flush_us: Option<u64>,
    core: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WhenFull {
    #[default]
    Gap,
    Wait,
}

/// "never", "every frame" or "every 100 ms".
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(try_from = "String")]
struct Sync(SyncPolicy);

impl TryFrom<String> for Sync {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let policy = match text.split_whitespace().collect::<Vec<_>>()[..] {
            ["never"] => Some(SyncPolicy::Never),
            ["every", "frame"] => Some(SyncPolicy::EveryFrame),
            ["every", ms, "ms"] => match ms.parse() {
                Ok(ms @ 1..) => Some(SyncPolicy::Every(Duration::from_millis(ms))),
                _ => None,
            },
            _ => None,
        };
        policy.map(Self).ok_or_else(|| {
            format!(
                "sync = {text:?}: expected \"never\", \"every frame\" or, say, \"every 100 ms\""
            )
        })
    }
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// What is wrong, with file, line and, for an unknown key, the nearest known one.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("configuration {}", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let place = error
                .span()
                .map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            let nearest = nearest_known(error.message()).unwrap_or_default();
            anyhow!("line {place}: {}{nearest}", error.message())
        })?;
        if config.feeds.is_empty() {
            bail!("no [[feed]]: nothing to receive");
        }
        check_names("feed", config.feeds.iter().map(|feed| &feed.name))?;
        for feed in &config.feeds {
            check_names("line", feed.lines.iter().map(|line| &line.name))?;
        }
        check_names(
            "subscriber",
            config.subscribers.iter().map(|subscriber| &subscriber.name),
        )?;
        Ok(config)
    }

    /// Sees that there is somebody to receive for.
    ///
    /// # Errors
    ///
    /// When there is nobody.
    pub(crate) fn check_subscribers(&self) -> Result<()> {
        if self.subscribers.is_empty() {
            bail!("no [[subscriber]]: nobody to receive for");
        }
        Ok(())
    }

    /// Returns what holds for the whole pipeline.
    pub(crate) fn settings(&self) -> Settings {
        let defaults = net::Config::default();
        let net = &self.net;
        Settings {
            net: net::Config {
                backend: net.backend.into(),
                stamps: match net.stamps {
                    Stamps::Kernel => net::Stamps::Kernel,
                    Stamps::Batch => net::Stamps::Batch,
                },
                datagram_bytes_max: net
                    .datagram_bytes_max
                    .unwrap_or(defaults.datagram_bytes_max),
                buffers: net.buffers.unwrap_or(defaults.buffers),
                batch_max: net.batch_max.unwrap_or(defaults.batch_max),
            },
            wait: self.run.wait.into(),
            ingest_core: self.run.ingest_core,
        }
    }

    /// Returns how the bus is journaled, if it is.
    pub(crate) fn journal(&self) -> Option<JournalSettings> {
        self.journal.as_ref().map(JournalConfig::settings)
    }

    /// Makes a pipeline of the feeds, each with its lines; `date` is the trading date of those that
    /// name none.
    ///
    /// # Errors
    ///
    /// A setting that cannot work.
    pub(crate) fn pipeline(
        &self,
        settings: Settings,
        date: TradingDate,
    ) -> Result<Pipeline<MarketEvent>> {
        let mut pipeline = Pipeline::new(settings);
        for (index, feed) in self.feeds.iter().enumerate() {
            feed.add_to(&mut pipeline, index, date)?;
        }
        Ok(pipeline)
    }

    /// Leaves out the feeds that are TCP streams, and returns their names.
    pub(crate) fn leave_out_streams(&mut self) -> Vec<String> {
        for (index, feed) in self.feeds.iter_mut().enumerate() {
            // What numbers the others have does not depend on who is left out.
            feed.id = feed.id.or_else(|| u8::try_from(index + 1).ok());
        }
        let streams = |feed: &mut FeedConfig| feed.protocol == Protocol::SoupItch;
        let left_out = self.feeds.extract_if(.., streams);
        left_out.map(|feed| feed.name).collect()
    }

    /// Returns an error where a feed cannot be read from a capture.
    pub(crate) fn check_recorded(&self) -> Result<()> {
        let stream = self
            .feeds
            .iter()
            .find(|feed| feed.protocol == Protocol::SoupItch);
        match stream {
            None => Ok(()),
            Some(feed) => bail!(
                "feed {}: a capture has datagrams, and this one is a TCP stream: leave it out of what \
                 is run --from a capture",
                feed.name
            ),
        }
    }

    /// Returns the lines of datagrams of all feeds, in their order, each with its name in a capture: its own,
    /// or, where several feeds have lines of that name, with its feed's before it.
    pub(crate) fn lines(&self) -> Vec<(String, Line)> {
        let all = || self.feeds.iter().flat_map(|feed| &feed.lines);
        let named = |feed: &FeedConfig, line: &LineConfig| {
            let alone = all().filter(|other| other.name == line.name).count() == 1;
            match alone {
                true => line.name.clone(),
                false => format!("{}/{}", feed.name, line.name),
            }
        };
        let lines = self
            .feeds
            .iter()
            .filter(|feed| feed.protocol != Protocol::SoupItch)
            .flat_map(|feed| feed.lines.iter().map(move |line| (feed, line)));
        lines
            .map(|(feed, line)| (named(feed, line), line.make()))
            .collect()
    }
}

impl FeedConfig {
    fn add_to(
        &self,
        pipeline: &mut Pipeline<MarketEvent>,
        index: usize,
        date: TradingDate,
    ) -> Result<()> {
        if self.protocol == Protocol::SoupItch {
            let (feed, line) = self.make_soup(index, date)?;
            return Ok(pipeline.stream_feed(feed, vec![line])?);
        }
        let config = self.config(index, date)?;
        let lines = self.lines.iter().map(LineConfig::make).collect();
        match self.protocol {
            Protocol::MoldItch => pipeline.feed(NasdaqFeed::new(config)?, lines)?,
            Protocol::Tops16 | Protocol::Deep10 => pipeline.feed(IexFeed::new(config)?, lines)?,
            Protocol::Cme => pipeline.feed(CmeFeed::new(config)?, lines)?,
            Protocol::SoupItch => unreachable!("invariant: made above"),
        }
        Ok(())
    }

    fn config(&self, index: usize, date: TradingDate) -> Result<feed::FeedConfig> {
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
}

impl FeedConfig {
    fn id(&self, index: usize) -> Result<u8> {
        match self.id {
            Some(id) => Ok(id),
            None => u8::try_from(index + 1).context("more than 255 feeds"),
        }
    }

    /// Returns nanoseconds, of a key in units of `unit_ns`.
    fn ns(&self, key: &str, value: Option<u64>, unit_ns: u64, default_ns: u64) -> Result<u64> {
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

impl LineConfig {
    fn make(&self) -> Line {
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

impl SubscriberConfig {
    /// Returns how the subscriber is attached.
    pub(crate) fn settings(&self) -> HandlerSettings {
        let defaults = Subscription::default();
        HandlerSettings {
            subscription: Subscription {
                contract: match self.contract {
                    ContractName::Lossy => Contract::Lossy,
                    ContractName::Lossless => Contract::Lossless,
                },
                capacity: self.ring_records.unwrap_or(defaults.capacity),
                passages: matches!(self.latency, LatencyDetail::Hops),
            },
            measure: !matches!(self.latency, LatencyDetail::Off),
            core: self.core,
        }
    }
}

impl JournalConfig {
    fn settings(&self) -> JournalSettings {
        let defaults = JournalSettings::new(&self.directory);
        let tape = defaults.tape;
        let framing = defaults.framing;
        JournalSettings {
            tape: journal::Config {
                bus: self.bus.clone().unwrap_or(tape.bus),
                segment_bytes: self.segment_bytes.unwrap_or(tape.segment_bytes),
                sync: self.sync.0,
                ..tape
            },
            contract: match self.when_full {
                WhenFull::Gap => Contract::Lossy,
                WhenFull::Wait => Contract::Lossless,
            },
            capacity: self.ring_records.unwrap_or(defaults.capacity),
            framing: Framing {
                frame_records: self.frame_records.unwrap_or(framing.frame_records),
                flush: self.flush_us.map_or(framing.flush, Duration::from_micros),
            },
            core: self.core,
        }
    }
}

impl From<Wait> for ringtape::wait::WaitStrategy {
    fn from(wait: Wait) -> Self {
        match wait {
            Wait::Spin => Self::Spin,
            Wait::SpinPause => Self::SpinPause,
            Wait::Yield => Self::Yield,
            Wait::Park => Self::Park,
        }
    }
}

impl From<Backend> for net::Backend {
    fn from(backend: Backend) -> Self {
        match backend {
            Backend::Auto => Self::Auto,
            Backend::Uring => Self::Uring,
            Backend::Mmsg => Self::Mmsg,
        }
    }
}

/// Names are what reports and errors go by, so each is there, is printable and stands for one thing.
fn check_names<'a>(what: &str, names: impl Iterator<Item = &'a String>) -> Result<()> {
    let mut seen = HashSet::new();
    for name in names {
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            bail!("{what} {name:?}: a name has 1 to {NAME_BYTES_MAX} printable characters");
        }
        if !seen.insert(name) {
            bail!("{what} {name:?} is there twice: give each a name of its own");
        }
    }
    Ok(())
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

/// For "unknown field `x`, expected one of `a`, `b`" and the like: the expected word that is most
/// like the one found.
fn nearest_known(message: &str) -> Option<String> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = quoted.next().filter(|_| message.starts_with("unknown "))?;
    let nearest = quoted.max_by(|a, b| {
        let likeness = |known: &str| strsim::jaro_winkler(unknown, known);
        likeness(a).total_cmp(&likeness(b))
    })?;
    Some(format!("; did you mean `{nearest}`?"))
}

#[cfg(test)]
mod tests;
