//! m
use crate::record::*;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
/// x
#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct MarketEvent {
    /// a
    pub a: u64,
}
impl Event for MarketEvent {
    const SCHEMA: Schema = Schema {
        name: "market",
        id: 1,
        version: 1,
    };
}
