//! Owns the broadcast ring: each record written once, for any number of subscribers.
//!
//! A slot is the record itself, whose stamp has its number, so there is no index to read before
//! it: the slot's line goes to the publisher's core and back, two hops where a ring with an index
//! takes three. Nobody but the producer writes to it. Whoever is to be waited for tells how far it
//! is on a line of its own, and only every quarter of the ring.
//!
//! ```text
//!  slot of n = n mod capacity        ┌─ consumer: expects 4713, its cursor says 4608
//!   ┌───────┬───────┬───────┬───────┐│
//!   │ 4711  │ 4712  │ 4713  │ 4202  ││ ◄─ consumer: expects 4202, and copies it while it is there
//!   └───────┴───────┴───────┴───────┘
//!                           └─ the next to be written, if no lossless consumer is a ring behind
//! ```
//!
//! A passage lies beside the first record of each piece that is written at once, together with the
//! number of its last: a mark, as lanes have them.
//!
//! A consumer copies a record out before it lends it, and looks at the stamp again behind the
//! copy. So a record that the producer overwrites meanwhile is an overrun, and never torn.

mod consumer;
mod producer;
mod reading;
mod slots;

use super::{Passage, PassageMark};
use crate::record::{RECORD_WORDS, Sequence};

pub(super) use consumer::{Bulk, Consumer, Taking};
pub(super) use producer::Producer;

/// Whose atomics [`slots`] uses.
mod sync {
    pub(super) use std::sync::atomic::{AtomicU64, Ordering, fence};
}

/// The slots of records.
pub(super) type Slots = slots::Slots<{ RECORD_WORDS - 1 }>;
type View<'a> = slots::View<'a, { RECORD_WORDS - 1 }>;
/// The marks beside them: a mark, and with it a passage, is of a piece.
type Marks = slots::Beside<MARK_WORDS>;

/// Words of a [`PassageMark`].
const MARK_WORDS: usize = 4;

const _: () = assert!(slots::NUMBERS == Sequence::MAX.get());

fn mark_words(mark: &PassageMark) -> [u64; MARK_WORDS] {
    let Passage {
        seen_ns,
        decoded_ns,
        published_ns,
    } = mark.passage;
    [mark.last.get(), seen_ns, decoded_ns, published_ns]
}

fn mark([last, seen_ns, decoded_ns, published_ns]: [u64; MARK_WORDS]) -> PassageMark {
    PassageMark {
        last: Sequence::new(last),
        passage: Passage {
            seen_ns,
            decoded_ns,
            published_ns,
        },
    }
}
