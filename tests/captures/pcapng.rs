//! A reader of pcapng files, written apart from that of the command line so that a mistake in one
//! shows against the other. Knows little-endian files of Ethernet frames with stamps of
//! nanoseconds.

/// One UDP datagram of a capture.
#[derive(Clone, Copy)]
pub(crate) struct Datagram<'a> {
    /// UNIX nanoseconds at which it was captured.
    pub(crate) captured_ns: u64,
    /// Where it was sent to.
    pub(crate) destination: ([u8; 4], u16),
    pub(crate) payload: &'a [u8],
}

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

/// Returns the UDP datagrams of a file, in its order.
pub(crate) fn datagrams(file: &[u8]) -> Vec<Datagram<'_>> {
    let mut datagrams = vec![];
    let mut blocks = file;
    while !blocks.is_empty() {
        let (block, rest) = blocks.split_at(u32_at(blocks, 4).try_into().expect("fits"));
        let body = &block[8..block.len() - 4];
        match u32_at(block, 0) {
            SECTION => assert_eq!(u32_at(body, 0), 0x1a2b_3c4d, "little-endian"),
            INTERFACE => {
                assert_eq!(body[..2], [1, 0], "of Ethernet frames");
                assert_eq!(body[8..13], [9, 0, 1, 0, 9], "stamped in nanoseconds");
            }
            ENHANCED_PACKET => datagrams.push(datagram(body)),
            other => panic!("a block of type {other:#x}"),
        }
        blocks = rest;
    }
    datagrams
}

fn datagram(block: &[u8]) -> Datagram<'_> {
    let captured_ns = u64::from(u32_at(block, 4)) << 32 | u64::from(u32_at(block, 8));
    assert_eq!(u32_at(block, 12), u32_at(block, 16), "a whole frame");
    let frame = &block[20..];
    assert_eq!(
        (&frame[12..14], frame[23]),
        (&[8, 0][..], 17),
        "IPv4 and UDP"
    );
    let ip = &frame[14..];
    let udp = &ip[usize::from(ip[0] & 0xf) * 4..];
    let u16_at = |at: usize| u16::from_be_bytes([udp[at], udp[at + 1]]);
    Datagram {
        captured_ns,
        destination: ([ip[16], ip[17], ip[18], ip[19]], u16_at(2)),
        payload: &udp[8..usize::from(u16_at(4))],
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4]
        .try_into()
        .map(u32::from_le_bytes)
        .expect("four bytes")
}
