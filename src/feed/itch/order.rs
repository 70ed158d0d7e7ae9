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
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, transmute_ref};

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

/// What is loaded from one message: what [`wire::Delete`], the shortest, has as well, and the rest.
pub(super) struct Words<'a> {
    pub(super) shortest: &'a wire::Delete,
    pub(super) stock: u64,
    third: u64,
    fourth: u64,
}

/// Where one type keeps its fields, and what becomes of them. What is multiplied, added and masked
/// with is as wide as its register, so that it is used where it lies.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Layout {
    /// Fewest bytes of the message; 0 for a type that has no row.
    bytes: u8,
    /// Kind and flags, where they lie in an event's head.
    pub(super) head: u64,
    /// All ones where the message names its stock.
    pub(super) stock_mask: u64,
    /// Whether the third word is the message's last eight bytes, and not those before them.
    third_is_last: bool,
    /// Where the fourth word is loaded from.
    fourth_at: u8,
    /// Which bits of them are the field.
    third_mask: u64,
    fourth_mask: u64,
    third_scale: u64,
    fourth_scale: u64,
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
const PRICE: u64 = 100_000;

/// The rows, by message type.
pub(super) const LAYOUTS: &[Layout; 256] = &{
    let mut layouts = [OTHER; 256];
    layouts[wire::AddOrder::TYPE as usize] = Layout {
        bytes: bytes::<wire::AddOrder>(),
        head: head(EventKind::ADD_ORDER, Side::NONE, Flags::LAST),
        stock_mask: WHOLE,
        side_of_fourth: 0xff,
        third_is_last: is_last::<wire::AddOrder>(offset_of!(wire::AddOrder, price_e4) + 4),
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
        third_is_last: is_last::<wire::Replace>(offset_of!(wire::Replace, new_order_id) + 8),
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
        third_is_last: is_last::<wire::Executed>(offset_of!(wire::Executed, shares) + 4),
        third_plus: NO_PRICE.cast_unsigned(),
        fourth_at: ends_at(offset_of!(wire::Executed, match_id) + 8),
        fourth_mask: WHOLE,
        fifth_of_third: ALL,
        ..OTHER
    };
    layouts[wire::Cancel::TYPE as usize] = Layout {
        bytes: bytes::<wire::Cancel>(),
        head: head(EventKind::CANCEL, Side::NONE, Flags::LAST),
        third_is_last: is_last::<wire::Cancel>(offset_of!(wire::Cancel, shares) + 4),
        third_mask: HALF,
        ..OTHER
    };
    layouts
};

const OTHER: Layout = Layout {
    bytes: 0,
    head: 0,
    stock_mask: 0,
    third_is_last: false,
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
    /// Whether the type has a row.
    #[inline(always)]
    pub(super) fn is_row(&self) -> bool {
        // Asked so and not as "has no bytes", it tells the compiler that what all types begin with
        // needs no check of its own.
        usize::from(self.bytes) >= size_of::<wire::Delete>()
    }

    /// Loads what [`complete`](Self::complete) needs, or nothing where the message is too short.
    #[inline(always)]
    pub(super) fn load<'a>(&self, bytes: &'a [u8]) -> Option<Words<'a>> {
        let bytes = bytes.get(..usize::from(self.bytes))?;
        let (shortest, _) = wire::Delete::ref_from_prefix(bytes).ok()?;
        // What is counted from the end needs no check either.
        let last: &[[u8; 8]; 2] = transmute_ref!(bytes.last_chunk::<16>()?);
        let stock: &[u8; 8] = bytes.last_chunk::<STOCK_FROM_END>()?.first_chunk()?;
        let fourth_at = usize::from(self.fourth_at);
        let fourth = bytes.get(fourth_at..fourth_at + 8)?.try_into().ok()?;
        Some(Words {
            shortest,
            stock: u64::from_ne_bytes(*stock),
            third: u64::from_be_bytes(last[usize::from(self.third_is_last)]),
            fourth: u64::from_be_bytes(fourth),
        })
    }

    /// Adds to `event` what this type alone has.
    #[inline(always)]
    pub(super) fn complete(&self, words: &Words<'_>, event: OrderEvent) -> OrderEvent {
        let Words { third, fourth, .. } = words;
        let high = fourth >> 32;
        let fifth_of_third = third & u64::from(self.fifth_of_third);
        let fifth_of_fourth = high & u64::from(self.fifth_of_fourth);
        let side = high & u64::from(self.side_of_fourth);
        OrderEvent {
            head: event.head | self.head | side << SIDE_SHIFT,
            third: (third & self.third_mask) * self.third_scale + self.third_plus,
            fourth: (fourth & self.fourth_mask) * self.fourth_scale,
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

/// Returns whether a field that ends at `end` is in a message's last eight bytes. Otherwise it ends
/// where they begin.
const fn is_last<T>(end: usize) -> bool {
    assert!(end == size_of::<T>() || end + 8 == size_of::<T>());
    end == size_of::<T>()
}

/// Bytes from the stock's first to the message's end.
const STOCK_FROM_END: usize = size_of::<wire::AddOrder>() - offset_of!(wire::AddOrder, stock);

const _: () = {
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
