//! Owns a feed of two lines, its clock, and the check that its records account for each number once
//! and in order.

use crate::Input;
use ringtape::feed::{Arrival, Feed, FeedConfig, Start};
use ringtape::market::MarketEvent;
use ringtape::record::{Batch, Content, SessionMark};

/// The longest datagram that is given to a feed.
const DATAGRAM_BYTES_MAX: usize = 4_096;

/// A configuration that the first byte of an input chooses: small, so that all its bounds are met.
pub fn config(options: u8) -> FeedConfig {
    FeedConfig {
        start: if options & 1 == 0 {
            Start::FirstSeen
        } else {
            Start::At(u64::from(options >> 4).max(1))
        },
        hold_ns: u64::from(options >> 1 & 3) * 5,
        window_messages: if options & 8 == 0 { 8 } else { 64 },
        ..FeedConfig::default()
    }
}

/// What the records of a feed have to account for.
pub trait Account: Default {
    /// Takes the records of one call.
    fn check(&mut self, batch: &Batch<MarketEvent>);
}

/// Accounts of messages that have a number each.
#[derive(Default)]
pub struct Numbers {
    /// The lowest number that the records did not account for yet.
    next: Option<u64>,
}

impl Account for Numbers {
    fn check(&mut self, batch: &Batch<MarketEvent>) {
        for record in batch.records() {
            let (first, last) = match record.content() {
                Content::Gap(gap) => (gap.first, gap.last),
                Content::DeadLetter(letter) => (letter.feed_sequence, letter.feed_sequence),
                Content::Session(session) => {
                    if matches!(session.mark, SessionMark::Start | SessionMark::Restart) {
                        self.next = Some(session.feed_sequence);
                    }
                    assert!(self.next.is_some_and(|next| next <= session.feed_sequence));
                    continue;
                }
                Content::Event(_) => continue,
                other => panic!("{other:?}"),
            };
            let next = self.next.expect("a session starts before its first record");
            assert!(next <= first, "{first} after {next}");
            self.next = Some(last.wrapping_add(1));
        }
    }
}

/// A feed, its clock and the account of its records.
pub struct Rig<F, A> {
    pub feed: F,
    pub now_ns: u64,
    batch: Batch<MarketEvent>,
    account: A,
}

impl<F: Feed<MarketEvent>, A: Account> Rig<F, A> {
    /// Begins at time zero, with nothing accounted for.
    pub fn new(feed: F) -> Self {
        let batch = Batch::with_capacity(feed.records_max(DATAGRAM_BYTES_MAX));
        Self {
            feed,
            now_ns: 0,
            batch,
            account: A::default(),
        }
    }

    /// Gives the feed a datagram of which the last `cut_bytes` were not received.
    pub fn datagram(&mut self, line: usize, bytes: &[u8], cut_bytes: usize) {
        let arrival = Arrival {
            line,
            bytes: &bytes[..bytes.len().saturating_sub(cut_bytes)],
            datagram_bytes: bytes.len(),
            ts_recv_ns: self.now_ns,
            seen_ns: self.now_ns,
        };
        self.feed.on_datagram(arrival, &mut self.batch);
        assert!(self.batch.records().len() <= self.feed.records_max(bytes.len()));
        self.check();
    }

    /// Lets the clock go on, or step back as clocks do too, by what the input says.
    pub fn step(&mut self, operation: u8, input: &mut Input<'_>) -> Option<()> {
        let step_ns = input.number()?;
        self.now_ns = if operation & 8 == 0 {
            self.now_ns.wrapping_add(step_ns)
        } else {
            self.now_ns.saturating_sub(step_ns)
        };
        self.feed.on_time(self.now_ns, &mut self.batch);
        self.check();
        Some(())
    }

    /// Closes the feed, and its ledger with it.
    pub fn close(mut self) {
        self.feed.close(self.now_ns, &mut self.batch);
        self.check();
        let ledger = self.feed.ledger();
        assert!(ledger.closes(), "{ledger:?}");
    }

    fn check(&mut self) {
        self.account.check(&self.batch);
        self.batch.clear();
    }
}
