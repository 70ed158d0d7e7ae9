//! Owns the reading of a feed's records: each session, and what became of each of its numbers.

use super::Violation;
use crate::feed::SessionName;
use crate::market::{EventKind, Flags, MarketEvent};
use crate::record::{Content, Gap, GapCause, Record, Session, SessionMark};
use crate::torture::Outcome;
use std::ops::Range;

/// A number that was delivered, and its records.
#[derive(Clone, Debug)]
pub(super) struct Delivered {
    pub(super) number: u64,
    pub(super) step: usize,
    pub(super) records: Range<usize>,
}

/// Numbers that were given up.
#[derive(Clone, Debug)]
pub(super) struct GivenUp {
    pub(super) numbers: Range<u64>,
    pub(super) step: usize,
    pub(super) cause: GapCause,
}

/// The records from one start of a session, or restart inside it, to the next.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) session: SessionName,
    /// At which call the mark came.
    pub(super) step: usize,
    /// Whether the mark says that the venue began to number again.
    pub(super) restart: bool,
    pub(super) first: u64,
    /// The number above the last that has a record.
    pub(super) next: u64,
    /// At which call the end came, and what it says.
    pub(super) end: Option<(usize, u64)>,
    pub(super) delivered: Vec<Delivered>,
    pub(super) given_up: Vec<GivenUp>,
    /// Numbers that were passed without a record: empty messages, if all is well.
    pub(super) silent: Vec<(Range<u64>, usize)>,
    /// Whether further events can belong to the message that was delivered last.
    open: bool,
}

impl Segment {
    fn new(session: &Session, step: usize) -> Self {
        Self {
            session: session.id,
            step,
            restart: session.mark == SessionMark::Restart,
            first: session.feed_sequence,
            next: session.feed_sequence,
            end: None,
            delivered: Vec::new(),
            given_up: Vec::new(),
            silent: Vec::new(),
            open: false,
        }
    }

    /// Moves on to `number`, which has a record; fails for one that had its turn.
    fn reach(&mut self, number: u64, step: usize) -> Result<(), Violation> {
        if self.open {
            return Err(Violation::new(format!(
                "number {number} begins inside the group of the number before"
            )));
        }
        if self.end.is_some() {
            return Err(Violation::new(format!(
                "number {number} comes behind the end"
            )));
        }
        if number < self.next {
            return Err(Violation::new(format!(
                "number {number} comes again, or out of order: {} was next",
                self.next
            )));
        }
        self.pass(number, step);
        Ok(())
    }

    /// Moves on to `number` over numbers without a record.
    pub(super) fn pass(&mut self, number: u64, step: usize) {
        if number > self.next {
            self.silent.push((self.next..number, step));
            self.next = number;
        }
    }

    fn event(&mut self, event: &MarketEvent, index: usize, step: usize) -> Result<(), Violation> {
        let head = event.head;
        let derived = head.kind == EventKind::INSTRUMENT && head.flags.contains(Flags::DERIVED);
        let more = derived || !head.flags.contains(Flags::LAST);
        let same = |last: &&mut Delivered| low(last.number) == event.message;
        if self.open
            && let Some(last) = self.delivered.last_mut().filter(same)
        {
            last.records.end = index + 1;
            self.open = more;
            return Ok(());
        }
        // The event has the low half of its number; the rest is that of what comes next.
        let ahead = event.message.wrapping_sub(low(self.next));
        let number = if ahead < u32::MAX / 2 {
            self.next.saturating_add(u64::from(ahead))
        } else {
            let behind = low(self.next).wrapping_sub(event.message);
            self.next.saturating_sub(u64::from(behind))
        };
        self.single(number, index, step)?;
        self.open = more;
        Ok(())
    }

    fn single(&mut self, number: u64, index: usize, step: usize) -> Result<(), Violation> {
        self.reach(number, step)?;
        self.delivered.push(Delivered {
            number,
            step,
            records: index..index + 1,
        });
        self.next = number + 1;
        Ok(())
    }

    fn gap(&mut self, gap: Gap, step: usize) -> Result<(), Violation> {
        self.reach(gap.first, step)?;
        self.given_up.push(GivenUp {
            numbers: gap.first..gap.last + 1,
            step,
            cause: gap.cause,
        });
        self.next = gap.last + 1;
        Ok(())
    }
}

fn low(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).expect("invariant: masked to 32 bits")
}

/// Reads all records. Every number of a segment has its turn once and in order, or this fails.
pub(super) fn read(outcome: &Outcome) -> Result<Vec<Segment>, Violation> {
    let mut segments: Vec<Segment> = Vec::new();
    for (step, call) in outcome.steps.iter().enumerate() {
        for index in call.records.clone() {
            let record = &outcome.records[index];
            take(record, index, step, &mut segments)
                .map_err(|violation| violation.at(index, record))?;
        }
    }
    Ok(segments)
}

fn take(
    record: &Record<MarketEvent>,
    index: usize,
    step: usize,
    segments: &mut Vec<Segment>,
) -> Result<(), Violation> {
    if record.sequence().get() != index as u64 + 1 {
        return Err(Violation::new("records are not numbered densely from 1"));
    }
    if let Content::Session(session) = record.content()
        && matches!(session.mark, SessionMark::Start | SessionMark::Restart)
    {
        let last = segments.last().map(|last| last.session);
        if session.mark == SessionMark::Restart && last != Some(session.id) {
            return Err(Violation::new(
                "a restart of a session that is not followed",
            ));
        }
        segments.push(Segment::new(&session, step));
        return Ok(());
    }
    let Some(segment) = segments.last_mut() else {
        return Err(Violation::new("a record before any session"));
    };
    match record.content() {
        Content::Event(event) => segment.event(event, index, step),
        Content::DeadLetter(letter) => segment.single(letter.feed_sequence, index, step),
        Content::Gap(gap) => segment.gap(gap, step),
        Content::Session(session) => {
            if session.mark == SessionMark::End {
                segment.reach(session.feed_sequence, step)?;
                segment.end = Some((step, session.feed_sequence));
            }
            Ok(())
        }
        Content::Invalid => Err(Violation::new("an invalid record")),
    }
}
