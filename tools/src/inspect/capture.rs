//! Owns the inspection of a capture file.

use super::report::Report;
use crate::cli::Outcome;
use crate::follow::{Calendar, Follower};
use crate::interrupt;
use crate::packets::{DEFAULT_SESSION, Packets};
use crate::progress::Progress;
use crate::source::Source;
use crate::trading_date::TradingDate;
use anyhow::Result;
use ringtape::market::MarketEvent;
use ringtape::record::{Content, Digest, Record, Sequence};
use std::path::Path;

/// What a handler would be given of a session that is played without loss.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) events: u64,
    pub(super) instruments: u64,
    pub(super) first_event_ns: Option<u64>,
    pub(super) last_event_ns: Option<u64>,
    pub(super) digest: Digest,
}

impl Given {
    fn count(&mut self, records: &[Record<MarketEvent>]) {
        for record in records {
            self.digest.record(record);
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
    let source = Source::open(path)?;
    let mut calendar = Calendar::new(source.format(), date)?;
    let progress = Progress::start(&source, false, json);
    let mut packets = Packets::new(source, DEFAULT_SESSION);
    let mut followed: Vec<(Follower, Given)> = Vec::new();
    while !interrupt::requested() {
        let Some(packet) = packets.read() else { break };
        let (ts_ns, session) = (packet.ts_ns, packet.session);
        let midnight_ns = calendar.midnight_ns(ts_ns)?;
        while followed.len() <= session {
            let protocol = packets.tally().sessions[followed.len()].protocol;
            let follower = Follower::new(protocol, midnight_ns, Sequence::FIRST)?;
            followed.push((follower, Given::default()));
        }
        let recv_ns = calendar.recv_ns(ts_ns, midnight_ns);
        let (follower, given) = &mut followed[session];
        given.count(follower.follow(packets.current(), recv_ns));
        progress.update(packets.source());
    }
    progress.finish();
    let ended = followed.into_iter().zip(&packets.tally().sessions);
    let given: Vec<Given> = ended
        .map(|((mut follower, mut given), session)| {
            given.count(follower.end(session));
            given.instruments = follower.instruments();
            given
        })
        .collect();
    let outcome = match packets.end().damage {
        _ if interrupt::requested() => Outcome::Interrupted,
        Some(_) => Outcome::Failed,
        None => Outcome::Passed,
    };
    let report = Report::of_capture(path, &packets, calendar.date(), &given);
    Ok((report, outcome))
}
