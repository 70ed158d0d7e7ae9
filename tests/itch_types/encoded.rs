//! The way back: what the encoder makes of fields.

use crate::types::every_type;
use crate::wire::{LOCATE, SINCE_MIDNIGHT_NS, STOCK};
use ringtape::feed::itch::encode;

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
