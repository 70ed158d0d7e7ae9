//! Owns arbitration: takes each number of a session from whichever line brings it first.
//!
//! ```text
//!        delivered or given up      missing   held      missing        not known to exist
//!  ─────────────────────────────┼───────────┼───────┼──────────────┼──────────────────────►
//!                              next                            known_end
//!                               └──────────── window ─────────────────────┘
//! ```
//!
//! What comes at `next` is delivered at once. What comes beyond it waits in the window until the
//! numbers before it came, or were missing for the hold time and are given up as gaps. Each number
//! from where the session was joined to `known_end` is delivered or given up exactly once, in order.
//!
//! Knows no framing and no message types: the caller brings numbers and bytes, and a [`Decode`].

mod copies;
mod fate;
mod level;
mod past;
mod rerequest;
mod uneven;
mod window;

use super::{FeedCounters, LINES_MAX};
use crate::latency::Histogram;
use crate::record::{Batch, Event, GapCause, Session, SessionMark};
use copies::Copies;
use past::{GivenUp, Reveal, Reveals};
use std::sync::Arc;
use window::{Blemish, Window};

/// A message of a type that is known, but too short for it, or with a value that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedMessage;

/// One venue message whose turn it is.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The venue's number.
    pub number: u64,
    /// Its bytes; of one that had to wait, at most as many as the window keeps.
    pub bytes: &'a [u8],
    /// Its whole length.
    pub message_bytes: u16,
    /// UNIX nanoseconds at which its datagram was received.
    pub ts_recv_ns: u64,
}

impl Message<'_> {
    /// Returns the low 32 bits of the venue's number, which events carry.
    #[inline(always)]
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the low bits are what is wanted"
    )]
    pub const fn number_low(&self) -> u32 {
        self.number as u32
    }
}

/// Turns messages into records. Implement it to bring a protocol of your own to the [`Arbiter`].
pub trait Decode {
    /// What messages become.
    type Event: Event;

    /// Returns whether [`decode`](Decode::decode) would take these bytes.
    fn is_sound(&self, bytes: &[u8]) -> bool;

    /// Pushes what the message says.
    ///
    /// # Errors
    ///
    /// [`MalformedMessage`], with nothing pushed and nothing remembered: another line may have a
    /// good copy.
    fn decode(
        &mut self,
        message: Message<'_>,
        out: &mut Batch<Self::Event>,
    ) -> Result<(), MalformedMessage>;
}

/// Where a feed joins the session that it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At this number: what is missing from there on is a gap.
    At(u64),
    /// At the lowest number that any line brings within the hold time of the first, so that lines
    /// which are not level lose nothing. Number 1 needs no waiting.
    FirstSeen,
}

/// Where the records of one call go, and the call's times.
#[derive(Debug)]
pub struct Outlet<'a, D: Decode> {
    /// Makes records of messages.
    pub decoder: &'a mut D,
    /// Takes the records.
    pub out: &'a mut Batch<D::Event>,
    /// Receive time of what this call brings, and of the gaps and session marks that it causes; the
    /// start of a session that was being joined has that of the session's first datagram.
    pub ts_recv_ns: u64,
    /// When the call's datagram was seen, or the time now: hold times count in it.
    pub seen_ns: u64,
}

impl<D: Decode> Outlet<'_, D> {
    /// Lends the outlet to a call out of line, so that the lender's own may stay in registers.
    #[inline(always)]
    fn lend(&mut self) -> Outlet<'_, D> {
        Outlet {
            decoder: self.decoder,
            out: self.out,
            ts_recv_ns: self.ts_recv_ns,
            seen_ns: self.seen_ns,
        }
    }
}

/// Consecutively numbered messages from one packet.
#[derive(Clone, Copy, Debug)]
pub struct Run<M> {
    /// The line that brought them.
    pub line: u8,
    /// The first one's number.
    pub first: u64,
    /// How many numbers the packet spends: `messages`, and behind them those that were cut.
    /// `first + count` must fit in 64 bits.
    pub count: u64,
    /// The messages that are there as a whole.
    pub messages: M,
}

/// How a delivered number came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Origin {
    /// No line had gone past it.
    First,
    /// Another line had gone past it.
    OtherLine,
    /// This line itself had gone past it.
    Reordered,
    /// A re-request server was asked for it.
    Rerequest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No session is followed.
    Idle,
    /// A session is followed, and no number of it was seen.
    Waiting,
    /// Everything is held; `next` is the lowest number seen and may still sink.
    Joining {
        since_ns: u64,
        /// When the first datagram of it was received.
        ts_recv_ns: u64,
    },
    /// Numbers are delivered from `next` on.
    Running,
    /// All numbers below the end that the venue told are accounted for.
    Ended,
}

/// How an [`Arbiter`] is to work.
#[derive(Clone, Copy, Debug)]
pub struct Arbitration {
    /// The feed's number, which its records carry.
    pub feed: u8,
    /// The venue's lines; those with higher numbers bring what was asked for.
    pub market_lines: u8,
    /// How long a missing number is waited for.
    pub hold_ns: u64,
    /// How many numbers can wait behind a missing one, a power of two, at least 2.
    pub window_messages: usize,
    /// How many bytes of each are kept.
    pub held_bytes: usize,
}

/// Takes each number of a session from whichever line brings it first.
///
/// Owned and driven by one thread. Allocates only in [`Arbiter::new`].
#[derive(Debug)]
pub struct Arbiter {
    feed: u8,
    market_lines: u8,
    hold_ns: u64,
    counters: Arc<FeedCounters>,
    session: [u8; 16],
    phase: Phase,
    /// Where the session was joined: the first number that is expected.
    first: u64,
    /// The lowest number that is not accounted for.
    next: u64,
    /// The number above the highest that is known to exist.
    known_end: u64,
    /// The number above the session's last, once the venue told: the highest that any packet told,
    /// and so `known_end` whenever a call returns.
    end: Option<u64>,
    /// Numbers expected in the sessions before this one.
    expected_before: u64,
    window: Window,
    reveals: Reveals,
    given_up: GivenUp,
    copies: Copies,
    /// For each line the number above the highest that it has brought in this session.
    tops: [u64; LINES_MAX],
}

impl Arbiter {
    /// Makes an arbiter that counts in `counters`.
    ///
    /// # Panics
    ///
    /// When the window is not a power of two from 2 on.
    #[must_use]
    pub fn new(arbitration: Arbitration, counters: Arc<FeedCounters>) -> Self {
        let Arbitration {
            feed,
            market_lines,
            hold_ns,
            window_messages,
            held_bytes,
        } = arbitration;
        assert!(window_messages >= 2, "a window has at least two numbers");
        let lines = counters.by_line.len();
        Self {
            feed,
            market_lines,
            hold_ns,
            counters,
            session: [0; 16],
            phase: Phase::Idle,
            first: 0,
            next: 0,
            known_end: 0,
            end: None,
            expected_before: 0,
            window: Window::new(window_messages, held_bytes),
            // One more than numbers, for the one that is pushed before its number is known.
            reveals: Reveals::with_capacity(window_messages + 1),
            given_up: GivenUp::new(),
            copies: Copies::new(window_messages, lines),
            tops: [0; LINES_MAX],
        }
    }

    /// Returns the most records that one call can push beside those of its own messages, where
    /// one message becomes at most `records_per_message`.
    #[must_use]
    pub fn records_max(&self, records_per_message: usize) -> usize {
        // Of each number in the window either its message's records or a gap, one gap of what lies
        // beyond the window, one of what the packet itself lacks, a start and an end both of the
        // session that the packet belongs to and of the one that it closes, and the marks of a
        // restart and of silence.
        let window = usize::try_from(self.window.len()).unwrap_or(usize::MAX);
        window
            .saturating_mul(records_per_message.max(1))
            .saturating_add(9)
    }

    /// Returns whether a session is followed or was.
    #[must_use]
    pub fn has_session(&self) -> bool {
        self.phase != Phase::Idle
    }

    /// Returns whether the venue ended the session and all its numbers are accounted for.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Returns whether the venue told where the session ends; numbers may still be missing.
    #[must_use]
    pub fn end_is_known(&self) -> bool {
        self.end.is_some()
    }

    /// Returns the lowest number that is not accounted for.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Returns whether numbers are delivered: a session was joined and has not ended.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    /// Returns for each line how much earlier than another it brought what both brought, once for
    /// each packet.
    #[must_use]
    pub fn ahead(&self) -> &[Histogram] {
        self.copies.ahead()
    }

    /// Follows a session from now on, after closing the one before.
    pub fn begin(&mut self, session: [u8; 16], start: Start, to: &mut Outlet<'_, impl Decode>) {
        self.close(to);
        self.reset(session, start);
        self.phase = Phase::Waiting;
        if matches!(start, Start::At(_)) {
            self.start(to);
        }
    }

    /// Begins to number again, from 1, inside the session: what is missing of the numbers before is
    /// given up.
    pub fn restart(&mut self, to: &mut Outlet<'_, impl Decode>) {
        self.close(to);
        self.reset(self.session, Start::At(1));
        self.phase = Phase::Running;
        self.counters.restarts.add(1);
        self.mark(SessionMark::Restart, to);
    }

    /// Publishes what happened to the session.
    pub fn mark(&self, mark: SessionMark, to: &mut Outlet<'_, impl Decode>) {
        self.mark_session(mark, to.ts_recv_ns, to);
    }

    fn reset(&mut self, session: [u8; 16], start: Start) {
        // Sums wrap rather than panic where venues' numbers leap through all 64 bits.
        self.expected_before = self
            .expected_before
            .wrapping_add(self.known_end - self.first);
        let first = match start {
            Start::At(first) => first,
            Start::FirstSeen => 0,
        };
        (self.first, self.next, self.known_end, self.end) = (first, first, first, None);
        self.session = session;
        self.window.clear();
        self.reveals.clear();
        self.given_up.clear();
        self.copies.clear();
        self.tops = [0; LINES_MAX];
    }

    /// Takes the messages of one packet.
    ///
    /// Hot path: no allocation, no system call; O(messages) while nothing is missing, and
    /// O(messages + window) otherwise, however far the numbers jump.
    pub fn take<'m>(
        &mut self,
        mut run: Run<impl Iterator<Item = &'m [u8]>>,
        to: &mut Outlet<'_, impl Decode>,
    ) {
        assert!(
            self.has_session(),
            "invariant: a session begins before its messages"
        );
        self.counters.messages.add(run.count);
        self.note_top(&run);
        let end = self.end_of(&run);
        if self.is_level() && run.first == self.next {
            run.first = self.take_level(run.line, &mut run.messages, end, to);
        }
        if run.first < end {
            self.take_uneven(run, end, &mut to.lend());
        }
        self.settle(to);
    }

    /// Takes what tells only that all numbers below `next` exist.
    pub fn take_heartbeat(&mut self, line: u8, next: u64, to: &mut Outlet<'_, impl Decode>) {
        assert!(
            self.has_session(),
            "invariant: a session begins before its heartbeats"
        );
        if self.phase == Phase::Ended {
            let beyond_end = u64::from(next > self.next);
            return self.counters.contradicting_ends.add(beyond_end);
        }
        self.note_time(to.seen_ns);
        self.join(line, next, next, to);
        self.make_room(next, next, to);
        self.reveal(line, next, to.seen_ns);
        self.settle(to);
    }

    /// Takes the venue's word that the session ends before number `end`. While numbers below are
    /// missing, the highest number that any packet tells counts; then the session has ended.
    pub fn take_end_of_session(&mut self, line: u8, end: u64, to: &mut Outlet<'_, impl Decode>) {
        let below_known = u64::from(end < self.known_end);
        self.counters.contradicting_ends.add(below_known);
        self.take_heartbeat(line, end, to);
        if self.phase != Phase::Ended {
            self.end = Some(self.known_end);
            self.settle(to);
        }
    }

    /// Remembers that a packet which broke the format claimed these numbers. It does not prove that
    /// they exist, but should they stay missing, it is the cause.
    pub fn suspect(&mut self, first: u64, count: u64) {
        let end = match self.phase {
            Phase::Running => self.next.saturating_add(self.window.len()),
            // While `next` may still sink, marks above `known_end` could fall out of the window.
            Phase::Joining { .. } => self.known_end,
            Phase::Idle | Phase::Waiting | Phase::Ended => return,
        };
        for number in first.max(self.next)..first.saturating_add(count).min(end) {
            self.window.blemish(number, Blemish::Malformed);
        }
    }

    /// Gives up what was missing for the hold time at `to.seen_ns`.
    ///
    /// Hot path: no allocation, no system call; O(1) while nothing is missing.
    pub fn expire(&mut self, to: &mut Outlet<'_, impl Decode>) {
        self.note_time(to.seen_ns);
        match self.phase {
            Phase::Joining { since_ns, .. }
                if to.seen_ns.saturating_sub(since_ns) >= self.hold_ns =>
            {
                self.start(to);
            }
            Phase::Running if self.next < self.known_end => {}
            _ => return,
        }
        while let Some(end) = self.reveals.expired(to.seen_ns, self.hold_ns) {
            self.give_up_to(end, GapCause::Absent, to);
        }
        self.finish(to);
        self.publish_expected();
    }

    /// Gives up everything that is missing, and delivers what waited for it.
    pub fn close(&mut self, to: &mut Outlet<'_, impl Decode>) {
        if matches!(self.phase, Phase::Joining { .. }) {
            self.start(to);
        }
        if self.phase == Phase::Running {
            self.give_up_to(self.known_end, GapCause::Absent, to);
            self.finish(to);
        }
        self.publish_expected();
    }

    /// Counts what a line brings again, or out of order.
    fn note_top<M>(&mut self, run: &Run<M>) {
        let top = &mut self.tops[usize::from(run.line)];
        let end = run.first + run.count;
        let went_back = end.min(*top).saturating_sub(run.first);
        *top = end.max(*top);
        if went_back > 0 {
            self.line_counts(run.line).went_back.add(went_back);
        }
    }

    /// Leaves out the numbers of `run` that lie at or beyond the end of a session that has ended,
    /// and returns the number above the last of the rest.
    fn end_of<M>(&self, run: &Run<M>) -> u64 {
        let end = run.first + run.count;
        if self.phase != Phase::Ended || end <= self.next {
            return end;
        }
        let limit = self.next.max(run.first);
        self.counters.after_end.add(end - limit);
        limit
    }

    /// Sees to it that a clock that stepped back lengthens no wait beyond the hold time from now.
    /// O(1) unless it did.
    fn note_time(&mut self, now_ns: u64) {
        if let Phase::Joining { since_ns, .. } = &mut self.phase {
            *since_ns = now_ns.min(*since_ns);
        }
        self.reveals.rebase(now_ns);
    }

    /// While the session is being joined, lets `next` sink to `first`, and starts where waiting
    /// has no sense or no room any more.
    fn join(&mut self, line: u8, first: u64, end: u64, to: &mut Outlet<'_, impl Decode>) {
        match self.phase {
            Phase::Waiting => {
                (self.next, self.known_end) = (first, first);
                self.phase = Phase::Joining {
                    since_ns: to.seen_ns,
                    ts_recv_ns: to.ts_recv_ns,
                };
                // Should `next` sink, this line had gone past the numbers in between.
                self.reveals.push(Reveal {
                    end: first,
                    seen_ns: to.seen_ns,
                    line,
                });
            }
            Phase::Joining { .. } => {
                if first < self.next && self.known_end.max(end) - first <= self.window.len() {
                    self.next = first;
                }
            }
            Phase::Idle | Phase::Running | Phase::Ended => return,
        }
        self.first = self.next;
        let room = self.known_end.max(end) - self.next <= self.window.len();
        if self.next <= 1 || self.hold_ns == 0 || !room {
            self.start(to);
        }
    }

    fn start(&mut self, to: &mut Outlet<'_, impl Decode>) {
        // When it began, not when the waiting was over: what was held has its own times, and a tape
        // is searched, paced and merged by them.
        let ts_recv_ns = match self.phase {
            Phase::Joining { ts_recv_ns, .. } => ts_recv_ns,
            _ => to.ts_recv_ns,
        };
        self.phase = Phase::Running;
        self.reveals.pass(self.next);
        self.mark_session(SessionMark::Start, ts_recv_ns, to);
        self.drain(to);
    }

    /// What each call ends with.
    #[inline(always)]
    fn settle(&mut self, to: &mut Outlet<'_, impl Decode>) {
        if self.end.is_some() || self.hold_ns == 0 {
            self.settle_unusual(&mut to.lend());
        }
        self.publish_expected();
    }

    #[inline(never)]
    fn settle_unusual(&mut self, to: &mut Outlet<'_, impl Decode>) {
        if self.hold_ns == 0 && self.next < self.known_end && self.phase == Phase::Running {
            self.give_up_to(self.known_end, GapCause::Absent, to);
        }
        if self.end.is_some_and(|end| end < self.known_end) {
            self.counters.contradicting_ends.add(1);
            self.end = Some(self.known_end);
        }
        self.finish(to);
    }

    /// Ends the session when nothing below its end is open.
    fn finish(&mut self, to: &mut Outlet<'_, impl Decode>) {
        if self.phase == Phase::Running && self.end.is_some_and(|end| self.next >= end) {
            self.phase = Phase::Ended;
            self.mark_session(SessionMark::End, to.ts_recv_ns, to);
        }
    }

    fn mark_session(&self, mark: SessionMark, ts_recv_ns: u64, to: &mut Outlet<'_, impl Decode>) {
        let session = Session {
            id: self.session,
            feed_sequence: self.next,
            mark,
            feed: self.feed,
        };
        to.out.push_session(ts_recv_ns, session);
    }

    fn publish_expected(&self) {
        let expected = self
            .expected_before
            .wrapping_add(self.known_end - self.first);
        self.counters.expected.set(expected);
    }
}

/// A message that the packet at hand brings.
fn message(number: u64, bytes: &[u8], ts_recv_ns: u64) -> Message<'_> {
    Message {
        number,
        bytes,
        message_bytes: u16::try_from(bytes.len()).unwrap_or(u16::MAX),
        ts_recv_ns,
    }
}
