//! The ring with stores that release nothing.

#[path = "model.rs"]
pub(crate) mod model;
#[allow(dead_code, reason = "nothing is cleared from a batch in these models")]
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

        pub(super) fn store(&self, value: u64, _: Ordering) {
            self.0.store(value, Ordering::Relaxed);
        }
    }
}
