//! After the start, nothing on the way from the sockets to the handlers and the tape allocates: not
//! for good packets, not for holes, requests, answers, duplicates and garbage; with either backend,
//! whatever a thread does while it is idle, with and without a tape, for handlers that lose and for
//! those that make the feed wait.

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
use hot_path::{Combination, Rig, Server, whole_session};
use support::{heartbeat, packets, wait_received, wait_until};

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

const MESSAGES: u64 = 1_000;

#[test]
fn nothing_allocates_between_the_start_and_the_stop() {
    let good = packets(MESSAGES);
    let traffic = whole_session(&good, MESSAGES + 1);
    for combination in Combination::all() {
        let server = Server::open(&good);
        match Rig::start(combination, &server) {
            Ok(rig) => check(combination, rig, &server, &traffic),
            Err(error) => support::skip(&format!("{combination}: {error}")),
        }
    }
}

fn check(combination: Combination, rig: Rig, server: &Server, traffic: &[(usize, Vec<u8>)]) {
    let (running, senders) = (&rig.running, &rig.senders);
    // One datagram through everything before counting: what the standard library sets up for a
    // thread at its first use is no part of the hot path.
    senders[0].send(&heartbeat(1)).unwrap();
    wait_received(running, 1);

    let allocations = ALLOCATOR.during(|| {
        for (sent, (line, bytes)) in traffic.iter().enumerate() {
            senders[*line].send(bytes).unwrap();
            server.serve();
            // Never more in flight than the sockets hold.
            wait_received(running, (sent as u64 + 2).saturating_sub(100));
        }
        wait_received(running, traffic.len() as u64 + 1);
        wait_until("the end of the session", || running.has_ended());
    });
    running.stop();
    let report = rig.running.join();
    assert_eq!(allocations, 0, "{combination}");
    assert!(report.closes(), "{combination}");
    let ledger = &report.feeds[0].ledger;
    assert_eq!(ledger.expected, MESSAGES);
    assert!(ledger.lost() > 0 && ledger.lines()[1].won > 0 && ledger.malformed_datagrams() > 0);
    assert!(ledger.truncated_datagrams > 0);
    assert!(ledger.requests > 0 && ledger.lines()[2].packets > 0);
    assert_eq!(report.journal.is_some(), combination.journaled);
    if let Some(journal) = report.journal {
        assert_eq!(journal.account.missing(), 0);
        assert!(journal.counters.frames.get() > 1);
    }
    for subscriber in &report.subscribers {
        let latency = subscriber.latency.as_ref().unwrap();
        let measured = latency.wire_to_handler.summary();
        assert_eq!(
            measured.count + measured.out_of_range,
            subscriber.account.handled
        );
    }
}
