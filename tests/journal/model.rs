//! Random appends, gaps, closings, crashes and cuts, beside a list of frames.

use crate::rig::{Directory, FRAME_HEADER_BYTES, HEADER_BYTES, RECORD_BYTES, Stored, Tick, record};
use proptest::prelude::*;
use ringtape::journal::{Journal, SEGMENT_BYTES_MIN, Verdict, Writer, verify};
use ringtape::record::{Gap, GapCause, Record, Sequence};
use std::fs::File;

#[derive(Clone, Debug)]
enum Step {
    Append(u64),
    Gap(u64),
    /// Closed in good order, and opened again.
    Close,
    /// Left as a killed process leaves it, and opened again.
    Kill,
    /// Killed, and this share of the last segment is torn off.
    Tear(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..40u64).prop_map(Step::Append),
        2 => prop_oneof![1_000..3_000u64, Just(4_096)].prop_map(Step::Append),
        1 => (1..1_000u64).prop_map(Step::Gap),
        1 => Just(Step::Close),
        1 => Just(Step::Kill),
        2 => any::<u8>().prop_map(Step::Tear),
    ]
}

/// A frame's first number, the number after its last, and its records.
type Frame = (u64, u64, Vec<Record<Tick>>);

#[derive(Default)]
struct Segment {
    first: u64,
    frames: Vec<Frame>,
    closed: bool,
}

impl Segment {
    fn new(first: u64) -> Self {
        Self {
            first,
            ..Self::default()
        }
    }

    fn bytes(&self) -> u64 {
        let frames = self
            .frames
            .iter()
            .map(|(_, _, records)| frame_bytes(records));
        HEADER_BYTES + frames.sum::<u64>() + if self.closed { FRAME_HEADER_BYTES } else { 0 }
    }

    fn next(&self) -> u64 {
        self.frames.last().map_or(self.first, |(_, end, _)| *end)
    }
}

fn frame_bytes(records: &[Record<Tick>]) -> u64 {
    FRAME_HEADER_BYTES + records.len() as u64 * RECORD_BYTES
}

/// What the directory must hold.
struct Oracle {
    segments: Vec<Segment>,
}

impl Oracle {
    fn next(&self) -> u64 {
        self.segments.last().unwrap().next()
    }

    fn append(&mut self, end: u64, records: Vec<Record<Tick>>) {
        let next = self.next();
        let last = self.segments.last_mut().unwrap();
        if last.bytes() + frame_bytes(&records) + FRAME_HEADER_BYTES > SEGMENT_BYTES_MIN {
            last.closed = true;
            self.segments.push(Segment::new(next));
        }
        let last = self.segments.last_mut().unwrap();
        last.frames.push((next, end, records));
    }

    /// Cuts the last segment to `bytes`, opens the journal, and returns how much of it was torn.
    fn reopen(&mut self, bytes: u64) -> u64 {
        let mut torn = 0;
        let last = self.segments.last_mut().unwrap();
        if bytes < HEADER_BYTES {
            // There is nothing in it, and it is made again.
            torn = bytes;
            *last = Segment::new(last.first);
        } else if bytes < last.bytes() {
            last.closed = false;
            while last.bytes() > bytes {
                last.frames.pop();
            }
            torn = bytes - last.bytes();
        }
        if last.closed {
            let next = last.next();
            self.segments.push(Segment::new(next));
        }
        torn
    }

    fn stored(&self) -> Vec<Stored> {
        let frames = self.segments.iter().flat_map(|segment| &segment.frames);
        frames
            .flat_map(|(_, _, records)| records.iter().map(|record| *record.as_stored()))
            .collect()
    }
}

fn run(steps: &[Step]) {
    let directory = Directory::new();
    let mut writer = directory.writer();
    let mut oracle = Oracle {
        segments: vec![Segment::new(1)],
    };
    for step in steps {
        let next = oracle.next();
        assert_eq!(writer.next_sequence(), Sequence::new(next));
        match *step {
            Step::Append(count) => {
                let records: Vec<_> = (next..next + count).map(record).collect();
                let (first, second) = records.split_at(records.len() / 2);
                writer.append([first, second], 5).unwrap();
                oracle.append(next + count, records);
            }
            Step::Gap(count) => {
                let gap = Gap {
                    first: next,
                    last: next + count - 1,
                    cause: GapCause::Overrun,
                    feed: 0,
                };
                writer.append_gap(gap, 6, 7).unwrap();
                let record = Record::gap(Sequence::new(next), 6, gap);
                oracle.append(next + count, vec![record]);
            }
            Step::Close => {
                writer.close().unwrap();
                oracle.segments.last_mut().unwrap().closed = true;
                writer = reopen(&directory, &mut oracle, None);
            }
            Step::Kill => {
                drop(writer);
                writer = reopen(&directory, &mut oracle, None);
            }
            Step::Tear(share) => {
                drop(writer);
                writer = reopen(&directory, &mut oracle, Some(share));
            }
        }
    }
    drop(writer);
    check(&directory, &oracle);
}

fn reopen(directory: &Directory, oracle: &mut Oracle, tear: Option<u8>) -> Writer<Tick> {
    let path = directory.last_segment();
    let bytes = oracle.segments.last().unwrap().bytes();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), bytes);
    let keep = match tear {
        Some(share) => bytes * u64::from(share) / 256,
        None => bytes,
    };
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(keep)
        .unwrap();
    let torn = oracle.reopen(keep);
    let writer = directory.writer();
    assert_eq!(writer.recovery().torn_bytes, torn);
    writer
}

fn check(directory: &Directory, oracle: &Oracle) {
    let all = oracle.stored();
    assert!(crate::rig::read_all(directory.path()) == all);
    let findings = verify::<Tick>(directory.path(), |_, _| {}).unwrap();
    assert!(findings.damage.is_empty(), "{:?}", findings.damage);
    let verdict = if all.is_empty() {
        Verdict::Empty
    } else {
        Verdict::Clean
    };
    assert_eq!(findings.verdict(), verdict);
    assert_eq!(findings.segments, oracle.segments.len() as u64);

    let journal = Journal::<Tick>::open(directory.path()).unwrap();
    let frames = oracle.segments.iter().flat_map(|segment| &segment.frames);
    for (first, end, records) in frames {
        // The last number of each frame: its record's own, or inside its gap.
        let mut reader = journal.reader_at(Sequence::new(end - 1)).unwrap();
        let found = reader.next().unwrap().unwrap();
        assert_eq!(
            found.records[0].as_stored(),
            records.last().unwrap().as_stored(),
            "the frame from {first}"
        );
    }
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_journal_holds_what_the_list_holds(steps in prop::collection::vec(step(), 1..25)) {
        run(&steps);
    }
}
