//! Building order books from order flow beside other crates.
//!
//! All sides take the same real slice of ITCH and the same synthetic busy session (10,000
//! instruments, a million live orders), and after each event read the best bid and offer of its
//! instrument. After every pass the best prices and the quantity at every price of every instrument
//! are compared with a plain book of maps.
//!
//! * `nautilus-model`, `OrderBook` of kind `L3_MBO`: the same work, each level's queue included,
//!   with the best price found in a `BTreeMap`.
//! * `nanobook`, `OrderBook`: the same work by its public parts, without its matching; an execution
//!   takes from the order and its level, since its own ITCH events leave executions out. It never
//!   forgets orders that are gone: that is done between passes, not timed.
//! * `hftbacktest`, `HashMapMarketDepth` as `L3MarketDepth`: less work, since levels have no queue,
//!   and prices are ticks that are known before; shown for orientation. Only the busy session,
//!   whose prices are cents: the real slice has prices of a hundredth of that, and it walks from
//!   tick to tick to find the next best price.
//!
//! What a crate wants to know of an event beyond what ITCH tells (instrument, side, price and what
//! remains of an order) is worked out before the clock starts, and its own order types are made
//! then, too. That is in the peers' favour: an ITCH feed handler has to keep it by order itself, as
//! that of `nautilus-testkit` does. ringtape is given [`MarketEvent`]s as they come off its bus, and
//! is shown them before, 64 at a time, as a handler there is that has to hurry; the others offer
//! nothing of the kind.
//!
//! Judged and left out:
//!
//! * `hftbacktest`, `BTreeMarketDepth`: takes the lowest bid for the best once the best is gone
//!   (0.9.4), so its results differ.
//! * `kraken-book`, `L3Book`: orders are named by `String`s and counted in decimals; what it would
//!   measure is allocation.
//! * `perpl-sdk`, `l3_book`: state of one exchange's contract, fed by that exchange's own types
//!   only.
//! * `lobster`, `rust_ob`, `rust-order-book`, `orderbook-rs`, `otterbook_core`: matching engines,
//!   by their documentation. An order that rests trades against another that comes in; that an
//!   order with this id traded, which is what ITCH tells, can be said to them as a cancel or a
//!   change of the order if at all.

mod with_hftbacktest;
mod with_nanobook;
mod with_nautilus;
mod with_ringtape;

use crate::contest::{Contest, Goal, Metric, Passed, Told};
use crate::support::book_flows::Flow;
use crate::support::plain_book::{PlainBooks, PlainOrder};
use crate::table::Table;
use ringtape::book::BookSide;
use ringtape::market::{MarketEvent, View};
use std::cell::LazyCell;
use std::hint::black_box;
use std::time::Instant;

/// An event of a book, with all that anybody may want to know of it.
#[derive(Clone, Copy)]
pub enum Step {
    /// An order joined.
    Add(u64, PlainOrder),
    /// An order lost this quantity; of the order, what is left.
    Reduce(u64, PlainOrder, u64),
    /// An order left; as it was.
    Remove(u64, PlainOrder),
    /// An order left, as it was, and another came.
    Replace((u64, PlainOrder), (u64, PlainOrder)),
}

/// The books of a crate.
pub trait Peer {
    /// What the crate is given.
    type Event;

    /// Makes empty books of instruments `0..instruments`, where `orders` are to be expected.
    fn new(instruments: usize, orders: usize) -> Self;

    /// Empties all books.
    fn empty(&mut self);

    /// Makes the crate's own form of an event; `None` where it does not want it.
    fn event(event: &MarketEvent, step: Option<Step>) -> Option<Self::Event>;

    /// Looks at events that come next.
    fn look_ahead(&self, events: &[Self::Event]) {
        _ = events;
    }

    /// Takes an event and returns the sum of the best prices of its instrument, in any unit.
    fn on_event(&mut self, event: &Self::Event) -> i64;

    /// Does what must be done now and then.
    fn tidy(&mut self) {}

    /// Returns the best price × 10⁹ of a side.
    fn best_e9(&self, instrument: u32, side: BookSide) -> Option<i64>;

    /// Returns what stands at a price × 10⁹.
    fn quantity(&self, instrument: u32, side: BookSide, price_e9: i64) -> u64;
}

/// Rounds over the real slice, whose passes take less than the scheduler's time slice.
const ROUNDS_SHORT: usize = 301;
/// Rounds over the busy session, whose passes take tens of milliseconds.
const ROUNDS: usize = 15;

/// Events that are ready at a time.
const READY: usize = 64;

const OURS: &str = "ringtape";
const NAUTILUS: &str = "nautilus-model";
const NANOBOOK: &str = "nanobook";
const HFTBACKTEST: &str = "hftbacktest";

pub fn measure(table: &mut Table) {
    let title = "books of real order flow";
    match Flow::real() {
        Some(flow) => compare_peers(table, title, ROUNDS_SHORT, || &flow, false),
        None => table.not_measured(title, "there is no market data here"),
    }
    // Made when it is first wanted: it takes seconds.
    let busy = LazyCell::new(Flow::busy);
    compare_peers(table, "books of a busy session", ROUNDS, || &busy, true);
}

fn compare_peers<'a>(
    table: &mut Table,
    title: &str,
    rounds: usize,
    flow: impl Fn() -> &'a Flow + Copy + 'a,
    in_cents: bool,
) {
    let metric = Metric {
        name: "time of an event",
        told: Told::Time,
    };
    let mut contest = Contest::new(title, rounds, &[metric]);
    enter::<with_ringtape::Side>(&mut contest, OURS, flow);
    enter::<with_nautilus::Side>(&mut contest, NAUTILUS, flow);
    enter::<with_nanobook::Side>(&mut contest, NANOBOOK, flow);
    contest.compare(0, OURS, NAUTILUS, Goal::AtMost(1.0));
    contest.compare(0, OURS, NANOBOOK, Goal::AtMost(1.0));
    if in_cents {
        enter::<with_hftbacktest::Side>(&mut contest, HFTBACKTEST, flow);
        contest.compare(0, OURS, HFTBACKTEST, None);
    }
    contest.run(table);
}

/// The books are made with the first pass, so that nobody waits for those whose ratio was not
/// asked for.
fn enter<'a, P: Peer + 'a>(
    contest: &mut Contest<'a>,
    name: &'static str,
    flow: impl Fn() -> &'a Flow + 'a,
) {
    let mut passes = None;
    contest.enter(name, move || {
        let passes = passes.get_or_insert_with(|| Passes::<P>::new(flow()));
        passes.pass()
    });
}

/// Gives a crate the passes of a flow, one after the other; from the beginning after the last.
struct Passes<'a, P: Peer> {
    flow: &'a Flow,
    side: P,
    /// Says what is right.
    plain: PlainBooks,
    next: usize,
}

impl<'a, P: Peer> Passes<'a, P> {
    fn new(flow: &'a Flow) -> Self {
        let orders = flow.end.alive() + flow.end.alive() / 64;
        let mut passes = Self {
            flow,
            side: P::new(flow.instruments, orders),
            plain: PlainBooks::new(flow.instruments, orders),
            next: 0,
        };
        passes.open();
        passes
    }

    fn open(&mut self) {
        self.side.empty();
        self.plain.empty();
        self.next = 0;
        for event in events::<P>(&mut self.plain, &self.flow.opening) {
            self.side.on_event(&event);
        }
    }

    fn pass(&mut self) -> Passed {
        if self.next == self.flow.passes.len() {
            self.open();
        }
        let taken = &self.flow.passes[self.next];
        self.next += 1;
        let events = events::<P>(&mut self.plain, taken);
        self.side.tidy();
        let mut sum: i64 = 0;
        let begin = Instant::now();
        for events in events.chunks(READY) {
            self.side.look_ahead(events);
            for event in events {
                sum = sum.wrapping_add(self.side.on_event(event));
            }
        }
        black_box(sum);
        let elapsed = begin.elapsed();
        self.check();
        Passed {
            checked: taken.len() as u64,
            times_ns: vec![elapsed.as_nanos() as f64 / taken.len() as f64],
        }
    }

    fn check(&self) {
        for instrument in 1..self.plain.instruments() {
            let best = self.plain.best(instrument);
            for side in BookSide::BOTH {
                let price_e9 = best.level(side).map(|level| level.price_e9);
                assert_eq!(self.side.best_e9(instrument, side), price_e9, "{side:?}");
                for level in self.plain.levels(instrument, side) {
                    let told = self.side.quantity(instrument, side, level.price_e9);
                    assert_eq!(told, level.quantity, "{instrument} {side:?} {level:?}");
                }
            }
        }
    }
}

/// Makes a crate's own events, and brings the plain books to where they lead.
fn events<P: Peer>(plain: &mut PlainBooks, taken: &[MarketEvent]) -> Vec<P::Event> {
    let own = taken.iter().filter_map(|event| {
        let step = step(plain, event);
        plain.apply(event);
        P::event(event, step)
    });
    own.collect()
}

/// Says what an event does to the books before it; `None` for one that is not of an order.
fn step(plain: &PlainBooks, event: &MarketEvent) -> Option<Step> {
    let reduced = |order_id, quantity: u64| {
        let order = plain.order(order_id).expect("flows name live orders");
        match order.quantity.checked_sub(quantity) {
            None | Some(0) => Step::Remove(order_id, order),
            Some(left) => Step::Reduce(
                order_id,
                PlainOrder {
                    quantity: left,
                    ..order
                },
                quantity,
            ),
        }
    };
    Some(match event.view() {
        View::AddOrder(add) => Step::Add(
            add.order_id,
            PlainOrder {
                instrument: add.head.instrument,
                side: BookSide::of(add.head.side).expect("an order has a side"),
                price_e9: add.price_e9,
                quantity: add.quantity,
            },
        ),
        View::Execute(execute) => reduced(execute.order_id, execute.quantity.into()),
        View::Cancel(cancel) => reduced(cancel.order_id, cancel.quantity),
        View::Delete(delete) => reduced(delete.order_id, u64::MAX),
        View::Replace(replace) => {
            let old = plain
                .order(replace.order_id)
                .expect("flows name live orders");
            let new = PlainOrder {
                price_e9: replace.price_e9,
                quantity: replace.quantity.into(),
                ..old
            };
            Step::Replace((replace.order_id, old), (replace.new_order_id, new))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_all(flow: &Flow) {
        check::<with_nautilus::Side>(flow);
        check::<with_nanobook::Side>(flow);
        check::<with_ringtape::Side>(flow);
    }

    /// Takes all passes, each of which compares.
    fn check<P: Peer>(flow: &Flow) {
        let mut passes = Passes::<P>::new(flow);
        for _ in &flow.passes {
            passes.pass();
        }
        assert_eq!(passes.plain.alive(), flow.end.alive());
        assert!(passes.plain.alive() > 0 && passes.plain.errors == 0);
    }

    #[test]
    fn all_build_the_same_books_from_real_order_flow() {
        if let Some(flow) = Flow::real() {
            check_all(&flow);
        }
    }

    #[test]
    fn all_build_the_same_books_from_a_busy_session() {
        check_all(&Flow::busy());
        check::<with_hftbacktest::Side>(&Flow::busy());
    }
}
