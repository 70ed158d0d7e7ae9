//! Owns the way back: every message as a venue sends it, from its values.
//!
//! For simulators and tests, and for what [`Encoder`](super::Encoder) makes of events. Prices are
//! × 10⁴ unless a name says otherwise, letters are the venue's; nothing is checked, because a
//! simulator may want to send what a venue would not.

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

/// What an auction would trade now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each field is described at market::Imbalance and market::ImbalancePrices"
)]
pub struct Imbalance {
    pub stock: Symbol,
    pub paired: u64,
    pub imbalance: u64,
    pub direction: u8,
    pub far_e4: u32,
    pub near_e4: u32,
    pub reference_e4: u32,
    pub cross_type: u8,
    pub price_variation: u8,
}

/// Price discovery of a direct listing with a capital raise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each field is described at market::DirectListing and market::DirectListingCollar"
)]
pub struct DirectListing {
    pub stock: Symbol,
    pub open_eligible: u8,
    pub min_e4: u32,
    pub max_e4: u32,
    pub near_e4: u32,
    pub near_time: u64,
    pub lower_e4: u32,
    pub upper_e4: u32,
}

/// What a field of the wire's struct takes: the value of its own name, or what stands behind it.
macro_rules! value {
    ($field:ident) => {
        $field.into()
    };
    ($field:ident $from:expr) => {
        $from.into()
    };
}

/// Declares each encoder once: its values, its length, and the fields of the wire's struct.
macro_rules! encoders {
    ($(
        $(#[$meta:meta])*
        $name:ident($($value:ident: $type:ty),*) -> $bytes:literal = $message:ident {
            $($field:ident $(: $from:expr)?,)*
        }
    )*) => {
        $(
            $(#[$meta])*
            #[must_use]
            pub fn $name(head: Head, $($value: $type),*) -> [u8; $bytes] {
                transmute!(wire::$message {
                    header: head.of(wire::$message::TYPE),
                    $($field: value!($field $($from)?),)*
                })
            }
        )*
    };
}

encoders! {
    /// Encodes `S`: the day moved on to `code`.
    system_event(code: u8) -> 12 = System { code, }

    /// Encodes `R`: reference data.
    directory(stock: Directory) -> 39 = Directory {
        stock: stock.stock,
        market_category: stock.market_category,
        financial_status: stock.financial_status,
        round_lot: stock.round_lot,
        round_lots_only: stock.round_lots_only,
        issue_class: stock.issue_class,
        issue_subtype: stock.issue_subtype,
        authenticity: stock.authenticity,
        short_sale_threshold: stock.short_sale_threshold,
        ipo: stock.ipo,
        price_band_tier: stock.price_band_tier,
        etp: stock.etp,
        etp_leverage: stock.etp_leverage,
        inverse: stock.inverse,
    }

    /// Encodes `H`: a stock's trading state.
    trading_action(stock: Symbol, state: u8, reason: [u8; 4]) -> 25 = TradingAction {
        stock,
        state,
        reserved: b' ',
        reason,
    }

    /// Encodes `Y`: whether short sales of a stock are restricted.
    short_sale(stock: Symbol, action: u8) -> 20 = ShortSale { stock, action, }

    /// Encodes `L`: a market maker's standing in a stock.
    participant(
        stock: Symbol, participant: [u8; 4], primary: u8, mode: u8, state: u8
    ) -> 26 = Participant { participant, stock, primary, mode, state, }

    /// Encodes `V`: the index levels × 10⁸ at which the whole market halts today, first to third.
    circuit_breaker_levels(levels_e8: [u64; 3]) -> 35 = CircuitBreakerLevels {
        level1_e8: levels_e8[0],
        level2_e8: levels_e8[1],
        level3_e8: levels_e8[2],
    }

    /// Encodes `W`: the index fell through `level`, a digit.
    circuit_breaker(level: u8) -> 12 = CircuitBreaker { level, }

    /// Encodes `K`: a new issue will be quoted from `release_s` on, seconds since midnight in New
    /// York.
    ipo_quote(stock: Symbol, release_s: u32, qualifier: u8, price_e4: u32) -> 28 = IpoQuote {
        stock,
        release_s,
        qualifier,
        price_e4,
    }

    /// Encodes `J`: the prices between which the auction that ends a pause may print.
    collar(
        stock: Symbol, reference_e4: u32, upper_e4: u32, lower_e4: u32, extensions: u32
    ) -> 35 = Collar { stock, reference_e4, upper_e4, lower_e4, extensions, }

    /// Encodes `h`: one market stopped or resumed a stock.
    operational_halt(stock: Symbol, market: u8, action: u8) -> 21 = OperationalHalt {
        stock,
        market,
        action,
    }

    /// Encodes `A`: an anonymous order joined the book.
    add_order(order: Order) -> 36 = AddOrder {
        order_id: order.order_id,
        side: order.side,
        shares: order.shares,
        stock: order.stock,
        price_e4: order.price_e4,
    }

    /// Encodes `F`: an order joined the book, with its participant's name.
    add_order_attributed(order: Order, attribution: [u8; 4]) -> 40 = AddOrderAttributed {
        order_id: order.order_id,
        side: order.side,
        shares: order.shares,
        stock: order.stock,
        price_e4: order.price_e4,
        attribution,
    }

    /// Encodes `E`: an order traded at its own price.
    executed(order_id: u64, shares: u32, match_id: u64) -> 31 = Executed {
        order_id,
        shares,
        match_id,
    }

    /// Encodes `C`: an order traded at another price. One that is not `printable` is not volume.
    executed_with_price(
        order_id: u64, shares: u32, match_id: u64, printable: bool, price_e4: u32
    ) -> 36 = ExecutedWithPrice {
        order_id,
        shares,
        match_id,
        printable: if printable { b'Y' } else { b'N' },
        price_e4,
    }

    /// Encodes `X`: `shares` of an order were cancelled.
    cancel(order_id: u64, shares: u32) -> 23 = Cancel { order_id, shares, }

    /// Encodes `D`: an order left the book.
    delete(order_id: u64) -> 19 = Delete { order_id, }

    /// Encodes `U`: an order left the book and another came in its stead.
    replace(order_id: u64, new_order_id: u64, shares: u32, price_e4: u32) -> 35 = Replace {
        order_id,
        new_order_id,
        shares,
        price_e4,
    }

    /// Encodes `P`: a trade against an order that the book never showed.
    trade(order: Order, match_id: u64) -> 44 = Trade {
        order_id: order.order_id,
        side: order.side,
        shares: order.shares,
        stock: order.stock,
        price_e4: order.price_e4,
        match_id,
    }

    /// Encodes `Q`: an auction's single print.
    cross_trade(
        stock: Symbol, shares: u64, price_e4: u32, match_id: u64, cross_type: u8
    ) -> 40 = CrossTrade { shares, stock, price_e4, match_id, cross_type, }

    /// Encodes `B`: a trade was taken back.
    trade_break(match_id: u64) -> 19 = TradeBreak { match_id, }

    /// Encodes `I`: what an auction would trade now.
    imbalance(auction: Imbalance) -> 50 = Imbalance {
        paired: auction.paired,
        imbalance: auction.imbalance,
        direction: auction.direction,
        stock: auction.stock,
        far_e4: auction.far_e4,
        near_e4: auction.near_e4,
        reference_e4: auction.reference_e4,
        cross_type: auction.cross_type,
        price_variation: auction.price_variation,
    }

    /// Encodes `N`: retail orders that want to trade inside the spread.
    retail_interest(stock: Symbol, interest: u8) -> 20 = RetailInterest { stock, interest, }

    /// Encodes `O`: price discovery of a direct listing with a capital raise.
    direct_listing(listing: DirectListing) -> 48 = DirectListing {
        stock: listing.stock,
        open_eligible: listing.open_eligible,
        min_e4: listing.min_e4,
        max_e4: listing.max_e4,
        near_e4: listing.near_e4,
        near_time: listing.near_time,
        lower_e4: listing.lower_e4,
        upper_e4: listing.upper_e4,
    }
}
