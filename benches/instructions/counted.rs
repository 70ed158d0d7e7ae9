//! Owns what gungraun is told: groups, functions and inputs, which together are the names in
//! `counts.txt`. What makes inputs, and what looks at outputs, is not counted.

use crate::support::our_books::OurBooks;
use crate::work::{self, Levels, Polling, Publishing, Updating, Work};
use crate::workloads::decoding::{Decoding, Venue};
use crate::workloads::feeding::{CmeFeeding, ItchFeeding};
use gungraun::{library_benchmark, library_benchmark_group, main};
use ringtape::book::OrderBook;
use ringtape::bus::Ring;
use ringtape::feed::Iex;

/// Does it, and hands it back to be looked at.
fn run<W: Work>(mut work: W) -> W {
    work.run();
    work
}

#[library_benchmark(teardown = Work::finish)]
#[bench::flow(work::itch_flow())]
#[bench::types(work::itch_types())]
fn itch(work: Decoding) -> Decoding {
    run(work)
}

#[library_benchmark(teardown = Work::finish)]
#[bench::tops(work::iex_tops())]
#[bench::deep(work::iex_deep())]
fn iex(work: Venue<Iex>) -> Venue<Iex> {
    run(work)
}

#[library_benchmark(teardown = Work::finish)]
#[bench::packets(work::itch_packets())]
fn itch_feed(work: ItchFeeding) -> ItchFeeding {
    run(work)
}

#[library_benchmark(teardown = Work::finish)]
#[bench::packets(work::cme_packets())]
fn cme_feed(work: CmeFeeding) -> CmeFeeding {
    run(work)
}

library_benchmark_group!(name = decode, benchmarks = [itch, iex, itch_feed, cme_feed]);

#[library_benchmark(teardown = Work::finish)]
#[bench::by_one(work::publishing(Ring::Lane, 1))]
#[bench::by_32(work::publishing(Ring::Lane, 32))]
#[bench::broadcast_by_one(work::publishing(Ring::Broadcast, 1))]
#[bench::broadcast_by_32(work::publishing(Ring::Broadcast, 32))]
fn publish(work: Publishing) -> Publishing {
    run(work)
}

#[library_benchmark(teardown = Work::finish)]
#[bench::by_one(work::polling(Ring::Lane, 1))]
#[bench::by_32(work::polling(Ring::Lane, 32))]
#[bench::broadcast_by_one(work::polling(Ring::Broadcast, 1))]
#[bench::broadcast_by_32(work::polling(Ring::Broadcast, 32))]
fn poll(work: Polling) -> Polling {
    run(work)
}

library_benchmark_group!(name = bus, benchmarks = [publish, poll]);

#[library_benchmark(teardown = Work::finish)]
#[bench::session(work::order_book())]
fn orders(work: Updating<OrderBook>) -> Updating<OrderBook> {
    run(work)
}

#[library_benchmark(teardown = Work::finish)]
#[bench::session(work::books())]
fn books(work: Updating<OurBooks>) -> Updating<OurBooks> {
    run(work)
}

#[library_benchmark(teardown = Work::finish)]
#[bench::by_price(work::by_price())]
#[bench::by_place(work::by_place())]
fn levels(work: Levels) -> Levels {
    run(work)
}

library_benchmark_group!(name = book, benchmarks = [orders, books, levels]);

main!(library_benchmark_groups = [decode, bus, book]);

/// Runs what gungraun was asked for by the arguments of this process.
pub(crate) fn run_gungraun() {
    main();
}
