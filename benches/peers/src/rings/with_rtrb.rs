//! Owns bare `rtrb`: one ring for each receiver, in chunks.

use super::SLOTS;
use crate::link::{self, Receiver, Sender};
use crate::payload::{Check, Line, payload};
use rtrb::{Consumer, Producer, RingBuffer};
use std::ops::Range;

#[derive(Clone, Copy)]
pub struct Rings;

impl link::Link for Rings {
    type Sender = Vec<Producer<Line>>;
    type Receiver = Consumer<Line>;

    fn ends(
        &self,
        receivers: usize,
    ) -> (
        impl FnOnce() -> Vec<Producer<Line>> + Send,
        impl FnOnce() -> Vec<Consumer<Line>> + Send,
    ) {
        let (producers, consumers) = (0..receivers).map(|_| RingBuffer::new(SLOTS)).unzip();
        (move || producers, move || consumers)
    }
}

impl Sender for Vec<Producer<Line>> {
    fn send(&mut self, numbers: Range<u64>) {
        let count = numbers.clone().count();
        for ring in self {
            let chunk = loop {
                if let Ok(chunk) = ring.write_chunk_uninit(count) {
                    break chunk;
                }
            };
            chunk.fill_from_iter(numbers.clone().map(|n| Line(payload(n))));
        }
    }
}

impl Receiver for Consumer<Line> {
    fn poll(&mut self, check: &mut Check) {
        let Ok(chunk) = self.read_chunk(self.slots()) else {
            return;
        };
        let (first, second) = chunk.as_slices();
        for line in first.iter().chain(second) {
            check.payload(&line.0);
        }
        chunk.commit_all();
    }
}
