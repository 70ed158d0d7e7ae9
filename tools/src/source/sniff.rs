//! Owns what kind of file it is: told by content, never by name.

use super::window::Window;
use flate2::read::MultiGzDecoder;
use ringtape::feed::itch;
use std::io::{self, BufReader};

/// Bytes that tell compression.
pub(super) const MAGIC_BYTES: usize = 4;
/// Bytes that tell the format: several dozen messages of a BinaryFILE.
pub(super) const SNIFF_BYTES: usize = 4 * 1024;
/// What errors call the formats.
pub(super) const SUPPORTED: &str =
    "pcap, pcapng and NASDAQ BinaryFILE with ITCH 5.0, each plain, gzip or zstd";

/// What a capture file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// NASDAQ BinaryFILE framing of ITCH 5.0: u16 length, message.
    Itch50BinaryFile,
    /// The capture format of libpcap, in either byte order and resolution.
    Pcap,
    /// Its successor.
    PcapNg,
}

/// What a file is wrapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// One or more gzip members.
    Gzip,
    /// One or more zstd frames.
    Zstd,
}

impl Format {
    /// Returns the name that reports use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Itch50BinaryFile => "itch50-binaryfile",
            Self::Pcap => "pcap",
            Self::PcapNg => "pcapng",
        }
    }

    /// Tells the format by the first bytes of a file, or says what they look like instead.
    pub(super) fn of(head: &[u8]) -> Result<Self, String> {
        match head {
            [] => Err("is empty".to_owned()),
            [0xd4 | 0x34, 0xc3 | 0xcd, 0xb2, 0xa1, ..]
            | [0x4d, 0x3c, 0xb2, 0xa1, ..]
            | [0xa1, 0xb2, 0xc3, 0xd4, ..]
            | [0xa1, 0xb2, 0x3c, 0x4d, ..] => Ok(Self::Pcap),
            [0x0a, 0x0d, 0x0d, 0x0a, ..] => Ok(Self::PcapNg),
            _ if is_binary_file(head) => Ok(Self::Itch50BinaryFile),
            _ => Err(describe(head)),
        }
    }
}

impl Compression {
    /// Returns the name that reports use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    pub(super) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Puts a decompressor behind a new window.
    pub(super) fn unwrap(self, wrapped: Window) -> io::Result<Window> {
        Ok(Window::new(match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(wrapped)),
            Self::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(BufReader::new(
                wrapped,
            ))?),
        }))
    }
}

/// A BinaryFILE has no magic: its first record has to be an ITCH message of about its type's
/// length, and most of the records that can be seen have to be of known types. Types that are not
/// known may come up, as a venue may add some.
fn is_binary_file(head: &[u8]) -> bool {
    let (mut known, mut seen) = (0_u32, 0_u32);
    let mut rest = head;
    while let &[high, low, kind, ..] = rest {
        let bytes = usize::from(u16::from_be_bytes([high, low]));
        if bytes == 0 {
            break;
        }
        let plausible = itch::bytes_min(kind)
            .is_some_and(|expected| (expected..=expected + SLACK_BYTES).contains(&bytes));
        if seen == 0 && !plausible {
            return false;
        }
        known += u32::from(plausible);
        seen += 1;
        rest = rest.get(2 + bytes..).unwrap_or_default();
    }
    known * 2 > seen
}

/// How much longer than we know a message may be: later revisions append fields.
const SLACK_BYTES: usize = 32;

fn describe(head: &[u8]) -> String {
    let kind = match head {
        [b'P', b'K', 3, 4, ..] => "a zip archive: unpack it first",
        [b'B', b'Z', b'h', ..] => "bzip2: decompress it first",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "xz: decompress it first",
        [0x04, 0x22, 0x4d, 0x18, ..] => "lz4: decompress it first",
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => "compressed twice: decompress it once",
        [0x7f, b'E', b'L', b'F', ..] => "a program",
        _ if head
            .iter()
            .all(|&byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')) =>
        {
            "text"
        }
        _ => {
            let first: String = head
                .iter()
                .take(8)
                .map(|byte| format!(" {byte:02x}"))
                .collect();
            return format!("is no capture file (it starts with{first})");
        }
    };
    format!("is no capture file but {kind}")
}
