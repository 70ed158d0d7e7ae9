//! Owns the report for programs: stable keys, integers, times in nanoseconds.

use super::measured::Measured;
use super::platform::{CoreSteal, ThreadNoise};
use super::setup::{Cores, Stage};
use super::text::values;
use crate::noise::Noise;
use hdrhistogram::Histogram;
use ringtape::latency::Summary;
use serde::Serialize;
use std::collections::BTreeMap;

/// All runs.
#[derive(Debug, Serialize)]
pub(super) struct LatencyJson<'a> {
    /// Machine, program and command.
    host: &'a [String],
    passed: bool,
    /// Whether not all runs are there, or the last is not whole.
    interrupted: bool,
    noise_before: Vec<NoiseJson>,
    runs: Vec<RunJson<'a>>,
}

#[derive(Debug, Serialize)]
struct RunJson<'a> {
    name: String,
    stage: Stage,
    arrivals: String,
    seed: u64,
    wait: &'static str,
    backend: Option<&'a str>,
    ring: &'static str,
    sender: &'static str,
    journal: bool,
    cores: Cores,
    passed: bool,
    interrupted: bool,
    failures: Vec<String>,
    target_per_s: u64,
    achieved_per_s: u64,
    scheduled: u64,
    sent: u64,
    received: u64,
    warm_up: u64,
    dropped: u64,
    drops: BTreeMap<String, u64>,
    sender_late_ns_max: u64,
    latency_ns: LatencyNsJson,
    /// Percentiles that are the machine's as much as ours.
    platform_bound: Vec<&'static str>,
    hops_ns: BTreeMap<&'static str, SummaryJson>,
    noise_during: Vec<NoiseJson>,
    threads: &'a [ThreadNoise],
    steal: &'a [CoreSteal],
}

#[derive(Debug, Serialize)]
struct LatencyNsJson {
    count: u64,
    out_of_range: u64,
    #[serde(flatten)]
    percentiles: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize)]
struct NoiseJson {
    core: usize,
    watched_ns: u64,
    stalls: u64,
    stalled_ns: u64,
    stalled_ppm: u64,
    #[serde(flatten)]
    percentiles: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize)]
struct SummaryJson {
    count: u64,
    p50: u64,
    p90: u64,
    p99: u64,
    p999: u64,
    p9999: u64,
    max: u64,
    out_of_range: u64,
}

impl From<&Summary> for SummaryJson {
    fn from(summary: &Summary) -> Self {
        Self {
            count: summary.count,
            p50: summary.p50,
            p90: summary.p90,
            p99: summary.p99,
            p999: summary.p999,
            p9999: summary.p9999,
            max: summary.max,
            out_of_range: summary.out_of_range,
        }
    }
}

impl From<&Noise> for NoiseJson {
    fn from(noise: &Noise) -> Self {
        Self {
            core: noise.core,
            watched_ns: noise.watched_ns,
            stalls: noise.stalls,
            stalled_ns: noise.stalled_ns,
            stalled_ppm: noise.stalled_ppm(),
            percentiles: percentiles(&noise.hiccups),
        }
    }
}

/// The keys that other reports have: p999 for 99.9 %.
fn percentiles(histogram: &Histogram<u64>) -> BTreeMap<String, u64> {
    let values = values(histogram).into_iter();
    values
        .map(|(name, ns)| (name.replace('.', ""), ns))
        .collect()
}

impl<'a> LatencyJson<'a> {
    /// Makes the report of `runs`; they are not all that were asked for where these were
    /// `interrupted`.
    pub(super) fn new(
        runs: &'a [Measured],
        before: &[Noise],
        host: &'a [String],
        interrupted: bool,
    ) -> Self {
        Self {
            host,
            passed: !interrupted && runs.iter().all(Measured::passed),
            interrupted,
            noise_before: before.iter().map(NoiseJson::from).collect(),
            runs: runs.iter().map(|run| RunJson::new(run, before)).collect(),
        }
    }
}

impl<'a> RunJson<'a> {
    fn new(run: &'a Measured, before: &[Noise]) -> Self {
        let setup = &run.setup;
        let drops = run.drops.iter();
        Self {
            name: setup.name(),
            stage: setup.stage,
            arrivals: setup.plan.arrivals.to_string(),
            seed: setup.plan.seed,
            wait: setup.wait().name(),
            backend: run.backend.as_deref(),
            ring: setup.ring.name(),
            sender: if setup.process { "process" } else { "thread" },
            journal: setup.journal.is_some(),
            cores: setup.cores,
            passed: run.passed(),
            interrupted: run.interrupted,
            failures: run.failures(),
            target_per_s: setup.plan.messages_per_s,
            achieved_per_s: run.achieved_per_s(),
            scheduled: run.scheduled,
            sent: run.sent.sent,
            received: run.received,
            warm_up: run.warm_up,
            dropped: run.dropped(),
            drops: drops.map(|(place, count)| (key(place), *count)).collect(),
            sender_late_ns_max: run.sent.late_ns_max,
            latency_ns: LatencyNsJson {
                count: run.total.len(),
                out_of_range: run.out_of_range,
                percentiles: percentiles(&run.total),
            },
            platform_bound: run.platform_bound(before),
            hops_ns: run
                .hops
                .iter()
                .map(|(name, hop)| (*name, hop.into()))
                .collect(),
            noise_during: run.during.iter().map(NoiseJson::from).collect(),
            threads: &run.threads,
            steal: &run.steal,
        }
    }
}

/// Makes a key of words.
fn key(words: &str) -> String {
    words.replace(',', "").replace(' ', "_")
}

#[cfg(test)]
mod tests {
    use super::super::measured::tests::measured;
    use super::*;

    #[test]
    fn the_report_is_one_object_of_integers() {
        let runs = [measured(Stage::Ring)];
        let noise = [Noise::of(0, 1_000_000_000, &[200, 30_000_000])];
        let host = ["kernel: x".to_owned()];
        let json = serde_json::to_value(LatencyJson::new(&runs, &noise, &host, false)).unwrap();
        let stopped = serde_json::to_value(LatencyJson::new(&runs, &noise, &host, true)).unwrap();
        assert_eq!(stopped["runs"], json["runs"]);
        assert_eq!(
            (&stopped["passed"], &stopped["interrupted"]),
            (&false.into(), &true.into())
        );
        assert_eq!(json["host"][0], "kernel: x");
        assert_eq!(
            (&json["passed"], &json["runs"][0]["passed"]),
            (&true.into(), &true.into())
        );
        let run = &json["runs"][0];
        assert_eq!(run["latency_ns"]["count"], 1_000);
        assert_eq!(
            run["latency_ns"]["p999"],
            runs[0].total.value_at_quantile(0.999)
        );
        assert_eq!(
            run["platform_bound"],
            serde_json::json!(["p99", "p99.9", "p99.99", "max"])
        );
        assert_eq!(run["drops"]["sent_and_not_received"], 0);
        assert_eq!(json["noise_before"][0]["stalls"], 1);
    }
}
