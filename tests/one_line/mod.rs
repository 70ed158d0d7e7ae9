//! A feed of one line, whose clock goes on by a nanosecond with each datagram.

use ringtape::feed::{Arrival, Feed};
use ringtape::market::MarketEvent;
use ringtape::record::Batch;

/// Gives a feed its traffic, and closes it. What comes out is dropped.
pub(crate) fn run(
    feed: &mut impl Feed<MarketEvent>,
    traffic: &[Vec<u8>],
    out: &mut Batch<MarketEvent>,
) {
    let mut now_ns = 0;
    for bytes in traffic {
        now_ns += 1;
        let arrival = Arrival {
            line: 0,
            bytes,
            datagram_bytes: bytes.len(),
            ts_recv_ns: now_ns,
            seen_ns: now_ns,
        };
        feed.on_datagram(arrival, out);
        feed.on_time(now_ns, out);
        out.clear();
    }
    feed.close(now_ns, out);
}
