//! Claims about the IEX decoder: every type, byte by byte, and any bytes at all.

mod naive_iex;

use naive_iex::{Meaning, Naive};
use proptest::prelude::*;
use ringtape::feed::iex::{self, Decoded, Decoder};
use ringtape::feed::{MalformedMessage, Message};
use ringtape::market::{
    Collar, EventKind, Flags, Head, Imbalance, ImbalancePrices, Instrument, LastSale, Level,
    LevelAction, MarketEvent, NO_QUANTITY, OfficialPrice, OperationalHalt, Quote, RetailInterest,
    SecurityEvent, ShortSale, Side, Status, Symbol, System, TradeBreak,
};
use ringtape::record::{Batch, Content};

/// All types, DEEP's and TOPS'.
const TYPES: &[u8; 14] = b"SDHOPIEQ85TBXA";
/// Its low 32 bits are not the whole.
const NUMBER: u64 = 0x0000_0005_8001_0203;
const LOW: u32 = 0x8001_0203;
const FEED: u8 = 9;
const TIME_NS: u64 = 0x1716_1514_1312_1110;
const SYMBOL: Symbol = Symbol(*b"ZIEXT   ");

/// A message in the making: what each begins with, then each field as the specification lists it.
#[derive(Clone)]
struct Wire(Vec<u8>);

impl Wire {
    fn new(message_type: u8, flags: u8) -> Self {
        let mut bytes = vec![message_type, flags];
        bytes.extend([0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17]);
        Self(bytes)
    }

    fn named(message_type: u8, flags: u8) -> Self {
        Self::new(message_type, flags).and(b"ZIEXT   ")
    }

    fn and(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    fn u32(self, value: u32) -> Self {
        self.and(&value.to_le_bytes())
    }

    fn i64(self, value: i64) -> Self {
        self.and(&value.to_le_bytes())
    }
}

fn head(kind: EventKind) -> Head {
    Head {
        ts_event_ns: TIME_NS,
        instrument: 1,
        feed: FEED,
        kind,
        side: Side::NONE,
        flags: Flags::LAST,
    }
}

fn with_side(kind: EventKind, side: Side) -> Head {
    Head { side, ..head(kind) }
}

fn open(head: Head) -> Head {
    Head {
        flags: Flags::NONE,
        ..head
    }
}

/// All but the first 36 bytes of a dead letter's message are lost; the rest is as it came.
#[derive(Debug, PartialEq)]
struct Letter(u64, u16, Vec<u8>);

fn decode(
    decoder: &mut Decoder,
    bytes: &[u8],
) -> Result<(Decoded, Vec<MarketEvent>, Vec<Letter>), MalformedMessage> {
    let (instruments, counted) = (decoder.instruments(), decoder.events());
    let mut out = Batch::with_capacity(iex::RECORDS_MAX);
    let message = Message {
        number: NUMBER,
        bytes,
        message_bytes: u16::try_from(bytes.len()).expect("short"),
        ts_recv_ns: 77,
    };
    let decoded = decoder.decode(message, &mut out);
    assert_eq!(
        decoded.is_ok(),
        iex::is_sound(bytes),
        "is_sound says what decode does"
    );
    if decoded.is_err() {
        assert!(out.records().is_empty(), "a refused message pushes nothing");
        assert_eq!(
            (decoder.instruments(), decoder.events()),
            (instruments, counted)
        );
    }
    let (mut events, mut letters) = (vec![], vec![]);
    for record in out.records() {
        assert_eq!(record.ts_recv_ns(), 77);
        match record.content() {
            Content::Event(event) => events.push(*event),
            Content::DeadLetter(letter) => {
                assert_eq!(letter.feed, FEED);
                let head = letter.head.to_vec();
                letters.push(Letter(letter.feed_sequence, letter.message_bytes, head));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(decoder.events() - counted, events.len() as u64);
    decoded.map(|decoded| (decoded, events, letters))
}

/// A decoder that knows `SYMBOL` already, so that nothing is derived.
fn knowing() -> Decoder {
    let mut decoder = Decoder::new(FEED);
    let directory = Wire::named(b'D', 0).u32(0).i64(0).and(&[0]);
    decode(&mut decoder, &directory.0).expect("sound");
    assert_eq!(decoder.instruments(), 1);
    decoder
}

fn instrument(head: Head) -> Instrument {
    Instrument {
        head,
        symbol: SYMBOL,
        round_lot: 0,
        etp_leverage: 0,
        market_category: 0,
        financial_status: 0,
        round_lots_only: 0,
        issue_class: 0,
        issue_subtype: [0; 2],
        authenticity: 0,
        short_sale_threshold: 0,
        ipo: 0,
        price_band_tier: 0,
        etp: 0,
        inverse: 0,
        message: LOW,
    }
}

/// One message or two of each type, and the events that they stand for.
fn every_type() -> Vec<(Wire, Vec<MarketEvent>)> {
    let mut all = reference_data();
    all.extend(trading());
    all.extend(auctions());
    all
}

fn reference_data() -> Vec<(Wire, Vec<MarketEvent>)> {
    let message = LOW;
    let directory = |flags: u8, authenticity: u8, etp: u8| {
        let wire = Wire::named(b'D', flags).u32(100).i64(1_234_567).and(&[2]);
        let of_instrument = Instrument {
            round_lot: 100,
            authenticity,
            price_band_tier: 2,
            etp,
            ..instrument(open(head(EventKind::INSTRUMENT)))
        };
        let of_close = OfficialPrice {
            head: head(EventKind::OFFICIAL_PRICE),
            price_e9: 123_456_700_000,
            price_type: b'P',
            venue_flags: flags,
            reserved: [0; 18],
            message,
        };
        (wire, vec![of_instrument.into(), of_close.into()])
    };
    let system = System {
        head: Head {
            instrument: 0,
            ..head(EventKind::SYSTEM)
        },
        code: b'R',
        reserved: [0; 27],
        message,
    };
    let status = Status {
        head: head(EventKind::STATUS),
        state: b'H',
        venue_reserved: 0,
        reason: *b"T1  ",
        reserved: [0; 22],
        message,
    };
    let halt = OperationalHalt {
        head: head(EventKind::OPERATIONAL_HALT),
        market: 0,
        action: b'O',
        reserved: [0; 26],
        message,
    };
    let short = ShortSale {
        head: head(EventKind::SHORT_SALE),
        action: 1,
        detail: b'A',
        reserved: [0; 26],
        message,
    };
    let retail = |interest, side| RetailInterest {
        head: with_side(EventKind::RETAIL_INTEREST, side),
        interest,
        reserved: [0; 27],
        message,
    };
    let security = SecurityEvent {
        head: head(EventKind::SECURITY_EVENT),
        code: b'C',
        reserved: [0; 27],
        message,
    };
    vec![
        (Wire::new(b'S', b'R'), vec![system.into()]),
        directory(0x80, b'T', b'N'),
        directory(0x60, b'P', b'Y'),
        directory(0x40, b'P', b'N'),
        (Wire::named(b'H', b'H').and(b"T1  "), vec![status.into()]),
        (Wire::named(b'O', b'O'), vec![halt.into()]),
        (Wire::named(b'P', 1).and(b"A"), vec![short.into()]),
        (
            Wire::named(b'I', b'A'),
            vec![retail(b'A', Side::BUY).into()],
        ),
        (
            Wire::named(b'I', b'B'),
            vec![retail(b'B', Side::SELL).into()],
        ),
        (
            Wire::named(b'I', b'C'),
            vec![retail(b'C', Side::NONE).into()],
        ),
        (
            Wire::named(b'I', b' '),
            vec![retail(b' ', Side::NONE).into()],
        ),
        (Wire::named(b'E', b'C'), vec![security.into()]),
    ]
}

fn trading() -> Vec<(Wire, Vec<MarketEvent>)> {
    let message = LOW;
    let quote = Quote {
        head: head(EventKind::QUOTE),
        bid_price_e9: 99_050_000_000,
        ask_price_e9: 99_070_000_000,
        bid_quantity: 9_700,
        ask_quantity: 1_000,
        venue_flags: 0x40,
        reserved: [0; 3],
        message,
    };
    let level = |side, quantity, action, entry_type, venue_flags| Level {
        head: with_side(EventKind::LEVEL, side),
        price_e9: -99_050_000_000,
        quantity,
        orders: NO_QUANTITY,
        report: 0,
        tradeable_quantity: NO_QUANTITY,
        level: 0,
        action,
        entry_type,
        venue_flags,
        message,
    };
    let bid = level(Side::BUY, 9_700, LevelAction::SET, b'8', 1);
    let gone = level(Side::BUY, 0, LevelAction::DELETE, b'8', 0);
    let ask = level(Side::SELL, u32::MAX, LevelAction::SET, b'5', 0xff);
    let sale = LastSale {
        head: head(EventKind::LAST_SALE),
        price_e9: 99_050_000_000,
        trade_id: 429_974,
        quantity: 100,
        orders: NO_QUANTITY,
        conditions: 0x80,
        action: LevelAction::NEW,
        reserved: [0; 2],
        message,
    };
    let broken = TradeBreak {
        head: head(EventKind::TRADE_BREAK),
        match_id: 429_974,
        price_e9: 99_050_000_000,
        quantity: 100,
        conditions: 0x28,
        reserved: [0; 7],
        message,
    };
    let official = OfficialPrice {
        head: head(EventKind::OFFICIAL_PRICE),
        price_e9: 99_050_000_000,
        price_type: b'M',
        venue_flags: 0,
        reserved: [0; 18],
        message,
    };
    let on_level = |letter, flags, size| Wire::named(letter, flags).u32(size).i64(-990_500);
    let on_trade = |letter, flags| {
        Wire::named(letter, flags)
            .u32(100)
            .i64(990_500)
            .i64(429_974)
    };
    let on_quote = Wire::named(b'Q', 0x40)
        .u32(9_700)
        .i64(990_500)
        .i64(990_700)
        .u32(1_000);
    vec![
        (on_quote, vec![quote.into()]),
        (on_level(b'8', 1, 9_700), vec![bid.into()]),
        (on_level(b'8', 0, 0), vec![gone.into()]),
        (on_level(b'5', 0xff, u32::MAX), vec![ask.into()]),
        (on_trade(b'T', 0x80), vec![sale.into()]),
        (on_trade(b'B', 0x28), vec![broken.into()]),
        (Wire::named(b'X', b'M').i64(990_500), vec![official.into()]),
    ]
}

fn auctions() -> Vec<(Wire, Vec<MarketEvent>)> {
    let auction = |letter: u8, side: Side| {
        let wire = Wire::named(b'A', b'C')
            .u32(100_000)
            .i64(1)
            .i64(2)
            .u32(10_000)
            .and(&[letter, 3])
            .u32(1_492_023_600)
            .i64(4)
            .i64(5)
            .i64(6)
            .i64(7);
        let quantities = Imbalance {
            head: open(with_side(EventKind::IMBALANCE, side)),
            paired_quantity: 100_000,
            imbalance_quantity: 10_000,
            direction: letter,
            cross_type: b'C',
            price_variation: 0,
            extensions: 3,
            scheduled_s: 1_492_023_600,
            reserved: [0; 4],
            message: LOW,
        };
        let prices = ImbalancePrices {
            head: open(with_side(EventKind::IMBALANCE_PRICES, side)),
            far_price_e9: 400_000,
            near_price_e9: 200_000,
            reference_price_e9: 100_000,
            cross_type: b'C',
            reserved: [0; 3],
            message: LOW,
        };
        let collar = Collar {
            head: head(EventKind::COLLAR),
            reference_price_e9: 500_000,
            lower_price_e9: 600_000,
            upper_price_e9: 700_000,
            extensions: 3,
            message: LOW,
        };
        (wire, vec![quantities.into(), prices.into(), collar.into()])
    };
    vec![
        auction(b'B', Side::BUY),
        auction(b'S', Side::SELL),
        auction(b'N', Side::NONE),
    ]
}

#[test]
fn every_type_becomes_the_events_that_its_bytes_say() {
    let mut seen = vec![];
    for (wire, expected) in every_type() {
        let (decoded, events, letters) = decode(&mut knowing(), &wire.0).expect("sound");
        assert_eq!((decoded, letters), (Decoded::Events, vec![]));
        assert_eq!(events, expected, "{}", wire.0.escape_ascii());
        assert_eq!(iex::bytes_min(wire.0[0]), Some(wire.0.len()));
        seen.push(wire.0[0]);
    }
    assert!(TYPES.iter().all(|letter| seen.contains(letter)));
    let known = (0..=u8::MAX).filter(|letter| iex::bytes_min(*letter).is_some());
    assert_eq!(known.count(), TYPES.len());
}

#[test]
fn a_shorter_message_is_malformed_and_a_longer_one_is_read_as_far_as_it_is_known() {
    for (wire, expected) in every_type() {
        for length in 1..wire.0.len() {
            assert!(decode(&mut knowing(), &wire.0[..length]).is_err());
            assert!(decode(&mut Decoder::new(FEED), &wire.0[..length]).is_err());
        }
        let longer = wire.and(&[0xaa; 40]);
        let (_, events, _) = decode(&mut knowing(), &longer.0).expect("sound");
        assert_eq!(events, expected);
    }
}

#[test]
fn an_instrument_is_announced_before_the_first_message_that_names_it_and_only_then() {
    for (wire, expected) in every_type() {
        let mut decoder = Decoder::new(FEED);
        let letter = wire.0[0];
        let (_, first, _) = decode(&mut decoder, &wire.0).expect("sound");
        let (_, second, _) = decode(&mut decoder, &wire.0).expect("sound");
        assert_eq!(second, expected);
        let kind = EventKind::INSTRUMENT;
        let derived = Head {
            flags: Flags::DERIVED,
            ..head(kind)
        };
        let announced: Vec<MarketEvent> = match letter {
            b'S' | b'D' => vec![],
            _ => vec![instrument(derived).into()],
        };
        assert_eq!(first, [announced, expected].concat());
        let named = (letter != b'S').then_some(SYMBOL);
        assert_eq!(decoder.symbol(1), named);
        assert_eq!(decoder.instrument(SYMBOL), named.map(|_| 1));
    }
}

#[test]
fn a_time_before_1970_is_malformed() {
    for (wire, _) in every_type() {
        let mut before = wire.0.clone();
        before[2..10].copy_from_slice(&(-1i64).to_le_bytes());
        assert!(decode(&mut knowing(), &before).is_err());
        let mut latest = wire.0.clone();
        latest[2..10].copy_from_slice(&i64::MAX.to_le_bytes());
        let (_, events, _) = decode(&mut knowing(), &latest).expect("sound");
        assert_eq!(events[0].head.ts_event_ns, i64::MAX.cast_unsigned());
    }
}

#[test]
fn a_price_that_does_not_fit_is_malformed_and_the_largest_that_fits_is_exact() {
    let highest = i64::MAX / 100_000;
    let prices: [(u8, &[usize]); 8] = [
        (b'D', &[22]),
        (b'Q', &[22, 30]),
        (b'8', &[22]),
        (b'5', &[22]),
        (b'T', &[22]),
        (b'B', &[22]),
        (b'X', &[18]),
        (b'A', &[22, 30, 48, 56, 64, 72]),
    ];
    for (letter, places) in prices {
        let (wire, _) = every_type()
            .into_iter()
            .find(|(wire, _)| wire.0[0] == letter)
            .expect("every type is there");
        for &at in places {
            for (price_e4, fits) in [
                (highest, true),
                (-highest, true),
                (highest + 1, false),
                (-highest - 1, false),
                (i64::MAX, false),
                (i64::MIN, false),
            ] {
                let mut bytes = wire.0.clone();
                bytes[at..at + 8].copy_from_slice(&price_e4.to_le_bytes());
                let decoded = decode(&mut Decoder::new(FEED), &bytes);
                assert_eq!(decoded.is_ok(), fits, "{price_e4} at {at}");
                let Ok((_, events, _)) = decoded else {
                    continue;
                };
                let shown = format!("{events:?}");
                assert!(shown.contains(&(price_e4 * 100_000).to_string()), "{shown}");
            }
        }
    }
}

#[test]
fn an_unknown_type_is_a_dead_letter_and_an_empty_message_is_nothing() {
    let mut decoder = knowing();
    assert_eq!(
        decode(&mut decoder, b""),
        Ok((Decoded::Empty, vec![], vec![]))
    );
    for letter in (0..=u8::MAX).filter(|letter| !TYPES.contains(letter)) {
        for tail in [0, 5, 60] {
            let bytes = [vec![letter], vec![0x5a; tail]].concat();
            let (decoded, events, letters) = decode(&mut decoder, &bytes).expect("sound");
            assert_eq!((decoded, events), (Decoded::Unknown, vec![]));
            let mut head = bytes.clone();
            head.resize(36, 0);
            let message_bytes = u16::try_from(bytes.len()).expect("short");
            assert_eq!(letters, [Letter(NUMBER, message_bytes, head)]);
        }
    }
}

#[test]
fn when_all_numbers_are_given_a_new_name_is_a_dead_letter_and_known_ones_go_on() {
    let mut decoder = Decoder::new(FEED);
    let named = |letter: u8, number: u32| {
        let (wire, _) = every_type()
            .into_iter()
            .find(|(wire, _)| wire.0[0] == letter)
            .expect("every type is there");
        let mut bytes = wire.0;
        bytes[10..18].copy_from_slice(format!("{number:<8}").as_bytes());
        bytes
    };
    let halt = named(b'O', 0);
    for number in 1..=iex::INSTRUMENTS_MAX {
        let mut bytes = halt.clone();
        bytes[10..18].copy_from_slice(format!("{number:<8}").as_bytes());
        let (_, events, _) = decode(&mut decoder, &bytes).expect("sound");
        assert_eq!(events.len(), 2);
        assert!(events.iter().all(|event| event.head.instrument == number));
    }
    let beyond = iex::INSTRUMENTS_MAX + 1;
    for &letter in TYPES.iter().filter(|letter| **letter != b'S') {
        let (decoded, events, letters) =
            decode(&mut decoder, &named(letter, beyond)).expect("sound");
        assert_eq!((decoded, events), (Decoded::Unnumbered, vec![]));
        assert_eq!((letters.len(), letters[0].2[0]), (1, letter));
        let (decoded, events, _) = decode(&mut decoder, &named(letter, 7)).expect("sound");
        assert_eq!(decoded, Decoded::Events);
        assert!(events.iter().all(|event| event.head.instrument == 7));
    }
    assert_eq!(decoder.instruments(), u64::from(iex::INSTRUMENTS_MAX));
    let symbol = Symbol::new("7").expect("short");
    assert_eq!(
        (decoder.symbol(7), decoder.instrument(symbol)),
        (Some(symbol), Some(7))
    );
}

/// Messages whose times and prices are mostly sound, because chance seldom finds such.
fn any_message() -> impl Strategy<Value = Vec<u8>> {
    let letter = prop_oneof![8 => prop::sample::select(TYPES.to_vec()), 1 => any::<u8>()];
    let calm = prop::collection::vec(any::<bool>(), 8);
    (letter, prop::collection::vec(any::<u8>(), 0..100), calm).prop_map(|(letter, tail, calm)| {
        let mut bytes = vec![letter];
        bytes.extend(tail);
        let tops = [9, 25, 29, 37, 55, 63, 71, 79];
        for (at, _) in tops.into_iter().zip(calm).filter(|(_, calm)| *calm) {
            // The highest bytes of what may be a time or a price.
            for at in at - 2..=at {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = 0;
                }
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_mean_what_the_specification_places_there(bytes in any_message()) {
        let (mut decoder, mut naive) = (Decoder::new(FEED), Naive::new(FEED));
        for length in 0..=bytes.len() {
            let decoded = decode(&mut decoder, &bytes[..length]);
            let expected = naive.meaning(&bytes[..length], LOW);
            let meaning = match decoded {
                Err(MalformedMessage) => Meaning::Malformed,
                Ok((Decoded::Empty, ..)) => Meaning::Empty,
                Ok((Decoded::Unknown, ..)) => Meaning::Unknown,
                Ok((Decoded::Events, events, _)) => Meaning::Events(events),
                Ok((Decoded::Unnumbered, ..)) => panic!("there is room"),
            };
            prop_assert_eq!(meaning, expected);
        }
        prop_assert_eq!(decoder.instruments(), naive.instruments() as u64);
    }
}
