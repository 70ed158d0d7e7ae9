//! Owns what travels: 64 bytes that all follow from the record's number, and the check that they
//! arrived, each once, in order, whole.

use ringtape::record::{Content, Event, Record, Schema};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A payload: its number, its receive time (the number, too) and six words.
pub type Payload = [u64; 8];

/// A payload where a queue takes any type: one cache line, as our records are.
#[derive(Clone, Copy, Default)]
#[repr(C, align(64))]
pub struct Line(pub Payload);

/// The six words, as our bus carries them behind number and receive time.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Words(pub [u64; 6]);

impl Event for Words {
    const SCHEMA: Schema = Schema {
        name: "peers",
        id: 0x7065_6572,
        version: 1,
    };
}

/// Any constants: what a record's words are combined with, so that each differs from the others.
const KEYS: [u64; 6] = [
    0x9e37_79b9_7f4a_7c15,
    0xbf58_476d_1ce4_e5b9,
    0x94d0_49bb_1331_11eb,
    0xd6e8_feb8_6659_fd93,
    0xa076_1d64_78bd_642f,
    0xe703_7ed1_a0b4_28db,
];

/// Returns the words of record `n`.
pub fn words(n: u64) -> Words {
    Words(KEYS.map(|key| n ^ key))
}

/// Returns the payload of record `n`.
pub fn payload(n: u64) -> Payload {
    let [a, b, c, d, e, f] = words(n).0;
    [n, n, a, b, c, d, e, f]
}

/// Sees that records arrive once, in order, with their content.
pub struct Check {
    expected: u64,
}

impl Check {
    /// Expects record 1.
    pub fn new() -> Self {
        Self { expected: 1 }
    }

    /// The last record that arrived; 0 before the first.
    pub fn seen(&self) -> u64 {
        self.expected - 1
    }

    /// Takes a payload.
    pub fn payload(&mut self, payload: &Payload) {
        let [number, ts_recv_ns, words @ ..] = payload;
        self.take(*number, *ts_recv_ns, words);
    }

    /// Takes the bytes of a payload.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let payload = Payload::read_from_bytes(bytes).expect("64 bytes");
        self.payload(&payload);
    }

    /// Takes one of our records.
    pub fn record(&mut self, record: &Record<Words>) {
        let Content::Event(words) = record.content() else {
            panic!("record {} is no event", record.sequence());
        };
        self.take(record.sequence().get(), record.ts_recv_ns(), &words.0);
    }

    /// Takes a number that travelled alone.
    pub fn number(&mut self, number: u64) {
        assert_eq!(number, self.expected, "lost, repeated or out of order");
        self.expected += 1;
    }

    fn take(&mut self, number: u64, ts_recv_ns: u64, words: &[u64; 6]) {
        self.number(number);
        let differences = words
            .iter()
            .zip(KEYS)
            .fold(ts_recv_ns ^ number, |sum, (word, key)| {
                sum | (word ^ key ^ number)
            });
        assert_eq!(differences, 0, "torn: record {number}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_a_payload_is_checked() {
        Check::new().payload(&payload(1));
        for place in 0..8 {
            let mut torn = payload(1);
            torn[place] ^= 1 << 40;
            let check = || Check::new().payload(&torn);
            assert!(std::panic::catch_unwind(check).is_err(), "word {place}");
        }
    }

    #[test]
    fn a_record_that_is_left_out_or_comes_twice_is_noticed() {
        for second in [1, 3] {
            let check = || {
                let mut check = Check::new();
                check.payload(&payload(1));
                check.payload(&payload(second));
            };
            assert!(std::panic::catch_unwind(check).is_err(), "1, {second}");
        }
    }
}
