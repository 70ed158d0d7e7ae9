//! Claims about the way back: what was decoded becomes the venue's message again, byte for byte but
//! for what an event does not keep, and the events count the messages by type.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod captures;

use captures::{binaryfile, market_data, pcap_udp_payloads};
use proptest::prelude::*;
use ringtape::feed::itch::{self, Decoded, Decoder, Encoder, Unencodable, message_type};
use ringtape::feed::{Message, moldudp64::Packet};
use ringtape::market::{
    AddOrder, Cancel, CircuitBreakerLevels, EventKind, Flags, Head, Instrument, IpoQuote,
    MarketEvent, Side, Symbol, View,
};
use ringtape::record::{Batch, Content, DeadLetter, Record};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use zerocopy::FromZeros;

const FEED: u8 = 9;
const MIDNIGHT_NS: u64 = 1_577_682_000_000_000_000;
/// The types that have a layout.
const TYPES: &[u8; 23] = b"SRHYLVWKJhAFECXDUPQBINO";
/// Bytes that a dead letter keeps.
const KEPT: usize = 36;

/// Decodes messages, which are numbered from 1, to all the records that they become.
fn decode(messages: &[impl AsRef<[u8]>], midnight_ns: u64) -> Vec<Record<MarketEvent>> {
    let mut decoder = Decoder::new(FEED, midnight_ns);
    let mut out = Batch::with_capacity(messages.len() * itch::RECORDS_MAX);
    for (number, bytes) in (1..).zip(messages) {
        let bytes = bytes.as_ref();
        let message = Message {
            number,
            bytes,
            message_bytes: u16::try_from(bytes.len()).unwrap(),
            ts_recv_ns: 7,
        };
        let decoded = decoder.decode(message, &mut out).expect("a sound message");
        assert_ne!(decoded, Decoded::Empty);
    }
    out.records().to_vec()
}

/// Encodes records to all the messages that they came from, and counts those by type from the
/// events alone.
fn encode(
    records: &[Record<MarketEvent>],
    midnight_ns: u64,
) -> (Vec<Vec<u8>>, BTreeMap<char, u64>) {
    let mut encoder = Encoder::new(FEED, midnight_ns);
    let (mut messages, mut by_type) = (vec![], BTreeMap::new());
    for record in records {
        let (counted, message) = match record.content() {
            Content::Event(event) => (message_type(event), encoder.event(event)),
            Content::DeadLetter(letter) => {
                (Some(letter.head[0]), encoder.dead_letter(letter).map(Some))
            }
            other => panic!("{other:?}"),
        };
        let message = message.unwrap_or_else(|why| panic!("{why}: {record:?}"));
        assert_eq!(counted, message.map(|message| message[0]), "{record:?}");
        if let Some(letter) = counted {
            *by_type.entry(char::from(letter)).or_default() += 1;
        }
        messages.extend(message.map(|message| message.to_vec()));
    }
    assert_eq!(encoder.cut_groups(), 0);
    (messages, by_type)
}

/// Decodes, encodes and decodes again. Returns the messages by type.
fn check(messages: &[impl AsRef<[u8]>], midnight_ns: u64) -> BTreeMap<char, u64> {
    let records = decode(messages, midnight_ns);
    let (again, by_type) = encode(&records, midnight_ns);
    assert_eq!(again.len(), messages.len());
    let mut by_first_byte = BTreeMap::new();
    for (again, message) in again.iter().zip(messages) {
        let message = message.as_ref();
        *by_first_byte.entry(char::from(message[0])).or_default() += 1;
        assert_eq!(
            *again,
            without_tracking(message),
            "{}",
            message.escape_ascii()
        );
    }
    assert_eq!(by_type, by_first_byte);
    let stored = |records: &[Record<MarketEvent>]| -> Vec<[u8; 64]> {
        records.iter().map(|record| *record.as_stored()).collect()
    };
    assert_eq!(stored(&decode(&again, midnight_ns)), stored(&records));
    by_type
}

/// The message as it comes back: a known one has a tracking number of 0.
fn without_tracking(message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    if itch::bytes_min(message[0]).is_some() {
        message[3..5].fill(0);
    }
    message
}

#[test]
fn the_binary_files_come_back_byte_for_byte() {
    for (name, count) in [
        ("nasdaq-itch50/2019-12-30.0400.4000msgs.itch50", 4_000),
        ("nasdaq-itch50/2020-01-30.head-1mib.itch50", 35_536),
    ] {
        let Some(path) = market_data(name) else {
            return;
        };
        let file = fs::read(path).unwrap();
        let (messages, _) = binaryfile(&file);
        for midnight_ns in [0, MIDNIGHT_NS] {
            assert_eq!(check(&messages, midnight_ns).values().sum::<u64>(), count);
        }
    }
}

#[test]
fn the_capture_of_the_open_comes_back_byte_for_byte() {
    let Some(path) = market_data("nasdaq-moldudp64/2023-08-22.open.100packets.pcap") else {
        return;
    };
    let messages = captured(&fs::read(path).unwrap());
    assert_eq!(messages.len(), 269);
    check(&messages, 0);
}

#[test]
fn each_capture_of_one_type_comes_back_byte_for_byte() {
    let Some(folder) = market_data("nasdaq-itch50-types") else {
        return;
    };
    let (mut files, mut seen) = (0, BTreeSet::new());
    for entry in fs::read_dir(folder).unwrap() {
        let file = fs::read(entry.unwrap().path()).unwrap();
        seen.extend(check(&captured(&file), MIDNIGHT_NS).into_keys());
        files += 1;
    }
    assert_eq!((files, seen.len()), (49, 16), "{seen:?}");
}

/// The messages of all packets of a capture.
fn captured(file: &[u8]) -> Vec<Vec<u8>> {
    let packet = |payload| Packet::parse(payload, payload.len()).expect("well-formed");
    pcap_udp_payloads(file)
        .into_iter()
        .flat_map(|payload| packet(payload).messages().map(<[u8]>::to_vec))
        .collect()
}

/// Where a message of a type names its stock, as the specification has it.
fn stock_at(message_type: u8) -> Option<usize> {
    match message_type {
        b'R' | b'H' | b'Y' | b'K' | b'J' | b'h' | b'N' | b'O' => Some(11),
        b'L' => Some(15),
        b'Q' => Some(19),
        b'A' | b'F' | b'P' => Some(24),
        b'I' => Some(28),
        _ => None,
    }
}

/// Any message of any type, or a short one of an unknown type. Stocks and their numbers are few,
/// so that a number meets its own name, another's and a blank one.
fn any_message() -> impl Strategy<Value = Vec<u8>> {
    let stocks = vec![*b"AAPL    ", *b"ZVZZT   ", *b"        ", [0; 8]];
    let message_type = prop_oneof![9 => prop::sample::select(TYPES.to_vec()), 1 => any::<u8>()];
    let body = prop::collection::vec(any::<u8>(), KEPT..64);
    let stock = prop_oneof![4 => prop::sample::select(stocks), 1 => any::<[u8; 8]>()];
    let locate = prop_oneof![4 => 0..3u16, 1 => any::<u16>()];
    (message_type, body, stock, locate, any::<bool>()).prop_map(
        |(message_type, mut message, stock, locate, either)| {
            message[0] = message_type;
            let bytes_min = itch::bytes_min(message_type);
            message.truncate(bytes_min.unwrap_or(1 + usize::from(locate) % KEPT));
            if bytes_min.is_none() {
                return message;
            }
            message.resize(bytes_min.unwrap(), b'x');
            message[1..3].copy_from_slice(&locate.to_be_bytes());
            if let Some(at) = stock_at(message_type) {
                message[at..at + 8].copy_from_slice(&stock);
            }
            match message_type {
                b'C' => message[31] = if either { b'Y' } else { b'N' },
                // The levels fit × 10⁹, and an `F` has an attribution.
                b'V' => [11, 19, 27].iter().for_each(|level| message[*level] = 0),
                b'F' => message[39] |= 1,
                b'K' if either => message[19..23].fill(0),
                _ => {}
            }
            message
        },
    )
}

proptest! {
    #[test]
    fn messages_of_any_values_come_back_byte_for_byte(
        messages in prop::collection::vec(any_message(), 1..64),
        of_the_day in any::<bool>(),
    ) {
        check(&messages, if of_the_day { MIDNIGHT_NS } else { 0 });
    }

    #[test]
    fn any_event_is_refused_or_becomes_a_message_of_the_type_that_it_counts_as(
        kinds in prop::collection::vec(0..26u8, 1..8),
        flags in 0..8u8,
        instrument in prop_oneof![7 => Just(3), 1 => any::<u32>()],
        ts_event_ns in prop_oneof![7 => 0..1u64 << 48, 1 => any::<u64>()],
        body in prop_oneof![Just([0; 28]), any::<[u8; 28]>()],
    ) {
        let mut encoder = naming(3);
        for kind in kinds {
            let (kind, flags) = (EventKind(kind), Flags(flags));
            let head = Head { ts_event_ns, instrument, flags, ..head(kind) };
            let event = MarketEvent { head, body, message: 1 };
            let encoded = encoder.event(&event);
            if let Ok(message) = encoded {
                prop_assert_eq!(message.map(|message| message[0]), message_type(&event));
                prop_assert!(message.is_none_or(|m| itch::bytes_min(m[0]) == Some(m.len())));
            }
        }
    }
}

#[test]
fn one_message_of_each_type_counts_as_one_message() {
    let message = |message_type: u8| {
        let mut message = vec![1; itch::bytes_min(message_type).expect("a known type")];
        message[0] = message_type;
        if message_type == b'C' {
            message[31] = b'N';
        }
        message
    };
    let messages = TYPES.map(message);
    assert_eq!(
        check(&messages, 0),
        TYPES.map(|t| (char::from(t), 1)).into()
    );
}

#[test]
fn what_an_event_does_not_keep_comes_back_as_documented() {
    let message = |message_type: u8, bytes: usize, at: usize, value: &[u8]| {
        let mut message = vec![b'Y'; bytes];
        message[0] = message_type;
        message[3..5].fill(0);
        message[at..at + value.len()].copy_from_slice(value);
        message
    };
    for (sent, expected) in [
        (
            message(b'D', 27, 19, b"new tail"),
            message(b'D', 19, 0, b"D"),
        ),
        (message(b'C', 36, 31, b"?"), message(b'C', 36, 31, b"Y")),
        (
            message(b'F', 40, 36, &[0; 4]),
            message(b'F', 40, 36, b"    "),
        ),
    ] {
        let (again, by_type) = encode(&decode(std::slice::from_ref(&sent), 0), 0);
        assert_eq!(again, [expected]);
        assert_eq!(by_type, [(char::from(sent[0]), 1)].into());
    }
}

#[test]
fn a_dead_letter_comes_back_if_all_of_it_was_kept() {
    let encoder = Encoder::new(FEED, 0);
    for message_bytes in 1..=40_u16 {
        let message = vec![b'?'; usize::from(message_bytes)];
        let letter = DeadLetter::new(FEED, 1, &message, message_bytes);
        match encoder.dead_letter(&letter) {
            Ok(again) => assert_eq!(*again, *message),
            Err(why) => assert_eq!(why, Unencodable::LetterCut { message_bytes }),
        }
        assert_eq!(
            encoder.dead_letter(&letter).is_ok(),
            message.len() <= KEPT,
            "{message_bytes}"
        );
        assert_eq!(
            encoder.dead_letter(&DeadLetter::new(4, 1, &message, message_bytes)),
            Err(Unencodable::OtherFeed { feed: 4 })
        );
    }
}

fn head(kind: EventKind) -> Head {
    Head {
        ts_event_ns: 5,
        instrument: 3,
        feed: FEED,
        kind,
        side: Side::BUY,
        flags: Flags::LAST,
    }
}

/// An encoder that knows the name of one instrument.
fn naming(instrument: u32) -> Encoder {
    let mut encoder = Encoder::new(FEED, 0);
    let head = Head {
        instrument,
        flags: Flags::DERIVED,
        ..head(EventKind::INSTRUMENT)
    };
    let symbol = Symbol::new("ZVZZT").unwrap();
    let named = Instrument {
        head,
        symbol,
        ..Instrument::new_zeroed()
    };
    assert_eq!(encoder.event(&named.into()), Ok(None));
    encoder
}

#[test]
fn what_cannot_be_encoded_says_why() {
    let kind = EventKind::ADD_ORDER;
    let add = AddOrder {
        head: head(kind),
        order_id: 1,
        price_e9: 100_000,
        quantity: 100,
        ..AddOrder::new_zeroed()
    };
    let good = MarketEvent::from(add);
    let with = |head: Head| MarketEvent { head, ..good };
    let misfit = |kind, field| Unencodable::OutOfRange { kind, field };
    let (instrument, high) = (4, 1 << 16);
    let flags = Flags::NONE;
    let ipo = |ts_release_ns| {
        let head = head(EventKind::IPO_QUOTE);
        MarketEvent::from(IpoQuote {
            head,
            ts_release_ns,
            ..IpoQuote::new_zeroed()
        })
    };
    let levels = |level2_e9| {
        let head = head(EventKind::CIRCUIT_BREAKER_LEVELS);
        MarketEvent::from(CircuitBreakerLevels {
            head,
            level2_e9,
            ..CircuitBreakerLevels::new_zeroed()
        })
    };
    let cancel = |quantity| {
        let head = head(EventKind::CANCEL);
        MarketEvent::from(Cancel {
            head,
            quantity,
            ..Cancel::new_zeroed()
        })
    };
    let price = |price_e9| MarketEvent::from(AddOrder { price_e9, ..add });
    let cases = [
        (
            with(Head {
                feed: 1,
                ..add.head
            }),
            Unencodable::OtherFeed { feed: 1 },
        ),
        (
            with(head(EventKind(200))),
            Unencodable::UnknownKind {
                kind: EventKind(200),
            },
        ),
        (
            with(Head { flags, ..add.head }),
            Unencodable::Incomplete { kind },
        ),
        (
            with(head(EventKind::IMBALANCE)),
            Unencodable::Incomplete {
                kind: EventKind::IMBALANCE,
            },
        ),
        (
            with(head(EventKind::DIRECT_LISTING_COLLAR)),
            Unencodable::Incomplete {
                kind: EventKind::DIRECT_LISTING_COLLAR,
            },
        ),
        (
            with(Head {
                instrument,
                ..add.head
            }),
            Unencodable::Unnamed { kind, instrument },
        ),
        (
            with(Head {
                instrument: high,
                ..add.head
            }),
            misfit(kind, "instrument"),
        ),
        (
            with(Head {
                ts_event_ns: 1 << 48,
                ..add.head
            }),
            misfit(kind, "ts_event_ns"),
        ),
        (price(99_999), misfit(kind, "price_e9")),
        (price(-100_000), misfit(kind, "price_e9")),
        (price(100_000 << 32), misfit(kind, "price_e9")),
        (
            AddOrder {
                quantity: 1 << 32,
                ..add
            }
            .into(),
            misfit(kind, "quantity"),
        ),
        (cancel(1 << 32), misfit(EventKind::CANCEL, "quantity")),
        (ipo(1), misfit(EventKind::IPO_QUOTE, "ts_release_ns")),
        (
            ipo(1_000_000_000 << 32),
            misfit(EventKind::IPO_QUOTE, "ts_release_ns"),
        ),
        (
            levels(15),
            misfit(EventKind::CIRCUIT_BREAKER_LEVELS, "level2_e9"),
        ),
        (
            levels(-10),
            misfit(EventKind::CIRCUIT_BREAKER_LEVELS, "level2_e9"),
        ),
    ];
    let mut encoder = naming(3);
    for (event, why) in cases {
        assert_eq!(encoder.event(&event), Err(why), "{event:?}");
        assert!(!why.to_string().is_empty());
        let good = encoder.event(&good);
        assert_eq!(good.unwrap().unwrap()[0], b'A', "what follows is encoded");
    }
    for fits in [ipo(0), ipo(1_000_000_000), levels(10), cancel(1), price(0)] {
        assert!(encoder.event(&fits).is_ok_and(|message| message.is_some()));
    }
}

#[test]
fn another_midnight_changes_the_times_and_keeps_the_names() {
    let order = AddOrder {
        head: Head {
            ts_event_ns: MIDNIGHT_NS + 5,
            ..head(EventKind::ADD_ORDER)
        },
        ..AddOrder::new_zeroed()
    };
    let mut encoder = naming(order.head.instrument);
    assert!(matches!(
        encoder.event(&order.into()),
        Err(Unencodable::OutOfRange {
            field: "ts_event_ns",
            ..
        })
    ));
    encoder.set_midnight(MIDNIGHT_NS);
    let message = encoder.event(&order.into()).unwrap().unwrap();
    assert_eq!(message[5..11], [0, 0, 0, 0, 0, 5]);
    assert_eq!(message[24..32], *b"ZVZZT   ");
}

#[test]
fn a_group_that_was_cut_is_counted_or_refused_and_never_joined_to_another() {
    for message_type in [b'I', b'O'] {
        let mut message = vec![b'B'; itch::bytes_min(message_type).unwrap()];
        message[0] = message_type;
        let events = |messages: &[Vec<u8>]| -> Vec<MarketEvent> {
            let event = |record: &Record<MarketEvent>| match record.content() {
                Content::Event(event) => *event,
                other => panic!("{other:?}"),
            };
            decode(messages, 0).iter().map(event).collect()
        };
        let [name, first, second, next_first, next_second] =
            events(&[message.clone(), message.clone()])[..]
        else {
            panic!("a name and two groups")
        };
        assert!(matches!(name.view(), View::Instrument(_)));
        let incomplete = Err(Unencodable::Incomplete {
            kind: second.head.kind,
        });

        let mut encoder = Encoder::new(FEED, 0);
        assert_eq!(encoder.event(&name), Ok(None));
        assert_eq!(encoder.event(&second), incomplete);
        assert_eq!(encoder.cut_groups(), 0);
        assert_eq!(encoder.event(&first), Ok(None));
        assert_eq!(encoder.cut_groups(), 1, "its second half did not come yet");
        assert_eq!(encoder.event(&next_second), incomplete);
        assert_eq!(encoder.event(&first), Ok(None));
        assert_eq!(encoder.event(&next_first), Ok(None));
        assert!(encoder.event(&next_second).is_ok_and(|m| m.is_some()));
        assert_eq!(encoder.cut_groups(), 2);
    }
}
