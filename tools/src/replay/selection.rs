//! Owns which events a replay gives.

use crate::progress::Progress;
use crate::{interrupt, tape};
use anyhow::{Result, bail};
use ringtape::journal::Journal;
use ringtape::market::{EventKind, MarketEvent, Symbol, View};
use ringtape::record::Content;
use ringtape::replay::Place;
use std::collections::{HashMap, HashSet};

/// Events of some instruments, or of some kinds, or both.
#[derive(Debug)]
pub(super) struct Selection {
    symbols: Vec<Symbol>,
    /// By feed and number, whether the name that it has now is one of those.
    named: Named,
    /// By the venue's number, on any feed.
    instruments: HashSet<u32>,
    /// Empty for all.
    kinds: HashSet<EventKind>,
}

type Named = HashMap<(u8, u32), bool>;

impl Selection {
    /// Finds out which instruments have these names where a replay of the journals begins. Returns
    /// nothing where all events are wanted.
    pub(super) fn find(
        journals: &[Journal<MarketEvent>],
        from: Option<Place>,
        verifies: bool,
        symbols: &[Symbol],
        instruments: &[u32],
        kinds: &[EventKind],
    ) -> Result<Option<Self>> {
        if symbols.is_empty() && instruments.is_empty() && kinds.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            symbols: symbols.to_vec(),
            named: named(journals, from, verifies, symbols)?,
            instruments: instruments.iter().copied().collect(),
            kinds: kinds.iter().copied().collect(),
        }))
    }

    /// Returns whether the next event of the replay is wanted, and learns from it: a venue gives its
    /// numbers to other instruments from one day to the next.
    pub(super) fn has(&mut self, event: &MarketEvent) -> bool {
        let head = &event.head;
        let number = (head.feed, head.instrument);
        if !self.symbols.is_empty()
            && let View::Instrument(instrument) = event.view()
        {
            let is_wanted = self.symbols.contains(&instrument.symbol);
            self.named.insert(number, is_wanted);
        }
        let every_instrument = self.symbols.is_empty() && self.instruments.is_empty();
        let instrument = every_instrument
            || self.instruments.contains(&head.instrument)
            || self.named.get(&number).is_some_and(|is_wanted| *is_wanted);
        instrument && (self.kinds.is_empty() || self.kinds.contains(&head.kind))
    }
}

/// A number's name, as it was told.
#[derive(Clone, Copy, Debug)]
struct Telling {
    /// The time by which it is merged: times may step back in a journal, and its order does not.
    merged_ns: u64,
    /// Whether that was before the replay of its journal begins.
    is_before: bool,
    is_wanted: bool,
}

impl Telling {
    /// Returns whether this one holds, and not `other`, where the replay begins: the last of those
    /// before, or else the first behind.
    fn replaces(&self, other: &Self) -> bool {
        match (self.is_before, other.is_before) {
            (true, true) => self.merged_ns >= other.merged_ns,
            (false, false) => self.merged_ns < other.merged_ns,
            (is_before, _) => is_before,
        }
    }
}

/// Reads the journals for the numbers that stand for these names where a replay begins.
fn named(
    journals: &[Journal<MarketEvent>],
    from: Option<Place>,
    verifies: bool,
    symbols: &[Symbol],
) -> Result<Named> {
    if symbols.is_empty() {
        return Ok(Named::new());
    }
    let mut tellings: HashMap<(u8, u32), Telling> = HashMap::new();
    let mut unknown: HashSet<Symbol> = symbols.iter().copied().collect();
    let bytes = journals.iter().map(Journal::segments).map(tape::file_bytes);
    let progress = Progress::over(bytes.sum(), false, false);
    let mut read_bytes = 0;
    for journal in journals {
        let mut reader = journal.reader();
        if !verifies {
            reader = reader.without_verification();
        }
        let (mut merged_ns, mut has_begun) = (0, false);
        while let Some(frame) = reader.next()? {
            if interrupt::requested() {
                interrupt::leave("stopped before the instruments were known");
            }
            for record in frame.records {
                merged_ns = record.ts_recv_ns().max(merged_ns);
                has_begun |= from.is_none_or(|from| match from {
                    Place::Sequence(first) => record.sequence() >= first,
                    Place::Time(recv_ns) => record.ts_recv_ns() >= recv_ns,
                });
                if let Content::Event(event) = record.content()
                    && let View::Instrument(instrument) = event.view()
                {
                    let telling = Telling {
                        merged_ns,
                        is_before: !has_begun,
                        is_wanted: symbols.contains(&instrument.symbol),
                    };
                    let number = (instrument.head.feed, instrument.head.instrument);
                    let known = tellings.entry(number).or_insert(telling);
                    if telling.replaces(known) {
                        *known = telling;
                    }
                    unknown.remove(&instrument.symbol);
                }
            }
            read_bytes += frame.header.frame_bytes();
            progress.set(read_bytes);
        }
    }
    progress.finish();
    if let Some(symbol) = unknown.iter().next() {
        bail!("--symbol {symbol}: no instrument has that name in what is recorded");
    }
    let named = tellings.into_iter();
    Ok(named
        .map(|(number, telling)| (number, telling.is_wanted))
        .collect())
}
