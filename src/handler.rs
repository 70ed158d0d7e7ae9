//! Owns what the user implements, and how it is called.

mod run;

use crate::record::{DeadLetter, Event, Gap, Record, Sequence, Session};

pub use run::Tally;
pub(crate) use run::{Ran, Run};

/// Where and when a record is, beside its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// Our number of the record on its bus.
    pub sequence: Sequence,
    /// UNIX nanoseconds at which the datagram was received.
    pub ts_recv_ns: u64,
    /// True on the last record that is ready now: the moment to act on what was gathered.
    pub end_of_batch: bool,
}

/// A strategy, a recorder, a monitor: whatever wants the records of a bus.
///
/// All calls come from one thread, in the order of the bus, live and in replay alike. A panic in
/// any of them ends this subscription, is reported with its name and sequence, and touches nobody
/// else.
///
/// # Examples
///
/// ```
/// use ringtape::handler::{At, Handler};
/// use ringtape::market::MarketEvent;
/// use ringtape::record::Gap;
///
/// #[derive(Default)]
/// struct Count {
///     events: u64,
///     missing: u64,
/// }
///
/// impl Handler<MarketEvent> for Count {
///     fn on_event(&mut self, _: &MarketEvent, _: At) {
///         self.events += 1;
///     }
///     fn on_gap(&mut self, gap: Gap) {
///         self.missing += gap.count();
///     }
/// }
/// ```
pub trait Handler<E: Event>: Send + 'static {
    /// Called once before the first record, on the thread and core where all calls will come.
    fn on_start(&mut self) {}

    /// Called for each event.
    fn on_event(&mut self, event: &E, at: At);

    /// Called where numbers are missing: the feed's, or records that this subscriber's own ring
    /// had no room for ([`GapCause::Overrun`](crate::record::GapCause::Overrun)). Has no default:
    /// what to do about lost data is a decision.
    fn on_gap(&mut self, gap: Gap);

    /// Called where a venue's session starts or ends, begins to number again, or is silent
    /// ([`SessionMark`](crate::record::SessionMark)).
    fn on_session(&mut self, session: &Session, at: At) {
        _ = (session, at);
    }

    /// Called for a venue message of a type that the decoder does not know.
    fn on_dead_letter(&mut self, letter: &DeadLetter, at: At) {
        _ = (letter, at);
    }

    /// Called once after the last record.
    fn on_stop(&mut self) {}

    /// Returns whether the handler can take a record. Asked before each: while it is false, nothing
    /// is given, and it is asked again later, so what keeps the handler from being ready is worked
    /// off here. Asked after [`on_stop`](Self::on_stop), too: the run ends when this is true.
    ///
    /// For handlers that hand on what they make to others, who can be slow. One that is never ready
    /// again never ends, and what its ring has no room for is lost or makes the feed wait, as its
    /// contract says.
    fn is_ready(&mut self) -> bool {
        true
    }

    /// Returns how many records ahead the handler wants to be shown, 0 for none. Asked before records
    /// are given; more are shown once all that were are given. Live at most 256 are shown at once.
    fn look_ahead(&self) -> usize {
        0
    }

    /// Called with records that will be given next, in their order: those that are ready, at most as
    /// many as [`look_ahead`](Self::look_ahead) says; in one call or, where they lie in two pieces, in
    /// two. The moment to fetch from memory what they will need, all at once and not one by one, as
    /// [`Books`](crate::book::Books) do.
    ///
    /// What is shown depends on what is ready, which no replay repeats. Records can be given without
    /// having been shown: that behind a loss, what comes at the last moment, what takes the place of
    /// records that a ring has overwritten meanwhile; and all of a replay with a filter. What the
    /// handler makes of its records must not depend on it.
    fn on_ahead(&mut self, records: &[Record<E>]) {
        _ = records;
    }

    /// Returns whether the latency of a record that was received at `ts_recv_ns` counts, where
    /// latency is measured. Asked before each: one that warms up says no, so that its first page
    /// faults and cache misses are neither in the percentiles nor among the slowest records.
    fn is_measured(&self, ts_recv_ns: u64) -> bool {
        _ = ts_recv_ns;
        true
    }
}
