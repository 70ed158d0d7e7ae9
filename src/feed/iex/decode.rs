//! Owns the way from an IEX message to events.

use super::symbols::{Found, Symbols};
use super::wire::{self, read};
use crate::feed::{MalformedMessage, Message};
use crate::market::{
    Collar, EventKind, Flags, Head, Imbalance, ImbalancePrices, Instrument, LastSale, Level,
    LevelAction, MarketEvent, NO_QUANTITY, OfficialPrice, OperationalHalt, Quote, RetailInterest,
    SecurityEvent, ShortSale, Side, Status, Symbol, System, TradeBreak,
};
use crate::record::{Batch, DeadLetter};

/// What a message became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// One event or a group of them.
    Events,
    /// A dead letter: the type is not known.
    Unknown,
    /// A dead letter: there is no number left for the instrument that it names.
    Unnumbered,
    /// No record: the message has no bytes.
    Empty,
}

/// A directory's bit: a test instrument.
const TEST: u8 = 0x80;
/// A directory's bit: an exchange-traded product.
const EXCHANGE_TRADED: u8 = 0x20;
/// The type of an official price that a directory tells: the adjusted previous close.
const PREVIOUS_CLOSE: u8 = b'P';

/// Decodes the messages of one feed, and numbers its instruments.
///
/// # Examples
///
/// ```
/// use ringtape::feed::{Message, iex};
/// use ringtape::market::View;
/// use ringtape::record::{Batch, Content};
///
/// let mut bytes = b"8\x01\0\0\0\0\0\0\0\0ZIEXT   ".to_vec();
/// bytes.extend(100u32.to_le_bytes());
/// bytes.extend(12_3400i64.to_le_bytes());
/// let mut decoder = iex::Decoder::new(1);
/// let mut out = Batch::with_capacity(iex::RECORDS_MAX);
/// let message = Message { number: 1, bytes: &bytes, message_bytes: 30, ts_recv_ns: 0 };
/// decoder.decode(message, &mut out).expect("long enough");
/// let Content::Event(event) = out.records()[1].content() else { panic!("an event") };
/// assert!(matches!(event.view(), View::Level(level) if level.price_e9 == 12_340_000_000));
/// assert_eq!(decoder.symbol(event.head.instrument).map(|name| name.to_string()), Some("ZIEXT".into()));
/// ```
#[derive(Debug)]
pub struct Decoder {
    feed: u8,
    symbols: Symbols,
    events: u64,
}

impl Decoder {
    /// Makes a decoder for feed `feed`; allocates all that it will ever need.
    #[must_use]
    pub fn new(feed: u8) -> Self {
        Self {
            feed,
            symbols: Symbols::new(),
            events: 0,
        }
    }

    /// Returns how many instruments have a number.
    #[must_use]
    pub fn instruments(&self) -> u64 {
        u64::from(self.symbols.count())
    }

    /// Returns how many events were pushed.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Returns the name of an instrument.
    #[must_use]
    pub fn symbol(&self, instrument: u32) -> Option<Symbol> {
        self.symbols.name(instrument)
    }

    /// Returns the number of an instrument, where a message named it.
    #[must_use]
    pub fn instrument(&self, symbol: Symbol) -> Option<u32> {
        self.symbols.number(symbol)
    }

    /// Pushes what a message says, at most [`RECORDS_MAX`](super::RECORDS_MAX) records.
    ///
    /// Hot path: no allocation, no system call, O(1).
    ///
    /// # Errors
    ///
    /// [`MalformedMessage`], with nothing pushed and no number given, for a message that is shorter
    /// than its type demands, or has a value that an event cannot hold.
    #[inline]
    pub fn decode(
        &mut self,
        message: Message<'_>,
        out: &mut Batch<MarketEvent>,
    ) -> Result<Decoded, MalformedMessage> {
        match message.bytes.first() {
            Some(b'Q') => self.quote(message, out),
            Some(b'8') => self.level(message, Side::BUY, out),
            Some(b'5') => self.level(message, Side::SELL, out),
            Some(b'T') => self.last_sale(message, out),
            Some(_) => self.decode_rare(message, out),
            None => Ok(Decoded::Empty),
        }
    }

    #[inline(never)]
    fn decode_rare(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
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
            _ => {
                self.push_dead_letter(message, out);
                Ok(Decoded::Unknown)
            }
        }
    }
}

/// One method for each type, in the order of the matches above. Each reads and checks all of its
/// message before it asks for the instrument's number, because a refused message must leave nothing
/// behind.
impl Decoder {
    #[inline]
    fn quote(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let quote: &wire::Quote = read(message.bytes)?;
        let (bid_price_e9, ask_price_e9) = (quote.bid.e9()?, quote.ask.e9()?);
        let kind = EventKind::QUOTE;
        let Some(head) = self.head(&quote.header, quote.symbol, kind, message, out)? else {
            return Ok(Decoded::Unnumbered);
        };
        let event = Quote {
            head,
            bid_price_e9,
            ask_price_e9,
            bid_quantity: quote.bid_size.get(),
            ask_quantity: quote.ask_size.get(),
            venue_flags: quote.header.flags,
            reserved: [0; 3],
            message: low(message.number),
        };
        self.push(message, event, out)
    }

    #[inline]
    fn level(&mut self, message: Message<'_>, side: Side, out: Out<'_>) -> Done {
        let level: &wire::Level = read(message.bytes)?;
        let price_e9 = level.price.e9()?;
        let kind = EventKind::LEVEL;
        let Some(head) = self.head(&level.header, level.symbol, kind, message, out)? else {
            return Ok(Decoded::Unnumbered);
        };
        let quantity = level.size.get();
        let event = Level {
            head: Head { side, ..head },
            price_e9,
            quantity,
            orders: NO_QUANTITY,
            report: 0,
            tradeable_quantity: NO_QUANTITY,
            level: 0,
            action: if quantity == 0 {
                LevelAction::DELETE
            } else {
                LevelAction::SET
            },
            entry_type: level.header.message_type,
            venue_flags: level.header.flags,
            message: low(message.number),
        };
        self.push(message, event, out)
    }

    #[inline]
    fn last_sale(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let trade: &wire::Trade = read(message.bytes)?;
        let price_e9 = trade.price.e9()?;
        let kind = EventKind::LAST_SALE;
        let Some(head) = self.head(&trade.header, trade.symbol, kind, message, out)? else {
            return Ok(Decoded::Unnumbered);
        };
        let event = LastSale {
            head,
            price_e9,
            trade_id: trade.trade_id.get(),
            quantity: trade.size.get(),
            orders: NO_QUANTITY,
            conditions: trade.header.flags,
            action: LevelAction::NEW,
            reserved: [0; 2],
            message: low(message.number),
        };
        self.push(message, event, out)
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
            message: low(message.number),
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
            self.push_dead_letter(message, out);
            return Ok(Decoded::Unnumbered);
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
            ..named_only(directory.symbol, last, message)
        };
        self.push(message, event, out)?;
        let event = OfficialPrice {
            head: last,
            price_e9,
            price_type: PREVIOUS_CLOSE,
            venue_flags: bits,
            reserved: [0; 18],
            message: low(message.number),
        };
        self.push(message, event, out)
    }

    fn trading_status(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let status: &wire::TradingStatus = read(message.bytes)?;
        let kind = EventKind::STATUS;
        let Some(head) = self.head(&status.header, status.symbol, kind, message, out)? else {
            return Ok(Decoded::Unnumbered);
        };
        let event = Status {
            head,
            state: status.header.flags,
            venue_reserved: 0,
            reason: status.reason,
            reserved: [0; 22],
            message: low(message.number),
        };
        self.push(message, event, out)
    }

    fn operational_halt(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let halt: &wire::OperationalHalt = read(message.bytes)?;
        let kind = EventKind::OPERATIONAL_HALT;
        let Some(head) = self.head(&halt.header, halt.symbol, kind, message, out)? else {
            return Ok(Decoded::Unnumbered);
        };
        let event = OperationalHalt {
            head,
            market: 0,
            action: halt.header.flags,
            reserved: [0; 26],
            message: low(message.number),
        };
        self.push(message, event, out)
    }

    fn short_sale(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let restriction: &wire::ShortSale = read(message.bytes)?;
        let (header, kind) = (&restriction.header, EventKind::SHORT_SALE);
        let Some(head) = self.head(header, restriction.symbol, kind, message, out)? else {
            return Ok(Decoded::Unnumbered);
        };
        let event = ShortSale {
            head,
            action: header.flags,
            detail: restriction.detail,
            reserved: [0; 26],
            message: low(message.number),
        };
        self.push(message, event, out)
    }

    fn retail_interest(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let retail: &wire::RetailInterest = read(message.bytes)?;
        let kind = EventKind::RETAIL_INTEREST;
        let Some(head) = self.head(&retail.header, retail.symbol, kind, message, out)? else {
            return Ok(Decoded::Unnumbered);
        };
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
            message: low(message.number),
        };
        self.push(message, event, out)
    }

    fn security_event(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let security: &wire::SecurityEvent = read(message.bytes)?;
        let kind = EventKind::SECURITY_EVENT;
        let Some(head) = self.head(&security.header, security.symbol, kind, message, out)? else {
            return Ok(Decoded::Unnumbered);
        };
        let event = SecurityEvent {
            head,
            code: security.header.flags,
            reserved: [0; 27],
            message: low(message.number),
        };
        self.push(message, event, out)
    }

    fn trade_break(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let broken: &wire::Trade = read(message.bytes)?;
        let price_e9 = broken.price.e9()?;
        let kind = EventKind::TRADE_BREAK;
        let Some(head) = self.head(&broken.header, broken.symbol, kind, message, out)? else {
            return Ok(Decoded::Unnumbered);
        };
        let event = TradeBreak {
            head,
            match_id: broken.trade_id.get(),
            price_e9,
            quantity: broken.size.get(),
            conditions: broken.header.flags,
            reserved: [0; 7],
            message: low(message.number),
        };
        self.push(message, event, out)
    }

    fn official_price(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let official: &wire::OfficialPrice = read(message.bytes)?;
        let price_e9 = official.price.e9()?;
        let kind = EventKind::OFFICIAL_PRICE;
        let Some(head) = self.head(&official.header, official.symbol, kind, message, out)? else {
            return Ok(Decoded::Unnumbered);
        };
        let event = OfficialPrice {
            head,
            price_e9,
            price_type: official.header.flags,
            venue_flags: 0,
            reserved: [0; 18],
            message: low(message.number),
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
        let Some(last) = self.head(&auction.header, auction.symbol, kind, message, out)? else {
            return Ok(Decoded::Unnumbered);
        };
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
            message: low(message.number),
        };
        self.push(message, quantities, out)?;
        let prices = ImbalancePrices {
            head: not_last(last),
            far_price_e9,
            near_price_e9,
            reference_price_e9,
            cross_type: auction.header.flags,
            reserved: [0; 3],
            message: low(message.number),
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
            message: low(message.number),
        };
        self.push(message, collar, out)
    }
}

impl Decoder {
    /// Returns the head of a message's last event, and sees that the instrument's name is on the bus
    /// before it. Where there is no number for the instrument it pushes a dead letter.
    #[inline(always)]
    fn head(
        &mut self,
        header: &wire::Header,
        symbol: Symbol,
        kind: EventKind,
        message: Message<'_>,
        out: Out<'_>,
    ) -> Result<Option<Head>, MalformedMessage> {
        let head = Head {
            ts_event_ns: header.time_ns()?,
            instrument: 0,
            feed: self.feed,
            kind,
            side: Side::NONE,
            flags: Flags::LAST,
        };
        let instrument = match self.symbols.number_or_new(symbol) {
            Found::Known(instrument) => instrument,
            Found::New(instrument) => {
                self.derive(symbol, Head { instrument, ..head }, message, out);
                instrument
            }
            Found::NoRoom => {
                self.push_dead_letter(message, out);
                return Ok(None);
            }
        };
        Ok(Some(Head { instrument, ..head }))
    }

    #[cold]
    fn derive(&mut self, symbol: Symbol, head: Head, message: Message<'_>, out: Out<'_>) {
        let head = Head {
            flags: Flags::DERIVED,
            ..head
        };
        self.events += 1;
        let event = named_only(symbol, head, message);
        out.push_event(message.ts_recv_ns, &event.into());
    }

    #[cold]
    fn push_dead_letter(&mut self, message: Message<'_>, out: Out<'_>) {
        let Message { number, bytes, .. } = message;
        let letter = DeadLetter::new(self.feed, number, bytes, message.message_bytes);
        out.push_dead_letter(message.ts_recv_ns, letter);
    }

    #[inline]
    fn push(&mut self, message: Message<'_>, event: impl Into<MarketEvent>, out: Out<'_>) -> Done {
        self.events += 1;
        out.push_event_with(message.ts_recv_ns, || event.into());
        Ok(Decoded::Events)
    }
}

type Out<'a> = &'a mut Batch<MarketEvent>;
type Done = Result<Decoded, MalformedMessage>;

/// An instrument of which only the name is known.
fn named_only(symbol: Symbol, head: Head, message: Message<'_>) -> Instrument {
    Instrument {
        head,
        symbol,
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
        message: low(message.number),
    }
}

/// The head of an event that others of its message follow.
fn not_last(last: Head) -> Head {
    Head {
        flags: Flags::NONE,
        ..last
    }
}

/// Low 32 bits of the venue's number.
#[inline]
fn low(number: u64) -> u32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
