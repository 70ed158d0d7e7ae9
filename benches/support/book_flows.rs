//! Owns the event flows that books are measured with, made before any clock starts.

use super::busy_session::{BusySession, FEED};
use super::market_data::{ORDER_FLOW, binary_file, read};
use super::measuring;
use super::plain_book::PlainBooks;
use ringtape::feed::Message;
use ringtape::feed::itch::{self, Decoded, Decoder};
use ringtape::market::MarketEvent;
use ringtape::record::{Batch, Content};

/// Passes of a comparison over the busy session, the one that warms up included.
const PASSES: usize = 16;

fn passes() -> usize {
    if measuring() { PASSES } else { 2 }
}

/// Events in their order.
pub struct Flow {
    /// Instruments are numbered below this.
    pub instruments: usize,
    /// Orders that are alive after `opening`, about.
    pub alive: usize,
    /// What is taken in before the clock starts.
    pub opening: Vec<MarketEvent>,
    /// What is timed, one after the other.
    pub passes: Vec<Vec<MarketEvent>>,
    /// The books after all that.
    pub end: PlainBooks,
}

impl Flow {
    /// Reads the real order flow, which begins in the middle of a day, as one pass; or says that it
    /// is skipped.
    pub fn real() -> Option<Self> {
        let file = read(ORDER_FLOW)?;
        let mut decoder = Decoder::new(FEED, 0);
        let mut batch = Batch::with_capacity(itch::RECORDS_MAX);
        let mut events: Vec<MarketEvent> = Vec::new();
        for (bytes, number) in binary_file(&file).zip(1..) {
            let message = Message {
                number,
                bytes,
                message_bytes: u16::try_from(bytes.len()).expect("a message is short"),
                ts_recv_ns: number,
            };
            assert_eq!(decoder.decode(message, &mut batch), Ok(Decoded::Events));
            events.extend(batch.records().iter().filter_map(|r| match r.content() {
                Content::Event(event) => Some(*event),
                _ => None,
            }));
            batch.clear();
        }
        let last = events.iter().map(|event| event.head.instrument).max()?;
        let instruments = last as usize + 1;
        let mut end = PlainBooks::new(instruments, 0);
        events.iter().for_each(|event| end.apply(event));
        Some(Self {
            instruments,
            alive: end.alive(),
            opening: Vec::new(),
            passes: vec![events],
            end,
        })
    }

    /// Makes the busy session: 10,000 instruments and a million live orders when measuring.
    pub fn busy() -> Self {
        let (instruments, alive, events) = if measuring() {
            (10_000, 1_000_000, 200_000)
        } else {
            (100, 2_000, 500)
        };
        Self::session(1, instruments, alive, events, passes())
    }

    /// Makes the session of one instrument with as many orders as a busy one has.
    pub fn busiest() -> Self {
        let (alive, events) = if measuring() {
            (10_000, 200_000)
        } else {
            (500, 500)
        };
        Self::session(2, 1, alive, events, passes())
    }

    /// Makes a session of a hundred instruments that fits the second cache.
    pub fn cached() -> Self {
        let (alive, events) = if measuring() {
            (5_000, 2_000)
        } else {
            (500, 100)
        };
        Self::session(3, 100, alive, events, 1)
    }

    /// Makes a session of `passes` times `events` events, from when `alive` orders are there.
    pub fn session(
        seed: u64,
        instruments: u32,
        alive: usize,
        events: usize,
        passes: usize,
    ) -> Self {
        let mut session = BusySession::new(seed, instruments);
        let opening = session.opening(alive);
        let passes = (0..passes).map(|_| session.busy(events)).collect();
        Self {
            instruments: instruments as usize + 1,
            alive,
            opening,
            passes,
            end: session.into_books(),
        }
    }
}
