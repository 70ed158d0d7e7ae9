//! Owns journals of synthetic messages that are replayed.

use crate::support::Took;
use crate::support::order_flow::OrderFlow;
use ringtape::feed::Message;
use ringtape::feed::itch::{self, Decoder};
use ringtape::handler::{At, Handler};
use ringtape::journal::{Config, Journal, Writer};
use ringtape::market::{MarketEvent, View};
use ringtape::record::{Batch, Content, Gap};
use ringtape::replay::Replay;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Records of a frame: the recorder's default.
const FRAME: usize = 1_024;

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

/// Counts events and gaps: the least that a handler can do.
#[derive(Default)]
struct Count(u64);

impl Handler<MarketEvent> for Count {
    fn on_event(&mut self, _: &MarketEvent, _: At) {
        self.0 += 1;
    }
    fn on_gap(&mut self, gap: Gap) {
        panic!("nothing is missing: {gap:?}");
    }
}

/// A journal of synthetic messages, removed when dropped.
pub struct Tape {
    directory: PathBuf,
    /// Its files.
    pub segments: Vec<PathBuf>,
    /// Its records, all of them events.
    pub records: u64,
    prices: i64,
}

impl Tape {
    /// Writes at least `records` records of the types that are wanted.
    pub fn write(name: &str, records: u64, wanted: impl Fn(u8) -> bool) -> Self {
        let name = format!("ringtape-bench-{name}-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let mut writer =
            Writer::<MarketEvent>::open(Config::new(&directory), 0).expect("a new journal");
        let mut decoder = Decoder::new(1, 0);
        let mut batch = Batch::with_capacity(FRAME + itch::RECORDS_MAX);
        let (mut written, mut prices) = (0, 0_i64);
        for (bytes, number) in OrderFlow::new(1).filter(|bytes| wanted(bytes[0])).zip(1..) {
            let message = Message {
                number,
                bytes: &bytes,
                message_bytes: u16::try_from(bytes.len()).expect("a message is short"),
                ts_recv_ns: number,
            };
            decoder.decode(message, &mut batch).expect("a message");
            if batch.records().len() < FRAME {
                continue;
            }
            for record in batch.records() {
                if let Content::Event(event) = record.content() {
                    prices = prices.wrapping_add(price(event));
                }
            }
            writer.append([batch.records(), &[]], 0).expect("written");
            written += batch.records().len() as u64;
            batch.clear();
            if written >= records {
                break;
            }
        }
        writer.close().expect("written");
        Self {
            segments: segments(&directory),
            records: written,
            prices,
            directory,
        }
    }

    /// Replays it to a handler that sums prices.
    pub fn replay(&self, how: impl Fn(Replay<MarketEvent>) -> Replay<MarketEvent>) -> Took {
        let begin = Instant::now();
        let replay = how(Replay::open(&self.directory).expect("a journal"));
        let outcome = replay.run("prices", Prices::default()).expect("a run");
        let elapsed = begin.elapsed();
        let handler = outcome.handler.expect("it did not panic");
        assert_eq!(handler.0, self.prices);
        self.took(elapsed, outcome.tally.events)
    }

    /// Replays it to a handler that counts.
    pub fn count(&self, how: impl Fn(Replay<MarketEvent>) -> Replay<MarketEvent>) -> Took {
        let begin = Instant::now();
        let replay = how(Replay::open(&self.directory).expect("a journal"));
        let outcome = replay.run("count", Count::default()).expect("a run");
        let elapsed = begin.elapsed();
        let handler = outcome.handler.expect("it did not panic");
        self.took(elapsed, handler.0)
    }

    /// Replays it and another, by receive time.
    pub fn merge(&self, other: &Self) -> Took {
        let begin = Instant::now();
        let replay = Replay::merge([&self.directory, &other.directory]).expect("two journals");
        let outcome = replay.without_digest().run("prices", Prices::default());
        let elapsed = begin.elapsed();
        let handler = outcome.expect("a run").handler;
        let sum = handler.expect("it did not panic").0;
        assert_eq!(sum, self.prices.wrapping_add(other.prices));
        Took {
            elapsed,
            items: self.records + other.records,
        }
    }

    fn took(&self, elapsed: Duration, events: u64) -> Took {
        assert_eq!(events, self.records);
        Took {
            elapsed,
            items: self.records,
        }
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.directory);
    }
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    let journal = Journal::<MarketEvent>::open(directory).expect("a journal");
    let segments = journal.segments().iter();
    segments.map(|segment| segment.path.clone()).collect()
}
