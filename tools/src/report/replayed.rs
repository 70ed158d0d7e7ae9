//! Owns the proof at the end of the demo: the tape, replayed, is what the strategies were given.

use crate::output::thousands;
use crate::strategies::Flow;
use anyhow::Result;
use ringtape::market::MarketEvent;
use ringtape::pipeline::Report;
use ringtape::record::{Digest, Sequence};
use ringtape::replay::{Place, Replay};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

/// Two replays of a run's tape, and the run's own digests. The keys are stable.
#[derive(Debug, Serialize)]
pub struct Replayed {
    /// Whether the replays gave the strategy what each subscriber was given live.
    equal: bool,
    /// What each replay gave, as one number.
    digests: [String; 2],
    /// What each subscriber was given live.
    live: Vec<String>,
    events: u64,
    elapsed_ns: u64,
}

impl Replayed {
    /// Replays the tape in `directory` from `first` on, twice, each time to a new strategy.
    ///
    /// # Errors
    ///
    /// When the tape cannot be read.
    pub(crate) fn run(directory: &Path, first: Sequence, report: &Report) -> Result<Self> {
        let begin = Instant::now();
        let (one, events) = replay(directory, first)?;
        let elapsed_ns = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let (other, _) = replay(directory, first)?;
        let live: Vec<u128> = report
            .subscribers
            .iter()
            .map(|subscriber| subscriber.digest.value())
            .collect();
        Ok(Self {
            equal: one.value() == other.value() && live.iter().all(|live| *live == one.value()),
            digests: [one.to_string(), other.to_string()],
            live: report
                .subscribers
                .iter()
                .map(|subscriber| subscriber.digest.to_string())
                .collect(),
            events,
            elapsed_ns,
        })
    }

    /// Returns whether the replays are what was given live.
    pub(crate) fn is_equal(&self) -> bool {
        self.equal
    }

    /// Writes it for people.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail, here and below.
        _ = writeln!(
            text,
            "\nreplayed {} events from the tape, twice",
            thousands(self.events)
        );
        for digest in &self.digests {
            _ = writeln!(text, "  digest {digest}");
        }
        text.push_str(if self.equal {
            "The replays are what the strategies were given live, to the last bit.\n"
        } else {
            "THE REPLAYS DIFFER from what the strategies were given live.\n"
        });
        text
    }
}

fn replay(directory: &Path, first: Sequence) -> Result<(Digest, u64)> {
    let outcome = Replay::<MarketEvent>::open(directory)?
        .from(Place::Sequence(first))
        .run("flow", Flow::default())?;
    Ok((outcome.digest.unwrap_or_default(), outcome.tally.events))
}
