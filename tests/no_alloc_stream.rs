//! After the start, nothing on the way from a TCP connection to a handler allocates: not for whole
//! packets, not for cut ones, not for garbage, and not for connecting again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/counting_allocator.rs"]
#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    reason = "an allocator is unsafe by its trait"
)]
mod counting_allocator;
mod hot_path;
mod support;

use counting_allocator::Counting;
use hot_path::WAITS;
use hot_path::tcp::{CONNECTIONS, MESSAGES, Rig};
use ringtape::wait::WaitStrategy;
use support::wait_until;

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

#[test]
fn nothing_allocates_between_the_start_and_the_end_of_the_session() {
    for wait in WAITS {
        check(wait);
    }
}

fn check(wait: WaitStrategy) {
    let rig = Rig::start(wait);
    // One connection through everything before counting, as for datagrams.
    rig.converse(0);
    let allocations = ALLOCATOR.during(|| {
        for index in 1..CONNECTIONS {
            rig.converse(index);
        }
        wait_until("the end of the session", || rig.running.has_ended());
    });
    rig.running.stop();
    let report = rig.running.join();
    assert_eq!(allocations, 0, "{wait:?}");
    assert!(report.closes());
    let feed = &report.feeds[0];
    assert_eq!(feed.ledger.delivered(), CONNECTIONS * MESSAGES);
    let link = feed.link.unwrap();
    assert_eq!(
        (link.connects, link.garbage(), link.cut_packets),
        (CONNECTIONS, 3, 2)
    );
}
