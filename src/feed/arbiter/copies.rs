//! Owns the memory of what was delivered lately, against which the other lines' copies are compared:
//! what each number said, and when and by whom it came.

use crate::latency::Histogram;
use crate::memory;
use zerocopy::transmute;

/// One delivered number, or nothing: in eight bytes, because each message writes one.
///
/// ```text
///  63             36 35      34    32 31             0
///  ├────────────────┼────────┼───────┼───────────────┤
///  │ fingerprint    │ filled │ line  │ ts_recv_ns    │   low 32 bits of the time
///  └────────────────┴────────┴───────┴───────────────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Delivered(u64);

const FILLED: u64 = 1 << 35;
const LINE_SHIFT: u32 = 32;
const LINE_MASK: u64 = 7;
const FINGERPRINT_MASK: u64 = !((1 << 36) - 1);

impl Delivered {
    const NOTHING: Self = Self(0);

    fn new(bytes: &[u8], line: u8, ts_recv_ns: u64) -> Self {
        let line = (u64::from(line) & LINE_MASK) << LINE_SHIFT;
        let time = ts_recv_ns & u64::from(u32::MAX);
        Self(fingerprint(bytes) & FINGERPRINT_MASK | FILLED | line | time)
    }

    fn line(self) -> usize {
        // Three bits.
        usize::try_from(self.0 >> LINE_SHIFT & LINE_MASK).unwrap_or(0)
    }
}

/// How a copy compares with what was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// Too old to be remembered, given up, or there is nobody to compare with.
    Unknown,
    /// The same bytes, as far as 28 bits of a hash tell.
    Same,
    /// Other bytes.
    Different,
}

/// The last numbers that were delivered, as many as the window has; of a feed with one line, none.
#[derive(Debug)]
pub(super) struct Copies {
    delivered: Box<[Delivered]>,
    mask: u64,
    /// For each line, how much earlier than another line it brought what both brought.
    ahead: Box<[Histogram]>,
}

impl Copies {
    /// Remembers `len` numbers, a power of two, of `lines` lines.
    pub(super) fn new(len: usize, lines: usize) -> Self {
        let len = if lines > 1 { len } else { 0 };
        Self {
            delivered: memory::filled(Delivered::NOTHING, len),
            mask: (len as u64).wrapping_sub(1),
            ahead: (0..lines).map(|_| Histogram::new()).collect(),
        }
    }

    pub(super) fn ahead(&self) -> &[Histogram] {
        &self.ahead
    }

    fn slot(&mut self, number: u64) -> Option<&mut Delivered> {
        let index = usize::try_from(number & self.mask).ok()?;
        self.delivered.get_mut(index)
    }

    /// Remembers a number that is delivered.
    #[inline(always)]
    pub(super) fn note(&mut self, number: u64, bytes: &[u8], line: u8, ts_recv_ns: u64) {
        if let Some(slot) = self.slot(number) {
            *slot = Delivered::new(bytes, line, ts_recv_ns);
        }
    }

    /// Remembers that `first..end` was given up.
    pub(super) fn forget(&mut self, first: u64, end: u64) {
        let len = self.delivered.len() as u64;
        for number in first.max(end.saturating_sub(len))..end {
            if let Some(slot) = self.slot(number) {
                *slot = Delivered::NOTHING;
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.delivered.fill(Delivered::NOTHING);
    }

    /// Whether `number`, below `next`, is recent enough to be remembered.
    pub(super) fn remembers(&self, number: u64, next: u64) -> bool {
        next - number <= self.delivered.len() as u64
    }

    /// Compares a copy of `number` that `line` brings with what was delivered.
    pub(super) fn compare(&mut self, number: u64, bytes: &[u8], line: u8) -> Comparison {
        let Some(&mut slot) = self.slot(number) else {
            return Comparison::Unknown;
        };
        let copy = Delivered::new(bytes, line, 0);
        match slot {
            Delivered::NOTHING => Comparison::Unknown,
            _ if (slot.0 ^ copy.0) & FINGERPRINT_MASK == 0 => Comparison::Same,
            _ => Comparison::Different,
        }
    }

    /// Notes when `line` brought a copy of `number`: whichever line received it earlier was ahead,
    /// whichever was looked at first. Times that are further apart than 2 s say nothing.
    pub(super) fn time(&mut self, number: u64, line: u8, ts_recv_ns: u64) {
        let Some(&mut slot) = self.slot(number) else {
            return;
        };
        let other = slot.line();
        if slot == Delivered::NOTHING || other == usize::from(line) {
            return;
        }
        let later = low(ts_recv_ns).wrapping_sub(low(slot.0)).cast_signed();
        let (winner, margin_ns) = match later {
            0.. => (other, later.unsigned_abs()),
            _ => (usize::from(line), later.unsigned_abs()),
        };
        if let Some(ahead) = self.ahead.get_mut(winner) {
            ahead.record(0, u64::from(margin_ns));
        }
    }
}

fn low(bits: u64) -> u32 {
    u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(0)
}

/// Bytes that one multiplication takes.
const PIECE: usize = 16;
/// Bytes of the longest message that three of them cover.
const THREE_PIECES: usize = 3 * PIECE;
/// Odd numbers without a pattern.
const ODD: [u64; 6] = [
    0x9e37_79b9_7f4a_7c15,
    0xd6e8_feb8_6659_fd93,
    0xa076_1d64_78bd_642f,
    0xe703_7ed1_a0b4_28db,
    0x8ebc_6af0_9c88_c6e3,
    0x5895_89ea_5cd1_bb2d,
];

/// Returns a hash of a message. Only ever compared within one process. A collision hides a
/// difference once in 2²⁸ differing messages.
///
/// Which length comes next cannot be guessed, so the messages of the order flow, 19 to 44 bytes, are
/// read as three pieces of 16 bytes whatever their length is; of a shorter one they overlap.
/// `cargo bench --bench arbitration` (second line) tells.
#[inline(always)]
fn fingerprint(bytes: &[u8]) -> u64 {
    let length = bytes.len();
    if length > THREE_PIECES {
        return odd_fingerprint(bytes);
    }
    let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) else {
        return odd_fingerprint(bytes);
    };
    let middle_at = PIECE.min(length - PIECE);
    let Some(middle) = bytes[middle_at..].first_chunk() else {
        return odd_fingerprint(bytes);
    };
    piece(first, ODD[0] ^ length as u64, ODD[1])
        ^ piece(middle, ODD[2], ODD[3])
        ^ piece(last, ODD[4], ODD[5])
}

/// Messages that are rare: shorter than a piece, or longer than three.
#[cold]
#[inline(never)]
fn odd_fingerprint(bytes: &[u8]) -> u64 {
    let mut hash = bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = mix(hash ^ u64::from_le_bytes(word).wrapping_add(ODD[4]), ODD[1]);
    }
    hash
}

/// Mixes the two words of a piece, each after it was moved away from zero, where a venue's often are.
#[inline(always)]
fn piece(bytes: &[u8; PIECE], low: u64, high: u64) -> u64 {
    let [first, second]: [[u8; 8]; 2] = transmute!(*bytes);
    mix(
        u64::from_le_bytes(first) ^ low,
        u64::from_le_bytes(second) ^ high,
    )
}

/// Multiplies and folds the halves of the product.
#[inline(always)]
#[allow(
    clippy::cast_possible_truncation,
    reason = "both halves of the product are taken"
)]
fn mix(word: u64, other: u64) -> u64 {
    let product = u128::from(word) * u128::from(other);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_single_bit_of_a_message_counts() {
        for length in 0..70 {
            let message: Vec<u8> = (0..length).map(|byte: u8| byte.wrapping_mul(37)).collect();
            let mut copies = Copies::new(4, 2);
            copies.note(9, &message, 0, 5);
            assert_eq!(copies.compare(9, &message, 1), Comparison::Same);
            for bit in 0..usize::from(length) * 8 {
                let mut other = message.clone();
                other[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(copies.compare(9, &other, 1), Comparison::Different);
            }
            let mut longer = message.clone();
            longer.push(0);
            assert_eq!(copies.compare(9, &longer, 1), Comparison::Different);
        }
    }

    #[test]
    fn what_was_given_up_or_is_of_a_single_line_is_not_compared() {
        let mut copies = Copies::new(4, 2);
        for number in 1..5 {
            copies.note(number, b"x", 0, 0);
        }
        copies.forget(1, 3);
        let known: Vec<_> = (1..5)
            .map(|number| copies.compare(number, b"x", 1))
            .collect();
        let [unknown, same] = [Comparison::Unknown, Comparison::Same];
        assert_eq!(known, [unknown, unknown, same, same]);
        copies.forget(1, u64::MAX);
        assert_eq!(copies.compare(4, b"x", 1), Comparison::Unknown);

        let mut alone = Copies::new(4, 1);
        alone.note(1, b"x", 0, 0);
        assert_eq!(alone.compare(1, b"y", 0), Comparison::Unknown);
    }

    #[test]
    fn the_line_that_received_it_earlier_was_ahead_across_the_wrap_of_the_low_bits() {
        let mut copies = Copies::new(4, 2);
        let wrap = 1 << 32;
        copies.note(1, b"x", 0, wrap - 10);
        copies.time(1, 1, wrap + 20);
        copies.note(2, b"x", 0, wrap + 20);
        copies.time(2, 1, wrap - 5);
        copies.time(2, 0, wrap + 90);
        let summaries: Vec<_> = copies.ahead().iter().map(Histogram::summary).collect();
        assert_eq!((summaries[0].count, summaries[0].max), (1, 30));
        assert_eq!((summaries[1].count, summaries[1].max), (1, 25));
    }
}
