//! Owns scenarios: what a venue sends, and what becomes of it on each line.

use super::tcp::TcpScenario;
use super::values::{Between, Share, micros, micros_above_zero};
use crate::feed::moldudp64::SessionId;
use serde::Deserialize;
use std::net::SocketAddrV4;

/// What a venue sends, what its lines do to it, and how its re-request servers answer.
///
/// One seed gives all randomness: the same scenario is the same datagrams at the same times.
///
/// # Examples
///
/// ```
/// use ringtape::torture::Scenario;
///
/// let scenario = Scenario::parse(
///     r#"
///     seed = 7
///     [traffic]
///     messages = 1000
///     rate = 100_000
///     [[line]]
///     loss = 1
///     reorder = { share = 0.5, packets = 3 }
///     [[line]]
///     skew_us = 80
///     burst = { share = 0.1, packets = [3, 20] }
///     [[event]]
///     what = "end-of-session"
///     at_message = 600
///     "#,
/// )?;
/// assert_eq!(scenario.lines.len(), 2);
///
/// let wrong = Scenario::parse("[[line]]\nloss = 120\n").expect_err("more than all");
/// assert_eq!(wrong.line, 2);
/// # Ok::<(), ringtape::torture::ScenarioError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Gives all randomness.
    pub seed: u64,
    /// What the venue sends.
    pub traffic: Traffic,
    /// What becomes of it: 1 to [`LINES_MAX`](crate::feed::LINES_MAX) lines.
    pub lines: Vec<LineScenario>,
    /// What happens to all lines at once.
    pub events: Vec<VenueEvent>,
    /// Who answers requests.
    pub servers: Vec<ServerScenario>,
    /// What becomes of connections to the venue's SoupBinTCP server; nothing if `None`.
    pub tcp: Option<TcpScenario>,
}

/// What a venue sends: `[traffic]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Traffic {
    /// Messages in all sessions together.
    #[serde(deserialize_with = "messages")]
    pub messages: u64,
    /// Messages a second, 1 to a billion.
    #[serde(deserialize_with = "rate")]
    pub rate: u64,
    /// Messages of a packet; a line can have its own.
    pub packet_messages: Between,
    /// Silence after which the venue sends a heartbeat.
    #[serde(rename = "heartbeat_us", deserialize_with = "micros_above_zero")]
    pub heartbeat_ns: u64,
    /// Name of the first session; of later ones the last three characters count.
    #[serde(deserialize_with = "session")]
    pub session: SessionId,
    /// Number of the first message.
    #[serde(deserialize_with = "first")]
    pub first: u64,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            messages: 10_000,
            rate: 100_000,
            packet_messages: Between::new(1, 12).expect("invariant: 1 to 12 is a range"),
            heartbeat_ns: 1_000_000_000,
            session: *b"TORTURE001",
            first: 1,
        }
    }
}

/// What becomes of packets on one line: `[[line]]`. Shares are of the line's packets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LineScenario {
    /// The line's name; `A`, `B` and so on by default.
    pub name: String,
    /// Messages of a packet on this line, where its packets are not those of the others.
    pub packet_messages: Option<Between>,
    /// Lost.
    pub loss: Share,
    /// Lost in a row.
    pub burst: Option<Burst>,
    /// Overtaken by later ones.
    pub reorder: Option<Reorder>,
    /// Brought twice.
    pub duplicate: Share,
    /// Late, and with them all behind them.
    pub delay: Option<Delay>,
    /// Each packet is late by a draw from 0 to this; the order is kept.
    #[serde(rename = "jitter_us", deserialize_with = "micros")]
    pub jitter_ns: u64,
    /// The whole line is late by this.
    #[serde(rename = "skew_us", deserialize_with = "micros")]
    pub skew_ns: u64,
    /// One bit is another. Venues send checksums: it is what comes through a broken middlebox.
    pub corrupt: Corrupt,
    /// Cut, to any length.
    pub truncate: Share,
    /// The last byte of the last message is another than on the other lines.
    pub differ: Share,
    /// When the line brings nothing, from and to, in nanoseconds since the first message.
    #[serde(skip)]
    pub silences: Vec<(u64, u64)>,
}

/// Packets that are lost in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Burst {
    /// Packets with which a burst begins.
    pub share: Share,
    /// How many are lost.
    pub packets: Between,
}

/// Packets that arrive behind later ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "ReorderFile")]
pub struct Reorder {
    /// How many.
    pub share: Share,
    /// How far behind.
    pub behind: Behind,
}

/// How far behind a reordered packet arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// Behind so many later packets of its line.
    Packets(Between),
    /// So many nanoseconds late.
    Time(u64),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReorderFile {
    share: Share,
    packets: Option<Between>,
    #[serde(
        default,
        rename = "us",
        deserialize_with = "super::values::micros_if_any"
    )]
    ns: Option<u64>,
}

impl TryFrom<ReorderFile> for Reorder {
    type Error = &'static str;

    fn try_from(file: ReorderFile) -> Result<Self, &'static str> {
        let behind = match (file.packets, file.ns) {
            (Some(packets), None) => Behind::Packets(packets),
            (None, Some(ns @ 1..)) => Behind::Time(ns),
            _ => return Err("reorder: say how far behind, either with packets or with us"),
        };
        Ok(Self {
            share: file.share,
            behind,
        })
    }
}

/// Packets that are late, with all behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    /// How many.
    pub share: Share,
    /// How late.
    #[serde(rename = "us", deserialize_with = "micros_above_zero")]
    pub ns: u64,
}

/// Packets of which one bit is another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Corrupt {
    /// Of the packet's header.
    pub header: Share,
    /// Of what follows the header.
    pub message: Share,
}

/// What happens to all lines at once, or when it happens to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VenueEvent {
    /// When.
    pub at: EventAt,
    /// What.
    pub what: What,
}

/// When something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventAt {
    /// Behind so many messages.
    Message(u64),
    /// So many nanoseconds after the first message, before what is due then.
    Time(u64),
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The venue tells the end of its session, and opens the next if messages are left.
    EndOfSession,
    /// The venue opens the next session without a word on the end of the last.
    SessionChange,
    /// The venue numbers from 1 again, in the same session.
    Restart,
    /// The venue sends nothing for so many nanoseconds, not even heartbeats; what was due is late.
    Silence(u64),
}

/// How a re-request server answers: `[[server]]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerScenario {
    /// The server's name; `R1`, `R2` and so on by default.
    pub name: String,
    /// Where it listens, when it has a socket.
    pub address: Option<SocketAddrV4>,
    /// What its answers are like.
    pub behaviour: Behaviour,
    /// From a request to its answer, both ways together.
    #[serde(rename = "delay_us", deserialize_with = "micros")]
    pub delay_ns: u64,
    /// The most messages of an answer.
    pub answer_messages: Between,
    /// Requests that are lost on the way.
    pub request_loss: Share,
    /// Answers that are lost on the way.
    pub loss: Share,
}

impl Default for ServerScenario {
    fn default() -> Self {
        Self {
            name: String::new(),
            address: None,
            behaviour: Behaviour::Right,
            delay_ns: 100_000,
            answer_messages: Between::new(Between::MAX, Between::MAX)
                .expect("invariant: the largest range is one"),
            request_loss: Share::NONE,
            loss: Share::NONE,
        }
    }
}

/// What a server's answers are like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    /// What was asked for, as far as a packet holds it.
    #[default]
    Right,
    /// The same, ten times as late.
    Slow,
    /// At most three messages of what was asked for.
    Partial,
    /// Nothing.
    Silent,
    /// Another session, other numbers, more than was asked for, or other bytes.
    Wrong,
}

fn within(number: i64, range: std::ops::RangeInclusive<u64>) -> Result<u64, String> {
    let fits = u64::try_from(number).ok().filter(|n| range.contains(n));
    fits.ok_or_else(|| format!("{number} is not from {} to {}", range.start(), range.end()))
}

fn messages<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    within(i64::deserialize(from)?, 1..=10_000_000_000).map_err(serde::de::Error::custom)
}

fn rate<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    within(i64::deserialize(from)?, 1..=1_000_000_000).map_err(serde::de::Error::custom)
}

fn first<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    within(i64::deserialize(from)?, 1..=i64::MAX as u64 / 2).map_err(serde::de::Error::custom)
}

fn session<'de, D: serde::Deserializer<'de>>(from: D) -> Result<SessionId, D::Error> {
    let name = String::deserialize(from)?;
    let mut session = *b"          ";
    let printable = name.bytes().all(|byte| byte.is_ascii_graphic());
    match session.get_mut(..name.len()) {
        Some(start) if printable && !name.is_empty() => start.copy_from_slice(name.as_bytes()),
        _ => {
            let refused = format!("{name:?} is no name of 1 to 10 printable ASCII characters");
            return Err(serde::de::Error::custom(refused));
        }
    }
    Ok(session)
}
