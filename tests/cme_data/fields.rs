//! Every field of every message, as the venue's own template file says.

use crate::naive_cme::{Naive, Values};
use crate::rig::{Data, Rig, arrivals, number};
use ringtape::market::{
    EventKind, Flags, Head, LastSale, Level, LevelAction, MarketEvent, NO_PRICE, NO_QUANTITY,
    SecurityStatus, Side, Statistic, TradeOrder, Volume,
};
use std::collections::HashMap;

/// What the events of a packet have to be.
struct Oracle {
    /// The last update's number of each security, and whether all since its first one followed.
    securities: HashMap<u32, (u32, bool)>,
    transitions: u64,
}

impl Oracle {
    fn head(root: &Values, instrument: u32, side: Side, flags: Flags) -> Head {
        Head {
            ts_event_ns: root.get("TransactTime"),
            instrument,
            feed: 1,
            kind: EventKind(0),
            side,
            flags,
        }
    }

    /// Takes the update that an entry is.
    fn update(&mut self, entry: &Values) -> (u32, u32, Flags) {
        let security = entry.get::<i32>("SecurityID").cast_unsigned();
        let report = entry.get("RptSeq");
        let fresh = match self.securities.get(&security) {
            Some(&(last, fresh)) => {
                self.transitions += 1;
                fresh && report == last + 1
            }
            None => report == 1,
        };
        self.securities.insert(security, (report, fresh));
        let flags = if fresh {
            Flags::NONE
        } else {
            Flags::STALE_BOOK
        };
        (security, report, flags)
    }

    fn message(&mut self, message: &Naive, number: u32) -> Vec<MarketEvent> {
        let root = &message.root;
        if message.template == 12 {
            return vec![];
        }
        let venue_flags = root.get("MatchEventIndicator");
        if message.template == 30 {
            return vec![status(root, number)];
        }
        let mut events: Vec<MarketEvent> = vec![];
        for entry in &message.groups[0] {
            let (instrument, report, flags) = self.update(entry);
            let head = |side| Self::head(root, instrument, side, flags);
            let price_e9 = match entry.number("MDEntryPx") {
                Some(mantissa) => i64::try_from(mantissa * 100).expect("fits"),
                None => NO_PRICE,
            };
            let action = LevelAction(entry.get("MDUpdateAction"));
            match message.template {
                32 => events.push(
                    Level {
                        head: head(match entry.bytes("MDEntryType") {
                            b"0" | b"E" => Side::BUY,
                            b"1" | b"F" => Side::SELL,
                            _ => Side::NONE,
                        }),
                        price_e9,
                        quantity: entry.or("MDEntrySize", NO_QUANTITY),
                        orders: entry.or("NumberOfOrders", NO_QUANTITY),
                        report,
                        tradeable_quantity: NO_QUANTITY,
                        level: entry.get("MDPriceLevel"),
                        action,
                        entry_type: entry.bytes("MDEntryType")[0],
                        venue_flags,
                        message: number,
                    }
                    .into(),
                ),
                35 => events.push(
                    Statistic {
                        head: head(Side::NONE),
                        price_e9,
                        quantity: entry.or("MDEntrySize", NO_QUANTITY),
                        report,
                        entry_type: entry.bytes("MDEntryType")[0],
                        action,
                        open_close: entry.get("OpenCloseSettlFlag"),
                        venue_flags,
                        reference_date: 65_535,
                        settlement: 255,
                        reserved: [0; 5],
                        message: number,
                    }
                    .into(),
                ),
                37 => events.push(
                    Volume {
                        head: head(Side::NONE),
                        quantity: entry.get("MDEntrySize"),
                        report,
                        action,
                        venue_flags,
                        reserved: [0; 18],
                        message: number,
                    }
                    .into(),
                ),
                42 => {
                    let side =
                        [Side::NONE, Side::BUY, Side::SELL][entry.get::<usize>("AggressorSide")];
                    events.push(
                        LastSale {
                            head: head(side),
                            price_e9,
                            trade_id: entry.or("MDTradeEntryID", 0),
                            quantity: entry.get("MDEntrySize"),
                            orders: entry.or("NumberOfOrders", NO_QUANTITY),
                            conditions: venue_flags,
                            action,
                            reserved: [0; 2],
                            message: number,
                        }
                        .into(),
                    );
                    let count = entry.get("NumberOfOrders");
                    let of_those_before = message.groups[0]
                        .iter()
                        .take_while(|before| !std::ptr::eq(*before, entry))
                        .map(|before| before.get::<usize>("NumberOfOrders"))
                        .sum();
                    let own = message.groups[1].iter().skip(of_those_before).take(count);
                    events.extend(own.map(|order| {
                        MarketEvent::from(TradeOrder {
                            head: head(Side::NONE),
                            order_id: order.get("OrderID"),
                            quantity: order.get("LastQty"),
                            report,
                            reserved: [0; 12],
                            message: number,
                        })
                    }));
                }
                other => panic!("template {other}"),
            }
        }
        if message.template == 32 {
            assert!(message.groups[1].is_empty(), "the capture has no orders");
        }
        if let Some(last) = events.last_mut() {
            last.head.flags = last.head.flags.with(Flags::LAST);
        }
        events
    }
}

fn status(root: &Values, number: u32) -> MarketEvent {
    let instrument = root.number("SecurityID").unwrap_or(0);
    let event = SecurityStatus {
        head: Oracle::head(
            root,
            instrument.try_into().unwrap(),
            Side::NONE,
            Flags::LAST,
        ),
        group: root.bytes("SecurityGroup").try_into().unwrap(),
        asset: root.bytes("Asset").try_into().unwrap(),
        trade_date: root.or("TradeDate", 65_535),
        status: root.get("SecurityTradingStatus"),
        halt_reason: root.get("HaltReason"),
        event: root.get("SecurityTradingEvent"),
        venue_flags: root.get("MatchEventIndicator"),
        reserved: [0; 10],
        message: number,
    };
    event.into()
}

#[test]
fn every_field_of_every_message_is_what_the_template_file_says() {
    let Some(data) = Data::read() else { return };
    let (rig, _) = Rig::run(&arrivals(&data.datagrams()));
    let mut oracle = Oracle {
        securities: HashMap::new(),
        transitions: 0,
    };
    let mut got = rig.events.iter();
    let mut messages = 0;
    for datagram in data.line(0) {
        for message in data.schema.packet(datagram.payload) {
            for expected in oracle.message(&message, number(datagram.payload)) {
                assert_eq!(got.next(), Some(&expected), "{message:?}");
            }
            messages += 1;
        }
    }
    assert_eq!((messages, got.next()), (5_299, None));
    // The capture begins in the middle of the day: no book is complete.
    assert!(oracle.securities.values().all(|&(_, fresh)| !fresh));
    eprintln!(
        "{} securities, {} transitions of RptSeq",
        oracle.securities.len(),
        oracle.transitions
    );
    assert_eq!((oracle.securities.len(), oracle.transitions), (39, 6_156));
}
