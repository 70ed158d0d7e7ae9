//! Owns a replay while it runs, and what is left of it.

use super::give::give;
use super::pace::{Pace, Speed};
use super::tape::Tape;
use super::{Filter, Replay};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::handler::{Handler, Ran, Run, Tally};
use crate::record::{Digest, Event, Record, Sequence};
use std::time::Duration;

/// A replay that runs whenever it is polled, on the thread that polls it.
///
/// # Examples
///
/// ```no_run
/// use ringtape::handler::{At, Handler};
/// use ringtape::market::MarketEvent;
/// use ringtape::record::Gap;
/// use ringtape::replay::{Replay, Speed};
///
/// struct Strategy;
/// impl Handler<MarketEvent> for Strategy {
///     fn on_event(&mut self, _: &MarketEvent, _: At) {}
///     fn on_gap(&mut self, _: Gap) {}
/// }
///
/// let replay = Replay::<MarketEvent>::open("tape/")?.speed(Speed::REAL_TIME);
/// let mut playback = replay.start("strategy", Strategy)?;
/// while !playback.is_finished() {
///     if playback.poll()? == 0 {
///         std::thread::sleep(std::time::Duration::from_nanos(playback.due_in_ns()));
///     }
/// }
/// println!("{} events", playback.tally().events);
/// # Ok::<(), ringtape::error::Error>(())
/// ```
#[derive(Debug)]
pub struct Playback<E: Event, H, C> {
    name: String,
    run: Run<H>,
    tapes: Vec<Tape<E>>,
    /// Whether records can be given where they lie: there is nothing to wait for.
    lends: bool,
    pace: Pace<C>,
    filter: Option<Filter<E>>,
    digests: bool,
    passage: Passage,
    /// Records that were read and for which the handler was not ready. Copies: the file may become
    /// shorter while they wait.
    rest: Vec<Record<E>>,
    state: State,
    /// Whether the handler was not ready when it was last asked.
    waits: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// The handler was stopped and is not yet ready to end.
    Stopping,
    Finished,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its number in its journal. A gap of the recorder's own covers several: the first of them
    /// where a replay begins, the last where it ends.
    pub sequence: Sequence,
    /// When it was received, UNIX nanoseconds.
    pub ts_recv_ns: u64,
}

/// What passed so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Passage {
    pub(super) first: Option<Mark>,
    pub(super) last: Option<Mark>,
    pub(super) filtered: u64,
    /// How many of the records that were read and not given were shown to the handler.
    pub(super) shown: usize,
}

/// What is left of a replay.
#[derive(Debug)]
pub struct Outcome<H> {
    /// The handler's name.
    pub name: String,
    /// The handler, unless it panicked.
    pub handler: Option<H>,
    /// How often it was called.
    pub tally: Tally,
    /// Events that the filter kept from it.
    pub filtered: u64,
    /// What it was given, unless that was left out.
    pub digest: Option<Digest>,
    /// The first record that it was given.
    pub first: Option<Mark>,
    /// The last, unless it panicked: then the last before those among which it did.
    pub last: Option<Mark>,
    /// Bytes behind the last whole frame of the journals: what a crash of the recorder tore off.
    pub torn_bytes: u64,
}

impl<E: Event, H: Handler<E>, C: Clock> Playback<E, H, C> {
    pub(super) fn start(
        name: String,
        handler: H,
        tapes: Vec<Tape<E>>,
        replay: Replay<E, C>,
    ) -> Result<Self> {
        let digests = replay.digest.is_some();
        let mut playback = Self {
            name,
            run: Run::new(handler, replay.digest.unwrap_or_default()),
            lends: tapes.len() == 1 && replay.speed == Speed::Max,
            tapes,
            pace: Pace::new(replay.speed, replay.clock),
            filter: replay.filter,
            digests,
            passage: Passage::default(),
            rest: Vec::new(),
            state: State::Running,
            waits: false,
        };
        let started = playback.run.contain(Run::start::<E>);
        match playback.unless_panicked(started) {
            Ok(()) => Ok(playback),
            Err(error) => {
                // Takes the handler apart where one more panic of it does no harm.
                drop(playback.into_outcome());
                Err(error)
            }
        }
    }

    /// Gives the handler records that are due, at most one frame's, and returns how many were read
    /// for it. Calls its `on_stop` behind the last. Never waits: returns 0 where no record is due,
    /// and while the handler is not ready ([`Handler::is_ready`]).
    ///
    /// # Errors
    ///
    /// [`HandlerPanicked`](crate::error::Error::HandlerPanicked), after which the replay is finished; what a journal's
    /// [`Reader::next`](crate::journal::Reader::next) gives, and gives again.
    pub fn poll(&mut self) -> Result<usize> {
        if self.state == State::Finished || !self.is_ready()? {
            return Ok(0);
        }
        if self.state == State::Stopping {
            self.state = State::Finished;
            return Ok(0);
        }
        let begin = self.records();
        if self.rest.is_empty() {
            self.give_next()?;
        } else {
            self.give_rest()?;
        }
        // Never more than a frame's records.
        Ok(usize::try_from(self.records() - begin).unwrap_or(usize::MAX))
    }

    fn is_ready(&mut self) -> Result<bool> {
        let ready = self.run.contain(Run::is_ready::<E>);
        let ready = self.unless_panicked(ready)?;
        self.waits = !ready;
        Ok(ready)
    }

    /// Gives what was read before the handler was not ready.
    fn give_rest(&mut self) -> Result<()> {
        let mut rest = std::mem::take(&mut self.rest);
        let (filter, passage) = (self.filter.as_mut(), &mut self.passage);
        let given = give(&mut self.run, filter, true, self.digests, passage, &rest);
        let given = self.unless_panicked(given)?;
        rest.drain(..given);
        self.rest = rest;
        Ok(())
    }

    fn give_next(&mut self) -> Result<()> {
        let records = if self.lends {
            self.tapes[0].lend()?
        } else {
            due_records(&mut self.tapes, &mut self.pace)?
        };
        let Some(records) = records else {
            return self.stop();
        };
        let (filter, passage) = (self.filter.as_mut(), &mut self.passage);
        let given = give(&mut self.run, filter, false, self.digests, passage, records);
        if let Some(given) = given {
            self.rest.extend_from_slice(&records[given..]);
        }
        self.unless_panicked(given).map(drop)
    }

    /// Ends the replay here: calls the handler's `on_stop`, unless it was called. The replay has
    /// ended when the handler is ready to, as [`poll`](Self::poll) finds out if it is not now.
    ///
    /// # Errors
    ///
    /// [`HandlerPanicked`](crate::error::Error::HandlerPanicked).
    pub fn stop(&mut self) -> Result<()> {
        if self.state != State::Running {
            return Ok(());
        }
        self.state = State::Stopping;
        self.rest.clear();
        let stopped = self.run.contain(Run::stop::<E>);
        self.unless_panicked(stopped)?;
        if self.is_ready()? {
            self.state = State::Finished;
        }
        Ok(())
    }

    /// Returns whether there is nothing more to give.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.state == State::Finished
    }

    /// Returns whether the handler was not ready when it was last asked, so that nothing was given.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.waits
    }

    /// Returns how long after the last poll the next record is due: nanoseconds, 0 at
    /// [`Speed::Max`].
    #[must_use]
    pub fn due_in_ns(&self) -> u64 {
        self.pace.due_in_ns()
    }

    /// Returns how often the handler was called so far.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        self.run.tally()
    }

    /// Returns how many records were read so far for the handler: those that it was given, and
    /// those that the filter kept from it.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.run.tally().records() + self.passage.filtered
    }

    /// Returns the last record that was given.
    #[must_use]
    pub fn last(&self) -> Option<Mark> {
        self.passage.last
    }

    /// Takes the replay apart.
    #[must_use]
    pub fn into_outcome(self) -> Outcome<H> {
        let Ran {
            handler,
            digest,
            tally,
            error: _already_returned,
        } = self.run.into_ran(&self.name);
        Outcome {
            name: self.name,
            handler,
            tally,
            filtered: self.passage.filtered,
            digest: self.digests.then_some(digest),
            first: self.passage.first,
            last: self.passage.last,
            torn_bytes: self.tapes.iter().map(Tape::torn_bytes).sum(),
        }
    }

    /// Says that the handler was not ready for too long.
    pub(super) fn not_ready(&self, waited_ns: u64) -> Error {
        Error::HandlerNotReady {
            name: self.name.clone(),
            waited: Duration::from_nanos(waited_ns),
        }
    }

    fn unless_panicked<R>(&mut self, returned: Option<R>) -> Result<R> {
        returned.ok_or_else(|| {
            self.state = State::Finished;
            self.run
                .panic(&self.name)
                .expect("invariant: nothing is returned only after a panic")
        })
    }
}

/// Returns the records that are due of the journal whose turn it is, up to where it is another's
/// turn; nothing where all have ended.
fn due_records<'a, E: Event, C: Clock>(
    tapes: &'a mut [Tape<E>],
    pace: &mut Pace<C>,
) -> Result<Option<&'a [Record<E>]>> {
    // By time, then by the order in which the journals were named.
    let (mut turn, mut rival) = (None, None);
    for (place, tape) in tapes.iter_mut().enumerate() {
        tape.fill()?;
        let Some(recv_ns) = tape.next_recv_ns() else {
            continue;
        };
        let candidate = (recv_ns, place);
        if turn.is_none_or(|turn| candidate < turn) {
            (turn, rival) = (Some(candidate), turn);
        } else if rival.is_none_or(|rival| candidate < rival) {
            rival = Some(candidate);
        }
    }
    let Some((recv_ns, place)) = turn else {
        return Ok(None);
    };
    let due_ns = pace.due(recv_ns);
    let in_turn = |recv_ns| recv_ns <= due_ns && rival.is_none_or(|rival| (recv_ns, place) < rival);
    Ok(Some(tapes[place].take(in_turn)))
}
