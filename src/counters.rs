//! Owns counters: written by one thread, readable by any.

use std::sync::atomic::{AtomicU64, Ordering};

/// A count that one thread raises and any thread may read.
///
/// Writing is a plain load and store, without the locked instruction of `fetch_add`: with two
/// writers counts would get lost, so each counter belongs to one stage. A reader sees a value that
/// was true a moment ago; counters of one stage read together need not belong to one instant.
///
/// # Examples
///
/// ```
/// use ringtape::counters::Counter;
///
/// let datagrams = Counter::default();
/// datagrams.add(3);
/// assert_eq!(datagrams.get(), 3);
/// ```
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Raises the count by `n`. Only the owning stage may call it.
    ///
    /// Hot path: no allocation, no system call, no locked instruction.
    pub fn add(&self, n: u64) {
        self.set(self.get().wrapping_add(n));
    }

    /// Sets the count to a value that was counted elsewhere. Only the owning stage may call it.
    pub fn set(&self, value: u64) {
        // Relaxed: a count orders no other memory; who needs a total that is final reads it after
        // joining the thread.
        self.0.store(value, Ordering::Relaxed);
    }

    /// Returns the count.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
