//! Owns TCP connections to servers and how their bytes come out of them.
//!
//! Polled by plain non-blocking calls, one `read` for each connection and poll: a feed on TCP
//! brings a copy of what multicast brings sooner, so io_uring would win nothing that anybody waits
//! for. A server that refuses, closes, or reads nothing costs its own line its connection and never
//! blocks.
//!
//! Keeps the contract of this module: [`Flow::Pause`] leaves everything behind it for the next
//! call, and what had arrived before [`Streams::stop`] is still handed over. Receive times are
//! those at which a read was seen: a stream has no datagrams that the kernel could stamp.

use super::Flow;
use crate::clock::Clock;
use crate::counters::Counter;
use crate::error::{Error, Result};
use crate::memory;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::HashSet;
use std::io::{self, Read as _};
use std::net::SocketAddrV4;
use std::sync::Arc;

/// Bytes that one read takes at most.
const INBOX_BYTES: usize = 64 << 10;
/// Bytes that wait for a server which does not read, beside what the kernel holds for it.
const OUTBOX_BYTES: usize = 4 << 10;

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamLine {
    /// For errors and reports.
    pub name: String,
    /// The server.
    pub address: SocketAddrV4,
}

/// Counts of one stream line. Written by the thread that polls, readable from any.
#[derive(Debug, Default)]
pub struct StreamCounters {
    /// Connections that were made.
    pub connects: Counter,
    /// Attempts to connect that failed.
    pub refused: Counter,
    /// Connections that the server closed.
    pub closed: Counter,
    /// Connections that failed: reset, mostly.
    pub failed: Counter,
    /// Connections given up because the server did not read what was sent.
    pub stalled: Counter,
    /// Reads that brought bytes.
    pub reads: Counter,
    /// Bytes handed over.
    pub bytes: Counter,
    /// Bytes that the kernel took to send.
    pub sent_bytes: Counter,
    /// `errno` of the last failure; 0 if there was none.
    pub last_errno: Counter,
}

/// What happens on a stream line, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEvent<'a> {
    /// There is a connection.
    Connected,
    /// The next bytes of the connection.
    Bytes(&'a [u8]),
    /// There is none any more, or it could not be made. All its bytes were handed over before,
    /// unless it was given up here.
    Closed,
}

/// A [`StreamEvent`] with its line and time, lent to the visitor of [`Streams::receive`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incident<'a> {
    /// Index of the line in what [`Streams::open`] was given.
    pub line: usize,
    /// What happened.
    pub event: StreamEvent<'a>,
    /// When it was seen: UNIX nanoseconds of the clock that was lent.
    pub seen_ns: u64,
}

#[derive(Debug)]
enum State {
    Down,
    Connecting(Socket),
    Up(Socket),
    /// Over, and the visitor does not know yet.
    Over,
}

#[derive(Debug)]
struct Stream {
    address: SocketAddrV4,
    state: State,
    inbox: Box<[u8]>,
    /// What of the inbox is not yet handed over.
    from: usize,
    to: usize,
    seen_ns: u64,
    outbox: Box<[u8]>,
    pending: usize,
    /// After a stop: how many more bytes to read.
    left: Option<usize>,
}

/// Connections to any number of servers, made and closed as [`Streams::set`] says.
///
/// Opened anywhere, then moved to the thread that will poll it.
///
/// # Examples
///
/// ```
/// use ringtape::clock::SystemClock;
/// use ringtape::net::{Flow, StreamEvent, StreamLine, Streams};
/// use std::io::Write;
/// use std::net::{SocketAddr, TcpListener};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let SocketAddr::V4(address) = listener.local_addr()? else { unreachable!() };
/// let mut streams = Streams::open(&[StreamLine { name: "A".to_owned(), address }], 2048)?;
/// streams.set(0, true);
/// listener.accept()?.0.write_all(b"tick")?; // and closes
///
/// let mut received = Vec::new();
/// let mut closed = false;
/// while !closed {
///     streams.receive(&SystemClock, |incident| {
///         match incident.event {
///             StreamEvent::Connected => {}
///             StreamEvent::Bytes(bytes) => received.extend_from_slice(bytes),
///             StreamEvent::Closed => closed = true,
///         }
///         Flow::Continue
///     });
/// }
/// assert_eq!(received, b"tick");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Streams {
    streams: Vec<Stream>,
    counters: Arc<[StreamCounters]>,
    piece_bytes_max: usize,
    next_line: usize,
    stopped: bool,
    quiet: bool,
}

impl Streams {
    /// Makes room for lines; connects to nobody yet. At most `piece_bytes_max` bytes are handed
    /// over at a time.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for two lines of one name, an address that nobody can have, or pieces of
    /// no bytes.
    pub fn open(lines: &[StreamLine], piece_bytes_max: usize) -> Result<Self> {
        if piece_bytes_max == 0 {
            return Err(Error::config("pieces of 0 bytes", "take 1 or more"));
        }
        let mut names = HashSet::new();
        for StreamLine { name, address } in lines {
            if !names.insert(name) {
                return Err(Error::config(
                    format!("two stream lines are named {name}"),
                    "give each a name of its own",
                ));
            }
            let ip = address.ip();
            if address.port() == 0 || ip.is_multicast() || ip.is_unspecified() || ip.is_broadcast()
            {
                return Err(Error::config(
                    format!("line {name}: no server can be at {address}"),
                    "use the address and port of a TCP server",
                ));
            }
        }
        Ok(Self {
            streams: lines.iter().map(|line| Stream::new(line.address)).collect(),
            counters: lines.iter().map(|_| StreamCounters::default()).collect(),
            piece_bytes_max,
            next_line: 0,
            stopped: false,
            quiet: true,
        })
    }

    /// Says whether a line is to have a connection. Begins to make one, or closes it at once, with
    /// what was received and not handed over; does nothing where it is so already, or where word of
    /// the end of the last one has not been handed over.
    ///
    /// Costs system calls only where it changes something; never blocks.
    ///
    /// # Panics
    ///
    /// When there is no line of that index.
    pub fn set(&mut self, line: usize, up: bool) {
        let counters = &self.counters[line];
        let stream = &mut self.streams[line];
        match (&stream.state, up) {
            (State::Down, true) if !self.stopped => stream.connect(counters),
            (State::Connecting(_) | State::Up(_), false) => stream.abandon(),
            _ => {}
        }
    }

    /// Sends bytes on a line, or keeps what the kernel does not take for the next poll. Where there
    /// is no connection they are not sent. A server that has left too much unread loses the
    /// connection.
    ///
    /// # Panics
    ///
    /// When there is no line of that index.
    pub fn send(&mut self, line: usize, bytes: &[u8]) {
        let stream = &mut self.streams[line];
        if self.stopped || !matches!(stream.state, State::Up(_)) {
            return;
        }
        let Some(room) = stream
            .outbox
            .get_mut(stream.pending..stream.pending + bytes.len())
        else {
            self.counters[line].stalled.add(1);
            return stream.abandon();
        };
        room.copy_from_slice(bytes);
        stream.pending += bytes.len();
        stream.flush(&self.counters[line]);
    }

    /// Shows what happens to `visit`, in order for each line, and returns how many incidents. Never
    /// blocks. After [`Flow::Pause`] the rest stay where they are for the next call.
    ///
    /// Hot path: no allocation; one `read` for each connection, and a `write` where bytes wait.
    pub fn receive<C: Clock>(
        &mut self,
        clock: &C,
        mut visit: impl FnMut(Incident<'_>) -> Flow,
    ) -> usize {
        let mut handed = 0;
        self.quiet = true;
        for _ in 0..self.streams.len() {
            let line = self.next_line;
            let counters = &self.counters[line];
            let stream = &mut self.streams[line];
            if stream.from == stream.to
                && let Some(event) = stream.poll(clock, counters)
            {
                handed += 1;
                self.quiet = false;
                let seen_ns = clock.now_ns();
                if visit(Incident {
                    line,
                    event,
                    seen_ns,
                }) == Flow::Pause
                {
                    return handed;
                }
            }
            while stream.from < stream.to {
                let end = stream.to.min(stream.from + self.piece_bytes_max);
                let piece = &stream.inbox[stream.from..end];
                stream.from = end;
                handed += 1;
                self.quiet = false;
                counters.bytes.add(piece.len() as u64);
                let incident = Incident {
                    line,
                    event: StreamEvent::Bytes(piece),
                    seen_ns: stream.seen_ns,
                };
                if visit(incident) == Flow::Pause {
                    return handed;
                }
            }
            // Only now: a line that paused goes on where it was.
            self.next_line = (line + 1) % self.streams.len();
        }
        handed
    }

    /// Returns whether the last call of [`receive`](Self::receive) found nothing on any line.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Receives nothing more, but for what has arrived already, and connects no more.
    pub fn stop(&mut self) {
        if self.stopped {
            return;
        }
        self.stopped = true;
        for stream in &mut self.streams {
            let arrived = match &stream.state {
                State::Up(socket) => rustix::io::ioctl_fionread(socket).unwrap_or(0),
                _ => 0,
            };
            stream.left = Some(usize::try_from(arrived).unwrap_or(usize::MAX));
        }
    }

    /// Returns whether all that had arrived before [`stop`](Self::stop) has been handed over.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.streams
            .iter()
            .all(|stream| stream.left == Some(0) && stream.from == stream.to)
            && self.stopped
    }

    /// Returns the counters of the lines, in their order, to read from anywhere.
    #[must_use]
    pub fn counters(&self) -> Arc<[StreamCounters]> {
        Arc::clone(&self.counters)
    }

    /// Returns how many lines there are.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.streams.len()
    }
}

impl Stream {
    fn new(address: SocketAddrV4) -> Self {
        Self {
            address,
            state: State::Down,
            inbox: memory::filled(0, INBOX_BYTES),
            from: 0,
            to: 0,
            seen_ns: 0,
            outbox: memory::filled(0, OUTBOX_BYTES),
            pending: 0,
            left: None,
        }
    }

    fn connect(&mut self, counters: &StreamCounters) {
        self.state = match begin_connect(self.address) {
            Ok(socket) => State::Connecting(socket),
            Err(error) => {
                counters.refused.add(1);
                note(&error, counters);
                State::Over
            }
        };
    }

    /// Closes, and leaves word of it.
    fn abandon(&mut self) {
        self.state = State::Over;
        (self.from, self.to, self.pending) = (0, 0, 0);
        self.left = self.left.map(|_| 0);
    }

    /// Fills the inbox, or returns what else has happened.
    fn poll<C: Clock>(
        &mut self,
        clock: &C,
        counters: &StreamCounters,
    ) -> Option<StreamEvent<'static>> {
        match &self.state {
            State::Down => None,
            State::Over => {
                self.state = State::Down;
                Some(StreamEvent::Closed)
            }
            State::Connecting(socket) => match connected(socket, self.address) {
                Ok(false) => None,
                Ok(true) => {
                    counters.connects.add(1);
                    let before = std::mem::replace(&mut self.state, State::Down);
                    if let State::Connecting(socket) = before {
                        self.state = State::Up(socket);
                    }
                    Some(StreamEvent::Connected)
                }
                Err(error) => {
                    counters.refused.add(1);
                    note(&error, counters);
                    self.state = State::Down;
                    Some(StreamEvent::Closed)
                }
            },
            State::Up(_) => {
                self.flush(counters);
                self.read(clock, counters)
            }
        }
    }

    fn read<C: Clock>(
        &mut self,
        clock: &C,
        counters: &StreamCounters,
    ) -> Option<StreamEvent<'static>> {
        let State::Up(socket) = &self.state else {
            return None;
        };
        let wanted = self.left.unwrap_or(usize::MAX).min(self.inbox.len());
        if wanted == 0 {
            return None;
        }
        let ended = match (&mut &*socket).read(&mut self.inbox[..wanted]) {
            Ok(0) => &counters.closed,
            Ok(bytes) => {
                counters.reads.add(1);
                (self.from, self.to) = (0, bytes);
                self.seen_ns = clock.now_ns();
                self.left = self.left.map(|left| left.saturating_sub(bytes));
                return None;
            }
            Err(error) if is_later(&error) => {
                // After a stop that would be more than the kernel told of.
                self.left = self.left.map(|_| 0);
                return None;
            }
            Err(error) => {
                note(&error, counters);
                &counters.failed
            }
        };
        ended.add(1);
        self.abandon();
        self.state = State::Down;
        Some(StreamEvent::Closed)
    }

    /// Sends what waits, as far as the kernel takes it.
    fn flush(&mut self, counters: &StreamCounters) {
        let State::Up(socket) = &self.state else {
            return;
        };
        while self.pending > 0 {
            // Not a signal, which would end a process that is not ours to end.
            match socket.send_with_flags(&self.outbox[..self.pending], libc::MSG_NOSIGNAL) {
                Ok(sent) => {
                    counters.sent_bytes.add(sent as u64);
                    self.outbox.copy_within(sent..self.pending, 0);
                    self.pending -= sent;
                    if sent == 0 {
                        return;
                    }
                }
                Err(error) if is_later(&error) => return,
                Err(error) => {
                    // What had arrived before can still be read, and then the read tells the end.
                    note(&error, counters);
                    self.pending = 0;
                }
            }
        }
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

fn note(error: &io::Error, counters: &StreamCounters) {
    let errno = error.raw_os_error().unwrap_or_default();
    counters.last_errno.set(u64::from(errno.unsigned_abs()));
}

fn begin_connect(address: SocketAddrV4) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::IPV4,
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    socket.set_tcp_nodelay(true)?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(socket),
    }
}

/// Returns whether a connection has been made by now.
fn connected(socket: &Socket, address: SocketAddrV4) -> io::Result<bool> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Err(error) if error.raw_os_error() == Some(libc::ENOTCONN) => Ok(false),
        Err(error) => Err(error),
        // Where nobody listens on a port that the kernel hands out, it can hand out that very port
        // for this end, and connect the socket to itself.
        Ok(_) if socket.local_addr()?.as_socket_ipv4() == Some(address) => {
            Err(io::Error::from_raw_os_error(libc::ECONNREFUSED))
        }
        Ok(_) => Ok(true),
    }
}
