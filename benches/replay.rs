//! Replay at full speed beside the least that reading a tape can cost.
//!
//! * `verified`: records a second into a handler that sums prices, every checksum compared, over a
//!   bare scan that only sums the stamps of the same mapped file. A fall means that checksums,
//!   frames or the way to the handler became dearer.
//! * `unverified`: the same without checksums: the way to the handler alone.
//! * `digest`: as most runs are, verified and digested, for orientation.
//! * `flow`: verified, on order flow instead of orders: what a handler's own branches cost when
//!   they are guessed wrong, which is not the replay's, comes on top. For orientation.
//! * `merged`: two journals by receive time, with the copies that this takes, for orientation.
//!
//! The tape is of add orders, so that each record has a price. Every pass opens the journal anew, reads all of it and checks the sum.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench prints, fails by panicking, and is no public interface"
)]

#[allow(
    unsafe_code,
    reason = "maps a file, which the language cannot see being changed"
)]
#[path = "support/mapped.rs"]
mod mapped;
mod support;

use mapped::sum_of_stamps;
use ringtape::feed::Message;
use ringtape::feed::itch::{self, Decoder};
use ringtape::handler::{At, Handler};
use ringtape::journal::{Config, Journal, Writer};
use ringtape::market::{MarketEvent, View};
use ringtape::record::{Batch, Content, Gap};
use ringtape::replay::Replay;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;
use support::order_flow::OrderFlow;
use support::{Goal, Took, compare, scaled};

/// Larger than a last-level cache: 128 MiB of records.
const RECORDS: u64 = 2_000_000;
/// Records of a frame: the recorder's default.
const FRAME: usize = 1_024;

fn main() {
    let tape = Tape::write("orders", scaled(RECORDS), |message| message == b'A');
    compare(
        "replay verified / bare scan",
        Goal::ThroughputAtLeast(0.4),
        || tape.scan(),
        || tape.replay(Replay::without_digest),
    );
    compare(
        "replay unverified / bare scan",
        Goal::ThroughputAtLeast(0.7),
        || tape.scan(),
        || tape.replay(|replay| replay.without_digest().without_verification()),
    );
    compare(
        "replay with digest / bare scan",
        Goal::None,
        || tape.scan(),
        || tape.replay(|replay| replay),
    );
    let flow = Tape::write("flow", scaled(RECORDS), |_| true);
    compare(
        "replay flow / bare scan",
        Goal::None,
        || flow.scan(),
        || flow.replay(Replay::without_digest),
    );
    compare(
        "replay merged / one journal",
        Goal::None,
        || tape.replay(Replay::without_digest),
        || tape.merge(&flow),
    );
}

/// Sums prices: a handler that does next to nothing, and has to look at each event.
#[derive(Default)]
struct Prices(i64);

impl Handler<MarketEvent> for Prices {
    fn on_event(&mut self, event: &MarketEvent, _: At) {
        self.0 = self.0.wrapping_add(price(event));
    }
    fn on_gap(&mut self, gap: Gap) {
        panic!("nothing is missing: {gap:?}");
    }
}

fn price(event: &MarketEvent) -> i64 {
    match event.view() {
        View::AddOrder(add) => add.price_e9,
        View::Replace(replace) => replace.price_e9,
        View::Trade(trade) => trade.price_e9,
        _ => 0,
    }
}

/// A journal of synthetic messages, removed when dropped.
struct Tape {
    directory: PathBuf,
    segments: Vec<PathBuf>,
    records: u64,
    prices: i64,
    stamps: u64,
}

impl Tape {
    fn write(name: &str, records: u64, wanted: impl Fn(u8) -> bool) -> Self {
        let name = format!("ringtape-bench-{name}-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let mut writer = Writer::<MarketEvent>::open(Config::new(&directory), 0).unwrap();
        let mut decoder = Decoder::new(1, 0);
        let mut batch = Batch::with_capacity(FRAME + itch::RECORDS_MAX);
        let (mut written, mut prices) = (0, 0_i64);
        for (bytes, number) in OrderFlow::new(1).filter(|bytes| wanted(bytes[0])).zip(1..) {
            let message_bytes = u16::try_from(bytes.len()).unwrap();
            let message = Message {
                number,
                bytes: &bytes,
                message_bytes,
                ts_recv_ns: number,
            };
            decoder.decode(message, &mut batch).unwrap();
            if batch.records().len() < FRAME {
                continue;
            }
            for record in batch.records() {
                if let Content::Event(event) = record.content() {
                    prices = prices.wrapping_add(price(event));
                }
            }
            writer.append([batch.records(), &[]], 0).unwrap();
            written += batch.records().len() as u64;
            batch.clear();
            if written >= records {
                break;
            }
        }
        writer.close().unwrap();
        let segments = segments(&directory);
        let stamps = segments.iter().map(|path| sum_of_stamps(path));
        Self {
            stamps: stamps.fold(0, u64::wrapping_add),
            segments,
            records: written,
            prices,
            directory,
        }
    }

    fn scan(&self) -> Took {
        let begin = Instant::now();
        let sums = self.segments.iter().map(|path| sum_of_stamps(path));
        let sum = sums.fold(0, u64::wrapping_add);
        let elapsed = begin.elapsed();
        assert_eq!(sum, self.stamps);
        Took {
            elapsed,
            items: self.records,
        }
    }

    fn replay(&self, how: impl Fn(Replay<MarketEvent>) -> Replay<MarketEvent>) -> Took {
        let begin = Instant::now();
        let replay = how(Replay::open(&self.directory).unwrap());
        let outcome = replay.run("prices", Prices::default()).unwrap();
        let elapsed = begin.elapsed();
        assert_eq!(outcome.handler.unwrap().0, self.prices);
        assert_eq!(outcome.tally.events, self.records);
        Took {
            elapsed,
            items: self.records,
        }
    }

    fn merge(&self, other: &Self) -> Took {
        let begin = Instant::now();
        let replay = Replay::merge([&self.directory, &other.directory]).unwrap();
        let outcome = replay.without_digest().run("prices", Prices::default());
        let elapsed = begin.elapsed();
        let sum = outcome.unwrap().handler.unwrap().0;
        assert_eq!(sum, self.prices.wrapping_add(other.prices));
        Took {
            elapsed,
            items: self.records + other.records,
        }
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.directory);
    }
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    let journal = Journal::<MarketEvent>::open(directory).unwrap();
    let segments = journal.segments().iter();
    segments.map(|segment| segment.path.clone()).collect()
}
