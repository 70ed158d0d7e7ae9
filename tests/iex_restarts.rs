//! Sequences that begin again inside an IEX session, on two lines that cut them into other packets,
//! lose some and lag by any amount: no number of one sequence is ever taken for one of another, and
//! none is unaccounted for.

use proptest::prelude::*;
use ringtape::feed::iextp::{MessageProtocol, PacketWriter, Position, SessionId, heartbeat};
use ringtape::feed::{Arrival, Feed, FeedConfig, IexFeed, Start};
use ringtape::market::{MarketEvent, View};
use ringtape::record::{Batch, Content, SessionMark};

const SESSION: SessionId = SessionId {
    protocol: MessageProtocol::Deep10,
    channel: 1,
    session: 7,
};

/// How a line carries one sequence: the lengths of its packets, over and over, and which are lost.
type Carriage = (Vec<u16>, Vec<bool>);

/// A trade whose number says which sequence it is of.
fn message(sequence: u64, number: u64) -> Vec<u8> {
    let mut bytes = b"T\0\x05\0\0\0\0\0\0\0ZIEXT   ".to_vec();
    bytes.extend(100u32.to_le_bytes());
    bytes.extend(1i64.to_le_bytes());
    bytes.extend((sequence << 32 | number).to_le_bytes());
    bytes
}

/// The packets of one line. A sequence's first packet is never lost, and a heartbeat ends it.
fn packets(lengths: &[u64], carriage: &Carriage) -> Vec<Vec<u8>> {
    let (counts, lost) = carriage;
    let (mut counts, mut lost) = (counts.iter().cycle(), lost.iter().cycle());
    let mut packets = vec![];
    let mut buffer = [0; 4_096];
    for (sequence, &length) in (0..).zip(lengths) {
        let position = |number| Position {
            sequence: number,
            stream_offset: 0,
            sent_ns: 1_000_000 * (sequence + 1) + number,
        };
        let mut first = 1;
        while first <= length {
            let count = u64::from(*counts.next().expect("cycles"));
            let end = (first + count).min(length + 1);
            let mut writer = PacketWriter::new(&mut buffer, SESSION, position(first));
            for number in first..end {
                assert!(writer.push(&message(sequence, number)));
            }
            let packet = writer.finish().to_vec();
            if first == 1 || !*lost.next().expect("cycles") {
                packets.push(packet);
            }
            first = end;
        }
        packets.push(heartbeat(&mut buffer, SESSION, position(first)).to_vec());
    }
    packets
}

fn carriage() -> impl Strategy<Value = Carriage> {
    (
        prop::collection::vec(1..20u16, 1..5),
        prop::collection::vec(prop::bool::weighted(0.3), 1..7),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_number_is_taken_for_one_of_another_sequence(
        lengths in prop::collection::vec(1..120u64, 1..5),
        carriages in [carriage(), carriage()],
        turns in prop::collection::vec((0..2usize, 0..30u64), 1..200),
        hold_ns in 0..60u64,
        window_log2 in 1..8u32,
    ) {
        let config = FeedConfig {
            start: Start::At(1),
            hold_ns,
            window_messages: 1 << window_log2,
            ..FeedConfig::default()
        };
        let mut feed = IexFeed::new(config).expect("a good configuration");
        let mut batch = Batch::with_capacity(feed.records_max(4_096));
        let mut reader = Reader::default();
        let mut lines = carriages.map(|carriage| packets(&lengths, &carriage).into_iter());
        let mut now_ns = 1;
        // Whatever the turns leave comes at the end, line by line.
        for (line, wait_ns) in turns.into_iter().chain([(0, 1); 700]).chain([(1, 1); 700]) {
            now_ns += wait_ns;
            let Some(bytes) = lines[line].next() else { continue };
            let datagram_bytes = bytes.len();
            let arrival = Arrival { line, bytes: &bytes, datagram_bytes, ts_recv_ns: now_ns, seen_ns: now_ns };
            feed.on_datagram(arrival, &mut batch);
            reader.read(&mut batch)?;
            feed.on_time(now_ns, &mut batch);
            reader.read(&mut batch)?;
        }
        feed.close(now_ns, &mut batch);
        reader.read(&mut batch)?;
        let ledger = feed.ledger();
        prop_assert!(ledger.closes());
        prop_assert_eq!(ledger.restarts + 1, lengths.len() as u64);
        // Where a line lags behind two restarts, nobody remembers where its sequence ended.
        prop_assert!(ledger.after_end == 0 || lengths.len() > 2);
        reader.ends.push(reader.next);
        let ends: Vec<_> = lengths.iter().map(|length| length + 1).collect();
        // A line that was ahead followed the next sequence before the other told the end of this
        // one; its own heartbeat had told it before.
        prop_assert_eq!(reader.ends, ends);
    }
}

/// Reads records: each number of each sequence once and in order.
#[derive(Default)]
struct Reader {
    sequence: u64,
    next: u64,
    ends: Vec<u64>,
}

impl Reader {
    fn read(&mut self, batch: &mut Batch<MarketEvent>) -> Result<(), TestCaseError> {
        for record in batch.records() {
            match record.content() {
                Content::Event(event) => {
                    let View::LastSale(sale) = event.view() else {
                        continue;
                    };
                    prop_assert_eq!(sale.trade_id, self.sequence << 32 | self.next);
                    self.next += 1;
                }
                Content::Gap(gap) => {
                    prop_assert_eq!(gap.first, self.next);
                    self.next = gap.last + 1;
                }
                Content::Session(session) if session.mark == SessionMark::Restart => {
                    self.ends.push(self.next);
                    (self.sequence, self.next) = (self.sequence + 1, 1);
                }
                Content::Session(_) => self.next = self.next.max(1),
                other => prop_assert!(false, "{:?}", other),
            }
        }
        batch.clear();
        Ok(())
    }
}
