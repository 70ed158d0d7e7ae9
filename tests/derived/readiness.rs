//! A handler that is not ready is given nothing, loses nothing, and ends when it is ready to.

use super::rig::{Flow, Input, Keep, books, config, inline, run};
use super::support::Folder;
use ringtape::book::{BarRule, BookHandler, BusOutput};
use ringtape::bus::{Contract, Delivery, Passage, Publisher, Subscription};
use ringtape::clock::SystemClock;
use ringtape::error::Error;
use ringtape::handler::{At, Handler};
use ringtape::journal::{Config, Writer};
use ringtape::market::MarketEvent;
use ringtape::record::{Batch, Digest, Gap, Record};
use ringtape::replay::Replay;
use ringtape::stage::{HandleStage, Stage as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

const RULES: [BarRule; 1] = [BarRule::Time {
    every_ns: 100_000_000,
}];

/// Has to be asked three times before each record and before its end.
#[derive(Default)]
struct Picky {
    keep: Keep,
    asked: u32,
    wants: u32,
}

impl Picky {
    fn given(&mut self) {
        assert_eq!(self.asked, self.wants, "given while not ready");
        (self.asked, self.wants) = (0, 3);
    }
}

impl Handler<MarketEvent> for Picky {
    fn on_event(&mut self, event: &MarketEvent, at: At) {
        self.given();
        self.keep.on_event(event, at);
    }
    fn on_gap(&mut self, gap: Gap) {
        self.given();
        self.keep.on_gap(gap);
    }
    fn on_session(&mut self, _: &ringtape::record::Session, _: At) {
        self.given();
    }
    fn on_stop(&mut self) {
        self.given();
        self.keep.on_stop();
    }
    fn is_ready(&mut self) -> bool {
        self.asked = self.wants.min(self.asked + 1);
        self.asked == self.wants
    }
}

fn push(batch: &mut Batch<MarketEvent>, recv_ns: u64, input: &Input) {
    match input {
        Input::Event(event) => batch.push_event(recv_ns, event),
        Input::Gap(gap) => batch.push_gap(recv_ns, *gap),
        Input::Session(session) => batch.push_session(recv_ns, *session),
    }
}

/// Journals inputs, four to a receive time.
fn journal(folder: &Folder, inputs: &[Input]) -> (PathBuf, Vec<Record<MarketEvent>>) {
    let directory = folder.path().join("tape");
    let mut batch = Batch::with_capacity(inputs.len());
    for (n, input) in (0..).zip(inputs) {
        push(&mut batch, 1_000 + n / 4, input);
    }
    let mut writer = Writer::<MarketEvent>::open(Config::new(&directory), 0).unwrap();
    for records in batch.records().chunks(100) {
        writer.append([records, &[]], 0).unwrap();
    }
    writer.close().unwrap();
    (directory, batch.records().to_vec())
}

fn digest(records: &[Record<MarketEvent>]) -> u128 {
    let mut digest = Digest::new();
    records.iter().for_each(|record| digest.record(record));
    digest.value()
}

#[test]
fn a_stage_gives_nothing_to_a_handler_that_is_not_ready_and_waits_for_its_end() {
    let inputs = Flow::new(3).inputs(300);
    let mut publisher = Publisher::<MarketEvent>::new(512);
    // Smaller than what comes at once, so that there are overruns, too.
    let subscription = Subscription {
        capacity: 64,
        ..Subscription::default()
    };
    let subscriber = publisher.subscribe(subscription).unwrap();
    let mut stage = HandleStage::new("picky", subscriber, Picky::default(), SystemClock, false);
    stage.start().unwrap();
    for (n, input) in (0..).zip(&inputs) {
        push(publisher.batch(), n, input);
        if n % 100 == 99 {
            assert!(publisher.commit(Passage::default()));
            for _ in 0..180 {
                assert!(stage.poll() <= 1);
            }
        }
    }
    drop(publisher);
    let mut polls = 0;
    while !stage.is_finished() {
        stage.poll();
        polls += 1;
        assert!(polls < 10_000, "never ends");
    }
    let outcome = stage.into_outcome();
    assert!(outcome.account.closes(), "{:?}", outcome.account);
    assert!(outcome.account.overrun > 0 && outcome.account.handled > 100);
    let picky = outcome.handler.unwrap();
    assert!(picky.keep.stopped && picky.asked == picky.wants);
    let missing: u64 = picky.keep.gaps.iter().map(Gap::count).sum();
    assert!(missing >= outcome.account.overrun);
}

#[test]
fn a_replay_gives_a_picky_handler_the_same_filtered_or_not_merged_or_not() {
    let folder = Folder::new();
    let (directory, records) = journal(&folder, &Flow::new(4).inputs(700));
    let open = |directory: &Path| Replay::<MarketEvent>::open(directory).unwrap();
    for realtime in [false, true] {
        let replay = || {
            let replay = open(&directory);
            // At a finite speed records are held, and not lent from the file.
            if realtime {
                replay.speed(ringtape::replay::Speed::Times { e3: u64::MAX })
            } else {
                replay
            }
        };
        let outcome = replay().run("picky", Picky::default()).unwrap();
        assert_eq!(outcome.digest.unwrap().value(), digest(&records));
        let picky = outcome.handler.unwrap();
        let plain = replay().run("plain", Keep::default()).unwrap();
        assert_eq!(outcome.tally, plain.tally);
        assert_eq!((outcome.first, outcome.last), (plain.first, plain.last));
        let plain = plain.handler.unwrap();
        assert_eq!(picky.keep.events, plain.events);
        assert_eq!(picky.keep.ends, plain.ends);
        assert!(picky.keep.stopped);

        // A filter is asked once for each event.
        let every_other = || {
            let mut asked = 0;
            replay().filter(move |_| {
                asked += 1;
                asked % 2 == 0
            })
        };
        let some = every_other().run("picky", Picky::default()).unwrap();
        let plain = every_other().run("plain", Keep::default()).unwrap();
        assert_eq!(some.filtered, plain.filtered);
        assert_eq!(some.digest.unwrap().value(), plain.digest.unwrap().value());
        assert_eq!(
            some.handler.unwrap().keep.events,
            plain.handler.unwrap().events
        );
    }
}

#[test]
fn a_replay_past_a_full_ring_that_nobody_empties_is_an_error_and_not_a_standstill() {
    let folder = Folder::new();
    let (directory, _) = journal(&folder, &Flow::new(5).inputs(400));
    let mut publisher = Publisher::<MarketEvent>::new(4);
    let subscription = Subscription {
        contract: Contract::Lossless,
        capacity: 4,
        passages: false,
        ..Subscription::default()
    };
    let subscriber = publisher.subscribe(subscription).unwrap();
    let output = BusOutput::new(publisher).unwrap();
    let handler = BookHandler::new(books(), &config(&RULES), output).unwrap();
    let replay = Replay::<MarketEvent>::open(&directory).unwrap();
    let ended = replay.ready_within(Duration::ZERO).run("books", handler);
    let error = ended.map(drop).unwrap_err();
    assert!(matches!(error, Error::HandlerNotReady { .. }), "{error}");
    let told = error.to_string();
    assert!(
        told.contains("books") && told.contains("another thread"),
        "{told}"
    );
    assert!(subscriber.is_abandoned(), "the bus has ended");
    let account = subscriber.books().account();
    assert_eq!(account.published, 4 + account.overrun);
}

#[test]
fn a_replay_that_is_polled_in_turn_with_its_subscriber_needs_no_other_thread() {
    let folder = Folder::new();
    let inputs = Flow::new(6).inputs(400);
    let (directory, _) = journal(&folder, &inputs);
    let mut publisher = Publisher::<MarketEvent>::new(4);
    let subscription = Subscription {
        contract: Contract::Lossless,
        capacity: 4,
        passages: false,
        ..Subscription::default()
    };
    let mut subscriber = publisher.subscribe(subscription).unwrap();
    let output = BusOutput::new(publisher).unwrap();
    let handler = BookHandler::new(books(), &config(&RULES), output).unwrap();
    let replay = Replay::<MarketEvent>::open(&directory).unwrap();
    let mut playback = replay.start("books", handler).unwrap();
    let (mut digest, mut waited) = (Digest::new(), false);
    while !playback.is_finished() {
        if playback.poll().unwrap() == 0 {
            waited |= playback.waits();
            subscriber.poll(3, |delivery| match delivery {
                Delivery::Record { record, .. } => digest.record(record),
                Delivery::Overrun(gap) => panic!("{gap:?}"),
            });
        }
    }
    while subscriber.poll(9, |delivery| match delivery {
        Delivery::Record { record, .. } => digest.record(record),
        Delivery::Overrun(gap) => panic!("{gap:?}"),
    }) > 0
    {}
    assert!(waited && subscriber.is_closed());
    let handler = playback.into_outcome().handler.unwrap();
    assert_eq!(digest.value(), handler.digest().value());
    assert_eq!(digest.value(), run(&inputs, &RULES).digest().value());
}

#[test]
fn a_handler_inside_a_handler_is_asked_before_each_event() {
    use ringtape::book::InlineOutput;
    let folder = Folder::new();
    let inputs = Flow::new(7).inputs(400);
    let (directory, _) = journal(&folder, &inputs);
    let output = InlineOutput::new(Picky::default());
    let handler = BookHandler::new(books(), &config(&RULES), output).unwrap();
    let replay = Replay::<MarketEvent>::open(&directory).unwrap();
    let outcome = replay.run("picky", handler).unwrap();
    let handler = outcome.handler.unwrap();
    let plain = Replay::<MarketEvent>::open(&directory).unwrap();
    let plain = plain.run("plain", inline(&RULES)).unwrap().handler.unwrap();
    let (picky, plain) = (handler.output().handler(), plain.output().handler());
    assert_eq!(picky.keep.events, plain.events);
    assert_eq!(picky.keep.ends, plain.ends);
    assert!(picky.keep.stopped && plain.stopped);
}
