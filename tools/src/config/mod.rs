//! Owns the configuration file of `run`: TOML, every key known, every mistake named.

mod feed;
mod journal;
mod settings;
mod soup;
mod subscriber;

pub(crate) use self::settings::{Backend, Wait};
pub(crate) use self::subscriber::{RingName, Strategy};

use self::feed::{FeedConfig, LineConfig};
use self::journal::JournalConfig;
use self::settings::{NetConfig, RunConfig};
use self::subscriber::SubscriberConfig;
use crate::trading_date::TradingDate;
use anyhow::{Context as _, Result, anyhow, bail};
use ringtape::market::MarketEvent;
use ringtape::net::Line;
use ringtape::pipeline::{JournalSettings, Pipeline, Settings};
use serde::Deserialize;
use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// The longest name of a feed, a line or a subscriber: what fits a line of a report.
pub(crate) const NAME_BYTES_MAX: usize = 40;

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(default)]
    pub(crate) run: RunConfig,
    #[serde(default)]
    net: NetConfig,
    #[serde(default, rename = "feed")]
    feeds: Vec<FeedConfig>,
    #[serde(default, rename = "subscriber")]
    pub(crate) subscribers: Vec<SubscriberConfig>,
    journal: Option<JournalConfig>,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// What is wrong, with file, line and, for an unknown key, the nearest known one.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("configuration {}", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let place = error
                .span()
                .map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            let nearest = nearest_known(error.message()).unwrap_or_default();
            anyhow!("line {place}: {}{nearest}", error.message())
        })?;
        if config.feeds.is_empty() {
            bail!("no [[feed]]: nothing to receive");
        }
        check_names("feed", config.feeds.iter().map(|feed| &feed.name))?;
        for feed in &config.feeds {
            check_names("line", feed.lines.iter().map(|line| &line.name))?;
        }
        check_names(
            "subscriber",
            config.subscribers.iter().map(|subscriber| &subscriber.name),
        )?;
        Ok(config)
    }

    /// Sees that there is somebody to receive for.
    ///
    /// # Errors
    ///
    /// When there is nobody.
    pub(crate) fn check_subscribers(&self) -> Result<()> {
        if self.subscribers.is_empty() {
            bail!("no [[subscriber]]: nobody to receive for");
        }
        Ok(())
    }

    /// Returns the numbers of the feeds whose books a subscriber watches: those that it names, or
    /// else the first ones.
    ///
    /// # Errors
    ///
    /// When there are too few of them, or too many, or one is not there.
    pub(crate) fn watched(&self, subscriber: &SubscriberConfig) -> Result<Vec<u8>> {
        let (name, count) = (&subscriber.name, subscriber.strategy.books());
        let places: Vec<usize> = match subscriber.feeds[..] {
            [] => (0..self.feeds.len().min(count)).collect(),
            ref names => names
                .iter()
                .map(|wanted| {
                    let place = self.feeds.iter().position(|feed| feed.name == *wanted);
                    place.with_context(|| format!("subscriber {name}: there is no feed {wanted}"))
                })
                .collect::<Result<_>>()?,
        };
        let watched = places.iter().map(|&place| self.feeds[place].id(place));
        let watched: Vec<u8> = watched.collect::<Result<_>>()?;
        let mut apart = watched.clone();
        apart.sort_unstable();
        apart.dedup();
        if watched.len() != count || apart.len() != count {
            bail!("subscriber {name}: its strategy watches {count} feeds: name as many");
        }
        Ok(watched)
    }

    /// Returns what holds for the whole pipeline.
    pub(crate) fn settings(&self) -> Settings {
        settings::settings(&self.run, &self.net)
    }

    /// Returns how the bus is journaled, if it is.
    pub(crate) fn journal(&self) -> Option<JournalSettings> {
        self.journal.as_ref().map(JournalConfig::settings)
    }

    /// Makes a pipeline of the feeds, each with its lines; `date` is the trading date of those that
    /// name none.
    ///
    /// # Errors
    ///
    /// A setting that cannot work.
    pub(crate) fn pipeline(
        &self,
        settings: Settings,
        date: TradingDate,
    ) -> Result<Pipeline<MarketEvent>> {
        let mut pipeline = Pipeline::new(settings);
        for (index, feed) in self.feeds.iter().enumerate() {
            feed.add_to(&mut pipeline, index, date)?;
        }
        Ok(pipeline)
    }

    /// Leaves out the feeds that are TCP streams, and returns their names.
    pub(crate) fn leave_out_streams(&mut self) -> Vec<String> {
        for (index, feed) in self.feeds.iter_mut().enumerate() {
            // What numbers the others have does not depend on who is left out.
            feed.id = feed.id.or_else(|| u8::try_from(index + 1).ok());
        }
        let streams = self.feeds.extract_if(.., |feed| feed.is_stream());
        streams.map(|feed| feed.name).collect()
    }

    /// Returns an error where a feed cannot be read from a capture.
    pub(crate) fn check_recorded(&self) -> Result<()> {
        if let Some(feed) = self.feeds.iter().find(|feed| feed.is_stream()) {
            bail!(
                "feed {}: a capture has datagrams, and this one is a TCP stream: leave it out of \
                 what is run --from a capture",
                feed.name
            );
        }
        Ok(())
    }

    /// Returns the lines of datagrams of all feeds, in their order, each with its name in a
    /// capture: its own, or, where several feeds have lines of that name, with its feed's before
    /// it.
    pub(crate) fn lines(&self) -> Vec<(String, Line)> {
        let all = || self.feeds.iter().flat_map(|feed| &feed.lines);
        let named = |feed: &FeedConfig, line: &LineConfig| {
            let alone = all().filter(|other| other.name == line.name).count() == 1;
            match alone {
                true => line.name.clone(),
                false => format!("{}/{}", feed.name, line.name),
            }
        };
        let lines = self
            .feeds
            .iter()
            .filter(|feed| !feed.is_stream())
            .flat_map(|feed| feed.lines.iter().map(move |line| (feed, line)));
        lines
            .map(|(feed, line)| (named(feed, line), line.make()))
            .collect()
    }
}

/// Names are what reports and errors go by, so each is there, is printable and stands for one
/// thing.
fn check_names<'a>(what: &str, names: impl Iterator<Item = &'a String>) -> Result<()> {
    let mut seen = HashSet::new();
    for name in names {
        if !is_name(name) {
            bail!("{what} {name:?}: a name has 1 to {NAME_BYTES_MAX} printable characters");
        }
        if !seen.insert(name) {
            bail!("{what} {name:?} is there twice: give each a name of its own");
        }
    }
    Ok(())
}

/// Tells whether a name is there and printable.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
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
