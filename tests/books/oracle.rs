//! Random sessions through the books and through naive ones, which are made anew of the list of
//! live orders after every event.
//!
//! `RINGTAPE_BOOK_SESSIONS=1000 cargo test --profile testrelease --test books oracle` tries more;
//! `RINGTAPE_BOOK_SEED=7` repeats one.

use super::*;
use crate::naive_book::random::Random;
use crate::naive_book::session::Session as Orders;
use crate::naive_book::{NaiveBooks, levels};
use ringtape::book::{DataErrorKind, Prices, Trust};
use std::collections::{BTreeMap, BTreeSet};

const EVENTS: usize = 10_000;
const SESSIONS: u64 = 6;
/// Events that are looked ahead to, as if they came again: more than fit one batch.
const RECENT: usize = 100;

/// What is expected of an instrument's top, beside what the naive books say.
#[derive(Clone, Copy, Default)]
struct Expected {
    best: [Option<PriceLevel>; 2],
    /// Since when it is broken and crossed, by receive time.
    broken_ns: Option<u64>,
    crossed_ns: Option<u64>,
}

impl Expected {
    fn is_crossed(&self) -> bool {
        match self.best {
            [Some(bid), Some(ask)] => bid.price_e9 > ask.price_e9,
            _ => false,
        }
    }

    fn trust(&self) -> Trust {
        let since = self.broken_ns.into_iter().chain(self.crossed_ns).min();
        match since {
            Some(_) => Trust::Stale { since_ns: 0 },
            None if self.best == [None; 2] => Trust::Empty,
            None => Trust::Live,
        }
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number")),
    )
}

/// The session of a seed, in groups of one to three events. Returns how often each kind of error
/// occurred.
fn check(seed: u64) -> BTreeMap<DataErrorKind, u64> {
    let mut orders = Orders::new(seed);
    let prices = [Prices::Any, Prices::Positive][usize::try_from(seed % 2).unwrap()];
    let mut naive = NaiveBooks::new(orders.orders_max, prices == Prices::Positive);
    let mut rig = Rig::with(BooksConfig {
        orders_expected: 4,
        orders_max: orders.orders_max,
        prices,
        ..BooksConfig::default()
    });
    rig.session(SessionMark::Start, 1);
    let mut groups = Random(seed);
    let mut expected: BTreeMap<u32, Expected> = BTreeMap::new();
    let mut open: BTreeSet<u32> = BTreeSet::new();
    let mut counts: BTreeMap<DataErrorKind, u64> = BTreeMap::new();
    let mut before = tops(&rig);
    let mut recent = Vec::new();
    for step in 0..EVENTS {
        let mut event = orders.next(&naive);
        let whole = !groups.one_in(3);
        event.head.feed = FEED;
        event.head.flags = if whole { Flags::LAST } else { Flags::NONE };
        let instrument = event.head.instrument;
        let is_quote = event.head.kind == EventKind::QUOTE;
        if is_quote {
            // That would make another kind of book of it.
            event.head.kind = EventKind::SYSTEM;
        }
        let error = naive.apply(&event).err();
        let changed: BTreeSet<u32> = rig.event(event).into_iter().collect();
        // Also what no longer fits the books can be looked ahead to.
        recent.push(Record::event(Sequence::FIRST, 0, &event));
        if recent.len() == RECENT {
            rig.books.on_ahead(&recent);
            recent.clear();
        }
        let now_ns = rig.sequence * 1_000;

        open.insert(instrument);
        if let Some(kind) = error {
            *counts.entry(kind).or_default() += 1;
            let top = expected.entry(instrument).or_default();
            top.broken_ns.get_or_insert(now_ns);
        }
        if whole {
            for instrument in std::mem::take(&mut open) {
                let top = expected.entry(instrument).or_default();
                top.best = BookSide::BOTH
                    .map(|side| levels(&naive.half(instrument, side), side).first().copied());
                if top.is_crossed() != top.crossed_ns.is_some() {
                    top.crossed_ns = top.is_crossed().then_some(now_ns);
                    if top.is_crossed() {
                        *counts.entry(DataErrorKind::Crossed).or_default() += 1;
                    }
                }
            }
        }
        compare(&rig, &naive, &expected, instrument);
        let after = tops(&rig);
        let differs = |index: &u32| before.get(index).is_some_and(|top| after[index] != *top);
        let differing: BTreeSet<u32> = after.keys().copied().filter(differs).collect();
        let known: BTreeSet<u32> = changed
            .into_iter()
            .filter(|i| before.contains_key(i))
            .collect();
        assert_eq!(known, differing, "step {step}");
        before = after;
    }
    let errors = rig.books.errors();
    for kind in DataErrorKind::ALL {
        let counted = errors.count(kind) + errors.doubtful(kind);
        assert_eq!(counted, counts.get(&kind).copied().unwrap_or(0), "{kind}");
    }
    assert_eq!(rig.books.orders_alive(), naive.live().len());
    counts
}

/// What each instrument's top shows, without since when.
fn tops(rig: &Rig) -> BTreeMap<u32, (ringtape::book::Best, Trust)> {
    (0..)
        .map_while(|index| Some((index, rig.books.top(index)?)))
        .map(|(index, top)| (index, (top.as_is(), undated(top.trust()))))
        .collect()
}

fn undated(trust: Trust) -> Trust {
    match trust {
        Trust::Stale { .. } => Trust::Stale { since_ns: 0 },
        trust => trust,
    }
}

fn compare(rig: &Rig, naive: &NaiveBooks, expected: &BTreeMap<u32, Expected>, instrument: u32) {
    let Some(index) = rig.books.index(instrument) else {
        return;
    };
    let book = rig.books.as_is(index).unwrap();
    let top = expected.get(&instrument).copied().unwrap_or_default();
    assert_eq!(BookSide::BOTH.map(|side| book.best().level(side)), top.best);
    assert_eq!(undated(book.trust()), top.trust());
    for side in BookSide::BOTH {
        let half = naive.half(instrument, side);
        let theirs = levels(&half, side);
        assert!(book.depth(side).eq(theirs.iter().copied()));
        for (price_e9, queue) in &half {
            assert!(book.queue(side, *price_e9).eq(queue.iter().copied()));
        }
    }
    // One order each time: all of them would be most of the work.
    let live = naive.live();
    if let Some(live) = live.get(usize::try_from(rig.sequence).unwrap() % live.len().max(1)) {
        let half = naive.half(live.instrument, live.side);
        let position = NaiveBooks::position(live, &half);
        let is_here = live.instrument == instrument;
        assert_eq!(book.position(live.order_id), is_here.then_some(position));
    }
}

#[test]
fn random_sessions_give_the_naive_books_errors_tops_and_changes_after_every_event() {
    if let Some(seed) = number("RINGTAPE_BOOK_SEED") {
        check(seed);
        return;
    }
    let sessions = number("RINGTAPE_BOOK_SESSIONS").unwrap_or(SESSIONS);
    let mut counts: BTreeMap<DataErrorKind, u64> = BTreeMap::new();
    for seed in 0..sessions {
        let checked = std::panic::catch_unwind(|| check(seed));
        let Ok(found) = checked else {
            panic!("RINGTAPE_BOOK_SEED={seed} cargo test --test books oracle");
        };
        for (kind, count) in found {
            *counts.entry(kind).or_default() += count;
        }
    }
    let events = sessions * u64::try_from(EVENTS).unwrap();
    println!("{sessions} sessions of {EVENTS} events, {events} identical; errors {counts:?}");
    let missing = [
        DataErrorKind::UnknownOrder,
        DataErrorKind::DuplicateOrder,
        DataErrorKind::NegativeRemaining,
        DataErrorKind::WrongInstrument,
        DataErrorKind::NoSide,
        DataErrorKind::NoPrice,
        DataErrorKind::NoQuantity,
        DataErrorKind::QuantityOverflow,
        DataErrorKind::Crossed,
        DataErrorKind::OrdersFull,
    ]
    .into_iter()
    .filter(|kind| !counts.contains_key(kind));
    assert_eq!(missing.collect::<Vec<_>>(), []);
}
