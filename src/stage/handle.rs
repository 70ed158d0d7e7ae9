//! Owns the stage that gives a subscriber's records to a handler.

use super::Stage;
use crate::bus::{Account, Books, Delivery, Subscriber};
use crate::clock::Clock;
use crate::error::{Error, panic_message};
use crate::handler::{At, Handler};
use crate::latency::{Latency, Readings};
use crate::record::{Content, Digest, Event, GapCause, Record};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Records handed to a handler before other stages of the same core get their turn.
const RECORDS_PER_POLL: usize = 256;

/// How often a handler was called for what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// `on_event`.
    pub events: u64,
    /// `on_gap` for what a feed lost.
    pub gaps: u64,
    /// `on_gap` for what this subscriber's own ring had no room for.
    pub overruns: u64,
    /// `on_session`.
    pub sessions: u64,
    /// `on_dead_letter`.
    pub dead_letters: u64,
    /// Records of a kind that this version does not know, given to nobody.
    pub invalid: u64,
}

/// A handler with its subscription. Ends when the bus has ended and every record is delivered, or
/// when the handler panics.
#[derive(Debug)]
pub struct HandleStage<E: Event, H, C> {
    name: String,
    /// Gone once the handler has panicked, so that the publisher sees nobody is there.
    subscriber: Option<Subscriber<E>>,
    books: Arc<Books>,
    state: State,
    run: Run<H, C>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Finished,
}

/// What a delivery touches, apart from the ring it is in.
#[derive(Debug)]
struct Run<H, C> {
    handler: H,
    clock: C,
    latency: Option<Latency>,
    digest: Digest,
    tally: Tally,
    /// The record being handled, for the report of a panic.
    current: u64,
    panicked: Option<String>,
}

/// What is left of a [`HandleStage`] that has ended.
#[derive(Debug)]
pub struct HandleOutcome<H> {
    /// The subscriber's name.
    pub name: String,
    /// The handler, unless it panicked.
    pub handler: Option<H>,
    /// Its part of the loss ledger.
    pub account: Account,
    /// How often it was called.
    pub tally: Tally,
    /// What it was given.
    pub digest: Digest,
    /// How long that took, where measured.
    pub latency: Option<Latency>,
    /// How it panicked, if it did.
    pub error: Option<Error>,
}

impl<E: Event, H: Handler<E>, C: Clock> HandleStage<E, H, C> {
    /// Makes a stage; with `measure`, every record's latency is recorded at the cost of one clock
    /// reading each.
    pub fn new(
        name: impl Into<String>,
        subscriber: Subscriber<E>,
        handler: H,
        clock: C,
        measure: bool,
    ) -> Self {
        Self {
            name: name.into(),
            books: subscriber.books(),
            subscriber: Some(subscriber),
            state: State::Running,
            run: Run {
                handler,
                clock,
                latency: measure.then(Latency::default),
                digest: Digest::new(),
                tally: Tally::default(),
                current: 0,
                panicked: None,
            },
        }
    }

    /// Takes the stage apart. Call it after the publisher has ended too, or the account is not
    /// yet final.
    #[must_use]
    pub fn into_outcome(self) -> HandleOutcome<H> {
        let Run {
            handler,
            latency,
            digest,
            tally,
            current,
            panicked,
            ..
        } = self.run;
        let error = panicked.map(|message| Error::HandlerPanicked {
            name: self.name.clone(),
            sequence: current,
            message,
        });
        let handler = match &error {
            None => Some(handler),
            Some(_) => {
                // A handler that has panicked may panic again as it goes; the report has the first.
                _ = catch_unwind(AssertUnwindSafe(|| drop(handler)));
                None
            }
        };
        HandleOutcome {
            name: self.name,
            handler,
            account: self.books.account(),
            tally,
            digest,
            latency,
            error,
        }
    }

    /// Runs `call` and ends this subscription, and nothing else, if it panics.
    fn contain<R>(&mut self, call: impl FnOnce(&mut Self) -> R) -> Option<R> {
        // Unwind safety: after a panic the handler is never called again and never handed out.
        match catch_unwind(AssertUnwindSafe(|| call(self))) {
            Ok(value) => Some(value),
            Err(payload) => {
                self.run.panicked = Some(panic_message(payload.as_ref()));
                self.subscriber = None;
                self.state = State::Finished;
                None
            }
        }
    }
}

impl<E: Event, H: Handler<E>, C: Clock> Stage for HandleStage<E, H, C> {
    fn name(&self) -> &str {
        &self.name
    }

    fn start(&mut self) -> crate::error::Result<()> {
        self.contain(|stage| stage.run.handler.on_start());
        Ok(())
    }

    /// Hot path: no allocation, no system call; the handler's own calls are the handler's.
    fn poll(&mut self) -> usize {
        if self.state == State::Finished {
            return 0;
        }
        self.contain(|stage| {
            let (Some(subscriber), run) = (&mut stage.subscriber, &mut stage.run) else {
                return 0;
            };
            let deliveries =
                subscriber.poll(RECORDS_PER_POLL, |delivery| run.deliver::<E>(delivery));
            if deliveries == 0 && subscriber.is_closed() {
                stage.state = State::Finished;
                run.handler.on_stop();
            }
            deliveries
        })
        .unwrap_or(0)
    }

    fn is_finished(&self) -> bool {
        self.state == State::Finished
    }
}

impl<H, C: Clock> Run<H, C> {
    fn deliver<E: Event>(&mut self, delivery: Delivery<'_, E>)
    where
        H: Handler<E>,
    {
        match delivery {
            Delivery::Record {
                record,
                passage,
                end_of_batch,
            } => {
                self.current = record.sequence().get();
                if let Some(latency) = &mut self.latency {
                    let handler_ns = self.clock.now_ns();
                    let wire_ns = record.ts_recv_ns();
                    match passage {
                        Some(passage) => latency.record(Readings {
                            wire_ns,
                            seen_ns: passage.seen_ns,
                            published_ns: passage.published_ns,
                            handler_ns,
                        }),
                        None => latency.wire_to_handler.record(wire_ns, handler_ns),
                    }
                }
                self.digest.record(record);
                self.dispatch(record, end_of_batch);
            }
            Delivery::Overrun(gap) => {
                self.current = gap.first;
                self.digest.overrun::<E>(gap);
                self.tally.overruns += 1;
                self.handler.on_gap(gap);
            }
        }
    }

    fn dispatch<E: Event>(&mut self, record: &Record<E>, end_of_batch: bool)
    where
        H: Handler<E>,
    {
        let (sequence, ts_recv_ns) = (record.sequence(), record.ts_recv_ns());
        let at = At {
            sequence,
            ts_recv_ns,
            end_of_batch,
        };
        match record.content() {
            Content::Event(event) => {
                self.tally.events += 1;
                self.handler.on_event(event, at);
            }
            Content::Gap(gap) => {
                let overrun = gap.cause == GapCause::Overrun;
                let count = if overrun {
                    &mut self.tally.overruns
                } else {
                    &mut self.tally.gaps
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
            Content::Invalid => self.tally.invalid += 1,
        }
    }
}
