//! What a socket had no room for is counted exactly.

use crate::wire::{ANY_PORT, Wire};
use ringtape::clock::SystemClock;
use ringtape::net::{Backend, Config, Flow, Line, Stamps};

on_both_backends! {
    drops_are_exact_with_the_datagrams_and_when_asked_for
    drops_are_exact_when_asked_for_without_kernel_stamps
}

/// Sends more than the socket holds; returns how many were sent.
fn flood(wire: &mut Wire) -> u32 {
    // Fewer than the kernel queues between loopback and the socket, so that every datagram
    // either reaches the socket or is dropped there.
    let count = 500;
    wire.send(0..count);
    while wire.poll(&SystemClock, Flow::Continue) > 0 {}
    count
}

fn tiny_line() -> Line {
    Line {
        receive_buffer_bytes: 8192,
        ..Line::new("A", ANY_PORT)
    }
}

fn drops_are_exact_with_the_datagrams_and_when_asked_for(backend: Backend) {
    // With few buffers the ring cannot empty the socket meanwhile.
    let config = Config {
        backend,
        stamps: Stamps::Kernel,
        buffers: 2,
        ..Config::default()
    };
    let mut wire = Wire::start_lines(&config, &[tiny_line()]);
    let sent = flood(&mut wire);
    let first = wire.got.len();
    assert!(first < sent as usize, "nothing was dropped");
    // The count rides on the next datagram.
    wire.send(sent..sent + 1);
    wire.receive(first + 1);
    let in_band = wire.counts(|line| line.kernel_drops.get());
    assert_eq!(in_band, u64::from(sent) - first as u64);
    wire.receiver.refresh_drops();
    assert_eq!(wire.counts(|line| line.kernel_drops.get()), in_band);
}

fn drops_are_exact_when_asked_for_without_kernel_stamps(backend: Backend) {
    let config = Config {
        backend,
        stamps: Stamps::Batch,
        buffers: 2,
        ..Config::default()
    };
    let mut wire = Wire::start_lines(&config, &[tiny_line()]);
    let sent = flood(&mut wire);
    let first = wire.got.len();
    assert_eq!(wire.counts(|line| line.kernel_drops.get()), 0);
    wire.receiver.refresh_drops();
    let drops = wire.counts(|line| line.kernel_drops.get());
    assert!(drops > 0);
    assert_eq!(first as u64 + drops, u64::from(sent));
    // A stop asks by itself.
    wire.send(0..sent);
    wire.drain(Flow::Continue);
    let drops = wire.receiver.counters().kernel_drops();
    assert_eq!(wire.got.len() as u64 + drops, u64::from(2 * sent));
}
