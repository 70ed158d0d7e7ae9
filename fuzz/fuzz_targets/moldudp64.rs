//! Any datagram, cut anywhere: parsing does not panic, and what it accepts adds up.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringtape::feed::moldudp64::{HEADER_BYTES, LENGTH_BYTES, Packet};

fuzz_target!(|input: &[u8]| {
    let Some((cut, wire)) = input.split_first_chunk::<2>() else {
        return;
    };
    let kept = wire.len().saturating_sub(u16::from_le_bytes(*cut).into());
    let Ok(packet) = Packet::parse(&wire[..kept], wire.len()) else {
        return;
    };
    let messages: Vec<_> = packet.messages().collect();
    assert!(messages.len() <= packet.count().into());
    let bytes = messages
        .iter()
        .map(|message| LENGTH_BYTES + message.len())
        .sum::<usize>();
    assert!(HEADER_BYTES + bytes <= kept);
    if kept == wire.len() {
        assert_eq!(messages.len(), packet.count().into());
        assert_eq!(HEADER_BYTES + bytes, kept);
    }
});
