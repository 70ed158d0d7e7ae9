//! Owns the usual case: nothing is missing, so messages need no more than counting.

use super::copies::Copies;
use super::{Arbiter, Decode, Outlet, Phase, message};
use std::ops::Range;

impl Arbiter {
    /// Whether nothing is missing, nothing is held, and of nothing from `next` on anything is known.
    pub(super) fn is_level(&self) -> bool {
        self.phase == Phase::Running && self.next == self.known_end && self.window.is_clear()
    }

    /// Delivers messages from `next` on as they come, while the arbiter is level. Returns the number
    /// above the last that it is done with: `end`, or less where a message is malformed or the
    /// packet was cut.
    #[inline(always)]
    pub(super) fn take_level<'m>(
        &mut self,
        line: u8,
        messages: &mut impl Iterator<Item = &'m [u8]>,
        end: u64,
        to: &mut Outlet<'_, impl Decode>,
    ) -> u64 {
        let first = self.next;
        let numbers = first..end;
        let (mut next, malformed) =
            decode_all(numbers, messages, line, &mut self.copies, &mut to.lend());
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

/// Decodes messages with these numbers, which `line` brought, as far as there are any. Returns the
/// number above the last that was decoded, and whether the message with that number is malformed.
// Out of line, so that the loop has the registers for itself.
#[inline(never)]
fn decode_all<'m>(
    numbers: Range<u64>,
    messages: &mut impl Iterator<Item = &'m [u8]>,
    line: u8,
    copies: &mut Copies,
    to: &mut Outlet<'_, impl Decode>,
) -> (u64, bool) {
    let mut next = numbers.start;
    while next < numbers.end
        && let Some(bytes) = messages.next()
    {
        let message = message(next, bytes, to.ts_recv_ns);
        if to.decoder.decode(message, to.out).is_err() {
            return (next, true);
        }
        copies.note(next, bytes, line, to.ts_recv_ns);
        next += 1;
    }
    (next, false)
}
