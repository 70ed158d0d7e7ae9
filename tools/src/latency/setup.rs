//! Owns what one run is told: stage, schedule, cores.

use super::schedule::Plan;
use crate::config::{Backend, RingName, Wait};
use ringtape::bus::{Contract, Subscription};
use ringtape::wait::WaitStrategy;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::str::FromStr;

/// What is between the sender and the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Stage {
    /// A bus.
    Ring,
    /// A socket, a feed that does next to nothing, a bus.
    Net,
    /// A socket, MoldUDP64, arbitration, ITCH, a bus.
    Full,
}

impl Stage {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::Net => "net",
            Self::Full => "full",
        }
    }
}

/// Cores by what runs on them, where they were asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CoreChoice {
    sender: Option<usize>,
    ingest: Option<usize>,
    handler: Option<usize>,
    journal: Option<usize>,
}

impl FromStr for CoreChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut choice = Self::default();
        for part in text.split(',') {
            let (role, core) = part
                .split_once('=')
                .ok_or_else(|| format!("{part:?} is no role=core, such as sender=0"))?;
            let place = match role {
                "sender" => &mut choice.sender,
                "ingest" => &mut choice.ingest,
                "handler" => &mut choice.handler,
                "journal" => &mut choice.journal,
                _ => {
                    return Err(format!(
                        "no role {role:?}: choose sender, ingest, handler or journal"
                    ));
                }
            };
            let core = core
                .parse()
                .map_err(|_| format!("{core:?} is no number of a core"))?;
            if place.replace(core).is_some() {
                return Err(format!("{role} is named twice"));
            }
        }
        Ok(choice)
    }
}

/// Which core runs what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Cores {
    pub(super) sender: usize,
    /// Of no meaning without a socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ingest: Option<usize>,
    pub(super) handler: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) journal: Option<usize>,
}

impl Cores {
    /// Chooses from `allowed`, which is not empty. Where there are fewer cores than roles, the
    /// sender keeps one for itself as long as there are two, and the others share.
    pub(super) fn choose(
        choice: CoreChoice,
        stage: Stage,
        journal: bool,
        allowed: &[usize],
    ) -> Self {
        let asked = [choice.sender, choice.ingest, choice.handler, choice.journal];
        let mut free = allowed
            .iter()
            .copied()
            .filter(|core| !asked.contains(&Some(*core)));
        let mut next = |asked: Option<usize>| asked.or_else(|| free.next());
        let sender = next(choice.sender).unwrap_or(allowed[0]);
        let other = allowed.iter().copied().find(|&core| core != sender);
        let shared = other.unwrap_or(sender);
        let ingest = (stage != Stage::Ring).then(|| next(choice.ingest).unwrap_or(shared));
        let handler = next(choice.handler).or(ingest).unwrap_or(shared);
        let journal = journal.then(|| next(choice.journal).unwrap_or(handler));
        Self {
            sender,
            ingest,
            handler,
            journal,
        }
    }

    /// Returns the cores, each once.
    pub(super) fn all(self) -> Vec<usize> {
        let all = [
            Some(self.sender),
            self.ingest,
            Some(self.handler),
            self.journal,
        ];
        let all: BTreeSet<usize> = all.into_iter().flatten().collect();
        all.into_iter().collect()
    }

    /// Says which core runs what.
    pub(super) fn told(self) -> String {
        let roles = [
            ("sender", Some(self.sender)),
            ("ingest", self.ingest),
            ("handler", Some(self.handler)),
            ("journal", self.journal),
        ];
        let told = self.all().into_iter().map(|core| {
            let here = roles.iter().filter(|(_, at)| *at == Some(core));
            let here: Vec<&str> = here.map(|(role, _)| *role).collect();
            format!("core {core}: {}", here.join(", "))
        });
        told.collect::<Vec<String>>().join("; ")
    }
}

/// One run.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) stage: Stage,
    /// Warm-up included.
    pub(super) plan: Plan,
    pub(super) warm_up_ns: u64,
    pub(super) wait: Wait,
    pub(super) backend: Backend,
    /// What carries the records to the handler.
    pub(super) ring: RingName,
    pub(super) cores: Cores,
    /// Where the tape goes.
    pub(super) journal: Option<PathBuf>,
    /// Whether the sender has a process of its own.
    pub(super) process: bool,
}

impl Setup {
    /// Returns the name that tables, plots and files know the run by.
    pub(super) fn name(&self) -> String {
        let tape = if self.journal.is_some() {
            "+journal"
        } else {
            ""
        };
        let ring = match self.ring {
            RingName::Lane => "",
            RingName::Broadcast => "+broadcast",
        };
        let rate = rate_text(self.plan.messages_per_s);
        format!("{}{ring}{tape}-{rate}", self.stage.name())
    }

    /// Returns whether something else runs on the sender's core, too.
    pub(super) fn shares_sender_core(&self) -> bool {
        let Cores {
            sender,
            ingest,
            handler,
            journal,
        } = self.cores;
        [ingest, Some(handler), journal].contains(&Some(sender))
    }

    /// Returns what idle poll loops do. A core that the sender shares with others has two threads,
    /// and spinning would keep each from the other.
    pub(super) fn wait(&self) -> WaitStrategy {
        match self.wait.into() {
            WaitStrategy::Spin | WaitStrategy::SpinPause if self.shares_sender_core() => {
                WaitStrategy::Yield
            }
            wait => wait,
        }
    }

    /// Returns how long is measured, the warm-up left out, in nanoseconds.
    pub(super) fn measured_ns(&self) -> u64 {
        self.plan.span_ns - self.warm_up_ns
    }
}

/// Returns how handlers are attached: lossy, so that a slow one shows as an overrun and never as a
/// slower sender.
pub(super) fn subscription(ring: RingName) -> Subscription {
    Subscription {
        contract: Contract::Lossy,
        ring: ring.into(),
        ..Subscription::default()
    }
}

/// Writes a rate as people name it: 20k, 1m.
pub(super) fn rate_text(messages_per_s: u64) -> String {
    match messages_per_s {
        rate if rate.is_multiple_of(1_000_000) => format!("{}m", rate / 1_000_000),
        rate if rate.is_multiple_of(1_000) => format!("{}k", rate / 1_000),
        rate => rate.to_string(),
    }
}

/// Reads a rate: 500, 20k, 2.5m. 1 to 100 million.
pub(super) fn parse_rate(text: &str) -> Result<u64, String> {
    let (number, scale) = match text.to_ascii_lowercase().as_str() {
        lower if lower.ends_with('k') => (lower[..lower.len() - 1].to_owned(), 1_000),
        lower if lower.ends_with('m') => (lower[..lower.len() - 1].to_owned(), 1_000_000),
        lower => (lower.to_owned(), 1),
    };
    let thousandths = crate::play::amount::parse_scaled::<3>(&number)?;
    let rate = u128::from(thousandths) * scale / 1_000;
    match u64::try_from(rate) {
        Ok(rate @ 1..=100_000_000) => Ok(rate),
        _ => Err(format!(
            "{text} is not between 1 and 100m messages a second"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_with_their_units() {
        for (text, rate) in [
            ("1", 1),
            ("20k", 20_000),
            ("2.5M", 2_500_000),
            ("0.5k", 500),
        ] {
            assert_eq!(parse_rate(text), Ok(rate), "{text}");
        }
        for text in ["", "0", "k", "101m", "1g", "-5", "0.4"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
        assert_eq!(rate_text(20_000), "20k");
        assert_eq!(rate_text(2_500_000), "2500k");
        assert_eq!(rate_text(1_000_000), "1m");
        assert_eq!(rate_text(999), "999");
    }

    #[test]
    fn cores_are_shared_only_where_there_are_too_few() {
        let choose = |text: &str, stage, journal, allowed: &[usize]| {
            let choice = match text {
                "" => CoreChoice::default(),
                text => text.parse().unwrap(),
            };
            let cores = Cores::choose(choice, stage, journal, allowed);
            (cores.sender, cores.ingest, cores.handler, cores.journal)
        };
        let (ring, full) = (Stage::Ring, Stage::Full);
        for (text, stage, journal, allowed, expected) in [
            ("", ring, false, &[0, 1][..], (0, None, 1, None)),
            ("", ring, true, &[0, 1], (0, None, 1, Some(1))),
            ("", full, false, &[0, 1], (0, Some(1), 1, None)),
            ("", full, true, &[4, 5, 6, 7], (4, Some(5), 6, Some(7))),
            ("", full, true, &[3], (3, Some(3), 3, Some(3))),
            ("sender=1", full, false, &[0, 1], (1, Some(0), 0, None)),
            ("handler=0", ring, false, &[0, 1], (1, None, 0, None)),
            (
                "ingest=9,handler=8",
                full,
                true,
                &[0, 1],
                (0, Some(9), 8, Some(1)),
            ),
        ] {
            assert_eq!(
                choose(text, stage, journal, allowed),
                expected,
                "{text} {allowed:?}"
            );
        }
        for text in [
            "",
            "sender",
            "sender=",
            "sender=x",
            "core=1",
            "sender=0,sender=1",
        ] {
            assert!(text.parse::<CoreChoice>().is_err(), "{text}");
        }
    }
}
