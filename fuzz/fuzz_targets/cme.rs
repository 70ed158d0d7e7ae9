//! Any datagrams on two lines at any times, as MDP 3.0: framing, decoder and feed do not panic,
//! push no more records than they promise, account for each packet once and in order, and the
//! ledger closes. Any packet by itself: what `is_sound` refuses is refused, with nothing pushed.
//!
//! The input is a list of steps: an operation byte and its operands. Raw datagrams come as they
//! are; packets of messages are also made, because chance seldom finds a well-formed one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringtape::feed::mdp3::PacketWriter;
use ringtape::feed::{CmeFeed, FeedConfig, FeedCounters, Message, cme};
use ringtape::market::{Flags, MarketEvent};
use ringtape::record::{Batch, Content, SessionMark};
use ringtape_fuzz::{Account, Input, config};

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

/// A message with the blocks of its template, nearly: their bytes are the input's, zero where a
/// bit says so, and their lengths are now and then wrong.
fn message(input: &mut Input<'_>, packet: &mut PacketWriter<'_>) -> Option<bool> {
    let (template, root, entry, order) = TEMPLATES[usize::from(input.byte()?) % TEMPLATES.len()];
    let shape = input.byte()?;
    let off = u16::from(shape >> 6 == 3) * u16::from(input.byte()? % 8);
    let version = u16::from(shape & 15);
    let mut body = vec![];
    let root = root.saturating_sub(off);
    fill(input, &mut body, root.into());
    for (block, header) in [(entry, 3), (order, 8)] {
        if block == 0 {
            continue;
        }
        let block = if shape & 16 == 0 {
            block
        } else {
            block.saturating_sub(off) + 3
        };
        let count = input.byte()? % 6;
        body.extend(block.to_le_bytes());
        body.resize(body.len() + header - 3, 0);
        body.push(count);
        for _ in 0..count {
            fill(input, &mut body, block.into());
        }
    }
    if shape & 32 != 0 {
        body.truncate(usize::from(input.byte()?));
    }
    Some(packet.push(template, version, root, &body))
}

/// Small values mostly, so that securities and references meet.
fn fill(input: &mut Input<'_>, body: &mut Vec<u8>, count: usize) {
    let end = body.len() + count;
    body.extend(
        input
            .take(count / 4)
            .iter()
            .flat_map(|&byte| [byte & 3, 0, 0, byte >> 7]),
    );
    body.resize(end, 0);
}

/// Accounts of packets, which have a number each.
#[derive(Default)]
struct Packets {
    /// The last number that the records account for.
    done: Option<u64>,
}

impl Account for Packets {
    fn check(&mut self, batch: &Batch<MarketEvent>) {
        let mut ends = true;
        for record in batch.records() {
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
    }
}

/// A record of a packet: the one at hand or one behind it.
fn at(done: &mut Option<u64>, number: u64) {
    assert!(done.is_none_or(|done| done <= number));
    *done = Some(number);
}

/// A feed, and a decoder that is given each of its datagrams too.
struct Rig {
    feed: ringtape_fuzz::Rig<CmeFeed, Packets>,
    decoder: cme::Decoder,
    counters: FeedCounters,
}

impl Rig {
    fn datagram(&mut self, line: usize, bytes: &[u8], cut_bytes: usize) {
        self.decode(&bytes[..bytes.len().saturating_sub(cut_bytes)]);
        self.feed.datagram(line, bytes, cut_bytes);
    }

    fn decode(&mut self, bytes: &[u8]) {
        let mut out = Batch::with_capacity(cme::records_max(bytes.len()));
        let message = Message {
            number: self.feed.now_ns,
            bytes,
            message_bytes: u16::try_from(bytes.len()).unwrap_or(u16::MAX),
            ts_recv_ns: 0,
        };
        let decoded = self.decoder.decode(message, &mut out, &self.counters);
        assert_eq!(decoded.is_ok(), cme::is_sound(bytes));
        assert!(decoded.is_ok() || out.records().is_empty());
    }
}

fn run(input: &mut Input<'_>) -> Option<()> {
    let config = FeedConfig {
        silence_ns: 40,
        ..config(input.byte()?)
    };
    let feed = CmeFeed::new(config).expect("a good configuration");
    let mut rig = Rig {
        feed: ringtape_fuzz::Rig::new(feed),
        decoder: cme::Decoder::new(1),
        counters: FeedCounters::new(1),
    };
    let finished = steps(&mut rig, input);
    rig.feed.close();
    finished
}

fn steps(rig: &mut Rig, input: &mut Input<'_>) -> Option<()> {
    loop {
        let operation = input.byte()?;
        let line = usize::from(operation >> 7);
        let mut buffer = [0; 4_096];
        match operation & 7 {
            0 => rig.datagram(line, input.bytes()?, input.byte()?.into()),
            1..=4 => {
                let sent_ns = rig.feed.now_ns;
                let mut packet = PacketWriter::new(&mut buffer, input.number32()?, sent_ns);
                for _ in 0..input.byte()? % 8 {
                    if !message(input, &mut packet)? {
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
                let mut packet = PacketWriter::new(&mut buffer, input.number32()?, 0);
                for _ in 0..input.byte()? {
                    if !packet.push(99, 9, 0, b"") {
                        break;
                    }
                }
                rig.datagram(line, packet.finish(), 0);
            }
            _ => rig.feed.step(operation, input)?,
        }
    }
}

fuzz_target!(|input: &[u8]| {
    run(&mut Input(input));
});
