//! Books are the same live, in a replay of the journal, and in two replays of its halves.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "the readers of other formats")]
mod captures;
mod support;

use captures::{binaryfile, market_data};
use ringtape::book::{Books, BooksConfig};
use ringtape::bus::{Contract, Subscription};
use ringtape::feed::moldudp64::PacketWriter;
use ringtape::handler::{At, Handler};
use ringtape::journal::Journal;
use ringtape::market::MarketEvent;
use ringtape::net::{self, Backend, Stamps};
use ringtape::pipeline::{HandlerSettings, JournalSettings, Pipeline, Settings};
use ringtape::record::{Gap, Sequence, Session};
use ringtape::replay::{Place, Replay};
use ringtape::wait::WaitStrategy;
use std::fs;
use support::{Folder, SESSION, end_of_session, feed, lines, senders, wait_received, wait_until};

/// Keeps books, and the hash of each state that they were in.
struct Keep {
    books: Books,
    digests: Vec<u128>,
    records: u64,
}

impl Keep {
    fn new() -> Self {
        Self {
            books: Books::new(BooksConfig::default()),
            digests: vec![],
            records: 0,
        }
    }

    /// A hash walks over all orders, so not after every record.
    fn record(&mut self) {
        self.records += 1;
        if self.records.is_multiple_of(64) {
            self.digests.push(self.books.digest());
        }
    }
}

impl Handler<MarketEvent> for Keep {
    fn on_event(&mut self, event: &MarketEvent, at: At) {
        self.books.on_event(event, at);
        self.record();
    }
    fn on_gap(&mut self, gap: Gap) {
        self.books.on_gap(gap);
        self.record();
    }
    fn on_session(&mut self, session: &Session, at: At) {
        self.books.on_session(session, at);
        self.record();
    }
    fn on_stop(&mut self) {
        self.digests.push(self.books.digest());
    }
}

/// The real order flow in packets of a few messages.
fn real_packets() -> Option<Vec<Vec<u8>>> {
    let path = market_data("nasdaq-itch50/2019-12-30.0400.4000msgs.itch50")?;
    let file = fs::read(path).unwrap();
    let mut packets = vec![];
    for (n, messages) in binaryfile(&file).0.chunks(7).enumerate() {
        let mut buffer = [0; 1_400];
        let mut writer = PacketWriter::new(&mut buffer, SESSION, n as u64 * 7 + 1);
        for message in messages {
            assert!(writer.push(message));
        }
        packets.push(writer.finish().to_vec());
    }
    packets.push(end_of_session(4_001));
    Some(packets)
}

#[test]
fn live_replayed_and_replayed_in_halves_books_are_equal_also_where_packets_were_lost() {
    let Some(packets) = real_packets() else {
        return;
    };
    for lost_every in [usize::MAX, 40] {
        let folder = Folder::new();
        let mut pipeline = Pipeline::new(Settings {
            net: net::Config {
                backend: Backend::Mmsg,
                stamps: Stamps::Kernel,
                ..net::Config::default()
            },
            wait: WaitStrategy::Park,
            ingest_core: None,
        });
        pipeline.feed(feed(["A"], 0), lines(["A"])).unwrap();
        let lossless = HandlerSettings {
            subscription: Subscription {
                contract: Contract::Lossless,
                ..Subscription::default()
            },
            ..HandlerSettings::default()
        };
        let books = pipeline.subscribe("books", lossless, Keep::new());
        pipeline.journal(JournalSettings {
            contract: Contract::Lossless,
            ..JournalSettings::new(folder.path())
        });
        let running = pipeline.start().unwrap();
        let sender = &senders(&running)[0];
        let mut sent = 0;
        for (n, packet) in packets.iter().enumerate() {
            if n % lost_every != 7 || n < 8 {
                sender.send(packet).unwrap();
                sent += 1;
                wait_received(&running, sent);
            }
        }
        wait_until("the end of the session", || running.has_ended());
        running.stop();
        let mut report = running.join();
        let live = report.take(books).unwrap();
        let gaps = report.subscribers[0].tally.gaps;
        assert_eq!(gaps > 0, lost_every < usize::MAX);
        assert_eq!(
            live.books.errors().total(),
            0,
            "none without a gap before it"
        );

        let replay = Replay::open(folder.path()).unwrap();
        let replayed = replay.run("books", Keep::new()).unwrap();
        let replayed = replayed.handler.unwrap();
        assert_eq!(replayed.digests, live.digests);
        assert!(live.digests.len() > 60);

        let end = Journal::<MarketEvent>::open(folder.path())
            .unwrap()
            .end()
            .unwrap();
        let half = end.get() / 2;
        let first = Replay::open(folder.path()).unwrap();
        let first = first.to(Place::Sequence(Sequence::new(half)));
        let mut halves = first.run("books", Keep::new()).unwrap().handler.unwrap();
        // The stop between them is none of the books'.
        halves.digests.pop();
        let second = Replay::open(folder.path()).unwrap();
        let second = second.from(Place::Sequence(Sequence::new(half + 1)));
        let halves = second.run("books", halves).unwrap().handler.unwrap();
        assert_eq!(halves.digests, live.digests);
    }
}
