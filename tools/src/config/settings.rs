//! Owns `[run]` and `[net]`: what holds for the whole pipeline.

use crate::watch::Until;
use clap::ValueEnum;
use ringtape::net;
use ringtape::pipeline::Settings;
use ringtape::wait::WaitStrategy;
use serde::Deserialize;

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
pub(super) struct NetConfig {
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

/// Returns what the two tables set, and the defaults of the rest.
pub(super) fn settings(run: &RunConfig, net: &NetConfig) -> Settings {
    let defaults = net::Config::default();
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
        wait: run.wait.into(),
        ingest_core: run.ingest_core,
    }
}

impl From<Wait> for WaitStrategy {
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
