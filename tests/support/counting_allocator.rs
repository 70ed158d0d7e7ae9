//! Owns an allocator that counts, to hold the hot path to its word.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// The system's allocator, counting while it is told to.
#[derive(Debug)]
pub struct Counting {
    counting: AtomicBool,
    /// The thread whose allocations are not counted, 0 for none.
    exempt: AtomicU32,
    allocations: AtomicU64,
    bytes: AtomicUsize,
}

impl Counting {
    pub const fn new() -> Self {
        Self {
            counting: AtomicBool::new(false),
            exempt: AtomicU32::new(0),
            allocations: AtomicU64::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    /// Runs `work` and returns how often any thread allocated or released meanwhile, but for the
    /// one that started this test: the harness notes there what it has started, whenever the
    /// scheduler lets it.
    pub fn during(&self, work: impl FnOnce()) -> u64 {
        let harness = std::process::id();
        let is_own = thread() == harness;
        self.exempt
            .store(if is_own { 0 } else { harness }, Ordering::SeqCst);
        self.allocations.store(0, Ordering::SeqCst);
        self.counting.store(true, Ordering::SeqCst);
        work();
        self.counting.store(false, Ordering::SeqCst);
        self.allocations.load(Ordering::SeqCst)
    }

    /// Returns how many bytes are allocated now, whether it was told to count or not.
    #[allow(dead_code, reason = "not every test that counts asks for bytes")]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::SeqCst)
    }

    fn count(&self) {
        if self.counting.load(Ordering::SeqCst) && thread() != self.exempt.load(Ordering::SeqCst) {
            self.allocations.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Returns the kernel's number of this thread; that of the process for its first one.
fn thread() -> u32 {
    // SAFETY: it asks for nothing, and cannot fail.
    unsafe { libc::gettid() }.cast_unsigned()
}

// SAFETY: `GlobalAlloc` asks for what `System` provides: every call is passed on as it came, and
// counting touches nothing but atomics, so it neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.count();
        self.bytes.fetch_add(layout.size(), Ordering::SeqCst);
        // SAFETY: the caller keeps the contract of `alloc`, which is also that of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.count();
        self.bytes.fetch_sub(layout.size(), Ordering::SeqCst);
        // SAFETY: `block` came from `alloc` above and so from `System`, with this layout.
        unsafe { System.dealloc(block, layout) }
    }
}
