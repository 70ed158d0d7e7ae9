//! Packets that were cut, and packets that are malformed.

use super::{A, B, HOLD_NS, all, expect, rig};
use crate::rig::Fault::{Cut, None as Whole, Short, Trailing};
use crate::rig::Item::{Gap, Start as Started};
use crate::rig::{Rig, SESSION};
use ringtape::feed::Start;
use ringtape::record::GapCause::{Absent, Malformed, Truncated, Window};

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
