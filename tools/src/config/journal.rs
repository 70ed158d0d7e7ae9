//! Owns `[journal]`: how the bus is recorded.

use ringtape::bus::Contract;
use ringtape::journal::{self, SyncPolicy};
use ringtape::pipeline::JournalSettings;
use ringtape::stage::Framing;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// `[journal]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JournalConfig {
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

impl JournalConfig {
    /// Returns how the bus is journaled.
    pub(super) fn settings(&self) -> JournalSettings {
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
