//! What the tests of replay share: folders, made-up journals, a handler that keeps what it gets.

use ringtape::handler::{At, Handler};
use ringtape::journal::{Config, SEGMENT_BYTES_MIN, Writer};
use ringtape::record::{
    Content, DeadLetter, Digest, Event, Gap, GapCause, Record, Schema, Sequence, Session,
    SessionMark,
};
use ringtape::replay::Replay;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A new folder, removed when dropped.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringtape-test-replay-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// An event that is one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Tick(pub(crate) u64);

impl Event for Tick {
    const SCHEMA: Schema = Schema {
        name: "tick",
        id: 7,
        version: 1,
    };
}

pub(crate) fn tick(sequence: u64, recv_ns: u64, value: u64) -> Record<Tick> {
    Record::event(Sequence::new(sequence), recv_ns, &Tick(value))
}

/// A gap of the recorder's own.
pub(crate) fn not_written(first: u64, last: u64, cause: GapCause, recv_ns: u64) -> Record<Tick> {
    let gap = Gap {
        first,
        last,
        cause,
        feed: 0,
    };
    Record::gap(Sequence::new(first), recv_ns, gap)
}

/// Records 1 to 40, ten nanoseconds apart in datagrams of two: ticks, and each thing that is none.
pub(crate) fn mixed() -> Vec<Record<Tick>> {
    let mut records = Vec::new();
    let mut number = 1;
    while number <= 40 {
        let sequence = Sequence::new(number);
        let recv_ns = 1_000 + number / 2 * 10;
        let (record, next) = match number {
            1 => {
                let session = Session {
                    id: *b"TEST000001\0\0\0\0\0\0",
                    feed_sequence: 1,
                    mark: SessionMark::Start,
                    feed: 1,
                };
                (Record::session(sequence, recv_ns, session), number + 1)
            }
            7 => {
                let gap = Gap {
                    first: 70,
                    last: 79,
                    cause: GapCause::Absent,
                    feed: 1,
                };
                (Record::gap(sequence, recv_ns, gap), number + 1)
            }
            12 => {
                let letter = DeadLetter::new(1, 80, b"?", 1);
                (Record::dead_letter(sequence, recv_ns, letter), number + 1)
            }
            15 => (not_written(15, 19, GapCause::Overrun, recv_ns), 20),
            30 => (not_written(30, 31, GapCause::NotJournaled, recv_ns), 32),
            _ => (tick(number, recv_ns, number * 3), number + 1),
        };
        records.push(record);
        number = next;
    }
    records
}

/// Writes records in frames of `frame` records each, in the smallest segments.
pub(crate) fn write<E: Event>(directory: &Path, records: &[Record<E>], frame: usize) {
    let config = Config {
        segment_bytes: SEGMENT_BYTES_MIN,
        ..Config::new(directory)
    };
    let mut writer = Writer::open(config, 0).unwrap();
    for records in records.chunks(frame) {
        writer.append([records, &[]], 0).unwrap();
    }
    writer.close().unwrap();
}

/// What a live handler that is given these records has as its digest.
pub(crate) fn digest<'a, E: Event>(records: impl IntoIterator<Item = &'a Record<E>>) -> String {
    let mut digest = Digest::new();
    for record in records {
        match record.content() {
            Content::Gap(gap) if gap.cause == GapCause::Overrun => digest.overrun::<E>(gap),
            _ => digest.record(record),
        }
    }
    digest.to_string()
}

/// What a handler was called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call<E> {
    Start,
    Event(E, At),
    Gap(Gap),
    Session(Session, At),
    DeadLetter(DeadLetter, At),
    Stop,
}

/// Keeps every call.
#[derive(Debug)]
pub(crate) struct Keep<E>(pub(crate) Vec<Call<E>>);

impl<E> Default for Keep<E> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<E: Event + PartialEq> Handler<E> for Keep<E> {
    fn on_start(&mut self) {
        self.0.push(Call::Start);
    }
    fn on_event(&mut self, event: &E, at: At) {
        self.0.push(Call::Event(*event, at));
    }
    fn on_gap(&mut self, gap: Gap) {
        self.0.push(Call::Gap(gap));
    }
    fn on_session(&mut self, session: &Session, at: At) {
        self.0.push(Call::Session(*session, at));
    }
    fn on_dead_letter(&mut self, letter: &DeadLetter, at: At) {
        self.0.push(Call::DeadLetter(*letter, at));
    }
    fn on_stop(&mut self) {
        self.0.push(Call::Stop);
    }
}

/// The calls of a replay without a range, for which `end_of_batch` is true where `ends` says so.
pub(crate) fn calls(records: &[Record<Tick>]) -> Vec<Call<Tick>> {
    let mut calls = vec![Call::Start];
    for (place, record) in records.iter().enumerate() {
        let next = records.get(place + 1);
        let at = At {
            sequence: record.sequence(),
            ts_recv_ns: record.ts_recv_ns(),
            end_of_batch: next.is_none_or(|next| next.ts_recv_ns() != record.ts_recv_ns()),
        };
        calls.push(match record.content() {
            Content::Event(event) => Call::Event(*event, at),
            Content::Gap(gap) => Call::Gap(gap),
            Content::Session(session) => Call::Session(session, at),
            Content::DeadLetter(letter) => Call::DeadLetter(*letter, at),
            Content::Invalid => panic!("{record:?}"),
        });
    }
    calls.push(Call::Stop);
    calls
}

pub(crate) fn replay(directory: &Path) -> Replay<Tick> {
    Replay::open(directory).unwrap()
}
