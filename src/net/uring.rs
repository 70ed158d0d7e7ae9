//! Owns the ring of the `io_uring` backend: multishot receives of all lines into one set of
//! registered buffers.
//!
//! An idle poll looks at two words of shared memory and makes no system call. When the kernel has
//! deferred work it raises a flag there; one `io_uring_enter` then lets that work run, which posts
//! completions, and submits what is to be armed again.
//!
//! Invariants that the unsafe code rests on:
//!
//! 1. The kernel writes to the buffers only for a receive that is armed. `armed` counts those from
//!    before their submission until their last completion; the buffers are released when it is 0,
//!    and leaked when it cannot be brought to 0.
//! 2. Line, buffer and length of a completion are checked before they become an index.
//! 3. The submission queue has room for one receive of each line and one cancellation, and there
//!    is never more than that.

mod buffers;

use super::ancillary::{Ancillary, CONTROL_BYTES};
use super::counters::{Arrival, Rearm, Tally};
use super::socket::LineSocket;
use super::{Config, Datagram, Flow, Stamps};
use crate::clock::Clock;
use buffers::Buffers;
use io_uring::types::{CancelBuilder, Fixed, RecvMsgOut};
use io_uring::{IoUring, cqueue, opcode, squeue};
use std::os::fd::RawFd;
use std::{io, mem};

/// The one buffer group.
const GROUP: u16 = 0;
/// Marks the completion of a cancellation; lines are numbered from 0.
const CANCEL: u64 = u64::MAX;
/// `struct io_uring_recvmsg_out`, which comes before the control bytes in a buffer.
const RECVMSG_HEADER_BYTES: usize = 16;
/// Polls that a drop without stop spends on reaping, before it leaks.
const REAP_POLLS_MAX: u32 = 1000;

/// What a multishot `recvmsg` is told: no sender's name, [`CONTROL_BYTES`] of control messages.
static SHAPE: Shape = Shape({
    // SAFETY: all-zero bytes are a valid `msghdr`: null pointers and zero lengths.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_controllen = CONTROL_BYTES as _;
    header
});

struct Shape(libc::msghdr);

// SAFETY: `Sync` asks that threads may share it. All its pointers are null and nobody writes it:
// a multishot receive writes lengths and flags into the buffer instead.
unsafe impl Sync for Shape {}

pub(super) struct Uring {
    // Declared before the buffers: dropped, and so closed, before they are.
    ring: IoUring,
    requests: Requests,
    batch_max: usize,
    /// Completions that were ready when the queue was last looked at, and are not yet handed over.
    seen: usize,
    seen_ns: u64,
    /// Whether a datagram of those has been handed over, which makes them a batch.
    counted: bool,
    /// Whether the last `io_uring_enter` did what it was called for.
    entered: bool,
}

/// What is armed, and what completions mean.
struct Requests {
    buffers: Buffers,
    stamps: Stamps,
    lines: usize,
    /// Receives that the kernel has, or that wait in the submission queue.
    armed: usize,
    /// Lines to arm again.
    ended: Vec<usize>,
    stopping: bool,
    cancelling: bool,
}

/// What a completion amounts to.
enum Outcome {
    Datagram(Flow),
    Nothing,
}

impl Uring {
    /// Sets the ring up, disabled. The error says which call was refused, and how.
    pub(super) fn open(config: &Config, lines: &[LineSocket]) -> Result<Self, String> {
        probe()?;
        // Invariant 3.
        let entries = u32::try_from(lines.len() + 1)
            .ok()
            .and_then(u32::checked_next_power_of_two)
            .ok_or("io_uring_setup: too many lines")?;
        // Each buffer can be in one completion, and each receive and the cancellation can have one
        // without a buffer: the completion queue cannot overflow.
        let completions = u32::from(config.buffers) + 2 * entries;
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_r_disabled()
            .setup_cqsize(completions)
            .build(entries)
            .map_err(refused("io_uring_setup"))?;
        let fds: Vec<RawFd> = lines.iter().map(LineSocket::fd).collect();
        ring.submitter()
            .register_files(&fds)
            .map_err(refused("io_uring_register (files)"))?;
        let header_bytes = match config.stamps {
            Stamps::Kernel => RECVMSG_HEADER_BYTES + usize::from(CONTROL_BYTES),
            Stamps::Batch => 0,
        };
        let buffers = Buffers::new(config.buffers, header_bytes + config.datagram_bytes_max)
            .map_err(refused("mmap of receive buffers"))?;
        let submitter = ring.submitter();
        // SAFETY: asks that the ring of buffers is valid until the io_uring is gone. It is part of
        // the mapping of `buffers`, which is dropped after `ring`, or leaked.
        unsafe {
            submitter.register_buf_ring_with_flags(
                buffers.ring_address(),
                buffers.count(),
                GROUP,
                // Never IOU_PBUF_RING_INC: with datagrams it hands out remainders too short for
                // the header.
                0,
            )
        }
        .map_err(refused("io_uring_register (buffer ring)"))?;
        let requests = Requests {
            buffers,
            stamps: config.stamps,
            lines: lines.len(),
            armed: 0,
            ended: Vec::with_capacity(lines.len()),
            stopping: false,
            cancelling: false,
        };
        let batch_max = config.batch_max;
        Ok(Self {
            ring,
            requests,
            batch_max,
            seen: 0,
            seen_ns: 0,
            counted: false,
            entered: true,
        })
    }

    /// Binds the ring to the calling thread and arms every line.
    pub(super) fn start(&mut self, tally: &Tally) -> io::Result<()> {
        self.ring.submitter().register_enable_rings()?;
        for line in 0..self.requests.lines {
            self.requests.arm(&mut self.ring.submission(), line);
        }
        // What fails here stays queued and is tried again at every poll.
        self.enter(tally);
        Ok(())
    }

    /// Hands datagrams over and returns how many; `None` when there was nothing at all, not even a
    /// receive that has to be armed again.
    ///
    /// Hot path: no allocation; at most one `io_uring_enter`, and none when there is nothing.
    pub(super) fn receive<C: Clock>(
        &mut self,
        tally: &mut Tally,
        clock: &C,
        visit: &mut impl FnMut(Datagram<'_>) -> Flow,
    ) -> Option<usize> {
        if self.seen == 0 && !self.look(tally, clock) {
            return if self.entered { None } else { Some(0) };
        }
        let mut handed = 0;
        let mut completions = self.ring.completion();
        while handed < self.batch_max
            && self.seen > 0
            && let Some(completion) = completions.next()
        {
            self.seen -= 1;
            match self
                .requests
                .complete(&completion, tally, self.seen_ns, visit)
            {
                Outcome::Nothing => {}
                Outcome::Datagram(flow) => {
                    handed += 1;
                    if flow == Flow::Pause {
                        break;
                    }
                }
            }
        }
        drop(completions);
        if handed > 0 && !mem::replace(&mut self.counted, true) {
            tally.counters().batches.add(1);
        }
        self.requests.buffers.publish();
        self.rearm();
        Some(handed)
    }

    /// Cancels what is armed; [`Uring::receive`] goes on until [`Uring::is_finished`].
    pub(super) fn stop(&mut self) {
        self.requests.stopping = true;
        self.requests.ended.clear();
        self.cancel();
    }

    /// Returns whether, after a stop, nothing is armed and all that was received is handed over.
    pub(super) fn is_finished(&mut self) -> bool {
        self.requests.armed == 0 && self.ring.completion().is_empty()
    }

    /// Lets the kernel work if it has any, and looks at what is ready. Only once all that was seen
    /// before is handed over: so a datagram keeps the time at which it was first seen, however many
    /// calls it waits, and while the visitor pauses it is the sockets that fill.
    fn look<C: Clock>(&mut self, tally: &Tally, clock: &C) -> bool {
        if self.requests.stopping {
            // Again, should a cancellation have come between two shots and found nothing.
            self.cancel();
        }
        let submission = self.ring.submission();
        let work = submission.taskrun() || submission.cq_overflow() || !submission.is_empty();
        drop(submission);
        if work {
            self.enter(tally);
        }
        self.seen = self.ring.completion().len();
        if self.seen > 0 {
            self.seen_ns = clock.now_ns();
            self.counted = false;
        } else if work {
            tally.counters().enters_idle.add(1);
        }
        self.seen > 0
    }

    /// Submits what is queued and, where the kernel asks for it, runs deferred work.
    fn enter(&mut self, tally: &Tally) {
        tally.counters().enters.add(1);
        let outcome = self.ring.submit();
        self.entered = outcome.is_ok();
        match outcome {
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {
                panic!("invariant: receive is called on the thread that called start")
            }
            Err(error) => {
                tally.counters().enter_errors.add(1);
                let passes = matches!(
                    error.raw_os_error(),
                    Some(libc::EINTR | libc::EAGAIN | libc::EBUSY | libc::ENOMEM)
                );
                if self.requests.stopping && !passes {
                    // A ring that cannot be entered cannot be reaped, and a stop has to end.
                    self.requests.abandon();
                }
            }
        }
    }

    fn rearm(&mut self) {
        let mut submission = self.ring.submission();
        while let Some(line) = self.requests.ended.pop() {
            self.requests.arm(&mut submission, line);
        }
    }

    fn cancel(&mut self) {
        if self.requests.armed > 0 && !self.requests.cancelling {
            self.requests.cancelling = true;
            let all = opcode::AsyncCancel2::new(CancelBuilder::any())
                .build()
                .user_data(CANCEL);
            push(&mut self.ring.submission(), &all);
        }
    }

    /// Cancels and reaps, discarding datagrams. Returns whether nothing is left armed.
    fn reap(&mut self) -> bool {
        self.requests.stopping = true;
        for _ in 0..REAP_POLLS_MAX {
            if self.requests.armed == 0 {
                break;
            }
            self.cancel();
            let result = self.ring.submit();
            for completion in self.ring.completion() {
                self.requests.settle(&completion);
            }
            match result.map_err(|error| error.raw_os_error()) {
                Ok(_) | Err(Some(libc::EINTR | libc::EAGAIN | libc::EBUSY | libc::ENOMEM)) => {}
                // Another thread's ring, for one.
                Err(_) => break,
            }
        }
        self.requests.armed == 0
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        if !self.reap() {
            self.requests.buffers.leak();
        }
        // A closed ring lets go of its sockets some time later; unregistered ones are gone at once,
        // and the next start finds their ports free. Refused on another thread than the ring's
        // own, where later has to do.
        _ = self.ring.submitter().unregister_files();
    }
}

impl Requests {
    fn arm(&mut self, submission: &mut squeue::SubmissionQueue<'_>, line: usize) {
        // Invariant 2's other half: it fits, because lines are far fewer than 2³².
        let file = Fixed(u32::try_from(line).expect("invariant: open counted the lines"));
        let entry = match self.stamps {
            Stamps::Kernel => opcode::RecvMsgMulti::new(file, &raw const SHAPE.0, GROUP)
                .flags(libc::MSG_TRUNC as u32)
                .build(),
            Stamps::Batch => opcode::RecvMulti::new(file, GROUP)
                .flags(libc::MSG_TRUNC)
                .build(),
        };
        push(submission, &entry.user_data(line as u64));
        self.armed += 1;
    }

    /// Notes the end of a receive or a cancellation. Returns the line of a receive.
    fn settle(&mut self, completion: &cqueue::Entry) -> Option<usize> {
        if completion.user_data() == CANCEL {
            self.cancelling = false;
            return None;
        }
        let line = usize::try_from(completion.user_data()).ok();
        let line = line.filter(|&line| line < self.lines)?;
        if !cqueue::more(completion.flags()) {
            self.armed = self.armed.saturating_sub(1);
        }
        Some(line)
    }

    fn complete(
        &mut self,
        completion: &cqueue::Entry,
        tally: &mut Tally,
        seen_ns: u64,
        visit: &mut impl FnMut(Datagram<'_>) -> Flow,
    ) -> Outcome {
        let Some(line) = self.settle(completion) else {
            if completion.user_data() != CANCEL {
                tally.counters().invalid_completions.add(1);
            }
            return Outcome::Nothing;
        };
        let mut outcome = Outcome::Nothing;
        let id = cqueue::buffer_select(completion.flags());
        let mut ended_for = Rearm::Other;
        match usize::try_from(completion.result()) {
            Ok(bytes) => match self.arrival(line, id, bytes) {
                Some(arrival) => {
                    if arrival.datagram_bytes == 0 {
                        ended_for = Rearm::Empty;
                    }
                    outcome = Outcome::Datagram(tally.hand_over(arrival, seen_ns, visit));
                }
                None => tally.counters().invalid_completions.add(1),
            },
            Err(_) => match -completion.result() {
                libc::ENOBUFS => ended_for = Rearm::NoBuffers,
                libc::ECANCELED if self.stopping => {}
                errno => tally.error(line, &io::Error::from_raw_os_error(errno)),
            },
        }
        if let Some(id) = id {
            self.buffers.give_back(id);
        }
        if !cqueue::more(completion.flags()) && !self.stopping {
            tally.rearm(line, ended_for);
            self.ended.push(line);
        }
        outcome
    }

    /// Reads what the kernel wrote, or says that it does not hold together.
    // Inlined for the reason for which `Tally::hand_over` is.
    #[inline(always)]
    fn arrival(&self, line: usize, id: Option<u16>, bytes: usize) -> Option<Arrival<'_>> {
        // The kernel keeps the buffer when it has nothing to put into it.
        let empty: &[u8] = &[];
        match self.stamps {
            Stamps::Batch => {
                // The real length, however much of it the buffer took.
                let kept = match id {
                    Some(id) => self
                        .buffers
                        .filled(id, bytes.min(self.buffers.buffer_bytes()))?,
                    None if bytes == 0 => empty,
                    None => return None,
                };
                Some(Arrival {
                    line,
                    bytes: kept,
                    datagram_bytes: bytes,
                    ancillary: None,
                })
            }
            Stamps::Kernel => {
                let filled = self.buffers.filled(id?, bytes)?;
                let out = RecvMsgOut::parse(filled, &SHAPE.0).ok()?;
                let headers = RECVMSG_HEADER_BYTES + usize::from(CONTROL_BYTES);
                Some(Arrival {
                    line,
                    bytes: filled.get(headers..)?,
                    datagram_bytes: out.incoming_payload_len() as usize,
                    ancillary: Some(Ancillary::parse(out.control_data())),
                })
            }
        }
    }

    /// Gives up a ring that the kernel does not let be entered.
    fn abandon(&mut self) {
        self.buffers.leak();
        self.armed = 0;
    }
}

fn push(submission: &mut squeue::SubmissionQueue<'_>, entry: &squeue::Entry) {
    // SAFETY: asks that what the entry names stays valid until its last completion. It names a
    // registered file, which the ring holds; the buffer group, whose memory outlives the request
    // (invariant 1); and `SHAPE`, a static.
    unsafe { submission.push(entry) }.expect("invariant: the submission queue has room for all");
}

/// Makes the reason of a refusal: the call, what the kernel said, and what that mostly means.
fn refused(call: &'static str) -> impl FnOnce(io::Error) -> String {
    move |error| {
        let meaning = match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => {
                ", by sysctl kernel.io_uring_disabled or the filter of a container"
            }
            Some(libc::EINVAL | libc::ENOSYS) => ", as by kernels before Linux 6.1",
            Some(libc::ENOMEM) => ", as by too low a limit of locked memory (ulimit -l)",
            _ => "",
        };
        format!("{call}: {error}{meaning}")
    }
}

/// Finds out whether the kernel takes, and a container lets through, every call that is made
/// later: sets a small ring up on this thread and passes one request that does nothing.
fn probe() -> Result<(), String> {
    let mut ring: IoUring = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_taskrun_flag()
        .build(1)
        .map_err(refused("io_uring_setup"))?;
    push(&mut ring.submission(), &opcode::Nop::new().build());
    ring.submit_and_wait(1)
        .map_err(|error| format!("io_uring_enter: {error}"))?;
    match ring.completion().next() {
        Some(completion) if completion.result() == 0 => Ok(()),
        _ => Err("io_uring_enter: a request that does nothing failed".to_owned()),
    }
}
