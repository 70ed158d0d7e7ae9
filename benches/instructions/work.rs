//! Owns what is counted: each piece of work with its input made, the same in every run, and a look
//! at what came of it.

use crate::support::book_flows::Flow;
use crate::support::iex_flow::{DEEP, IexFlow, TOPS};
use crate::support::order_flow::OrderFlow;
use crate::support::our_books::OurBooks;
use crate::workloads::decoding::{Decoding, TYPES, Venue, blank, check_blank};
use crate::workloads::feeding::{CmeFeeding, ItchFeeding};
use crate::workloads::level_flow::{LevelFlow, empty_book};
use ringtape::book::{BookSide, LevelBook, OrderBook};
use ringtape::bus::{Delivery, Passage, Publisher, Ring, Subscriber, Subscription};
use ringtape::feed::{Iex, Protocol};
use ringtape::market::MarketEvent;
use ringtape::record::Content;
use std::hint::black_box;
use zerocopy::FromZeros;

/// Messages, packets, events or changes of a flow.
const COUNT: usize = 2_000;
/// Records that cross a bus, which has room for all of them.
const RECORDS: u64 = 2_048;

/// A piece of work that is done once.
pub(crate) trait Work {
    /// Does it.
    fn run(&mut self);

    /// Sees that it was done right.
    fn finish(self);
}

impl Work for Decoding {
    fn run(&mut self) {
        self.run();
    }

    fn finish(mut self) {
        self.check();
    }
}

/// Messages of ITCH order flow, whose types alternate.
pub(crate) fn itch_flow() -> Decoding {
    let mut decoding = Decoding::new(OrderFlow::new(1).take(COUNT));
    decoding.check();
    decoding
}

/// As many messages of each type of ITCH.
pub(crate) fn itch_types() -> Decoding {
    let messages = TYPES.map(|message_type| {
        let bytes = blank(message_type);
        check_blank(message_type, &bytes);
        bytes
    });
    let mut decoding = Decoding::new(std::iter::repeat_n(messages, 50).flatten());
    decoding.check();
    decoding
}

impl<P: Protocol<Event = MarketEvent>> Work for Venue<P> {
    fn run(&mut self) {
        self.run();
    }

    /// Nothing is left to see: each message was looked at when this was made.
    fn finish(self) {}
}

pub(crate) fn iex_tops() -> Venue<Iex> {
    Venue::new(IexFlow::new(1, TOPS).take(COUNT).collect())
}

pub(crate) fn iex_deep() -> Venue<Iex> {
    Venue::new(IexFlow::new(1, DEEP).take(COUNT).collect())
}

impl Work for ItchFeeding {
    fn run(&mut self) {
        self.run();
    }

    fn finish(self) {
        self.check();
    }
}

/// Packets that a whole feed takes.
pub(crate) fn itch_packets() -> ItchFeeding {
    let mut feeding = ItchFeeding::with_packets(COUNT as u64);
    // The first pass meets instruments that are not known yet.
    feeding.pass();
    feeding
}

impl Work for CmeFeeding {
    fn run(&mut self) {
        self.run();
    }

    fn finish(self) {
        self.check();
    }
}

pub(crate) fn cme_packets() -> CmeFeeding {
    let mut feeding = CmeFeeding::with_packets(COUNT as u64);
    feeding.pass();
    feeding
}

/// A publisher that hands over records, so many at a time.
pub(crate) struct Publishing {
    publisher: Publisher<MarketEvent>,
    subscriber: Subscriber<MarketEvent>,
    batch: u64,
    event: MarketEvent,
}

impl Work for Publishing {
    fn run(&mut self) {
        for _ in 0..RECORDS / self.batch {
            let records = self.publisher.batch();
            for _ in 0..self.batch {
                records.push_event(7, &self.event);
            }
            assert!(self.publisher.commit(Passage::default()));
        }
    }

    fn finish(self) {
        let mut polling = Polling::new(self.subscriber, RECORDS);
        polling.run();
        polling.finish();
    }
}

pub(crate) fn publishing(ring: Ring, batch: u64) -> Publishing {
    let mut publisher = Publisher::new(64);
    let subscription = Subscription {
        ring,
        capacity: usize::try_from(RECORDS).expect("fits"),
        passages: false,
        ..Subscription::default()
    };
    let subscriber = publisher.subscribe(subscription).expect("a valid ring");
    let mut event = MarketEvent::new_zeroed();
    event.message = 5;
    Publishing {
        publisher,
        subscriber,
        batch,
        event,
    }
}

/// A subscriber that looks at records that are ready, so many at a time.
pub(crate) struct Polling {
    subscriber: Subscriber<MarketEvent>,
    batch: u64,
    sum: u64,
}

impl Polling {
    const fn new(subscriber: Subscriber<MarketEvent>, batch: u64) -> Self {
        Self {
            subscriber,
            batch,
            sum: 0,
        }
    }
}

impl Work for Polling {
    fn run(&mut self) {
        let limit = usize::try_from(self.batch).expect("fits");
        for _ in 0..RECORDS / self.batch {
            self.subscriber.poll(limit, |delivery| {
                if let Delivery::Record { record, .. } = delivery
                    && let Content::Event(event) = record.content()
                {
                    self.sum += record.sequence().get() * u64::from(event.message);
                }
            });
        }
    }

    fn finish(mut self) {
        assert_eq!(self.sum, 5 * RECORDS * (RECORDS + 1) / 2);
        assert_eq!(self.subscriber.poll(1, |_| {}), 0, "nothing is left");
    }
}

pub(crate) fn polling(ring: Ring, batch: u64) -> Polling {
    let mut publishing = publishing(ring, RECORDS.min(64));
    publishing.run();
    Polling::new(publishing.subscriber, batch)
}

/// Order books of a session that is open.
pub(crate) struct Updating<B> {
    flow: Flow,
    book: B,
}

impl Work for Updating<OrderBook> {
    fn run(&mut self) {
        for event in self.flow.passes.iter().flatten() {
            assert_eq!(self.book.apply(event), Ok(()));
        }
    }

    fn finish(self) {
        for side in BookSide::BOTH {
            let levels = self.flow.end.levels(1, side);
            assert!(self.book.levels(side).eq(levels));
        }
    }
}

/// The orders of one instrument.
pub(crate) fn order_book() -> Updating<OrderBook> {
    let flow = Flow::session(2, 1, COUNT, COUNT, 1);
    let mut book = OrderBook::new(2 * COUNT, 1 << 24);
    for event in &flow.opening {
        assert_eq!(book.apply(event), Ok(()));
    }
    Updating { flow, book }
}

impl Work for Updating<OurBooks> {
    fn run(&mut self) {
        for event in self.flow.passes.iter().flatten() {
            black_box(self.book.on_event(event));
        }
    }

    fn finish(self) {
        self.book.assert_equal(&self.flow.end);
    }
}

/// The books of a hundred instruments, best prices and trust kept.
pub(crate) fn books() -> Updating<OurBooks> {
    let flow = Flow::session(3, 100, COUNT, COUNT, 1);
    let mut book = OurBooks::new(2 * COUNT);
    for event in &flow.opening {
        book.on_event(event);
    }
    Updating { flow, book }
}

/// A book of levels, empty, and what it is to become.
pub(crate) struct Levels {
    flow: LevelFlow,
    book: LevelBook,
}

impl Work for Levels {
    fn run(&mut self) {
        self.flow.run(&mut self.book);
    }

    fn finish(self) {
        self.flow.check(&self.book);
    }
}

pub(crate) fn by_price() -> Levels {
    Levels {
        flow: LevelFlow::by_price(1, COUNT),
        book: empty_book(),
    }
}

pub(crate) fn by_place() -> Levels {
    Levels {
        flow: LevelFlow::by_place(1, COUNT),
        book: empty_book(),
    }
}
