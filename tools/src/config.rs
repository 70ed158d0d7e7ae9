//! Owns the configuration file of `run`: TOML, every key known, every mistake named.

use anyhow::{Context as _, Result, anyhow, bail};
use ringtape::bus::{Contract, Subscription};
use ringtape::feed::nasdaq;
use ringtape::net::{self, Backend, Line, Stamps};
use ringtape::pipeline::{HandlerSettings, Settings};
use ringtape::wait::WaitStrategy;
use serde::Deserialize;
use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;

use crate::new_york;
use crate::watch::Until;

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(default)]
    run: Run,
    #[serde(default)]
    net: Net,
    #[serde(default, rename = "feed")]
    feeds: Vec<FeedConfig>,
    #[serde(default, rename = "subscriber")]
    subscribers: Vec<SubscriberConfig>,
}

/// `[run]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Run {
    wait: Wait,
    ingest_core: Option<usize>,
    until: Until,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Wait {
    Spin,
    SpinPause,
    #[default]
    Yield,
    Park,
}

/// `[net]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Net {
    backend: BackendName,
    stamps: StampsName,
    datagram_bytes_max: Option<usize>,
    buffers: Option<u16>,
    batch_max: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
enum BackendName {
    #[default]
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "io_uring")]
    Uring,
    #[serde(rename = "recvmmsg")]
    Mmsg,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StampsName {
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
    #[serde(default)]
    trading_date: TradingDate,
    #[serde(rename = "line")]
    lines: Vec<LineConfig>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum Protocol {
    #[serde(rename = "moldudp64/itch50")]
    MoldItch,
}

/// The first number to expect: a number, or "first-seen".
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(untagged)]
enum Start {
    At(u64),
    Word(StartWord),
    #[default]
    #[serde(skip)]
    Unset,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StartWord {
    FirstSeen,
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
struct SubscriberConfig {
    name: String,
    strategy: StrategyName,
    #[serde(default)]
    contract: ContractName,
    ring_records: Option<usize>,
    core: Option<usize>,
    #[serde(default)]
    latency: LatencyDetail,
}

/// The strategies that the command line brings.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StrategyName {
    /// Counts and order-flow imbalance.
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
