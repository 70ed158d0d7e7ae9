//! Owns recording as it happens, record by record.

use super::{Exemplar, Latency, Readings};

/// Records the ways of a handler's records, one after the other, with the same result as
/// [`Latency::record`] and for less: all records of a datagram share three of their four hops, which
/// are counted together when the next datagram's begin. Keeps the worst, too.
///
/// # Examples
///
/// ```
/// use ringtape::latency::{Exemplar, Readings, Recorder};
/// use ringtape::record::Sequence;
///
/// let mut recorder = Recorder::default();
/// for (n, handler_ns) in [(1, 500), (2, 900), (3, 700)] {
///     recorder.record(Exemplar {
///         sequence: Sequence::new(n),
///         readings: Readings { handler_ns, ..Readings::default() },
///         has_hops: true,
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
    /// Counts a record's way; [`before_ns`](Exemplar::before_ns) is filled in here.
    ///
    /// Hot path: no allocation, no system call, O(1).
    #[inline]
    pub fn record(&mut self, mut exemplar: Exemplar) {
        let readings = exemplar.readings;
        self.latency.record_whole(&readings);
        if exemplar.has_hops {
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
        exemplar.before_ns = self.before_ns.replace(readings.handler_ns);
        self.latency.worst.offer(&exemplar);
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
