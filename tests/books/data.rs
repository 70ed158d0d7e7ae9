//! Real captures: the figures that the data's README gives, and no error that the capture does not
//! explain.

use super::*;
use crate::captures::{binaryfile, gunzip, market_data, pcap_udp_payloads};
use crate::pcapng;
use ringtape::book::{DataErrorKind, Trust};
use ringtape::feed::moldudp64::PacketWriter;
use ringtape::feed::{Arrival, CmeFeed, Feed, FeedConfig, IexFeed, NasdaqFeed};
use ringtape::record::{Batch, Content};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

const DATAGRAM_BYTES: usize = 1_500;

/// Gives a feed's records to books, as a handler would be given them.
struct Fed<F> {
    feed: F,
    batch: Batch<MarketEvent>,
    books: Books,
    /// Instruments and messages after which a book was crossed while it was not halted.
    crossed: Vec<(u32, u32)>,
}

impl<F: Feed<MarketEvent>> Fed<F> {
    fn new(feed: F) -> Self {
        Self {
            batch: Batch::with_capacity(feed.records_max(DATAGRAM_BYTES)),
            feed,
            books: Books::new(BooksConfig::default()),
            crossed: vec![],
        }
    }

    fn datagram(&mut self, bytes: &[u8], ts_recv_ns: u64) {
        self.feed.on_time(ts_recv_ns, &mut self.batch);
        let arrival = Arrival {
            line: 0,
            bytes,
            datagram_bytes: bytes.len(),
            ts_recv_ns,
            seen_ns: ts_recv_ns,
        };
        self.feed.on_datagram(arrival, &mut self.batch);
        self.read();
    }

    fn close(mut self) -> (Books, Vec<(u32, u32)>) {
        self.feed.close(0, &mut self.batch);
        self.read();
        (self.books, self.crossed)
    }

    fn read(&mut self) {
        for record in self.batch.records() {
            let at = At {
                sequence: record.sequence(),
                ts_recv_ns: record.ts_recv_ns(),
                end_of_batch: true,
            };
            match record.content() {
                Content::Event(event) => {
                    let changed = self.books.on_event(event, at).changed.to_vec();
                    for index in changed {
                        let top = self.books.top(index).unwrap();
                        if top.as_is().is_crossed() && top.trust() != Trust::Halted {
                            self.crossed.push((top.instrument(), event.message));
                        }
                    }
                }
                Content::Gap(gap) => {
                    self.books.on_gap(gap);
                }
                Content::Session(session) => {
                    self.books.on_session(&session, at);
                }
                other => panic!("{other:?}"),
            }
        }
        self.batch.clear();
    }
}

fn config() -> FeedConfig {
    FeedConfig {
        lines: vec!["A".to_owned()],
        silence_ns: 0,
        ..FeedConfig::default()
    }
}

/// The errors of each kind that occurred, of trusted books and of others.
fn errors(books: &Books) -> Vec<(DataErrorKind, u64, u64)> {
    let errors = books.errors();
    DataErrorKind::ALL
        .into_iter()
        .map(|kind| (kind, errors.count(kind), errors.doubtful(kind)))
        .filter(|(_, count, doubtful)| count + doubtful > 0)
        .collect()
}

#[test]
fn the_order_flow_of_nasdaq_gives_the_figures_of_its_readme_without_an_error() {
    let Some(path) = market_data("nasdaq-itch50/2019-12-30.0400.4000msgs.itch50") else {
        return;
    };
    let file = fs::read(path).unwrap();
    let mut fed = Fed::new(NasdaqFeed::new(config()).unwrap());
    for (number, message) in (1..).zip(binaryfile(&file).0) {
        let mut buffer = [0; DATAGRAM_BYTES];
        let mut writer = PacketWriter::new(&mut buffer, *b"BINARYFILE", number);
        assert!(writer.push(message));
        fed.datagram(writer.finish(), number);
    }
    let (books, crossed) = fed.close();
    assert_eq!(books.orders_added(), 2_800);
    assert_eq!(
        (books.orders_alive(), books.orders_alive_max()),
        (2_084, 2_087)
    );
    assert_eq!((errors(&books), crossed), (vec![], vec![]));
    let untrusted = (0..u32::try_from(books.len()).unwrap())
        .filter(|&index| books.trusted(index).is_err())
        .map(|index| books.top(index).unwrap().trust());
    assert_eq!(
        untrusted.collect::<Vec<_>>(),
        [Trust::Halted],
        "the flow has one status message, and it is a halt"
    );
}

#[test]
fn a_capture_that_begins_in_the_middle_of_nasdaqs_day_is_recovering_throughout() {
    let Some(path) = market_data("nasdaq-moldudp64/2023-08-22.open.100packets.pcap") else {
        return;
    };
    let file = fs::read(path).unwrap();
    let mut fed = Fed::new(NasdaqFeed::new(config()).unwrap());
    for payload in pcap_udp_payloads(&file) {
        fed.datagram(payload, 1);
    }
    let (books, crossed) = fed.close();
    assert_eq!(books.orders_added(), 131);
    assert_eq!((books.orders_alive(), crossed), (131, vec![]));
    // Each replace (99), delete (30) and execution (3) is of an order that was there before.
    assert_eq!(errors(&books), [(DataErrorKind::UnknownOrder, 0, 132)]);
    for index in 0..u32::try_from(books.len()).unwrap() {
        assert_eq!(books.top(index).unwrap().trust(), Trust::Recovering);
    }
}

/// How often each trust is that of an instrument.
fn trusts(books: &Books) -> BTreeMap<&'static str, u32> {
    let mut trusts = BTreeMap::new();
    for index in 0..u32::try_from(books.len()).unwrap() {
        let trust = books.top(index).unwrap().trust();
        *trusts.entry(trust.name()).or_default() += 1;
    }
    trusts
}

#[test]
fn the_deep_capture_crosses_where_the_venue_left_events_unfinished_or_had_not_opened() {
    let Some(path) = market_data("iex/2017-04-25.DEEP10.8000packets.pcap.gz") else {
        return;
    };
    let file = gunzip(&fs::read(path).unwrap());
    let mut fed = Fed::new(IexFeed::new(config()).unwrap());
    for payload in pcap_udp_payloads(&file) {
        fed.datagram(payload, 1);
    }
    let (books, crossed) = fed.close();
    // `tests/book_levels_data` finds the reason of each of them in the raw bytes.
    let expected = [
        (DataErrorKind::UnknownLevel, 0, 1),
        (DataErrorKind::Crossed, 16, 0),
    ];
    assert_eq!(errors(&books), expected);
    let instruments: BTreeSet<u32> = crossed.iter().map(|(instrument, _)| *instrument).collect();
    let names = instruments.iter().map(|&instrument| {
        let index = books.index(instrument).unwrap();
        books.symbol(index).unwrap().to_string()
    });
    let names: BTreeSet<String> = names.collect();
    let expected = ["CVS", "IRS", "MSFT", "ZEXIT", "ZIEXT", "ZXIET"].map(str::to_owned);
    assert_eq!(names, expected.into());
    // The last restart emptied all books, and two instruments are halted since.
    assert_eq!(trusts(&books), [("empty", 7_800), ("halted", 2)].into());
}

#[test]
fn the_cme_capture_changes_levels_from_before_it_began_and_crosses_nowhere() {
    let Some(path) = market_data("cme-mdp3/2016-09-27.v8.AB.pcapng") else {
        return;
    };
    let file = fs::read(path).unwrap();
    let mut fed = Fed::new(CmeFeed::new(config()).unwrap());
    for datagram in pcapng::datagrams(&file) {
        if datagram.destination.1 == 14_320 {
            fed.datagram(datagram.payload, datagram.captured_ns);
        }
    }
    let (books, crossed) = fed.close();
    // `tests/book_levels_data` shows that nothing in the capture had set any of them.
    assert_eq!(errors(&books), [(DataErrorKind::UnknownLevel, 0, 49)]);
    assert_eq!(crossed, []);
    assert_eq!(trusts(&books), [("recovering", 39)].into());
}
