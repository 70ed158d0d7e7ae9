//! What holds for a packet as a whole.

use crate::cme_messages::{Rig, Sbe, block, packet};
use crate::templates::{book_entry, reset, root, snapshot, status, trades};
use ringtape::feed::mdp3::SESSION;
use ringtape::feed::{Cme, CmeFeed, FeedConfig, MalformedMessage, Protocol, cme, session_name};
use ringtape::market::Flags;

#[test]
fn unknown_templates_are_dead_letters_and_counted_and_the_rest_of_the_packet_decodes() {
    let mut rig = Rig::new();
    let unknown = |template| Sbe::new(template, 9, block().u32(0xdead_beef));
    let messages = [
        unknown(39),
        status(),
        unknown(255),
        unknown(256),
        unknown(0),
    ];
    let mut bytes = packet(70_000, &messages);
    assert_eq!(rig.packet((1 << 40) + 70_000, &bytes), Ok(5));
    let letter = rig.letters[0];
    assert_eq!(
        (letter.feed_sequence, letter.message_bytes),
        ((1 << 40) + 70_000, 14)
    );
    assert_eq!(letter.head[..6], [14, 0, 4, 0, 39, 0]);
    assert_eq!(letter.head[10..14], [0xef, 0xbe, 0xad, 0xde]);
    assert_eq!((rig.events.len(), rig.events[0].message), (1, 70_000));
    let ledger = rig.ledger();
    assert_eq!(ledger.unknown_messages, 4);
    let counted: Vec<_> = (0..256)
        .filter(|&template| ledger.messages_by_type[template] == 1)
        .collect();
    assert_eq!(counted, [0, 30, 39, 255]);

    // The status under another schema is not a status.
    bytes[12 + 14 + 6] = 2;
    assert_eq!(rig.packet(70_001, &bytes), Ok(5));
    assert_eq!((rig.letters.len(), rig.events.len()), (9, 1));
    assert_eq!(rig.packet(70_002, &packet(70_002, &[])), Ok(0));
    assert_eq!(rig.ledger().empty_messages, 1);
}

#[test]
fn a_packet_is_all_its_events_or_none_and_a_bad_one_is_not_remembered() {
    let update = |report| Sbe::new(37, 8, root()).group(&[block().i32(1).i32(9).u32(report).u8(0)]);
    let mut rig = Rig::new();
    assert_eq!(rig.packet(1, &packet(1, &[update(1)])), Ok(1));
    let bad = Sbe::new(37, 8, root()).group(&[block().i32(-1).i32(9).u32(9).u8(0)]);
    let broken = packet(2, &[reset(), update(7), Sbe::new(12, 9, block()), bad]);
    assert_eq!(rig.packet(2, &broken), Err(MalformedMessage));
    assert_eq!(rig.ledger().messages_by_type[37], 1);
    assert_eq!(rig.packet(2, &packet(2, &[update(2)])), Ok(1));
    assert!(
        rig.events
            .iter()
            .all(|event| event.head.flags == Flags::LAST)
    );
    assert_eq!(rig.decoder.book_breaks(), 0);
}

#[test]
fn the_densest_packets_fill_the_bound_and_none_passes_it() {
    let dense = |message: Sbe, count: usize| {
        let bytes = packet(1, &vec![message; count]);
        let records = Rig::new().packet(1, &bytes).unwrap();
        assert!(records <= cme::records_max(bytes.len()));
        records
    };
    assert_eq!(dense(Sbe::new(99, 9, block()), 148), 148);
    assert_eq!(cme::records_max(cme::PACKET_BYTES_MAX), 148);
    assert_eq!(Cme::message_records_max(cme::PACKET_BYTES_MAX), 148);
    assert_eq!(Cme::datagram_records_max(65_507), 148);
    assert_eq!(cme::records_max(0), 0);

    let order = block().u64(1).u64(2).i32(1).u8(1).u8(0);
    let orders = Sbe::new(46, 9, root())
        .group(&[book_entry(5, 7, 1, b'0')])
        .aligned(&vec![order; 65]);
    assert_eq!(dense(orders, 1), 131);
    let volumes = vec![block().i32(1).i32(9).u32(1).u8(0); 112];
    assert_eq!(dense(Sbe::new(37, 9, root()).group(&volumes), 1), 112);
    assert_eq!(dense(Sbe::new(4, 9, root()).group(&[]), 67), 67);
    assert_eq!(
        dense(Sbe::new(4, 9, root()).group(&vec![block().i16(1); 255]), 2),
        2
    );
    let trades = Sbe::new(48, 9, root())
        .group(&[trades(48, 9).groups[0].entries[0].clone()])
        .aligned(&vec![block().u64(1).i32(1); 119]);
    assert_eq!(dense(trades, 1), 120);
    assert_eq!(dense(snapshot(52), 12), 48);
}

#[test]
fn a_packet_longer_than_a_frame_is_refused_and_so_is_a_session_that_cannot_be() {
    let with = |bytes: usize| {
        let message = Sbe::new(99, 9, block().ascii(&vec![0; bytes - 22]));
        Rig::new().packet(1, &packet(1, &[message])).is_ok()
    };
    assert!(with(cme::PACKET_BYTES_MAX) && !with(cme::PACKET_BYTES_MAX + 1));
    let open = |session| {
        let config = FeedConfig {
            session: Some(session),
            ..FeedConfig::default()
        };
        CmeFeed::new(config).is_ok()
    };
    assert!(open(SESSION) && !open(session_name(b"other")));
}
