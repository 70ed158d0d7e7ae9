//! Owns the way from an IEX message to events.

mod rare;

use super::symbols::{Found, Symbols};
use super::wire::{self, read};
use crate::feed::{Decoded, MalformedMessage, Message};
use crate::market::{
    EventKind, Flags, Head, Instrument, LastSale, Level, LevelAction, MarketEvent, NO_QUANTITY,
    Quote, Side, Symbol,
};
use crate::record::{Batch, DeadLetter};

/// The type of a level of the buyers' side.
const BUY_LEVEL: u8 = b'8';
/// The type of a level of the sellers' side.
const SELL_LEVEL: u8 = b'5';

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
        let done = match message.bytes.first() {
            Some(b'Q') => self.quote(message, out),
            // One arm for both: which side comes next cannot be guessed.
            Some(&message_type @ (BUY_LEVEL | SELL_LEVEL)) => {
                self.level(message, message_type, out)
            }
            Some(b'T') => self.last_sale(message, out),
            Some(_) => self.rare(message, out),
            None => return Ok(Decoded::Empty),
        };
        match done {
            Ok(()) => Ok(Decoded::Events),
            Err(refused) => self.refuse(refused, message, out),
        }
    }

    /// Keeps what of a message can be kept that became no event.
    #[cold]
    fn refuse(
        &mut self,
        refused: Refused,
        message: Message<'_>,
        out: Out<'_>,
    ) -> Result<Decoded, MalformedMessage> {
        let decoded = match refused {
            Refused::Malformed => return Err(MalformedMessage),
            Refused::Unknown => Decoded::Unknown,
            Refused::Unnumbered => Decoded::Unnumbered,
        };
        let Message { number, bytes, .. } = message;
        let letter = DeadLetter::new(self.feed, number, bytes, message.message_bytes);
        out.push_dead_letter(message.ts_recv_ns, letter);
        Ok(decoded)
    }
}

/// One method for each frequent type, in the order of the match above. Like those of `rare`, each
/// reads and checks all of its message before it asks for the instrument's number, because a refused
/// message must leave nothing behind.
impl Decoder {
    #[inline]
    fn quote(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let quote: &wire::Quote = read(message.bytes)?;
        let (bid_price_e9, ask_price_e9) = (quote.bid.e9()?, quote.ask.e9()?);
        let kind = EventKind::QUOTE;
        let head = self.head(&quote.header, quote.symbol, kind, message, out)?;
        let event = Quote {
            head,
            bid_price_e9,
            ask_price_e9,
            bid_quantity: quote.bid_size.get(),
            ask_quantity: quote.ask_size.get(),
            venue_flags: quote.header.flags,
            reserved: [0; 3],
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    #[inline]
    fn level(&mut self, message: Message<'_>, message_type: u8, out: Out<'_>) -> Done {
        let level: &wire::Level = read(message.bytes)?;
        let price_e9 = level.price.e9()?;
        let kind = EventKind::LEVEL;
        let head = self.head(&level.header, level.symbol, kind, message, out)?;
        let quantity = level.size.get();
        let side = if message_type == BUY_LEVEL {
            Side::BUY
        } else {
            Side::SELL
        };
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
            entry_type: message_type,
            venue_flags: level.header.flags,
            message: message.number_low(),
        };
        self.push(message, event, out)
    }

    #[inline]
    fn last_sale(&mut self, message: Message<'_>, out: Out<'_>) -> Done {
        let trade: &wire::Trade = read(message.bytes)?;
        let price_e9 = trade.price.e9()?;
        let kind = EventKind::LAST_SALE;
        let head = self.head(&trade.header, trade.symbol, kind, message, out)?;
        let event = LastSale {
            head,
            price_e9,
            trade_id: trade.trade_id.get(),
            quantity: trade.size.get(),
            orders: NO_QUANTITY,
            conditions: trade.header.flags,
            action: LevelAction::NEW,
            reserved: [0; 2],
            message: message.number_low(),
        };
        self.push(message, event, out)
    }
}

impl Decoder {
    /// Returns the head of a message's last event, and sees that the instrument's name is on the bus
    /// before it.
    #[inline(always)]
    fn head(
        &mut self,
        header: &wire::Header,
        symbol: Symbol,
        kind: EventKind,
        message: Message<'_>,
        out: Out<'_>,
    ) -> Result<Head, Refused> {
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
            Found::NoRoom => return Err(Refused::Unnumbered),
        };
        Ok(Head { instrument, ..head })
    }

    #[cold]
    fn derive(&mut self, symbol: Symbol, head: Head, message: Message<'_>, out: Out<'_>) {
        let head = Head {
            flags: Flags::DERIVED,
            ..head
        };
        self.events += 1;
        let event = Instrument::named(head, symbol, message.number_low());
        out.push_event(message.ts_recv_ns, &event.into());
    }

    #[inline]
    fn push(&mut self, message: Message<'_>, event: impl Into<MarketEvent>, out: Out<'_>) -> Done {
        self.events += 1;
        out.push_event_with(message.ts_recv_ns, || event.into());
        Ok(())
    }
}

type Out<'a> = &'a mut Batch<MarketEvent>;
type Done = Result<(), Refused>;

/// Why a message becomes no event.
#[derive(Clone, Copy, Debug)]
enum Refused {
    Malformed,
    Unknown,
    Unnumbered,
}

impl From<MalformedMessage> for Refused {
    fn from(_: MalformedMessage) -> Self {
        Self::Malformed
    }
}
