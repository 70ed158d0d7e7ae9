//! What a journal costs the strategies: the same stream to one lossless strategy, with and without
//! a record stage on the bus.
//!
//! * `spare core`: strategy and record stage each have a core. Needs three cores.
//! * `shared core`: the record stage takes its turns on the strategy's core, as on two cores.
//! * `same copy`: shared core, and instead of the journal a second strategy that only looks at each
//!   record: what any further subscriber costs. The rest is writing.
//!
//! The journal is lossless, so that each record of the stream is written, and lies in `/dev/shm`
//! where there is one, so that no disk is measured. Every pass checks that the strategy was given
//! each record once, in order, and that the journal lacks none.

#![allow(
    clippy::print_stdout,
    missing_docs,
    reason = "a bench prints, and is no public interface"
)]

mod support;

use ringtape::bus::{Contract, Delivery, Passage, Publisher, Subscriber, Subscription};
use ringtape::clock::SystemClock;
use ringtape::cpu;
use ringtape::journal::{Config, Writer};
use ringtape::market::MarketEvent;
use ringtape::record::{Gap, GapCause};
use ringtape::stage::{Framing, RecordStage, Stage};
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;
use support::{Goal, Took, compare, scaled};
use tempfile::TempDir;

const RING: usize = 16_384;
const BATCH: u64 = 32;

type Bus = Publisher<MarketEvent>;

fn main() {
    let cores = cpu::allowed();
    let [first, .., last] = cores[..] else {
        println!("SKIPPED: these benches need two cores, this process may use {cores:?}");
        return;
    };
    let records = scaled(2_000_000).next_multiple_of(BATCH);
    let off = || stream(records, first, last, Second::None);
    match cores[..] {
        [_, spare, _, ..] => compare(
            "spare core: journal on / off",
            Goal::ThroughputAtLeast(0.9),
            off,
            || stream(records, first, last, Second::Journal { core: spare }),
        ),
        _ => println!("SKIPPED: spare core: this process may use only {cores:?}"),
    }
    compare("shared core: journal on / off", Goal::None, off, || {
        stream(records, first, last, Second::Journal { core: last })
    });
    compare(
        "same copy: a second strategy / none",
        Goal::None,
        off,
        || stream(records, first, last, Second::Strategy),
    );
}

/// What is on the bus beside the strategy.
#[derive(Clone, Copy)]
enum Second {
    None,
    Strategy,
    Journal { core: usize },
}

/// A strategy that checks what it is given.
struct Strategy {
    subscriber: Subscriber<MarketEvent>,
    next: u64,
}

impl Strategy {
    fn attach(bus: &mut Bus) -> Self {
        Self {
            subscriber: bus.subscribe(subscription()).expect("a valid ring"),
            next: 1,
        }
    }

    fn poll(&mut self) {
        self.subscriber.poll(256, |delivery| match delivery {
            Delivery::Record { record, .. } => {
                assert_eq!(record.sequence().get(), self.next);
                self.next += 1;
            }
            Delivery::Overrun(gap) => panic!("lost {gap:?}"),
        });
    }
}

fn subscription() -> Subscription {
    Subscription {
        contract: Contract::Lossless,
        capacity: RING,
        passages: false,
        ..Subscription::default()
    }
}

/// Times `records` from the first that is published to the last that the strategy was given.
fn stream(records: u64, near: usize, far: usize, second: Second) -> Took {
    let folder = folder();
    let mut bus = Bus::new(64);
    let mut strategy = Strategy::attach(&mut bus);
    let mut other = matches!(second, Second::Strategy).then(|| Strategy::attach(&mut bus));
    let mut journal =
        matches!(second, Second::Journal { .. }).then(|| journal(&mut bus, folder.path()));
    let spare = match second {
        Second::Journal { core } if core != far => Some(core),
        _ => None,
    };
    let mut apart = spare.and_then(|core| Some((core, journal.take()?)));
    let start = Barrier::new(2 + usize::from(apart.is_some()));
    let handled = AtomicU64::new(0);
    let took = thread::scope(|scope| {
        scope.spawn(|| {
            cpu::pin(far).expect("the core is allowed");
            start.wait();
            while strategy.next <= records {
                strategy.poll();
                if let Some(other) = &mut other {
                    other.poll();
                }
                if let Some(journal) = &mut journal {
                    journal.poll();
                }
            }
            handled.store(records, Ordering::Release);
            // The publisher still waits for room in these rings.
            while let Some(journal) = &mut journal
                && !journal.is_finished()
            {
                journal.poll();
            }
            while let Some(other) = &mut other
                && other.next <= records
            {
                other.poll();
            }
        });
        if let Some((core, journal)) = &mut apart {
            scope.spawn(|| {
                cpu::pin(*core).expect("the core is allowed");
                start.wait();
                while !journal.is_finished() {
                    journal.poll();
                }
            });
        }
        let publishing = scope.spawn(|| {
            cpu::pin(near).expect("the core is allowed");
            start.wait();
            let begin = Instant::now();
            publish(bus, records);
            while handled.load(Ordering::Acquire) < records {}
            begin.elapsed()
        });
        publishing.join().expect("the checks hold")
    });
    for journal in journal.into_iter().chain(apart.map(|(_, journal)| journal)) {
        let account = journal.into_outcome().account;
        assert!(
            account.closes() && account.written == records,
            "{account:?}"
        );
    }
    Took {
        elapsed: took,
        items: records,
    }
}

fn publish(mut bus: Bus, records: u64) {
    let mut last = 0;
    while last < records {
        for _ in 0..BATCH {
            last = bus.batch().next_sequence().get();
            let gap = Gap {
                first: last,
                last,
                cause: GapCause::Absent,
                feed: 1,
            };
            bus.batch().push_gap(last, gap);
        }
        while !bus.commit(Passage::default()) {}
    }
}

fn journal(bus: &mut Bus, folder: &Path) -> RecordStage<MarketEvent, SystemClock> {
    let writer = Writer::open(Config::new(folder.join("tape")), 0).expect("a new journal");
    let subscriber = bus.subscribe(subscription()).expect("a valid ring");
    let framing = Framing::default();
    RecordStage::new("journal", subscriber, writer, SystemClock, framing).expect("valid framing")
}

fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    }
    .expect("a folder")
}
