//! The books of a feed that is made of orders are those of a naive model, after every event.
//!
//! `RINGTAPE_BOOK_SESSIONS=1000 cargo test --profile testrelease --test book_orders` tries more;
//! `RINGTAPE_BOOK_SEED=7` repeats one.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it tried"
)]

mod naive_book;

use naive_book::session::Session;
use naive_book::{Live, NaiveBooks, levels};
use ringtape::book::{BookSide, Books, BooksConfig, DataErrorKind, Prices};
use ringtape::handler::At;
use ringtape::market::Flags;
use ringtape::record::Sequence;

const EVENTS: u64 = 10_000;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

fn compare(books: &Books, naive: &NaiveBooks, instrument: u32) {
    let Some(index) = books.index(instrument) else {
        assert!(
            naive
                .live()
                .iter()
                .all(|live| live.instrument != instrument)
        );
        return;
    };
    let book = books.as_is(index).unwrap();
    for side in BookSide::BOTH {
        let half = naive.half(instrument, side);
        let theirs = levels(&half, side);
        assert!(book.depth(side).eq(theirs.iter().copied()));
        // Every event is the last of its group, so the top shows it.
        let top = books.top(index).unwrap().as_is();
        assert_eq!(top.level(side), theirs.first().copied());
        for (price_e9, queue) in &half {
            assert!(book.queue(side, *price_e9).eq(queue.iter().copied()));
        }
        let is_here = |live: &&Live| (live.instrument, live.side) == (instrument, side);
        for live in naive.live().iter().filter(is_here) {
            let position = NaiveBooks::position(live, &half);
            assert_eq!(book.position(live.order_id), Some(position));
        }
    }
}

/// Runs a session in both; returns how often each error occurred.
fn run(seed: u64) -> [u64; DataErrorKind::COUNT] {
    let mut session = Session::new(seed);
    let prices = if seed.is_multiple_of(2) {
        Prices::Any
    } else {
        Prices::Positive
    };
    let mut naive = NaiveBooks::new(session.orders_max, prices == Prices::Positive);
    let mut books = Books::new(BooksConfig {
        feed: 1,
        orders_expected: 1,
        orders_max: session.orders_max,
        prices,
        ..BooksConfig::default()
    });
    let mut errors = [0; DataErrorKind::COUNT];
    for number in 1..=EVENTS {
        let mut event = session.next(&naive);
        (event.head.feed, event.head.flags) = (1, Flags::LAST);
        let sequence = Sequence::new(number);
        let at = At {
            sequence,
            ts_recv_ns: number,
            end_of_batch: true,
        };
        books.on_event(&event, at);
        if let Err(kind) = naive.apply(&event) {
            errors[kind as usize] += 1;
        }
        for instrument in 1..=session.instruments {
            compare(&books, &naive, instrument);
        }
        for kind in DataErrorKind::ALL {
            // Whether books cross is not what the naive ones watch.
            if kind != DataErrorKind::Crossed {
                let counted = books.errors().count(kind) + books.errors().doubtful(kind);
                assert_eq!(counted, errors[kind as usize], "{kind}: {event:?}");
            }
        }
    }
    errors
}

#[test]
fn the_books_of_random_sessions_are_the_naive_ones_after_every_event() {
    let seeds = match number("RINGTAPE_BOOK_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("RINGTAPE_BOOK_SESSIONS").unwrap_or(8),
    };
    let mut errors = [0; DataErrorKind::COUNT];
    let mut sessions = 0;
    for seed in seeds {
        let Ok(occurred) = std::panic::catch_unwind(|| run(seed)) else {
            panic!(
                "seed={seed}, see above\nrepeat it with:\n  RINGTAPE_BOOK_SEED={seed} \
                 cargo test --test book_orders"
            );
        };
        for (all, one) in errors.iter_mut().zip(occurred) {
            *all += one;
        }
        sessions += 1;
    }
    println!("{sessions} sessions of {EVENTS} events");
    for kind in [
        DataErrorKind::UnknownOrder,
        DataErrorKind::DuplicateOrder,
        DataErrorKind::NegativeRemaining,
        DataErrorKind::WrongInstrument,
        DataErrorKind::NoSide,
        DataErrorKind::NoPrice,
        DataErrorKind::NoQuantity,
        DataErrorKind::QuantityOverflow,
        DataErrorKind::OrdersFull,
    ] {
        println!("{kind}: {}", errors[kind as usize]);
        // One session alone need not have every character.
        assert!(
            errors[kind as usize] > 0 || sessions == 1,
            "{kind} did not occur"
        );
    }
}
