//! Any bytes at all, and order flow beside a naive reading.

use crate::wire::{LOW, MIDNIGHT_NS, STOCK, decode, head, knowing};
use proptest::prelude::*;
use ringtape::feed::itch;
use ringtape::market::{
    AddOrder, Cancel, Delete, EventKind, Execute, Head, MarketEvent, NO_PRICE, Replace, Side,
};

proptest! {
    #[test]
    fn no_bytes_panic_and_sound_ones_are_those_that_decode(
        message_type in prop_oneof![prop::sample::select(b"SRHYLVWKJhAFECXDUPQBINO".to_vec()), any::<u8>()],
        tail in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let bytes: Vec<u8> = std::iter::once(message_type).chain(tail).collect();
        let mut decoder = knowing();
        for length in 0..=bytes.len() {
            // The helper holds `is_sound` to what `decode` answers.
            let known = itch::bytes_min(message_type).is_none_or(|bytes_min| length >= bytes_min);
            let decoded = decode(&mut decoder, &bytes[..length]);
            prop_assert!(length == 0 || known || decoded.is_err());
        }
    }

    /// The naive reading beside the table that the decoder reads the order flow with.
    #[test]
    fn order_flow_of_any_content_says_what_the_specification_places_there(
        message_type in prop::sample::select(b"ADUEX".to_vec()),
        tail in prop::collection::vec(any::<u8>(), 43),
    ) {
        let bytes: Vec<u8> = std::iter::once(message_type).chain(tail).collect();
        let decoded = decode(&mut knowing(), &bytes).expect("long enough");
        prop_assert_eq!(decoded.last(), Some(&naive_order(&bytes)));
        let introduced = message_type == b'A' && bytes[24..32] != STOCK.0;
        prop_assert_eq!(decoded.len(), 1 + usize::from(introduced));
    }
}

/// Reads a message of the order flow field by field, at the specification's offsets.
fn naive_order(bytes: &[u8]) -> MarketEvent {
    let u32_at = |at| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("as long as asked"));
    let u64_at = |at| u64::from_be_bytes(bytes[at..at + 8].try_into().expect("as long as asked"));
    let price_e9 = |at| i64::from(u32_at(at)) * 100_000;
    let head = Head {
        ts_event_ns: MIDNIGHT_NS + (u64_at(3) & 0xffff_ffff_ffff),
        instrument: u32_at(0) >> 8 & 0xffff,
        side: Side(if bytes[0] == b'A' { bytes[19] } else { 0 }),
        ..head(EventKind::DELETE)
    };
    let (order_id, message) = (u64_at(11), LOW);
    match bytes[0] {
        b'A' => AddOrder {
            head,
            order_id,
            price_e9: price_e9(32),
            quantity: u64::from(u32_at(20)),
            attribution: [0; 4],
            message,
        }
        .into(),
        b'D' => Delete {
            head,
            order_id,
            reserved: [0; 20],
            message,
        }
        .into(),
        b'U' => Replace {
            head,
            order_id,
            new_order_id: u64_at(19),
            price_e9: price_e9(31),
            quantity: u32_at(27),
            message,
        }
        .into(),
        b'E' => Execute {
            head,
            order_id,
            price_e9: NO_PRICE,
            match_id: u64_at(23),
            quantity: u32_at(19),
            message,
        }
        .into(),
        _ => Cancel {
            head,
            order_id,
            quantity: u64::from(u32_at(19)),
            reserved: [0; 12],
            message,
        }
        .into(),
    }
}
