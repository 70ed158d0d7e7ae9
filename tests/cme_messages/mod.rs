//! CME messages made by hand from the schema, byte by byte, apart from the code that reads them.

use ringtape::feed::mdp3::PacketWriter;
use ringtape::feed::{FeedCounters, Ledger, MalformedMessage, Message, cme};
use ringtape::market::MarketEvent;
use ringtape::record::{Batch, Content, DeadLetter};

/// A block: its fields' bytes one after the other.
#[derive(Clone, Default)]
pub(crate) struct Block(pub(crate) Vec<u8>);

macro_rules! fields {
    ($($name:ident: $type:ty),*) => {
        $( pub(crate) fn $name(mut self, value: $type) -> Self {
            self.0.extend(value.to_le_bytes());
            self
        } )*
    };
}

impl Block {
    fields!(u8: u8, u16: u16, u32: u32, u64: u64, i16: i16, i32: i32, i64: i64);

    pub(crate) fn ascii(mut self, letters: &[u8]) -> Self {
        self.0.extend(letters);
        self
    }
}

pub(crate) fn block() -> Block {
    Block::default()
}

/// A repeating group, with the usual header or the aligned one.
#[derive(Clone)]
pub(crate) struct Group {
    pub(crate) aligned: bool,
    pub(crate) entries: Vec<Block>,
}

/// A message as the schema describes it.
#[derive(Clone)]
pub(crate) struct Sbe {
    pub(crate) template: u16,
    pub(crate) version: u16,
    pub(crate) root: Block,
    pub(crate) groups: Vec<Group>,
}

impl Sbe {
    pub(crate) fn new(template: u16, version: u16, root: Block) -> Self {
        Self {
            template,
            version,
            root,
            groups: vec![],
        }
    }

    pub(crate) fn group(self, entries: &[Block]) -> Self {
        self.add(false, entries)
    }

    pub(crate) fn aligned(self, entries: &[Block]) -> Self {
        self.add(true, entries)
    }

    fn add(mut self, aligned: bool, entries: &[Block]) -> Self {
        let entries = entries.to_vec();
        self.groups.push(Group { aligned, entries });
        self
    }

    /// Returns the body: the root and each group's blocks `more[i]` bytes longer than what is known
    /// of them, or shorter; root first.
    pub(crate) fn body(&self, more: &[isize]) -> (u16, Vec<u8>) {
        let resized = |block: &Block, more: isize| {
            let mut bytes = block.0.clone();
            bytes.resize(bytes.len().checked_add_signed(more).unwrap(), 0xee);
            bytes
        };
        let more = |place: usize| more.get(place).copied().unwrap_or(0);
        let mut body = resized(&self.root, more(0));
        let root_bytes = u16::try_from(body.len()).unwrap();
        for (place, group) in self.groups.iter().enumerate() {
            let blocks: Vec<_> = group
                .entries
                .iter()
                .map(|entry| resized(entry, more(place + 1)))
                .collect();
            let block_bytes = blocks.first().map_or(0, Vec::len);
            body.extend(u16::try_from(block_bytes).unwrap().to_le_bytes());
            if group.aligned {
                body.extend([0xee; 5]);
            }
            body.push(u8::try_from(blocks.len()).unwrap());
            body.extend(blocks.concat());
        }
        (root_bytes, body)
    }
}

/// Packs messages.
pub(crate) fn packet(number: u32, messages: &[Sbe]) -> Vec<u8> {
    packet_resized(number, messages, &[])
}

pub(crate) fn packet_resized(number: u32, messages: &[Sbe], more: &[isize]) -> Vec<u8> {
    let mut buffer = vec![0; 60_000];
    let mut writer = PacketWriter::new(&mut buffer, number, 77);
    for message in messages {
        let (root_bytes, body) = message.body(more);
        assert!(writer.push(message.template, message.version, root_bytes, &body));
    }
    writer.finish().to_vec()
}

/// A decoder, and what came out of it.
pub(crate) struct Rig {
    pub(crate) decoder: cme::Decoder,
    pub(crate) counters: FeedCounters,
    pub(crate) events: Vec<MarketEvent>,
    pub(crate) letters: Vec<DeadLetter>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self {
            decoder: cme::Decoder::new(3),
            counters: FeedCounters::new(1),
            events: vec![],
            letters: vec![],
        }
    }

    /// Decodes a packet, and returns how many records it became.
    pub(crate) fn packet(&mut self, number: u64, bytes: &[u8]) -> Result<usize, MalformedMessage> {
        let mut out = Batch::with_capacity(cme::records_max(bytes.len()));
        let message = Message {
            number,
            bytes,
            message_bytes: u16::try_from(bytes.len()).unwrap(),
            ts_recv_ns: 5,
        };
        let decoded = self.decoder.decode(message, &mut out, &self.counters);
        assert_eq!(decoded.is_ok(), cme::is_sound(bytes));
        for record in out.records() {
            match record.content() {
                Content::Event(event) => self.events.push(*event),
                Content::DeadLetter(letter) => self.letters.push(*letter),
                other => panic!("{other:?}"),
            }
        }
        assert!(decoded.is_ok() || out.records().is_empty());
        decoded.map(|()| out.records().len())
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.counters.ledger()
    }
}

/// Returns the events of messages in one packet, number 1, of a decoder of their own.
pub(crate) fn events(messages: &[Sbe]) -> Result<Vec<MarketEvent>, MalformedMessage> {
    let mut rig = Rig::new();
    rig.packet(1, &packet(1, messages))?;
    Ok(rig.events)
}
