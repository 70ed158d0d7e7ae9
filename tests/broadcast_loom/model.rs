//! Models of writers and readers of a ring of two, with two words to a record and one beside it.

#![allow(dead_code, reason = "each variant of the ring uses its own part")]

use super::slots::{Beside, Cursor, Look, NUMBERS, Slots};
use loom::sync::Arc;
use loom::thread;

const KIND: u64 = 1 << 56;
const CAPACITY: u64 = 2;

struct Ring {
    slots: Slots<2>,
    beside: Beside<1>,
}

impl Ring {
    fn new() -> Self {
        let slots = Slots::new(2, 1);
        assert_eq!(slots.capacity() as u64, CAPACITY);
        Self {
            slots,
            beside: Beside::new(2),
        }
    }

    fn write(&self, number: u64) {
        let (body, beside) = content(number);
        let beside = Some((&self.beside, &beside));
        self.slots.write(number, KIND | number, &body, beside);
        self.slots.publish(number + 1);
    }
}

/// What the record `number` consists of: each word tells.
fn content(number: u64) -> ([u64; 2], [u64; 1]) {
    ([10 + number, 20 + number], [30 + number])
}

/// A reader that goes on where it can, as the ring's consumer does.
struct Reader {
    expected: u64,
    handled: u64,
    missing: u64,
}

impl Reader {
    fn new() -> Self {
        Self {
            expected: 1,
            handled: 0,
            missing: 0,
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
                let (mut body, mut beside) = ([0; 2], [0; 1]);
                let words = Some((&ring.beside, &mut beside));
                if ring.slots.copy(self.expected, stamp, &mut body, words) {
                    assert_eq!((body, beside), content(self.expected), "torn");
                    self.handled += 1;
                    self.expected += 1;
                    return true;
                }
                ring.slots.resume(self.expected)
            }
        };
        assert!(to > self.expected, "goes back");
        self.missing += to - self.expected;
        self.expected = to;
        true
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
