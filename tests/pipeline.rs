//! The whole way, from datagrams on loopback to handlers on other threads, with both backends.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use ringtape::bus::{Contract, Subscription};
use ringtape::error::Error;
use ringtape::feed::{Feed as _, FeedConfig, NasdaqFeed, session_name};
use ringtape::handler::{At, Handler};
use ringtape::journal::Journal;
use ringtape::market::MarketEvent;
use ringtape::net::{self, Backend, Line, Stamps};
use ringtape::pipeline::{HandlerSettings, JournalSettings, Pipeline, Running, Settings, Ticket};
use ringtape::record::{Digest, Gap, GapCause, Sequence, Session, SessionMark};
use ringtape::stage::Framing;
use ringtape::wait::WaitStrategy;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::{
    Folder, anywhere, direct_digest, end_of_session, feed, lines, packets, senders, skip,
    wait_received, wait_until,
};

const BACKENDS: [Backend; 2] = [Backend::Uring, Backend::Mmsg];
/// Long enough that no stall of a test machine makes the other line late.
const PATIENT_NS: u64 = 60_000_000_000;

fn settings(backend: Backend) -> Settings {
    Settings {
        net: net::Config {
            backend,
            stamps: Stamps::Kernel,
            ..net::Config::default()
        },
        // Tests run side by side on few cores.
        wait: WaitStrategy::Park,
        ingest_core: None,
    }
}

fn lossless() -> HandlerSettings {
    let subscription = Subscription {
        contract: Contract::Lossless,
        ..Subscription::default()
    };
    HandlerSettings {
        subscription,
        ..HandlerSettings::default()
    }
}

/// Keeps all that it is given.
#[derive(Default)]
struct Keep {
    numbers: Vec<u32>,
    gaps: Vec<Gap>,
    sessions: Vec<Session>,
    last_in_batch: u64,
    stopped: bool,
}

impl Handler<MarketEvent> for Keep {
    fn on_event(&mut self, event: &MarketEvent, at: At) {
        assert!(at.ts_recv_ns > 0);
        if event.head.kind == ringtape::market::EventKind::ADD_ORDER {
            self.numbers.push(event.message);
        }
        self.last_in_batch += u64::from(at.end_of_batch);
    }
    fn on_gap(&mut self, gap: Gap) {
        self.gaps.push(gap);
    }
    fn on_session(&mut self, session: &Session, _: At) {
        self.sessions.push(*session);
    }
    fn on_stop(&mut self) {
        self.stopped = true;
    }
}

/// Starts, or says why not here.
fn start(pipeline: Pipeline<MarketEvent>) -> Option<Running<MarketEvent>> {
    match pipeline.start() {
        Ok(running) => Some(running),
        Err(error @ Error::UringUnavailable { .. }) => {
            skip(&error.to_string());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Sends each packet on the lines that `keep` says, never more at once than a socket holds.
fn send(running: &Running<MarketEvent>, packets: &[Vec<u8>], keep: impl Fn(usize, usize) -> bool) {
    let senders = senders(running);
    let mut sent = running.net().datagrams();
    for (n, packet) in packets.iter().enumerate() {
        for (line, sender) in senders
            .iter()
            .enumerate()
            .filter(|(line, _)| keep(n, *line))
        {
            sender
                .send(packet)
                .unwrap_or_else(|error| panic!("line {line}: {error}"));
            sent += 1;
        }
        wait_received(running, sent.saturating_sub(200));
    }
    wait_received(running, sent);
}

#[test]
fn two_lines_with_different_losses_deliver_everything_once_to_every_subscriber() {
    let stream = packets(4_000);
    let mut whole = stream.clone();
    whole.push(end_of_session(4_001));
    for backend in BACKENDS {
        let mut pipeline = Pipeline::new(settings(backend));
        pipeline
            .feed(feed(["A", "B"], PATIENT_NS), lines(["A", "B"]))
            .unwrap();
        let tickets =
            ["one", "two"].map(|name| pipeline.subscribe(name, lossless(), Keep::default()));
        let Some(running) = start(pipeline) else {
            return;
        };
        send(&running, &whole, |n, line| n % 5 != line);
        wait_until("the end of the session", || running.has_ended());
        running.stop();
        let mut report = running.join();

        assert!(report.is_lossless(), "{report:#?}");
        let ledger = &report.feeds[0].ledger;
        assert_eq!((ledger.expected, ledger.delivered()), (4_000, 4_000));
        assert!(
            ledger.lines()[1].won > 0,
            "line A lost some that line B brought"
        );
        let digest = direct_digest(&whole);
        for subscriber in &report.subscribers {
            assert_eq!(subscriber.digest.to_string(), digest);
            let latency = subscriber
                .latency
                .as_ref()
                .unwrap()
                .wire_to_handler
                .summary();
            assert_eq!(
                latency.count + latency.out_of_range,
                subscriber.account.handled
            );
        }
        for ticket in tickets {
            let keep = report.take(ticket).unwrap();
            assert_eq!(keep.numbers, (1..=4_000).collect::<Vec<_>>());
            assert_eq!(keep.gaps, []);
            let marks: Vec<_> = keep.sessions.iter().map(|session| session.mark).collect();
            assert_eq!(marks, [SessionMark::Start, SessionMark::End]);
            assert!(keep.stopped && keep.last_in_batch > 0);
            assert!(report.take(ticket).is_none(), "a handler comes back once");
        }
    }
}

#[test]
fn what_both_lines_lose_arrives_as_exactly_those_gaps() {
    let stream = packets(1_000);
    let lost = |n: usize| n % 17 == 3;
    let mut missing = Vec::new();
    let mut next = 1;
    for (n, packet) in stream.iter().enumerate() {
        let count = u64::from(u16::from_be_bytes([packet[18], packet[19]]));
        if lost(n) {
            missing.push((next, next + count - 1));
        }
        next += count;
    }
    for backend in BACKENDS {
        let mut pipeline = Pipeline::new(settings(backend));
        pipeline
            .feed(feed(["A", "B"], 1_000_000), lines(["A", "B"]))
            .unwrap();
        let keep = pipeline.subscribe("keep", lossless(), Keep::default());
        let Some(running) = start(pipeline) else {
            return;
        };
        send(&running, &stream, |n, _| !lost(n));
        running.stop();
        let mut report = running.join();
        assert!(report.closes() && !report.is_lossless());
        let gaps = report.take(keep).unwrap().gaps;
        assert!(
            gaps.iter()
                .all(|gap| gap.cause == GapCause::Absent && gap.feed == 1)
        );
        let gaps: Vec<_> = gaps.iter().map(|gap| (gap.first, gap.last)).collect();
        assert_eq!(gaps, missing);
        let numbers: u64 = missing.iter().map(|(first, last)| last - first + 1).sum();
        assert_eq!(report.feeds[0].ledger.lost_absent, numbers);
    }
}

/// Blocks in its first event until it is let go.
struct Stuck {
    hold: Arc<AtomicBool>,
    keep: Keep,
}

impl Handler<MarketEvent> for Stuck {
    fn on_event(&mut self, event: &MarketEvent, at: At) {
        wait_until("the handler is let go", || {
            !self.hold.load(Ordering::Acquire)
        });
        self.keep.on_event(event, at);
    }
    fn on_gap(&mut self, gap: Gap) {
        self.keep.on_gap(gap);
    }
}

/// Starts a pipeline whose handler is stuck until `hold` is false, behind a small ring.
fn start_stuck(
    backend: Backend,
    contract: Contract,
    receive_buffer_bytes: usize,
    hold: &Arc<AtomicBool>,
) -> Option<(Running<MarketEvent>, Ticket<Stuck>)> {
    let cores = ringtape::cpu::allowed();
    let [ingest, .., handler] = cores[..] else {
        skip("a stuck handler needs a core beside ingest");
        return None;
    };
    let mut pipeline = Pipeline::new(Settings {
        ingest_core: Some(ingest),
        ..settings(backend)
    });
    let line = Line {
        receive_buffer_bytes,
        ..Line::new("A", anywhere())
    };
    pipeline.feed(feed(["A"], 0), vec![line]).unwrap();
    let stuck = Stuck {
        hold: Arc::clone(hold),
        keep: Keep::default(),
    };
    let subscription = Subscription {
        contract,
        capacity: 64,
        passages: true,
        ..Subscription::default()
    };
    let settings = HandlerSettings {
        subscription,
        core: Some(handler),
        ..HandlerSettings::default()
    };
    let ticket = pipeline.subscribe("stuck", settings, stuck);
    Some((start(pipeline)?, ticket))
}

/// Runs 2,000 messages past a handler that is stuck until all have been received, or until the
/// feed waits for it.
fn with_stuck_handler(
    backend: Backend,
    contract: Contract,
) -> Option<(ringtape::pipeline::Report, Keep)> {
    let hold = Arc::new(AtomicBool::new(true));
    let (running, ticket) = start_stuck(backend, contract, Line::RECEIVE_BUFFER_BYTES, &hold)?;
    let stream = packets(2_000);
    let sender = &senders(&running)[0];
    for packet in &stream {
        sender.send(packet).unwrap();
    }
    match contract {
        Contract::Lossy => wait_received(&running, stream.len() as u64),
        Contract::Lossless => {
            // The feed stands still with the rest of the stream in the socket.
            wait_until("the feed waits", || running.waits() > 0);
            assert!(running.net().datagrams() < stream.len() as u64);
        }
    }
    hold.store(false, Ordering::Release);
    running.stop();
    let mut report = running.join();
    let keep = report.take(ticket).unwrap().keep;
    Some((report, keep))
}

#[test]
fn a_stuck_lossy_subscriber_loses_named_records_and_holds_nobody_up() {
    for backend in BACKENDS {
        let Some((report, keep)) = with_stuck_handler(backend, Contract::Lossy) else {
            return;
        };
        assert!(report.closes() && !report.is_lossless());
        assert_eq!(
            report.feeds[0].ledger.delivered(),
            2_000,
            "the feed lost nothing"
        );
        let account = report.subscribers[0].account;
        let missing: u64 = keep.gaps.iter().map(Gap::count).sum();
        assert!(missing > 0);
        assert!(keep.gaps.iter().all(|gap| gap.cause == GapCause::Overrun));
        assert_eq!((account.overrun, account.overrun_seen), (missing, missing));
        assert_eq!(account.published, account.handled + missing);
        assert_eq!(report.waits, 0);
    }
}

#[test]
fn a_stuck_lossless_subscriber_makes_the_feed_wait_and_loses_nothing() {
    for backend in BACKENDS {
        let Some((report, keep)) = with_stuck_handler(backend, Contract::Lossless) else {
            return;
        };
        assert!(report.is_lossless(), "{report:#?}");
        assert_eq!(keep.numbers, (1..=2_000).collect::<Vec<_>>());
        assert!(report.waits > 0 && report.waited_ns > 0);
    }
}

#[test]
fn what_the_kernel_drops_at_the_tail_is_not_called_lossless() {
    for backend in BACKENDS {
        let hold = Arc::new(AtomicBool::new(true));
        let Some((running, _)) = start_stuck(backend, Contract::Lossless, 4_096, &hold) else {
            return;
        };
        let sender = &senders(&running)[0];
        for packet in packets(20_000) {
            sender.send(&packet).unwrap();
        }
        wait_until("the feed waits", || running.waits() > 0);
        hold.store(false, Ordering::Release);
        running.stop();
        let report = running.join();
        assert!(report.net.kernel_drops() > 0);
        assert!(report.closes(), "what is known is accounted for");
        assert!(report.unaccounted() >= report.net.kernel_drops());
        assert!(!report.is_lossless());
    }
}

#[test]
fn a_session_that_is_not_followed_is_not_called_lossless() {
    let mut pipeline = Pipeline::new(settings(Backend::Auto));
    let other = NasdaqFeed::new(FeedConfig {
        lines: vec!["A".to_owned()],
        session: Some(session_name(b"ANOTHER   ")),
        ..FeedConfig::default()
    });
    pipeline.feed(other.unwrap(), lines(["A"])).unwrap();
    let running = start(pipeline).unwrap();
    let stream = packets(100);
    send(&running, &stream, |_, _| true);
    running.stop();
    let report = running.join();
    assert!(report.closes());
    assert_eq!(report.unaccounted(), stream.len() as u64);
    assert!(!report.is_lossless());
}

/// Panics on the tenth event.
#[derive(Default)]
struct Panics(u64);

impl Handler<MarketEvent> for Panics {
    fn on_event(&mut self, _: &MarketEvent, _: At) {
        self.0 += 1;
        assert!(self.0 < 10, "on purpose");
    }
    fn on_gap(&mut self, _: Gap) {}
}

#[test]
fn a_handlers_panic_never_takes_the_feed_or_the_others_down() {
    let stream = packets(500);
    for backend in BACKENDS {
        let mut pipeline = Pipeline::new(settings(backend));
        pipeline.feed(feed(["A"], 0), lines(["A"])).unwrap();
        let panics = pipeline.subscribe("panics", lossless(), Panics::default());
        let keep = pipeline.subscribe("keep", lossless(), Keep::default());
        let Some(running) = start(pipeline) else {
            return;
        };
        send(&running, &stream, |_, _| true);
        running.stop();
        let mut report = running.join();
        assert!(report.closes() && !report.is_lossless());
        assert!(report.take(panics).is_none());
        assert_eq!(report.take(keep).unwrap().numbers.len(), 500);
        let error = report.subscribers[0].error.as_ref().unwrap().to_string();
        assert!(
            error.starts_with("handler panics panicked at sequence "),
            "{error}"
        );
        assert!(error.ends_with(": on purpose"), "{error}");
        assert!(report.subscribers[0].account.left_behind > 0);
    }
}

#[test]
fn two_feeds_share_one_bus_and_one_order() {
    let config = |id, name: &str| FeedConfig {
        id,
        name: name.to_owned(),
        lines: vec!["A".to_owned()],
        ..FeedConfig::default()
    };
    let mut pipeline = Pipeline::new(settings(Backend::Auto));
    for (id, name) in [(1, "first"), (2, "second")] {
        let feed = NasdaqFeed::new(config(id, name)).unwrap();
        pipeline.feed(feed, lines(["A"])).unwrap();
    }
    let twin = NasdaqFeed::new(config(2, "twin")).unwrap();
    let error = pipeline.feed(twin, lines(["A"])).unwrap_err().to_string();
    assert!(
        error.contains("feeds second and twin both have id 2"),
        "{error}"
    );
    let keep = pipeline.subscribe("keep", lossless(), Keep::default());
    let running = start(pipeline).unwrap();
    send(&running, &packets(300), |_, _| true);
    running.stop();
    let mut report = running.join();
    assert!(report.is_lossless());
    assert_eq!(report.take(keep).unwrap().numbers.len(), 600);
    let delivered: Vec<_> = report
        .feeds
        .iter()
        .map(|feed| (feed.name.as_str(), feed.ledger.delivered()))
        .collect();
    assert_eq!(delivered, [("first", 300), ("second", 300)]);
}

#[test]
fn a_pipeline_that_is_dropped_stops_its_threads() {
    let mut pipeline = Pipeline::new(settings(Backend::Auto));
    pipeline.feed(feed(["A"], 0), lines(["A"])).unwrap();
    let alive = Arc::new(AtomicBool::new(true));
    let stuck = Stuck {
        hold: Arc::clone(&alive),
        keep: Keep::default(),
    };
    pipeline.subscribe("keep", lossless(), stuck);
    drop(start(pipeline));
    assert_eq!(Arc::strong_count(&alive), 1, "its handler is gone with it");
}

fn start_error(pipeline: Pipeline<MarketEvent>) -> String {
    pipeline.start().unwrap_err().to_string()
}

#[test]
fn an_operators_mistake_is_an_error_that_names_it_before_anything_runs() {
    let with_core = |core| {
        let mut pipeline = Pipeline::new(Settings {
            ingest_core: core,
            ..settings(Backend::Auto)
        });
        pipeline.feed(feed(["A"], 0), lines(["A"])).unwrap();
        pipeline
    };
    let error = start_error(with_core(Some(999)));
    assert!(error.contains("core 999 does not exist"), "{error}");

    let mut pipeline = with_core(None);
    let no_room = Subscription {
        capacity: 0,
        ..Subscription::default()
    };
    let no_room = HandlerSettings {
        subscription: no_room,
        ..HandlerSettings::default()
    };
    pipeline.subscribe("keep", no_room, Keep::default());
    let folder = Folder::new();
    let tape = JournalSettings::new(folder.path().join("tape"));
    pipeline.journal(tape.clone());
    let error = start_error(pipeline);
    assert!(error.contains("keep: a ring of 0 records"), "{error}");
    for (settings, mistake) in [
        (
            JournalSettings {
                capacity: 0,
                ..tape.clone()
            },
            "the journal: a ring of 0 records",
        ),
        (
            JournalSettings {
                framing: Framing {
                    frame_records: 0,
                    ..tape.framing
                },
                ..tape.clone()
            },
            "journal frames of 0 records",
        ),
    ] {
        let mut pipeline = with_core(None);
        pipeline.journal(settings);
        let error = start_error(pipeline);
        assert!(error.contains(mistake), "{error}");
    }
    assert!(
        !tape.tape.directory.exists(),
        "a tape was opened for nothing"
    );

    let taken = std::net::UdpSocket::bind(anywhere()).unwrap();
    let address = match taken.local_addr().unwrap() {
        std::net::SocketAddr::V4(address) => address,
        other => panic!("{other}"),
    };
    let mut pipeline = Pipeline::new(settings(Backend::Auto));
    pipeline
        .feed(feed(["A"], 0), vec![Line::new("A", address)])
        .unwrap();
    let error = start_error(pipeline);
    assert!(
        error.contains(&format!("line A: cannot listen on {address}")),
        "{error}"
    );

    let error = start_error(Pipeline::new(settings(Backend::Auto)));
    assert!(
        error.contains("without a feed") || error.contains("no lines"),
        "{error}"
    );

    let two = feed(["A", "B"], 0);
    assert_eq!(two.lines().len(), 2);
    let error = Pipeline::new(settings(Backend::Auto))
        .feed(two, lines(["A"]))
        .unwrap_err();
    assert!(error.to_string().contains("made for 2"), "{error}");
}

#[test]
fn the_tape_of_each_run_holds_what_its_handlers_were_given_and_the_next_goes_on_behind_it() {
    for backend in BACKENDS {
        let folder = Folder::new();
        let tape = folder.path().join("tape");
        let mut next = Sequence::FIRST;
        for _ in 0..2 {
            let mut pipeline = Pipeline::new(settings(backend));
            let feed = feed(["A", "B"], PATIENT_NS);
            pipeline.feed(feed, lines(["A", "B"])).unwrap();
            pipeline.subscribe("keep", lossless(), Keep::default());
            pipeline.journal(JournalSettings::new(&tape));
            let Some(running) = start(pipeline) else {
                return;
            };
            assert_eq!(running.first(), next);
            let senders = senders(&running);
            let packets = packets(500);
            for (sent, packet) in packets.iter().enumerate() {
                for sender in &senders {
                    sender.send(packet).unwrap();
                }
                wait_received(&running, (2 * sent as u64).saturating_sub(100));
            }
            senders[0].send(&end_of_session(501)).unwrap();
            wait_until("the end of the session", || running.has_ended());
            running.stop();
            let report = running.join();
            assert!(report.is_lossless());
            let journal = report.journal.unwrap();
            assert_eq!(journal.first, next);

            let read = Journal::<MarketEvent>::open(&tape).unwrap();
            let mut digest = Digest::new();
            for record in read.reader_at(next).unwrap().records() {
                let record = record.unwrap();
                next = record.sequence().next();
                digest.record(&record);
            }
            assert_eq!(digest.value(), report.subscribers[0].digest.value());
            assert_eq!(journal.counters.written.get() + 1, next.get());
        }
    }
}

#[test]
fn a_tape_whose_ring_holds_less_than_a_frame_is_written_before_the_ring_is_full() {
    let core = Some(ringtape::cpu::allowed()[0]);
    let folder = Folder::new();
    let mut pipeline = Pipeline::new(Settings {
        // In turn on one core, so that the tape is never behind.
        ingest_core: core,
        ..settings(Backend::Mmsg)
    });
    pipeline
        .feed(feed(["A"], PATIENT_NS), lines(["A"]))
        .unwrap();
    let tape = JournalSettings::new(folder.path().join("tape"));
    pipeline.journal(JournalSettings {
        capacity: 64,
        framing: Framing {
            flush: Duration::from_secs(3_600),
            ..tape.framing
        },
        core,
        ..tape
    });
    let running = pipeline.start().unwrap();
    let sender = &senders(&running)[0];
    for (sent, packet) in (1..).zip(&packets(500)) {
        sender.send(packet).unwrap();
        wait_received(&running, sent);
    }
    running.stop();
    let journal = running.join().journal.unwrap();
    assert!(journal.account.published > 500);
    assert_eq!(journal.account.missing(), 0, "{:?}", journal.account);
}
