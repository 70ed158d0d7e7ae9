//! Owns the choice of a backend and the life of a receiver: opened, running, stopping, drained.

use super::counters::{NetCounters, Tally};
use super::mmsg::Mmsg;
use super::socket::{LineSocket, ReceiveBuffer};
use super::uring::Uring;
use super::{ActiveBackend, Backend, Config, Datagram, Flow, Line, Sender, Stamps};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, thread};

/// Datagrams that [`await_stamps`] sends to itself before it gives up, and the time between them.
const STAMP_PROBES_MAX: u32 = 100;
const STAMP_PROBE_PAUSE: Duration = Duration::from_millis(1);

/// Receives datagrams from any number of lines.
///
/// Opened anywhere, then moved to the thread that will poll it: [`start`](Self::start),
/// [`receive`](Self::receive) and [`stop`](Self::stop) are that thread's. Dropping a receiver that
/// was not stopped discards what it held.
///
/// # Examples
///
/// ```
/// use ringtape::clock::SystemClock;
/// use ringtape::net::{Config, Flow, Line, Receiver, Sender};
///
/// let line = Line::new("A", "127.0.0.1:0".parse()?);
/// let mut receiver = Receiver::open(&Config::default(), &[line])?;
/// receiver.start()?;
///
/// Sender::open(receiver.local_address(0), None)?.send(b"tick")?;
/// let mut datagrams = 0;
/// while datagrams == 0 {
///     datagrams += receiver.receive(&SystemClock, |datagram| {
///         assert_eq!(datagram.bytes, b"tick");
///         Flow::Continue
///     });
/// }
///
/// receiver.stop();
/// while !receiver.is_drained() {
///     receiver.receive(&SystemClock, |_| Flow::Continue);
/// }
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct Receiver {
    /// `None` where `recvmmsg` runs.
    uring: Option<Uring>,
    mmsg: Mmsg,
    lines: Vec<LineSocket>,
    tally: Tally,
    active_backend: ActiveBackend,
    state: State,
    /// Whether the last call of `receive` found every line drained.
    quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Opened,
    Running,
    Stopping,
    Drained,
}

impl Receiver {
    /// Binds and joins all lines and sets the backend up, so that every mistake of configuration
    /// shows here and before any thread runs.
    ///
    /// # Errors
    ///
    /// [`Error::Config`], [`Error::Bind`], [`Error::NoSuchInterface`] and [`Error::Join`] name the
    /// line and the remedy; [`Error::UringUnavailable`] where `io_uring` was asked for by name.
    pub fn open(config: &Config, lines: &[Line]) -> Result<Self> {
        config.check()?;
        if lines.is_empty() {
            return Err(Error::config(
                "no lines",
                "give at least one address to listen on",
            ));
        }
        let sockets: Vec<LineSocket> = lines
            .iter()
            .map(|line| LineSocket::open(line, config.stamps))
            .collect::<Result<_>>()?;
        if config.stamps == Stamps::Kernel {
            await_stamps();
        }
        let (uring, active_backend) = choose(config.backend, || Uring::open(config, &sockets))?;
        Ok(Self {
            uring,
            mmsg: Mmsg::new(config),
            tally: Tally::new(sockets.iter().map(LineSocket::name)),
            lines: sockets,
            active_backend,
            state: State::Opened,
            quiet: false,
        })
    }

    /// Makes a receiver that has no lines, for a stage that has only streams.
    #[must_use]
    pub fn idle() -> Self {
        let config = Config {
            datagram_bytes_max: 1,
            batch_max: 1,
            ..Config::default()
        };
        Self {
            uring: None,
            mmsg: Mmsg::new(&config),
            tally: Tally::new([].into_iter()),
            lines: Vec::new(),
            active_backend: ActiveBackend::Idle,
            state: State::Opened,
            quiet: false,
        }
    }

    /// Arms the receives. Called once, by the thread that will poll.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses to enable the ring.
    pub fn start(&mut self) -> Result<()> {
        if self.state != State::Opened {
            return Ok(());
        }
        if let Some(uring) = &mut self.uring {
            uring
                .start(&self.tally)
                .map_err(|source| Error::os("cannot enable the io_uring", source))?;
        }
        self.state = State::Running;
        Ok(())
    }

    /// Shows datagrams that are ready to `visit`, in order for each line, at most
    /// [`Config::batch_max`] of them, and returns how many. Never blocks. After [`Flow::Pause`] the
    /// rest stay where they are for the next call.
    ///
    /// Hot path: no allocation; with `io_uring` at most one `io_uring_enter`, and none when
    /// nothing has arrived; with `recvmmsg` one call per line.
    ///
    /// # Panics
    ///
    /// With `io_uring`, on another thread than the one that called [`start`](Self::start).
    pub fn receive<C: Clock>(
        &mut self,
        clock: &C,
        mut visit: impl FnMut(Datagram<'_>) -> Flow,
    ) -> usize {
        if matches!(self.state, State::Opened | State::Drained) {
            return 0;
        }
        // When stopping, what the ring has comes before what is still in the sockets.
        if let Some(uring) = &mut self.uring
            && (self.state == State::Running || !uring.is_finished())
        {
            let handed = uring.receive(&mut self.tally, clock, &mut visit);
            self.quiet = handed.is_none();
            return handed.unwrap_or(0);
        }
        let handed = self
            .mmsg
            .receive(&self.lines, &mut self.tally, clock, &mut visit);
        if self.mmsg.is_drained() {
            self.state = State::Drained;
            self.refresh_drops();
            // On the thread that polled, which alone may take the ring down.
            self.uring = None;
        }
        self.quiet = handed == 0 && !self.mmsg.has_failed();
        handed
    }

    /// Sends a datagram to the peer of a line that has one ([`Line::server`]), without waiting.
    /// What cannot be sent is counted: the answer that does not come says the same.
    ///
    /// # Panics
    ///
    /// When there is no line of that index.
    pub fn send(&mut self, line: usize, bytes: &[u8]) {
        let counts = &self.tally.counters().lines()[line];
        match self.lines[line].send(bytes) {
            Ok(()) => counts.sent.add(1),
            Err(_) => counts.send_errors.add(1),
        }
    }

    /// Returns whether the last call of [`receive`](Self::receive) found every line drained: what
    /// had arrived before it has been handed over. A call that handed nothing over can still have
    /// found a receive to arm again, with datagrams waiting behind it.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Receives nothing more, but for what has arrived already: [`receive`](Self::receive) goes on
    /// to hand that over until [`is_drained`](Self::is_drained). Does not block, and ends whatever
    /// the senders do.
    pub fn stop(&mut self) {
        if matches!(self.state, State::Opened | State::Running) {
            if let Some(uring) = &mut self.uring {
                uring.stop();
            }
            self.mmsg.stop(&self.lines);
            self.state = State::Stopping;
        }
    }

    /// Returns whether all that had arrived before [`stop`](Self::stop) has been handed over.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.state == State::Drained
    }

    /// Asks the kernel how much it dropped, one system call a line, so that
    /// [`kernel_drops`](super::LineCounters::kernel_drops) is exact as of now. Happens by itself
    /// when the receiver is drained. Not for the hot path.
    pub fn refresh_drops(&mut self) {
        for (index, line) in self.lines.iter().enumerate() {
            match line.drops() {
                Ok(drops) => self.tally.drops(index, drops),
                Err(error) => self.tally.error(index, &error),
            }
        }
    }

    /// Returns the counters, to read from anywhere.
    #[must_use]
    pub fn counters(&self) -> Arc<NetCounters> {
        Arc::clone(self.tally.counters())
    }

    /// Returns which backend runs, and why it is not `io_uring` where that was hoped for.
    #[must_use]
    pub fn active_backend(&self) -> &ActiveBackend {
        &self.active_backend
    }

    /// Returns where a line listens, with the port that the kernel chose.
    ///
    /// # Panics
    ///
    /// When there is no line of that index.
    #[must_use]
    pub fn local_address(&self, line: usize) -> SocketAddrV4 {
        self.lines[line].address()
    }

    /// Returns how much socket buffer a line asked for and was granted.
    ///
    /// # Panics
    ///
    /// When there is no line of that index.
    #[must_use]
    pub fn receive_buffer(&self, line: usize) -> ReceiveBuffer {
        self.lines[line].receive_buffer()
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("active_backend", &self.active_backend)
            .field("state", &self.state)
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}

/// Waits until the kernel stamps datagrams when they arrive.
///
/// It begins to in the background when the first socket of a host asks for stamps
/// (`net_enable_timestamp`); until then it stamps a datagram when it is fetched, which is what a
/// receive time must never be. Sockets that ask are open when this is called, so what it finds
/// stays, unless the last other user of stamps goes away at this very moment: then stamping may go
/// off and on once more. Where loopback does not carry a datagram it cannot tell, and does not
/// wait.
fn await_stamps() {
    let line = Line::new("stamp probe", SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));
    let Ok(socket) = LineSocket::open(&line, Stamps::Kernel) else {
        return;
    };
    let Ok(sender) = Sender::open(socket.address(), None) else {
        return;
    };
    let mut mmsg = Mmsg::new(&Config {
        stamps: Stamps::Kernel,
        batch_max: 1,
        ..Config::default()
    });
    let mut tally = Tally::new([socket.name()].into_iter());
    let sockets = [socket];
    for _ in 0..STAMP_PROBES_MAX {
        if sender.send(b"stamp").is_err() {
            return;
        }
        let sent_ns = SystemClock.now_ns();
        let mut stamped = false;
        mmsg.receive(&sockets, &mut tally, &SystemClock, &mut |datagram| {
            stamped = datagram.ts_recv_ns <= sent_ns;
            Flow::Continue
        });
        if stamped {
            return;
        }
        thread::sleep(STAMP_PROBE_PAUSE);
    }
}

/// Decides what runs. `open` answers with the reason where `io_uring` is refused.
fn choose<U>(
    backend: Backend,
    open: impl FnOnce() -> Result<U, String>,
) -> Result<(Option<U>, ActiveBackend)> {
    match (backend, (backend != Backend::Mmsg).then(open)) {
        (_, Some(Ok(uring))) => Ok((Some(uring), ActiveBackend::Uring)),
        (Backend::Uring, Some(Err(reason))) => Err(Error::UringUnavailable { reason }),
        (_, refused) => Ok((
            None,
            ActiveBackend::Mmsg {
                uring_refused: refused.and_then(Result::err),
            },
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_falls_back_with_the_reason_and_uring_by_name_does_not() {
        let refuse = || Err::<(), _>("io_uring_setup: EPERM".to_owned());
        let (uring, running) = choose(Backend::Auto, refuse).unwrap();
        assert!(uring.is_none());
        assert_eq!(
            running.to_string(),
            "recvmmsg, because io_uring_setup: EPERM"
        );

        let error = choose(Backend::Uring, refuse).unwrap_err();
        assert!(matches!(error, Error::UringUnavailable { reason } if reason.contains("EPERM")));

        let (_, running) = choose(Backend::Mmsg, refuse).unwrap();
        assert_eq!(
            running,
            ActiveBackend::Mmsg {
                uring_refused: None
            }
        );

        let (uring, running) = choose(Backend::Auto, || Ok(())).unwrap();
        assert!(uring.is_some());
        assert_eq!(running.to_string(), "io_uring");
    }
}
