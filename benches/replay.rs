//! Replay at full speed beside the least that reading a tape can cost.
//!
//! * `verified`: records a second into a handler that sums prices, every checksum compared, over a
//!   bare scan that only sums the stamps of the same mapped file. A fall means that checksums,
//!   frames or the way to the handler became dearer.
//! * `unverified`: the same without checksums: the way to the handler alone.
//! * `digest`: as most runs are, verified and digested, for orientation.
//! * `flow`: verified, on order flow instead of orders: what a handler's own branches cost when
//!   they are guessed wrong, which is not the replay's, comes on top. For orientation.
//! * `merged`: two journals by receive time, with the copies that this takes, for orientation.
//!
//! The tape is of add orders, so that each record has a price. Every pass opens the journal anew,
//! reads all of it and checks the sum.

#![allow(
    clippy::print_stdout,
    missing_docs,
    reason = "a bench prints, and is no public interface"
)]

#[allow(
    unsafe_code,
    reason = "maps a file, which the language cannot see being changed"
)]
#[path = "support/mapped.rs"]
mod mapped;
mod support;
mod workloads;

use mapped::sum_of_stamps;
use ringtape::replay::Replay;
use std::time::Instant;
use support::{Goal, Took, compare, scaled, wanted};
use workloads::tape::Tape;

/// Larger than a last-level cache: 128 MiB of records.
const RECORDS: u64 = 2_000_000;
const VERIFIED: &str = "replay verified / bare scan";
const UNVERIFIED: &str = "replay unverified / bare scan";
const DIGEST: &str = "replay with digest / bare scan";
const FLOW: &str = "replay flow / bare scan";
const MERGED: &str = "replay merged / one journal";

fn main() {
    if ![VERIFIED, UNVERIFIED, DIGEST, FLOW, MERGED]
        .into_iter()
        .any(wanted)
    {
        return;
    }
    let tape = Tape::write("orders", scaled(RECORDS), |message| message == b'A');
    let scan = Scan::of(&tape);
    compare(
        VERIFIED,
        Goal::ThroughputAtLeast(0.4),
        || scan.pass(),
        || tape.replay(Replay::without_digest),
    );
    compare(
        UNVERIFIED,
        Goal::ThroughputAtLeast(0.7),
        || scan.pass(),
        || tape.replay(|replay| replay.without_digest().without_verification()),
    );
    compare(
        DIGEST,
        Goal::None,
        || scan.pass(),
        || tape.replay(|replay| replay),
    );
    let flow = Tape::write("flow", scaled(RECORDS), |_| true);
    let flow_scan = Scan::of(&flow);
    compare(
        FLOW,
        Goal::None,
        || flow_scan.pass(),
        || flow.replay(Replay::without_digest),
    );
    compare(
        MERGED,
        Goal::None,
        || tape.replay(Replay::without_digest),
        || tape.merge(&flow),
    );
}

/// What a pass over the same mapped files takes, and comes to.
struct Scan<'a> {
    tape: &'a Tape,
    stamps: u64,
}

impl<'a> Scan<'a> {
    fn of(tape: &'a Tape) -> Self {
        let stamps = Self::sum(tape);
        Self { tape, stamps }
    }

    fn sum(tape: &Tape) -> u64 {
        let sums = tape.segments.iter().map(|path| sum_of_stamps(path));
        sums.fold(0, u64::wrapping_add)
    }

    fn pass(&self) -> Took {
        let begin = Instant::now();
        let sum = Self::sum(self.tape);
        let elapsed = begin.elapsed();
        assert_eq!(sum, self.stamps);
        Took {
            elapsed,
            items: self.tape.records,
        }
    }
}
