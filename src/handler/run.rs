//! Owns a handler's run, live and in replay alike: which of its methods a record calls, what is
//! counted and digested on the way, and what becomes of a panic.

use super::{At, Handler};
use crate::error::{Error, panic_message};
use crate::record::{Content, Digest, Event, Gap, GapCause, Kind, Record};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How often a handler was called for what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// `on_event`.
    pub events: u64,
    /// `on_gap` for what a feed lost.
    pub gaps: u64,
    /// `on_gap` for what a ring had no room for: this subscriber's own, or the recorder's.
    pub overruns: u64,
    /// `on_gap` for what a journal could not be written. Only in replay.
    pub not_journaled: u64,
    /// `on_session`.
    pub sessions: u64,
    /// `on_dead_letter`.
    pub dead_letters: u64,
    /// Records of a kind that this version does not know, given to nobody.
    pub invalid: u64,
}

impl Tally {
    /// Returns how many records these are: one for each call, and those that nobody was given.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.events
            + self.gaps
            + self.overruns
            + self.not_journaled
            + self.sessions
            + self.dead_letters
            + self.invalid
    }
}

/// A handler that is being given records.
#[derive(Debug)]
pub(crate) struct Run<H> {
    handler: H,
    digest: Digest,
    tally: Tally,
    /// The record being handled, for the report of a panic.
    current: u64,
    panicked: Option<String>,
}

/// What is left of a run.
#[derive(Debug)]
pub(crate) struct Ran<H> {
    /// The handler, unless it panicked.
    pub(crate) handler: Option<H>,
    pub(crate) digest: Digest,
    pub(crate) tally: Tally,
    /// How it panicked, if it did.
    pub(crate) error: Option<Error>,
}

impl<H> Run<H> {
    /// Begins a run whose digest goes on from `digest`.
    pub(crate) fn new(handler: H, digest: Digest) -> Self {
        Self {
            handler,
            digest,
            tally: Tally::default(),
            current: 0,
            panicked: None,
        }
    }

    /// Makes `call`, which may call the handler, and returns nothing if that panics: the handler
    /// must not be called again.
    pub(crate) fn contain<R>(&mut self, call: impl FnOnce(&mut Self) -> R) -> Option<R> {
        // Unwind safety: after a panic the handler is never called again and never handed out.
        match catch_unwind(AssertUnwindSafe(|| call(self))) {
            Ok(value) => Some(value),
            Err(payload) => {
                self.panicked = Some(panic_message(payload.as_ref()));
                None
            }
        }
    }

    pub(crate) fn start<E: Event>(&mut self)
    where
        H: Handler<E>,
    {
        self.handler.on_start();
    }

    pub(crate) fn stop<E: Event>(&mut self)
    where
        H: Handler<E>,
    {
        self.handler.on_stop();
    }

    /// Asks the handler whether it can take a record, or can end after its stop.
    #[inline]
    pub(crate) fn is_ready<E: Event>(&mut self) -> bool
    where
        H: Handler<E>,
    {
        self.handler.is_ready()
    }

    /// Asks the handler how many records ahead it wants to be shown.
    #[inline]
    pub(crate) fn look_ahead<E: Event>(&self) -> usize
    where
        H: Handler<E>,
    {
        self.handler.look_ahead()
    }

    /// Shows the handler records that will be given next.
    #[inline]
    pub(crate) fn ahead<E: Event>(&mut self, records: &[Record<E>])
    where
        H: Handler<E>,
    {
        if let Some(first) = records.first() {
            self.current = first.sequence().get();
            self.handler.on_ahead(records);
        }
    }

    /// Asks the handler whether the latency of a record counts that was received then.
    #[inline]
    pub(crate) fn is_measured<E: Event>(&self, ts_recv_ns: u64) -> bool
    where
        H: Handler<E>,
    {
        self.handler.is_measured(ts_recv_ns)
    }

    /// Gives the handler a record, and adds it to the digest.
    #[inline]
    pub(crate) fn record<E: Event>(&mut self, record: &Record<E>, end_of_batch: bool)
    where
        H: Handler<E>,
    {
        self.digest.record(record);
        self.dispatch(record, end_of_batch);
    }

    /// Tells the handler what its own ring had no room for.
    pub(crate) fn overrun<E: Event>(&mut self, gap: Gap)
    where
        H: Handler<E>,
    {
        self.current = gap.first;
        self.digest.overrun::<E>(gap);
        self.tally.overruns += 1;
        self.handler.on_gap(gap);
    }

    /// Gives the handler a record, and leaves the digest as it is.
    #[inline]
    pub(crate) fn dispatch<E: Event>(&mut self, record: &Record<E>, end_of_batch: bool)
    where
        H: Handler<E>,
    {
        let sequence = record.sequence();
        self.current = sequence.get();
        // Nearly all are events. One well-predicted comparison, where a match over all kinds is an
        // indirect jump; `cargo bench --bench replay` shows it.
        if record.kind() != Some(Kind::Event) {
            return self.dispatch_rare(record, end_of_batch);
        }
        if let Content::Event(event) = record.content() {
            self.tally.events += 1;
            let at = At {
                sequence,
                ts_recv_ns: record.ts_recv_ns(),
                end_of_batch,
            };
            self.handler.on_event(event, at);
        }
    }

    #[cold]
    fn dispatch_rare<E: Event>(&mut self, record: &Record<E>, end_of_batch: bool)
    where
        H: Handler<E>,
    {
        let at = At {
            sequence: record.sequence(),
            ts_recv_ns: record.ts_recv_ns(),
            end_of_batch,
        };
        match record.content() {
            Content::Gap(gap) => {
                let count = match gap.cause {
                    GapCause::Overrun => &mut self.tally.overruns,
                    GapCause::NotJournaled => &mut self.tally.not_journaled,
                    _ => &mut self.tally.gaps,
                };
                *count += 1;
                self.handler.on_gap(gap);
            }
            Content::Session(session) => {
                self.tally.sessions += 1;
                self.handler.on_session(&session, at);
            }
            Content::DeadLetter(letter) => {
                self.tally.dead_letters += 1;
                self.handler.on_dead_letter(letter, at);
            }
            Content::Event(_) | Content::Invalid => self.tally.invalid += 1,
        }
    }

    /// Returns how often the handler was called so far.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Returns the panic of the handler that `name` is known by, if there was one.
    pub(crate) fn panic(&self, name: &str) -> Option<Error> {
        let message = self.panicked.clone()?;
        Some(Error::HandlerPanicked {
            name: name.to_owned(),
            sequence: self.current,
            message,
        })
    }

    /// Takes the run of the handler that `name` is known by apart.
    pub(crate) fn into_ran(self, name: &str) -> Ran<H> {
        let error = self.panic(name);
        let Self {
            handler,
            digest,
            tally,
            ..
        } = self;
        let handler = match &error {
            None => Some(handler),
            Some(_) => {
                // A handler that has panicked may panic again as it goes; the report has the first.
                _ = catch_unwind(AssertUnwindSafe(|| drop(handler)));
                None
            }
        };
        Ran {
            handler,
            digest,
            tally,
            error,
        }
    }
}
