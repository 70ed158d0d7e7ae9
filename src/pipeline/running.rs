//! Owns a pipeline while it runs, and the way to its report.

use super::attach::{Close, Collect, close_journal};
use super::{CoreReport, ReceiverReport, Report};
use crate::clock::SystemClock;
use crate::journal::JournalCounters;
use crate::net::{NetCounters, StreamCounters};
use crate::record::{Event, Sequence};
use crate::runtime::{self, Ended};
use crate::stage::{IngestCounters, IngestStage};
use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

/// A pipeline whose threads are polling. Dropping it stops them and waits for them.
#[derive(Debug)]
pub struct Running<E> {
    pub(super) threads: runtime::Running,
    /// For each stage in the order of the threads: its index as planned. 0 is ingest, then the
    /// subscribers, then the journal if there is one, then those of other buses, then the user's
    /// own stages.
    pub(super) order: Vec<usize>,
    pub(super) collectors: Vec<Collect>,
    pub(super) cores: Vec<CoreReport>,
    pub(super) ingest: Arc<IngestCounters>,
    pub(super) net: Arc<NetCounters>,
    pub(super) streams: Arc<[StreamCounters]>,
    pub(super) first: Sequence,
    pub(super) journal: Option<Arc<JournalCounters>>,
    pub(super) other_journals: Vec<Close>,
    pub(super) receiver: ReceiverReport,
    pub(super) feeds: usize,
    pub(super) event: PhantomData<fn() -> E>,
}

impl<E: Event> Running<E> {
    /// Returns which core runs what.
    #[must_use]
    pub fn cores(&self) -> &[CoreReport] {
        &self.cores
    }

    /// Returns the receiver's counters, which go on counting.
    #[must_use]
    pub fn net(&self) -> &NetCounters {
        &self.net
    }

    /// Returns the counters of the stream lines, which go on counting.
    #[must_use]
    pub fn streams(&self) -> &[StreamCounters] {
        &self.streams
    }

    /// Returns whether every feed is over, and one or more because the venue rejected them.
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        let rejected = self.ingest.feeds_rejected.get();
        rejected > 0 && rejected + self.ingest.feeds_ended.get() == self.feeds as u64
    }

    /// Returns the number of the first record: 1, or the one after the journal's last.
    #[must_use]
    pub fn first(&self) -> Sequence {
        self.first
    }

    /// Returns what the journal's writer has counted so far, where there is a journal.
    #[must_use]
    pub fn journal(&self) -> Option<&JournalCounters> {
        self.journal.as_deref()
    }

    /// Returns how often a lossless subscriber has made the feeds wait.
    #[must_use]
    pub fn waits(&self) -> u64 {
        self.ingest.waits.get()
    }

    /// Returns what receives, and where.
    #[must_use]
    pub fn receiver(&self) -> &ReceiverReport {
        &self.receiver
    }

    /// Returns whether every stage has ended by itself.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.threads.is_finished()
    }

    /// Returns whether the venue of every feed has ended its session.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ingest.feeds_ended.get() == self.feeds as u64
    }

    /// Asks for the end: reception stops, open holes are published as gaps, every ring is
    /// drained. Returns at once.
    pub fn stop(&self) {
        self.threads.stop();
    }

    /// Waits for the end and returns the report. Without a [`stop`](Self::stop) before it, that
    /// can be never.
    #[must_use]
    pub fn join(self) -> Report {
        let mut stages: Vec<(usize, Ended)> = self
            .order
            .iter()
            .copied()
            .zip(self.threads.join())
            .collect();
        stages.sort_by_key(|(index, _)| *index);
        let mut stages = stages.into_iter().map(|(_, ended)| ended);
        let mut report = Report::new(self.net, self.streams, self.receiver, self.cores);

        match stages.next() {
            Some(Ok(stage)) => {
                let stage: Box<dyn Any> = stage;
                let ingest = stage
                    .downcast::<IngestStage<E, SystemClock>>()
                    .expect("invariant: the first stage is the ingest stage of this pipeline");
                report.take_ingest(&ingest.into_outcome());
            }
            Some(Err(error)) => report.errors.push(error),
            None => {}
        }
        for (&collect, ended) in self.collectors.iter().zip(&mut stages) {
            match ended {
                Ok(stage) => report.take_handler(collect(stage)),
                Err(error) => {
                    report.errors.push(error);
                    report.handlers.push(None);
                }
            }
        }
        if self.journal.is_some() {
            match stages.next() {
                Some(Ok(stage)) => report.journal = Some(close_journal::<E>(stage)),
                Some(Err(error)) => report.errors.push(error),
                None => {}
            }
        }
        for (&close, ended) in self.other_journals.iter().zip(&mut stages) {
            match ended {
                Ok(stage) => report.other_journals.push(close(stage)),
                Err(error) => report.errors.push(error),
            }
        }
        report.errors.extend(stages.filter_map(Result::err));
        report
    }
}
