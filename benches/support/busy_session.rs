//! Owns a synthetic busy session, as events: thousands of instruments, a million live orders,
//! seeded.
//!
//! How its parts are distributed, and why:
//!
//! * *Instruments* draw events with weight 1 / (rank + 20), so that of 10,000 the busiest has 0.8 %
//!   of all and the busiest hundred 29 %: Zipf's law, cut at the head, since no single stock makes
//!   a tenth of a real day. Ranks are strewn over the numbers, as NASDAQ numbers by name.
//! * *Prices* of new orders lie off the other side's best by 1 + d steps, where d has the weight 1
//!   / (d+5)^1.5: limit orders were measured to be placed with powers 1.6 (Bouchaud, Mézard,
//!   Potters 2002) and, further away, 2.5 (Zovko, Farmer 2002). So most happens near the best, two
//!   events in eleven change it, and nothing crosses. A step is a cent, more for dear stocks.
//! * *Which order* is deleted, cancelled in part or replaced: one of the last a to arrive, the
//!   logarithm of a being uniform. Most orders live briefly and some for the whole day.
//! * *Executions* take from the first order of a best level, as the venue's own priority has it;
//!   three in five take all of it, the others any part.
//! * *Types* of a thousand: 450 additions, 400 deletions, 50 executions, 30 partial cancels, 70
//!   replacements.
//!
//! The flows of `ringtape::torture` and of `order_flow` keep few orders alive in few instruments
//! and place them evenly: they fit a cache, and do not fit this bench.

use super::plain_book::PlainBooks;
use super::random::Random;
use ringtape::book::BookSide;
use ringtape::market::{
    AddOrder, Cancel, Delete, EventKind, Execute, Flags, Head, Instrument, MarketEvent, NO_PRICE,
    Replace, Side, Status, Symbol, System,
};

/// The feed that the events say they come from.
pub const FEED: u8 = 1;
/// Prices are this many × 10⁻⁹: cents.
const CENT_E9: i64 = 10_000_000;
/// How far from the other side's best an order may be, in steps.
const DISTANCES: u64 = 1_000;

#[derive(Clone, Copy)]
enum Action {
    Add,
    Delete,
    Execute,
    Cancel,
    Replace,
}

const ACTIONS: [(Action, u64); 5] = [
    (Action::Add, 450),
    (Action::Delete, 400),
    (Action::Execute, 50),
    (Action::Cancel, 30),
    (Action::Replace, 70),
];

/// Round lots mostly, as shares.
const QUANTITIES: [(u64, u64); 6] = [
    (100, 70),
    (200, 10),
    (300, 5),
    (500, 5),
    (1_000, 3),
    (37, 7),
];

/// A day that goes on for as long as events are taken from it.
pub struct BusySession {
    random: Random,
    /// What the events so far come to: says what the next may be.
    books: PlainBooks,
    /// Sums of the weights of instruments, by rank, and of distances.
    activity: Vec<u64>,
    distance: Vec<u64>,
    /// Cents around which an instrument opens, by its number.
    opens: Vec<i64>,
    /// Orders as they arrived, also those that are gone.
    arrivals: Vec<u64>,
    order_id: u64,
    message: u32,
    now_ns: u64,
}

impl BusySession {
    /// Makes a day with instruments 1 to `instruments`.
    pub fn new(seed: u64, instruments: u32) -> Self {
        let mut random = Random::new(seed);
        // From 2 to 512 dollars, as many between 2 and 4 as between 256 and 512.
        let open = |random: &mut Random| {
            let octave: i64 = 200 << random.below(8);
            octave + i64::try_from(random.below(octave.unsigned_abs())).expect("fits")
        };
        Self {
            opens: (0..=instruments).map(|_| open(&mut random)).collect(),
            random,
            books: PlainBooks::new(instruments as usize + 1, 0),
            activity: sums((0..u64::from(instruments)).map(|rank| 1_000_000_000 / (rank + 20))),
            distance: sums((5..DISTANCES + 5).map(|d| 1_000_000_000 / (d * (d * 10_000).isqrt()))),
            arrivals: Vec::new(),
            order_id: 0,
            message: 0,
            now_ns: 34_200_000_000_000,
        }
    }

    /// Returns the books that all events so far come to.
    pub fn into_books(self) -> PlainBooks {
        self.books
    }

    /// Makes the directory and the opening: all instruments trade, and `orders` are alive.
    pub fn opening(&mut self, orders: usize) -> Vec<MarketEvent> {
        let mut events = Vec::with_capacity(orders + 2 * self.opens.len() + 3);
        for code in *b"OS" {
            events.push(self.system(code));
        }
        for number in 1..self.books.instruments() {
            let symbol = Symbol::new(&format!("B{number}")).expect("short and printable");
            let head = self.head(number);
            events.push(Instrument::named(head, symbol, self.message).into());
        }
        for number in 1..self.books.instruments() {
            let status = Status {
                head: self.head(number),
                state: b'T',
                venue_reserved: b' ',
                reason: *b"    ",
                reserved: [0; 22],
                message: self.message,
            };
            events.push(status.into());
        }
        events.push(self.system(b'Q'));
        while self.books.alive() < orders {
            events.push(self.order_event(Action::Add));
        }
        events
    }

    /// Makes the next `count` events of the mix.
    pub fn busy(&mut self, count: usize) -> Vec<MarketEvent> {
        (0..count)
            .map(|_| {
                let action = self.random.weighted(&ACTIONS);
                self.order_event(action)
            })
            .collect()
    }

    fn order_event(&mut self, action: Action) -> MarketEvent {
        let event = match action {
            Action::Add => None,
            Action::Delete => self.old_order().map(|id| self.delete(id)),
            Action::Execute => self.execute(),
            Action::Cancel => self.old_order().map(|id| self.cancel(id)),
            Action::Replace => self.old_order().and_then(|id| self.replace(id)),
        };
        let event = event.unwrap_or_else(|| self.add());
        self.books.apply(&event);
        event
    }

    fn add(&mut self) -> MarketEvent {
        let instrument = self.instrument();
        let side = BookSide::BOTH[usize::from(self.random.below(2) == 1)];
        // Where the offers are down at a cent, nobody can bid less.
        let (side, price_e9) = match self.price_e9(instrument, side) {
            Some(price_e9) => (side, price_e9),
            None => {
                let price_e9 = self.price_e9(instrument, BookSide::Ask);
                (BookSide::Ask, price_e9.expect("above what is bid"))
            }
        };
        let add = AddOrder {
            head: Head {
                side: side.side(),
                ..self.head(instrument)
            },
            order_id: self.new_id(),
            price_e9,
            quantity: self.random.weighted(&QUANTITIES),
            attribution: [0; 4],
            message: self.message,
        };
        add.into()
    }

    fn delete(&mut self, order_id: u64) -> MarketEvent {
        let delete = Delete {
            head: self.head(self.instrument_of(order_id)),
            order_id,
            reserved: [0; 20],
            message: self.message,
        };
        delete.into()
    }

    /// Takes some of an order; all of it where it is a single share.
    fn cancel(&mut self, order_id: u64) -> MarketEvent {
        let left = self.books.order(order_id).expect("it is alive").quantity;
        if left == 1 {
            return self.delete(order_id);
        }
        let cancel = Cancel {
            head: self.head(self.instrument_of(order_id)),
            order_id,
            quantity: 1 + self.random.below(left - 1),
            reserved: [0; 12],
            message: self.message,
        };
        cancel.into()
    }

    fn execute(&mut self) -> Option<MarketEvent> {
        let instrument = self.instrument();
        let side = BookSide::BOTH[usize::from(self.random.below(2) == 1)];
        let order_id = self.books.first(instrument, side)?;
        let left = self.books.order(order_id).expect("it is queued").quantity;
        let taken = match self.random.below(5) {
            0..3 => left,
            _ => 1 + self.random.below(left),
        };
        let execute = Execute {
            head: self.head(instrument),
            order_id,
            price_e9: NO_PRICE,
            match_id: self.message.into(),
            quantity: u32::try_from(taken).expect("orders are small"),
            message: self.message,
        };
        Some(execute.into())
    }

    fn replace(&mut self, order_id: u64) -> Option<MarketEvent> {
        let old = self.books.order(order_id).expect("it is alive");
        let price_e9 = self.price_e9(old.instrument, old.side)?;
        let quantity = self.random.weighted(&QUANTITIES);
        let replace = Replace {
            head: self.head(old.instrument),
            order_id,
            new_order_id: self.new_id(),
            price_e9,
            quantity: u32::try_from(quantity).expect("orders are small"),
            message: self.message,
        };
        Some(replace.into())
    }

    /// Draws a price off the other side's best; `None` where it would not be above 0.
    fn price_e9(&mut self, instrument: u32, side: BookSide) -> Option<i64> {
        let open = self.opens[instrument as usize];
        let other = self.books.best(instrument).level(side.opposite());
        let other = other.map_or(open, |level| level.price_e9 / CENT_E9);
        let steps = i64::try_from(1 + self.random.drawn(&self.distance)).expect("fits");
        // A step is a hundredth of a percent, and at least a cent.
        let cents = steps * (open / 10_000).max(1);
        let price = match side {
            BookSide::Bid => other - cents,
            BookSide::Ask => other + cents,
        };
        (price > 0).then_some(price * CENT_E9)
    }

    /// Draws an order that is alive, rather a young one; `None` in the rare case that all that were
    /// tried are gone.
    fn old_order(&mut self) -> Option<u64> {
        let arrived = u64::try_from(self.arrivals.len()).expect("fits");
        for _ in 0..100 {
            let octave = 1 << self.random.below(u64::from(arrived.max(1).ilog2()) + 1);
            let age = octave + self.random.below(octave);
            let Some(at) = arrived.checked_sub(age) else {
                continue;
            };
            let order_id = self.arrivals[usize::try_from(at).expect("fits")];
            if self.books.order(order_id).is_some() {
                return Some(order_id);
            }
        }
        None
    }

    fn instrument_of(&self, order_id: u64) -> u32 {
        self.books.order(order_id).expect("it is alive").instrument
    }

    fn instrument(&mut self) -> u32 {
        let rank = self.random.drawn(&self.activity);
        let instruments = u64::from(self.books.instruments() - 1);
        // Larger than any number of instruments here, and prime: each rank has a number of its own.
        u32::try_from(1 + rank * 1_000_003 % instruments).expect("few instruments")
    }

    fn new_id(&mut self) -> u64 {
        self.order_id += 1 + self.random.below(8);
        self.arrivals.push(self.order_id);
        self.order_id
    }

    fn system(&mut self, code: u8) -> MarketEvent {
        let system = System {
            head: self.head(0),
            code,
            reserved: [0; 27],
            message: self.message,
        };
        system.into()
    }

    /// Begins an event, one message later.
    fn head(&mut self, instrument: u32) -> Head {
        self.message += 1;
        self.now_ns += self.random.below(20_000);
        Head {
            ts_event_ns: self.now_ns,
            instrument,
            feed: FEED,
            // Each view sets its own.
            kind: EventKind(0),
            side: Side::NONE,
            flags: Flags::LAST,
        }
    }
}

/// Returns the sums of the first 1, 2, 3 … weights.
fn sums(weights: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut sum = 0;
    let sums = weights.map(|weight| {
        sum += weight;
        sum
    });
    sums.collect()
}
