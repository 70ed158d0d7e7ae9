//! Owns reading the ITCH messages of a capture: pcap, Ethernet (802.1Q too), IPv4, UDP, MoldUDP64.

use ringtape::feed::moldudp64::Packet;

/// Bytes of a pcap file's header, and of what comes before each frame.
const FILE_HEADER_BYTES: usize = 24;
const FRAME_HEADER_BYTES: usize = 16;
const ETHERNET_BYTES: usize = 14;
const VLAN_BYTES: usize = 4;
const UDP_BYTES: usize = 8;

/// Returns the messages of a little-endian pcap file.
///
/// # Panics
///
/// When it is none, or has anything in it but MoldUDP64 over UDP.
pub fn messages(capture: &[u8]) -> Vec<&[u8]> {
    let magic = u32::from_le_bytes(capture[..4].try_into().expect("4 bytes"));
    assert!(
        [0xa1b2_c3d4, 0xa1b2_3c4d].contains(&magic),
        "a pcap of micro- or nanoseconds"
    );
    let mut messages = Vec::new();
    let mut rest = &capture[FILE_HEADER_BYTES..];
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[8..12].try_into().expect("4 bytes"));
        let frame = &rest[FRAME_HEADER_BYTES..][..usize::try_from(length).expect("64 bits")];
        rest = &rest[FRAME_HEADER_BYTES + frame.len()..];
        let datagram = payload(frame);
        let packet = Packet::parse(datagram, datagram.len()).expect("well-formed");
        messages.extend(packet.messages());
    }
    messages
}

fn payload(frame: &[u8]) -> &[u8] {
    let tagged = frame[12..14] == [0x81, 0];
    let ip = &frame[ETHERNET_BYTES + if tagged { VLAN_BYTES } else { 0 }..];
    let ip_header_bytes = usize::from(ip[0] & 0xf) * 4;
    assert_eq!((ip[0] >> 4, ip[9]), (4, 17), "UDP over IPv4");
    let udp = &ip[ip_header_bytes..];
    let udp_bytes = usize::from(u16::from_be_bytes([udp[4], udp[5]]));
    &udp[UDP_BYTES..udp_bytes]
}
