//! Owns the check of one segment: how far its numbers reach, which had to be delivered, and when.

use super::Violation;
use super::given::{Copied, Tell, Told};
use super::segments::Segment;
use crate::torture::{Outcome, StepKind};
use std::ops::Range;

/// Which copies of a number are of the sequence that a segment follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// All: the session numbered once.
    Plain,
    /// Those of this epoch: each restart was noticed.
    Epoch(usize),
    /// That cannot be told: a restart was not noticed, or not yet.
    Unknown,
}

/// What concerns one segment.
pub(super) struct Sight<'a> {
    pub(super) outcome: &'a Outcome,
    pub(super) told: &'a Told<'a>,
    pub(super) span: Range<usize>,
    pub(super) order: Order,
}

impl Sight<'_> {
    /// Checks that the numbers reach as far as the lines told, and no further.
    pub(super) fn check_ends(&self, segment: &mut Segment) -> Result<(), Violation> {
        let mut steps = self.span.clone();
        if let Some((step, _)) = segment.end {
            // What tells of more once the session has ended contradicts itself.
            steps.end = steps.end.min(step + 1);
        }
        let least = self.told.end(&steps, false).unwrap_or(0).max(segment.first);
        let most = self.told.end(&steps, true).unwrap_or(0).max(segment.first);
        let plain = self.order == Order::Plain;
        if plain && segment.end.is_none() {
            // Empty messages at the very end leave no record behind them.
            segment.pass(least.max(segment.next), self.span.end - 1);
        }
        if plain && !(least..=most).contains(&segment.next) {
            return Err(Violation::new(format!(
                "the lines told of numbers up to {least} to {most}, and the records reach {}",
                segment.next
            )));
        }
        let told_end = self.told.ends.iter().any(|end| self.span.contains(end));
        if told_end != segment.end.is_some() && plain {
            return Err(Violation::new(format!(
                "the end was told: {told_end}; its record: {:?}",
                segment.end
            )));
        }
        Ok(())
    }

    /// Checks that what came in time is in no gap; returns how many numbers that were brought were
    /// delivered.
    pub(super) fn check_demands(&self, segment: &Segment) -> Result<u64, Violation> {
        if self.order == Order::Unknown {
            return Ok(0);
        }
        let (hold_ns, window) = (
            self.outcome.config.hold_ns,
            self.outcome.config.window_messages as u64,
        );
        for gap in &segment.given_up {
            for (&number, copies) in self.told.copies.range(gap.numbers.clone()) {
                let mine = copies.iter().find(|copied| {
                    copied.wanted
                        && self.span.contains(&copied.step)
                        && copied.step <= gap.step
                        && self.is_of_order(copied)
                });
                let Some(copied) = mine else { continue };
                let told = self
                    .told
                    .tells
                    .iter()
                    .filter(|tell| self.span.contains(&tell.step) && tell.step <= copied.step);
                let since = told.clone().find(|tell| tell.end > number);
                let ahead = told.filter(|tell| tell.step < copied.step);
                let ahead = ahead.map(|tell| tell.end).max().unwrap_or(0);
                let in_time = since.is_none_or(|since| {
                    since.step == copied.step || copied.now_ns - since.now_ns < hold_ns
                });
                if in_time && ahead <= number.saturating_add(window) {
                    return Err(Violation::new(format!(
                        "number {number} came in time, at call {}, and is in {gap:?}",
                        copied.step
                    )));
                }
            }
        }
        let brought = |number| u64::from(self.told.copies.contains_key(&number));
        let delivered = segment.delivered.iter().map(|one| brought(one.number));
        Ok(delivered.sum())
    }

    /// Checks that nothing stood open once its hold time was over and time had passed.
    pub(super) fn check_waits(&self, segment: &Segment) -> Result<(), Violation> {
        if self.order != Order::Plain {
            return Ok(());
        }
        let delivered = segment.delivered.iter().map(|one| (one.number, one.step));
        let given_up = segment
            .given_up
            .iter()
            .map(|gap| (gap.numbers.start, gap.step));
        let mut done: Vec<_> = delivered.chain(given_up).collect();
        done.sort_unstable();
        let in_span = |tell: &&Tell| self.span.contains(&tell.step) && !tell.by_server;
        let mut tells = self.told.tells.iter().filter(in_span).peekable();
        let mut ticks = self
            .outcome
            .steps
            .iter()
            .enumerate()
            .filter(|(_, step)| matches!(step.kind, StepKind::Time));
        let mut tick = ticks.next();
        for (number, step) in done {
            while tells.peek().is_some_and(|tell| tell.end <= number) {
                tells.next();
            }
            let Some(since) = tells.peek() else { break };
            let over_ns = since.now_ns.saturating_add(self.outcome.config.hold_ns);
            while tick.is_some_and(|(at, tick)| tick.now_ns < over_ns || at < since.step) {
                tick = ticks.next();
            }
            if let Some((at, _)) = tick
                && step > at
            {
                return Err(Violation::new(format!(
                    "number {number} was known at call {}, its time was over at call {at}, and \
                     its turn came at call {step}",
                    since.step
                )));
            }
        }
        Ok(())
    }

    /// Whether a copy is of the sequence that the segment follows, and the feed could know it.
    fn is_of_order(&self, copied: &Copied<'_>) -> bool {
        let Order::Epoch(own) = self.order else {
            return true;
        };
        let joined = self.told.joined.get(&(copied.line, own));
        let first = self.outcome.truth.epochs[own].restarts == 0;
        // A line that was there before the mark came took it for an earlier restart.
        let since = joined.filter(|&&step| step >= self.span.start && step <= copied.step);
        copied.epoch == Some(own) && (first || since.is_some())
    }
}
