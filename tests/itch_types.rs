//! Claims about the ITCH decoder: every type, byte by byte, and any bytes at all.

use proptest::prelude::*;
use ringtape::feed::itch::{self, Decoded, Decoder, encode};
use ringtape::feed::{MalformedMessage, Message};
use ringtape::market::{
    AddOrder, Cancel, CircuitBreaker, CircuitBreakerLevels, Collar, CrossTrade, Delete,
    DirectListing, DirectListingCollar, EventKind, Execute, Flags, Head, Imbalance,
    ImbalancePrices, Instrument, IpoQuote, MarketEvent, NO_PRICE, OperationalHalt, Participant,
    Replace, RetailInterest, ShortSale, Side, Status, Symbol, System, Trade, TradeBreak,
};
use ringtape::record::{Batch, Content};

const MIDNIGHT_NS: u64 = 1_577_682_000_000_000_000;
/// Its low 32 bits are not the whole.
const NUMBER: u64 = 0x0000_0005_8001_0203;
const LOW: u32 = 0x8001_0203;
const LOCATE: u16 = 0xfedc;
const SINCE_MIDNIGHT_NS: u64 = 0xa1b2_c3d4_e5f6;
const STOCK: Symbol = Symbol(*b"ZVZZT   ");

/// A message in the making: the header's bytes, then each field as the specification lists it.
#[derive(Clone)]
struct Wire(Vec<u8>);

impl Wire {
    fn new(message_type: u8) -> Self {
        let mut bytes = vec![message_type, 0xfe, 0xdc, 0x77, 0x78];
        bytes.extend([0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0xf6]);
        Self(bytes)
    }

    fn and(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    fn u32(self, value: u32) -> Self {
        self.and(&value.to_be_bytes())
    }

    fn u64(self, value: u64) -> Self {
        self.and(&value.to_be_bytes())
    }

    fn stock(self) -> Self {
        self.and(b"ZVZZT   ")
    }
}

fn head(kind: EventKind) -> Head {
    Head {
        ts_event_ns: MIDNIGHT_NS + SINCE_MIDNIGHT_NS,
        instrument: u32::from(LOCATE),
        feed: 9,
        kind,
        side: Side::NONE,
        flags: Flags::LAST,
    }
}

fn with_side(kind: EventKind, side: Side) -> Head {
    Head { side, ..head(kind) }
}

fn message(bytes: &[u8]) -> Message<'_> {
    let message_bytes = u16::try_from(bytes.len()).expect("short");
    Message {
        number: NUMBER,
        bytes,
        message_bytes,
        ts_recv_ns: 77,
    }
}

/// A decoder that knows `STOCK` already, so that nothing is derived.
fn knowing() -> Decoder {
    let mut decoder = Decoder::new(9, MIDNIGHT_NS);
    let head = encode::Head {
        locate: LOCATE,
        tracking: 0,
        since_midnight_ns: 0,
    };
    let stock = encode::directory(head, encode::Directory::common_stock(STOCK));
    decode(&mut decoder, &stock).expect("sound");
    decoder
}

fn decode(decoder: &mut Decoder, bytes: &[u8]) -> Result<Vec<MarketEvent>, MalformedMessage> {
    let mut out = Batch::with_capacity(itch::RECORDS_MAX);
    let decoded = decoder.decode(message(bytes), &mut out);
    assert_eq!(
        decoded.is_ok(),
        itch::is_sound(bytes),
        "is_sound says what decode does"
    );
    if decoded.is_err() {
        assert!(out.records().is_empty(), "a refused message pushes nothing");
    }
    decoded?;
    let event = |record: &ringtape::record::Record<MarketEvent>| match record.content() {
        Content::Event(event) => {
            assert_eq!(record.ts_recv_ns(), 77);
            Some(*event)
        }
        _ => None,
    };
    Ok(out.records().iter().filter_map(event).collect())
}

/// One message of each type, and the events that it stands for.
fn every_type() -> Vec<(Wire, Vec<MarketEvent>)> {
    let message = LOW;
    let order_id = 0x1112_1314_1516_1718;
    let match_id = 0x2122_2324_2526_2728;
    let (shares, price) = (0x3132_3334, 0x4142_4344);
    let price_e9 = i64::from(price) * 100_000;
    vec![
        (
            Wire::new(b'S').and(b"Q"),
            vec![
                System {
                    head: head(EventKind::SYSTEM),
                    code: b'Q',
                    reserved: [0; 27],
                    message,
                }
                .into(),
            ],
        ),
        (
            Wire::new(b'R')
                .stock()
                .and(b"QN")
                .u32(shares)
                .and(b"1CABP2345")
                .u32(price)
                .and(b"6"),
            vec![
                Instrument {
                    head: head(EventKind::INSTRUMENT),
                    symbol: STOCK,
                    round_lot: shares,
                    etp_leverage: price,
                    market_category: b'Q',
                    financial_status: b'N',
                    round_lots_only: b'1',
                    issue_class: b'C',
                    issue_subtype: *b"AB",
                    authenticity: b'P',
                    short_sale_threshold: b'2',
                    ipo: b'3',
                    price_band_tier: b'4',
                    etp: b'5',
                    inverse: b'6',
                    message,
                }
                .into(),
            ],
        ),
        (
            Wire::new(b'H').stock().and(b"Tr").and(b"LUDP"),
            vec![
                Status {
                    head: head(EventKind::STATUS),
                    state: b'T',
                    venue_reserved: b'r',
                    reason: *b"LUDP",
                    reserved: [0; 22],
                    message,
                }
                .into(),
            ],
        ),
        (
            Wire::new(b'Y').stock().and(b"2"),
            vec![
                ShortSale {
                    head: head(EventKind::SHORT_SALE),
                    action: b'2',
                    detail: 0,
                    reserved: [0; 26],
                    message,
                }
                .into(),
            ],
        ),
        (
            Wire::new(b'L').and(b"MMKR").stock().and(b"YNA"),
            vec![
                Participant {
                    head: head(EventKind::PARTICIPANT),
                    participant: *b"MMKR",
                    primary: b'Y',
                    mode: b'N',
                    state: b'A',
                    reserved: [0; 21],
                    message,
                }
                .into(),
            ],
        ),
        (
            Wire::new(b'V').u64(1).u64(2).u64(i64::MAX as u64 / 10),
            vec![
                CircuitBreakerLevels {
                    head: head(EventKind::CIRCUIT_BREAKER_LEVELS),
                    level1_e9: 10,
                    level2_e9: 20,
                    level3_e9: i64::MAX / 10 * 10,
                    reserved: [0; 4],
                    message,
                }
                .into(),
            ],
        ),
        (
            Wire::new(b'W').and(b"3"),
            vec![
                CircuitBreaker {
                    head: head(EventKind::CIRCUIT_BREAKER),
                    level: b'3',
                    reserved: [0; 27],
                    message,
                }
                .into(),
            ],
        ),
        (
            Wire::new(b'K').stock().u32(34_200).and(b"A").u32(price),
            vec![
                IpoQuote {
                    head: head(EventKind::IPO_QUOTE),
                    ts_release_ns: MIDNIGHT_NS + 34_200_000_000_000,
                    price_e9,
                    qualifier: b'A',
                    reserved: [0; 11],
                    message,
                }
                .into(),
            ],
        ),
        (
            Wire::new(b'J').stock().u32(5).u32(6).u32(7).u32(8),
            vec![
                Collar {
                    head: head(EventKind::COLLAR),
                    reference_price_e9: 500_000,
                    upper_price_e9: 600_000,
                    lower_price_e9: 700_000,
                    extensions: 8,
                    message,
                }
                .into(),
            ],
        ),
        (
            Wire::new(b'h').stock().and(b"XH"),
            vec![
                OperationalHalt {
                    head: head(EventKind::OPERATIONAL_HALT),
                    market: b'X',
                    action: b'H',
                    reserved: [0; 26],
                    message,
                }
                .into(),
            ],
        ),
        (
            Wire::new(b'A')
                .u64(order_id)
                .and(b"B")
                .u32(shares)
                .stock()
                .u32(price),
            vec![
                AddOrder {
                    head: with_side(EventKind::ADD_ORDER, Side::BUY),
                    order_id,
                    price_e9,
                    quantity: u64::from(shares),
                    attribution: [0; 4],
                    message,
                }
                .into(),
            ],
        ),
        (
            Wire::new(b'F')
                .u64(order_id)
                .and(b"S")
                .u32(shares)
                .stock()
                .u32(price)
                .and(b"MMKR"),
            vec![
                AddOrder {
                    head: with_side(EventKind::ADD_ORDER, Side::SELL),
                    order_id,
                    price_e9,
                    quantity: u64::from(shares),
                    attribution: *b"MMKR",
                    message,
                }
                .into(),
            ],
        ),
        (
            Wire::new(b'E').u64(order_id).u32(shares).u64(match_id),
            vec![
                Execute {
                    head: head(EventKind::EXECUTE),
                    order_id,
                    price_e9: NO_PRICE,
                    match_id,
                    quantity: shares,
                    message,
                }
                .into(),
            ],
        ),
        (
            Wire::new(b'C')
                .u64(order_id)
                .u32(shares)
                .u64(match_id)
                .and(b"N")
                .u32(price),
            vec![
                Execute {
                    head: Head {
                        flags: Flags::LAST.with(Flags::NON_PRINTABLE),
                        ..head(EventKind::EXECUTE)
                    },
                    order_id,
                    price_e9,
                    match_id,
                    quantity: shares,
                    message,
                }
                .into(),
            ],
        ),
        (
            Wire::new(b'C')
                .u64(order_id)
                .u32(shares)
                .u64(match_id)
                .and(b"Y")
                .u32(price),
            vec![
                Execute {
                    head: head(EventKind::EXECUTE),
                    order_id,
                    price_e9,
                    match_id,
                    quantity: shares,
                    message,
                }
                .into(),
            ],
        ),
        (
            Wire::new(b'X').u64(order_id).u32(shares),
            vec![
                Cancel {
                    head: head(EventKind::CANCEL),
                    order_id,
                    quantity: u64::from(shares),
                    reserved: [0; 12],
                    message,
                }
                .into(),
            ],
        ),
        (
            Wire::new(b'D').u64(order_id),
            vec![
                Delete {
                    head: head(EventKind::DELETE),
                    order_id,
                    reserved: [0; 20],
                    message,
                }
                .into(),
            ],
        ),
        (
            Wire::new(b'U')
                .u64(order_id)
                .u64(match_id)
                .u32(shares)
                .u32(price),
            vec![
                Replace {
                    head: head(EventKind::REPLACE),
                    order_id,
                    new_order_id: match_id,
                    price_e9,
                    quantity: shares,
                    message,
                }
                .into(),
            ],
        ),
        (
            Wire::new(b'P')
                .u64(order_id)
                .and(b"S")
                .u32(shares)
                .stock()
                .u32(price)
                .u64(match_id),
            vec![
                Trade {
                    head: with_side(EventKind::TRADE, Side::SELL),
                    order_id,
                    price_e9,
                    match_id,
                    quantity: shares,
                    message,
                }
                .into(),
            ],
        ),
        (
            Wire::new(b'Q')
                .u64(order_id)
                .stock()
                .u32(price)
                .u64(match_id)
                .and(b"O"),
            vec![
                CrossTrade {
                    head: head(EventKind::CROSS_TRADE),
                    quantity: order_id,
                    price_e9,
                    match_id,
                    cross_type: b'O',
                    reserved: [0; 3],
                    message,
                }
                .into(),
            ],
        ),
        (
            Wire::new(b'B').u64(match_id),
            vec![
                TradeBreak {
                    head: head(EventKind::TRADE_BREAK),
                    match_id,
                    price_e9: 0,
                    quantity: 0,
                    conditions: 0,
                    reserved: [0; 7],
                    message,
                }
                .into(),
            ],
        ),
        (
            Wire::new(b'I')
                .u64(order_id)
                .u64(match_id)
                .and(b"B")
                .stock()
                .u32(5)
                .u32(6)
                .u32(7)
                .and(b"CL"),
            vec![
                Imbalance {
                    head: Head {
                        flags: Flags::NONE,
                        ..with_side(EventKind::IMBALANCE, Side::BUY)
                    },
                    paired_quantity: order_id,
                    imbalance_quantity: match_id,
                    direction: b'B',
                    cross_type: b'C',
                    price_variation: b'L',
                    extensions: 0,
                    scheduled_s: 0,
                    reserved: [0; 4],
                    message,
                }
                .into(),
                ImbalancePrices {
                    head: with_side(EventKind::IMBALANCE_PRICES, Side::BUY),
                    far_price_e9: 500_000,
                    near_price_e9: 600_000,
                    reference_price_e9: 700_000,
                    cross_type: b'C',
                    reserved: [0; 3],
                    message,
                }
                .into(),
            ],
        ),
        (
            Wire::new(b'N').stock().and(b"A"),
            vec![
                RetailInterest {
                    head: head(EventKind::RETAIL_INTEREST),
                    interest: b'A',
                    reserved: [0; 27],
                    message,
                }
                .into(),
            ],
        ),
        (
            Wire::new(b'N').stock().and(b"S"),
            vec![
                RetailInterest {
                    head: with_side(EventKind::RETAIL_INTEREST, Side::SELL),
                    interest: b'S',
                    reserved: [0; 27],
                    message,
                }
                .into(),
            ],
        ),
        (
            Wire::new(b'O')
                .stock()
                .and(b"Y")
                .u32(1)
                .u32(2)
                .u32(3)
                .u64(order_id)
                .u32(4)
                .u32(5),
            vec![
                DirectListing {
                    head: Head {
                        flags: Flags::NONE,
                        ..head(EventKind::DIRECT_LISTING)
                    },
                    min_price_e9: 100_000,
                    max_price_e9: 200_000,
                    near_price_e9: 300_000,
                    open_eligible: b'Y',
                    reserved: [0; 3],
                    message,
                }
                .into(),
                DirectListingCollar {
                    head: head(EventKind::DIRECT_LISTING_COLLAR),
                    near_time: order_id,
                    lower_price_e9: 400_000,
                    upper_price_e9: 500_000,
                    reserved: [0; 4],
                    message,
                }
                .into(),
            ],
        ),
    ]
}

#[test]
fn every_type_becomes_the_events_that_its_bytes_say() {
    let types: std::collections::BTreeSet<u8> =
        every_type().iter().map(|(wire, _)| wire.0[0]).collect();
    assert_eq!(types.len(), 23, "all of FORMATS section 2, O among them");
    for (wire, events) in every_type() {
        let letter = char::from(wire.0[0]);
        assert_eq!(itch::bytes_min(wire.0[0]), Some(wire.0.len()), "{letter}");
        assert_eq!(decode(&mut knowing(), &wire.0), Ok(events), "{letter}");
    }
}

#[test]
fn a_message_may_be_longer_than_its_type_and_never_shorter() {
    for (wire, events) in every_type() {
        let longer = wire.clone().and(b"new tail").0;
        assert_eq!(decode(&mut knowing(), &longer), Ok(events));
        for short in 1..wire.0.len() {
            assert_eq!(
                decode(&mut knowing(), &wire.0[..short]),
                Err(MalformedMessage)
            );
        }
    }
}

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

#[test]
fn every_type_is_encoded_as_its_bytes_say() {
    let head = encode::Head {
        locate: LOCATE,
        tracking: 0x7778,
        since_midnight_ns: SINCE_MIDNIGHT_NS,
    };
    let (order_id, match_id) = (0x1112_1314_1516_1718, 0x2122_2324_2526_2728);
    let (shares, price_e4) = (0x3132_3334, 0x4142_4344);
    let order = |side| encode::Order {
        order_id,
        side,
        shares,
        stock: STOCK,
        price_e4,
    };
    let directory = encode::Directory {
        stock: STOCK,
        market_category: b'Q',
        financial_status: b'N',
        round_lot: shares,
        round_lots_only: b'1',
        issue_class: b'C',
        issue_subtype: *b"AB",
        authenticity: b'P',
        short_sale_threshold: b'2',
        ipo: b'3',
        price_band_tier: b'4',
        etp: b'5',
        etp_leverage: price_e4,
        inverse: b'6',
    };
    let mut halt = encode::trading_action(head, STOCK, b'T', *b"LUDP");
    halt[20] = b'r';
    let auction = encode::Imbalance {
        stock: STOCK,
        paired: order_id,
        imbalance: match_id,
        direction: b'B',
        far_e4: 5,
        near_e4: 6,
        reference_e4: 7,
        cross_type: b'C',
        price_variation: b'L',
    };
    let listing = encode::DirectListing {
        stock: STOCK,
        open_eligible: b'Y',
        min_e4: 1,
        max_e4: 2,
        near_e4: 3,
        near_time: order_id,
        lower_e4: 4,
        upper_e4: 5,
    };
    let encoded: [&[u8]; 25] = [
        &encode::system_event(head, b'Q'),
        &encode::directory(head, directory),
        &halt,
        &encode::short_sale(head, STOCK, b'2'),
        &encode::participant(head, STOCK, *b"MMKR", b'Y', b'N', b'A'),
        &encode::circuit_breaker_levels(head, [1, 2, i64::MAX as u64 / 10]),
        &encode::circuit_breaker(head, b'3'),
        &encode::ipo_quote(head, STOCK, 34_200, b'A', price_e4),
        &encode::collar(head, STOCK, 5, 6, 7, 8),
        &encode::operational_halt(head, STOCK, b'X', b'H'),
        &encode::add_order(head, order(b'B')),
        &encode::add_order_attributed(head, order(b'S'), *b"MMKR"),
        &encode::executed(head, order_id, shares, match_id),
        &encode::executed_with_price(head, order_id, shares, match_id, false, price_e4),
        &encode::executed_with_price(head, order_id, shares, match_id, true, price_e4),
        &encode::cancel(head, order_id, shares),
        &encode::delete(head, order_id),
        &encode::replace(head, order_id, match_id, shares, price_e4),
        &encode::trade(head, order(b'S'), match_id),
        &encode::cross_trade(head, STOCK, order_id, price_e4, match_id, b'O'),
        &encode::trade_break(head, match_id),
        &encode::imbalance(head, auction),
        &encode::retail_interest(head, STOCK, b'A'),
        &encode::retail_interest(head, STOCK, b'S'),
        &encode::direct_listing(head, listing),
    ];
    let all = every_type();
    assert_eq!(encoded.len(), all.len());
    for (bytes, (wire, _)) in encoded.into_iter().zip(all) {
        assert_eq!(
            bytes,
            wire.0,
            "{} {}",
            bytes.escape_ascii(),
            wire.0.escape_ascii()
        );
    }
}

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
