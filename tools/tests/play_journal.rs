//! `ringtape play` of a journal: the venue's messages again, with their numbers, and what cannot be
//! sent told by reason.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use ringtape::feed::Message;
use ringtape::feed::PacketKind;
use ringtape::feed::itch::{Decoder, encode};
use ringtape::journal::{Config, Writer};
use ringtape::market::{EventKind, Flags, MarketEvent, Symbol};
use ringtape::record::{
    Batch, Content, DeadLetter, Gap, GapCause, Record, Sequence, Session, SessionMark,
};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use support::background::signal;
use support::wire::{Listener, numbers, parse, play, with_messages};
use support::{DEADLINE, Run, binary_file, command, market_data, ringtape, system_event, tape};
use tempfile::TempDir;
use zerocopy::FromZeros as _;

const SESSION: &str = "000000001A";
const MIDNIGHT_NS: u64 = 1_692_676_800_000_000_000;
const DAY_NS: u64 = 86_400_000_000_000;

/// A journal in the making.
struct Recording {
    batch: Batch<MarketEvent>,
    decoder: Decoder,
    feed: u8,
    frames: Vec<Vec<Record<MarketEvent>>>,
}

impl Recording {
    fn new() -> Self {
        Self {
            batch: Batch::with_capacity(1_000),
            decoder: Decoder::new(1, 0),
            feed: 1,
            frames: Vec::new(),
        }
    }

    /// Goes on with what another feed records.
    fn feed(&mut self, feed: u8, midnight_ns: u64) -> &mut Self {
        self.decoder = Decoder::new(feed, midnight_ns);
        self.feed = feed;
        self
    }

    fn mark(&mut self, mark: SessionMark, name: &str, feed_sequence: u64) -> &mut Self {
        let mut id = [0; 16];
        id[..name.len()].copy_from_slice(name.as_bytes());
        let feed = self.feed;
        self.batch.push_session(
            0,
            Session {
                id,
                feed_sequence,
                mark,
                feed,
            },
        );
        self
    }

    fn start(&mut self, first: u64) -> &mut Self {
        self.mark(SessionMark::Start, SESSION, first)
    }

    fn message(&mut self, number: u64, ts_recv_ns: u64, bytes: &[u8]) -> &mut Self {
        decode(
            &mut self.decoder,
            number,
            ts_recv_ns,
            bytes,
            &mut self.batch,
        );
        self
    }

    fn event(&mut self, event: &MarketEvent) -> &mut Self {
        self.batch.push_event(0, event);
        self
    }

    fn gap(&mut self, first: u64, last: u64, cause: GapCause) -> &mut Self {
        let feed = self.feed;
        self.batch.push_gap(
            0,
            Gap {
                first,
                last,
                cause,
                feed,
            },
        );
        self
    }

    /// Ends a frame.
    fn frame(&mut self) -> &mut Self {
        self.frames.push(self.batch.records().to_vec());
        self.batch.clear();
        self
    }

    fn write(&mut self) -> TempDir {
        self.frame();
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(Config::new(folder.path()), 0).unwrap();
        for frame in &self.frames {
            writer.append([frame, &[]], 0).unwrap();
        }
        writer.close().unwrap();
        folder
    }
}

fn decode(
    decoder: &mut Decoder,
    number: u64,
    ts_recv_ns: u64,
    bytes: &[u8],
    out: &mut Batch<MarketEvent>,
) {
    let message = Message {
        number,
        bytes,
        message_bytes: u16::try_from(bytes.len()).unwrap(),
        ts_recv_ns,
    };
    decoder.decode(message, out).unwrap();
}

/// Returns all the events that messages become, which are numbered from 1.
fn events<const N: usize>(midnight_ns: u64, messages: [&[u8]; N]) -> Vec<MarketEvent> {
    let (mut decoder, mut out) = (Decoder::new(1, midnight_ns), Batch::with_capacity(3 * N));
    for (number, bytes) in (1..).zip(messages) {
        decode(&mut decoder, number, 0, bytes, &mut out);
    }
    let event = |record: &Record<MarketEvent>| match record.content() {
        Content::Event(event) => *event,
        other => panic!("{other:?}"),
    };
    out.records().iter().map(event).collect()
}

fn head(locate: u16, since_midnight_ns: u64) -> encode::Head {
    encode::Head {
        locate,
        tracking: 0,
        since_midnight_ns,
    }
}

/// A message that names no stock.
fn delete(order_id: u64) -> [u8; 19] {
    encode::delete(head(7, order_id), order_id)
}

/// A message that names its stock.
fn order(order_id: u64) -> [u8; 36] {
    let order = encode::Order {
        order_id,
        side: b'B',
        shares: 100,
        stock: Symbol::new("ZVZZT").unwrap(),
        price_e4: 101_500,
    };
    encode::add_order(head(7, order_id), order)
}

/// Plays a journal as fast as possible; returns what arrived and how it ended.
fn played(tape: &Path, args: &[&str]) -> (Vec<Vec<u8>>, Run) {
    let listener = Listener::new();
    let to = listener.to();
    let run = play(
        tape,
        [&to, "--max"].iter().copied().chain(args.iter().copied()),
    );
    (listener.arrived(), run)
}

/// Returns the messages with their numbers.
fn messages(packets: &[Vec<u8>]) -> Vec<(u64, Vec<u8>)> {
    let numbered = packets.iter().flat_map(|packet| {
        let packet = parse(packet);
        (packet.sequence()..).zip(packet.messages())
    });
    numbered
        .map(|(number, message)| (number, message.to_vec()))
        .collect()
}

#[track_caller]
fn assert_warns(report: &Value, warning: &str) {
    let warnings = report["warnings"].as_array().unwrap();
    let found = warnings
        .iter()
        .any(|found| found.as_str().unwrap().contains(warning));
    assert!(found, "{warning}: {report}");
}

#[test]
fn the_order_flow_file_comes_back_from_its_journal_byte_for_byte() {
    let Some(file) = market_data("nasdaq-itch50/2019-12-30.0400.4000msgs.itch50") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let tape = folder.path().join("tape");
    let (from, to) = (file.to_str().unwrap(), tape.to_str().unwrap());
    let converted = ringtape(["convert", from, to]);
    assert_eq!(converted.code, Some(0), "{converted:?}");
    let listener = Listener::new();
    let to = listener.to();
    let line = listener.until_end();
    let run = play(&tape, [&to, "--rate", "20000"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let packets = line.join().unwrap();

    // The tracking number is the one thing that an event does not keep.
    let mut expected = fs::read(file).unwrap();
    let mut at = 0;
    while at < expected.len() {
        let bytes = u16::from_be_bytes([expected[at], expected[at + 1]]);
        expected[at + 5..at + 7].fill(0);
        at += 2 + usize::from(bytes);
    }
    let sent = messages(&packets);
    let sent_numbers: Vec<u64> = sent.iter().map(|(number, _)| *number).collect();
    assert_eq!(sent_numbers, (1..=4_000).collect::<Vec<_>>());
    let sent = binary_file(sent.iter().map(|(_, message)| message));
    assert!(sent == expected);
}

#[test]
fn messages_of_one_receive_time_and_consecutive_numbers_share_a_packet() {
    let mut recording = Recording::new();
    recording.start(5);
    for (number, ts_recv_ns) in [(5, 1), (6, 1), (7, 2), (8, 2), (10, 2), (11, 1)] {
        recording.message(number, ts_recv_ns, &delete(number));
    }
    // More than fit: 65 of 21 bytes fill 1,385 of 1,400.
    for number in 12..112 {
        recording.message(number, 3, &delete(number));
    }
    recording.mark(SessionMark::End, SESSION, 112);
    let tape = recording.write();
    let (packets, run) = played(tape.path(), &[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let spans = with_messages(&packets).into_iter().map(|packet| {
        let packet = parse(packet);
        (packet.sequence(), packet.count())
    });
    assert_eq!(
        spans.collect::<Vec<_>>(),
        [(5, 2), (7, 2), (10, 1), (11, 1), (12, 65), (77, 35)]
    );
    assert!(messages(&packets).contains(&(10, delete(10).to_vec())));
    assert_eq!(run.json()["messages"], 106);
    let end = parse(packets.last().unwrap());
    assert_eq!(
        (end.kind(), end.sequence()),
        (PacketKind::EndOfSession, 112)
    );
}

#[test]
fn gaps_stay_and_the_end_tells_of_those_behind_the_last_message() {
    let turn = 1_u64 << 32;
    let mut recording = Recording::new();
    recording
        .start(turn - 2)
        .message(turn - 2, 1, &delete(1))
        .gap(turn - 1, turn + 4, GapCause::Absent)
        .message(turn + 5, 2, &delete(2))
        .gap(turn + 6, turn + 9, GapCause::Malformed);
    let (packets, run) = played(recording.write().path(), &[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(numbers(&packets), [turn - 2, turn + 5].into());
    assert_eq!(parse(packets.last().unwrap()).sequence(), turn + 10);
    assert_warns(&run.json(), "10 numbers are gaps of the feed");
}

#[test]
fn a_feed_is_chosen_where_there_are_several() {
    let mut recording = Recording::new();
    recording.start(1).message(1, 0, &delete(1));
    recording.feed(4, 0).start(1).message(1, 0, &delete(44));
    recording.message(2, 0, &delete(45));
    let tape = recording.write();
    let (packets, run) = played(tape.path(), &[]);
    assert_eq!((packets.len(), run.code), (0, Some(2)), "{run:?}");
    let error = "has records of several feeds, those of feeds 1, 4: choose one with --feed";
    assert!(run.stderr.contains(error), "{run:?}");

    let (packets, run) = played(tape.path(), &["--feed", "4"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let sent = [(1, delete(44).to_vec()), (2, delete(45).to_vec())];
    assert_eq!(messages(&packets), sent);
    assert_eq!(run.json()["feed_id"], 4);

    let (_, run) = played(tape.path(), &["--feed", "9"]);
    assert_eq!(run.code, Some(2));
    let error = "has no record of feed 9; it has those of feeds 1, 4";
    assert!(run.stderr.contains(error), "{run:?}");

    let file = tape.path().join("day.itch50");
    fs::write(&file, binary_file([system_event(1)])).unwrap();
    let (_, run) = played(&file, &["--feed", "1"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("--feed is for journals"), "{run:?}");
}

/// A journal of eight numbers, of which the first and the last can be sent.
fn half_lost() -> TempDir {
    let mut recording = Recording::new();
    recording.start(1).message(1, 0, &delete(1));
    // The stock's name came before the journal, and the second half of a group was overrun.
    let mut imbalance = [0; 50];
    imbalance[0] = b'I';
    let [_, _, second, third, _, half, _] =
        events(0, [&delete(1), &order(2), &order(3), &imbalance])[..]
    else {
        panic!("a deletion, a name, two orders, a name, the halves of a group")
    };
    for event in [second, third, half] {
        recording.event(&event);
    }
    let mut strange = MarketEvent::new_zeroed();
    strange.head.feed = 1;
    strange.head.kind = EventKind(200);
    strange.head.flags = Flags::LAST;
    strange.message = 5;
    recording.event(&strange);
    let letter = |number, bytes| DeadLetter::new(1, number, &[b'~'; 99][..bytes], 99);
    recording.batch.push_dead_letter(0, letter(6, 36));
    // A number that leaves no room for the one after it.
    let whole = DeadLetter::new(1, u64::MAX, b"~~", 2);
    recording.batch.push_dead_letter(0, whole);
    recording.message(8, 0, &delete(8));
    recording.write()
}

#[test]
fn what_cannot_be_sent_is_counted_by_reason_and_fails_the_check() {
    let tape = half_lost();
    let (packets, run) = played(tape.path(), &[]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let sent = [(1, delete(1).to_vec()), (8, delete(8).to_vec())];
    assert_eq!(messages(&packets), sent);
    let report = run.json();
    let unsent = json!({
        "incomplete": 1, "letter_cut": 1, "out_of_range": 1, "unknown_kind": 1, "unnamed": 2,
    });
    assert_eq!(report["unsent"], unsent);
    assert_warns(
        &report,
        "2 of the tape's messages could not be sent, the first: record 3: add_order: nothing named \
         instrument 7",
    );
    let listener = Listener::new();
    let text = ringtape([
        OsStr::new("play"),
        tape.path().as_os_str(),
        OsStr::new("--max"),
        OsStr::new(&listener.to()),
    ]);
    assert_eq!(text.code, Some(1));
    let line = "  2 messages were not sent: unnamed\n";
    assert!(text.stdout.contains(line), "{text:?}");
}

#[test]
fn a_damaged_journal_is_played_up_to_the_damage_and_fails() {
    let mut recording = Recording::new();
    recording.start(1);
    for number in 1..=6 {
        recording.message(number, number, &delete(number));
        if number % 2 == 0 {
            recording.frame();
        }
    }
    let tape = recording.write();
    // Inside the second frame's second record: the first frame has three records, the second two.
    let second_frame = 256 + 64 * 4;
    tape::flip(&tape::segments(tape.path())[0], second_frame + 64 * 2 + 20);
    let (packets, run) = played(tape.path(), &[]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(numbers(&packets), [1, 2].into());
    let warning = "warning: the journal is damaged, what came before was read";
    assert!(run.stderr.contains(warning), "{run:?}");
    assert_warns(&run.json(), "checksum");
}

#[test]
fn a_journal_of_which_nothing_can_be_sent_fails_and_says_why() {
    let [_, second] = events(0, [&order(1)])[..] else {
        panic!("a name and an order")
    };
    let unnamed = Recording::new().start(1).event(&second).write();
    let damaged = Recording::new().start(1).message(1, 1, &delete(1)).write();
    tape::flip(&tape::segments(damaged.path())[0], 256 + 64 + 20);
    for (tape, warning) in [
        (&unnamed, "nothing named instrument 7"),
        (&damaged, "checksum"),
    ] {
        for feed in [&[][..], &["--feed", "1"]] {
            let (packets, run) = played(tape.path(), feed);
            assert_eq!(run.code, Some(1), "{run:?}");
            assert!(run.stderr.contains(warning), "{run:?}");
            assert!(packets.is_empty());
        }
    }
}

#[test]
fn a_torn_tail_is_a_warning() {
    let mut recording = Recording::new();
    recording.start(1).message(1, 1, &delete(1)).frame();
    recording.message(2, 2, &delete(2));
    let tape = recording.write();
    // Cut inside the last frame's record; behind it was the mark of a finished segment.
    let segment = fs::File::options()
        .write(true)
        .open(&tape::segments(tape.path())[0])
        .unwrap();
    segment.set_len(256 + 64 * 3 + 64 + 10).unwrap();
    let (packets, run) = played(tape.path(), &[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(numbers(&packets), [1].into());
    let report = run.json();
    assert_eq!(report["truncated_tail_bytes"], 74);
    assert_warns(&report, "74 bytes at the end are not a whole frame");
}

#[test]
fn a_journal_that_begins_inside_a_session_is_played_under_a_name_of_ours() {
    let mut recording = Recording::new();
    recording.message(41, 1, &delete(41));
    recording.message((7 << 32) + 42, 1, &delete(42));
    let tape = recording.write();
    for (args, session) in [(&[][..], "RINGTAPE01"), (&["--session", "MINE"], "MINE")] {
        let (packets, run) = played(tape.path(), args);
        assert_eq!(run.code, Some(0), "{run:?}");
        assert_eq!(numbers(&packets), [41, 42].into());
        assert_eq!(run.json()["session"], session);
        assert_warns(&run.json(), "begins inside a session");
    }
}

#[test]
fn each_session_has_its_day_and_the_names_of_the_days_before() {
    let mut recording = Recording::new();
    recording.feed(1, MIDNIGHT_NS).start(1);
    recording.message(1, 1, &order(1)).frame();
    // The next day's feed heard the stock's name on the day before: it does not derive it again.
    let [_, _, second] = events(MIDNIGHT_NS + DAY_NS, [&order(1), &order(2)])[..] else {
        panic!("a name and two orders")
    };
    recording
        .mark(SessionMark::Start, "000000002B", 2)
        .event(&second);
    let tape = recording.write();
    for (session, number) in [(SESSION, 1), ("000000002B", 2)] {
        let (packets, run) = played(tape.path(), &["--session", session]);
        assert_eq!(run.code, Some(0), "{run:?}");
        assert_eq!(messages(&packets), [(number, order(number).to_vec())]);
    }
    let (packets, run) = played(tape.path(), &[]);
    assert_eq!(numbers(&packets), [1].into());
    let choice = "choose with --session from 000000001A, 000000002B";
    assert_warns(&run.json(), choice);
    let (_, run) = played(tape.path(), &["--session", "OTHER"]);
    assert_eq!(run.code, Some(2));
    let error = "it has 000000001A, 000000002B";
    assert!(run.stderr.contains(error), "{run:?}");
}

#[test]
fn numbers_that_were_recorded_twice_are_sent_once() {
    let mut recording = Recording::new();
    recording.start(1);
    for number in 1..=3 {
        recording.message(number, number, &delete(number));
    }
    // The recorder was started again while the venue sent from the beginning.
    recording.frame().start(2);
    for number in 2..=5 {
        recording.message(number, number, &delete(number));
    }
    let (packets, run) = played(recording.write().path(), &[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let sent: Vec<_> = (1..=5)
        .map(|number| (number, delete(number).to_vec()))
        .collect();
    assert_eq!(messages(&packets), sent);
    assert_warns(&run.json(), "2 messages have numbers that came before");
}

#[test]
fn a_session_that_ended_is_not_mixed_with_the_next_of_its_name() {
    let mut recording = Recording::new();
    recording.start(1).message(1, 1, &delete(1));
    recording
        .mark(SessionMark::End, SESSION, 2)
        .frame()
        .start(1);
    for number in 1..=2 {
        recording.message(number, number, &delete(70 + number));
    }
    let (packets, run) = played(recording.write().path(), &[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(messages(&packets), [(1, delete(1).to_vec())]);
    assert_eq!(parse(packets.last().unwrap()).sequence(), 2);
    let warning = "2 packets of further sessions that are named 000000001A too were not played";
    assert_warns(&run.json(), warning);
}

#[test]
fn records_that_the_journal_lacks_are_told() {
    let mut recording = Recording::new();
    recording.start(1).message(1, 1, &delete(1)).frame();
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(Config::new(folder.path()), 0).unwrap();
    writer.append([&recording.frames[0], &[]], 0).unwrap();
    let missing = Gap {
        first: 3,
        last: 4,
        cause: GapCause::NotJournaled,
        feed: 0,
    };
    writer.append_gap(missing, 0, 0).unwrap();
    let mut event = events(0, [&delete(4)])[0];
    event.message = 4;
    let behind = Record::event(Sequence::new(5), 2, &event);
    writer.append([&[behind], &[]], 0).unwrap();
    writer.close().unwrap();
    let (packets, run) = played(folder.path(), &[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(numbers(&packets), [1, 4].into());
    assert_warns(&run.json(), "2 records are missing in the journal");
}

#[test]
fn a_journal_goes_at_the_pace_at_which_it_was_received_and_stops_at_ctrl_c() {
    let hour_ns = 3_600_000_000_000;
    let mut recording = Recording::new();
    recording
        .start(1)
        .message(1, MIDNIGHT_NS, &delete(1))
        .message(2, MIDNIGHT_NS + hour_ns, &delete(2))
        .gap(3, 9, GapCause::Absent);
    let tape = recording.write();
    let listener = Listener::new();
    let to = listener.to();
    let args = [
        OsStr::new("play"),
        tape.path().as_os_str(),
        OsStr::new("--json"),
        OsStr::new(&to),
    ];
    let child = command(args).spawn().unwrap();
    // Once the first packet is here, the second waits for its hour.
    listener.0.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut first = [0; 1400];
    let first_bytes = listener.0.recv(&mut first).unwrap();
    assert_eq!(parse(&first[..first_bytes]).count(), 1);
    signal(&child, "INT");
    let run = support::wait(child);
    assert_eq!(run.code, Some(130), "{run:?}");
    assert_eq!(run.json()["messages"], 1);
    let closing = listener.arrived();
    let end = parse(closing.last().unwrap());
    assert_eq!((end.kind(), end.sequence()), (PacketKind::EndOfSession, 2));
}

#[test]
fn a_journal_without_a_message_or_of_other_events_is_refused() {
    let (empty, other) = (Recording::new().write(), tempfile::tempdir().unwrap());
    let only_marks = Recording::new().start(1).write();
    tape::write_ticks(other.path());
    for (tape, error) in [
        (&empty, "holds no record of a feed: nothing to play"),
        (&only_marks, "holds no message of feed 1 that can be sent"),
        (&other, "tick"),
    ] {
        let (packets, run) = played(tape.path(), &[]);
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains(error), "{run:?}");
        assert!(packets.is_empty());
    }
}
