//! Owns the side of `itch5` (zerocopy): each message is a reference into the file whose accessors
//! decode a field when they are called.
//!
//! The visitor reads the fields of [`Fields`], and the rest of the reference data. As they are
//! lent, they are gone with the file's buffer: [`Side::keep`] stores them in a struct of its own,
//! which is what anybody must do who hands them to another thread, and [`Side::sum`] only adds them
//! up.

use super::fields::Fields;
use itch5::messages as m;
use itch5::{MessageHandler, Parser};
use std::hint::black_box;
use std::ops::ControlFlow;

/// Messages that are kept before they are given up, as on our side.
const BATCH: usize = 16;

/// Decodes a BinaryFILE again and again.
pub struct Side<'a> {
    file: &'a [u8],
    kept: Vec<Fields>,
}

impl<'a> Side<'a> {
    pub fn new(file: &'a [u8]) -> Self {
        Self {
            file,
            kept: Vec::with_capacity(BATCH),
        }
    }

    /// Decodes the whole file, keeps what it reads, returns how many messages it had.
    pub fn keep(&mut self) -> u64 {
        let mut messages = 0;
        let mut visitor = Visitor(|fields: Fields| {
            if self.kept.len() == BATCH {
                black_box(&self.kept[..]);
                self.kept.clear();
            }
            self.kept.push(fields);
            messages += 1;
        });
        Parser::new(self.file)
            .parse_stream(&mut visitor)
            .expect("it was compared before");
        black_box(&self.kept[..]);
        self.kept.clear();
        messages
    }

    /// Decodes the whole file, sums up what it reads of each message, returns how many it had.
    pub fn sum(&mut self) -> u64 {
        let mut messages = 0;
        let mut visitor = Visitor(|fields: Fields| {
            messages += 1;
            let sum = u64::from(fields.locate)
                .wrapping_add(fields.since_midnight_ns)
                .wrapping_add(fields.order_id)
                .wrapping_add(fields.new_order_id)
                .wrapping_add(fields.side.into())
                .wrapping_add(fields.quantity)
                .wrapping_add(u64::from_ne_bytes(fields.stock))
                .wrapping_add(fields.price_e4.into())
                .wrapping_add(fields.match_id);
            black_box(sum);
        });
        Parser::new(self.file)
            .parse_stream(&mut visitor)
            .expect("it was compared before");
        messages
    }
}

/// Returns the fields of each message of a BinaryFILE.
pub fn fields(file: &[u8]) -> Vec<Fields> {
    let mut found = Vec::new();
    Parser::new(file)
        .parse_stream(&mut Visitor(|fields| found.push(fields)))
        .expect("it reads these files");
    found
}

/// Hands the fields of each message to a closure, which is inlined.
struct Visitor<F>(F);

/// Declares one method of the visitor for each type: what all have is written once. What comes
/// after `+` is read too, and not compared, because each crate has its own enums for letters.
macro_rules! visit {
    ($(
        $method:ident($message:ident: $type:ident, $locate:ident) { $($fields:tt)* }
        $( + { $( $more:ident, )* } )?
    )*) => {
        impl<F: FnMut(Fields)> MessageHandler for Visitor<F> {
            $(
                fn $method(&mut self, $message: &m::$type) -> ControlFlow<()> {
                    $( black_box(($( $message.$more(), )*)); )?
                    (self.0)(Fields {
                        message_type: m::$type::TAG,
                        locate: $message.$locate(),
                        since_midnight_ns: $message.timestamp().to_u64(),
                        $($fields)*
                        ..Fields::default()
                    });
                    ControlFlow::Continue(())
                }
            )*
        }
    };
}

visit! {
    on_system_event(message: SystemEvent, stock_locate) {}
    on_stock_directory(message: StockDirectory, stock_locate) { stock: stock(message.stock()), }
    + {
        market_category, financial_status_indicator, round_lot_size, round_lots_only,
        issue_classification, issue_sub_type, authenticity, short_sale_threshold_indicator,
        ipo_flag, luld_reference_price_tier, etp_flag, etp_leverage_factor, inverse_indicator,
    }
    on_stock_trading_action(message: StockTradingAction, stock_locate) {
        stock: stock(message.stock()),
    } + { trading_state, reserved, reason, }
    on_reg_sho_restriction(message: RegSHORestriction, locate_code) {
        stock: stock(message.stock()),
    } + { reg_sho_action, }
    on_market_participant_position(message: MarketParticipantPosition, stock_locate) {
        stock: stock(message.stock()),
    } + { mpid, primary_market_maker, market_maker_mode, market_participant_state, }
    on_mwcb_decline_level(message: MWCBDeclineLevel, stock_locate) {}
    on_mwcb_status(message: MWCBStatus, stock_locate) {}
    on_quoting_period_update(message: QuotingPeriodUpdate, stock_locate) {
        stock: stock(message.stock()),
    }
    on_luld_auction_collar(message: LULDAuctionCollar, stock_locate) {
        stock: stock(message.stock()),
    }
    on_operational_halt(message: OperationalHalt, stock_locate) { stock: stock(message.stock()), }
    on_add_order_no_mpid_attribution(add: AddOrderNoMPIDAttribution, stock_locate) {
        order_id: add.order_reference_number(),
        side: side(add.buy_sell_indicator()),
        quantity: add.shares().into(),
        stock: stock(add.stock()),
        price_e4: add.price().into_u32(),
    }
    on_add_order_with_mpid_attribution(add: AddOrderWithMPIDAttribution, stock_locate) {
        order_id: add.order_reference_number(),
        side: side(add.buy_sell_indicator()),
        quantity: add.shares().into(),
        stock: stock(add.stock()),
        price_e4: add.price().into_u32(),
    }
    on_order_executed(executed: OrderExecuted, stock_locate) {
        order_id: executed.order_reference_number(),
        quantity: executed.executed_shares().into(),
        match_id: executed.match_number(),
    }
    on_order_executed_with_price(executed: OrderExecutedWithPrice, stock_locate) {
        order_id: executed.order_reference_number(),
        quantity: executed.executed_shares().into(),
        price_e4: executed.execution_price().into_u32(),
        match_id: executed.match_number(),
    }
    on_order_cancel(cancel: OrderCancel, stock_locate) {
        order_id: cancel.order_reference_number(),
        quantity: cancel.cancelled_shares().into(),
    }
    on_order_delete(delete: OrderDelete, stock_locate) {
        order_id: delete.order_reference_number(),
    }
    on_order_replace(replace: OrderReplace, stock_locate) {
        order_id: replace.original_order_reference_number(),
        new_order_id: replace.new_order_reference_number(),
        quantity: replace.shares().into(),
        price_e4: replace.price().into_u32(),
    }
    on_trade(trade: Trade, stock_locate) {
        order_id: trade.order_reference_number(),
        side: side(trade.buy_sell_indicator()),
        quantity: trade.shares().into(),
        stock: stock(trade.stock()),
        price_e4: trade.price().into_u32(),
        match_id: trade.match_number(),
    }
    on_cross_trade(cross: CrossTrade, stock_locate) {
        quantity: cross.shares(),
        stock: stock(cross.stock()),
        price_e4: cross.cross_price().into_u32(),
        match_id: cross.match_number(),
    }
    on_broken_trade(broken: BrokenTrade, stock_locate) { match_id: broken.match_number(), }
    on_net_order_imbalance_indicator(imbalance: NetOrderImbalanceIndicator, stock_locate) {
        quantity: imbalance.paired_shares(),
        stock: stock(imbalance.stock()),
    }
    on_retail_price_improvement_indicator(
        retail: RetailPriceImprovementIndicator, stock_locate
    ) {
        stock: stock(retail.stock()),
    }
    on_direct_listing_with_capital_raise_price_discovery(
        listing: DirectListingwithCapitalRaisePriceDiscovery, stock_locate
    ) {
        stock: stock(listing.stock()),
    }
}

fn stock(symbol: &m::Symbol) -> [u8; 8] {
    symbol.to_u64().to_be_bytes()
}

fn side(side: m::BuySellIndicator) -> u8 {
    match side {
        m::BuySellIndicator::Buy => b'B',
        m::BuySellIndicator::Sell => b'S',
        m::BuySellIndicator::Unknown(letter) => letter,
    }
}
