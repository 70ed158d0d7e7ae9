//! The SoupBinTCP client against its server, in memory and in virtual time: each message once, in
//! order, wherever connections die.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "a failing seed says how to repeat it")]

mod oracle;
#[path = "../random/mod.rs"]
mod random;
mod rig;
mod scenarios;
mod simulation;
