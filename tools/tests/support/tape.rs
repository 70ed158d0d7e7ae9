//! Journals for tests.

use ringtape::journal::{Config, SEGMENT_BYTES_MIN, Writer};
use ringtape::market::{AddOrder, EventKind, Flags, Head, Instrument, MarketEvent, Side, Symbol};
use ringtape::record::{Event, Record, Schema, Sequence};
use std::fs;
use std::path::{Path, PathBuf};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// As many records as fill a segment of the smallest size.
pub(crate) const SEGMENT_RECORDS: u64 = 4_096;
/// The receive time of record 0.
pub(crate) const RECV_NS: u64 = 1_692_711_000_000_000_000;

fn head(kind: EventKind, side: Side, flags: Flags) -> Head {
    Head {
        ts_event_ns: RECV_NS,
        instrument: 13,
        feed: 1,
        kind,
        side,
        flags,
    }
}

/// Makes the record of a number: the name of instrument 13 first, then orders for it.
pub(crate) fn record(number: u64) -> Record<MarketEvent> {
    let sequence = Sequence::new(number);
    let message = u32::try_from(number).unwrap();
    let event = match number {
        1 => MarketEvent::from(Instrument {
            head: head(EventKind::INSTRUMENT, Side::NONE, Flags::DERIVED),
            symbol: Symbol::new("AAPL").unwrap(),
            message: 2,
            ..Instrument::read_from_bytes(&[0; 48]).unwrap()
        }),
        _ => MarketEvent::from(AddOrder {
            head: head(EventKind::ADD_ORDER, Side::BUY, Flags::LAST),
            order_id: number,
            price_e9: 210_120_000_000,
            quantity: 100,
            attribution: [0; 4],
            message,
        }),
    };
    Record::event(sequence, RECV_NS + number, &event)
}

/// Writes a journal with frames of so many records, in segments of the smallest size.
pub(crate) fn write(directory: &Path, frames: &[u64]) {
    let config = Config {
        segment_bytes: SEGMENT_BYTES_MIN,
        ..Config::new(directory)
    };
    let mut writer = Writer::open(config, RECV_NS).unwrap();
    for &count in frames {
        let first = writer.next_sequence().get();
        let records: Vec<_> = (first..first + count).map(record).collect();
        writer.append([&records, &[]], RECV_NS).unwrap();
    }
    writer.close().unwrap();
}

/// Returns the files of a journal's segments, in order.
pub(crate) fn segments(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> = paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "tape")
        })
        .collect();
    segments.sort();
    segments
}

/// Changes one byte of a file.
pub(crate) fn flip(file: &Path, offset: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[offset] ^= 0x10;
    fs::write(file, bytes).unwrap();
}

/// Events of another type than the command line knows.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Tick {
    price_e9: i64,
}

impl Event for Tick {
    const SCHEMA: Schema = Schema {
        name: "tick",
        id: 77,
        version: 3,
    };
}

/// Writes a journal of other events.
pub(crate) fn write_ticks(directory: &Path) {
    let mut writer = Writer::<Tick>::open(Config::new(directory), RECV_NS).unwrap();
    let record = Record::event(Sequence::FIRST, RECV_NS, &Tick { price_e9: 7 });
    writer.append([&[record], &[]], RECV_NS).unwrap();
    writer.close().unwrap();
}

/// Makes a segment say that a newer version wrote it.
pub(crate) fn make_newer(segment: &Path) {
    let mut bytes = fs::read(segment).unwrap();
    bytes[8] += 1;
    let crc = crc32c(&bytes[..252]);
    bytes[252..256].copy_from_slice(&crc.to_le_bytes());
    fs::write(segment, bytes).unwrap();
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 * (crc & 1));
        }
    }
    !crc
}
