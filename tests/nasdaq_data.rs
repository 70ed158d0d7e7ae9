//! Real NASDAQ data through the feed reproduces the figures of the data's README, which an
//! independent reader computed.

mod captures;
mod two_lines;

use captures::{binaryfile, market_data, pcap_udp_payloads};
use ringtape::feed::moldudp64::{Packet, PacketWriter, end_of_session};
use ringtape::feed::{Feed, FeedConfig, Ledger, NasdaqFeed, itch};
use ringtape::market::{EventKind, MarketEvent, View};
use ringtape::record::{Batch, SessionMark};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use two_lines::Rig;

const SESSION: [u8; 10] = *b"BINARYFILE";
const DATAGRAM_BYTES: usize = 1_400;

fn rig() -> Rig<NasdaqFeed> {
    let feed = NasdaqFeed::new(FeedConfig::default()).expect("good");
    Rig::new(feed, DATAGRAM_BYTES)
}

/// Packs messages as a venue would. `per_packet` sets how many are in each packet in turn.
fn packets(messages: &[&[u8]], per_packet: &[usize]) -> Vec<Vec<u8>> {
    let mut packets = vec![];
    let mut next = 0;
    for count in per_packet.iter().cycle() {
        if next == messages.len() {
            break;
        }
        let mut buffer = [0; DATAGRAM_BYTES];
        let mut writer = PacketWriter::new(&mut buffer, SESSION, next as u64 + 1);
        for message in messages[next..].iter().take(*count) {
            if !writer.push(message) {
                break;
            }
            next += 1;
        }
        packets.push(writer.finish().to_vec());
    }
    packets
}

fn by_type(ledger: &Ledger) -> BTreeMap<char, u64> {
    (0u8..=255)
        .map(|letter| {
            (
                char::from(letter),
                ledger.messages_by_type[usize::from(letter)],
            )
        })
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// The orders in the book, from events alone.
#[derive(Default)]
struct Orders {
    alive: HashMap<u64, u64>,
    added: u64,
    most_alive: usize,
    unknown: u64,
}

impl Orders {
    fn apply(&mut self, event: &MarketEvent) {
        match event.view() {
            View::AddOrder(add) => {
                self.added += 1;
                self.alive.insert(add.order_id, add.quantity);
            }
            View::Execute(execute) => self.take(execute.order_id, u64::from(execute.quantity)),
            View::Cancel(cancel) => self.take(cancel.order_id, cancel.quantity),
            View::Delete(delete) => self.remove(delete.order_id),
            View::Replace(replace) => {
                self.remove(replace.order_id);
                self.alive
                    .insert(replace.new_order_id, u64::from(replace.quantity));
            }
            _ => {}
        }
        self.most_alive = self.most_alive.max(self.alive.len());
    }

    fn take(&mut self, order_id: u64, quantity: u64) {
        let Some(left) = self.alive.get_mut(&order_id) else {
            self.unknown += 1;
            return;
        };
        *left = left
            .checked_sub(quantity)
            .expect("no more than the order had");
        if *left == 0 {
            self.alive.remove(&order_id);
        }
    }

    fn remove(&mut self, order_id: u64) {
        self.unknown += u64::from(self.alive.remove(&order_id).is_none());
    }
}

const ORDER_FLOW: &str = "nasdaq-itch50/2019-12-30.0400.4000msgs.itch50";

#[test]
fn the_order_flow_file_gives_the_counts_and_the_book_of_its_readme() {
    let Some(path) = market_data(ORDER_FLOW) else {
        return;
    };
    let file = fs::read(path).unwrap();
    let (messages, rest) = binaryfile(&file);
    assert_eq!((messages.len(), rest.len()), (4_000, 0));

    let mut rig = rig();
    let (a, b) = (
        packets(&messages, &[1, 7, 3]),
        packets(&messages, &[4, 2, 9, 1]),
    );
    let mut b = b.iter();
    for packet in &a {
        rig.datagram(0, packet);
        b.next()
            .into_iter()
            .for_each(|packet| rig.datagram(1, packet));
    }
    b.for_each(|packet| rig.datagram(1, packet));
    let mut buffer = [0; 20];
    rig.datagram(0, end_of_session(&mut buffer, SESSION, 4_001));
    assert!(rig.feed.ended());
    let ledger = rig.close();

    let expected = [('A', 2764), ('F', 36), ('D', 715), ('X', 369), ('U', 107)];
    let expected = expected
        .into_iter()
        .chain([('E', 5), ('P', 2), ('H', 1), ('S', 1)]);
    assert_eq!(by_type(&ledger), expected.collect());
    assert_eq!(
        (ledger.expected, ledger.delivered(), ledger.lost()),
        (4_000, 4_000, 0)
    );
    let duplicates: u64 = ledger.lines().iter().map(|line| line.duplicates).sum();
    assert_eq!((ledger.messages, duplicates), (8_000, 4_000));
    let marks: Vec<_> = rig
        .sessions
        .iter()
        .map(|s| (s.mark, s.feed_sequence))
        .collect();
    assert_eq!(marks, [(SessionMark::Start, 1), (SessionMark::End, 4_001)]);

    let mut orders = Orders::default();
    rig.events.iter().for_each(|event| orders.apply(event));
    assert_eq!((orders.added, orders.alive.len()), (2_800, 2_084));
    assert_eq!((orders.most_alive, orders.unknown), (2_087, 0));

    let of_messages = |event: &&MarketEvent| event.head.kind != EventKind::INSTRUMENT;
    let numbers: Vec<_> = rig
        .events
        .iter()
        .filter(of_messages)
        .map(|e| e.message)
        .collect();
    assert!(
        numbers.iter().copied().eq(1..=4_000),
        "one event for each message, in order"
    );
    let times: Vec<_> = rig
        .events
        .iter()
        .map(|event| event.head.ts_event_ns)
        .collect();
    let second = 1_000_000_000;
    assert_eq!(times[0], 4 * 3_600 * second + 198_145);
    assert_eq!(*times.last().unwrap(), 4 * 3_600 * second + 4_136_455_656);

    // There is no directory in the slice: each instrument is named before its first order.
    let mut named = BTreeSet::new();
    for event in &rig.events {
        match event.view() {
            View::Instrument(instrument) => assert!(named.insert(instrument.head.instrument)),
            View::AddOrder(add) => assert!(named.contains(&add.head.instrument)),
            _ => {}
        }
    }
    assert_eq!(ledger.instruments, named.len() as u64);
}

#[test]
fn with_different_losses_on_each_line_all_messages_arrive_and_equal_losses_are_the_gaps() {
    let Some(path) = market_data(ORDER_FLOW) else {
        return;
    };
    let file = fs::read(path).unwrap();
    let packets = packets(&binaryfile(&file).0, &[5]);

    let mut healed = rig();
    for (place, packet) in packets.iter().enumerate() {
        if place % 5 != 1 {
            healed.datagram(0, packet);
        }
        if place % 5 != 3 {
            healed.datagram(1, packet);
        }
    }
    let ledger = healed.close();
    assert_eq!((ledger.delivered(), healed.gaps.len()), (4_000, 0));

    let mut torn = rig();
    for (place, packet) in packets
        .iter()
        .enumerate()
        .filter(|(place, _)| place % 10 != 4)
    {
        torn.datagram(place % 2, packet);
        torn.datagram((place + 1) % 2, packet);
    }
    let ledger = torn.close();
    assert_eq!((ledger.expected, ledger.lost_absent), (4_000, 400));
    let lost: Vec<_> = torn.gaps.iter().map(|gap| (gap.first, gap.last)).collect();
    assert_eq!(
        lost,
        (0..80)
            .map(|gap| (gap * 50 + 21, gap * 50 + 25))
            .collect::<Vec<_>>()
    );
}

#[test]
fn the_head_of_a_day_gives_its_reference_data_and_its_torn_message_is_left_over() {
    let Some(path) = market_data("nasdaq-itch50/2020-01-30.head-1mib.itch50") else {
        return;
    };
    let file = fs::read(path).unwrap();
    let (messages, rest) = binaryfile(&file);
    assert_eq!((messages.len(), rest.len()), (35_536, 8));
    let mut rig = rig();
    packets(&messages, &[100])
        .iter()
        .for_each(|packet| rig.datagram(0, packet));
    let ledger = rig.close();
    let expected = [
        ('R', 8_915),
        ('H', 8_903),
        ('Y', 8_903),
        ('L', 8_814),
        ('S', 1),
    ];
    assert_eq!(by_type(&ledger), expected.into_iter().collect());
    assert_eq!(
        (ledger.events, ledger.instruments),
        (35_536, 8_915),
        "nothing had to be derived"
    );
}

#[test]
fn the_capture_of_the_open_gives_its_269_messages_in_100_packets() {
    let Some(path) = market_data("nasdaq-moldudp64/2023-08-22.open.100packets.pcap") else {
        return;
    };
    let file = fs::read(path).unwrap();
    let payloads = pcap_udp_payloads(&file);
    let mut rig = rig();
    payloads.iter().for_each(|payload| rig.datagram(0, payload));
    let ledger = rig.close();
    assert_eq!(
        (
            ledger.lines()[0].packets,
            ledger.heartbeats,
            ledger.messages
        ),
        (100, 0, 269)
    );
    let expected = [
        ('A', 125),
        ('U', 99),
        ('D', 30),
        ('F', 6),
        ('I', 5),
        ('E', 3),
        ('S', 1),
    ];
    assert_eq!(by_type(&ledger), expected.into_iter().collect());
    assert_eq!((ledger.expected, ledger.lost()), (269, 0));
    assert_eq!(rig.sessions.len(), 1);
    assert_eq!(rig.sessions[0].id, *b"000010059B\0\0\0\0\0\0");
    assert_eq!(rig.sessions[0].feed_sequence, 14_757_701);
    assert_eq!(rig.events.last().unwrap().message, 14_757_969);
    let counts: Vec<_> = payloads
        .iter()
        .map(|payload| Packet::parse(payload, payload.len()).unwrap().count())
        .collect();
    assert_eq!(
        (counts.iter().min(), counts.iter().max()),
        (Some(&1), Some(&13))
    );
}

#[test]
fn each_capture_of_one_type_decodes_to_the_event_in_its_name() {
    let Some(folder) = market_data("nasdaq-itch50-types") else {
        return;
    };
    let letters = [
        ("AddOrderMpid", 'F'),
        ("AddOrderWithMpid", 'F'),
        ("AddOrderWithMPID", 'F'),
        ("AddOrderNo", 'A'),
        ("NonCrossTrade", 'P'),
        ("TradeMessageNon-cross", 'P'),
        ("CrossTrade", 'Q'),
        ("OrderCancel", 'X'),
        ("OrderDelete", 'D'),
        ("OrderExecutedWithPrice", 'C'),
        ("OrderExecuted", 'E'),
        ("OrderReplace", 'U'),
        ("RegSho", 'Y'),
        ("RegSHO", 'Y'),
        ("RetailInterest", 'N'),
        ("StockTradingAction", 'H'),
        ("SystemEvent", 'S'),
        ("LULDAuctionCollar", 'J'),
        ("MarketParticipantPosition", 'L'),
        ("NetOrderImbalance", 'I'),
    ];
    let mut seen = BTreeSet::new();
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let named = letters.iter().find(|(part, _)| name.contains(part));
        assert!(
            named.is_some() || name.contains("Multiple.Packets"),
            "{name}"
        );
        let file = fs::read(&path).unwrap();
        let mut decoder = itch::Decoder::new(1, 0);
        for payload in pcap_udp_payloads(&file) {
            // Some have a zeroed session and number: the framing is whole all the same.
            let packet = Packet::parse(payload, payload.len()).expect("well-formed");
            assert!(packet.count() > 0, "{name}");
            for bytes in packet.messages() {
                let letter = char::from(bytes[0]);
                assert!(
                    named.is_none_or(|(_, expected)| *expected == letter),
                    "{name}: {letter}"
                );
                assert_eq!(itch::bytes_min(bytes[0]), Some(bytes.len()), "{name}");
                let mut out = Batch::with_capacity(itch::RECORDS_MAX);
                let message_bytes = u16::try_from(bytes.len()).unwrap();
                let message = ringtape::feed::Message {
                    number: 1,
                    bytes,
                    message_bytes,
                    ts_recv_ns: 0,
                };
                let decoded = decoder.decode(message, &mut out);
                assert_eq!(decoded, Ok(itch::Decoded::Events), "{name}");
                seen.insert(letter);
            }
        }
        files += 1;
    }
    assert_eq!((files, seen.len()), (49, 16), "{seen:?}");
}
