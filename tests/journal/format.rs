//! Format version 1, byte by byte. `v1.hex` was not made by this library, but from the tables in
//! `src/journal/format.rs`.

use crate::rig::{Directory, HEADER_BYTES, Tick};
use ringtape::journal::{Journal, Verdict, Writer, verify};
use ringtape::record::{Content, Gap, GapCause, Record, Sequence, Session, SessionMark};
use std::fs;

const NAME: &str = "0000000001-00000000000000000001.tape";
const CREATED_NS: u64 = 1_700_000_000_000_000_000;
const TICK: Tick = Tick {
    price_e9: -5,
    quantity: 7,
};
const SESSION: Session = Session {
    id: *b"S1\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    feed_sequence: 1,
    mark: SessionMark::Start,
    feed: 2,
};
const OVERRUN: Gap = Gap {
    first: 3,
    last: 12,
    cause: GapCause::Overrun,
    feed: 0,
};

fn golden() -> Vec<u8> {
    let hex: Vec<u8> = include_str!("v1.hex")
        .bytes()
        .filter(u8::is_ascii_hexdigit)
        .collect();
    hex.chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn golden_journal() -> Directory {
    let directory = Directory::new();
    fs::create_dir(directory.path()).unwrap();
    fs::write(directory.path().join(NAME), golden()).unwrap();
    directory
}

#[test]
fn a_segment_of_version_1_reads_as_its_table_says() {
    let directory = golden_journal();
    let journal = Journal::<Tick>::open(directory.path()).unwrap();
    let identity = journal.identity();
    assert_eq!(identity.id, 0xafae_adac_abaa_a9a8_a7a6_a5a4_a3a2_a1a0);
    assert_eq!(
        (identity.bus.as_str(), identity.schema_name.as_str()),
        ("main", "tick")
    );
    let read: Vec<_> = journal.reader().records().map(Result::unwrap).collect();
    assert_eq!(read.len(), 3);
    assert_eq!(read[0].content(), Content::Event(&TICK));
    assert_eq!(read[1].content(), Content::Session(SESSION));
    assert_eq!(read[2].content(), Content::Gap(OVERRUN));
    let times: Vec<_> = read.iter().map(Record::ts_recv_ns).collect();
    assert_eq!(times, [1001, 1000, 1002]);

    let findings = verify::<Tick>(directory.path(), |_, _| {}).unwrap();
    assert_eq!(findings.verdict(), Verdict::Clean);
    assert!(findings.closed);
    assert_eq!((findings.frames, findings.records), (2, 3));
    assert_eq!(findings.last, Some(Sequence::new(12)));
}

#[test]
fn the_writer_makes_the_bytes_of_version_1() {
    let directory = Directory::new();
    let mut config = directory.config();
    config.segment_bytes = 1 << 20;
    let mut writer = Writer::<Tick>::open(config, CREATED_NS).unwrap();
    let tick = Record::event(Sequence::new(1), 1001, &TICK);
    let session = Record::session(Sequence::new(2), 1000, SESSION);
    writer.append([&[tick], &[session]], 0).unwrap();
    writer.append_gap(OVERRUN, 1002, 0).unwrap();
    writer.close().unwrap();

    let mut written = fs::read(directory.path().join(NAME)).unwrap();
    let golden = golden();
    // The id is drawn at random; it is in the header and in each frame's tag, and so are the
    // checksums over it.
    let id = 24..40;
    let tag_and_checksum = |frame: usize| [frame + 48..frame + 56, frame + 60..frame + 64];
    let frames = [256, 448, 576].into_iter().flat_map(tag_and_checksum);
    for place in [id, 252..256].into_iter().chain(frames) {
        assert_ne!(
            written[place.clone()],
            golden[place.clone()],
            "{place:?} does not depend on the id"
        );
        written[place.clone()].copy_from_slice(&golden[place]);
    }
    assert_eq!(written, golden);
}

#[test]
fn a_segment_of_version_1_is_continued_behind_its_last_record() {
    let directory = golden_journal();
    let mut writer = directory.writer();
    assert_eq!(writer.next_sequence(), Sequence::new(13));
    crate::rig::append(&mut writer, 2);
    writer.close().unwrap();
    // A finished segment is never changed again.
    assert_eq!(fs::read(directory.path().join(NAME)).unwrap(), golden());
    assert_eq!(crate::rig::read_all(directory.path()).len(), 5);
}

#[test]
fn records_lie_at_multiples_of_64_in_the_readers_memory() {
    let directory = golden_journal();
    let mut reader = Journal::<Tick>::open(directory.path()).unwrap().reader();
    let first = reader.next().unwrap().unwrap();
    assert_eq!(first.header.offset, HEADER_BYTES);
    let first = first.records.as_ptr().addr();
    assert!(first.is_multiple_of(64));
    let second = reader.next().unwrap().unwrap().records.as_ptr().addr();
    // One mapping, and no copy: the next frame's records lie where the file has them.
    assert_eq!(second - first, 3 * 64);
}
