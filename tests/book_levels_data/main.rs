//! Books of levels on the real captures of IEX and CME, beside the naive ones: every error and
//! every crossed book there is, each with its reason.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../captures/mod.rs"]
mod captures;
mod cme;
mod deep;
#[path = "../naive_levels/mod.rs"]
mod naive_levels;
#[allow(dead_code, reason = "the time of capture is for others")]
#[path = "../captures/pcapng.rs"]
mod pcapng;
#[path = "../two_lines/mod.rs"]
mod two_lines;

use captures::{gunzip, market_data, pcap_udp_payloads};
use naive_levels::NaiveLevels;
use ringtape::book::{BookSide, DataErrorKind, LevelBook, LevelDepth, PriceLevel};
use ringtape::feed::{FeedConfig, IexFeed};
use ringtape::market::{Level, MarketEvent, Quote, View};
use std::collections::HashMap;
use std::fs;
use two_lines::Rig;

const DATAGRAM_BYTES: usize = 1_500;

fn bytes(name: &str) -> Option<Vec<u8>> {
    market_data(name).map(|path| fs::read(path).unwrap())
}

/// The books of all instruments, each beside a naive one, and both always the same.
#[derive(Default)]
struct Books(HashMap<u32, (LevelBook, NaiveLevels)>);

impl Books {
    fn of(&mut self, instrument: u32) -> &mut (LevelBook, NaiveLevels) {
        let depth = LevelDepth::default();
        let make = || (LevelBook::new(depth), NaiveLevels::new(depth));
        self.0.entry(instrument).or_insert_with(make)
    }

    fn apply(&mut self, level: &Level) -> Option<DataErrorKind> {
        let (book, naive) = self.of(level.head.instrument);
        let wrong = book.apply(level).err();
        assert_eq!(wrong, naive.apply(level).err(), "{level:?}");
        self.compare(level.head.instrument);
        wrong
    }

    fn apply_quote(&mut self, quote: &Quote) {
        let (book, naive) = self.of(quote.head.instrument);
        assert_eq!(
            (book.apply_quote(quote).err(), naive.apply_quote(quote)),
            (None, Ok(()))
        );
        self.compare(quote.head.instrument);
    }

    fn compare(&mut self, instrument: u32) {
        let (book, naive) = self.of(instrument);
        for side in BookSide::BOTH {
            assert!(book.levels(side).eq(naive.levels(side)), "{instrument}");
            assert!(book.implied(side).eq(naive.implied(side)), "{instrument}");
            assert_eq!(book.best(side), naive.levels(side).first().copied());
        }
    }

    fn is_crossed(&self, instrument: u32) -> bool {
        let best = |side| self.0[&instrument].0.best(side);
        match BookSide::BOTH.map(best) {
            [Some(bid), Some(ask)] => bid.price_e9 > ask.price_e9,
            _ => false,
        }
    }
}

/// Runs the datagrams of an IEX capture through a feed, and hands each event on with the number of
/// the venue's run of numbers that it is of, from 0.
fn iex(payloads: &[&[u8]], mut each: impl FnMut(usize, &MarketEvent)) {
    let mut rig = Rig::new(IexFeed::new(FeedConfig::default()).unwrap(), DATAGRAM_BYTES);
    for payload in payloads {
        rig.datagram(0, payload);
        // The first mark is the start of the session, each other one a restart.
        let run = rig.sessions.len() - 1;
        rig.events.drain(..).for_each(|event| each(run, &event));
    }
    let ledger = rig.close();
    assert_eq!((ledger.lost(), rig.gaps.len(), rig.events.len()), (0, 0, 0));
}

#[test]
fn the_quotes_of_the_tops_capture_make_no_error_and_no_crossed_book() {
    let Some(file) = bytes("iex/2017-07-10.TOPS16.pcapng.gz") else {
        return;
    };
    let file = gunzip(&file);
    let (mut books, mut quotes, mut two_sided) = (Books::default(), 0, 0);
    iex(&pcap_udp_payloads(&file), |_, event| {
        let View::Quote(quote) = event.view() else {
            return;
        };
        books.apply_quote(quote);
        assert!(!books.is_crossed(quote.head.instrument), "{quote:?}");
        quotes += 1;
        let level = |price_e9, quantity: u32| PriceLevel {
            price_e9,
            quantity: quantity.into(),
            orders: 0,
        };
        let told = [
            Some(level(quote.bid_price_e9, quote.bid_quantity)).filter(|bid| bid.quantity > 0),
            Some(level(quote.ask_price_e9, quote.ask_quantity)).filter(|ask| ask.quantity > 0),
        ];
        let (book, _) = books.of(quote.head.instrument);
        assert_eq!(BookSide::BOTH.map(|side| book.best(side)), told);
        two_sided += usize::from(told.iter().all(Option::is_some));
    });
    assert_eq!((quotes, two_sided), (27_217, 2_786));
}
