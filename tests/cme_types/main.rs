//! Every template of CME that is known, from bytes made by hand: what its events are, and what
//! becomes of longer blocks, shorter ones, absent values and wrong ones.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../cme_messages/mod.rs"]
mod cme_messages;

mod blocks;
mod books;
mod figures;
mod packets;
mod stale;
mod templates;
