//! Owns what lies between a captured frame and the datagram in it.

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, NetSlice, SlicedPacket, TransportSlice};
use pcap_parser::Linktype;
use std::net::SocketAddrV4;
use std::ops::Range;

/// A captured frame, in a window.
pub(super) struct Frame {
    pub(super) ts_ns: u64,
    pub(super) link: Linktype,
    /// Index of the interface that it was captured on.
    pub(super) interface: usize,
    /// Where in the window it lies.
    pub(super) bytes: Range<usize>,
    /// Whether the capture kept less than there was.
    pub(super) cut: bool,
}

/// A UDP datagram over IPv4, in the same window.
pub(super) struct Udp {
    pub(super) ts_ns: u64,
    pub(super) destination: SocketAddrV4,
    pub(super) interface: usize,
    pub(super) payload: Range<usize>,
    /// Length of the payload on the wire.
    pub(super) datagram_bytes: usize,
}

impl Udp {
    /// Whether the end of the payload is missing.
    pub(super) fn is_cut(&self) -> bool {
        self.payload.len() < self.datagram_bytes
    }
}

/// Why a frame brings no datagram.
#[derive(Clone, Copy)]
pub(super) enum Why {
    /// A part of a datagram that was fragmented.
    Fragment,
    /// The capture's snapshot length cut the datagram.
    Cut,
    /// A link layer that is not read here.
    Link,
    /// Not UDP over IPv4, or not well formed.
    Other,
}

/// How many frames brought no datagram.
#[derive(Default)]
pub(super) struct Ignored {
    fragments: u64,
    cut: u64,
    link: u64,
    other: u64,
}

impl Ignored {
    pub(super) fn count(&mut self, why: Why) {
        *match why {
            Why::Fragment => &mut self.fragments,
            Why::Cut => &mut self.cut,
            Why::Link => &mut self.link,
            Why::Other => &mut self.other,
        } += 1;
    }

    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        [
            (
                self.fragments,
                "frames with fragments of datagrams, which are not put together",
            ),
            (
                self.cut,
                "frames that the capture's snapshot length cut short",
            ),
            (
                self.link,
                "frames of a link type other than Ethernet, Linux cooked and raw IP",
            ),
            (self.other, "frames that are not UDP over IPv4"),
        ]
        .into_iter()
        .filter(|(frames, _)| *frames > 0)
        .map(|(frames, what)| format!("ignored {frames} {what}"))
    }
}

const UDP_HEADER_BYTES: usize = 8;
/// Length of the protocol family in front of a loopback frame of BSD.
const NULL_HEADER_BYTES: usize = 4;
/// Length of the second version of Linux' cooked header; the protocol is its first field.
const SLL2_HEADER_BYTES: usize = 20;

impl Frame {
    /// Finds the datagram in the frame.
    pub(super) fn udp(&self, window: &[u8]) -> Result<Udp, Why> {
        let frame = &window[self.bytes.clone()];
        let sliced = match self.link {
            Linktype::ETHERNET => SlicedPacket::from_ethernet(frame),
            Linktype::LINUX_SLL => SlicedPacket::from_linux_sll(frame),
            Linktype::RAW | Linktype::IPV4 => SlicedPacket::from_ip(frame),
            Linktype::NULL | Linktype::LOOP => {
                SlicedPacket::from_ip(frame.get(NULL_HEADER_BYTES..).unwrap_or_default())
            }
            Linktype::LINUX_SLL2 if frame.len() >= SLL2_HEADER_BYTES => {
                let protocol = EtherType(u16::from_be_bytes([frame[0], frame[1]]));
                SlicedPacket::from_ether_type(protocol, &frame[SLL2_HEADER_BYTES..])
            }
            Linktype::LINUX_SLL2 => return Err(Why::Other),
            _ => return Err(Why::Link),
        };
        let Ok(sliced) = sliced else {
            return match self.cut {
                true => self.cut_udp(window),
                false => Err(Why::Other),
            };
        };
        let Some(NetSlice::Ipv4(ip)) = sliced.net else {
            return Err(Why::Other);
        };
        if ip.header().is_fragmenting_payload() {
            return Err(Why::Fragment);
        }
        let Some(TransportSlice::Udp(udp)) = sliced.transport else {
            return Err(Why::Other);
        };
        let destination = SocketAddrV4::new(ip.header().destination_addr(), udp.destination_port());
        Ok(self.found(window, destination, udp.payload(), udp.payload().len()))
    }

    /// Finds the datagram in a frame whose end is missing, as far as it is there.
    fn cut_udp(&self, window: &[u8]) -> Result<Udp, Why> {
        let frame = &window[self.bytes.clone()];
        let sliced = match self.link {
            Linktype::ETHERNET => LaxSlicedPacket::from_ethernet(frame).ok(),
            Linktype::RAW | Linktype::IPV4 => LaxSlicedPacket::from_ip(frame).ok(),
            _ => None,
        };
        let Some(sliced) = sliced else {
            return Err(Why::Cut);
        };
        let (Some(LaxNetSlice::Ipv4(ip)), Some(TransportSlice::Udp(udp))) =
            (sliced.net, sliced.transport)
        else {
            return Err(Why::Cut);
        };
        if ip.header().is_fragmenting_payload() {
            return Err(Why::Fragment);
        }
        let datagram_bytes = usize::from(udp.length()).saturating_sub(UDP_HEADER_BYTES);
        if datagram_bytes <= udp.payload().len() {
            return Err(Why::Cut);
        }
        let destination = SocketAddrV4::new(ip.header().destination_addr(), udp.destination_port());
        Ok(self.found(window, destination, udp.payload(), datagram_bytes))
    }

    /// Makes a datagram whose `payload` is a part of the window: its place there outlives the
    /// borrow.
    fn found(
        &self,
        window: &[u8],
        destination: SocketAddrV4,
        payload: &[u8],
        datagram_bytes: usize,
    ) -> Udp {
        let start = payload.as_ptr().addr() - window.as_ptr().addr();
        Udp {
            ts_ns: self.ts_ns,
            destination,
            interface: self.interface,
            payload: start..start + payload.len(),
            datagram_bytes,
        }
    }
}
