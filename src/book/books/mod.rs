//! Owns the books of all instruments of a feed: which book an event is for, when a group of events
//! is whole, and whether each book can be trusted.

mod ahead;
mod apply;
mod book;
mod directory;
mod doubt;
mod rare;
mod whole;

use self::directory::Directory;
use super::level_book::{LevelBook, LevelDepth};
use super::order_book::OrderBooks;
use super::trust::Marks;
use super::{Best, BookSide, DataError, DataErrorKind, DataErrors, PriceLevel, Print, Top};
use crate::handler::At;
use crate::market::{MarketEvent, Symbol};
use xxhash_rust::xxh3::Xxh3;

pub use book::Book;

/// Which prices an instrument of a feed can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Prices {
    /// Only those above 0, as of shares. Books whose levels are addressed by place have any price
    /// all the same: only venues of futures do so.
    #[default]
    Positive,
    /// Any, as of spreads.
    Any,
}

/// Instruments of a feed, at most: their directory takes its memory at the start.
pub const INSTRUMENTS_MAX: usize = 1 << 22;

/// What holds for all books of a feed.
#[derive(Clone, Debug)]
pub struct BooksConfig {
    /// The feed whose events make the books; those of other feeds on the bus are none of theirs.
    pub feed: u8,
    /// How many instruments there can be, at most [`INSTRUMENTS_MAX`]; events of more are counted
    /// as errors.
    pub instruments_max: usize,
    /// Live orders for which there is memory from the start: 49 bytes each, and what prices they
    /// have beyond one for three orders. From 2 MiB on it is in huge pages, if the kernel has some.
    pub orders_expected: usize,
    /// Live orders for which memory is taken, in leaps that stall the handler, at most 2²⁸; more
    /// are errors.
    pub orders_max: usize,
    /// How deep the books are whose levels are addressed by place.
    pub level_depth: LevelDepth,
    /// Which prices there can be.
    pub prices: Prices,
}

impl Default for BooksConfig {
    /// Feed 1, 65,536 instruments, memory for 65,536 live orders and at most 16,777,216.
    fn default() -> Self {
        Self {
            feed: 1,
            instruments_max: 1 << 16,
            orders_expected: 1 << 16,
            orders_max: 1 << 24,
            level_depth: LevelDepth::default(),
            prices: Prices::Positive,
        }
    }
}

/// The books of all instruments of a feed.
///
/// Instruments have places, dense from 0 in the order in which events first name them, so that what
/// belongs to an instrument can be kept in a plain vector.
///
/// What makes a book: orders one by one ([`AddOrder`](crate::market::AddOrder) and what follows),
/// levels ([`Level`](crate::market::Level)), or the best prices themselves
/// ([`Quote`](crate::market::Quote)). Order-by-order entries that a venue sends beside levels
/// ([`BookOrder`](crate::market::BookOrder)) make none. Where a venue shows an instrument both ways,
/// its book is that of the levels.
///
/// # Examples
///
/// ```
/// use ringtape::book::{Books, BooksConfig};
/// use ringtape::handler::{At, Handler};
/// use ringtape::market::MarketEvent;
/// use ringtape::record::{Gap, GapCause, Session};
///
/// /// Follows the spread of one instrument.
/// struct Spread {
///     books: Books,
///     instrument: u32,
///     widest_e9: i64,
/// }
///
/// impl Handler<MarketEvent> for Spread {
///     fn on_event(&mut self, event: &MarketEvent, at: At) {
///         self.books.on_event(event, at);
///         let Some(index) = self.books.index(self.instrument) else { return };
///         // A spread of a book that is not trusted is none.
///         if let Some(Ok(best)) = self.books.top(index).map(|top| top.trusted()) {
///             self.widest_e9 = self.widest_e9.max(best.spread_e9().unwrap_or(0));
///         }
///     }
///     fn on_gap(&mut self, gap: Gap) {
///         self.books.on_gap(gap);
///     }
///     fn on_session(&mut self, session: &Session, at: At) {
///         self.books.on_session(session, at);
///     }
/// }
///
/// let books = Books::new(BooksConfig::default());
/// let mut spread = Spread { books, instrument: 13, widest_e9: 0 };
/// spread.on_gap(Gap { first: 1, last: 2, cause: GapCause::Absent, feed: 1 });
/// assert_eq!(spread.widest_e9, 0);
/// ```
#[derive(Debug)]
pub struct Books {
    feed: u8,
    prices: Prices,
    level_depth: LevelDepth,
    directory: Directory,
    /// By place, like `instruments`.
    tops: Vec<Top>,
    instruments: Vec<Instrument>,
    orders: OrderBooks,
    levels: Vec<LevelBook>,
    errors: DataErrors,
    /// What holds for an instrument that the feed has not named yet.
    marks: Marks,
    since_ns: u64,
    /// When the last record was received.
    ts_recv_ns: u64,
    /// Instruments whose books are between two states, and what ends that.
    open: Vec<u32>,
    open_until: End,
    /// The last event that left a book so.
    opened_by: Option<(MarketEvent, At)>,
    /// That end was seen; what is left is the end of its message.
    ended: bool,
    /// Tops that the present record touched, and how they looked before it.
    noted: Vec<(u32, (Best, u8))>,
    changed: Vec<u32>,
    corrections: u64,
}

/// What is kept of an instrument beside its top and its orders.
#[derive(Clone, Copy, Debug)]
struct Instrument {
    /// Its place among `levels`, if it has a book of levels.
    levels: Option<u32>,
    /// The venue's last word on whether it trades, 0 before there was one.
    status: u8,
    /// Its book is between two states.
    open: bool,
}

/// What ends a group of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The end of the message.
    Message,
    /// IEX's bit in a level's flags.
    Iex,
    /// CME's bit in the match event indicator of any message.
    Cme,
}

/// What a record did to the books.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    /// Places of the instruments whose [`Top`] is another than before, each once.
    pub changed: &'a [u32],
    /// The trade that the event tells of.
    pub print: Option<Print>,
}

impl Books {
    /// Makes books of a feed that was not seen yet: until a session is seen from its first number
    /// on, or a picture of a whole book comes, they are not trusted.
    #[must_use]
    pub fn new(config: BooksConfig) -> Self {
        let BooksConfig {
            feed,
            instruments_max,
            orders_expected,
            orders_max,
            level_depth,
            prices,
        } = config;
        Self {
            feed,
            prices,
            level_depth,
            directory: Directory::new(instruments_max.min(INSTRUMENTS_MAX)),
            tops: Vec::new(),
            instruments: Vec::new(),
            orders: OrderBooks::new(orders_expected, orders_max),
            levels: Vec::new(),
            errors: DataErrors::default(),
            marks: Marks::JOINED,
            since_ns: 0,
            ts_recv_ns: 0,
            open: Vec::new(),
            open_until: End::Message,
            opened_by: None,
            ended: false,
            noted: Vec::new(),
            changed: Vec::new(),
            corrections: 0,
        }
    }

    /// Returns how many instruments there are; their places are the numbers below it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tops.len()
    }

    /// Returns whether no instrument was named yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tops.is_empty()
    }

    /// Returns the place of the venue's number of an instrument.
    ///
    /// Hot path: no allocation, no system call, O(1), without hashing below 65,536.
    #[inline]
    #[must_use]
    pub fn index(&self, instrument: u32) -> Option<u32> {
        self.directory.index(instrument)
    }

    /// Returns the place of the instrument of that name, if the venue named it. Looks at all of
    /// them.
    #[must_use]
    pub fn find(&self, symbol: &Symbol) -> Option<u32> {
        self.directory.find(symbol)
    }

    /// Returns the name of an instrument, if the venue named it.
    #[must_use]
    pub fn symbol(&self, index: u32) -> Option<Symbol> {
        self.directory.symbol(index)
    }

    /// Returns the best prices of an instrument and whether to trust them.
    ///
    /// Hot path: no allocation, no system call, O(1), one cache line.
    #[inline]
    #[must_use]
    pub fn top(&self, index: u32) -> Option<&Top> {
        self.tops.get(index as usize)
    }

    /// Returns what the last record changed: [`Update::changed`] again, with the books free to be
    /// read meanwhile.
    ///
    /// Hot path: no allocation, no system call, O(1).
    #[must_use]
    pub fn changed(&self) -> &[u32] {
        &self.changed
    }

    /// Returns what was wrong with the data.
    #[must_use]
    pub fn errors(&self) -> &DataErrors {
        &self.errors
    }

    /// Returns how many orders were added; a replace adds none.
    #[must_use]
    pub fn orders_added(&self) -> u64 {
        self.orders.added()
    }

    /// Returns how many orders are in the books.
    #[must_use]
    pub fn orders_alive(&self) -> usize {
        self.orders.alive()
    }

    /// Returns how many orders were in the books at once, at most.
    #[must_use]
    pub fn orders_alive_max(&self) -> usize {
        self.orders.alive_max()
    }

    /// Returns how many trades the venue corrected or took back. They are no prints, and the prints
    /// that they correct stay.
    #[must_use]
    pub fn corrections(&self) -> u64 {
        self.corrections
    }

    /// Returns how much memory the orders take: themselves, their index and their levels.
    #[must_use]
    pub fn orders_memory_bytes(&self) -> usize {
        self.orders.memory_bytes()
    }

    /// Returns a hash of all books: of each instrument, its best prices, what speaks against them,
    /// and all its levels and orders in their order. Times are left out. Two runs over the same
    /// records have the same. Walks over all orders.
    #[must_use]
    pub fn digest(&self) -> u128 {
        let mut hash = Xxh3::new();
        for index in 0..u32::try_from(self.len()).unwrap_or(u32::MAX) {
            if let Some(book) = self.as_is(index) {
                book.digest(&mut hash);
            }
        }
        hash.digest128()
    }

    /// Makes room for an instrument that was not named before.
    fn admit(&mut self, instrument: u32) -> Option<u32> {
        let (index, new) = self.directory.admit(instrument)?;
        if new {
            self.tops
                .push(Top::new(instrument, self.marks, self.since_ns));
            self.instruments.push(Instrument {
                levels: None,
                status: 0,
                open: false,
            });
            self.orders.make_room(self.tops.len());
            // Whatever happens to all of them at once finds room.
            let places = self.tops.capacity();
            self.noted.reserve(places - self.noted.len());
            self.changed.reserve(places - self.changed.len());
            self.open.reserve(places - self.open.len());
        }
        Some(index)
    }

    /// Returns the instrument's book of levels, which is made when it is first asked for.
    fn levels_mut(&mut self, index: u32) -> &mut LevelBook {
        let place = match self.instruments[index as usize].levels {
            Some(place) => place,
            None => {
                let place = u32::try_from(self.levels.len())
                    .expect("invariant: no more books than instruments");
                self.levels.push(LevelBook::new(self.level_depth));
                self.instruments[index as usize].levels = Some(place);
                self.tops[index as usize].by_level = true;
                place
            }
        };
        &mut self.levels[place as usize]
    }

    fn levels(&self, index: u32) -> Option<&LevelBook> {
        let place = self.instruments[index as usize].levels?;
        self.levels.get(place as usize)
    }

    #[inline]
    fn best(&self, index: u32, side: BookSide) -> Option<PriceLevel> {
        match self.levels(index) {
            Some(levels) => levels.best(side),
            None => self.orders.best(index, side),
        }
    }

    /// Counts an error, and ceases to trust the book.
    #[cold]
    fn error(&mut self, index: Option<u32>, kind: DataErrorKind, event: &MarketEvent, at: At) {
        let marks = match index {
            Some(index) => self.tops[index as usize].marks,
            None => self.marks,
        };
        let doubtful = marks.is_doubtful();
        self.errors.push(DataError {
            kind,
            instrument: event.head.instrument,
            message: event.message,
            sequence: at.sequence,
            doubtful,
        });
        let Some(index) = index else { return };
        if kind == DataErrorKind::Crossed {
            self.mark(index, Marks::CROSSED, at.ts_recv_ns);
        } else if marks.has(Marks::SNAPSHOT) {
            self.spoil_picture(index, at.ts_recv_ns);
        } else if !marks.has(Marks::JOINED) {
            // A book that was joined in the middle contradicts events by itself. Any other is broken
            // from here on, also one that is stale for a reason that may pass.
            self.mark(index, Marks::BROKEN, at.ts_recv_ns);
        }
    }
}
