//! Owns the layouts of CME's SBE blocks as they lie on the wire, and how groups of them are walked.
//!
//! Each struct is the fields that are known of a block, without the padding behind them: a block
//! that is shorter is malformed, one that is longer is read as far as it is known. Which block is
//! how long is said by the wire, never assumed.

use crate::feed::MalformedMessage;
use crate::market::{NO_PRICE, NO_QUANTITY};
use zerocopy::byteorder::little_endian::{I16, I32, I64, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// A mantissa or a quantity that the schema allows to be absent, and is.
const NULL_PRICE: i64 = i64::MAX;
const NULL_QUANTITY: i32 = i32::MAX;
/// An unsigned number that the schema allows to be absent, and is.
pub(super) const NULL_U32: u32 = u32::MAX;
pub(super) const NULL_U64: u64 = u64::MAX;
pub(super) const NULL_U8: u8 = u8::MAX;
/// A security that is absent: the message is about a group of them.
pub(super) const NULL_SECURITY: u32 = 0x7fff_ffff;

/// Declares blocks, and of each how many bytes are known.
macro_rules! blocks {
    ($( $(#[$meta:meta])* $block:ident = $bytes:literal { $( $field:ident: $type:ty, )* } )*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy, FromBytes, Immutable, KnownLayout, Unaligned)]
            #[repr(C)]
            pub(super) struct $block { $( pub(super) $field: $type, )* }

            const _: () = assert!(size_of::<$block>() == $bytes);
        )*
    };
}

blocks! {
    /// Root of the channel reset and of all incremental refreshes.
    Incremental = 9 { transact_ns: U64, match_event: u8, }
    /// Entry of 4.
    Reset = 2 { channel: I16, }
    /// Root of 30.
    Status = 30 {
        transact_ns: U64, group: [u8; 6], asset: [u8; 6], security: U32, trade_date: U16,
        match_event: u8, status: u8, halt_reason: u8, event: u8,
    }
    /// Entry of 32 and 46.
    Book = 27 {
        price: I64, size: I32, security: U32, report: U32, orders: I32, level: u8, action: u8,
        entry_type: u8,
    }
    /// Tail of an entry of 46 since version 10.
    BookTail = 31 { known: [u8; 27], tradeable: I32, }
    /// Second group of 32 and 46.
    LevelOrder = 22 {
        order_id: U64, priority: U64, quantity: I32, reference: u8, action: u8,
    }
    /// Entry of 33 and 49.
    Daily = 25 {
        price: I64, size: I32, security: U32, report: U32, reference_date: U16, settlement: u8,
        action: u8, entry_type: u8,
    }
    /// Entry of 34 and 50.
    Limits = 32 { high: I64, low: I64, variation: I64, security: U32, report: U32, }
    /// Entry of 35 and 51.
    SessionStatistic = 19 {
        price: I64, security: U32, report: U32, open_close: u8, action: u8, entry_type: u8,
    }
    /// Tail of an entry of 35 since version 8 and of 51.
    SessionStatisticTail = 23 { known: [u8; 19], size: I32, }
    /// Entry of 37.
    Volume = 13 { size: I32, security: U32, report: U32, action: u8, }
    /// Root of 38 and 52.
    Snapshot = 59 {
        last_sequence: U32, reports: U32, security: U32, report: U32, transact_ns: U64,
        updated_ns: U64, trade_date: U16, status: u8, high: I64, low: I64, variation: I64,
    }
    /// Entry of 38 and 52.
    SnapshotEntry = 22 {
        price: I64, size: I32, orders: I32, level: u8, reference_date: U16, open_close: u8,
        settlement: u8, entry_type: u8,
    }
    /// Entry of 42 and 48.
    Trade = 26 {
        price: I64, size: I32, security: U32, report: U32, orders: I32, aggressor: u8, action: u8,
    }
    /// Tail of an entry of 42 since version 7 and of 48.
    TradeTail = 30 { known: [u8; 26], trade_id: U32, }
    /// Second group of 42 and 48.
    TradeOrder = 12 { order_id: U64, quantity: I32, }
    /// Entry of 43 and 47.
    Order = 34 {
        order_id: U64, priority: U64, price: I64, quantity: I32, security: U32, action: u8,
        entry_type: u8,
    }
}

/// Reads the known fields of a block.
pub(super) fn read<T>(block: &[u8]) -> Result<&T, MalformedMessage>
where
    T: FromBytes + Immutable + KnownLayout + Unaligned,
{
    T::ref_from_prefix(block)
        .map(|(known, _)| known)
        .map_err(|_| MalformedMessage)
}

/// Reads fields that only some versions of a block have, where `has` says that this one does. The
/// length alone does not tell: older versions have padding in their place.
pub(super) fn read_tail<T>(block: &[u8], has: bool) -> Option<&T>
where
    T: FromBytes + Immutable + KnownLayout + Unaligned,
{
    has.then(|| T::ref_from_prefix(block).ok())
        .flatten()
        .map(|(tail, _)| tail)
}

/// Splits `bytes` bytes off the front.
pub(super) fn split<'a>(rest: &mut &'a [u8], bytes: usize) -> Result<&'a [u8], MalformedMessage> {
    let (front, behind) = rest.split_at_checked(bytes).ok_or(MalformedMessage)?;
    *rest = behind;
    Ok(front)
}

/// A repeating group: entries that are as far apart as the wire says.
#[derive(Clone, Copy)]
pub(super) struct Group<'a> {
    block_bytes: usize,
    entries: &'a [u8],
}

/// The usual header of a group: u16 of block length, u8 of count.
const DIMENSIONS: usize = 3;
/// The aligned header: the count is the last of eight bytes.
const DIMENSIONS_ALIGNED: usize = 8;

impl<'a> Group<'a> {
    const EMPTY: Self = Self {
        block_bytes: 1,
        entries: &[],
    };

    /// Splits a group of `T` off the front of `rest`.
    pub(super) fn split<T>(rest: &mut &'a [u8]) -> Result<Self, MalformedMessage> {
        Self::split_with::<T>(rest, DIMENSIONS)
    }

    /// The same with the aligned header. Older versions end before the group.
    pub(super) fn split_aligned<T>(rest: &mut &'a [u8]) -> Result<Self, MalformedMessage> {
        if rest.is_empty() {
            return Ok(Self::EMPTY);
        }
        Self::split_with::<T>(rest, DIMENSIONS_ALIGNED)
    }

    fn split_with<T>(rest: &mut &'a [u8], header: usize) -> Result<Self, MalformedMessage> {
        let header = split(rest, header)?;
        let block_bytes = usize::from(u16::from_le_bytes([header[0], header[1]]));
        let count = usize::from(header[header.len() - 1]);
        if count == 0 {
            return Ok(Self::EMPTY);
        }
        if block_bytes < size_of::<T>() {
            return Err(MalformedMessage);
        }
        let entries = split(rest, block_bytes * count)?;
        Ok(Self {
            block_bytes,
            entries,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len() / self.block_bytes
    }

    pub(super) fn entries(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        self.entries.chunks_exact(self.block_bytes)
    }

    /// Returns the entry that is counted `number`, from 1.
    pub(super) fn entry(&self, number: usize) -> Option<&'a [u8]> {
        let at = number.checked_sub(1)?.checked_mul(self.block_bytes)?;
        self.entries.get(at..at + self.block_bytes)
    }
}

/// What a mantissa of 1 is × 10⁹: 100 or 1.
#[derive(Clone, Copy)]
pub(super) struct Scale(i64);

impl Scale {
    /// Exponent −7 up to template 44, −9 from 46 on.
    pub(super) const fn of(template: u16) -> Self {
        Self(if template < 46 { 100 } else { 1 })
    }

    /// Reads a price that is always there.
    pub(super) fn price_e9(self, mantissa: I64) -> Result<i64, MalformedMessage> {
        match mantissa.get().checked_mul(self.0) {
            Some(NO_PRICE) | None => Err(MalformedMessage),
            Some(price_e9) => Ok(price_e9),
        }
    }

    /// Reads a price that may be absent.
    pub(super) fn maybe_price_e9(self, mantissa: I64) -> Result<i64, MalformedMessage> {
        if mantissa.get() == NULL_PRICE {
            return Ok(NO_PRICE);
        }
        self.price_e9(mantissa)
    }
}

/// Reads a quantity that is always there.
pub(super) fn quantity(size: I32) -> Result<u32, MalformedMessage> {
    u32::try_from(size.get()).map_err(|_| MalformedMessage)
}

/// Reads a quantity that may be absent.
pub(super) fn maybe_quantity(size: I32) -> Result<u32, MalformedMessage> {
    if size.get() == NULL_QUANTITY {
        return Ok(NO_QUANTITY);
    }
    quantity(size)
}
