//! After it is made, a CME feed allocates nothing: not for new securities, not for more of them
//! than it has room for, not for resets, holes and garbage.

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
use ringtape::feed::cme::SECURITIES_MAX;
use ringtape::feed::mdp3::PacketWriter;
use ringtape::feed::{CmeFeed, Feed, FeedConfig};
use ringtape::market::MarketEvent;
use ringtape::record::Batch;

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

/// The first update of a volume of each of `count` securities from `first` on.
fn volumes(first: u32, count: u8) -> Vec<u8> {
    let mut body = vec![0; 9];
    body.extend([13, 0, count]);
    for security in (first..).take(count.into()) {
        body.extend([1, 0, 0, 0]);
        body.extend(security.to_le_bytes());
        body.extend([1, 0, 0, 0, 0]);
    }
    body
}

/// Packets of more securities than there is room for, every tenth missing, some cut and some no
/// packet at all; then a reset.
fn traffic() -> Vec<Vec<u8>> {
    let packets = u32::try_from(SECURITIES_MAX).expect("fits") / 50;
    let mut traffic = vec![];
    for number in (1..=packets).filter(|number| number % 10 != 3) {
        let mut buffer = [0; 1_400];
        let mut packet = PacketWriter::new(&mut buffer, number, 0);
        assert!(packet.push(37, 9, 9, &volumes(number * 80, 80)));
        assert!(packet.push(99, 9, 0, b"unknown"));
        let packet = packet.finish().to_vec();
        if number % 7 == 0 {
            traffic.push(packet[..packet.len() / 2].to_vec());
            traffic.push(vec![0xa5; 60]);
        }
        traffic.push(packet);
    }
    let mut buffer = [0; 1_400];
    let mut packet = PacketWriter::new(&mut buffer, packets + 1, 0);
    assert!(packet.push(4, 9, 9, &[0; 12]) && packet.push(37, 9, 9, &volumes(1, 80)));
    traffic.push(packet.finish().to_vec());
    traffic
}

#[test]
fn nothing_allocates_after_a_cme_feed_is_made() {
    let traffic = traffic();
    let config = FeedConfig {
        hold_ns: 5,
        ..FeedConfig::default()
    };
    let mut feed = CmeFeed::new(config).expect("good");
    let mut out = Batch::<MarketEvent>::with_capacity(feed.records_max(1_500));
    let allocations = ALLOCATOR.during(|| one_line::run(&mut feed, &traffic, &mut out));
    assert_eq!(allocations, 0);
    let ledger = feed.ledger();
    assert!(ledger.closes() && ledger.lost() > 60);
    assert!(ledger.malformed_datagrams() > 150);
    assert_eq!(ledger.events, 80 * ledger.messages_by_type[37] + 1);
    let tracked = SECURITIES_MAX as u64;
    assert_eq!(ledger.untracked_updates, ledger.events - 81 - tracked);
}
