//! Ingest beside what it is made of: the time to empty a socket whose queue is full.
//!
//! * `receive`: our receive loop over a bare loop around `recvmmsg` with 64 headers, for both
//!   backends. A fall means that handing a datagram to a visitor costs more than it must.
//!   Kernel stamps are shown for orientation: they buy exact times with control messages.
//!   With eight sockets, which get the packets in turn, the baseline asks one after the other.
//! * `ingest`: the whole ingest stage (receive, MoldUDP64, arbitration, ITCH, publish to a lossy
//!   subscriber) over receiving alone. A fall means that decoding or publishing became dearer.
//!   With passages, for orientation: they buy a latency report's hops with a reading of the clock
//!   for each datagram and a second ring.
//! * `two lines`: the same with every datagram on two lines, twice as many in all, over receiving
//!   them on one. A fall means that arbitration, or comparing the copies, became dearer.
//!
//! One thread sends, untimed, until 2048 datagrams of 1 to 13 messages wait in the socket (fewer
//! where `net.core.rmem_max` is too small for them), then empties it, timed. Every pass checks that
//! each datagram came, in order; those of the stage, that each message became an event in the
//! subscriber's ring.

#![allow(
    clippy::print_stdout,
    missing_docs,
    reason = "a bench prints, and is no public interface"
)]

#[allow(
    unsafe_code,
    reason = "the baseline is a system call without a wrapper"
)]
#[path = "support/bare_recvmmsg.rs"]
mod bare_recvmmsg;
mod support;
mod workloads;

use bare_recvmmsg::BareRecvmmsg;
use ringtape::cpu;
use ringtape::net::{Backend, Stamps};
use std::net::{SocketAddr, UdpSocket};
use support::{Goal, Took, compare_short};
use workloads::loopback::{BACKENDS, HERE, Ingesting, Receiving, Traffic, Venue, bare_socket, has};

/// Sockets of the comparison with several.
const SOCKETS: usize = 8;

fn main() {
    let core = *cpu::allowed().last().expect("a thread runs on some core");
    cpu::pin(core).expect("the core is allowed");
    for (backend, name) in BACKENDS {
        if has(backend) {
            compare_receive(backend, name);
            compare_ingest(backend, name);
        }
    }
}

fn compare_receive(backend: Backend, name: &str) {
    let mut bare = Bare::open(1);
    let mut alone = Receiving::open(backend, Stamps::Batch, 1);
    let mut stamped = Receiving::open(backend, Stamps::Kernel, 1);
    compare_short(
        &format!("receive: {name} / bare recvmmsg(64)"),
        Goal::ThroughputAtLeast(1.0),
        || bare.pass(),
        || alone.pass(),
    );
    compare_short(
        &format!("receive: {name}, kernel stamps / bare recvmmsg(64)"),
        Goal::None,
        || bare.pass(),
        || stamped.pass(),
    );
    let mut bare = Bare::open(SOCKETS);
    let mut several = Receiving::open(backend, Stamps::Batch, SOCKETS);
    compare_short(
        &format!("receive: {name}, eight sockets / bare recvmmsg(64)"),
        Goal::ThroughputAtLeast(1.1),
        || bare.pass(),
        || several.pass(),
    );
}

fn compare_ingest(backend: Backend, name: &str) {
    let mut alone = Receiving::open(backend, Stamps::Batch, 1);
    let mut stage = Ingesting::open(backend, false, 1);
    let mut timed_stage = Ingesting::open(backend, true, 1);
    let mut two_lines = Ingesting::open(backend, false, 2);
    compare_short(
        &format!("ingest: {name} / receive alone"),
        Goal::ThroughputAtLeast(0.9),
        || alone.pass(),
        || stage.pass(),
    );
    compare_short(
        &format!("ingest: {name}, passages / receive alone"),
        Goal::None,
        || alone.pass(),
        || timed_stage.pass(),
    );
    compare_short(
        &format!("two lines: ingest of 2 N, {name} / 2 x receive of N"),
        Goal::ThroughputAtLeast(0.9),
        || alone.pass(),
        || two_lines.pass(),
    );
}

/// The baseline.
struct Bare {
    sockets: Vec<UdpSocket>,
    receive: BareRecvmmsg,
    venue: Venue,
}

impl Bare {
    fn open(sockets: usize) -> Self {
        let bind = |_| {
            let socket = bare_socket();
            socket.bind(&HERE.into()).expect("loopback");
            UdpSocket::from(socket)
        };
        let sockets: Vec<_> = (0..sockets).map(bind).collect();
        let addresses = sockets.iter().map(|socket| match socket.local_addr() {
            Ok(SocketAddr::V4(address)) => address,
            other => panic!("bound to an IPv4 address: {other:?}"),
        });
        Self {
            venue: Venue::open(&addresses.collect::<Vec<_>>(), Traffic::Turns),
            sockets,
            receive: BareRecvmmsg::new(),
        }
    }

    fn pass(&mut self) -> Took {
        let Self {
            sockets, receive, ..
        } = self;
        let check = self.venue.fill();
        check.time(|check| {
            let sockets = sockets.iter().enumerate();
            let took = sockets
                .map(|(line, socket)| receive.receive(socket, |packet| check.take(line, packet)));
            took.sum()
        })
    }
}
