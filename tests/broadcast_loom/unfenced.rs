//! The ring with fences that do nothing.

#[path = "model.rs"]
pub(crate) mod model;
#[path = "../../src/bus/broadcast/slots.rs"]
mod slots;

mod sync {
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering};

    pub(super) fn fence(_: Ordering) {}
}
