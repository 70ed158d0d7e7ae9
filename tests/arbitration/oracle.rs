//! Arbitration as one would write it without regard to speed: everything about each number in a
//! map, one number at a time.

use crate::rig::{Fault, Item, can_be_short, whole};
use ringtape::feed::Start;
use ringtape::record::GapCause;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug, Default)]
struct Number {
    held_from: Option<(usize, Origin)>,
    malformed: bool,
    truncated: bool,
    /// When it became known to exist without being there, and which line told.
    missing_since: Option<(u64, usize)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    First,
    OtherLine,
    Reordered,
    Rerequest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Waiting,
    Joining { since_ns: u64, line: usize },
    Running,
    Ended,
}

/// What a line has brought of the sequence that it is in.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    epoch: u64,
    top: u64,
    /// Where a sequence would go on whose first packet was not number 1.
    doubt: Option<u64>,
}

pub(crate) struct Oracle {
    start: Start,
    window: u64,
    hold_ns: u64,
    phase: Phase,
    /// The session that is followed, and all that were.
    session: Option<u8>,
    pub(crate) sessions: Vec<u8>,
    expected_before: u64,
    first: u64,
    next: u64,
    known_end: u64,
    /// The highest end of session that was told.
    end: Option<u64>,
    numbers: BTreeMap<u64, Number>,
    given_up: BTreeSet<u64>,
    asked: BTreeSet<u64>,
    epoch: u64,
    seen: [Seen; 2],
    /// The numbers above the highest of the present sequence and of the one before.
    top: u64,
    past_end: u64,
    pub(crate) restarts: u64,
    pub(crate) before_restart: u64,
    /// Messages that came again, but shorter.
    pub(crate) short_copies: u64,
    pub(crate) items: Vec<Item>,
    pub(crate) origins: BTreeMap<Origin, u64>,
    pub(crate) lost: BTreeMap<GapCause, u64>,
    pub(crate) won: [u64; 3],
    pub(crate) duplicates: [u64; 3],
    pub(crate) late: [u64; 3],
    pub(crate) wrong_answers: u64,
    pub(crate) unasked: u64,
    pub(crate) before_start: u64,
    pub(crate) after_end: u64,
    pub(crate) contradicting_ends: u64,
    pub(crate) wrong_session: u64,
    pub(crate) ended_session: u64,
    pub(crate) malformed_messages: u64,
    pub(crate) cut_messages: u64,
    pub(crate) messages: u64,
}

impl Oracle {
    pub(crate) fn new(start: Start, hold_ns: u64, window: u64) -> Self {
        Self {
            start,
            window,
            hold_ns,
            phase: Phase::Waiting,
            session: None,
            sessions: vec![],
            expected_before: 0,
            first: 0,
            next: 0,
            known_end: 0,
            end: None,
            numbers: BTreeMap::new(),
            given_up: BTreeSet::new(),
            asked: BTreeSet::new(),
            epoch: 0,
            seen: [Seen::default(); 2],
            top: 0,
            past_end: 0,
            restarts: 0,
            before_restart: 0,
            short_copies: 0,
            items: vec![],
            origins: BTreeMap::new(),
            lost: BTreeMap::new(),
            won: [0; 3],
            duplicates: [0; 3],
            late: [0; 3],
            wrong_answers: 0,
            unasked: 0,
            before_start: 0,
            after_end: 0,
            contradicting_ends: 0,
            wrong_session: 0,
            ended_session: 0,
            malformed_messages: 0,
            cut_messages: 0,
            messages: 0,
        }
    }

    /// Whether a well-formed packet of `session` is to be used.
    fn follow(&mut self, session: u8) -> bool {
        if self.session == Some(session) {
            return true;
        }
        if self
            .sessions
            .iter()
            .rev()
            .take(9)
            .any(|old| *old == session)
        {
            self.ended_session += 1;
            return false;
        }
        if self.session.is_some() && self.end.is_none() {
            self.wrong_session += 1;
            return false;
        }
        self.close();
        self.begin(session);
        true
    }

    fn begin(&mut self, session: u8) {
        self.expected_before = self.expected();
        let start = match self.session {
            None => self.start,
            Some(_) => Start::At(1),
        };
        (self.epoch, self.seen) = (0, [Seen::default(); 2]);
        (self.top, self.past_end) = (0, 0);
        self.session = Some(session);
        self.sessions.push(session);
        self.numbers.clear();
        self.given_up.clear();
        self.asked.clear();
        self.end = None;
        self.phase = Phase::Waiting;
        (self.first, self.next, self.known_end) = (0, 0, 0);
        if let Start::At(first) = start {
            (self.first, self.next, self.known_end) = (first, first, first);
            self.start();
        }
    }

    /// Whether a packet is of the sequence that is followed, after following one that began again.
    fn is_present(&mut self, line: usize, first: u64, count: u64) -> bool {
        if self.phase == Phase::Ended {
            return true;
        }
        let (window, epoch) = (self.window, self.epoch);
        let near = |number: u64, other: u64| number.abs_diff(other) <= window;
        let near_past = first < self.past_end && near(first, self.past_end);
        let is_back = near(first, self.top) && !near_past;
        let seen = &mut self.seen[line];
        let end = first + count;
        let below = (first..end.max(first + 1)).any(|number| number < seen.top);
        if !below {
            (seen.top, seen.doubt) = (seen.top.max(end), None);
            seen.epoch = if is_back { epoch } else { seen.epoch };
        } else if seen.top - first > window {
            if count == 0 || first > 1 && seen.doubt != Some(first) {
                seen.doubt = Some(end);
            } else {
                let restarts = seen.epoch == epoch;
                (self.epoch, seen.top, seen.doubt) = (epoch + u64::from(restarts), end, None);
                seen.epoch = self.epoch;
                if restarts {
                    self.restart(end);
                } else {
                    self.top = self.top.max(end);
                }
                return true;
            }
        }
        let seen = self.seen[line];
        if seen.epoch == self.epoch {
            self.top = self.top.max(seen.top);
            return true;
        }
        let beyond = (first..end)
            .filter(|number| *number >= self.past_end)
            .count() as u64;
        self.before_restart += count - beyond;
        self.after_end += beyond;
        self.messages += beyond;
        false
    }

    fn restart(&mut self, top: u64) {
        (self.past_end, self.top) = (self.top, top);
        for seen in &mut self.seen {
            if seen.top <= self.window {
                (seen.epoch, seen.top) = (self.epoch, seen.top.min(top));
            }
        }
        self.close();
        self.expected_before = self.expected();
        self.numbers.clear();
        self.given_up.clear();
        self.asked.clear();
        self.end = None;
        self.phase = Phase::Running;
        (self.first, self.next, self.known_end) = (1, 1, 1);
        self.restarts += 1;
        self.items.push(Item::Restart(1));
    }

    pub(crate) fn expected(&self) -> u64 {
        self.expected_before + self.known_end - self.first
    }

    pub(crate) fn ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    pub(crate) fn packet(
        &mut self,
        session: u8,
        line: usize,
        first: u64,
        count: u16,
        fault: Fault,
        now: u64,
    ) {
        if fault == Fault::Trailing {
            if self.session == Some(session) {
                self.suspect(first, u64::from(count));
            }
            return;
        }
        if count == 0 {
            return self.heartbeat(session, line, first, now);
        }
        if !self.follow(session) || !self.is_present(line, first, u64::from(count)) {
            return;
        }
        self.step_to(now);
        self.messages += u64::from(count);
        let whole_end = first + whole(first, count, fault);
        let mut end = first + u64::from(count);
        if self.phase == Phase::Ended {
            let beyond = |number: &u64| *number >= self.next;
            self.after_end += (first..end).filter(beyond).count() as u64;
            end = end.min(self.next);
        }
        self.join(line, first, end, now);
        let passed_before = self.next;
        if let Fault::Short(at) = fault {
            let number = first + u64::from(at);
            let copy = number < self.next || self.number(number).held_from.is_some();
            self.short_copies += u64::from(copy && number < end && can_be_short(number));
        }
        for number in first..end.min(self.next) {
            if number < self.first {
                self.before_start += 1;
            } else if self.given_up.contains(&number) {
                self.late[line] += 1;
            } else {
                self.duplicates[line] += 1;
            }
        }
        if end > passed_before {
            self.make_room(first, end);
        }
        for number in first.max(passed_before)..end.min(whole_end) {
            if number > self.next {
                self.make_room(number, number + 1);
            }
            let short = matches!(fault, Fault::Short(at) if first + u64::from(at) == number)
                && can_be_short(number);
            if number < self.next || self.number(number).held_from.is_some() {
                self.duplicates[line] += 1;
            } else if short {
                self.malformed_messages += 1;
                self.reveal(number + 1, line, now);
                self.number(number).malformed = true;
            } else {
                let known = number < self.known_end;
                let told_by = self.number(number).missing_since.map(|(_, line)| line);
                let origin = match told_by {
                    _ if !known => Origin::First,
                    Some(other) if other != line => Origin::OtherLine,
                    _ => Origin::Reordered,
                };
                self.number(number).held_from = Some((line, origin));
                self.reveal(number + 1, line, now);
            }
            self.drain();
        }
        let cut: Vec<_> = (whole_end.max(first).max(passed_before)..end).collect();
        if let Some(&from) = cut.first() {
            self.make_room(from.max(self.next), end);
            for &number in &cut {
                if number < self.next {
                    self.duplicates[line] += 1;
                } else {
                    self.cut_messages += 1;
                    self.number(number).truncated = true;
                }
            }
            self.give_up_to(end.saturating_sub(self.window), GapCause::Window);
            self.reveal(end, line, now);
        }
        self.settle();
    }

    /// What is missing now, and the session that it is missing of.
    pub(crate) fn missing(&self) -> Option<(u8, Vec<u64>)> {
        let held = |number: &u64| {
            let known = self.numbers.get(number);
            known.is_some_and(|known| known.held_from.is_some())
        };
        let missing = (self.next..self.known_end).filter(|number| !held(number));
        let session = self.session.filter(|_| self.phase == Phase::Running)?;
        Some((session, missing.collect()))
    }

    pub(crate) fn ask(&mut self, number: u64) {
        self.asked.insert(number);
    }

    /// Returns whether the answer brought anything.
    pub(crate) fn answer(
        &mut self,
        line: usize,
        session: u8,
        first: u64,
        count: u16,
        fault: Fault,
    ) -> bool {
        if fault == Fault::Trailing || count == 0 || self.session != Some(session) {
            self.wrong_answers += 1;
            return false;
        }
        let mut useful = false;
        for number in first..first + whole(first, count, fault) {
            self.messages += 1;
            let short = matches!(fault, Fault::Short(at) if first + u64::from(at) == number)
                && can_be_short(number);
            let held = |oracle: &mut Self| oracle.number(number).held_from.is_some();
            let running = self.phase == Phase::Running;
            if number < self.next {
                self.short_copies += u64::from(short);
                match number {
                    _ if number < self.first => self.before_start += 1,
                    _ if self.given_up.contains(&number) => self.late[line] += 1,
                    _ => self.duplicates[line] += 1,
                }
            } else if !running
                || number >= self.known_end
                || !(self.asked.contains(&number) || held(self))
            {
                self.unasked += 1;
            } else if held(self) {
                self.short_copies += u64::from(short);
                self.duplicates[line] += 1;
            } else if short {
                self.malformed_messages += 1;
                self.number(number).malformed = true;
            } else {
                self.number(number).held_from = Some((line, Origin::Rerequest));
                useful = true;
                self.drain();
            }
        }
        self.settle();
        useful
    }

    pub(crate) fn heartbeat(&mut self, session: u8, line: usize, next: u64, now: u64) {
        if self.follow(session) && self.is_present(line, next, 0) {
            self.tell(line, next, now);
        }
    }

    /// What tells only that all numbers below `next` exist.
    fn tell(&mut self, line: usize, next: u64, now: u64) {
        if self.phase == Phase::Ended {
            self.contradicting_ends += u64::from(next > self.next);
            return;
        }
        self.step_to(now);
        self.join(line, next, next, now);
        self.make_room(next, next);
        self.reveal(next, line, now);
        self.settle();
    }

    pub(crate) fn end_of_session(&mut self, session: u8, line: usize, end: u64, now: u64) {
        if !self.follow(session) || !self.is_present(line, end, 0) {
            return;
        }
        self.contradicting_ends += u64::from(end < self.known_end);
        self.tell(line, end, now);
        if self.phase != Phase::Ended {
            self.end = Some(self.known_end);
            self.settle();
        }
    }

    /// Nothing has been missing since later than now.
    fn step_to(&mut self, now: u64) {
        for (since_ns, _) in self.numbers.values_mut().flat_map(|n| &mut n.missing_since) {
            *since_ns = now.min(*since_ns);
        }
        if let Phase::Joining { since_ns, .. } = &mut self.phase {
            *since_ns = now.min(*since_ns);
        }
    }

    pub(crate) fn time(&mut self, now: u64) {
        self.step_to(now);
        if let Phase::Joining { since_ns, .. } = self.phase
            && now - since_ns >= self.hold_ns
        {
            self.start();
        }
        if self.phase == Phase::Running {
            let expired = |number: &u64| {
                let since = self
                    .numbers
                    .get(number)
                    .and_then(|known| known.missing_since);
                since.is_some_and(|(since_ns, _)| now - since_ns >= self.hold_ns)
            };
            if let Some(last) = (self.next..self.known_end).rfind(expired) {
                self.give_up_to(last + 1, GapCause::Absent);
            }
            self.finish();
        }
    }

    pub(crate) fn close(&mut self) {
        if matches!(self.phase, Phase::Joining { .. }) {
            self.start();
        }
        if self.phase == Phase::Running {
            self.give_up_to(self.known_end, GapCause::Absent);
            self.finish();
        }
    }

    fn suspect(&mut self, first: u64, count: u64) {
        let limit = match self.phase {
            Phase::Running => self.next + self.window,
            Phase::Joining { .. } => self.known_end,
            Phase::Waiting | Phase::Ended => return,
        };
        for number in (first..first + count).filter(|n| (self.next..limit).contains(n)) {
            self.numbers.entry(number).or_default().malformed = true;
        }
    }

    fn join(&mut self, line: usize, first: u64, end: u64, now: u64) {
        match self.phase {
            Phase::Waiting => {
                (self.next, self.known_end) = (first, first);
                self.phase = Phase::Joining {
                    since_ns: now,
                    line,
                };
            }
            Phase::Joining { since_ns, line } => {
                if first < self.next && self.known_end.max(end) - first <= self.window {
                    for number in first..self.next {
                        self.number(number).missing_since = Some((since_ns, line));
                    }
                    self.next = first;
                }
            }
            Phase::Running | Phase::Ended => return,
        }
        self.first = self.next;
        let too_far = self.known_end.max(end) - self.next > self.window;
        if self.next <= 1 || self.hold_ns == 0 || too_far {
            self.start();
        }
    }

    fn start(&mut self) {
        self.phase = Phase::Running;
        self.items.push(Item::Start(self.next));
        self.drain();
    }

    fn reveal(&mut self, end: u64, line: usize, now: u64) {
        for number in self.known_end..end {
            self.number(number).missing_since = Some((now, line));
        }
        self.known_end = self.known_end.max(end);
    }

    fn make_room(&mut self, first: u64, end: u64) {
        self.give_up_to(end.saturating_sub(self.window).min(first), GapCause::Window);
    }

    fn give_up_to(&mut self, target: u64, otherwise: GapCause) {
        while self.next < target {
            let number = self.next;
            let known = *self.number(number);
            if known.held_from.is_some() {
                self.deliver();
                continue;
            }
            let cause = match known {
                Number {
                    truncated: true, ..
                } => GapCause::Truncated,
                Number {
                    malformed: true, ..
                } => GapCause::Malformed,
                _ => otherwise,
            };
            self.items.push(Item::Gap(number, number, cause));
            *self.lost.entry(cause).or_default() += 1;
            self.given_up.insert(number);
            self.pass();
        }
        self.known_end = self.known_end.max(self.next);
        self.drain();
    }

    fn drain(&mut self) {
        let held = |oracle: &Self| {
            oracle
                .numbers
                .get(&oracle.next)
                .is_some_and(|known| known.held_from.is_some())
        };
        while self.phase == Phase::Running && held(self) {
            self.deliver();
        }
    }

    fn deliver(&mut self) {
        let number = self.next;
        let (line, origin) = self.number(number).held_from.expect("held");
        match number % 7 {
            0 => {}
            1 => self.items.push(Item::Letter(number)),
            _ => self.items.push(Item::Event(number)),
        }
        *self.origins.entry(origin).or_default() += 1;
        self.won[line] += 1;
        self.pass();
    }

    fn pass(&mut self) {
        self.numbers.remove(&self.next);
        self.next += 1;
    }

    fn settle(&mut self) {
        if self.hold_ns == 0 && self.phase == Phase::Running {
            self.give_up_to(self.known_end, GapCause::Absent);
        }
        if let Some(end) = self.end
            && end < self.known_end
        {
            self.contradicting_ends += 1;
            self.end = Some(self.known_end);
        }
        self.finish();
    }

    fn finish(&mut self) {
        if self.phase == Phase::Running && self.end.is_some_and(|end| self.next >= end) {
            self.phase = Phase::Ended;
            self.items.push(Item::End(self.next));
        }
    }

    fn number(&mut self, number: u64) -> &mut Number {
        self.numbers.entry(number).or_default()
    }
}
