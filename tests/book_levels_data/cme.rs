//! The CME capture, which begins in the middle of the day: places that were set before it are not
//! known until the venue names them.

use crate::two_lines::Rig;
use crate::{Books, DATAGRAM_BYTES, bytes, pcapng};
use ringtape::book::{BookSide, DataErrorKind};
use ringtape::feed::{CmeFeed, FeedConfig};
use ringtape::market::{Flags, Level, LevelAction, MarketEvent, View};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What is known of a place of CME's.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// What was there when the capture began.
    Before,
    /// Nothing: a level behind it was removed, and the venue has not named another.
    Vacant,
    Level(i64),
}

/// The ladders of the CME capture by instrument and entry type, as CME's rules have them; all 10
/// places are full of what the capture does not show when it begins.
#[derive(Default)]
struct Ladders(HashMap<(u32, u8), Vec<Place>>);

impl Ladders {
    /// Applies a level and returns what was known of its place.
    fn apply(&mut self, level: &Level) -> Place {
        let key = (level.head.instrument, level.entry_type);
        let ladder = self.0.entry(key).or_insert_with(|| vec![Place::Before; 10]);
        let at = usize::from(level.level) - 1;
        let known = ladder[at];
        match level.action {
            LevelAction::NEW => {
                ladder.insert(at, Place::Level(level.price_e9));
                ladder.pop();
            }
            LevelAction::CHANGE => ladder[at] = Place::Level(level.price_e9),
            LevelAction::DELETE => {
                ladder.remove(at);
                ladder.push(Place::Vacant);
            }
            other => panic!("the capture has no {other:?}"),
        }
        known
    }

    /// Panics where prices are not in order: a depth that is not the instrument's would leave
    /// levels there that the venue has let fall off, and name their prices a second time.
    fn check_order(&self, level: &Level) {
        let ladder = &self.0[&(level.head.instrument, level.entry_type)];
        let prices = ladder.iter().filter_map(|place| match place {
            Place::Level(price_e9) => Some(*price_e9),
            _ => None,
        });
        let prices: Vec<_> = prices.collect();
        let side = BookSide::of(level.head.side).unwrap();
        let in_order = |pair: &[i64]| side.is_better(pair[0], pair[1]);
        assert!(prices.windows(2).all(in_order), "{level:?}");
    }
}

fn end_of_event(event: &MarketEvent) -> bool {
    let venue_flags = match event.view() {
        View::Level(it) => it.venue_flags,
        View::Volume(it) => it.venue_flags,
        View::Statistic(it) => it.venue_flags,
        View::LastSale(it) => it.conditions,
        // The bits are with the sale, and a sale's message never ends an event.
        View::TradeOrder(_) => 0,
        View::SecurityStatus(it) => it.venue_flags,
        other => panic!("the capture has no {other:?}"),
    };
    event.head.flags.contains(Flags::LAST) && venue_flags & 0x80 != 0
}

/// Packet, instrument, RptSeq, side and place of a removal.
type Removal = (u32, u32, u32, BookSide, u8);

/// What is found in the capture.
#[derive(Default)]
struct Findings {
    books: Books,
    ladders: Ladders,
    levels: usize,
    /// Levels whose places were not known, by instrument, and those removed.
    unknown_changes: BTreeMap<u32, usize>,
    unknown_removals: Vec<Removal>,
    /// Books that were looked at when an event ended.
    checked: usize,
    touched: BTreeSet<u32>,
}

impl Findings {
    fn level(&mut self, level: &Level) {
        assert!(b"01".contains(&level.entry_type), "none is implied");
        self.levels += 1;
        self.touched.insert(level.head.instrument);
        let known = self.ladders.apply(level);
        self.ladders.check_order(level);
        let Some(kind) = self.books.apply(level) else {
            if matches!(level.action, LevelAction::CHANGE | LevelAction::DELETE) {
                assert_eq!(known, Place::Level(level.price_e9));
            }
            return;
        };
        // Not an error of the capture's: nothing in it had set that place, and what had is one of
        // the updates before the first that it has of the instrument.
        assert_eq!((kind, known), (DataErrorKind::UnknownLevel, Place::Before));
        let instrument = level.head.instrument;
        if level.action == LevelAction::CHANGE {
            *self.unknown_changes.entry(instrument).or_default() += 1;
        } else {
            let side = BookSide::of(level.head.side).unwrap();
            let removal = (level.message, instrument, level.report, side, level.level);
            self.unknown_removals.push(removal);
        }
    }

    /// An event ended: no book that it touched is crossed.
    fn end(&mut self) {
        for instrument in std::mem::take(&mut self.touched) {
            assert!(!self.books.is_crossed(instrument), "{instrument}");
            self.checked += 1;
        }
    }
}

/// Returns the events of line A.
fn events() -> Option<Vec<MarketEvent>> {
    let file = bytes("cme-mdp3/2016-09-27.v8.AB.pcapng")?;
    let config = FeedConfig {
        silence_ns: 0,
        ..FeedConfig::default()
    };
    let mut rig = Rig::new(CmeFeed::new(config).unwrap(), DATAGRAM_BYTES);
    for datagram in pcapng::datagrams(&file) {
        if datagram.destination.1 == 14_320 {
            rig.datagram(0, datagram.payload);
        }
    }
    assert_eq!((rig.close().lost(), rig.gaps.len()), (0, 0));
    Some(rig.events)
}

#[test]
fn in_the_cme_capture_only_places_that_were_set_before_it_began_are_unknown() {
    let Some(events) = events() else { return };
    let mut found = Findings::default();
    let (mut ends, mut ends_by_time, mut time_ns, mut first) = (0, 0, 0, HashMap::new());
    for event in &events {
        // An event may end in a message without entries, which becomes no event here: then it ends
        // where one of another time begins.
        if event.head.ts_event_ns != time_ns && !found.touched.is_empty() {
            ends_by_time += 1;
            found.end();
        }
        time_ns = event.head.ts_event_ns;
        if let View::Level(level) = event.view() {
            first.entry(level.head.instrument).or_insert(level.report);
            found.level(level);
        }
        if end_of_event(event) {
            ends += 1;
            found.end();
        }
    }
    assert_eq!((found.levels, found.books.0.len()), (5_848, 39));
    assert_eq!((ends, ends_by_time, found.checked), (4_895, 1, 4_897));
    assert!(found.touched.is_empty());
    // The first update that the capture has of each instrument is never its first of the day.
    assert_eq!(first.values().min(), Some(&13));
    assert_eq!(
        found.unknown_removals,
        [
            (17_347_886, 174_969, 1_721_563, BookSide::Ask, 1),
            (17_348_252, 175_316, 3_165_986, BookSide::Ask, 1),
            (17_348_982, 159_266, 387_436, BookSide::Ask, 5),
            (17_349_443, 74_586, 630_692, BookSide::Ask, 1),
        ]
    );
    let changes = [
        (4_418, 2),
        (48_819, 1),
        (71_373, 4),
        (74_586, 3),
        (80_935, 5),
        (113_336, 1),
        (121_269, 3),
        (172_801, 3),
        (174_969, 3),
        (175_316, 17),
        (175_785, 1),
        (243_885, 2),
    ];
    assert_eq!(found.unknown_changes, BTreeMap::from(changes));
    assert_eq!(found.unknown_changes.values().sum::<usize>(), 45);
}
