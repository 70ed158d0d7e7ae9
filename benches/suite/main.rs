//! What each part costs by itself, by criterion: one file for each module, names like
//! `bus/publish/32`, which stay, so that runs can be compared.
//!
//! ```text
//! $ cargo bench -- --save-baseline before
//! $ cargo bench -- --save-baseline after
//! $ critcmp before after
//! ```
//!
//! Each checks what it does before it is timed, or while it is. On a shared machine such times
//! mean little; the other benches print ratios, both sides in turn.

#![allow(
    clippy::print_stdout,
    missing_docs,
    reason = "a bench prints, and is no public interface"
)]

mod book;
mod bus;
mod decode;
mod ingest;
mod journal;
mod replay;
#[path = "../support/mod.rs"]
mod support;
#[path = "../workloads/mod.rs"]
mod workloads;

use criterion::{Criterion, criterion_group, criterion_main};
use std::time::Duration;

criterion_group! {
    name = suite;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1_500));
    targets =
        bus::benches, decode::benches, ingest::benches, journal::benches, book::benches,
        replay::benches
}
criterion_main!(suite);
