//! Real data: what is derived of it adds up, and says at the end what the books say.

use super::captures::{binaryfile, gunzip, market_data, pcap_udp_payloads};
use super::rig::{Keep, config};
use ringtape::book::{BarRule, BookHandler, Books, BooksConfig, InlineOutput};
use ringtape::feed::moldudp64::PacketWriter;
use ringtape::feed::{Arrival, Feed, FeedConfig, IexFeed, NasdaqFeed};
use ringtape::handler::{At, Handler as _};
use ringtape::market::{Bbo, MarketEvent, NO_PRICE, View};
use ringtape::record::{Batch, Content};
use std::collections::BTreeMap;
use std::fs;

const DATAGRAM_BYTES: usize = 1_500;
const RULES: [BarRule; 3] = [
    BarRule::Time {
        every_ns: 1_000_000_000,
    },
    BarRule::Ticks { count: 10 },
    BarRule::Volume { quantity: 5_000 },
];

fn feed_config() -> FeedConfig {
    FeedConfig {
        lines: vec!["A".to_owned()],
        silence_ns: 0,
        ..FeedConfig::default()
    }
}

type Derived = BookHandler<InlineOutput<Keep>>;

/// Gives what a feed makes of datagrams to a handler, up to its stop. Also returns how many events
/// were derived up to each session mark.
fn run<'a>(
    mut feed: impl Feed<MarketEvent>,
    datagrams: impl Iterator<Item = &'a [u8]>,
) -> (Derived, Vec<usize>) {
    let mut sessions = vec![];
    let output = InlineOutput::new(Keep::default());
    let mut handler = BookHandler::new(BooksConfig::default(), &config(&RULES), output).unwrap();
    let mut batch = Batch::with_capacity(feed.records_max(DATAGRAM_BYTES));
    let mut give = |batch: &mut Batch<MarketEvent>| {
        for record in batch.records() {
            assert!(handler.is_ready());
            let at = At {
                sequence: record.sequence(),
                ts_recv_ns: record.ts_recv_ns(),
                end_of_batch: true,
            };
            match record.content() {
                Content::Event(event) => handler.on_event(event, at),
                Content::Gap(gap) => handler.on_gap(gap),
                Content::Session(session) => {
                    handler.on_session(&session, at);
                    sessions.push(handler.output().handler().events.len());
                }
                other => panic!("{other:?}"),
            }
        }
        batch.clear();
    };
    for (ts_ns, bytes) in (1..).zip(datagrams) {
        let arrival = Arrival {
            line: 0,
            bytes,
            datagram_bytes: bytes.len(),
            ts_recv_ns: ts_ns,
            seen_ns: ts_ns,
        };
        feed.on_datagram(arrival, &mut batch);
        give(&mut batch);
    }
    feed.close(0, &mut batch);
    give(&mut batch);
    handler.on_stop();
    assert!(handler.is_ready());
    sessions.push(handler.output().handler().events.len());
    (handler, sessions)
}

/// Checks that every print is in one bar of each rule, that the last averages of a session cover all
/// of it, that the last best prices are the books', and that there are so many prints of so much.
fn check(name: &str, (handler, sessions): &(Derived, Vec<usize>), expected: (u64, u64)) {
    let keep = handler.output().handler();
    let (mut begin, mut volume) = (0, 0);
    for &end in sessions {
        volume += check_session(&keep.events[begin..end]);
        begin = end;
    }
    let mut last = BTreeMap::<u32, &Bbo>::new();
    for event in &keep.events {
        if let View::Bbo(bbo) = event.view() {
            let before = last.insert(bbo.head.instrument, bbo);
            let said = |bbo: &Bbo| {
                let prices = (bbo.bid_price_e9, bbo.ask_price_e9, bbo.trust);
                (prices, bbo.bid_quantity, bbo.ask_quantity)
            };
            let is_new = before.is_none_or(|before| said(before) != said(bbo));
            assert!(is_new, "{bbo:?}");
        }
    }
    check_tops(handler.books(), &last);
    let (counts, digest) = (handler.counts(), handler.digest());
    println!("{name}: {counts:?}, volume {volume}, digest {digest}");
    assert!(counts.bbos > 400, "{counts:?}");
    assert_eq!((counts.prints, volume), expected);
}

/// Returns the volume of a session's prints.
fn check_session(events: &[MarketEvent]) -> u64 {
    let mut prints = BTreeMap::<u32, (u64, i128)>::new();
    let mut by_rule = [0_u64; RULES.len()];
    let mut averages = BTreeMap::new();
    for event in events {
        match event.view() {
            View::Print(print) => {
                let (volume, value) = prints.entry(print.head.instrument).or_default();
                *volume += print.quantity;
                *value += i128::from(print.quantity) * i128::from(print.price_e9);
            }
            View::BarClose(close) => by_rule[usize::from(close.rule)] += close.volume,
            View::Vwap(vwap) => {
                averages.insert(vwap.head.instrument, (vwap.volume, vwap.vwap_e9));
            }
            View::Bbo(_) | View::Bar(_) | View::Instrument(_) => {}
            other => panic!("{other:?}"),
        }
    }
    let volume = prints.values().map(|(volume, _)| volume).sum();
    assert_eq!(by_rule, [volume; RULES.len()]);
    for (instrument, (volume, value)) in &prints {
        let average = i64::try_from(value.div_euclid(i128::from(*volume))).unwrap();
        assert_eq!(averages[instrument], (*volume, average), "{instrument}");
    }
    volume
}

fn check_tops(books: &Books, last: &BTreeMap<u32, &Bbo>) {
    for index in 0..u32::try_from(books.len()).unwrap() {
        let top = books.top(index).unwrap();
        let best = top.as_is();
        let Some(bbo) = last.get(&top.instrument()) else {
            assert!(best.is_empty(), "never told");
            continue;
        };
        let told = (bbo.bid_price_e9, bbo.ask_price_e9, bbo.trust);
        let is = (best.bid_price_e9, best.ask_price_e9, top.trust().code());
        assert_eq!(told, is, "{}", top.instrument());
        assert_eq!(u64::from(bbo.bid_quantity), best.bid_quantity);
        assert_eq!(bbo.ask_price_e9 == NO_PRICE, bbo.ask_quantity == 0);
    }
}

#[test]
fn what_is_derived_of_nasdaqs_order_flow_adds_up() {
    let Some(path) = market_data("nasdaq-itch50/2019-12-30.0400.4000msgs.itch50") else {
        return;
    };
    let file = fs::read(path).unwrap();
    let packets: Vec<_> = (1..)
        .zip(binaryfile(&file).0)
        .map(|(number, message)| {
            let mut buffer = [0; DATAGRAM_BYTES];
            let mut writer = PacketWriter::new(&mut buffer, *b"BINARYFILE", number);
            assert!(writer.push(message));
            writer.finish().to_vec()
        })
        .collect();
    let feed = NasdaqFeed::new(feed_config()).unwrap();
    let derived = run(feed, packets.iter().map(Vec::as_slice));
    check("ITCH", &derived, (7, 1_096));
}

#[test]
fn what_is_derived_of_iexs_depth_adds_up() {
    let Some(path) = market_data("iex/2017-04-25.DEEP10.8000packets.pcap.gz") else {
        return;
    };
    let file = gunzip(&fs::read(path).unwrap());
    let feed = IexFeed::new(feed_config()).unwrap();
    let derived = run(feed, pcap_udp_payloads(&file).into_iter());
    check("DEEP", &derived, (4_580, 1_038_321));
}
