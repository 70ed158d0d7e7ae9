//! Owns the floor: a number in a cache line, which one writes and the other reads. No ring can be
//! faster than that, and nothing but the number arrives.

use crate::link::{self, Receiver, Sender};
use crate::payload::Check;
use crossbeam_utils::CachePadded;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

type Shared = Arc<CachePadded<AtomicU64>>;

#[derive(Clone, Copy)]
pub struct Line;

pub struct Writer(Shared);

pub struct Reader(Shared);

impl link::Link for Line {
    type Sender = Writer;
    type Receiver = Reader;

    fn ends(
        &self,
        receivers: usize,
    ) -> (
        impl FnOnce() -> Writer + Send,
        impl FnOnce() -> Vec<Reader> + Send,
    ) {
        let shared = Shared::default();
        let readers = (0..receivers)
            .map(|_| Reader(Arc::clone(&shared)))
            .collect();
        (move || Writer(shared), move || readers)
    }
}

impl Sender for Writer {
    fn send(&mut self, numbers: Range<u64>) {
        for n in numbers {
            self.0.store(n, Ordering::Release);
        }
    }
}

impl Receiver for Reader {
    fn poll(&mut self, check: &mut Check) {
        let number = self.0.load(Ordering::Acquire);
        if number != check.seen() {
            check.number(number);
        }
    }
}
