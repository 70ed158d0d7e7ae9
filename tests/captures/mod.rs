//! Where the real market data lies, and readers of its two file formats, written apart from those
//! of the command line so that a mistake in one shows against the other.

use std::io::Read;
use std::path::PathBuf;

/// Returns a file or folder of the market data. Without the data it says so, and fails where the
/// environment forbids to skip.
pub(crate) fn market_data(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("RINGTAPE_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let found = root.join(path);
    if found.exists() {
        return Some(found);
    }
    let skipping_is_a_failure = std::env::var("RINGTAPE_NO_SKIP").is_ok_and(|value| value == "1");
    assert!(
        !skipping_is_a_failure,
        "no market data at {}",
        found.display()
    );
    eprintln!("SKIPPED: no market data at {}", found.display());
    None
}

/// Returns what a gzip file holds.
#[allow(dead_code, reason = "not every test reads compressed captures")]
pub(crate) fn gunzip(file: &[u8]) -> Vec<u8> {
    let mut bytes = vec![];
    flate2::read::MultiGzDecoder::new(file)
        .read_to_end(&mut bytes)
        .expect("a whole gzip file");
    bytes
}

/// Splits a BinaryFILE into its messages and what is behind the last whole one.
#[allow(dead_code, reason = "not every test reads it")]
pub(crate) fn binaryfile(mut bytes: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut messages = vec![];
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let Some((message, rest)) = rest.split_at_checked(u16::from_be_bytes(*length).into())
        else {
            break;
        };
        messages.push(message);
        bytes = rest;
    }
    (messages, bytes)
}

/// Returns the UDP payloads of a little-endian pcap file of Ethernet frames, VLAN tags or not.
pub(crate) fn pcap_udp_payloads(file: &[u8]) -> Vec<&[u8]> {
    let u16_at = |bytes: &[u8], at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let magic = file[..4].try_into().map(u32::from_le_bytes);
    assert!(
        matches!(magic, Ok(0xa1b2_c3d4 | 0xa1b2_3c4d)),
        "a little-endian pcap file"
    );
    assert_eq!(file[20..24], [1, 0, 0, 0], "of Ethernet frames");
    let mut payloads = vec![];
    let mut records = &file[24..];
    while !records.is_empty() {
        let length = records[8..12]
            .try_into()
            .map(u32::from_le_bytes)
            .expect("four bytes");
        let (frame, rest) = records[16..].split_at(length.try_into().expect("fits"));
        records = rest;
        let mut ip = &frame[14..];
        let mut protocol = u16_at(frame, 12);
        while protocol == 0x8100 {
            protocol = u16_at(ip, 2);
            ip = &ip[4..];
        }
        assert_eq!((protocol, ip[9]), (0x0800, 17), "IPv4 and UDP");
        let udp = &ip[usize::from(ip[0] & 0xf) * 4..];
        payloads.push(&udp[8..usize::from(u16_at(udp, 4))]);
    }
    payloads
}
