//! Decoding by itself: no socket and no ring.
//!
//! * `decode/type/T`: a message of each type of ITCH, the stock's name being known. A rise means
//!   that the type's own path became dearer.
//! * `decode/flow`: the same on order flow, real and synthetic, where types alternate and branches
//!   are guessed wrong.
//! * `decode/venue`: a message of IEX flow, counts included, and of ITCH for comparison.
//! * `decode/feed`: a message of whole packets of 1 to 13: framing, arbitration and counting on
//!   top.
//! * `decode/cme`: packets of one book message with 1 to 8 levels: for each packet, and for each
//!   level.

use super::support::iex_flow::{DEEP, IexFlow, TOPS};
use super::support::market_data::{ORDER_FLOW, binary_file, read};
use super::support::order_flow::OrderFlow;
use super::support::{Took, time_of};
use super::workloads::cme_flow::LEVELS_OF_EIGHT;
use super::workloads::decoding::{BATCH, Decoding, SYNTHETIC, TYPES, Venue, blank, check_blank};
use super::workloads::feeding::{CmeFeeding, ItchFeeding};
use criterion::Criterion;
use ringtape::feed::{Iex, Nasdaq};

pub(super) fn benches(criterion: &mut Criterion) {
    types(criterion);
    flows(criterion);
    venues(criterion);
    feeds(criterion);
}

fn types(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode/type");
    for &message_type in TYPES {
        let bytes = blank(message_type);
        check_blank(message_type, &bytes);
        // As many as are decoded before anyone looks at the clock again.
        let mut decoding = Decoding::new(vec![bytes; 16 * BATCH]);
        group.bench_function(char::from(message_type).to_string(), |bencher| {
            bencher.iter_custom(|messages| time_of(messages, || decoding.pass()));
        });
    }
    group.finish();
}

fn flows(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode/flow");
    let mut flow = |name: &str, mut decoding: Decoding| {
        decoding.check();
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|messages| time_of(messages, || decoding.pass()));
        });
    };
    if let Some(file) = read(ORDER_FLOW) {
        flow(
            "real",
            Decoding::new(binary_file(&file).map(<[u8]>::to_vec)),
        );
    }
    flow(
        "synthetic",
        Decoding::new(OrderFlow::new(1).take(SYNTHETIC)),
    );
    group.finish();
}

fn venues(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode/venue");
    let mut itch = Venue::<Nasdaq>::new(OrderFlow::new(1).take(SYNTHETIC).collect());
    group.bench_function("itch", |bencher| {
        bencher.iter_custom(|messages| time_of(messages, || itch.pass()));
    });
    for (name, types) in [("tops", TOPS), ("deep", DEEP)] {
        let flow = IexFlow::new(1, types).take(SYNTHETIC).collect();
        let mut iex = Venue::<Iex>::new(flow);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|messages| time_of(messages, || iex.pass()));
        });
    }
    group.finish();
}

fn feeds(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode/feed");
    let mut itch = ItchFeeding::new();
    group.bench_function("synthetic", |bencher| {
        bencher.iter_custom(|messages| time_of(messages, || itch.pass()));
    });
    group.finish();
    let mut group = criterion.benchmark_group("decode/cme");
    let mut cme = CmeFeeding::new();
    group.bench_function("packet", |bencher| {
        bencher.iter_custom(|packets| {
            time_of(packets, || {
                let (elapsed, items, _) = cme.pass();
                Took { elapsed, items }
            })
        });
    });
    group.bench_function("level", |bencher| {
        bencher.iter_custom(|levels| {
            time_of(levels, || {
                let (elapsed, packets, items) = cme.pass();
                assert_eq!(items, packets / 8 * LEVELS_OF_EIGHT);
                Took { elapsed, items }
            })
        });
    });
    group.finish();
}
