//! What the lines say of each other: copies that differ, who is ahead, silence, and sequences that
//! begin again.

use crate::rig::Fault::None as Whole;
use crate::rig::{Item, Rig, message};
use ringtape::feed::{FeedConfig, LineLedger, Start};
use ringtape::record::GapCause::Absent;

fn rig() -> Rig {
    Rig::new(Start::At(1), 1_000, 64)
}

fn altered(number: u64) -> Vec<u8> {
    let mut altered = message(number);
    if let Some(last) = altered.last_mut() {
        *last ^= 1;
    }
    altered
}

fn mismatched(rig: &Rig) -> Vec<u64> {
    let ledger = rig.ledger();
    ledger.lines().iter().map(|line| line.mismatched).collect()
}

#[test]
fn a_copy_with_other_bytes_is_counted_and_the_first_one_wins() {
    let mut rig = rig();
    rig.packet(0, 2, 4, Whole, 0);
    rig.packet(0, 1, 1, Whole, 1);
    // Delivered in order, held and delivered, and cut into other packets.
    rig.packet(0, 6, 4, Whole, 2);
    rig.news();
    for number in 1..=9 {
        rig.messages(1, number, &[&message(number)], 10);
    }
    assert_eq!(mismatched(&rig), [0, 0]);
    rig.messages(
        1,
        2,
        &[&message(2), &altered(3), &message(4), &altered(5)],
        11,
    );
    assert_eq!(mismatched(&rig), [0, 2]);
    // What still waits is compared byte by byte.
    rig.packet(0, 12, 1, Whole, 20);
    rig.messages(1, 12, &[&altered(12)], 20);
    assert_eq!(mismatched(&rig), [0, 3]);
    rig.packet(1, 10, 2, Whole, 21);
    assert_eq!(rig.news().last(), Some(&Item::Event(12)));
    assert!(rig.ledger().closes());
}

#[test]
fn what_was_given_up_or_lies_a_window_back_is_compared_with_nothing() {
    let mut rig = rig();
    rig.packet(0, 3, 1, Whole, 0);
    rig.time(1_000);
    rig.messages(1, 2, &[&altered(2)], 1_001);
    assert_eq!(mismatched(&rig), [0, 0]);
    for number in 4..200 {
        rig.packet(0, number, 1, Whole, 2_000);
    }
    rig.messages(1, 199 - 64, &[&altered(199 - 64)], 2_001);
    assert_eq!(mismatched(&rig), [0, 0], "number 135 is 65 back");
    rig.messages(1, 199 - 63, &[&altered(199 - 63)], 2_001);
    assert_eq!(mismatched(&rig), [0, 1]);
}

#[test]
fn the_margin_of_a_line_is_measured_once_for_each_packet_that_both_brought() {
    let mut rig = rig();
    rig.packet(0, 1, 3, Whole, 100);
    rig.packet(1, 1, 3, Whole, 130);
    rig.packet(1, 4, 2, Whole, 200);
    rig.packet(0, 4, 2, Whole, 250);
    rig.packet(0, 6, 2, Whole, 300);
    assert_eq!(rig.ahead(), [(1, 30), (1, 50)]);
}

#[test]
fn a_silent_line_is_counted_and_a_silent_feed_is_on_the_bus() {
    let mut rig = Rig::with(FeedConfig {
        start: Start::At(1),
        silence_ns: 1_000,
        ..FeedConfig::default()
    });
    rig.time(50_000);
    assert_eq!(rig.news(), [], "nothing has begun that could fall silent");
    rig.packet(0, 2, 1, Whole, 100_000);
    rig.packet(0, 1, 1, Whole, 100_500);
    rig.news();
    rig.time(101_000);
    let silences = |rig: &Rig| {
        let ledger = rig.ledger();
        let lines = ledger.lines().iter().map(|line| line.silences).collect();
        (ledger.silences, lines)
    };
    assert_eq!(
        silences(&rig),
        (0, vec![0, 1]),
        "line B brought nothing yet"
    );
    rig.time(101_499);
    assert_eq!(rig.news(), []);
    rig.time(101_500);
    rig.time(109_000);
    assert_eq!(rig.news(), [Item::Silent], "once");
    assert_eq!(silences(&rig), (1, vec![1, 1]));
    rig.heartbeat(1, 3, 109_500);
    assert_eq!(rig.news(), [Item::Resumed]);
    assert_eq!(rig.ledger().lines()[1].longest_silence_ns, 9_500);
    rig.end_of_session(1, 3, 109_600);
    rig.news();
    rig.time(200_000);
    assert_eq!(rig.news(), [], "an ended session may be silent");
}

#[test]
fn a_sequence_that_begins_again_is_followed_and_what_was_missing_is_a_gap() {
    let mut rig = rig();
    rig.packet(0, 1, 70, Whole, 0);
    rig.packet(0, 73, 1, Whole, 10);
    rig.news();
    rig.packet(0, 1, 3, Whole, 20);
    let expected = [
        Item::Gap(71, 72, Absent),
        Item::Event(73),
        Item::Restart(1),
        Item::Letter(1),
        Item::Event(2),
        Item::Event(3),
    ];
    assert_eq!(rig.news(), expected);
    // Line B, which had not come far enough for a step back to be seen, is believed to follow.
    rig.packet(1, 4, 1, Whole, 30);
    assert_eq!(rig.news(), [Item::Event(4)]);
    let ledger = rig.ledger();
    assert_eq!((ledger.restarts, ledger.expected), (1, 77));
    assert!(ledger.closes());
    assert_eq!(mismatched(&rig), [0, 0]);
}

#[test]
fn a_line_that_lags_behind_a_restart_is_not_mixed_with_the_new_sequence() {
    let mut rig = rig();
    rig.packet(0, 1, 100, Whole, 0);
    rig.packet(1, 1, 90, Whole, 0);
    rig.packet(0, 1, 1, Whole, 10);
    rig.news();
    rig.packet(1, 91, 10, Whole, 20);
    assert_eq!(rig.news(), []);
    assert_eq!(rig.ledger().before_restart, 10);
    rig.packet(1, 1, 1, Whole, 30);
    rig.packet(1, 2, 1, Whole, 40);
    assert_eq!(rig.news(), [Item::Event(2)]);
    assert_eq!(rig.ledger().restarts, 1);
}

#[test]
fn one_stray_packet_from_long_ago_begins_nothing() {
    let mut rig = rig();
    rig.packet(0, 1, 100, Whole, 0);
    rig.news();
    rig.packet(0, 20, 2, Whole, 10);
    rig.packet(0, 101, 1, Whole, 20);
    assert_eq!(rig.news(), [Item::Event(101)]);
    rig.packet(0, 20, 2, Whole, 30);
    rig.packet(0, 22, 2, Whole, 40);
    // Its first packet and what came before are named: they are of the new sequence.
    let expected = [Item::Restart(1)];
    assert_eq!(rig.news(), expected);
    rig.time(1_040);
    let expected = [Item::Gap(1, 21, Absent), Item::Letter(22), Item::Event(23)];
    assert_eq!(rig.news(), expected);
}

#[test]
fn a_restart_does_not_happen_to_a_session_that_has_ended() {
    let mut rig = rig();
    rig.packet(0, 1, 100, Whole, 0);
    rig.end_of_session(0, 101, 1);
    rig.news();
    rig.packet(0, 1, 3, Whole, 10);
    assert_eq!(rig.news(), []);
    assert!(rig.ended());
}

#[test]
fn a_line_that_was_away_during_a_restart_is_used_again_wherever_it_comes_back() {
    let mut rig = rig();
    for line in [0, 1] {
        rig.packet(line, 1, 100, Whole, 0);
    }
    // Line B is away while line A begins again, and comes back beyond where it left.
    for first in (1..=191).step_by(10) {
        rig.packet(0, first, 10, Whole, first);
    }
    rig.news();
    rig.packet(1, 201, 2, Whole, 300);
    assert_eq!(rig.news(), [Item::Event(201), Item::Event(202)]);
    let ledger = rig.ledger();
    assert_eq!((ledger.restarts, ledger.before_restart), (1, 0));
    assert_eq!(ledger.lines()[1].won, 2);
}

#[test]
fn a_copy_that_was_taken_for_a_restart_costs_neither_line_its_use() {
    let mut rig = rig();
    for line in [0, 1] {
        rig.packet(line, 1, 100, Whole, 0);
    }
    rig.packet(0, 1, 1, Whole, 10);
    rig.packet(0, 101, 2, Whole, 20);
    rig.time(1_020);
    rig.news();
    rig.packet(1, 103, 2, Whole, 2_000);
    assert_eq!(rig.news(), [Item::Event(103), Item::Event(104)]);
    assert!(rig.ledger().closes());
}

#[test]
fn what_only_a_line_in_the_past_brought_of_the_old_sequence_is_counted_as_beyond_its_end() {
    let mut rig = rig();
    rig.packet(0, 1, 200, Whole, 0);
    rig.packet(1, 1, 190, Whole, 0);
    rig.packet(0, 1, 1, Whole, 10);
    rig.packet(1, 191, 15, Whole, 20);
    let ledger = rig.ledger();
    assert_eq!((ledger.before_restart, ledger.after_end), (10, 5));
}

#[test]
fn what_brings_no_message_begins_nothing_again() {
    let mut rig = rig();
    rig.packet(0, 1, 100, Whole, 0);
    rig.news();
    for now_ns in 1..4 {
        rig.heartbeat(0, 0, now_ns);
        rig.heartbeat(0, 1, now_ns);
        rig.heartbeat(0, 20, now_ns);
    }
    rig.packet(0, 101, 1, Whole, 5);
    for now_ns in 6..8 {
        rig.end_of_session(0, 1, now_ns);
    }
    assert_eq!(rig.news(), [Item::Event(101), Item::End(102)]);
    assert_eq!(rig.ledger().restarts, 0);
}

/// A feed of which every line has been silent for so long that it was told.
fn silenced() -> Rig {
    let mut rig = Rig::with(FeedConfig {
        start: Start::At(1),
        silence_ns: 1_000,
        ..FeedConfig::default()
    });
    rig.packet(0, 1, 3, Whole, 10);
    rig.time(2_000);
    assert_eq!(rig.news().last(), Some(&Item::Silent));
    rig
}

const NEXT: [u8; 10] = *b"000000002B";

#[test]
fn a_session_that_fell_silent_gives_way_to_the_next_although_nobody_told_its_end() {
    let mut rig = silenced();
    rig.packet_of(NEXT, 0, 1, 3, Whole, 3_000);
    let [two, three] = [2, 3].map(Item::Event);
    let expected = [Item::Start(1), Item::Resumed, Item::Letter(1), two, three];
    assert_eq!(rig.news(), expected);
    rig.packet(0, 4, 1, Whole, 3_100);
    rig.packet(0, 3, 1, Whole, 3_200);
    let ledger = rig.ledger();
    assert_eq!((ledger.wrong_session, ledger.ended_session), (1, 1));
    assert_eq!(ledger.left_sessions, 1);
    assert!(ledger.closes());
}

#[test]
fn one_stray_packet_of_another_session_during_a_silence_changes_nothing_for_long() {
    let mut rig = silenced();
    rig.packet_of(NEXT, 0, 50, 3, Whole, 3_000);
    assert_eq!(rig.news(), [], "not a session's beginning");
    rig.packet(0, 4, 1, Whole, 3_100);
    assert_eq!(rig.news(), [Item::Resumed, Item::Event(4)]);
    rig.time(5_000);
    // It looks like a beginning, and is none: the old session goes on.
    rig.heartbeat_of(NEXT, 1, 1, 5_100);
    rig.time(7_000);
    rig.news();
    rig.packet(0, 5, 1, Whole, 7_100);
    rig.packet(0, 6, 1, Whole, 7_200);
    assert_eq!(rig.news(), [Item::Start(5), Item::Resumed]);
    rig.packet(1, 5, 1, Whole, 7_300);
    assert_eq!(rig.news(), [Item::Event(5), Item::Event(6)]);
    rig.close(9_000);
    assert_eq!(rig.ledger().expected, 6);
    assert!(rig.ledger().closes());
}

#[test]
fn a_new_session_makes_no_line_silent_for_the_time_between_the_sessions() {
    let mut rig = Rig::with(FeedConfig {
        start: Start::At(1),
        silence_ns: 1_000,
        ..FeedConfig::default()
    });
    rig.packet(0, 1, 1, Whole, 10);
    rig.packet(1, 1, 1, Whole, 20);
    rig.end_of_session(0, 2, 30);
    rig.packet_of(NEXT, 0, 1, 1, Whole, 1_000_000);
    rig.time(1_000_001);
    rig.packet_of(NEXT, 1, 1, 1, Whole, 1_000_002);
    let ledger = rig.ledger();
    let silences = |line: &LineLedger| (line.silences, line.longest_silence_ns);
    let silences: Vec<_> = ledger.lines().iter().map(silences).collect();
    assert_eq!(silences, [(0, 20), (0, 10)]);
}

#[test]
fn a_clock_that_steps_back_hides_no_silence_for_longer_than_usual() {
    let mut rig = Rig::with(FeedConfig {
        start: Start::At(1),
        silence_ns: 1_000,
        ..FeedConfig::default()
    });
    rig.packet(0, 1, 2, Whole, 5_000_000);
    rig.packet(1, 1, 2, Whole, 5_000_000);
    rig.news();
    rig.time(10);
    rig.time(1_009);
    assert_eq!(rig.news(), []);
    rig.time(1_010);
    assert_eq!(rig.news(), [Item::Silent]);
}
