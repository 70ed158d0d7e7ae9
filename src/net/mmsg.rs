//! Owns receiving by `recvmmsg`: one call per line and poll, for as many datagrams as are ready.
//!
//! Also what empties the sockets after a stop, for both backends.
//!
//! Invariants that the unsafe code rests on:
//!
//! 1. `payload`, `control`, `iovecs` and `headers` are sized once and never grow, so that the
//!    pointers from `headers` into `iovecs`, and from both into the bytes, stay valid for as long
//!    as the vectors live. (A `Vec` may be moved without moving what it holds.)
//! 2. The kernel uses those pointers during `recvmmsg` only; nothing else runs meanwhile.

use super::ancillary::{Ancillary, CONTROL_BYTES};
use super::counters::{Arrival, Tally};
use super::socket::LineSocket;
use super::{Config, Datagram, Flow, Stamps, stride};
use crate::clock::Clock;
use crate::memory;
use std::os::fd::RawFd;
use std::{io, mem, ptr};

pub(super) struct Mmsg {
    payload: Vec<u8>,
    control: Vec<u8>,
    /// Held for the pointers in `headers`.
    #[expect(
        dead_code,
        reason = "read by the kernel, through the pointers in `headers`"
    )]
    iovecs: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    stamps: Stamps,
    datagram_bytes_max: usize,
    /// From one datagram's payload to the next one's.
    stride: usize,
    /// The line to ask next: each poll begins where the last one ended.
    next_line: usize,
    batch: Batch,
    /// After a stop: how many more datagrams to take from each line, at most.
    left: Option<Box<[usize]>>,
    /// Whether a call of the last poll failed.
    failed: bool,
}

// SAFETY: `Send` asks that another thread may use the value. The pointers inside lead to the
// value's own vectors (invariant 1), which nobody else knows.
unsafe impl Send for Mmsg {}

/// What one call brought, and how far it has been handed over.
#[derive(Clone, Copy, Default)]
struct Batch {
    line: usize,
    next: usize,
    count: usize,
    seen_ns: u64,
}

impl Mmsg {
    pub(super) fn new(config: &Config) -> Self {
        let Config {
            datagram_bytes_max,
            batch_max,
            stamps,
            ..
        } = *config;
        let control_bytes = match stamps {
            Stamps::Kernel => usize::from(CONTROL_BYTES),
            Stamps::Batch => 0,
        };
        let stride = stride(datagram_bytes_max);
        let mut payload = memory::filled(0, batch_max * stride).into_vec();
        let mut control = memory::filled(0, batch_max * control_bytes).into_vec();
        let mut iovecs: Vec<_> = (0..batch_max)
            .map(|i| libc::iovec {
                iov_base: payload.as_mut_ptr().wrapping_add(i * stride).cast(),
                iov_len: datagram_bytes_max,
            })
            .collect();
        let headers = (0..batch_max)
            .map(|i| {
                // SAFETY: all-zero bytes are a valid `mmsghdr`: null pointers and zero lengths.
                let mut header: libc::mmsghdr = unsafe { mem::zeroed() };
                header.msg_hdr.msg_iov = iovecs.as_mut_ptr().wrapping_add(i);
                header.msg_hdr.msg_iovlen = 1;
                if stamps == Stamps::Kernel {
                    header.msg_hdr.msg_control =
                        control.as_mut_ptr().wrapping_add(i * control_bytes).cast();
                    header.msg_hdr.msg_controllen = CONTROL_BYTES.into();
                }
                header
            })
            .collect();
        Self {
            payload,
            control,
            iovecs,
            headers,
            stamps,
            datagram_bytes_max,
            stride,
            next_line: 0,
            batch: Batch::default(),
            left: None,
            failed: false,
        }
    }

    /// From now on takes from each line what its socket can hold at this moment, and no more: what
    /// arrived before is among it, and a line that never falls silent cannot keep this going.
    pub(super) fn stop(&mut self, lines: &[LineSocket]) {
        self.left = Some(lines.iter().map(LineSocket::datagrams_max).collect());
    }

    /// Returns whether a call of the last poll failed, so that datagrams may still wait.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Returns whether everything has been handed over since [`Mmsg::stop`].
    pub(super) fn is_drained(&self) -> bool {
        let taken = self
            .left
            .as_ref()
            .is_some_and(|left| left.iter().all(|&left| left == 0));
        taken && self.batch.next == self.batch.count
    }

    /// Hot path: no allocation; at most one `recvmmsg` per line.
    pub(super) fn receive<C: Clock>(
        &mut self,
        lines: &[LineSocket],
        tally: &mut Tally,
        clock: &C,
        visit: &mut impl FnMut(Datagram<'_>) -> Flow,
    ) -> usize {
        self.failed = false;
        // What an earlier pause left.
        let (mut handed, mut flow) = self.hand_over(tally, visit);
        for _ in 0..lines.len() {
            let room = self.headers.len() - handed;
            if flow == Flow::Pause || room == 0 {
                break;
            }
            let line = self.next_line;
            self.next_line = (line + 1) % lines.len();
            let wanted = self.left.as_ref().map_or(room, |left| room.min(left[line]));
            if wanted == 0 {
                continue;
            }
            self.fetch(&lines[line], line, wanted, tally, clock);
            let count;
            (count, flow) = self.hand_over(tally, visit);
            handed += count;
        }
        handed
    }

    fn fetch<C: Clock>(
        &mut self,
        socket: &LineSocket,
        line: usize,
        wanted: usize,
        tally: &Tally,
        clock: &C,
    ) {
        tally.counters().enters.add(1);
        let taken = match receive(socket.fd(), &mut self.headers[..wanted]) {
            Ok(count) => {
                tally.counters().batches.add(1);
                self.batch = Batch {
                    line,
                    next: 0,
                    count,
                    seen_ns: clock.now_ns(),
                };
                count
            }
            // Nothing there; after a stop that means nothing more.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => usize::MAX,
            Err(error) => {
                tally.error(line, &error);
                self.failed = true;
                // Counted as if it were a datagram, so that a stop ends whatever the errors are.
                1
            }
        };
        if let Some(left) = &mut self.left {
            left[line] = left[line].saturating_sub(taken);
        }
    }

    fn hand_over(
        &mut self,
        tally: &mut Tally,
        visit: &mut impl FnMut(Datagram<'_>) -> Flow,
    ) -> (usize, Flow) {
        let Batch {
            line,
            count,
            seen_ns,
            ..
        } = self.batch;
        let before = self.batch.next;
        let mut flow = Flow::Continue;
        while flow == Flow::Continue && self.batch.next < count {
            let i = self.batch.next;
            self.batch.next += 1;
            let datagram_bytes = self.headers[i].msg_len as usize;
            let kept = datagram_bytes.min(self.datagram_bytes_max);
            let ancillary = self.take_ancillary(i);
            let bytes = &self.payload[i * self.stride..][..kept];
            let arrival = Arrival {
                line,
                bytes,
                datagram_bytes,
                ancillary,
            };
            flow = tally.hand_over(arrival, seen_ns, visit);
        }
        (self.batch.next - before, flow)
    }

    /// Reads the control messages of a datagram and makes their room ready for the next.
    // Inlined for the reason for which `Tally::hand_over` is.
    #[inline(always)]
    fn take_ancillary(&mut self, i: usize) -> Option<Ancillary> {
        if self.stamps == Stamps::Batch {
            return None;
        }
        let room = usize::from(CONTROL_BYTES);
        let header = &mut self.headers[i].msg_hdr;
        #[allow(
            clippy::useless_conversion,
            reason = "the type differs between C libraries"
        )]
        let bytes = usize::try_from(header.msg_controllen)
            .unwrap_or(room)
            .min(room);
        header.msg_controllen = CONTROL_BYTES.into();
        Some(Ancillary::parse(&self.control[i * room..][..bytes]))
    }
}

/// Fills `headers` from a socket without waiting. Returns how many, at least 1.
fn receive(fd: RawFd, headers: &mut [libc::mmsghdr]) -> io::Result<usize> {
    let count = u32::try_from(headers.len()).unwrap_or(u32::MAX);
    // MSG_TRUNC makes each `msg_len` the real length of the datagram. The type of the flags
    // differs between C libraries.
    let flags = (libc::MSG_DONTWAIT | libc::MSG_TRUNC) as _;
    // SAFETY: asks for `count` headers whose pointers and lengths hold during the call
    // (invariants 1 and 2): each names its own iovec, payload and control bytes of this value.
    let received =
        unsafe { libc::recvmmsg(fd, headers.as_mut_ptr(), count, flags, ptr::null_mut()) };
    usize::try_from(received)
        .ok()
        .filter(|&received| received <= headers.len())
        .ok_or_else(io::Error::last_os_error)
}
