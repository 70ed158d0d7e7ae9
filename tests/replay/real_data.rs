//! Real market data, decoded, recorded and replayed, is what decoding gave.

use super::captures::{binaryfile, market_data, pcap_udp_payloads};
use super::rig::{Folder, write};
use ringtape::feed::moldudp64::PacketWriter;
use ringtape::feed::{Arrival, Feed as _, FeedConfig, NasdaqFeed};
use ringtape::handler::{At, Handler};
use ringtape::market::MarketEvent;
use ringtape::record::{Batch, Content, Digest, Gap, Record};
use ringtape::replay::Replay;
use std::fs;

const ORDER_FLOW: &str = "nasdaq-itch50/2019-12-30.0400.4000msgs.itch50";
const DIRECTORY: &str = "nasdaq-itch50/2020-01-30.head-1mib.itch50";
const OPEN: &str = "nasdaq-moldudp64/2023-08-22.open.100packets.pcap";

/// What a handler of a lossless run is given of these packets.
fn decode<'a>(packets: impl IntoIterator<Item = &'a [u8]>) -> Vec<Record<MarketEvent>> {
    let mut feed = NasdaqFeed::new(FeedConfig::default()).unwrap();
    let mut batch = Batch::with_capacity(feed.records_max(1_500));
    let mut records = Vec::new();
    for (bytes, number) in packets.into_iter().zip(1..) {
        let arrival = Arrival {
            line: 0,
            bytes,
            datagram_bytes: bytes.len(),
            ts_recv_ns: number * 1_000,
            seen_ns: number * 1_000,
        };
        feed.on_datagram(arrival, &mut batch);
        records.extend_from_slice(batch.records());
        batch.clear();
    }
    feed.close(0, &mut batch);
    records.extend_from_slice(batch.records());
    assert!(feed.ledger().closes());
    records
}

/// Decodes a file of either kind.
fn records(name: &str) -> Option<Vec<Record<MarketEvent>>> {
    let file = fs::read(market_data(name)?).unwrap();
    if name == OPEN {
        return Some(decode(pcap_udp_payloads(&file)));
    }
    let mut packets = Vec::new();
    for (message, number) in binaryfile(&file).0.into_iter().zip(1..) {
        let mut buffer = [0; 100];
        let mut packet = PacketWriter::new(&mut buffer, *b"BINARYFILE", number);
        assert!(packet.push(message));
        packets.push(packet.finish().to_vec());
    }
    Some(decode(packets.iter().map(Vec::as_slice)))
}

/// Its own digest, so that it does not rest on who calls it.
#[derive(Default)]
struct Bodies(Vec<MarketEvent>);

impl Handler<MarketEvent> for Bodies {
    fn on_event(&mut self, event: &MarketEvent, _: At) {
        self.0.push(*event);
    }
    fn on_gap(&mut self, gap: Gap) {
        panic!("{gap:?}");
    }
}

#[test]
fn real_data_replays_to_the_digest_of_decoding() {
    let mut counts = Vec::new();
    for name in [ORDER_FLOW, DIRECTORY, OPEN] {
        let Some(records) = records(name) else { return };
        let folder = Folder::new();
        // 4,000 messages to a segment: the larger files need several.
        write(&folder.0, &records, 700);
        let mut decoded = Digest::new();
        records.iter().for_each(|record| decoded.record(record));

        let replay = Replay::<MarketEvent>::open(&folder.0).unwrap();
        let outcome = replay.run("bodies", Bodies::default()).unwrap();
        let digest = outcome.digest.unwrap();
        assert_eq!(digest.to_string(), decoded.to_string(), "{name}");
        assert_eq!(outcome.tally.records(), records.len() as u64);
        let events = records.iter().filter_map(|record| match record.content() {
            Content::Event(event) => Some(*event),
            _ => None,
        });
        assert!(
            outcome.handler.unwrap().0.into_iter().eq(events),
            "{name}: other events"
        );
        counts.push(outcome.tally.events);
    }
    // The order flow also brings an instrument for each stock that it names.
    assert!(
        counts[0] >= 4_000 && counts[1] == 35_536 && counts[2] >= 269,
        "{counts:?}"
    );
}
