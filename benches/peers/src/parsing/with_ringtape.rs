//! Owns ringtape's side: each message becomes one or two complete 64-byte records in a batch.

use super::fields::Fields;
use crate::support::market_data::binary_file;
use ringtape::feed::Message;
use ringtape::feed::itch::{Decoded, Decoder, RECORDS_MAX};
use ringtape::market::{Flags, MarketEvent, NO_PRICE, View};
use ringtape::record::{Batch, Content};
use std::hint::black_box;

/// Messages after which the batch is handed over: about as many as the longest datagrams bring.
const DATAGRAM: u64 = 16;

/// Decodes a BinaryFILE again and again.
pub struct Side<'a> {
    file: &'a [u8],
    decoder: Decoder,
    batch: Batch<MarketEvent>,
    number: u64,
}

impl<'a> Side<'a> {
    pub fn new(file: &'a [u8]) -> Self {
        Self {
            file,
            decoder: Decoder::new(1, 0),
            batch: Batch::with_capacity(DATAGRAM as usize * RECORDS_MAX),
            number: 0,
        }
    }

    /// Decodes the whole file, returns how many messages became events.
    pub fn pass(&mut self) -> u64 {
        let Self {
            file,
            decoder,
            batch,
            number,
        } = self;
        let mut events = 0;
        for (bytes, number) in binary_file(file).zip(*number..) {
            let message = Message {
                number,
                bytes,
                message_bytes: u16::try_from(bytes.len()).expect("as its length said"),
                ts_recv_ns: number,
            };
            events += u64::from(decoder.decode(message, batch) == Ok(Decoded::Events));
            if number % DATAGRAM == 0 {
                black_box(batch.records());
                batch.clear();
            }
        }
        black_box(batch.records());
        batch.clear();
        *number += events;
        events
    }
}

/// Returns the fields of each message of a BinaryFILE.
pub fn fields(file: &[u8]) -> Vec<Fields> {
    let mut decoder = Decoder::new(1, 0);
    let mut batch = Batch::with_capacity(RECORDS_MAX);
    binary_file(file)
        .zip(1..)
        .map(|(bytes, number)| {
            batch.clear();
            let message = Message {
                number,
                bytes,
                message_bytes: u16::try_from(bytes.len()).expect("as its length said"),
                ts_recv_ns: 7,
            };
            assert_eq!(decoder.decode(message, &mut batch), Ok(Decoded::Events));
            let event = batch
                .records()
                .iter()
                .find_map(|record| match record.content() {
                    Content::Event(event) if !event.head.flags.contains(Flags::DERIVED) => {
                        Some(event)
                    }
                    _ => None,
                })
                .expect("a message becomes an event");
            assert_eq!(u64::from(event.message), number);
            let instrument = u16::try_from(event.head.instrument).expect("a stock locate");
            Fields {
                message_type: bytes[0],
                locate: instrument,
                since_midnight_ns: event.head.ts_event_ns,
                stock: stock(bytes[0], &decoder, instrument),
                ..body(event)
            }
        })
        .collect()
}

/// The name that the directory has for the stock of a message that names one.
fn stock(message_type: u8, decoder: &Decoder, locate: u16) -> [u8; 8] {
    if b"SEXDUCBVW".contains(&message_type) {
        return [0; 8];
    }
    decoder.symbol(locate).map_or([0; 8], |symbol| symbol.0)
}

fn price_e4(price_e9: i64) -> u32 {
    if price_e9 == NO_PRICE {
        return 0;
    }
    assert_eq!(price_e9 % 100_000, 0);
    u32::try_from(price_e9 / 100_000).expect("came from 32 bits")
}

fn body(event: &MarketEvent) -> Fields {
    let side = event.head.side.0;
    let none = Fields::default();
    match event.view() {
        View::AddOrder(add) => Fields {
            order_id: add.order_id,
            side,
            quantity: add.quantity,
            price_e4: price_e4(add.price_e9),
            ..none
        },
        View::Execute(execute) => Fields {
            order_id: execute.order_id,
            quantity: execute.quantity.into(),
            price_e4: price_e4(execute.price_e9),
            match_id: execute.match_id,
            ..none
        },
        View::Cancel(cancel) => Fields {
            order_id: cancel.order_id,
            quantity: cancel.quantity,
            ..none
        },
        View::Delete(delete) => Fields {
            order_id: delete.order_id,
            ..none
        },
        View::Replace(replace) => Fields {
            order_id: replace.order_id,
            new_order_id: replace.new_order_id,
            quantity: replace.quantity.into(),
            price_e4: price_e4(replace.price_e9),
            ..none
        },
        View::Trade(trade) => Fields {
            order_id: trade.order_id,
            side,
            quantity: trade.quantity.into(),
            price_e4: price_e4(trade.price_e9),
            match_id: trade.match_id,
            ..none
        },
        View::CrossTrade(cross) => Fields {
            quantity: cross.quantity,
            price_e4: price_e4(cross.price_e9),
            match_id: cross.match_id,
            ..none
        },
        View::TradeBreak(broken) => Fields {
            match_id: broken.match_id,
            ..none
        },
        View::Imbalance(imbalance) => Fields {
            quantity: imbalance.paired_quantity,
            ..none
        },
        _ => none,
    }
}
