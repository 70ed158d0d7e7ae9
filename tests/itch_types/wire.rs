//! A message in the making, and what a decoder makes of it.

use ringtape::feed::itch::{Decoder, encode};
use ringtape::feed::{MalformedMessage, Message, itch};
use ringtape::market::{EventKind, Flags, Head, MarketEvent, Side, Symbol};
use ringtape::record::{Batch, Content};

pub(crate) const MIDNIGHT_NS: u64 = 1_577_682_000_000_000_000;

/// Its low 32 bits are not the whole.
pub(crate) const NUMBER: u64 = 0x0000_0005_8001_0203;

pub(crate) const LOW: u32 = 0x8001_0203;

pub(crate) const LOCATE: u16 = 0xfedc;

pub(crate) const SINCE_MIDNIGHT_NS: u64 = 0xa1b2_c3d4_e5f6;

pub(crate) const STOCK: Symbol = Symbol(*b"ZVZZT   ");

/// A message in the making: the header's bytes, then each field as the specification lists it.
#[derive(Clone)]
pub(crate) struct Wire(pub(crate) Vec<u8>);

impl Wire {
    pub(crate) fn new(message_type: u8) -> Self {
        let mut bytes = vec![message_type, 0xfe, 0xdc, 0x77, 0x78];
        bytes.extend([0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0xf6]);
        Self(bytes)
    }

    pub(crate) fn and(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub(crate) fn u32(self, value: u32) -> Self {
        self.and(&value.to_be_bytes())
    }

    pub(crate) fn u64(self, value: u64) -> Self {
        self.and(&value.to_be_bytes())
    }

    pub(crate) fn stock(self) -> Self {
        self.and(b"ZVZZT   ")
    }
}

pub(crate) fn head(kind: EventKind) -> Head {
    Head {
        ts_event_ns: MIDNIGHT_NS + SINCE_MIDNIGHT_NS,
        instrument: u32::from(LOCATE),
        feed: 9,
        kind,
        side: Side::NONE,
        flags: Flags::LAST,
    }
}

pub(crate) fn with_side(kind: EventKind, side: Side) -> Head {
    Head { side, ..head(kind) }
}

pub(crate) fn message(bytes: &[u8]) -> Message<'_> {
    let message_bytes = u16::try_from(bytes.len()).expect("short");
    Message {
        number: NUMBER,
        bytes,
        message_bytes,
        ts_recv_ns: 77,
    }
}

/// A decoder that knows `STOCK` already, so that nothing is derived.
pub(crate) fn knowing() -> Decoder {
    let mut decoder = Decoder::new(9, MIDNIGHT_NS);
    let head = encode::Head {
        locate: LOCATE,
        tracking: 0,
        since_midnight_ns: 0,
    };
    let stock = encode::directory(head, encode::Directory::common_stock(STOCK));
    decode(&mut decoder, &stock).expect("sound");
    decoder
}

pub(crate) fn decode(
    decoder: &mut Decoder,
    bytes: &[u8],
) -> Result<Vec<MarketEvent>, MalformedMessage> {
    let mut out = Batch::with_capacity(itch::RECORDS_MAX);
    let decoded = decoder.decode(message(bytes), &mut out);
    assert_eq!(
        decoded.is_ok(),
        itch::is_sound(bytes),
        "is_sound says what decode does"
    );
    if decoded.is_err() {
        assert!(out.records().is_empty(), "a refused message pushes nothing");
    }
    decoded?;
    let event = |record: &ringtape::record::Record<MarketEvent>| match record.content() {
        Content::Event(event) => {
            assert_eq!(record.ts_recv_ns(), 77);
            Some(*event)
        }
        _ => None,
    };
    Ok(out.records().iter().filter_map(event).collect())
}
