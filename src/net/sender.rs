//! Owns sending: what simulators and replays publish with.

use super::socket::{find_interface, set_option};
use crate::error::{Error, Result};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

/// Sends datagrams to one address.
///
/// Multicast stays on this host unless told otherwise: without an interface it goes out on
/// loopback with a time to live of 0, so that nobody floods a trading floor by accident; on a
/// named interface with a time to live of 1, which no router passes on. Unicast goes where routing
/// leads, or out of the named interface.
///
/// # Examples
///
/// ```
/// use ringtape::net::Sender;
///
/// let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
/// let std::net::SocketAddr::V4(target) = socket.local_addr()? else { unreachable!() };
/// let sender = Sender::open(target, None)?;
/// sender.send(b"tick")?;
/// assert_eq!(socket.recv(&mut [0; 16])?, 4);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Sender {
    // Not connected: a connected socket reports that nobody listened to an earlier datagram, and
    // a publisher does not care.
    socket: Socket,
    target: SockAddr,
}

impl Sender {
    /// Opens a socket towards `target`, out of `interface` (a name, or an IPv4 address of it).
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchInterface`] with those present, or [`Error::Os`] where the kernel refuses.
    pub fn open(target: SocketAddrV4, interface: Option<&str>) -> Result<Self> {
        let failed = |source| Error::os(format!("cannot open a sender to {target}"), source);
        let interface = match (interface, target.ip().is_multicast()) {
            (Some(text), _) => Some(find_interface(&format!("to {target}"), text)?),
            (None, true) => Some(find_interface(&format!("to {target}"), "lo")?),
            (None, false) => None,
        };
        let ttl = u32::from(interface.as_ref().is_some_and(|i| i.name != "lo"));
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).map_err(failed)?;
        if let Some(interface) = interface {
            let index = i32::try_from(interface.index)
                .expect("invariant: the kernel's interface numbers are positive ints");
            if target.ip().is_multicast() {
                let address = interface.addresses.first().copied();
                let out = libc::ip_mreqn {
                    imr_multiaddr: in_addr(Ipv4Addr::UNSPECIFIED),
                    imr_address: in_addr(address.unwrap_or(Ipv4Addr::UNSPECIFIED)),
                    imr_ifindex: index,
                };
                set_option(&socket, libc::IPPROTO_IP, libc::IP_MULTICAST_IF, &out)
                    .map_err(failed)?;
                socket.set_multicast_ttl_v4(ttl).map_err(failed)?;
            } else {
                let index = std::num::NonZeroU32::new(interface.index);
                socket.bind_device_by_index_v4(index).map_err(failed)?;
            }
        }
        Ok(Self {
            socket,
            target: target.into(),
        })
    }

    /// Sends one datagram. Waits while the socket's send buffer is full.
    ///
    /// # Errors
    ///
    /// What the kernel says: too long for a datagram, no route, not permitted.
    pub fn send(&self, datagram: &[u8]) -> io::Result<()> {
        // A datagram goes whole or not at all: the count that comes back says nothing.
        self.socket.send_to(datagram, &self.target).map(|_| ())
    }
}

fn in_addr(address: Ipv4Addr) -> libc::in_addr {
    libc::in_addr {
        s_addr: u32::from(address).to_be(),
    }
}
