//! What one line loses, and what both lose.

use crate::cme_messages::{Block, Sbe, block, packet};
use crate::naive_cme::{Naive, Schema};
use crate::random::Random;
use crate::rig::{Data, FIRST, LAST, Rig, arrivals, number};
use ringtape::market::{EventKind, Flags};
use ringtape::record::SessionMark;
use std::collections::{BTreeMap, BTreeSet};

/// More random losses than a mistake could slip through.
const PATTERNS: u64 = 120;

/// Which of a line's packets a pattern loses.
fn losses(seed: u64, packets: usize) -> Vec<bool> {
    let mut random = Random(seed);
    let mut lost = vec![false; packets];
    match seed % 6 {
        // Everything, or all but one.
        0 => {
            lost.fill(true);
            if seed > 0 {
                let kept = random.below(packets as u64);
                lost[usize::try_from(kept).unwrap()] = false;
            }
        }
        1 | 2 => {
            let percent = 1 + random.below(99);
            lost.fill_with(|| random.below(100) < percent);
        }
        3 | 4 => {
            for _ in 0..1 + random.below(30) {
                let first = usize::try_from(random.below(packets as u64)).unwrap();
                let count = usize::try_from(1 + random.below(600)).unwrap();
                let end = packets.min(first + count);
                lost[first..end].fill(true);
            }
        }
        _ => {
            let every = 2 + random.below(5);
            let place = random.below(every);
            for (lost, packet) in lost.iter_mut().zip(0u64..) {
                *lost = packet % every == place;
            }
        }
    }
    lost
}

#[test]
fn whatever_one_line_loses_the_events_are_byte_for_byte_those_of_the_lossless_run() {
    let Some(data) = Data::read() else { return };
    let datagrams = data.datagrams();
    let (lossless, _) = Rig::run(&arrivals(&datagrams));
    assert!(lossless.gaps.is_empty());
    let mut healed = 0;
    for seed in 0..PATTERNS {
        let losing = usize::from(seed / 6 % 2 == 1);
        let lost = losses(seed, 5_000);
        // The whole line comes as captured, or as far behind as the hold time can bear.
        let late_ns = [0, 0, 40_000, 900_000][usize::try_from(seed % 4).unwrap()];
        let mut kept = vec![];
        for &(line, mut datagram) in &datagrams {
            let place = usize::try_from(number(datagram.payload) - FIRST).unwrap();
            if line == losing && lost[place] {
                continue;
            }
            datagram.captured_ns += if line == losing { 0 } else { late_ns };
            kept.push((line, datagram));
        }
        let (rig, ledger) = Rig::run(&arrivals(&kept));
        assert_eq!(rig.gaps, [], "seed {seed}");
        assert_eq!(rig.marks, lossless.marks, "seed {seed}");
        assert!(rig.events == lossless.events, "seed {seed}");
        assert_eq!((ledger.delivered(), ledger.lost()), (5_000, 0));
        assert_eq!(ledger.book_breaks, 0, "seed {seed}");
        healed += ledger.other_line;
    }
    eprintln!("{PATTERNS} patterns, {healed} packets healed by the other line");
    assert!(healed > 10_000, "{healed}");
}

/// The updates of a packet: the security and the number of each.
fn updates(schema: &Schema, payload: &[u8]) -> Vec<(u32, u32)> {
    let numbered = |message: &Naive| !matches!(message.template, 12 | 30);
    let messages = schema.packet(payload).into_iter().filter(numbered);
    let entries = messages.flat_map(|message| message.groups.into_iter().next().unwrap());
    entries
        .map(|entry| {
            let security = entry.get::<i32>("SecurityID").cast_unsigned();
            (security, entry.get("RptSeq"))
        })
        .collect()
}

fn snapshot(security: u32, report: u32) -> Sbe {
    let no_price = i64::MAX;
    let root: Block = block()
        .u32(0)
        .u32(1)
        .u32(security)
        .u32(report)
        .u64(1)
        .u64(1);
    let root = root.u16(65_535).u8(17);
    Sbe::new(38, 8, root.i64(no_price).i64(no_price).i64(no_price)).group(&[])
}

/// Snapshots of the securities, in packets that end with number `last`.
fn snapshots(of: &BTreeMap<u32, u32>, last: u32) -> Vec<Vec<u8>> {
    let all: Vec<_> = of
        .iter()
        .map(|(&security, &report)| snapshot(security, report))
        .collect();
    let packets: Vec<_> = all.chunks(10).collect();
    let first = last + 1 - u32::try_from(packets.len()).unwrap();
    packets
        .into_iter()
        .zip(first..)
        .map(|(messages, number)| packet(number, messages))
        .collect()
}

#[test]
fn what_both_lines_lose_is_a_gap_and_exactly_the_books_that_missed_an_update_are_stale() {
    let Some(data) = Data::read() else { return };
    let line = data.line(0);
    let mut before = BTreeMap::new();
    for (security, report) in line.iter().flat_map(|d| updates(&data.schema, d.payload)) {
        before.entry(security).or_insert(report - 1);
    }
    let begin_ns = line[0].captured_ns;
    let (mut gaps, mut stale_events, mut never_stale) = (0, 0, BTreeSet::<u32>::new());
    for seed in 0..40u64 {
        let mut random = Random(seed);
        let per_mille = 1 + random.below(20);
        let lost: BTreeSet<u32> = (FIRST + 1..LAST)
            .filter(|_| random.below(1_000) < per_mille)
            .collect();
        let mut rig = Rig::new();
        for bytes in snapshots(&before, FIRST - 1) {
            rig.datagram(0, begin_ns, &bytes);
            rig.datagram(1, begin_ns, &bytes);
        }
        for (now_ns, line, bytes) in arrivals(&data.datagrams()) {
            if !lost.contains(&number(bytes)) {
                rig.datagram(line, now_ns, bytes);
            }
        }
        let ledger = rig.close(line.last().unwrap().captured_ns);
        assert_eq!(ledger.lost_absent, lost.len() as u64);
        let missing: Vec<_> = rig.gaps.iter().flat_map(|gap| gap.0..=gap.1).collect();
        assert!(
            missing
                .iter()
                .copied()
                .eq(lost.iter().map(|&n| u64::from(n)))
        );

        // What missed an update, as far as the events have come, and each one's first update after.
        let mut missed = BTreeSet::new();
        let (mut expected, mut breaks, mut broken) = (vec![], 0, BTreeSet::new());
        for datagram in &line {
            let is_lost = lost.contains(&number(datagram.payload));
            for (security, _) in updates(&data.schema, datagram.payload) {
                if is_lost {
                    missed.insert(security);
                    broken.insert(security);
                } else {
                    breaks += u64::from(broken.remove(&security));
                    expected.push((security, missed.contains(&security)));
                }
            }
        }
        let got: Vec<_> = rig
            .events
            .iter()
            .filter(|event| {
                let kind = event.head.kind;
                let is_update =
                    kind != EventKind::SECURITY_STATUS && kind != EventKind::TRADE_ORDER;
                is_update && !event.head.flags.contains(Flags::SNAPSHOT)
            })
            .map(|event| {
                let stale = event.head.flags.contains(Flags::STALE_BOOK);
                (event.head.instrument, stale)
            })
            .collect();
        assert!(got == expected, "seed {seed}");
        assert_eq!(ledger.book_breaks, breaks, "seed {seed}");
        gaps += rig.gaps.len();
        stale_events += got.iter().filter(|(_, stale)| *stale).count();
        never_stale.extend(before.keys().filter(|security| !missed.contains(security)));
    }
    eprintln!("{gaps} gaps, {stale_events} events of stale books");
    assert!(gaps > 500 && stale_events > 10_000 && !never_stale.is_empty());
}

#[test]
fn a_snapshot_or_a_reset_makes_a_stale_book_complete_again() {
    let Some(data) = Data::read() else { return };
    let line = data.line(0);
    let mut reports = BTreeMap::new();
    let (first, rest) = line.split_at(2_500);
    let mut rig = Rig::new();
    for datagram in first {
        rig.datagram(0, datagram.captured_ns, datagram.payload);
        reports.extend(updates(&data.schema, datagram.payload));
    }
    // The packets of the snapshots take numbers of their own; the capture's follow them.
    let healed: BTreeMap<_, _> = reports.iter().step_by(2).map(|(&s, &r)| (s, r)).collect();
    let end = number(rest[0].payload) - 1;
    let packets = u32::try_from(healed.len().div_ceil(10)).unwrap();
    for bytes in snapshots(&healed, end + packets) {
        rig.datagram(0, rest[0].captured_ns, &bytes);
    }
    rig.events.clear();
    for datagram in &rest[..1_500] {
        let mut bytes = datagram.payload.to_vec();
        let shifted = number(&bytes) + packets;
        bytes[..4].copy_from_slice(&shifted.to_le_bytes());
        rig.datagram(0, datagram.captured_ns, &bytes);
    }
    let (mut fresh, mut stale) = (0, 0);
    for event in &rig.events {
        if event.head.kind == EventKind::SECURITY_STATUS {
            continue;
        }
        let is_stale = event.head.flags.contains(Flags::STALE_BOOK);
        assert_eq!(is_stale, !healed.contains_key(&event.head.instrument));
        *(if is_stale { &mut stale } else { &mut fresh }) += 1;
    }
    assert!(fresh > 100 && stale > 100, "{fresh} and {stale}");
    let ledger = rig.close(line[4_999].captured_ns);
    assert_eq!((ledger.book_breaks, ledger.lost()), (0, 0));
}

#[test]
fn a_count_that_begins_anew_is_a_restart_and_forgets_the_books() {
    let update = |report| {
        let entry = block().i32(1).i32(7).u32(report).u8(0);
        Sbe::new(37, 8, block().u64(1).u8(0)).group(&[entry])
    };
    let mut rig = Rig::new();
    let sent = [
        (1, 1, 1),
        (2, 2, 2),
        (3, 4, 3),
        (1, 1, 4),
        (2, 2, 5),
        (1, 1, 1),
    ];
    for (number, report, sent_ns) in sent {
        let mut bytes = packet(number, &[update(report)]);
        bytes[4..12].copy_from_slice(&u64::to_le_bytes(sent_ns));
        rig.datagram(0, 1, &bytes);
    }
    let ledger = rig.close(1);
    let (start, restart) = ((SessionMark::Start, 1), (SessionMark::Restart, 1));
    assert_eq!((rig.gaps.len(), rig.marks), (0, vec![start, restart]));
    let stale: Vec<_> = rig
        .events
        .iter()
        .map(|event| event.head.flags.contains(Flags::STALE_BOOK))
        .collect();
    assert_eq!(stale, [false, false, true, false, false]);
    assert_eq!((ledger.book_breaks, ledger.lines()[0].duplicates), (1, 1));
}
