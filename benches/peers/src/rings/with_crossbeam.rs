//! Owns `ArrayQueue` of crossbeam: one queue for each receiver, record by record.

use super::SLOTS;
use crate::link::{self, Receiver, Sender};
use crate::payload::{Check, Line, payload};
use crossbeam_queue::ArrayQueue;
use std::ops::Range;
use std::sync::Arc;

type Queue = Arc<ArrayQueue<Line>>;

#[derive(Clone, Copy)]
pub struct Queues;

impl link::Link for Queues {
    type Sender = Vec<Queue>;
    type Receiver = Queue;

    fn ends(
        &self,
        receivers: usize,
    ) -> (
        impl FnOnce() -> Vec<Queue> + Send,
        impl FnOnce() -> Vec<Queue> + Send,
    ) {
        let make = |_| Arc::new(ArrayQueue::new(SLOTS));
        let queues: Vec<Queue> = (0..receivers).map(make).collect();
        let others = queues.clone();
        (move || queues, move || others)
    }
}

impl Sender for Vec<Queue> {
    fn send(&mut self, numbers: Range<u64>) {
        for queue in self {
            for n in numbers.clone() {
                let mut line = Line(payload(n));
                while let Err(refused) = queue.push(line) {
                    line = refused;
                }
            }
        }
    }
}

impl Receiver for Queue {
    fn poll(&mut self, check: &mut Check) {
        for _ in 0..SLOTS {
            let Some(line) = self.pop() else { return };
            check.payload(&line.0);
        }
    }
}
