//! Blocks that are longer or shorter than they are known, and values that do not fit.

use crate::cme_messages::{Rig, Sbe, block, events, packet, packet_resized};
use crate::templates::{
    NULL_PRICE, all, book, book_entry, daily, orders, root, session, snapshot, trades, volume,
};
use ringtape::feed::MalformedMessage;

#[test]
fn longer_blocks_decode_as_far_as_they_are_known() {
    for message in all() {
        let expected = events(std::slice::from_ref(&message)).unwrap();
        for more in [[5, 0, 0], [0, 3, 0], [0, 0, 9], [2, 40, 1]] {
            let mut rig = Rig::new();
            let bytes = packet_resized(1, std::slice::from_ref(&message), &more);
            rig.packet(1, &bytes).unwrap();
            assert_eq!(rig.events, expected, "template {}", message.template);
        }
        // A group that a newer version has behind those that are known.
        let newer = message.clone().group(&[block().u64(1)]);
        assert_eq!(events(&[newer]).unwrap(), expected);
    }
}

#[test]
fn a_block_shorter_than_what_is_known_of_it_breaks_the_message() {
    for message in all() {
        // The last four bytes of these entries are a field that only newer versions have.
        let newest = match message.template {
            35 | 51 | 42 | 48 => 4,
            _ => 0,
        };
        let blocks = 1 + message.groups.len();
        for place in 0..blocks {
            if place == 0 && message.root.0.is_empty() {
                continue;
            }
            let mut more = [0; 3];
            more[place] = -1 - if place == 1 { newest } else { 0 };
            let bytes = packet_resized(1, std::slice::from_ref(&message), &more);
            assert_eq!(
                Rig::new().packet(1, &bytes),
                Err(MalformedMessage),
                "template {} block {place}",
                message.template
            );
        }
    }
}

#[test]
fn a_message_that_ends_anywhere_before_its_end_is_refused() {
    for message in all() {
        let (root_bytes, body) = message.body(&[]);
        // Older versions end before the second group.
        let second = message.groups.get(1).map(|_| {
            let mut first = message.clone();
            first.groups.truncate(1);
            first.body(&[]).1.len()
        });
        for length in 0..=body.len() {
            let mut buffer = [0; 1_500];
            let mut writer = ringtape::feed::mdp3::PacketWriter::new(&mut buffer, 1, 0);
            assert!(writer.push(
                message.template,
                message.version,
                root_bytes,
                &body[..length]
            ));
            let whole = length == body.len() || Some(length) == second;
            let sound = Rig::new().packet(1, writer.finish()).is_ok();
            assert_eq!(sound, whole, "template {} at {length}", message.template);
        }
        let bytes = packet(1, &[message]);
        for length in 0..bytes.len() {
            let sound = Rig::new().packet(1, &bytes[..length]).is_ok();
            assert_eq!(sound, length == 12, "the packet at {length}");
        }
    }
}

#[test]
fn values_that_do_not_fit_break_the_message() {
    let price = |template, mantissa| {
        let entry = book_entry(mantissa, 100, 1, b'0');
        events(&[Sbe::new(template, 9, root()).group(&[entry])]).is_ok()
    };
    let most = i64::MAX / 100;
    for (mantissa, by_100, by_1) in [
        (most, true, true),
        (most + 1, false, true),
        (-most, true, true),
        (-most - 1, false, true),
        (i64::MAX - 1, false, true),
        (i64::MIN + 1, false, true),
        (i64::MIN, false, false),
        (NULL_PRICE, true, true),
    ] {
        assert_eq!(price(32, mantissa), by_100, "{mantissa}");
        assert_eq!(price(46, mantissa), by_1, "{mantissa}");
    }
    let with = |mut message: Sbe, group: usize, at: usize, bytes: &[u8]| {
        message.groups[group].entries[0].0[at..at + bytes.len()].copy_from_slice(bytes);
        events(&[message]).is_ok()
    };
    let negative = (-1i32).to_le_bytes();
    let quantities = [
        (book(46, 9), 0, 8),
        (book(46, 9), 0, 20),
        (book(46, 9), 1, 16),
        (trades(48, 9), 0, 8),
        (trades(48, 9), 0, 20),
        (trades(48, 9), 1, 8),
        (volume(), 0, 0),
        (daily(49), 0, 8),
        (session(51, 9), 0, 19),
        (snapshot(52), 0, 8),
        (snapshot(52), 0, 12),
        (orders(47), 0, 24),
    ];
    for (message, group, at) in quantities {
        let template = message.template;
        assert!(
            with(message.clone(), group, at, &[1, 0, 0, 0]),
            "{template}"
        );
        assert!(!with(message, group, at, &negative), "{template} at {at}");
    }
    for (reference, sound) in [(0, false), (1, true), (2, true), (3, false), (255, true)] {
        assert_eq!(with(book(46, 9), 1, 20, &[reference]), sound, "{reference}");
    }
    // Where a price must be there, the number for none is a number like any other.
    let most = i64::MAX.to_le_bytes();
    assert!(!with(trades(42, 8), 0, 0, &most) && with(trades(48, 9), 0, 0, &most));
}
