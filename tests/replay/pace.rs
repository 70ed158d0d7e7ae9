//! Records come when they are due, and not before.

use super::rig::{Folder, Keep, calls, digest, mixed, replay, write};
use ringtape::clock::{Clock, ManualClock};
use ringtape::error::Error;
use ringtape::replay::Speed;

#[test]
fn at_each_moment_just_what_is_due_was_given() {
    let folder = Folder::new();
    let records = mixed();
    // In one frame: a datagram that two frames part ends a batch twice.
    write(&folder.0, &records, records.len());
    let first_ns = records[0].ts_recv_ns();
    for e3 in [1_000, 250, 10_000] {
        let clock = ManualClock::new(1_000_000);
        let replay = replay(&folder.0)
            .clock(clock.clone())
            .speed(Speed::Times { e3 });
        let mut playback = replay.start("paced", Keep::default()).unwrap();
        for elapsed_ns in 0..=1_000_u64 {
            while playback.poll().unwrap() > 0 {}
            let due_ns = first_ns + elapsed_ns * e3 / 1_000;
            let due = records.partition_point(|record| record.ts_recv_ns() <= due_ns);
            assert_eq!(
                playback.tally().records(),
                due as u64,
                "{elapsed_ns} ns, {e3}"
            );
            assert_eq!(playback.is_finished(), due == records.len());
            if playback.is_finished() {
                break;
            }
            let next_ns = records[due].ts_recv_ns();
            let left_ns = (next_ns - due_ns) * 1_000 / e3;
            assert!(
                playback.due_in_ns().abs_diff(left_ns) <= 1,
                "{elapsed_ns} ns, {e3}"
            );
            clock.advance(1);
        }
        assert!(playback.is_finished());
        let outcome = playback.into_outcome();
        let keep = outcome.handler.unwrap();
        assert_eq!(keep.0, calls(&records));
        assert_eq!(outcome.digest.unwrap().to_string(), digest(&records));
    }
}

/// A clock on which time passes by being read.
#[derive(Clone)]
struct Ticking(ManualClock);

impl Clock for Ticking {
    fn now_ns(&self) -> u64 {
        self.0.advance(3);
        self.0.now_ns()
    }
}

#[test]
fn run_waits_until_the_last_record_was_due() {
    let folder = Folder::new();
    let records = mixed();
    write(&folder.0, &records, 7);
    let clock = ManualClock::new(0);
    let outcome = replay(&folder.0)
        .clock(Ticking(clock.clone()))
        .speed(Speed::REAL_TIME)
        .run("real time", Keep::default())
        .unwrap();
    assert_eq!(outcome.digest.unwrap().to_string(), digest(&records));
    let last_ns = records.last().unwrap().ts_recv_ns() - records[0].ts_recv_ns();
    assert!(
        (last_ns..last_ns + 9).contains(&clock.now_ns()),
        "{}",
        clock.now_ns()
    );
}

/// A clock that nobody may read.
#[derive(Clone)]
struct Broken;

impl Clock for Broken {
    fn now_ns(&self) -> u64 {
        panic!("somebody read the clock")
    }
}

#[test]
fn at_full_speed_no_clock_is_read() {
    let folder = Folder::new();
    write(&folder.0, &mixed(), 5);
    let outcome = replay(&folder.0)
        .clock(Broken)
        .run("fast", Keep::default())
        .unwrap();
    assert_eq!(outcome.digest.unwrap().to_string(), digest(&mixed()));
}

#[test]
fn a_clock_that_is_set_back_holds_records_back_and_loses_none() {
    let folder = Folder::new();
    let records = mixed();
    write(&folder.0, &records, 40);
    let clock = ManualClock::new(500);
    let replay = replay(&folder.0)
        .clock(clock.clone())
        .speed(Speed::REAL_TIME);
    let mut playback = replay.start("set back", Keep::default()).unwrap();
    clock.advance(50);
    while playback.poll().unwrap() > 0 {}
    let before = *playback.tally();
    clock.advance(u64::MAX - 540);
    assert_eq!(clock.now_ns(), 9);
    assert_eq!(playback.poll().unwrap(), 0);
    assert_eq!(*playback.tally(), before);
    clock.advance(5_000);
    while !playback.is_finished() {
        playback.poll().unwrap();
    }
    assert_eq!(
        playback.into_outcome().digest.unwrap().to_string(),
        digest(&records)
    );
}

#[test]
fn a_speed_of_nothing_is_refused() {
    let folder = Folder::new();
    write(&folder.0, &mixed(), 5);
    let stopped = replay(&folder.0).speed(Speed::Times { e3: 0 });
    let error = stopped.run("stopped", Keep::default()).unwrap_err();
    assert!(matches!(error, Error::Config { .. }), "{error}");
}
