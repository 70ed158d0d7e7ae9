//! Books beside a plain book of maps, in turn, in one run: what an event costs, and what reading
//! the best prices costs.
//!
//! * `real order flow`: the slice of a real day, from books that were emptied, as when a venue
//!   begins anew. It fits the cache.
//! * `busy session`: 10,000 instruments, a million live orders, then a mix like a real day's. It
//!   does not fit the cache, so that what counts is how many lines an event touches. `kept`: the
//!   plain book, too, keeps the best prices of each instrument and says which changed, as [`Books`]
//!   does for every event. `bare`: it only takes the events in, and nobody knows what they came to.
//!   Events come 64 at a time, as to a handler that has to hurry, and [`Books`] look ahead to them;
//!   `one by one` shows what they do where they cannot.
//! * `busiest instrument`: the orders alone, of one instrument: [`OrderBook`] over the plain book.
//! * `best read`: best prices and trust of instruments at random, each chosen by what was read
//!   before, over reading as many plain structs of a cache line: what is above 1 is the price of
//!   trust.
//!
//! It also prints what memory a live order takes, index and levels included. A fall of a ratio
//! means that an event touches more lines, or that a branch more is guessed wrong. After all passes
//! each side's books are compared with those that made the events: the best, all levels, all
//! queues. `benches/peers` measures other crates.

#![allow(
    clippy::print_stdout,
    missing_docs,
    reason = "a bench prints, and is no public interface"
)]

mod support;

use ringtape::book::{Best, BookSide, Books, OrderBook};
use ringtape::market::MarketEvent;
use ringtape::record::{Content, Record, Sequence};
use std::hint::black_box;
use std::time::Instant;
use support::book_flows::Flow;
use support::our_books::OurBooks;
use support::plain_book::PlainBooks;
use support::{Goal, Took, compare, compare_short, measuring, scaled, wanted};

/// Reads of a pass.
const READS: u64 = 100_000;

fn main() {
    if let Some(flow) = Flow::real() {
        let (mut plain, mut ours) = sides::<Kept, Ready<64>>(&flow);
        compare_short(
            "real order flow: plain book, kept / ours",
            Goal::ThroughputAtLeast(5.0),
            || plain.pass(),
            || ours.pass(),
        );
        plain.finish();
        ours.finish();
    }
    busy_session();
    busiest_instrument();
}

fn busy_session() {
    const KEPT: &str = "busy session: plain book, kept / ours";
    const BARE: &str = "busy session: plain book, bare / ours";
    const SINGLE: &str = "busy session, one by one: plain book, kept / ours";
    const READ: &str = "best read: trusted / a plain line";
    const MEMORY: &str = "memory of a live order";
    if ![KEPT, BARE, SINGLE, READ, MEMORY].into_iter().any(wanted) {
        return;
    }
    let flow = Flow::busy();
    let goal = Goal::ThroughputAtLeast(5.0);
    if wanted(BARE) {
        compare_busy::<Bare, Ready<64>>(BARE, goal, &flow);
    }
    if wanted(SINGLE) {
        compare_busy::<Kept, Ready<1>>(SINGLE, Goal::None, &flow);
    }
    let ours = compare_busy::<Kept, Ready<64>>(KEPT, goal, &flow);
    read_best(READ, &ours.0.books);
    let alive = ours.0.books.orders_alive();
    println!(
        "{MEMORY}: {} bytes, index and levels included, of {alive}",
        ours.0.books.orders_memory_bytes() / alive
    );
}

fn busiest_instrument() {
    const ALONE: &str = "busiest instrument: plain book, bare / ours";
    if !wanted(ALONE) {
        return;
    }
    let flow = Flow::busiest();
    let mut plain = Passes::<Bare>::new(&flow);
    let mut ours = Passes::<Alone>::new(&flow);
    let goal = Goal::ThroughputAtLeast(5.0);
    compare(ALONE, goal, || plain.pass(), || ours.pass());
    plain.finish();
    ours.finish();
}

fn compare_busy<P: Side, O: Side>(name: &str, goal: Goal, flow: &Flow) -> O {
    let (mut plain, mut ours) = sides::<P, O>(flow);
    compare(name, goal, || plain.pass(), || ours.pass());
    plain.finish();
    ours.finish();
    if let Some(changed) = plain.changed {
        assert_eq!(ours.changed, Some(changed), "changes of the best prices");
    }
    ours.side
}

/// What takes events.
trait Side {
    /// Makes empty books.
    fn new(flow: &Flow) -> Self;

    /// Empties the books, and keeps what memory it can.
    fn empty(&mut self);

    /// Takes events, and returns how many changed the best prices of an instrument, if it knows.
    fn take(&mut self, records: &[Record<MarketEvent>]) -> Option<u64>;

    /// Sees that the books are those.
    fn assert_equal(&self, end: &PlainBooks);
}

/// Our books as a handler's, to which so many records are ready at a time.
struct Ready<const RECORDS: usize>(OurBooks);

impl<const RECORDS: usize> Side for Ready<RECORDS> {
    fn new(flow: &Flow) -> Self {
        // The session gains some, so that it is about at its largest at its end.
        Self(OurBooks::new(flow.end.alive() + flow.end.alive() / 64))
    }

    fn empty(&mut self) {
        self.0.empty();
    }

    fn take(&mut self, records: &[Record<MarketEvent>]) -> Option<u64> {
        let mut changed = 0;
        for records in records.chunks(RECORDS) {
            if self.0.books.look_ahead() > 0 {
                self.0.books.on_ahead(records);
            }
            for event in events(records) {
                changed += self.0.on_event(event).changed.len();
            }
        }
        u64::try_from(changed).ok()
    }

    fn assert_equal(&self, end: &PlainBooks) {
        self.0.assert_equal(end);
    }
}

struct Kept(PlainBooks);

impl Side for Kept {
    fn new(flow: &Flow) -> Self {
        Self(PlainBooks::new(flow.instruments, flow.alive))
    }

    fn empty(&mut self) {
        self.0.empty();
    }

    fn take(&mut self, records: &[Record<MarketEvent>]) -> Option<u64> {
        let changed = events(records).filter(|event| self.0.on_event(event));
        u64::try_from(changed.count()).ok()
    }

    fn assert_equal(&self, end: &PlainBooks) {
        assert_eq!(self.0.alive(), end.alive());
    }
}

struct Bare(PlainBooks);

impl Side for Bare {
    fn new(flow: &Flow) -> Self {
        Self(PlainBooks::new(flow.instruments, flow.alive))
    }

    fn empty(&mut self) {
        self.0.empty();
    }

    fn take(&mut self, records: &[Record<MarketEvent>]) -> Option<u64> {
        events(records).for_each(|event| self.0.apply(event));
        black_box(&self.0);
        None
    }

    fn assert_equal(&self, end: &PlainBooks) {
        assert_eq!(self.0.alive(), end.alive());
    }
}

/// Returns the events of records that are all events.
fn events(records: &[Record<MarketEvent>]) -> impl Iterator<Item = &MarketEvent> {
    records.iter().map(|record| match record.content() {
        Content::Event(event) => event,
        other => panic!("a flow is of events: {other:?}"),
    })
}

/// The orders of one instrument, and nothing about them.
struct Alone(OrderBook);

impl Side for Alone {
    fn new(flow: &Flow) -> Self {
        Self(OrderBook::new(2 * flow.alive, 1 << 24))
    }

    fn empty(&mut self) {
        self.0.clear();
    }

    fn take(&mut self, records: &[Record<MarketEvent>]) -> Option<u64> {
        for event in events(records) {
            assert_eq!(self.0.apply(event), Ok(()));
        }
        None
    }

    fn assert_equal(&self, end: &PlainBooks) {
        assert_eq!(self.0.orders(), end.alive());
        for side in BookSide::BOTH {
            let levels: Vec<_> = self.0.levels(side).collect();
            assert_eq!(levels, end.levels(1, side));
        }
    }
}

fn sides<P: Side, O: Side>(flow: &Flow) -> (Passes<'_, P>, Passes<'_, O>) {
    (Passes::new(flow), Passes::new(flow))
}

/// Gives a side the passes of a flow, one after the other, and from the beginning after the last.
struct Passes<'a, S> {
    flow: &'a Flow,
    side: S,
    next: usize,
    changed: Option<u64>,
    /// What is timed comes from here: from a cache, as off the bus, and not from memory.
    records: Vec<Record<MarketEvent>>,
}

impl<'a, S: Side> Passes<'a, S> {
    fn new(flow: &'a Flow) -> Self {
        let mut passes = Self {
            flow,
            side: S::new(flow),
            next: 0,
            changed: Some(0),
            records: Vec::new(),
        };
        passes.open();
        passes
    }

    /// Takes the opening.
    fn open(&mut self) {
        self.record(&self.flow.opening);
        self.side.take(&self.records);
        self.next = 0;
    }

    /// Makes records of events.
    fn record(&mut self, events: &[MarketEvent]) {
        self.records.clear();
        let numbered = events.iter().zip(1..);
        let recorded = numbered.map(|(event, n)| Record::event(Sequence::new(n), n, event));
        self.records.extend(recorded);
    }

    fn pass(&mut self) -> Took {
        if self.next == self.flow.passes.len() {
            self.side.empty();
            self.open();
        }
        self.record(&self.flow.passes[self.next]);
        self.next += 1;
        let begin = Instant::now();
        let changed = self.side.take(&self.records);
        let elapsed = begin.elapsed();
        self.changed = self.changed.zip(changed).map(|(sum, more)| sum + more);
        Took {
            elapsed,
            items: self.records.len() as u64,
        }
    }

    /// Takes what is left of the flow, and sees that the books are what they should be.
    fn finish(&mut self) {
        while self.next < self.flow.passes.len() {
            self.pass();
        }
        self.side.assert_equal(&self.flow.end);
    }
}

/// Best prices as a plain struct of the same size.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(Best);

fn read_best(name: &str, books: &Books) {
    let instruments = if measuring() { 1 << 13 } else { 1 << 6 };
    let top = |index| books.top(index).expect("there are as many");
    let lines: Vec<_> = (0..instruments).map(|i| Line(top(i).as_is())).collect();
    let bits = instruments.ilog2();
    let expected = walk(bits, |index| Some(lines[index as usize].0)).1;
    let checked = |(took, sum)| {
        assert_eq!(sum, expected);
        took
    };
    compare_short(
        name,
        Goal::None,
        || checked(walk(bits, |index| Some(lines[index as usize].0))),
        || checked(walk(bits, |index| books.top(index)?.trusted().ok())),
    );
}

/// Reads one after the other; which comes next depends on what was read. Returns a sum of all.
fn walk(bits: u32, read: impl Fn(u32) -> Option<Best>) -> (Took, u64) {
    let items = scaled(READS);
    let (mut state, mut sum) = (1_u64, 0_u64);
    let begin = Instant::now();
    for _ in 0..items {
        let index = u32::try_from(state >> (u64::BITS - bits)).expect("few bits");
        let best = read(index).expect("all can be trusted");
        sum = sum.wrapping_add(best.ask_price_e9.cast_unsigned());
        // Knuth's multiplier of linear congruence.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(best.bid_quantity | 1);
    }
    let elapsed = begin.elapsed();
    (Took { elapsed, items }, black_box(sum))
}
