//! Owns the stage that gives a subscriber's records to a handler.

use super::Stage;
use crate::bus::{Account, Books, Delivery, Passage, Subscriber};
use crate::clock::Clock;
use crate::error::Error;
use crate::handler::{Handler, Ran, Run, Tally};
use crate::latency::{Exemplar, Latency, Readings, Recorder};
use crate::record::{Digest, Event, Record, Sequence};
use std::sync::Arc;

/// Records handed to a handler before other stages of the same core get their turn.
const RECORDS_PER_POLL: usize = 256;

/// A handler with its subscription. Ends when the bus has ended, every record is delivered and the
/// handler is done with them ([`Handler::is_ready`]), or when the handler panics.
#[derive(Debug)]
pub struct HandleStage<E: Event, H, C> {
    name: String,
    /// Gone once the handler has panicked, so that the publisher sees nobody is there.
    subscriber: Option<Subscriber<E>>,
    books: Arc<Books>,
    state: State,
    /// Gone once the handler has panicked: what it owns, such as the publisher of another bus, must
    /// not outlive that.
    run: Option<Run<H>>,
    /// What a panic left.
    ran: Option<Ran<H>>,
    shown: Shown,
    stopwatch: Stopwatch<C>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// The handler was stopped and is not yet ready to end.
    Stopping,
    Finished,
}

/// What measures latency, where it is wanted.
#[derive(Debug)]
struct Stopwatch<C> {
    clock: C,
    recorder: Option<Recorder>,
}

/// Which records were shown to the handler ahead.
#[derive(Debug, Default)]
struct Shown {
    /// How many of them were not given yet.
    left: usize,
    last: Sequence,
}

impl Shown {
    fn add<E: Event>(&mut self, records: &[Record<E>]) {
        self.left += records.len();
        self.last = records.last().map_or(self.last, Record::sequence);
    }

    fn take<E: Event>(&mut self, delivery: &Delivery<'_, E>) {
        match delivery {
            Delivery::Record { .. } => self.left = self.left.saturating_sub(1),
            // All were overwritten while the handler was not ready for them.
            Delivery::Overrun(gap) if gap.last >= self.last.get() => self.left = 0,
            Delivery::Overrun(_) => {}
        }
    }
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
    /// reading each, unless the handler says that it does not count ([`Handler::is_measured`]).
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
            run: Some(Run::new(handler, Digest::new())),
            ran: None,
            shown: Shown::default(),
            stopwatch: Stopwatch {
                clock,
                recorder: measure.then(Recorder::default),
            },
        }
    }

    /// Takes the stage apart. Call it after the publisher has ended too, or the account is not
    /// yet final.
    #[must_use]
    pub fn into_outcome(self) -> HandleOutcome<H> {
        let ended = self.run.map(|run| run.into_ran(&self.name));
        let Ran {
            handler,
            digest,
            tally,
            error,
        } = ended
            .or(self.ran)
            .expect("invariant: a run or what is left of it");
        HandleOutcome {
            name: self.name,
            handler,
            account: self.books.account(),
            tally,
            digest,
            latency: self.stopwatch.recorder.map(Recorder::into_latency),
            error,
        }
    }

    /// Ends this subscription, and nothing else, if its handler panicked.
    fn end_if_panicked<R>(&mut self, returned: Option<R>) -> Option<R> {
        if returned.is_none() {
            self.subscriber = None;
            self.ran = self.run.take().map(|run| run.into_ran(&self.name));
            self.state = State::Finished;
        }
        returned
    }
}

impl<E: Event, H: Handler<E>, C: Clock> Stage for HandleStage<E, H, C> {
    fn name(&self) -> &str {
        &self.name
    }

    fn start(&mut self) -> crate::error::Result<()> {
        if let Some(run) = &mut self.run {
            let started = run.contain(Run::start::<E>);
            self.end_if_panicked(started);
        }
        Ok(())
    }

    /// Gives the handler nothing while it is not ready.
    ///
    /// Hot path: no allocation, no system call; the handler's own calls are the handler's.
    fn poll(&mut self) -> usize {
        if self.state == State::Finished {
            return 0;
        }
        let (Some(subscriber), Some(run)) = (&mut self.subscriber, &mut self.run) else {
            return 0;
        };
        let (stopwatch, state) = (&mut self.stopwatch, &mut self.state);
        let shown = &mut self.shown;
        let polled = run.contain(|run| {
            if !run.is_ready::<E>() {
                return 0;
            }
            if *state == State::Stopping {
                *state = State::Finished;
                return 0;
            }
            let limit = match run.look_ahead::<E>().min(RECORDS_PER_POLL) {
                0 => RECORDS_PER_POLL,
                ahead => {
                    if shown.left == 0 {
                        subscriber.peek(ahead, |records| {
                            run.ahead(records);
                            shown.add(records);
                        });
                    }
                    // What has come since is shown before the next poll.
                    shown.left.max(1)
                }
            };
            let mut place = 0;
            let deliveries = subscriber.poll_while(limit, |delivery| {
                shown.take(&delivery);
                deliver(run, stopwatch, place, delivery);
                place += 1;
                run.is_ready::<E>()
            });
            if deliveries == 0 && subscriber.is_closed() {
                run.stop::<E>();
                *state = if run.is_ready::<E>() {
                    State::Finished
                } else {
                    State::Stopping
                };
            }
            deliveries
        });
        self.end_if_panicked(polled).unwrap_or(0)
    }

    fn is_finished(&self) -> bool {
        self.state == State::Finished
    }
}

fn deliver<E: Event, H: Handler<E>, C: Clock>(
    run: &mut Run<H>,
    stopwatch: &mut Stopwatch<C>,
    place: u64,
    delivery: Delivery<'_, E>,
) {
    match delivery {
        Delivery::Record {
            record,
            passage,
            ready_behind,
            end_of_batch,
        } => {
            if let Some(recorder) = &mut stopwatch.recorder
                && run.is_measured::<E>(record.ts_recv_ns())
            {
                let handler_ns = stopwatch.clock.now_ns();
                let readings = readings(record.ts_recv_ns(), passage, handler_ns);
                recorder.record(readings, passage.is_some(), || Exemplar {
                    sequence: record.sequence(),
                    kind: record.kind(),
                    ready_behind: ready_behind as u64,
                    place,
                    ..Exemplar::default()
                });
            }
            run.record(record, end_of_batch);
        }
        Delivery::Overrun(gap) => run.overrun::<E>(gap),
    }
}

/// Puts the readings together; without a passage those in between are the wire's.
fn readings(wire_ns: u64, passage: Option<Passage>, handler_ns: u64) -> Readings {
    let Passage {
        seen_ns,
        decoded_ns,
        published_ns,
    } = passage.unwrap_or(Passage {
        seen_ns: wire_ns,
        decoded_ns: wire_ns,
        published_ns: wire_ns,
    });
    Readings {
        wire_ns,
        seen_ns,
        decoded_ns,
        published_ns,
        handler_ns,
    }
}
