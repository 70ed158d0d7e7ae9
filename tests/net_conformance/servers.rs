//! Lines to a server that answers requests.

use crate::wire::{ANY_PORT, DEADLINE, Wire, of};
use ringtape::clock::SystemClock;
use ringtape::net::{Backend, Flow, Line};
use std::net::UdpSocket;
use std::time::Instant;

on_both_backends! {
    a_line_to_a_server_sends_there_and_hears_nobody_else
    a_server_that_does_not_listen_is_counted_and_reception_goes_on
}

fn a_line_to_a_server_sends_there_and_hears_nobody_else(backend: Backend) {
    let server = UdpSocket::bind(ANY_PORT).unwrap();
    let std::net::SocketAddr::V4(address) = server.local_addr().unwrap() else {
        unreachable!("bound to IPv4");
    };
    let mut wire = Wire::start_lines(&of(backend), &[Line::server("server", address)]);
    wire.receiver.send(0, b"request");
    let (bytes, client) = server.recv_from(&mut [0; 64]).unwrap();
    assert_eq!((bytes, wire.counts(|line| line.sent.get())), (7, 1));
    let stranger = UdpSocket::bind(ANY_PORT).unwrap();
    for number in 0..10_u32 {
        stranger.send_to(&[0xff; 4], client).unwrap();
        server.send_to(&number.to_le_bytes(), client).unwrap();
    }
    wire.receive(10);
    wire.drain(Flow::Continue);
    assert_eq!(wire.numbers(0), (0..10).collect::<Vec<_>>());
}

fn a_server_that_does_not_listen_is_counted_and_reception_goes_on(backend: Backend) {
    let server = UdpSocket::bind(ANY_PORT).unwrap();
    let std::net::SocketAddr::V4(address) = server.local_addr().unwrap() else {
        unreachable!("bound to IPv4");
    };
    drop(server);
    let lines = [Line::server("server", address), Line::new("A", ANY_PORT)];
    let mut wire = Wire::start_lines(&of(backend), &lines);
    let deadline = Instant::now() + DEADLINE;
    while wire.counts(|line| line.refused.get() == 0 || line.sent.get() < 3) {
        assert!(Instant::now() < deadline, "nobody refused");
        wire.receiver.send(0, b"request");
        wire.poll(&SystemClock, Flow::Continue);
    }
    wire.senders[1].send(&7_u32.to_le_bytes()).unwrap();
    wire.receive(1);
    wire.drain(Flow::Continue);
    assert_eq!(wire.numbers(1), [7]);
}
