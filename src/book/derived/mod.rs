//! Owns the derived events: what follows from the books, handed on for others to subscribe to, to
//! journal and to replay.
//!
//! | event | when |
//! |---|---|
//! | [`Bbo`] | best prices, their quantities or their trust are others than those told last |
//! | [`Print`] | a trade |
//! | [`Bar`], [`BarClose`] | a bar closes, one group |
//! | [`Vwap`] | a bar has closed |
//! | [`Instrument`] | the venue named one: a journal of derived events can name its symbols |
//!
//! All carry the number of a feed of their own, and of the record that they follow from the receive
//! time, the venue's time (but for bars, see there) and the venue's message number. No clock is
//! read: the same records give the same events, live and in replay, in this order: bars that the
//! record's time closes, by rule and then by the instrument's place; the print; bars that the print
//! fills; best prices.
//!
//! # Bars
//!
//! A print goes into one bar of each rule. Bars have at least one print.
//!
//! * Time runs as the venue tells it. Bars of time begin at multiples of their length, counted as
//!   the events' times are (from the UNIX epoch, or from the venue's midnight). They close as soon
//!   as any event of the feed has a time at or behind their end, whichever instrument it is for. A
//!   print that is older than the open bar goes into the open bar, and is counted
//!   ([`DerivedCounts::late`]).
//! * Bars of a number of prints and of volume close with the print that reaches it; that print
//!   belongs to them whole.
//! * A session's start, restart and end close all bars, and so does the end of the run. The average
//!   price of the session begins again then.
//! * A trade that the venue takes back or corrects later stays where it was counted.
//!
//! [`Bar`]: crate::market::Bar
//! [`BarClose`]: crate::market::BarClose
//! [`Bbo`]: crate::market::Bbo
//! [`Instrument`]: crate::market::Instrument
//! [`Print`]: crate::market::Print
//! [`Vwap`]: crate::market::Vwap

mod bars;
mod derive;
mod handler;
mod output;
mod totals;

use crate::error::{Error, Result};

pub use handler::BookHandler;
pub use output::{BusOutput, InlineOutput, Output};

/// Rules of bars at once, at most.
pub const BAR_RULES_MAX: usize = 16;

/// When bars close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BarRule {
    /// At each multiple of so many nanoseconds of the venue's time.
    Time {
        /// The length of a bar, at least 1.
        every_ns: u64,
    },
    /// After so many prints.
    Ticks {
        /// How many, at least 1.
        count: u32,
    },
    /// When so much has traded, or more.
    Volume {
        /// Shares or contracts, at least 1.
        quantity: u64,
    },
}

/// Why a bar closed: [`BarClose::end`](crate::market::BarClose::end) has the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BarEnd {
    /// Its time was over.
    Time = 1,
    /// It had its prints.
    Ticks = 2,
    /// It had its volume.
    Volume = 3,
    /// The session or the run ended.
    Session = 4,
}

/// What is derived, and how it is marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivedConfig {
    /// The feed number that derived events carry: another than that of the feed they come from.
    pub feed: u8,
    /// The rules by which bars are made, at most [`BAR_RULES_MAX`]; each event names its rule by
    /// its place here.
    pub rules: Vec<BarRule>,
}

impl Default for DerivedConfig {
    /// Feed 128, no bars.
    fn default() -> Self {
        Self {
            feed: 128,
            rules: Vec::new(),
        }
    }
}

impl DerivedConfig {
    /// Sees that it can work on events of feed `of`.
    fn check(&self, of: u8) -> Result<()> {
        if self.feed == of {
            return Err(Error::config(
                format!("derived events of feed {of} that are of feed {of}, too"),
                "give them a number of their own",
            ));
        }
        if self.rules.len() > BAR_RULES_MAX {
            return Err(Error::config(
                format!("{} rules of bars", self.rules.len()),
                format!("use at most {BAR_RULES_MAX}"),
            ));
        }
        let empty = |rule: &&BarRule| {
            matches!(
                rule,
                BarRule::Time { every_ns: 0 }
                    | BarRule::Ticks { count: 0 }
                    | BarRule::Volume { quantity: 0 }
            )
        };
        match self.rules.iter().find(empty) {
            None => Ok(()),
            Some(rule) => Err(Error::config(
                format!("bars of nothing: {rule:?}"),
                "use at least 1",
            )),
        }
    }
}

/// What was counted while events were derived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DerivedCounts {
    /// Changes of the best prices or of trust that were told.
    pub bbos: u64,
    /// Prints that were told.
    pub prints: u64,
    /// Bars that closed.
    pub bars: u64,
    /// Prints that were older than the bar they went into, once for each such bar.
    pub late: u64,
    /// Prints without a price or a quantity, which are in no bar and no average.
    pub without_price: u64,
    /// Prints that were left out of a bar or an average because its sums had no room, once for
    /// each.
    pub left_out: u64,
}
