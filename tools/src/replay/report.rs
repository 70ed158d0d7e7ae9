//! Owns what `replay` reports.

use super::around::Surroundings;
use super::burst::AroundJson;
use crate::new_york;
use crate::output::{Table, thousands};
use crate::strategies::Verdict;
use ringtape::book::Books;
use ringtape::error::Error;
use ringtape::journal::Journal;
use ringtape::market::MarketEvent;
use ringtape::replay::Outcome;
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;

/// What was replayed. The keys are stable; all numbers are integers, and `null` where there was no
/// record.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    journals: Vec<JournalReport>,
    /// Only with `--around-worst`.
    #[serde(skip_serializing_if = "Option::is_none")]
    around_worst: Option<AroundJson>,
    /// Records that were given: the sum of the next seven.
    records: u64,
    events: u64,
    /// What feeds lost.
    gaps: u64,
    /// What the recorder's ring had no room for.
    overruns: u64,
    /// What the recorder could not write.
    not_journaled: u64,
    sessions: u64,
    dead_letters: u64,
    /// Of a kind that this version does not know.
    invalid: u64,
    /// Events that were not selected.
    filtered: u64,
    /// `null` for several journals, too: each has sequences of its own.
    first_sequence: Option<u64>,
    last_sequence: Option<u64>,
    /// UNIX nanoseconds.
    first_recv_ns: Option<u64>,
    last_recv_ns: Option<u64>,
    digest: String,
    expected_digest: Option<String>,
    /// `null` where nothing was expected.
    pub(super) is_expected: Option<bool>,
    /// What the strategy has to say.
    strategy: Option<String>,
    torn_bytes: u64,
    elapsed_ns: u64,
    pub(super) warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct JournalReport {
    directory: String,
    journal_id: String,
    bus: String,
}

impl Report {
    pub(super) fn new(
        journals: &[Journal<MarketEvent>],
        expected: Option<u128>,
        around: Option<&Surroundings>,
    ) -> Self {
        let journals = journals.iter().map(|journal| JournalReport {
            directory: journal.directory().display().to_string(),
            journal_id: format!("{:032x}", journal.identity().id),
            bus: journal.identity().bus.clone(),
        });
        Self {
            journals: journals.collect(),
            around_worst: around.map(AroundJson::new),
            expected_digest: expected.map(|digest| format!("{digest:032x}")),
            ..Self::default()
        }
    }

    pub(super) fn end<H: Verdict>(
        &mut self,
        outcome: &Outcome<H>,
        has_strategy: bool,
        elapsed: Duration,
    ) {
        let tally = outcome.tally;
        self.records = tally.records();
        self.events = tally.events;
        self.gaps = tally.gaps;
        self.overruns = tally.overruns;
        self.not_journaled = tally.not_journaled;
        self.sessions = tally.sessions;
        self.dead_letters = tally.dead_letters;
        self.invalid = tally.invalid;
        self.filtered = outcome.filtered;
        if self.journals.len() == 1 {
            self.first_sequence = outcome.first.map(|mark| mark.sequence.get());
            self.last_sequence = outcome.last.map(|mark| mark.sequence.get());
        }
        self.first_recv_ns = outcome.first.map(|mark| mark.ts_recv_ns);
        self.last_recv_ns = outcome.last.map(|mark| mark.ts_recv_ns);
        let digest = outcome.digest.as_ref().map(ToString::to_string);
        self.digest = digest.unwrap_or_default();
        let expected = self.expected_digest.as_ref();
        self.is_expected = expected.map(|expected| *expected == self.digest);
        let strategy = outcome.handler.as_ref().filter(|_| has_strategy);
        self.strategy = strategy.map(Verdict::verdict);
        self.torn_bytes = outcome.torn_bytes;
        self.elapsed_ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        self.warn();
    }

    /// Says which feeds were to be watched and brought nothing: their number may be another.
    pub(super) fn watched(&mut self, feeds: &[u8], books: &[Books]) {
        let silent = feeds
            .iter()
            .zip(books)
            .filter(|(_, books)| books.is_empty());
        self.warnings.extend(silent.map(|(feed, _)| {
            format!(
                "no instrument of feed {feed} was replayed, so the strategy had none to watch: --feed \
                 names the feeds, by the number that `dump` shows"
            )
        }));
    }

    /// Says why the replay ended early, for whoever has only the report.
    pub(super) fn stopped(&mut self, error: &Error) {
        self.warnings.push(format!(
            "stopped before the end, and the digest is of what was given until then: {error}"
        ));
    }

    fn warn(&mut self) {
        if crate::interrupt::requested() {
            let stopped = "stopped before the end: the digest is of what was given until then";
            self.warnings.push(stopped.to_owned());
        }
        if self.events == 0 && self.filtered > 0 {
            let nothing =
                "no event was selected: nothing that was replayed is of that instrument and kind";
            self.warnings.push(nothing.to_owned());
        }
        if self.torn_bytes > 0 {
            self.warnings.push(format!(
                "{} bytes at the end are not a whole frame: torn off, or still being written",
                self.torn_bytes
            ));
        }
        if self.invalid > 0 {
            self.warnings.push(format!(
                "{} records are of a kind that this version does not know, and were given to nobody",
                self.invalid
            ));
        }
        if self.is_expected == Some(false) {
            self.warnings.push(format!(
                "the digest is {}, and {} was expected",
                self.digest,
                self.expected_digest.as_deref().unwrap_or_default()
            ));
        }
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        for journal in &self.journals {
            let JournalReport { directory, bus, .. } = journal;
            // Writing to a String cannot fail.
            _ = writeln!(text, "{directory}: journal of bus {bus}");
        }
        text.push('\n');
        if let Some(around) = &self.around_worst {
            text.push_str(around.to_text());
            text.push('\n');
        }
        let number = |number: Option<u64>| number.map_or("-".to_owned(), thousands);
        let wall = |ns: Option<u64>| ns.map_or("-".to_owned(), new_york::wall_or_time_of_day);
        let mut facts = Table::default();
        facts.row(["records", &thousands(self.records)]);
        facts.row(["  of them events", &thousands(self.events)]);
        for (name, count) in [
            ("  of them gaps", self.gaps),
            ("  of them overruns of the recorder", self.overruns),
            ("  of them not journaled", self.not_journaled),
            ("  of them session marks", self.sessions),
            ("  of them dead letters", self.dead_letters),
            ("  of them of an unknown kind", self.invalid),
            ("events not selected", self.filtered),
        ] {
            if count > 0 {
                facts.row([name, &thousands(count)]);
            }
        }
        if self.journals.len() == 1 {
            facts.row(["first sequence", &number(self.first_sequence)]);
            facts.row(["last sequence", &number(self.last_sequence)]);
        }
        facts.row(["first received, New York", &wall(self.first_recv_ns)]);
        facts.row(["last received, New York", &wall(self.last_recv_ns)]);
        facts.row(["digest", &self.digest]);
        if self.is_expected == Some(true) {
            facts.row(["  as expected", "yes"]);
        }
        let elapsed_ms = self.elapsed_ns / 1_000_000;
        facts.row(["elapsed, ms", &thousands(elapsed_ms)]);
        let per_s = u128::from(self.records) * 1_000_000_000 / u128::from(self.elapsed_ns.max(1));
        let per_s = u64::try_from(per_s).unwrap_or(u64::MAX);
        facts.row(["records per second", &thousands(per_s)]);
        text.push_str(&facts.render());
        if let Some(strategy) = &self.strategy {
            _ = writeln!(text, "\n{strategy}");
        }
        text
    }
}
