//! What arrived before a stop is handed over, and a stop always ends.

use crate::wire::{ANY_PORT, STAMPS, Wire, of, upto};
use ringtape::clock::SystemClock;
use ringtape::net::{Backend, Config, Flow, Line, Sender};
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

on_both_backends! {
    what_arrived_before_a_stop_is_handed_over
    what_arrived_before_a_stop_without_start_is_handed_over
    a_stop_under_fire_ends_and_leaves_no_hole
    a_stop_hands_over_under_pauses_too
    a_drop_without_stop_gives_the_port_back
    a_drop_on_another_thread_after_the_drain_gives_the_port_back
    a_drop_on_another_thread_after_the_polling_thread_ended_is_harmless
    nothing_comes_before_start_or_after_the_drain
}

fn what_arrived_before_a_stop_is_handed_over(backend: Backend) {
    for stamps in STAMPS {
        // More than the buffers hold, so that the rest is in the socket when the stop comes.
        let config = Config {
            backend,
            stamps,
            buffers: 64,
            ..Config::default()
        };
        let mut wire = Wire::start(&config);
        wire.send(0..500);
        wire.poll(&SystemClock, Flow::Continue);
        assert!(wire.got.len() < 500);
        wire.drain(Flow::Continue);
        assert_eq!(wire.numbers(0), upto(500));
    }
}

fn what_arrived_before_a_stop_without_start_is_handed_over(backend: Backend) {
    let config = of(backend);
    let mut wire = Wire::open(&config, &[Line::new("A", ANY_PORT)]);
    wire.send(0..100);
    wire.drain(Flow::Continue);
    assert_eq!(wire.numbers(0), upto(100));
}

fn a_stop_under_fire_ends_and_leaves_no_hole(backend: Backend) {
    for stamps in STAMPS {
        let mut wire = Wire::start(&Config {
            backend,
            stamps,
            ..Config::default()
        });
        let sender = Sender::open(wire.receiver.local_address(0), None).unwrap();
        let sent = Arc::new(AtomicU64::new(0));
        let enough = Arc::new(AtomicBool::new(false));
        let firing = thread::spawn({
            let (sent, enough) = (Arc::clone(&sent), Arc::clone(&enough));
            move || {
                for n in 0_u32.. {
                    if enough.load(Ordering::Relaxed) {
                        break;
                    }
                    sender.send(&n.to_le_bytes()).unwrap();
                    sent.store(u64::from(n) + 1, Ordering::Release);
                }
            }
        });
        wire.receive(2000);
        let before_stop = sent.load(Ordering::Acquire);
        wire.drain(Flow::Continue);
        enough.store(true, Ordering::Relaxed);
        firing.join().unwrap();

        // Where the receiver keeps up nothing is dropped; where it does not, the kernel's drops
        // explain each missing number, except those that came after the last one handed over.
        let numbers = wire.numbers(0);
        assert!(numbers.is_sorted_by(|a, b| a < b));
        let last = u64::from(*numbers.last().unwrap());
        let missing = last + 1 - numbers.len() as u64;
        let drops = wire.counts(|line| line.kernel_drops.get());
        assert!(missing <= drops, "{missing} missing, {drops} dropped");
        assert!(
            last + 1 + drops >= before_stop,
            "{last} {drops} {before_stop}"
        );
    }
}

fn a_stop_hands_over_under_pauses_too(backend: Backend) {
    for stamps in STAMPS {
        let config = Config {
            backend,
            stamps,
            buffers: 16,
            ..Config::default()
        };
        let mut wire = Wire::start(&config);
        wire.send(0..200);
        wire.poll(&SystemClock, Flow::Pause);
        wire.drain(Flow::Pause);
        assert_eq!(wire.numbers(0), upto(200));
    }
}

fn a_drop_without_stop_gives_the_port_back(backend: Backend) {
    for stamps in STAMPS {
        let config = Config {
            backend,
            stamps,
            ..Config::default()
        };
        let mut wire = Wire::start(&config);
        wire.send(0..200);
        wire.poll(&SystemClock, Flow::Pause);
        let address = wire.receiver.local_address(0);
        drop(wire);
        // The next start of the same program must not find the port in use.
        UdpSocket::bind(address).unwrap();
    }
}

fn a_drop_on_another_thread_after_the_drain_gives_the_port_back(backend: Backend) {
    for stamps in STAMPS {
        let config = Config {
            backend,
            stamps,
            ..Config::default()
        };
        let mut wire = Wire::open(&config, &[Line::new("A", ANY_PORT)]);
        let address = wire.receiver.local_address(0);
        let wire = thread::spawn(move || {
            wire.receiver.start().unwrap();
            wire.drain(Flow::Continue);
            wire
        });
        drop(wire.join().unwrap());
        UdpSocket::bind(address).unwrap();
    }
}

fn a_drop_on_another_thread_after_the_polling_thread_ended_is_harmless(backend: Backend) {
    for stamps in STAMPS {
        let mut wire = Wire::open(
            &Config {
                backend,
                stamps,
                ..Config::default()
            },
            &[Line::new("A", ANY_PORT)],
        );
        let wire = thread::spawn(move || {
            wire.receiver.start().unwrap();
            wire.send(0..10);
            wire.receive(10);
            wire
        });
        let wire = wire.join().unwrap();
        wire.send(10..20);
        drop(wire);
    }
}

fn nothing_comes_before_start_or_after_the_drain(backend: Backend) {
    let config = of(backend);
    let mut wire = Wire::open(&config, &[Line::new("A", ANY_PORT)]);
    wire.send(0..5);
    assert_eq!(wire.poll(&SystemClock, Flow::Continue), 0);
    wire.receiver.start().unwrap();
    wire.receive(5);
    wire.drain(Flow::Continue);
    wire.send(5..10);
    wire.receiver.stop();
    assert_eq!(wire.poll(&SystemClock, Flow::Continue), 0);
    assert_eq!(wire.numbers(0), upto(5));
}
