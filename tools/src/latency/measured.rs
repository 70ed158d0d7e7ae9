//! Owns what a run found, and whether it may be believed.

use super::conduct::Conducted;
use super::platform::{CoreSteal, ThreadNoise};
use super::recorder::Recorder;
use super::sender::Sent;
use super::setup::Setup;
use crate::noise::Noise;
use hdrhistogram::Histogram;
use ringtape::latency::{self, Latency, Summary};
use ringtape::pipeline::Report;
use std::collections::BTreeMap;

/// A percentile of the machine below this says nothing: readings of the clock are that far apart.
const NOISE_FLOOR_NS: u64 = 1_000;
/// A percentile within this factor of the machine's own is the machine's.
const PLATFORM_BOUND_FACTOR: u64 = 2;

/// The percentiles that are told.
pub(super) const QUANTILES: [(&str, f64); 6] = [
    ("p50", 0.5),
    ("p90", 0.9),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
    ("max", 1.0),
];

/// Places at which a message can get lost that never reaches the handler.
const REFUSED: &str = "refused by the kernel at the sender";
const NOT_RECEIVED: &str = "sent and not received";
/// And the tape's, which has it or not whatever the handler had.
const NOT_JOURNALED: &str = "not journaled";

/// What went missing, by where that was noticed: the same message in several places, maybe.
pub(super) type Drops = BTreeMap<&'static str, u64>;

/// A run and what it found.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) setup: Setup,
    /// When the warm-up was over, UNIX nanoseconds.
    pub(super) measured_from_ns: u64,
    /// All samples, and those of each interval.
    pub(super) total: Histogram<u64>,
    pub(super) intervals: Vec<Histogram<u64>>,
    pub(super) interval_ns: u64,
    pub(super) out_of_range: u64,
    pub(super) warm_up: u64,
    /// Messages that the schedule has.
    pub(super) scheduled: u64,
    pub(super) received: u64,
    pub(super) sent: Sent,
    pub(super) drops: Drops,
    /// Where a loss ledger does not close or a stage died, in words.
    pub(super) broken: Vec<String>,
    /// From when a message is due to its handler, in order of the way.
    pub(super) hops: Vec<(&'static str, Summary)>,
    /// What receives.
    pub(super) backend: Option<String>,
    /// Of each core that was watched while it was measured.
    pub(super) during: Vec<Noise>,
    pub(super) threads: Vec<ThreadNoise>,
    pub(super) steal: Vec<CoreSteal>,
    pub(super) interrupted: bool,
}

impl Measured {
    /// Puts together what every stage has.
    pub(super) fn new(
        setup: &Setup,
        recorder: Recorder,
        received: u64,
        sent: Sent,
        mut during: Vec<Noise>,
        conducted: Conducted,
    ) -> Self {
        let (warm_up, out_of_range) = recorder.uncounted();
        let (total, intervals, interval_ns) = recorder.into_intervals();
        during.push(Noise::of(
            setup.cores.sender,
            sent.watched_ns,
            &sent.pauses_ns,
        ));
        during.retain(|noise| !noise.hiccups.is_empty());
        during.sort_by_key(|noise| noise.core);
        let drops = BTreeMap::from([
            (REFUSED, sent.refused),
            (NOT_RECEIVED, sent.sent.saturating_sub(received)),
        ]);
        Self {
            measured_from_ns: conducted.begin_ns.saturating_add(setup.warm_up_ns),
            total,
            intervals,
            interval_ns,
            out_of_range,
            warm_up,
            scheduled: setup.plan.messages(),
            received,
            sent,
            drops,
            broken: Vec::new(),
            hops: Vec::new(),
            backend: None,
            during,
            threads: conducted.threads,
            steal: conducted.steal,
            interrupted: conducted.interrupted,
            setup: setup.clone(),
        }
    }

    /// Adds what a pipeline says of itself.
    pub(super) fn take_report(&mut self, report: &Report, missing: u64) {
        let kernel_drops = report.net.kernel_drops();
        self.drops
            .insert("dropped by the kernel at the socket", kernel_drops);
        self.drops
            .insert("missing, as the handler was told", missing);
        let overrun = report
            .subscribers
            .iter()
            .map(|subscriber| subscriber.account.overrun);
        self.drops.insert("overruns", overrun.sum());
        if let Some(journal) = &report.journal {
            self.take_tape(journal.account.missing());
        }
        if !report.closes() {
            self.broken
                .push("the loss ledger does not close".to_owned());
        }
        let errors = report.errors.iter().chain(
            report
                .subscribers
                .iter()
                .filter_map(|subscriber| subscriber.error.as_ref()),
        );
        self.broken.extend(errors.map(ToString::to_string));
        self.backend = Some(report.receiver.backend.name().to_owned());
    }

    /// Adds the hops of a pipeline. Those from the receive stamp on are the library's.
    pub(super) fn take_hops(&mut self, due_to_wire: &latency::Histogram, latency: &Latency) {
        self.hops = vec![("due_to_wire", due_to_wire.summary())];
        self.hops
            .extend(latency.hops().map(|(name, hop)| (name, hop.summary())));
    }

    /// Adds how many records the tape lacks.
    pub(super) fn take_tape(&mut self, missing: u64) {
        self.drops.insert(NOT_JOURNALED, missing);
    }

    /// Returns how many messages were lost. One that the handler did not get counts once, in
    /// however many places that was noticed; what the tape lacks counts beside it.
    pub(super) fn dropped(&self) -> u64 {
        let (mut lost, mut noticed, mut not_journaled) = (0, 0, 0);
        for (&place, &count) in &self.drops {
            match place {
                REFUSED | NOT_RECEIVED => lost += count,
                NOT_JOURNALED => not_journaled = count,
                _ => noticed = count.max(noticed),
            }
        }
        lost.max(noticed) + not_journaled
    }

    /// Returns the percentiles that are the machine's as much as ours, by name.
    pub(super) fn platform_bound(&self, before: &[Noise]) -> Vec<&'static str> {
        if self.total.is_empty() {
            return Vec::new();
        }
        let platform = Platform::of(&self.setup.cores.all(), before, &self.during);
        let bound = QUANTILES.iter().filter(|(_, quantile)| {
            let ns = self.total.value_at_quantile(*quantile);
            platform.bounds(*quantile, ns)
        });
        bound.map(|(name, _)| *name).collect()
    }

    /// Returns how many messages a second went out: the rate of the schedule where it was kept.
    pub(super) fn achieved_per_s(&self) -> u64 {
        // A schedule may end in the middle of the time between two messages or bursts, and a random
        // one has more or fewer than the rate, so what was sent is compared with it.
        let took_ns = self.took_ns();
        let per_e9 = |messages: u64| u128::from(messages) * 1_000_000_000;
        let rate = match self.interrupted {
            true => per_e9(self.sent.sent) / u128::from(self.sent.last_at_ns.max(1)),
            false => {
                let (plan, sent) = (self.setup.plan, u128::from(self.sent.sent));
                let due = u128::from(plan.messages_per_s) * u128::from(plan.span_ns);
                due * sent / (u128::from(self.scheduled) * u128::from(took_ns)).max(1)
            }
        };
        u64::try_from(rate).unwrap_or(u64::MAX)
    }

    /// Returns how long the schedule took: its own time, unless the last message came after it.
    fn took_ns(&self) -> u64 {
        self.setup.plan.span_ns.max(self.sent.last_at_ns)
    }

    /// Returns whether the run came to its end and may be believed.
    pub(super) fn passed(&self) -> bool {
        !self.interrupted && self.failures().is_empty()
    }

    /// Returns why the run may not be believed, if it may not.
    pub(super) fn failures(&self) -> Vec<String> {
        let mut failures = self.broken.clone();
        let drops = self.drops.iter().filter(|(_, count)| **count > 0);
        failures.extend(drops.map(|(place, count)| format!("{count} {place}")));
        if self.sent.sent + self.sent.refused < self.scheduled {
            let sent = self.sent.sent;
            let scheduled = self.scheduled;
            failures.push(format!(
                "{sent} of {scheduled} scheduled messages were sent"
            ));
        } else if is_too_slow(self.setup.plan.span_ns, self.took_ns()) {
            failures.push(format!(
                "{} of {} messages a second were reached",
                self.achieved_per_s(),
                self.setup.plan.messages_per_s
            ));
        }
        if self.total.is_empty() {
            failures.push("nothing was measured".to_owned());
        }
        failures
    }
}

/// Whether a schedule of `span_ns` that took so long has missed its rate by more than 1 %.
fn is_too_slow(span_ns: u64, took_ns: u64) -> bool {
    u128::from(span_ns) * 100 < u128::from(took_ns) * 99
}

/// The machine's own noise: at each percentile that of the noisiest core, before and during.
#[derive(Debug)]
pub(super) struct Platform<'a> {
    noise: Vec<&'a Noise>,
}

impl<'a> Platform<'a> {
    /// Puts together what was watched of `cores`.
    pub(super) fn of(
        cores: &[usize],
        before: &'a [Noise],
        during: impl IntoIterator<Item = &'a Noise>,
    ) -> Self {
        let noise = before.iter().chain(during);
        Self {
            noise: noise.filter(|noise| cores.contains(&noise.core)).collect(),
        }
    }

    /// Returns the machine's percentile in nanoseconds.
    pub(super) fn at(&self, quantile: f64) -> u64 {
        let at = |noise: &&Noise| noise.hiccups.value_at_quantile(quantile);
        self.noise.iter().map(at).max().unwrap_or(0)
    }

    /// Returns whether a latency at this percentile is the machine's as much as ours.
    pub(super) fn bounds(&self, quantile: f64, latency_ns: u64) -> bool {
        let own_ns = self.at(quantile);
        own_ns >= NOISE_FLOOR_NS && latency_ns <= own_ns.saturating_mul(PLATFORM_BOUND_FACTOR)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::recorder::Recorder;
    use super::super::schedule::{Arrivals, Plan};
    use super::super::sender::Begin;
    use super::super::setup::{CoreChoice, Cores, Stage};
    use super::*;
    use crate::config::{Backend, RingName, Wait};
    use std::sync::Arc;

    /// A run of 1,000 messages in which everything went well: message n took n µs.
    pub(in super::super) fn measured(stage: Stage) -> Measured {
        let second = 1_000_000_000;
        let setup = Setup {
            stage,
            plan: Plan {
                arrivals: Arrivals::Constant,
                messages_per_s: 500,
                span_ns: 2 * second,
                seed: 1,
            },
            warm_up_ns: 0,
            wait: Wait::Spin,
            backend: Backend::Auto,
            ring: RingName::Lane,
            cores: Cores::choose(CoreChoice::default(), stage, false, &[0, 1]),
            journal: None,
            process: false,
        };
        let begin = Arc::<Begin>::default();
        begin.set(1_700_000_000 * second);
        let mut recorder = Recorder::new(Arc::clone(&begin), 0, setup.measured_ns());
        for (n, since_ns) in setup.plan.schedule().enumerate() {
            let due_ns = begin.get() + since_ns;
            recorder.sample(due_ns + (n as u64 + 1) * 1_000, due_ns);
        }
        let sent = Sent {
            sent: 1_000,
            ..Sent::default()
        };
        let conducted = Conducted {
            begin_ns: begin.get(),
            ..Conducted::default()
        };
        Measured::new(&setup, recorder, 1_000, sent, Vec::new(), conducted)
    }

    #[test]
    fn a_run_fails_when_something_was_dropped_or_the_rate_was_missed() {
        let failures = |change: &dyn Fn(&mut Measured)| {
            let mut measured = measured(Stage::Ring);
            change(&mut measured);
            measured.failures()
        };
        assert_eq!(failures(&|_| {}), [""; 0]);
        assert_eq!(
            failures(&|run| *run.drops.entry("overruns").or_default() += 3),
            ["3 overruns"]
        );
        assert_eq!(
            failures(&|run| run.sent.sent = 999),
            ["999 of 1000 scheduled messages were sent"]
        );
        // One hundredth of the rate is what may be missing.
        let two_s = 2_000_000_000;
        assert_eq!(
            failures(&|run| run.sent.last_at_ns = two_s + 20_000_000),
            [""; 0]
        );
        assert_eq!(
            failures(&|run| run.sent.last_at_ns = two_s + 20_300_000),
            ["494 of 500 messages a second were reached"]
        );
        assert_eq!(failures(&|run| run.total.reset()), ["nothing was measured"]);
        assert_eq!(
            failures(&|run| run.broken.push("stage x panicked".to_owned())),
            ["stage x panicked"]
        );
    }

    #[test]
    fn what_is_reached_is_the_rate_where_the_schedule_was_kept() {
        // A burst that takes 50 ms, of a schedule with room for one that is due later.
        let mut run = measured(Stage::Net);
        run.setup.plan.arrivals = Arrivals::Burst(1_000);
        run.sent.last_at_ns = 50_000_000;
        assert_eq!((run.achieved_per_s(), run.passed()), (500, true));
        // One message in the first hundredth of the second in which it alone was due.
        run.setup.plan = Plan {
            arrivals: Arrivals::Constant,
            messages_per_s: 1,
            span_ns: 10_000_000,
            seed: 1,
        };
        (run.scheduled, run.sent.sent, run.sent.last_at_ns) = (1, 1, 9_000_000);
        assert_eq!((run.achieved_per_s(), run.passed()), (1, true));
        // Of what was stopped, the rate until then.
        (run.interrupted, run.sent.sent, run.sent.last_at_ns) = (true, 50, 100_000_000);
        assert_eq!(run.achieved_per_s(), 500);
    }

    #[test]
    fn a_message_that_is_missing_in_several_places_is_one_drop() {
        let mut run = measured(Stage::Full);
        for (place, count) in [
            (NOT_RECEIVED, 7),
            ("dropped by the kernel at the socket", 5),
            ("missing, as the handler was told", 7),
            ("overruns", 2),
        ] {
            run.drops.insert(place, count);
        }
        assert_eq!((run.dropped(), run.failures().len()), (7, 4));
        run.take_tape(3);
        assert_eq!(run.dropped(), 10);
        // What no message lacks can be missing, too, and is told.
        run.drops.insert("overruns", 9);
        assert_eq!(run.dropped(), 12);
    }

    #[test]
    fn what_was_not_measured_is_not_the_machines() {
        let noise = [Noise::of(0, 1_000_000_000, &[30_000_000])];
        let mut run = measured(Stage::Ring);
        assert!(!run.platform_bound(&noise).is_empty());
        run.total.reset();
        assert!(run.platform_bound(&noise).is_empty());
    }

    #[test]
    fn what_was_sent_and_not_received_is_a_drop() {
        let run = measured(Stage::Ring);
        let recorder = Recorder::new(Arc::default(), 0, 1);
        let sent = Sent {
            refused: 2,
            ..run.sent.clone()
        };
        let conducted = Conducted::default();
        let run = Measured::new(&run.setup, recorder, 990, sent, Vec::new(), conducted);
        assert_eq!(run.dropped(), 12);
        let failures = run.failures();
        assert!(
            failures.contains(&"10 sent and not received".to_owned()),
            "{failures:?}"
        );
    }

    #[test]
    fn a_percentile_is_the_machines_where_that_of_the_noisiest_core_is_near() {
        let quiet = Noise::of(0, 10_000_000, &[200]);
        let noisy = Noise::of(1, 10_000_000, &[100, 1_000_000]);
        let other = Noise::of(2, 10_000_000, &[9_000_000]);
        let before = [quiet, other];
        let platform = Platform::of(&[0, 1], &before, [&noisy]);
        let p99 = platform.at(0.99);
        assert!((800_000..=910_000).contains(&p99), "{p99}");
        assert!(platform.bounds(0.99, 2 * p99) && !platform.bounds(0.99, 2 * p99 + 1));
        // The readings of the clock are no stall.
        assert!(platform.at(0.5) < 250 && !platform.bounds(0.5, 100));
        assert!(!Platform::of(&[5], &before, []).bounds(0.99, 1));
    }
}
