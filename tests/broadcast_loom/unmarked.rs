//! The ring without the mark that a slot is being written.

#[path = "model.rs"]
pub(crate) mod model;
#[path = "../../src/bus/broadcast/slots.rs"]
mod slots;

mod sync {
    pub(super) use loom::sync::atomic::{Ordering, fence};

    pub(super) struct AtomicU64(loom::sync::atomic::AtomicU64);

    impl AtomicU64 {
        pub(super) fn new(value: u64) -> Self {
            Self(loom::sync::atomic::AtomicU64::new(value))
        }

        pub(super) fn load(&self, ordering: Ordering) -> u64 {
            self.0.load(ordering)
        }

        /// What is released is a stamp, whose kind is above 0 in these models, or a number that is
        /// not looked at here but by `resume`; or the mark.
        pub(super) fn store(&self, value: u64, ordering: Ordering) {
            let mark = ordering == Ordering::Release && value >> 56 == 0;
            if !mark {
                self.0.store(value, ordering);
            }
        }
    }
}
