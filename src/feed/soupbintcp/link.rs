//! Owns the life of the client's connection: when to connect, log in, send a heartbeat, give up.
//!
//! ```text
//!            back-off is over       connected          login accepted
//!  Waiting ───────────────► Connecting ───────► LoggingIn ───────────► LoggedIn ──► Ended
//!     ▲                          │                  │  not authorised       │
//!     │ closed                   ▼ too long         ▼  └──────► Rejected    ▼ silence, fault
//!     └────────────────────── Dropping ◄────────────┴───────────────────────┘
//! ```
//!
//! A connection that its server closes goes straight back to `Waiting`. From `Dropping` only word
//! that the connection is gone leads on, so that nothing of an old one is taken for the new one's.

use crate::feed::{LinkCounters, LinkState};

/// How long the client waits for what. Virtual time in tests, a venue's own rules elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkTimes {
    /// A heartbeat is sent after so long without having sent anything.
    pub heartbeat_ns: u64,
    /// A connection on which no packet ends for so long is dropped, and one that is not made, or on
    /// which the login is not answered.
    pub silence_ns: u64,
    /// The first pause before a connection is tried again; it doubles each time.
    pub back_off_min_ns: u64,
    /// The longest pause.
    pub back_off_max_ns: u64,
}

impl Default for LinkTimes {
    /// As the specification has it: 1 s and 15 s; and pauses from 100 ms to 10 s.
    fn default() -> Self {
        Self {
            heartbeat_ns: 1_000_000_000,
            silence_ns: 15_000_000_000,
            back_off_min_ns: 100_000_000,
            back_off_max_ns: 10_000_000_000,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Waiting,
    Connecting,
    LoggingIn,
    LoggedIn,
    Dropping,
    Ended,
    Rejected,
}

/// What is to be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Login,
    Heartbeat,
}

#[derive(Debug)]
pub(super) struct Link {
    times: LinkTimes,
    phase: Phase,
    /// When the phase began; while `Waiting`, when it is over.
    at_ns: u64,
    heard_ns: u64,
    sent_ns: u64,
    login_sent: bool,
    /// Attempts since the last one that was worth it.
    failures: u32,
    /// Whether the session moved on since the last login.
    progress: bool,
}

impl Link {
    pub(super) fn new(times: LinkTimes) -> Self {
        Self {
            times,
            phase: Phase::Waiting,
            at_ns: 0,
            heard_ns: 0,
            sent_ns: 0,
            login_sent: false,
            failures: 0,
            progress: false,
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn wanted(&self) -> LinkState {
        match self.phase {
            Phase::Connecting | Phase::LoggingIn | Phase::LoggedIn => LinkState::Up,
            Phase::Waiting | Phase::Dropping | Phase::Ended | Phase::Rejected => LinkState::Down,
        }
    }

    pub(super) fn connected(&mut self, now_ns: u64, counters: &LinkCounters) {
        if self.phase == Phase::Connecting {
            counters.connects.add(1);
            self.enter(Phase::LoggingIn, now_ns);
            (self.heard_ns, self.login_sent) = (now_ns, false);
        }
    }

    /// The connection is gone, or could not be made. Plans the next attempt.
    pub(super) fn closed(&mut self, now_ns: u64, counters: &LinkCounters) {
        match self.phase {
            Phase::Waiting | Phase::Ended | Phase::Rejected => return,
            Phase::Connecting => counters.refused.add(1),
            Phase::LoggingIn | Phase::LoggedIn => counters.closed_by_venue.add(1),
            Phase::Dropping => {}
        }
        if self.progress {
            self.failures = 0;
        }
        self.progress = false;
        let pause = u32::checked_shl(1, self.failures).unwrap_or(u32::MAX);
        let pause_ns = self
            .times
            .back_off_min_ns
            .saturating_mul(pause.into())
            .min(self.times.back_off_max_ns);
        self.failures = (self.failures + 1).min(31);
        self.enter(Phase::Waiting, now_ns.saturating_add(pause_ns));
    }

    pub(super) fn logged_in(&mut self, now_ns: u64) {
        self.enter(Phase::LoggedIn, now_ns);
        self.heard_ns = now_ns;
    }

    /// A packet has come. What comes before the answer to a login stands in for none.
    pub(super) fn heard(&mut self, now_ns: u64) {
        if self.phase == Phase::LoggedIn {
            self.heard_ns = now_ns;
        }
        // A session in which nothing happens is as good as one that moves on, if it lasts.
        if self.phase == Phase::LoggedIn
            && now_ns.saturating_sub(self.at_ns) >= self.times.back_off_max_ns
        {
            self.progress = true;
        }
    }

    pub(super) fn progressed(&mut self) {
        self.progress = true;
    }

    pub(super) fn enter(&mut self, phase: Phase, at_ns: u64) {
        (self.phase, self.at_ns) = (phase, at_ns);
    }

    /// Lets time pass. Returns whether the connection is to be given up, which is counted.
    pub(super) fn pass_time(&mut self, now_ns: u64, counters: &LinkCounters) -> bool {
        self.rebase(now_ns);
        match self.phase {
            Phase::Waiting if now_ns >= self.at_ns => {
                self.enter(Phase::Connecting, now_ns);
                false
            }
            Phase::Connecting if now_ns - self.at_ns >= self.times.silence_ns => {
                counters.connect_timeouts.add(1);
                true
            }
            Phase::LoggingIn | Phase::LoggedIn
                if now_ns - self.heard_ns >= self.times.silence_ns =>
            {
                counters.silences.add(1);
                true
            }
            _ => false,
        }
    }

    /// Returns what is to be sent at `now_ns`, and takes it for sent.
    pub(super) fn take_due(&mut self, now_ns: u64, counters: &LinkCounters) -> Option<Due> {
        self.rebase(now_ns);
        let due = match self.phase {
            Phase::LoggingIn if !self.login_sent => {
                self.login_sent = true;
                counters.logins_sent.add(1);
                Due::Login
            }
            Phase::LoggedIn if now_ns - self.sent_ns >= self.times.heartbeat_ns => {
                counters.heartbeats_sent.add(1);
                Due::Heartbeat
            }
            _ => return None,
        };
        self.sent_ns = now_ns;
        Some(due)
    }

    /// Sees to it that a clock that stepped back lengthens no wait beyond its length from now.
    fn rebase(&mut self, now_ns: u64) {
        self.heard_ns = self.heard_ns.min(now_ns);
        self.sent_ns = self.sent_ns.min(now_ns);
        let latest = match self.phase {
            Phase::Waiting => now_ns.saturating_add(self.times.back_off_max_ns),
            _ => now_ns,
        };
        self.at_ns = self.at_ns.min(latest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    #[test]
    fn pauses_double_to_a_bound_and_begin_anew_after_progress() {
        let counters = LinkCounters::default();
        let mut link = Link::new(LinkTimes::default());
        let mut now_ns = 1_700_000_000 * SECOND_NS;
        let mut pauses_ms = Vec::new();
        for attempt in 0..40 {
            let began_ns = now_ns;
            while link.wanted() == LinkState::Down {
                assert!(!link.pass_time(now_ns, &counters));
                now_ns += 1_000_000;
            }
            pauses_ms.push((now_ns - began_ns) / 1_000_000 - 1);
            if attempt == 37 {
                link.connected(now_ns, &counters);
                link.logged_in(now_ns);
                link.progressed();
            }
            link.closed(now_ns, &counters);
        }
        assert_eq!(
            pauses_ms[..9],
            [0, 100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000]
        );
        assert!(pauses_ms[9..38].iter().all(|&pause| pause == 10_000));
        assert_eq!(pauses_ms[38..], [100, 200]);
        assert_eq!(
            (counters.refused.get(), counters.closed_by_venue.get()),
            (39, 1)
        );
    }

    #[test]
    fn heartbeats_go_out_after_a_second_of_own_silence_and_a_dead_link_is_dropped() {
        let counters = LinkCounters::default();
        let mut link = Link::new(LinkTimes::default());
        let start_ns = 100 * SECOND_NS;
        assert!(!link.pass_time(start_ns, &counters));
        link.connected(start_ns, &counters);
        assert_eq!(link.take_due(start_ns, &counters), Some(Due::Login));
        assert_eq!(link.take_due(start_ns, &counters), None);
        link.logged_in(start_ns);
        assert_eq!(link.take_due(start_ns + SECOND_NS - 1, &counters), None);
        assert_eq!(
            link.take_due(start_ns + SECOND_NS, &counters),
            Some(Due::Heartbeat)
        );
        assert!(!link.pass_time(start_ns + 15 * SECOND_NS - 1, &counters));
        assert!(link.pass_time(start_ns + 15 * SECOND_NS, &counters));
        assert_eq!(counters.silences.get(), 1);

        // A clock that steps back makes no wait longer.
        assert!(!link.pass_time(50 * SECOND_NS, &counters));
        assert!(link.pass_time(65 * SECOND_NS, &counters));
        assert_eq!(link.take_due(50 * SECOND_NS, &counters), None);
        assert_eq!(
            link.take_due(51 * SECOND_NS, &counters),
            Some(Due::Heartbeat)
        );
    }
}
