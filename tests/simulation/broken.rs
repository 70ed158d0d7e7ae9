//! A feed that does one thing wrong, to show that the check would notice.

use ringtape::feed::{Arrival, Feed, FeedCounters, NasdaqFeed};
use ringtape::market::MarketEvent;
use ringtape::record::{Batch, Content, Record};
use std::sync::Arc;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    None,
    /// A record is not published.
    Drop,
    /// A record is published twice.
    Repeat,
    /// A record changes places with the next of its batch.
    Swap,
    /// A bit of an event is another.
    Alter,
    /// A record is published only with the next batch but one, in order with all behind it.
    Hold,
}

pub(crate) struct Broken {
    feed: NasdaqFeed,
    inner: Batch<MarketEvent>,
    mutation: Mutation,
    /// The record that suffers, counted from 0.
    at: usize,
    seen: usize,
    held: Vec<Record<MarketEvent>>,
    /// Calls until what is held is published.
    held_calls: u32,
    done: bool,
}

impl Broken {
    pub(crate) fn new(feed: NasdaqFeed, mutation: Mutation, at: usize) -> Self {
        let inner = Batch::with_capacity(feed.records_max(65_507));
        Self {
            feed,
            inner,
            mutation,
            at,
            seen: 0,
            held: Vec::new(),
            held_calls: 0,
            done: false,
        }
    }

    /// Whether the record was there, and could suffer.
    pub(crate) fn done(&self) -> bool {
        self.done
    }

    fn pass(&mut self, out: &mut Batch<MarketEvent>) {
        let mut records = std::mem::take(&mut self.held);
        let fresh = records.len();
        records.extend_from_slice(self.inner.records());
        self.inner.clear();
        let mut at = self.at.wrapping_sub(self.seen).wrapping_add(fresh);
        self.seen += records.len() - fresh;
        if self.held_calls > 0 {
            self.held_calls -= 1;
            if self.held_calls > 0 {
                self.held = records;
                return;
            }
            at = usize::MAX;
        }
        if at < records.len() {
            self.mutate(&mut records, at);
        }
        records.iter().for_each(|record| push(record, out));
    }

    fn mutate(&mut self, records: &mut Vec<Record<MarketEvent>>, at: usize) {
        let is_event = matches!(records[at].content(), Content::Event(_));
        match self.mutation {
            Mutation::Drop => {
                records.remove(at);
            }
            Mutation::Repeat => records.insert(at, records[at]),
            Mutation::Swap if at + 1 < records.len() => records.swap(at, at + 1),
            Mutation::Alter if is_event => {
                let Content::Event(event) = records[at].content() else {
                    return;
                };
                let mut event = *event;
                event.head.ts_event_ns ^= 1;
                records[at] =
                    Record::event(records[at].sequence(), records[at].ts_recv_ns(), &event);
            }
            // Long enough for any hold time of the test.
            Mutation::Hold if is_event => {
                self.held = records.split_off(at);
                self.held_calls = 2_000;
            }
            _ => return,
        }
        self.done = true;
    }
}

fn push(record: &Record<MarketEvent>, out: &mut Batch<MarketEvent>) {
    let ts_recv_ns = record.ts_recv_ns();
    match record.content() {
        Content::Event(event) => out.push_event(ts_recv_ns, event),
        Content::Gap(gap) => out.push_gap(ts_recv_ns, gap),
        Content::Session(session) => out.push_session(ts_recv_ns, session),
        Content::DeadLetter(letter) => out.push_dead_letter(ts_recv_ns, *letter),
        Content::Invalid => unreachable!("a feed makes valid records"),
    }
}

impl Feed<MarketEvent> for Broken {
    fn on_datagram(&mut self, arrival: Arrival<'_>, out: &mut Batch<MarketEvent>) {
        self.feed.on_datagram(arrival, &mut self.inner);
        self.pass(out);
    }

    fn on_time(&mut self, now_ns: u64, out: &mut Batch<MarketEvent>) {
        self.feed.on_time(now_ns, &mut self.inner);
        self.pass(out);
    }

    fn close(&mut self, now_ns: u64, out: &mut Batch<MarketEvent>) {
        self.feed.close(now_ns, &mut self.inner);
        self.held_calls = self.held_calls.min(1);
        self.pass(out);
    }

    fn records_max(&self, datagram_bytes_max: usize) -> usize {
        // Room for one more, and for all that may be held.
        self.feed.records_max(datagram_bytes_max) + 10_000
    }

    fn counters(&self) -> &Arc<FeedCounters> {
        self.feed.counters()
    }

    fn ended(&self) -> bool {
        self.feed.ended()
    }

    fn id(&self) -> u8 {
        self.feed.id()
    }

    fn name(&self) -> &str {
        self.feed.name()
    }

    fn lines(&self) -> &[String] {
        self.feed.lines()
    }
}
