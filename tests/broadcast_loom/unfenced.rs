//! The ring with fences that do nothing.

#[path = "model.rs"]
pub(crate) mod model;
#[allow(dead_code, reason = "nothing is cleared from a batch in these models")]
#[path = "../../src/bus/broadcast/slots.rs"]
mod slots;

mod sync {
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering};

    pub(super) fn fence(_: Ordering) {}
}
