use super::*;
use crate::torture::{Between, Burst, Corrupt, Delay, Reorder, Share};

const PACKETS: u64 = 2_000;

/// Sends one packet each microsecond, with its number behind a header of two bytes.
fn arrivals(seed: u64, line: usize, scenario: &LineScenario) -> (Vec<Due<()>>, FaultCounts) {
    let mut faults = Faults::new(seed, line, scenario.clone());
    let mut arrived = Vec::new();
    for number in 0..PACKETS {
        let mut bytes = b"HH".to_vec();
        bytes.extend_from_slice(&number.to_be_bytes());
        let packet = Packet {
            ts_ns: number * 1_000,
            bytes: &bytes,
            header_bytes: 2,
            brings: (),
        };
        faults.take(packet, &mut arrived);
    }
    faults.finish(&mut arrived);
    arrived.sort_by_key(|due| due.due_ns);
    (arrived, faults.counts())
}

fn share(percent: u32) -> Share {
    Share::from_ppm(percent * 10_000).expect("at most all")
}

#[test]
fn a_line_without_faults_passes_everything_on_as_it_is() {
    let (arrived, counts) = arrivals(1, 0, &LineScenario::default());
    assert_eq!(arrived.len() as u64, PACKETS);
    assert!(
        arrived
            .iter()
            .all(|due| due.intact && due.bytes.len() == 10)
    );
    assert!((0..).zip(&arrived).all(|(n, due)| due.due_ns == n * 1_000));
    assert_eq!(counts.arrived, PACKETS);
}

#[test]
fn the_same_seed_gives_the_same_fates_and_a_share_changes_no_other_faults_draws() {
    let lossy = LineScenario {
        loss: share(20),
        ..LineScenario::default()
    };
    assert_eq!(arrivals(1, 0, &lossy), arrivals(1, 0, &lossy));
    assert_ne!(arrivals(1, 0, &lossy), arrivals(2, 0, &lossy));
    assert_ne!(arrivals(1, 0, &lossy), arrivals(1, 1, &lossy));
    let more = LineScenario {
        differ: share(50),
        truncate: share(10),
        ..lossy.clone()
    };
    let kept = |scenario| {
        let (arrived, _) = arrivals(1, 0, scenario);
        arrived
            .into_iter()
            .map(|due| due.ordinal)
            .collect::<Vec<_>>()
    };
    assert_eq!(kept(&lossy), kept(&more));
}

#[test]
fn each_fault_does_what_it_says_as_often_as_it_says() {
    let (arrived, counts) = arrivals(
        3,
        0,
        &LineScenario {
            loss: share(20),
            ..LineScenario::default()
        },
    );
    assert!((300..500).contains(&counts.lost), "{counts:?}");
    assert_eq!(arrived.len() as u64, PACKETS - counts.lost);

    let (_, counts) = arrivals(
        3,
        0,
        &LineScenario {
            burst: Some(Burst {
                share: share(1),
                packets: Between::new(5, 5).expect("a range"),
            }),
            ..LineScenario::default()
        },
    );
    assert!((60..140).contains(&counts.lost_in_bursts), "{counts:?}");

    let (arrived, counts) = arrivals(
        3,
        0,
        &LineScenario {
            duplicate: share(10),
            ..LineScenario::default()
        },
    );
    assert_eq!(arrived.len() as u64, PACKETS + counts.duplicated);
    assert!((150..250).contains(&counts.duplicated));

    let (arrived, counts) = arrivals(
        3,
        0,
        &LineScenario {
            silences: vec![(100_000, 200_000)],
            ..LineScenario::default()
        },
    );
    assert_eq!(
        (counts.silenced, arrived.len() as u64),
        (100, PACKETS - 100)
    );
}

#[test]
fn reordered_packets_arrive_behind_as_many_as_was_said_and_the_others_keep_their_order() {
    let behind = Behind::Packets(Between::new(3, 3).expect("a range"));
    let (arrived, counts) = arrivals(
        4,
        0,
        &LineScenario {
            reorder: Some(Reorder {
                share: share(1),
                behind,
            }),
            ..LineScenario::default()
        },
    );
    assert!(counts.reordered > 5);
    assert_eq!(arrived.len() as u64, PACKETS);
    for (place, due) in arrived.iter().enumerate() {
        let overtaken = arrived[..place]
            .iter()
            .filter(|other| other.ordinal > due.ordinal);
        let overtaken = overtaken.count();
        assert!(overtaken == 0 || overtaken >= 3 || place + 3 > arrived.len());
    }

    let delay = Delay {
        share: share(1),
        ns: 50_000,
    };
    let (arrived, counts) = arrivals(
        4,
        0,
        &LineScenario {
            delay: Some(delay),
            jitter_ns: 5_000,
            ..LineScenario::default()
        },
    );
    assert!(counts.delayed > 5);
    assert!(
        arrived.is_sorted_by_key(|due| due.ordinal),
        "a delay keeps the order"
    );
}

#[test]
fn damage_stays_where_it_belongs() {
    let (arrived, counts) = arrivals(
        5,
        0,
        &LineScenario {
            corrupt: Corrupt {
                header: share(10),
                message: share(10),
            },
            truncate: share(5),
            differ: share(5),
            ..LineScenario::default()
        },
    );
    let damaged = arrived.iter().filter(|due| !due.intact).count() as u64;
    assert!(damaged > 300);
    for count in [
        counts.corrupt_headers,
        counts.corrupt_messages,
        counts.truncated,
        counts.differing,
    ] {
        assert!((50..300).contains(&count), "{counts:?}");
    }
    for due in &arrived {
        let mut sent = b"HH".to_vec();
        sent.extend_from_slice(&due.ordinal.to_be_bytes());
        assert_eq!(due.intact, due.bytes == sent);
        assert!(!due.bytes.is_empty());
    }
}
