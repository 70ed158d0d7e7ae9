//! What is received comes whole and in order, however much of it there is.

use crate::wire::{ANY_PORT, DEADLINE, STAMPS, Wire, upto};
use ringtape::clock::SystemClock;
use ringtape::net::{Backend, Config, Flow, Line};
use std::time::Instant;

on_both_backends! {
    datagrams_of_a_line_come_in_order
    a_datagram_that_is_too_long_is_cut_and_says_its_real_length
    an_empty_datagram_is_delivered_and_reception_goes_on
    buffers_that_run_out_lose_nothing
    sixteen_lines_share_a_receiver_and_each_keeps_its_order
    a_pause_loses_nothing
    a_burst_longer_than_a_batch_comes_in_batches
}

fn datagrams_of_a_line_come_in_order(backend: Backend) {
    for stamps in STAMPS {
        let mut wire = Wire::start(&Config {
            backend,
            stamps,
            ..Config::default()
        });
        for part in [0..1, 1..100, 100..1000] {
            let end = part.end;
            wire.send(part);
            wire.receive(end as usize);
        }
        wire.drain(Flow::Continue);
        assert_eq!(wire.numbers(0), upto(1000));
    }
}

fn a_datagram_that_is_too_long_is_cut_and_says_its_real_length(backend: Backend) {
    for stamps in STAMPS {
        let config = Config {
            backend,
            stamps,
            datagram_bytes_max: 100,
            ..Config::default()
        };
        let mut wire = Wire::start(&config);
        let payload: Vec<u8> = (0..=u8::MAX).cycle().take(9000).collect();
        let lengths = [99, 100, 101, 9000, 1];
        for length in lengths {
            wire.senders[0].send(&payload[..length]).unwrap();
        }
        wire.receive(lengths.len());
        wire.drain(Flow::Continue);
        for (got, length) in wire.got.iter().zip(lengths) {
            assert_eq!(got.datagram_bytes, length);
            assert_eq!(got.bytes, payload[..length.min(100)]);
            assert_eq!(got.truncated, length > 100);
        }
        assert_eq!(wire.counts(|line| line.truncated.get()), 2);
    }
}

fn an_empty_datagram_is_delivered_and_reception_goes_on(backend: Backend) {
    for stamps in STAMPS {
        let mut wire = Wire::start(&Config {
            backend,
            stamps,
            ..Config::default()
        });
        let sent: [&[u8]; 6] = [b"one", b"", b"", b"two", b"", b"three"];
        for datagram in sent {
            wire.senders[0].send(datagram).unwrap();
        }
        wire.receive(sent.len());
        // Alone, with the receive that the one before it ended armed again.
        wire.senders[0].send(b"").unwrap();
        wire.receive(sent.len() + 1);
        wire.senders[0].send(b"four").unwrap();
        wire.receive(sent.len() + 2);
        wire.drain(Flow::Continue);
        let got: Vec<&[u8]> = wire.got.iter().map(|got| got.bytes.as_slice()).collect();
        assert_eq!(got[..6], sent);
        assert_eq!(got[6..], [b"".as_slice(), b"four"]);
        assert!(wire.got.iter().all(|got| got.ts_recv_ns > 0));
        assert_eq!(wire.counts(|line| line.empty.get()), 4);
        let rearms = if backend == Backend::Uring { 4 } else { 0 };
        assert_eq!(wire.counts(|line| line.rearms_empty.get()), rearms);
    }
}

fn buffers_that_run_out_lose_nothing(backend: Backend) {
    for stamps in STAMPS {
        for buffers in [1, 8] {
            let config = Config {
                backend,
                stamps,
                buffers,
                ..Config::default()
            };
            let mut wire = Wire::start(&config);
            wire.send(0..300);
            // Paused polls hold buffers back while more arrives.
            for _ in 0..20 {
                wire.poll(&SystemClock, Flow::Pause);
            }
            wire.send(300..400);
            wire.receive(400);
            wire.drain(Flow::Continue);
            assert_eq!(wire.numbers(0), upto(400));
            assert_eq!(wire.counts(|line| line.kernel_drops.get()), 0);
            let ran_out = wire.counts(|line| line.rearms_no_buffers.get()) > 0;
            assert_eq!(ran_out, backend == Backend::Uring);
        }
    }
}

fn sixteen_lines_share_a_receiver_and_each_keeps_its_order(backend: Backend) {
    let lines: Vec<Line> = (0..16)
        .map(|i| Line::new(format!("line {i}"), ANY_PORT))
        .collect();
    for stamps in STAMPS {
        let mut wire = Wire::start_lines(
            &Config {
                backend,
                stamps,
                ..Config::default()
            },
            &lines,
        );
        for n in 0..100_u32 {
            for sender in &wire.senders {
                sender.send(&n.to_le_bytes()).unwrap();
            }
        }
        wire.receive(1600);
        wire.drain(Flow::Continue);
        let counters = wire.receiver.counters();
        for (line, counts) in counters.lines().iter().enumerate() {
            assert_eq!(wire.numbers(line), upto(100));
            assert_eq!(counts.datagrams.get(), 100);
            assert_eq!(counts.name, format!("line {line}"));
        }
    }
}

fn a_pause_loses_nothing(backend: Backend) {
    for stamps in STAMPS {
        let mut wire = Wire::start(&Config {
            backend,
            stamps,
            ..Config::default()
        });
        wire.send(0..200);
        for expected in 1..=50 {
            assert_eq!(wire.poll(&SystemClock, Flow::Pause), 1);
            assert_eq!(wire.got.len(), expected);
        }
        wire.send(200..300);
        wire.receive(300);
        wire.drain(Flow::Continue);
        assert_eq!(wire.numbers(0), upto(300));
    }
}

fn a_burst_longer_than_a_batch_comes_in_batches(backend: Backend) {
    let mut wire = Wire::start(&Config {
        backend,
        batch_max: 7,
        ..Config::default()
    });
    wire.send(0..1000);
    let deadline = Instant::now() + DEADLINE;
    while wire.got.len() < 1000 {
        assert!(wire.poll(&SystemClock, Flow::Continue) <= 7);
        assert!(Instant::now() < deadline);
    }
    wire.drain(Flow::Continue);
    assert_eq!(wire.numbers(0), upto(1000));
    let counters = wire.receiver.counters();
    assert!(counters.batches.get() <= counters.enters.get());
}
