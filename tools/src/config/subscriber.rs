//! Owns `[[subscriber]]`: who gets the records, and how they are attached.

use clap::ValueEnum;
use ringtape::bus::{Contract, Ring, Subscription};
use ringtape::pipeline::HandlerSettings;
use serde::Deserialize;

/// `[[subscriber]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubscriberConfig {
    pub(crate) name: String,
    pub(crate) strategy: Strategy,
    /// Names of the feeds whose books it watches; the first ones where none are named.
    #[serde(default)]
    pub(super) feeds: Vec<String>,
    #[serde(default)]
    contract: ContractName,
    #[serde(default)]
    ring: RingName,
    ring_records: Option<usize>,
    core: Option<usize>,
    #[serde(default)]
    latency: LatencyDetail,
}

/// The strategies that the command line brings.
#[derive(Clone, Copy, Debug, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Strategy {
    /// Sums what is bid, offered and traded.
    Flow,
    /// Checks that every message refers to an order that is alive.
    Audit,
    /// Counts the spreads of a feed's instruments that are much wider than usual.
    Spread,
    /// Measures how long and how often a bid on one feed is above an offer on another.
    Compare,
}

impl Strategy {
    /// Returns how many feeds it watches the books of.
    pub(crate) fn books(self) -> usize {
        match self {
            Self::Flow | Self::Audit => 0,
            Self::Spread => 1,
            Self::Compare => 2,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ContractName {
    #[default]
    Lossy,
    Lossless,
}

/// What carries records to a subscriber.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RingName {
    /// A ring of its own
    #[default]
    Lane,
    /// The ring that all who ask for it share
    Broadcast,
}

impl RingName {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Lane => "lane",
            Self::Broadcast => "broadcast",
        }
    }
}

impl From<RingName> for Ring {
    fn from(name: RingName) -> Self {
        match name {
            RingName::Lane => Self::Lane,
            RingName::Broadcast => Self::Broadcast,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum LatencyDetail {
    #[default]
    Hops,
    Wire,
    Off,
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
                ring: self.ring.into(),
                capacity: self.ring_records.unwrap_or(defaults.capacity),
                passages: matches!(self.latency, LatencyDetail::Hops),
            },
            measure: !matches!(self.latency, LatencyDetail::Off),
            core: self.core,
        }
    }
}
