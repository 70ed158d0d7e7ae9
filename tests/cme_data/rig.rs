//! The capture, and what takes its datagrams.

use crate::captures::market_data;
use crate::naive_cme::Schema;
use crate::pcapng;
use crate::pcapng::Datagram;
use ringtape::feed::{Arrival, CmeFeed, Feed, FeedConfig, Ledger, mdp3};
use ringtape::market::MarketEvent;
use ringtape::record::{Batch, Content, GapCause, SessionMark};
use std::fs;

pub(crate) const LINES: [([u8; 4], u16); 2] =
    [([224, 0, 31, 11], 14_320), ([224, 0, 32, 11], 15_320)];

pub(crate) const FIRST: u32 = 17_347_815;

pub(crate) const LAST: u32 = 17_352_814;

/// The capture, and the schema of its messages.
pub(crate) struct Data {
    pub(crate) file: Vec<u8>,
    pub(crate) schema: Schema,
}

impl Data {
    pub(crate) fn read() -> Option<Self> {
        let file = market_data("cme-mdp3/2016-09-27.v8.AB.pcapng")?;
        let schema = market_data("cme-mdp3/templates_FixBinary.v8.xml")?;
        Some(Self {
            file: fs::read(file).unwrap(),
            schema: Schema::read(&fs::read_to_string(schema).unwrap()),
        })
    }

    /// Returns each datagram with its line, in the order in which they were captured.
    pub(crate) fn datagrams(&self) -> Vec<(usize, Datagram<'_>)> {
        pcapng::datagrams(&self.file)
            .into_iter()
            .map(|datagram| {
                let is_its = |line: &([u8; 4], u16)| *line == datagram.destination;
                (LINES.iter().position(is_its).unwrap(), datagram)
            })
            .collect()
    }

    /// Returns one line's datagrams.
    pub(crate) fn line(&self, line: usize) -> Vec<Datagram<'_>> {
        let all = self.datagrams().into_iter();
        all.filter(|(of, _)| *of == line).map(|(_, d)| d).collect()
    }
}

pub(crate) fn number(payload: &[u8]) -> u32 {
    payload[..4].try_into().map(u32::from_le_bytes).unwrap()
}

/// Takes what the two lines bring, and keeps what comes out.
pub(crate) struct Rig {
    pub(crate) feed: CmeFeed,
    pub(crate) batch: Batch<MarketEvent>,
    pub(crate) events: Vec<MarketEvent>,
    pub(crate) gaps: Vec<(u64, u64, GapCause)>,
    pub(crate) marks: Vec<(SessionMark, u64)>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let config = FeedConfig {
            window_messages: 1_024,
            // The capture's channel has little to say: it is quiet for longer than other venues
            // are.
            silence_ns: 0,
            ..FeedConfig::default()
        };
        let feed = CmeFeed::new(config).unwrap();
        let batch = Batch::with_capacity(feed.records_max(1_500));
        Self {
            feed,
            batch,
            events: vec![],
            gaps: vec![],
            marks: vec![],
        }
    }

    pub(crate) fn datagram(&mut self, line: usize, now_ns: u64, bytes: &[u8]) {
        self.feed.on_time(now_ns, &mut self.batch);
        let arrival = Arrival {
            line,
            bytes,
            datagram_bytes: bytes.len(),
            ts_recv_ns: now_ns,
            seen_ns: now_ns,
        };
        self.feed.on_datagram(arrival, &mut self.batch);
        self.read();
    }

    pub(crate) fn close(&mut self, now_ns: u64) -> Ledger {
        self.feed.close(now_ns, &mut self.batch);
        self.read();
        let ledger = self.feed.ledger();
        assert!(ledger.closes(), "{ledger:?}");
        ledger
    }

    pub(crate) fn read(&mut self) {
        for record in self.batch.records() {
            match record.content() {
                Content::Event(event) => self.events.push(*event),
                Content::Gap(gap) => self.gaps.push((gap.first, gap.last, gap.cause)),
                Content::Session(session) => {
                    assert_eq!(session.id, mdp3::SESSION);
                    self.marks.push((session.mark, session.feed_sequence));
                }
                other => panic!("{other:?}"),
            }
        }
        self.batch.clear();
    }

    /// Runs arrivals through a feed.
    pub(crate) fn run(arrivals: &[(u64, usize, &[u8])]) -> (Self, Ledger) {
        let mut rig = Self::new();
        for &(now_ns, line, bytes) in arrivals {
            rig.datagram(line, now_ns, bytes);
        }
        let ledger = rig.close(arrivals.last().map_or(0, |arrival| arrival.0));
        (rig, ledger)
    }
}

/// The capture's arrivals, by capture time.
pub(crate) fn arrivals<'a>(datagrams: &[(usize, Datagram<'a>)]) -> Vec<(u64, usize, &'a [u8])> {
    let mut arrivals: Vec<_> = datagrams
        .iter()
        .map(|(line, datagram)| (datagram.captured_ns, *line, datagram.payload))
        .collect();
    arrivals.sort_by_key(|arrival| arrival.0);
    arrivals
}
