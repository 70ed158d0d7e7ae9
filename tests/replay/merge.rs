//! Merging is a stable sort, and refuses what would be given twice.

use super::rig::{Call, Folder, Keep, Tick, digest, replay, tick, write};
use proptest::collection::vec;
use proptest::prelude::*;
use ringtape::clock::ManualClock;
use ringtape::error::Error;
use ringtape::handler::At;
use ringtape::record::{Record, Sequence};
use ringtape::replay::{Place, Replay, Speed};
use std::fs;
use std::path::PathBuf;

/// Sorts by time, then by journal, then by sequence. The time of a record is that of the record
/// before it where the clock stepped back, or no journal could keep its own order.
fn oracle(journals: &[Vec<Record<Tick>>]) -> Vec<Record<Tick>> {
    let mut all = Vec::new();
    for (place, records) in journals.iter().enumerate() {
        let mut time = 0;
        for record in records {
            time = record.ts_recv_ns().max(time);
            all.push((time, place, record.sequence(), *record));
        }
    }
    all.sort_by_key(|(time, place, sequence, _)| (*time, *place, *sequence));
    all.into_iter().map(|(.., record)| record).collect()
}

fn merged(directories: &[PathBuf]) -> Replay<Tick> {
    Replay::merge(directories).unwrap()
}

fn events(keep: Keep<Tick>) -> Vec<(u64, u64, u64)> {
    let events = keep.0.into_iter().filter_map(|call| match call {
        Call::Event(
            Tick(value),
            At {
                sequence,
                ts_recv_ns,
                ..
            },
        ) => Some((value, sequence.get(), ts_recv_ns)),
        _ => None,
    });
    events.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_merge_is_a_stable_sort_at_any_speed_and_from_any_time(
        // Few different times, so that ties and steps back are many.
        times in vec(vec(0_u64..12, 0..30), 1..5),
        frame in 1_usize..9,
        range in (0_u64..12, 0_u64..12),
        e3 in prop_oneof![Just(0_u64), 1_u64..100_000],
    ) {
        let folder = Folder::new();
        let mut journals = Vec::new();
        let mut directories = Vec::new();
        for (place, times) in times.iter().enumerate() {
            let records: Vec<_> = times
                .iter()
                .zip(1..)
                .map(|(time, number)| tick(number, 50 + time, place as u64))
                .collect();
            let directory = folder.join(&place.to_string());
            write(&directory, &records, frame);
            journals.push(records);
            directories.push(directory);
        }
        let whole = oracle(&journals);
        let outcome = merged(&directories).run("merged", Keep::default()).unwrap();
        prop_assert_eq!(outcome.digest.unwrap().to_string(), digest(&whole));
        let expected: Vec<_> = whole
            .iter()
            .map(|record| match record.content() {
                ringtape::record::Content::Event(Tick(value)) => {
                    (*value, record.sequence().get(), record.ts_recv_ns())
                }
                other => panic!("{other:?}"),
            })
            .collect();
        prop_assert_eq!(events(outcome.handler.unwrap()), expected);

        if e3 > 0 {
            let clock = ManualClock::new(5);
            let replay = merged(&directories).clock(clock.clone()).speed(Speed::Times { e3 });
            let mut playback = replay.start("paced", Keep::default()).unwrap();
            while !playback.is_finished() {
                if playback.poll().unwrap() == 0 {
                    clock.advance(playback.due_in_ns());
                }
            }
            let paced = playback.into_outcome();
            prop_assert_eq!(paced.digest.unwrap().to_string(), digest(&whole));
        }

        // A range in time is a range of each journal by its own order.
        let (from, to) = (50 + range.0.min(range.1), 50 + range.0.max(range.1));
        let begins = whole.iter().map(Record::ts_recv_ns);
        let starts = journals.iter().filter_map(|journal| journal.first());
        let first = starts.map(Record::ts_recv_ns).min();
        let last = begins.max();
        let ranged = merged(&directories)
            .from(Place::Time(from))
            .to(Place::Time(to))
            .run("ranged", Keep::default());
        match (first, last) {
            (Some(first), Some(last)) if from >= first && to <= last => {
                let cut: Vec<Vec<_>> = journals
                    .iter()
                    .map(|records| {
                        let time = |record: &&Record<Tick>| record.ts_recv_ns();
                        let begin = records.iter().position(|r| time(&r) >= from);
                        let begin = begin.unwrap_or(records.len());
                        let later = records[begin..].iter().position(|r| time(&r) > to);
                        let end = later.map_or(records.len(), |later| begin + later);
                        records[begin..end].to_vec()
                    })
                    .collect();
                let digest_of_range = ranged.unwrap().digest.unwrap().to_string();
                prop_assert_eq!(digest_of_range, digest(&oracle(&cut)));
            }
            _ => {
                let refused = matches!(ranged, Err(Error::Config { .. }));
                prop_assert!(refused, "{from} to {to} of {first:?} to {last:?}");
            }
        }
    }
}

fn refused(directories: &[PathBuf]) -> String {
    match Replay::<Tick>::merge(directories) {
        Err(error @ Error::Config { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_would_be_given_twice_is_refused() {
    let folder = Folder::new();
    let (one, copy, empty) = (
        folder.join("one"),
        folder.join("copy"),
        folder.join("empty"),
    );
    let records: Vec<_> = (1..=9_000).map(|number| tick(number, number, 0)).collect();
    write(&one, &records, 4_000);
    write::<Tick>(&empty, &[], 1);
    fs::create_dir(&copy).unwrap();
    let mut segments: Vec<_> = fs::read_dir(&one)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "tape")
        })
        .collect();
    segments.sort();
    assert_eq!(segments.len(), 3);
    for segment in &segments[1..] {
        fs::copy(segment, copy.join(segment.file_name().unwrap())).unwrap();
    }

    let message = refused(&[one.clone(), one.join("../one")]);
    assert!(
        message.contains("are the same journal, with the records 1 to 9000"),
        "{message}"
    );
    let message = refused(&[one.clone(), copy.clone()]);
    assert!(
        message.contains("with the records 4001 to 9000 in both"),
        "{message}"
    );
    assert!(message.contains(copy.to_str().unwrap()), "{message}");
    refused(&[empty.clone(), empty.clone()]);
    refused(&[]);

    // Parts that do not overlap are one journal again, in whatever order they are named.
    for segment in &segments[1..] {
        fs::remove_file(segment).unwrap();
    }
    let joined = merged(&[copy, one.clone(), empty])
        .run("joined", Keep::default())
        .unwrap();
    assert_eq!(joined.digest.unwrap().to_string(), digest(&records));

    let by_sequence = merged(&[one.clone(), folder.join("two")].map(|directory| {
        write(&directory, &records[..0], 1);
        directory
    }));
    let error = by_sequence
        .from(Place::Sequence(Sequence::FIRST))
        .run("by sequence", Keep::default());
    let message = error.unwrap_err().to_string();
    assert!(message.contains("merge of 2 journals"), "{message}");
    assert!(replay(&one).run("one", Keep::default()).is_ok());
}
