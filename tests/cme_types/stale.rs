//! Books that missed an update.

use crate::cme_messages::{Rig, Sbe, block, packet};
use crate::templates::{book_entry, orders, reset, root, snapshot, status};
use ringtape::market::Flags;

#[test]
fn a_book_is_stale_from_a_missed_update_to_a_snapshot_or_a_reset() {
    let mut rig = Rig::new();
    let mut number = 0;
    let mut check = |rig: &mut Rig, message: Sbe, stale: &[bool]| {
        number += 1;
        rig.events.clear();
        rig.packet(number, &packet(1, &[message])).unwrap();
        let got: Vec<_> = rig
            .events
            .iter()
            .map(|event| event.head.flags.contains(Flags::STALE_BOOK))
            .collect();
        assert_eq!(got, stale, "packet {number}");
    };
    let at = |reports: &[(i32, u32)]| {
        let entries: Vec<_> = reports
            .iter()
            .map(|&(security, report)| book_entry(5, security, report, b'0'))
            .collect();
        Sbe::new(46, 9, root()).group(&entries)
    };
    check(
        &mut rig,
        at(&[(7, 1), (8, 4), (7, 2)]),
        &[false, true, false],
    );
    check(
        &mut rig,
        at(&[(7, 4), (7, 5), (9, 1)]),
        &[true, true, false],
    );
    let order = |reference| block().u64(1).u64(u64::MAX).i32(1).u8(reference).u8(0);
    let with_orders = at(&[(7, 6), (9, 2)]).aligned(&[order(1), order(2)]);
    check(&mut rig, with_orders, &[true, false, true, false]);
    let of_100 = |report| at(&[(100, report)]);
    check(&mut rig, of_100(3), &[true]);
    check(&mut rig, snapshot(52), &[false; 4]);
    check(&mut rig, of_100(10), &[false]);
    check(&mut rig, of_100(12), &[true]);
    check(&mut rig, orders(47), &[true; 3]);
    check(&mut rig, status(), &[false]);
    check(&mut rig, reset(), &[false]);
    check(&mut rig, orders(47), &[false; 3]);
    check(
        &mut rig,
        at(&[(7, 1), (8, 1), (9, 2)]),
        &[false, false, true],
    );
    assert_eq!(rig.decoder.book_breaks(), 2);
    assert_eq!(rig.decoder.untracked_updates(), 0);
}

#[test]
fn orders_without_a_count_are_stale_from_a_missing_packet_and_all_begins_anew_with_the_numbers() {
    let mut rig = Rig::new();
    let mut stale = |number, message: Sbe| {
        rig.events.clear();
        rig.packet(number, &packet(1, &[message])).unwrap();
        rig.events[0].head.flags.contains(Flags::STALE_BOOK)
    };
    let update = |report| Sbe::new(46, 9, root()).group(&[book_entry(5, 7, report, b'0')]);
    assert!(stale(50, orders(47)), "joined in the middle");
    assert!(!stale(51, reset()) && !stale(52, orders(47)));
    assert!(stale(54, orders(47)) && stale(55, orders(47)));
    assert!(!stale(56, update(1)));
    assert!(
        !stale(1, orders(47)) && !stale(2, update(1)),
        "the count began again"
    );
    assert!(stale(3, update(1)));
    assert!(stale(2, orders(47)));
}
