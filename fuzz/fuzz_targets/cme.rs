//! Any datagrams on two lines at any times, as MDP 3.0: framing, decoder and feed do not panic, push
//! no more records than they promise, account for each packet once and in order, and the ledger
//! closes. Any packet by itself: what `is_sound` refuses is refused, with nothing pushed.
//!
//! The input is a list of steps: an operation byte and its operands. Raw datagrams come as they
//! are; packets of messages are also made, because chance seldom finds a well-formed one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringtape::feed::mdp3::PacketWriter;
use ringtape::feed::{Arrival, CmeFeed, Feed, FeedConfig, FeedCounters, Message, Start, cme};
use ringtape::market::{Flags, MarketEvent};
use ringtape::record::{Batch, Content, SessionMark};

/// Template, known bytes of its root and of its first group's entries, those of its second group's.
const TEMPLATES: [(u16, u16, u16, u16); 18] = [
    (4, 9, 2, 0),
    (12, 0, 0, 0),
    (30, 30, 0, 0),
    (32, 11, 32, 24),
    (33, 11, 32, 0),
    (34, 11, 32, 0),
    (35, 11, 24, 0),
    (37, 11, 16, 0),
    (38, 59, 22, 0),
    (42, 11, 32, 16),
    (43, 11, 40, 0),
    (46, 11, 32, 24),
    (47, 11, 40, 0),
    (48, 11, 32, 16),
    (50, 11, 32, 0),
    (51, 11, 24, 0),
    (52, 59, 22, 0),
    (99, 4, 4, 4),
];

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// Near the start mostly, and now and then anywhere in 32 bits.
    fn number(&mut self) -> Option<u32> {
        let low = u32::from(self.byte()?);
        Some(if low < 250 {
            low
        } else {
            low << (self.byte()? % 25)
        })
    }

    /// A message with the blocks of its template, nearly: their bytes are the input's, zero where a
    /// bit says so, and their lengths are now and then wrong.
    fn message(&mut self, packet: &mut PacketWriter<'_>) -> Option<bool> {
        let (template, root, entry, order) = TEMPLATES[usize::from(self.byte()?) % TEMPLATES.len()];
        let shape = self.byte()?;
        let off = u16::from(shape >> 6 == 3) * u16::from(self.byte()? % 8);
        let version = u16::from(shape & 15);
        let mut body = vec![];
        let root = root.saturating_sub(off);
        self.fill(&mut body, root.into());
        for (block, header) in [(entry, 3), (order, 8)] {
            if block == 0 {
                continue;
            }
            let block = if shape & 16 == 0 {
                block
            } else {
                block.saturating_sub(off) + 3
            };
            let count = self.byte()? % 6;
            body.extend(block.to_le_bytes());
            body.resize(body.len() + header - 3, 0);
            body.push(count);
            for _ in 0..count {
                self.fill(&mut body, block.into());
            }
        }
        if shape & 32 != 0 {
            body.truncate(usize::from(self.byte()?));
        }
        Some(packet.push(template, version, root, &body))
    }

    /// Small values mostly, so that securities and references meet.
    fn fill(&mut self, body: &mut Vec<u8>, count: usize) {
        let end = body.len() + count;
        body.extend(
            self.bytes(count / 4)
                .iter()
                .flat_map(|&byte| [byte & 3, 0, 0, byte >> 7]),
        );
        body.resize(end, 0);
    }
}

struct Rig {
    feed: CmeFeed,
    batch: Batch<MarketEvent>,
    decoder: cme::Decoder,
    counters: FeedCounters,
    now_ns: u64,
    /// The last number that the records account for.
    done: Option<u64>,
}

impl Rig {
    fn datagram(&mut self, line: usize, bytes: &[u8], cut_bytes: usize) {
        let kept = &bytes[..bytes.len().saturating_sub(cut_bytes)];
        self.decode(kept);
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

    fn decode(&mut self, bytes: &[u8]) {
        let mut out = Batch::with_capacity(cme::records_max(bytes.len()));
        let message = Message {
            number: self.now_ns,
            bytes,
            message_bytes: u16::try_from(bytes.len()).unwrap_or(u16::MAX),
            ts_recv_ns: 0,
        };
        let decoded = self.decoder.decode(message, &mut out, &self.counters);
        assert_eq!(decoded.is_ok(), cme::is_sound(bytes));
        assert!(decoded.is_ok() || out.records().is_empty());
    }

    fn check(&mut self) {
        let mut ends = true;
        for record in self.batch.records() {
            match record.content() {
                Content::Gap(gap) => {
                    assert!(self.done.is_none_or(|done| done < gap.first));
                    self.done = Some(gap.last);
                }
                Content::Session(session) => match session.mark {
                    SessionMark::Start | SessionMark::Restart => {
                        self.done = session.feed_sequence.checked_sub(1);
                    }
                    SessionMark::Silent | SessionMark::Resumed => {}
                    mark => panic!("{mark:?}: there is no end on the wire"),
                },
                Content::DeadLetter(letter) => at(&mut self.done, letter.feed_sequence),
                Content::Event(event) => {
                    at(&mut self.done, event.message.into());
                    ends = event.head.flags.contains(Flags::LAST);
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(ends, "the last event of a message says so");
        self.batch.clear();
    }
}

/// A record of a packet: the one at hand or one behind it.
fn at(done: &mut Option<u64>, number: u64) {
    assert!(done.is_none_or(|done| done <= number));
    *done = Some(number);
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
        silence_ns: 40,
        ..FeedConfig::default()
    };
    let feed = CmeFeed::new(config).expect("a good configuration");
    let batch = Batch::with_capacity(feed.records_max(4_096));
    let mut rig = Rig {
        feed,
        batch,
        decoder: cme::Decoder::new(1),
        counters: FeedCounters::new(1),
        now_ns: 0,
        done: None,
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
        let mut buffer = [0; 4_096];
        match operation & 7 {
            0 => {
                let count = input.byte()?.into();
                rig.datagram(line, input.bytes(count), input.byte()?.into());
            }
            1..=4 => {
                let sent_ns = rig.now_ns;
                let mut packet = PacketWriter::new(&mut buffer, input.number()?, sent_ns);
                for _ in 0..input.byte()? % 8 {
                    if !input.message(&mut packet)? {
                        break;
                    }
                }
                let cut_bytes = if operation & 7 == 4 {
                    input.byte()?.into()
                } else {
                    0
                };
                rig.datagram(line, packet.finish(), cut_bytes);
            }
            5 => {
                // Densest there is.
                let mut packet = PacketWriter::new(&mut buffer, input.number()?, 0);
                for _ in 0..input.byte()? {
                    if !packet.push(99, 9, 0, b"") {
                        break;
                    }
                }
                rig.datagram(line, packet.finish(), 0);
            }
            _ => {
                // Clocks step back too.
                let step = u64::from(input.number()?);
                rig.now_ns = if operation & 8 == 0 {
                    rig.now_ns.wrapping_add(step)
                } else {
                    rig.now_ns.saturating_sub(step)
                };
                rig.feed.on_time(rig.now_ns, &mut rig.batch);
                rig.check();
            }
        }
    }
}

fuzz_target!(|input: &[u8]| {
    run(&mut Input(input));
});
