//! Cases with answers that can be read off. Times are nanoseconds, the hold time is 100.

mod damage;
mod holes;
mod joining;
mod sessions;
mod steps_back;

use crate::rig::Item::{Event, Letter};
use crate::rig::{Item, Rig, SESSION};
use ringtape::feed::Start;

pub(super) const HOLD_NS: u64 = 100;
pub(super) const A: usize = 0;
pub(super) const B: usize = 1;

/// The session that the venue opens as number `n`, where 0 is the usual one.
pub(super) fn session(n: u8) -> [u8; 10] {
    let mut session = SESSION;
    session[9] += n;
    session
}

pub(super) fn rig() -> Rig {
    Rig::new(Start::At(1), HOLD_NS, 64)
}

/// What numbers `first` to `last` bring when nothing is missing.
pub(super) fn all(first: u64, last: u64) -> Vec<Item> {
    let item = |number: u64| match number % 7 {
        0 => None,
        1 => Some(Letter(number)),
        _ => Some(Event(number)),
    };
    (first..=last).filter_map(item).collect()
}

pub(super) fn expect(rig: &mut Rig, parts: &[Vec<Item>]) {
    assert_eq!(rig.news(), parts.concat());
}
