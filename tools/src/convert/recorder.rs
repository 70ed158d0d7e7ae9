//! Owns the way from records to a journal of full frames.

use crate::tape;
use anyhow::{Context as _, Result, bail};
use ringtape::clock::{Clock as _, SystemClock};
use ringtape::error::Error;
use ringtape::journal::{Config, FRAME_RECORDS_MAX, Journal, JournalCounters, Writer};
use ringtape::market::MarketEvent;
use ringtape::record::{Content, Digest, Record, Sequence};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Sees that a directory may be written to, without changing it: a journal that holds records is
/// not continued by mistake.
///
/// # Errors
///
/// When it holds records and `append` is not set, or is a damaged journal.
pub(super) fn check_target(directory: &Path, append: bool) -> Result<()> {
    if append || !has_files(directory) {
        return Ok(());
    }
    // What is no journal is refused by the writer, which knows what may lie in its directory.
    let Some(journal) = open_existing(directory)? else {
        return Ok(());
    };
    let holds_records = journal.first() > Sequence::FIRST
        || journal.reader().without_verification().next()?.is_some();
    if holds_records {
        refuse(directory)
    } else {
        Ok(())
    }
}

/// Returns the number of the feed of a journal that is there, if it begins with records of one.
/// Damage is left to who opens it for writing.
pub(super) fn only_feed(directory: &Path) -> Result<Option<u8>> {
    /// Some 65,000 records.
    const READ_BYTES_MAX: u64 = 4 << 20;
    if !has_files(directory) {
        return Ok(None);
    }
    let Some(journal) = open_existing(directory)? else {
        return Ok(None);
    };
    let mut feeds = BTreeSet::new();
    let mut reader = journal.reader().without_verification();
    let mut read_bytes = 0;
    while read_bytes < READ_BYTES_MAX
        && let Ok(Some(frame)) = reader.next()
    {
        feeds.extend(frame.records.iter().filter_map(tape::feed_of));
        read_bytes += frame.header.frame_bytes();
    }
    let only = feeds.pop_first();
    Ok(only.filter(|_| feeds.is_empty()))
}

fn refuse(directory: &Path) -> Result<()> {
    bail!(
        "{} already holds records: name another directory, or continue it with --append",
        directory.display()
    )
}

fn has_files(directory: &Path) -> bool {
    fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some())
}

/// Opens the journal in a directory, if there is a segment.
fn open_existing(directory: &Path) -> Result<Option<Journal<MarketEvent>>> {
    let entries = fs::read_dir(directory);
    let holds_segments = entries.is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.ends_with(".tape") || name.ends_with(".tape.zst")
        })
    });
    if !holds_segments {
        return Ok(None);
    }
    match Journal::open(directory) {
        Ok(journal) => Ok(Some(journal)),
        // Its writer may have ended as it made the first segment: then the next one begins anew.
        Err(error @ Error::Journal { .. }) => {
            let is_unfinished = ringtape::journal::verify::<MarketEvent>(directory, |_, _| {})
                .is_ok_and(|found| found.unfinished && found.segments == 1);
            if is_unfinished {
                Ok(None)
            } else {
                Err(error.into())
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// Writes records to a journal, and counts them.
pub(super) struct Recorder {
    directory: PathBuf,
    writer: Writer<MarketEvent>,
    counters: Arc<JournalCounters>,
    /// Records that wait for their frame to be full.
    frame: Vec<Record<MarketEvent>>,
    recorded: Recorded,
}

/// What was written.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) directory: PathBuf,
    pub(super) journal_id: u128,
    pub(super) bus: String,
    /// Bytes that a crash had torn off the journal, and which were cut.
    pub(super) cut_bytes: u64,
    pub(super) records: u64,
    pub(super) events: u64,
    pub(super) gaps: u64,
    pub(super) first: Option<Sequence>,
    pub(super) last: Option<Sequence>,
    pub(super) segments: u64,
    pub(super) bytes: u64,
    pub(super) digest: Digest,
}

impl Recorder {
    /// Opens the journal in `directory`, or makes it.
    pub(super) fn open(directory: &Path, append: bool) -> Result<Self> {
        let mut config = Config::new(directory);
        if append && let Some(journal) = open_existing(directory)? {
            config.bus.clone_from(&journal.identity().bus);
        }
        let writer = Writer::open(config, SystemClock.now_ns())?;
        if !append && writer.next_sequence() > Sequence::FIRST {
            // Somebody wrote since it was looked at.
            refuse(directory)?;
        }
        Ok(Self {
            directory: directory.to_owned(),
            counters: writer.counters(),
            frame: Vec::with_capacity(FRAME_RECORDS_MAX as usize),
            recorded: Recorded {
                directory: directory.to_owned(),
                journal_id: writer.identity().id,
                bus: writer.identity().bus.clone(),
                cut_bytes: writer.recovery().torn_bytes,
                records: 0,
                events: 0,
                gaps: 0,
                first: None,
                last: None,
                segments: 0,
                bytes: 0,
                digest: Digest::new(),
            },
            writer,
        })
    }

    /// Returns the number that the next record has to have.
    pub(super) fn next_sequence(&self) -> Sequence {
        self.writer.next_sequence()
    }

    /// Takes the next records.
    pub(super) fn take(&mut self, records: &[Record<MarketEvent>]) -> Result<()> {
        for record in records {
            if self.frame.len() == FRAME_RECORDS_MAX as usize {
                self.write()?;
            }
            self.frame.push(*record);
            self.recorded.count(record);
        }
        Ok(())
    }

    /// Writes what waits, and ends the journal in good order.
    pub(super) fn close(mut self) -> Result<Recorded> {
        self.write()?;
        let failed = || format!("cannot finish the journal {}", self.directory.display());
        self.writer.close().with_context(failed)?;
        self.recorded.segments = self.counters.segments.get();
        self.recorded.bytes = self.counters.bytes.get();
        Ok(self.recorded)
    }

    fn write(&mut self) -> Result<()> {
        let now_ns = SystemClock.now_ns();
        let written = self.writer.append([&self.frame, &[]], now_ns);
        written.with_context(|| {
            format!(
                "cannot write to the journal {}, which ends before record {}",
                self.directory.display(),
                self.writer.next_sequence()
            )
        })?;
        self.frame.clear();
        Ok(())
    }
}

impl Recorded {
    fn count(&mut self, record: &Record<MarketEvent>) {
        self.records += 1;
        self.first.get_or_insert(record.sequence());
        self.last = Some(record.sequence());
        self.digest.record(record);
        match record.content() {
            Content::Event(_) => self.events += 1,
            Content::Gap(_) => self.gaps += 1,
            _ => {}
        }
    }
}
