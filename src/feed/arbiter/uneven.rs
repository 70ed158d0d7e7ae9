//! Owns the unusual case: messages that come early, late, twice, cut, or while the session is being
//! joined.

use super::window::{Blemish, Slot};
use super::{Arbiter, Decode, Outlet, Phase, Run, message};
use crate::record::GapCause;

impl Arbiter {
    /// Takes messages that come early, late, twice, or while the session is being joined.
    // Out of line: the usual case is small enough to be inlined, decoder and all, without it.
    #[inline(never)]
    pub(super) fn take_uneven<'m>(
        &mut self,
        run: Run<impl Iterator<Item = &'m [u8]>>,
        end: u64,
        to: &mut Outlet<'_, impl Decode>,
    ) {
        self.note_time(to.seen_ns);
        self.join(run.line, run.first, end, to);
        if end <= self.next {
            self.count_passed(run.line, run.first, end);
            self.compare_passed(run.line, run.first, run.messages, to.ts_recv_ns);
        } else {
            self.take_new(run, end, to);
        }
    }

    /// Takes the messages of a packet that ends beyond `next`.
    fn take_new<'m>(
        &mut self,
        run: Run<impl Iterator<Item = &'m [u8]>>,
        end: u64,
        to: &mut Outlet<'_, impl Decode>,
    ) {
        let line = run.line;
        let passed = self.next;
        self.count_passed(line, run.first, passed.min(end));
        self.make_room(run.first, end, to);

        let mut number = run.first;
        let mut in_order = 0;
        for bytes in run.messages {
            if number == end {
                break;
            }
            if number > self.next {
                self.make_room(number, number + 1, to);
            }
            if number < self.next {
                self.compare_passed(line, number, std::iter::once(bytes), to.ts_recv_ns);
                // Below `passed` it was counted already; above, the other line's copy was held.
                let held_meanwhile = number >= passed;
                self.line_counts(line)
                    .duplicates
                    .add(u64::from(held_meanwhile));
            } else if number > self.next || self.phase != Phase::Running {
                self.hold(line, number, bytes, to);
            } else if self.deliver_next(line, bytes, to) {
                in_order += 1;
            }
            number += 1;
        }
        self.counters.first_arrival.add(in_order);
        self.line_counts(line).won.add(in_order);
        if number < end {
            let first = number.max(passed);
            let held_meanwhile = self.next.min(end).saturating_sub(first);
            self.line_counts(line).duplicates.add(held_meanwhile);
            self.take_cut(line, first + held_meanwhile, end, to);
        }
    }

    /// Delivers what is `next`, and what waited for it. Returns whether it came in order, which
    /// the caller counts by the packet.
    pub(super) fn deliver_next(
        &mut self,
        line: u8,
        bytes: &[u8],
        to: &mut Outlet<'_, impl Decode>,
    ) -> bool {
        let number = self.next;
        let message = message(number, bytes, to.ts_recv_ns);
        if to.decoder.decode(message, to.out).is_err() {
            self.refuse(line, number, to.seen_ns);
            return false;
        }
        self.copies.note(number, bytes, line, to.ts_recv_ns);
        let in_order = number == self.known_end;
        if in_order {
            self.known_end += 1;
        } else {
            self.count_delivered(line, self.origin(line, number));
        }
        self.pass(number + 1);
        self.drain(to);
        in_order
    }

    /// Keeps a message that cannot be delivered yet.
    pub(super) fn hold(
        &mut self,
        line: u8,
        number: u64,
        bytes: &[u8],
        to: &mut Outlet<'_, impl Decode>,
    ) {
        if self.window.holds(number) {
            let counts = self.line_counts(line);
            counts.duplicates.add(1);
            counts
                .mismatched
                .add(u64::from(!self.window.is_copy(number, bytes)));
        } else if to.decoder.is_sound(bytes) {
            let origin = self.origin(line, number);
            let slot = Slot {
                ts_recv_ns: to.ts_recv_ns,
                message_bytes: u16::try_from(bytes.len()).unwrap_or(u16::MAX),
                line,
                origin,
            };
            self.window.hold(number, slot, bytes);
            self.reveal(line, number + 1, to.seen_ns);
        } else {
            self.refuse(line, number, to.seen_ns);
        }
    }

    /// Notes that `line` brought a malformed message: the number exists, and is still missing.
    pub(super) fn refuse(&mut self, line: u8, number: u64, seen_ns: u64) {
        self.counters.malformed_messages.add(1);
        self.reveal(line, number + 1, seen_ns);
        self.window.blemish(number, Blemish::Malformed);
    }

    /// Notes that numbers from `first` to `end` were cut from their datagram.
    fn take_cut(&mut self, line: u8, first: u64, end: u64, to: &mut Outlet<'_, impl Decode>) {
        self.counters.cut_messages.add(end - first);
        self.make_room(first, end, to);
        let fits = end.min(self.next.saturating_add(self.window.len()));
        self.blemish_cut(first, fits);
        // A cut tail can be longer than the window; then its own first part has no more time.
        let oldest = end.saturating_sub(self.window.len());
        self.give_up_to(oldest, GapCause::Truncated, to);
        self.blemish_cut(first, end);
        self.reveal(line, end, to.seen_ns);
    }

    fn blemish_cut(&mut self, first: u64, end: u64) {
        for number in first.max(self.next)..end {
            self.window.blemish(number, Blemish::Truncated);
        }
    }
}
