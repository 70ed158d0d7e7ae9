//! The journal beside what it is made of.
//!
//! * `append`: frames of 1024 records (64 KiB) over a `memcpy` of the same records into memory that
//!   was touched before, and over a bare loop of `write` with the same sizes: in memory
//!   (`/dev/shm`) and on disk. A fall means that the writer does more per record than checksum,
//!   times and one copy by the kernel. Frames of 32 records show the price of a frame.
//! * `read`: a whole journal, with and without checksums, over a bare scan that sums the stamps of
//!   the same mapped file.
//! * `seek`: opening a journal of 10 GB in the middle, over opening a segment.
//!
//! Each pass checks what it wrote or read.

#![allow(
    clippy::print_stdout,
    clippy::float_arithmetic,
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench prints, fails by panicking, and is no public interface"
)]

#[path = "support/mapped.rs"]
#[allow(unsafe_code, reason = "maps a file")]
mod mapped;
mod support;

use mapped::Mapped;
use ringtape::journal::{Config, FRAME_HEADER_BYTES, Journal, Reader, Writer};
use ringtape::market::MarketEvent;
use ringtape::record::{Gap, GapCause, Record, Sequence};
use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;
use support::{Goal, Took, compare, measuring, scaled, wanted};

type Slot = Record<MarketEvent>;

/// Records of one pass: 64 MiB, more than the caches hold.
const RECORDS: u64 = 1 << 20;
/// The records that are written again and again, as a ring's are: 1 MiB, in the second cache.
const RING: usize = 16_384;

fn main() {
    let records = scaled(RECORDS).next_multiple_of(RING as u64);
    for (place, folder) in [("memory", memory()), ("disk", disk())] {
        for frame_records in [1_024, 32] {
            appending(place, &folder, frame_records, records);
        }
    }
    reading(&memory(), records);
    seeking(&disk());
}

fn memory() -> PathBuf {
    folder(Path::new("/dev/shm"))
}

fn disk() -> PathBuf {
    folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("target"))
}

fn folder(base: &Path) -> PathBuf {
    base.join(format!("ringtape-bench-{}", std::process::id()))
}

fn record(n: u64) -> Slot {
    let gap = Gap {
        first: n,
        last: n,
        cause: GapCause::Absent,
        feed: 1,
    };
    Record::gap(Sequence::new(n), n, gap)
}

/// Records in a ring, renumbered before each pass over it, outside the measured time.
struct Ring {
    records: Vec<Slot>,
}

impl Ring {
    fn new() -> Self {
        Self {
            records: (1..=RING as u64).map(record).collect(),
        }
    }

    /// Hands `count` records to `write`, frame by frame, and times only that.
    fn pass(&mut self, count: u64, frame_records: usize, mut write: impl FnMut(&[Slot])) -> Took {
        let mut elapsed = std::time::Duration::ZERO;
        for first in (1..=count).step_by(RING) {
            for (n, slot) in (first..).zip(&mut self.records) {
                *slot = record(n);
            }
            let begin = Instant::now();
            self.records.chunks(frame_records).for_each(&mut write);
            elapsed += begin.elapsed();
        }
        Took {
            elapsed,
            items: count,
        }
    }
}

fn bytes(records: &[Slot]) -> &[u8] {
    zerocopy::IntoBytes::as_bytes(records)
}

fn appending(place: &str, folder: &Path, frame_records: usize, records: u64) {
    let journal = |name: &str| {
        let mut ring = Ring::new();
        let folder = folder.join(name);
        move || {
            let mut writer = Writer::open(Config::new(&folder), 0).unwrap();
            let took = ring.pass(records, frame_records, |frame| {
                writer.append([frame, &[]], 0).unwrap();
            });
            assert_eq!(writer.next_sequence().get(), records + 1);
            drop(writer);
            fs::remove_dir_all(&folder).unwrap();
            took
        }
    };
    let write = || {
        let mut ring = Ring::new();
        fs::create_dir_all(folder).unwrap();
        let path = folder.join("bare");
        move || {
            let mut file = File::create_new(&path).unwrap();
            let took = ring.pass(records, frame_records, |frame| {
                file.write_all(bytes(frame)).unwrap();
            });
            assert_eq!(file.metadata().unwrap().len(), records * 64);
            fs::remove_file(&path).unwrap();
            took
        }
    };
    let copy = || {
        let mut ring = Ring::new();
        let mut buffer = vec![1; usize::try_from(records * 64).unwrap()];
        move || {
            let mut end = 0;
            let took = ring.pass(records, frame_records, |frame| {
                let bytes = bytes(frame);
                black_box(&mut buffer[end..end + bytes.len()]).copy_from_slice(bytes);
                end += bytes.len();
            });
            assert_eq!(end, buffer.len());
            took
        }
    };
    if place == "memory" {
        let goal = match frame_records {
            1_024 => Goal::ThroughputAtLeast(0.4),
            _ => Goal::None,
        };
        compare(
            &format!("append to {place}: frames of {frame_records} / memcpy"),
            goal,
            copy(),
            journal("a"),
        );
        compare(
            &format!("append to {place}: bare write of {frame_records} / memcpy"),
            Goal::None,
            copy(),
            write(),
        );
    }
    let goal = match frame_records {
        1_024 => Goal::ThroughputAtLeast(0.85),
        _ => Goal::None,
    };
    compare(
        &format!("append to {place}: frames of {frame_records} / bare write"),
        goal,
        write(),
        journal("b"),
    );
    _ = fs::remove_dir_all(folder);
}

/// Writes a journal of `records` in frames of `frame_records`.
fn write_journal(folder: &Path, segment_bytes: u64, records: u64, frame_records: usize) {
    let config = Config {
        segment_bytes,
        ..Config::new(folder)
    };
    let mut writer = Writer::open(config, 0).unwrap();
    Ring::new().pass(records, frame_records, |frame| {
        writer.append([frame, &[]], 0).unwrap();
    });
    writer.close().unwrap();
}

fn sum_stamps(records: &[Slot]) -> u64 {
    records
        .iter()
        .fold(0, |sum, record| sum.wrapping_add(record.stamp()))
}

fn reading(folder: &Path, records: u64) {
    if !wanted("read: ") {
        return;
    }
    write_journal(folder, 256 << 20, records, 1_024);
    let journal = Journal::<MarketEvent>::open(folder).unwrap();
    let segment = journal.segments()[0].path.clone();
    let mut reader = journal.reader();
    let (mut places, mut stamps) = (Vec::new(), 0u64);
    while let Some(frame) = reader.next().unwrap() {
        places.push((
            frame.header.offset + FRAME_HEADER_BYTES,
            frame.records.len(),
        ));
        stamps = stamps.wrapping_add(sum_stamps(frame.records));
    }
    let pass = |sum: &dyn Fn() -> u64| {
        let begin = Instant::now();
        let sum = sum();
        let elapsed = begin.elapsed();
        assert_eq!(sum, stamps);
        Took {
            elapsed,
            items: records,
        }
    };
    let bare = || {
        pass(&|| {
            let mapped = Mapped::open(&segment);
            let frames = places.iter();
            frames.fold(0, |sum, (at, count)| {
                sum.wrapping_add(sum_stamps(mapped.records(*at, *count)))
            })
        })
    };
    let read = |verifies: bool| {
        pass(&|| {
            let mut reader = journal.reader();
            if !verifies {
                reader = reader.without_verification();
            }
            let mut sum = 0u64;
            while let Some(frame) = reader.next().unwrap() {
                sum = sum.wrapping_add(sum_stamps(frame.records));
            }
            sum
        })
    };
    compare("read: with checksums / bare scan", Goal::None, bare, || {
        read(true)
    });
    compare(
        "read: without checksums / bare scan",
        Goal::None,
        bare,
        || read(false),
    );
    fs::remove_dir_all(folder).unwrap();
}

fn seeking(folder: &Path) {
    if !wanted("seek: ") {
        return;
    }
    // 10 GB in segments of the usual size, and small frames: many of them to look past.
    let (segment_bytes, bytes) = if measuring() {
        (256 << 20, 10_000_000_000)
    } else {
        (1 << 20, 20 << 20)
    };
    let records = bytes / 64 / RING as u64 * RING as u64;
    write_journal(folder, segment_bytes, records, 64);
    let journal = Journal::<MarketEvent>::open(folder).unwrap();
    let middle = &journal.segments()[journal.segments().len() / 2];
    let wanted = Sequence::new(middle.first.get() + segment_bytes / 64 / 3);
    let alone = folder.join("alone");
    fs::create_dir(&alone).unwrap();
    fs::copy(&middle.path, alone.join(middle.path.file_name().unwrap())).unwrap();
    let first_record = |mut reader: Reader<MarketEvent>, begin: Instant, expected: Sequence| {
        let frame = reader.next().unwrap().unwrap();
        assert_eq!(frame.records[0].sequence(), expected);
        Took {
            elapsed: begin.elapsed(),
            items: 1,
        }
    };
    let open_segment = || {
        let begin = Instant::now();
        let journal = Journal::<MarketEvent>::open(&alone).unwrap();
        first_record(journal.reader(), begin, journal.first())
    };
    let by_sequence = || {
        let begin = Instant::now();
        let journal = Journal::<MarketEvent>::open(folder).unwrap();
        first_record(journal.reader_at(wanted).unwrap(), begin, wanted)
    };
    let by_time = || {
        let begin = Instant::now();
        let journal = Journal::<MarketEvent>::open(folder).unwrap();
        // Records are numbered by their receive time here.
        let reader = journal.reader_at_time(wanted.get()).unwrap();
        first_record(reader, begin, wanted)
    };
    let size = format!("{} segments", journal.segments().len());
    let name = format!("seek: by sequence, {size} / open one");
    compare(&name, Goal::TimeAtMost(100.0), open_segment, by_sequence);
    let name = format!("seek: by time, {size} / open one");
    compare(&name, Goal::None, open_segment, by_time);
    fs::remove_dir_all(folder).unwrap();
}
