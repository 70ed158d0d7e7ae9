//! What is asked for again, and what becomes of the answers.

use crate::rig::Fault::None as Whole;
use crate::rig::{Item, Rig, message};
use ringtape::feed::{FeedConfig, RerequestConfig, Start};
use ringtape::record::GapCause::Absent;

/// The line of the first server: the feed's lines are 0 and 1.
const SERVER: usize = 2;
const RETRY_NS: u64 = 100;
const HOLD_NS: u64 = 1_000;

fn rig(servers: u16, change: impl FnOnce(&mut RerequestConfig)) -> Rig {
    let address = |port| std::net::SocketAddrV4::new([127, 0, 0, 1].into(), port);
    let mut rerequest = RerequestConfig {
        servers: (1..=servers).map(address).collect(),
        retry_ns: RETRY_NS,
        ..RerequestConfig::default()
    };
    change(&mut rerequest);
    Rig::with(FeedConfig {
        start: Start::At(1),
        hold_ns: HOLD_NS,
        rerequest,
        ..FeedConfig::default()
    })
}

/// Numbers 1 to 5 came, and 9 and 10.
fn with_a_hole(mut rig: Rig) -> Rig {
    rig.packet(0, 1, 5, Whole, 0);
    rig.packet(0, 9, 2, Whole, 10);
    rig.news();
    rig
}

fn items(first: u64, last: u64) -> Vec<Item> {
    let item = |number: u64| match number % 7 {
        0 => None,
        1 => Some(Item::Letter(number)),
        _ => Some(Item::Event(number)),
    };
    (first..=last).filter_map(item).collect()
}

#[test]
fn what_is_missing_is_asked_for_at_once_and_the_answer_fills_it() {
    let mut rig = with_a_hole(rig(1, |_| {}));
    assert_eq!(rig.requests(10), [(SERVER, 6, 3)]);
    assert_eq!(rig.requests(11), [], "once");
    rig.packet(SERVER, 6, 3, Whole, 20);
    assert_eq!(rig.news(), items(6, 10));
    assert_eq!(rig.requests(21), []);
    let ledger = rig.ledger();
    assert!(ledger.closes());
    assert_eq!((ledger.rerequested, ledger.first_arrival), (3, 7));
    assert_eq!((ledger.requests, ledger.requested), (1, 3));
    assert_eq!(ledger.lines()[SERVER].won, 3);
}

#[test]
fn what_the_other_line_has_brought_is_not_asked_for() {
    let mut rig = with_a_hole(rig(1, |_| {}));
    rig.packet(1, 6, 3, Whole, 11);
    assert_eq!(rig.requests(11), []);

    rig.packet(0, 14, 1, Whole, 20);
    rig.packet(1, 12, 1, Whole, 20);
    let (first, third) = ((SERVER, 11, 1), (SERVER, 13, 1));
    assert_eq!(rig.requests(20), [first, third]);
    rig.packet(1, 11, 1, Whole, 25);
    let again = rig.requests(20 + RETRY_NS);
    assert_eq!(again, [third], "the timer asks for what is still missing");
}

#[test]
fn a_silent_server_is_asked_again_in_turn_with_others_until_the_hold_time_is_over() {
    let mut rig = with_a_hole(rig(2, |_| {}));
    assert_eq!(rig.requests(10), [(SERVER, 6, 3)]);
    assert_eq!(rig.requests(10 + RETRY_NS - 1), []);
    assert_eq!(rig.requests(10 + RETRY_NS), [(SERVER + 1, 6, 3)]);
    assert_eq!(rig.requests(10 + 2 * RETRY_NS), [(SERVER, 6, 3)]);
    rig.time(10 + HOLD_NS);
    let mut expected = vec![Item::Gap(6, 8, Absent)];
    expected.extend(items(9, 10));
    assert_eq!(rig.news(), expected);
    assert_eq!(rig.requests(10 + HOLD_NS + RETRY_NS), []);

    rig.packet(SERVER, 6, 3, Whole, 5_000);
    assert_eq!(rig.news(), [], "never out of order");
    assert_eq!(rig.ledger().lines()[SERVER].late, 3);
    assert!(rig.ledger().closes());
}

#[test]
fn after_an_answer_of_fewer_messages_the_rest_is_asked_for_at_once() {
    let mut rig = with_a_hole(rig(1, |_| {}));
    rig.requests(10);
    rig.packet(SERVER, 6, 1, Whole, 20);
    assert_eq!(rig.requests(20), [(SERVER, 7, 2)]);
    rig.packet(SERVER, 7, 1, Whole, 30);
    assert_eq!(rig.requests(30), [(SERVER, 8, 1)]);
    rig.packet(SERVER, 7, 1, Whole, 40);
    let nothing_new = rig.requests(40);
    assert_eq!(nothing_new, [], "or it would be asked without end");
    rig.packet(SERVER, 8, 1, Whole, 50);
    assert_eq!(rig.news(), items(6, 10));
}

#[test]
fn requests_are_bounded_in_number_and_length() {
    let mut rig = with_a_hole(rig(1, |config| {
        (config.in_flight_max, config.count_max) = (2, 2);
    }));
    rig.packet(0, 12, 1, Whole, 10);
    assert_eq!(rig.requests(10), [(SERVER, 6, 2), (SERVER, 8, 1)]);
    assert_eq!(rig.requests(11), []);
    rig.packet(SERVER, 6, 2, Whole, 20);
    assert_eq!(
        rig.requests(20),
        [(SERVER, 11, 1)],
        "as soon as one is answered"
    );
}

#[test]
fn a_heartbeat_reveals_what_is_missing_at_the_end() {
    let mut rig = rig(1, |_| {});
    rig.packet(0, 1, 5, Whole, 0);
    rig.heartbeat(0, 8, 10);
    assert_eq!(rig.requests(10), [(SERVER, 6, 2)]);
}

#[test]
fn a_wrong_answer_changes_nothing_but_a_counter() {
    let mut rig = with_a_hole(rig(1, |_| {}));
    rig.requests(10);
    let before = rig.ledger();
    rig.packet_of(*b"OTHER00000", SERVER, 6, 3, Whole, 20);
    rig.heartbeat(SERVER, 500, 20);
    rig.end_of_session(SERVER, 11, 20);
    rig.datagram(SERVER, b"garbage", 7, 20);
    assert_eq!(rig.ledger().wrong_answers, 4);
    rig.packet(SERVER, 11, 3, Whole, 20);
    rig.packet(SERVER, u64::MAX - 3, 2, Whole, 20);
    assert_eq!(rig.ledger().unasked, 5);
    rig.packet(SERVER, 3, 2, Whole, 20);
    assert_eq!(rig.ledger().lines()[SERVER].duplicates, 2);
    assert_eq!(rig.news(), []);
    let after = rig.ledger();
    assert_eq!(after.expected, before.expected);
    assert_eq!(after.delivered(), before.delivered());
    assert_eq!(rig.requests(21), [], "nor is anything asked for sooner");

    // One that overlaps brings what of it is missing.
    rig.packet(SERVER, 4, 8, Whole, 30);
    assert_eq!(rig.news(), items(6, 10));
    assert_eq!(rig.ledger().unasked, 6, "number 11");
    assert_eq!(rig.ledger().expected, before.expected);
}

#[test]
fn what_is_missing_but_was_not_asked_for_is_not_taken_from_a_server() {
    let mut rig = with_a_hole(rig(1, |_| {}));
    rig.packet(SERVER, 6, 3, Whole, 20);
    assert_eq!(rig.news(), []);
    assert_eq!(rig.ledger().unasked, 3);
}

#[test]
fn a_malformed_answer_is_not_brought_and_is_asked_for_again() {
    let mut rig = with_a_hole(rig(1, |_| {}));
    rig.requests(10);
    let short = &message(6)[..5];
    rig.messages(SERVER, 6, &[short], 20);
    assert_eq!(rig.ledger().malformed_messages, 1);
    assert_eq!(rig.requests(10 + RETRY_NS), [(SERVER, 6, 3)]);
    rig.packet(SERVER, 6, 3, Whole, 200);
    assert_eq!(rig.news(), items(6, 10));
    assert!(rig.ledger().closes());
}

#[test]
fn a_clock_that_steps_back_lengthens_no_wait_beyond_the_retry_time() {
    let mut rig = with_a_hole(rig(1, |_| {}));
    assert_eq!(rig.requests(1_000_000).len(), 1);
    assert_eq!(rig.requests(50), []);
    assert_eq!(rig.requests(50 + RETRY_NS), [(SERVER, 6, 3)]);
}

#[test]
fn without_servers_nothing_is_asked_for() {
    let mut rig = with_a_hole(rig(0, |_| {}));
    assert_eq!(rig.requests(10), []);
}

#[test]
fn each_hole_is_asked_of_every_server_although_there_are_as_many_holes_as_servers() {
    let mut rig = with_a_hole(rig(2, |_| {}));
    rig.packet(0, 12, 1, Whole, 10);
    let other = SERVER + 1;
    assert_eq!(rig.requests(10), [(SERVER, 6, 3), (other, 11, 1)]);
    let again = rig.requests(10 + RETRY_NS);
    assert_eq!(again, [(other, 6, 3), (SERVER, 11, 1)]);
}

#[test]
fn of_what_was_asked_for_only_what_is_still_missing_is_asked_for_again() {
    let mut rig = rig(1, |config| config.in_flight_max = 2);
    rig.packet(0, 1, 5, Whole, 0);
    rig.packet(0, 12, 1, Whole, 10);
    assert_eq!(rig.requests(10), [(SERVER, 6, 6)]);
    rig.packet(1, 8, 1, Whole, 20);
    let again = rig.requests(10 + RETRY_NS);
    assert_eq!(again, [(SERVER, 6, 2), (SERVER, 9, 3)]);
}

#[test]
fn what_servers_bring_too_late_says_nothing_of_which_line_was_ahead() {
    let mut rig = with_a_hole(rig(1, |_| {}));
    rig.requests(10);
    rig.packet(1, 6, 3, Whole, 20);
    rig.packet(SERVER, 6, 3, Whole, 500);
    assert_eq!(rig.ledger().lines()[SERVER].duplicates, 3);
    assert!(rig.ahead().iter().all(|ahead| *ahead == (0, 0)));
}
