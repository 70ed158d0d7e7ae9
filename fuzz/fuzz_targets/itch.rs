//! Any bytes as one message: decoding does not panic, pushes no more than it promises, pushes
//! nothing of what it refuses, and refuses what `is_sound` refuses. What it pushes becomes the
//! message again, but for what an event does not keep.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringtape::feed::Message;
use ringtape::feed::itch::{self, Decoded, Decoder, Encoder, Unencodable};
use ringtape::market::MarketEvent;
use ringtape::record::{Batch, Content, Record};
use ringtape_fuzz::last_events;
use std::cell::RefCell;

const MIDNIGHT_NS: u64 = 1_577_682_000_000_000_000;

thread_local! {
    /// One pair for all inputs: making directories for each would be most of the time.
    static BOTH_WAYS: RefCell<(Decoder, Encoder)> = RefCell::new((
        Decoder::new(1, MIDNIGHT_NS),
        Encoder::new(1, MIDNIGHT_NS),
    ));
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
    let (decoded, encoded) = BOTH_WAYS.with_borrow_mut(|(decoder, encoder)| {
        let decoded = decoder.decode(message, &mut out);
        let encode = |record: &Record<MarketEvent>| match record.content() {
            Content::Event(event) => encoder.event(event).transpose(),
            _ => None,
        };
        let encoded: Vec<_> = out.records().iter().filter_map(encode).collect();
        (decoded, encoded)
    });
    assert_eq!(decoded.is_ok(), itch::is_sound(bytes));
    match decoded {
        Ok(Decoded::Events) => {
            assert_eq!(last_events(&out), 1);
            match &encoded[..] {
                [Ok(message)] => assert_eq!(**message, *as_it_comes_back(bytes)),
                // The one name that `feed::itch` takes for none.
                [Err(Unencodable::Unnamed { .. })] => {
                    assert!(bytes.windows(8).any(|name| name == [0xff; 8]));
                }
                other => panic!("{other:?}"),
            }
        }
        Ok(Decoded::Unknown) => assert_eq!(out.records().len(), 1),
        Ok(Decoded::Empty) | Err(_) => assert!(out.records().is_empty()),
        Ok(Decoded::Unnumbered) => panic!("every message of ITCH has a number"),
    }
});

/// The message without what an event does not keep, as `feed::itch` lists it.
fn as_it_comes_back(bytes: &[u8]) -> Vec<u8> {
    let bytes_min = itch::bytes_min(bytes[0]).expect("a known type");
    let mut message = bytes[..bytes_min].to_vec();
    message[3..5].fill(0);
    match message[0] {
        b'C' if message[31] != b'N' => message[31] = b'Y',
        b'F' if message[36..] == [0; 4] => message[36..].fill(b' '),
        _ => {}
    }
    message
}
