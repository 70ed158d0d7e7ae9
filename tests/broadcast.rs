//! Handlers that share the broadcast ring of a pipeline, beside one with a lane of its own and the
//! tape: all are given the same, live, offline and replayed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use ringtape::bus::{Contract, Publisher, Ring, Subscription};
use ringtape::error::Error;
use ringtape::handler::{At, Handler};
use ringtape::market::MarketEvent;
use ringtape::net::{self, Backend, Datagram, Stamps};
use ringtape::pipeline::{HandlerSettings, JournalSettings, Pipeline, Report, Settings};
use ringtape::record::Gap;
use ringtape::replay::Replay;
use ringtape::wait::WaitStrategy;
use support::{
    Folder, direct_digest, end_of_session, feed, lines, packets, senders, skip, wait_received,
    wait_until,
};

struct Ignore;

impl Handler<MarketEvent> for Ignore {
    fn on_event(&mut self, _: &MarketEvent, _: At) {}
    fn on_gap(&mut self, _: Gap) {}
}

/// Two packets' worth, so that the publisher waits again and again.
const SMALL: usize = 16;

fn pipeline(backend: Backend, contract: Contract, folder: &Folder) -> Pipeline<MarketEvent> {
    let mut pipeline = Pipeline::new(Settings {
        net: net::Config {
            backend,
            stamps: Stamps::Batch,
            ..net::Config::default()
        },
        // Tests run side by side on few cores.
        wait: WaitStrategy::Park,
        ingest_core: None,
    });
    // Nothing is lost on these lines, however long that takes.
    let feed = feed(["A"], 60_000_000_000);
    pipeline.feed(feed, lines(["A"])).unwrap();
    let own = Subscription {
        contract: Contract::Lossless,
        ..Subscription::default()
    };
    // The later one asks for more: together they have what it asks for.
    let shared = [SMALL / 2, SMALL].map(|capacity| Subscription {
        contract,
        ring: Ring::Broadcast,
        capacity,
        ..own
    });
    let subscriptions = [own, shared[0], shared[1]];
    for (subscription, name) in subscriptions.into_iter().zip(["own", "shared", "larger"]) {
        let settings = HandlerSettings {
            subscription,
            ..HandlerSettings::default()
        };
        pipeline.subscribe(name, settings, Ignore);
    }
    pipeline.journal(JournalSettings {
        contract: Contract::Lossless,
        ..JournalSettings::new(folder.path().join("tape"))
    });
    pipeline
}

/// Sees that all were given the stream, and that its tape gives it again.
fn check(report: &Report, stream: &[Vec<u8>], folder: &Folder) {
    assert!(report.is_lossless(), "{report:#?}");
    let digest = direct_digest(stream);
    for subscriber in &report.subscribers {
        assert_eq!(subscriber.digest.to_string(), digest, "{}", subscriber.name);
        let account = subscriber.account;
        assert!(account.closes() && account.completed, "{account:?}");
        assert_eq!(account.handled, account.published);
    }
    let replay = Replay::<MarketEvent>::open(folder.path().join("tape")).unwrap();
    let replayed = replay.run("replayed", Ignore).unwrap();
    assert_eq!(replayed.digest.unwrap().to_string(), digest);
}

fn stream() -> Vec<Vec<u8>> {
    let mut stream = packets(3_000);
    stream.push(end_of_session(3_001));
    stream
}

#[test]
fn handlers_that_share_a_ring_are_given_what_the_tape_gives_again() {
    let stream = stream();
    for backend in [Backend::Uring, Backend::Mmsg] {
        let folder = Folder::new();
        let running = match pipeline(backend, Contract::Lossless, &folder).start() {
            Ok(running) => running,
            Err(error @ Error::UringUnavailable { .. }) => {
                skip(&error.to_string());
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        let senders = senders(&running);
        for (packet, sent) in stream.iter().zip(1_u64..) {
            senders[0].send(packet).unwrap();
            wait_received(&running, sent.saturating_sub(100));
        }
        wait_until("the end of the session", || running.has_ended());
        running.stop();
        let report = running.join();
        check(&report, &stream, &folder);
        let hops = report.subscribers[2].latency.as_ref().unwrap();
        let passages = hops.published_to_handler.summary().count;
        assert_eq!(passages, report.subscribers[2].account.handled);
    }
}

#[test]
fn offline_nobody_who_shares_a_ring_loses_anything() {
    let stream = stream();
    let folder = Folder::new();
    // Lossy as they are: offline there is nobody to be too slow for.
    let mut offline = pipeline(Backend::Mmsg, Contract::Lossy, &folder)
        .offline()
        .unwrap();
    for (packet, ts_ns) in stream.iter().zip(1..) {
        offline.take(Datagram {
            line: 0,
            bytes: packet,
            datagram_bytes: packet.len(),
            ts_recv_ns: ts_ns,
            seen_ns: ts_ns,
        });
    }
    assert!(offline.has_ended());
    check(&offline.finish(), &stream, &folder);
}

/// What a subscriber of another bus asks for is no business of the pipeline's own ring.
#[test]
fn the_ring_of_another_bus_leaves_that_of_the_pipeline_as_it_is() {
    let core = Some(ringtape::cpu::allowed()[0]);
    let mut pipeline = Pipeline::new(Settings {
        wait: WaitStrategy::Park,
        // In turn on one core, so that what does not fit is lost each time.
        ingest_core: core,
        ..Settings::default()
    });
    pipeline
        .feed(feed(["A"], 60_000_000_000), lines(["A"]))
        .unwrap();
    let shared = |capacity| HandlerSettings {
        subscription: Subscription {
            ring: Ring::Broadcast,
            capacity,
            ..Subscription::default()
        },
        core,
        ..HandlerSettings::default()
    };
    let mut other = Publisher::<MarketEvent>::new(8);
    pipeline
        .subscribe_to(&mut other, "other", shared(1_024), Ignore)
        .unwrap();
    pipeline.subscribe("own", shared(2), Ignore);
    drop(other);

    let running = pipeline.start().unwrap();
    let sender = &senders(&running)[0];
    let stream = packets(100);
    for packet in &stream {
        sender.send(packet).unwrap();
    }
    wait_received(&running, stream.len() as u64);
    running.stop();
    let report = running.join();
    assert!(report.closes(), "{report:#?}");
    // Packets bring up to four at once.
    let own = report.subscribers[1].account;
    assert!(own.overrun >= 20 && own.handled > 0, "{own:?}");
}
