//! Owns the packets of both sides: their bytes, and what is wrong with bytes that are none.

use std::fmt;

/// Bytes of the length before each packet.
pub const LENGTH_BYTES: usize = 2;
/// Bytes of the longest packet, its length included.
pub const PACKET_BYTES_MAX: usize = LENGTH_BYTES + u16::MAX as usize;
/// Bytes of the longest message that a packet carries.
pub const MESSAGE_BYTES_MAX: usize = u16::MAX as usize - 1;

/// What the server sends when it has had nothing to send for a second.
pub const SERVER_HEARTBEAT: [u8; 3] = [0, 1, b'H'];
/// What the client sends when it has had nothing to send for a second.
pub const CLIENT_HEARTBEAT: [u8; 3] = [0, 1, b'R'];
/// What the server sends behind the session's last message.
pub const END_OF_SESSION: [u8; 3] = [0, 1, b'Z'];
/// What the client sends to leave.
pub const LOGOUT_REQUEST: [u8; 3] = [0, 1, b'O'];

const LOGIN_REQUEST_LENGTH: u16 = 47;
const LOGIN_ACCEPTED_LENGTH: u16 = 31;

/// The venue's name of a session: ASCII, padded with spaces on the left; blank for the present one.
pub type SessionId = [u8; 10];

/// Returns a session's name as packets have it. `None` when it is longer than 10 bytes.
#[must_use]
pub fn session_id(name: &[u8]) -> Option<SessionId> {
    let name = name.trim_ascii();
    let mut id = [b' '; 10];
    let pad = id.len().checked_sub(name.len())?;
    id[pad..].copy_from_slice(name);
    Some(id)
}

/// Which side sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The venue.
    Server,
    /// Who logs in.
    Client,
}

/// How a stream breaks the format. Nothing behind it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A type that this side does not send.
    UnknownType,
    /// A length that its type does not have, or 0.
    Length,
    /// A number that is none or does not fit, a blank session, an unknown reason.
    Field,
    /// A sound packet at a time when this side must not send it.
    State,
}

impl End {
    /// Checks what can be known before the payload has arrived.
    pub(super) fn check(self, kind: u8, length: u16) -> Result<(), Fault> {
        let fixed = match (self, kind) {
            (_, b'+' | b'U') | (Self::Server, b'S') => return Ok(()),
            (Self::Server, b'A') => LOGIN_ACCEPTED_LENGTH,
            (Self::Server, b'J') => 2,
            (Self::Server, b'H' | b'Z') | (Self::Client, b'R' | b'O') => 1,
            (Self::Client, b'L') => LOGIN_REQUEST_LENGTH,
            _ => return Err(Fault::UnknownType),
        };
        if length == fixed {
            Ok(())
        } else {
            Err(Fault::Length)
        }
    }
}

/// A packet whose type is one of its side's and whose length fits its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a> {
    /// Its type.
    pub kind: u8,
    /// What follows the type.
    pub payload: &'a [u8],
}

/// Why a login was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    /// Username or password is wrong, or may not use the session.
    NotAuthorised,
    /// The session is not there: another is, or none yet.
    SessionNotAvailable,
}

impl Reject {
    const fn code(self) -> u8 {
        match self {
            Self::NotAuthorised => b'A',
            Self::SessionNotAvailable => b'S',
        }
    }
}

/// What a server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerPacket<'a> {
    /// Text for people.
    Debug(&'a [u8]),
    /// The next sequenced packet has number `next` of `session`.
    LoginAccepted {
        /// The session, never blank.
        session: SessionId,
        /// From 1.
        next: u64,
    },
    /// No login.
    LoginRejected(Reject),
    /// A message that spends a number.
    Sequenced(&'a [u8]),
    /// A message that spends none.
    Unsequenced(&'a [u8]),
    /// The server is there.
    Heartbeat,
    /// Nothing more will be numbered in this session.
    EndOfSession,
}

impl<'a> ServerPacket<'a> {
    /// Reads the fields of a server's packet.
    ///
    /// Hot path: no allocation, no system call, O(1).
    ///
    /// # Errors
    ///
    /// [`Fault::Field`], or what a reader would have said before.
    pub fn parse(raw: Raw<'a>) -> Result<Self, Fault> {
        let payload = raw.payload;
        Ok(match raw.kind {
            b'S' => Self::Sequenced(payload),
            b'U' => Self::Unsequenced(payload),
            b'H' => Self::Heartbeat,
            b'Z' => Self::EndOfSession,
            b'+' => Self::Debug(payload),
            b'A' => {
                let (session, next) = payload.split_first_chunk().ok_or(Fault::Length)?;
                let next = number(next).filter(|&next| next > 0).ok_or(Fault::Field)?;
                let name = session.trim_ascii();
                if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
                    return Err(Fault::Field);
                }
                Self::LoginAccepted {
                    session: *session,
                    next,
                }
            }
            b'J' => Self::LoginRejected(match payload {
                b"A" => Reject::NotAuthorised,
                b"S" => Reject::SessionNotAvailable,
                _ => return Err(Fault::Field),
            }),
            _ => return Err(Fault::UnknownType),
        })
    }
}

/// What a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientPacket<'a> {
    /// Text for people.
    Debug(&'a [u8]),
    /// Asks for a session from a number on.
    Login(Login),
    /// A message to the venue.
    Unsequenced(&'a [u8]),
    /// The client is there.
    Heartbeat,
    /// The client leaves.
    Logout,
}

impl<'a> ClientPacket<'a> {
    /// Reads the fields of a client's packet.
    ///
    /// # Errors
    ///
    /// [`Fault::Field`], or what a reader would have said before.
    pub fn parse(raw: Raw<'a>) -> Result<Self, Fault> {
        let payload = raw.payload;
        Ok(match raw.kind {
            b'+' => Self::Debug(payload),
            b'U' => Self::Unsequenced(payload),
            b'R' => Self::Heartbeat,
            b'O' => Self::Logout,
            b'L' => {
                let (username, rest) = payload.split_first_chunk().ok_or(Fault::Length)?;
                let (password, rest) = rest.split_first_chunk().ok_or(Fault::Length)?;
                let (session, sequence) = rest.split_first_chunk().ok_or(Fault::Length)?;
                Self::Login(Login {
                    username: *username,
                    password: Password(*password),
                    session: *session,
                    sequence: number(sequence).ok_or(Fault::Field)?,
                })
            }
            _ => return Err(Fault::UnknownType),
        })
    }
}

/// A password as packets have it. Its `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Password([u8; 10]);

impl Password {
    /// Makes one of at most 10 bytes; `None` when it is longer.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        padded_right(text).map(Self)
    }

    pub(super) fn is_printable(&self) -> bool {
        is_text(&self.0)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(hidden)")
    }
}

/// A login request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Login {
    /// Padded with spaces on the right.
    pub username: [u8; 6],
    /// See [`Password`].
    pub password: Password,
    /// Blank for the present session.
    pub session: SessionId,
    /// The first number wanted; 0 for what is new.
    pub sequence: u64,
}

/// Returns `text` as a field, or `None` when it is longer.
pub(super) fn padded_right<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut field = [b' '; N];
    field
        .get_mut(..text.len())?
        .copy_from_slice(text.as_bytes());
    Some(field)
}

pub(super) fn is_text(field: &[u8]) -> bool {
    field
        .iter()
        .all(|&byte| byte == b' ' || byte.is_ascii_graphic())
}

/// Writes a login request.
#[must_use]
pub fn login_request(login: &Login) -> [u8; LENGTH_BYTES + LOGIN_REQUEST_LENGTH as usize] {
    let mut packet = [0; LENGTH_BYTES + LOGIN_REQUEST_LENGTH as usize];
    packet[..2].copy_from_slice(&LOGIN_REQUEST_LENGTH.to_be_bytes());
    packet[2] = b'L';
    packet[3..9].copy_from_slice(&login.username);
    packet[9..19].copy_from_slice(&login.password.0);
    packet[19..29].copy_from_slice(&login.session);
    packet[29..].copy_from_slice(&digits(login.sequence));
    packet
}

/// Writes a login accepted: the next sequenced packet has number `next`.
#[must_use]
pub fn login_accepted(
    session: SessionId,
    next: u64,
) -> [u8; LENGTH_BYTES + LOGIN_ACCEPTED_LENGTH as usize] {
    let mut packet = [0; LENGTH_BYTES + LOGIN_ACCEPTED_LENGTH as usize];
    packet[..2].copy_from_slice(&LOGIN_ACCEPTED_LENGTH.to_be_bytes());
    packet[2] = b'A';
    packet[3..13].copy_from_slice(&session);
    packet[13..].copy_from_slice(&digits(next));
    packet
}

/// Writes a login rejected.
#[must_use]
pub const fn login_rejected(reject: Reject) -> [u8; 4] {
    [0, 2, b'J', reject.code()]
}

/// Whether a message spends a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// It does: `S`.
    Sequenced,
    /// It does not: `U`.
    Unsequenced,
}

/// Writes a message behind what is in `out`. Returns false, and writes nothing, when it is longer
/// than [`MESSAGE_BYTES_MAX`].
#[must_use]
pub fn push_message(out: &mut Vec<u8>, carried: Carried, message: &[u8]) -> bool {
    let kind = match carried {
        Carried::Sequenced => b'S',
        Carried::Unsequenced => b'U',
    };
    push(out, kind, message)
}

/// Writes a debug packet behind what is in `out`. Returns false, and writes nothing, when the text
/// is longer than [`MESSAGE_BYTES_MAX`].
#[must_use]
pub fn push_debug(out: &mut Vec<u8>, text: &[u8]) -> bool {
    push(out, b'+', text)
}

fn push(out: &mut Vec<u8>, kind: u8, payload: &[u8]) -> bool {
    let Ok(length) = u16::try_from(payload.len() + 1) else {
        return false;
    };
    out.extend_from_slice(&length.to_be_bytes());
    out.push(kind);
    out.extend_from_slice(payload);
    true
}

/// A number in ASCII, padded with spaces on the left: all of 64 bits fit.
fn digits(mut number: u64) -> [u8; 20] {
    let mut field = [b' '; 20];
    for place in field.iter_mut().rev() {
        let digit = u8::try_from(number % 10).expect("invariant: a digit is below 10");
        *place = b'0' + digit;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    field
}

/// Reads a padded number; spaces on either side, because servers differ.
fn number(field: &[u8]) -> Option<u64> {
    let text = field.trim_ascii();
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, &byte| {
        sum.checked_mul(10)?.checked_add(digit(byte)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_the_login_packets_are_the_documented_layout() {
        let login = Login {
            username: *b"user  ",
            password: Password::new("secret").unwrap(),
            session: session_id(b"S1").unwrap(),
            sequence: 42,
        };
        let bytes = login_request(&login);
        assert_eq!(bytes[..3], [0, 47, b'L']);
        assert_eq!(
            &bytes[3..],
            b"user  secret            S1                  42"
        );
        let raw = |bytes: &'static [u8]| Raw {
            kind: bytes[2],
            payload: &bytes[3..],
        };
        assert_eq!(
            ClientPacket::parse(Raw {
                kind: b'L',
                payload: &bytes[3..]
            }),
            Ok(ClientPacket::Login(login))
        );
        assert!(!format!("{login:?}").contains("secret"));

        let accepted = login_accepted(*b"        S1", u64::MAX);
        assert_eq!(accepted[..3], [0, 31, b'A']);
        assert_eq!(&accepted[3..], b"        S118446744073709551615");
        assert_eq!(
            ServerPacket::parse(Raw {
                kind: b'A',
                payload: &accepted[3..]
            }),
            Ok(ServerPacket::LoginAccepted {
                session: *b"        S1",
                next: u64::MAX
            })
        );
        assert_eq!(
            ServerPacket::parse(raw(&[0, 2, b'J', b'S'])),
            Ok(ServerPacket::LoginRejected(Reject::SessionNotAvailable))
        );
    }

    #[test]
    fn a_field_that_makes_no_sense_is_a_fault() {
        for (payload, why) in [
            (&b"        S1                   x"[..], "no number"),
            (b"        S1                    ", "blank number"),
            (b"        S1                   0", "numbers count from 1"),
            (b"        S118446744073709551616", "beyond 64 bits"),
            (b"        S1                  -1", "a sign"),
            (b"                             1", "blank session"),
            (b"       \x1bS1                   1", "a control character"),
        ] {
            let parsed = ServerPacket::parse(Raw {
                kind: b'A',
                payload,
            });
            assert_eq!(parsed, Err(Fault::Field), "{why}");
        }
        let parsed = ServerPacket::parse(Raw {
            kind: b'J',
            payload: b"X",
        });
        assert_eq!(parsed, Err(Fault::Field));
    }

    #[test]
    fn a_message_that_a_length_cannot_say_is_not_written() {
        let mut out = Vec::new();
        assert!(!push_message(
            &mut out,
            Carried::Sequenced,
            &vec![0; MESSAGE_BYTES_MAX + 1]
        ));
        assert!(out.is_empty());
        assert!(push_message(
            &mut out,
            Carried::Unsequenced,
            &vec![0; MESSAGE_BYTES_MAX]
        ));
        assert_eq!(
            (out.len(), &out[..3]),
            (PACKET_BYTES_MAX, &[255, 255, b'U'][..])
        );
        assert!(session_id(b"12345678901").is_none() && Password::new("12345678901").is_none());
    }
}
