//! The derived events: beside a naive model that recomputes them from lists, and the same live and
//! in replay.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    clippy::print_stdout,
    reason = "figures for who runs it with --nocapture"
)]

#[path = "../captures/mod.rs"]
mod captures;
mod deaths;
mod model;
mod naive_bars;
mod pieces;
mod pipelines;
#[path = "../random/mod.rs"]
mod random;
mod readiness;
mod real;
mod rig;
mod sessions;
#[path = "../support/mod.rs"]
mod support;
