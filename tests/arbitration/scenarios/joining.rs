//! Where a feed begins that was joined in the middle.

use super::{A, B, HOLD_NS, all, expect};
use crate::rig::Fault::None as Whole;
use crate::rig::Item::{Gap, Start as Started};
use crate::rig::Rig;
use ringtape::feed::Start;
use ringtape::record::GapCause::Absent;

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
