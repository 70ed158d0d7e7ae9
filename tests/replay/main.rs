//! A replay gives a handler what the journal has: all of it, in its order, at any speed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../captures/mod.rs"]
mod captures;
mod live;
mod merge;
mod pace;
mod real_data;
mod rig;
mod runs;
