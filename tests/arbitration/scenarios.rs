//! Cases with answers that can be read off. Times are nanoseconds, the hold time is 100.

use crate::rig::Fault::{Cut, None as Whole, Short, Trailing};
use crate::rig::Item::{End, Event, Gap, Letter, Start as Started};
use crate::rig::{Item, Rig, SESSION};
use ringtape::error::Error;
use ringtape::feed::{FeedConfig, NasdaqFeed, Start, session_name};
use ringtape::record::GapCause::{Absent, Malformed, Truncated, Window};

const HOLD_NS: u64 = 100;
const A: usize = 0;
const B: usize = 1;

/// The session that the venue opens as number `n`, where 0 is the usual one.
fn session(n: u8) -> [u8; 10] {
    let mut session = SESSION;
    session[9] += n;
    session
}

fn rig() -> Rig {
    Rig::new(Start::At(1), HOLD_NS, 64)
}

/// What numbers `first` to `last` bring when nothing is missing.
fn all(first: u64, last: u64) -> Vec<Item> {
    let item = |number: u64| match number % 7 {
        0 => None,
        1 => Some(Letter(number)),
        _ => Some(Event(number)),
    };
    (first..=last).filter_map(item).collect()
}

fn expect(rig: &mut Rig, parts: &[Vec<Item>]) {
    assert_eq!(rig.news(), parts.concat());
}

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
fn what_our_buffer_cut_is_lost_as_truncated_unless_the_other_line_has_it() {
    let mut rig = rig();
    rig.packet(A, 2, 4, Cut(50), 0);
    rig.packet(B, 4, 1, Whole, 0);
    rig.packet(B, 1, 1, Whole, 0);
    rig.time(HOLD_NS);
    let cut = rig.ledger().cut_messages;
    assert_eq!(cut, 3);
    expect(
        &mut rig,
        &[
            vec![Started(1)],
            all(1, 2),
            vec![Gap(3, 3, Truncated)],
            all(4, 4),
            vec![Gap(5, 5, Truncated)],
        ],
    );
    let ledger = rig.ledger();
    assert_eq!((ledger.truncated_datagrams, ledger.lost_truncated), (1, 2));
    assert!(ledger.closes());
}

#[test]
fn a_cut_message_that_the_other_line_already_brought_is_a_duplicate() {
    let mut rig = rig();
    rig.packet(B, 3, 1, Whole, 0);
    rig.packet(A, 1, 3, Cut(90), 0);
    expect(&mut rig, &[vec![Started(1)], all(1, 3)]);
    let ledger = rig.ledger();
    assert_eq!((ledger.cut_messages, ledger.lines()[A].duplicates), (0, 1));
    assert_eq!(ledger.truncated_datagrams, 1);
}

#[test]
fn a_datagram_cut_inside_its_header_is_truncated_and_not_malformed() {
    let mut rig = rig();
    rig.datagram(A, &[0; 19], 200, 0);
    assert_eq!(
        (
            rig.ledger().truncated_datagrams,
            rig.ledger().malformed_datagrams()
        ),
        (1, 0)
    );
}

#[test]
fn nothing_of_a_malformed_packet_is_used_and_it_explains_what_stays_missing() {
    let mut rig = rig();
    rig.packet(A, 1, 1, Whole, 0);
    rig.packet(A, 2, 3, Trailing, 0);
    rig.time(1_000);
    assert_eq!(
        rig.ledger().expected,
        1,
        "a malformed packet proves no number"
    );
    rig.packet(B, 3, 1, Whole, 1_000);
    rig.packet(A, 7, 1, Whole, 1_000);
    rig.time(1_000 + HOLD_NS);
    expect(
        &mut rig,
        &[
            vec![Started(1)],
            all(1, 1),
            vec![Gap(2, 2, Malformed)],
            all(3, 3),
            vec![Gap(4, 4, Malformed), Gap(5, 6, Absent)],
            all(7, 7),
        ],
    );
    assert_eq!(rig.ledger().malformed_trailing_bytes, 1);
    assert!(rig.ledger().closes());
}

#[test]
fn every_way_to_break_a_packet_has_a_counter_of_its_own() {
    let mut rig = rig();
    rig.datagram(A, &[], 0, 0);
    rig.datagram(A, &[0; 19], 19, 0);
    let mut header = [0; 22];
    header[..10].copy_from_slice(&SESSION);
    header[17] = 1;
    header[19] = 1;
    rig.datagram(A, &header[..20], 20, 0);
    header[21] = 9;
    rig.datagram(A, &header, 22, 0);
    header[19] = 0;
    rig.datagram(A, &header, 22, 0);
    header[10..18].fill(0xff);
    header[19] = 1;
    rig.datagram(A, &header, 22, 0);
    let ledger = rig.ledger();
    assert_eq!(ledger.malformed_short_header, 2);
    assert_eq!(ledger.malformed_block_past_end, 2);
    assert_eq!(ledger.malformed_trailing_bytes, 1);
    assert_eq!(ledger.malformed_sequence_overflow, 1);
    assert_eq!(ledger.lines()[A].packets, 6);
    expect(&mut rig, &[]);
}

#[test]
fn a_short_message_is_not_brought_and_a_good_copy_of_the_other_line_is() {
    let mut rig = rig();
    rig.packet(A, 2, 3, Short(1), 0);
    rig.packet(A, 1, 1, Whole, 0);
    expect(&mut rig, &[vec![Started(1)], all(1, 2)]);
    rig.packet(B, 3, 1, Whole, 0);
    expect(&mut rig, &[all(3, 4)]);
    rig.packet(A, 5, 2, Short(0), 0);
    rig.time(HOLD_NS);
    expect(&mut rig, &[vec![Gap(5, 5, Malformed)], all(6, 6)]);
    assert_eq!(rig.ledger().malformed_messages, 2);
}

#[test]
fn a_packet_of_another_session_is_counted_and_left_alone() {
    let mut rig = rig();
    rig.packet(A, 1, 1, Whole, 0);
    rig.packet_of(*b"000000002B", A, 2, 5, Whole, 0);
    rig.packet_of(*b"000000002B", A, 2, 5, Trailing, 0);
    rig.packet(A, 2, 1, Whole, 0);
    rig.close(0);
    expect(&mut rig, &[vec![Started(1)], all(1, 2)]);
    assert_eq!(
        (
            rig.ledger().wrong_session,
            rig.ledger().malformed_trailing_bytes
        ),
        (1, 1)
    );
}

#[test]
fn only_a_session_with_a_printable_name_is_adopted_and_a_pinned_one_only() {
    let mut rig = rig();
    rig.packet_of([0; 10], A, 1, 1, Whole, 0);
    rig.packet_of(*b"12345\n7890", A, 1, 1, Whole, 0);
    assert_eq!(rig.ledger().wrong_session, 2);
    rig.packet(A, 1, 1, Whole, 0);
    assert_eq!(rig.ledger().expected, 1);

    let mut pinned = Rig::with(FeedConfig {
        session: Some(session_name(&SESSION)),
        ..FeedConfig::default()
    });
    pinned.packet_of(*b"000000002B", A, 1, 1, Whole, 0);
    assert_eq!(pinned.ledger().wrong_session, 1);
    pinned.packet(A, 1, 1, Whole, 0);
    expect(&mut pinned, &[vec![Started(1)], all(1, 1)]);
}

#[test]
fn a_session_ends_once_when_all_its_numbers_are_accounted_for() {
    let mut rig = rig();
    rig.packet(A, 1, 2, Whole, 0);
    rig.end_of_session(A, 4, 0);
    rig.end_of_session(B, 4, 0);
    assert!(!rig.ended());
    rig.packet(B, 3, 1, Whole, 0);
    assert!(rig.ended());
    rig.packet(B, 3, 4, Whole, 0);
    rig.packet(A, 5, 1, Whole, 0);
    rig.end_of_session(A, 4, 0);
    rig.close(0);
    expect(&mut rig, &[vec![Started(1)], all(1, 3), vec![End(4)]]);
    let ledger = rig.ledger();
    assert_eq!(
        (ledger.ends_of_session, ledger.after_end, ledger.expected),
        (3, 4, 3)
    );
    assert_eq!(ledger.contradicting_ends, 0);
    assert!(ledger.closes());
}

#[test]
fn an_end_below_what_is_known_discards_nothing_in_whichever_order_they_come() {
    let mut end_last = rig();
    end_last.packet(A, 4, 3, Whole, 0);
    end_last.heartbeat(A, 9, 0);
    end_last.end_of_session(A, 5, 0);
    let mut end_first = rig();
    end_first.end_of_session(A, 5, 0);
    end_first.packet(A, 4, 3, Whole, 0);
    end_first.heartbeat(A, 9, 0);
    for (mut rig, contradicting_ends) in [(end_last, 1), (end_first, 2)] {
        rig.packet(B, 1, 3, Whole, 0);
        expect(&mut rig, &[vec![Started(1)], all(1, 6)]);
        rig.time(HOLD_NS);
        expect(&mut rig, &[vec![Gap(7, 8, Absent), End(9)]]);
        let ledger = rig.ledger();
        assert_eq!((ledger.after_end, ledger.expected), (0, 8));
        assert_eq!(ledger.contradicting_ends, contradicting_ends);
        assert!(ledger.closes());
    }
}

#[test]
fn an_end_below_what_was_delivered_ends_the_session_at_the_highest_number() {
    let mut rig = rig();
    rig.packet(A, 1, 6, Whole, 0);
    rig.end_of_session(B, 3, 0);
    expect(&mut rig, &[vec![Started(1)], all(1, 6), vec![End(7)]]);
    rig.end_of_session(B, 3, 0);
    rig.end_of_session(A, 7, 0);
    assert_eq!(rig.ledger().contradicting_ends, 2);
    assert!(rig.ledger().closes());
}

#[test]
fn of_two_ends_the_higher_counts_in_whichever_order_they_come() {
    for ends in [[4, 6], [6, 4]] {
        let mut rig = rig();
        rig.packet(A, 2, 1, Whole, 0);
        for end in ends {
            rig.end_of_session(A, end, 0);
        }
        rig.packet(A, 1, 3, Whole, 0);
        assert!(!rig.ended());
        rig.packet(A, 4, 2, Whole, 0);
        expect(&mut rig, &[vec![Started(1)], all(1, 5), vec![End(6)]]);
        assert_eq!(rig.ledger().contradicting_ends, 1);
        assert!(rig.ledger().closes());
    }
}

#[test]
fn what_tells_of_numbers_beyond_the_end_of_an_ended_session_is_counted() {
    let mut rig = rig();
    rig.packet(A, 1, 3, Whole, 0);
    rig.end_of_session(A, 4, 0);
    rig.heartbeat(B, 2, 0);
    rig.heartbeat(B, 4, 0);
    assert_eq!(rig.ledger().contradicting_ends, 0);
    rig.heartbeat(B, 9, 0);
    rig.end_of_session(B, 9, 0);
    rig.packet(B, 3, 6, Whole, 0);
    rig.close(0);
    expect(&mut rig, &[vec![Started(1)], all(1, 3), vec![End(4)]]);
    let ledger = rig.ledger();
    assert_eq!((ledger.contradicting_ends, ledger.after_end), (2, 5));
    assert!(ledger.closes());
}

#[test]
fn the_next_session_closes_one_whose_end_is_known_at_once() {
    let mut rig = rig();
    rig.packet(A, 1, 2, Whole, 0);
    rig.packet(A, 5, 2, Whole, 0);
    rig.packet_of(session(1), A, 1, 3, Whole, 0);
    expect(&mut rig, &[vec![Started(1)], all(1, 2)]);
    rig.end_of_session(A, 9, 0);
    rig.packet_of(session(1), A, 1, 3, Whole, 0);
    expect(
        &mut rig,
        &[
            vec![Gap(3, 4, Absent)],
            all(5, 6),
            vec![Gap(7, 8, Absent), End(9), Started(1)],
            all(1, 3),
        ],
    );
    rig.packet(B, 3, 2, Whole, 0);
    let ledger = rig.ledger();
    assert_eq!((ledger.expected, ledger.lost_absent), (11, 4));
    assert_eq!((ledger.wrong_session, ledger.ended_session), (1, 1));
    assert!(ledger.closes());
    assert_eq!(rig.sessions, [session(0), session(1)]);
}

#[test]
fn the_next_session_closes_one_that_is_still_being_joined() {
    let mut rig = Rig::new(Start::FirstSeen, HOLD_NS, 64);
    rig.packet(A, 100, 2, Whole, 0);
    rig.end_of_session(A, 103, 0);
    rig.packet_of(session(1), A, 2, 1, Whole, 0);
    rig.time(HOLD_NS);
    expect(
        &mut rig,
        &[
            vec![Started(100)],
            all(100, 101),
            vec![Gap(102, 102, Absent), End(103), Started(1)],
            vec![Gap(1, 1, Absent)],
            all(2, 2),
        ],
    );
    assert!(rig.ledger().closes());
}

#[test]
fn a_malformed_packet_of_another_session_closes_nothing() {
    let mut rig = rig();
    rig.end_of_session(A, 4, 0);
    rig.packet_of(session(1), A, 1, 3, Trailing, 0);
    rig.packet_of([0; 10], A, 1, 3, Whole, 0);
    rig.packet(B, 1, 3, Whole, 0);
    expect(&mut rig, &[vec![Started(1)], all(1, 3), vec![End(4)]]);
}

#[test]
fn a_straggler_of_a_session_that_has_ended_is_counted_and_begins_nothing() {
    let mut rig = rig();
    rig.packet(A, 1, 3, Whole, 0);
    rig.end_of_session(A, 4, 0);
    rig.packet_of(session(1), A, 1, 3, Whole, 0);
    rig.packet(B, 1, 3, Whole, 0);
    rig.end_of(session(1), A, 4, 0);
    rig.news();

    rig.packet(B, 1, 3, Whole, 0);
    rig.heartbeat(B, 4, 0);
    rig.end_of_session(B, 4, 0);
    rig.packet(B, 1, 3, Trailing, 0);
    rig.close(0);
    expect(&mut rig, &[]);
    let ledger = rig.ledger();
    assert_eq!((ledger.ended_session, ledger.wrong_session), (4, 0));
    assert_eq!((ledger.malformed_trailing_bytes, ledger.expected), (1, 6));
    assert!(ledger.closes() && rig.ended());
}

#[test]
fn stragglers_are_told_by_the_last_eight_sessions_that_ended() {
    let mut rig = rig();
    for n in 0..10 {
        rig.packet_of(session(n), A, 1, 2, Whole, 0);
        rig.end_of(session(n), A, 3, 0);
    }
    // The tenth is the present one, and the first is forgotten.
    for n in 1..9 {
        rig.packet_of(session(n), B, 1, 2, Whole, 0);
    }
    assert_eq!(rig.ledger().ended_session, 8);
    assert_eq!((rig.sessions.len(), rig.ledger().expected), (10, 20));
    rig.packet_of(session(0), B, 1, 2, Whole, 0);
    assert_eq!((rig.sessions.len(), rig.ledger().expected), (11, 22));
    assert!(rig.ledger().closes());
}

#[test]
fn after_the_end_a_new_session_is_followed_from_its_first_number() {
    let next = session(1);
    let mut rig = Rig::new(Start::FirstSeen, 0, 64);
    rig.packet(A, 500, 1, Whole, 0);
    rig.packet_of(next, A, 1, 1, Whole, 0);
    rig.end_of_session(A, 501, 0);
    rig.packet_of(next, A, 3, 1, Whole, 0);
    rig.packet(B, 500, 1, Whole, 0);
    expect(
        &mut rig,
        &[
            vec![Started(500)],
            all(500, 500),
            vec![End(501), Started(1), Gap(1, 2, Absent)],
            all(3, 3),
        ],
    );
    let ledger = rig.ledger();
    assert_eq!((ledger.wrong_session, ledger.ended_session), (1, 1));
    assert_eq!((ledger.expected, ledger.delivered()), (4, 2));
    assert!(ledger.closes() && !rig.ended());
}

#[test]
fn joining_takes_the_lowest_number_that_any_line_brings_within_the_hold_time() {
    let mut rig = Rig::new(Start::FirstSeen, HOLD_NS, 64);
    rig.packet(A, 110, 3, Whole, 7);
    rig.packet(B, 104, 3, Whole, 10);
    rig.packet(B, 107, 3, Whole, 20);
    rig.time(7 + HOLD_NS - 1);
    expect(&mut rig, &[]);
    rig.time(7 + HOLD_NS);
    expect(&mut rig, &[vec![Started(104)], all(104, 112)]);
    // It was received before the first message, not when the waiting was over.
    assert_eq!(rig.started_ns, [7]);
    rig.packet(B, 100, 5, Whole, 7 + HOLD_NS);
    let ledger = rig.ledger();
    assert_eq!(
        (
            ledger.expected,
            ledger.before_start,
            ledger.lines()[B].duplicates
        ),
        (9, 4, 1)
    );
    assert!(ledger.closes());
}

#[test]
fn joining_does_not_wait_at_number_one_nor_when_the_window_is_full() {
    let mut first = Rig::new(Start::FirstSeen, HOLD_NS, 64);
    first.packet(A, 1, 3, Whole, 0);
    expect(&mut first, &[vec![Started(1)], all(1, 3)]);

    let mut full = Rig::new(Start::FirstSeen, HOLD_NS, 64);
    full.packet(A, 100, 3, Whole, 0);
    full.packet(A, 150, 15, Whole, 0);
    expect(&mut full, &[vec![Started(100)], all(100, 102)]);
    full.close(0);
    assert!(full.ledger().closes());
}

#[test]
fn joining_at_a_heartbeat_misses_nothing_that_a_slower_line_still_brings() {
    let mut rig = Rig::new(Start::FirstSeen, HOLD_NS, 64);
    rig.heartbeat(A, 100, 0);
    rig.packet(B, 96, 2, Whole, 10);
    rig.time(HOLD_NS);
    expect(
        &mut rig,
        &[vec![Started(96)], all(96, 97), vec![Gap(98, 99, Absent)]],
    );
    assert_eq!(rig.ledger().other_line, 2);
    assert!(rig.ledger().closes());
}

#[test]
fn closing_while_joining_delivers_what_was_held() {
    let mut rig = Rig::new(Start::FirstSeen, HOLD_NS, 64);
    rig.packet(A, 110, 3, Whole, 0);
    rig.close(1);
    expect(&mut rig, &[vec![Started(110)], all(110, 112)]);
    assert!(rig.ledger().closes());
}

#[test]
fn after_a_clock_that_steps_back_a_hole_stays_open_for_the_hold_time_and_no_longer() {
    const HOUR_NS: u64 = 3_600_000_000_000;
    let mut rig = rig();
    rig.packet(A, 3, 1, Whole, HOUR_NS);
    rig.packet(A, 5, 1, Whole, HOUR_NS + 60);
    rig.time(10);
    rig.packet(A, 7, 1, Whole, 50);
    rig.time(10 + HOLD_NS - 1);
    expect(&mut rig, &[vec![Started(1)]]);
    rig.time(10 + HOLD_NS);
    expect(
        &mut rig,
        &[
            vec![Gap(1, 2, Absent)],
            all(3, 3),
            vec![Gap(4, 4, Absent)],
            all(5, 5),
        ],
    );
    rig.time(50 + HOLD_NS);
    expect(&mut rig, &[vec![Gap(6, 6, Absent)], all(7, 7)]);
}

#[test]
fn a_datagram_that_shows_a_step_back_is_enough_for_holes_to_count_from_there() {
    let mut rig = rig();
    rig.packet(A, 3, 1, Whole, 1_000);
    rig.packet(B, 3, 1, Whole, 0);
    rig.time(HOLD_NS);
    expect(&mut rig, &[vec![Started(1), Gap(1, 2, Absent)], all(3, 3)]);
}

#[test]
fn a_small_step_back_loses_nothing_that_comes_within_the_hold_time() {
    let mut rig = rig();
    rig.packet(A, 3, 1, Whole, 1_000);
    rig.time(990);
    rig.packet(B, 1, 2, Whole, 990 + HOLD_NS - 1);
    expect(&mut rig, &[vec![Started(1)], all(1, 3)]);
}

#[test]
fn joining_is_over_within_the_hold_time_of_a_step_back() {
    let mut rig = Rig::new(Start::FirstSeen, HOLD_NS, 64);
    rig.packet(A, 110, 1, Whole, 1_000_000);
    rig.packet(B, 108, 1, Whole, 40);
    rig.time(40 + HOLD_NS - 1);
    expect(&mut rig, &[]);
    rig.time(40 + HOLD_NS);
    expect(
        &mut rig,
        &[
            vec![Started(108)],
            all(108, 108),
            vec![Gap(109, 109, Absent)],
            all(110, 110),
        ],
    );
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
fn a_cut_tail_longer_than_the_window_is_truncated_to_its_last_number() {
    let mut rig = Rig::new(Start::At(1), HOLD_NS, 8);
    rig.packet(B, 3, 1, Whole, 0);
    rig.packet(A, 2, 100, Cut(0), 0);
    rig.close(0);
    expect(
        &mut rig,
        &[
            vec![Started(1), Gap(1, 1, Window), Gap(2, 2, Truncated)],
            all(3, 3),
            vec![Gap(4, 93, Truncated), Gap(94, 101, Truncated)],
        ],
    );
    assert!(rig.ledger().closes());
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
