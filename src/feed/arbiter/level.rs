//! Owns the usual case: nothing is missing, so messages need no more than counting.

use super::{Arbiter, Decode, Outlet, Phase, message};

impl Arbiter {
    /// Whether nothing is missing, nothing is held, and of nothing from `next` on anything is known.
    pub(super) fn is_level(&self) -> bool {
        self.phase == Phase::Running && self.next == self.known_end && self.window.is_clear()
    }

    /// Delivers messages from `next` on as they come, while the arbiter is level. Returns the number
    /// above the last that it is done with: `end`, or less where a message is malformed or the
    /// packet was cut.
    pub(super) fn take_level<'m>(
        &mut self,
        line: u8,
        messages: &mut impl Iterator<Item = &'m [u8]>,
        end: u64,
        to: &mut Outlet<'_, impl Decode>,
    ) -> u64 {
        let first = self.next;
        let mut next = first;
        let mut malformed = false;
        while next < end
            && !malformed
            && let Some(bytes) = messages.next()
        {
            let message = message(next, bytes, to.ts_recv_ns);
            malformed = to.decoder.decode(message, to.out).is_err();
            if !malformed {
                self.copies.note(next, bytes, line, to.ts_recv_ns);
                next += 1;
            }
        }
        (self.next, self.known_end) = (next, next);
        self.counters.first_arrival.add(next - first);
        self.line_counts(line).won.add(next - first);
        if malformed {
            self.refuse(line, next, to.seen_ns);
            next += 1;
        }
        next
    }
}
