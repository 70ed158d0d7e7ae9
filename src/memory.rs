//! Owns memory that is there before it is needed: allocated, and written once.
//!
//! What an allocator hands out, above all where zeros are asked for, is often only promised: the
//! kernel maps each page when it is first written, which costs the thread that does so a page
//! fault. For the hot path that is done where it is allocated.
//!
//! Where it is read here and there and not in its order, nearly every read also costs a walk through
//! page tables, which huge pages save.

use rustix::mm::{Advice, madvise};
use std::hint::black_box;
use std::mem::MaybeUninit;

/// Less than this holds no whole huge page.
const HUGE_BYTES: usize = 2 << 20;

/// Makes a slice of `len` times `value`, every page of it written.
pub(crate) fn filled<T: Copy>(value: T, len: usize) -> Box<[T]> {
    let mut vector = Vec::with_capacity(len);
    prefer_huge_pages(vector.spare_capacity_mut());
    vector.resize(len, value);
    let mut slice = vector.into_boxed_slice();
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

/// Asks the processor to bring the cache line where `place` begins near, and does not wait for it.
#[inline(always)]
pub(crate) fn fetch<T>(place: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint that reads nothing; the address is a borrow's, and no address would fault.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(place).cast()) };
    }
    // Elsewhere stable Rust has no such hint, and the line comes when it is read.
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

/// Asks the kernel for huge pages behind memory that was not written yet. It may decline, and then
/// the memory is as any other: where no administrator has forbidden them, `ringtape doctor` tells.
/// The time to find them is spent when the memory is first written.
pub(crate) fn prefer_huge_pages<T>(spare: &mut [MaybeUninit<T>]) {
    let bytes = size_of_val(spare);
    if bytes < HUGE_BYTES {
        return;
    }
    let page = rustix::param::page_size();
    let spare = spare.as_mut_ptr().cast::<u8>();
    let skipped = spare.align_offset(page).min(bytes);
    let whole = (bytes - skipped) / page * page;
    // SAFETY: the caller's borrow is of all bytes of the range, and lasts until the call is over;
    // the advice changes what is behind them, and not what they hold.
    let advised = unsafe {
        madvise(
            spare.wrapping_add(skipped).cast(),
            whole,
            Advice::LinuxHugepage,
        )
    };
    // A kernel that has none says so, and small pages do.
    _ = advised;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

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

    /// The flags of the mapping that has an address, as `/proc/self/smaps` tells them.
    fn flags(address: usize) -> String {
        let number = |text: &str| usize::from_str_radix(text, 16).ok();
        let range = |line: &str| {
            let (begin, rest) = line.split_once('-')?;
            Some(number(begin)?..number(rest.split_once(' ')?.0)?)
        };
        let maps = fs::read_to_string("/proc/self/smaps").unwrap();
        let from_it_on = maps
            .lines()
            .skip_while(|line| !range(line).is_some_and(|range| range.contains(&address)));
        let mut flags = from_it_on.filter_map(|line| line.strip_prefix("VmFlags:"));
        flags.next().expect("a mapping has the address").to_owned()
    }

    #[test]
    fn large_memory_asks_for_huge_pages_and_small_memory_does_not() {
        let has_any = fs::exists("/sys/kernel/mm/transparent_hugepage").unwrap();
        let is_huge = |vector: &Vec<u8>| {
            let middle = vector.as_ptr().addr() + vector.capacity() / 2;
            flags(middle).split(' ').any(|flag| flag == "hg")
        };
        let mut vector = Vec::with_capacity(4 * HUGE_BYTES);
        prefer_huge_pages(vector.spare_capacity_mut());
        assert_eq!(is_huge(&vector), has_any, "a kernel without them declines");
        vector.push(1);
        assert_eq!(vector, [1]);

        // It may be given what another had asked them for before.
        let mut small = Vec::with_capacity(HUGE_BYTES - 1);
        let was_huge = is_huge(&small);
        prefer_huge_pages(small.spare_capacity_mut());
        assert_eq!(is_huge(&small), was_huge);
        prefer_huge_pages::<u8>(&mut []);
    }
}
