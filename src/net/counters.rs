//! Owns what is counted about receiving.

use super::ancillary::Ancillary;
use super::{Datagram, Flow};
use crate::counters::Counter;
use std::io;
use std::sync::Arc;

/// Counts of one [`Receiver`](super::Receiver). Written by the thread that polls, readable from
/// any.
#[derive(Debug, Default)]
pub struct NetCounters {
    /// System calls made to receive: `io_uring_enter`, or `recvmmsg`.
    pub enters: Counter,
    /// Calls of `io_uring_enter` after which nothing was ready: the kernel asked for one on account
    /// of a datagram that the call before had already brought, or there was only a re-arm to
    /// submit. Every other call begins a batch.
    pub enters_idle: Counter,
    /// Calls of `io_uring_enter` that failed. Each is made again at the next poll.
    pub enter_errors: Counter,
    /// Batches: sets of datagrams that were ready together and share one
    /// [`seen_ns`](Datagram::seen_ns).
    pub batches: Counter,
    /// Completions whose line, buffer or length was not one of ours. Always 0 with a sound kernel.
    pub invalid_completions: Counter,
    lines: Box<[LineCounters]>,
}

/// Counts of one line.
#[derive(Debug, Default)]
pub struct LineCounters {
    /// The line's name.
    pub name: String,
    /// Datagrams handed over.
    pub datagrams: Counter,
    /// Their payload on the wire, the part that was cut off included.
    pub bytes: Counter,
    /// Datagrams that were longer than the buffer.
    pub truncated: Counter,
    /// Datagrams without payload.
    pub empty: Counter,
    /// Datagrams that the kernel did not stamp although it was asked to; their receive time is
    /// that of their batch.
    pub unstamped: Counter,
    /// Datagrams that the kernel dropped at this socket, nearly always because its buffer was
    /// full. Up to date as of the last datagram with [`Stamps::Kernel`](super::Stamps::Kernel), and
    /// as of the last [`refresh_drops`](super::Receiver::refresh_drops) always.
    pub kernel_drops: Counter,
    /// Multishot receives that ended because no buffer was free, and were armed again.
    pub rearms_no_buffers: Counter,
    /// Multishot receives that ended with an empty datagram, and were armed again.
    pub rearms_empty: Counter,
    /// Multishot receives that ended otherwise, and were armed again.
    pub rearms_other: Counter,
    /// Receives that failed because the kernel had no memory.
    pub errors_memory: Counter,
    /// Receives that failed otherwise.
    pub errors_other: Counter,
    /// How often the line's peer told that nobody listens there.
    pub refused: Counter,
    /// Datagrams sent to the line's peer.
    pub sent: Counter,
    /// Datagrams that could not be sent to the line's peer.
    pub send_errors: Counter,
    /// `errno` of the last receive that failed; 0 if none did.
    pub last_errno: Counter,
}

impl LineCounters {
    /// Counts a datagram of which `bytes` were kept.
    pub(crate) fn arrived(&self, bytes: usize, datagram_bytes: usize) {
        self.datagrams.add(1);
        self.bytes.add(datagram_bytes as u64);
        if datagram_bytes == 0 {
            self.empty.add(1);
        }
        if datagram_bytes > bytes {
            self.truncated.add(1);
        }
    }

    /// Returns how often a multishot receive was armed again, for whatever reason.
    #[must_use]
    pub fn rearms(&self) -> u64 {
        self.rearms_no_buffers.get() + self.rearms_empty.get() + self.rearms_other.get()
    }

    /// Returns how many receives failed.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.errors_memory.get() + self.errors_other.get()
    }
}

impl NetCounters {
    pub(crate) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let line = |name: &str| LineCounters {
            name: name.to_owned(),
            ..Default::default()
        };
        Self {
            lines: names.map(line).collect(),
            ..Self::default()
        }
    }

    /// Returns the counts of each line, in the order in which the lines were given.
    #[must_use]
    pub fn lines(&self) -> &[LineCounters] {
        &self.lines
    }

    /// Returns the datagrams of all lines.
    #[must_use]
    pub fn datagrams(&self) -> u64 {
        self.total(|line| line.datagrams.get())
    }

    /// Returns the bytes of all lines.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.total(|line| line.bytes.get())
    }

    /// Returns the re-arms of all lines.
    #[must_use]
    pub fn rearms(&self) -> u64 {
        self.total(LineCounters::rearms)
    }

    /// Returns the kernel's drops of all lines.
    #[must_use]
    pub fn kernel_drops(&self) -> u64 {
        self.total(|line| line.kernel_drops.get())
    }

    /// Returns the receives that failed, of all lines.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.total(LineCounters::errors)
    }

    fn total(&self, count: impl Fn(&LineCounters) -> u64) -> u64 {
        self.lines.iter().map(count).sum()
    }
}

/// Why a multishot receive has to be armed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rearm {
    NoBuffers,
    Empty,
    Other,
}

/// What a backend fetched, before it is a [`Datagram`].
pub(super) struct Arrival<'a> {
    pub(super) line: usize,
    /// What was kept of the payload.
    pub(super) bytes: &'a [u8],
    /// The payload's length on the wire.
    pub(super) datagram_bytes: usize,
    /// `None` where control messages were not asked for.
    pub(super) ancillary: Option<Ancillary>,
}

/// The writing side of the counters.
#[derive(Debug)]
pub(super) struct Tally {
    counters: Arc<NetCounters>,
    /// The kernel's drop count that was last seen, by line. It is a `u32` and wraps.
    drops_seen: Box<[u32]>,
}

impl Tally {
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let counters = Arc::new(NetCounters::new(names));
        let drops_seen = counters.lines.iter().map(|_| 0).collect();
        Self {
            counters,
            drops_seen,
        }
    }

    pub(super) fn counters(&self) -> &Arc<NetCounters> {
        &self.counters
    }

    /// Counts an arrival, gives it its receive time and shows it to `visit`.
    // Inlined, so that no arrival is written to memory: it would be read again at once, in wider
    // pieces, which wait for the writes to leave the store buffer. `cargo bench --bench ingest`
    // compares.
    #[inline(always)]
    pub(super) fn hand_over(
        &mut self,
        arrival: Arrival<'_>,
        seen_ns: u64,
        visit: &mut impl FnMut(Datagram<'_>) -> Flow,
    ) -> Flow {
        let Arrival {
            line,
            bytes,
            datagram_bytes,
            ancillary,
        } = arrival;
        let counts = &self.counters.lines[line];
        counts.arrived(bytes.len(), datagram_bytes);
        let mut ts_recv_ns = seen_ns;
        if let Some(Ancillary { stamp_ns, drops }) = ancillary {
            match stamp_ns {
                Some(stamp_ns) => ts_recv_ns = stamp_ns,
                None => counts.unstamped.add(1),
            }
            if let Some(drops) = drops {
                self.drops(line, drops);
            }
        }
        visit(Datagram {
            line,
            bytes,
            datagram_bytes,
            ts_recv_ns,
            seen_ns,
        })
    }

    /// Takes the kernel's count of drops at a line's socket.
    pub(super) fn drops(&mut self, line: usize, total: u32) {
        let seen = &mut self.drops_seen[line];
        let more = total.wrapping_sub(*seen);
        // A count that rode on a datagram can be older than one that was asked for: such a step
        // back shows as a difference of more than half the range.
        if more <= u32::MAX / 2 {
            *seen = total;
            self.counters.lines[line].kernel_drops.add(u64::from(more));
        }
    }

    pub(super) fn rearm(&self, line: usize, why: Rearm) {
        let counts = &self.counters.lines[line];
        match why {
            Rearm::NoBuffers => counts.rearms_no_buffers.add(1),
            Rearm::Empty => counts.rearms_empty.add(1),
            Rearm::Other => counts.rearms_other.add(1),
        }
    }

    pub(super) fn error(&self, line: usize, error: &io::Error) {
        let counts = &self.counters.lines[line];
        let errno = error.raw_os_error().unwrap_or_default();
        match errno {
            // No datagram was lost by that, and nothing is wrong with this end.
            libc::ECONNREFUSED => counts.refused.add(1),
            libc::ENOMEM | libc::ENOBUFS => counts.errors_memory.add(1),
            _ => counts.errors_other.add(1),
        }
        counts.last_errno.set(u64::from(errno.unsigned_abs()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_add_up_over_a_wrap_and_a_stale_count_changes_nothing() {
        let mut tally = Tally::new(["A"].into_iter());
        let counted = |tally: &Tally| tally.counters().kernel_drops();
        for (total, expected) in [
            (5, 5),
            (5, 5),
            (3, 5),
            (2_000_000_000, 2_000_000_000),
            (4_000_000_000, 4_000_000_000),
        ] {
            tally.drops(0, total);
            assert_eq!(counted(&tally), expected);
        }
        tally.drops(0, 7);
        assert_eq!(counted(&tally), (1 << 32) + 7);
    }
}
