//! The ring without the mark that a slot is being written.

#[path = "model.rs"]
pub(crate) mod model;
#[allow(dead_code, reason = "nothing is cleared from a batch in these models")]
#[path = "../../src/bus/broadcast/slots.rs"]
mod slots;

mod sync {
    pub(super) use loom::sync::atomic::{Ordering, fence};

    pub(super) struct AtomicU64 {
        word: loom::sync::atomic::AtomicU64,
        /// Slots begin with 0; the published number and cursors do not.
        in_slot: bool,
    }

    impl AtomicU64 {
        pub(super) fn new(value: u64) -> Self {
            Self {
                word: loom::sync::atomic::AtomicU64::new(value),
                in_slot: value == 0,
            }
        }

        pub(super) fn load(&self, ordering: Ordering) -> u64 {
            self.word.load(ordering)
        }

        /// What is released to a slot is a stamp, whose kind is above 0 in these models, or the
        /// mark.
        pub(super) fn store(&self, value: u64, ordering: Ordering) {
            let mark = self.in_slot && ordering == Ordering::Release && value >> 56 == 0;
            if !mark {
                self.word.store(value, ordering);
            }
        }
    }
}
