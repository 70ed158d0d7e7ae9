//! Owns `photon-ring`: one bounded ring for all receivers, each of which holds the publisher back.

use super::SLOTS;
use crate::link::{self, Receiver, Sender};
use crate::payload::{Check, payload};
use photon_ring::{PublishError, Publisher, Subscriber, TryRecvError, channel_bounded};
use std::ops::Range;

/// With payloads of 64 bytes: two cache lines with its stamp.
#[derive(Clone, Copy)]
pub struct Whole;

/// With payloads of 56 bytes, which leave out the receive time: one cache line with its stamp.
#[derive(Clone, Copy)]
pub struct Short;

fn publish<const N: usize>(publisher: &mut Publisher<[u64; N]>, mut payload: [u64; N]) {
    while let Err(PublishError::Full(refused)) = publisher.try_publish(payload) {
        payload = refused;
    }
}

fn receive<const N: usize>(subscriber: &mut Subscriber<[u64; N]>, mut each: impl FnMut(&[u64; N])) {
    for _ in 0..SLOTS {
        match subscriber.try_recv() {
            Ok(payload) => each(&payload),
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Lagged { skipped }) => panic!("lost {skipped}"),
        }
    }
}

/// A publisher and so many subscribers.
fn ring<const N: usize>(receivers: usize) -> (Publisher<[u64; N]>, Vec<Subscriber<[u64; N]>>) {
    let (publisher, subscribable) = channel_bounded(SLOTS, 0);
    let subscribers = (0..receivers).map(|_| subscribable.subscribe());
    (publisher, subscribers.collect())
}

/// What the two differ in is the payload.
macro_rules! link {
    ($link:ty, $words:literal, $make:expr, $take:expr) => {
        impl link::Link for $link {
            type Sender = Publisher<[u64; $words]>;
            type Receiver = Subscriber<[u64; $words]>;

            fn ends(
                &self,
                receivers: usize,
            ) -> (
                impl FnOnce() -> Self::Sender + Send,
                impl FnOnce() -> Vec<Self::Receiver> + Send,
            ) {
                let (publisher, subscribers) = ring(receivers);
                (move || publisher, move || subscribers)
            }
        }

        impl Sender for Publisher<[u64; $words]> {
            fn send(&mut self, numbers: Range<u64>) {
                for n in numbers {
                    publish(self, $make(n));
                }
            }
        }

        impl Receiver for Subscriber<[u64; $words]> {
            fn poll(&mut self, check: &mut Check) {
                receive(self, |payload| check.payload(&$take(payload)));
            }
        }
    };
}

link!(Whole, 8, payload, |payload: &[u64; 8]| *payload);
link!(
    Short,
    7,
    |n| {
        let [number, _, a, b, c, d, e, f] = payload(n);
        [number, a, b, c, d, e, f]
    },
    |&[number, a, b, c, d, e, f]: &[u64; 7]| [number, number, a, b, c, d, e, f]
);
