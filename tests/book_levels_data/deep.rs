//! The DEEP capture: one removal of an unknown level, and crossed books only where the venue's own
//! messages make them.

use crate::captures::{gunzip, pcap_udp_payloads};
use crate::{Books, bytes, iex};
use ringtape::book::{BookSide, DataErrorKind};
use ringtape::market::{LevelAction, Side, View};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Why a book of the DEEP capture is crossed at the end of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    /// The venue had not said yet that the instrument's opening process is complete: orders that
    /// wait for the opening auction are shown, and may bid more than others ask.
    Auction,
    /// Earlier in the run, an event of the instrument was left unfinished: its last level's message
    /// does not have the bit of a complete event, and no other level follows with its time. What
    /// the venue did not say there stays in the book.
    Unfinished,
}

type Key = (usize, String);

/// What the DEEP capture makes of the books.
#[derive(Debug, Default, PartialEq)]
struct Deep {
    levels: usize,
    ends: usize,
    crossed: BTreeMap<(usize, String, Why), usize>,
    unfinished: BTreeMap<Key, usize>,
    /// Run, message, name, side and price × 10⁹.
    unknown: Vec<(usize, u32, String, BookSide, i64)>,
}

/// Where a run of the DEEP capture is.
#[derive(Default)]
struct Progress {
    opened: BTreeSet<Key>,
    /// The time of an event that is not complete so far.
    open: BTreeMap<Key, u64>,
    unfinished: BTreeMap<Key, usize>,
}

impl Progress {
    /// Takes a level's message; returns whether an event ends with it.
    fn level(&mut self, key: &Key, time_ns: u64, is_complete: bool) -> bool {
        if self
            .open
            .get(key)
            .is_some_and(|&open_ns| open_ns != time_ns)
        {
            self.open.remove(key);
            *self.unfinished.entry(key.clone()).or_default() += 1;
        }
        if is_complete {
            self.open.remove(key);
        } else {
            self.open.insert(key.clone(), time_ns);
        }
        is_complete
    }

    fn why(&self, key: &Key) -> Why {
        if !self.opened.contains(key) {
            return Why::Auction;
        }
        assert!(
            self.unfinished.contains_key(key),
            "{key:?} without a reason"
        );
        Why::Unfinished
    }

    /// Counts what is still open when the capture or a run ends, too.
    fn unfinished(mut self) -> BTreeMap<Key, usize> {
        for key in self.open.into_keys() {
            *self.unfinished.entry(key).or_default() += 1;
        }
        self.unfinished
    }
}

/// Reads the capture with the feed and the books under test.
fn deep(payloads: &[&[u8]]) -> Deep {
    let (mut deep, mut progress) = (Deep::default(), Progress::default());
    let (mut books, mut names, mut run_before) = (Books::default(), HashMap::new(), 0);
    iex(payloads, |run, event| {
        if run != run_before {
            run_before = run;
            // What was built from earlier numbers is void.
            for (book, naive) in books.0.values_mut() {
                book.clear();
                naive.clear();
            }
        }
        let key = |instrument, names: &HashMap<u32, String>| (run, names[&instrument].clone());
        match event.view() {
            View::Instrument(it) => {
                names.insert(it.head.instrument, it.symbol.to_string());
            }
            View::SecurityEvent(it) if it.code == b'O' => {
                progress.opened.insert(key(it.head.instrument, &names));
            }
            View::Level(level) => {
                deep.levels += 1;
                let instrument = level.head.instrument;
                let key = key(instrument, &names);
                if let Some(kind) = books.apply(level) {
                    assert_eq!(kind, DataErrorKind::UnknownLevel);
                    assert_eq!(level.action, LevelAction::DELETE);
                    let side = BookSide::of(level.head.side).unwrap();
                    let name = key.1.clone();
                    deep.unknown
                        .push((run, level.message, name, side, level.price_e9));
                }
                let is_complete = level.venue_flags & 1 == 1;
                if progress.level(&key, level.head.ts_event_ns, is_complete) {
                    deep.ends += 1;
                    if books.is_crossed(instrument) {
                        let entry = (run, key.1.clone(), progress.why(&key));
                        *deep.crossed.entry(entry).or_default() += 1;
                    }
                }
            }
            _ => {}
        }
    });
    deep.unfinished = progress.unfinished();
    deep
}

/// The little-endian number that bytes are.
fn number(bytes: &[u8]) -> u64 {
    let digits = bytes.iter().rev();
    digits.fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// Reads the capture from its bytes, with maps of prices, and nothing of the library.
#[derive(Default)]
struct NaiveDeep {
    deep: Deep,
    progress: Progress,
    run: usize,
    /// Sizes by price, of a name and a message type.
    books: HashMap<(String, u8), BTreeMap<u64, u64>>,
}

impl NaiveDeep {
    fn read(payloads: &[&[u8]]) -> Deep {
        let (mut naive, mut next) = (Self::default(), 1);
        for payload in payloads {
            let first = number(&payload[24..32]);
            if first < next {
                naive.run += 1;
                naive.books.clear();
            }
            next = first;
            let mut rest = &payload[40..];
            while !rest.is_empty() {
                let (message, behind) = rest[2..].split_at(number(&rest[..2]).try_into().unwrap());
                rest = behind;
                naive.message(next.try_into().unwrap(), message);
                next += 1;
            }
        }
        naive.deep.unfinished = naive.progress.unfinished();
        naive.deep
    }

    fn message(&mut self, message_number: u32, message: &[u8]) {
        if message.len() < 18 {
            return;
        }
        let name = String::from_utf8_lossy(&message[10..18]).trim().to_owned();
        let key = (self.run, name.clone());
        let side = match message[0] {
            b'8' => BookSide::Bid,
            b'5' => BookSide::Ask,
            b'E' if message[1] == b'O' => {
                self.progress.opened.insert(key);
                return;
            }
            _ => return,
        };
        self.deep.levels += 1;
        let (size, price) = (number(&message[18..22]), number(&message[22..30]));
        let levels = self.books.entry((name.clone(), message[0])).or_default();
        if size > 0 {
            levels.insert(price, size);
        } else if levels.remove(&price).is_none() {
            let price_e9 = i64::try_from(price).unwrap() * 100_000;
            let wrong = (self.run, message_number, name.clone(), side, price_e9);
            self.deep.unknown.push(wrong);
        }
        let is_complete = message[1] & 1 == 1;
        if self
            .progress
            .level(&key, number(&message[2..10]), is_complete)
        {
            self.deep.ends += 1;
            if self.is_crossed(&name) {
                let entry = (self.run, name, self.progress.why(&key));
                *self.deep.crossed.entry(entry).or_default() += 1;
            }
        }
    }

    fn is_crossed(&self, name: &str) -> bool {
        let side = |side| self.books.get(&(name.to_owned(), side));
        let bid = side(b'8').and_then(|bids| bids.keys().next_back());
        let ask = side(b'5').and_then(|asks| asks.keys().next());
        bid.zip(ask).is_some_and(|(bid, ask)| bid > ask)
    }
}

#[test]
fn the_deep_capture_has_one_unknown_level_and_crossed_books_only_where_the_venue_made_them() {
    let Some(file) = bytes("iex/2017-04-25.DEEP10.8000packets.pcap.gz") else {
        return;
    };
    let file = gunzip(&file);
    let payloads = pcap_udp_payloads(&file);
    let deep = deep(&payloads);
    assert_eq!(deep, NaiveDeep::read(&payloads));

    // Each run is there from its number 1 without a gap, so all of this is what the venue (its test
    // environment) sent. The one removal of an unknown level: an order takes the asks at 36.69 and
    // 36.70, and the last message of that event names the other side.
    assert_eq!((deep.levels, deep.ends), (1_932, 1_857));
    let unknown = (2, 23_912, "MSFT".to_owned(), BookSide::Bid, 36_700_000_000);
    assert_eq!(deep.unknown, [unknown]);
    let crossed = |why| {
        let of = deep.crossed.iter().filter(move |(entry, _)| entry.2 == why);
        of.map(|((run, name, _), &count)| (*run, name.as_str(), count))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        crossed(Why::Auction),
        [
            (0, "IRS", 153),
            (0, "MSFT", 129),
            (0, "ZEXIT", 119),
            (0, "ZIEXT", 99),
            (0, "ZXIET", 118),
            (1, "CVS", 9),
        ]
    );
    assert_eq!(
        crossed(Why::Unfinished),
        [
            (0, "IRS", 178),
            (0, "MSFT", 154),
            (0, "ZEXIT", 42),
            (0, "ZIEXT", 93),
            (0, "ZXIET", 259),
            (2, "IRS", 11),
            (2, "MSFT", 51),
            (2, "ZIEXT", 2),
            (2, "ZXIET", 20),
        ]
    );
    assert_eq!(deep.unfinished.values().sum::<usize>(), 50);
}

#[test]
fn the_first_book_that_is_crossed_while_trading_has_a_bid_that_was_traded_whole() {
    let Some(file) = bytes("iex/2017-04-25.DEEP10.8000packets.pcap.gz") else {
        return;
    };
    let file = gunzip(&file);
    let (mut names, mut told) = (HashMap::new(), vec![]);
    let price_e9 = 36_710_000_000;
    iex(&pcap_udp_payloads(&file), |run, event| match event.view() {
        View::Instrument(it) => {
            names.insert(it.head.instrument, it.symbol.to_string());
        }
        View::Level(it) if run == 2 && names[&it.head.instrument] == "MSFT" => {
            let is_bid = it.head.side == Side::BUY && it.price_e9 == price_e9;
            if is_bid || it.message == 23_475 || it.message == 23_877 {
                told.push((it.message, it.price_e9, it.quantity, it.venue_flags));
            }
        }
        View::LastSale(it) if run == 2 && it.message == 23_474 => {
            told.push((it.message, it.price_e9, it.quantity, 0));
        }
        _ => {}
    });
    // 519 are bid at 36.71 and 519 trade at 36.71. That event's only level is 36.72, and it is not
    // complete: the one that says that the bid is gone never comes. So an ask at 36.69 crosses it.
    let expected = [
        (23_465, price_e9, 519, 1),
        (23_474, price_e9, 519, 0),
        (23_475, 36_720_000_000, 0, 0),
        (23_877, 36_690_000_000, 570, 1),
    ];
    assert_eq!(told[..4], expected);
}
