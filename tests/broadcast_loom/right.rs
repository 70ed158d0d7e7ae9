//! The ring as it is.

#[path = "model.rs"]
pub(crate) mod model;
#[path = "../../src/bus/broadcast/slots.rs"]
mod slots;

mod sync {
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering, fence};
}
