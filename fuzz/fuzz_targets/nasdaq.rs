//! Any datagrams on two lines at any times: the feed does not panic, pushes no more records than it
//! promises, accounts for each number once and in order, and its ledger closes.
//!
//! The input is a list of steps: an operation byte and its operands. Raw datagrams come as they
//! are; packets are also made, because chance seldom finds a well-formed one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringtape::feed::moldudp64::{self, HEADER_BYTES, PacketWriter};
use ringtape::feed::{Arrival, Feed, FeedConfig, NasdaqFeed, RerequestConfig, Start};
use ringtape::market::MarketEvent;
use ringtape::record::{Batch, Content, SessionMark};

const SESSIONS: [[u8; 10]; 4] = [
    *b"000000001A",
    *b"000000002B",
    *b"000000003C",
    *b"000000004D",
];

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
    feed: NasdaqFeed,
    batch: Batch<MarketEvent>,
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
        assert!(self.batch.records().len() <= self.feed.records_max(bytes.len()));
        self.feed.requests(self.now_ns, &mut |line, request| {
            assert_eq!(line, 2);
            let asked = moldudp64::read_request(request).expect("a request");
            assert!((1..=5).contains(&asked.count));
        });
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
        rerequest: RerequestConfig {
            servers: vec!["127.0.0.1:1".parse().expect("an address")],
            retry_ns: 3,
            in_flight_max: 2,
            count_max: 5,
        },
        ..FeedConfig::default()
    };
    let feed = NasdaqFeed::new(config).expect("a good configuration");
    let batch = Batch::with_capacity(feed.records_max(4_096));
    let mut rig = Rig {
        feed,
        batch,
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
        // Two lines, and now and then the server.
        let line = match operation >> 3 & 15 {
            3 => 2,
            _ => usize::from(operation >> 7),
        };
        let session = SESSIONS[usize::from(operation >> 5 & 3)];
        let mut buffer = [0; 4_096];
        match operation & 7 {
            0 => rig.datagram(line, input.bytes()?, input.byte()?.into()),
            1..=3 => {
                let first = input.number()?;
                let mut packet = PacketWriter::new(&mut buffer, session, first);
                for _ in 0..input.byte()? % 32 {
                    if !packet.push(input.bytes()?) {
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
                let packet = moldudp64::heartbeat(&mut buffer, session, input.number()?);
                rig.datagram(line, packet, 0);
            }
            5 => {
                let packet = moldudp64::end_of_session(&mut buffer, session, input.number()?);
                rig.datagram(line, packet, 0);
            }
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
                buffer[..10].copy_from_slice(&session);
                buffer[10..18].copy_from_slice(&input.number()?.to_be_bytes());
                buffer[18] = input.byte()? % 3;
                buffer[19] = input.byte()?;
                rig.datagram(
                    line,
                    &buffer[..HEADER_BYTES + usize::from(input.byte()?)],
                    0,
                );
            }
        }
    }
}

fuzz_target!(|input: &[u8]| {
    run(&mut Input(input));
});
