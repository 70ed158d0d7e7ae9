//! Owns the way from an ITCH message to events.

use super::order::{self, LAYOUTS, Layout, OrderEvent};
use super::wire;
use crate::feed::{Decoded, MalformedMessage, Message};
use crate::market::{
    AddOrder, CircuitBreaker, CircuitBreakerLevels, Collar, CrossTrade, DirectListing,
    DirectListingCollar, EventKind, Execute, Flags, Head, Imbalance, ImbalancePrices, Instrument,
    IpoQuote, MarketEvent, OperationalHalt, Participant, RetailInterest, ShortSale, Side, Status,
    Symbol, System, Trade, TradeBreak,
};
use crate::record::{Batch, DeadLetter};
use zerocopy::byteorder::big_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned, transmute, transmute_ref};

/// The name of a stock locate that no message named so far: none that a venue sends, because it is
/// not ASCII, so that even a blank name reaches the bus. It is not zero so that filling the
/// directory touches its pages when it is made, not at the day's first orders.
const UNNAMED: Symbol = Symbol([0xff; 8]);

/// The attribution of an order that has none: what tells `A` from `F`.
pub(super) const ANONYMOUS: [u8; 4] = [0; 4];

/// The bits of a time on the wire: 48.
const SINCE_MIDNIGHT_MASK: u64 = (1 << 48) - 1;
/// Nanoseconds in a second.
pub(super) const SECOND_NS: u64 = 1_000_000_000;

/// Decodes the messages of one feed, and knows the names of its stocks.
///
/// # Examples
///
/// ```
/// use ringtape::feed::{Message, itch};
/// use ringtape::market::View;
/// use ringtape::record::{Batch, Content};
///
/// let head = itch::encode::Head { locate: 13, tracking: 0, since_midnight_ns: 5 };
/// let bytes = itch::encode::delete(head, 42);
/// let mut decoder = itch::Decoder::new(1, 0);
/// let mut out = Batch::with_capacity(itch::RECORDS_MAX);
/// let message = Message { number: 1, bytes: &bytes, message_bytes: 19, ts_recv_ns: 0 };
/// decoder.decode(message, &mut out).expect("long enough");
/// let Content::Event(event) = out.records()[0].content() else { panic!("an event") };
/// assert!(matches!(event.view(), View::Delete(delete) if delete.order_id == 42));
/// ```
#[derive(Debug)]
pub struct Decoder {
    feed: u8,
    /// The feed where it lies in an event's second word.
    feed_bits: u64,
    midnight_ns: u64,
    directory: Box<[Symbol; 1 << 16]>,
    instruments: u64,
    events: u64,
}

impl Decoder {
    /// Makes a decoder for feed `feed`. `midnight_ns` is UNIX nanoseconds of the day's midnight in
    /// New York, or 0 to leave times as they come.
    #[must_use]
    pub fn new(feed: u8, midnight_ns: u64) -> Self {
        let directory = vec![UNNAMED; 1 << 16].into_boxed_slice();
        let directory = directory
            .try_into()
            .expect("invariant: as long as it was made");
        Self {
            feed,
            feed_bits: u64::from(feed) << 32,
            midnight_ns,
            directory,
            instruments: 0,
            events: 0,
        }
    }

    /// Returns how many instruments have a name.
    #[must_use]
    pub fn instruments(&self) -> u64 {
        self.instruments
    }

    /// Returns how many events were pushed.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Returns the name of an instrument, where a message named it.
    #[must_use]
    pub fn symbol(&self, locate: u16) -> Option<Symbol> {
        let symbol = self.directory[usize::from(locate)];
        (symbol != UNNAMED).then_some(symbol)
    }

    /// Pushes what a message says, at most [`RECORDS_MAX`](super::RECORDS_MAX) records.
    ///
    /// Hot path: no allocation, no system call, O(1).
    ///
    /// # Errors
    ///
    /// [`MalformedMessage`], with nothing pushed, for a message that is shorter than its type
    /// demands, or has a value that an event cannot hold.
    // Inlined, and so only with the types that make up nearly all of the order flow: the message
    // then never has to be put into memory for the call. `cargo bench --bench decode` compares.
    #[inline(always)]
    pub fn decode(
        &mut self,
        message: Message<'_>,
        out: &mut Batch<MarketEvent>,
    ) -> Result<Decoded, MalformedMessage> {
        let Some(&message_type) = message.bytes.first() else {
            return Ok(Decoded::Empty);
        };
        let layout = &LAYOUTS[usize::from(message_type)];
        if !layout.is_row() {
            let Message {
                number,
                bytes,
                message_bytes,
                ts_recv_ns,
            } = message;
            return self.decode_rare(bytes, number, ts_recv_ns, message_bytes, out);
        }
        self.order(layout, message, out)?;
        Ok(Decoded::Events)
    }

    /// Decodes the types of the order flow, all in the same way.
    #[inline(always)]
    fn order(&mut self, layout: &Layout, message: Message<'_>, out: Out<'_>) -> Done {
        let words = layout.load(message.bytes).ok_or(MalformedMessage)?;
        let header = &words.shortest.header;
        let locate = header.locate.get();
        let known = u64::from_ne_bytes(self.directory[usize::from(locate)].0);
        if (words.stock ^ known) & layout.stock_mask != 0 {
            let stock = Symbol(words.stock.to_ne_bytes());
            self.derive(header, stock, message.number_low(), message.ts_recv_ns, out);
        }
        self.events += 1;
        out.push_event_with(message.ts_recv_ns, || {
            let [ts_event_ns, head] = self.head_words(header, locate);
            let event = OrderEvent {
                ts_event_ns,
                head,
                order_id: words.shortest.order_id.get(),
                third: 0,
                fourth: 0,
                fifth_and_message: u64::from(message.number_low()) << 32,
            };
            transmute!(layout.complete(&words, event))
        });
        Ok(())
    }

    /// Decodes the types that [`decode`](Self::decode) does not. Takes the message in parts, in
    /// registers: as a whole it would be put into memory before the type is known.
    #[inline(never)]
    fn decode_rare(
        &mut self,
        bytes: &[u8],
        number: u64,
        ts_recv_ns: u64,
        message_bytes: u16,
        out: &mut Batch<MarketEvent>,
    ) -> Result<Decoded, MalformedMessage> {
        let message = Message {
            number,
            bytes,
            message_bytes,
            ts_recv_ns,
        };
        match bytes[0] {
            wire::AddOrderAttributed::TYPE => self.add_order_attributed(message, out)?,
            wire::ExecutedWithPrice::TYPE => self.executed_with_price(message, out)?,
            wire::Trade::TYPE => self.trade(message, out)?,
            wire::Imbalance::TYPE => self.imbalance(message, out)?,
            wire::CrossTrade::TYPE => self.cross_trade(message, out)?,
            wire::TradeBreak::TYPE => self.trade_break(message, out)?,
            wire::System::TYPE => self.system(message, out)?,
            wire::Directory::TYPE => self.directory(message, out)?,
            wire::TradingAction::TYPE => self.trading_action(message, out)?,
            wire::ShortSale::TYPE => self.short_sale(message, out)?,
            wire::Participant::TYPE => self.participant(message, out)?,
            wire::CircuitBreakerLevels::TYPE => self.circuit_breaker_levels(message, out)?,
            wire::CircuitBreaker::TYPE => self.circuit_breaker(message, out)?,
            wire::IpoQuote::TYPE => self.ipo_quote(message, out)?,
            wire::Collar::TYPE => self.collar(message, out)?,
            wire::OperationalHalt::TYPE => self.operational_halt(message, out)?,
            wire::RetailInterest::TYPE => self.retail_interest(message, out)?,
            wire::DirectListing::TYPE => self.direct_listing(message, out)?,
            _ => {
                let letter = DeadLetter::new(self.feed, number, bytes, message_bytes);
                out.push_dead_letter(ts_recv_ns, letter);
                return Ok(Decoded::Unknown);
            }
        }
        Ok(Decoded::Events)
    }
}

/// One method for each type, in the order of the matches above.
impl Decoder {
    fn add_order_attributed(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let add: &wire::AddOrderAttributed = read(message.bytes)?;
        self.name(&add.header, add.stock, message, out);
        let attribution = match add.attribution {
            // An anonymous order would be of the other type, and messages by type not add up.
            ANONYMOUS => *b"    ",
            attribution => attribution,
        };
        let event = AddOrder {
            head: self.head(&add.header, EventKind::ADD_ORDER, Side(add.side)),
            order_id: add.order_id.get(),
            price_e9: price_e9(add.price_e4),
            quantity: u64::from(add.shares.get()),
            attribution,
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    fn executed_with_price(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let executed: &wire::ExecutedWithPrice = read(message.bytes)?;
        let mut head = self.head(&executed.header, EventKind::EXECUTE, Side::NONE);
        if executed.printable == b'N' {
            head.flags = head.flags.with(Flags::NON_PRINTABLE);
        }
        let event = Execute {
            head,
            order_id: executed.order_id.get(),
            price_e9: price_e9(executed.price_e4),
            match_id: executed.match_id.get(),
            quantity: executed.shares.get(),
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    fn trade(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let trade: &wire::Trade = read(message.bytes)?;
        self.name(&trade.header, trade.stock, message, out);
        let event = Trade {
            head: self.head(&trade.header, EventKind::TRADE, Side(trade.side)),
            order_id: trade.order_id.get(),
            price_e9: price_e9(trade.price_e4),
            match_id: trade.match_id.get(),
            quantity: trade.shares.get(),
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    fn imbalance(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let noii: &wire::Imbalance = read(message.bytes)?;
        self.name(&noii.header, noii.stock, message, out);
        let last = self.head(&noii.header, EventKind::IMBALANCE, side(noii.direction));
        let event = Imbalance {
            head: Head {
                flags: Flags::NONE,
                ..last
            },
            paired_quantity: noii.paired.get(),
            imbalance_quantity: noii.imbalance.get(),
            direction: noii.direction,
            cross_type: noii.cross_type,
            price_variation: noii.price_variation,
            extensions: 0,
            scheduled_s: 0,
            reserved: [0; 4],
            message: message.number_low(),
        };
        self.push(message, event, out)?;
        let prices = ImbalancePrices {
            head: last,
            far_price_e9: price_e9(noii.far_e4),
            near_price_e9: price_e9(noii.near_e4),
            reference_price_e9: price_e9(noii.reference_e4),
            cross_type: noii.cross_type,
            reserved: [0; 3],
            message: message.number_low(),
        };
        self.push(message, prices, out)
    }

    fn cross_trade(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let cross: &wire::CrossTrade = read(message.bytes)?;
        self.name(&cross.header, cross.stock, message, out);
        let event = CrossTrade {
            head: self.head(&cross.header, EventKind::CROSS_TRADE, Side::NONE),
            quantity: cross.shares.get(),
            price_e9: price_e9(cross.price_e4),
            match_id: cross.match_id.get(),
            cross_type: cross.cross_type,
            reserved: [0; 3],
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    fn trade_break(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let broken: &wire::TradeBreak = read(message.bytes)?;
        let event = TradeBreak {
            head: self.head(&broken.header, EventKind::TRADE_BREAK, Side::NONE),
            match_id: broken.match_id.get(),
            price_e9: 0,
            quantity: 0,
            conditions: 0,
            reserved: [0; 7],
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    fn system(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let system: &wire::System = read(message.bytes)?;
        let event = System {
            head: self.head(&system.header, EventKind::SYSTEM, Side::NONE),
            code: system.code,
            reserved: [0; 27],
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    fn directory(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let stock: &wire::Directory = read(message.bytes)?;
        self.remember(stock.header.locate.get(), stock.stock);
        let event = Instrument {
            head: self.head(&stock.header, EventKind::INSTRUMENT, Side::NONE),
            symbol: stock.stock,
            round_lot: stock.round_lot.get(),
            etp_leverage: stock.etp_leverage.get(),
            market_category: stock.market_category,
            financial_status: stock.financial_status,
            round_lots_only: stock.round_lots_only,
            issue_class: stock.issue_class,
            issue_subtype: stock.issue_subtype,
            authenticity: stock.authenticity,
            short_sale_threshold: stock.short_sale_threshold,
            ipo: stock.ipo,
            price_band_tier: stock.price_band_tier,
            etp: stock.etp,
            inverse: stock.inverse,
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    fn trading_action(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let action: &wire::TradingAction = read(message.bytes)?;
        self.name(&action.header, action.stock, message, out);
        let event = Status {
            head: self.head(&action.header, EventKind::STATUS, Side::NONE),
            state: action.state,
            venue_reserved: action.reserved,
            reason: action.reason,
            reserved: [0; 22],
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    fn short_sale(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let restriction: &wire::ShortSale = read(message.bytes)?;
        self.name(&restriction.header, restriction.stock, message, out);
        let event = ShortSale {
            head: self.head(&restriction.header, EventKind::SHORT_SALE, Side::NONE),
            action: restriction.action,
            detail: 0,
            reserved: [0; 26],
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    fn participant(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let position: &wire::Participant = read(message.bytes)?;
        self.name(&position.header, position.stock, message, out);
        let event = Participant {
            head: self.head(&position.header, EventKind::PARTICIPANT, Side::NONE),
            participant: position.participant,
            primary: position.primary,
            mode: position.mode,
            state: position.state,
            reserved: [0; 21],
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    fn circuit_breaker_levels(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let levels_e9 = levels(message.bytes)?;
        let breaker: &wire::CircuitBreakerLevels = read(message.bytes)?;
        let event = CircuitBreakerLevels {
            head: self.head(
                &breaker.header,
                EventKind::CIRCUIT_BREAKER_LEVELS,
                Side::NONE,
            ),
            level1_e9: levels_e9[0],
            level2_e9: levels_e9[1],
            level3_e9: levels_e9[2],
            reserved: [0; 4],
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    fn circuit_breaker(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let breaker: &wire::CircuitBreaker = read(message.bytes)?;
        let event = CircuitBreaker {
            head: self.head(&breaker.header, EventKind::CIRCUIT_BREAKER, Side::NONE),
            level: breaker.level,
            reserved: [0; 27],
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    fn ipo_quote(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let ipo: &wire::IpoQuote = read(message.bytes)?;
        self.name(&ipo.header, ipo.stock, message, out);
        let ts_release_ns = match u64::from(ipo.release_s.get()) {
            0 => 0,
            seconds => self.midnight_ns.wrapping_add(seconds * SECOND_NS),
        };
        let event = IpoQuote {
            head: self.head(&ipo.header, EventKind::IPO_QUOTE, Side::NONE),
            ts_release_ns,
            price_e9: price_e9(ipo.price_e4),
            qualifier: ipo.qualifier,
            reserved: [0; 11],
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    fn collar(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let collar: &wire::Collar = read(message.bytes)?;
        self.name(&collar.header, collar.stock, message, out);
        let event = Collar {
            head: self.head(&collar.header, EventKind::COLLAR, Side::NONE),
            reference_price_e9: price_e9(collar.reference_e4),
            upper_price_e9: price_e9(collar.upper_e4),
            lower_price_e9: price_e9(collar.lower_e4),
            extensions: collar.extensions.get(),
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    fn operational_halt(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let halt: &wire::OperationalHalt = read(message.bytes)?;
        self.name(&halt.header, halt.stock, message, out);
        let event = OperationalHalt {
            head: self.head(&halt.header, EventKind::OPERATIONAL_HALT, Side::NONE),
            market: halt.market,
            action: halt.action,
            reserved: [0; 26],
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    fn retail_interest(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let retail: &wire::RetailInterest = read(message.bytes)?;
        self.name(&retail.header, retail.stock, message, out);
        let event = RetailInterest {
            head: self.head(
                &retail.header,
                EventKind::RETAIL_INTEREST,
                side(retail.interest),
            ),
            interest: retail.interest,
            reserved: [0; 27],
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    fn direct_listing(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let listing: &wire::DirectListing = read(message.bytes)?;
        self.name(&listing.header, listing.stock, message, out);
        let last = self.head(&listing.header, EventKind::DIRECT_LISTING, Side::NONE);
        let event = DirectListing {
            head: Head {
                flags: Flags::NONE,
                ..last
            },
            min_price_e9: price_e9(listing.min_e4),
            max_price_e9: price_e9(listing.max_e4),
            near_price_e9: price_e9(listing.near_e4),
            open_eligible: listing.open_eligible,
            reserved: [0; 3],
            message: message.number_low(),
        };
        self.push(message, event, out)?;
        let collar = DirectListingCollar {
            head: last,
            near_time: listing.near_time.get(),
            lower_price_e9: price_e9(listing.lower_e4),
            upper_price_e9: price_e9(listing.upper_e4),
            reserved: [0; 4],
            message: message.number_low(),
        };
        self.push(message, collar, out)
    }

    #[inline]
    fn push(&mut self, message: Message<'_>, event: impl Into<MarketEvent>, out: Out<'_>) -> Done {
        self.events += 1;
        out.push_event(message.ts_recv_ns, &event.into());
        Ok(())
    }

    #[inline]
    fn head(&self, header: &wire::Header, kind: EventKind, side: Side) -> Head {
        let [ts_event_ns, rest] = self.head_words(header, header.locate.get());
        transmute!([ts_event_ns, rest | order::head(kind, side, Flags::LAST)])
    }

    /// Returns an event's head as it lies in memory, without kind, side and flags. Two words: five
    /// stores of their parts cost more than putting them together. `cargo bench --bench decode`
    /// compares.
    #[inline]
    fn head_words(&self, header: &wire::Header, locate: u16) -> [u64; 2] {
        // The time's 48 bits in one load, with the tracking number before them.
        let [_, _, _, tracking_and_time @ ..]: &[u8; size_of::<wire::Header>()] =
            transmute_ref!(header);
        let since_midnight_ns = u64::from_be_bytes(*tracking_and_time) & SINCE_MIDNIGHT_MASK;
        let ts_event_ns = self.midnight_ns.wrapping_add(since_midnight_ns);
        let rest = u64::from(locate) | self.feed_bits;
        [ts_event_ns, rest]
    }

    /// Sees that the stock's name is on the bus before the event that needs it.
    #[inline]
    fn name(&mut self, header: &wire::Header, stock: Symbol, message: Message<'_>, out: Out<'_>) {
        if self.directory[usize::from(header.locate.get())] != stock {
            self.derive(header, stock, message.number_low(), message.ts_recv_ns, out);
        }
    }

    #[cold]
    fn derive(
        &mut self,
        header: &wire::Header,
        stock: Symbol,
        number_low: u32,
        ts_recv_ns: u64,
        out: Out<'_>,
    ) {
        self.remember(header.locate.get(), stock);
        let head = self.head(header, EventKind::INSTRUMENT, Side::NONE);
        let head = Head {
            flags: Flags::DERIVED,
            ..head
        };
        let event = Instrument::named(head, stock, number_low);
        self.events += 1;
        out.push_event(ts_recv_ns, &event.into());
    }

    fn remember(&mut self, locate: u16, stock: Symbol) {
        let known = &mut self.directory[usize::from(locate)];
        self.instruments += u64::from(*known == UNNAMED && stock != UNNAMED);
        self.instruments -= u64::from(*known != UNNAMED && stock == UNNAMED);
        *known = stock;
    }
}

type Out<'a> = &'a mut Batch<MarketEvent>;
type Done = Result<(), MalformedMessage>;

/// The only check of a message's length: its struct must fit. What is behind it is not ours.
#[inline]
fn read<T>(bytes: &[u8]) -> Result<&T, MalformedMessage>
where
    T: FromBytes + Immutable + KnownLayout + Unaligned,
{
    T::ref_from_prefix(bytes)
        .map(|(message, _)| message)
        .map_err(|_| MalformedMessage)
}

#[inline]
fn price_e9(price_e4: U32) -> i64 {
    i64::from(price_e4.get()) * 100_000
}

/// Reads the three levels, which come × 10⁸ in 64 bits and need not fit × 10⁹.
pub(super) fn levels(bytes: &[u8]) -> Result<[i64; 3], MalformedMessage> {
    let breaker: &wire::CircuitBreakerLevels = read(bytes)?;
    let level_e9 = |level_e8: U64| {
        i64::try_from(level_e8.get())
            .ok()
            .and_then(|level| level.checked_mul(10))
            .ok_or(MalformedMessage)
    };
    Ok([
        level_e9(breaker.level1_e8)?,
        level_e9(breaker.level2_e8)?,
        level_e9(breaker.level3_e8)?,
    ])
}

/// Returns the side that a letter with more meanings than two has.
fn side(letter: u8) -> Side {
    match Side(letter) {
        side @ (Side::BUY | Side::SELL) => side,
        _ => Side::NONE,
    }
}
