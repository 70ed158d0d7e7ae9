//! Owns the sockets, and how datagrams and the bytes of streams come out of them.
//!
//! A [`Receiver`] listens on any number of [`Line`]s (unicast addresses and multicast groups) and
//! hands datagrams to a visitor, in order for each line; once started it never blocks. It knows
//! nothing of what is inside a datagram, spawns no thread and stamps datagrams with the
//! [`Clock`](crate::clock::Clock) that it is lent.
//!
//! ```text
//!  socket A ─┐                       ┌─ multishot receives, one ring for all, no system call idle
//!  socket B ─┼─► backend: io_uring ──┘                                         ─► visit(Datagram)
//!  socket C ─┘            recvmmsg ──── one call per line and poll                    │ Flow
//!      ▲ what is not fetched waits here: a visitor that pauses loses nothing ◄────────┘
//! ```
//!
//! Both backends keep one contract, held by the same tests (`tests/net_conformance`):
//!
//! * A datagram longer than [`Config::datagram_bytes_max`] is cut, and says so with its real
//!   length. An empty datagram is a datagram.
//! * [`Flow::Pause`] leaves everything behind it for the next call.
//! * After [`Receiver::stop`], what had arrived before is still handed over.
//! * What the kernel drops because a socket's buffer is full is counted exactly, per line.
//!
//! [`Streams`] stands beside the receiver for lines that are TCP connections to a server, and not
//! inside it, because a line means something else there: a connection has to be asked for
//! ([`Streams::set`]), can be refused or lost, and is then made anew; its bytes come in order, in
//! pieces of any length, and are never dropped or cut. So its visitor is told of
//! [`StreamEvent`]s. What the contract says of pausing and stopping holds for both, and a stage
//! polls one after the other.
//!
//! [`Sender`] is the other end, for simulators and replays: it keeps multicast on this host unless
//! it is told otherwise.

mod ancillary;
mod counters;
#[allow(unsafe_code, reason = "getifaddrs is a linked list of C structures")]
mod interface;
#[allow(unsafe_code, reason = "recvmmsg takes arrays of pointers")]
mod mmsg;
mod receiver;
mod sender;
#[allow(unsafe_code, reason = "socket options that socket2 does not have")]
mod socket;
mod streams;
#[allow(
    unsafe_code,
    reason = "the kernel reads requests from, and writes to, shared memory"
)]
mod uring;

pub use counters::{LineCounters, NetCounters};
pub use receiver::Receiver;
pub use sender::Sender;
pub use socket::ReceiveBuffer;
pub use streams::{Incident, StreamCounters, StreamEvent, StreamLine, Streams};

use crate::error::{Error, Result};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

/// Most datagrams that one call hands over: what the kernel takes in one `recvmmsg` (`UIO_MAXIOV`).
const BATCH_MAX: usize = 1024;
/// Most buffers of a ring: what the kernel registers.
const BUFFERS_MAX: u16 = 32_768;
const CACHE_LINE_BYTES: usize = 64;
/// Largest payload of a UDP datagram over IPv4.
const UDP_PAYLOAD_BYTES_MAX: usize = 65_507;

/// Returns how far apart receive buffers of `bytes` begin: an odd number of cache lines, because
/// datagrams are mostly shorter than their buffers, and with a power of two the lines that are
/// used would compete for a few sets of the first cache. `cargo bench --bench ingest` compares.
const fn stride(bytes: usize) -> usize {
    (bytes.div_ceil(CACHE_LINE_BYTES) | 1) * CACHE_LINE_BYTES
}

/// How datagrams are to be fetched, as configured. What runs then is [`ActiveBackend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Backend {
    /// `io_uring` where the kernel allows it, else `recvmmsg`, with the reason kept.
    #[default]
    Auto,
    /// `io_uring` or an error. Since Linux 6.1.
    Uring,
    /// `recvmmsg`, polled. The choice under Onload, which does not accelerate `io_uring`.
    Mmsg,
}

/// What a datagram's receive time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Stamps {
    /// The kernel's stamp of each datagram (`SO_TIMESTAMPNS`). Brings the kernel's drop count with
    /// each datagram too, and costs control messages.
    Kernel,
    /// One reading of the clock for each batch, at the moment at which the batch was seen. The
    /// cheaper form; drops are known when [`Receiver::refresh_drops`] asks for them.
    #[default]
    Batch,
}

/// How to receive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How datagrams are fetched.
    pub backend: Backend,
    /// What their receive time is.
    pub stamps: Stamps,
    /// Longest datagram kept whole, 1 to 65,507; longer ones are cut to this and flagged.
    pub datagram_bytes_max: usize,
    /// Receive buffers of the `io_uring` backend, shared by all lines: a power of two, at most
    /// 32,768. The kernel fills them in turn, so few of them stay in cache and many do not; when
    /// they run out nothing is lost, the rest waits in the sockets at the price of a re-arm. One
    /// entry into the kernel fills at most 33 for a line, and all are back before the next.
    pub buffers: u16,
    /// Most datagrams that one call of [`Receiver::receive`] hands over, 1 to 1,024.
    pub batch_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            backend: Backend::default(),
            stamps: Stamps::default(),
            datagram_bytes_max: 2048,
            buffers: 256,
            batch_max: 64,
        }
    }
}

impl Config {
    fn check(&self) -> Result<()> {
        if !(1..=UDP_PAYLOAD_BYTES_MAX).contains(&self.datagram_bytes_max) {
            return Err(Error::config(
                format!("datagram_bytes_max = {}", self.datagram_bytes_max),
                format!("choose from 1 to {UDP_PAYLOAD_BYTES_MAX}"),
            ));
        }
        if !self.buffers.is_power_of_two() || self.buffers > BUFFERS_MAX {
            return Err(Error::config(
                format!("buffers = {}", self.buffers),
                format!("choose a power of two of at most {BUFFERS_MAX}"),
            ));
        }
        if !(1..=BATCH_MAX).contains(&self.batch_max) {
            return Err(Error::config(
                format!("batch_max = {}", self.batch_max),
                format!("choose from 1 to {BATCH_MAX}"),
            ));
        }
        Ok(())
    }
}

/// Where to listen: a unicast address or a multicast group, with its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// For errors and reports.
    pub name: String,
    /// An address of this machine, or a group; port 0 lets the kernel choose.
    pub address: SocketAddrV4,
    /// Where to join a group: an interface's name, or an IPv4 address of it. Without it the
    /// routing table decides.
    pub interface: Option<String>,
    /// The only sender to hear (source-specific multicast).
    pub source: Option<Ipv4Addr>,
    /// What to ask the kernel for, of socket buffer; 0 keeps the system's default. Granted is what
    /// [`Receiver::receive_buffer`] says: without `CAP_NET_ADMIN` the kernel caps it silently at
    /// `net.core.rmem_max`.
    pub receive_buffer_bytes: usize,
    /// The only address that is sent to and heard, for a line that asks instead of listening: see
    /// [`Line::server`].
    pub peer: Option<SocketAddrV4>,
}

impl Line {
    /// Socket buffer asked for unless told otherwise: about five thousand small datagrams.
    pub const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

    /// Listens at `address`; a group is joined where the routing table says.
    pub fn new(name: impl Into<String>, address: SocketAddrV4) -> Self {
        Self {
            name: name.into(),
            address,
            interface: None,
            source: None,
            receive_buffer_bytes: Self::RECEIVE_BUFFER_BYTES,
            peer: None,
        }
    }

    /// Sends to `peer` ([`Receiver::send`]) and hears nobody else, on a port that the kernel
    /// chooses.
    pub fn server(name: impl Into<String>, peer: SocketAddrV4) -> Self {
        let anywhere = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
        Self {
            peer: Some(peer),
            ..Self::new(name, anywhere)
        }
    }
}

/// One datagram, lent to the visitor of [`Receiver::receive`].
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Index of the line in what [`Receiver::open`] was given.
    pub line: usize,
    /// The payload, at most [`Config::datagram_bytes_max`] of it.
    pub bytes: &'a [u8],
    /// The payload's length on the wire.
    pub datagram_bytes: usize,
    /// When it was received, as [`Stamps`] says: UNIX nanoseconds.
    pub ts_recv_ns: u64,
    /// When its batch was seen: UNIX nanoseconds of the clock that was lent. All datagrams that
    /// were ready at that moment share it, also those that wait for the next call.
    pub seen_ns: u64,
}

impl Datagram<'_> {
    /// Returns whether the end of the payload is missing.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.datagram_bytes > self.bytes.len()
    }
}

/// What the visitor wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The next datagram.
    Continue,
    /// No more in this call. The datagram just visited is done with; those behind it stay.
    Pause,
}

/// What runs, after the kernel had its say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActiveBackend {
    /// None: there are no lines.
    Idle,
    /// `io_uring` with multishot receives.
    Uring,
    /// `recvmmsg`.
    Mmsg {
        /// Why [`Backend::Auto`] did not get `io_uring`; `None` where `recvmmsg` was asked for.
        uring_refused: Option<String>,
    },
    /// Nothing is received: datagrams come from a capture.
    Offline,
}

impl ActiveBackend {
    /// Returns the name that reports use.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Idle => "no datagram lines",
            Self::Uring => "io_uring",
            Self::Mmsg { .. } => "recvmmsg",
            Self::Offline => "capture",
        }
    }
}

impl fmt::Display for ActiveBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Mmsg {
                uring_refused: Some(reason),
            } => write!(f, ", because {reason}"),
            Self::Mmsg {
                uring_refused: None,
            }
            | Self::Uring
            | Self::Idle
            | Self::Offline => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_cannot_work_is_an_error_that_names_it_and_the_choice() {
        assert!(Config::default().check().is_ok());
        for (config, expected) in [
            (
                Config {
                    datagram_bytes_max: 0,
                    ..Config::default()
                },
                "datagram_bytes_max = 0",
            ),
            (
                Config {
                    datagram_bytes_max: 65_508,
                    ..Config::default()
                },
                "1 to 65507",
            ),
            (
                Config {
                    buffers: 0,
                    ..Config::default()
                },
                "buffers = 0",
            ),
            (
                Config {
                    buffers: 100,
                    ..Config::default()
                },
                "power of two",
            ),
            (
                Config {
                    batch_max: 0,
                    ..Config::default()
                },
                "batch_max = 0",
            ),
            (
                Config {
                    batch_max: 1025,
                    ..Config::default()
                },
                "1 to 1024",
            ),
        ] {
            let error = config.check().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
