//! Owns the check of what was delivered: the first sound copy of each number, and nothing else.

use super::Violation;
use super::given::{Copied, Given};
use super::segments::{Delivered, Segment};
use crate::feed::{Message, itch};
use crate::market::{Flags, MarketEvent};
use crate::record::{Batch, Content, Record};
use crate::torture::Outcome;
use std::ops::Range;

pub(super) fn check(
    outcome: &Outcome,
    given: &Given<'_>,
    segments: &[Segment],
    spans: &[Range<usize>],
) -> Result<(), Violation> {
    let mut reference = Reference {
        outcome,
        decoder: itch::Decoder::new(outcome.config.id, outcome.config.midnight_ns),
        batch: Batch::with_capacity(itch::RECORDS_MAX),
    };
    for (segment, span) in segments.iter().zip(spans) {
        let Some(told) = given.sessions.get(&segment.session) else {
            continue;
        };
        let copies = |number, step: usize| {
            let copies = told.copies.get(&number).into_iter().flatten();
            let until = step + 1;
            // Of a restart the first packets can be older than its mark.
            let from = if segment.restart { 0 } else { span.start };
            copies.filter(move |copied| (from..until).contains(&copied.step))
        };
        for (numbers, step) in &segment.silent {
            for number in numbers.clone() {
                if !copies(number, *step).any(|copied| copied.bytes.is_empty()) {
                    return Err(Violation::new(format!(
                        "number {number} was passed without a record, at call {step}"
                    )));
                }
            }
        }
        let restarts = segments
            .iter()
            .filter(|other| other.session == segment.session);
        let ambiguous = restarts.count() > 1;
        for delivered in &segment.delivered {
            let copies = copies(delivered.number, delivered.step);
            let Some(first) = copies.clone().next() else {
                return Err(Violation::new(format!(
                    "{delivered:?} was not brought by anybody"
                )));
            };
            // What a server was asked for can lose against a line, and the other way round.
            let any = ambiguous || copies.clone().any(|copied| copied.by_server);
            let right = if any {
                // Sound ones first: what a damaged copy names would stay with the decoder.
                let (sound, damaged): (Vec<_>, Vec<_>) = copies.partition(|copied| copied.intact);
                let mut copies = sound.into_iter().chain(damaged);
                copies.any(|copied| reference.says(copied, delivered, true))
            } else {
                reference.says(first, delivered, false)
            };
            if !right {
                let records = &outcome.records[delivered.records.clone()];
                return Err(Violation::new(format!(
                    "number {} says something else than its first copy: {records:?}",
                    delivered.number
                )));
            }
        }
    }
    Ok(())
}

/// Decodes a copy by itself.
struct Reference<'a> {
    outcome: &'a Outcome,
    decoder: itch::Decoder,
    batch: Batch<MarketEvent>,
}

impl Reference<'_> {
    /// Whether the records of `delivered` are what `copied` says, with its receive time. Where a
    /// copy is one of `several`, the others may have named an instrument to this decoder that they
    /// did not name to the feed, so derived ones are left out.
    fn says(&mut self, copied: &Copied<'_>, delivered: &Delivered, several: bool) -> bool {
        let records = &self.outcome.records[delivered.records.clone()];
        if records
            .iter()
            .any(|record| record.ts_recv_ns() != copied.now_ns)
        {
            return false;
        }
        let message = Message {
            number: delivered.number,
            bytes: copied.bytes,
            message_bytes: u16::try_from(copied.bytes.len()).unwrap_or(u16::MAX),
            ts_recv_ns: copied.now_ns,
        };
        self.batch.clear();
        let decoded = self.decoder.decode(message, &mut self.batch);
        let compared = |record: &&Record<MarketEvent>| !several || !is_derived(record);
        let expected = self.batch.records().iter().filter(compared);
        let records = records.iter().filter(compared);
        let same = expected
            .map(|record| (record.kind(), record.body()))
            .eq(records.map(|record| (record.kind(), record.body())));
        decoded.is_ok() && same
    }
}

fn is_derived(record: &Record<MarketEvent>) -> bool {
    matches!(record.content(), Content::Event(event) if event.head.flags.contains(Flags::DERIVED))
}
