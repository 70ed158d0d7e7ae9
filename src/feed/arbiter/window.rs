//! Owns the arbitration window: what is held behind a hole, and why a number is missing so far.

use super::Origin;
use crate::record::GapCause;

/// Bytes of a message that are kept while it waits behind a hole; a longer one's tail is not.
pub const HELD_BYTES_MAX: usize = 116;

const HELD: u8 = 1;
const MALFORMED: u8 = 1 << 1;
const TRUNCATED: u8 = 1 << 2;

/// Why a message that came cannot be used.
#[derive(Clone, Copy, Debug)]
pub(super) enum Blemish {
    Malformed,
    Truncated,
}

/// A message that waits: two cache lines.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Slot {
    pub(super) ts_recv_ns: u64,
    pub(super) message_bytes: u16,
    pub(super) line: u8,
    pub(super) origin: Origin,
    bytes: [u8; HELD_BYTES_MAX],
}

const _: () = assert!(size_of::<Slot>() == 128);

impl Slot {
    pub(super) fn new(bytes: &[u8], ts_recv_ns: u64, line: u8, origin: Origin) -> Self {
        let mut slot = Self {
            ts_recv_ns,
            message_bytes: u16::try_from(bytes.len()).unwrap_or(u16::MAX),
            line,
            origin,
            bytes: [0; HELD_BYTES_MAX],
        };
        let kept = bytes.len().min(HELD_BYTES_MAX);
        slot.bytes[..kept].copy_from_slice(&bytes[..kept]);
        slot
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.message_bytes).min(HELD_BYTES_MAX)]
    }
}

/// One mark and one slot for each of the numbers `next..next + len`, where `next` is the arbiter's.
///
/// Invariant: a number outside that range has no mark. So each number's mark is cleared before
/// `next` passes it, and `marked` says when there is none left to look for.
#[derive(Debug)]
pub(super) struct Window {
    marks: Box<[u8]>,
    slots: Box<[Slot]>,
    mask: u64,
    marked: usize,
}

impl Window {
    /// Makes a window of `len` numbers, a power of two.
    pub(super) fn new(len: usize) -> Self {
        assert!(
            len.is_power_of_two(),
            "invariant: the configuration was checked"
        );
        // A value that is not zero makes the allocation touch its pages now, not at the first hole.
        let slot = Slot::new(&[], u64::MAX, 0, Origin::First);
        Self {
            marks: vec![0; len].into_boxed_slice(),
            slots: vec![slot; len].into_boxed_slice(),
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

    pub(super) fn hold(&mut self, number: u64, slot: Slot) {
        let index = self.index(number);
        self.slots[index] = slot;
        self.set(index, HELD);
    }

    pub(super) fn held(&self, number: u64) -> &Slot {
        &self.slots[self.index(number)]
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
