//! Any datagrams on two lines at any times, as IEX-TP: framing, decoder and feed do not panic, push
//! no more records than they promise, account for each number once and in order, and the ledger
//! closes. Any message by itself: what `is_sound` refuses is refused, with nothing pushed.
//!
//! The input is a list of steps: an operation byte and its operands. Raw datagrams come as they
//! are; packets and messages are also made, because chance seldom finds a well-formed one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringtape::feed::iex::{self, Decoded, Decoder};
use ringtape::feed::iextp::{
    self, HEADER_BYTES, MessageProtocol, PacketWriter, Position, SessionId,
};
use ringtape::feed::{Arrival, Feed, FeedConfig, IexFeed, Message, Start};
use ringtape::market::{Flags, MarketEvent};
use ringtape::record::{Batch, Content, SessionMark};

const TYPES: &[u8; 14] = b"SDHOPIEQ85TBXA";

/// Sessions that differ in one thing each.
const SESSIONS: [SessionId; 4] = [
    session(MessageProtocol::Tops16, 1, 7),
    session(MessageProtocol::Deep10, 1, 7),
    session(MessageProtocol::Tops16, 2, 7),
    session(MessageProtocol::Tops16, u32::MAX, u32::MAX),
];

const fn session(protocol: MessageProtocol, channel: u32, session: u32) -> SessionId {
    SessionId {
        protocol,
        channel,
        session,
    }
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.byte()?).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(bytes)
    }

    /// A message: any bytes, or a known type with a sound time and few symbols, long enough or not.
    fn message(&mut self) -> Option<Vec<u8>> {
        let form = self.byte()?;
        let mut bytes = self.bytes()?.to_vec();
        if form & 3 != 0 {
            let message_type = TYPES[usize::from(form >> 2) % TYPES.len()];
            let bytes_min = iex::bytes_min(message_type).expect("a known type");
            bytes.resize(bytes_min - usize::from(form & 3 == 3), 0);
            bytes[0] = message_type;
            if let Some(top) = bytes.get_mut(9) {
                *top &= 0x7f;
            }
            if let Some(symbol) = bytes.get_mut(11..18) {
                symbol.fill(b' ');
            }
        }
        Some(bytes)
    }

    /// Near the start mostly, and now and then anywhere in 64 bits.
    fn number(&mut self) -> Option<u64> {
        let low = u64::from(self.byte()?);
        Some(if low < 250 {
            low
        } else {
            low << (self.byte()? % 57)
        })
    }
}

struct Rig {
    feed: IexFeed,
    batch: Batch<MarketEvent>,
    /// Made when it is needed: making its table would be most of the time of a run.
    decoder: Option<Decoder>,
    now_ns: u64,
    /// The lowest number that the records did not account for yet.
    next: Option<u64>,
}

impl Rig {
    fn datagram(&mut self, line: usize, bytes: &[u8], cut_bytes: usize) {
        let kept = &bytes[..bytes.len().saturating_sub(cut_bytes)];
        let arrival = Arrival {
            line,
            bytes: kept,
            datagram_bytes: bytes.len(),
            ts_recv_ns: self.now_ns,
            seen_ns: self.now_ns,
        };
        self.feed.on_datagram(arrival, &mut self.batch);
        self.check();
    }

    fn check(&mut self) {
        for record in self.batch.records() {
            let (first, last) = match record.content() {
                Content::Gap(gap) => (gap.first, gap.last),
                Content::DeadLetter(letter) => (letter.feed_sequence, letter.feed_sequence),
                Content::Session(session) => {
                    if matches!(session.mark, SessionMark::Start | SessionMark::Restart) {
                        self.next = Some(session.feed_sequence);
                    }
                    assert!(self.next.is_some_and(|next| next <= session.feed_sequence));
                    continue;
                }
                Content::Event(_) => continue,
                other => panic!("{other:?}"),
            };
            let next = self.next.expect("a session starts before its first record");
            assert!(next <= first, "{first} after {next}");
            self.next = Some(last.wrapping_add(1));
        }
        self.batch.clear();
    }

    /// One message by itself.
    fn decode(&mut self, bytes: &[u8]) {
        let mut out = Batch::<MarketEvent>::with_capacity(iex::RECORDS_MAX);
        let message = Message {
            number: 1,
            bytes,
            message_bytes: u16::try_from(bytes.len()).unwrap_or(u16::MAX),
            ts_recv_ns: 0,
        };
        let decoder = self.decoder.get_or_insert_with(|| Decoder::new(1));
        let (instruments, events) = (decoder.instruments(), decoder.events());
        let decoded = decoder.decode(message, &mut out);
        assert_eq!(decoded.is_ok(), iex::is_sound(bytes));
        match decoded {
            Ok(Decoded::Events) => {
                let last_ones = out.records().iter().filter(|record| {
                    matches!(record.content(), Content::Event(event) if event.head.flags.contains(Flags::LAST))
                });
                assert_eq!(last_ones.count(), 1);
                assert!(!bytes.is_empty() && bytes.len() >= iex::bytes_min(bytes[0]).unwrap());
            }
            Ok(Decoded::Unknown | Decoded::Unnumbered) => assert_eq!(out.records().len(), 1),
            Ok(Decoded::Empty) | Err(_) => {
                assert!(out.records().is_empty());
                assert_eq!(decoder.instruments(), instruments);
                assert_eq!(decoder.events(), events);
            }
        }
    }
}

fn run(input: &mut Input<'_>) -> Option<()> {
    let options = input.byte()?;
    let config = FeedConfig {
        start: if options & 1 == 0 {
            Start::FirstSeen
        } else {
            Start::At(u64::from(options >> 4).max(1))
        },
        hold_ns: u64::from(options >> 1 & 3) * 5,
        window_messages: if options & 8 == 0 { 8 } else { 64 },
        ..FeedConfig::default()
    };
    let feed = IexFeed::new(config).expect("a good configuration");
    let batch = Batch::with_capacity(feed.records_max(4_096));
    let mut rig = Rig {
        feed,
        batch,
        decoder: None,
        now_ns: 0,
        next: None,
    };
    let finished = steps(&mut rig, input);
    rig.feed.close(rig.now_ns, &mut rig.batch);
    rig.check();
    let ledger = rig.feed.ledger();
    assert!(ledger.closes(), "{ledger:?}");
    finished
}

fn steps(rig: &mut Rig, input: &mut Input<'_>) -> Option<()> {
    loop {
        let operation = input.byte()?;
        let line = usize::from(operation >> 7);
        let session = SESSIONS[usize::from(operation >> 5 & 3)];
        let mut buffer = [0; 4_096];
        match operation & 7 {
            0 => rig.datagram(line, input.bytes()?, input.byte()?.into()),
            1..=3 => {
                let mut packet = PacketWriter::new(&mut buffer, session, position(input)?);
                for _ in 0..input.byte()? % 32 {
                    if !packet.push(&input.message()?) {
                        break;
                    }
                }
                let cut_bytes = if operation & 7 == 3 {
                    input.byte()?.into()
                } else {
                    0
                };
                rig.datagram(line, packet.finish(), cut_bytes);
            }
            4 => {
                let packet = iextp::heartbeat(&mut buffer, session, position(input)?);
                rig.datagram(line, packet, 0);
            }
            5 => rig.decode(&input.message()?),
            6 => {
                // Clocks step back too.
                let step = input.number()?;
                rig.now_ns = if operation & 8 == 0 {
                    rig.now_ns.wrapping_add(step)
                } else {
                    rig.now_ns.saturating_sub(step)
                };
                rig.feed.on_time(rig.now_ns, &mut rig.batch);
                rig.check();
            }
            _ => {
                // A header that claims what the rest does not hold.
                _ = PacketWriter::new(&mut buffer, session, position(input)?).finish();
                buffer[12..16].copy_from_slice(&[input.byte()?, 0, input.byte()?, 0]);
                let end = HEADER_BYTES + usize::from(input.byte()?);
                rig.datagram(line, &buffer[..end], 0);
            }
        }
    }
}

fn position(input: &mut Input<'_>) -> Option<Position> {
    Some(Position {
        sequence: input.number()?,
        stream_offset: input.number()?,
        sent_ns: input.number()?,
    })
}

fuzz_target!(|input: &[u8]| {
    run(&mut Input(input));
});
