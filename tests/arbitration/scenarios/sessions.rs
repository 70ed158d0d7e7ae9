//! Sessions that end, that follow each other, and that are none of this feed.

use super::{A, B, HOLD_NS, all, expect, rig, session};
use crate::rig::Fault::{None as Whole, Trailing};
use crate::rig::Item::{End, Gap, Start as Started};
use crate::rig::{Rig, SESSION};
use ringtape::feed::{FeedConfig, Start, session_name};
use ringtape::record::GapCause::Absent;

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
