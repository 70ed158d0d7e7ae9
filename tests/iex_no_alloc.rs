//! After it is made, an IEX feed allocates nothing: not for new names, not for a full table, not
//! for holes and garbage.

#[path = "support/counting_allocator.rs"]
#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    reason = "an allocator is unsafe by its trait"
)]
mod counting_allocator;
mod one_line;

use counting_allocator::Counting;
use ringtape::feed::iex::INSTRUMENTS_MAX;
use ringtape::feed::iextp::{MessageProtocol, PacketWriter, Position, SessionId};
use ringtape::feed::{Feed, FeedConfig, IexFeed};
use ringtape::market::MarketEvent;
use ringtape::record::Batch;

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

/// More than the feed has numbers for, even without those that get lost.
const SYMBOLS: u32 = INSTRUMENTS_MAX + INSTRUMENTS_MAX / 8;
const SESSION: SessionId = SessionId {
    protocol: MessageProtocol::Deep10,
    channel: 1,
    session: 1,
};

fn level(symbol: u32) -> [u8; 30] {
    let mut bytes = [0; 30];
    bytes[0] = b'8';
    bytes[10..18].fill(b' ');
    bytes[10..14].copy_from_slice(&symbol.to_be_bytes());
    bytes
}

/// A packet of each symbol's level, every tenth missing, and some that are cut or no packet at all.
fn traffic() -> Vec<Vec<u8>> {
    let mut traffic = vec![];
    for symbol in (0..SYMBOLS).filter(|symbol| symbol % 10 != 3) {
        let mut buffer = [0; 200];
        let sequence = u64::from(symbol) + 1;
        let position = Position {
            sequence,
            stream_offset: 0,
            sent_ns: sequence,
        };
        let mut packet = PacketWriter::new(&mut buffer, SESSION, position);
        assert!(packet.push(&level(symbol)));
        let packet = packet.finish().to_vec();
        if symbol % 100 == 0 {
            traffic.push(packet[..packet.len() / 2].to_vec());
            traffic.push(vec![0xa5; 60]);
        }
        traffic.push(packet);
    }
    traffic
}

#[test]
fn nothing_allocates_after_an_iex_feed_is_made() {
    let traffic = traffic();
    let config = FeedConfig {
        hold_ns: 5,
        ..FeedConfig::default()
    };
    let mut feed = IexFeed::new(config).expect("good");
    let mut out = Batch::<MarketEvent>::with_capacity(feed.records_max(1_500));
    let allocations = ALLOCATOR.during(|| one_line::run(&mut feed, &traffic, &mut out));
    assert_eq!(allocations, 0);
    let ledger = feed.ledger();
    assert!(ledger.closes() && ledger.lost() > 3_000);
    assert!(ledger.foreign > 300 && ledger.malformed_datagrams() > ledger.foreign);
    assert_eq!(ledger.instruments, u64::from(INSTRUMENTS_MAX));
    assert_eq!(
        ledger.unnumbered_messages,
        ledger.delivered() - ledger.instruments
    );
}
