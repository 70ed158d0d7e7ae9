//! When a datagram was received, by the kernel or by the batch.

use crate::wire::{DEADLINE, Wire, of};
use ringtape::clock::{Clock, SystemClock};
use ringtape::net::{Backend, Config, Flow, Stamps};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

on_both_backends! {
    kernel_stamps_lie_between_send_and_receive_and_do_not_go_back
    datagrams_that_are_ready_together_share_one_batch_stamp
}

/// A clock that shows another time at each reading.
#[derive(Clone, Default)]
struct Ticking(Arc<AtomicU64>);

impl Clock for Ticking {
    fn now_ns(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

fn kernel_stamps_lie_between_send_and_receive_and_do_not_go_back(backend: Backend) {
    let config = Config {
        backend,
        stamps: Stamps::Kernel,
        ..Config::default()
    };
    let mut wire = Wire::start(&config);
    // The kernel turns stamping off and on in the background as sockets of the whole host come
    // and go, and stamps late while it is off: once it has settled, every stamp is right.
    let deadline = Instant::now() + DEADLINE;
    loop {
        let before = SystemClock.now_ns();
        wire.send(0..300);
        let after = SystemClock.now_ns();
        wire.receive(300);
        let stamps: Vec<u64> = wire.got.iter().map(|got| got.ts_recv_ns).collect();
        assert!(wire.got.iter().all(|got| got.ts_recv_ns <= got.seen_ns));
        if stamps.iter().all(|stamp| (before..=after).contains(stamp)) {
            assert!(stamps.is_sorted());
            assert!(
                stamps[0] < stamps[299],
                "one stamp for all is not the kernel's"
            );
            break;
        }
        assert!(
            Instant::now() < deadline,
            "{before} <= {stamps:?} <= {after}"
        );
        wire.got.clear();
    }
}

fn datagrams_that_are_ready_together_share_one_batch_stamp(backend: Backend) {
    let mut wire = Wire::start(&of(backend));
    let clock = Ticking::default();
    for batch in 1..=3 {
        wire.send(0..10);
        while wire.got.len() < 10 {
            wire.poll(&clock, Flow::Pause);
        }
        // Ten calls, one reading of the clock: a datagram keeps the time at which it was seen.
        assert!(
            wire.got
                .iter()
                .all(|got| got.ts_recv_ns == batch && got.seen_ns == batch)
        );
        assert_eq!(wire.receiver.counters().batches.get(), batch);
        wire.got.clear();
    }
    assert_eq!(wire.poll(&clock, Flow::Continue), 0);
    assert_eq!(
        clock.0.load(Ordering::Relaxed),
        3,
        "an empty poll read the clock"
    );
}
