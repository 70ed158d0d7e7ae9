//! Owns when messages are due: known before the run begins, and never changed by how it goes.

use std::fmt;
use std::str::FromStr;

const NS_PER_S: u128 = 1_000_000_000;
/// The largest burst: more would be a rate.
const BURST_MAX: u32 = 10_000;

/// How arrivals are spread over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrivals {
    /// The same time apart.
    Constant,
    /// Independent of each other: the times between them are distributed exponentially.
    Poisson,
    /// So many at once, the bursts the same time apart.
    Burst(u32),
}

impl FromStr for Arrivals {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("burst:")) {
            ("constant", _) => Ok(Self::Constant),
            ("poisson", _) => Ok(Self::Poisson),
            (_, Some(size)) => match size.parse() {
                Ok(size @ 1..=BURST_MAX) => Ok(Self::Burst(size)),
                _ => Err(format!("a burst has 1 to {BURST_MAX} messages, not {size}")),
            },
            _ => Err("choose constant, poisson or burst:N, such as burst:32".to_owned()),
        }
    }
}

impl fmt::Display for Arrivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant => f.write_str("constant"),
            Self::Poisson => f.write_str("poisson"),
            Self::Burst(size) => write!(f, "burst:{size}"),
        }
    }
}

/// All that determines a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) arrivals: Arrivals,
    /// At least 1.
    pub(super) messages_per_s: u64,
    /// Messages are due before this, in nanoseconds since the begin.
    pub(super) span_ns: u64,
    /// Of the generator behind [`Arrivals::Poisson`].
    pub(super) seed: u64,
}

impl Plan {
    /// Returns the times at which messages are due, in nanoseconds since the begin. They rise.
    pub(super) fn schedule(self) -> Schedule {
        Schedule {
            plan: self,
            random: fastrand::Rng::with_seed(self.seed),
            index: 0,
            poisson_ns: 0.0,
        }
    }

    /// Counts the messages.
    pub(super) fn messages(self) -> u64 {
        let size = match self.arrivals {
            Arrivals::Poisson => return self.schedule().fold(0, |count, _| count + 1),
            Arrivals::Constant => 1,
            Arrivals::Burst(size) => size,
        };
        let apart_e9 = NS_PER_S * u128::from(size);
        let bursts =
            (u128::from(self.span_ns) * u128::from(self.messages_per_s)).div_ceil(apart_e9);
        u64::try_from(bursts * u128::from(size)).unwrap_or(u64::MAX)
    }
}

/// The times of a [`Plan`], in order.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    plan: Plan,
    random: fastrand::Rng,
    /// Of the next message.
    index: u64,
    /// The last arrival of [`Arrivals::Poisson`], before it is cut to whole nanoseconds: cut times
    /// that were added up would drift.
    poisson_ns: f64,
}

impl Schedule {
    #[allow(
        clippy::float_arithmetic,
        reason = "the times between arrivals are logarithms of random numbers"
    )]
    fn next_poisson_ns(&mut self) -> u64 {
        let uniform = 1.0 - self.random.f64();
        let mean_ns = 1e9 / self.plan.messages_per_s as f64;
        self.poisson_ns -= uniform.ln() * mean_ns;
        #[allow(
            clippy::cast_possible_truncation,
            reason = "it is not negative, and the cast saturates"
        )]
        let due_ns = self.poisson_ns as u64;
        due_ns
    }
}

impl Iterator for Schedule {
    type Item = u64;

    /// Hot path: no allocation, no system call, O(1).
    fn next(&mut self) -> Option<u64> {
        let step = match self.plan.arrivals {
            Arrivals::Constant => self.index,
            Arrivals::Burst(size) => self.index - self.index % u64::from(size),
            Arrivals::Poisson => 0,
        };
        let due_ns = match self.plan.arrivals {
            Arrivals::Poisson => self.next_poisson_ns(),
            _ => {
                // From the index and not by adding up, so that nothing drifts.
                let due_ns = u128::from(step) * NS_PER_S / u128::from(self.plan.messages_per_s);
                u64::try_from(due_ns).unwrap_or(u64::MAX)
            }
        };
        self.index += 1;
        (due_ns < self.plan.span_ns).then_some(due_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(arrivals: Arrivals, messages_per_s: u64, span_ns: u64, seed: u64) -> Plan {
        Plan {
            arrivals,
            messages_per_s,
            span_ns,
            seed,
        }
    }

    #[test]
    fn constant_arrivals_are_due_at_exact_multiples_that_do_not_drift() {
        let thirds = plan(Arrivals::Constant, 3_000_000, 2_000, 0).schedule();
        let due: Vec<u64> = thirds.collect();
        assert_eq!(due, [0, 333, 666, 1_000, 1_333, 1_666]);
        let day = plan(Arrivals::Constant, 7, u64::MAX, 0).schedule();
        assert_eq!({ day }.nth(7 * 86_400), Some(86_400_000_000_000));
    }

    #[test]
    fn the_messages_of_a_burst_are_due_at_once_and_the_rate_is_kept() {
        let bursts = plan(Arrivals::Burst(4), 4_000_000, 2_001, 0).schedule();
        let due: Vec<u64> = bursts.collect();
        assert_eq!(
            due,
            [
                0, 0, 0, 0, 1_000, 1_000, 1_000, 1_000, 2_000, 2_000, 2_000, 2_000
            ]
        );
    }

    #[test]
    fn poisson_arrivals_have_the_mean_and_the_spread_of_the_exponential_distribution() {
        let plan = plan(Arrivals::Poisson, 100_000, 10_000_000_000, 7);
        let due: Vec<u64> = plan.schedule().collect();
        // A million arrivals, with a standard deviation of a thousand.
        assert!(due.len().abs_diff(1_000_000) < 5_000, "{}", due.len());
        assert_eq!(due.len() as u64, plan.messages());
        assert!(due.is_sorted());
        let longer = |ns: u64| due.windows(2).filter(|pair| pair[1] - pair[0] > ns).count();
        // Of the gaps, e⁻¹ are longer than the mean and e⁻² longer than twice the mean.
        let (once, twice) = (longer(10_000), longer(20_000));
        assert!(once.abs_diff(367_879) < 3_000, "{once}");
        assert!(twice.abs_diff(135_335) < 3_000, "{twice}");
    }

    #[test]
    fn messages_are_counted_as_they_come() {
        for arrivals in [Arrivals::Constant, Arrivals::Poisson, Arrivals::Burst(32)] {
            for (messages_per_s, span_ns) in [
                (1, 1),
                (3, 1_000_000_000),
                (999_983, 7_777_777),
                (100_000_000, 12_345),
            ] {
                let plan = plan(arrivals, messages_per_s, span_ns, 3);
                assert_eq!(plan.messages(), plan.schedule().count() as u64, "{plan:?}");
            }
        }
    }

    #[test]
    fn a_seed_gives_one_schedule_and_another_seed_another() {
        let poisson = |seed| plan(Arrivals::Poisson, 50_000, 20_000_000, seed).schedule();
        assert!(poisson(1).eq(poisson(1)));
        assert!(!poisson(1).eq(poisson(2)));
    }

    #[test]
    fn arrivals_are_written_as_they_are_read() {
        for text in ["constant", "poisson", "burst:32"] {
            assert_eq!(text.parse::<Arrivals>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "burst",
            "burst:",
            "burst:0",
            "burst:10001",
            "burst:x",
            "uniform",
        ] {
            assert!(text.parse::<Arrivals>().is_err(), "{text}");
        }
    }
}
