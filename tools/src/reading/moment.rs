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

/// First and last number of a record, or its time as both: only a gap has more than one.
type Numbers = (u64, u64);

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
                approached.count(ns, all.map(|record| alone(record.ts_recv_ns())))
            }
            (replay::Place::Sequence(last), None) => {
                approached.count(last.get(), all.map(|record| alone(record.sequence().get())))
            }
            (replay::Place::Sequence(last), Some(_)) => {
                let mut next = approached.next;
                let numbers = all.map(|record| venue_numbers(record, &mut next));
                let numbers: Vec<Option<Numbers>> = numbers.collect();
                approached.next = next;
                approached.count(last.get(), numbers)
            }
        };
        Ok(Part {
            records: &part.records[..count],
            ..part
        })
    }

    /// Returns whether nothing that follows can be part of the moment. Where more sessions may come,
    /// a number is over for none but those that have passed it.
    pub(crate) fn is_over(&self, more_may_come: bool) -> bool {
        let is_number = matches!(self.place, Some(replay::Place::Sequence(_)));
        let mut approached = self.approached.values();
        self.named.is_some()
            && !(is_number && more_may_come)
            && !self.approached.is_empty()
            && approached.all(|a| a.passed)
    }

    /// Returns whether a session has passed the moment.
    pub(crate) fn is_over_for(&self, session: usize) -> bool {
        self.approached.get(&session).is_some_and(|a| a.passed)
    }

    /// Fails where all that was read is behind the moment.
    ///
    /// # Errors
    ///
    /// Then, and says so.
    pub(crate) fn check_begun(&self) -> Result<()> {
        match (&self.named, self.place) {
            (Some(named), Some(place)) if self.approached.values().all(|a| a.last.is_none()) => {
                bail!("{} is before the first record", named.shown(place))
            }
            _ => Ok(()),
        }
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
    /// Returns how many come before the first whose numbers are greater than `last`. What has none
    /// goes with what is before it.
    fn count(&mut self, last: u64, numbers: impl IntoIterator<Item = Option<Numbers>>) -> usize {
        let mut count = 0;
        for numbers in numbers {
            self.passed |= numbers.is_some_and(|(first, _)| first > last);
            if self.passed {
                break;
            }
            self.last = self.last.max(numbers.map(|(_, last)| last));
            count += 1;
        }
        count
    }
}

fn alone(number: u64) -> Option<Numbers> {
    Some((number, number))
}

/// Returns the venue's numbers of a record; `None` where it has none.
fn venue_numbers(record: &Record<MarketEvent>, next: &mut Option<u64>) -> Option<Numbers> {
    let numbers = match record.content() {
        Content::Event(event) => {
            let number = tape::whole_number(*next, event.message);
            (number, number)
        }
        Content::DeadLetter(letter) => (letter.feed_sequence, letter.feed_sequence),
        Content::Gap(gap) => (gap.first, gap.last),
        Content::Session(session) => {
            // It names the number that comes next.
            *next = Some(session.feed_sequence);
            return None;
        }
        Content::Invalid => return None,
    };
    *next = Some(numbers.1.saturating_add(1));
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_number_goes_with_what_is_before_it() {
        let mut approached = Approached::default();
        let numbers = [None, alone(5), alone(5), None, alone(7), None, alone(6)];
        assert_eq!(approached.count(6, numbers), 4);
        assert_eq!(approached.last, Some(5));
        assert!(approached.passed);
        assert_eq!(approached.count(6, [alone(1)]), 0, "it is over");
    }

    #[test]
    fn a_number_inside_a_gap_is_there() {
        for wanted in [6, 8, 9] {
            let mut approached = Approached::default();
            assert_eq!(approached.count(wanted, [alone(5), Some((6, 9))]), 2);
            assert_eq!(approached.last, Some(9), "{wanted}");
            assert!(!approached.passed);
        }
    }
}
