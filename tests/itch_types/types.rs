//! Every type: its bytes, and the events that it stands for.

use crate::wire::{LOW, MIDNIGHT_NS, STOCK, Wire, decode, head, knowing, with_side};
use ringtape::feed::{MalformedMessage, itch};
use ringtape::market::{
    AddOrder, Cancel, CircuitBreaker, CircuitBreakerLevels, Collar, CrossTrade, Delete,
    DirectListing, DirectListingCollar, EventKind, Execute, Flags, Head, Imbalance,
    ImbalancePrices, Instrument, IpoQuote, MarketEvent, NO_PRICE, OperationalHalt, Participant,
    Replace, RetailInterest, ShortSale, Side, Status, System, Trade, TradeBreak,
};

/// One message of each type, and the events that it stands for.
pub(crate) fn every_type() -> Vec<(Wire, Vec<MarketEvent>)> {
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
