//! A book of orders says what it has allocated, and allocates nothing after it has seen a session.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/counting_allocator.rs"]
#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    reason = "an allocator is unsafe by its trait"
)]
mod counting_allocator;
mod naive_book;

use counting_allocator::Counting;
use naive_book::NaiveBooks;
use naive_book::session::Session;
use ringtape::book::{BookSide, OrderBook};
use ringtape::market::{AddOrder, Head, MarketEvent, Side};
use zerocopy::FromZeros;

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

fn session(events: usize) -> Vec<MarketEvent> {
    let mut session = Session::orderly(5, 300);
    let mut naive = NaiveBooks::new(session.orders_max, true);
    let mut next = || {
        let event = session.next(&naive);
        naive.apply(&event).unwrap();
        event
    };
    (0..events).map(|_| next()).collect()
}

fn a_session_that_was_seen_once_allocates_nothing() {
    let events = session(30_000);
    // Room for less than there will be: it grows in the first pass.
    let mut book = OrderBook::new(16, 1_000);
    let mut read = 0_u64;
    let mut pass = |book: &mut OrderBook| {
        book.clear();
        for event in &events {
            book.apply(event).unwrap();
            for side in BookSide::BOTH {
                read += book.best(side).map_or(0, |level| level.quantity);
                read += book
                    .levels(side)
                    .map(|level| u64::from(level.orders))
                    .sum::<u64>();
            }
        }
    };
    let first = ALLOCATOR.during(|| pass(&mut book));
    let second = ALLOCATOR.during(|| pass(&mut book));
    assert!(first > 0 && book.orders() > 100 && read > 0);
    assert_eq!(second, 0, "allocations in the second pass");
}

fn what_a_book_says_it_has_allocated_is_what_it_has() {
    let before = ALLOCATOR.bytes();
    let mut book = OrderBook::new(1_000, 100_000);
    for order_id in 0..20_000 {
        let side = if order_id % 2 == 0 {
            Side::BUY
        } else {
            Side::SELL
        };
        let head = Head {
            side,
            ..Head::new_zeroed()
        };
        let price_e9 = 1 + i64::try_from(order_id % 1_000).unwrap();
        let add = AddOrder {
            head,
            order_id,
            price_e9,
            quantity: 1,
            ..AddOrder::new_zeroed()
        };
        book.apply(&add.into()).unwrap();
        if order_id % 4_000 == 0 {
            assert_eq!(
                book.memory_bytes(),
                ALLOCATOR.bytes() - before,
                "{order_id} orders"
            );
        }
    }
    assert_eq!(book.memory_bytes(), ALLOCATOR.bytes() - before);
    // What `BooksConfig::orders_expected` says.
    let ready = OrderBook::new(100_000, 100_000);
    let each = ready.memory_bytes() / 100_000;
    assert_eq!(each, 49, "and a fraction");
    drop(ready);
    drop(book);
    assert_eq!(ALLOCATOR.bytes(), before);
}

// One test, since both parts count what the whole process allocates.
#[test]
fn memory_is_told_as_it_is_and_reused() {
    a_session_that_was_seen_once_allocates_nothing();
    what_a_book_says_it_has_allocated_is_what_it_has();
}
