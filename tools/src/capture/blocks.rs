//! Owns the bytes of a pcapng file, and of the headers around a payload that was received without
//! them.
//!
//! ```text
//! section header │ interface description, one a line │ packet … │ interface statistics, one a line
//!
//! block:   type u32 │ length u32 │ body, options │ length u32     all little-endian, in 4 bytes
//! packet:  interface u32 │ time u32 high, u32 low │ kept u32 │ on the wire u32 │ frame
//! frame:   Ethernet 14 │ IPv4 20 │ UDP 8 │ payload
//! ```

use etherparse::{EtherType, Ethernet2Header, IpNumber, Ipv4Header, UdpHeader};
use std::net::{Ipv4Addr, SocketAddrV4};

/// Bytes of the headers around a payload.
pub(super) const FRAME_HEADER_BYTES: usize = 14 + 20 + 8;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const INTERFACE_STATISTICS: u32 = 5;
pub(super) const ENHANCED_PACKET: u32 = 6;

const LINK_ETHERNET: u16 = 1;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const LENGTH_UNKNOWN: u64 = u64::MAX;
/// Timestamps count nanoseconds: units of 10⁻⁹ s.
const NANOSECONDS: u8 = 9;
const OPTION_BYTES_MAX: usize = 1024;

const OPTION_END: u16 = 0;
const SHB_HARDWARE: u16 = 2;
const SHB_OS: u16 = 3;
const SHB_APPLICATION: u16 = 4;
const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const IF_TIME_RESOLUTION: u16 = 9;
const ISB_START_TIME: u16 = 2;
const ISB_END_TIME: u16 = 3;
const ISB_RECEIVED: u16 = 4;
const ISB_DROPPED: u16 = 5;
const ISB_DELIVERED: u16 = 8;

/// IPv4 time to live of the made-up headers, because the real one is not known.
const TIME_TO_LIVE: u8 = 64;

/// What a section says of where it was made. Empty is not known.
#[derive(Debug, Default)]
pub(super) struct Origin {
    pub(super) hardware: String,
    pub(super) os: String,
    pub(super) application: String,
}

/// What is said of a line at the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Statistics {
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    pub(super) delivered: u64,
    pub(super) dropped: u64,
}

/// A datagram of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) interface: u32,
    pub(super) ts_ns: u64,
    pub(super) source: Ipv4Addr,
    pub(super) destination: SocketAddrV4,
    /// What there is of the payload.
    pub(super) bytes: &'a [u8],
    /// How long it was on the wire, at most 65,507.
    pub(super) datagram_bytes: usize,
}

pub(super) fn section_header(out: &mut Vec<u8>, origin: &Origin) {
    block(out, SECTION_HEADER, |out| {
        out.extend_from_slice(&BYTE_ORDER.to_le_bytes());
        // Version 1.0.
        out.extend_from_slice(&1_u16.to_le_bytes());
        out.extend_from_slice(&0_u16.to_le_bytes());
        out.extend_from_slice(&LENGTH_UNKNOWN.to_le_bytes());
        for (code, text) in [
            (SHB_HARDWARE, &origin.hardware),
            (SHB_OS, &origin.os),
            (SHB_APPLICATION, &origin.application),
        ] {
            if !text.is_empty() {
                option(out, code, text.as_bytes());
            }
        }
        option(out, OPTION_END, &[]);
    });
}

/// Describes a line; `snap_bytes` is the most of a payload that is kept.
pub(super) fn interface(out: &mut Vec<u8>, name: &str, description: &str, snap_bytes: usize) {
    block(out, INTERFACE_DESCRIPTION, |out| {
        out.extend_from_slice(&LINK_ETHERNET.to_le_bytes());
        out.extend_from_slice(&0_u16.to_le_bytes());
        out.extend_from_slice(&u32_of(FRAME_HEADER_BYTES + snap_bytes).to_le_bytes());
        option(out, IF_NAME, name.as_bytes());
        option(out, IF_DESCRIPTION, description.as_bytes());
        option(out, IF_TIME_RESOLUTION, &[NANOSECONDS]);
        option(out, OPTION_END, &[]);
    });
}

pub(super) fn packet(out: &mut Vec<u8>, packet: &Packet<'_>) {
    block(out, ENHANCED_PACKET, |out| {
        out.extend_from_slice(&packet.interface.to_le_bytes());
        out.extend_from_slice(&time(packet.ts_ns));
        let kept = FRAME_HEADER_BYTES + packet.bytes.len();
        let on_the_wire = FRAME_HEADER_BYTES + packet.datagram_bytes;
        out.extend_from_slice(&u32_of(kept).to_le_bytes());
        out.extend_from_slice(&u32_of(on_the_wire).to_le_bytes());
        frame_header(out, packet);
        out.extend_from_slice(packet.bytes);
        pad(out, packet.bytes.len() + FRAME_HEADER_BYTES);
    });
}

pub(super) fn statistics(out: &mut Vec<u8>, interface: u32, statistics: Statistics) {
    block(out, INTERFACE_STATISTICS, |out| {
        out.extend_from_slice(&interface.to_le_bytes());
        out.extend_from_slice(&time(statistics.end_ns));
        option(out, ISB_START_TIME, &time(statistics.start_ns));
        option(out, ISB_END_TIME, &time(statistics.end_ns));
        let received = statistics.delivered + statistics.dropped;
        option(out, ISB_RECEIVED, &received.to_le_bytes());
        option(out, ISB_DROPPED, &statistics.dropped.to_le_bytes());
        option(out, ISB_DELIVERED, &statistics.delivered.to_le_bytes());
        option(out, OPTION_END, &[]);
    });
}

/// Writes the headers that the datagram would have had. Who sent it is not known but for a source
/// that was asked for: without one the address and the port are 0.
fn frame_header(out: &mut Vec<u8>, packet: &Packet<'_>) {
    let (destination, port) = (*packet.destination.ip(), packet.destination.port());
    let ethernet = Ethernet2Header {
        source: [0; 6],
        destination: ethernet_address(destination),
        ether_type: EtherType::IPV4,
    };
    let udp_bytes = u16::try_from(UdpHeader::LEN + packet.datagram_bytes);
    let udp_bytes = udp_bytes.expect("invariant: a datagram over IPv4 has at most 65,507 bytes");
    let mut ip = Ipv4Header::new(
        udp_bytes,
        TIME_TO_LIVE,
        IpNumber::UDP,
        packet.source.octets(),
        destination.octets(),
    )
    .expect("invariant: a datagram fits into a packet");
    ip.header_checksum = ip.calc_header_checksum();
    let mut udp = UdpHeader {
        source_port: 0,
        destination_port: port,
        length: udp_bytes,
        // None: that of what was cut cannot be known.
        checksum: 0,
    };
    if packet.bytes.len() == packet.datagram_bytes {
        udp.checksum = udp
            .calc_checksum_ipv4(&ip, packet.bytes)
            .expect("invariant: a datagram fits into a packet");
    }
    out.extend_from_slice(&ethernet.to_bytes());
    out.extend_from_slice(&ip.to_bytes());
    out.extend_from_slice(&udp.to_bytes());
}

/// Returns where a frame to this address goes: for a group its Ethernet address (RFC 1112), else a
/// locally administered one, because the real one is not known.
fn ethernet_address(to: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = to.octets();
    if to.is_multicast() {
        [0x01, 0x00, 0x5e, b & 0x7f, c, d]
    } else {
        [0x02, 0x00, a, b, c, d]
    }
}

/// Writes a block whose body is written by `body`, in whole units of 4 bytes.
fn block(out: &mut Vec<u8>, block_type: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len();
    out.extend_from_slice(&block_type.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    body(out);
    let length = u32_of(out.len() - begin + 4).to_le_bytes();
    out[begin + 4..begin + 8].copy_from_slice(&length);
    out.extend_from_slice(&length);
}

fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(OPTION_BYTES_MAX)];
    let length = u16::try_from(value.len()).expect("invariant: an option is cut to 1 KiB");
    out.extend_from_slice(&code.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(value);
    pad(out, value.len());
}

/// Fills up to whole units of 4 bytes after `written`.
fn pad(out: &mut Vec<u8>, written: usize) {
    let missing = written.next_multiple_of(4) - written;
    out.extend_from_slice(&[0; 3][..missing]);
}

/// A time as blocks have it: the high half first, whatever the byte order.
fn time(ts_ns: u64) -> [u8; 8] {
    ts_ns.rotate_left(32).to_le_bytes()
}

fn u32_of(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("invariant: a block is as long as a datagram and little more")
}
