//! The store of orders beside a naive one, event by event.
//!
//! `RINGTAPE_BOOK_SESSIONS=1000 cargo test --profile testrelease --lib order_book` tries more;
//! `RINGTAPE_BOOK_SEED=7` repeats one.

#![allow(clippy::print_stdout, reason = "says what it tried")]

#[path = "../../../tests/naive_book/mod.rs"]
mod naive_book;

use super::index::Index;
use super::ladder::{Far, Ladder};
use super::read::Resting;
use super::slab::NIL;
use super::store::Replaced;
use super::*;
use crate::market::MarketEvent;
use naive_book::random::Random;
use naive_book::session::Session;
use naive_book::{Live, NaiveBooks, levels};
use std::collections::BTreeMap;

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
        None => 1..=number("RINGTAPE_BOOK_SESSIONS").unwrap_or(8),
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

#[test]
fn a_full_store_of_a_million_orders_takes_at_most_64_bytes_for_each() {
    const ORDERS: u32 = 1_000_000;
    let mut books = OrderBooks::new(ORDERS as usize, ORDERS as usize);
    books.make_room(10_000);
    let mut random = Random(1);
    for order_id in 0..u64::from(ORDERS) {
        let book = u32::try_from(random.below(10_000)).unwrap();
        let side = random.any(&BookSide::BOTH);
        let away = i64::try_from(random.below(20)).unwrap();
        let price_e9 = if side == BookSide::Bid {
            100 - away
        } else {
            101 + away
        };
        let order = NewOrder {
            order_id,
            side,
            price_e9,
            quantity: 100,
        };
        books.add(book, order).unwrap();
    }
    let more = NewOrder {
        order_id: u64::MAX,
        side: BookSide::Bid,
        price_e9: 1,
        quantity: 1,
    };
    assert_eq!(books.add(0, more), Err(DataErrorKind::OrdersFull));
    let levels: usize = (0..10_000)
        .flat_map(|book| BookSide::BOTH.map(|side| books.levels(book, side).count()))
        .sum();
    let bytes = books.memory_bytes();
    let hundredths = bytes * 100 / ORDERS as usize;
    println!(
        "{ORDERS} orders at {levels} prices: {bytes} bytes, {}.{:02} an order",
        hundredths / 100,
        hundredths % 100
    );
    assert!(levels > 350_000, "{levels}");
    assert!(hundredths <= 6_400);
}

#[test]
fn ids_in_strides_are_found_as_fast_as_any() {
    for stride in [1, 8, 64, 1 << 20, 1 << 32, 1 << 48, 0x9e37_79b9_7f4a_7c15] {
        let count = 20_000_u32;
        let mut index = Index::new(count);
        let id = |at: u32| u64::from(at).wrapping_mul(stride);
        for at in 1..=count {
            let home = index.find(id(at), |other| id(other) == id(at)).unwrap_err();
            index.insert(home, at);
        }
        assert!(
            index.passed_on() < count / 10,
            "{stride}: {}",
            index.passed_on()
        );
        for at in 1..=count {
            let found = index.find(id(at), |other| id(other) == id(at)).unwrap();
            assert_eq!(found.at, at);
            if at % 3 > 0 {
                index.remove(found);
            }
        }
        for at in 1..=count {
            let found = index.find(id(at), |other| id(other) == id(at));
            assert_eq!(found.is_ok(), at % 3 == 0);
            if let Ok(found) = found {
                index.remove(found);
            }
        }
        assert_eq!(index.passed_on(), 0);
    }
}

/// Random prices in two ladders that share the far ones, in phases that fill and that empty; beside
/// sorted maps.
#[test]
fn ladders_are_sorted_maps_however_many_prices_there_are() {
    for (seed, prices) in [(1, 12), (2, 3_000), (3, 6_000), (4, 1 << 40)] {
        let mut random = Random(seed);
        let mut far = Far::new();
        let mut ladders = [Ladder::default(), Ladder::default()];
        let mut naive = [BTreeMap::new(), BTreeMap::new()];
        let mut far_max = 0;
        for n in 0..40_000_u32 {
            let own = u32::from(random.one_in(3));
            let (ladder, naive) = (&mut ladders[own as usize], &mut naive[own as usize]);
            let fills = n / 8_000 % 2 == 0;
            let drawn = i64::try_from(random.below(prices)).unwrap();
            // Half of what goes is at an end, so that all that is near goes at times.
            let key = match random.below(8) {
                0..3 if !fills => naive.last_key_value().map_or(drawn, |(key, _)| *key),
                3 if !fills => naive.first_key_value().map_or(drawn, |(key, _)| *key),
                4.. if !fills => naive.range(drawn..).next().map_or(drawn, |(key, _)| *key),
                _ => drawn,
            };
            let found = ladder.find(own, key, &far);
            assert_eq!(found.ok(), naive.get(&key).copied());
            let mut search = ladder.begin_search();
            while search.goes_on() {
                search = ladder.step(key, search);
            }
            let is_far = far.contains_key(&(own, key));
            let near = found.ok().filter(|_| !is_far);
            assert_eq!(ladder.found(key, search), near);
            if naive.remove(&key).is_some() {
                ladder.remove(own, key, &mut far);
            } else if fills || random.one_in(4) {
                let place = found.expect_err("checked above");
                ladder.insert(own, key, place, n + 1, &mut far);
                naive.insert(key, n + 1);
            }
            let best = naive.last_key_value().map_or(NIL, |(_, level)| *level);
            assert_eq!(ladder.best(), best);
            if n % 512 == 0 {
                assert!(ladder.levels(own, &far).eq(naive.values().rev().copied()));
            }
            far_max = far_max.max(far.len());
        }
        assert_eq!(far_max > 0, prices > 12, "seed {seed}: {far_max} were far");
    }
}

#[test]
fn a_book_of_more_prices_than_are_near_is_emptied_whole() {
    let mut book = OrderBooks::new(1, 10_000);
    book.make_room(1);
    for order_id in 0..5_000 {
        let price_e9 = i64::try_from(order_id * 7_919 % 5_000).unwrap() + 1;
        let order = NewOrder {
            order_id,
            side: BookSide::Ask,
            price_e9,
            quantity: 1,
        };
        book.add(0, order).unwrap();
    }
    let prices = book.levels(0, BookSide::Ask).map(|level| level.price_e9);
    assert!(prices.eq(1..=5_000));
    book.clear(0);
    assert_eq!((book.alive(), book.best(0, BookSide::Ask)), (0, None));
    assert_eq!(book.levels(0, BookSide::Ask).count(), 0);
}
