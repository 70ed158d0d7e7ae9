//! Owns the strategies that the command line brings: small, real, and short enough to copy.

mod audit;
mod compare;
mod flow;
mod spread;

use ringtape::book::Books;
use ringtape::handler::{At, Handler};
use ringtape::market::MarketEvent;
use ringtape::record::{DeadLetter, Gap, Record, Session};
use std::slice;

pub(crate) use self::audit::Audit;
pub(crate) use self::compare::Compare;
pub(crate) use self::flow::Flow;
pub(crate) use self::spread::Spread;

/// Gaps that a report lists one by one; more are only counted.
const GAPS_LISTED: usize = 1_000;

/// What the command line asks of a strategy at the end.
pub(crate) trait Verdict {
    /// Says in a line what it found.
    fn verdict(&self) -> String;
}

/// What the command line asks of a strategy that keeps books.
pub(crate) trait Watch {
    /// Returns its books, in the order of the feeds that it was told to watch.
    fn books(&self) -> &[Books] {
        &[]
    }
}

impl Watch for Flow {}
impl Watch for Audit {}

impl Watch for Spread {
    fn books(&self) -> &[Books] {
        slice::from_ref(&self.books)
    }
}

impl Watch for Compare {
    fn books(&self) -> &[Books] {
        &self.books
    }
}

/// A strategy and the gaps that it was shown.
#[derive(Debug)]
pub(crate) struct Noted<H> {
    /// The strategy.
    pub(crate) strategy: H,
    /// The first gaps, in order.
    pub(crate) gaps: Vec<Gap>,
    /// How many more there were.
    pub(crate) unlisted: u64,
}

impl<H> Noted<H> {
    pub(crate) fn new(strategy: H) -> Self {
        let gaps = Vec::with_capacity(GAPS_LISTED);
        Self {
            strategy,
            gaps,
            unlisted: 0,
        }
    }
}

impl<H: Handler<MarketEvent>> Handler<MarketEvent> for Noted<H> {
    fn on_start(&mut self) {
        self.strategy.on_start();
    }

    fn on_event(&mut self, event: &MarketEvent, at: At) {
        self.strategy.on_event(event, at);
    }

    fn on_gap(&mut self, gap: Gap) {
        if self.gaps.len() < GAPS_LISTED {
            self.gaps.push(gap);
        } else {
            self.unlisted += 1;
        }
        self.strategy.on_gap(gap);
    }

    fn on_session(&mut self, session: &Session, at: At) {
        self.strategy.on_session(session, at);
    }

    fn on_dead_letter(&mut self, letter: &DeadLetter, at: At) {
        self.strategy.on_dead_letter(letter, at);
    }

    fn look_ahead(&self) -> usize {
        self.strategy.look_ahead()
    }

    fn on_ahead(&mut self, records: &[Record<MarketEvent>]) {
        self.strategy.on_ahead(records);
    }

    fn on_stop(&mut self) {
        self.strategy.on_stop();
    }

    fn is_ready(&mut self) -> bool {
        self.strategy.is_ready()
    }
}

#[cfg(test)]
mod tests;
