//! Owns our side: publisher and subscribers of a bus.

use super::SLOTS;
use crate::link::{self, BATCH};
use crate::payload::{Check, Words, words};
use ringtape::bus::{Contract, Delivery, Passage, Publisher, Ring, Subscriber, Subscription};
use std::ops::Range;

/// A bus over one kind of ring.
#[derive(Clone, Copy)]
pub struct Bus(Subscription);

impl Bus {
    /// Lossless, over lanes or over the ring that all subscribers share.
    pub fn over(ring: Ring) -> Self {
        Self(Subscription {
            contract: Contract::Lossless,
            ring,
            capacity: SLOTS,
            passages: false,
        })
    }
}

impl link::Link for Bus {
    type Sender = Publisher<Words>;
    type Receiver = Subscriber<Words>;

    fn ends(
        &self,
        receivers: usize,
    ) -> (
        impl FnOnce() -> Publisher<Words> + Send,
        impl FnOnce() -> Vec<Subscriber<Words>> + Send,
    ) {
        let mut publisher = Publisher::new(usize::try_from(BATCH).expect("64 bits"));
        let subscribers = (0..receivers)
            .map(|_| publisher.subscribe(self.0).expect("a valid ring"))
            .collect();
        (move || publisher, move || subscribers)
    }
}

impl link::Sender for Publisher<Words> {
    fn send(&mut self, numbers: Range<u64>) {
        for n in numbers {
            self.batch().push_event(n, &words(n));
        }
        while !self.commit(Passage::default()) {}
    }
}

impl link::Receiver for Subscriber<Words> {
    fn poll(&mut self, check: &mut Check) {
        Self::poll(self, SLOTS, |delivery| match delivery {
            Delivery::Record { record, .. } => check.record(record),
            Delivery::Overrun(gap) => panic!("lost {gap:?}"),
        });
    }
}
