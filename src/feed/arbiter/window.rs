//! Owns the arbitration window: what is held behind a hole, and why a number is missing so far.

use super::{Message, Origin};
use crate::memory;
use crate::record::GapCause;

const HELD: u8 = 1;
const MALFORMED: u8 = 1 << 1;
const TRUNCATED: u8 = 1 << 2;
const ASKED: u8 = 1 << 3;

/// Why a message that came cannot be used.
#[derive(Clone, Copy, Debug)]
pub(super) enum Blemish {
    Malformed,
    Truncated,
}

/// A message that waits, but for its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) ts_recv_ns: u64,
    pub(super) message_bytes: u16,
    pub(super) line: u8,
    pub(super) origin: Origin,
}

/// One mark and one slot for each of the numbers `next..next + len`, where `next` is the arbiter's.
///
/// Invariant: a number outside that range has no mark. So each number's mark is cleared before
/// `next` passes it, and `marked` says when there is none left to look for.
#[derive(Debug)]
pub(super) struct Window {
    marks: Box<[u8]>,
    slots: Box<[Slot]>,
    /// `held_bytes` for each slot.
    bytes: Box<[u8]>,
    held_bytes: usize,
    mask: u64,
    marked: usize,
}

impl Window {
    /// Makes a window of `len` numbers, a power of two, that keeps `held_bytes` of a message.
    pub(super) fn new(len: usize, held_bytes: usize) -> Self {
        assert!(
            len.is_power_of_two(),
            "invariant: the configuration was checked"
        );
        let slot = Slot {
            ts_recv_ns: 0,
            message_bytes: 0,
            line: 0,
            origin: Origin::First,
        };
        Self {
            marks: memory::filled(0, len),
            slots: memory::filled(slot, len),
            bytes: memory::filled(0, len * held_bytes),
            held_bytes,
            mask: len as u64 - 1,
            marked: 0,
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.mask + 1
    }

    /// Whether no number has a mark: nothing is held and nothing explained.
    pub(super) fn is_clear(&self) -> bool {
        self.marked == 0
    }

    fn index(&self, number: u64) -> usize {
        usize::try_from(number & self.mask).expect("invariant: a window's length fits in memory")
    }

    pub(super) fn holds(&self, number: u64) -> bool {
        self.marks[self.index(number)] & HELD != 0
    }

    pub(super) fn hold(&mut self, number: u64, slot: Slot, bytes: &[u8]) {
        let index = self.index(number);
        self.slots[index] = slot;
        let kept = bytes.len().min(self.held_bytes);
        let at = index * self.held_bytes;
        self.bytes[at..at + kept].copy_from_slice(&bytes[..kept]);
        self.set(index, HELD);
    }

    /// Returns the message that waits as `number`.
    pub(super) fn held(&self, number: u64) -> Message<'_> {
        let index = self.index(number);
        let slot = &self.slots[index];
        let kept = usize::from(slot.message_bytes).min(self.held_bytes);
        let at = index * self.held_bytes;
        Message {
            number,
            bytes: &self.bytes[at..at + kept],
            message_bytes: slot.message_bytes,
            ts_recv_ns: slot.ts_recv_ns,
        }
    }

    /// Whether `bytes` are those of the message that waits as `number`, as far as it was kept.
    pub(super) fn is_copy(&self, number: u64, bytes: &[u8]) -> bool {
        let held = self.held(number);
        usize::from(held.message_bytes) == bytes.len() && bytes.starts_with(held.bytes)
    }

    /// Returns which line brought what waits as `number`, and how.
    pub(super) fn brought(&self, number: u64) -> (u8, Origin) {
        let slot = &self.slots[self.index(number)];
        (slot.line, slot.origin)
    }

    /// Notes that `number`, which is missing, was asked for.
    pub(super) fn ask(&mut self, number: u64) {
        self.set(self.index(number), ASKED);
    }

    /// Whether `number` was asked for.
    pub(super) fn was_asked(&self, number: u64) -> bool {
        self.marks[self.index(number)] & ASKED != 0
    }

    pub(super) fn blemish(&mut self, number: u64, blemish: Blemish) {
        let mark = match blemish {
            Blemish::Malformed => MALFORMED,
            Blemish::Truncated => TRUNCATED,
        };
        self.set(self.index(number), mark);
    }

    /// Returns why `number` is missing, or `otherwise` where nothing of it was seen. A longer
    /// receive buffer would have saved a truncated one, so that cause comes first.
    pub(super) fn cause(&self, number: u64, otherwise: GapCause) -> GapCause {
        match self.marks[self.index(number)] {
            mark if mark & TRUNCATED != 0 => GapCause::Truncated,
            mark if mark & MALFORMED != 0 => GapCause::Malformed,
            _ => otherwise,
        }
    }

    fn set(&mut self, index: usize, mark: u8) {
        self.marked += usize::from(self.marks[index] == 0);
        self.marks[index] |= mark;
    }

    /// Forgets what is known of `number`.
    pub(super) fn forget(&mut self, number: u64) {
        if self.marked == 0 {
            return;
        }
        let index = self.index(number);
        let mark = std::mem::take(&mut self.marks[index]);
        self.marked -= usize::from(mark != 0);
    }

    pub(super) fn clear(&mut self) {
        self.marks.fill(0);
        self.marked = 0;
    }
}
