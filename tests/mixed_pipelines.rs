//! Random whole pipelines on loopback: lanes and the broadcast ring, with passages and without,
//! large and tiny, beside a journal; handlers that are slow and handlers that panic. Whatever
//! happens, the ledger closes, and all who were given everything were given the same.
//!
//! `RINGTAPE_SEEDS=1000 cargo test --test mixed_pipelines` looks longer; `RINGTAPE_SEED=n` repeats
//! one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod random;
mod support;

use random::Random;
use ringtape::bus::{Contract, Ring, Subscription};
use ringtape::handler::{At, Handler};
use ringtape::market::MarketEvent;
use ringtape::net::{self, Backend, Stamps};
use ringtape::pipeline::{
    HandlerSettings, JournalSettings, Pipeline, Report, Running, Settings, SubscriberReport,
};
use ringtape::record::{Gap, GapCause};
use ringtape::replay::Replay;
use ringtape::wait::WaitStrategy;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;
use support::{
    Folder, end_of_session, feed, heartbeat, lines, packets, senders, wait_received, wait_until,
};

const SEEDS: u64 = 12;
const MESSAGES: u64 = 400;

fn contract(random: &mut Random) -> Contract {
    if random.one_in(2) {
        Contract::Lossless
    } else {
        Contract::Lossy
    }
}

/// What a handler of this test panics with.
struct Wanted;

struct Moody {
    /// How often it gives its core away at each event.
    yields: u64,
    panics_at: u64,
    last: u64,
}

impl Handler<MarketEvent> for Moody {
    fn on_event(&mut self, _: &MarketEvent, at: At) {
        assert!(at.sequence.get() > self.last, "in order");
        self.last = at.sequence.get();
        if self.last >= self.panics_at {
            // Without the hook, which would print each.
            resume_unwind(Box::new(Wanted));
        }
        (0..self.yields).for_each(|_| thread::yield_now());
    }

    fn on_gap(&mut self, gap: Gap) {
        if gap.cause == GapCause::Overrun {
            assert!(gap.first > self.last && gap.last >= gap.first, "in order");
            self.last = gap.last;
        }
    }
}

/// What a subscriber was asked to be.
struct Asked {
    settings: HandlerSettings,
    panics: bool,
}

struct World {
    folder: Folder,
    asked: Vec<Asked>,
    journal: Option<Contract>,
}

fn build(random: &mut Random) -> (World, Pipeline<MarketEvent>) {
    let mut pipeline = Pipeline::new(Settings {
        net: net::Config {
            backend: Backend::Mmsg,
            stamps: Stamps::Batch,
            ..net::Config::default()
        },
        // Tests run side by side on few cores.
        wait: WaitStrategy::Park,
        ingest_core: None,
    });
    let hold_ns = if random.one_in(2) { 0 } else { 1_000_000 };
    pipeline
        .feed(feed(["A", "B"], hold_ns), lines(["A", "B"]))
        .unwrap();
    let journal = (!random.one_in(3)).then(|| contract(random));
    let folder = Folder::new();
    if let Some(contract) = journal {
        pipeline.journal(JournalSettings {
            contract,
            capacity: 1 << (4 + random.below(6)),
            ..JournalSettings::new(folder.path().join("tape"))
        });
    }
    // Of one size: all who share a ring have that of the largest.
    let shared = 1 << random.below(8);
    let asked: Vec<_> = (0..1 + random.below(4))
        .map(|_| {
            let is_shared = !random.one_in(3);
            let settings = HandlerSettings {
                subscription: Subscription {
                    contract: contract(random),
                    ring: if is_shared {
                        Ring::Broadcast
                    } else {
                        Ring::Lane
                    },
                    capacity: if is_shared {
                        shared
                    } else {
                        1 << random.below(8)
                    },
                    passages: !random.one_in(3),
                },
                ..HandlerSettings::default()
            };
            let panics = random.one_in(4);
            Asked { settings, panics }
        })
        .collect();
    for (number, asked) in asked.iter().enumerate() {
        let moody = Moody {
            yields: if random.one_in(2) { 0 } else { random.below(8) },
            panics_at: if asked.panics {
                random.below(MESSAGES)
            } else {
                u64::MAX
            },
            last: 0,
        };
        pipeline.subscribe(format!("{number}"), asked.settings, moody);
    }
    let world = World {
        folder,
        asked,
        journal,
    };
    (world, pipeline)
}

/// Sends the stream on two lines, neither of which brings everything.
fn send(random: &mut Random, running: &Running<MarketEvent>) {
    let senders = senders(running);
    let mut stream = packets(MESSAGES);
    if random.one_in(2) {
        stream.push(heartbeat(MESSAGES + 1));
    }
    let loses = random.below(12) + 2;
    let mut sent = 0;
    for packet in &stream {
        for sender in &senders {
            if !random.one_in(loses) {
                sender.send(packet).unwrap();
                sent += 1;
            }
        }
        wait_received(running, sent);
    }
    senders[0].send(&end_of_session(MESSAGES + 1)).unwrap();
    wait_until("the end of the session", || running.has_ended());
}

fn check(world: &World, report: &Report) {
    assert!(report.closes(), "{report:#?}");
    let mut wholes = Vec::new();
    for (subscriber, Asked { settings, panics }) in report.subscribers.iter().zip(&world.asked) {
        check_subscriber(subscriber, settings, *panics);
        let account = subscriber.account;
        if account.handled == account.published {
            wholes.push(subscriber.digest.to_string());
        }
    }
    if let (Some(Contract::Lossless), Some(journal)) = (world.journal, &report.journal) {
        assert_eq!(journal.account.missing(), 0, "{journal:#?}");
        let last = Moody {
            yields: 0,
            panics_at: u64::MAX,
            last: 0,
        };
        let replay = Replay::<MarketEvent>::open(world.folder.path().join("tape")).unwrap();
        let replayed = replay.run("replayed", last).unwrap();
        wholes.push(replayed.digest.unwrap().to_string());
    }
    assert!(
        wholes.windows(2).all(|pair| pair[0] == pair[1]),
        "{wholes:?}"
    );
}

fn check_subscriber(subscriber: &SubscriberReport, settings: &HandlerSettings, panics: bool) {
    let SubscriberReport {
        account,
        latency,
        error,
        ..
    } = subscriber;
    assert!(panics || error.is_none(), "{error:?}");
    if error.is_none() {
        assert!(account.completed, "{account:?}");
        if settings.subscription.contract == Contract::Lossless {
            assert_eq!(account.handled, account.published, "{account:?}");
        }
        let hop = latency.as_ref().unwrap().published_to_handler.summary();
        let passages = settings.subscription.passages;
        assert_eq!(hop.count, if passages { account.handled } else { 0 });
    }
}

fn run(seed: u64) {
    let mut random = Random(seed);
    let (world, pipeline) = build(&mut random);
    let running = pipeline.start().unwrap();
    send(&mut random, &running);
    running.stop();
    check(&world, &running.join());
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

#[test]
fn whatever_is_attached_the_ledger_closes_and_all_who_got_everything_got_the_same() {
    let seeds = match number("RINGTAPE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..1 + number("RINGTAPE_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        if catch_unwind(AssertUnwindSafe(|| run(seed))).is_err() {
            panic!("see above; RINGTAPE_SEED={seed} cargo test --test mixed_pipelines repeats it");
        }
    }
}
