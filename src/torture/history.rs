//! Owns what a re-request server can answer from: the messages of the most recent sessions.

use crate::feed::moldudp64::SessionId;
use std::collections::{BTreeMap, VecDeque};

/// Sessions that are kept.
const SESSIONS_MAX: usize = 4;

/// The messages that a venue sent, the latest of them: oldest go first.
#[derive(Debug)]
pub struct History {
    messages_max: usize,
    sessions: VecDeque<Session>,
}

#[derive(Debug)]
struct Session {
    id: SessionId,
    messages: BTreeMap<u64, Box<[u8]>>,
}

impl History {
    /// How many messages of a session are kept by default: a quarter of a million.
    pub const MESSAGES_MAX: usize = 1 << 18;

    /// Makes a history that keeps at most `messages_max` messages of each session.
    #[must_use]
    pub fn new(messages_max: usize) -> Self {
        Self {
            messages_max,
            sessions: VecDeque::new(),
        }
    }

    /// Adds a message that the venue sent.
    pub fn insert(&mut self, session: SessionId, number: u64, message: &[u8]) {
        let known = self.sessions.iter().position(|known| known.id == session);
        let index = known.unwrap_or_else(|| {
            if self.sessions.len() == SESSIONS_MAX {
                self.sessions.pop_front();
            }
            self.sessions.push_back(Session {
                id: session,
                messages: BTreeMap::new(),
            });
            self.sessions.len() - 1
        });
        let messages = &mut self.sessions[index].messages;
        messages.insert(number, message.into());
        while messages.len() > self.messages_max {
            messages.pop_first();
        }
    }

    /// Forgets a session: the venue numbers it from 1 again.
    pub fn forget(&mut self, session: SessionId) {
        self.sessions.retain(|known| known.id != session);
    }

    /// Returns the messages of a session from `first` on, as far as they are there without a hole.
    pub(super) fn from(
        &self,
        session: SessionId,
        first: u64,
    ) -> impl Iterator<Item = (u64, &[u8])> {
        let known = self.sessions.iter().find(|known| known.id == session);
        let messages = known
            .into_iter()
            .flat_map(move |known| known.messages.range(first..));
        (first..)
            .zip(messages)
            .take_while(|(expected, (number, _))| expected == *number)
            .map(|(number, (_, message))| (number, &**message))
    }
}

impl Default for History {
    fn default() -> Self {
        Self::new(Self::MESSAGES_MAX)
    }
}
