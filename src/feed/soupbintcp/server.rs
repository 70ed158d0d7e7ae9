//! Owns the venue's side: a session with its history, and connections to it that may misbehave.
//!
//! For simulators and tests of whoever uses the library; unlike the client it allocates.

use super::packet::{
    Carried, ClientPacket, END_OF_SESSION, End, Login, Password, Reject, SERVER_HEARTBEAT,
    SessionId, login_accepted, login_rejected, push_message,
};
use super::reader::Reader;

/// Nanoseconds of own silence after which a heartbeat is sent.
const HEARTBEAT_NS: u64 = 1_000_000_000;
/// Nanoseconds without a byte from the client after which the connection is closed.
const SILENCE_NS: u64 = 15_000_000_000;

/// A session of a venue: every message that it has published, numbered from 1, or from where it was
/// told to begin. It has no socket and reads no clock: whoever carries the bytes tells the time.
///
/// [`SoupFeed`](super::SoupFeed) shows both sides at work.
#[derive(Clone, Debug)]
pub struct Server {
    session: SessionId,
    /// The number of its first message.
    first: u64,
    /// Packets of sequenced data, one behind the other.
    history: Vec<u8>,
    /// Where each packet ends in `history`.
    ends: Vec<usize>,
    /// The first number that can still be had.
    kept_from: u64,
    ended: bool,
    /// Who may log in; everybody if `None`.
    user: Option<([u8; 6], Password)>,
}

impl Server {
    /// Makes a session without messages, to which everybody may log in.
    #[must_use]
    pub const fn new(session: SessionId) -> Self {
        Self {
            session,
            first: 1,
            history: Vec::new(),
            ends: Vec::new(),
            kept_from: 1,
            ended: false,
            user: None,
        }
    }

    /// Gives the first message this number instead of 1; 0 counts as 1. For sessions of which the
    /// beginning is not there.
    #[must_use]
    pub fn beginning_at(mut self, first: u64) -> Self {
        self.first = first.max(1);
        self.kept_from = self.first;
        self
    }

    /// Lets only this user log in.
    #[must_use]
    pub fn for_user(mut self, username: [u8; 6], password: Password) -> Self {
        self.user = Some((username, password));
        self
    }

    /// Publishes a message. Returns false, and publishes nothing, when it is longer than a packet
    /// carries or the session has ended.
    #[must_use]
    pub fn publish(&mut self, message: &[u8]) -> bool {
        let room = !self.ended && push_message(&mut self.history, Carried::Sequenced, message);
        if room {
            self.ends.push(self.history.len());
        }
        room
    }

    /// Forgets the messages below `number`: who asks for them is given those from there on.
    pub fn keep_from(&mut self, number: u64) {
        self.kept_from = number.clamp(self.first, self.next());
    }

    /// Ends the session.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Returns the number of the next message.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.first + self.ends.len() as u64
    }

    /// Takes a connection that somebody made at `now_ns`.
    #[must_use]
    pub fn connect(&self, now_ns: u64) -> Connection {
        self.connect_as(Misbehaviour::default(), now_ns)
    }

    /// Takes a connection that will go wrong.
    #[must_use]
    pub fn connect_as(&self, misbehaviour: Misbehaviour, now_ns: u64) -> Connection {
        Connection {
            reader: Reader::new(End::Client),
            misbehaviour,
            control: Vec::new(),
            begun: 0,
            cursor: None,
            in_packet: None,
            sent_bytes: 0,
            sent_ns: now_ns,
            heard_ns: now_ns,
            end_sent: false,
            closing: false,
        }
    }

    fn answer(&self, login: &Login) -> Result<u64, Reject> {
        let user_fits = |&(username, password): &(_, _)| {
            login.username == username && login.password == password
        };
        let asked = login.session.trim_ascii();
        if !self.user.as_ref().is_none_or(user_fits) {
            Err(Reject::NotAuthorised)
        } else if !asked.is_empty() && asked != self.session.trim_ascii() {
            Err(Reject::SessionNotAvailable)
        } else if login.sequence == 0 {
            Ok(self.next())
        } else {
            Ok(login.sequence.max(self.kept_from).min(self.next()))
        }
    }

    /// How many packets end at `offset` of the history or before.
    fn packets_before(&self, offset: usize) -> usize {
        self.ends.partition_point(|&end| end <= offset)
    }

    /// Where packet `number` begins in the history.
    fn offset(&self, number: u64) -> usize {
        let before = usize::try_from(number - self.first).unwrap_or(usize::MAX);
        match before.checked_sub(1) {
            None => 0,
            Some(last) => self.ends.get(last).copied().unwrap_or(self.history.len()),
        }
    }
}

/// How a connection goes wrong. By default it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Misbehaviour {
    /// Closes after it has sent so many bytes, in the middle of a packet if that is where they end.
    pub close_after_bytes: Option<u64>,
    /// Sends and reads nothing more after so many bytes, and does not close.
    pub stall_after_bytes: Option<u64>,
    /// Sends these bytes after so many of its own, in the middle of a packet if need be.
    pub garbage_after_bytes: Option<(u64, Vec<u8>)>,
    /// Rejects every login.
    pub reject: Option<Reject>,
    /// Accepts at this number instead of the one asked for, which moves with it what is sent.
    pub accept_at: Option<u64>,
    /// Answers from this session's name instead of its own, and sends all the same.
    pub session: Option<SessionId>,
}

/// One client's connection to a [`Server`].
#[derive(Debug)]
pub struct Connection {
    reader: Reader,
    misbehaviour: Misbehaviour,
    /// Answers and heartbeats that wait to be sent, and garbage.
    control: Vec<u8>,
    /// How many messages of the history the client did not ask for.
    begun: usize,
    /// Offset in the server's history of what comes next; `None` before the login.
    cursor: Option<usize>,
    /// Where the packet ends that was begun and not yet sent as a whole.
    in_packet: Option<usize>,
    sent_bytes: u64,
    sent_ns: u64,
    heard_ns: u64,
    end_sent: bool,
    closing: bool,
}

impl Connection {
    /// Takes bytes that the client sent.
    pub fn on_bytes(&mut self, server: &Server, mut bytes: &[u8], now_ns: u64) {
        if self.is_stalled() || self.closing {
            return;
        }
        self.heard_ns = now_ns;
        loop {
            let packet = match self.reader.next(&mut bytes) {
                None => return,
                Some(raw) => raw.and_then(ClientPacket::parse),
            };
            match packet {
                Ok(ClientPacket::Login(login)) if self.cursor.is_none() => {
                    self.take_login(server, &login);
                }
                Ok(ClientPacket::Login(_) | ClientPacket::Logout) | Err(_) => self.closing = true,
                Ok(
                    ClientPacket::Heartbeat | ClientPacket::Debug(_) | ClientPacket::Unsequenced(_),
                ) => {}
            }
        }
    }

    /// Writes behind what is in `out` what is to be sent at `now_ns`, at most `room` bytes, and
    /// returns how many. What it wrote must be sent.
    pub fn poll(&mut self, server: &Server, now_ns: u64, room: usize, out: &mut Vec<u8>) -> usize {
        let before = out.len();
        while !self.is_stalled() && !self.has_closed() {
            self.begin_garbage();
            let left = room - (out.len() - before);
            let limit = self.allowance().min(left);
            let sent = self.send_some(server, now_ns, limit, out);
            self.sent_bytes += sent as u64;
            if sent == 0 {
                break;
            }
            self.sent_ns = now_ns;
        }
        self.closing |= now_ns.saturating_sub(self.heard_ns) >= SILENCE_NS && !self.is_stalled();
        out.len() - before
    }

    /// Returns whether the server has closed: nothing more will be sent.
    #[must_use]
    pub fn has_closed(&self) -> bool {
        let cut = self.misbehaviour.close_after_bytes;
        cut.is_some_and(|cut| self.sent_bytes >= cut)
            || (self.closing || self.end_sent) && self.control.is_empty()
    }

    /// Returns whether the server has stopped reading and sending.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        let stall = self.misbehaviour.stall_after_bytes;
        stall.is_some_and(|stall| self.sent_bytes >= stall)
    }

    /// Returns whether the client's login was accepted.
    #[must_use]
    pub const fn is_logged_in(&self) -> bool {
        self.cursor.is_some()
    }

    /// Returns whether what was sent so far ends where a packet does.
    #[must_use]
    pub const fn is_between_packets(&self) -> bool {
        self.in_packet.is_none() && self.control.is_empty()
    }

    /// Returns how many messages of the session were sent as a whole.
    #[must_use]
    pub fn messages(&self, server: &Server) -> u64 {
        let sent = self
            .cursor
            .map_or(0, |cursor| server.packets_before(cursor));
        sent.saturating_sub(self.begun) as u64
    }

    fn take_login(&mut self, server: &Server, login: &Login) {
        let answer = match self.misbehaviour.reject {
            Some(reject) => Err(reject),
            // Who answers in another session's name takes every login for its own.
            None if self.misbehaviour.session.is_some() => Ok(login.sequence.max(1)),
            None => server.answer(login),
        };
        match answer {
            Ok(number) => {
                let number = self.misbehaviour.accept_at.unwrap_or(number);
                let session = self.misbehaviour.session.unwrap_or(server.session);
                self.control.extend(login_accepted(session, number));
                let cursor = server.offset(number.clamp(server.first, server.next()));
                self.begun = server.packets_before(cursor);
                self.cursor = Some(cursor);
            }
            Err(reject) => {
                self.control.extend(login_rejected(reject));
                self.closing = true;
            }
        }
    }

    /// How many bytes may go out before something goes wrong.
    fn allowance(&self) -> usize {
        let wrong = &self.misbehaviour;
        let garbage = wrong.garbage_after_bytes.as_ref().map(|(after, _)| *after);
        [wrong.close_after_bytes, wrong.stall_after_bytes, garbage]
            .into_iter()
            .flatten()
            .map(|after| usize::try_from(after - self.sent_bytes.min(after)).unwrap_or(usize::MAX))
            .min()
            .unwrap_or(usize::MAX)
    }

    fn begin_garbage(&mut self) {
        let due = |(after, _): &(u64, Vec<u8>)| self.sent_bytes >= *after;
        if self
            .misbehaviour
            .garbage_after_bytes
            .as_ref()
            .is_some_and(due)
            && let Some((_, garbage)) = self.misbehaviour.garbage_after_bytes.take()
        {
            self.control.splice(..0, garbage);
            // It comes at once, wherever a packet was.
            self.in_packet = None;
        }
    }

    /// Sends from what is due first, at most `limit` bytes.
    fn send_some(
        &mut self,
        server: &Server,
        now_ns: u64,
        limit: usize,
        out: &mut Vec<u8>,
    ) -> usize {
        if limit == 0 {
            return 0;
        }
        if self.in_packet.is_none() && !self.control.is_empty() {
            let sent = limit.min(self.control.len());
            out.extend(self.control.drain(..sent));
            return sent;
        }
        let Some(cursor) = self.cursor.filter(|_| !self.closing) else {
            return 0;
        };
        if cursor == server.history.len() {
            if server.ended && !self.end_sent {
                self.end_sent = true;
                self.control.extend(END_OF_SESSION);
            } else if now_ns.saturating_sub(self.sent_ns) >= HEARTBEAT_NS {
                self.control.extend(SERVER_HEARTBEAT);
            } else {
                return 0;
            }
            return self.send_some(server, now_ns, limit, out);
        }
        let end = (cursor.saturating_add(limit)).min(server.history.len());
        out.extend_from_slice(&server.history[cursor..end]);
        self.cursor = Some(end);
        let next_end = server.ends.partition_point(|&packet_end| packet_end < end);
        self.in_packet = server
            .ends
            .get(next_end)
            .copied()
            .filter(|&packet_end| packet_end != end);
        end - cursor
    }
}

#[cfg(test)]
mod tests {
    use super::super::packet::{login_request, session_id};
    use super::*;

    fn server() -> Server {
        let mut server = Server::new(session_id(b"S1").unwrap());
        for message in [&b"one"[..], b"", b"three"] {
            assert!(server.publish(message));
        }
        server
    }

    fn login(session: &[u8], sequence: u64) -> [u8; 49] {
        login_request(&Login {
            username: *b"user  ",
            password: Password::new("pass").unwrap(),
            session: session_id(session).unwrap(),
            sequence,
        })
    }

    fn talk(server: &Server, mut connection: Connection, login: &[u8], room: usize) -> Vec<u8> {
        connection.on_bytes(server, login, 0);
        let mut out = Vec::new();
        while connection.poll(server, 0, room, &mut out) > 0 {}
        out
    }

    #[test]
    fn a_login_is_answered_with_the_history_from_the_number_asked_for() {
        let mut server = server();
        for (session, asked, accepted, history) in [
            (&b""[..], 1, 1, &b"\x00\x04Sone\x00\x01S\x00\x06Sthree"[..]),
            (b"S1", 3, 3, b"\x00\x06Sthree"),
            (b"", 0, 4, b""),
            (b"", 9, 4, b""),
        ] {
            let mut expected = login_accepted(*b"        S1", accepted).to_vec();
            expected.extend(history);
            for room in [1, 2, 7, 1_000] {
                let sent = talk(&server, server.connect(0), &login(session, asked), room);
                assert_eq!(sent, expected, "{asked}, {room} bytes at a time");
            }
        }
        assert_eq!(
            talk(&server, server.connect(0), &login(b"S2", 1), 99),
            [0, 2, b'J', b'S']
        );
        server.keep_from(3);
        server.end();
        let mut expected = login_accepted(*b"        S1", 3).to_vec();
        expected.extend(b"\x00\x06Sthree\x00\x01Z");
        assert_eq!(
            talk(&server, server.connect(0), &login(b"", 1), 5),
            expected
        );
        let server = server.for_user(*b"other ", Password::new("pass").unwrap());
        assert_eq!(
            talk(&server, server.connect(0), &login(b"", 1), 99),
            [0, 2, b'J', b'A']
        );
    }

    #[test]
    fn a_session_can_begin_at_any_number_and_tells_what_was_sent_of_it() {
        let mut server = Server::new(session_id(b"S1").unwrap()).beginning_at(1_000);
        for message in [&b"one"[..], b"", b"three"] {
            assert!(server.publish(message));
        }
        assert_eq!(server.next(), 1_003);
        for (asked, accepted, messages) in [(1, 1_000, 3), (1_002, 1_002, 1), (0, 1_003, 0)] {
            let mut connection = server.connect(0);
            connection.on_bytes(&server, &login(b"", asked), 0);
            assert!(connection.is_logged_in() && !connection.is_between_packets());
            let (mut out, mut whole) = (Vec::new(), Vec::new());
            while connection.poll(&server, 0, 1, &mut out) > 0 {
                if connection.is_between_packets() {
                    whole.push((out.len(), connection.messages(&server)));
                }
            }
            assert_eq!(out[..33], login_accepted(*b"        S1", accepted));
            assert_eq!(whole[0], (33, 0));
            assert_eq!(whole.len() as u64, 1 + messages);
            assert_eq!(whole.last(), Some(&(out.len(), messages)));
        }
    }

    #[test]
    fn what_goes_wrong_goes_wrong_at_its_byte() {
        let server = server();
        let good = talk(&server, server.connect(0), &login(b"", 1), 1_000);
        for after in 0..good.len() {
            let at = after as u64;
            let wrong = |misbehaviour| {
                talk(
                    &server,
                    server.connect_as(misbehaviour, 0),
                    &login(b"", 1),
                    10,
                )
            };
            let closed = wrong(Misbehaviour {
                close_after_bytes: Some(at),
                ..Misbehaviour::default()
            });
            assert_eq!(closed, good[..after]);
            let stalled = wrong(Misbehaviour {
                stall_after_bytes: Some(at),
                ..Misbehaviour::default()
            });
            assert_eq!(stalled, good[..after]);
            let garbled = wrong(Misbehaviour {
                garbage_after_bytes: Some((at, b"???".to_vec())),
                ..Misbehaviour::default()
            });
            let expected = [&good[..after], b"???", &good[after..]].concat();
            assert_eq!(garbled, expected, "garbage after {after}");
        }
    }
}
