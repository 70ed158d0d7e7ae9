//! Owns up to where a source is read: a moment of it.

use super::Part;
use crate::new_york::wall_or_time_of_day;
use crate::place::Place;
use crate::tape;
use anyhow::{Result, bail};
use ringtape::market::MarketEvent;
use ringtape::record::{Content, Record};
use ringtape::replay;
use std::collections::BTreeMap;

/// A moment, as the user named it, and how far it was approached.
///
/// A time is a receive time; a number is ours in a journal, and in a capture the venue's of each
/// session. What has the time or the number is part of the moment.
#[derive(Debug)]
pub(crate) struct Moment {
    /// The end where nothing was named.
    named: Option<Place>,
    /// Where that is, once a record has told which day it is.
    place: Option<replay::Place>,
    /// By session; a journal has but one.
    approached: BTreeMap<usize, Approached>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Approached {
    /// The venue's number that comes next, once one was told in full.
    next: Option<u64>,
    /// The greatest number or time that is part of the moment.
    last: Option<u64>,
    passed: bool,
}

impl Moment {
    /// Makes the moment of a place, or that of the end.
    pub(crate) fn new(named: Option<Place>) -> Self {
        Self {
            named,
            place: None,
            approached: BTreeMap::new(),
        }
    }

    /// Returns what of a part is not behind the moment.
    ///
    /// # Errors
    ///
    /// For a time that cannot be.
    pub(crate) fn cut<'a>(&mut self, part: Part<'a>) -> Result<Part<'a>> {
        let (Some(named), Some(first)) = (&self.named, part.records.first()) else {
            return Ok(part);
        };
        let place = match self.place {
            Some(place) => place,
            None => named.resolve(|| Ok(Some(first.ts_recv_ns())))?,
        };
        self.place = Some(place);
        let session = part.session.map_or(0, |(session, _)| session);
        let approached = self.approached.entry(session).or_default();
        let all = part.records.iter();
        let count = match (place, part.session) {
            (replay::Place::Time(ns), _) => {
                approached.count(ns, all.map(|record| Some(record.ts_recv_ns())))
            }
            (replay::Place::Sequence(last), None) => {
                approached.count(last.get(), all.map(|record| Some(record.sequence().get())))
            }
            (replay::Place::Sequence(last), Some(_)) => {
                let mut next = approached.next;
                let numbers = all.map(|record| venue_number(record, &mut next));
                let numbers: Vec<Option<u64>> = numbers.collect();
                approached.next = next;
                approached.count(last.get(), numbers)
            }
        };
        Ok(Part {
            records: &part.records[..count],
            ..part
        })
    }

    /// Returns whether nothing that follows can be part of the moment.
    pub(crate) fn is_over(&self) -> bool {
        let mut approached = self.approached.values();
        self.named.is_some() && !self.approached.is_empty() && approached.all(|a| a.passed)
    }

    /// Says what the user should know of where this is: of a session, or of a journal.
    ///
    /// # Errors
    ///
    /// Where the source does not have the place.
    pub(crate) fn check(&self, session: Option<usize>) -> Result<Vec<String>> {
        let (Some(named), Some(place)) = (&self.named, self.place) else {
            return Ok(Vec::new());
        };
        let approached = self.approached.get(&session.unwrap_or(0));
        let approached = approached.copied().unwrap_or_default();
        let shown = named.shown(place);
        match (place, approached.last) {
            (_, None) => bail!("{shown} is before the first record"),
            (replay::Place::Sequence(wanted), Some(last))
                if !approached.passed && last < wanted.get() =>
            {
                bail!("{shown} is not there: the numbers end with {last}")
            }
            (replay::Place::Time(wanted), Some(last)) if !approached.passed && last < wanted => {
                Ok(vec![format!(
                    "{shown} is behind the end: the last was received at {} in New York",
                    wall_or_time_of_day(last)
                )])
            }
            _ => Ok(Vec::new()),
        }
    }
}

impl Approached {
    /// Returns how many come before the first whose number is greater than `last`. What has none
    /// goes with what is before it.
    fn count(&mut self, last: u64, numbers: impl IntoIterator<Item = Option<u64>>) -> usize {
        let mut count = 0;
        for number in numbers {
            self.passed |= number.is_some_and(|number| number > last);
            if self.passed {
                break;
            }
            self.last = self.last.max(number);
            count += 1;
        }
        count
    }
}

/// Returns the venue's number of a record; `None` where it has none.
fn venue_number(record: &Record<MarketEvent>, next: &mut Option<u64>) -> Option<u64> {
    let (number, after) = match record.content() {
        Content::Event(event) => {
            let number = tape::whole_number(*next, event.message);
            (Some(number), number)
        }
        Content::DeadLetter(letter) => (Some(letter.feed_sequence), letter.feed_sequence),
        Content::Gap(gap) => (Some(gap.first), gap.last),
        Content::Session(session) => {
            // It names the number that comes next.
            *next = Some(session.feed_sequence);
            return None;
        }
        Content::Invalid => return None,
    };
    *next = Some(after.saturating_add(1));
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_number_goes_with_what_is_before_it() {
        let mut approached = Approached::default();
        let numbers = [None, Some(5), Some(5), None, Some(7), None, Some(6)];
        assert_eq!(approached.count(6, numbers), 4);
        assert_eq!(approached.last, Some(5));
        assert!(approached.passed);
        assert_eq!(approached.count(6, [Some(1)]), 0, "it is over");
    }
}
