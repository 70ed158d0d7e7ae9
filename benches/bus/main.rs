//! The bus beside what it is made of.
//!
//! * `one-way`: a 64-byte record to another core and one back, halved, over the same on bare
//!   `rtrb`. A rise means that publisher or subscriber do more per record than they must.
//! * `line`: the same over a bare cache-line ping-pong: the distance to the hardware.
//! * `spread`: the median and the 99th percentile of single round trips, halved, of all four in
//!   turn: what a mean hides.
//! * `stream`: records a second in batches of 32, over bare `rtrb` chunks.
//! * `fan-out`: what one more subscriber costs the publisher, and what the broadcast ring saves of
//!   it.
//!
//! Every pass checks that each record arrived once, in order, with its content. Both sides of a
//! ratio wait in the same way: they poll again at once.

#![allow(
    clippy::print_stdout,
    clippy::float_arithmetic,
    missing_docs,
    unreachable_pub,
    reason = "a bench prints, and is no public interface"
)]

mod ends;
mod spread;
#[path = "../support/mod.rs"]
mod support;

use ends::{BATCH, Ends, Pinned};
use ringtape::bus::Ring;
use ringtape::cpu;
use support::{Goal, compare, measuring, scaled, wanted};

fn main() {
    let cores = cpu::allowed();
    let (near, far) = (cores[0], *cores.last().expect("a thread runs on some core"));
    if near == far {
        println!("SKIPPED: the bus benches need two cores, this process may use {cores:?}");
        return;
    }
    let pinned = Pinned { near, far };
    round_trips(pinned, scaled(200_000));
    spread::print(pinned, scaled(50_000));
    streams(pinned, scaled(4_000_000));
    if measuring() && wanted("line") {
        println!("cores {near} and {far}; compare ratios, not times: the machine may be shared");
    }
}

fn round_trips(pinned: Pinned, trips: u64) {
    let lane = || pinned.ping_pong(trips, Ends::bus(Ring::Lane, false));
    let broadcast = || pinned.ping_pong(trips, Ends::bus(Ring::Broadcast, false));
    let rtrb = || pinned.ping_pong(trips, Ends::rtrb());
    let line = || pinned.ping_pong(trips, Ends::line());

    compare("one-way: lane / rtrb", Goal::TimeAtMost(1.05), rtrb, lane);
    compare(
        "one-way: broadcast / rtrb",
        Goal::TimeAtMost(0.8),
        rtrb,
        broadcast,
    );
    for (name, ring) in [("lane", Ring::Lane), ("broadcast", Ring::Broadcast)] {
        compare(
            &format!("one-way: {name} with passages / rtrb"),
            Goal::None,
            rtrb,
            || pinned.ping_pong(trips, Ends::bus(ring, true)),
        );
    }
    compare("line: lane / bare cache line", Goal::None, line, lane);
    compare(
        "line: broadcast / bare cache line",
        Goal::TimeAtMost(1.1),
        line,
        broadcast,
    );
    compare("line: rtrb / bare cache line", Goal::None, line, rtrb);
}

fn streams(pinned: Pinned, records: u64) {
    for (name, ring, goal) in [
        ("lane", Ring::Lane, Goal::ThroughputAtLeast(0.85)),
        ("broadcast", Ring::Broadcast, Goal::ThroughputAtLeast(1.0)),
    ] {
        compare(
            &format!("stream of 32: {name} / rtrb chunks"),
            goal,
            || pinned.rtrb_stream(records),
            || pinned.bus_stream(records, 1, ring, false),
        );
        compare(
            &format!("stream of 32: {name} with passages / rtrb chunks"),
            Goal::None,
            || pinned.rtrb_stream(records),
            || pinned.bus_stream(records, 1, ring, true),
        );
    }
    // Whole batches: the publisher of a stream stops with the batch that reaches the count.
    let fan_out = (records / 8).next_multiple_of(BATCH as u64);
    for subscribers in [2, 4, 8] {
        compare(
            &format!("fan-out: {subscribers} lanes / 1"),
            Goal::None,
            || pinned.bus_stream(fan_out, 1, Ring::Lane, false),
            || pinned.bus_stream(fan_out, subscribers, Ring::Lane, false),
        );
    }
    for subscribers in [1, 2, 4, 8] {
        compare(
            &format!("fan-out: broadcast to {subscribers} / as many lanes"),
            Goal::ThroughputAtLeast(1.2),
            || pinned.bus_stream(fan_out, subscribers, Ring::Lane, false),
            || pinned.bus_stream(fan_out, subscribers, Ring::Broadcast, false),
        );
    }
}
