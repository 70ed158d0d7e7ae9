//! The record stage: what a bus publishes is in the tape or named as missing, whatever the ring and
//! the disk do, and the feed never waits for either.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a test fails by panicking"
)]

#[allow(unsafe_code, reason = "confines a child between fork and exec")]
mod confined;
mod support;

use ringtape::bus::{Contract, Passage, Publisher, Subscription};
use ringtape::clock::ManualClock;
use ringtape::journal::{Config, Journal, SyncPolicy, Verdict, Writer, verify};
use ringtape::market::MarketEvent;
use ringtape::record::{Content, Digest, Gap, GapCause, Record, Sequence};
use ringtape::stage::{Framing, NotJournaled, RecordOutcome, RecordStage, Stage};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;
use std::path::Path;
use std::time::Duration;
use support::Folder;

const FLUSH: Duration = Duration::from_millis(1);
/// Longer than the pause before another attempt.
const LATER_NS: u64 = 1_000_000_000;

/// A bus with a journal on the same thread.
struct Bench {
    publisher: Option<Publisher<MarketEvent>>,
    stage: RecordStage<MarketEvent, ManualClock>,
    clock: ManualClock,
    /// What was published, as a journal that lacks nothing holds it.
    digest: Digest,
}

impl Bench {
    fn open(config: Config, contract: Contract, capacity: usize) -> Self {
        let clock = ManualClock::new(1_000);
        let writer = Writer::open(config, 0).unwrap();
        let mut publisher = Publisher::starting_at(writer.next_sequence(), 64);
        let subscriber = publisher
            .subscribe(Subscription {
                contract,
                capacity,
                passages: false,
                ..Subscription::default()
            })
            .unwrap();
        let framing = Framing {
            frame_records: 8,
            flush: FLUSH,
        };
        let stage =
            RecordStage::new("journal", subscriber, writer, clock.clone(), framing).unwrap();
        Self {
            publisher: Some(publisher),
            stage,
            clock,
            digest: Digest::new(),
        }
    }

    /// Publishes `count` records. Returns false when a lossless journal has no room.
    fn publish(&mut self, count: u64) -> bool {
        let publisher = self.publisher.as_mut().unwrap();
        for _ in 0..count {
            let number = publisher.batch().next_sequence();
            publisher
                .batch()
                .push_gap(number.get(), feed_gap(number.get()));
            self.digest.record(&record(number.get()));
        }
        publisher.commit(Passage::default())
    }

    fn poll(&mut self) {
        while self.stage.poll() > 0 {}
    }

    /// Publishes and journals `count` records.
    fn journal(&mut self, count: u64) {
        assert!(self.publish(count));
        self.clock.advance(LATER_NS);
        // The first look at the records starts the time that they wait.
        self.poll();
        self.clock.advance(LATER_NS);
        self.poll();
    }

    fn finish(mut self) -> RecordOutcome {
        self.publisher = None;
        while !self.stage.is_finished() {
            self.stage.poll();
        }
        let outcome = self.stage.into_outcome();
        assert!(outcome.account.closes(), "{:?}", outcome.account);
        outcome
    }
}

fn feed_gap(number: u64) -> Gap {
    Gap {
        first: number,
        last: number,
        cause: GapCause::Absent,
        feed: 1,
    }
}

fn record(number: u64) -> Record<MarketEvent> {
    Record::gap(Sequence::new(number), number, feed_gap(number))
}

fn config(folder: &Folder) -> Config {
    Config::new(folder.path().join("tape"))
}

fn records(directory: &Path) -> Vec<Record<MarketEvent>> {
    let journal = Journal::open(directory).unwrap();
    let read = journal.reader().records().collect::<Result<Vec<_>, _>>();
    read.unwrap()
}

fn digest(records: &[Record<MarketEvent>]) -> u128 {
    let mut digest = Digest::new();
    for record in records {
        digest.record(record);
    }
    digest.value()
}

/// The gaps of the journal itself in a tape.
fn own_gaps(records: &[Record<MarketEvent>]) -> Vec<Gap> {
    records
        .iter()
        .filter_map(|record| match record.content() {
            Content::Gap(gap) if gap.feed == 0 => Some(gap),
            _ => None,
        })
        .collect()
}

fn missing(first: u64, last: u64, cause: GapCause) -> NotJournaled {
    NotJournaled {
        first: Sequence::new(first),
        last: Sequence::new(last),
        cause,
    }
}

/// Sees that the tape has each number from 1 to `last` once, as a record or in a gap of its own.
fn assert_complete(records: &[Record<MarketEvent>], last: u64) {
    let mut next = 1;
    for record in records {
        assert_eq!(record.sequence().get(), next);
        next = match record.content() {
            Content::Gap(gap) if gap.feed == 0 => gap.last + 1,
            _ => next + 1,
        };
    }
    assert_eq!(next, last + 1);
}

#[test]
fn the_tape_holds_what_was_published_in_order_and_another_run_goes_on_behind_it() {
    let folder = Folder::new();
    let mut first = Bench::open(config(&folder), Contract::Lossy, 64);
    for count in [1, 8, 20, 3] {
        first.journal(count);
    }
    let expected = first.digest.value();
    let outcome = first.finish();
    assert_eq!((outcome.account.written, outcome.failures), (32, 0));
    let tape = records(&outcome.directory);
    assert_eq!(digest(&tape), expected);
    assert_complete(&tape, 32);

    let mut second = Bench::open(config(&folder), Contract::Lossy, 64);
    second.journal(5);
    let outcome = second.finish();
    assert_eq!(outcome.first, Sequence::new(33));
    assert_complete(&records(&outcome.directory), 37);
}

#[test]
fn few_records_wait_for_more_until_the_flush_time_and_no_longer() {
    let folder = Folder::new();
    let mut bench = Bench::open(config(&folder), Contract::Lossy, 64);
    assert!(bench.publish(3));
    assert_eq!(bench.stage.poll(), 0);
    bench.clock.advance(999_999);
    assert_eq!(bench.stage.poll(), 0);
    bench.clock.advance(1);
    assert_eq!(bench.stage.poll(), 3);
    assert!(bench.publish(8), "a whole frame does not wait");
    assert_eq!(bench.stage.poll(), 8);
    assert_eq!(bench.stage.counters().written.get(), 11);
    bench.finish();
}

#[test]
fn a_full_ring_never_makes_the_feed_wait_and_is_a_named_gap_in_tape_and_ledger() {
    let folder = Folder::new();
    let mut bench = Bench::open(config(&folder), Contract::Lossy, 16);
    assert!(bench.publish(20), "the feed does not wait");
    bench.poll();
    assert!(bench.publish(4));
    bench.clock.advance(LATER_NS);
    bench.poll();
    assert!(
        bench.publish(30),
        "the last overrun has no record behind it"
    );
    let outcome = bench.finish();
    let lost = [
        missing(17, 20, GapCause::Overrun),
        missing(41, 54, GapCause::Overrun),
    ];
    let tape = records(&outcome.directory);
    let gaps: Vec<_> = own_gaps(&tape)
        .iter()
        .map(|gap| (gap.first, gap.last))
        .collect();
    assert_eq!(outcome.account.published, 54);
    assert_eq!(outcome.account.not_journaled.len(), gaps.len());
    for (lost, (first, last)) in outcome.account.not_journaled.iter().zip(&gaps) {
        assert_eq!((lost.first.get(), lost.last.get()), (*first, *last));
        assert_eq!(lost.cause, GapCause::Overrun);
    }
    assert_eq!(outcome.account.not_journaled[0], lost[0]);
    assert_eq!(outcome.account.missing(), 54 - outcome.account.written);
    assert_complete(&tape, 54);
}

#[test]
fn a_lossless_journal_makes_the_feed_wait_and_lacks_nothing() {
    let folder = Folder::new();
    let mut bench = Bench::open(config(&folder), Contract::Lossless, 16);
    let mut waited = false;
    for _ in 0..10 {
        let mut committed = bench.publish(10);
        while !committed {
            waited = true;
            bench.clock.advance(LATER_NS);
            bench.stage.poll();
            committed = bench.publisher.as_mut().unwrap().commit(Passage::default());
        }
    }
    let expected = bench.digest.value();
    let outcome = bench.finish();
    assert!(waited);
    assert_eq!(outcome.account.missing(), 0);
    assert_eq!(digest(&records(&outcome.directory)), expected);
}

#[test]
fn a_full_disk_stops_nobody_and_the_tape_goes_on_with_the_exact_range_when_there_is_room() {
    confined::run(
        "a_full_disk_stops_nobody_and_the_tape_goes_on_with_the_exact_range_when_there_is_room",
        "fork",
        || Ok(()),
        || {
            let folder = Folder::new();
            let mut bench = Bench::open(config(&folder), Contract::Lossy, 64);
            bench.journal(8);
            // 832 bytes so far, and the next frame is longer than what is left.
            limit_files(Some(1024));
            bench.journal(10);
            bench.journal(10);
            limit_files(None);
            bench.journal(7);

            let outcome = bench.finish();
            assert!(outcome.failures >= 1 && outcome.failure.is_some());
            let lost = missing(9, 28, GapCause::NotJournaled);
            assert_eq!(outcome.account.not_journaled, [lost]);
            let tape = records(&outcome.directory);
            // More than one, because a gap fits where a frame of records does not.
            let gaps = own_gaps(&tape);
            assert_eq!(gaps.iter().map(Gap::count).sum::<u64>(), lost.count());
            assert_eq!(gaps[0].first, 9);
            assert_complete(&tape, 35);
        },
    );
}

/// What is written beyond the limit would end the process with a signal.
fn limit_files(bytes: Option<u64>) {
    let limit = Rlimit {
        current: bytes,
        ..getrlimit(Resource::Fsize)
    };
    setrlimit(Resource::Fsize, limit).unwrap();
}

#[test]
fn a_removed_directory_costs_what_was_in_it_and_the_tape_goes_on_in_a_new_one() {
    let folder = Folder::new();
    let mut bench = Bench::open(config(&folder), Contract::Lossy, 64);
    bench.journal(10);
    fs::remove_dir_all(folder.path().join("tape")).unwrap();
    bench.journal(10);
    bench.journal(3);
    let outcome = bench.finish();
    assert_eq!(
        outcome.account.not_journaled[0].first,
        Sequence::FIRST,
        "what was removed is missing, too"
    );
    let tape = records(&outcome.directory);
    assert_eq!(own_gaps(&tape).len(), 1);
    assert_complete(&tape, 23);
    let findings = verify::<MarketEvent>(&outcome.directory, |_, _| {}).unwrap();
    assert_eq!(findings.verdict(), Verdict::Clean);
}

#[test]
fn a_segment_of_an_earlier_run_that_is_removed_is_a_gap_in_the_tape_and_no_loss_of_this_run() {
    let folder = Folder::new();
    let mut first = Bench::open(config(&folder), Contract::Lossy, 64);
    first.journal(10);
    // As a process that was killed.
    drop(first);
    let mut bench = Bench::open(config(&folder), Contract::Lossy, 64);
    bench.journal(10);
    let tape = folder.path().join("tape");
    fs::remove_file(tape.join("0000000001-00000000000000000001.tape")).unwrap();
    bench.journal(10);
    bench.journal(10);
    let outcome = bench.finish();
    let account = &outcome.account;
    assert_eq!((account.published, account.written), (30, 10));
    let lost = missing(11, 30, GapCause::NotJournaled);
    assert_eq!(account.not_journaled, [lost]);
    assert_complete(&records(&outcome.directory), 40);
}

#[test]
fn a_clock_that_steps_back_delays_neither_the_next_attempt_nor_what_is_due() {
    let folder = Folder::new();
    let config = Config {
        sync: SyncPolicy::Every(Duration::from_millis(5)),
        ..config(&folder)
    };
    let tape = folder.path().join("tape");
    let mut bench = Bench::open(config, Contract::Lossy, 64);
    bench.clock.advance(1_000 * LATER_NS);
    bench.journal(8);
    let counters = bench.stage.counters();
    assert_eq!(counters.durable.get(), 8);
    fs::remove_dir_all(&tape).unwrap();
    fs::write(&tape, b"in the way").unwrap();
    bench.journal(8);
    assert_eq!(counters.written.get(), 8);
    fs::remove_file(&tape).unwrap();
    bench.clock.step_back(500 * LATER_NS);
    assert!(bench.publish(8));
    bench.poll();
    assert_eq!((counters.written.get(), counters.durable.get()), (24, 24));
    bench.finish();
}

#[test]
fn each_sync_policy_makes_durable_what_it_says() {
    for (sync, durable) in [
        (SyncPolicy::Never, 0),
        (SyncPolicy::EveryFrame, 10),
        (SyncPolicy::Every(Duration::from_millis(5)), 10),
    ] {
        let folder = Folder::new();
        let config = Config {
            sync,
            ..config(&folder)
        };
        let mut bench = Bench::open(config, Contract::Lossy, 64);
        bench.journal(10);
        assert_eq!(bench.stage.counters().written.get(), 10);
        assert_eq!(bench.stage.counters().durable.get(), durable, "{sync:?}");
        bench.finish();
    }
}
