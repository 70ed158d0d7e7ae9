//! Handlers that panic on either side of a bus of derived events.

use super::pipelines::{PATIENT_NS, RULES, few_books, settings, stream};
use super::rig::{Keep, config};
use super::support::{anywhere, feed, senders, wait_received, wait_until};
use ringtape::book::{BookHandler, BusOutput};
use ringtape::bus::{Contract, Publisher};
use ringtape::error::Error;
use ringtape::handler::{At, Handler};
use ringtape::market::MarketEvent;
use ringtape::net::Line;
use ringtape::pipeline::{Pipeline, Report, Settings};
use ringtape::record::{Gap, Session};
use ringtape::wait::WaitStrategy;

/// Runs a pipeline of one line over packets that end with the session.
fn run(pipeline: Pipeline<MarketEvent>, stream: &[Vec<u8>]) -> Report {
    let running = pipeline.start().unwrap();
    let sender = &senders(&running)[0];
    for (sent, bytes) in (1_u64..).zip(stream) {
        sender.send(bytes).unwrap();
        // Never more in flight than the socket holds.
        wait_received(&running, sent.saturating_sub(100));
    }
    wait_until("the end of the session", || running.has_ended());
    running.stop();
    running.join()
}

/// Panics at its tenth event.
#[derive(Default)]
struct Mortal(u64);

impl Handler<MarketEvent> for Mortal {
    fn on_event(&mut self, _: &MarketEvent, _: At) {
        self.0 += 1;
        assert!(self.0 < 10, "the tenth event");
    }
    fn on_gap(&mut self, _: Gap) {}
}

#[test]
fn a_derived_subscriber_that_dies_is_reported_and_holds_nobody_up() {
    let stream = stream(300);
    let mut pipeline = Pipeline::new(Settings {
        wait: WaitStrategy::Park,
        ..Settings::default()
    });
    let line = Line::new("A", anywhere());
    pipeline.feed(feed(["A"], PATIENT_NS), vec![line]).unwrap();
    let mut derived = Publisher::<MarketEvent>::new(8);
    let lossless = settings(None, Contract::Lossless, 4);
    let mortal = pipeline
        .subscribe_to(&mut derived, "mortal", lossless, Mortal::default())
        .unwrap();
    let output = BusOutput::new(derived).unwrap();
    let handler = BookHandler::new(few_books(), &config(&RULES), output).unwrap();
    let source = settings(None, Contract::Lossless, 4_096);
    let books = pipeline.subscribe("books", source, handler);
    let mut report = run(pipeline, &stream);
    assert!(report.closes() && !report.is_lossless());
    assert!(report.take(mortal).is_none());
    let error = report.subscribers[0].error.as_ref().unwrap();
    assert!(
        matches!(error, Error::HandlerPanicked { sequence: 10, .. }),
        "{error}"
    );
    let account = report.subscribers[0].account;
    assert_eq!(account.handled, 9);
    let made = report.take(books).unwrap().counts();
    assert!(account.left_behind > 300 && made.bars > 100, "{made:?}");
}

/// Keeps books until its two hundredth event, at which it panics.
struct Bomb {
    books: BookHandler<BusOutput>,
    events: u64,
}

impl Handler<MarketEvent> for Bomb {
    fn on_event(&mut self, event: &MarketEvent, at: At) {
        self.events += 1;
        assert!(self.events < 200, "the two hundredth event");
        self.books.on_event(event, at);
    }
    fn on_gap(&mut self, gap: Gap) {
        self.books.on_gap(gap);
    }
    fn on_session(&mut self, session: &Session, at: At) {
        self.books.on_session(session, at);
    }
    fn is_ready(&mut self) -> bool {
        self.books.is_ready()
    }
}

#[test]
fn a_handler_that_dies_ends_the_bus_that_it_publishes_to() {
    let stream = stream(300);
    for core in [Some(ringtape::cpu::allowed()[0]), None] {
        let mut pipeline = Pipeline::new(Settings {
            wait: WaitStrategy::Park,
            ingest_core: core,
            ..Settings::default()
        });
        let line = Line::new("A", anywhere());
        pipeline.feed(feed(["A"], PATIENT_NS), vec![line]).unwrap();
        let mut derived = Publisher::<MarketEvent>::new(8);
        let lossless = settings(core, Contract::Lossless, 4);
        let keep = pipeline
            .subscribe_to(&mut derived, "keep", lossless, Keep::default())
            .unwrap();
        let output = BusOutput::new(derived).unwrap();
        let books = BookHandler::new(few_books(), &config(&RULES), output).unwrap();
        let bomb = Bomb { books, events: 0 };
        let source = settings(core, Contract::Lossless, 4_096);
        pipeline.subscribe("bomb", source, bomb);
        let mut report = run(pipeline, &stream);
        assert!(report.closes());
        assert!(report.subscribers[1].error.is_some());
        let keep = report.take(keep).unwrap();
        assert!(keep.stopped && keep.events.len() > 100);
    }
}
