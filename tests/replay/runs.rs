//! Whole runs, parts of runs, and runs that end badly.

use super::rig::{Call, Folder, Keep, Tick, calls, digest, mixed, replay, write};
use ringtape::clock::ManualClock;
use ringtape::error::Error;
use ringtape::handler::{At, Handler};
use ringtape::record::{Content, Gap, Record, Sequence};
use ringtape::replay::{Place, Replay, Speed};
use std::fs;

fn at(sequence: u64) -> Place {
    Place::Sequence(Sequence::new(sequence))
}

/// The last number that a record accounts for.
fn last_of(record: &Record<Tick>) -> u64 {
    match record.content() {
        Content::Gap(gap) if gap.feed == 0 => gap.last,
        _ => record.sequence().get(),
    }
}

#[test]
fn a_handler_gets_every_record_in_order_and_is_started_and_stopped() {
    let records = mixed();
    let folder = Folder::new();
    write(&folder.0, &records, 100);
    let outcome = replay(&folder.0).run("keep", Keep::default()).unwrap();
    assert_eq!(outcome.handler.unwrap().0, calls(&records));
    assert_eq!(outcome.digest.unwrap().to_string(), digest(&records));
    let tally = outcome.tally;
    assert_eq!(
        (
            tally.gaps,
            tally.overruns,
            tally.not_journaled,
            tally.sessions,
            tally.dead_letters
        ),
        (1, 1, 1, 1, 1)
    );
    assert_eq!(tally.records(), records.len() as u64);
    let (first, last) = (outcome.first.unwrap(), outcome.last.unwrap());
    assert_eq!((first.sequence.get(), first.ts_recv_ns), (1, 1_000));
    assert_eq!((last.sequence.get(), last.ts_recv_ns), (40, 1_200));
    assert_eq!(
        (outcome.name.as_str(), outcome.filtered, outcome.torn_bytes),
        ("keep", 0, 0)
    );
}

#[test]
fn two_halves_joined_anywhere_digest_like_the_whole_at_any_speed() {
    let records = mixed();
    let folder = Folder::new();
    write(&folder.0, &records, 6);
    let whole = digest(&records);
    let ends: Vec<u64> = records.iter().map(last_of).collect();
    for end in 1..40 {
        let first = replay(&folder.0).to(at(end)).run("first", Keep::default());
        if !ends.contains(&end) {
            let error = first.unwrap_err().to_string();
            assert!(error.contains("lies in a gap from"), "{error}");
            continue;
        }
        let first = first.unwrap();
        assert_eq!(first.last.unwrap().sequence.get(), end);
        let clock = ManualClock::new(0);
        let second = replay(&folder.0)
            .from(at(end + 1))
            .continuing(first.digest.unwrap())
            .speed(Speed::Times { e3: 700 })
            .clock(clock.clone());
        let mut second = second.start("second", Keep::default()).unwrap();
        while !second.is_finished() {
            if second.poll().unwrap() == 0 {
                clock.advance(second.due_in_ns());
            }
        }
        let second = second.into_outcome();
        assert_eq!(second.first.unwrap().sequence.get(), end + 1);
        assert_eq!(second.digest.unwrap().to_string(), whole, "joined at {end}");
        let calls = first.handler.unwrap().0.len() + second.handler.unwrap().0.len();
        assert_eq!(calls, records.len() + 4);
    }
}

#[test]
fn a_range_gives_the_records_within() {
    let records = mixed();
    let folder = Folder::new();
    write(&folder.0, &records, 6);
    let run = |replay: Replay<Tick>| replay.run("range", Keep::default()).unwrap();
    for (from, to, wanted) in [
        (at(5), at(14), 5..=14),
        // What a gap covers begins with the gap.
        (at(17), at(29), 15..=29),
        (at(40), at(40), 40..=40),
        (Place::Time(1_050), at(19), 10..=19),
        (at(20), Place::Time(1_129), 20..=25),
        (Place::Time(1_000), Place::Time(1_000), 1..=1),
    ] {
        let part: Vec<_> = records
            .iter()
            .filter(|record| wanted.contains(&record.sequence().get()))
            .collect();
        let outcome = run(replay(&folder.0).from(from).to(to));
        assert_eq!(
            outcome.digest.unwrap().to_string(),
            digest(part.iter().copied())
        );
        assert_eq!(outcome.first.unwrap().sequence, part[0].sequence());
    }
}

#[test]
fn a_place_that_the_journal_does_not_have_is_refused() {
    let folder = Folder::new();
    let (full, empty) = (folder.join("full"), folder.join("empty"));
    write(&full, &mixed(), 6);
    write::<Tick>(&empty, &[], 1);
    let refused = |replay: Replay<Tick>| match replay.run("refused", Keep::default()) {
        Err(error @ Error::Config { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    for (place, message) in [
        (at(0), "the journal begins with 1"),
        (at(41), "the journal ends before 41"),
        (
            Place::Time(999),
            "the first records were received at 1000 ns",
        ),
        (Place::Time(1_201), "no record was received then or later"),
    ] {
        for replay in [replay(&full).from(place), replay(&full).to(place)] {
            let error = refused(replay);
            assert!(error.contains(message) && error.contains("full"), "{error}");
        }
        refused(replay(&empty).from(place));
        refused(replay(&empty).to(place));
    }
    refused(replay(&full).from(at(9)).to(at(8)));
    refused(
        replay(&full)
            .from(Place::Time(1_100))
            .to(Place::Time(1_099)),
    );
    // Which of a time and a number comes first is known from the records only.
    for (from, to) in [(at(21), Place::Time(1_090)), (Place::Time(1_100), at(19))] {
        let error = refused(replay(&full).from(from).to(to));
        assert!(error.contains("ends before it begins"), "{error}");
    }
    assert_eq!(
        refused(replay(&full).to(at(30)))
            .matches("end with 29 or 31")
            .count(),
        1
    );

    // Nothing was received between, which is no mistake of whoever asks.
    let quiet = replay(&full)
        .from(Place::Time(1_101))
        .to(Place::Time(1_102));
    let outcome = quiet.run("quiet", Keep::default()).unwrap();
    assert_eq!(outcome.handler.unwrap().0, [Call::Start, Call::Stop]);

    let outcome = replay(&empty).run("empty", Keep::default()).unwrap();
    assert_eq!(outcome.handler.unwrap().0, [Call::Start, Call::Stop]);
    assert_eq!((outcome.first, outcome.last), (None, None));
}

#[test]
fn a_filter_keeps_events_back_and_nothing_else() {
    let records = mixed();
    let folder = Folder::new();
    write(&folder.0, &records, 6);
    let passes = |record: &&Record<Tick>| match record.content() {
        Content::Event(Tick(value)) => value.is_multiple_of(2),
        _ => true,
    };
    let part: Vec<_> = records.iter().filter(passes).copied().collect();
    let even = |Tick(value): &Tick| value.is_multiple_of(2);
    for speed in [Speed::Max, Speed::Times { e3: u64::MAX }] {
        let replay = replay(&folder.0).filter(even).speed(speed);
        let outcome = replay.run("even", Keep::default()).unwrap();
        assert_eq!(outcome.digest.unwrap().to_string(), digest(&part));
        assert_eq!(outcome.filtered, (records.len() - part.len()) as u64);
        assert_eq!(outcome.tally.records(), part.len() as u64);
        let shown = |calls: Vec<Call<Tick>>| -> Vec<_> {
            // Where a batch ends depends on frames too; that is looked at elsewhere.
            calls
                .into_iter()
                .map(|call| match call {
                    Call::Event(event, at) => Call::Event(
                        event,
                        At {
                            end_of_batch: true,
                            ..at
                        },
                    ),
                    Call::Session(it, at) => Call::Session(
                        it,
                        At {
                            end_of_batch: true,
                            ..at
                        },
                    ),
                    Call::DeadLetter(it, at) => Call::DeadLetter(
                        it,
                        At {
                            end_of_batch: true,
                            ..at
                        },
                    ),
                    other => other,
                })
                .collect()
        };
        assert_eq!(shown(outcome.handler.unwrap().0), shown(calls(&part)));
    }
}

#[test]
fn the_last_record_of_a_datagram_that_is_given_ends_the_batch() {
    let folder = Folder::new();
    let records: Vec<_> = (1..=12).map(|n| super::rig::tick(n, n / 4, n)).collect();
    write(&folder.0, &records, 12);
    let ends = |replay: Replay<Tick>| -> Vec<u64> {
        let keep = replay
            .run("ends", Keep::default())
            .unwrap()
            .handler
            .unwrap();
        let ends = keep.0.into_iter().filter_map(|call| match call {
            Call::Event(Tick(value), at) if at.end_of_batch => Some(value),
            _ => None,
        });
        ends.collect()
    };
    assert_eq!(ends(replay(&folder.0)), [3, 7, 11, 12]);
    let without_7_and_12 = |Tick(value): &Tick| ![7, 12].contains(value);
    assert_eq!(ends(replay(&folder.0).filter(without_7_and_12)), [3, 6, 11]);
}

/// Panics on the record of this number; with 0 at the start, with `u64::MAX` at the end.
struct Panics(u64);

impl Handler<Tick> for Panics {
    fn on_start(&mut self) {
        assert!(self.0 != 0, "at the start");
    }
    fn on_event(&mut self, _: &Tick, at: At) {
        assert!(at.sequence.get() != self.0, "on purpose");
    }
    fn on_gap(&mut self, gap: Gap) {
        assert!(gap.first != self.0, "on purpose");
    }
    fn on_stop(&mut self) {
        assert!(self.0 != u64::MAX, "at the end");
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        // Once more, as it goes: the first panic is the one that is reported.
        assert!(self.0 != 21, "while dropped");
    }
}

#[test]
fn a_panic_is_reported_with_name_and_sequence_and_ends_the_replay() {
    let folder = Folder::new();
    write(&folder.0, &mixed(), 6);
    for (number, sequence, text) in [
        (0, 0, "at the start"),
        (21, 21, "on purpose"),
        (15, 15, "on purpose"),
        (u64::MAX, 40, "at the end"),
    ] {
        for speed in [Speed::Max, Speed::Times { e3: u64::MAX }] {
            let replay = replay(&folder.0).speed(speed);
            match replay.run("fragile", Panics(number)) {
                Err(Error::HandlerPanicked {
                    name,
                    sequence: found,
                    message,
                }) => {
                    assert_eq!((name.as_str(), found), ("fragile", sequence));
                    assert_eq!(message, text);
                }
                other => panic!("{:?}", other.map(|outcome| outcome.tally)),
            }
        }
    }

    let mut playback = replay(&folder.0).start("fragile", Panics(21)).unwrap();
    while playback.poll().is_ok() {}
    assert!(playback.is_finished());
    assert_eq!(playback.poll().unwrap(), 0);
    assert!(playback.stop().is_ok());
    let outcome = playback.into_outcome();
    assert!(outcome.handler.is_none());
    // Up to record 21, of which 16 to 19 are in a gap.
    assert_eq!(outcome.tally.records(), 17);
}

#[test]
fn a_replay_can_be_stopped_between_polls() {
    let folder = Folder::new();
    write(&folder.0, &mixed(), 6);
    let mut playback = replay(&folder.0).start("stopped", Keep::default()).unwrap();
    assert_eq!(playback.poll().unwrap(), 6);
    assert_eq!(playback.last().unwrap().sequence.get(), 6);
    playback.stop().unwrap();
    playback.stop().unwrap();
    assert_eq!(playback.poll().unwrap(), 0);
    let outcome = playback.into_outcome();
    assert_eq!(outcome.digest.unwrap().to_string(), digest(&mixed()[..6]));
    let stops = outcome.handler.unwrap().0;
    assert_eq!(stops.iter().filter(|call| **call == Call::Stop).count(), 1);
}

#[test]
fn damage_ends_a_replay_with_its_place_and_nothing_is_skipped() {
    let folder = Folder::new();
    let records = mixed();
    write(&folder.0, &records, 6);
    let tape = fs::read_dir(&folder.0)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.extension()
                .is_some_and(|extension| extension == "tape")
        })
        .unwrap();
    let mut bytes = fs::read(&tape).unwrap();
    // In the body of the second frame's first record.
    let frame = 256 + 64 + 6 * 64;
    bytes[frame + 64 + 20] ^= 1;
    fs::write(&tape, bytes).unwrap();

    let is_corrupt =
        |error: Error| matches!(error, Error::Corrupt { offset, .. } if offset == frame as u64);
    for speed in [Speed::Max, Speed::Times { e3: u64::MAX }] {
        let mut playback = replay(&folder.0)
            .speed(speed)
            .start("damaged", Keep::default())
            .unwrap();
        let error = loop {
            if let Err(error) = playback.poll() {
                break error;
            }
        };
        assert!(is_corrupt(error));
        assert!(is_corrupt(playback.poll().unwrap_err()), "again");
        assert!(!playback.is_finished());
        assert_eq!(
            playback.into_outcome().digest.unwrap().to_string(),
            digest(&records[..6])
        );
    }
    // What lies behind it can be replayed all the same.
    for (place, first) in [(at(13), 12), (Place::Time(1_065), 13)] {
        let behind = replay(&folder.0).from(place).run("behind", Keep::default());
        let digest_behind = behind.unwrap().digest.unwrap().to_string();
        assert_eq!(digest_behind, digest(&records[first..]));
    }
    // Whoever leaves verification out is told of nothing, and gets the other body.
    let outcome = replay(&folder.0)
        .without_verification()
        .run("trusting", Keep::default())
        .unwrap();
    assert_eq!(outcome.tally.records(), records.len() as u64);
    assert_ne!(outcome.digest.unwrap().to_string(), digest(&records));
}

#[test]
fn a_torn_tail_is_told_and_without_a_digest_there_is_none() {
    let folder = Folder::new();
    let records = mixed();
    let mut writer =
        ringtape::journal::Writer::open(ringtape::journal::Config::new(&folder.0), 0).unwrap();
    for records in records.chunks(6) {
        writer.append([records, &[]], 0).unwrap();
    }
    drop(writer);
    let tape = replay(&folder.0).journals()[0].segments()[0].path.clone();
    let bytes = fs::metadata(&tape).unwrap().len();
    fs::File::options()
        .write(true)
        .open(&tape)
        .unwrap()
        .set_len(bytes - 1)
        .unwrap();
    let whole = records.len() / 6 * 6;
    let torn = (records.len() - whole) as u64 * 64 + 64 - 1;
    let outcome = replay(&folder.0)
        .without_digest()
        .run("torn", Keep::default())
        .unwrap();
    assert_eq!(outcome.torn_bytes, torn);
    assert_eq!(outcome.tally.records(), whole as u64);
    assert!(outcome.digest.is_none());
    assert_eq!(
        outcome.last.unwrap().sequence,
        records[whole - 1].sequence()
    );
}
