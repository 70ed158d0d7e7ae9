//! Owns memory that is there before it is needed: allocated, and written once.
//!
//! What an allocator hands out, above all where zeros are asked for, is often only promised: the
//! kernel maps each page when it is first written, which costs the thread that does so a page
//! fault. For the hot path that is done where it is allocated.

use std::hint::black_box;
use std::mem::MaybeUninit;

/// Makes a slice of `len` times `value`, every page of it written.
pub(crate) fn filled<T: Copy>(value: T, len: usize) -> Box<[T]> {
    let mut slice = vec![value; len].into_boxed_slice();
    // Without the black box the compiler may see that the values are there already.
    black_box(&mut slice[..]).fill(value);
    slice
}

/// Makes an empty vector with room for `capacity` items, every page of it written.
pub(crate) fn with_capacity<T: Copy>(capacity: usize) -> Vec<T> {
    let mut vector = Vec::with_capacity(capacity);
    // As above; and zeros, not `uninit`: a write of nothing may be left out.
    black_box(vector.spare_capacity_mut()).fill(MaybeUninit::zeroed());
    vector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_as_long_and_as_wide_as_was_asked_for() {
        assert_eq!(*filled(7_u16, 3), [7; 3]);
        assert_eq!(filled(0_u8, 0).len(), 0);
        let mut vector = with_capacity(5);
        assert!(vector.is_empty() && vector.capacity() >= 5);
        vector.extend([1, 2]);
        assert_eq!(vector, [1, 2]);
        assert_eq!(with_capacity::<u64>(0).capacity(), 0);
    }
}
