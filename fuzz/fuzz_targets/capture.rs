//! Any bytes as a capture file: read to the end as packets, without a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringtape_cli::packets::{DEFAULT_SESSION, Packets};
use ringtape_cli::source::Source;
use std::io::Cursor;

fuzz_target!(|bytes: &[u8]| {
    let Ok(source) = Source::from_reader("fuzz", Cursor::new(bytes.to_vec())) else {
        return;
    };
    let mut packets = Packets::new(source, DEFAULT_SESSION);
    let mut numbers = 0;
    while let Some(packet) = packets.read() {
        numbers += packet.count;
    }
    let tally = packets.tally();
    let brought: u64 = tally.sessions.iter().map(|session| session.numbers).sum();
    assert!(
        brought <= numbers,
        "every new number is in a packet that is played"
    );
    for line in &tally.lines {
        assert!(line.identical + line.different <= line.datagrams);
    }
    assert!(
        packets.end().truncated_tail_bytes <= bytes.len() as u64
            || packets.source().compression().is_some()
    );
});
