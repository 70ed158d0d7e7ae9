//! Owns the scenario file: TOML, every key known, every mistake named with its line.

use super::scenario::{EventAt, LineScenario, Scenario, ServerScenario, Traffic, VenueEvent, What};
use super::tcp::TcpScenario;
use super::values::micros_if_any;
use crate::feed::LINES_MAX;
use serde::Deserialize;
use std::collections::HashSet;
use std::ops::Range;
use toml::Spanned;

/// What fits a line of a report.
const NAME_BYTES_MAX: usize = 40;

/// Why a scenario file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ScenarioError {
    /// Where, counted from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "one")]
    seed: Spanned<i64>,
    #[serde(default)]
    traffic: Traffic,
    #[serde(default, rename = "line")]
    lines: Vec<Spanned<LineScenario>>,
    #[serde(default, rename = "event")]
    events: Vec<Spanned<EventFile>>,
    #[serde(default, rename = "server")]
    servers: Vec<Spanned<ServerScenario>>,
    tcp: Option<TcpScenario>,
}

fn one() -> Spanned<i64> {
    Spanned::new(0..0, 1)
}

/// `[[event]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventFile {
    what: WhatFile,
    at_message: Option<Spanned<u64>>,
    #[serde(default, rename = "at_us", deserialize_with = "micros_if_any")]
    at_ns: Option<u64>,
    #[serde(default, rename = "for_us", deserialize_with = "micros_if_any")]
    for_ns: Option<u64>,
    line: Option<Spanned<String>>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum WhatFile {
    EndOfSession,
    SessionChange,
    Restart,
    Silence,
}

/// A line's index, and when it is silent: from and to.
type LineSilence = (usize, (u64, u64));

/// Where, and what is wrong.
type Refused = (Range<usize>, String);

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    ///
    /// [`ScenarioError`] for an unknown key or fault and for a value that cannot be, with its line
    /// and, for an unknown word, the nearest known one.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let refused = |(span, message): Refused| ScenarioError {
            line: 1 + text
                .bytes()
                .take(span.start)
                .filter(|byte| *byte == b'\n')
                .count(),
            message,
        };
        let file: File = toml::from_str(text).map_err(|error| {
            let nearest = nearest_known(error.message()).unwrap_or_default();
            let message = format!("{}{nearest}", error.message());
            refused((error.span().unwrap_or_default(), message))
        })?;
        file.check().map_err(refused)
    }
}

impl File {
    fn check(self) -> Result<Scenario, Refused> {
        let seed = u64::try_from(*self.seed.get_ref())
            .map_err(|_| (self.seed.span(), "seed: a seed is not negative".to_owned()))?;
        let names = ('A'..).map(String::from);
        let mut lines = named("line", self.lines, names, LINES_MAX, |line| &mut line.name)?;
        if lines.is_empty() && self.tcp.is_some() {
            lines.push(LineScenario {
                name: "A".to_owned(),
                ..LineScenario::default()
            });
        }
        if lines.is_empty() {
            return Err((0..0, "no [[line]]: nothing to send on".to_owned()));
        }
        let names = (1..).map(|number| format!("R{number}"));
        // Each server is a line of the feed, too.
        let left = LINES_MAX - lines.len();
        let servers = named("server", self.servers, names, left, |server| {
            &mut server.name
        })?;
        let mut events = Vec::new();
        for event in self.events {
            let span = event.span();
            let event = event.into_inner();
            let silence = event.silence(&span, &lines)?;
            match silence {
                Some((line, silence)) => lines[line].silences.push(silence),
                None => events.push(event.check(&span, &self.traffic)?),
            }
        }
        Ok(Scenario {
            seed,
            traffic: self.traffic,
            lines,
            events,
            servers,
            tcp: self.tcp,
        })
    }
}

/// Gives each its name, and refuses two of one name and more than there can be.
fn named<T>(
    what: &str,
    all: Vec<Spanned<T>>,
    defaults: impl Iterator<Item = String>,
    count_max: usize,
    name_of: impl Fn(&mut T) -> &mut String,
) -> Result<Vec<T>, Refused> {
    let mut seen = HashSet::new();
    let mut checked = Vec::new();
    for (one, default) in all.into_iter().zip(defaults) {
        let span = one.span();
        if checked.len() == count_max {
            return Err((
                span,
                format!(
                    "there is room for {count_max} [[{what}]]: a feed has {LINES_MAX} lines, \
                     servers included"
                ),
            ));
        }
        let mut one = one.into_inner();
        let name = name_of(&mut one);
        if name.is_empty() {
            *name = default;
        }
        if name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            let most = format!("a name has 1 to {NAME_BYTES_MAX} printable characters");
            return Err((span, format!("{what} {name:?}: {most}")));
        }
        if !seen.insert(name.clone()) {
            return Err((span, format!("{what} {name:?} is there twice")));
        }
        checked.push(one);
    }
    Ok(checked)
}

impl EventFile {
    /// Returns the silence of one line, where it is one.
    fn silence(
        &self,
        span: &Range<usize>,
        lines: &[LineScenario],
    ) -> Result<Option<LineSilence>, Refused> {
        let Some(name) = &self.line else {
            return Ok(None);
        };
        if self.what != WhatFile::Silence {
            let message = "line: only a silence can be of one line, the rest is the venue's";
            return Err((name.span(), message.to_owned()));
        }
        let index = lines.iter().position(|line| line.name == *name.get_ref());
        let index = index.ok_or_else(|| {
            let names: Vec<_> = lines.iter().map(|line| line.name.as_str()).collect();
            let message = format!("no line {}: there are {}", name.get_ref(), names.join(", "));
            (name.span(), message)
        })?;
        let (Some(from_ns), Some(for_ns @ 1..), None) = (self.at_ns, self.for_ns, &self.at_message)
        else {
            let message = "the silence of a line needs at_us and for_us, and for_us is not 0";
            return Err((span.clone(), message.to_owned()));
        };
        Ok(Some((index, (from_ns, from_ns + for_ns))))
    }

    fn check(self, span: &Range<usize>, traffic: &Traffic) -> Result<VenueEvent, Refused> {
        let at = match (&self.at_message, self.at_ns) {
            (Some(behind), None) => {
                let messages = traffic.messages;
                if !(1..messages).contains(behind.get_ref()) {
                    let message = format!(
                        "at_message = {}: there are {messages} messages, and it happens between \
                         two",
                        behind.get_ref()
                    );
                    return Err((behind.span(), message));
                }
                EventAt::Message(*behind.get_ref())
            }
            (None, Some(ns)) => EventAt::Time(ns),
            _ => {
                let message = "say when, either with at_message or with at_us";
                return Err((span.clone(), message.to_owned()));
            }
        };
        let what = match (self.what, self.for_ns) {
            (WhatFile::Silence, Some(for_ns @ 1..)) => What::Silence(for_ns),
            (WhatFile::Silence, _) => {
                let message = "a silence needs for_us, and it is not 0";
                return Err((span.clone(), message.to_owned()));
            }
            (_, Some(_)) => {
                let message = "for_us: only a silence lasts";
                return Err((span.clone(), message.to_owned()));
            }
            (WhatFile::EndOfSession, None) => What::EndOfSession,
            (WhatFile::SessionChange, None) => What::SessionChange,
            (WhatFile::Restart, None) => What::Restart,
        };
        Ok(VenueEvent { at, what })
    }
}

/// For "unknown field `x`, expected one of `a`, `b`" and the like: the expected word that is most
/// like the one found.
fn nearest_known(message: &str) -> Option<String> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = quoted.next().filter(|_| message.starts_with("unknown "))?;
    let nearest = quoted.max_by(|a, b| {
        let likeness = |known: &str| strsim::jaro_winkler(unknown, known);
        likeness(a).total_cmp(&likeness(b))
    })?;
    Some(format!("; did you mean `{nearest}`?"))
}

#[cfg(test)]
mod tests;
