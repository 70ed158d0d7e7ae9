//! Owns the receiving sockets: binding, joining, and every option that the contract rests on.

use super::interface::{self, Interface};
use super::{Line, Stamps};
use crate::error::{Error, Result};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, Socket, Type};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, RawFd};
use std::{io, mem, ptr};

/// Least memory that the kernel charges a socket for one datagram, rounded down: on x86-64 it is
/// 768 bytes (`sk_buff` and `skb_shared_info` alone exceed 512).
const DATAGRAM_CHARGE_BYTES_MIN: usize = 256;

/// How much a line's socket can hold, as asked and as granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveBuffer {
    /// What [`Line::receive_buffer_bytes`] asked for.
    pub asked_bytes: usize,
    /// What the kernel granted, in the same unit. (The kernel doubles every request, to make room
    /// for its own bookkeeping, and reads back the double: it is halved here.)
    pub granted_bytes: usize,
}

/// A line's socket, bound and joined.
#[derive(Debug)]
pub(super) struct LineSocket {
    socket: Socket,
    name: String,
    address: SocketAddrV4,
    receive_buffer: ReceiveBuffer,
}

impl LineSocket {
    pub(super) fn open(line: &Line, stamps: Stamps) -> Result<Self> {
        let multicast = line.address.ip().is_multicast();
        if !multicast && (line.interface.is_some() || line.source.is_some()) {
            return Err(Error::config(
                format!(
                    "line {}: {} is no multicast group",
                    line.name,
                    line.address.ip()
                ),
                "leave interface and source out, which say how to join a group",
            ));
        }
        // Blocking, although nothing here blocks: io_uring answers EAGAIN on a nonblocking socket
        // instead of waiting for data; recvmmsg is told so with each call.
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))
            .map_err(|source| line_error(line, "cannot create a socket", source))?;
        let set = |action, result: io::Result<()>| {
            result.map_err(|source| line_error(line, action, source))
        };
        if multicast {
            // Several processes of a host follow one group. Not for unicast, where two sockets on
            // one address would steal each other's datagrams.
            set("cannot set SO_REUSEADDR", socket.set_reuse_address(true))?;
            set(
                "cannot clear IP_MULTICAST_ALL",
                socket.set_multicast_all_v4(false),
            )?;
        }
        if stamps == Stamps::Kernel {
            for (option, action) in [
                (libc::SO_TIMESTAMPNS, "cannot set SO_TIMESTAMPNS"),
                (libc::SO_RXQ_OVFL, "cannot set SO_RXQ_OVFL"),
            ] {
                set(
                    action,
                    set_option(&socket, libc::SOL_SOCKET, option, &1_i32),
                )?;
            }
        }
        let receive_buffer = set_receive_buffer(&socket, line.receive_buffer_bytes)
            .map_err(|source| line_error(line, "cannot set the receive buffer", source))?;
        // Bound to the group itself: other groups and unicast on the same port are not heard.
        let address = bind(&socket, line.address).map_err(|source| bind_error(line, source))?;
        if multicast {
            join(&socket, line)?;
        }
        if let Some(peer) = line.peer {
            // The kernel then hands over what this peer sends and nothing else.
            set(
                &format!("cannot reach {peer}"),
                socket.connect(&peer.into()),
            )?;
        }
        Ok(Self {
            socket,
            name: line.name.clone(),
            address,
            receive_buffer,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns where it listens, with the port that the kernel chose.
    pub(super) fn address(&self) -> SocketAddrV4 {
        self.address
    }

    pub(super) fn receive_buffer(&self) -> ReceiveBuffer {
        self.receive_buffer
    }

    /// Returns a number of datagrams that the socket's buffer cannot hold more of.
    pub(super) fn datagrams_max(&self) -> usize {
        (self.receive_buffer.granted_bytes * 2) / DATAGRAM_CHARGE_BYTES_MIN + 1
    }

    /// Sends to the peer, without waiting.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let send = || {
            self.socket
                .send_with_flags(bytes, libc::MSG_DONTWAIT)
                .map(|_| ())
        };
        match send() {
            // That nobody listened to an earlier datagram, which the kernel tells once.
            Err(error) if error.raw_os_error() == Some(libc::ECONNREFUSED) => send(),
            sent => sent,
        }
    }

    pub(super) fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Returns how many datagrams the kernel has dropped at this socket, modulo 2³².
    pub(super) fn drops(&self) -> io::Result<u32> {
        const DROPS: usize = libc::SK_MEMINFO_DROPS as usize;
        let mut info = [0_u32; DROPS + 1];
        let mut bytes = socklen_of::<[u32; DROPS + 1]>();
        // SAFETY: asks for `bytes` writable bytes; both live through the call.
        let result = unsafe {
            libc::getsockopt(
                self.fd(),
                libc::SOL_SOCKET,
                libc::SO_MEMINFO,
                info.as_mut_ptr().cast(),
                &raw mut bytes,
            )
        };
        match result {
            0 => Ok(info[DROPS]),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

fn line_error(line: &Line, action: &str, source: io::Error) -> Error {
    Error::os(format!("line {}: {action}", line.name), source)
}

fn bind(socket: &Socket, address: SocketAddrV4) -> io::Result<SocketAddrV4> {
    socket.bind(&address.into())?;
    let bound = socket.local_addr()?.as_socket_ipv4();
    Ok(bound.unwrap_or(address))
}

fn bind_error(line: &Line, source: io::Error) -> Error {
    let remedy = match source.raw_os_error() {
        Some(libc::EADDRINUSE) => {
            "another socket has this port: stop its process (`ss -ulpn` names it; the kernel frees \
             the port of a killed one in a moment) or choose another"
        }
        Some(libc::EADDRNOTAVAIL) => {
            "that is not an address of this machine: `ip -brief address` lists those it has"
        }
        Some(libc::EACCES) => "ports below 1024 need CAP_NET_BIND_SERVICE: choose a higher one",
        _ => "check the line's address and port",
    };
    Error::Bind {
        line: line.name.clone(),
        address: line.address,
        os: source,
        remedy,
    }
}

/// Asks for `asked_bytes`, beyond the system's limit where this process may, and reads back.
fn set_receive_buffer(socket: &Socket, asked_bytes: usize) -> io::Result<ReceiveBuffer> {
    if asked_bytes > 0 {
        let asked = i32::try_from(asked_bytes).unwrap_or(i32::MAX);
        let forced = set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &asked);
        if forced.is_err() {
            set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, &asked)?;
        }
    }
    Ok(ReceiveBuffer {
        asked_bytes,
        granted_bytes: socket.recv_buffer_size()? / 2,
    })
}

fn join(socket: &Socket, line: &Line) -> Result<()> {
    let interface = match &line.interface {
        Some(text) => Some(find_interface(&line.name, text)?),
        None => None,
    };
    // 0 lets the routing table choose.
    let index = interface.as_ref().map_or(0, |interface| interface.index);
    let group = line.address.ip();
    let joined = match line.source {
        None => socket.join_multicast_v4_n(group, &InterfaceIndexOrAddress::Index(index)),
        Some(source) => join_source(socket, index, *group, source),
    };
    joined.map_err(|source| {
        let remedy = match source.raw_os_error() {
            Some(libc::ENODEV) if interface.is_none() => {
                "no route leads to the group: name the line's interface"
            }
            Some(libc::ENODEV) => "the interface has no IPv4 multicast",
            Some(libc::ENOBUFS) => {
                "too many groups or sources: raise net.ipv4.igmp_max_memberships or igmp_max_msf"
            }
            _ => "check the line's group, interface and source",
        };
        Error::Join {
            line: line.name.clone(),
            group: line.address,
            interface: line
                .interface
                .clone()
                .unwrap_or_else(|| "the default interface".to_owned()),
            os: source,
            remedy,
        }
    })
}

/// Finds an interface by name or address, or says which there are. `who` is a line's name.
pub(super) fn find_interface(who: &str, text: &str) -> Result<Interface> {
    let interfaces = interface::all()
        .map_err(|source| Error::os(format!("line {who}: cannot list interfaces"), source))?;
    interface::find(&interfaces, text)
        .cloned()
        .ok_or_else(|| Error::NoSuchInterface {
            line: who.to_owned(),
            interface: text.to_owned(),
            present: interface::list(&interfaces),
        })
}

/// Joins by interface index, so that an interface without an address will do.
fn join_source(socket: &Socket, index: u32, group: Ipv4Addr, source: Ipv4Addr) -> io::Result<()> {
    let request = libc::group_source_req {
        gsr_interface: index,
        gsr_group: storage(group),
        gsr_source: storage(source),
    };
    set_option(
        socket,
        libc::IPPROTO_IP,
        libc::MCAST_JOIN_SOURCE_GROUP,
        &request,
    )
}

fn storage(address: Ipv4Addr) -> libc::sockaddr_storage {
    // SAFETY: all-zero bytes are a valid `sockaddr_storage`: integers and padding.
    let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
    let address = SockAddr::from(SocketAddrV4::new(address, 0));
    let from = address.as_ptr().cast::<u8>();
    let bytes = (address.len() as usize).min(size_of_val(&storage));
    // SAFETY: `address` has `len` readable bytes and `storage` at least as many writable ones;
    // they are two objects.
    unsafe { ptr::copy_nonoverlapping(from, (&raw mut storage).cast::<u8>(), bytes) };
    storage
}

/// Sets an option whose value is the plain C type `T`.
pub(super) fn set_option<T: Copy>(
    socket: &Socket,
    level: i32,
    option: i32,
    value: &T,
) -> io::Result<()> {
    let bytes = socklen_of::<T>();
    let value = ptr::from_ref(value).cast();
    // SAFETY: asks for `bytes` readable bytes, which the reference provides through the call.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, value, bytes) };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn socklen_of<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).expect("invariant: an option's value is a few bytes")
}
