//! Models of writers and readers of small rings, with two words to a record and one beside a piece.

#![allow(dead_code, reason = "each variant of the ring uses its own part")]

use super::slots::{Beside, Cursor, Look, NUMBERS, Slots};
use loom::sync::Arc;
use loom::thread;

const KIND: u64 = 1 << 56;
const CAPACITY: u64 = 2;

struct Ring {
    slots: Slots<2>,
    /// The last number of a piece, and its word.
    beside: Beside<2>,
}

impl Ring {
    fn new() -> Self {
        Self::of(CAPACITY)
    }

    fn of(capacity: u64) -> Self {
        let capacity = usize::try_from(capacity).unwrap();
        let slots = Slots::new(capacity, 1);
        assert_eq!(slots.capacity(), capacity);
        Self {
            slots,
            beside: Beside::new(capacity),
        }
    }

    fn write(&self, number: u64) {
        self.put(number, Some(number));
        self.slots.publish(number + 1);
    }

    /// Writes two numbers as a piece of which the first is written last.
    fn write_pair(&self, first: u64) {
        assert!(self.slots.piece_max() >= 2);
        self.put(first + 1, None);
        self.put(first, Some(first + 1));
        self.slots.publish(first + 2);
    }

    /// Writes a number, with what is beside it where it begins a piece, which ends with `last`.
    fn put(&self, number: u64, last: Option<u64>) {
        let body = content(number);
        let words = last.map(|last| [last, word_of(number)]);
        let beside = words.as_ref().map(|words| (&self.beside, words));
        self.slots.write(number, KIND | number, &body, beside);
    }
}

/// What the record `number` consists of: each word tells.
fn content(number: u64) -> [u64; 2] {
    [10 + number, 20 + number]
}

/// The word of the piece that begins with `first`.
fn word_of(first: u64) -> u64 {
    30 + first
}

/// A reader that goes on where it can, as the ring's consumer does.
struct Reader {
    expected: u64,
    handled: u64,
    missing: u64,
    /// What was beside the latest piece.
    latest: [u64; 2],
    /// The first numbers of pairs.
    pairs: &'static [u64],
}

impl Reader {
    fn new() -> Self {
        Self::at(1, &[])
    }

    fn at(expected: u64, pairs: &'static [u64]) -> Self {
        Self {
            expected,
            handled: 0,
            missing: 0,
            latest: [0; 2],
            pairs,
        }
    }

    /// Reads what is there of the expected number. Returns false if it is not there yet.
    fn read(&mut self, ring: &Ring) -> bool {
        let to = match ring.slots.look(self.expected) {
            Look::NotYet => return false,
            Look::Overwritten => ring.slots.resume(self.expected),
            Look::There(stamp) => {
                assert_eq!(stamp, KIND | self.expected);
                assert_eq!(stamp & NUMBERS, self.expected);
                match self.copy(ring, stamp) {
                    Ok(()) => {
                        self.handled += 1;
                        self.expected += 1;
                        return true;
                    }
                    Err(overwritten) => ring.slots.resume(overwritten),
                }
            }
        };
        assert!(to > self.expected, "goes back");
        self.missing += to - self.expected;
        self.expected = to;
        true
    }

    /// Copies the expected number, and what is beside its piece where that is not known. Returns
    /// what was overwritten, if anything was.
    fn copy(&mut self, ring: &Ring, stamp: u64) -> Result<(), u64> {
        let Ring { slots, beside } = ring;
        let number = self.expected;
        let (mut body, mut words) = ([0; 2], self.latest);
        if words[0] < number {
            if !slots.copy_beside(number, stamp, beside, &mut words) {
                return Err(number);
            }
            if !slots.covers(&words, number) {
                let is_found = slots.search(number, beside, &mut words)?;
                assert!(is_found, "torn: a record without what is beside its piece");
            }
            self.latest = words;
        }
        match slots.view().copy(number, &mut body) {
            Ok(copied) => assert_eq!(copied, stamp),
            Err(look) => {
                assert_eq!(look, Look::Overwritten);
                return Err(number);
            }
        }
        let second = self.pairs.contains(&(number - 1));
        let first = if second { number - 1 } else { number };
        let last = first + u64::from(second || self.pairs.contains(&number));
        assert_eq!(body, content(number), "torn");
        assert_eq!(words, [last, word_of(first)], "torn");
        Ok(())
    }

    /// Reads the rest, when nobody writes any more.
    fn finish(mut self, ring: &Ring, last: u64) {
        for _ in 0..2 * last {
            self.read(ring);
        }
        assert_eq!(self.expected, last + 1, "what is in the ring can be read");
        assert_eq!(self.handled + self.missing, last);
        assert!(self.handled > 0, "the newest is always there");
    }
}

/// A writer laps a reader that looks twice while it does.
pub(crate) fn lapped_reader(last: u64) {
    let ring = Arc::new(Ring::new());
    let writer = {
        let ring = Arc::clone(&ring);
        thread::spawn(move || (1..=last).for_each(|number| ring.write(number)))
    };
    let mut reader = Reader::new();
    for _ in 0..2 {
        reader.read(&ring);
    }
    writer.join().unwrap();
    reader.finish(&ring, last);
}

/// A writer laps two readers.
pub(crate) fn two_lapped_readers() {
    let ring = Arc::new(Ring::new());
    let threads = [0, 1].map(|_| {
        let ring = Arc::clone(&ring);
        thread::spawn(move || {
            let mut reader = Reader::new();
            reader.read(&ring);
            reader
        })
    });
    (1..=3).for_each(|number| ring.write(number));
    for thread in threads {
        thread.join().unwrap().finish(&ring, 3);
    }
}

/// A writer waits for a reader.
pub(crate) fn gated_reader() {
    const LAST: u64 = 3;
    let ring = Arc::new(Ring::new());
    let cursor = Arc::new(Cursor::new(1));
    let writer = {
        let (ring, cursor) = (Arc::clone(&ring), Arc::clone(&cursor));
        thread::spawn(move || {
            for number in 1..=LAST {
                while number >= cursor.get() + CAPACITY {
                    thread::yield_now();
                }
                ring.write(number);
            }
        })
    };
    let mut reader = Reader::new();
    while reader.expected <= LAST {
        if reader.read(&ring) {
            cursor.publish(reader.expected);
        } else {
            thread::yield_now();
        }
        assert_eq!(reader.missing, 0, "nothing is overwritten");
    }
    cursor.publish(Cursor::GONE);
    writer.join().unwrap();
}

/// A writer writes two pairs to a ring of eight that has six records: the second laps a reader that
/// is at the first record, and not one that has read all and is given each pair at once.
pub(crate) fn pairs(expected: u64) {
    let ring = Arc::new(Ring::of(8));
    (1..=6).for_each(|number| ring.write(number));
    let writer = {
        let ring = Arc::clone(&ring);
        thread::spawn(move || [7, 9].into_iter().for_each(|first| ring.write_pair(first)))
    };
    let mut reader = Reader::at(expected, &[7, 9]);
    for _ in 0..2 {
        let before = reader.expected;
        let read = reader.read(&ring);
        if read && before == 7 {
            assert_ne!(ring.slots.look(8), Look::NotYet, "half of a piece");
        }
    }
    if expected == 7 {
        assert_eq!(reader.missing, 0, "what keeps up is not lapped");
    }
    writer.join().unwrap();
    reader.handled += expected - 1;
    reader.finish(&ring, 10);
}

/// A writer overwrites the first record of a pair and then the second, at which a reader is that
/// has not seen the first.
pub(crate) fn midst_of_a_pair() {
    let ring = Arc::new(Ring::of(8));
    (1..=6).for_each(|number| ring.write(number));
    ring.write_pair(7);
    (9..=14).for_each(|number| ring.write(number));
    let writer = {
        let ring = Arc::clone(&ring);
        thread::spawn(move || (15..=16).for_each(|number| ring.write(number)))
    };
    let mut reader = Reader::at(8, &[7]);
    reader.read(&ring);
    assert!(
        reader.expected == 9 || reader.missing >= 3,
        "one way or the other"
    );
    writer.join().unwrap();
    reader.handled += 7;
    reader.finish(&ring, 16);
}
