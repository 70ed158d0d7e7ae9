//! A venue that numbers its messages, and a feed under test whose records are read back.

use ringtape::feed::moldudp64::{self, PacketWriter};
use ringtape::feed::{Arrival, Feed, FeedConfig, Ledger, NasdaqFeed, Start, itch};
use ringtape::market::{EventKind, Flags, MarketEvent};
use ringtape::record::{Batch, Content, GapCause, SessionMark};

pub(crate) const SESSION: [u8; 10] = *b"000000001A";

/// What a feed's records say, one item for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Start(u64),
    Event(u64),
    Letter(u64),
    Gap(u64, u64, GapCause),
    End(u64),
    Restart(u64),
    Silent,
    Resumed,
}

/// What a packet's bytes suffer on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// The receive buffer keeps the header and so many percent of the rest.
    Cut(u8),
    /// A byte too many behind the last message.
    Trailing,
    /// The message at this place is a byte shorter than its type demands, where it has one.
    Short(u8),
}

/// What message `number` says: every seventh nothing, every seventh an unknown type, every seventh
/// a group of two events, the rest one event each.
pub(crate) fn message(number: u64) -> Vec<u8> {
    let head = itch::encode::Head {
        locate: 1,
        tracking: 0,
        since_midnight_ns: 0,
    };
    match number % 7 {
        0 => vec![],
        1 => vec![b'?'; 40],
        2 => {
            let mut imbalance = [b' '; 50];
            imbalance[..19].copy_from_slice(&itch::encode::delete(head, number));
            imbalance[0] = b'I';
            imbalance[28..36].copy_from_slice(b"TEST    ");
            imbalance.to_vec()
        }
        _ => itch::encode::delete(head, number).to_vec(),
    }
}

/// Whether message `number` has a type that demands a length.
pub(crate) fn can_be_short(number: u64) -> bool {
    number % 7 >= 2
}

pub(crate) struct Rig {
    feed: NasdaqFeed,
    batch: Batch<MarketEvent>,
    pub(crate) items: Vec<Item>,
    /// The sessions that were started.
    pub(crate) sessions: Vec<[u8; 10]>,
    /// The receive times of those starts.
    pub(crate) started_ns: Vec<u64>,
}

/// The longest datagram that a rig sends.
const DATAGRAM_BYTES_MAX: usize = 60_000;

impl Rig {
    pub(crate) fn new(start: Start, hold_ns: u64, window_messages: usize) -> Self {
        Self::with(FeedConfig {
            start,
            hold_ns,
            window_messages,
            ..FeedConfig::default()
        })
    }

    pub(crate) fn with(config: FeedConfig) -> Self {
        let feed = NasdaqFeed::new(config).expect("a good configuration");
        // Not a record more than promised: the batch panics if the promise is too small.
        let batch = Batch::with_capacity(feed.records_max(DATAGRAM_BYTES_MAX));
        Self {
            feed,
            batch,
            items: vec![],
            sessions: vec![],
            started_ns: vec![],
        }
    }

    pub(crate) fn packet(
        &mut self,
        line: usize,
        first: u64,
        count: u16,
        fault: Fault,
        now_ns: u64,
    ) {
        self.packet_of(SESSION, line, first, count, fault, now_ns);
    }

    pub(crate) fn packet_of(
        &mut self,
        session: [u8; 10],
        line: usize,
        first: u64,
        count: u16,
        fault: Fault,
        now_ns: u64,
    ) {
        let mut messages: Vec<_> = (first..first + u64::from(count)).map(message).collect();
        if let Fault::Short(place) = fault
            && let Some(short) = messages.get_mut(usize::from(place))
            && can_be_short(first + u64::from(place))
        {
            short.pop();
        }
        let mut buffer = vec![0; 20 + messages.iter().map(|bytes| 2 + bytes.len()).sum::<usize>()];
        let mut writer = PacketWriter::new(&mut buffer, session, first);
        for bytes in &messages {
            assert!(writer.push(bytes));
        }
        let mut bytes = writer.finish().to_vec();
        if fault == Fault::Trailing {
            bytes.push(0);
        }
        self.datagram(
            line,
            &bytes[..kept(bytes.len(), fault)],
            bytes.len(),
            now_ns,
        );
    }

    pub(crate) fn heartbeat(&mut self, line: usize, next: u64, now_ns: u64) {
        self.heartbeat_of(SESSION, line, next, now_ns);
    }

    pub(crate) fn heartbeat_of(&mut self, session: [u8; 10], line: usize, next: u64, now_ns: u64) {
        let mut buffer = [0; 20];
        let bytes = moldudp64::heartbeat(&mut buffer, session, next);
        self.datagram(line, bytes, bytes.len(), now_ns);
    }

    pub(crate) fn end_of_session(&mut self, line: usize, next: u64, now_ns: u64) {
        self.end_of(SESSION, line, next, now_ns);
    }

    pub(crate) fn end_of(&mut self, session: [u8; 10], line: usize, next: u64, now_ns: u64) {
        let mut buffer = [0; 20];
        let bytes = moldudp64::end_of_session(&mut buffer, session, next);
        self.datagram(line, bytes, bytes.len(), now_ns);
    }

    /// Sends a packet of messages that are not the venue's usual ones.
    pub(crate) fn messages(&mut self, line: usize, first: u64, messages: &[&[u8]], now_ns: u64) {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        let mut writer = PacketWriter::new(&mut buffer, SESSION, first);
        for bytes in messages {
            assert!(writer.push(bytes));
        }
        let bytes = writer.finish();
        self.datagram(line, bytes, bytes.len(), now_ns);
    }

    pub(crate) fn datagram(
        &mut self,
        line: usize,
        bytes: &[u8],
        datagram_bytes: usize,
        now_ns: u64,
    ) {
        let arrival = Arrival {
            line,
            bytes,
            datagram_bytes,
            ts_recv_ns: now_ns,
            seen_ns: now_ns,
        };
        self.feed.on_datagram(arrival, &mut self.batch);
        let records = self.batch.records().len();
        assert!(records <= self.feed.records_max(datagram_bytes));
        self.read();
    }

    pub(crate) fn time(&mut self, now_ns: u64) {
        self.feed.on_time(now_ns, &mut self.batch);
        self.read();
    }

    /// Returns what the feed asks for now: the line, the first number and how many.
    pub(crate) fn requests(&mut self, now_ns: u64) -> Vec<(usize, u64, u16)> {
        let mut requests = vec![];
        self.feed.requests(now_ns, &mut |line, bytes| {
            let asked = moldudp64::read_request(bytes).expect("a request");
            assert_eq!(Some(&asked.session), self.sessions.last());
            requests.push((line, asked.sequence, asked.count));
        });
        requests
    }

    /// Returns for each line in how many packets it was ahead of another, and by how much at most.
    pub(crate) fn ahead(&self) -> Vec<(u64, u64)> {
        let ahead = self.feed.ahead();
        ahead.iter().map(|line| (line.count, line.max)).collect()
    }

    pub(crate) fn close(&mut self, now_ns: u64) {
        self.feed.close(now_ns, &mut self.batch);
        self.read();
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.feed.ledger()
    }

    /// Returns the items since it was last asked.
    pub(crate) fn news(&mut self) -> Vec<Item> {
        std::mem::take(&mut self.items)
    }

    pub(crate) fn ended(&self) -> bool {
        self.feed.ended()
    }

    fn read(&mut self) {
        let mut in_group = false;
        for record in self.batch.records() {
            let item = match record.content() {
                Content::Event(event) => {
                    let opens_group = !event.head.flags.contains(Flags::LAST);
                    let derived = event.head.kind == EventKind::INSTRUMENT;
                    let counted = !in_group || derived;
                    in_group = opens_group && !derived;
                    if !counted || derived {
                        continue;
                    }
                    Item::Event(u64::from(event.message))
                }
                Content::Gap(gap) => Item::Gap(gap.first, gap.last, gap.cause),
                Content::DeadLetter(letter) => Item::Letter(letter.feed_sequence),
                Content::Session(session) => match session.mark {
                    SessionMark::Start => {
                        let name = session.id.first_chunk().expect("a session's id is longer");
                        self.sessions.push(*name);
                        self.started_ns.push(record.ts_recv_ns());
                        Item::Start(session.feed_sequence)
                    }
                    SessionMark::End => Item::End(session.feed_sequence),
                    SessionMark::Restart => Item::Restart(session.feed_sequence),
                    SessionMark::Silent => Item::Silent,
                    SessionMark::Resumed => Item::Resumed,
                    mark => panic!("{mark:?}"),
                },
                Content::Invalid => panic!("an invalid record: {record:?}"),
            };
            assert!(
                !in_group || matches!(item, Item::Event(_)),
                "{item:?} inside a group"
            );
            self.items.push(item);
        }
        self.batch.clear();
    }
}

/// How many bytes of a datagram the receive buffer keeps.
pub(crate) fn kept(bytes: usize, fault: Fault) -> usize {
    match fault {
        Fault::Cut(percent) => 20 + (bytes - 20) * usize::from(percent.min(100)) / 100,
        _ => bytes,
    }
}

/// How many whole messages a packet has after `fault`.
pub(crate) fn whole(first: u64, count: u16, fault: Fault) -> u64 {
    let lengths = (first..first + u64::from(count)).map(|number| 2 + message(number).len());
    let kept = kept(20 + lengths.clone().sum::<usize>(), fault) - 20;
    let ends = lengths.scan(0, |end, bytes| {
        *end += bytes;
        Some(*end)
    });
    ends.take_while(|end| *end <= kept).count() as u64
}
