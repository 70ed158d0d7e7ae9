//! Owns the count of what is on a tape and cannot be sent.

use ringtape::feed::itch::Unencodable;
use ringtape::record::Sequence;
use std::collections::BTreeMap;

/// Messages of a session that cannot be made again, by reason.
#[derive(Clone, Debug, Default)]
pub struct Unsent {
    reasons: BTreeMap<&'static str, Reason>,
}

#[derive(Clone, Debug)]
struct Reason {
    count: u64,
    /// What the first was, where there is something to say of it.
    first: String,
}

impl Unsent {
    pub(super) fn encoder(&mut self, why: &Unencodable, sequence: Sequence) {
        let reason = match why {
            Unencodable::OtherFeed { .. } => "other_feed",
            Unencodable::UnknownKind { .. } => "unknown_kind",
            Unencodable::Incomplete { .. } => "incomplete",
            Unencodable::Unnamed { .. } => "unnamed",
            Unencodable::OutOfRange { .. } => "out_of_range",
            Unencodable::LetterCut { .. } => "letter_cut",
            _ => "other",
        };
        self.add(reason, 1, || format!("record {sequence}: {why}"));
    }

    /// Groups of events whose first half came alone.
    pub(super) fn cut_groups(&mut self, count: u64) {
        let first = || "events of one message of which the last did not follow".to_owned();
        self.add("incomplete", count, first);
    }

    /// A number that no packet can carry.
    pub(super) fn number(&mut self, number: u64, sequence: Sequence) {
        let first = || format!("record {sequence}: number {number} fits no packet");
        self.add("out_of_range", 1, first);
    }

    /// A record that this version does not know.
    pub(super) fn unknown_record(&mut self, sequence: Sequence) {
        let first = || format!("record {sequence}: of a kind that this version does not know");
        self.add("unknown_record", 1, first);
    }

    fn add(&mut self, reason: &'static str, count: u64, first: impl FnOnce() -> String) {
        if count == 0 {
            return;
        }
        let reason = self.reasons.entry(reason).or_insert_with(|| Reason {
            count: 0,
            first: first(),
        });
        reason.count += count;
    }

    /// Tells whether all was sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.reasons.is_empty()
    }

    /// Returns the counts by reason.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        let reasons = self.reasons.iter();
        reasons.map(|(key, reason)| (*key, reason.count)).collect()
    }

    /// Returns a sentence for each reason, with what the first was.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let reasons = self.reasons.values();
        let sentence = |reason: &Reason| {
            let Reason { count, first } = reason;
            format!("{count} of the tape's messages could not be sent, the first: {first}")
        };
        reasons.map(sentence).collect()
    }
}
