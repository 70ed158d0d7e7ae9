//! Owns the pcapng format: sections in either byte order, interfaces with clocks of their own.

use super::frame::Frame;
use super::pcap::u32_at;
use super::window::{RECORD_BYTES_MAX, Window};
use pcap_parser::pcapng::{Block, parse_block_be, parse_block_le};
use pcap_parser::{InterfaceDescriptionBlock, Linktype, OptionCode};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const SIMPLE_PACKET: u32 = 3;
const STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

/// A block's type and length.
const BLOCK_HEAD_BYTES: usize = 8;
/// The same and, in a section header, the number that tells the byte order.
const SECTION_HEAD_BYTES: usize = 12;
/// Type and length before a block's body, the length again behind it.
const BLOCK_BYTES_MIN: usize = 12;
const ENHANCED_DATA_AT: usize = 28;
const SIMPLE_DATA_AT: usize = 12;
/// More than any capture has, so that a damaged file cannot make us remember without end.
const INTERFACES_MAX: usize = 4096;

#[derive(Default)]
pub(super) struct PcapNg {
    big_endian: bool,
    interfaces: Vec<Interface>,
    /// Bytes of the block that was handed out last.
    pending: usize,
    /// Datagrams that were dropped while sections before the present one were captured.
    dropped_before: u64,
    damage: Option<String>,
}

struct Interface {
    name: Option<String>,
    /// Datagrams that were dropped when it was captured, as its last statistics say.
    dropped: u64,
    link: Linktype,
    snap_bytes: u32,
    /// Units of its timestamps in a second.
    units_per_s: u64,
    /// Seconds to add to them.
    offset_s: i64,
}

impl PcapNg {
    /// Moves on to the next frame.
    pub(super) fn advance(&mut self, window: &mut Window) -> Option<Frame> {
        loop {
            window.consume(std::mem::take(&mut self.pending));
            if self.damage.is_some() {
                return None;
            }
            match self.next_block(window) {
                Ok(Some(frame)) => return Some(frame),
                Ok(None) if self.pending == 0 => return None,
                Ok(None) => {}
                Err(what) => {
                    self.pending = 0;
                    self.damage = Some(format!("block at byte {}: {what}", window.offset()));
                    return None;
                }
            }
        }
    }

    /// Reads one block. `None` where it holds no frame, or, with `pending` still 0, where the file
    /// ended.
    fn next_block(&mut self, window: &mut Window) -> Result<Option<Frame>, String> {
        if !window.fill(BLOCK_HEAD_BYTES) {
            return Ok(None);
        }
        // The same in both byte orders.
        let is_section = u32_at(window.data(), 0, false) == SECTION_HEADER;
        if is_section {
            if !window.fill(SECTION_HEAD_BYTES) {
                return Ok(None);
            }
            self.big_endian = match window.data()[8..12] {
                [0x1a, 0x2b, 0x3c, 0x4d] => true,
                [0x4d, 0x3c, 0x2b, 0x1a] => false,
                _ => return Err("its byte order is not known".to_owned()),
            };
        }
        let block_type = u32_at(window.data(), 0, self.big_endian);
        let block_bytes = u32_at(window.data(), 4, self.big_endian) as usize;
        if !(BLOCK_BYTES_MIN..=RECORD_BYTES_MAX).contains(&block_bytes)
            || !block_bytes.is_multiple_of(4)
        {
            return Err(format!("it claims {block_bytes} bytes"));
        }
        if !window.fill(block_bytes) {
            return Ok(None);
        }
        self.pending = block_bytes;
        let known = [
            SECTION_HEADER,
            INTERFACE,
            SIMPLE_PACKET,
            STATISTICS,
            ENHANCED_PACKET,
        ];
        if !known.contains(&block_type) {
            return Ok(None);
        }
        let bytes = &window.data()[..block_bytes];
        let parsed = if self.big_endian {
            parse_block_be(bytes)
        } else {
            parse_block_le(bytes)
        };
        let Ok((_, block)) = parsed else {
            return Err("it contradicts itself".to_owned());
        };
        match block {
            Block::SectionHeader(_) => {
                self.dropped_before = self.dropped();
                self.interfaces.clear();
                Ok(None)
            }
            Block::InterfaceStatistics(statistics) => {
                let dropped = [OptionCode::IsbIfDrop, OptionCode::IsbOsDrop].map(|code| {
                    let found = statistics.options.iter().find(|option| option.code == code);
                    found.map_or(0, |option| self.u64_of(&option.value))
                });
                let interface = usize::try_from(statistics.if_id)
                    .ok()
                    .and_then(|index| self.interfaces.get_mut(index));
                if let Some(interface) = interface {
                    interface.dropped = dropped.iter().fold(0, |sum, &of| sum.saturating_add(of));
                }
                Ok(None)
            }
            Block::InterfaceDescription(_) if self.interfaces.len() == INTERFACES_MAX => {
                Err(format!("there are more than {INTERFACES_MAX} interfaces"))
            }
            Block::InterfaceDescription(description) => {
                let interface = Interface::new(&description, self.big_endian)?;
                self.interfaces.push(interface);
                Ok(None)
            }
            Block::EnhancedPacket(packet) => {
                let index = usize::try_from(packet.if_id).unwrap_or(usize::MAX);
                let interface = self
                    .interfaces
                    .get(index)
                    .ok_or_else(|| format!("its interface {} is not known", packet.if_id))?;
                let units = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                let captured = ENHANCED_DATA_AT..ENHANCED_DATA_AT + packet.caplen as usize;
                Ok(Some(Frame {
                    ts_ns: interface.ts_ns(units),
                    link: interface.link,
                    interface: index,
                    bytes: captured,
                    cut: packet.caplen < packet.origlen,
                }))
            }
            Block::SimplePacket(packet) => {
                let interface = self
                    .interfaces
                    .first()
                    .ok_or("its interface is not known".to_owned())?;
                let original = packet.origlen as usize;
                let limit = match interface.snap_bytes {
                    0 => packet.data.len(),
                    snap => packet.data.len().min(snap as usize),
                };
                let captured = original.min(limit);
                Ok(Some(Frame {
                    ts_ns: 0,
                    link: interface.link,
                    interface: 0,
                    bytes: SIMPLE_DATA_AT..SIMPLE_DATA_AT + captured,
                    cut: captured < original,
                }))
            }
            _ => Ok(None),
        }
    }

    pub(super) fn interface_name(&self, interface: usize) -> Option<&str> {
        self.interfaces.get(interface)?.name.as_deref()
    }

    /// Says what the capture itself says that it lacks.
    pub(super) fn note(&self) -> Option<String> {
        match self.dropped() {
            0 => None,
            dropped => Some(format!(
                "the capture lacks {dropped} datagrams, which were dropped while it was made"
            )),
        }
    }

    fn dropped(&self) -> u64 {
        let dropped = self.interfaces.iter().map(|interface| interface.dropped);
        dropped.fold(self.dropped_before, u64::saturating_add)
    }

    fn u64_of(&self, option: &[u8]) -> u64 {
        let bytes = option.get(..8).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, |bytes| match self.big_endian {
            true => u64::from_be_bytes(bytes),
            false => u64::from_le_bytes(bytes),
        })
    }

    /// Says why reading stopped, if not for the end of the file.
    pub(super) fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }
}

impl Interface {
    fn new(description: &InterfaceDescriptionBlock<'_>, big_endian: bool) -> Result<Self, String> {
        // The crate reads neither resolutions that are powers of two nor big-endian offsets.
        let exponent = u32::from(description.if_tsresol & 0x7f);
        let units_per_s = if description.if_tsresol & 0x80 == 0 {
            10_u64.checked_pow(exponent)
        } else {
            1_u64.checked_shl(exponent)
        };
        let units_per_s = units_per_s.ok_or("its time resolution is not possible".to_owned())?;
        let offset_s = description
            .options
            .iter()
            .find(|option| option.code == OptionCode::IfTsoffset)
            .and_then(|option| option.value.get(..8)?.try_into().ok())
            .map_or(
                0,
                if big_endian {
                    i64::from_be_bytes
                } else {
                    i64::from_le_bytes
                },
            );
        let (link, snap_bytes) = (description.linktype, description.snaplen);
        let name = description
            .options
            .iter()
            .find(|option| option.code == OptionCode::IfName)
            .and_then(|option| option.as_bytes().ok())
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        Ok(Self {
            name,
            dropped: 0,
            link,
            snap_bytes,
            units_per_s,
            offset_s,
        })
    }

    /// Turns a timestamp into UNIX nanoseconds; what is before 1970 or after 2554 saturates.
    fn ts_ns(&self, units: u64) -> u64 {
        let since_offset_ns = i128::from(units) * 1_000_000_000 / i128::from(self.units_per_s);
        let ns = since_offset_ns + i128::from(self.offset_s) * 1_000_000_000;
        u64::try_from(ns.max(0)).unwrap_or(u64::MAX)
    }
}
