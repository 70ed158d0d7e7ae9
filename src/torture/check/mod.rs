//! Owns the verdict on a run: a naive oracle beside the feed.
//!
//! The oracle keeps every copy of every number that the feed was given, in a map, and holds the
//! records against it. It does not arbitrate: it says what must be true of any right arbitration.

mod content;
mod given;
mod segments;
mod sight;

use self::given::Given;
use self::segments::Segment;
use self::sight::{Order, Sight};
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
    /// Delivered numbers of sequences in which the oracle could tell what had to be delivered: see
    /// [`Outcome::check`] on restarts.
    pub demanded: u64,
}

impl Outcome {
    /// Checks a run of ITCH 5.0 over MoldUDP64 against the naive oracle:
    ///
    /// 1. deliveries and gaps are all numbers of each session from where it was joined to the
    ///    highest that a line told, each once and in order, and the session's end stands behind
    ///    them;
    /// 2. what is delivered is what the first sound copy says, byte for byte, with its receive
    ///    time, or, where a server brought one, too, what any of them says;
    /// 3. a number that a line, or a server that was asked for it, brought within the hold time is
    ///    delivered, unless the lines ran ahead by more than the window meanwhile;
    /// 4. nothing stands open longer than the hold time and a tick;
    /// 5. sessions are followed, one after the other, as soon as they may be;
    /// 6. the ledger closes, and its counts are the oracle's.
    ///
    /// Where a session began to number again, copies of two sequences bear the same numbers, and
    /// MoldUDP64 does not tell them apart. Then point 2 holds for any of the copies, point 3 where
    /// each restart was noticed, for copies of the right sequence on lines that showed to be in it,
    /// and of point 1 the order alone; points 4 and 5 are not checked. Where a line went back by
    /// more than a window, which to a feed looks like a restart, points 3 to 5 are not checked
    /// either, and of point 1 the order alone.
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

/// Whether a session's name can be shown: printable ASCII, then zeros.
fn is_printable(session: &SessionName) -> bool {
    let name = session.iter().rposition(|&byte| byte != 0);
    name.is_some_and(|last| {
        let name = &session[..=last];
        name.iter().all(|byte| (b' '..=b'~').contains(byte))
    })
}
