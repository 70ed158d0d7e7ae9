//! Owns what a check says: the words of it, and what was found.

use serde::Serialize;
use std::collections::BTreeMap;

/// Most characters that a value or a reason has: what files say is input.
const CHARACTERS_MAX: usize = 240;

/// How well a check ended, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Level {
    /// There is no such thing on this host.
    NotApplicable,
    /// As wanted.
    Ok,
    /// It could not be found out.
    Unknown,
    /// Good to know, and a matter of choice.
    Note,
    /// It costs latency at the tail, or hides what is wrong.
    Warn,
    /// Data will be lost, or times cannot be believed.
    Fail,
}

impl Level {
    /// Returns the word that reports use.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::NotApplicable => "n/a",
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Note => "note",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Group {
    /// The kernel and what it lets us do.
    Kernel,
    /// The chosen cores.
    Cores,
    /// Who else gets time on them.
    Sharing,
    /// Memory.
    Memory,
    /// From the card to the socket.
    Network,
    /// What times are worth.
    Clock,
    /// Where the journal is written.
    Disk,
    /// What was measured.
    Jitter,
}

impl Group {
    /// Makes the words of a check of this group.
    pub(super) const fn subject(
        self,
        id: &'static str,
        name: &'static str,
        wanted: &'static str,
        why: &'static str,
    ) -> Subject {
        Subject {
            id,
            group: self,
            name,
            wanted,
            why,
        }
    }
}

/// The fixed words of a check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    /// Stable key.
    pub id: &'static str,
    /// What it is about.
    pub group: Group,
    /// Its name, for people.
    pub name: &'static str,
    /// What is good.
    pub wanted: &'static str,
    /// Why it matters, in one sentence.
    pub why: &'static str,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    level: Level,
    value: String,
    fix: Vec<String>,
    numbers: BTreeMap<&'static str, u64>,
}

impl Finding {
    /// Makes a finding of a value.
    pub(crate) fn new(level: Level, value: impl AsRef<str>) -> Self {
        Self {
            level,
            value: clean(value.as_ref()),
            fix: Vec::new(),
            numbers: BTreeMap::new(),
        }
    }

    /// Makes a finding that is as wanted, or else at `level`.
    pub(crate) fn wanted(good: bool, level: Level, value: impl AsRef<str>) -> Self {
        Self::new(if good { Level::Ok } else { level }, value)
    }

    /// Adds a command that puts it right. It is told where the finding is not as wanted.
    pub(crate) fn fix(mut self, command: impl Into<String>) -> Self {
        if self.level >= Level::Note {
            self.fix.push(clean(&command.into()));
        }
        self
    }

    /// Adds a number that the value was made of.
    pub(crate) fn number(mut self, key: &'static str, number: u64) -> Self {
        self.numbers.insert(key, number);
        self
    }
}

/// Why there is no finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unseen {
    /// There is no such thing here.
    NotApplicable(String),
    /// It is there, and cannot be read.
    Unknown(String),
}

/// A finding, or why there is none.
pub(crate) type Verdict = Result<Finding, Unseen>;

/// Makes the reason of a check that has nothing to look at.
pub(crate) fn not_applicable(reason: impl Into<String>) -> Unseen {
    Unseen::NotApplicable(reason.into())
}

/// A check and how it ended. The keys are stable.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Check {
    pub id: &'static str,
    pub group: Group,
    pub name: String,
    /// The core that it is about, where it is about one.
    pub core: Option<usize>,
    pub level: Level,
    /// What was found; `null` where `reason` says why nothing was.
    pub value: Option<String>,
    pub reason: Option<String>,
    pub wanted: &'static str,
    pub why: &'static str,
    /// Commands, or additions to the kernel's command line; empty where nothing is to be done.
    pub fix: Vec<String>,
    /// What `value` says, as integers.
    pub numbers: BTreeMap<&'static str, u64>,
}

impl Subject {
    /// Makes the check of its verdict.
    pub(crate) fn check(&self, verdict: Verdict) -> Check {
        let mut check = Check {
            id: self.id,
            group: self.group,
            name: self.name.to_owned(),
            core: None,
            level: Level::Unknown,
            value: None,
            reason: None,
            wanted: self.wanted,
            why: self.why,
            fix: Vec::new(),
            numbers: BTreeMap::new(),
        };
        match verdict {
            Ok(finding) => {
                check.level = finding.level;
                check.value = Some(finding.value);
                check.fix = finding.fix;
                check.numbers = finding.numbers;
            }
            Err(Unseen::NotApplicable(reason)) => {
                check.level = Level::NotApplicable;
                check.reason = Some(clean(&reason));
            }
            Err(Unseen::Unknown(reason)) => check.reason = Some(clean(&reason)),
        }
        check
    }
}

impl Check {
    /// Returns the value, or the reason why there is none.
    pub(crate) fn found(&self) -> &str {
        let found = self.value.as_deref().or(self.reason.as_deref());
        found.unwrap_or_default()
    }
}

/// Takes out what a terminal would obey, and what is too long to be read.
fn clean(text: &str) -> String {
    let printable = |c: char| if c.is_control() { '?' } else { c };
    text.chars().take(CHARACTERS_MAX).map(printable).collect()
}
