//! The store of orders beside a naive one, event by event.
//!
//! `RINGTAPE_BOOK_SESSIONS=1000 cargo test --profile testrelease --lib order_book` tries more;
//! `RINGTAPE_BOOK_SEED=7` repeats one.

#[path = "../../../tests/naive_book/mod.rs"]
mod naive_book;

use super::*;
use crate::market::MarketEvent;
use naive_book::session::{Random, Session};
use naive_book::{Live, NaiveBooks, levels};

const EVENTS: usize = 10_000;

/// What orders can do wrong.
const KINDS: [DataErrorKind; 8] = [
    DataErrorKind::UnknownOrder,
    DataErrorKind::DuplicateOrder,
    DataErrorKind::NegativeRemaining,
    DataErrorKind::WrongInstrument,
    DataErrorKind::NoPrice,
    DataErrorKind::NoQuantity,
    DataErrorKind::QuantityOverflow,
    DataErrorKind::OrdersFull,
];

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// What an event did, in the words of the store.
#[derive(Default)]
struct Did {
    touched: Vec<Touched>,
    taken: Option<Taken>,
    error: Option<DataErrorKind>,
}

fn apply(books: &mut OrderBooks, event: &MarketEvent) -> Result<Did, DataErrorKind> {
    let book = event.head.instrument - 1;
    let took = |taken: Taken| Did {
        touched: vec![taken.touched],
        taken: Some(taken),
        error: (taken.excess > 0).then_some(DataErrorKind::NegativeRemaining),
    };
    match event.view() {
        View::AddOrder(add) => {
            let order = NewOrder {
                order_id: add.order_id,
                side: BookSide::of(add.head.side).ok_or(DataErrorKind::NoSide)?,
                price_e9: add.price_e9,
                quantity: add.quantity,
            };
            let touched = vec![books.add(book, order)?];
            Ok(Did {
                touched,
                ..Did::default()
            })
        }
        View::Execute(execute) => {
            let quantity = u64::from(execute.quantity);
            books.reduce(book, execute.order_id, quantity).map(took)
        }
        View::Cancel(cancel) => books
            .reduce(book, cancel.order_id, cancel.quantity)
            .map(took),
        View::Delete(delete) => books.remove(book, delete.order_id).map(took),
        View::Replace(new) => {
            let (id, new_id) = (new.order_id, new.new_order_id);
            let quantity = u64::from(new.quantity);
            let Replaced { removed, added } =
                books.replace(book, id, new_id, new.price_e9, quantity)?;
            let mut did = took(removed);
            did.touched.extend(added.ok());
            did.error = added.err();
            Ok(did)
        }
        _ => Ok(Did::default()),
    }
}

/// All levels, queues and positions are those of the naive books. Returns the best of both sides
/// of each.
fn compare(books: &OrderBooks, naive: &NaiveBooks, instruments: u32) -> Vec<Option<PriceLevel>> {
    assert_eq!(books.alive(), naive.live().len());
    let mut best = Vec::new();
    for instrument in 1..=instruments {
        for side in BookSide::BOTH {
            let half = naive.half(instrument, side);
            let theirs = levels(&half, side);
            let book = instrument - 1;
            assert!(books.levels(book, side).eq(theirs.iter().copied()));
            assert_eq!(books.best(book, side), theirs.first().copied());
            for (price_e9, queue) in &half {
                assert!(books.queue(book, side, *price_e9).eq(queue.iter().copied()));
            }
            let is_here = |live: &&Live| (live.instrument, live.side) == (instrument, side);
            for live in naive.live().iter().filter(is_here) {
                let position = NaiveBooks::position(live, &half);
                assert_eq!(books.position(live.order_id), Some(position));
                let Live {
                    price_e9, quantity, ..
                } = *live;
                let resting = Resting {
                    book,
                    side,
                    price_e9,
                    quantity,
                };
                assert_eq!(books.order(live.order_id), Some(resting));
            }
            best.push(theirs.first().copied());
        }
    }
    best
}

/// Runs a session in both; returns how often each error occurred.
fn run(seed: u64) -> [u64; DataErrorKind::COUNT] {
    let mut session = Session::new(seed);
    let mut random = Random(!seed);
    let mut naive = NaiveBooks::new(session.orders_max, false);
    let expected = random.any(&[0, 1, session.orders_max]);
    let mut books = OrderBooks::new(expected, session.orders_max);
    books.make_room(session.instruments as usize);
    let mut errors = [0; DataErrorKind::COUNT];
    let mut best = compare(&books, &naive, session.instruments);
    let (mut added, mut alive_max) = (0, 0);
    for _ in 0..EVENTS {
        let event = session.next(&naive);
        let before = naive.live().to_vec();
        let did = apply(&mut books, &event);
        let expected = naive.apply(&event);
        let told = did
            .as_ref()
            .map_or_else(|error| Some(*error), |did| did.error);
        assert_eq!(told, expected.err(), "{event:?}");
        if let Err(error) = expected {
            errors[error as usize] += 1;
        }
        let did = did.unwrap_or_default();
        check_taken(&did, &event, &before, &naive);
        let now = compare(&books, &naive, session.instruments);
        check_touched(&did, &event, &best, &now);
        added += u64::from(matches!(event.view(), View::AddOrder(_)) && told.is_none());
        alive_max = alive_max.max(naive.live().len());
        best = now;
        if random.one_in(2_000) {
            let instrument = event.head.instrument;
            naive.clear(instrument);
            books.clear(instrument - 1);
            best = compare(&books, &naive, session.instruments);
        }
    }
    assert_eq!((books.added(), books.alive_max()), (added, alive_max));
    books.clear_all();
    assert_eq!(books.alive(), 0);
    errors
}

/// What was taken is what the order has less than before.
fn check_taken(did: &Did, event: &MarketEvent, before: &[Live], after: &NaiveBooks) {
    let Some(taken) = did.taken else { return };
    let (id, asked) = match event.view() {
        View::Execute(execute) => (execute.order_id, Some(u64::from(execute.quantity))),
        View::Cancel(cancel) => (cancel.order_id, Some(cancel.quantity)),
        View::Delete(delete) => (delete.order_id, None),
        View::Replace(replace) => (replace.order_id, None),
        _ => panic!("{event:?} takes from no order"),
    };
    let old = before.iter().find(|live| live.order_id == id).unwrap();
    let is_replace = matches!(event.view(), View::Replace(_));
    let remains = if is_replace {
        0
    } else {
        after.order(id).map_or(0, |live| live.quantity)
    };
    assert_eq!(taken.quantity, old.quantity - remains);
    assert_eq!(
        taken.excess,
        asked.map_or(0, |asked| asked - taken.quantity)
    );
    assert_eq!(
        (taken.touched.side, taken.touched.price_e9),
        (old.side, old.price_e9)
    );
}

/// A best level that is another now was told to be touched, and what was told to be the best was
/// or is.
fn check_touched(
    did: &Did,
    event: &MarketEvent,
    before: &[Option<PriceLevel>],
    after: &[Option<PriceLevel>],
) {
    for (place, (before, after)) in before.iter().zip(after).enumerate() {
        let side = BookSide::BOTH[place % 2];
        let is_own = place as u64 / 2 + 1 == u64::from(event.head.instrument);
        let touches = did
            .touched
            .iter()
            .filter(|touched| is_own && touched.side == side);
        let mut best = touches.filter(|touched| touched.is_best).peekable();
        assert!(before == after || best.peek().is_some(), "{event:?}");
        for touched in best {
            let is_price = |level: &Option<PriceLevel>| {
                level.is_some_and(|level| level.price_e9 == touched.price_e9)
            };
            // Between the halves of a replace another level may have been the best.
            let is_replace = did.touched.len() == 2;
            assert!(
                is_price(before) || is_price(after) || is_replace,
                "{event:?}"
            );
        }
    }
}

#[test]
fn random_sessions_are_those_of_a_naive_book_after_every_event() {
    let seeds = match number("RINGTAPE_BOOK_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("RINGTAPE_BOOK_SESSIONS").unwrap_or(3),
    };
    let mut errors = [0; DataErrorKind::COUNT];
    let mut sessions = 0;
    for seed in seeds.clone() {
        let Ok(occurred) = std::panic::catch_unwind(|| run(seed)) else {
            panic!(
                "seed={seed}, see above\nrepeat it with:\n  RINGTAPE_BOOK_SEED={seed} \
                 cargo test --package ringtape --lib order_book::tests::random_sessions"
            );
        };
        for (all, one) in errors.iter_mut().zip(occurred) {
            *all += one;
        }
        sessions += 1;
    }
    println!("{sessions} sessions of {EVENTS} events");
    for kind in KINDS.into_iter().chain([DataErrorKind::NoSide]) {
        println!("{kind}: {}", errors[kind as usize]);
        // One session alone need not have every character.
        assert!(
            errors[kind as usize] > 0 || sessions == 1,
            "{kind} did not occur"
        );
    }
}
