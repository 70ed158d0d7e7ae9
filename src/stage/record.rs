//! Owns the stage that writes a subscription to a journal.

use super::Stage;
use crate::bus::{Books, Ready, Subscriber};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::journal::{FRAME_RECORDS_MAX, Identity, JournalCounters, Recovery, Writer};
use crate::record::{Event, Gap, GapCause, Record, Sequence};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Frames written before other stages of the same core get their turn.
const FRAMES_PER_POLL: usize = 4;
/// After a failure, how long until the next attempt.
const RETRY: Duration = Duration::from_millis(100);
/// Losses that are listed one by one; there is room for them from the start.
const LOSSES_MAX: usize = 1024;

/// When a stage writes a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    /// Records that make a frame without waiting for more: 1 to 4096.
    pub frame_records: usize,
    /// How long fewer records wait in the ring for more.
    pub flush: Duration,
}

impl Default for Framing {
    /// 1024 records (64 KiB), or what there is after a millisecond.
    fn default() -> Self {
        Self {
            frame_records: 1024,
            flush: Duration::from_millis(1),
        }
    }
}

impl Framing {
    /// Sees that it can work.
    pub(crate) fn check(&self) -> Result<()> {
        let frame_records_max = FRAME_RECORDS_MAX as usize;
        if (1..=frame_records_max).contains(&self.frame_records) {
            return Ok(());
        }
        Err(Error::config(
            format!("journal frames of {} records", self.frame_records),
            format!("choose between 1 and {frame_records_max}; 1024 is usual"),
        ))
    }
}

/// Numbers that a journal lacks, all for one cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotJournaled {
    /// The first number.
    pub first: Sequence,
    /// The last number.
    pub last: Sequence,
    /// [`GapCause::Overrun`] for what the ring had no room for, [`GapCause::NotJournaled`] for
    /// what could not be written, or was removed after it was.
    pub cause: GapCause,
}

impl NotJournaled {
    /// How many numbers.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.last.get() - self.first.get() + 1
    }
}

/// A journal's part of the loss ledger: `published = written + not journaled`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalAccount {
    /// Records that were numbered while the stage lasted.
    pub published: u64,
    /// Records that are in the journal.
    pub written: u64,
    /// What is not, in order: at most 1024 runs.
    pub not_journaled: Vec<NotJournaled>,
    /// Numbers of further runs; the tape's own gap records have them.
    pub not_listed: u64,
    /// Whether the subscription's books close, too.
    pub subscription_closes: bool,
}

impl JournalAccount {
    /// Returns how many numbers the journal lacks.
    #[must_use]
    pub fn missing(&self) -> u64 {
        let listed = self.not_journaled.iter().map(NotJournaled::count);
        listed.sum::<u64>() + self.not_listed
    }

    /// Returns whether every number is accounted for.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.subscription_closes && self.published == self.written + self.missing()
    }
}

/// Writes what a subscription brings to a journal, frame by frame.
///
/// The ring is the buffer: records stay in it until their frame is written, in one system call and
/// without a copy of ours. What cannot be written is dropped, so that the feed never waits for a
/// disk that fails; it is listed with its exact numbers, journaling goes on when it can, and then a
/// gap record in the tape says what is missing.
#[derive(Debug)]
pub struct RecordStage<E: Event, C> {
    name: String,
    subscriber: Subscriber<E>,
    books: Arc<Books>,
    tape: Tape<E>,
    clock: C,
    framing: Framing,
    /// When the records that wait for more were first seen.
    waiting_since_ns: Option<u64>,
    finished: bool,
}

/// The journal with what it lacks.
#[derive(Debug)]
struct Tape<E> {
    /// Gone once the journal is closed.
    writer: Option<Writer<E>>,
    counters: Arc<JournalCounters>,
    identity: Identity,
    directory: PathBuf,
    first: Sequence,
    recovery: Recovery,
    /// Records that are in the journal.
    written: u64,
    losses: Vec<NotJournaled>,
    not_listed: u64,
    /// What was dropped since the journal could last be written.
    dropped: Option<Gap>,
    /// When writing last failed.
    failed_at_ns: Option<u64>,
    /// The first thing that went wrong, and how often something did.
    failure: Option<io::Error>,
    failures: u64,
}

/// What is left of a [`RecordStage`] that has ended.
#[derive(Debug)]
pub struct RecordOutcome {
    /// The journal's directory.
    pub directory: PathBuf,
    /// The journal's names and id.
    pub identity: Identity,
    /// The first sequence that was the stage's to write.
    pub first: Sequence,
    /// What was found when the journal was opened.
    pub recovery: Recovery,
    /// Its part of the loss ledger.
    pub account: JournalAccount,
    /// What the writer counted.
    pub counters: Arc<JournalCounters>,
    /// The first failure to write, if there was one.
    pub failure: Option<io::Error>,
    /// How often writing failed, attempts to go on included.
    pub failures: u64,
}

impl<E: Event, C: Clock> RecordStage<E, C> {
    /// Makes a stage. The subscription begins with the number that the journal goes on with.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for a framing that cannot work.
    ///
    /// # Panics
    ///
    /// When the subscription begins with another number.
    pub fn new(
        name: impl Into<String>,
        subscriber: Subscriber<E>,
        writer: Writer<E>,
        clock: C,
        framing: Framing,
    ) -> Result<Self> {
        framing.check()?;
        let books = subscriber.books();
        assert_eq!(
            books.given.first.get(),
            writer.next_sequence().get(),
            "a journal goes on where it ended"
        );
        Ok(Self {
            name: name.into(),
            subscriber,
            books,
            tape: Tape {
                counters: writer.counters(),
                identity: writer.identity().clone(),
                directory: writer.directory().to_owned(),
                first: writer.next_sequence(),
                recovery: writer.recovery(),
                writer: Some(writer),
                written: 0,
                losses: Vec::with_capacity(LOSSES_MAX),
                not_listed: 0,
                dropped: None,
                failed_at_ns: None,
                failure: None,
                failures: 0,
            },
            clock,
            framing,
            waiting_since_ns: None,
            finished: false,
        })
    }

    /// Returns the writer's counters, readable from any thread.
    #[must_use]
    pub fn counters(&self) -> Arc<JournalCounters> {
        Arc::clone(&self.tape.counters)
    }

    /// Returns the books of the subscription.
    pub(crate) fn books(&self) -> Arc<Books> {
        Arc::clone(&self.books)
    }

    /// Takes the stage apart. Call it after the publisher has ended too, or the account is not yet
    /// final.
    #[must_use]
    pub fn into_outcome(self) -> RecordOutcome {
        let books = self.books.account();
        let tape = self.tape;
        RecordOutcome {
            directory: tape.directory,
            identity: tape.identity,
            first: tape.first,
            recovery: tape.recovery,
            account: JournalAccount {
                published: books.published,
                written: tape.written,
                not_journaled: tape.losses,
                not_listed: tape.not_listed,
                subscription_closes: books.closes(),
            },
            counters: tape.counters,
            failure: tape.failure,
            failures: tape.failures,
        }
    }

    /// Whether what waits is to be written now: a whole frame, or after the flush time, or at the
    /// end.
    fn is_due(&mut self, waiting: usize, now_ns: u64) -> bool {
        if waiting >= self.framing.frame_records || self.subscriber.is_abandoned() {
            return true;
        }
        let since_ns = *self.waiting_since_ns.get_or_insert(now_ns);
        // A clock that stepped back must not stop the tape.
        let waited_ns = now_ns.checked_sub(since_ns);
        waited_ns.is_none_or(|waited_ns| u128::from(waited_ns) >= self.framing.flush.as_nanos())
    }

    /// Writes at most [`FRAMES_PER_POLL`] frames. Returns how many records and overruns those took.
    fn write(&mut self, now_ns: u64) -> usize {
        let mut done = 0;
        for _ in 0..FRAMES_PER_POLL {
            match self.subscriber.ready(self.framing.frame_records) {
                Ready::Nothing => break,
                Ready::Overrun(gap) => {
                    self.tape.overrun(gap, now_ns);
                    done += 1;
                }
                Ready::Records(run) => {
                    let records = run.records();
                    done += records[0].len() + records[1].len();
                    self.tape.append(records, now_ns);
                    run.take();
                }
            }
        }
        self.waiting_since_ns = None;
        done
    }
}

impl<E: Event, C: Clock> Stage for RecordStage<E, C> {
    fn name(&self) -> &str {
        &self.name
    }

    /// Hot path: no allocation while the journal can be written, but for a new segment. Waits for
    /// the disk where the sync policy says so.
    fn poll(&mut self) -> usize {
        if self.finished {
            return 0;
        }
        let now_ns = self.clock.now_ns();
        let waiting = self.subscriber.waiting();
        let done = if waiting == 0 && !self.subscriber.is_abandoned() {
            self.tape.resume(now_ns);
            0
        } else if self.is_due(waiting, now_ns) {
            self.write(now_ns)
        } else {
            0
        };
        if let Some(writer) = &mut self.tape.writer {
            writer.sync_if_due(now_ns);
            if done == 0 {
                writer.prepare();
            }
        }
        if done == 0 && self.subscriber.is_closed() {
            self.tape.close(now_ns);
            self.finished = true;
        }
        done
    }

    fn is_finished(&self) -> bool {
        self.finished
    }
}

impl<E: Event> Tape<E> {
    fn append(&mut self, records: [&[Record<E>]; 2], now_ns: u64) {
        let count = (records[0].len() + records[1].len()) as u64;
        let Some(first) = records[0].first().map(|record| record.sequence().get()) else {
            return;
        };
        if self.resume(now_ns) {
            let Some(writer) = &mut self.writer else {
                return;
            };
            match writer.append(records, now_ns) {
                Ok(()) => {
                    self.written += count;
                    return;
                }
                Err(error) => self.failed(error, now_ns),
            }
        }
        self.drop_numbers(first, first + count - 1);
    }

    /// Notes what the ring had no room for, in the ledger and in the tape.
    fn overrun(&mut self, gap: Gap, now_ns: u64) {
        if self.resume(now_ns) {
            let Some(writer) = &mut self.writer else {
                return;
            };
            match writer.append_gap(gap, now_ns, now_ns) {
                Ok(()) => return self.list(gap.first, gap.last, GapCause::Overrun),
                Err(error) => self.failed(error, now_ns),
            }
        }
        self.drop_numbers(gap.first, gap.last);
    }

    /// Returns whether the journal can be written, after trying to go on where it could not.
    fn resume(&mut self, now_ns: u64) -> bool {
        if self.dropped.is_none() {
            return self.writer.is_some();
        }
        // A clock that stepped back must not stop the tape.
        let since_ns = self
            .failed_at_ns
            .and_then(|at_ns| now_ns.checked_sub(at_ns));
        if since_ns.is_some_and(|since_ns| u128::from(since_ns) < RETRY.as_nanos()) {
            return false;
        }
        match self.go_on(now_ns) {
            Ok(()) => true,
            Err(error) => {
                self.failed(error, now_ns);
                false
            }
        }
    }

    /// Writes the gap of what was dropped, to a new segment where the old one was removed.
    fn go_on(&mut self, now_ns: u64) -> io::Result<()> {
        let (Some(mut gap), Some(writer)) = (self.dropped, &mut self.writer) else {
            return Ok(());
        };
        if let Some((first, last)) = writer.removed(now_ns).map_err(io::Error::other)? {
            gap.first = first.get();
            self.dropped = Some(gap);
            self.forget(first, last);
        }
        if let Some(writer) = &mut self.writer {
            writer.append_gap(gap, now_ns, now_ns)?;
        }
        self.dropped = None;
        self.list(gap.first, gap.last, GapCause::NotJournaled);
        Ok(())
    }

    /// Takes back what was counted as written, or listed, of numbers that were removed: the last
    /// ones that the tape had.
    fn forget(&mut self, first: Sequence, last: Sequence) {
        let first = first.max(self.first);
        let mut written = (last.get() + 1).saturating_sub(first.get());
        self.losses.retain_mut(|loss| {
            if loss.last < first {
                return true;
            }
            let of_loss = NotJournaled {
                first: loss.first.max(first),
                ..*loss
            };
            written = written.saturating_sub(of_loss.count());
            loss.last = Sequence::new(of_loss.first.get() - 1);
            loss.first < of_loss.first
        });
        self.written = self.written.saturating_sub(written);
    }

    fn failed(&mut self, error: io::Error, now_ns: u64) {
        self.failures += 1;
        self.failure.get_or_insert(error);
        self.failed_at_ns = Some(now_ns);
    }

    fn drop_numbers(&mut self, first: u64, last: u64) {
        let first = self.dropped.map_or(first, |gap| gap.first);
        self.dropped = Some(Gap {
            first,
            last,
            cause: GapCause::NotJournaled,
            feed: 0,
        });
    }

    fn list(&mut self, first: u64, last: u64, cause: GapCause) {
        let loss = NotJournaled {
            // What an earlier run wrote is in its own ledger.
            first: Sequence::new(first).max(self.first),
            last: Sequence::new(last),
            cause,
        };
        if let Some(before) = self.losses.last_mut()
            && before.last.next() == loss.first
            && before.cause == cause
        {
            before.last = loss.last;
        } else if self.losses.len() < LOSSES_MAX {
            self.losses.push(loss);
        } else {
            self.not_listed += loss.count();
        }
    }

    /// Ends the journal in good order, as far as it goes.
    fn close(&mut self, now_ns: u64) {
        self.failed_at_ns = None;
        if !self.resume(now_ns)
            && let Some(gap) = self.dropped.take()
        {
            self.list(gap.first, gap.last, GapCause::NotJournaled);
        }
        if let Some(writer) = self.writer.take()
            && let Err(error) = writer.close()
        {
            self.failed(error, now_ns);
        }
    }
}
