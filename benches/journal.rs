//! The journal beside what it is made of.
//!
//! * `append`: frames of 1024 records (64 KiB) over a `memcpy` of the same records into memory that
//!   was touched before, and over a bare loop of `write` with as many bytes: in memory (`/dev/shm`,
//!   and a tmpfs with huge pages, where this process may mount one), and on disk. A fall means that
//!   the writer does more per record than checksum, times and one copy by the kernel. Frames of 32
//!   records show the price of a frame. `burst` is what a writer does that had nothing to do before,
//!   and prepared; `steady` has to allocate as it goes.
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
#[path = "../tests/mounted/mod.rs"]
#[allow(unsafe_code, reason = "mounts in a namespace of its own")]
mod mounted;
mod support;

use mapped::Mapped;
use ringtape::journal::{Config, FRAME_HEADER_BYTES, Journal, Reader, Writer};
use ringtape::market::MarketEvent;
use ringtape::record::{Record, Sequence};
use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use support::{Goal, Took, compare, measuring, scaled, wanted};
use zerocopy::{FromZeros, IntoBytes};

type Slot = Record<MarketEvent>;

/// Records of one pass: 256 MiB, more than the caches hold.
const RECORDS: u64 = 1 << 22;
/// The records that are written again and again, as a ring's are: 1 MiB, in the second cache.
const RING: usize = 16_384;

fn main() {
    let records = |count: u64| scaled(count).next_multiple_of(RING as u64);
    for frame_records in [1_024, 32] {
        appending(Place::Memory, &memory(), frame_records, records(RECORDS));
    }
    for frame_records in [1_024, 32] {
        // So few that they are gone before the kernel makes their writer wait for the disk.
        appending(Place::Disk, &disk(), frame_records, records(RECORDS / 4));
    }
    // Within one segment.
    reading(&memory(), records(RECORDS / 2));
    seeking(&disk());
    // Last: from here on, /dev/shm is another.
    match mounted::tmpfs(c"huge=within_size") {
        Ok(()) => appending(Place::HugePages, &memory(), 1_024, records(RECORDS)),
        Err(error) => println!("SKIPPED: append to huge pages: cannot mount a tmpfs: {error}"),
    }
}

/// Where a journal is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// `/dev/shm` as it is: in most systems a tmpfs without huge pages.
    Memory,
    /// A tmpfs with huge pages.
    HugePages,
    Disk,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::Memory => "append to memory",
            Self::HugePages => "append to huge pages",
            Self::Disk => "append to disk",
        }
    }
}

fn memory() -> PathBuf {
    folder(Path::new(mounted::FOLDER))
}

fn disk() -> PathBuf {
    folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("target"))
}

fn folder(base: &Path) -> PathBuf {
    base.join(format!("ringtape-bench-{}", std::process::id()))
}

fn record(n: u64) -> Slot {
    let mut event = MarketEvent::new_zeroed();
    event.as_mut_bytes()[..8].copy_from_slice(&n.to_le_bytes());
    Record::event(Sequence::new(n), n, &event)
}

/// Records in a ring, in frames with room for a header before each.
struct Ring {
    slots: Vec<Slot>,
    frame_slots: usize,
}

/// What a pass over the ring asks for.
enum Turn<'a> {
    /// There is nothing to write; not timed.
    Idle,
    /// A header's room, and the records of a frame.
    Frame(&'a [Slot]),
}

impl Ring {
    fn new(frame_records: usize) -> Self {
        let frame_slots = frame_records + 1;
        Self {
            slots: vec![record(0); RING / frame_records * frame_slots],
            frame_slots,
        }
    }

    /// Hands `count` records to `take`, frame by frame, and times only that. Before each time round
    /// the records get their numbers.
    fn pass(&mut self, count: u64, mut take: impl FnMut(Turn<'_>)) -> Took {
        let mut elapsed = Duration::ZERO;
        for first in (1..=count).step_by(RING) {
            let mut numbers = first..;
            for frame in self.slots.chunks_mut(self.frame_slots) {
                for (slot, n) in frame[1..].iter_mut().zip(&mut numbers) {
                    *slot = record(n);
                }
            }
            take(Turn::Idle);
            let begin = Instant::now();
            for frame in self.slots.chunks(self.frame_slots) {
                take(Turn::Frame(frame));
            }
            elapsed += begin.elapsed();
        }
        Took {
            elapsed,
            items: count,
        }
    }
}

fn appending(place: Place, folder: &Path, frame_records: usize, records: u64) {
    let journal = |prepares: bool| {
        let mut ring = Ring::new(frame_records);
        let folder = folder.join("journal");
        move || {
            let mut writer = Writer::open(Config::new(&folder), 0).unwrap();
            let took = ring.pass(records, |turn| match turn {
                Turn::Idle if prepares => writer.prepare(),
                Turn::Idle => {}
                Turn::Frame(frame) => writer.append([&frame[1..], &[]], 0).unwrap(),
            });
            assert_eq!(writer.next_sequence().get(), records + 1);
            drop(writer);
            fs::remove_dir_all(&folder).unwrap();
            took
        }
    };
    let write = || {
        let mut ring = Ring::new(frame_records);
        fs::create_dir_all(folder).unwrap();
        let path = folder.join("bare");
        move || {
            let mut file = File::create_new(&path).unwrap();
            let took = ring.pass(records, |turn| {
                if let Turn::Frame(frame) = turn {
                    file.write_all(frame.as_bytes()).unwrap();
                }
            });
            let headers = records / frame_records as u64;
            assert_eq!(file.metadata().unwrap().len(), (records + headers) * 64);
            fs::remove_file(&path).unwrap();
            took
        }
    };
    let copy = || {
        let mut ring = Ring::new(frame_records);
        let mut buffer = vec![record(1); usize::try_from(records).unwrap()];
        move || {
            let mut end = 0;
            let took = ring.pass(records, |turn| {
                if let Turn::Frame(frame) = turn {
                    let to = end..end + frame_records;
                    black_box(&mut buffer[to.clone()]).copy_from_slice(&frame[1..]);
                    end = to.end;
                }
            });
            assert_eq!(buffer[end - 1].sequence().get(), records);
            took
        }
    };
    let usual = frame_records == 1_024;
    let goal = |goal| if usual { goal } else { Goal::None };
    let append = format!("{}, {frame_records} a frame", place.name());
    if place != Place::Disk {
        let memcpy = goal(Goal::ThroughputAtLeast(0.4));
        compare(
            &format!("{append}: burst / memcpy"),
            memcpy,
            copy(),
            journal(true),
        );
        compare(
            &format!("{append}: bare write / memcpy"),
            Goal::None,
            copy(),
            write(),
        );
    }
    let bare = goal(Goal::ThroughputAtLeast(0.85));
    compare(
        &format!("{append}: burst / bare write"),
        bare,
        write(),
        journal(true),
    );
    compare(
        &format!("{append}: steady / bare write"),
        bare,
        write(),
        journal(false),
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
    Ring::new(frame_records).pass(records, |turn| {
        if let Turn::Frame(frame) = turn {
            writer.append([&frame[1..], &[]], 0).unwrap();
        }
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
