//! Owns the layouts of ITCH 5.0 messages as they lie in a datagram: big-endian, without padding.

#![allow(
    missing_debug_implementations,
    reason = "zerocopy's derives make hidden types, which the lint reports where a macro calls them"
)]

use crate::market::Symbol;
use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// What every message begins with.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Header {
    pub(super) message_type: u8,
    pub(super) locate: U16,
    pub(super) tracking: U16,
    /// 48 bits of nanoseconds since midnight in New York.
    pub(super) since_midnight_ns: [u8; 6],
}

const _: () = assert!(size_of::<Header>() == 11);

/// Declares each message once: its struct, its type, its length and its row of [`BYTES_MIN`].
macro_rules! messages {
    ($( $message:ident = $message_type:literal, $bytes:literal { $( $field:ident: $type:ty, )* } )*) => {
        $(
            #[derive(Clone, Copy, Debug)]
            #[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
            #[repr(C)]
            pub(super) struct $message {
                pub(super) header: Header,
                $( pub(super) $field: $type, )*
            }

            impl $message {
                pub(super) const TYPE: u8 = $message_type;
            }

            const _: () = assert!(size_of::<$message>() == $bytes);
        )*

        /// The fewest bytes of a message by its type, 0 for an unknown type.
        pub(super) const BYTES_MIN: [u8; 256] = {
            let mut bytes_min = [0; 256];
            $( bytes_min[$message_type as usize] = $bytes; )*
            bytes_min
        };
    };
}

messages! {
    System = b'S', 12 { code: u8, }
    Directory = b'R', 39 {
        stock: Symbol,
        market_category: u8,
        financial_status: u8,
        round_lot: U32,
        round_lots_only: u8,
        issue_class: u8,
        issue_subtype: [u8; 2],
        authenticity: u8,
        short_sale_threshold: u8,
        ipo: u8,
        price_band_tier: u8,
        etp: u8,
        etp_leverage: U32,
        inverse: u8,
    }
    TradingAction = b'H', 25 { stock: Symbol, state: u8, reserved: u8, reason: [u8; 4], }
    ShortSale = b'Y', 20 { stock: Symbol, action: u8, }
    Participant = b'L', 26 {
        participant: [u8; 4],
        stock: Symbol,
        primary: u8,
        mode: u8,
        state: u8,
    }
    CircuitBreakerLevels = b'V', 35 { level1_e8: U64, level2_e8: U64, level3_e8: U64, }
    CircuitBreaker = b'W', 12 { level: u8, }
    IpoQuote = b'K', 28 { stock: Symbol, release_s: U32, qualifier: u8, price_e4: U32, }
    Collar = b'J', 35 {
        stock: Symbol,
        reference_e4: U32,
        upper_e4: U32,
        lower_e4: U32,
        extensions: U32,
    }
    OperationalHalt = b'h', 21 { stock: Symbol, market: u8, action: u8, }
    AddOrder = b'A', 36 { order_id: U64, side: u8, shares: U32, stock: Symbol, price_e4: U32, }
    AddOrderAttributed = b'F', 40 {
        order_id: U64,
        side: u8,
        shares: U32,
        stock: Symbol,
        price_e4: U32,
        attribution: [u8; 4],
    }
    Executed = b'E', 31 { order_id: U64, shares: U32, match_id: U64, }
    ExecutedWithPrice = b'C', 36 {
        order_id: U64,
        shares: U32,
        match_id: U64,
        printable: u8,
        price_e4: U32,
    }
    Cancel = b'X', 23 { order_id: U64, shares: U32, }
    Delete = b'D', 19 { order_id: U64, }
    Replace = b'U', 35 { order_id: U64, new_order_id: U64, shares: U32, price_e4: U32, }
    Trade = b'P', 44 {
        order_id: U64,
        side: u8,
        shares: U32,
        stock: Symbol,
        price_e4: U32,
        match_id: U64,
    }
    CrossTrade = b'Q', 40 {
        shares: U64,
        stock: Symbol,
        price_e4: U32,
        match_id: U64,
        cross_type: u8,
    }
    TradeBreak = b'B', 19 { match_id: U64, }
    Imbalance = b'I', 50 {
        paired: U64,
        imbalance: U64,
        direction: u8,
        stock: Symbol,
        far_e4: U32,
        near_e4: U32,
        reference_e4: U32,
        cross_type: u8,
        price_variation: u8,
    }
    RetailInterest = b'N', 20 { stock: Symbol, interest: u8, }
    DirectListing = b'O', 48 {
        stock: Symbol,
        open_eligible: u8,
        min_e4: U32,
        max_e4: U32,
        near_e4: U32,
        near_time: U64,
        lower_e4: U32,
        upper_e4: U32,
    }
}
