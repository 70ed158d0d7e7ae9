//! Owns what these tests share: an event type, records that follow from their number, a directory
//! that goes away, and reading a journal whole.

use ringtape::error::Error;
use ringtape::journal::{Config, Journal, Writer};
use ringtape::record::{Event, Gap, GapCause, Record, Schema, Sequence, Session, SessionMark};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Where the fields of a segment begin, as the format's table says.
pub(crate) const HEADER_BYTES: u64 = 256;
pub(crate) const FRAME_HEADER_BYTES: u64 = 64;
pub(crate) const RECORD_BYTES: u64 = 64;

#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Tick {
    pub(crate) price_e9: i64,
    pub(crate) quantity: u64,
}

impl Event for Tick {
    const SCHEMA: Schema = Schema {
        name: "tick",
        id: 0x6b63_6974,
        version: 3,
    };
}

pub(crate) type Stored = [u8; 64];

/// The record with number `n`: mostly an event, now and then another kind.
pub(crate) fn record(n: u64) -> Record<Tick> {
    let sequence = Sequence::new(n);
    match n % 11 {
        5 => Record::gap(sequence, time(n), feed_gap(n)),
        7 => Record::session(
            sequence,
            time(n),
            Session {
                id: *b"S000000000000001",
                feed_sequence: n,
                mark: SessionMark::Start,
                feed: 1,
            },
        ),
        _ => Record::event(
            sequence,
            time(n),
            &Tick {
                price_e9: i64::try_from(n).unwrap() * -3,
                quantity: n.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            },
        ),
    }
}

/// A receive time that rises with the number but for small steps back, as two lines have it.
pub(crate) fn time(n: u64) -> u64 {
    1_000_000 + n * 10 - (n % 3) * 15
}

fn feed_gap(n: u64) -> Gap {
    Gap {
        first: n,
        last: n + 4,
        cause: GapCause::Absent,
        feed: 1,
    }
}

pub(crate) fn records(first: u64, count: u64) -> Vec<Record<Tick>> {
    (first..first + count).map(record).collect()
}

/// A directory of this test's own, which does not exist yet and is removed in the end.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        // In memory where there is such a place: recovery waits for the disk.
        let shared = Path::new("/dev/shm");
        Self::new_in(if shared.is_dir() {
            shared
        } else {
            Path::new("/tmp")
        })
    }

    pub(crate) fn new_in(folder: &Path) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringtape-journal-{}-{count}", std::process::id());
        Self(folder.join(name))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn config(&self) -> Config {
        Config {
            segment_bytes: ringtape::journal::SEGMENT_BYTES_MIN,
            ..Config::new(&self.0)
        }
    }

    pub(crate) fn writer(&self) -> Writer<Tick> {
        self.try_writer().unwrap()
    }

    pub(crate) fn try_writer(&self) -> Result<Writer<Tick>, Error> {
        Writer::open(self.config(), 77)
    }

    /// The segments' files, in order.
    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "tape"))
            .collect();
        files.sort();
        files
    }

    pub(crate) fn last_segment(&self) -> PathBuf {
        self.segments().pop().unwrap()
    }

    /// Every file's name and bytes.
    pub(crate) fn contents(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), fs::read(&path).unwrap()))
            .collect();
        files.sort();
        files
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// Appends the next `count` records as one frame.
pub(crate) fn append(writer: &mut Writer<Tick>, count: u64) {
    let frame = records(writer.next_sequence().get(), count);
    let (first, second) = frame.split_at(frame.len() / 3);
    writer.append([first, second], 78).unwrap();
}

/// Writes a journal in frames of these many records. It is not closed.
pub(crate) fn write(directory: &Directory, frames: &[u64]) {
    let mut writer = directory.writer();
    for count in frames {
        append(&mut writer, *count);
    }
}

/// What a reader returned, and what ended it.
pub(crate) struct Read {
    pub(crate) stored: Vec<Stored>,
    pub(crate) error: Option<Error>,
}

/// Reads a journal frame by frame.
pub(crate) fn read(path: &Path) -> Read {
    let mut stored = Vec::new();
    let error = (|| {
        let mut reader = Journal::<Tick>::open(path)?.reader();
        while let Some(frame) = reader.next()? {
            stored.extend(frame.records.iter().map(|record| *record.as_stored()));
        }
        Ok(())
    })()
    .err();
    Read { stored, error }
}

/// Reads a journal that has nothing wrong with it.
pub(crate) fn read_all(path: &Path) -> Vec<Stored> {
    let read = read(path);
    assert!(read.error.is_none(), "{:?}", read.error);
    read.stored
}

pub(crate) fn stored(records: &[Record<Tick>]) -> Vec<Stored> {
    records.iter().map(|record| *record.as_stored()).collect()
}

/// Sees that the journal has exactly the records 1 to `last`.
pub(crate) fn check_all(path: &Path, last: u64) {
    let read = read_all(path);
    assert_eq!(read.len() as u64, last);
    assert!(read == stored(&records(1, last)), "the records differ");
}
