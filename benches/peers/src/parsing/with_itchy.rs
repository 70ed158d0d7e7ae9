//! Owns the side of `itchy` (nom): each message becomes an owned 72-byte `Message`, with all
//! fields decoded and letters made enums.

use super::fields::Fields;
use itchy::{Body, MessageStream, Side as Buyer};
use std::hint::black_box;

/// Types that it does not know and panics on.
#[cfg(test)]
pub const UNKNOWN: &[u8] = b"hO";

/// Decodes a BinaryFILE again and again.
pub struct Side<'a> {
    file: &'a [u8],
}

impl<'a> Side<'a> {
    pub fn new(file: &'a [u8]) -> Self {
        Self { file }
    }

    /// Decodes the whole file, returns how many messages it had.
    pub fn pass(&mut self) -> u64 {
        let mut messages = 0;
        for message in MessageStream::from_reader(self.file) {
            let message = message.expect("it was compared before");
            black_box(&message);
            messages += 1;
        }
        messages
    }
}

/// Returns the fields of each message of a BinaryFILE.
pub fn fields(file: &[u8]) -> Vec<Fields> {
    MessageStream::from_reader(file)
        .map(|message| {
            let message = message.expect("it reads these files");
            Fields {
                message_type: message.tag,
                locate: message.stock_locate,
                since_midnight_ns: message.timestamp,
                ..body(&message.body)
            }
        })
        .collect()
}

fn stock(name: &itchy::ArrayString8) -> [u8; 8] {
    name.as_bytes().try_into().expect("8 bytes")
}

fn side(side: &Buyer) -> u8 {
    match side {
        Buyer::Buy => b'B',
        Buyer::Sell => b'S',
    }
}

fn body(body: &Body) -> Fields {
    let none = Fields::default();
    match body {
        Body::AddOrder(add) => Fields {
            order_id: add.reference,
            side: side(&add.side),
            quantity: add.shares.into(),
            stock: stock(&add.stock),
            price_e4: add.price.raw(),
            ..none
        },
        &Body::OrderExecuted {
            reference,
            executed,
            match_number,
        } => Fields {
            order_id: reference,
            quantity: executed.into(),
            match_id: match_number,
            ..none
        },
        &Body::OrderExecutedWithPrice {
            reference,
            executed,
            match_number,
            price,
            ..
        } => Fields {
            order_id: reference,
            quantity: executed.into(),
            price_e4: price.raw(),
            match_id: match_number,
            ..none
        },
        &Body::OrderCancelled {
            reference,
            cancelled,
        } => Fields {
            order_id: reference,
            quantity: cancelled.into(),
            ..none
        },
        &Body::DeleteOrder { reference } => Fields {
            order_id: reference,
            ..none
        },
        Body::ReplaceOrder(replace) => Fields {
            order_id: replace.old_reference,
            new_order_id: replace.new_reference,
            quantity: replace.shares.into(),
            price_e4: replace.price.raw(),
            ..none
        },
        Body::NonCrossTrade(trade) => Fields {
            order_id: trade.reference,
            side: side(&trade.side),
            quantity: trade.shares.into(),
            stock: stock(&trade.stock),
            price_e4: trade.price.raw(),
            match_id: trade.match_number,
            ..none
        },
        Body::CrossTrade(cross) => Fields {
            quantity: cross.shares,
            stock: stock(&cross.stock),
            price_e4: cross.cross_price.raw(),
            match_id: cross.match_number,
            ..none
        },
        &Body::BrokenTrade { match_number } => Fields {
            match_id: match_number,
            ..none
        },
        Body::Imbalance(imbalance) => Fields {
            quantity: imbalance.paired_shares,
            stock: stock(&imbalance.stock),
            ..none
        },
        Body::StockDirectory(directory) => Fields {
            stock: stock(&directory.stock),
            ..none
        },
        Body::TradingAction { stock: name, .. }
        | Body::RegShoRestriction { stock: name, .. }
        | Body::LULDAuctionCollar { stock: name, .. } => Fields {
            stock: stock(name),
            ..none
        },
        Body::ParticipantPosition(position) => Fields {
            stock: stock(&position.stock),
            ..none
        },
        Body::IpoQuotingPeriod(ipo) => Fields {
            stock: stock(&ipo.stock),
            ..none
        },
        Body::RetailPriceImprovementIndicator(retail) => Fields {
            stock: stock(&retail.stock),
            ..none
        },
        Body::SystemEvent { .. } | Body::MwcbDeclineLevel { .. } | Body::Breach(_) => none,
    }
}
