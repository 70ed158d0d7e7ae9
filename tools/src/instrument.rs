//! Owns how an instrument is named on the command line, and which of a source's it is.

use crate::reading::Stream;
use anyhow::{Result, bail, ensure};
use ringtape::book::Books;
use ringtape::market::Symbol;

/// How like a name has to be to be offered in its stead.
const LIKE: f64 = 0.7;
const LIKE_MAX: usize = 3;
/// How many numbers an error names.
const NUMBERS_MAX: usize = 5;

/// Which instrument is meant.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Wanted {
    /// The instrument, by name
    #[arg(long, value_name = "NAME", value_parser = parse_symbol)]
    symbol: Option<Symbol>,

    /// The instrument, by the venue's number: for venues that send no names (CME)
    #[arg(long, value_name = "NUMBER", conflicts_with = "symbol")]
    instrument: Option<u32>,

    /// The feed, where several have that instrument: its number in a journal, the name of its
    /// session in a capture
    #[arg(long, value_name = "FEED")]
    feed: Option<String>,
}

/// Where an instrument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Place of the feed among the streams.
    pub(crate) stream: usize,
    /// Place of the instrument in the feed's books.
    pub(crate) index: u32,
}

impl Wanted {
    /// Returns whether an instrument was named.
    pub(crate) fn is_one(&self) -> bool {
        self.symbol.is_some() || self.instrument.is_some()
    }

    /// Finds the one instrument that was named.
    ///
    /// # Errors
    ///
    /// Where none was named, no feed has it, or several have.
    pub(crate) fn find<H>(
        &self,
        streams: &[Stream<H>],
        books: impl Fn(&H) -> &Books,
    ) -> Result<Found> {
        match self.find_all(streams, books)?[..] {
            [found] => Ok(found),
            ref several => {
                let names = several.iter().map(|of| streams[of.stream].origin.name());
                let names: Vec<String> = names.collect();
                bail!(
                    "several feeds have {}: say which with --feed: {}",
                    self.named(),
                    names.join(", ")
                )
            }
        }
    }

    /// Finds the instrument that was named, in one feed or several.
    ///
    /// # Errors
    ///
    /// Where none was named, or no feed has it.
    pub(crate) fn find_all<H>(
        &self,
        streams: &[Stream<H>],
        books: impl Fn(&H) -> &Books,
    ) -> Result<Vec<Found>> {
        ensure!(
            !streams.is_empty(),
            "there is no event of a feed that is known"
        );
        self.check_feed(streams)?;
        let feeds: Vec<(usize, &Books)> = streams
            .iter()
            .enumerate()
            .filter(|(_, stream)| self.is_of(&stream.origin.name()))
            .map(|(place, stream)| (place, books(&stream.handler)))
            .collect();
        let found: Vec<Found> = feeds
            .iter()
            .filter_map(|&(stream, books)| {
                let index = self.index(books)?;
                Some(Found { stream, index })
            })
            .collect();
        ensure!(!found.is_empty(), "{}", self.why_nothing(&feeds));
        Ok(found)
    }

    /// Sees that the feed that was named is there.
    ///
    /// # Errors
    ///
    /// Where it is not.
    pub(crate) fn check_feed<H>(&self, streams: &[Stream<H>]) -> Result<()> {
        let names: Vec<String> = streams.iter().map(|stream| stream.origin.name()).collect();
        match &self.feed {
            Some(feed) if !names.is_empty() && !names.contains(feed) => {
                bail!("there is no feed {feed}: there are {}", names.join(", "))
            }
            _ => Ok(()),
        }
    }

    /// Returns whether an instrument is meant: all are, where none was named.
    pub(crate) fn has(&self, instrument: u32, symbol: Option<Symbol>) -> bool {
        match (self.symbol, self.instrument) {
            (Some(wanted), _) => symbol == Some(wanted),
            (None, Some(wanted)) => instrument == wanted,
            (None, None) => true,
        }
    }

    /// Returns whether a feed of that name is meant.
    pub(crate) fn is_of(&self, feed: &str) -> bool {
        self.feed.as_ref().is_none_or(|wanted| wanted == feed)
    }

    /// Returns whether a feed was named, and is that.
    pub(crate) fn is_named(&self, feed: &str) -> bool {
        self.feed.as_deref() == Some(feed)
    }

    fn index(&self, books: &Books) -> Option<u32> {
        match (self.symbol, self.instrument) {
            (Some(symbol), _) => books.find(&symbol),
            (None, Some(instrument)) => books.index(instrument),
            (None, None) => None,
        }
    }

    fn named(&self) -> String {
        match (self.symbol, self.instrument) {
            (Some(symbol), _) => symbol.to_string(),
            (None, Some(instrument)) => format!("instrument {instrument}"),
            (None, None) => "none".to_owned(),
        }
    }

    fn why_nothing(&self, feeds: &[(usize, &Books)]) -> String {
        let all = || {
            feeds
                .iter()
                .flat_map(|(_, books)| places(books).map(|index| (*books, index)))
        };
        let mut names: Vec<String> = all()
            .filter_map(|(books, index)| Some(books.symbol(index)?.to_string()))
            .collect();
        names.sort();
        names.dedup();
        let Some(symbol) = self.symbol else {
            let mut numbers: Vec<u32> = all()
                .filter_map(|(books, index)| Some(books.top(index)?.instrument()))
                .collect();
            numbers.sort_unstable();
            return match self.instrument {
                Some(instrument) => format!(
                    "there is no instrument {instrument} up to here; there are {} of them{}",
                    numbers.len(),
                    some(numbers.iter().map(u32::to_string))
                ),
                None => format!(
                    "name an instrument, by --symbol or --instrument; there are {} of them{}",
                    numbers.len(),
                    match names.is_empty() {
                        true => some(numbers.iter().map(u32::to_string)),
                        false => some(names.into_iter()),
                    }
                ),
            };
        };
        if names.is_empty() {
            return format!(
                "no instrument has a name up to here: name {symbol} by its number, with \
                 --instrument"
            );
        }
        let upper = |name: &str| name.to_ascii_uppercase();
        let wanted = upper(&symbol.to_string());
        let mut like: Vec<(f64, String)> = names
            .into_iter()
            .map(|name| (strsim::jaro_winkler(&wanted, &upper(&name)), name))
            .filter(|(likeness, _)| *likeness >= LIKE)
            .collect();
        like.sort_by(|a, b| b.0.total_cmp(&a.0));
        let like: Vec<String> = like
            .into_iter()
            .take(LIKE_MAX)
            .map(|(_, name)| name)
            .collect();
        match like.is_empty() {
            true => format!("no instrument is called {symbol} up to here"),
            false => format!(
                "no instrument is called {symbol} up to here: did you mean {}?",
                like.join(" or ")
            ),
        }
    }
}

/// Returns the places of all instruments of books.
pub(crate) fn places(books: &Books) -> impl Iterator<Item = u32> + use<> {
    0..u32::try_from(books.len()).unwrap_or(u32::MAX)
}

/// Returns an instrument's name, or its number where it has none.
pub(crate) fn label(books: &Books, index: u32) -> String {
    match (books.symbol(index), books.top(index)) {
        (Some(symbol), _) => symbol.to_string(),
        (None, Some(top)) => top.instrument().to_string(),
        (None, None) => String::new(),
    }
}

fn some(names: impl Iterator<Item = String>) -> String {
    let first: Vec<String> = names.take(NUMBERS_MAX).collect();
    match first.is_empty() {
        true => String::new(),
        false => format!(", such as {}", first.join(", ")),
    }
}

pub(crate) fn parse_symbol(text: &str) -> Result<Symbol, String> {
    match Symbol::new(text) {
        Some(symbol) if !text.is_empty() => Ok(symbol),
        _ => Err("an instrument's name has 1 to 8 printable ASCII characters".to_owned()),
    }
}
