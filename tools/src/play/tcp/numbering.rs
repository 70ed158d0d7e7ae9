//! Owns the order in which numbered messages go into a stream, which has no holes.

use ringtape::feed::soupbintcp::Server;
use std::collections::BTreeMap;

/// Messages that wait for an earlier one; with one more it is given up.
const EARLY_MAX: usize = 1_024;

/// Puts messages in the order of their numbers, each once. A number that does not come is skipped,
/// and the stream numbers what follows without it.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    next: u64,
    early: BTreeMap<u64, Box<[u8]>>,
    missing: u64,
}

impl Numbering {
    /// Begins a session at a number.
    pub(super) fn begin(&mut self, first: u64) {
        self.next = first;
        self.early.clear();
    }

    pub(super) fn publish(&mut self, server: &mut Server, number: u64, message: &[u8]) {
        if number < self.next {
            return;
        }
        if number > self.next {
            self.early.insert(number, message.into());
            if self.early.len() > EARLY_MAX {
                self.skip();
            }
        } else {
            self.push(server, message);
        }
        while let Some(message) = self.early.remove(&self.next) {
            self.push(server, &message);
        }
    }

    /// Publishes all that waits, whatever is missing.
    pub(super) fn release(&mut self, server: &mut Server) {
        while !self.early.is_empty() {
            self.skip();
            while let Some(message) = self.early.remove(&self.next) {
                self.push(server, &message);
            }
        }
    }

    /// Returns how many numbers were skipped.
    pub(super) fn missing(&self) -> u64 {
        self.missing
    }

    /// Gives up what is missing before the first that waits.
    fn skip(&mut self) {
        if let Some((&first, _)) = self.early.first_key_value() {
            self.missing += first - self.next;
            self.next = first;
        }
    }

    fn push(&mut self, server: &mut Server, message: &[u8]) {
        // A datagram has no message that is too long for a packet; one behind the session's end is
        // not sent.
        self.missing += u64::from(!server.publish(message));
        self.next += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringtape::feed::soupbintcp::session_id;

    /// Publishes these numbers from 10 on; returns how many are in the stream and how many missing.
    fn published(numbers: impl IntoIterator<Item = u64>) -> (u64, u64) {
        let mut server = Server::new(session_id(b"S").unwrap()).beginning_at(10);
        let mut numbering = Numbering::default();
        numbering.begin(10);
        for number in numbers {
            numbering.publish(&mut server, number, &number.to_be_bytes());
        }
        numbering.release(&mut server);
        (server.next() - 10, numbering.missing())
    }

    #[test]
    fn each_number_is_published_once_and_holes_are_counted() {
        for (numbers, expected) in [
            (vec![10, 11, 12], (3, 0)),
            (vec![11, 10, 10, 12, 11], (3, 0)),
            (vec![10, 13, 12], (3, 1)),
            (vec![9, 12, 15], (2, 4)),
        ] {
            assert_eq!(published(numbers.clone()), expected, "{numbers:?}");
        }
        // What is missing for too long is given up, and not published late.
        assert_eq!(published((11..2_000).chain([10])), (1_989, 1));
    }
}
