//! Owns where the types that make up the order flow keep their fields.
//!
//! Which of them comes next cannot be guessed, and a wrong guess costs the processor as much as half
//! a message. So the type selects a row of a table instead of a branch: all of them are the same few
//! loads, masks and multiplications. The price is a few instructions more where the type could have
//! been guessed. `cargo bench --bench decode` (flow, synthetic) tells: a branch for each type takes
//! half as long again there.
//!
//! Knows nothing of the directory, the clock or the batch.

use super::wire;
use crate::market::{AddOrder, Cancel, Delete, EventKind, Execute, Flags, NO_PRICE, Replace, Side};
use std::mem::offset_of;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What one of these types becomes, as it lies in a `MarketEvent`. What a type has no field for is
/// zero.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct OrderEvent {
    pub(super) ts_event_ns: u64,
    pub(super) head: u64,
    pub(super) order_id: u64,
    /// A price, a quantity or the new order's id.
    pub(super) third: u64,
    /// A quantity, a price or the match's id.
    pub(super) fourth: u64,
    /// A quantity (low half) and the venue's number of the message.
    pub(super) fifth_and_message: u64,
}

/// What is loaded from one message beside what [`wire::Delete`], the shortest, has as well.
pub(super) struct Words {
    pub(super) stock: u64,
    third: u64,
    fourth: u64,
}

/// Where one type keeps its fields, and what becomes of them.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Layout {
    /// Fewest bytes of the message; 0 for a type that has no row.
    pub(super) bytes: u8,
    /// Kind and flags, where they lie in an event's head.
    pub(super) head: u64,
    /// All ones where the message names its stock.
    pub(super) stock_mask: u64,
    /// Where eight bytes are loaded from.
    stock_at: u8,
    third_at: u8,
    fourth_at: u8,
    /// Which bits of them are the field.
    third_mask: u64,
    fourth_mask: u64,
    third_scale: u32,
    fourth_scale: u32,
    third_plus: u64,
    /// The fifth field lies in the low half of the third word or in the high half of the fourth.
    fifth_of_third: u32,
    fifth_of_fourth: u32,
    /// The side lies there too, in the high half's low byte.
    side_of_fourth: u32,
}

const NONE: u32 = 0;
const ALL: u32 = u32::MAX;
/// A field of 32 bits is the low half of the big-endian word that ends with it.
const HALF: u64 = ALL as u64;
const WHOLE: u64 = u64::MAX;
/// From the wire's prices (× 10⁴) to ours (× 10⁹).
const PRICE: u32 = 100_000;

/// The rows, by message type.
pub(super) const LAYOUTS: &[Layout; 256] = &{
    let mut layouts = [OTHER; 256];
    layouts[wire::AddOrder::TYPE as usize] = Layout {
        bytes: bytes::<wire::AddOrder>(),
        head: head(EventKind::ADD_ORDER, Side::NONE, Flags::LAST),
        stock_mask: WHOLE,
        side_of_fourth: 0xff,
        stock_at: at(offset_of!(wire::AddOrder, stock)),
        third_at: ends_at(offset_of!(wire::AddOrder, price_e4) + 4),
        third_mask: HALF,
        third_scale: PRICE,
        // The side is the byte before the quantity.
        fourth_at: ends_at(offset_of!(wire::AddOrder, shares) + 4),
        fourth_mask: HALF,
        ..OTHER
    };
    layouts[wire::Delete::TYPE as usize] = Layout {
        bytes: bytes::<wire::Delete>(),
        head: head(EventKind::DELETE, Side::NONE, Flags::LAST),
        ..OTHER
    };
    layouts[wire::Replace::TYPE as usize] = Layout {
        bytes: bytes::<wire::Replace>(),
        head: head(EventKind::REPLACE, Side::NONE, Flags::LAST),
        third_at: at(offset_of!(wire::Replace, new_order_id)),
        third_mask: WHOLE,
        // The quantity is the four bytes before the price.
        fourth_at: ends_at(offset_of!(wire::Replace, price_e4) + 4),
        fourth_mask: HALF,
        fourth_scale: PRICE,
        fifth_of_fourth: ALL,
        ..OTHER
    };
    layouts[wire::Executed::TYPE as usize] = Layout {
        bytes: bytes::<wire::Executed>(),
        head: head(EventKind::EXECUTE, Side::NONE, Flags::LAST),
        third_at: ends_at(offset_of!(wire::Executed, shares) + 4),
        third_plus: NO_PRICE.cast_unsigned(),
        fourth_at: at(offset_of!(wire::Executed, match_id)),
        fourth_mask: WHOLE,
        fifth_of_third: ALL,
        ..OTHER
    };
    layouts[wire::Cancel::TYPE as usize] = Layout {
        bytes: bytes::<wire::Cancel>(),
        head: head(EventKind::CANCEL, Side::NONE, Flags::LAST),
        third_at: ends_at(offset_of!(wire::Cancel, shares) + 4),
        third_mask: HALF,
        ..OTHER
    };
    layouts
};

const OTHER: Layout = Layout {
    bytes: 0,
    head: 0,
    stock_mask: 0,
    stock_at: 0,
    third_at: 0,
    fourth_at: 0,
    third_mask: 0,
    fourth_mask: 0,
    third_scale: 1,
    fourth_scale: 1,
    third_plus: 0,
    fifth_of_third: NONE,
    fifth_of_fourth: NONE,
    side_of_fourth: NONE,
};

impl Layout {
    /// Loads what [`event`](Self::event) needs, or nothing where the message is too short.
    #[inline(always)]
    pub(super) fn load(&self, bytes: &[u8]) -> Option<Words> {
        let bytes = bytes.get(..usize::from(self.bytes))?;
        Some(Words {
            stock: u64::from_ne_bytes(word(bytes, self.stock_at)?),
            third: u64::from_be_bytes(word(bytes, self.third_at)?),
            fourth: u64::from_be_bytes(word(bytes, self.fourth_at)?),
        })
    }

    /// Adds to `event` what this type alone has.
    #[inline(always)]
    pub(super) fn complete(&self, words: &Words, event: OrderEvent) -> OrderEvent {
        let Words { third, fourth, .. } = words;
        let high = fourth >> 32;
        let fifth_of_third = third & u64::from(self.fifth_of_third);
        let fifth_of_fourth = high & u64::from(self.fifth_of_fourth);
        let side = high & u64::from(self.side_of_fourth);
        OrderEvent {
            head: event.head | self.head | side << SIDE_SHIFT,
            third: (third & self.third_mask) * u64::from(self.third_scale) + self.third_plus,
            fourth: (fourth & self.fourth_mask) * u64::from(self.fourth_scale),
            fifth_and_message: event.fifth_and_message | fifth_of_third | fifth_of_fourth,
            ..event
        }
    }
}

/// Where the side lies in an event's second word.
const SIDE_SHIFT: u32 = 48;

/// Returns kind, side and flags where they lie in an event's second word, behind instrument and
/// feed.
pub(super) const fn head(kind: EventKind, side: Side, flags: Flags) -> u64 {
    (kind.0 as u64) << 40 | (side.0 as u64) << SIDE_SHIFT | (flags.0 as u64) << 56
}

#[inline(always)]
fn word(bytes: &[u8], at: u8) -> Option<[u8; 8]> {
    let at = usize::from(at);
    bytes.get(at..at + 8)?.try_into().ok()
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "checked in the line before"
)]
const fn at(offset: usize) -> u8 {
    assert!(offset <= u8::MAX as usize);
    offset as u8
}

const fn ends_at(end: usize) -> u8 {
    at(end - 8)
}

const fn bytes<T>() -> u8 {
    at(size_of::<T>())
}

const _: () = {
    // A row is one cache line.
    assert!(size_of::<Layout>() == 64);
    assert!(size_of::<OrderEvent>() == size_of::<AddOrder>());
    assert!(offset_of!(OrderEvent, order_id) == offset_of!(AddOrder, order_id));
    assert!(offset_of!(OrderEvent, order_id) == offset_of!(Delete, order_id));
    assert!(offset_of!(OrderEvent, order_id) == offset_of!(Replace, order_id));
    assert!(offset_of!(OrderEvent, order_id) == offset_of!(Execute, order_id));
    assert!(offset_of!(OrderEvent, order_id) == offset_of!(Cancel, order_id));
    assert!(offset_of!(OrderEvent, third) == offset_of!(AddOrder, price_e9));
    assert!(offset_of!(OrderEvent, third) == offset_of!(Replace, new_order_id));
    assert!(offset_of!(OrderEvent, third) == offset_of!(Execute, price_e9));
    assert!(offset_of!(OrderEvent, third) == offset_of!(Cancel, quantity));
    assert!(offset_of!(OrderEvent, fourth) == offset_of!(AddOrder, quantity));
    assert!(offset_of!(OrderEvent, fourth) == offset_of!(Replace, price_e9));
    assert!(offset_of!(OrderEvent, fourth) == offset_of!(Execute, match_id));
    let fifth = offset_of!(OrderEvent, fifth_and_message);
    assert!(fifth == offset_of!(Replace, quantity));
    assert!(fifth == offset_of!(Execute, quantity));
    assert!(fifth + 4 == offset_of!(Replace, message));
};
