//! The real CME capture of both lines: the figures of the data's README, every field of every
//! message against a decoder made from the venue's own template file, and what losses do.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "the readers of other formats")]
mod captures;
#[allow(dead_code, reason = "the makers of other messages")]
mod cme_messages;
mod naive_cme;
#[path = "captures/pcapng.rs"]
mod pcapng;

use captures::market_data;
use cme_messages::{Block, Sbe, block, packet};
use naive_cme::{Naive, Schema, Values};
use pcapng::Datagram;
use ringtape::feed::{Arrival, CmeFeed, Feed, FeedConfig, Ledger, mdp3};
use ringtape::market::{
    EventKind, Flags, Head, LastSale, Level, LevelAction, MarketEvent, NO_PRICE, NO_QUANTITY,
    SecurityStatus, Side, Statistic, TradeOrder, Volume,
};
use ringtape::record::{Batch, Content, GapCause, SessionMark};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;

const LINES: [([u8; 4], u16); 2] = [([224, 0, 31, 11], 14_320), ([224, 0, 32, 11], 15_320)];
const FIRST: u32 = 17_347_815;
const LAST: u32 = 17_352_814;
/// More random losses than a mistake could slip through.
const PATTERNS: u64 = 120;

/// The capture, and the schema of its messages.
struct Data {
    file: Vec<u8>,
    schema: Schema,
}

impl Data {
    fn read() -> Option<Self> {
        let file = market_data("cme-mdp3/2016-09-27.v8.AB.pcapng")?;
        let schema = market_data("cme-mdp3/templates_FixBinary.v8.xml")?;
        Some(Self {
            file: fs::read(file).unwrap(),
            schema: Schema::read(&fs::read_to_string(schema).unwrap()),
        })
    }

    /// Returns each datagram with its line, in the order in which they were captured.
    fn datagrams(&self) -> Vec<(usize, Datagram<'_>)> {
        pcapng::datagrams(&self.file)
            .into_iter()
            .map(|datagram| {
                let is_its = |line: &([u8; 4], u16)| *line == datagram.destination;
                (LINES.iter().position(is_its).unwrap(), datagram)
            })
            .collect()
    }

    /// Returns one line's datagrams.
    fn line(&self, line: usize) -> Vec<Datagram<'_>> {
        let all = self.datagrams().into_iter();
        all.filter(|(of, _)| *of == line).map(|(_, d)| d).collect()
    }
}

fn number(payload: &[u8]) -> u32 {
    payload[..4].try_into().map(u32::from_le_bytes).unwrap()
}

/// Takes what the two lines bring, and keeps what comes out.
struct Rig {
    feed: CmeFeed,
    batch: Batch<MarketEvent>,
    events: Vec<MarketEvent>,
    gaps: Vec<(u64, u64, GapCause)>,
    marks: Vec<(SessionMark, u64)>,
}

impl Rig {
    fn new() -> Self {
        let config = FeedConfig {
            window_messages: 1_024,
            // The capture's channel has little to say: it is quiet for longer than other venues
            // are.
            silence_ns: 0,
            ..FeedConfig::default()
        };
        let feed = CmeFeed::new(config).unwrap();
        let batch = Batch::with_capacity(feed.records_max(1_500));
        Self {
            feed,
            batch,
            events: vec![],
            gaps: vec![],
            marks: vec![],
        }
    }

    fn datagram(&mut self, line: usize, now_ns: u64, bytes: &[u8]) {
        self.feed.on_time(now_ns, &mut self.batch);
        let arrival = Arrival {
            line,
            bytes,
            datagram_bytes: bytes.len(),
            ts_recv_ns: now_ns,
            seen_ns: now_ns,
        };
        self.feed.on_datagram(arrival, &mut self.batch);
        self.read();
    }

    fn close(&mut self, now_ns: u64) -> Ledger {
        self.feed.close(now_ns, &mut self.batch);
        self.read();
        let ledger = self.feed.ledger();
        assert!(ledger.closes(), "{ledger:?}");
        ledger
    }

    fn read(&mut self) {
        for record in self.batch.records() {
            match record.content() {
                Content::Event(event) => self.events.push(*event),
                Content::Gap(gap) => self.gaps.push((gap.first, gap.last, gap.cause)),
                Content::Session(session) => {
                    assert_eq!(session.id, mdp3::SESSION);
                    self.marks.push((session.mark, session.feed_sequence));
                }
                other => panic!("{other:?}"),
            }
        }
        self.batch.clear();
    }

    /// Runs arrivals through a feed.
    fn run(arrivals: &[(u64, usize, &[u8])]) -> (Self, Ledger) {
        let mut rig = Self::new();
        for &(now_ns, line, bytes) in arrivals {
            rig.datagram(line, now_ns, bytes);
        }
        let ledger = rig.close(arrivals.last().map_or(0, |arrival| arrival.0));
        (rig, ledger)
    }
}

/// A small generator, so that a seed names a pattern.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % end
    }
}

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

/// The capture's arrivals, by capture time.
fn arrivals<'a>(datagrams: &[(usize, Datagram<'a>)]) -> Vec<(u64, usize, &'a [u8])> {
    let mut arrivals: Vec<_> = datagrams
        .iter()
        .map(|(line, datagram)| (datagram.captured_ns, *line, datagram.payload))
        .collect();
    arrivals.sort_by_key(|arrival| arrival.0);
    arrivals
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

/// What the events of a packet have to be.
struct Oracle {
    /// The last update's number of each security, and whether all since its first one followed.
    securities: HashMap<u32, (u32, bool)>,
    transitions: u64,
}

impl Oracle {
    fn head(root: &Values, instrument: u32, side: Side, flags: Flags) -> Head {
        Head {
            ts_event_ns: root.get("TransactTime"),
            instrument,
            feed: 1,
            kind: EventKind(0),
            side,
            flags,
        }
    }

    /// Takes the update that an entry is.
    fn update(&mut self, entry: &Values) -> (u32, u32, Flags) {
        let security = entry.get::<i32>("SecurityID").cast_unsigned();
        let report = entry.get("RptSeq");
        let fresh = match self.securities.get(&security) {
            Some(&(last, fresh)) => {
                self.transitions += 1;
                fresh && report == last + 1
            }
            None => report == 1,
        };
        self.securities.insert(security, (report, fresh));
        let flags = if fresh {
            Flags::NONE
        } else {
            Flags::STALE_BOOK
        };
        (security, report, flags)
    }

    fn message(&mut self, message: &Naive, number: u32) -> Vec<MarketEvent> {
        let root = &message.root;
        if message.template == 12 {
            return vec![];
        }
        let venue_flags = root.get("MatchEventIndicator");
        if message.template == 30 {
            return vec![status(root, number)];
        }
        let mut events: Vec<MarketEvent> = vec![];
        for entry in &message.groups[0] {
            let (instrument, report, flags) = self.update(entry);
            let head = |side| Self::head(root, instrument, side, flags);
            let price_e9 = match entry.number("MDEntryPx") {
                Some(mantissa) => i64::try_from(mantissa * 100).expect("fits"),
                None => NO_PRICE,
            };
            let action = LevelAction(entry.get("MDUpdateAction"));
            match message.template {
                32 => events.push(
                    Level {
                        head: head(match entry.bytes("MDEntryType") {
                            b"0" | b"E" => Side::BUY,
                            b"1" | b"F" => Side::SELL,
                            _ => Side::NONE,
                        }),
                        price_e9,
                        quantity: entry.or("MDEntrySize", NO_QUANTITY),
                        orders: entry.or("NumberOfOrders", NO_QUANTITY),
                        report,
                        tradeable_quantity: NO_QUANTITY,
                        level: entry.get("MDPriceLevel"),
                        action,
                        entry_type: entry.bytes("MDEntryType")[0],
                        venue_flags,
                        message: number,
                    }
                    .into(),
                ),
                35 => events.push(
                    Statistic {
                        head: head(Side::NONE),
                        price_e9,
                        quantity: entry.or("MDEntrySize", NO_QUANTITY),
                        report,
                        entry_type: entry.bytes("MDEntryType")[0],
                        action,
                        open_close: entry.get("OpenCloseSettlFlag"),
                        venue_flags,
                        reference_date: 65_535,
                        settlement: 255,
                        reserved: [0; 5],
                        message: number,
                    }
                    .into(),
                ),
                37 => events.push(
                    Volume {
                        head: head(Side::NONE),
                        quantity: entry.get("MDEntrySize"),
                        report,
                        action,
                        venue_flags,
                        reserved: [0; 18],
                        message: number,
                    }
                    .into(),
                ),
                42 => {
                    let side =
                        [Side::NONE, Side::BUY, Side::SELL][entry.get::<usize>("AggressorSide")];
                    events.push(
                        LastSale {
                            head: head(side),
                            price_e9,
                            trade_id: entry.or("MDTradeEntryID", 0),
                            quantity: entry.get("MDEntrySize"),
                            orders: entry.or("NumberOfOrders", NO_QUANTITY),
                            conditions: venue_flags,
                            action,
                            reserved: [0; 2],
                            message: number,
                        }
                        .into(),
                    );
                    let count = entry.get("NumberOfOrders");
                    let of_those_before = message.groups[0]
                        .iter()
                        .take_while(|before| !std::ptr::eq(*before, entry))
                        .map(|before| before.get::<usize>("NumberOfOrders"))
                        .sum();
                    let own = message.groups[1].iter().skip(of_those_before).take(count);
                    events.extend(own.map(|order| {
                        MarketEvent::from(TradeOrder {
                            head: head(Side::NONE),
                            order_id: order.get("OrderID"),
                            quantity: order.get("LastQty"),
                            report,
                            reserved: [0; 12],
                            message: number,
                        })
                    }));
                }
                other => panic!("template {other}"),
            }
        }
        if message.template == 32 {
            assert!(message.groups[1].is_empty(), "the capture has no orders");
        }
        if let Some(last) = events.last_mut() {
            last.head.flags = last.head.flags.with(Flags::LAST);
        }
        events
    }
}

fn status(root: &Values, number: u32) -> MarketEvent {
    let instrument = root.number("SecurityID").unwrap_or(0);
    let event = SecurityStatus {
        head: Oracle::head(
            root,
            instrument.try_into().unwrap(),
            Side::NONE,
            Flags::LAST,
        ),
        group: root.bytes("SecurityGroup").try_into().unwrap(),
        asset: root.bytes("Asset").try_into().unwrap(),
        trade_date: root.or("TradeDate", 65_535),
        status: root.get("SecurityTradingStatus"),
        halt_reason: root.get("HaltReason"),
        event: root.get("SecurityTradingEvent"),
        venue_flags: root.get("MatchEventIndicator"),
        reserved: [0; 10],
        message: number,
    };
    event.into()
}

#[test]
fn every_field_of_every_message_is_what_the_template_file_says() {
    let Some(data) = Data::read() else { return };
    let (rig, _) = Rig::run(&arrivals(&data.datagrams()));
    let mut oracle = Oracle {
        securities: HashMap::new(),
        transitions: 0,
    };
    let mut got = rig.events.iter();
    let mut messages = 0;
    for datagram in data.line(0) {
        for message in data.schema.packet(datagram.payload) {
            for expected in oracle.message(&message, number(datagram.payload)) {
                assert_eq!(got.next(), Some(&expected), "{message:?}");
            }
            messages += 1;
        }
    }
    assert_eq!((messages, got.next()), (5_299, None));
    // The capture begins in the middle of the day: no book is complete.
    assert!(oracle.securities.values().all(|&(_, fresh)| !fresh));
    eprintln!(
        "{} securities, {} transitions of RptSeq",
        oracle.securities.len(),
        oracle.transitions
    );
    assert_eq!((oracle.securities.len(), oracle.transitions), (39, 6_156));
}

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
