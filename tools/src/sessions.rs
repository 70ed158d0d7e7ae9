//! Owns the way from a capture file to the records of its sessions: each is followed on its own.

use crate::follow::{Calendar, Follower};
use crate::packets::{DEFAULT_SESSION, Packets, SessionTally};
use crate::progress::Progress;
use crate::source::Source;
use crate::trading_date::TradingDate;
use anyhow::Result;
use ringtape::market::MarketEvent;
use ringtape::record::{Record, Sequence};
use std::path::Path;

/// The sessions of a capture file, and what a handler of each would be given.
#[derive(Debug)]
pub(crate) struct Sessions {
    packets: Packets,
    calendar: Calendar,
    progress: Progress,
    /// The number of their feed.
    feed: u8,
    /// In the order of [`Tally::sessions`](crate::packets::Tally::sessions); `None` for those that
    /// are left out.
    followed: Vec<Option<Follower>>,
    /// How many of them have ended.
    ended: usize,
    left_out_packets: u64,
}

/// What a packet brought, or the end of a session.
#[derive(Debug)]
pub(crate) struct Brought<'a> {
    /// Which session it belongs to.
    pub(crate) session: usize,
    pub(crate) tally: &'a SessionTally,
    /// Nothing, too, of a session that is left out.
    pub(crate) records: &'a [Record<MarketEvent>],
}

impl Sessions {
    /// Opens a capture file; `date` is the trading date, where the user gave one. With `json` to a
    /// pipe there is no progress bar.
    pub(crate) fn open(path: &Path, date: Option<TradingDate>, json: bool) -> Result<Self> {
        let source = Source::open(path)?;
        let calendar = Calendar::new(source.format(), date)?;
        let progress = Progress::start(&source, false, json);
        Ok(Self {
            packets: Packets::new(source, DEFAULT_SESSION),
            calendar,
            progress,
            feed: 1,
            followed: Vec::new(),
            ended: 0,
            left_out_packets: 0,
        })
    }

    /// Gives their feed another number than 1.
    #[must_use]
    pub(crate) fn of_feed(self, feed: u8) -> Self {
        Self { feed, ..self }
    }

    /// Takes the next packet, and behind the last one ends each session as `play` does; `None`
    /// when that is done. Damage ends a file. `wanted` is asked once for each session which number
    /// its first record gets, or nothing to leave it out.
    pub(crate) fn read(
        &mut self,
        mut wanted: impl FnMut(&SessionTally) -> Result<Option<Sequence>>,
    ) -> Result<Option<Brought<'_>>> {
        let Some(packet) = self.packets.read() else {
            self.progress.finish();
            return Ok(self.end_next());
        };
        let (ts_ns, session) = (packet.ts_ns, packet.session);
        let midnight_ns = self.calendar.midnight_ns(ts_ns)?;
        let tallies = &self.packets.tally().sessions;
        while self.followed.len() <= session {
            let tally = &tallies[self.followed.len()];
            let first = wanted(tally)?;
            let follow = |first| Follower::new(tally.protocol, self.feed, midnight_ns, first);
            self.followed.push(first.map(follow).transpose()?);
        }
        self.progress.update(self.packets.source());
        let records = match &mut self.followed[session] {
            Some(follower) => {
                let recv_ns = self.calendar.recv_ns(ts_ns, midnight_ns);
                follower.follow(self.packets.current(), recv_ns)
            }
            None => {
                self.left_out_packets += 1;
                &[]
            }
        };
        Ok(Some(Brought {
            session,
            tally: &tallies[session],
            records,
        }))
    }

    /// Ends the next session that has not ended.
    fn end_next(&mut self) -> Option<Brought<'_>> {
        let session = self.ended;
        let follower = self.followed.get_mut(session)?;
        self.ended += 1;
        let tally = &self.packets.tally().sessions[session];
        let records = match follower {
            Some(follower) => follower.end(tally),
            None => &[],
        };
        Some(Brought {
            session,
            tally,
            records,
        })
    }

    /// Returns the sessions so far that are not left out.
    pub(crate) fn followed(&self) -> impl Iterator<Item = usize> {
        let all = self.followed.iter().enumerate();
        all.filter_map(|(session, follower)| follower.as_ref().map(|_| session))
    }

    /// Returns how many instruments of a session have a name.
    pub(crate) fn instruments(&self, session: usize) -> u64 {
        let follower = self.followed.get(session).and_then(Option::as_ref);
        follower.map_or(0, Follower::instruments)
    }

    /// Returns how many packets were of sessions that are left out.
    pub(crate) fn left_out_packets(&self) -> u64 {
        self.left_out_packets
    }

    /// Returns the packets, with what was counted of them.
    pub(crate) fn packets(&self) -> &Packets {
        &self.packets
    }

    /// Returns the trading date, once there was a packet.
    pub(crate) fn date(&self) -> Option<TradingDate> {
        self.calendar.date()
    }

    /// Takes the progress bar away for good.
    pub(crate) fn hide_progress(&mut self) {
        self.progress = Progress::hidden();
    }

    /// Takes the progress bar away.
    pub(crate) fn finish(&self) {
        self.progress.finish();
    }
}
