//! The real CME capture of both lines: the figures of the data's README, every field of every
//! message against a decoder made from the venue's own template file, and what losses do.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../captures/mod.rs"]
#[allow(dead_code, reason = "the readers of other formats")]
mod captures;
#[path = "../cme_messages/mod.rs"]
#[allow(dead_code, reason = "the makers of other messages")]
mod cme_messages;
#[path = "../naive_cme/mod.rs"]
mod naive_cme;
#[path = "../captures/pcapng.rs"]
mod pcapng;

mod fields;
mod figures;
mod losses;
#[path = "../random/mod.rs"]
mod random;
mod rig;
