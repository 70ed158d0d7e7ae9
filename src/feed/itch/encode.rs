//! Owns the way back: the order flow's messages as a venue sends them, for simulators and tests.
//!
//! Prices are × 10⁴, as on the wire.

use super::wire;
use crate::market::Symbol;
use zerocopy::byteorder::big_endian::U16;
use zerocopy::transmute;

/// What every message begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The day's number of the stock; 0 where the message concerns none.
    pub locate: u16,
    /// The venue's internal number.
    pub tracking: u16,
    /// Nanoseconds since midnight in New York; 48 bits are sent.
    pub since_midnight_ns: u64,
}

impl Head {
    fn of(self, message_type: u8) -> wire::Header {
        let [_, _, since_midnight_ns @ ..] = self.since_midnight_ns.to_be_bytes();
        wire::Header {
            message_type,
            locate: U16::new(self.locate),
            tracking: U16::new(self.tracking),
            since_midnight_ns,
        }
    }
}

/// The reference data of one stock. Letters are the venue's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is described at market::Instrument")]
pub struct Directory {
    pub stock: Symbol,
    pub market_category: u8,
    pub financial_status: u8,
    pub round_lot: u32,
    pub round_lots_only: u8,
    pub issue_class: u8,
    pub issue_subtype: [u8; 2],
    pub authenticity: u8,
    pub short_sale_threshold: u8,
    pub ipo: u8,
    pub price_band_tier: u8,
    pub etp: u8,
    pub etp_leverage: u32,
    pub inverse: u8,
}

impl Directory {
    /// A live common stock in lots of 100, of which nothing else is to be said.
    #[must_use]
    pub const fn common_stock(stock: Symbol) -> Self {
        Self {
            stock,
            market_category: b'Q',
            financial_status: b'N',
            round_lot: 100,
            round_lots_only: b'N',
            issue_class: b'C',
            issue_subtype: *b"Z ",
            authenticity: b'P',
            short_sale_threshold: b'N',
            ipo: b'N',
            price_band_tier: b'1',
            etp: b'N',
            etp_leverage: 0,
            inverse: b'N',
        }
    }
}

/// An order as it joins the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The venue's number of the order.
    pub order_id: u64,
    /// `B` or `S`.
    pub side: u8,
    /// Shares.
    pub shares: u32,
    /// Stock.
    pub stock: Symbol,
    /// Price × 10⁴.
    pub price_e4: u32,
}

/// Encodes `S`: the day moved on to `code`.
#[must_use]
pub fn system_event(head: Head, code: u8) -> [u8; 12] {
    transmute!(wire::System {
        header: head.of(wire::System::TYPE),
        code
    })
}

/// Encodes `R`: reference data.
#[must_use]
pub fn directory(head: Head, stock: Directory) -> [u8; 39] {
    transmute!(wire::Directory {
        header: head.of(wire::Directory::TYPE),
        stock: stock.stock,
        market_category: stock.market_category,
        financial_status: stock.financial_status,
        round_lot: stock.round_lot.into(),
        round_lots_only: stock.round_lots_only,
        issue_class: stock.issue_class,
        issue_subtype: stock.issue_subtype,
        authenticity: stock.authenticity,
        short_sale_threshold: stock.short_sale_threshold,
        ipo: stock.ipo,
        price_band_tier: stock.price_band_tier,
        etp: stock.etp,
        etp_leverage: stock.etp_leverage.into(),
        inverse: stock.inverse,
    })
}

/// Encodes `H`: a stock's trading state.
#[must_use]
pub fn trading_action(head: Head, stock: Symbol, state: u8, reason: [u8; 4]) -> [u8; 25] {
    let header = head.of(wire::TradingAction::TYPE);
    transmute!(wire::TradingAction {
        header,
        stock,
        state,
        reserved: b' ',
        reason
    })
}

/// Encodes `A`: an anonymous order joined the book.
#[must_use]
pub fn add_order(head: Head, order: Order) -> [u8; 36] {
    transmute!(wire::AddOrder {
        header: head.of(wire::AddOrder::TYPE),
        order_id: order.order_id.into(),
        side: order.side,
        shares: order.shares.into(),
        stock: order.stock,
        price_e4: order.price_e4.into(),
    })
}

/// Encodes `F`: an order joined the book, with its participant's name.
#[must_use]
pub fn add_order_attributed(head: Head, order: Order, attribution: [u8; 4]) -> [u8; 40] {
    transmute!(wire::AddOrderAttributed {
        header: head.of(wire::AddOrderAttributed::TYPE),
        order_id: order.order_id.into(),
        side: order.side,
        shares: order.shares.into(),
        stock: order.stock,
        price_e4: order.price_e4.into(),
        attribution,
    })
}

/// Encodes `E`: an order traded at its own price.
#[must_use]
pub fn executed(head: Head, order_id: u64, shares: u32, match_id: u64) -> [u8; 31] {
    transmute!(wire::Executed {
        header: head.of(wire::Executed::TYPE),
        order_id: order_id.into(),
        shares: shares.into(),
        match_id: match_id.into(),
    })
}

/// Encodes `C`: an order traded at another price. One that is not `printable` is not volume.
#[must_use]
pub fn executed_with_price(
    head: Head,
    order_id: u64,
    shares: u32,
    match_id: u64,
    printable: bool,
    price_e4: u32,
) -> [u8; 36] {
    transmute!(wire::ExecutedWithPrice {
        header: head.of(wire::ExecutedWithPrice::TYPE),
        order_id: order_id.into(),
        shares: shares.into(),
        match_id: match_id.into(),
        printable: if printable { b'Y' } else { b'N' },
        price_e4: price_e4.into(),
    })
}

/// Encodes `X`: `shares` of an order were cancelled.
#[must_use]
pub fn cancel(head: Head, order_id: u64, shares: u32) -> [u8; 23] {
    transmute!(wire::Cancel {
        header: head.of(wire::Cancel::TYPE),
        order_id: order_id.into(),
        shares: shares.into(),
    })
}

/// Encodes `D`: an order left the book.
#[must_use]
pub fn delete(head: Head, order_id: u64) -> [u8; 19] {
    let header = head.of(wire::Delete::TYPE);
    transmute!(wire::Delete {
        header,
        order_id: order_id.into()
    })
}

/// Encodes `U`: an order left the book and another came in its stead.
#[must_use]
pub fn replace(
    head: Head,
    order_id: u64,
    new_order_id: u64,
    shares: u32,
    price_e4: u32,
) -> [u8; 35] {
    transmute!(wire::Replace {
        header: head.of(wire::Replace::TYPE),
        order_id: order_id.into(),
        new_order_id: new_order_id.into(),
        shares: shares.into(),
        price_e4: price_e4.into(),
    })
}

/// Encodes `P`: a trade against an order that the book never showed.
#[must_use]
pub fn trade(head: Head, order: Order, match_id: u64) -> [u8; 44] {
    transmute!(wire::Trade {
        header: head.of(wire::Trade::TYPE),
        order_id: order.order_id.into(),
        side: order.side,
        shares: order.shares.into(),
        stock: order.stock,
        price_e4: order.price_e4.into(),
        match_id: match_id.into(),
    })
}
