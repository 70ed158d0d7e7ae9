//! Decoding beside what it could cost at the least, and venues beside each other.
//!
//! * `memcpy`: throughput of decoding ITCH to the complete record, over a `memcpy` of the same
//!   records into the same batch. Both read and write in order. A fall means that something is done
//!   for each message beside reading it once and writing its record once.
//! * `venue`: a whole protocol's decoding, counts included, beside that of ITCH in the same run, on
//!   synthetic flow. A rise means that the venue's types became dearer than ITCH's.
//!
//! Each checks what it decodes before it times it. `benches/suite` has nanoseconds for each type,
//! `benches/peers` measures other decoders.

#![allow(
    clippy::print_stdout,
    missing_docs,
    reason = "a bench prints, and is no public interface"
)]

mod support;
mod workloads;

use ringtape::feed::{Iex, Nasdaq};
use ringtape::market::MarketEvent;
use ringtape::record::Record;
use std::hint::black_box;
use std::time::Instant;
use support::iex_flow::{DEEP, IexFlow, TOPS};
use support::market_data::{ORDER_FLOW, binary_file, read};
use support::order_flow::OrderFlow;
use support::{Goal, Took, compare_short};
use workloads::decoding::{BATCH, Decoding, SYNTHETIC, Venue};

fn main() {
    if let Some(file) = read(ORDER_FLOW) {
        let messages = binary_file(&file).map(<[u8]>::to_vec);
        beside_memcpy("real flow", Decoding::new(messages));
    }
    let messages = OrderFlow::new(1).take(SYNTHETIC);
    beside_memcpy("synthetic flow", Decoding::new(messages));
    venues();
}

fn beside_memcpy(name: &str, mut decoding: Decoding) {
    let mut copying = Copying::new(decoding.check());
    compare_short(
        &format!("decode {name} to records / memcpy of them"),
        Goal::ThroughputAtLeast(0.5),
        || copying.pass(),
        || decoding.pass(),
    );
}

fn venues() {
    let flow = |types| IexFlow::new(1, types).take(SYNTHETIC).collect();
    let mut itch = Venue::<Nasdaq>::new(OrderFlow::new(1).take(SYNTHETIC).collect());
    for (name, types) in [("tops", TOPS), ("deep", DEEP)] {
        let mut iex = Venue::<Iex>::new(flow(types));
        compare_short(
            &format!("decode/venue {name} / itch"),
            Goal::None,
            || itch.pass(),
            || iex.pass(),
        );
    }
}

/// The records that decoding makes, copied to where it writes them.
struct Copying {
    records: Vec<Record<MarketEvent>>,
    batch: Vec<Record<MarketEvent>>,
}

impl Copying {
    fn new(records: Vec<Record<MarketEvent>>) -> Self {
        Self {
            batch: records[..BATCH].to_vec(),
            records,
        }
    }

    fn pass(&mut self) -> Took {
        let begin = Instant::now();
        for records in self.records.chunks(BATCH) {
            // The length is unknown to the compiler, as a batch's is, so this is one `memcpy`.
            let batch = &mut self.batch[..black_box(records.len())];
            batch.copy_from_slice(records);
            black_box(batch);
        }
        let elapsed = begin.elapsed();
        let last = self.records.chunks(BATCH).next_back().expect("records");
        assert_eq!(
            self.batch[last.len() - 1].stamp(),
            last[last.len() - 1].stamp()
        );
        Took {
            elapsed,
            items: self.records.len() as u64,
        }
    }
}
