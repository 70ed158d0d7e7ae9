//! Owns recording as it happens, record by record.

use super::{Exemplar, Latency, Readings};

/// Records the ways of a handler's records, one after the other, with the same result as
/// [`Latency::record`] and for less: all records of a datagram share three of their four hops,
/// which are counted together when the next datagram's begin. Keeps the worst, too.
///
/// # Examples
///
/// ```
/// use ringtape::latency::{Exemplar, Readings, Recorder};
/// use ringtape::record::Sequence;
///
/// let mut recorder = Recorder::default();
/// for (n, handler_ns) in [(1, 500), (2, 900), (3, 700)] {
///     let readings = Readings { handler_ns, ..Readings::default() };
///     recorder.record(readings, true, || Exemplar {
///         sequence: Sequence::new(n),
///         ..Exemplar::default()
///     });
/// }
/// let latency = recorder.into_latency();
/// assert_eq!(latency.worst()[0].sequence, Sequence::new(2));
/// assert_eq!(latency.worst()[0].before_ns, Some(500));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    latency: Latency,
    /// The readings that the last records had in common; `handler_ns` is none of them, and 0.
    shared: Readings,
    /// How many records these are whose common hops are not counted yet.
    pending: u64,
    before_ns: Option<u64>,
}

impl Recorder {
    /// Counts a record's way. `describe` is asked for the rest where the record is among the
    /// slowest so far; what is known here ([`readings`](Exemplar::readings), `has_hops` and
    /// `before_ns`) is filled in.
    ///
    /// Hot path: no allocation, no system call, O(1).
    // Inlined, so that what describes a record is put together for those that are kept only.
    #[inline(always)]
    pub fn record(
        &mut self,
        readings: Readings,
        has_hops: bool,
        describe: impl FnOnce() -> Exemplar,
    ) {
        let handler_ns = readings.handler_ns;
        self.latency.record_whole(&readings);
        if has_hops {
            let shared = Readings {
                handler_ns: 0,
                ..readings
            };
            if shared != self.shared {
                self.settle();
                self.shared = shared;
            }
            self.pending += 1;
            self.latency.record_last(&readings);
        }
        if let Some(whole_ns) = self.latency.worst.is_among(&readings) {
            let exemplar = Exemplar {
                readings,
                has_hops,
                before_ns: self.before_ns,
                ..describe()
            };
            self.latency.worst.keep(whole_ns, &exemplar);
        }
        self.before_ns = Some(handler_ns);
    }

    /// Counts what is pending, and returns it all.
    #[must_use]
    pub fn into_latency(mut self) -> Latency {
        self.settle();
        self.latency
    }

    fn settle(&mut self) {
        let count = std::mem::take(&mut self.pending);
        if count > 0 {
            self.latency.record_shared(&self.shared, count);
        }
    }
}
