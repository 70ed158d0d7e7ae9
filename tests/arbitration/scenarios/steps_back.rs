//! A clock that steps back.

use super::{A, B, HOLD_NS, all, expect, rig};
use crate::rig::Fault::None as Whole;
use crate::rig::Item::{Gap, Start as Started};
use ringtape::record::GapCause::Absent;

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
