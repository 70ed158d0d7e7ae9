//! Owns what several benches do again and again, and its checks. `benches/peers` has no use for it,
//! and none of the crates that it takes.

#![allow(
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    reason = "a bench says what it skips, and is no public interface"
)]
#![allow(dead_code, reason = "each bench uses its own part of this module")]

pub mod cme_flow;
pub mod decoding;
pub mod feeding;
pub mod level_flow;
pub mod loopback;
pub mod tape;
