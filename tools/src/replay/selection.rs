//! Owns which events a replay gives.

use crate::progress::Progress;
use crate::{interrupt, tape};
use anyhow::{Result, bail};
use ringtape::journal::Journal;
use ringtape::market::{EventKind, MarketEvent, Symbol, View};
use ringtape::record::Content;
use std::collections::HashSet;

/// Events of some instruments, or of some kinds, or both.
#[derive(Debug)]
pub(super) struct Selection {
    /// By the venue's number, on any feed; everything where neither this nor `named` was asked for.
    instruments: HashSet<u32>,
    /// By feed and number: those whose names were asked for.
    named: HashSet<(u8, u32)>,
    every_instrument: bool,
    /// Empty for all.
    kinds: HashSet<EventKind>,
}

impl Selection {
    /// Finds the instruments that have these names, wherever in the journals that is told. Returns
    /// nothing where all events are wanted.
    pub(super) fn find(
        journals: &[Journal<MarketEvent>],
        symbols: &[Symbol],
        instruments: &[u32],
        kinds: &[EventKind],
    ) -> Result<Option<Self>> {
        if symbols.is_empty() && instruments.is_empty() && kinds.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            instruments: instruments.iter().copied().collect(),
            named: named(journals, symbols)?,
            every_instrument: symbols.is_empty() && instruments.is_empty(),
            kinds: kinds.iter().copied().collect(),
        }))
    }

    pub(super) fn has(&self, event: &MarketEvent) -> bool {
        let head = &event.head;
        let instrument = self.every_instrument
            || self.instruments.contains(&head.instrument)
            || self.named.contains(&(head.feed, head.instrument));
        instrument && (self.kinds.is_empty() || self.kinds.contains(&head.kind))
    }
}

/// Reads the journals for the numbers that stand for these names.
fn named(journals: &[Journal<MarketEvent>], symbols: &[Symbol]) -> Result<HashSet<(u8, u32)>> {
    let mut numbers = HashSet::new();
    if symbols.is_empty() {
        return Ok(numbers);
    }
    let mut unknown: HashSet<Symbol> = symbols.iter().copied().collect();
    let bytes = journals.iter().map(Journal::segments).map(tape::file_bytes);
    let progress = Progress::over(bytes.sum(), false, false);
    let mut read_bytes = 0;
    for journal in journals {
        let mut reader = journal.reader();
        while let Some(frame) = reader.next()? {
            if interrupt::requested() {
                interrupt::leave("stopped before the instruments were known");
            }
            for record in frame.records {
                if let Content::Event(event) = record.content()
                    && let View::Instrument(instrument) = event.view()
                    && symbols.contains(&instrument.symbol)
                {
                    numbers.insert((instrument.head.feed, instrument.head.instrument));
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
    Ok(numbers)
}
