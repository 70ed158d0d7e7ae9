//! Any bytes as one message: decoding does not panic, pushes no more than it promises, pushes
//! nothing of what it refuses, and refuses what `is_sound` refuses.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringtape::feed::Message;
use ringtape::feed::itch::{self, Decoded, Decoder};
use ringtape::market::{Flags, MarketEvent};
use ringtape::record::{Batch, Content};
use std::cell::RefCell;

thread_local! {
    /// One for all inputs: making a directory for each would be most of the time.
    static DECODER: RefCell<Decoder> = RefCell::new(Decoder::new(1, 1_577_682_000_000_000_000));
}

fuzz_target!(|bytes: &[u8]| {
    let mut out = Batch::<MarketEvent>::with_capacity(itch::RECORDS_MAX);
    let message_bytes = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    let message = Message {
        number: 1,
        bytes,
        message_bytes,
        ts_recv_ns: 0,
    };
    let decoded = DECODER.with_borrow_mut(|decoder| decoder.decode(message, &mut out));
    assert_eq!(decoded.is_ok(), itch::is_sound(bytes));
    let last_ones = out
        .records()
        .iter()
        .filter(|record| {
            matches!(record.content(), Content::Event(event) if event.head.flags.contains(Flags::LAST))
        })
        .count();
    match decoded {
        Ok(Decoded::Events) => assert_eq!(last_ones, 1),
        Ok(Decoded::Unknown) => assert_eq!(out.records().len(), 1),
        Ok(Decoded::Empty) | Err(_) => assert!(out.records().is_empty()),
    }
});
