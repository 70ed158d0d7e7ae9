//! The figures of the data's README.

use crate::rig::{Data, FIRST, LAST, Rig, arrivals, number};
use ringtape::feed::mdp3;
use ringtape::record::SessionMark;
use std::collections::BTreeMap;

#[test]
fn both_lines_have_the_figures_of_the_readme() {
    let Some(data) = Data::read() else { return };
    let (a, b) = (data.line(0), data.line(1));
    assert_eq!((a.len(), b.len()), (5_000, 5_000));
    let mut skews_ns = vec![];
    let mut by_template: BTreeMap<u16, u64> = BTreeMap::new();
    for ((a, b), expected) in a.iter().zip(&b).zip(FIRST..) {
        assert_eq!(number(a.payload), expected);
        assert_eq!(a.payload, b.payload, "packet {expected}");
        skews_ns.push(i128::from(a.captured_ns) - i128::from(b.captured_ns));
        for payload in [a.payload, b.payload] {
            let packet = mdp3::Packet::parse(payload, payload.len()).unwrap();
            assert_eq!((packet.sequence(), packet.is_whole()), (expected, true));
            for message in packet.messages() {
                assert_eq!((message.schema, message.version), (1, 8));
                *by_template.entry(message.template).or_default() += 1;
            }
        }
    }
    assert_eq!(number(a.last().unwrap().payload), LAST);
    let expected = [
        (32, 9_796),
        (35, 358),
        (30, 198),
        (42, 120),
        (37, 114),
        (12, 12),
    ];
    assert_eq!(by_template, expected.into_iter().collect());
    assert_eq!(by_template.values().sum::<u64>(), 10_598);
    skews_ns.sort_unstable();
    let in_tenths = |skew_ns: i128| (skew_ns + 50 * skew_ns.signum()) / 100;
    assert_eq!(
        [skews_ns[0], skews_ns[2_500], skews_ns[4_999]].map(in_tenths),
        [-50, 6, 144]
    );
}

#[test]
fn arbitration_delivers_each_packet_once_and_5299_messages() {
    let Some(data) = Data::read() else { return };
    let (rig, ledger) = Rig::run(&arrivals(&data.datagrams()));
    let start = (SessionMark::Start, u64::from(FIRST));
    assert_eq!((rig.gaps.len(), rig.marks), (0, vec![start]));
    assert_eq!((ledger.expected, ledger.delivered()), (5_000, 5_000));
    let lines = ledger.lines();
    assert!(lines.iter().all(|line| line.mismatched == 0));
    assert_eq!(lines.iter().map(|line| line.won).sum::<u64>(), 5_000);
    assert_eq!(lines.iter().map(|line| line.duplicates).sum::<u64>(), 5_000);
    assert_eq!(ledger.messages_by_type.iter().sum::<u64>(), 5_299);
    let by_template = [12, 30, 32, 35, 37, 42].map(|template| ledger.messages_by_type[template]);
    assert_eq!(by_template, [6, 99, 4_898, 179, 57, 60]);
    assert_eq!((ledger.unknown_messages, ledger.malformed_messages), (0, 0));
    assert_eq!((ledger.book_breaks, ledger.untracked_updates), (0, 0));
    assert_eq!(ledger.events, rig.events.len() as u64);
    eprintln!("{} events of 5,000 packets", rig.events.len());
}
