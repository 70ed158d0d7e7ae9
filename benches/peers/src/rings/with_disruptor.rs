//! Owns `disruptor`: one ring for all receivers, which poll, in batches.

use super::SLOTS;
use crate::link;
use crate::payload::{Check, Line, payload};
use disruptor::{
    BusySpin, EventPoller, MultiConsumerBarrier, Polling, Producer, SingleConsumerBarrier,
    SingleProducer, SingleProducerBarrier, build_single_producer,
};
use std::ops::Range;

#[derive(Clone, Copy)]
pub struct Disruptor;

/// It knows at compile time whether it has one consumer or more.
pub enum Sender {
    ToOne(SingleProducer<Line, SingleConsumerBarrier>),
    ToMany(SingleProducer<Line, MultiConsumerBarrier>),
}

type Poller = EventPoller<Line, SingleProducerBarrier>;

impl link::Link for Disruptor {
    type Sender = Sender;
    type Receiver = Poller;

    fn ends(
        &self,
        receivers: usize,
    ) -> (
        impl FnOnce() -> Sender + Send,
        impl FnOnce() -> Vec<Poller> + Send,
    ) {
        let builder = build_single_producer(SLOTS, Line::default, BusySpin);
        let (first, builder) = builder.new_event_poller();
        let mut pollers = vec![first];
        let sender = if receivers == 1 {
            Sender::ToOne(builder.build())
        } else {
            let (second, mut builder) = builder.new_event_poller();
            pollers.push(second);
            while pollers.len() < receivers {
                let (next, more) = builder.new_event_poller();
                pollers.push(next);
                builder = more;
            }
            Sender::ToMany(builder.build())
        };
        (move || sender, move || pollers)
    }
}

impl link::Sender for Sender {
    fn send(&mut self, numbers: Range<u64>) {
        match self {
            Self::ToOne(producer) => publish(producer, numbers),
            Self::ToMany(producer) => publish(producer, numbers),
        }
    }
}

fn publish(producer: &mut impl Producer<Line>, numbers: Range<u64>) {
    producer.batch_publish(numbers.clone().count(), |lines| {
        for (line, n) in lines.zip(numbers) {
            line.0 = payload(n);
        }
    });
}

impl link::Receiver for Poller {
    fn poll(&mut self, check: &mut Check) {
        match Self::poll(self) {
            Ok(mut lines) => {
                for line in &mut lines {
                    check.payload(&line.0);
                }
            }
            // The sender may be gone with the last record; who misses one notices.
            Err(Polling::NoEvents | Polling::Shutdown) => {}
        }
    }
}
