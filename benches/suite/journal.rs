//! The journal in memory (`/dev/shm` where there is one).
//!
//! * `journal/append/N`: a frame of N records, its blocks allocated before.
//! * `journal/scan`: a record, read from a journal frame by frame, with and without checksums.
//!
//! `cargo bench --bench journal` has the ratios, and the disk.

use super::support::{Took, time_of};
use criterion::{BenchmarkId, Criterion, Throughput};
use ringtape::journal::{Config, Journal, Writer};
use ringtape::market::MarketEvent;
use ringtape::record::{Record, Sequence};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use zerocopy::FromZeros;

type Slot = Record<MarketEvent>;

/// Records of a pass of appends: 32 MiB.
const APPENDED: u64 = 1 << 19;
/// Records of the journal that is scanned: 16 MiB, more than the second cache.
const SCANNED: u64 = 1 << 18;
const FRAME: u64 = 1_024;

pub(super) fn benches(criterion: &mut Criterion) {
    let memory = folder();
    let mut group = criterion.benchmark_group("journal/append");
    for frame in [32, FRAME] {
        group.throughput(Throughput::Elements(frame));
        group.bench_function(BenchmarkId::from_parameter(frame), |bencher| {
            let records = records(FRAME);
            bencher.iter_custom(|frames| append(memory.path(), &records, frame, frames));
        });
    }
    group.finish();
    let folder = memory.path().join("scanned");
    write(&folder);
    let journal = Journal::<MarketEvent>::open(&folder).expect("a journal");
    let mut group = criterion.benchmark_group("journal/scan");
    for (name, verifies) in [("verified", true), ("unverified", false)] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|records| time_of(records, || scan(&journal, verifies)));
        });
    }
    group.finish();
}

fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    }
    .expect("a folder")
}

fn records(count: u64) -> Vec<Slot> {
    let event = MarketEvent::new_zeroed();
    let record = |n| Record::event(Sequence::new(n), n, &event);
    (1..=count).map(record).collect()
}

/// Appends `frames` frames to journals of at most [`APPENDED`] records, each prepared while nobody
/// looks at the clock, and removed.
fn append(folder: &Path, records: &[Slot], frame: u64, frames: u64) -> Duration {
    let folder = folder.join("appended");
    let mut numbered = records[..usize::try_from(frame).expect("fits")].to_vec();
    let event = MarketEvent::new_zeroed();
    let (mut elapsed, mut left) = (Duration::ZERO, frames);
    while left > 0 {
        let now = left.min(APPENDED / frame);
        let mut writer = Writer::open(Config::new(&folder), 0).expect("a new journal");
        writer.prepare();
        for turn in 0..now {
            for (record, n) in numbered.iter_mut().zip(turn * frame + 1..) {
                *record = Record::event(Sequence::new(n), n, &event);
            }
            let begin = Instant::now();
            let appended = writer.append([&numbered, &[]], 0);
            elapsed += begin.elapsed();
            appended.expect("written");
        }
        assert_eq!(writer.next_sequence().get(), now * frame + 1);
        drop(writer);
        std::fs::remove_dir_all(&folder).expect("removed");
        left -= now;
    }
    elapsed
}

/// Writes the journal that is scanned.
fn write(folder: &Path) {
    let mut writer = Writer::open(Config::new(folder), 0).expect("a new journal");
    for frame in records(SCANNED).chunks(usize::try_from(FRAME).expect("fits")) {
        writer.append([frame, &[]], 0).expect("written");
    }
    writer.close().expect("written");
}

fn scan(journal: &Journal<MarketEvent>, verifies: bool) -> Took {
    let begin = Instant::now();
    let mut reader = journal.reader();
    if !verifies {
        reader = reader.without_verification();
    }
    let mut sum = 0;
    while let Some(frame) = reader.next().expect("a whole journal") {
        sum += frame.records.iter().map(Record::ts_recv_ns).sum::<u64>();
    }
    let elapsed = begin.elapsed();
    // Receive times are numbers here.
    assert_eq!(black_box(sum), SCANNED * (SCANNED + 1) / 2);
    Took {
        elapsed,
        items: SCANNED,
    }
}
