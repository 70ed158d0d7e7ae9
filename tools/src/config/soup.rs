//! Owns `[feed.login]`: how a SoupBinTCP feed of the configuration logs in.

use super::feed::{FeedConfig, LineConfig, Start};
use crate::trading_date::TradingDate;
use anyhow::{Context as _, Result, bail};
use ringtape::feed::soupbintcp::{LinkTimes, Password, SoupConfig, SoupFeed, SoupStart};
use ringtape::net::StreamLine;
use serde::Deserialize;
use std::env::{self, VarError};

/// `[feed.login]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginConfig {
    username: String,
    password: Option<Secret>,
    /// The environment variable that has it.
    password_env: Option<String>,
    session: Option<String>,
    /// The first number wanted; 0 for what is new.
    #[serde(default = "first")]
    sequence: u64,
}

fn first() -> u64 {
    1
}

/// Text that neither `Debug` nor an error shows.
#[derive(Deserialize)]
#[serde(try_from = "toml::Value")]
struct Secret(String);

impl TryFrom<toml::Value> for Secret {
    type Error = &'static str;

    fn try_from(value: toml::Value) -> Result<Self, Self::Error> {
        match value {
            toml::Value::String(text) => Ok(Self(text)),
            // What it is instead is a secret all the same: quotes are easily forgotten.
            _ => Err("password: expected a string, in quotes"),
        }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("hidden")
    }
}

impl LoginConfig {
    fn password(&self) -> Result<Password> {
        let text = match (&self.password, &self.password_env) {
            (Some(_), Some(_)) => bail!("both password and password_env: leave one out"),
            (Some(Secret(text)), None) => text.clone(),
            // Without the cause, which would show what the variable holds.
            (None, Some(name)) => match env::var(name) {
                Ok(text) => text,
                Err(VarError::NotPresent) => {
                    bail!("password_env = {name:?}: no such variable is set")
                }
                Err(VarError::NotUnicode(_)) => {
                    bail!("password_env = {name:?}: what that variable holds is no text")
                }
            },
            (None, None) => String::new(),
        };
        Password::new(&text).context("password: use at most 10 bytes")
    }
}

impl FeedConfig {
    /// Makes a SoupBinTCP feed and the line to its server.
    pub(super) fn make_soup(
        &self,
        index: usize,
        date: TradingDate,
    ) -> Result<(SoupFeed, StreamLine)> {
        let login = self
            .login
            .as_ref()
            .with_context(|| format!("feed {}: no [feed.login]: say who logs in", self.name))?;
        let of_datagrams = [
            ("session", self.session.is_some(), "in [feed.login]"),
            (
                "start",
                matches!(self.start, Start::At(_)),
                "sequence, in [feed.login]",
            ),
            (
                "hold_us",
                self.hold_us.is_some(),
                "nowhere: a stream has no holes",
            ),
            (
                "window_messages",
                self.window_messages.is_some(),
                "nowhere: a stream has no holes",
            ),
            (
                "rerequest",
                !self.rerequest.servers.is_empty(),
                "nowhere: it logs in again",
            ),
        ];
        for (key, given, place) in of_datagrams {
            if given {
                bail!(
                    "feed {}: {key} is of datagrams: here it belongs {place}",
                    self.name
                );
            }
        }
        let [line] = &self.lines[..] else {
            bail!("feed {}: one [[feed.line]], which is its server", self.name);
        };
        if self.silence_ms == Some(0) {
            bail!(
                "feed {}: silence_ms = 0: a server that says nothing more would be waited for \
                 without end; use 1 or more",
                self.name
            );
        }
        let defaults = LinkTimes::default();
        let feed = SoupFeed::new(SoupConfig {
            id: self.id(index)?,
            name: self.name.clone(),
            line: line.name.clone(),
            username: login.username.clone(),
            password: login
                .password()
                .with_context(|| format!("feed {}", self.name))?,
            session: login.session.clone(),
            start: match login.sequence {
                0 => SoupStart::New,
                number => SoupStart::At(number),
            },
            midnight_ns: self.trading_date.unwrap_or(date).midnight_ns()?,
            times: LinkTimes {
                silence_ns: self.ns(
                    "silence_ms",
                    self.silence_ms,
                    1_000_000,
                    defaults.silence_ns,
                )?,
                ..defaults
            },
        })?;
        Ok((feed, line.make_stream(&self.name)?))
    }
}

impl LineConfig {
    fn make_stream(&self, feed: &str) -> Result<StreamLine> {
        for (key, given) in [
            ("interface", self.interface.is_some()),
            ("source", self.source.is_some()),
            ("receive_buffer_bytes", self.receive_buffer_bytes.is_some()),
        ] {
            if given {
                bail!(
                    "feed {feed}: line {}: {key} is of datagrams, leave it out",
                    self.name
                );
            }
        }
        Ok(StreamLine {
            name: self.name.clone(),
            address: self.address,
        })
    }
}
