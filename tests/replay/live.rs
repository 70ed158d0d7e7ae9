//! A handler that a slow consumer made lose records, and a recorder beside it that lost the same,
//! agree on what they were given.

use super::rig::{Call, Folder, Keep, Tick, replay};
use ringtape::bus::{Delivery, Passage, Publisher, Subscription};
use ringtape::clock::SystemClock;
use ringtape::journal::{Config, Writer};
use ringtape::record::{Gap, GapCause, Record};
use ringtape::stage::{HandleStage, Stage as _};

/// Small enough to be overrun.
const RING: usize = 8;

fn subscription() -> Subscription {
    Subscription {
        capacity: RING,
        ..Subscription::default()
    }
}

#[test]
fn the_overruns_of_a_live_run_are_replayed_and_digest_alike() {
    let folder = Folder::new();
    let mut publisher = Publisher::<Tick>::new(64);
    let live = publisher.subscribe(subscription()).unwrap();
    let mut live = HandleStage::new("live", live, Keep::default(), SystemClock, false);
    let mut recorder = publisher.subscribe(subscription()).unwrap();
    let mut writer = Writer::<Tick>::open(Config::new(&folder.0), 0).unwrap();

    let mut poll_recorder = |polled_at_ns: u64| {
        loop {
            let mut deliveries: Vec<Result<Record<Tick>, Gap>> = Vec::new();
            recorder.poll(64, |delivery| {
                deliveries.push(match delivery {
                    Delivery::Record { record, .. } => Ok(*record),
                    Delivery::Overrun(gap) => Err(gap),
                });
            });
            if deliveries.is_empty() {
                break;
            }
            for delivery in deliveries {
                match delivery {
                    Ok(record) => writer.append([&[record], &[]], 0).unwrap(),
                    Err(gap) => writer.append_gap(gap, polled_at_ns, 0).unwrap(),
                }
            }
        }
        recorder.is_closed()
    };

    live.start().unwrap();
    for round in 0..40_u64 {
        // Every third round brings more than the rings hold.
        for value in 0..[3, 5, 20][usize::try_from(round % 3).unwrap()] {
            publisher.batch().push_event(round * 100, &Tick(value));
            let feed_gap = Gap {
                first: 1,
                last: 1,
                cause: GapCause::Absent,
                feed: 1,
            };
            publisher.batch().push_gap(round * 100, feed_gap);
            assert!(publisher.commit(Passage::default()));
        }
        while live.poll() > 0 {}
        poll_recorder(round * 100);
    }
    drop(publisher);
    while !live.is_finished() {
        live.poll();
    }
    assert!(poll_recorder(9_999));
    writer.close().unwrap();

    let live = live.into_outcome();
    assert!(live.tally.overruns >= 13, "{:?}", live.tally);
    let replayed = replay(&folder.0).run("replayed", Keep::default()).unwrap();
    assert_eq!(
        replayed.digest.unwrap().to_string(),
        live.digest.to_string()
    );
    assert_eq!(replayed.tally, live.tally);

    // What they were called with is the same, but for `end_of_batch`, which is about waiting.
    let calls = |keep: Keep<Tick>| -> Vec<Call<Tick>> {
        let calls = keep.0.into_iter().map(|call| match call {
            Call::Event(event, mut at) => {
                at.end_of_batch = false;
                Call::Event(event, at)
            }
            other => other,
        });
        calls.collect()
    };
    assert_eq!(
        calls(replayed.handler.unwrap()),
        calls(live.handler.unwrap())
    );
}
