//! Owns the inspection of a capture file.

use super::report::Report;
use crate::cli::Outcome;
use crate::reading::FEED_OF_CAPTURE;
use crate::sessions::Sessions;
use crate::trading_date::TradingDate;
use crate::{interrupt, watched};
use anyhow::Result;
use ringtape::book::Books;
use ringtape::market::MarketEvent;
use ringtape::record::{Content, Digest, Record, Sequence};
use std::path::Path;

/// What a handler would be given of a session that is played without loss.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) books: Books,
    pub(super) events: u64,
    pub(super) instruments: u64,
    pub(super) first_event_ns: Option<u64>,
    pub(super) last_event_ns: Option<u64>,
    pub(super) digest: Digest,
}

impl Given {
    fn new() -> Self {
        Self {
            books: watched::books(FEED_OF_CAPTURE),
            events: 0,
            instruments: 0,
            first_event_ns: None,
            last_event_ns: None,
            digest: Digest::new(),
        }
    }

    fn count(&mut self, records: &[Record<MarketEvent>]) {
        for record in records {
            self.digest.record(record);
            watched::tell(&mut self.books, record);
            if let Content::Event(event) = record.content() {
                self.events += 1;
                let ts_event_ns = event.head.ts_event_ns;
                self.first_event_ns.get_or_insert(ts_event_ns);
                self.last_event_ns = Some(ts_event_ns);
            }
        }
    }
}

/// Reads a capture file to its end, or to its damage.
pub(super) fn inspect(
    path: &Path,
    date: Option<TradingDate>,
    json: bool,
) -> Result<(Report, Outcome)> {
    let mut sessions = Sessions::open(path, date, json)?;
    let mut given: Vec<Given> = Vec::new();
    while !interrupt::requested() {
        let Some(brought) = sessions.read(|_| Ok(Some(Sequence::FIRST)))? else {
            break;
        };
        if given.len() <= brought.session {
            given.resize_with(brought.session + 1, Given::new);
        }
        given[brought.session].count(brought.records);
    }
    sessions.finish();
    for (session, given) in given.iter_mut().enumerate() {
        given.instruments = sessions.instruments(session);
    }
    let packets = sessions.packets();
    let outcome = match packets.end().damage {
        _ if interrupt::requested() => Outcome::Interrupted,
        Some(_) => Outcome::Failed,
        None => Outcome::Passed,
    };
    let report = Report::of_capture(path, packets, sessions.date(), &given);
    Ok((report, outcome))
}
