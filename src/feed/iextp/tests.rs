//! Claims about the framing, byte by byte.

use super::*;
use crate::feed::session_name;
use std::collections::BTreeSet;

const SESSION: SessionId = SessionId {
    protocol: MessageProtocol::Tops16,
    channel: 0x0102_0304,
    session: 0x1112_1314,
};
const POSITION: Position = Position {
    sequence: 0x3132_3334_3536_3738,
    stream_offset: 0x2122_2324_2526_2728,
    sent_ns: 0x4142_4344_4546_4748,
};

fn packet(messages: &[&[u8]]) -> Vec<u8> {
    let mut buffer = [0xee; 2048];
    let mut writer = PacketWriter::new(&mut buffer, SESSION, POSITION);
    for message in messages {
        assert!(writer.push(message));
    }
    writer.finish().to_vec()
}

/// A packet whose header tells of as many payload bytes as it has.
fn with_payload_told(mut bytes: Vec<u8>, datagram_bytes: usize) -> Vec<u8> {
    let payload_bytes = u16::try_from(datagram_bytes - HEADER_BYTES).unwrap();
    bytes[12..14].copy_from_slice(&payload_bytes.to_le_bytes());
    bytes
}

fn messages(bytes: &[u8], datagram_bytes: usize) -> Result<Vec<&[u8]>, Fault> {
    Packet::parse(bytes, datagram_bytes)
        .map(|packet| packet.messages().collect())
        .map_err(|malformed| malformed.fault)
}

#[test]
fn the_bytes_of_a_packet_are_the_documented_layout() {
    let bytes = packet(&[b"A", b"", b"BC"]);
    assert_eq!(
        bytes[..12],
        [1, 0, 3, 0x80, 4, 3, 2, 1, 0x14, 0x13, 0x12, 0x11]
    );
    assert_eq!(bytes[12..16], [9, 0, 3, 0]);
    assert_eq!(
        bytes[16..24],
        [0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21]
    );
    assert_eq!(
        bytes[24..32],
        [0x38, 0x37, 0x36, 0x35, 0x34, 0x33, 0x32, 0x31]
    );
    assert_eq!(
        bytes[32..40],
        [0x48, 0x47, 0x46, 0x45, 0x44, 0x43, 0x42, 0x41]
    );
    assert_eq!(bytes[40..], [1, 0, b'A', 0, 0, 2, 0, b'B', b'C']);
}

#[test]
fn a_packet_reads_back_what_was_written() {
    let bytes = packet(&[b"one", b"", b"three"]);
    let read = Packet::parse(&bytes, bytes.len()).unwrap();
    assert_eq!(read.kind(), PacketKind::Messages);
    assert_eq!(
        (read.session(), read.position(), read.count()),
        (SESSION, POSITION, 3)
    );
    let all = read.messages().collect::<Vec<_>>();
    assert_eq!(all, [&b"one"[..], b"", b"three"]);
    let arbitrated = read.named(read.session().name());
    assert_eq!((arbitrated.first, arbitrated.count), (POSITION.sequence, 3));
    assert_eq!(arbitrated.sent_ns, POSITION.sent_ns);

    let mut buffer = [0; HEADER_BYTES];
    let deep = SessionId {
        protocol: MessageProtocol::Deep10,
        ..SESSION
    };
    let beat = Packet::parse(heartbeat(&mut buffer, deep, POSITION), HEADER_BYTES).unwrap();
    assert_eq!((beat.kind(), beat.count()), (PacketKind::Heartbeat, 0));
    assert_eq!((beat.session(), beat.position()), (deep, POSITION));
    assert_eq!(beat.messages().count(), 0);
}

#[test]
fn a_packet_that_its_payload_or_its_messages_do_not_fill_exactly_is_refused_by_name() {
    let good = packet(&[b"abc", b"de"]);
    for short in 0..HEADER_BYTES {
        assert_eq!(messages(&good[..short], short), Err(Fault::ShortHeader));
        assert_eq!(
            messages(&good[..short], good.len()),
            Err(Fault::ShortHeader)
        );
    }
    for short in HEADER_BYTES..good.len() {
        assert_eq!(messages(&good[..short], short), Err(Fault::BlockPastEnd));
        let told = with_payload_told(good[..short].to_vec(), short);
        assert_eq!(messages(&told, short), Err(Fault::BlockPastEnd));
    }
    let mut long = good.clone();
    long.push(0);
    assert_eq!(messages(&long, long.len()), Err(Fault::TrailingBytes));
    let told = with_payload_told(long, good.len() + 1);
    assert_eq!(messages(&told, told.len()), Err(Fault::TrailingBytes));

    let mut overflow = good.clone();
    overflow[24..32].copy_from_slice(&(u64::MAX - 1).to_le_bytes());
    let malformed = Packet::parse(&overflow, overflow.len()).unwrap_err();
    let claim = malformed.claim.unwrap();
    assert_eq!(malformed.fault, Fault::SequenceOverflow);
    assert_eq!(
        (claim.session, claim.sequence, claim.count),
        (SESSION, u64::MAX - 1, 2)
    );

    let mut beat = packet(&[]);
    beat.push(0);
    assert_eq!(messages(&beat, beat.len()), Err(Fault::TrailingBytes));
    let told = with_payload_told(beat, HEADER_BYTES + 1);
    assert_eq!(messages(&told, told.len()), Err(Fault::TrailingBytes));
}

#[test]
fn another_version_or_protocol_is_foreign_and_claims_nothing() {
    let good = packet(&[b"abc"]);
    let foreign = MalformedPacket {
        fault: Fault::Foreign,
        claim: None,
    };
    for version in (0..=u8::MAX).filter(|version| *version != 1) {
        let mut bytes = good.clone();
        bytes[0] = version;
        assert_eq!(Packet::parse(&bytes, bytes.len()).unwrap_err(), foreign);
    }
    for protocol in 0..=u16::MAX {
        let mut bytes = good.clone();
        bytes[2..4].copy_from_slice(&protocol.to_le_bytes());
        match Packet::parse(&bytes, bytes.len()) {
            Ok(packet) => assert_eq!(packet.session().protocol as u16, protocol),
            Err(malformed) => {
                assert!(!matches!(protocol, 0x8003 | 0x8004));
                assert_eq!(malformed, foreign);
            }
        }
    }
    let mut reserved = good.clone();
    reserved[1] = 0xff;
    assert_eq!(messages(&reserved, reserved.len()), Ok(vec![&b"abc"[..]]));
}

#[test]
fn a_cut_packet_keeps_its_whole_messages_and_knows_how_many_were_cut() {
    let all: [&[u8]; 3] = [b"abc", b"", b"de"];
    let wire = packet(&all);
    for kept in HEADER_BYTES..wire.len() {
        let read = Packet::parse(&wire[..kept], wire.len()).unwrap();
        let whole: Vec<_> = read.messages().collect();
        assert_eq!(whole, all[..whole.len()], "{kept} bytes kept");
        assert_eq!(read.count(), 3);
        let expected = match kept - HEADER_BYTES {
            0..5 => 0,
            5..7 => 1,
            _ => 2,
        };
        assert_eq!(whole.len(), expected, "{kept} bytes kept");
    }
}

#[test]
fn a_cut_packet_cannot_claim_more_messages_than_the_datagram_had_room_for() {
    let mut wire = packet(&[b"abc", b"de"]);
    wire[14..16].copy_from_slice(&4u16.to_le_bytes());
    assert_eq!(messages(&wire[..42], wire.len()), Err(Fault::BlockPastEnd));
    wire[14..16].copy_from_slice(&3u16.to_le_bytes());
    assert_eq!(messages(&wire[..42], wire.len()), Ok(vec![]));
    assert_eq!(
        messages(&wire[..42], wire.len() + 1),
        Err(Fault::TrailingBytes)
    );
}

#[test]
fn a_full_packet_takes_no_more_and_stays_as_it_was() {
    let mut buffer = [0; HEADER_BYTES + 5];
    let mut writer = PacketWriter::new(&mut buffer, SESSION, POSITION);
    assert!(writer.push(b"abc"));
    assert!(!writer.push(b""));
    assert_eq!(writer.count(), 1);
    let wire = writer.finish();
    assert_eq!(messages(wire, wire.len()), Ok(vec![&b"abc"[..]]));

    let mut buffer = vec![0; 200_000];
    let position = Position {
        sequence: 1,
        ..POSITION
    };
    let mut writer = PacketWriter::new(&mut buffer, SESSION, position);
    assert!(!writer.push(&[0; 65_536]) && !writer.push(&[0; 65_534]));
    while writer.push(b"") {}
    assert_eq!(writer.count(), 32_767);
    let wire = writer.finish();
    assert_eq!(messages(wire, wire.len()).unwrap().len(), 32_767);
}

#[test]
fn a_session_has_a_name_of_its_own_that_can_be_shown_and_read() {
    let numbers = [
        0,
        1,
        9,
        10,
        999,
        1000,
        1_137_508_352,
        u32::MAX - 1,
        u32::MAX,
    ];
    let mut names = BTreeSet::new();
    for protocol in [MessageProtocol::Tops16, MessageProtocol::Deep10] {
        for channel in numbers {
            for session in numbers {
                let name = SessionId {
                    protocol,
                    channel,
                    session,
                }
                .name();
                assert!(names.insert(name), "{}", name.escape_ascii());
                let used = name.iter().take_while(|byte| **byte != 0).count();
                let text = std::str::from_utf8(&name[..used]).unwrap();
                assert_eq!(session_name(text.as_bytes()), name);
                let letter = if protocol == MessageProtocol::Tops16 {
                    "T"
                } else {
                    "D"
                };
                let readable = format!("{letter}{channel}-{session}");
                if readable.len() <= 16 {
                    assert_eq!(text, readable);
                } else {
                    let both = u64::from_str_radix(&text[2..], 36).unwrap();
                    assert_eq!((text.len(), &text[..2]), (15, &*format!("{letter}.")));
                    assert_eq!(both, u64::from(channel) << 32 | u64::from(session));
                }
            }
        }
    }
    assert_eq!(names.len(), 2 * 9 * 9);
}
