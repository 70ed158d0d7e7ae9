//! Names that the directory does not know, and what does not fit.

use crate::types::every_type;
use crate::wire::{LOCATE, MIDNIGHT_NS, NUMBER, STOCK, Wire, decode, knowing, message};
use ringtape::feed::itch::{Decoded, Decoder};
use ringtape::feed::{MalformedMessage, itch};
use ringtape::market::{Flags, Symbol};
use ringtape::record::{Batch, Content};

#[test]
fn a_stock_that_the_directory_does_not_know_is_introduced_first_and_once() {
    for (wire, events) in every_type() {
        let letter = char::from(wire.0[0]);
        let mut decoder = Decoder::new(9, MIDNIGHT_NS);
        let first = decode(&mut decoder, &wire.0).expect("sound");
        let names_its_stock = !b"SRVWECXDUB".contains(&wire.0[0]);
        assert_eq!(
            first.len(),
            events.len() + usize::from(names_its_stock),
            "{letter}"
        );
        if names_its_stock {
            let ringtape::market::View::Instrument(instrument) = first[0].view() else {
                panic!("{letter}: an instrument, not {:?}", first[0])
            };
            assert_eq!(
                (instrument.symbol, instrument.head.flags),
                (STOCK, Flags::DERIVED)
            );
            assert_eq!(instrument.head.instrument, u32::from(LOCATE));
            assert_eq!(decoder.symbol(LOCATE), Some(STOCK));
        }
        assert_eq!(
            decode(&mut decoder, &wire.0),
            Ok(events),
            "{letter}: known by now"
        );
    }
}

#[test]
fn a_locate_that_gets_another_name_is_introduced_again() {
    let mut decoder = knowing();
    assert_eq!(decoder.instruments(), 1);
    let renamed = Wire::new(b'Y').and(b"OTHER   ").and(b"0").0;
    assert_eq!(decode(&mut decoder, &renamed).expect("sound").len(), 2);
    assert_eq!(decode(&mut decoder, &renamed).expect("sound").len(), 1);
    assert_eq!(
        (decoder.instruments(), decoder.symbol(LOCATE)),
        (1, Symbol::new("OTHER"))
    );
}

#[test]
fn a_blank_name_is_introduced_like_any_other() {
    let mut decoder = Decoder::new(9, MIDNIGHT_NS);
    assert_eq!(decoder.symbol(LOCATE), None);
    let blank = Wire::new(b'Y').and(b"        ").and(b"0").0;
    assert_eq!(decode(&mut decoder, &blank).expect("sound").len(), 2);
    assert_eq!(decode(&mut decoder, &blank).expect("sound").len(), 1);
    assert_eq!(decoder.symbol(LOCATE), Some(Symbol([b' '; 8])));
}

#[test]
fn a_circuit_breaker_level_that_does_not_fit_is_malformed() {
    for level in [i64::MAX as u64 / 10 + 1, i64::MAX as u64 + 1, u64::MAX] {
        for place in 0..3 {
            let mut levels = [1; 3];
            levels[place] = level;
            let wire = levels
                .iter()
                .fold(Wire::new(b'V'), |wire, level| wire.u64(*level));
            assert_eq!(decode(&mut knowing(), &wire.0), Err(MalformedMessage));
        }
    }
}

#[test]
fn an_unknown_type_is_a_dead_letter_and_an_empty_message_is_nothing() {
    let mut decoder = knowing();
    let mut out = Batch::with_capacity(itch::RECORDS_MAX);
    assert_eq!(decoder.decode(message(&[]), &mut out), Ok(Decoded::Empty));
    assert!(out.records().is_empty());
    assert_eq!(
        decoder.decode(message(b"?abc"), &mut out),
        Ok(Decoded::Unknown)
    );
    let Content::DeadLetter(letter) = out.records()[0].content() else {
        panic!("a letter")
    };
    assert_eq!(
        (letter.feed_sequence, letter.message_bytes, letter.feed),
        (NUMBER, 4, 9)
    );
    assert_eq!(letter.head[..5], *b"?abc\0");
}
