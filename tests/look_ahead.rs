//! Handlers that are shown their records before they are given them: live, of both rings, and in
//! replay.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod random;
mod support;

use random::Random;
use ringtape::book::{Books, BooksConfig};
use ringtape::bus::{Contract, Passage, Publisher, Ring, Subscription};
use ringtape::clock::SystemClock;
use ringtape::handler::{At, Handler};
use ringtape::journal::{Config, Writer};
use ringtape::market::{
    AddOrder, Cancel, Delete, Execute, Flags, Head, MarketEvent, NO_PRICE, Replace, Side, System,
};
use ringtape::record::{Content, Gap, GapCause, Record, Sequence};
use ringtape::replay::Replay;
use ringtape::stage::{HandleOutcome, HandleStage, Stage};
use std::collections::VecDeque;
use support::Folder;
use zerocopy::FromZeros;

/// Sees that what it is given was shown to it just before, and is not ready at random.
struct Sees {
    ahead: usize,
    random: Random,
    shown: VecDeque<Record<MarketEvent>>,
    given: Vec<u64>,
    lost: u64,
    /// Something was lost since the last time: what comes behind it can be given as it is.
    is_behind_loss: bool,
    panics_at: Option<u64>,
}

impl Sees {
    fn new(ahead: usize) -> Self {
        Self {
            ahead,
            random: Random(ahead as u64),
            shown: VecDeque::new(),
            given: Vec::new(),
            lost: 0,
            is_behind_loss: false,
            panics_at: None,
        }
    }
}

impl Handler<MarketEvent> for Sees {
    fn look_ahead(&self) -> usize {
        self.ahead
    }

    fn on_ahead(&mut self, records: &[Record<MarketEvent>]) {
        assert!(!records.is_empty());
        self.is_behind_loss = false;
        self.shown.extend(records);
        assert!(
            self.shown.len() <= self.ahead,
            "all that was shown is given first"
        );
        let shows = |wanted| {
            records
                .iter()
                .any(|record| record.sequence().get() == wanted)
        };
        assert!(
            !self.panics_at.is_some_and(shows),
            "shown what it cannot bear"
        );
    }

    fn on_event(&mut self, event: &MarketEvent, at: At) {
        if self.ahead > 0 && !(self.is_behind_loss && self.shown.is_empty()) {
            let shown = self.shown.pop_front().expect("it was shown");
            let given = Record::event(at.sequence, at.ts_recv_ns, event);
            assert_eq!(shown.as_stored(), given.as_stored());
        }
        self.given.push(at.sequence.get());
    }

    fn on_gap(&mut self, gap: Gap) {
        assert_eq!(gap.cause, GapCause::Overrun);
        self.lost += gap.count();
        self.is_behind_loss = true;
        // They were overwritten while this was not ready.
        self.shown
            .retain(|record| record.sequence().get() > gap.last);
    }

    fn is_ready(&mut self) -> bool {
        !self.random.one_in(5)
    }
}

fn below(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).unwrap()
}

fn head(instrument: u32, side: Side) -> Head {
    Head {
        instrument,
        feed: 1,
        side,
        flags: Flags::LAST,
        ..Head::new_zeroed()
    }
}

fn system(number: u32) -> MarketEvent {
    let system = System {
        head: head(0, Side::NONE),
        code: b'Q',
        message: number,
        ..System::new_zeroed()
    };
    system.into()
}

fn events(count: u64) -> Vec<Record<MarketEvent>> {
    let event = |number| {
        let message = u32::try_from(number).unwrap();
        Record::event(Sequence::new(number), 1_000 + number / 3, &system(message))
    };
    (1..=count).map(event).collect()
}

/// Publishes the events of `records` in pieces of random length, and polls now and then.
fn live<H: Handler<MarketEvent>>(
    handler: H,
    (ring, contract): (Ring, Contract),
    records: &[Record<MarketEvent>],
) -> HandleOutcome<H> {
    const PIECE_MAX: usize = 40;
    let mut publisher = Publisher::new(PIECE_MAX);
    let subscription = Subscription {
        contract,
        ring,
        capacity: 64,
        passages: false,
    };
    let subscriber = publisher.subscribe(subscription).unwrap();
    let mut stage = HandleStage::new("handler", subscriber, handler, SystemClock, false);
    stage.start().unwrap();
    let mut random = Random(records.len() as u64);
    let mut rest = records.iter();
    while rest.len() > 0 {
        let count = 1 + below(&mut random, PIECE_MAX);
        for record in rest.by_ref().take(count) {
            let Content::Event(event) = record.content() else {
                panic!("{record:?}");
            };
            publisher.batch().push_event(record.ts_recv_ns(), event);
        }
        while !publisher.commit(Passage::default()) {
            stage.poll();
        }
        if random.one_in(2) {
            stage.poll();
        }
    }
    drop(publisher);
    for _ in 0..1_000_000 {
        stage.poll();
    }
    assert!(stage.is_finished());
    stage.into_outcome()
}

/// Writes records to a journal, in frames of 200.
fn tape(records: &[Record<MarketEvent>]) -> Folder {
    let folder = Folder::new();
    let mut writer = Writer::open(Config::new(folder.path()), 0).unwrap();
    for records in records.chunks(200) {
        writer.append([records, &[]], 0).unwrap();
    }
    writer.close().unwrap();
    folder
}

const ALL: [(Ring, Contract); 4] = [
    (Ring::Lane, Contract::Lossless),
    (Ring::Lane, Contract::Lossy),
    (Ring::Broadcast, Contract::Lossless),
    (Ring::Broadcast, Contract::Lossy),
];

#[test]
fn what_a_handler_is_given_live_was_shown_to_it_before() {
    let records = events(3_000);
    for way in ALL {
        for ahead in [0, 1, 2, 7, 64, 1_000] {
            let outcome = live(Sees::new(ahead), way, &records);
            assert_eq!(outcome.error.map(|error| error.to_string()), None);
            let sees = outcome.handler.unwrap();
            assert_eq!(
                sees.given.len() as u64 + sees.lost,
                3_000,
                "{way:?}, {ahead}"
            );
            assert_eq!(sees.lost > 0, way.1 == Contract::Lossy, "{way:?}, {ahead}");
            assert!(sees.given.is_sorted_by(|a, b| a < b));
        }
    }
}

#[test]
fn what_a_handler_is_given_in_replay_was_shown_to_it_before() {
    let records = events(3_000);
    let folder = tape(&records);
    let mut digests = Vec::new();
    for ahead in [0, 1, 2, 7, 64, 1_000] {
        for digests_too in [false, true] {
            let replay = Replay::<MarketEvent>::open(folder.path()).unwrap();
            let replay = if digests_too {
                replay
            } else {
                replay.without_digest()
            };
            let outcome = replay.run("sees", Sees::new(ahead)).unwrap();
            assert!(outcome.handler.unwrap().given.into_iter().eq(1..=3_000));
            digests.extend(outcome.digest.map(|digest| digest.to_string()));
        }
    }
    digests.dedup();
    assert_eq!(digests.len(), 1);
}

#[test]
fn a_panic_over_what_is_shown_ends_the_handler_at_the_first_of_it() {
    let mut sees = Sees::new(4);
    sees.panics_at = Some(100);
    let outcome = live(sees, ALL[0], &events(200));
    assert!(outcome.handler.is_none());
    let error = outcome.error.unwrap().to_string();
    assert!(error.contains("shown what it cannot bear"), "{error}");
    let handled = outcome.account.handled;
    assert!((95..100).contains(&handled), "{handled}");
    assert!(error.contains(&(handled + 1).to_string()), "{error}");
}

/// Looks ahead up to a record, or panics when it is asked to.
#[derive(Debug)]
struct Ends {
    until: Option<u64>,
    given: u64,
    shown: u64,
}

impl Ends {
    fn new(until: Option<u64>) -> Self {
        let (given, shown) = (0, 0);
        Self {
            until,
            given,
            shown,
        }
    }
}

impl Handler<MarketEvent> for Ends {
    fn look_ahead(&self) -> usize {
        let until = self.until.expect("asked to look ahead");
        if self.given < until { 4 } else { 0 }
    }

    fn on_ahead(&mut self, records: &[Record<MarketEvent>]) {
        assert!(records.len() <= self.look_ahead());
        assert!(records[0].sequence().get() > self.shown, "shown again");
        self.shown = records.last().unwrap().sequence().get();
    }

    fn on_event(&mut self, _: &MarketEvent, at: At) {
        self.given = at.sequence.get();
    }

    fn on_gap(&mut self, _: Gap) {}
}

#[test]
fn a_handler_that_has_looked_ahead_far_enough_is_shown_nothing_more() {
    let records = events(100);
    let folder = tape(&records);
    let replay = Replay::<MarketEvent>::open(folder.path()).unwrap();
    let outcome = replay.run("ends", Ends::new(Some(10))).unwrap();
    assert_eq!(outcome.handler.unwrap().shown, 12);
    for way in [ALL[0], ALL[2]] {
        let ends = live(Ends::new(Some(10)), way, &records).handler.unwrap();
        assert!((10..14).contains(&ends.shown), "{way:?}: {}", ends.shown);
        assert_eq!(ends.given, 100);
    }
}

#[test]
fn a_panic_of_a_handler_that_is_asked_to_look_ahead_is_reported() {
    let records = events(10);
    let folder = tape(&records);
    let replay = Replay::<MarketEvent>::open(folder.path()).unwrap();
    let error = replay.run("ends", Ends::new(None)).unwrap_err().to_string();
    assert!(error.contains("asked to look ahead"), "{error}");
    let outcome = live(Ends::new(None), ALL[0], &records);
    let error = outcome.error.unwrap().to_string();
    assert!(error.contains("asked to look ahead"), "{error}");
}

/// So many orders that books look ahead, then as many events of all kinds that change orders, some
/// of which are wrong.
fn large_session() -> Vec<Record<MarketEvent>> {
    const ORDERS: u64 = 40_000;
    let mut random = Random(7);
    let mut heads: Vec<Head> = Vec::new();
    let event = |number| {
        let price_e9 = i64::try_from(1 + random.below(3_000)).unwrap() * 10_000_000;
        let quantity = 1 + u32::try_from(random.below(500)).unwrap();
        let order = below(&mut random, heads.len() + 2);
        let order_id = order as u64;
        let known = heads.get(order).copied();
        let new_order_id = heads.len() as u64;
        let draw = if number <= ORDERS { 0 } else { random.below(5) };
        let event: MarketEvent = match (draw, known) {
            (0, _) | (_, None) => {
                let side = if random.one_in(2) {
                    Side::BUY
                } else {
                    Side::SELL
                };
                let head = head(1 + u32::try_from(random.below(50)).unwrap(), side);
                heads.push(head);
                let mut add = AddOrder::new_zeroed();
                (add.head, add.order_id) = (head, new_order_id);
                (add.price_e9, add.quantity) = (price_e9, quantity.into());
                add.into()
            }
            (1, Some(head)) => {
                let mut delete = Delete::new_zeroed();
                (delete.head, delete.order_id) = (head, order_id);
                delete.into()
            }
            (2, Some(head)) => {
                let mut cancel = Cancel::new_zeroed();
                (cancel.head, cancel.order_id) = (head, order_id);
                cancel.quantity = quantity.into();
                cancel.into()
            }
            (3, Some(head)) => {
                let mut execute = Execute::new_zeroed();
                (execute.head, execute.order_id) = (head, order_id);
                (execute.price_e9, execute.quantity) = (NO_PRICE, quantity);
                execute.into()
            }
            (_, Some(head)) => {
                heads.push(head);
                let mut replace = Replace::new_zeroed();
                (replace.head, replace.order_id) = (head, order_id);
                (replace.new_order_id, replace.price_e9) = (new_order_id, price_e9);
                replace.quantity = quantity;
                replace.into()
            }
        };
        Record::event(Sequence::new(number), number, &event)
    };
    (1..=2 * ORDERS).map(event).collect()
}

/// A handler of books that counts what it is shown.
struct Counts {
    books: Books,
    shown: usize,
}

impl Counts {
    fn new() -> Self {
        let books = Books::new(BooksConfig::default());
        Self { books, shown: 0 }
    }
}

impl Handler<MarketEvent> for Counts {
    fn look_ahead(&self) -> usize {
        self.books.look_ahead()
    }

    fn on_ahead(&mut self, records: &[Record<MarketEvent>]) {
        self.shown += records.len();
        self.books.on_ahead(records);
    }

    fn on_event(&mut self, event: &MarketEvent, at: At) {
        self.books.on_event(event, at);
    }

    fn on_gap(&mut self, gap: Gap) {
        self.books.on_gap(gap);
    }
}

#[test]
fn large_books_look_ahead_and_are_what_they_are_without() {
    let records = large_session();
    let mut naive = Books::new(BooksConfig::default());
    assert_eq!(naive.look_ahead(), 0);
    for record in &records {
        let Content::Event(event) = record.content() else {
            panic!("{record:?}");
        };
        let at = At {
            sequence: record.sequence(),
            ts_recv_ns: record.ts_recv_ns(),
            end_of_batch: true,
        };
        naive.on_event(event, at);
    }
    assert!(naive.look_ahead() > 1 && naive.orders_alive() > 1 << 15);
    assert!(naive.errors().total() + naive.errors().doubtful_total() > 0);
    for way in [ALL[0], ALL[2]] {
        let counts = live(Counts::new(), way, &records).handler.unwrap();
        assert!((30_000..80_000).contains(&counts.shown), "{}", counts.shown);
        assert_eq!(counts.books.digest(), naive.digest(), "{way:?}");
    }
    let folder = tape(&records);
    let replay = || Replay::<MarketEvent>::open(folder.path()).unwrap();
    let counts = replay()
        .run("books", Counts::new())
        .unwrap()
        .handler
        .unwrap();
    assert!(counts.shown > 30_000);
    assert_eq!(counts.books.digest(), naive.digest());
    let filtered = replay()
        .filter(|_| true)
        .run("books", Counts::new())
        .unwrap();
    let counts = filtered.handler.unwrap();
    assert_eq!(counts.shown, 0, "a filter may keep them back");
    assert_eq!(counts.books.digest(), naive.digest());
}
