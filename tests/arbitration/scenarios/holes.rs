//! What lines lose, bring late or bring twice, and settings that cannot work.

use super::{A, B, HOLD_NS, all, expect, rig};
use crate::rig::Fault::None as Whole;
use crate::rig::Item::{End, Gap, Start as Started};
use crate::rig::Rig;
use ringtape::error::Error;
use ringtape::feed::{FeedConfig, NasdaqFeed, Start, session_name};
use ringtape::record::GapCause::{Absent, Window};

#[test]
fn a_sequence_that_begins_again_delivers_nothing_and_is_seen_on_the_line_that_did_it() {
    let mut rig = rig();
    rig.packet(A, 1, 10, Whole, 0);
    rig.packet(B, 1, 10, Whole, 0);
    rig.packet(A, 1, 4, Whole, 1);
    rig.packet(A, 9, 5, Whole, 2);
    expect(&mut rig, &[vec![Started(1)], all(1, 13)]);
    let ledger = rig.ledger();
    let line = |line: usize| {
        (
            ledger.lines()[line].duplicates,
            ledger.lines()[line].went_back,
        )
    };
    assert_eq!(line(A), (6, 6));
    assert_eq!(line(B), (10, 0), "a slower line repeats nothing of its own");
}

#[test]
fn two_whole_lines_give_each_number_once_and_the_slower_line_only_duplicates() {
    let mut rig = rig();
    for first in [1, 6, 11] {
        rig.packet(A, first, 5, Whole, 0);
        rig.packet(B, first, 5, Whole, 0);
    }
    expect(&mut rig, &[vec![Started(1)], all(1, 15)]);
    let ledger = rig.ledger();
    assert!(ledger.closes());
    assert_eq!((ledger.expected, ledger.first_arrival), (15, 15));
    assert_eq!(
        (ledger.lines()[A].won, ledger.lines()[B].duplicates),
        (15, 15)
    );
    assert_eq!((ledger.empty_messages, ledger.unknown_messages), (2, 3));
    assert_eq!(ledger.messages_by_type[usize::from(b'?')], 3);
    assert_eq!(ledger.messages_by_type[usize::from(b'I')], 2);
    assert_eq!(
        ledger.events,
        8 + 2 * 2 + 1,
        "two events an imbalance, and one derived instrument"
    );
    assert_eq!(ledger.instruments, 1);
}

#[test]
fn what_one_line_lost_the_other_heals_in_order() {
    let mut rig = rig();
    rig.packet(A, 1, 2, Whole, 0);
    rig.packet(A, 5, 3, Whole, 10);
    expect(&mut rig, &[vec![Started(1)], all(1, 2)]);
    rig.packet(B, 1, 5, Whole, 20);
    expect(&mut rig, &[all(3, 7)]);
    let ledger = rig.ledger();
    assert_eq!(
        (ledger.first_arrival, ledger.other_line, ledger.reordered),
        (5, 2, 0)
    );
    assert_eq!(
        (ledger.lines()[B].won, ledger.lines()[B].duplicates),
        (2, 3)
    );
}

#[test]
fn a_line_that_reorders_its_own_packets_heals_itself() {
    let mut rig = rig();
    rig.packet(A, 4, 3, Whole, 0);
    rig.packet(A, 1, 3, Whole, 10);
    expect(&mut rig, &[vec![Started(1)], all(1, 6)]);
    assert_eq!(rig.ledger().reordered, 3);
}

#[test]
fn what_both_lines_lost_becomes_a_gap_when_the_hold_time_is_over_and_not_before() {
    let mut rig = rig();
    for line in [A, B] {
        rig.packet(line, 1, 2, Whole, 10);
        rig.packet(line, 5, 1, Whole, 10);
    }
    rig.packet(A, 8, 2, Whole, 60);
    rig.time(10 + HOLD_NS - 1);
    expect(&mut rig, &[vec![Started(1)], all(1, 2)]);
    rig.time(10 + HOLD_NS);
    expect(&mut rig, &[vec![Gap(3, 4, Absent)], all(5, 5)]);
    rig.time(60 + HOLD_NS);
    expect(&mut rig, &[vec![Gap(6, 7, Absent)], all(8, 9)]);
    let ledger = rig.ledger();
    assert!(ledger.closes());
    assert_eq!((ledger.expected, ledger.lost_absent), (9, 4));
}

#[test]
fn one_expiry_publishes_neighbouring_holes_of_one_cause_as_one_gap() {
    let mut rig = rig();
    rig.heartbeat(A, 3, 0);
    rig.heartbeat(B, 6, 10);
    rig.time(500);
    expect(&mut rig, &[vec![Started(1), Gap(1, 5, Absent)]]);
}

#[test]
fn a_message_that_comes_after_its_gap_is_late_and_not_delivered() {
    let mut rig = rig();
    rig.packet(A, 3, 1, Whole, 0);
    rig.time(HOLD_NS);
    expect(&mut rig, &[vec![Started(1), Gap(1, 2, Absent)], all(3, 3)]);
    rig.packet(B, 1, 3, Whole, HOLD_NS);
    expect(&mut rig, &[]);
    let ledger = rig.ledger();
    assert_eq!(
        (ledger.lines()[B].late, ledger.lines()[B].duplicates),
        (2, 1)
    );
    assert!(ledger.closes());
}

#[test]
fn a_jump_of_any_size_is_one_gap_and_leaves_the_window_to_be_healed() {
    let mut rig = rig();
    rig.packet(A, 1, 3, Whole, 0);
    let far = 1 << 60;
    rig.packet(A, far, 2, Whole, 0);
    let oldest = far + 2 - 64;
    expect(
        &mut rig,
        &[
            vec![Started(1)],
            all(1, 3),
            vec![Gap(4, oldest - 1, Window)],
        ],
    );
    rig.close(0);
    assert_eq!(rig.news()[0], Gap(oldest, far - 1, Absent));
    assert_eq!(rig.ledger().expected, far + 1);
    assert!(rig.ledger().closes());
}

#[test]
fn numbers_up_to_the_last_of_64_bits_are_accounted_for() {
    let mut rig = rig();
    rig.heartbeat(A, u64::MAX, 0);
    rig.end_of_session(B, u64::MAX, 0);
    rig.close(0);
    let items = rig.news();
    assert_eq!(items[1], Gap(1, u64::MAX - 1 - 64, Window));
    assert_eq!(
        items[2..],
        [Gap(u64::MAX - 64, u64::MAX - 1, Absent), End(u64::MAX)]
    );
    assert!(rig.ledger().closes());
}

#[test]
fn without_a_hold_time_a_hole_is_a_gap_at_once() {
    let mut rig = Rig::new(Start::At(1), 0, 64);
    rig.packet(A, 3, 1, Whole, 0);
    rig.heartbeat(A, 6, 0);
    expect(
        &mut rig,
        &[
            vec![Started(1), Gap(1, 2, Absent)],
            all(3, 3),
            vec![Gap(4, 5, Absent)],
        ],
    );
}

#[test]
fn a_heartbeat_spends_no_number_and_tells_of_a_loss_at_the_end() {
    let mut rig = rig();
    rig.packet(A, 1, 3, Whole, 0);
    rig.heartbeat(A, 4, 10);
    rig.packet(A, 4, 1, Whole, 20);
    rig.time(1_000);
    expect(&mut rig, &[vec![Started(1)], all(1, 4)]);
    rig.heartbeat(B, 7, 1_000);
    rig.time(1_000 + HOLD_NS);
    expect(&mut rig, &[vec![Gap(5, 6, Absent)]]);
    assert_eq!((rig.ledger().heartbeats, rig.ledger().expected), (2, 6));
}

#[test]
fn a_packet_far_longer_than_the_window_passes_whole_and_with_holes() {
    let empty = [&b""[..]; 20_000];
    let mut rig = Rig::new(Start::At(1), HOLD_NS, 2);
    rig.messages(A, 10, &empty, 0);
    expect(&mut rig, &[vec![Started(1), Gap(1, 9, Window)]]);
    assert_eq!(rig.ledger().first_arrival, 20_000);

    // Every other message is a short one: the most gaps that a datagram can make.
    let mut rig = Rig::new(Start::At(1), HOLD_NS, 2);
    let alternating: Vec<&[u8]> = (0..10_000)
        .map(|n| if n % 2 == 0 { &b"D"[..] } else { b"?" })
        .collect();
    rig.messages(A, 10, &alternating, 0);
    rig.close(0);
    let ledger = rig.ledger();
    assert_eq!(
        (ledger.lost_malformed, ledger.unknown_messages),
        (5_000, 5_000)
    );
    assert!(ledger.closes());
}

#[test]
fn settings_that_cannot_work_are_refused_with_a_remedy() {
    let good = FeedConfig::default;
    let bad = [
        FeedConfig {
            lines: vec![],
            ..good()
        },
        FeedConfig {
            lines: vec!["A".to_owned(); 9],
            ..good()
        },
        FeedConfig {
            window_messages: 0,
            ..good()
        },
        FeedConfig {
            window_messages: 1,
            ..good()
        },
        FeedConfig {
            window_messages: 4095,
            ..good()
        },
        FeedConfig {
            window_messages: 1 << 21,
            ..good()
        },
        FeedConfig {
            session: Some(session_name(b"tab\t567890")),
            ..good()
        },
        FeedConfig {
            midnight_ns: u64::MAX,
            ..good()
        },
        FeedConfig {
            start: Start::At(0),
            ..good()
        },
    ];
    for config in bad {
        let error = NasdaqFeed::new(config).expect_err("refused");
        assert!(matches!(error, Error::Config { .. }), "{error}");
    }
    assert!(NasdaqFeed::new(good()).is_ok());
}
