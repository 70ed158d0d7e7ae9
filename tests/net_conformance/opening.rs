//! What cannot be opened is an error that names it; what was granted is told.

use crate::wire::{ANY_PORT, of};
use ringtape::error::Error;
use ringtape::net::{Backend, Line, Receiver};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

on_both_backends! {
    a_port_in_use_is_an_error_that_names_it
    an_address_of_another_machine_is_an_error_that_names_it
    an_unknown_interface_is_an_error_that_lists_those_present
    an_interface_for_a_unicast_line_is_an_error
    the_receive_buffer_that_was_granted_is_read_back
}

fn open_error(backend: Backend, line: Line) -> Error {
    Receiver::open(&of(backend), &[line]).unwrap_err()
}

fn a_port_in_use_is_an_error_that_names_it(backend: Backend) {
    let other = UdpSocket::bind(ANY_PORT).unwrap();
    let address: SocketAddrV4 = other.local_addr().unwrap().to_string().parse().unwrap();
    let error = open_error(backend, Line::new("line A", address));
    assert!(matches!(&error, Error::Bind { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains(&format!("line A: cannot listen on {address}")),
        "{text}"
    );
    assert!(text.contains("another socket has this port"), "{text}");
}

fn an_address_of_another_machine_is_an_error_that_names_it(backend: Backend) {
    // TEST-NET-1 (RFC 5737) is nobody's.
    let text = open_error(backend, Line::new("A", "192.0.2.1:5000".parse().unwrap())).to_string();
    assert!(text.contains("192.0.2.1:5000"), "{text}");
    assert!(text.contains("not an address of this machine"), "{text}");
}

fn an_unknown_interface_is_an_error_that_lists_those_present(backend: Backend) {
    for interface in ["eth99", "192.0.2.1"] {
        let group = SocketAddrV4::new(Ipv4Addr::new(239, 255, 77, 1), 0);
        let line = Line {
            interface: Some(interface.to_owned()),
            ..Line::new("B", group)
        };
        let error = open_error(backend, line);
        assert!(matches!(&error, Error::NoSuchInterface { .. }), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains(&format!("line B: no network interface {interface}")),
            "{text}"
        );
        assert!(text.contains("lo (127.0.0.1"), "{text}");
    }
}

fn an_interface_for_a_unicast_line_is_an_error(backend: Backend) {
    let line = Line {
        interface: Some("lo".to_owned()),
        ..Line::new("A", ANY_PORT)
    };
    let text = open_error(backend, line).to_string();
    assert!(text.contains("127.0.0.1 is no multicast group"), "{text}");
}

fn the_receive_buffer_that_was_granted_is_read_back(backend: Backend) {
    let config = of(backend);
    let line = |bytes| Line {
        receive_buffer_bytes: bytes,
        ..Line::new("A", ANY_PORT)
    };
    let receiver = Receiver::open(&config, &[line(100_000), line(usize::MAX), line(0)]).unwrap();
    let modest = receiver.receive_buffer(0);
    assert_eq!(
        (modest.asked_bytes, modest.granted_bytes),
        (100_000, 100_000)
    );
    let absurd = receiver.receive_buffer(1);
    assert!(
        (1..absurd.asked_bytes).contains(&absurd.granted_bytes),
        "{absurd:?}"
    );
    let default = receiver.receive_buffer(2);
    assert!(default.granted_bytes > 0, "{default:?}");
}
