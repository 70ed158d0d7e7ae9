//! Rings between two threads of one process: our bus beside the rings that people take for it.
//!
//! Everybody carries the same 64 bytes through 1,024 slots, waits by polling again at once without
//! a `PAUSE`, and loses nothing: who sends waits for room. A queue of one consumer serves four as
//! four queues. All receivers are polled in turn by one thread, since two cores are what everybody
//! has; no transport is given a thread that another has not.
//!
//! * `one-way`: half of a round trip of one record, timed trip by trip with the processor's
//!   counter, whose reading is in everybody's time, the bare cache line's too.
//! * `stream`: batches of 32 where a ring takes batches.
//!
//! `photon-ring` keeps eight bytes of its own beside a payload, so that 64 bytes take two cache
//! lines; with 56 bytes it is given what our record is with its stamp: one line.

mod bare_cache_line;
mod with_crossbeam;
mod with_disruptor;
mod with_mpsc;
mod with_photon;
mod with_ringtape;
mod with_rtrb;

use crate::contest::{Contest, Goal, Metric, Told};
use crate::link::{Cores, Link};
use crate::support::scaled;
use crate::table::Table;
use ringtape::bus::Ring;

/// Slots of every ring.
const SLOTS: usize = 1024;
const ROUNDS: usize = 31;

/// Where one-way times end for hardware: no ring, a number in a cache line.
const FLOOR: &str = "bare cache line";
const RTRB: &str = "rtrb";
/// Ours, by the ring that they run over.
const OURS: &[&str] = &["bus, lanes", "bus, broadcast"];
/// What the one-way median of each of ours should be, over bare `rtrb`.
const OVER_RTRB: &[f64] = &[1.05, 0.8];
const PEERS: &[&str] = &[
    RTRB,
    "crossbeam ArrayQueue",
    "disruptor",
    "photon-ring",
    "photon-ring, 56 bytes",
    "std mpsc",
];

pub fn measure(table: &mut Table, cores: Cores) {
    one_way(table, cores);
    stream(table, cores, 1);
    stream(table, cores, 4);
}

/// Does something with every ring: the place where one is added.
fn each_ring(mut with: impl WithRing) {
    with.ring(OURS[0], with_ringtape::Bus::over(Ring::Lane));
    with.ring(OURS[1], with_ringtape::Bus::over(Ring::Broadcast));
    with.ring(PEERS[0], with_rtrb::Rings);
    with.ring(PEERS[1], with_crossbeam::Queues);
    with.ring(PEERS[2], with_disruptor::Disruptor);
    with.ring(PEERS[3], with_photon::Whole);
    with.ring(PEERS[4], with_photon::Short);
    with.ring(PEERS[5], with_mpsc::Channels);
}

/// What is done with every ring; a closure cannot take them all, since each has a type of its own.
trait WithRing {
    fn ring(&mut self, name: &'static str, link: impl Link + Copy + 'static);
}

fn one_way(table: &mut Table, cores: Cores) {
    struct OneWay<'a>(&'a mut Contest<'static>, Cores, u64);
    impl WithRing for OneWay<'_> {
        fn ring(&mut self, name: &'static str, link: impl Link + Copy + 'static) {
            let (cores, trips) = (self.1, self.2);
            self.0.enter(name, move || cores.one_way(&link, trips));
        }
    }

    let metrics = ["p50", "p99"].map(|name| Metric {
        name,
        told: Told::Time,
    });
    let trips = scaled(20_000);
    let mut contest = Contest::new("ring one-way", ROUNDS, &metrics);
    let floor = bare_cache_line::Line;
    contest.enter(FLOOR, move || cores.one_way(&floor, trips));
    each_ring(OneWay(&mut contest, cores, trips));
    for (metric, goal) in [1.1, 1.5].into_iter().enumerate() {
        contest.compare_best(metric, OURS, &[FLOOR], Goal::AtMost(goal));
        for (ours, over_rtrb) in OURS.iter().zip(OVER_RTRB) {
            for peer in PEERS {
                let is_goal = metric == 0 && *peer == RTRB;
                let goal = is_goal.then_some(Goal::AtMost(*over_rtrb));
                contest.compare(metric, ours, peer, goal);
            }
        }
    }
    contest.run(table);
}

fn stream(table: &mut Table, cores: Cores, receivers: usize) {
    struct Stream<'a>(&'a mut Contest<'static>, Cores, u64, usize);
    impl WithRing for Stream<'_> {
        fn ring(&mut self, name: &'static str, link: impl Link + Copy + 'static) {
            let Self(_, cores, records, receivers) = *self;
            let pass = move || cores.stream(&link, records, receivers);
            self.0.enter(name, pass);
        }
    }

    let title = match receivers {
        1 => "ring stream to one".to_owned(),
        _ => format!("ring stream to {receivers}"),
    };
    let metric = Metric {
        name: "records a second",
        told: Told::Throughput,
    };
    let mut contest = Contest::new(title, ROUNDS, &[metric]);
    let records = scaled(1_000_000 / receivers as u64);
    each_ring(Stream(&mut contest, cores, records, receivers));
    contest.compare_best(0, OURS, PEERS, Goal::AtLeast(1.0));
    for ours in OURS {
        for peer in PEERS {
            contest.compare(0, ours, peer, None);
        }
    }
    contest.run(table);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Waiting;

    /// More than the slots, so that every ring is full and wraps, and no whole number of batches.
    const RECORDS: u64 = 3 * SLOTS as u64 + 7;

    struct Checked(u64);

    impl WithRing for Checked {
        fn ring(&mut self, name: &'static str, link: impl Link + Copy + 'static) {
            let cores = crate::cores(Waiting::Yield).expect("two cores");
            let trips = cores.one_way(&link, 50);
            assert_eq!(trips.checked, 2 * 55, "{name}");
            assert!(trips.times_ns[0] > 0.0, "{name}");
            assert!(trips.times_ns[1] >= trips.times_ns[0], "{name}");
            for receivers in [1, 4] {
                let streamed = cores.stream(&link, RECORDS, receivers);
                assert_eq!(streamed.checked, RECORDS * receivers as u64, "{name}");
            }
            self.0 += 1;
        }
    }

    #[test]
    fn every_ring_brings_every_record_whole_and_in_order() {
        if crate::cores(Waiting::Yield).is_none() {
            println!("SKIPPED: two cores are needed");
            return;
        }
        each_ring(Checked(0));
    }
}
