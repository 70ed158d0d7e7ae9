//! Owns the classic pcap format, in both byte orders and both resolutions.

use super::frame::Frame;
use super::window::{RECORD_BYTES_MAX, Window};
use pcap_parser::{
    LegacyPcapBlock, Linktype, PcapHeader, parse_pcap_frame, parse_pcap_frame_be,
    parse_pcap_frame_modified, parse_pcap_header,
};

const FILE_HEADER_BYTES: usize = 24;
const RECORD_HEADER_BYTES: usize = 16;
/// Linux once wrote 8 bytes more for each record; the magic number says so.
const MODIFIED_HEADER_BYTES: usize = 24;

#[derive(Default)]
pub(super) struct Pcap {
    header: Option<PcapHeader>,
    /// Bytes of the record that was handed out last.
    pending: usize,
    damage: Option<String>,
}

impl Pcap {
    /// Moves on to the next frame.
    pub(super) fn advance(&mut self, window: &mut Window) -> Option<Frame> {
        window.consume(std::mem::take(&mut self.pending));
        if self.damage.is_some() {
            return None;
        }
        if self.header.is_none() {
            self.read_header(window)?;
        }
        let header = self.header.as_ref()?;
        let header_bytes = if header.is_modified_format() {
            MODIFIED_HEADER_BYTES
        } else {
            RECORD_HEADER_BYTES
        };
        if !window.fill(header_bytes) {
            return None;
        }
        let big_endian = header.is_bigendian();
        let captured_bytes = u32_at(window.data(), 8, big_endian) as usize;
        if captured_bytes > RECORD_BYTES_MAX {
            self.damage = Some(format!(
                "the record at byte {} claims {captured_bytes} bytes",
                window.offset()
            ));
            return None;
        }
        if !window.fill(header_bytes + captured_bytes) {
            return None;
        }
        self.pending = header_bytes + captured_bytes;
        let record = parse(header, window.data());
        let fraction_ns = if header.is_nanosecond_precision() {
            1
        } else {
            1_000
        };
        let ts_ns =
            u64::from(record.ts_sec) * 1_000_000_000 + u64::from(record.ts_usec) * fraction_ns;
        Some(Frame {
            ts_ns,
            link: header.network,
            interface: 0,
            bytes: header_bytes..header_bytes + captured_bytes,
            cut: record.caplen < record.origlen,
        })
    }

    fn read_header(&mut self, window: &mut Window) -> Option<()> {
        if !window.fill(FILE_HEADER_BYTES) {
            return None;
        }
        let (_, mut header) = parse_pcap_header(window.data())
            .expect("invariant: the magic number was seen and the header is whole");
        // The upper half may say how long the frames' check sequence is.
        header.network = Linktype(header.network.0 & 0xffff);
        self.header = Some(header);
        window.consume(FILE_HEADER_BYTES);
        Some(())
    }

    /// Says why reading stopped, if not for the end of the file.
    pub(super) fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }
}

fn parse<'a>(header: &PcapHeader, record: &'a [u8]) -> LegacyPcapBlock<'a> {
    let parsed = if header.is_modified_format() {
        parse_pcap_frame_modified(record)
    } else if header.is_bigendian() {
        parse_pcap_frame_be(record)
    } else {
        parse_pcap_frame(record)
    };
    parsed
        .expect("invariant: the whole record is in the window")
        .1
}

/// Reads a number of the file's byte order.
pub(super) fn u32_at(bytes: &[u8], at: usize, big_endian: bool) -> u32 {
    let number = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
    if big_endian {
        u32::from_be_bytes(number)
    } else {
        u32::from_le_bytes(number)
    }
}
