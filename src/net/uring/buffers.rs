//! Owns the receive buffers that the kernel fills, and the ring through which it is given them.
//!
//! ```text
//!  0                      16 × count, rounded up to a page
//!  ├──────────────────────┼───────────┬───────────┬────────┄
//!  │ entries: addr len id │ buffer 0  │ buffer 1  │
//!  └──────────────────────┴───────────┴───────────┴────────┄
//!    └ the first entry's last 2 bytes are the ring's tail (io_uring_register(2))
//! ```
//!
//! Invariants that the unsafe code rests on:
//!
//! 1. The mapping is `bytes` long from `base`, and holds the entries and `count` buffers of
//!    `stride` bytes. It lives until this value is dropped, or for ever after [`Buffers::leak`].
//! 2. The kernel reads entries between its own head and the tail that was published; we write
//!    only the entry at the local tail, which is outside of that because no more buffers are given
//!    than there are entries.
//! 3. A buffer is the kernel's from [`Buffers::give_back`] until the completion that names it, and
//!    ours until it is given back.

use crate::net::stride;
use io_uring::types::BufRingEntry;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU16, Ordering};
use std::{fmt, io, slice};

const PAGE_BYTES: usize = 4096;

/// A mapping with the buffers and the ring of those that are free.
pub(super) struct Buffers {
    base: NonNull<u8>,
    bytes: usize,
    /// Where buffer 0 begins.
    first: usize,
    stride: usize,
    buffer_bytes: u32,
    count: u16,
    /// Next entry to write; free-running, as the kernel's own.
    tail: u16,
    leaked: bool,
}

// SAFETY: `Send` asks that another thread may use the value. The mapping belongs to the process,
// and in it to this value alone.
unsafe impl Send for Buffers {}

impl Buffers {
    /// Maps `count` (a power of two, at most 32,768) buffers and puts all of them into the ring.
    /// The pages are faulted in, so that the hot path does not.
    pub(super) fn new(count: u16, buffer_bytes: usize) -> io::Result<Self> {
        let stride = stride(buffer_bytes);
        let first = (usize::from(count) * size_of::<BufRingEntry>()).next_multiple_of(PAGE_BYTES);
        let bytes = first + usize::from(count) * stride;
        let buffer_bytes = u32::try_from(buffer_bytes).map_err(io::Error::other)?;
        // SAFETY: a new private mapping without a wish for its place touches nothing that exists.
        let mapped = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE,
                -1,
                0,
            )
        };
        if mapped == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(mapped.cast()).ok_or_else(|| io::Error::other("mapped at 0"))?;
        let mut buffers = Self {
            base,
            bytes,
            first,
            stride,
            buffer_bytes,
            count,
            tail: 0,
            leaked: false,
        };
        for id in 0..count {
            buffers.give_back(id);
        }
        buffers.publish();
        Ok(buffers)
    }

    /// Returns the address that is registered, page-aligned.
    pub(super) fn ring_address(&self) -> u64 {
        self.base.as_ptr().expose_provenance() as u64
    }

    pub(super) fn count(&self) -> u16 {
        self.count
    }

    /// Returns the length of each buffer.
    pub(super) fn buffer_bytes(&self) -> usize {
        self.buffer_bytes as usize
    }

    /// Returns the first `bytes` bytes of a buffer that a completion named, or `None` if there is
    /// no such buffer or it is not that long. Called between that completion and `give_back`.
    ///
    /// Hot path: no allocation, no system call, O(1).
    pub(super) fn filled(&self, id: u16, bytes: usize) -> Option<&[u8]> {
        if id >= self.count || bytes > self.buffer_bytes as usize {
            return None;
        }
        let start = self.buffer(id);
        // SAFETY: asks for `bytes` initialised bytes that nobody writes while the reference lives.
        // They are inside the mapping (invariant 1; checked above), which begins zeroed; the buffer
        // is ours (invariant 3), and giving it back takes `&mut self`.
        Some(unsafe { slice::from_raw_parts(start, bytes) })
    }

    /// Puts a buffer that a completion named back into the ring; the kernel sees it after
    /// [`publish`](Self::publish). An id that is not one of ours changes nothing.
    pub(super) fn give_back(&mut self, id: u16) {
        if id >= self.count {
            return;
        }
        let address = self.buffer(id).expose_provenance() as u64;
        let place = usize::from(self.tail & (self.count - 1));
        let entry = self
            .base
            .as_ptr()
            .cast::<BufRingEntry>()
            .wrapping_add(place);
        // SAFETY: asks for a valid entry that nobody else uses while the reference lives. `place`
        // is below `count` (a power of two), hence inside the mapping (invariant 1) and aligned;
        // the kernel does not look at it before `publish` (invariant 2), and the tail, which
        // shares the first entry, is written by this thread only.
        let entry = unsafe { &mut *entry };
        entry.set_addr(address);
        entry.set_len(self.buffer_bytes);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Lets the kernel see what was given back.
    pub(super) fn publish(&self) {
        let first = self.base.as_ptr().cast::<BufRingEntry>();
        // SAFETY: asks for the address of the ring's first entry, which is initialised: zeroed by
        // the mapping and written by `give_back`.
        let tail = unsafe { BufRingEntry::tail(first) };
        // SAFETY: asks for an aligned `u16` that is only used atomically: the tail is at an even
        // offset of an aligned entry, and only this line touches it on our side.
        let tail = unsafe { AtomicU16::from_ptr(tail.cast_mut()) };
        // Release: pairs with the kernel's acquire load of the tail; without it the kernel could
        // read an entry before it is written.
        tail.store(self.tail, Ordering::Release);
    }

    /// Keeps the mapping until the process ends, because the kernel may still write to it.
    pub(super) fn leak(&mut self) {
        self.leaked = true;
    }

    fn buffer(&self, id: u16) -> *mut u8 {
        self.base
            .as_ptr()
            .wrapping_add(self.first + usize::from(id) * self.stride)
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        if self.leaked {
            return;
        }
        // SAFETY: asks for a mapping that nobody uses after: no reference outlives `self`, and the
        // kernel has no request left (the owner leaks otherwise).
        let result = unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
        debug_assert_eq!(
            result, 0,
            "invariant: base and bytes are those of the mapping"
        );
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_or_length_that_is_not_ours_is_no_buffer() {
        let mut buffers = Buffers::new(4, 100).unwrap();
        assert_eq!(buffers.filled(3, 100), Some(&[0; 100][..]));
        for (id, bytes) in [(4, 0), (u16::MAX, 1), (0, 101), (3, usize::MAX)] {
            assert_eq!(buffers.filled(id, bytes), None);
        }
        let tail = buffers.tail;
        buffers.give_back(4);
        assert_eq!(buffers.tail, tail);
    }

    #[test]
    fn the_tail_wraps_like_the_kernels() {
        let mut buffers = Buffers::new(2, 64).unwrap();
        // The two of `new`, then one more time round than 16 bits count.
        for id in [0, 1].into_iter().cycle().take(1 << 16) {
            buffers.give_back(id);
            buffers.publish();
        }
        assert_eq!(buffers.tail, 2);
    }
}
