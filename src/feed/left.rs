//! Owns the memory of the sessions that were followed before the present one: whether they may go on,
//! and from where.

use super::protocol::SessionName;

/// Ended sessions that are remembered, to tell their stragglers from a session that begins.
const ENDED_SESSIONS: usize = 8;

/// A session that another one took the place of.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeftSession {
    pub(super) session: SessionName,
    /// The number above the highest that was known to exist.
    pub(super) end: u64,
    /// Whether the venue told its end; otherwise it may go on.
    pub(super) told: bool,
}

/// The most recent sessions that were followed before the present one began.
#[derive(Debug, Default)]
pub(super) struct EndedSessions {
    sessions: [Option<LeftSession>; ENDED_SESSIONS],
    oldest: usize,
}

impl EndedSessions {
    pub(super) fn find(&self, session: &SessionName) -> Option<LeftSession> {
        let mut sessions = self.sessions.iter().flatten();
        sessions.find(|left| left.session == *session).copied()
    }

    pub(super) fn push(&mut self, left: LeftSession) {
        self.sessions[self.oldest] = Some(left);
        self.oldest = (self.oldest + 1) % ENDED_SESSIONS;
    }

    pub(super) fn remove(&mut self, session: &SessionName) {
        for slot in &mut self.sessions {
            if slot.is_some_and(|left| left.session == *session) {
                *slot = None;
            }
        }
    }
}
