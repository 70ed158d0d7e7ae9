//! Owns the venue: numbered messages, heartbeats and sessions, in the order of its clock.

use super::flow::OrderFlow;
use super::random::{Purpose, generator};
use super::scenario::{EventAt, Traffic, VenueEvent, What};
use crate::feed::moldudp64::SessionId;
use std::collections::VecDeque;
use std::fmt;

/// How often an end of session is told, so that losing one loses nothing.
const ENDS: u64 = 3;
/// How far apart.
const END_INTERVAL_NS: u64 = 100_000;
const NS_PER_S: u128 = 1_000_000_000;
/// 09:30 in nanoseconds since midnight, when the made-up day begins.
const OPEN_NS: u64 = 34_200_000_000_000;

/// Numbers of one session, from where it begins to where it ends or begins to number again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// The session.
    pub session: SessionId,
    /// How often the session had begun to number again before.
    pub restarts: u32,
    /// Number of its first message.
    pub first: u64,
    /// The number above its last.
    pub end: u64,
    /// Whether the venue told its end.
    pub ended: bool,
}

/// What the venue does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A message, in the buffer of the caller.
    Message { number: u64 },
    /// A heartbeat that tells the next number.
    Heartbeat { next: u64 },
    /// An end of session that tells the next number.
    End { next: u64 },
    /// A pause, or the end of an epoch: nothing may wait in a packet.
    Pause,
}

/// A step, when it is and which epoch it belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timed {
    pub(super) ts_ns: u64,
    pub(super) epoch: usize,
    pub(super) step: Step,
}

/// Where messages come from.
pub(super) enum Messages {
    Synthetic(Box<OrderFlow>),
    /// Called with the message's place among all, from 0.
    Own(Box<dyn FnMut(u64) -> Vec<u8> + Send>),
}

impl Messages {
    pub(super) fn synthetic(seed: u64, traffic: &Traffic) -> Self {
        // Of a day the system events and the directory come on top.
        let frame = OrderFlow::new(0, 0).total();
        let orders = traffic.messages.saturating_sub(frame);
        let flow_seed = generator(seed, Purpose::Flow, 0, 0).u64(..);
        Self::Synthetic(Box::new(OrderFlow::new(flow_seed, orders)))
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Synthetic(_) => "Synthetic",
            Self::Own(_) => "Own",
        })
    }
}

#[derive(Debug)]
pub(super) struct Venue {
    traffic: Traffic,
    events: Vec<VenueEvent>,
    messages: Messages,
    epochs: Vec<Epoch>,
    /// Messages so far, in all epochs.
    sent: u64,
    /// How late the schedule is, by silences and ends.
    late_ns: u64,
    /// When something was last sent.
    last_ns: u64,
    waiting: VecDeque<Timed>,
    closed: bool,
}

impl Venue {
    pub(super) fn new(traffic: Traffic, events: Vec<VenueEvent>, messages: Messages) -> Self {
        let epoch = Epoch {
            session: traffic.session,
            restarts: 0,
            first: traffic.first,
            end: traffic.first,
            ended: false,
        };
        Self {
            traffic,
            events,
            messages,
            epochs: vec![epoch],
            sent: 0,
            late_ns: 0,
            last_ns: 0,
            waiting: VecDeque::new(),
            closed: false,
        }
    }

    pub(super) fn epochs(&self) -> &[Epoch] {
        &self.epochs
    }

    /// Returns what comes next, a message with its bytes in `buffer`; `None` once all is sent and
    /// the end was told.
    pub(super) fn next(&mut self, buffer: &mut Vec<u8>) -> Option<Timed> {
        loop {
            if let Some(timed) = self.waiting.pop_front() {
                return Some(timed);
            }
            if self.closed {
                return None;
            }
            if self.sent == self.traffic.messages {
                self.closed = true;
                self.end(self.last_ns);
                continue;
            }
            let due_ns = self.due_ns();
            let (sent, last_ns) = (self.sent, self.last_ns);
            let due = |event: &VenueEvent| match event.at {
                EventAt::Message(behind) => behind <= sent,
                EventAt::Time(ns) => ns <= due_ns,
            };
            if let Some(index) = self.events.iter().position(due) {
                let event = self.events.remove(index);
                let at_ns = match event.at {
                    EventAt::Message(_) => last_ns,
                    EventAt::Time(ns) => ns.max(last_ns),
                };
                self.happen(event.what, at_ns);
                continue;
            }
            if due_ns - last_ns > self.traffic.heartbeat_ns {
                self.last_ns += self.traffic.heartbeat_ns;
                let next = self.present().end;
                return Some(self.timed(self.last_ns, Step::Heartbeat { next }));
            }
            return Some(self.message(due_ns, buffer));
        }
    }

    fn present(&self) -> &Epoch {
        &self.epochs[self.epochs.len() - 1]
    }

    fn timed(&self, ts_ns: u64, step: Step) -> Timed {
        Timed {
            ts_ns,
            epoch: self.epochs.len() - 1,
            step,
        }
    }

    /// When the next message is due.
    fn due_ns(&self) -> u64 {
        let due_ns = u128::from(self.sent) * NS_PER_S / u128::from(self.traffic.rate);
        u64::try_from(due_ns)
            .unwrap_or(u64::MAX)
            .saturating_add(self.late_ns)
            .max(self.last_ns)
    }

    fn message(&mut self, due_ns: u64, buffer: &mut Vec<u8>) -> Timed {
        match &mut self.messages {
            Messages::Synthetic(flow) => {
                // A nanosecond more for each message: no two of them are the same.
                let since_midnight_ns = OPEN_NS + self.sent;
                let message = flow.message(since_midnight_ns);
                let message = message.expect("invariant: the day has as many as the traffic");
                message.as_bytes().clone_into(buffer);
            }
            Messages::Own(make) => *buffer = make(self.sent),
        }
        self.sent += 1;
        self.last_ns = due_ns;
        let last = self.epochs.len() - 1;
        let number = self.epochs[last].end;
        self.epochs[last].end += 1;
        self.timed(due_ns, Step::Message { number })
    }

    fn happen(&mut self, what: What, at_ns: u64) {
        let pause = self.timed(at_ns, Step::Pause);
        self.waiting.push_back(pause);
        self.last_ns = at_ns;
        match what {
            What::Silence(ns) => {
                self.last_ns = at_ns.saturating_add(ns);
                self.late_ns = self.late_ns.saturating_add(ns);
            }
            What::EndOfSession => {
                self.end(at_ns);
                self.open(0);
            }
            What::SessionChange => self.open(0),
            What::Restart => {
                let restarts = self.present().restarts + 1;
                self.open(restarts);
            }
        }
    }

    /// Tells the end of the present session.
    fn end(&mut self, at_ns: u64) {
        let last = self.epochs.len() - 1;
        self.epochs[last].ended = true;
        let next = self.present().end;
        // A packet that is not full goes out before.
        let pause = self.timed(at_ns, Step::Pause);
        self.waiting.push_back(pause);
        for repetition in 0..ENDS {
            let ts_ns = at_ns.saturating_add(repetition * END_INTERVAL_NS);
            let end = self.timed(ts_ns, Step::End { next });
            self.waiting.push_back(end);
            self.last_ns = ts_ns;
        }
        self.late_ns = self.late_ns.saturating_add(ENDS * END_INTERVAL_NS);
    }

    /// Begins to number from 1: in the present session if it `restarts`, else in the next.
    fn open(&mut self, restarts: u32) {
        let opened = self
            .epochs
            .iter()
            .filter(|epoch| epoch.restarts == 0)
            .count();
        let mut session = self.present().session;
        if restarts == 0 {
            let number = format!("{:03}", (opened + 1) % 1_000);
            session[7..].copy_from_slice(number.as_bytes());
        }
        self.epochs.push(Epoch {
            session,
            restarts,
            first: 1,
            end: 1,
            ended: false,
        });
    }
}
