//! Owns the values of one event as the fields of its message hold them.
//!
//! Refuses what does not fit, rather than send another value in its place.

use super::decode::{ANONYMOUS, SECOND_NS};
use super::encode::{self, DirectListing, Directory, Imbalance, Order};
use super::encoder::{Encoded, Unencodable};
use super::wire;
use crate::market::{Flags, Instrument, IpoQuote, MarketEvent, NO_PRICE, Status, Symbol, View};
use std::mem::offset_of;

/// The largest time since midnight: 48 bits.
const SINCE_MIDNIGHT_NS_MAX: u64 = (1 << 48) - 1;

type Result<T> = std::result::Result<T, Unencodable>;

/// Returns the wire's number of an event's instrument.
pub(super) fn locate(event: &MarketEvent) -> Result<u16> {
    u16::try_from(event.head.instrument).map_err(|_| Unencodable::OutOfRange {
        kind: event.head.kind,
        field: "instrument",
    })
}

/// The event that ends a message, and what else the message needs.
#[derive(Debug)]
pub(super) struct Values<'a> {
    event: &'a MarketEvent,
    /// The first half, where the event is the second.
    first: Option<MarketEvent>,
    head: encode::Head,
    stock: Option<Symbol>,
    midnight_ns: u64,
}

impl<'a> Values<'a> {
    pub(super) fn new(
        event: &'a MarketEvent,
        first: Option<MarketEvent>,
        stock: Option<Symbol>,
        midnight_ns: u64,
    ) -> Result<Self> {
        let since_midnight_ns = event.head.ts_event_ns.wrapping_sub(midnight_ns);
        if since_midnight_ns > SINCE_MIDNIGHT_NS_MAX {
            return Err(Unencodable::OutOfRange {
                kind: event.head.kind,
                field: "ts_event_ns",
            });
        }
        let head = encode::Head {
            locate: locate(event)?,
            tracking: 0,
            since_midnight_ns,
        };
        Ok(Self {
            event,
            first,
            head,
            stock,
            midnight_ns,
        })
    }

    /// Returns the message: one of the order flow, else one of the others.
    pub(super) fn message(&self) -> Result<Encoded> {
        let head = self.head;
        Ok(match self.event.view() {
            View::AddOrder(add) => {
                let order = self.order(add.order_id, add.quantity, add.price_e9)?;
                match add.attribution {
                    ANONYMOUS => encode::add_order(head, order).into(),
                    name => encode::add_order_attributed(head, order, name).into(),
                }
            }
            View::Execute(execute) => {
                let (id, shares, match_id) = (execute.order_id, execute.quantity, execute.match_id);
                if execute.price_e9 == NO_PRICE {
                    return Ok(encode::executed(head, id, shares, match_id).into());
                }
                let printable = !execute.head.flags.contains(Flags::NON_PRINTABLE);
                let price_e4 = self.price("price_e9", execute.price_e9)?;
                encode::executed_with_price(head, id, shares, match_id, printable, price_e4).into()
            }
            View::Cancel(cancel) => {
                let shares = self.shares(cancel.quantity)?;
                encode::cancel(head, cancel.order_id, shares).into()
            }
            View::Delete(delete) => encode::delete(head, delete.order_id).into(),
            View::Replace(replace) => {
                let price_e4 = self.price("price_e9", replace.price_e9)?;
                let (old, new) = (replace.order_id, replace.new_order_id);
                encode::replace(head, old, new, replace.quantity, price_e4).into()
            }
            View::Trade(trade) => {
                let shares = u64::from(trade.quantity);
                let order = self.order(trade.order_id, shares, trade.price_e9)?;
                encode::trade(head, order, trade.match_id).into()
            }
            View::TradeBreak(broken) => encode::trade_break(head, broken.match_id).into(),
            _ => return self.auction(),
        })
    }

    fn auction(&self) -> Result<Encoded> {
        let head = self.head;
        let first = self.first.as_ref().map(MarketEvent::view);
        Ok(match (first, self.event.view()) {
            (_, View::CrossTrade(cross)) => {
                let (stock, price_e4) = (self.stock()?, self.price("price_e9", cross.price_e9)?);
                let (shares, match_id) = (cross.quantity, cross.match_id);
                encode::cross_trade(head, stock, shares, price_e4, match_id, cross.cross_type)
                    .into()
            }
            (Some(View::Imbalance(quantities)), View::ImbalancePrices(prices)) => {
                let auction = Imbalance {
                    stock: self.stock()?,
                    paired: quantities.paired_quantity,
                    imbalance: quantities.imbalance_quantity,
                    direction: quantities.direction,
                    far_e4: self.price("far_price_e9", prices.far_price_e9)?,
                    near_e4: self.price("near_price_e9", prices.near_price_e9)?,
                    reference_e4: self.price("reference_price_e9", prices.reference_price_e9)?,
                    cross_type: quantities.cross_type,
                    price_variation: quantities.price_variation,
                };
                encode::imbalance(head, auction).into()
            }
            (Some(View::DirectListing(opening)), View::DirectListingCollar(collar)) => {
                let listing = DirectListing {
                    stock: self.stock()?,
                    open_eligible: opening.open_eligible,
                    min_e4: self.price("min_price_e9", opening.min_price_e9)?,
                    max_e4: self.price("max_price_e9", opening.max_price_e9)?,
                    near_e4: self.price("near_price_e9", opening.near_price_e9)?,
                    near_time: collar.near_time,
                    lower_e4: self.price("lower_price_e9", collar.lower_price_e9)?,
                    upper_e4: self.price("upper_price_e9", collar.upper_price_e9)?,
                };
                encode::direct_listing(head, listing).into()
            }
            (_, View::Collar(collar)) => {
                let reference_e4 = self.price("reference_price_e9", collar.reference_price_e9)?;
                let upper_e4 = self.price("upper_price_e9", collar.upper_price_e9)?;
                let lower_e4 = self.price("lower_price_e9", collar.lower_price_e9)?;
                let (stock, extensions) = (self.stock()?, collar.extensions);
                encode::collar(head, stock, reference_e4, upper_e4, lower_e4, extensions).into()
            }
            (_, View::IpoQuote(ipo)) => self.ipo_quote(ipo)?,
            _ => return self.standing(),
        })
    }

    fn standing(&self) -> Result<Encoded> {
        let head = self.head;
        Ok(match self.event.view() {
            View::Status(status) => self.trading_action(status)?,
            View::ShortSale(short) => encode::short_sale(head, self.stock()?, short.action).into(),
            View::Participant(maker) => {
                let (primary, mode, state) = (maker.primary, maker.mode, maker.state);
                let stock = self.stock()?;
                encode::participant(head, stock, maker.participant, primary, mode, state).into()
            }
            View::Instrument(instrument) => encode::directory(head, directory(instrument)).into(),
            View::System(system) => encode::system_event(head, system.code).into(),
            View::CircuitBreakerLevels(breaker) => {
                let levels_e8 = [
                    self.level("level1_e9", breaker.level1_e9)?,
                    self.level("level2_e9", breaker.level2_e9)?,
                    self.level("level3_e9", breaker.level3_e9)?,
                ];
                encode::circuit_breaker_levels(head, levels_e8).into()
            }
            View::CircuitBreaker(breaker) => encode::circuit_breaker(head, breaker.level).into(),
            View::OperationalHalt(halt) => {
                encode::operational_halt(head, self.stock()?, halt.market, halt.action).into()
            }
            View::RetailInterest(retail) => {
                encode::retail_interest(head, self.stock()?, retail.interest).into()
            }
            _ => {
                let kind = self.event.head.kind;
                return Err(Unencodable::Incomplete { kind });
            }
        })
    }

    fn order(&self, order_id: u64, quantity: u64, price_e9: i64) -> Result<Order> {
        Ok(Order {
            order_id,
            side: self.event.head.side.0,
            shares: self.shares(quantity)?,
            stock: self.stock()?,
            price_e4: self.price("price_e9", price_e9)?,
        })
    }

    fn ipo_quote(&self, ipo: &IpoQuote) -> Result<Encoded> {
        let (stock, price_e4) = (self.stock()?, self.price("price_e9", ipo.price_e9)?);
        let release_s = match ipo.ts_release_ns {
            0 => 0,
            ts_release_ns => {
                let release_ns = ts_release_ns.wrapping_sub(self.midnight_ns);
                let whole = release_ns.is_multiple_of(SECOND_NS) && release_ns > 0;
                let release_s = u32::try_from(release_ns / SECOND_NS).ok();
                self.fit("ts_release_ns", release_s.filter(|_| whole))?
            }
        };
        Ok(encode::ipo_quote(self.head, stock, release_s, ipo.qualifier, price_e4).into())
    }

    fn trading_action(&self, status: &Status) -> Result<Encoded> {
        let (stock, state, reason) = (self.stock()?, status.state, status.reason);
        let mut message = encode::trading_action(self.head, stock, state, reason);
        message[offset_of!(wire::TradingAction, reserved)] = status.venue_reserved;
        Ok(message.into())
    }

    fn stock(&self) -> Result<Symbol> {
        let head = self.event.head;
        self.stock.ok_or(Unencodable::Unnamed {
            kind: head.kind,
            instrument: head.instrument,
        })
    }

    fn shares(&self, quantity: u64) -> Result<u32> {
        self.fit("quantity", u32::try_from(quantity).ok())
    }

    fn price(&self, field: &'static str, price_e9: i64) -> Result<u32> {
        let price_e4 = u32::try_from(price_e9 / 100_000).ok();
        self.fit(field, price_e4.filter(|_| price_e9 % 100_000 == 0))
    }

    fn level(&self, field: &'static str, level_e9: i64) -> Result<u64> {
        let level_e8 = u64::try_from(level_e9 / 10).ok();
        self.fit(field, level_e8.filter(|_| level_e9 % 10 == 0))
    }

    fn fit<T>(&self, field: &'static str, value: Option<T>) -> Result<T> {
        let kind = self.event.head.kind;
        value.ok_or(Unencodable::OutOfRange { kind, field })
    }
}

fn directory(instrument: &Instrument) -> Directory {
    Directory {
        stock: instrument.symbol,
        market_category: instrument.market_category,
        financial_status: instrument.financial_status,
        round_lot: instrument.round_lot,
        round_lots_only: instrument.round_lots_only,
        issue_class: instrument.issue_class,
        issue_subtype: instrument.issue_subtype,
        authenticity: instrument.authenticity,
        short_sale_threshold: instrument.short_sale_threshold,
        ipo: instrument.ipo,
        price_band_tier: instrument.price_band_tier,
        etp: instrument.etp,
        etp_leverage: instrument.etp_leverage,
        inverse: instrument.inverse,
    }
}
