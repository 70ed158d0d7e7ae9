//! Real IEX captures reproduce the figures of the data's README, and every field of every message
//! is what an oracle reads there.

mod captures;
mod naive_iex;
mod two_lines;

use captures::{gunzip, market_data, pcap_udp_payloads};
use naive_iex::{Meaning, Naive, number, number32};
use ringtape::feed::iex::{self, Decoded, Decoder};
use ringtape::feed::iextp::{MessageProtocol, Packet, PacketWriter, Position};
use ringtape::feed::{FeedConfig, IexFeed, Message, PacketKind, session_name};
use ringtape::market::{Flags, MarketEvent};
use ringtape::record::{Batch, Content, SessionMark};
use std::collections::BTreeMap;
use std::fs;
use two_lines::Rig;

const TOPS: &str = "iex/2017-07-10.TOPS16.pcapng.gz";
const DEEP: &str = "iex/2017-04-25.DEEP10.8000packets.pcap.gz";
const FEED: u8 = 1;
const DATAGRAM_BYTES: usize = 1_500;

/// One packet of IEX-TP, sliced without any check but that its parts add up.
struct NaivePacket<'a> {
    protocol: u16,
    channel: u32,
    session: u32,
    stream_offset: u64,
    first: u64,
    sent_ns: u64,
    messages: Vec<&'a [u8]>,
}

fn naive_packet(payload: &[u8]) -> NaivePacket<'_> {
    let mut messages = vec![];
    let mut at = 40;
    while at < payload.len() {
        let end = at + 2 + usize::try_from(number(payload, at, 2)).expect("two bytes");
        messages.push(&payload[at + 2..end]);
        at = end;
    }
    assert_eq!(number(payload, 0, 1), 1, "version");
    assert_eq!(number(payload, 12, 2), payload.len() as u64 - 40);
    assert_eq!(number(payload, 14, 2), messages.len() as u64);
    NaivePacket {
        protocol: u16::try_from(number(payload, 2, 2)).expect("two bytes"),
        channel: number32(payload, 4),
        session: number32(payload, 8),
        stream_offset: number(payload, 16, 8),
        first: number(payload, 24, 8),
        sent_ns: number(payload, 32, 8),
        messages,
    }
}

fn capture(name: &str) -> Option<Vec<u8>> {
    market_data(name).map(|path| gunzip(&fs::read(path).expect("a readable file")))
}

/// The figures of a capture, as its README has them.
#[derive(Debug, PartialEq)]
struct Figures {
    packets: usize,
    heartbeats: usize,
    messages: usize,
    by_type: BTreeMap<char, usize>,
    /// Ranges of numbers without a gap in between.
    ranges: Vec<(u64, u64)>,
    instruments: u64,
}

/// Reads a whole capture with the library's framing and decoder, beside the oracle.
fn read(file: &[u8], protocol: MessageProtocol, session: &[u8]) -> Figures {
    let mut figures = Figures {
        packets: 0,
        heartbeats: 0,
        messages: 0,
        by_type: BTreeMap::new(),
        ranges: vec![],
        instruments: 0,
    };
    let (mut decoder, mut naive) = (Decoder::new(FEED), Naive::new(FEED));
    let mut next_offset = 0;
    for payload in pcap_udp_payloads(file) {
        let packet = Packet::parse(payload, payload.len()).expect("well-formed");
        let expected = naive_packet(payload);
        let id = packet.session();
        assert_eq!(
            (id.protocol, id.protocol as u16),
            (protocol, expected.protocol)
        );
        assert_eq!(
            (id.channel, id.session),
            (expected.channel, expected.session)
        );
        assert_eq!(id.name(), session_name(session));
        let position = packet.position();
        assert_eq!(
            (position.sequence, position.stream_offset, position.sent_ns),
            (expected.first, expected.stream_offset, expected.sent_ns)
        );
        assert!(packet.messages().eq(expected.messages.iter().copied()));
        let is_heartbeat = packet.kind() == PacketKind::Heartbeat;
        assert_eq!(is_heartbeat, expected.messages.is_empty());

        let end = position.sequence + u64::from(packet.count());
        match figures.ranges.last_mut() {
            Some((_, last)) if *last + 1 == position.sequence => {
                assert_eq!(position.stream_offset, next_offset);
                *last = end - 1;
            }
            _ => figures.ranges.push((position.sequence, end - 1)),
        }
        next_offset = position.stream_offset + payload.len() as u64 - 40;
        figures.packets += 1;
        figures.heartbeats += usize::from(is_heartbeat);
        for (number, bytes) in (position.sequence..).zip(packet.messages()) {
            compare(&mut decoder, &mut naive, number, bytes);
            figures.messages += 1;
            *figures.by_type.entry(char::from(bytes[0])).or_default() += 1;
        }
    }
    assert_eq!(decoder.instruments(), naive.instruments() as u64);
    figures.instruments = decoder.instruments();
    figures
}

/// Every field of every event of one message, and no event more or less.
fn compare(decoder: &mut Decoder, naive: &mut Naive, number: u64, bytes: &[u8]) {
    let mut out = Batch::with_capacity(iex::RECORDS_MAX);
    let message = Message {
        number,
        bytes,
        message_bytes: u16::try_from(bytes.len()).expect("short"),
        ts_recv_ns: 0,
    };
    assert_eq!(decoder.decode(message, &mut out), Ok(Decoded::Events));
    let low = u32::try_from(number).expect("short sessions");
    let events: Vec<_> = out.records().iter().map(event).collect();
    assert_eq!(naive.meaning(bytes, low), Meaning::Events(events));
}

fn event(record: &ringtape::record::Record<MarketEvent>) -> MarketEvent {
    match record.content() {
        Content::Event(event) => *event,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_tops_capture_gives_its_readme_figures_and_every_field_is_the_oracles() {
    let Some(file) = capture(TOPS) else { return };
    let by_type = [
        ('Q', 27_217),
        ('P', 7_802),
        ('H', 7_803),
        ('O', 7_801),
        ('T', 6_390),
    ];
    let more = [('A', 642), ('D', 10), ('S', 6), ('B', 3)];
    let expected = Figures {
        packets: 13_022,
        heartbeats: 237,
        messages: 57_674,
        by_type: by_type.into_iter().chain(more).collect(),
        ranges: vec![(1, 57_674)],
        instruments: 7_799,
    };
    assert_eq!(
        read(&file, MessageProtocol::Tops16, b"T1-1137508352"),
        expected
    );
}

#[test]
fn the_deep_capture_gives_its_readme_figures_and_every_field_is_the_oracles() {
    let Some(file) = capture(DEEP) else { return };
    let by_type = [
        ('H', 25_363),
        ('O', 25_363),
        ('P', 25_361),
        ('T', 4_580),
        ('8', 976),
    ];
    let more = [('5', 956), ('S', 15), ('E', 13)];
    let figures = read(&file, MessageProtocol::Deep10, b"D1-1132527616");
    // Three times it begins again at 1 inside one session.
    let firsts: Vec<_> = figures.ranges.iter().map(|range| range.0).collect();
    assert_eq!(firsts, [1, 1, 1, 1]);
    let spent: u64 = figures
        .ranges
        .iter()
        .map(|(first, last)| last + 1 - first)
        .sum();
    assert_eq!(spent, 82_627);
    let expected = Figures {
        packets: 8_000,
        heartbeats: 422,
        messages: 82_627,
        by_type: by_type.into_iter().chain(more).collect(),
        ranges: vec![(1, 28_140), (1, 23_438), (1, 25_192), (1, 5_857)],
        instruments: 7_802,
    };
    assert_eq!(figures, expected);
}

fn rig() -> Rig<IexFeed> {
    let feed = IexFeed::new(FeedConfig::default()).expect("good");
    Rig::new(feed, DATAGRAM_BYTES)
}

#[test]
fn a_feed_over_the_tops_capture_delivers_every_message_once_and_its_ledger_closes() {
    let Some(file) = capture(TOPS) else { return };
    let mut rig = rig();
    for payload in pcap_udp_payloads(&file) {
        rig.datagram(0, payload);
    }
    let ledger = rig.close();
    assert_eq!(
        (ledger.expected, ledger.delivered(), ledger.lost()),
        (57_674, 57_674, 0)
    );
    assert_eq!((ledger.first_arrival, rig.gaps.len()), (57_674, 0));
    assert_eq!(
        (ledger.lines()[0].packets, ledger.heartbeats),
        (13_022, 237)
    );
    assert_eq!(
        (ledger.instruments, ledger.events),
        (7_799, rig.events.len() as u64)
    );
    // One event a message, one more of a directory, two more of an auction, and the names that no
    // directory gave before.
    let is_derived = |event: &&MarketEvent| event.head.flags.contains(Flags::DERIVED);
    let derived = rig.events.iter().filter(is_derived).count();
    assert_eq!(rig.events.len(), 57_674 + 10 + 2 * 642 + derived);
    assert!((7_789..=7_799).contains(&derived));
    assert_eq!((ledger.malformed_messages, ledger.unknown_messages), (0, 0));
    let mark = rig.sessions.iter().map(|s| (s.mark, s.id, s.feed_sequence));
    let session = session_name(b"T1-1137508352");
    assert!(mark.eq([(SessionMark::Start, session, 1)]));
}

#[test]
fn a_feed_over_the_deep_capture_follows_its_three_restarts_and_loses_nothing() {
    let Some(file) = capture(DEEP) else { return };
    let payloads = pcap_udp_payloads(&file);
    let mut both = rig();
    let mut one = rig();
    for payload in &payloads {
        one.datagram(0, payload);
        both.datagram(0, payload);
        both.datagram(1, payload);
    }
    for rig in [&mut one, &mut both] {
        let ledger = rig.close();
        assert_eq!(
            (ledger.expected, ledger.delivered(), rig.gaps.len()),
            (82_627, 82_627, 0)
        );
        let session = session_name(b"D1-1132527616");
        assert!(rig.sessions.iter().all(|mark| mark.id == session));
        let marks: Vec<_> = rig
            .sessions
            .iter()
            .map(|s| (s.mark, s.feed_sequence))
            .collect();
        let restart = (SessionMark::Restart, 1);
        assert_eq!(marks, [(SessionMark::Start, 1), restart, restart, restart]);
    }
    assert_eq!(one.events, both.events);
}

/// The capture's messages in other packets, as a second line may have them.
fn repacked(payloads: &[&[u8]], per_packet: &[u16]) -> Vec<Vec<u8>> {
    let mut all: Vec<(u64, &[u8])> = vec![];
    for payload in payloads {
        let packet = naive_packet(payload);
        all.extend((packet.first..).zip(packet.messages));
    }
    let session = Packet::parse(payloads[0], payloads[0].len())
        .expect("well-formed")
        .session();
    let (mut packets, mut next, mut stream_offset) = (vec![], 0, 0);
    for count in per_packet.iter().cycle() {
        let Some(&(sequence, _)) = all.get(next) else {
            break;
        };
        let mut buffer = [0; DATAGRAM_BYTES];
        let position = Position {
            sequence,
            stream_offset,
            sent_ns: 0,
        };
        let mut writer = PacketWriter::new(&mut buffer, session, position);
        while writer.count() < *count && next < all.len() && writer.push(all[next].1) {
            next += 1;
        }
        let packet = writer.finish().to_vec();
        stream_offset += packet.len() as u64 - 40;
        packets.push(packet);
    }
    packets
}

#[test]
fn two_lines_that_pack_the_tops_capture_otherwise_heal_each_others_losses() {
    let Some(file) = capture(TOPS) else { return };
    let a = pcap_udp_payloads(&file);
    let b = repacked(&a, &[7, 1, 20, 3]);
    let mut whole = rig();
    a.iter().for_each(|payload| whole.datagram(0, payload));
    whole.close();

    let mut rig = rig();
    let (mut at, mut dropped) = (0, 0);
    for (n, payload) in a.iter().enumerate() {
        let packet = naive_packet(payload);
        let end = packet.first + packet.messages.len() as u64;
        // B is a little behind A, and lacks nothing that A lacks too.
        let is_dropped = n % 11 == 5;
        dropped += usize::from(is_dropped && end > packet.first);
        if !is_dropped {
            rig.datagram(0, payload);
        }
        while at < b.len() && number(&b[at], 24, 8) < end {
            rig.datagram(1, &b[at]);
            at += 1;
        }
    }
    let ledger = rig.close();
    assert!(dropped > 1_000);
    assert_eq!(
        (ledger.expected, ledger.delivered(), rig.gaps.len()),
        (57_674, 57_674, 0)
    );
    assert!(ledger.lines()[1].won > 1_000 && ledger.lines()[1].duplicates > 1_000);
    assert_eq!(rig.events, whole.events);
}
