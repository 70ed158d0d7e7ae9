//! Owns the other way in: the records of a journal, given to the same handlers as live.
//!
//! A replay runs on the caller's thread and gives a handler what the journal has, in its order:
//! events, the feeds' gaps, session marks and dead letters, and as gaps also what the recorder
//! itself had to leave out. Several journals are merged by receive time.
//!
//! * Equal digests prove that two runs were given the same, live or replayed, at whatever speed.
//!   Two halves joined at a sequence digest like the whole if the second goes on from the digest
//!   of the first ([`Replay::continuing`]).
//! * [`At::end_of_batch`](crate::handler::At::end_of_batch) is true where the next record has
//!   another receive time, or is in another frame: live it depends on what waits in the ring, and
//!   that is not recorded.
//! * Damage ends a replay with an error that names the place. Nothing is skipped.
//!
//! Does not write journals, and knows nothing of rings and threads (`pipeline`).

mod give;
mod pace;
mod playback;
mod tape;

use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};
use crate::handler::Handler;
use crate::journal::Journal;
use crate::record::{Digest, Event, Sequence};
use crate::wait::{Idle, WaitStrategy};
use std::fmt;
use std::path::Path;
use std::time::Duration;

pub use pace::Speed;
pub use playback::{Mark, Outcome, Playback};
use tape::Tape;

/// How long [`Replay::run`] waits for a handler that is not ready.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A place in a journal, to begin or to end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The record with this number of ours.
    Sequence(Sequence),
    /// A receive time in UNIX nanoseconds. To begin with: the first record of the journal that was
    /// received then or later. To end with: all records before the first that was received later.
    Time(u64),
}

/// What is to be replayed, and how.
///
/// # Examples
///
/// ```
/// use ringtape::handler::{At, Handler};
/// use ringtape::journal::{Config, Writer};
/// use ringtape::market::MarketEvent;
/// use ringtape::record::{Gap, GapCause, Record, Sequence};
/// use ringtape::replay::Replay;
///
/// #[derive(Default)]
/// struct Missing(u64);
///
/// impl Handler<MarketEvent> for Missing {
///     fn on_event(&mut self, _: &MarketEvent, _: At) {}
///     fn on_gap(&mut self, gap: Gap) {
///         self.0 += gap.count();
///     }
/// }
///
/// let directory = std::env::temp_dir().join(format!("ringtape-replay-{}", std::process::id()));
/// let mut writer = Writer::<MarketEvent>::open(Config::new(&directory), 0)?;
/// let gap = Gap { first: 7, last: 9, cause: GapCause::Absent, feed: 1 };
/// writer.append([&[Record::gap(Sequence::FIRST, 1_000, gap)], &[]], 0)?;
/// writer.close()?;
///
/// let outcome = Replay::<MarketEvent>::open(&directory)?.run("missing", Missing::default())?;
/// assert_eq!(outcome.handler.map(|missing| missing.0), Some(3));
/// # std::fs::remove_dir_all(directory)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Replay<E, C = SystemClock> {
    journals: Vec<Journal<E>>,
    from: Option<Place>,
    to: Option<Place>,
    speed: Speed,
    clock: C,
    wait: WaitStrategy,
    filter: Option<Filter<E>>,
    verifies: bool,
    digest: Option<Digest>,
    ready_within: Duration,
}

/// Which events are given to the handler.
struct Filter<E>(Box<dyn FnMut(&E) -> bool>);

impl<E> fmt::Debug for Filter<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Filter")
    }
}

impl<E: Event> Replay<E> {
    /// Replays one journal: all of it, as fast as the handler takes it.
    ///
    /// # Errors
    ///
    /// What [`Journal::open`] gives.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self> {
        Self::merge([directory])
    }

    /// Replays several journals as one, by receive time. Of records received at the same time,
    /// those of the journal that is named first come first; each journal keeps its own order, so a
    /// record whose time steps back comes right behind the one before it.
    ///
    /// A handler cannot tell one journal's sequences from another's: give feeds different numbers.
    ///
    /// # Errors
    ///
    /// What [`Journal::open`] gives, and [`Error::Config`] for no journal, for one that is named
    /// twice, and for parts of one journal that overlap.
    pub fn merge<P: AsRef<Path>>(directories: impl IntoIterator<Item = P>) -> Result<Self> {
        let journals = directories
            .into_iter()
            .map(|directory| Journal::open(directory.as_ref()))
            .collect::<Result<Vec<_>>>()?;
        if journals.is_empty() {
            return Err(Error::config("a replay of no journal", "name one"));
        }
        check_apart(&journals)?;
        Ok(Self {
            journals,
            from: None,
            to: None,
            speed: Speed::Max,
            clock: SystemClock,
            wait: WaitStrategy::default(),
            filter: None,
            verifies: true,
            digest: Some(Digest::new()),
            ready_within: READY_WITHIN,
        })
    }
}

impl<E: Event, C: Clock> Replay<E, C> {
    /// Begins with `place`. What a gap of the recorder's own covers begins with that gap.
    #[must_use]
    pub fn from(mut self, place: Place) -> Self {
        self.from = Some(place);
        self
    }

    /// Ends with `place`, which is given too.
    #[must_use]
    pub fn to(mut self, place: Place) -> Self {
        self.to = Some(place);
        self
    }

    /// Sets the speed; at [`Speed::Max`] no clock is read.
    #[must_use]
    pub fn speed(mut self, speed: Speed) -> Self {
        self.speed = speed;
        self
    }

    /// Keeps time by another clock than the machine's.
    #[must_use]
    pub fn clock<D: Clock>(self, clock: D) -> Replay<E, D> {
        Replay {
            clock,
            journals: self.journals,
            from: self.from,
            to: self.to,
            speed: self.speed,
            wait: self.wait,
            filter: self.filter,
            verifies: self.verifies,
            digest: self.digest,
            ready_within: self.ready_within,
        }
    }

    /// Sets what [`run`](Self::run) does while no record is due.
    #[must_use]
    pub fn wait(mut self, strategy: WaitStrategy) -> Self {
        self.wait = strategy;
        self
    }

    /// Gives the handler only events for which `wanted` is true. Gaps, session marks and dead
    /// letters always pass: what is missing may be of any kind. The digest is of what is given.
    #[must_use]
    pub fn filter(mut self, wanted: impl FnMut(&E) -> bool + 'static) -> Self {
        self.filter = Some(Filter(Box::new(wanted)));
        self
    }

    /// Leaves out the checksums of the records; those of the frames' headers are compared all the
    /// same. For a journal that was verified, and a handler faster than the checksum.
    #[must_use]
    pub fn without_verification(mut self) -> Self {
        self.verifies = false;
        self
    }

    /// Leaves out the digest, which costs more than a short handler.
    #[must_use]
    pub fn without_digest(mut self) -> Self {
        self.digest = None;
        self
    }

    /// Lets the digest go on from that of another run: of the records before these.
    #[must_use]
    pub fn continuing(mut self, digest: Digest) -> Self {
        self.digest = Some(digest);
        self
    }

    /// Sets how long [`run`](Self::run) waits for a handler that is not ready
    /// ([`Handler::is_ready`]); a minute unless told. Whoever the handler waits for has to run on
    /// another thread.
    #[must_use]
    pub fn ready_within(mut self, patience: Duration) -> Self {
        self.ready_within = patience;
        self
    }

    /// Returns the journals, in the order in which they were named.
    #[must_use]
    pub fn journals(&self) -> &[Journal<E>] {
        &self.journals
    }

    /// Replays to the end. `name` stands for the handler in errors.
    ///
    /// # Errors
    ///
    /// What [`start`](Self::start) and [`Playback::poll`] give, and [`Error::HandlerNotReady`] for
    /// a handler that was not ready for longer than [`ready_within`](Self::ready_within). The
    /// handler is gone then; who wants to know how far it came starts and polls.
    pub fn run<H: Handler<E>>(self, name: impl Into<String>, handler: H) -> Result<Outcome<H>> {
        let mut idle = Idle::new(self.wait);
        let patience_ns = self.ready_within.as_nanos();
        let mut playback = self.start(name, handler)?;
        let mut waits_since_ns: Option<u64> = None;
        let ended = loop {
            match playback.poll() {
                Ok(_) if playback.is_finished() => break Ok(()),
                Ok(work) => idle.after(work),
                Err(error) => break Err(error),
            }
            if !playback.waits() {
                waits_since_ns = None;
                continue;
            }
            // By the machine's clock, whatever the replay keeps time by: it is somebody on another
            // thread who is waited for.
            let now_ns = SystemClock.now_ns();
            let since_ns = *waits_since_ns.get_or_insert(now_ns);
            if u128::from(now_ns.saturating_sub(since_ns)) >= patience_ns {
                break Err(playback.not_ready(now_ns.saturating_sub(since_ns)));
            }
        };
        let outcome = playback.into_outcome();
        ended.map(|()| outcome)
    }

    /// Calls the handler's `on_start` and leaves it to the caller to poll: for those who show
    /// progress, stop before the end or have something else to do while no record is due.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for a place before the beginning, past the end or inside a gap, and for a
    /// range that ends before it begins (one between whose times nothing was received is just
    /// empty); [`Error::HandlerPanicked`]; what a journal's
    /// [`Reader::next`](crate::journal::Reader::next) gives.
    pub fn start<H: Handler<E>>(
        self,
        name: impl Into<String>,
        handler: H,
    ) -> Result<Playback<E, H, C>> {
        if self.speed == (Speed::Times { e3: 0 }) {
            return Err(Error::config(
                "a replay at 0 times the recorded speed",
                "use at least a thousandth of it",
            ));
        }
        tape::check_range(&self.journals, self.from, self.to)?;
        let tapes = self
            .journals
            .iter()
            .map(|journal| Tape::open(journal, self.from, self.to, self.verifies))
            .collect::<Result<Vec<_>>>()?;
        Playback::start(name.into(), handler, tapes, self)
    }
}

/// Sees that no record is in two of the journals.
fn check_apart<E: Event>(journals: &[Journal<E>]) -> Result<()> {
    for (place, journal) in journals.iter().enumerate() {
        for other in &journals[..place] {
            if journal.identity().id != other.identity().id {
                continue;
            }
            let (first, end) = (journal.first(), journal.end()?);
            let (other_first, other_end) = (other.first(), other.end()?);
            // The first is compared too: two that are empty still begin at one place.
            if first == other_first || (first < other_end && other_first < end) {
                return Err(Error::config(
                    format!(
                        "{} and {} are the same journal, with the records {first} to {} in both",
                        other.directory().display(),
                        journal.directory().display(),
                        end.min(other_end).get().saturating_sub(1).max(first.get()),
                        first = first.max(other_first),
                    ),
                    "name one of them, or parts that do not overlap",
                ));
            }
        }
    }
    Ok(())
}
