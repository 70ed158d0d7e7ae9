//! An event of each kind of book.
//!
//! * `book/orders`: of one instrument with ten thousand live orders.
//! * `book/books`: of the books of all instruments, best prices and trust kept: a slice of a real
//!   day, and a synthetic session of a hundred instruments. Both fit a cache.
//! * `book/levels`: of an instrument whose venue shows levels, by price and by place.
//! * `book/best`: reading the best prices and whether to trust them.
//!
//! After each pass the books are what the makers of the flows say. `cargo bench --bench book` has
//! ratios, and a session that does not fit a cache.

use super::support::book_flows::Flow;
use super::support::our_books::OurBooks;
use super::support::{Took, scaled, time_of};
use super::workloads::level_flow::{LevelFlow, empty_book};
use criterion::Criterion;
use ringtape::book::{BookSide, OrderBook};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Changes of levels in a pass.
const LEVELS: u64 = 10_000;

pub(super) fn benches(criterion: &mut Criterion) {
    orders(criterion);
    books(criterion);
    levels(criterion);
}

fn orders(criterion: &mut Criterion) {
    let flow = Flow::busiest();
    let mut group = criterion.benchmark_group("book/orders");
    group.bench_function("synthetic", |bencher| {
        let mut book = OrderBook::new(2 * flow.alive, 1 << 24);
        bencher.iter_custom(|events| time_of(events, || order_pass(&flow, &mut book)));
    });
    group.finish();
}

/// Takes the whole flow into an emptied book.
fn order_pass(flow: &Flow, book: &mut OrderBook) -> Took {
    book.clear();
    let apply = |book: &mut OrderBook, event| assert_eq!(book.apply(event), Ok(()));
    flow.opening.iter().for_each(|event| apply(book, event));
    let begin = Instant::now();
    for event in flow.passes.iter().flatten() {
        apply(book, event);
    }
    let elapsed = begin.elapsed();
    for side in BookSide::BOTH {
        assert!(book.levels(side).eq(flow.end.levels(1, side)));
    }
    took(elapsed, flow)
}

fn took(elapsed: Duration, flow: &Flow) -> Took {
    let events: usize = flow.passes.iter().map(Vec::len).sum();
    Took {
        elapsed,
        items: events as u64,
    }
}

fn books(criterion: &mut Criterion) {
    let synthetic = Flow::cached();
    let mut group = criterion.benchmark_group("book/books");
    for (name, flow) in [("real", Flow::real()), ("synthetic", Some(synthetic))] {
        let Some(flow) = flow else { continue };
        group.bench_function(name, |bencher| {
            let mut books = OurBooks::new(2 * flow.end.alive().max(flow.alive));
            bencher.iter_custom(|events| time_of(events, || books_pass(&flow, &mut books)));
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("book/best");
    group.bench_function("trusted", |bencher| {
        let flow = Flow::cached();
        let mut books = OurBooks::new(2 * flow.alive);
        books_pass(&flow, &mut books);
        let instruments = flow.end.instruments() - 1;
        let mut turn = 0;
        bencher.iter(|| {
            turn = (turn + 1) % instruments;
            let top = books.books.top(black_box(turn)).expect("a book");
            top.trusted().is_ok()
        });
    });
    group.finish();
}

/// Takes the whole flow into emptied books.
fn books_pass(flow: &Flow, books: &mut OurBooks) -> Took {
    books.empty();
    for event in &flow.opening {
        books.on_event(event);
    }
    let begin = Instant::now();
    for event in flow.passes.iter().flatten() {
        black_box(books.on_event(event));
    }
    let elapsed = begin.elapsed();
    books.assert_equal(&flow.end);
    took(elapsed, flow)
}

fn levels(criterion: &mut Criterion) {
    let count = usize::try_from(scaled(LEVELS)).expect("fits");
    let flows = [
        ("price", LevelFlow::by_price(1, count)),
        ("place", LevelFlow::by_place(1, count)),
    ];
    let mut group = criterion.benchmark_group("book/levels");
    for (name, flow) in flows {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|changes| {
                time_of(changes, || {
                    let mut book = empty_book();
                    let begin = Instant::now();
                    flow.run(&mut book);
                    let elapsed = begin.elapsed();
                    flow.check(&book);
                    let items = flow.len() as u64;
                    Took { elapsed, items }
                })
            });
        });
    }
    group.finish();
}
