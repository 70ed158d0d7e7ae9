//! Owns the way from a stream of bytes to packets, wherever the stream is cut.

use super::packet::{End, Fault, LENGTH_BYTES, PACKET_BYTES_MAX, Raw};
use crate::memory;
use std::fmt;

/// Bytes after which a packet's type is known.
const HEAD_BYTES: usize = LENGTH_BYTES + 1;

/// Finds packets in a stream that arrives in pieces. A packet that is whole in its piece is lent
/// from there; only one that was cut is copied. Allocates only when it is made.
///
/// # Examples
///
/// ```
/// use ringtape::feed::soupbintcp::{Carried, End, Reader, push_message};
///
/// let mut stream = Vec::new();
/// assert!(push_message(&mut stream, Carried::Sequenced, b"first"));
/// assert!(push_message(&mut stream, Carried::Sequenced, b"second"));
///
/// let mut reader = Reader::new(End::Server);
/// let mut payloads = Vec::new();
/// for mut piece in stream.chunks(3) {
///     while let Some(packet) = reader.next(&mut piece) {
///         payloads.push(packet.expect("sound").payload.to_vec());
///     }
/// }
/// assert_eq!(payloads, [&b"first"[..], b"second"]);
/// ```
pub struct Reader {
    from: End,
    /// The packet that was cut: its first `used` bytes.
    held: Box<[u8]>,
    used: usize,
    broken: bool,
}

impl Reader {
    /// Makes a reader of what `from` sends.
    #[must_use]
    pub fn new(from: End) -> Self {
        Self {
            from,
            held: memory::filled(0, PACKET_BYTES_MAX),
            used: 0,
            broken: false,
        }
    }

    /// Returns the next packet and moves `stream` behind it; `None` when `stream` is used up. After
    /// a fault, which is returned once, everything is discarded until [`reset`](Self::reset): where
    /// the next packet would begin is not known.
    ///
    /// Hot path: no allocation, no system call, O(1), or O(bytes) for a packet that was cut.
    pub fn next<'p, 'c: 'p>(&'p mut self, stream: &mut &'c [u8]) -> Option<Result<Raw<'p>, Fault>> {
        if self.broken {
            *stream = &[];
            return None;
        }
        if self.used == 0
            && let Some(&[high, low, kind]) = stream.first_chunk::<HEAD_BYTES>()
        {
            let length = u16::from_be_bytes([high, low]);
            if let Err(fault) = self.check(length, Some(kind)) {
                return Some(Err(fault));
            }
            let bytes = LENGTH_BYTES + usize::from(length);
            if let Some((packet, rest)) = stream.split_at_checked(bytes) {
                *stream = rest;
                return Some(Ok(raw(packet)));
            }
        }
        loop {
            let had = self.used;
            let length = u16::from_be_bytes([self.held[0], self.held[1]]);
            let wanted = match had {
                0..LENGTH_BYTES => LENGTH_BYTES,
                LENGTH_BYTES => HEAD_BYTES,
                _ => LENGTH_BYTES + usize::from(length),
            };
            let (taken, rest) = stream.split_at((wanted - had).min(stream.len()));
            self.held[had..had + taken.len()].copy_from_slice(taken);
            self.used += taken.len();
            *stream = rest;
            if self.used < wanted {
                return None;
            }
            if had > LENGTH_BYTES {
                self.used = 0;
                return Some(Ok(raw(&self.held[..wanted])));
            }
            let kind = (had == LENGTH_BYTES).then_some(self.held[LENGTH_BYTES]);
            let length = u16::from_be_bytes([self.held[0], self.held[1]]);
            if let Err(fault) = self.check(length, kind) {
                return Some(Err(fault));
            }
        }
    }

    /// Begins with a new stream. Returns how many bytes of an unfinished packet are forgotten.
    pub fn reset(&mut self) -> usize {
        self.broken = false;
        std::mem::take(&mut self.used)
    }

    fn check(&mut self, length: u16, kind: Option<u8>) -> Result<(), Fault> {
        let checked = match (length, kind) {
            (0, _) => Err(Fault::Length),
            (_, Some(kind)) => self.from.check(kind, length),
            (_, None) => Ok(()),
        };
        self.broken = checked.is_err();
        checked
    }
}

/// Splits a whole packet, which has at least its type.
fn raw(packet: &[u8]) -> Raw<'_> {
    Raw {
        kind: packet[LENGTH_BYTES],
        payload: &packet[HEAD_BYTES..],
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("from", &self.from)
            .field("used", &self.used)
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::packet::{
        Carried, END_OF_SESSION, SERVER_HEARTBEAT, login_accepted, push_debug, push_message,
    };
    use super::*;

    fn stream() -> Vec<u8> {
        let mut stream = login_accepted(*b"        S1", 7).to_vec();
        assert!(push_message(&mut stream, Carried::Sequenced, b"one"));
        stream.extend(SERVER_HEARTBEAT);
        assert!(push_message(&mut stream, Carried::Sequenced, b""));
        assert!(push_debug(&mut stream, b"hello"));
        assert!(push_message(&mut stream, Carried::Unsequenced, &[9; 300]));
        stream.extend(END_OF_SESSION);
        stream
    }

    type Owned = Result<(u8, Vec<u8>), Fault>;

    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Owned> {
        let mut reader = Reader::new(End::Server);
        let mut packets = Vec::new();
        for mut piece in pieces {
            while let Some(packet) = reader.next(&mut piece) {
                packets.push(packet.map(|raw| (raw.kind, raw.payload.to_vec())));
            }
            assert!(piece.is_empty());
        }
        packets
    }

    #[test]
    fn any_split_of_the_stream_gives_the_same_packets() {
        let stream = stream();
        let whole = read([&stream[..]]);
        let kinds: Vec<u8> = whole
            .iter()
            .map(|packet| packet.as_ref().unwrap().0)
            .collect();
        assert_eq!(kinds, b"ASHS+UZ");
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
                assert_eq!(read(pieces), whole, "split at {first} and {second}");
            }
        }
        assert_eq!(read(stream.chunks(1)), whole);
    }

    #[test]
    fn a_fault_is_told_once_and_as_early_as_its_bytes_are_there() {
        for (bad, fault) in [
            (&[0, 0][..], Fault::Length),
            (&[0, 2, b'H'], Fault::Length),
            (&[255, 255, b'A'], Fault::Length),
            (&[0, 1, b'X'], Fault::UnknownType),
            (&[0, 47, b'L'], Fault::UnknownType),
        ] {
            for pieces in [1, 2, 3] {
                let mut stream = SERVER_HEARTBEAT.to_vec();
                stream.extend(bad);
                let expected = vec![Ok((b'H', vec![])), Err(fault)];
                // One byte later it is told all the same, since a whole type may have to be seen.
                stream.push(0);
                stream.extend(SERVER_HEARTBEAT);
                assert_eq!(read(stream.chunks(pieces)), expected, "{bad:?}");
            }
        }
        let mut reader = Reader::new(End::Server);
        assert_eq!(
            reader.next(&mut &[0, 1, b'X'][..]),
            Some(Err(Fault::UnknownType))
        );
        assert_eq!(reader.next(&mut &SERVER_HEARTBEAT[..]), None);
        reader.reset();
        assert!(reader.next(&mut &SERVER_HEARTBEAT[..]).is_some());
    }
}
