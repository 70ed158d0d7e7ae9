//! Owns one client of the SoupBinTCP server: its socket, and bytes on their way to it.

use ringtape::feed::soupbintcp::{Connection, Reject, Server};
use ringtape::torture::TcpFaults;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

/// The most bytes that wait for one client beside the session's history, which all share.
const OUTBOX_BYTES_MAX: usize = 1 << 16;
/// How long the socket may take no byte of what waits.
const SLOW_NS: u64 = 10_000_000_000;
/// How long a client that was told everything has to close its side. A socket that is dropped with
/// bytes unread resets the connection, and the client loses what it had not read.
const CLOSING_NS: u64 = 1_000_000_000;
/// Reads in a turn, so that a client which never stops talking does not keep the others waiting.
const READS_MAX: usize = 4;
/// No packet: its third byte is no type that a server sends, and the client finds that at once.
const GARBAGE: &[u8] = b"garbage";

/// What clients did, and what was done to them.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub(super) struct Counts {
    pub(super) connections: u64,
    pub(super) logins: u64,
    pub(super) rejected: u64,
    /// Sequenced messages that clients' sockets took, all clients together.
    pub(super) sequenced: u64,
    /// Closed by the scenario.
    pub(super) closed_by_fault: u64,
    pub(super) stalls: u64,
    pub(super) garbage: u64,
    /// Closed because they did not read.
    pub(super) dropped_slow: u64,
    /// Closed at once: there were too many.
    pub(super) refused: u64,
}

/// What is left of a client after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is there.
    Stays,
    /// It is gone, and has what it wanted.
    Done,
    /// It is gone, and will want the rest.
    Owed,
}

#[derive(Debug)]
pub(super) struct Client {
    /// Which of the server's sessions it was connected to.
    pub(super) session: usize,
    stream: TcpStream,
    connection: Connection,
    faults: TcpFaults,
    outbox: Vec<u8>,
    /// What the connection gave so far, without garbage.
    sent_bytes: u64,
    messages: u64,
    /// When its socket last took a byte, or the outbox was filled.
    progress_ns: u64,
    /// Until when it is not looked after.
    stalled_until_ns: Option<u64>,
    /// How many had come when it was last looked after before a stall.
    connections_before: u64,
    /// It was not looked after until just now, and somebody came meanwhile: it may have left and
    /// be back.
    may_be_back: bool,
    /// There was nothing to send in its last turn.
    is_drained: bool,
    /// When our side was closed, and what becomes of it when the other is.
    closing: Option<(u64, Turn)>,
}

impl Client {
    pub(super) fn new(
        stream: TcpStream,
        server: &Server,
        session: usize,
        faults: TcpFaults,
        now_ns: u64,
    ) -> Self {
        Self {
            session,
            stream,
            connection: server.connect_as(faults.misbehaviour.clone(), now_ns),
            faults,
            outbox: Vec::new(),
            sent_bytes: 0,
            messages: 0,
            progress_ns: now_ns,
            stalled_until_ns: None,
            connections_before: 0,
            may_be_back: false,
            is_drained: false,
            closing: None,
        }
    }

    /// Takes what the client sent and sends what it can take. A client that `retires` is closed
    /// once it has everything, though the session has not ended.
    pub(super) fn serve(
        &mut self,
        server: &Server,
        now_ns: u64,
        retires: bool,
        counts: &mut Counts,
    ) -> Turn {
        if let Some(until_ns) = self.stalled_until_ns {
            if now_ns < until_ns {
                return Turn::Stays;
            }
            self.stalled_until_ns = None;
            self.may_be_back = counts.connections > self.connections_before;
            self.progress_ns = now_ns;
        }
        let is_there = self.read(server, now_ns, counts);
        if let Some((since_ns, then)) = self.closing {
            let waits = is_there && now_ns.saturating_sub(since_ns) < CLOSING_NS;
            return if waits { Turn::Stays } else { then };
        }
        let may_be_back = std::mem::take(&mut self.may_be_back);
        if !is_there {
            return if may_be_back { Turn::Done } else { Turn::Owed };
        }
        self.fill(server, now_ns, counts);
        if !self.flush(server, now_ns, counts) {
            return Turn::Owed;
        }
        if !self.outbox.is_empty() {
            if now_ns.saturating_sub(self.progress_ns) >= SLOW_NS {
                counts.dropped_slow += 1;
                return Turn::Done;
            }
        } else if self.connection.has_closed() || retires && self.is_drained {
            self.close(now_ns, counts);
        }
        Turn::Stays
    }

    /// Returns when its socket last took something.
    pub(super) fn progress_ns(&self) -> u64 {
        self.progress_ns
    }

    /// Returns whether it was cut off in the middle: it will be back.
    pub(super) fn is_owed(&self) -> bool {
        matches!(self.closing, Some((_, Turn::Owed)))
    }

    /// Reads what there is; returns whether the other side is there.
    fn read(&mut self, server: &Server, now_ns: u64, counts: &mut Counts) -> bool {
        let mut buffer = [0; 4_096];
        for _ in 0..READS_MAX {
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                // What it says to a closed door is read so that the connection is not reset.
                Ok(_) if self.closing.is_some() => {}
                Ok(bytes) => {
                    let was_logged_in = self.connection.is_logged_in();
                    self.connection.on_bytes(server, &buffer[..bytes], now_ns);
                    let logs_in = !was_logged_in && self.connection.is_logged_in();
                    counts.logins += u64::from(logs_in);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Fills an empty outbox with what is to be sent, as far as the next fault.
    fn fill(&mut self, server: &Server, now_ns: u64, counts: &mut Counts) {
        if !self.outbox.is_empty() {
            return;
        }
        self.is_drained = false;
        while self.outbox.len() < OUTBOX_BYTES_MAX {
            let mut room = OUTBOX_BYTES_MAX - self.outbox.len();
            if let Some((after, for_ns)) = self.faults.stall {
                if self.sent_bytes >= after {
                    // What comes before the stall goes out first.
                    if self.outbox.is_empty() {
                        self.faults.stall = None;
                        self.stalled_until_ns = Some(now_ns.saturating_add(for_ns));
                        self.connections_before = counts.connections;
                        counts.stalls += 1;
                    }
                    return;
                }
                room = room.min(bytes(after - self.sent_bytes));
            }
            if let Some(after) = self.faults.garbage_after_bytes {
                if self.sent_bytes >= after && self.connection.is_between_packets() {
                    self.faults.garbage_after_bytes = None;
                    self.outbox.extend_from_slice(GARBAGE);
                    counts.garbage += 1;
                    return;
                }
                // Byte by byte to the packet's end: within a message nobody could tell garbage.
                room = room.min(bytes(after.saturating_sub(self.sent_bytes)).max(1));
            }
            let sent = self.connection.poll(server, now_ns, room, &mut self.outbox);
            if sent == 0 {
                self.is_drained = self.outbox.is_empty() && self.connection.is_logged_in();
                return;
            }
            self.sent_bytes += sent as u64;
            // From now on something waits.
            self.progress_ns = now_ns;
        }
    }

    /// Gives the socket what it takes; returns whether the other side is there.
    fn flush(&mut self, server: &Server, now_ns: u64, counts: &mut Counts) -> bool {
        while !self.outbox.is_empty() {
            match self.stream.write(&self.outbox) {
                Ok(0) => return false,
                Ok(taken) => {
                    self.outbox.drain(..taken);
                    self.progress_ns = now_ns;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        if !self.is_drained {
            let messages = self.connection.messages(server);
            counts.sequenced += messages - self.messages;
            self.messages = messages;
        }
        true
    }

    /// Closes our side.
    fn close(&mut self, now_ns: u64, counts: &mut Counts) {
        let wrong = &self.faults.misbehaviour;
        let is_cut = wrong
            .close_after_bytes
            .is_some_and(|after| self.sent_bytes >= after);
        // Without a login nothing is sent but that it is rejected.
        let is_rejected = !is_cut && !self.connection.is_logged_in() && self.sent_bytes > 0;
        counts.closed_by_fault += u64::from(is_cut);
        counts.rejected += u64::from(is_rejected);
        let comes_back = is_cut || is_rejected && wrong.reject == Some(Reject::SessionNotAvailable);
        let then = if comes_back { Turn::Owed } else { Turn::Done };
        self.closing = Some((now_ns, then));
        // A socket that cannot be closed any more is one whose other side is gone, as the next read
        // finds.
        drop(self.stream.shutdown(Shutdown::Write));
    }
}

/// Returns a distance as a length, the longest where it is longer.
fn bytes(distance: u64) -> usize {
    usize::try_from(distance).unwrap_or(usize::MAX)
}
