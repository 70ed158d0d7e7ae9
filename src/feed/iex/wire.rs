//! Owns the layouts of TOPS 1.6 and DEEP 1.0 messages as they lie in a datagram: little-endian,
//! without padding.

#![allow(
    missing_debug_implementations,
    reason = "zerocopy's derives make hidden types, which the lint reports where a macro calls them"
)]

use crate::feed::MalformedMessage;
use crate::market::Symbol;
use zerocopy::byteorder::little_endian::{I64, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// What every message begins with.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Header {
    pub(super) message_type: u8,
    /// Bits or a letter, as the type says.
    pub(super) flags: u8,
    /// UNIX nanoseconds, signed.
    time_ns: I64,
}

const _: () = assert!(size_of::<Header>() == 10);

impl Header {
    /// Returns the time, which no venue's clock sets before 1970.
    #[inline(always)]
    pub(super) fn time_ns(&self) -> Result<u64, MalformedMessage> {
        u64::try_from(self.time_ns.get()).map_err(|_| MalformedMessage)
    }
}

/// A price × 10⁴.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(transparent)]
pub(super) struct PriceE4(I64);

impl PriceE4 {
    /// Returns the price × 10⁹, which of 64 bits need not fit in 64 bits.
    #[inline(always)]
    pub(super) fn e9(self) -> Result<i64, MalformedMessage> {
        self.0.get().checked_mul(100_000).ok_or(MalformedMessage)
    }
}

/// Reads a message's struct. The only check of its length: the struct must fit, and what is behind
/// it is not ours.
#[inline(always)]
pub(super) fn read<T>(bytes: &[u8]) -> Result<&T, MalformedMessage>
where
    T: FromBytes + Immutable + KnownLayout + Unaligned,
{
    T::ref_from_prefix(bytes)
        .map(|(message, _)| message)
        .map_err(|_| MalformedMessage)
}

/// Declares each message once: its struct, its types, its length, its prices and its rows of
/// [`BYTES_MIN`] and [`check`].
macro_rules! messages {
    ($(
        $message:ident = $($message_type:literal)|+, $bytes:literal, [$($price:ident),*]
            { $( $field:ident: $type:ty, )* }
    )*) => {
        $(
            #[derive(Clone, Copy, Debug)]
            #[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
            #[repr(C)]
            pub(super) struct $message {
                pub(super) header: Header,
                $( pub(super) $field: $type, )*
            }

            const _: () = assert!(size_of::<$message>() == $bytes);
        )*

        /// The fewest bytes of a message by its type, 0 for an unknown type.
        pub(super) const BYTES_MIN: [u8; 256] = {
            let mut bytes_min = [0; 256];
            $( $( bytes_min[$message_type as usize] = $bytes; )+ )*
            bytes_min
        };

        /// Checks that a message of `message_type` is long enough and that its values fit.
        pub(super) fn check(message_type: u8, bytes: &[u8]) -> Result<(), MalformedMessage> {
            match message_type {
                $(
                    $($message_type)|+ => {
                        let message: &$message = read(bytes)?;
                        message.header.time_ns()?;
                        $( message.$price.e9()?; )*
                        Ok(())
                    }
                )*
                _ => Ok(()),
            }
        }
    };
}

messages! {
    System = b'S', 10, [] {}
    Directory = b'D', 31, [previous_close] {
        symbol: Symbol,
        round_lot: U32,
        previous_close: PriceE4,
        price_band_tier: u8,
    }
    TradingStatus = b'H', 22, [] { symbol: Symbol, reason: [u8; 4], }
    OperationalHalt = b'O', 18, [] { symbol: Symbol, }
    ShortSale = b'P', 19, [] { symbol: Symbol, detail: u8, }
    RetailInterest = b'I', 18, [] { symbol: Symbol, }
    SecurityEvent = b'E', 18, [] { symbol: Symbol, }
    Quote = b'Q', 42, [bid, ask] {
        symbol: Symbol,
        bid_size: U32,
        bid: PriceE4,
        ask: PriceE4,
        ask_size: U32,
    }
    Level = b'8' | b'5', 30, [price] { symbol: Symbol, size: U32, price: PriceE4, }
    Trade = b'T' | b'B', 38, [price] { symbol: Symbol, size: U32, price: PriceE4, trade_id: U64, }
    OfficialPrice = b'X', 26, [price] { symbol: Symbol, price: PriceE4, }
    Auction = b'A', 80, [reference, indicative, book_clearing, collar_reference, lower, upper] {
        symbol: Symbol,
        paired: U32,
        reference: PriceE4,
        indicative: PriceE4,
        imbalance: U32,
        side: u8,
        extensions: u8,
        scheduled_s: U32,
        book_clearing: PriceE4,
        collar_reference: PriceE4,
        lower: PriceE4,
        upper: PriceE4,
    }
}
