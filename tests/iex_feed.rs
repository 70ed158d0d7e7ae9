//! Claims about the IEX feed that a real capture does not show: what is not its session, not whole
//! or not sound.

use ringtape::feed::iextp::{MessageProtocol, PacketWriter, Position, SessionId, heartbeat};
use ringtape::feed::{Arrival, Feed, FeedConfig, IexFeed, Ledger, session_name};
use ringtape::market::{Flags, MarketEvent, View};
use ringtape::record::{Batch, Content, Gap, GapCause};

const TOPS: SessionId = SessionId {
    protocol: MessageProtocol::Tops16,
    channel: 1,
    session: 7,
};
const DEEP: SessionId = SessionId {
    protocol: MessageProtocol::Deep10,
    ..TOPS
};

struct Rig {
    feed: IexFeed,
    batch: Batch<MarketEvent>,
    events: Vec<MarketEvent>,
    gaps: Vec<Gap>,
    unknown: Vec<u64>,
}

impl Rig {
    fn new(config: FeedConfig) -> Self {
        let feed = IexFeed::new(config).expect("a good configuration");
        let batch = Batch::with_capacity(feed.records_max(1_500));
        Self {
            feed,
            batch,
            events: vec![],
            gaps: vec![],
            unknown: vec![],
        }
    }

    fn datagram(&mut self, line: usize, bytes: &[u8], datagram_bytes: usize) {
        let arrival = Arrival {
            line,
            bytes,
            datagram_bytes,
            ts_recv_ns: 0,
            seen_ns: 0,
        };
        self.feed.on_datagram(arrival, &mut self.batch);
        self.read();
    }

    fn whole(&mut self, line: usize, bytes: &[u8]) {
        self.datagram(line, bytes, bytes.len());
    }

    fn close(&mut self) -> Ledger {
        self.feed.close(0, &mut self.batch);
        self.read();
        let ledger = self.feed.ledger();
        assert!(ledger.closes(), "{ledger:?}");
        ledger
    }

    fn read(&mut self) {
        for record in self.batch.records() {
            match record.content() {
                Content::Event(event) => self.events.push(*event),
                Content::Gap(gap) => self.gaps.push(gap),
                Content::DeadLetter(letter) => self.unknown.push(letter.feed_sequence),
                _ => {}
            }
        }
        self.batch.clear();
    }

    /// The messages that became events, without the names that were derived.
    fn numbers(&self) -> Vec<u32> {
        let is_own = |event: &&MarketEvent| !event.head.flags.contains(Flags::DERIVED);
        self.events
            .iter()
            .filter(is_own)
            .map(|event| event.message)
            .collect()
    }
}

fn position(sequence: u64) -> Position {
    Position {
        sequence,
        stream_offset: 0,
        sent_ns: 1_000 + sequence,
    }
}

fn packet(session: SessionId, sequence: u64, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut buffer = [0; 1_500];
    let mut writer = PacketWriter::new(&mut buffer, session, position(sequence));
    assert!(messages.iter().all(|message| writer.push(message)));
    writer.finish().to_vec()
}

fn halt(symbol: &str) -> Vec<u8> {
    let mut bytes = b"OO\x05\0\0\0\0\0\0\0".to_vec();
    bytes.extend(format!("{symbol:<8}").into_bytes());
    bytes
}

#[test]
fn tops_and_deep_of_one_number_are_two_sessions_and_a_feed_follows_one() {
    let mut rig = Rig::new(FeedConfig::default());
    rig.whole(0, &packet(TOPS, 1, &[halt("A")]));
    rig.whole(0, &packet(DEEP, 2, &[halt("B")]));
    rig.whole(1, &packet(TOPS, 2, &[halt("C")]));
    let ledger = rig.close();
    assert_eq!((ledger.wrong_session, ledger.delivered()), (1, 2));
    assert_eq!((rig.numbers(), ledger.instruments), (vec![1, 2], 2));

    let session = Some(session_name(b"D1-7"));
    let mut rig = Rig::new(FeedConfig {
        session,
        ..FeedConfig::default()
    });
    rig.whole(0, &packet(TOPS, 1, &[halt("A")]));
    rig.whole(0, &packet(DEEP, 1, &[halt("B")]));
    let ledger = rig.close();
    assert_eq!((ledger.wrong_session, ledger.delivered()), (1, 1));
}

#[test]
fn a_heartbeat_spends_no_number_and_reveals_what_was_lost_before_it() {
    let mut rig = Rig::new(FeedConfig::default());
    let mut buffer = [0; 40];
    rig.whole(0, &packet(TOPS, 1, &[halt("A")]));
    rig.whole(0, heartbeat(&mut buffer, TOPS, position(2)));
    rig.whole(0, &packet(TOPS, 2, &[halt("A")]));
    rig.whole(0, heartbeat(&mut buffer, TOPS, position(5)));
    let ledger = rig.close();
    assert_eq!((ledger.heartbeats, rig.numbers()), (2, vec![1, 2]));
    let lost: Vec<_> = rig
        .gaps
        .iter()
        .map(|gap| (gap.first, gap.last, gap.cause))
        .collect();
    assert_eq!(lost, [(3, 4, GapCause::Absent)]);
}

#[test]
fn a_refused_message_is_taken_from_the_other_line_and_leaves_no_name_behind() {
    let mut rig = Rig::new(FeedConfig::default());
    let mut negative = halt("BAD");
    negative[9] = 0x80;
    let short = halt("WORSE")[..17].to_vec();
    rig.whole(
        0,
        &packet(TOPS, 1, &[halt("A"), negative, short, halt("D")]),
    );
    assert_eq!(rig.numbers(), [1]);
    rig.whole(1, &packet(TOPS, 2, &[halt("B")]));
    let ledger = rig.close();
    assert_eq!((rig.numbers(), ledger.other_line), (vec![1, 2, 4], 1));
    assert_eq!((ledger.malformed_messages, ledger.lost_malformed), (2, 1));
    let names = rig.events.iter().filter_map(|event| match event.view() {
        View::Instrument(named) => Some((named.head.instrument, named.symbol.to_string())),
        _ => None,
    });
    let expected = [(1, "A"), (2, "B"), (3, "D")].map(|(number, name)| (number, name.to_owned()));
    assert!(names.eq(expected));
}

#[test]
fn a_datagram_that_was_cut_gives_its_whole_messages_and_the_rest_is_lost_as_truncated() {
    let mut rig = Rig::new(FeedConfig::default());
    let bytes = packet(TOPS, 1, &[halt("A"), halt("B"), halt("C")]);
    rig.datagram(0, &bytes[..bytes.len() - 21], bytes.len());
    let ledger = rig.close();
    assert_eq!((rig.numbers(), ledger.cut_messages), (vec![1], 2));
    assert_eq!((ledger.lost_truncated, ledger.truncated_datagrams), (2, 1));
}

#[test]
fn unknown_and_empty_messages_spend_their_numbers_and_are_counted() {
    let mut rig = Rig::new(FeedConfig::default());
    let messages = [halt("A"), vec![], b"?".to_vec(), halt("A")];
    rig.whole(0, &packet(TOPS, 1, &messages));
    let ledger = rig.close();
    assert_eq!((rig.numbers(), rig.unknown.clone()), (vec![1, 4], vec![3]));
    assert_eq!((ledger.empty_messages, ledger.unknown_messages), (1, 1));
    assert_eq!(
        (
            ledger.delivered(),
            ledger.messages_by_type[usize::from(b'?')]
        ),
        (4, 1)
    );
}

#[test]
fn a_later_session_takes_the_place_of_one_whose_end_nobody_tells() {
    let mut rig = Rig::new(FeedConfig::default());
    let event = b"SO\x05\0\0\0\0\0\0\0".to_vec();
    let next = SessionId { session: 8, ..TOPS };
    rig.whole(0, &packet(TOPS, 1, &[event.clone(), event.clone()]));
    rig.whole(0, &packet(TOPS, 4, std::slice::from_ref(&event)));
    // Sent before the last packet of the present session: from nobody knows where.
    rig.whole(1, &packet(next, 1, std::slice::from_ref(&event)));
    assert_eq!(rig.numbers(), [1, 2]);
    // Numbers say when a packet of this test was sent.
    rig.whole(1, &packet(DEEP, 9, std::slice::from_ref(&event)));
    assert_eq!(rig.feed.ledger().wrong_session, 2);
    // One packet that is not its first could be a stray; the next goes on from it.
    rig.whole(1, &packet(next, 6, std::slice::from_ref(&event)));
    assert_eq!(rig.feed.ledger().wrong_session, 3);
    rig.whole(1, &packet(next, 7, std::slice::from_ref(&event)));
    rig.whole(0, &packet(TOPS, 3, std::slice::from_ref(&event)));
    let ledger = rig.close();
    assert_eq!(rig.numbers(), [1, 2, 4, 7]);
    assert_eq!(ledger.ended_session, 1);
    let gaps: Vec<_> = rig.gaps.iter().map(|gap| (gap.first, gap.last)).collect();
    assert_eq!(gaps, [(3, 3), (1, 6)]);
}

#[test]
fn a_session_that_was_left_for_a_stray_packet_is_followed_again_and_accounted_for() {
    let mut rig = Rig::new(FeedConfig::default());
    let event = b"SO\x05\0\0\0\0\0\0\0".to_vec();
    let send = |rig: &mut Rig, session, sequence, sent_ns| {
        let mut buffer = [0; 100];
        let position = Position {
            sent_ns,
            ..position(sequence)
        };
        let mut writer = PacketWriter::new(&mut buffer, session, position);
        assert!(writer.push(&event));
        let bytes = writer.finish().to_vec();
        rig.whole(0, &bytes);
    };
    let stray = SessionId { session: 8, ..TOPS };
    send(&mut rig, TOPS, 1, 10);
    // Not a session's first: nothing happens. A first one: it is followed.
    send(&mut rig, stray, 900, 11);
    send(&mut rig, TOPS, 2, 12);
    send(&mut rig, stray, 1, 13);
    send(&mut rig, TOPS, 3, 14);
    send(&mut rig, TOPS, 4, 15);
    send(&mut rig, TOPS, 5, 16);
    let ledger = rig.close();
    assert_eq!(rig.numbers(), [1, 2, 1, 4, 5]);
    assert_eq!((ledger.wrong_session, ledger.ended_session), (2, 0));
    let gaps: Vec<_> = rig.gaps.iter().map(|gap| (gap.first, gap.last)).collect();
    assert_eq!(gaps, [(3, 3)]);
    assert_eq!(ledger.expected, 6);
}

#[test]
fn what_may_have_begun_again_fills_no_hole_of_the_sequence_before() {
    let mut rig = Rig::new(FeedConfig {
        hold_ns: 1,
        ..FeedConfig::default()
    });
    let send = |rig: &mut Rig, sequence, sent_ns| {
        let mut buffer = [0; 100];
        let position = Position {
            sent_ns,
            ..position(sequence)
        };
        let mut writer = PacketWriter::new(&mut buffer, TOPS, position);
        assert!(writer.push(b"SO\x05\0\0\0\0\0\0\0"));
        let bytes = writer.finish().to_vec();
        rig.whole(0, &bytes);
    };
    for (sequence, sent_ns) in [(1, 10), (2, 20), (4, 40)] {
        send(&mut rig, sequence, sent_ns);
    }
    // It begins again, and its first two packets are lost.
    send(&mut rig, 3, 50);
    assert_eq!(rig.numbers(), [1, 2]);
    send(&mut rig, 4, 60);
    let ledger = rig.close();
    assert_eq!((ledger.restarts, ledger.doubtful), (1, 1));
    assert_eq!(rig.numbers(), [1, 2, 4, 4]);
    let gaps: Vec<_> = rig.gaps.iter().map(|gap| (gap.first, gap.last)).collect();
    assert_eq!(gaps, [(3, 3), (1, 3)]);
}
