//! A datagram of a socket whose queue is full, by both backends.
//!
//! * `ingest/receive`: received and handed to a visitor.
//! * `ingest/receive_8`: the same of eight sockets that are as full in turn.
//! * `ingest/publish`: received, decoded and published to one subscriber.
//!
//! Most of the time is the kernel's; `cargo bench --bench ingest` has the ratios.

use super::support::time_of;
use super::workloads::loopback::{BACKENDS, Ingesting, Receiving, has};
use criterion::Criterion;
use ringtape::net::Stamps;

pub(super) fn benches(criterion: &mut Criterion) {
    let backends = BACKENDS.map(|(backend, name)| has(backend).then_some((backend, name)));
    let backends = || backends.into_iter().flatten();
    for (name, sockets) in [("ingest/receive", 1), ("ingest/receive_8", 8)] {
        let mut group = criterion.benchmark_group(name);
        for (backend, name) in backends() {
            let mut receiving = Receiving::open(backend, Stamps::Batch, sockets);
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|datagrams| time_of(datagrams, || receiving.pass()));
            });
        }
        group.finish();
    }
    let mut group = criterion.benchmark_group("ingest/publish");
    for (backend, name) in backends() {
        let mut ingesting = Ingesting::open(backend, false, 1);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|datagrams| time_of(datagrams, || ingesting.pass()));
        });
    }
    group.finish();
}
