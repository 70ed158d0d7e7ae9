//! An oracle: reads IEX messages field by field at the specification's offsets, written from the
//! tables and apart from the decoder, and says which events they stand for.

use ringtape::market::{
    Collar, EventKind, Flags, Head, Imbalance, ImbalancePrices, Instrument, LastSale, Level,
    LevelAction, MarketEvent, OfficialPrice, OperationalHalt, Quote, RetailInterest, SecurityEvent,
    ShortSale, Side, Status, Symbol, System, TradeBreak,
};
use std::collections::HashMap;

/// Returns the little-endian number of `bytes` bytes at `at`.
pub(crate) fn number(message: &[u8], at: usize, bytes: usize) -> u64 {
    message[at..at + bytes]
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

pub(crate) fn number32(message: &[u8], at: usize) -> u32 {
    u32::try_from(number(message, at, 4)).expect("four bytes")
}

/// What a message stands for.
#[derive(Debug, PartialEq)]
pub(crate) enum Meaning {
    Events(Vec<MarketEvent>),
    Unknown,
    Empty,
    Malformed,
}

/// The oracle, and the numbers that it gave to names.
pub(crate) struct Naive {
    feed: u8,
    instruments: HashMap<[u8; 8], u32>,
}

impl Naive {
    pub(crate) fn new(feed: u8) -> Self {
        Self {
            feed,
            instruments: HashMap::new(),
        }
    }

    pub(crate) fn instruments(&self) -> usize {
        self.instruments.len()
    }

    pub(crate) fn meaning(&mut self, bytes: &[u8], message: u32) -> Meaning {
        let Some(&letter) = bytes.first() else {
            return Meaning::Empty;
        };
        let (length, prices): (usize, &[usize]) = match letter {
            b'S' => (10, &[]),
            b'D' => (31, &[22]),
            b'H' => (22, &[]),
            b'O' | b'I' | b'E' => (18, &[]),
            b'P' => (19, &[]),
            b'Q' => (42, &[22, 30]),
            b'8' | b'5' => (30, &[22]),
            b'T' | b'B' => (38, &[22]),
            b'X' => (26, &[18]),
            b'A' => (80, &[22, 30, 48, 56, 64, 72]),
            _ => return Meaning::Unknown,
        };
        if bytes.len() < length || bytes[9] >= 0x80 {
            return Meaning::Malformed;
        }
        if prices.iter().any(|at| price_e9(bytes, *at).is_none()) {
            return Meaning::Malformed;
        }
        Meaning::Events(self.events(letter, bytes, message))
    }

    fn events(&mut self, letter: u8, bytes: &[u8], message: u32) -> Vec<MarketEvent> {
        let head = Head {
            ts_event_ns: number(bytes, 2, 8),
            instrument: 0,
            feed: self.feed,
            kind: EventKind(0),
            side: Side::NONE,
            flags: Flags::LAST,
        };
        if letter == b'S' {
            let (code, reserved) = (bytes[1], [0; 27]);
            let system = System {
                head,
                code,
                reserved,
                message,
            };
            return vec![system.into()];
        }
        let name: [u8; 8] = bytes[10..18].try_into().expect("eight bytes");
        let next = u32::try_from(self.instruments.len() + 1).expect("few");
        let is_new = !self.instruments.contains_key(&name);
        let instrument = *self.instruments.entry(name).or_insert(next);
        let head = Head { instrument, ..head };
        let mut events = vec![];
        if is_new && letter != b'D' {
            let flags = Flags::DERIVED;
            events.push(named(Head { flags, ..head }, name, message).into());
        }
        events.extend(meanings(letter, bytes, head, message));
        events
    }
}

fn price_e9(bytes: &[u8], at: usize) -> Option<i64> {
    let price_e4 = number(bytes, at, 8).cast_signed();
    i64::try_from(i128::from(price_e4) * 100_000).ok()
}

fn named(head: Head, name: [u8; 8], message: u32) -> Instrument {
    Instrument {
        head,
        symbol: Symbol(name),
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
        message,
    }
}

fn meanings(letter: u8, bytes: &[u8], head: Head, message: u32) -> Vec<MarketEvent> {
    let price = |at| price_e9(bytes, at).expect("checked");
    let (flags, size) = (bytes[1], |at| number32(bytes, at));
    let open = Head {
        flags: Flags::NONE,
        ..head
    };
    let event: MarketEvent = match letter {
        b'D' => {
            let name = bytes[10..18].try_into().expect("eight bytes");
            let instrument = Instrument {
                round_lot: size(18),
                authenticity: if flags >= 0x80 { b'T' } else { b'P' },
                price_band_tier: bytes[30],
                etp: if flags & 0x20 == 0x20 { b'Y' } else { b'N' },
                ..named(open, name, message)
            };
            let close = OfficialPrice {
                head,
                price_e9: price(22),
                price_type: b'P',
                venue_flags: flags,
                reserved: [0; 18],
                message,
            };
            return vec![instrument.into(), close.into()];
        }
        b'A' => return auction(bytes, head, message),
        b'H' => Status {
            head,
            state: flags,
            venue_reserved: 0,
            reason: bytes[18..22].try_into().expect("four bytes"),
            reserved: [0; 22],
            message,
        }
        .into(),
        b'O' => OperationalHalt {
            head,
            market: 0,
            action: flags,
            reserved: [0; 26],
            message,
        }
        .into(),
        b'P' => {
            let detail = bytes[18];
            ShortSale {
                head,
                action: flags,
                detail,
                reserved: [0; 26],
                message,
            }
            .into()
        }
        b'I' => {
            let side = match flags {
                b'A' => Side::BUY,
                b'B' => Side::SELL,
                _ => Side::NONE,
            };
            let head = Head { side, ..head };
            RetailInterest {
                head,
                interest: flags,
                reserved: [0; 27],
                message,
            }
            .into()
        }
        b'E' => SecurityEvent {
            head,
            code: flags,
            reserved: [0; 27],
            message,
        }
        .into(),
        b'Q' => Quote {
            head,
            bid_price_e9: price(22),
            ask_price_e9: price(30),
            bid_quantity: size(18),
            ask_quantity: size(38),
            venue_flags: flags,
            reserved: [0; 3],
            message,
        }
        .into(),
        b'8' | b'5' => Level {
            head: Head {
                side: if letter == b'8' {
                    Side::BUY
                } else {
                    Side::SELL
                },
                ..head
            },
            price_e9: price(22),
            quantity: size(18),
            orders: u32::MAX,
            report: 0,
            tradeable_quantity: u32::MAX,
            level: 0,
            action: LevelAction(if size(18) == 0 { 2 } else { 16 }),
            entry_type: letter,
            venue_flags: flags,
            message,
        }
        .into(),
        b'T' => LastSale {
            head,
            price_e9: price(22),
            trade_id: number(bytes, 30, 8),
            quantity: size(18),
            orders: u32::MAX,
            conditions: flags,
            action: LevelAction(0),
            reserved: [0; 2],
            message,
        }
        .into(),
        b'B' => TradeBreak {
            head,
            match_id: number(bytes, 30, 8),
            price_e9: price(22),
            quantity: size(18),
            conditions: flags,
            reserved: [0; 7],
            message,
        }
        .into(),
        _ => OfficialPrice {
            head,
            price_e9: price(18),
            price_type: flags,
            venue_flags: 0,
            reserved: [0; 18],
            message,
        }
        .into(),
    };
    vec![event]
}

fn auction(bytes: &[u8], head: Head, message: u32) -> Vec<MarketEvent> {
    let price = |at| price_e9(bytes, at).expect("checked");
    let side = match bytes[42] {
        b'B' => Side::BUY,
        b'S' => Side::SELL,
        _ => Side::NONE,
    };
    let open = Head {
        side,
        flags: Flags::NONE,
        ..head
    };
    vec![
        Imbalance {
            head: open,
            paired_quantity: number(bytes, 18, 4),
            imbalance_quantity: number(bytes, 38, 4),
            direction: bytes[42],
            cross_type: bytes[1],
            price_variation: 0,
            extensions: bytes[43],
            scheduled_s: number32(bytes, 44),
            reserved: [0; 4],
            message,
        }
        .into(),
        ImbalancePrices {
            head: open,
            far_price_e9: price(48),
            near_price_e9: price(30),
            reference_price_e9: price(22),
            cross_type: bytes[1],
            reserved: [0; 3],
            message,
        }
        .into(),
        Collar {
            head,
            reference_price_e9: price(56),
            upper_price_e9: price(72),
            lower_price_e9: price(64),
            extensions: u32::from(bytes[43]),
            message,
        }
        .into(),
    ]
}
