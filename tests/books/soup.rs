//! Whatever comes in whatever order, gaps and sessions in the middle of groups included: nothing
//! panics, what is told as changed is what changed, and what is trusted hangs together.

use super::*;
use crate::naive_book::random::Random;
use ringtape::book::{Best, Trust};
use ringtape::record::{Gap, GapCause};

const SEEDS: u64 = 300;
const RECORDS: usize = 2_000;
const INSTRUMENTS: u64 = 4;

/// An event whose fields are likely values: half of the time those of a level or an order.
fn event(random: &mut Random) -> MarketEvent {
    let mut body = [0; 28];
    for field in body.chunks_mut(4) {
        let value = match random.below(8) {
            0 => u32::MAX,
            1 => 0x8000_0000,
            2 => u32::try_from(random.below(1 << 32)).unwrap(),
            _ => u32::try_from(random.below(4)).unwrap(),
        };
        field.copy_from_slice(&value.to_le_bytes());
    }
    const KINDS: [u8; 21] = [
        1, 2, 3, 4, 5, 6, 7, 8, 11, 14, 20, 24, 25, 26, 30, 31, 32, 33, 35, 44, 255,
    ];
    let kind = EventKind(random.any(&KINDS));
    let flags = [Flags::LAST, Flags::NONE, Flags::SNAPSHOT, Flags::STALE_BOOK];
    let flag = random.any(&flags);
    MarketEvent {
        head: Head {
            ts_event_ns: random.below(3),
            instrument: u32::try_from(random.below(INSTRUMENTS)).unwrap() * 0x1_0001,
            feed: if random.below(20) == 0 {
                OTHER_FEED
            } else {
                FEED
            },
            kind,
            side: random.any(&[Side::BUY, Side::SELL, Side::NONE]),
            flags: if random.below(2) == 0 {
                flag.with(Flags::LAST)
            } else {
                flag
            },
        },
        body,
        message: 7,
    }
}

/// A level, an order or a status as venues send them.
fn likely(random: &mut Random) -> MarketEvent {
    let instrument = u32::try_from(random.below(INSTRUMENTS)).unwrap() * 0x1_0001;
    let side = random.any(&[Side::BUY, Side::SELL]);
    let price_e9 = 100 + i64::try_from(random.below(6)).unwrap();
    let ends = random.below(2) == 0;
    let small = u32::try_from(random.below(4)).unwrap();
    let mut event: MarketEvent = match random.below(6) {
        0 => add(
            instrument,
            random.below(30),
            side,
            price_e9,
            1 + u64::from(small),
        )
        .into(),
        1 => delete(instrument, random.below(30)).into(),
        2 => status(instrument, random.any(b"THPQ")).into(),
        3 => iex(instrument, side, price_e9, small, ends).into(),
        _ => Level {
            action: LevelAction(u8::try_from(random.below(6)).unwrap()),
            ..cme(
                instrument,
                side,
                1 + u8::try_from(small).unwrap(),
                price_e9,
                small,
                ends,
            )
        }
        .into(),
    };
    event.head.ts_event_ns = random.below(3);
    if random.below(3) == 0 {
        event.head.flags = Flags::NONE;
    }
    event
}

fn looks(rig: &Rig) -> Vec<(Best, u8)> {
    let tops = (0..).map_while(|index| rig.books.top(index));
    tops.map(|top| (top.as_is(), top.trust().code())).collect()
}

fn hangs_together(rig: &Rig) {
    for index in (0..).take(rig.books.len()) {
        let Ok(book) = rig.books.trusted(index) else {
            continue;
        };
        let best = book.best();
        assert!(!best.is_crossed(), "{best:?} is {}", book.trust());
        assert_eq!(book.trust() == Trust::Empty, best.is_empty());
        for side in BookSide::BOTH {
            assert_eq!(best.level(side), book.depth(side).next());
        }
    }
}

/// Gives a session of a seed, and returns how often a book was trusted afterwards and the digest.
fn check(seed: u64) -> (u64, u128) {
    let mut random = Random(seed);
    let mut rig = Rig::with(BooksConfig {
        instruments_max: 3,
        orders_expected: 2,
        orders_max: 20,
        ..BooksConfig::default()
    });
    rig.session(SessionMark::Start, 1);
    let mut trusted = 0;
    for _ in 0..RECORDS {
        let before = looks(&rig);
        let mut changed = match random.below(100) {
            0 => {
                let feed = random.any(&[0, FEED, OTHER_FEED]);
                let cause = if feed == 0 {
                    GapCause::Overrun
                } else {
                    GapCause::Absent
                };
                let gap = Gap {
                    first: 1,
                    last: u64::MAX,
                    cause,
                    feed,
                };
                rig.books.on_gap(gap).changed.to_vec()
            }
            1..5 => {
                let marks = [
                    SessionMark::Start,
                    SessionMark::Restart,
                    SessionMark::Silent,
                    SessionMark::Resumed,
                    SessionMark::End,
                ];
                let mark = random.any(&marks);
                let first = 1 + u64::from(random.below(8) == 0);
                rig.session(mark, first)
            }
            5..50 => rig.event(event(&mut random)),
            _ => rig.event(likely(&mut random)),
        };
        let after = looks(&rig);
        changed.sort_unstable();
        let differ = (0..).zip(after.iter().zip(&before));
        let differ: Vec<u32> = differ
            .filter(|(_, (after, before))| after != before)
            .map(|(index, _)| index)
            .collect();
        changed.retain(|index| (*index as usize) < before.len());
        assert_eq!(changed, differ);
        hangs_together(&rig);
        trusted += (0..)
            .take(rig.books.len())
            .filter(|&i| rig.books.trusted(i).is_ok())
            .count() as u64;
    }
    (trusted, rig.books.digest())
}

#[test]
fn what_is_trusted_hangs_together_whatever_came_before() {
    let mut all = 0;
    for seed in 0..SEEDS {
        let checked = std::panic::catch_unwind(|| check(seed));
        let Ok((trusted, digest)) = checked else {
            panic!("seed {seed}");
        };
        if seed % 50 == 0 {
            assert_eq!(check(seed).1, digest, "the same records, the same books");
        }
        all += trusted;
    }
    println!("{SEEDS} sessions of {RECORDS} records: {all} times a book was trusted");
    assert!(all > 10_000, "{all}");
}
