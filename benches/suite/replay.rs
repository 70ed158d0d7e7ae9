//! A record of a tape, replayed at full speed to a handler that counts: with checksums and digest
//! (as by default), without the digest, and without either. Opening the journal is part of it, and
//! little of it.

use super::support::{scaled, time_of};
use super::workloads::tape::Tape;
use criterion::Criterion;
use ringtape::market::MarketEvent;
use ringtape::replay::Replay;

/// 16 MiB of records, more than the second cache.
const RECORDS: u64 = 250_000;

/// How a tape is replayed.
type How = fn(Replay<MarketEvent>) -> Replay<MarketEvent>;

pub(super) fn benches(criterion: &mut Criterion) {
    let tape = Tape::write("suite", scaled(RECORDS), |message| message == b'A');
    let ways: [(&str, How); 3] = [
        ("digest", |replay| replay),
        ("verified", Replay::without_digest),
        ("unverified", |replay| {
            replay.without_digest().without_verification()
        }),
    ];
    let mut group = criterion.benchmark_group("replay/count");
    for (name, how) in ways {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|records| time_of(records, || tape.count(how)));
        });
    }
    group.finish();
}
