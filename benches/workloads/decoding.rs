//! Owns messages that are decoded again and again, and sees that they become what they should.

use crate::support::Took;
use ringtape::feed::itch::{self, Decoded, Decoder};
use ringtape::feed::{FeedConfig, FeedCounters, Message, Protocol};
use ringtape::market::{Flags, MarketEvent};
use ringtape::record::{Batch, Content, Record};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

/// All types of ITCH 5.0, the most frequent first.
pub const TYPES: &[u8; 23] = b"ADUEXFCPIQBSRHYLVWKJhNO";
/// Records of a batch: more than any datagram brings, and few enough to stay in the first cache.
pub const BATCH: usize = 64;
/// Synthetic messages: more than a branch predictor learns by heart.
pub const SYNTHETIC: usize = 50_000;

const LOCATE: u16 = 13;

/// The shortest message of a type: zeros, but for what every message begins with.
pub fn blank(message_type: u8) -> Vec<u8> {
    let mut bytes = vec![0; itch::bytes_min(message_type).expect("a known type")];
    let [high, low] = LOCATE.to_be_bytes();
    bytes[..3].copy_from_slice(&[message_type, high, low]);
    bytes
}

/// Sees that the message becomes one event or a group that ends with `LAST`.
pub fn check_blank(message_type: u8, bytes: &[u8]) {
    let mut decoder = Decoder::new(1, 0);
    let mut batch = Batch::with_capacity(itch::RECORDS_MAX);
    let decoded = decoder.decode(message(9, bytes), &mut batch);
    assert_eq!(decoded, Ok(Decoded::Events));
    let events: Vec<MarketEvent> = events(&batch).collect();
    assert!(!events.is_empty());
    for (left, event) in (0..events.len()).rev().zip(&events) {
        let shown = char::from(message_type);
        assert_eq!(event.head.instrument, u32::from(LOCATE), "{shown}");
        assert_eq!(event.message, 9, "{shown}");
        assert_eq!(event.head.flags.contains(Flags::LAST), left == 0, "{shown}");
    }
}

fn message(number: u64, bytes: &[u8]) -> Message<'_> {
    Message {
        number,
        bytes,
        message_bytes: u16::try_from(bytes.len()).expect("a message is short"),
        ts_recv_ns: number,
    }
}

/// The events of a batch, without the instruments that the decoder derived.
fn events(batch: &Batch<MarketEvent>) -> impl Iterator<Item = MarketEvent> {
    batch
        .records()
        .iter()
        .filter_map(|record| match record.content() {
            Content::Event(event) if !event.head.flags.contains(Flags::DERIVED) => Some(*event),
            _ => None,
        })
}

/// ITCH messages, decoded again and again by a decoder alone.
pub struct Decoding {
    /// One after the other, as a packet has them.
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    decoder: Decoder,
    batch: Batch<MarketEvent>,
}

impl Decoding {
    pub fn new(messages: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for message in messages {
            bytes.extend(message);
            ends.push(bytes.len());
        }
        Self {
            bytes,
            ends,
            decoder: Decoder::new(1, 0),
            batch: Batch::with_capacity(BATCH),
        }
    }

    /// Sees that each message becomes an event with its own number, and returns the records that
    /// all of them become, the instruments being known.
    pub fn check(&mut self) -> Vec<Record<MarketEvent>> {
        self.pass();
        self.batch = Batch::with_capacity(BATCH);
        let (mut records, mut begin) = (Vec::new(), 0);
        for (&end, number) in self.ends.iter().zip(0..) {
            let message = message(number, &self.bytes[begin..end]);
            begin = end;
            let decoded = self.decoder.decode(message, &mut self.batch);
            assert_eq!(decoded, Ok(Decoded::Events));
            let last = events(&self.batch).last().expect("an event");
            assert_eq!(u64::from(last.message), number);
            records.extend_from_slice(self.batch.records());
            self.batch.clear();
        }
        records
    }

    /// Decodes every message once.
    pub fn pass(&mut self) -> Took {
        let begin = Instant::now();
        self.run();
        Took {
            elapsed: begin.elapsed(),
            items: self.ends.len() as u64,
        }
    }

    /// Decodes every message once, without a clock.
    pub fn run(&mut self) {
        let mut begin = 0;
        for (&end, number) in self.ends.iter().zip(0..) {
            if self.batch.room() < itch::RECORDS_MAX {
                black_box(self.batch.records());
                self.batch.clear();
            }
            let message = message(number, &self.bytes[begin..end]);
            begin = end;
            let decoded = self.decoder.decode(message, &mut self.batch);
            assert_eq!(decoded, Ok(Decoded::Events));
        }
        black_box(self.batch.records());
        self.batch.clear();
    }
}

/// A protocol's decoding, counts included, of messages again and again.
pub struct Venue<P: Protocol> {
    protocol: P,
    counters: Arc<FeedCounters>,
    messages: Vec<Vec<u8>>,
    batch: Batch<P::Event>,
}

impl<P: Protocol<Event = MarketEvent>> Venue<P> {
    /// Sees that each message becomes an event with its own number.
    pub fn new(messages: Vec<Vec<u8>>) -> Self {
        let counters = Arc::new(FeedCounters::new(1));
        let protocol = P::open(&FeedConfig::default(), Arc::clone(&counters));
        let mut venue = Self {
            protocol: protocol.expect("a valid configuration"),
            counters,
            messages,
            batch: Batch::with_capacity(BATCH),
        };
        for (bytes, number) in venue.messages.iter().zip(1..) {
            let decoded = venue
                .protocol
                .decode(message(number, bytes), &mut venue.batch);
            assert_eq!(decoded, Ok(()));
            let last = events(&venue.batch).last().expect("an event");
            assert_eq!(u64::from(last.message), number);
            venue.batch.clear();
        }
        venue
    }

    /// Decodes every message once.
    pub fn pass(&mut self) -> Took {
        let begin = Instant::now();
        self.run();
        Took {
            elapsed: begin.elapsed(),
            items: self.messages.len() as u64,
        }
    }

    /// Decodes every message once, without a clock.
    pub fn run(&mut self) {
        let unknown = self.counters.unknown_messages.get();
        let room = P::message_records_max(P::HELD_BYTES);
        for (bytes, number) in self.messages.iter().zip(1..) {
            if self.batch.room() < room {
                black_box(self.batch.records());
                self.batch.clear();
            }
            let decoded = self
                .protocol
                .decode(message(number, bytes), &mut self.batch);
            assert_eq!(decoded, Ok(()));
        }
        black_box(self.batch.records());
        self.batch.clear();
        assert_eq!(self.counters.unknown_messages.get(), unknown);
    }
}
