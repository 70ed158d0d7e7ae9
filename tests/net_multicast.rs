//! Multicast lines of `net`, each test in a network namespace of its own that has nothing but a
//! loopback interface: no datagram can leave, and no group of the host can interfere.

#![allow(
    unsafe_code,
    reason = "a namespace is made by unshare, and lo brought up by ioctl"
)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod confined;

use ringtape::clock::SystemClock;
use ringtape::error::Error;
use ringtape::net::{Config, Flow, Line, Receiver, Sender, Stamps};
use socket2::{Domain, InterfaceIndexOrAddress, Socket, Type};
use std::ffi::CStr;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};
use std::{io, mem};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 77, 1);
const OTHER_GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 77, 2);
/// In the range that is set aside for source-specific multicast.
const SOURCE_GROUP: Ipv4Addr = Ipv4Addr::new(232, 1, 2, 3);
/// Ports are free: the namespace is new.
const PORT: u16 = 26_477;
const TUNNEL: &CStr = c"other0";
const DEADLINE: Duration = Duration::from_secs(20);

/// Runs the calling test in a namespace of its own.
fn in_a_namespace(test: &str, body: fn()) {
    confined::run(test, "unshare(CLONE_NEWNET)", new_network, body);
}

/// Moves this process into a new network namespace and brings loopback up there.
fn new_network() -> io::Result<()> {
    // SAFETY: changes this process only, and asks for no memory.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
        // Without privilege it takes a user namespace, in which this process is privileged.
        // SAFETY: as above; the process has one thread, between fork and exec.
        if unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    bring_up(c"lo")
}

/// As [`new_network`], with a second interface that takes multicast and leads nowhere.
fn new_network_with_a_tunnel() -> io::Result<()> {
    new_network()?;
    // SAFETY: asks for a path that ends with a zero.
    let tun = unsafe { libc::open(c"/dev/net/tun".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
    if tun < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut request = interface_request(TUNNEL, libc::IFF_TUN);
    // SAFETY: asks for an `ifreq` with name and flags, which the kernel may complete.
    let made = unsafe { libc::ioctl(tun, libc::TUNSETIFF, &raw mut request) };
    // The interface stays when `tun` is closed by exec.
    // SAFETY: asks for no memory.
    let kept = unsafe { libc::ioctl(tun, libc::TUNSETPERSIST, 1) };
    if made != 0 || kept != 0 {
        return Err(io::Error::last_os_error());
    }
    bring_up(TUNNEL)
}

fn interface_request(name: &CStr, flags: libc::c_int) -> libc::ifreq {
    // SAFETY: all-zero bytes are a valid `ifreq`: a name, and a union of plain values.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.to_bytes()) {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = flags
        .try_into()
        .expect("invariant: flags of interfaces are 16 bits");
    request
}

fn bring_up(interface: &CStr) -> io::Result<()> {
    // SAFETY: asks for no memory.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    let request = interface_request(interface, libc::IFF_UP | libc::IFF_MULTICAST);
    // SAFETY: asks for an `ifreq` with name and flags; the kernel reads it during the call.
    let result = unsafe { libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw const request) };
    let result = if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    };
    // SAFETY: `socket` is ours and not used again.
    unsafe { libc::close(socket) };
    result
}

fn line(group: Ipv4Addr, interface: Option<&str>) -> Line {
    let interface = interface.map(ToOwned::to_owned);
    Line {
        interface,
        ..Line::new("A", SocketAddrV4::new(group, PORT))
    }
}

fn start(lines: &[Line]) -> Receiver {
    let config = Config {
        stamps: Stamps::Kernel,
        ..Config::default()
    };
    let mut receiver = Receiver::open(&config, lines).unwrap();
    receiver.start().unwrap();
    receiver
}

/// Takes what comes up to and including `last`, as (line, text).
fn receive_until(receiver: &mut Receiver, last: &str) -> Vec<(usize, String)> {
    let mut got = Vec::new();
    let deadline = Instant::now() + DEADLINE;
    while got.last().is_none_or(|(_, text)| text != last) {
        assert!(Instant::now() < deadline, "only {got:?} came");
        receiver.receive(&SystemClock, |datagram| {
            got.push((
                datagram.line,
                String::from_utf8_lossy(datagram.bytes).into_owned(),
            ));
            Flow::Continue
        });
    }
    got
}

fn only(line: usize, texts: &[&str]) -> Vec<(usize, String)> {
    texts.iter().map(|&text| (line, text.to_owned())).collect()
}

fn sender(group: Ipv4Addr) -> Sender {
    Sender::open(SocketAddrV4::new(group, PORT), None).unwrap()
}

/// A sender with an address of its own, all of 127/8 being loopback's.
fn sender_from(source: Ipv4Addr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    socket.bind(&SocketAddrV4::new(source, 0).into()).unwrap();
    socket.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
    socket.set_multicast_ttl_v4(0).unwrap();
    socket
}

#[test]
fn a_group_is_joined_by_interface_name_or_by_its_address() {
    in_a_namespace(
        "a_group_is_joined_by_interface_name_or_by_its_address",
        || {
            for interface in ["lo", "127.0.0.1"] {
                let mut receiver = start(&[line(GROUP, Some(interface))]);
                assert_eq!(receiver.local_address(0), SocketAddrV4::new(GROUP, PORT));
                sender(GROUP).send(b"hello").unwrap();
                assert_eq!(receive_until(&mut receiver, "hello"), only(0, &["hello"]));
            }
        },
    );
}

#[test]
fn two_groups_on_one_port_are_two_lines() {
    in_a_namespace("two_groups_on_one_port_are_two_lines", || {
        let lines = [line(GROUP, Some("lo")), line(OTHER_GROUP, Some("lo"))];
        let mut receiver = start(&lines);
        sender(GROUP).send(b"for A").unwrap();
        sender(OTHER_GROUP).send(b"for B").unwrap();
        let mut got = receive_until(&mut receiver, "for B");
        got.sort();
        assert_eq!(got, [(0, "for A".to_owned()), (1, "for B".to_owned())]);
    });
}

#[test]
fn two_receivers_of_one_host_both_hear_a_group() {
    in_a_namespace("two_receivers_of_one_host_both_hear_a_group", || {
        let mut receivers = [0, 1].map(|_| start(&[line(GROUP, Some("lo"))]));
        sender(GROUP).send(b"both").unwrap();
        for receiver in &mut receivers {
            assert_eq!(receive_until(receiver, "both"), only(0, &["both"]));
        }
    });
}

#[test]
fn a_source_specific_line_hears_its_source_only() {
    in_a_namespace("a_source_specific_line_hears_its_source_only", || {
        let (wanted, other) = (Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3));
        let specific = Line {
            source: Some(wanted),
            ..line(SOURCE_GROUP, Some("lo"))
        };
        let mut receiver = start(&[specific]);
        // Hears both, so that what the line did not hear was there to be heard.
        let any = listener(SOURCE_GROUP);
        let target = SocketAddrV4::new(SOURCE_GROUP, PORT).into();
        sender_from(other)
            .send_to(b"from the other", &target)
            .unwrap();
        sender_from(wanted)
            .send_to(b"from the source", &target)
            .unwrap();
        assert_eq!(
            receive_until(&mut receiver, "from the source"),
            only(0, &["from the source"])
        );
        let mut buffer = [0; 64];
        for expected in [&b"from the other"[..], b"from the source"] {
            let bytes = any.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..bytes], expected);
        }
    });
}

/// A plain socket on the port, on all addresses, that joined `group`.
fn listener(group: Ipv4Addr) -> UdpSocket {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket
        .bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, PORT).into())
        .unwrap();
    let lo = InterfaceIndexOrAddress::Address(Ipv4Addr::LOCALHOST);
    socket.join_multicast_v4_n(&group, &lo).unwrap();
    let socket = UdpSocket::from(socket);
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

#[test]
fn a_group_that_another_socket_joined_is_not_heard() {
    in_a_namespace("a_group_that_another_socket_joined_is_not_heard", || {
        let mut receiver = start(&[line(GROUP, Some("lo"))]);
        let other = listener(OTHER_GROUP);
        let unicast = Sender::open(SocketAddrV4::new(Ipv4Addr::LOCALHOST, PORT), None).unwrap();
        sender(OTHER_GROUP).send(b"for the other").unwrap();
        unicast.send(b"for a unicast address").unwrap();
        sender(GROUP).send(b"ours").unwrap();
        assert_eq!(receive_until(&mut receiver, "ours"), only(0, &["ours"]));
        let mut buffer = [0; 64];
        let bytes = other.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..bytes], b"for the other");
    });
}

/// What `IP_MULTICAST_ALL = 0` is for, where binding to the group does not help: the same group,
/// joined by somebody else on another interface.
#[test]
fn a_group_that_another_socket_joined_on_another_interface_is_not_heard() {
    confined::run(
        "a_group_that_another_socket_joined_on_another_interface_is_not_heard",
        "unshare(CLONE_NEWNET) with a tunnel",
        new_network_with_a_tunnel,
        || {
            let tunnel = TUNNEL.to_str().unwrap();
            let lines = [line(GROUP, Some(tunnel)), line(OTHER_GROUP, Some("lo"))];
            let mut receiver = start(&lines);
            let joined_on_lo = listener(GROUP);
            // Bound and joined as the line is, but with the kernel's default of that option: hears
            // it, so there was something not to hear.
            let plain = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
            plain.set_reuse_address(true).unwrap();
            plain.bind(&SocketAddrV4::new(GROUP, PORT).into()).unwrap();
            plain.set_read_timeout(Some(DEADLINE)).unwrap();

            sender(GROUP).send(b"on lo").unwrap();
            sender(OTHER_GROUP).send(b"marker").unwrap();
            let mut buffer = [0; 64];
            for socket in [&joined_on_lo, &UdpSocket::from(plain)] {
                let bytes = socket.recv(&mut buffer).unwrap();
                assert_eq!(&buffer[..bytes], b"on lo");
            }
            // Everything that arrived is out after the drain.
            let mut got = receive_until(&mut receiver, "marker");
            receiver.stop();
            while !receiver.is_drained() {
                receiver.receive(&SystemClock, |datagram| {
                    got.push((
                        datagram.line,
                        String::from_utf8_lossy(datagram.bytes).into_owned(),
                    ));
                    Flow::Continue
                });
            }
            assert_eq!(got, only(1, &["marker"]));
        },
    );
}

#[test]
fn a_group_without_route_is_an_error_that_says_to_name_the_interface() {
    in_a_namespace(
        "a_group_without_route_is_an_error_that_says_to_name_the_interface",
        || {
            let error = Receiver::open(&Config::default(), &[line(GROUP, None)]).unwrap_err();
            assert!(matches!(&error, Error::Join { .. }), "{error:?}");
            let text = error.to_string();
            assert!(
                text.contains("line A: cannot join group 239.255.77.1:26477"),
                "{text}"
            );
            assert!(text.contains("on the default interface"), "{text}");
            assert!(text.contains("name the line's interface"), "{text}");
        },
    );
}

#[test]
fn an_unknown_interface_is_an_error_that_lists_those_of_this_namespace() {
    in_a_namespace(
        "an_unknown_interface_is_an_error_that_lists_those_of_this_namespace",
        || {
            let error =
                Receiver::open(&Config::default(), &[line(GROUP, Some("eth0"))]).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("line A: no network interface eth0"), "{text}");
            // Tunnels of the kernel's own may be there too.
            assert!(
                text.contains("lo (127.0.0.1)") && !text.contains("eth0 ("),
                "{text}"
            );
            let error = Sender::open(SocketAddrV4::new(GROUP, PORT), Some("eth0")).unwrap_err();
            assert!(matches!(&error, Error::NoSuchInterface { .. }), "{error:?}");
        },
    );
}

#[test]
fn a_sender_without_interface_sends_with_time_to_live_0_on_loopback() {
    in_a_namespace(
        "a_sender_without_interface_sends_with_time_to_live_0_on_loopback",
        || {
            let socket = listener(GROUP);
            let on: libc::c_int = 1;
            let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
            // SAFETY: asks for four readable bytes, which `on` provides.
            let result = unsafe {
                libc::setsockopt(
                    fd,
                    libc::IPPROTO_IP,
                    libc::IP_RECVTTL,
                    (&raw const on).cast(),
                    4,
                )
            };
            assert_eq!(result, 0);
            sender(GROUP).send(b"near").unwrap();
            assert_eq!(received_ttl(fd), 0);
        },
    );
}

/// Receives a datagram and returns its time to live.
fn received_ttl(fd: libc::c_int) -> libc::c_int {
    let mut payload = [0_u8; 64];
    // A message header of 16 bytes, then the value.
    let mut control = [0_u64; 8];
    let mut iovec = libc::iovec {
        iov_base: payload.as_mut_ptr().cast(),
        iov_len: payload.len(),
    };
    // SAFETY: all-zero bytes are a valid `msghdr`.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_iov = &raw mut iovec;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control);
    // SAFETY: asks for a header whose pointers lead to writable memory of the stated lengths.
    let received = unsafe { libc::recvmsg(fd, &raw mut header, 0) };
    assert!(received > 0, "{}", io::Error::last_os_error());
    let bytes = control[2].to_ne_bytes();
    libc::c_int::from_ne_bytes(bytes[..4].try_into().unwrap())
}
