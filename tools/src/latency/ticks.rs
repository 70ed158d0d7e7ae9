//! Owns the feed of the `net` stage: as little between a datagram and a record as there can be.

use super::packets::Tick;
use ringtape::feed::{Arrival, Feed, FeedCounters};
use ringtape::market::{AddOrder, EventKind, Flags, Head, MarketEvent, Side};
use ringtape::record::{Batch, Gap, GapCause};
use std::sync::Arc;

const FEED: u8 = 0;

/// Makes the event of message `number`, which was due at `due_ns`.
pub(super) fn event(number: u64, due_ns: u64) -> MarketEvent {
    let add = AddOrder {
        head: Head {
            ts_event_ns: due_ns,
            instrument: 1,
            feed: FEED,
            kind: EventKind::ADD_ORDER,
            side: Side::BUY,
            flags: Flags::LAST,
        },
        order_id: number,
        price_e9: 100_000_000_000,
        quantity: 100,
        attribution: [0; 4],
        #[allow(
            clippy::cast_possible_truncation,
            reason = "the field has the low 32 bits"
        )]
        message: number as u32,
    };
    add.into()
}

/// Ticks of one line, without arbitration: a number that is passed over is lost at once.
#[derive(Debug)]
pub(super) struct TickFeed {
    lines: Vec<String>,
    counters: Arc<FeedCounters>,
    /// The number that comes next.
    next: u64,
    ended: bool,
}

impl TickFeed {
    pub(super) fn new() -> Self {
        Self {
            lines: vec!["A".to_owned()],
            counters: Arc::new(FeedCounters::new(1)),
            next: 1,
            ended: false,
        }
    }

    /// Gives up what is missing before `number`.
    fn pass_over(&mut self, number: u64, ts_recv_ns: u64, out: &mut Batch<MarketEvent>) {
        if self.next >= number {
            return;
        }
        let gap = Gap {
            first: self.next,
            last: number - 1,
            cause: GapCause::Absent,
            feed: FEED,
        };
        out.push_gap(ts_recv_ns, gap);
        self.counters.lost_absent.add(gap.count());
        self.counters.expected.add(gap.count());
        self.next = number;
    }
}

impl Feed<MarketEvent> for TickFeed {
    fn on_datagram(&mut self, arrival: Arrival<'_>, out: &mut Batch<MarketEvent>) {
        let line = arrival.line;
        self.counters.by_line[line].packets.add(1);
        let Some(Tick { number, due_ns }) = Tick::read(arrival.bytes) else {
            self.counters.malformed_short_header.add(1);
            return;
        };
        let ends = due_ns == 0;
        if number < self.next && !ends {
            self.counters.by_line[line].duplicates.add(1);
            return;
        }
        self.pass_over(number, arrival.ts_recv_ns, out);
        let counters = &self.counters;
        if ends {
            counters.ends_of_session.add(1);
            self.ended = true;
            return;
        }
        out.push_event(arrival.ts_recv_ns, &event(number, due_ns));
        self.next = number.saturating_add(1);
        counters.expected.add(1);
        counters.first_arrival.add(1);
        counters.messages.add(1);
        counters.events.add(1);
        counters.by_line[line].won.add(1);
    }

    fn on_time(&mut self, _: u64, _: &mut Batch<MarketEvent>) {}

    fn close(&mut self, _: u64, _: &mut Batch<MarketEvent>) {}

    /// A gap and an event.
    fn records_max(&self, _: usize) -> usize {
        2
    }

    fn counters(&self) -> &Arc<FeedCounters> {
        &self.counters
    }

    fn ended(&self) -> bool {
        self.ended
    }

    fn id(&self) -> u8 {
        FEED
    }

    fn name(&self) -> &str {
        "ticks"
    }

    fn lines(&self) -> &[String] {
        &self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringtape::record::Content;

    #[test]
    fn numbers_that_are_passed_over_are_gaps_and_the_ledger_closes() {
        let mut feed = TickFeed::new();
        let mut out = Batch::with_capacity(16);
        let mut bytes = Vec::new();
        for (number, due_ns) in [(1_u64, 10_u64), (4, 40), (3, 30), (5, 50), (8, 0), (8, 0)] {
            bytes.clear();
            bytes.extend(number.to_le_bytes());
            bytes.extend(due_ns.to_le_bytes());
            let arrival = Arrival {
                line: 0,
                bytes: &bytes,
                datagram_bytes: bytes.len(),
                ts_recv_ns: due_ns + 1,
                seen_ns: due_ns + 2,
            };
            feed.on_datagram(arrival, &mut out);
        }
        let told: Vec<(u64, u64)> = out
            .records()
            .iter()
            .map(|record| match record.content() {
                Content::Event(event) => (u64::from(event.message), event.head.ts_event_ns),
                Content::Gap(gap) => (gap.first, gap.last),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(told, [(1, 10), (2, 3), (4, 40), (5, 50), (6, 7)]);
        let ledger = feed.ledger();
        assert!(feed.ended() && ledger.closes());
        assert_eq!(
            (ledger.expected, ledger.lost(), ledger.delivered()),
            (7, 4, 3)
        );
        assert_eq!(ledger.lines()[0].duplicates, 1);
    }
}
