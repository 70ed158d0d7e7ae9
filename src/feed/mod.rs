//! Owns the way from a datagram's bytes to records: framing, arbitration between lines, decoding.
//!
//! ```text
//! line A ─► framing ─┐                                  ┌─► events
//!         moldudp64,  ├─► arbiter ─► decoder ───────────┼─► gaps
//!         iextp, mdp3 │              itch, iex, cme     │
//! line B ─► framing ─┘   (one number at a time)         └─► session marks, dead letters
//! ```
//!
//! Does no I/O, reads no clock (times come with each call), does not allocate after construction
//! and does not panic on any bytes. What was not delivered is counted and shown as a
//! [`Gap`](crate::record::Gap); the [`Ledger`] says whether the sums close.
//!
//! [`NasdaqFeed`], [`IexFeed`] and [`CmeFeed`] are ready-made, and so is
//! [`SoupFeed`](soupbintcp::SoupFeed) for ITCH over TCP. A venue of your own brings a [`Protocol`]
//! to an [`ArbitratedFeed`]; what does not fit there implements [`Feed`].

mod arbiter;
mod arbitrated;
mod blocks;
pub mod cme;
mod config;
pub mod iex;
pub mod iextp;
pub mod itch;
mod ledger;
mod left;
pub mod mdp3;
pub mod moldudp64;
mod nasdaq;
mod protocol;
mod pulse;
mod rerequest;
mod restart;
pub mod soupbintcp;

use crate::latency::Summary;
use crate::record::{Batch, Event};
use std::net::SocketAddrV4;
use std::sync::Arc;

pub use arbiter::{Arbiter, Arbitration, Decode, MalformedMessage, Message, Outlet, Run, Start};
pub use arbitrated::ArbitratedFeed;
pub use cme::{Cme, CmeFeed};
pub use config::FeedConfig;
pub use iex::{Iex, IexFeed};
pub use ledger::{
    FeedCounters, Ledger, LineCounters, LineLedger, LineLedgers, LinkCounters, LinkLedger,
};
pub use nasdaq::{Nasdaq, NasdaqFeed};
pub use protocol::{
    Claim, Decoded, Fault, Malformed, Packet, PacketKind, Protocol, REQUEST_BYTES_MAX, SessionName,
    session_name,
};
pub use rerequest::RerequestConfig;
pub use restart::{Epoch, Place, Restarts};

/// The most lines that a feed can have.
pub const LINES_MAX: usize = 8;

/// One datagram as `net` hands it over.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Which of the feed's lines brought it, counted from 0.
    pub line: usize,
    /// What was received.
    pub bytes: &'a [u8],
    /// How long the datagram was on the wire; more than `bytes.len()` when it was cut.
    pub datagram_bytes: usize,
    /// UNIX nanoseconds for the records: the kernel's receive stamp where configured, else
    /// `seen_ns`.
    pub ts_recv_ns: u64,
    /// UNIX nanoseconds at which its batch was seen. Hold times count from here: a datagram that
    /// waited in the socket has not yet made anybody wait for another.
    pub seen_ns: u64,
}

/// Whether a feed wants the connection of a stream line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// None: one that there is gets closed, and [`LinkChange::Closed`] follows.
    Down,
    /// One: it is made where there is none.
    Up,
}

/// What became of the connection of a stream line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkChange {
    /// It is there; bytes may follow.
    Connected,
    /// It is gone, or could not be made. What was received on it has been handed over before.
    Closed,
}

/// One logical stream of a venue: takes the datagrams of all its lines, gives records.
///
/// Implement it for a protocol of your own. One thread at a time calls, in this order:
///
/// 1. When a pipeline is built: what the feed is ([`id`](Feed::id), [`lines`](Feed::lines),
///    [`servers`](Feed::servers), [`records_max`](Feed::records_max)). It stays so.
/// 2. In rounds, from the ingest stage's thread. [`on_datagram`](Feed::on_datagram) for what came,
///    and for streams [`on_link`](Feed::on_link) around it; when the batch is taken in,
///    [`link`](Feed::link) and then [`requests`](Feed::requests). When nothing more is waiting,
///    [`on_time`](Feed::on_time), and after it [`ended`](Feed::ended) and
///    [`is_rejected`](Feed::is_rejected), then again [`link`](Feed::link) and
///    [`requests`](Feed::requests). The first round may well bring nothing but the time.
/// 3. After a stop: [`on_datagram`](Feed::on_datagram) and [`on_link`](Feed::on_link) for what had
///    arrived before, and nothing else: the feed can send nothing any more.
/// 4. [`close`](Feed::close), once, and [`ledger`](Feed::ledger) for the report.
///
/// From a capture ([`Offline`](crate::pipeline::Offline)) each datagram has its time before it,
/// by [`on_time`](Feed::on_time); there is nobody to send to, so nobody asks for that.
pub trait Feed<E: Event>: Send {
    /// Takes one datagram.
    ///
    /// # Panics
    ///
    /// May panic when `arrival.line` is not one of the feed's lines, or `out` has less room than
    /// [`records_max`](Feed::records_max); never because of the bytes.
    fn on_datagram(&mut self, arrival: Arrival<'_>, out: &mut Batch<E>);

    /// Lets time pass: gives up what was missing for long enough. Cheap when nothing is missing.
    ///
    /// The ingest stage calls it when the feed's lines are drained, and not after each batch: while
    /// datagrams wait in a socket, what they bring must not be given up. Where the lines are never
    /// quiet, it calls it after a bounded number of polls.
    fn on_time(&mut self, now_ns: u64, out: &mut Batch<E>);

    /// Hands what this feed has to send to `send`, each with the index of the line on which it
    /// goes: requests for what is missing. Most feeds only listen.
    ///
    /// The ingest stage calls it after each batch and when time passes.
    fn requests(&mut self, now_ns: u64, send: &mut dyn FnMut(usize, &[u8])) {
        _ = (now_ns, send);
    }

    /// Returns whether the feed wants a connection on `line`. Only feeds on stream lines do; they
    /// take the stream's bytes in order, in pieces of any length, through
    /// [`on_datagram`](Feed::on_datagram).
    ///
    /// The ingest stage asks after each batch and when time passes.
    fn link(&self, line: usize) -> LinkState {
        _ = line;
        LinkState::Down
    }

    /// Takes word of a stream line's connection.
    fn on_link(&mut self, line: usize, change: LinkChange, now_ns: u64, out: &mut Batch<E>) {
        _ = (line, change, now_ns, out);
    }

    /// Publishes every open hole as a gap: nothing is invisible at the end.
    fn close(&mut self, now_ns: u64, out: &mut Batch<E>);

    /// Returns the most records that one call can push when no datagram is longer than
    /// `datagram_bytes_max`.
    fn records_max(&self, datagram_bytes_max: usize) -> usize;

    /// Returns the counters, which any thread may read while the feed runs.
    fn counters(&self) -> &Arc<FeedCounters>;

    /// Returns what is counted of the connection of a feed on a stream line.
    fn link_counters(&self) -> Option<&Arc<LinkCounters>> {
        None
    }

    /// Returns whether the venue has rejected this feed for a reason that only an operator can
    /// mend: it does not try again.
    fn is_rejected(&self) -> bool {
        false
    }

    /// Returns the counters as they are now.
    fn ledger(&self) -> Ledger {
        self.counters().ledger()
    }

    /// Returns whether the venue ended its session and all its numbers are accounted for.
    fn ended(&self) -> bool;

    /// Returns the feed's number, which its records carry.
    fn id(&self) -> u8;

    /// Returns the feed's name, for reports.
    fn name(&self) -> &str;

    /// Returns the lines' names, for reports; those of re-request servers come last.
    fn lines(&self) -> &[String];

    /// Returns the re-request servers: each has a line of its own, on which requests go out and
    /// answers come in.
    fn servers(&self) -> &[SocketAddrV4] {
        &[]
    }

    /// Returns for each line how much earlier than another it brought what both brought,
    /// in nanoseconds. Empty for a feed that does not compare lines.
    fn ahead(&self) -> Vec<Summary> {
        Vec::new()
    }
}
