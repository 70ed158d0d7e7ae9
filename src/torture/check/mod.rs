//! Owns the verdict on a run: a naive oracle beside the feed.
//!
//! The oracle keeps every copy of every number that the feed was given, in a map, and holds the
//! records against it. It does not arbitrate: it says what must be true of any right arbitration.

mod content;
mod given;
mod segments;

use self::given::Given;
use self::segments::Segment;
use super::simulation::{Outcome, StepKind};
use crate::feed::{SessionName, Start, session_name};
use crate::market::MarketEvent;
use crate::record::{GapCause, Record};
use std::ops::Range;

/// What a run did that no right feed does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Violation(String);

impl Violation {
    fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }

    fn at(self, index: usize, record: &Record<MarketEvent>) -> Self {
        Self(format!("{}; record {index}: {record:?}", self.0))
    }
}

/// What a run that was found right delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Sessions that were followed, and restarts inside them.
    pub segments: u64,
    /// Numbers that were delivered.
    pub delivered: u64,
    /// Numbers that were published as gaps.
    pub lost: u64,
    /// Numbers of which the oracle demanded that they be delivered.
    pub demanded: u64,
}

impl Outcome {
    /// Checks a run against the naive oracle:
    ///
    /// * deliveries and gaps are all numbers of each session from where it was joined to the highest
    ///   that a line told, each once and in order, and the session's end stands behind them;
    /// * what is delivered is what the first sound copy says, byte for byte, with its receive time;
    /// * a number that a line, or a server that was asked for it, brought within the hold time is
    ///   delivered, unless the lines ran ahead by more than the window meanwhile;
    /// * nothing stands open longer than the hold time and a tick;
    /// * sessions are followed, one after the other, as soon as they may be;
    /// * the ledger closes, and its counts are the oracle's.
    ///
    /// Where a session began to number again, copies of two sequences bear the same numbers, and
    /// MoldUDP64 does not tell them apart. Then the third point holds where each restart was noticed,
    /// for copies of the right sequence on lines that showed to be in it, and the last but one not.
    ///
    /// # Errors
    ///
    /// [`Violation`], the first one found.
    pub fn check(&self) -> Result<Checked, Violation> {
        let given = Given::read(self)?;
        let mut segments = segments::read(self)?;
        let spans = self.spans(&given, &segments)?;
        let mut checked = Checked {
            segments: segments.len() as u64,
            ..Checked::default()
        };
        for (index, span) in spans.iter().enumerate() {
            let sight = self.sight(&given, &segments, index, span.clone())?;
            sight.check_ends(&mut segments[index])?;
            checked.demanded += sight.check_demands(&segments[index])?;
            sight.check_waits(&segments[index])?;
        }
        self.check_following(&given, &segments, &spans)?;
        content::check(self, &given, &segments, &spans)?;
        self.check_ledger(&segments, &mut checked)?;
        Ok(checked)
    }

    /// Returns for each segment the calls in which what came was its: from where the feed took its
    /// session up to where it took up the next.
    fn spans(
        &self,
        given: &Given<'_>,
        segments: &[Segment],
    ) -> Result<Vec<Range<usize>>, Violation> {
        let pinned = self.config.session;
        let usable = |session: SessionName| {
            pinned.is_none_or(|pinned| pinned == session) && is_printable(&session)
        };
        let first = given.seen.iter().find(|seen| usable(seen.session));
        match (first, segments.first()) {
            (None, None) => return Ok(Vec::new()),
            (Some(seen), Some(segment)) if seen.session == segment.session => {}
            (seen, segment) => {
                return Err(Violation::new(format!(
                    "the first packet is {seen:?}, and the first session {segment:?}"
                )));
            }
        }
        let mut from: Vec<_> = segments.iter().map(|segment| segment.step).collect();
        if let (Some(from), Some(seen)) = (from.first_mut(), first) {
            // A session that is being joined is followed before its start is a record.
            *from = seen.step;
            self.check_start(&segments[0], seen.first)?;
        }
        let to = from.iter().skip(1).copied().chain([self.steps.len()]);
        Ok(from.iter().zip(to).map(|(&from, to)| from..to).collect())
    }

    fn check_start(&self, segment: &Segment, seen: u64) -> Result<(), Violation> {
        let right = match self.config.start {
            Start::At(first) => segment.first == first,
            Start::FirstSeen => segment.first <= seen,
        };
        if right {
            return Ok(());
        }
        Err(Violation::new(format!(
            "the first session starts at {}, told {:?}, seen {seen}",
            segment.first, self.config.start
        )))
    }

    /// Gathers what concerns one segment.
    fn sight<'a>(
        &'a self,
        given: &'a Given<'a>,
        segments: &[Segment],
        index: usize,
        span: Range<usize>,
    ) -> Result<Sight<'a>, Violation> {
        let segment = &segments[index];
        let session = segment.session;
        let told = given.sessions.get(&session).ok_or_else(|| {
            Violation::new(format!("no packet brought the session of {segment:?}"))
        })?;
        let epochs = self.truth.epochs.iter().enumerate();
        let epochs = epochs.filter(|(_, epoch)| session_name(&epoch.session) == session);
        let epochs: Vec<_> = epochs.map(|(epoch, _)| epoch).collect();
        let of_session = |other: &&Segment| other.session == session;
        let marks = segments.iter().filter(of_session).count();
        let before = segments[..index].iter().filter(of_session).count();
        let restarted = epochs.len() > 1;
        if marks > epochs.len().max(1) && given.intact && !told.went_far_back {
            return Err(Violation::new(format!(
                "{marks} starts and restarts, and the venue made {}",
                epochs.len()
            )));
        }
        let order = match epochs.len() {
            // A packet that is late by more than a window looks like a restart.
            _ if told.went_far_back && !restarted => Order::Unknown,
            0 | 1 if marks == 1 => Order::Plain,
            many if many == marks => Order::Epoch(epochs[before]),
            _ => Order::Unknown,
        };
        Ok(Sight {
            outcome: self,
            told,
            span,
            order,
        })
    }

    /// Checks that a session was taken up as soon as the end of the one before was told.
    fn check_following(
        &self,
        given: &Given<'_>,
        segments: &[Segment],
        spans: &[Range<usize>],
    ) -> Result<(), Violation> {
        if self.config.session.is_some() {
            return Ok(());
        }
        for seen in &given.seen {
            let present = spans.iter().rposition(|span| span.start <= seen.step);
            let Some(present) = present.filter(|_| is_printable(&seen.session)) else {
                continue;
            };
            let followed = &segments[present];
            let Some(told) = given.sessions.get(&followed.session) else {
                continue;
            };
            let restarts = |epoch: &super::Epoch| {
                epoch.restarts > 0 && session_name(&epoch.session) == followed.session
            };
            if told.went_far_back || self.truth.epochs.iter().any(restarts) {
                // Which of its packets are of the past, a feed can only guess.
                continue;
            }
            let known = segments[..=present]
                .iter()
                .any(|other| other.session == seen.session);
            let ended = |&end: &usize| end >= spans[present].start && end < seen.step;
            let ended = told.ends.iter().any(ended);
            if ended && !known {
                return Err(Violation::new(format!(
                    "session {} had ended, and {seen:?} did not begin the next",
                    followed.session.escape_ascii()
                )));
            }
        }
        Ok(())
    }

    fn check_ledger(&self, segments: &[Segment], checked: &mut Checked) -> Result<(), Violation> {
        let ledger = &self.ledger;
        let mut expected = 0_u64;
        for segment in segments {
            expected = expected.wrapping_add(segment.next - segment.first);
            let silent = segment
                .silent
                .iter()
                .map(|(range, _)| range.end - range.start);
            checked.delivered += segment.delivered.len() as u64 + silent.sum::<u64>();
        }
        let mut same = ledger.closes()
            && ledger.expected == expected
            && ledger.delivered() == checked.delivered;
        for cause in GapCause::FEED {
            let gaps = segments.iter().flat_map(|segment| &segment.given_up);
            let of_cause = gaps.filter(|gap| gap.cause == cause);
            let lost = of_cause.map(|gap| gap.numbers.end - gap.numbers.start);
            let lost = lost.fold(0, u64::wrapping_add);
            same &= ledger.lost_for(cause) == lost;
            checked.lost = checked.lost.wrapping_add(lost);
        }
        let mut packets = vec![0; self.lines];
        for step in &self.steps {
            if let StepKind::Datagram { line, .. } = step.kind
                && let Some(count) = packets.get_mut(line)
            {
                *count += 1;
            }
        }
        let lines = ledger.lines().iter().map(|line| line.packets);
        same &= lines.take(self.lines).eq(packets.iter().copied());
        if same {
            return Ok(());
        }
        Err(Violation::new(format!(
            "the oracle counts {expected} expected, {checked:?}, packets {packets:?}; {ledger:?}"
        )))
    }
}

/// Which copies of a number are of the sequence that a segment follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// All: the session numbered once.
    Plain,
    /// Those of this epoch: each restart was noticed.
    Epoch(usize),
    /// That cannot be told: a restart was not noticed, or not yet.
    Unknown,
}

/// What concerns one segment.
struct Sight<'a> {
    outcome: &'a Outcome,
    told: &'a given::Told<'a>,
    span: Range<usize>,
    order: Order,
}

impl Sight<'_> {
    /// Checks that the numbers reach as far as the lines told, and no further.
    fn check_ends(&self, segment: &mut Segment) -> Result<(), Violation> {
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

    /// Checks that what came in time was delivered; returns how many numbers that were.
    fn check_demands(&self, segment: &Segment) -> Result<u64, Violation> {
        if self.order == Order::Unknown {
            return Ok(0);
        }
        let (hold_ns, window) = (
            self.outcome.config.hold_ns,
            self.outcome.config.window_messages as u64,
        );
        let mut demanded = 0;
        // In step with the copies: the highest end that was told before, and when each was.
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
        for delivered in &segment.delivered {
            demanded += u64::from(self.told.copies.contains_key(&delivered.number));
        }
        Ok(demanded)
    }

    /// Checks that nothing stood open once its hold time was over and time had passed.
    fn check_waits(&self, segment: &Segment) -> Result<(), Violation> {
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
        let in_span = |tell: &&given::Tell| self.span.contains(&tell.step) && !tell.by_server;
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
    fn is_of_order(&self, copied: &given::Copied<'_>) -> bool {
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

/// Whether a session's name can be shown: printable ASCII, then zeros.
fn is_printable(session: &SessionName) -> bool {
    let name = session.iter().rposition(|&byte| byte != 0);
    name.is_some_and(|last| {
        let name = &session[..=last];
        name.iter().all(|byte| (b' '..=b'~').contains(byte))
    })
}
