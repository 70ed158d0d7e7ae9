//! Owns the types that are not in the flow of quotes, levels and trades.

use super::{Decoder, Done, Found, Out, Refused, wire};
use crate::feed::Message;
use crate::feed::iex::wire::read;
use crate::market::{
    Collar, EventKind, Flags, Head, Imbalance, ImbalancePrices, Instrument, OfficialPrice,
    OperationalHalt, RetailInterest, SecurityEvent, ShortSale, Side, Status, System, TradeBreak,
};

/// A directory's bit: a test instrument.
const TEST: u8 = 0x80;
/// A directory's bit: an exchange-traded product.
const EXCHANGE_TRADED: u8 = 0x20;
/// The type of an official price that a directory tells: the adjusted previous close.
const PREVIOUS_CLOSE: u8 = b'P';

impl Decoder {
    #[inline(never)]
    pub(super) fn rare(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        match message.bytes[0] {
            b'S' => self.system(message, out),
            b'D' => self.directory(message, out),
            b'H' => self.trading_status(message, out),
            b'O' => self.operational_halt(message, out),
            b'P' => self.short_sale(message, out),
            b'I' => self.retail_interest(message, out),
            b'E' => self.security_event(message, out),
            b'B' => self.trade_break(message, out),
            b'X' => self.official_price(message, out),
            b'A' => self.auction(message, out),
            _ => Err(Refused::Unknown),
        }
    }

    fn system(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let system: &wire::System = read(message.bytes)?;
        let event = System {
            head: Head {
                ts_event_ns: system.header.time_ns()?,
                instrument: 0,
                feed: self.feed,
                kind: EventKind::SYSTEM,
                side: Side::NONE,
                flags: Flags::LAST,
            },
            code: system.header.flags,
            reserved: [0; 27],
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    fn directory(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let directory: &wire::Directory = read(message.bytes)?;
        let price_e9 = directory.previous_close.e9()?;
        let ts_event_ns = directory.header.time_ns()?;
        let (Found::Known(instrument) | Found::New(instrument)) =
            self.symbols.number_or_new(directory.symbol)
        else {
            return Err(Refused::Unnumbered);
        };
        let last = Head {
            ts_event_ns,
            instrument,
            feed: self.feed,
            kind: EventKind::INSTRUMENT,
            side: Side::NONE,
            flags: Flags::LAST,
        };
        let bits = directory.header.flags;
        let event = Instrument {
            head: not_last(last),
            round_lot: directory.round_lot.get(),
            authenticity: if bits & TEST == 0 { b'P' } else { b'T' },
            price_band_tier: directory.price_band_tier,
            etp: if bits & EXCHANGE_TRADED == 0 {
                b'N'
            } else {
                b'Y'
            },
            ..Instrument::named(last, directory.symbol, message.number_low())
        };
        self.push(message, event, out)?;
        let event = OfficialPrice {
            head: last,
            price_e9,
            price_type: PREVIOUS_CLOSE,
            venue_flags: bits,
            reserved: [0; 18],
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    fn trading_status(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let status: &wire::TradingStatus = read(message.bytes)?;
        let kind = EventKind::STATUS;
        let head = self.head(&status.header, status.symbol, kind, message, out)?;
        let event = Status {
            head,
            state: status.header.flags,
            venue_reserved: 0,
            reason: status.reason,
            reserved: [0; 22],
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    fn operational_halt(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let halt: &wire::OperationalHalt = read(message.bytes)?;
        let kind = EventKind::OPERATIONAL_HALT;
        let head = self.head(&halt.header, halt.symbol, kind, message, out)?;
        let event = OperationalHalt {
            head,
            market: 0,
            action: halt.header.flags,
            reserved: [0; 26],
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    fn short_sale(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let restriction: &wire::ShortSale = read(message.bytes)?;
        let (header, kind) = (&restriction.header, EventKind::SHORT_SALE);
        let head = self.head(header, restriction.symbol, kind, message, out)?;
        let event = ShortSale {
            head,
            action: header.flags,
            detail: restriction.detail,
            reserved: [0; 26],
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    fn retail_interest(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let retail: &wire::RetailInterest = read(message.bytes)?;
        let kind = EventKind::RETAIL_INTEREST;
        let head = self.head(&retail.header, retail.symbol, kind, message, out)?;
        let interest = retail.header.flags;
        let side = match interest {
            b'A' => Side::BUY,
            b'B' => Side::SELL,
            _ => Side::NONE,
        };
        let event = RetailInterest {
            head: Head { side, ..head },
            interest,
            reserved: [0; 27],
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    fn security_event(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let security: &wire::SecurityEvent = read(message.bytes)?;
        let kind = EventKind::SECURITY_EVENT;
        let head = self.head(&security.header, security.symbol, kind, message, out)?;
        let event = SecurityEvent {
            head,
            code: security.header.flags,
            reserved: [0; 27],
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    fn trade_break(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let broken: &wire::Trade = read(message.bytes)?;
        let price_e9 = broken.price.e9()?;
        let kind = EventKind::TRADE_BREAK;
        let head = self.head(&broken.header, broken.symbol, kind, message, out)?;
        let event = TradeBreak {
            head,
            match_id: broken.trade_id.get(),
            price_e9,
            quantity: broken.size.get(),
            conditions: broken.header.flags,
            reserved: [0; 7],
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    fn official_price(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let official: &wire::OfficialPrice = read(message.bytes)?;
        let price_e9 = official.price.e9()?;
        let kind = EventKind::OFFICIAL_PRICE;
        let head = self.head(&official.header, official.symbol, kind, message, out)?;
        let event = OfficialPrice {
            head,
            price_e9,
            price_type: official.header.flags,
            venue_flags: 0,
            reserved: [0; 18],
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    fn auction(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let auction: &wire::Auction = read(message.bytes)?;
        let [far_price_e9, near_price_e9] = [auction.book_clearing.e9()?, auction.indicative.e9()?];
        let reference_price_e9 = auction.reference.e9()?;
        let collar_reference_e9 = auction.collar_reference.e9()?;
        let [lower_price_e9, upper_price_e9] = [auction.lower.e9()?, auction.upper.e9()?];
        let kind = EventKind::IMBALANCE;
        let last = self.head(&auction.header, auction.symbol, kind, message, out)?;
        let side = match Side(auction.side) {
            side @ (Side::BUY | Side::SELL) => side,
            _ => Side::NONE,
        };
        let last = Head { side, ..last };
        let quantities = Imbalance {
            head: not_last(last),
            paired_quantity: u64::from(auction.paired.get()),
            imbalance_quantity: u64::from(auction.imbalance.get()),
            direction: auction.side,
            cross_type: auction.header.flags,
            price_variation: 0,
            extensions: auction.extensions,
            scheduled_s: auction.scheduled_s.get(),
            reserved: [0; 4],
            message: message.number_low(),
        };
        self.push(message, quantities, out)?;
        let prices = ImbalancePrices {
            head: not_last(last),
            far_price_e9,
            near_price_e9,
            reference_price_e9,
            cross_type: auction.header.flags,
            reserved: [0; 3],
            message: message.number_low(),
        };
        self.push(message, prices, out)?;
        let collar = Collar {
            head: Head {
                side: Side::NONE,
                ..last
            },
            reference_price_e9: collar_reference_e9,
            upper_price_e9,
            lower_price_e9,
            extensions: u32::from(auction.extensions),
            message: message.number_low(),
        };
        self.push(message, collar, out)
    }
}

/// The head of an event that others of its message follow.
fn not_last(last: Head) -> Head {
    Head {
        flags: Flags::NONE,
        ..last
    }
}
