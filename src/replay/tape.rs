//! Owns one journal of a replay: where it begins and ends, and which of its records are next.

use super::Place;
use crate::error::{Error, Result};
use crate::journal::{Frame, Journal, Reader, number_after};
use crate::record::{Event, Record, Sequence};

/// A journal that is being replayed.
#[derive(Debug)]
pub(super) struct Tape<E: Event> {
    reader: Reader<E>,
    to: Option<Place>,
    ended: bool,
    /// Records that were read and not yet given. Copies: the file may become shorter while they
    /// wait for their time.
    held: Vec<Record<E>>,
    /// How many of them were given.
    given: usize,
    /// The greatest receive time of those that were given.
    recv_ns: u64,
}

impl<E: Event> Tape<E> {
    pub(super) fn open(
        journal: &Journal<E>,
        from: Option<Place>,
        to: Option<Place>,
        verifies: bool,
    ) -> Result<Self> {
        let reader = match from {
            None => journal.reader(),
            Some(Place::Sequence(sequence)) => journal.reader_at(sequence)?,
            Some(Place::Time(recv_ns)) => journal.reader_at_time(recv_ns)?,
        };
        Ok(Self {
            reader: if verifies {
                reader
            } else {
                reader.without_verification()
            },
            to,
            ended: false,
            held: Vec::new(),
            given: 0,
            recv_ns: 0,
        })
    }

    /// Lends the next records, where they lie in the file; nothing at the end.
    pub(super) fn lend(&mut self) -> Result<Option<&[Record<E>]>> {
        if self.ended {
            return Ok(None);
        }
        let Some(frame) = self.reader.next()? else {
            self.ended = true;
            return Ok(None);
        };
        let (records, ended) = cut(&frame, self.to);
        self.ended = ended;
        Ok(Some(records))
    }

    /// Sees that a record is held, unless there is none left.
    pub(super) fn fill(&mut self) -> Result<()> {
        while self.given == self.held.len() && !self.ended {
            // Taken out, because what is lent borrows the tape.
            let mut held = std::mem::take(&mut self.held);
            held.clear();
            self.given = 0;
            if let Some(records) = self.lend()? {
                held.extend_from_slice(records);
            }
            self.held = held;
        }
        Ok(())
    }

    /// Returns the time by which the next record is merged: its own, or that of the record before
    /// it where the time stepped back.
    pub(super) fn next_recv_ns(&self) -> Option<u64> {
        let next = self.held.get(self.given)?;
        Some(self.recv_ns.max(next.ts_recv_ns()))
    }

    /// Returns the records that come before any of time `before`, and passes them.
    pub(super) fn take(&mut self, mut before: impl FnMut(u64) -> bool) -> &[Record<E>] {
        let begin = self.given;
        while let Some(recv_ns) = self.next_recv_ns() {
            if !before(recv_ns) {
                break;
            }
            self.recv_ns = recv_ns;
            self.given += 1;
        }
        &self.held[begin..self.given]
    }

    pub(super) fn torn_bytes(&self) -> u64 {
        self.reader.torn_bytes()
    }
}

/// Returns a frame's records up to `to`, and whether they are the last.
fn cut<'a, E: Event>(frame: &Frame<'a, E>, to: Option<Place>) -> (&'a [Record<E>], bool) {
    let (header, records) = (&frame.header, frame.records);
    match to {
        Some(Place::Sequence(last)) if header.end > last => {
            let wanted = records.partition_point(|record| record.sequence() <= last);
            (&records[..wanted], true)
        }
        Some(Place::Time(last_ns)) if header.greatest_recv_ns > last_ns => {
            let later = records
                .iter()
                .position(|record| record.ts_recv_ns() > last_ns);
            (&records[..later.unwrap_or(records.len())], later.is_some())
        }
        _ => (records, false),
    }
}

/// Sees that the journals have the range that is asked for.
pub(super) fn check_range<E: Event>(
    journals: &[Journal<E>],
    from: Option<Place>,
    to: Option<Place>,
) -> Result<()> {
    let empty = match (from, to) {
        (Some(Place::Sequence(from)), Some(Place::Sequence(to))) => from > to,
        (Some(Place::Time(from)), Some(Place::Time(to))) => from > to,
        _ => false,
    };
    if empty {
        return Err(Error::config(
            "a replay that ends before it begins",
            "exchange its two ends",
        ));
    }
    for place in [from, to].into_iter().flatten() {
        match place {
            Place::Sequence(sequence) => check_sequence(journals, sequence)?,
            Place::Time(recv_ns) => check_time(journals, recv_ns)?,
        }
    }
    if let Some(Place::Sequence(last)) = to {
        check_whole(&journals[0], last)?;
    }
    match (from, to) {
        (Some(Place::Sequence(_)), Some(Place::Time(_)))
        | (Some(Place::Time(_)), Some(Place::Sequence(_))) => check_order(&journals[0], from, to),
        _ => Ok(()),
    }
}

/// Sees that a replay does not end before it begins where one end is a sequence and the other a
/// time: which comes first is known from the records only.
fn check_order<E: Event>(
    journal: &Journal<E>,
    from: Option<Place>,
    to: Option<Place>,
) -> Result<()> {
    let mut tape = Tape::open(journal, from, to, false)?;
    tape.fill()?;
    if tape.next_recv_ns().is_some() {
        return Ok(());
    }
    Err(Error::config(
        format!(
            "a replay of {} that ends before it begins",
            journal.directory().display()
        ),
        "name both ends by sequence, or both by time, to see which comes first",
    ))
}

fn check_sequence<E: Event>(journals: &[Journal<E>], sequence: Sequence) -> Result<()> {
    let [journal] = journals else {
        return Err(Error::config(
            format!(
                "sequence {sequence} in a merge of {} journals",
                journals.len()
            ),
            "each has numbers of its own: begin and end with times",
        ));
    };
    journal.reader_at(sequence).map(drop)
}

/// Sees that a replay can end with `last`: numbers inside a gap of the recorder's would be told
/// neither before nor behind the end.
fn check_whole<E: Event>(journal: &Journal<E>, last: Sequence) -> Result<()> {
    let mut reader = journal.reader_at(last)?.without_verification();
    let Some(frame) = reader.next()? else {
        return Ok(());
    };
    let Some(record) = frame.records.first() else {
        return Ok(());
    };
    let (first, end) = (record.sequence(), number_after(record));
    if last.next() == end {
        return Ok(());
    }
    let (before, behind) = (first.get().saturating_sub(1), end.get().saturating_sub(1));
    let or_before = if first > journal.first() {
        format!("{before} or ")
    } else {
        String::new()
    };
    Err(Error::config(
        format!("sequence {last} in {}", journal.directory().display()),
        format!(
            "it lies in a gap from {first} to {behind}, which cannot be parted: \
             end with {or_before}{behind}"
        ),
    ))
}

fn check_time<E: Event>(journals: &[Journal<E>], recv_ns: u64) -> Result<()> {
    let mut begin_ns: Option<u64> = None;
    let mut reached = false;
    for journal in journals {
        // Headers say enough, and damage is told where it is replayed.
        let mut reader = journal.reader().without_verification();
        if let Some(frame) = reader.next()? {
            let first_ns = frame.header.least_recv_ns;
            begin_ns = Some(begin_ns.map_or(first_ns, |begin_ns| begin_ns.min(first_ns)));
        }
        let mut reader = journal.reader_at_time(recv_ns)?.without_verification();
        reached |= reader.next()?.is_some();
    }
    let names: Vec<_> = journals
        .iter()
        .map(|journal| journal.directory().display().to_string())
        .collect();
    let why = match begin_ns {
        None => "there is no record".to_owned(),
        Some(begin_ns) if recv_ns < begin_ns => {
            format!("the first records were received at {begin_ns} ns")
        }
        Some(_) if !reached => "no record was received then or later".to_owned(),
        Some(_) => return Ok(()),
    };
    let what = format!("receive time {recv_ns} ns in {}", names.join(" and "));
    Err(Error::config(what, why))
}
