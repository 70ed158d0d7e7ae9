//! Random packetisation, loss, reordering, duplicates, faults, heartbeats and times on two lines,
//! and the answers of a re-request server, beside the oracle.

use crate::oracle::{Oracle, Origin};
use crate::rig::{Fault, Item, Rig, SESSION, message};
use proptest::prelude::*;
use ringtape::feed::{FeedConfig, RerequestConfig, Start};
use ringtape::record::GapCause;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddrV4;

/// A thousand cases, or what the environment says, for a longer search.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(1_000)
}

/// Where the numbers of the venue's first session begin; a later one's begin at 1.
const BASE: u64 = 1_000;

/// The line of the first server: the feed's lines are 0 and 1.
const SERVER: usize = 2;
const RETRY_NS: u64 = 4;
const IN_FLIGHT_MAX: usize = 4;
const COUNT_MAX: u16 = 8;

#[derive(Clone, Debug)]
enum Step {
    /// `behind` says how many sessions before the venue's present one; `ahead` is counted from the
    /// highest number sent so far, less 40.
    Packet {
        behind: u8,
        line: usize,
        ahead: u64,
        count: u16,
        fault: Fault,
    },
    Heartbeat {
        line: usize,
        ahead: u64,
    },
    Wait {
        ns: u64,
    },
    ClockBack {
        ns: u64,
    },
    /// `opens_next` says whether the venue then opens its next session at once.
    End {
        behind: u8,
        line: usize,
        ahead: u64,
        opens_next: bool,
    },
    /// The venue opens its next session without a word on the end of the last.
    NextSession,
    /// The server answers the request that was sent so many before the last: so many numbers from
    /// `ahead`, less 4, on; or it answers for the session that comes next.
    Answer {
        request: usize,
        ahead: u64,
        count: u16,
        fault: Fault,
        wrong_session: bool,
    },
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        8 => Just(Fault::None),
        1 => (0..=100u8).prop_map(Fault::Cut),
        1 => Just(Fault::Trailing),
        1 => (0..4u8).prop_map(Fault::Short),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let ahead = prop_oneof![
        6 => Just(40u64),
        6 => 25..48u64,
        1 => 0..200u64,
    ];
    let count = prop_oneof![8 => 0..6u16, 1 => 0..90u16];
    let line = 0..2usize;
    let behind = prop_oneof![20 => Just(0u8), 1 => 1..3u8];
    prop_oneof![
        96 => (behind.clone(), line.clone(), ahead.clone(), count, fault()).prop_map(
            |(behind, line, ahead, count, fault)| Step::Packet { behind, line, ahead, count, fault }
        ),
        22 => (line.clone(), 30..50u64).prop_map(|(line, ahead)| Step::Heartbeat { line, ahead }),
        32 => (0..15u64).prop_map(|ns| Step::Wait { ns }),
        2 => (0..1_000u64).prop_map(|ns| Step::ClockBack { ns }),
        4 => (behind, line, 30..50u64, prop::bool::weighted(0.8)).prop_map(
            |(behind, line, ahead, opens_next)| Step::End { behind, line, ahead, opens_next }
        ),
        1 => Just(Step::NextSession),
        40 => answer(),
    ]
}

fn answer() -> impl Strategy<Value = Step> {
    let request = prop_oneof![4 => Just(0), 1 => 0..8usize];
    let ahead = prop_oneof![6 => Just(4), 1 => 0..12u64];
    let count = prop_oneof![4 => Just(COUNT_MAX), 4 => 0..COUNT_MAX, 1 => 0..40u16];
    let wrong_session = prop::bool::weighted(0.03);
    (request, ahead, count, fault(), wrong_session).prop_map(
        |(request, ahead, count, fault, wrong_session)| Step::Answer {
            request,
            ahead,
            count,
            fault,
            wrong_session,
        },
    )
}

fn start() -> impl Strategy<Value = Start> {
    prop_oneof![
        Just(Start::At(BASE)),
        (BASE - 10..BASE + 10).prop_map(Start::At),
        Just(Start::FirstSeen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_feed_does_what_the_naive_oracle_does(
        start in start(),
        hold_ns in prop_oneof![Just(0u64), 1..20u64],
        window_log2 in 1..8u32,
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let window = 1 << window_log2;
        let mut rig = rig(start, hold_ns, window);
        let mut requests = Requests::default();
        let mut oracle = Oracle::new(start, hold_ns, window as u64);
        let mut now = 1_000_000;
        let mut sent_end = BASE;
        let mut session: u8 = 0;
        for step in steps {
            let from = |ahead: u64| (sent_end + ahead).saturating_sub(40);
            match step {
                Step::Packet { behind, line, ahead, count, fault } => {
                    let first = from(ahead);
                    if fault != Fault::Trailing {
                        sent_end = sent_end.max(first + u64::from(count));
                    }
                    let of = session.saturating_sub(behind);
                    rig.packet_of(name(of), line, first, count, fault, now);
                    oracle.packet(of, line, first, count, fault, now);
                }
                Step::Heartbeat { line, ahead } => {
                    rig.heartbeat_of(name(session), line, from(ahead), now);
                    oracle.heartbeat(session, line, from(ahead), now);
                }
                Step::Wait { ns } => {
                    now += ns;
                    rig.time(now);
                    oracle.time(now);
                }
                Step::ClockBack { ns } => {
                    now -= ns;
                }
                Step::End { behind, line, ahead, opens_next } => {
                    let of = session.saturating_sub(behind);
                    rig.end_of(name(of), line, from(ahead), now);
                    oracle.end_of_session(of, line, from(ahead), now);
                    if opens_next {
                        (session, sent_end) = (session + 1, 1);
                    }
                }
                Step::NextSession => {
                    (session, sent_end) = (session + 1, 1);
                }
                Step::Answer { request, ahead, count, fault, wrong_session } => {
                    if let Some(&(of, first)) = requests.sent.iter().rev().nth(request) {
                        let of = of + u8::from(wrong_session);
                        let first = (first + ahead).saturating_sub(4);
                        rig.packet_of(name(of), SERVER, first, count, fault, now);
                        if oracle.answer(SERVER, of, first, count, fault) {
                            requests.useful += 1;
                        }
                    }
                }
            }
            requests.check(&mut rig, &mut oracle, now)?;
            prop_assert_eq!(rig.ledger().expected, oracle.expected());
            prop_assert_eq!(rig.ended(), oracle.ended());
        }
        rig.close(now);
        oracle.close();
        check(&rig, &oracle)?;
    }
}

fn rig(start: Start, hold_ns: u64, window_messages: usize) -> Rig {
    Rig::with(FeedConfig {
        start,
        hold_ns,
        window_messages,
        rerequest: RerequestConfig {
            servers: vec![SocketAddrV4::new([127, 0, 0, 1].into(), 1)],
            retry_ns: RETRY_NS,
            in_flight_max: IN_FLIGHT_MAX,
            count_max: COUNT_MAX,
        },
        ..FeedConfig::default()
    })
}

/// What was asked for.
#[derive(Default)]
struct Requests {
    /// Session and first number, the latest at the end.
    sent: VecDeque<(u8, u64)>,
    /// When requests were sent: of the present session or sequence.
    sent_ns: Vec<u64>,
    /// When each number was last asked for, and how many answers had been useful then.
    asked: BTreeMap<u64, (u64, u32)>,
    /// Session and sequence that those are of.
    of: Option<(u8, u64)>,
    /// How many answers brought something.
    useful: u32,
}

impl Requests {
    /// Only what is missing is asked for, at once and then once in each retry time, or sooner after
    /// an answer; and never more at a time than is allowed.
    fn check(&mut self, rig: &mut Rig, oracle: &mut Oracle, now: u64) -> Result<(), TestCaseError> {
        let requests = rig.requests(now);
        let Some((session, missing)) = oracle.missing() else {
            prop_assert!(requests.is_empty());
            return Ok(());
        };
        let missing: BTreeSet<_> = missing.into_iter().collect();
        let of = Some((session, oracle.restarts));
        if self.of != of || missing.is_empty() {
            (self.sent_ns, self.asked, self.of) = (vec![], BTreeMap::new(), of);
        }
        let asked_ns = self.asked.values_mut().map(|(at_ns, _)| at_ns);
        for at_ns in self.sent_ns.iter_mut().chain(asked_ns) {
            *at_ns = now.min(*at_ns);
        }
        prop_assert!(requests.len() <= IN_FLIGHT_MAX);
        for (line, first, count) in requests {
            prop_assert_eq!(line, SERVER);
            prop_assert!((1..=COUNT_MAX).contains(&count));
            for number in first..first + u64::from(count) {
                prop_assert!(missing.contains(&number), "{} is not missing", number);
                let before = self.asked.insert(number, (now, self.useful));
                let due = before
                    .is_none_or(|(at_ns, useful)| now - at_ns >= RETRY_NS || useful < self.useful);
                prop_assert!(due, "{} was asked for just now", number);
                oracle.ask(number);
            }
            self.sent.push_back((session, first));
            self.sent_ns.push(now);
        }
        self.sent_ns.retain(|at_ns| now - at_ns < RETRY_NS);
        let is_open = |number: &&u64| {
            let asked = self.asked.get(number);
            asked.is_some_and(|(at_ns, _)| now - at_ns < RETRY_NS)
        };
        let has_room = self.sent_ns.len() < IN_FLIGHT_MAX;
        prop_assert!(!has_room || missing.iter().all(|number| is_open(&number)));
        Ok(())
    }
}

/// What the venue calls its session `n`.
fn name(n: u8) -> [u8; 10] {
    let mut name = SESSION;
    name[8..].copy_from_slice(&[b'A' + n / 26, b'A' + n % 26]);
    name
}

fn check(rig: &Rig, oracle: &Oracle) -> Result<(), TestCaseError> {
    let sessions: Vec<_> = oracle.sessions.iter().map(|n| name(*n)).collect();
    prop_assert_eq!(&rig.sessions, &sessions);
    prop_assert_eq!(merged(&rig.items), merged(&oracle.items));
    every_number_appears_once_in_order(&rig.items)?;

    let ledger = rig.ledger();
    prop_assert!(ledger.closes(), "{:?}", ledger);
    prop_assert_eq!(ledger.open(), 0);
    prop_assert_eq!(ledger.expected, oracle.expected());
    let origin = |origin| oracle.origins.get(&origin).copied().unwrap_or(0);
    prop_assert_eq!(ledger.first_arrival, origin(Origin::First));
    prop_assert_eq!(ledger.other_line, origin(Origin::OtherLine));
    prop_assert_eq!(ledger.reordered, origin(Origin::Reordered));
    prop_assert_eq!(ledger.rerequested, origin(Origin::Rerequest));
    prop_assert_eq!(ledger.wrong_answers, oracle.wrong_answers);
    prop_assert_eq!(ledger.unasked, oracle.unasked);
    for cause in GapCause::FEED {
        let lost = oracle.lost.get(&cause).copied().unwrap_or(0);
        prop_assert_eq!(ledger.lost_for(cause), lost, "{:?}", cause);
    }
    prop_assert_eq!(ledger.before_start, oracle.before_start);
    prop_assert_eq!(ledger.after_end, oracle.after_end);
    prop_assert_eq!(ledger.contradicting_ends, oracle.contradicting_ends);
    prop_assert_eq!(ledger.wrong_session, oracle.wrong_session);
    prop_assert_eq!(ledger.ended_session, oracle.ended_session);
    prop_assert_eq!(ledger.malformed_messages, oracle.malformed_messages);
    prop_assert_eq!(ledger.cut_messages, oracle.cut_messages);
    prop_assert_eq!(ledger.messages, oracle.messages);
    prop_assert_eq!(ledger.restarts, oracle.restarts);
    prop_assert_eq!(ledger.before_restart, oracle.before_restart);
    let mismatched: u64 = ledger.lines().iter().map(|line| line.mismatched).sum();
    prop_assert!(mismatched <= oracle.short_copies);

    let gaps = rig
        .items
        .iter()
        .filter(|item| matches!(item, Item::Gap(..)))
        .count();
    for (line, counts) in ledger.lines().iter().enumerate() {
        prop_assert_eq!(counts.won, oracle.won[line]);
        let passed = oracle.duplicates[line] + oracle.late[line];
        prop_assert_eq!(counts.duplicates + counts.late, passed);
        // More ranges than the feed remembers turn late messages into duplicates.
        prop_assert!(counts.late == oracle.late[line] || gaps > 64);
    }
    let by_line = |count: fn(&ringtape::feed::LineLedger) -> u64| -> u64 {
        ledger.lines().iter().map(count).sum()
    };
    let fates = by_line(|line| line.won)
        + by_line(|line| line.duplicates)
        + by_line(|line| line.late)
        + ledger.before_start
        + ledger.after_end
        + ledger.unasked
        + ledger.malformed_messages
        + ledger.cut_messages;
    prop_assert_eq!(ledger.messages, fates, "each message has one fate");
    Ok(())
}

/// Joins neighbouring gaps of one cause: the oracle makes one for each number.
fn merged(items: &[Item]) -> Vec<Item> {
    let mut merged: Vec<Item> = vec![];
    for item in items {
        match (merged.last_mut(), item) {
            (Some(Item::Gap(_, last, cause)), Item::Gap(first, end, other))
                if cause == other && *last + 1 == *first =>
            {
                *last = *end;
            }
            _ => merged.push(item.clone()),
        }
    }
    merged
}

fn every_number_appears_once_in_order(items: &[Item]) -> Result<(), TestCaseError> {
    let mut expected = None;
    for item in items {
        let (first, end) = match *item {
            Item::Silent | Item::Resumed => continue,
            Item::Start(number) | Item::Restart(number) => {
                expected = Some(number);
                continue;
            }
            Item::End(number) => (number, number),
            Item::Event(number) | Item::Letter(number) => (number, number + 1),
            Item::Gap(first, last, _) => (first, last + 1),
        };
        let mut next = expected.expect("a session starts before its first record");
        // An empty message spends its number without a record.
        while next < first && message(next).is_empty() {
            next += 1;
        }
        prop_assert_eq!(next, first);
        expected = Some(end);
    }
    Ok(())
}
