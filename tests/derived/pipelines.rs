//! The whole way: books and a bus of derived events in a pipeline that runs, and in one that is
//! handed its datagrams; and the same digests from the tapes of both.

use super::rig::{Keep, config};
use super::support::{
    Folder, SESSION, end_of_session, feed, lines, senders, wait_received, wait_until,
};
use ringtape::book::{BarRule, BookHandler, BooksConfig, BusOutput, InlineOutput};
use ringtape::bus::{Contract, Publisher, Subscription};
use ringtape::feed::itch::encode::{self, Head, Order};
use ringtape::feed::moldudp64::PacketWriter;
use ringtape::journal::Writer;
use ringtape::market::{MarketEvent, Symbol};
use ringtape::net::Datagram;
use ringtape::pipeline::{HandlerSettings, JournalSettings, Pipeline, Report, Settings, Ticket};
use ringtape::record::{Gap, GapCause, Record, Sequence};
use ringtape::replay::{Place, Replay};
use ringtape::wait::WaitStrategy;
use std::path::Path;

pub(crate) const RULES: [BarRule; 3] = [
    BarRule::Time {
        every_ns: 1_000_000,
    },
    BarRule::Ticks { count: 5 },
    BarRule::Volume { quantity: 700 },
];
/// Long enough that no stall of a test machine makes a line late.
pub(crate) const PATIENT_NS: u64 = 60_000_000_000;

pub(crate) fn few_books() -> BooksConfig {
    BooksConfig {
        instruments_max: 64,
        orders_expected: 1_024,
        ..BooksConfig::default()
    }
}

/// A packet with the messages numbered from `first` to `first + 3`: two orders, of which one is
/// executed in part and the other is deleted later, and a cross now and then.
fn packet(first: u64) -> Vec<u8> {
    let mut buffer = [0; 1_400];
    let mut packet = PacketWriter::new(&mut buffer, SESSION, first);
    let locate = u16::try_from(1 + first / 4 % 7).unwrap();
    let stock = Symbol([b'A' + u8::try_from(locate).unwrap(); 8]);
    let head = |number: u64| Head {
        locate,
        tracking: 0,
        since_midnight_ns: 40_000 * number,
    };
    let order = |number: u64, side, price_e4| Order {
        order_id: number,
        side,
        shares: 100,
        stock,
        price_e4,
    };
    let away = u32::try_from(first % 13).unwrap() * 100;
    let bid = order(first, b'B', 990_000 - away);
    let offer = order(first + 1, b'S', 1_010_000 + away);
    assert!(packet.push(&encode::add_order(head(first), bid)));
    assert!(packet.push(&encode::add_order(head(first + 1), offer)));
    let executed = encode::executed(head(first + 2), first, 60, first);
    assert!(packet.push(&executed));
    if first.is_multiple_of(5) {
        let cross = encode::cross_trade(head(first + 3), stock, 500, 1_000_000, first, b'O');
        assert!(packet.push(&cross));
    } else {
        assert!(packet.push(&encode::delete(head(first + 3), first + 1)));
    }
    packet.finish().to_vec()
}

pub(crate) fn stream(packets: u64) -> Vec<Vec<u8>> {
    let mut stream: Vec<_> = (0..packets).map(|n| packet(1 + 4 * n)).collect();
    stream.push(end_of_session(1 + 4 * packets));
    stream
}

/// Who takes part, to be found in the report.
struct Tickets {
    books: Ticket<BookHandler<BusOutput>>,
    keep: Ticket<Keep>,
}

/// Wires a feed, its journal, books, and a journal and a handler of what is derived.
fn wire(
    pipeline: &mut Pipeline<MarketEvent>,
    folder: &Path,
    settings: HandlerSettings,
    batch: usize,
    names: &[&str],
) -> Tickets {
    match *names {
        [a] => pipeline.feed(feed([a], PATIENT_NS), lines([a])),
        [a, b] => pipeline.feed(feed([a, b], PATIENT_NS), lines([a, b])),
        _ => panic!("one line or two"),
    }
    .unwrap();
    let mut derived = Publisher::<MarketEvent>::new(batch);
    let tape = |name: &str| JournalSettings {
        contract: settings.subscription.contract,
        core: settings.core,
        capacity: 4_096,
        ..JournalSettings::new(folder.join(name))
    };
    pipeline.journal_of(&mut derived, tape("derived")).unwrap();
    let keep = pipeline
        .subscribe_to(&mut derived, "keep", settings, Keep::default())
        .unwrap();
    let output = BusOutput::new(derived).unwrap();
    let handler = BookHandler::new(few_books(), &config(&RULES), output).unwrap();
    let source = HandlerSettings {
        subscription: Subscription {
            capacity: 4_096,
            ..settings.subscription
        },
        ..settings
    };
    let books = pipeline.subscribe("books", source, handler);
    pipeline.journal(tape("source"));
    Tickets { books, keep }
}

/// Checks that everything agrees: the run, its two tapes, and the source's tape in two halves.
/// Returns the digest.
fn check(mut report: Report, tickets: &Tickets, folder: &Path, first: Sequence) -> u128 {
    assert!(report.is_lossless(), "{report:#?}");
    let books = report.take(tickets.books).unwrap();
    let keep = report.take(tickets.keep).unwrap();
    let digest = books.digest().value();
    let names: Vec<_> = report
        .subscribers
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    assert_eq!(names, ["keep", "books"]);
    assert_eq!(report.subscribers[0].digest.value(), digest);
    assert!(keep.stopped && keep.events.len() > 1_000);
    assert!(
        keep.numbers
            .iter()
            .copied()
            .eq(first.get()..first.get() + keep.events.len() as u64)
    );
    let counts = books.counts();
    assert!(
        counts.bars > 100 && counts.bbos > 100 && counts.prints > 100,
        "{counts:?}"
    );
    let [derived] = &report.other_journals[..] else {
        panic!("one journal of another bus");
    };
    assert_eq!(derived.account.written, keep.events.len() as u64);
    assert!(derived.failure.is_none());

    let tape = Replay::<MarketEvent>::open(folder.join("derived")).unwrap();
    let from = Place::Sequence(first);
    let replayed = tape.from(from).run("derived", Keep::default()).unwrap();
    assert_eq!(replayed.digest.unwrap().value(), digest);
    assert_eq!(replayed.handler.unwrap().events, keep.events);

    let source = report.journal.as_ref().unwrap();
    let (begin, count) = (source.first, source.account.written);
    let open = || Replay::<MarketEvent>::open(folder.join("source")).unwrap();
    let inline = || {
        let output = InlineOutput::starting_at(first, Keep::default());
        BookHandler::new(few_books(), &config(&RULES), output).unwrap()
    };
    let replay = open().from(Place::Sequence(begin));
    let whole = replay.run("whole", inline()).unwrap().handler.unwrap();
    assert_eq!(whole.digest().value(), digest);
    assert_eq!(whole.output().handler().events, keep.events);
    assert_eq!(whole.counts(), counts);

    let middle = Sequence::new(begin.get() + count / 2);
    let first_half = open()
        .from(Place::Sequence(begin))
        .to(Place::Sequence(middle));
    let mut playback = first_half.start("first half", inline()).unwrap();
    while playback.last().is_none_or(|last| last.sequence < middle) {
        playback.poll().unwrap();
    }
    let handler = playback.into_outcome().handler.unwrap();
    assert!(!handler.output().handler().stopped);
    let second_half = open().from(Place::Sequence(middle.next()));
    let halves = second_half.run("second half", handler).unwrap();
    let halves = halves.handler.unwrap();
    assert_eq!(halves.digest().value(), digest);
    assert_eq!(halves.output().handler().events, keep.events);
    digest
}

pub(crate) fn settings(
    core: Option<usize>,
    contract: Contract,
    capacity: usize,
) -> HandlerSettings {
    HandlerSettings {
        subscription: Subscription {
            contract,
            capacity,
            passages: true,
            ..Subscription::default()
        },
        measure: true,
        core,
    }
}

#[test]
fn live_and_replayed_from_either_tape_and_in_halves_the_derived_events_are_the_same() {
    let stream = stream(1_500);
    let one = ringtape::cpu::allowed()[0];
    let mut digests = Vec::new();
    // Everything on one core, then as cores are given out; with a ring that is nearly always full.
    for (core, capacity) in [(Some(one), 4), (None, 4), (None, 16_384)] {
        let folder = Folder::new();
        let mut pipeline = Pipeline::new(Settings {
            wait: WaitStrategy::Park,
            ingest_core: core,
            ..Settings::default()
        });
        let settings = settings(core, Contract::Lossless, capacity);
        let tickets = wire(&mut pipeline, folder.path(), settings, 64, &["A", "B"]);
        let running = pipeline.start().unwrap();
        let senders = senders(&running);
        for (sent, bytes) in (1_u64..).zip(&stream) {
            for sender in &senders {
                sender.send(bytes).unwrap();
            }
            wait_received(&running, (2 * sent).saturating_sub(100));
        }
        wait_until("the end of the session", || running.has_ended());
        running.stop();
        let report = running.join();
        assert_eq!(report.cores.len() == 1, core.is_some() || one_core());
        digests.push(check(report, &tickets, folder.path(), Sequence::FIRST));
    }
    println!("digest of derived events: {:032x}", digests[0]);
    assert!(digests.iter().all(|digest| *digest == digests[0]));
}

fn one_core() -> bool {
    ringtape::cpu::allowed().len() == 1
}

#[test]
fn offline_everybody_is_waited_for_whatever_was_asked_and_a_journal_goes_on() {
    let stream = stream(600);
    let folder = Folder::new();
    let mut first = Sequence::FIRST;
    for capacity in [2, 64] {
        let mut pipeline = Pipeline::new(Settings::default());
        let lossy = settings(None, Contract::Lossy, capacity);
        let tickets = wire(&mut pipeline, folder.path(), lossy, 16, &["A"]);
        let mut offline = pipeline.offline().unwrap();
        for (ts_ns, bytes) in (1..).zip(&stream) {
            offline.take(Datagram {
                line: 0,
                bytes,
                datagram_bytes: bytes.len(),
                ts_recv_ns: 10 * ts_ns,
                seen_ns: 10 * ts_ns,
            });
        }
        assert!(offline.has_ended());
        let report = offline.finish();
        let published = report.subscribers[0].account.published;
        check(report, &tickets, folder.path(), first);
        first = Sequence::new(first.get() + published);
    }
}

#[test]
fn a_stop_in_the_middle_closes_the_bars_and_ends_both_buses() {
    let stream = stream(300);
    let folder = Folder::new();
    let mut pipeline = Pipeline::new(Settings {
        wait: WaitStrategy::Park,
        ..Settings::default()
    });
    let settings = settings(None, Contract::Lossless, 2);
    let tickets = wire(&mut pipeline, folder.path(), settings, 8, &["A"]);
    let running = pipeline.start().unwrap();
    let sender = &senders(&running)[0];
    // Without the end of the session.
    for (sent, bytes) in (1_u64..).zip(&stream[..300]) {
        sender.send(bytes).unwrap();
        // Never more in flight than the socket holds.
        wait_received(&running, sent.saturating_sub(100));
    }
    wait_received(&running, 300);
    running.stop();
    let report = running.join();
    check(report, &tickets, folder.path(), Sequence::FIRST);
}

#[test]
fn a_journal_that_comes_too_late_to_its_bus_is_refused() {
    let folder = Folder::new();
    let tape = || JournalSettings {
        capacity: 64,
        ..JournalSettings::new(folder.path().join("derived"))
    };
    let mut pipeline = Pipeline::<MarketEvent>::new(Settings::default());
    let mut first = Publisher::<MarketEvent>::new(8);
    pipeline.journal_of(&mut first, tape()).unwrap();
    // Not opened a second time while the first has it.
    let mut second = Publisher::<MarketEvent>::new(8);
    assert!(pipeline.journal_of(&mut second, tape()).is_err());
    drop(pipeline);

    let mut writer = Writer::<MarketEvent>::open(tape().tape, 0).unwrap();
    let gap = Gap {
        first: 1,
        last: 1,
        cause: GapCause::Absent,
        feed: 1,
    };
    let record = Record::gap(Sequence::FIRST, 0, gap);
    writer.append([&[record], &[]], 0).unwrap();
    writer.close().unwrap();
    let mut pipeline = Pipeline::<MarketEvent>::new(Settings::default());
    let mut late = Publisher::<MarketEvent>::new(8);
    let _early = late.subscribe(Subscription::default()).unwrap();
    let refused = pipeline
        .journal_of(&mut late, tape())
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("goes on with record 2, its bus with 1"),
        "{refused}"
    );
    let mut new = Publisher::<MarketEvent>::new(8);
    pipeline.journal_of(&mut new, tape()).unwrap();
    assert_eq!(new.next_sequence().get(), 2);
}
