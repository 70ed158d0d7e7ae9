//! ringtape.

pub mod error;
pub mod record;
pub mod wait;

pub mod clock;
pub mod counters;
pub mod cpu;
pub mod handler;
pub mod market;

pub mod feed;
pub mod net;
