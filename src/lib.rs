//! ringtape carries market data from the wire to trading strategies inside one Linux process.
//!
//! Datagrams arrive by io_uring, are arbitrated and decoded into fixed-layout 64-byte records, and
//! cross lock-free SPSC rings to handlers on cores of their own; a journal records them on the way,
//! and a replay gives the same handlers the same input again. Nothing is lost silently: every
//! expected number is delivered or named as lost, with its cause, and the sums are checked.
//!
//! ```text
//!             ┌───────── ingest stage (one core) ─────────┐      ┌─ handle stage (a core each) ─┐
//!  line A ──► │ net ──► feed: framing ▸ arbiter ▸ decode ─┼─► bus ══► SPSC ring ══► Handler     │
//!  line B ──► │                                           │   ║  └──────────────────────────────┘
//!             └───────────────────────────────────────────┘   ╠══► SPSC ring ══► Handler
//!                                                             ╚══► SPSC ring ══► record stage ──┐
//!                          the same Handler ◄──── replay ◄──── journal: segments on disk ◄──────┘
//! ```
//!
//! # Example
//!
//! A handler is plain code; it needs no thread and no socket to be tested.
//!
//! ```
//! use ringtape::bus::{Passage, Publisher, Subscription};
//! use ringtape::clock::SystemClock;
//! use ringtape::handler::{At, Handler};
//! use ringtape::market::{AddOrder, MarketEvent, View};
//! use ringtape::record::Gap;
//! use ringtape::stage::{HandleStage, Stage};
//!
//! #[derive(Default)]
//! struct Adds {
//!     quantity: u64,
//!     missing: u64,
//! }
//!
//! impl Handler<MarketEvent> for Adds {
//!     fn on_event(&mut self, event: &MarketEvent, _: At) {
//!         if let View::AddOrder(add) = event.view() {
//!             self.quantity += add.quantity;
//!         }
//!     }
//!     fn on_gap(&mut self, gap: Gap) {
//!         self.missing += gap.count();
//!     }
//! }
//!
//! let mut publisher = Publisher::<MarketEvent>::new(16);
//! let subscriber = publisher.subscribe(Subscription::default())?;
//! let mut stage = HandleStage::new("adds", subscriber, Adds::default(), SystemClock, false);
//!
//! let add = AddOrder { quantity: 300, ..zerocopy::FromZeros::new_zeroed() };
//! publisher.batch().push_event(1_700_000_000_000_000_000, &add.into());
//! assert!(publisher.commit(Passage::default()));
//! drop(publisher);
//!
//! stage.start()?;
//! while !stage.is_finished() {
//!     stage.poll();
//! }
//! let outcome = stage.into_outcome();
//! assert!(outcome.account.closes());
//! assert_eq!(outcome.handler.map(|adds| adds.quantity), Some(300));
//! # Ok::<(), ringtape::error::Error>(())
//! ```
//!
//! [`pipeline::Pipeline`] wires the whole way from sockets to handlers and to a journal. There are
//! two other ways in: [`Pipeline::offline`](pipeline::Pipeline::offline) takes the datagrams of a
//! capture, [`replay::Replay`] the records of a journal.
//!
//! # Map
//!
//! In layers: each module may use those above it, never its neighbours or those below;
//! `tests/tidy.rs` holds them to it.
//!
//! * [`error`]: failures, in three classes. `memory`: what is there before it is needed.
//!   [`wait`]: what an idle poll loop does.
//! * [`record`]: 64 bytes, their kinds, their numbers, the digest.
//! * [`clock`]: the only reader of time. [`counters`]: single-writer counts. [`cpu`]: pinning.
//!   [`handler`]: what you implement. [`market`]: the ready-made event. `archive`, with the feature
//!   of that name: compressed files that are read at any offset. [`latency`]: histograms, the
//!   hops between wire and handler, the slowest records.
//! * [`bus`]: a ring for each subscriber, or one for many. [`net`]: datagrams in, TCP streams, and
//!   a sender. [`feed`]: bytes to records. [`journal`]: segments of records on disk.
//! * [`stage`]: units of work: ingest, handle and record. [`book`]: books of orders and of levels,
//!   and what follows from them: best prices, bars and averages, handed on as events.
//! * [`runtime`]: threads on cores.
//! * [`pipeline`]: the wiring, live or offline, and the report. [`replay`]: a journal to a handler.
//!   `torture`, with the feature of that name: venues that misbehave, and a simulation that checks
//!   a feed.
//!
//! # Invariants
//!
//! * `feed` does no I/O, reads no clock, does not allocate after construction and does not panic
//!   on any bytes. Only `clock` reads time, only `net` touches sockets, only `journal` touches
//!   files, only `runtime` starts threads.
//! * One bus has one publisher and one total order. Numbers are dense, from 1, and spent by every
//!   record, so that a hole in a subscriber's numbering is an overrun and nothing else.
//! * `expected = delivered + lost` for each feed, with one cause for each lost number;
//!   `published = handled + overrun + left behind` for each subscriber; `published = written + not
//!   journaled` for a journal. The left sides come from the first and the last number, the right
//!   sides from counting; both are compared.
//! * A journal's numbers are dense but for what its own gap records name. Whole frames are never
//!   changed or cut; damage is named and never skipped; nothing derived is stored beside the
//!   segments.
//! * The broadcast ring is written by its publisher alone, in atomic words: a reader that is lapped
//!   is told so, and never given a torn record (`tests/broadcast_loom`, a model of every
//!   interleaving, and `tests/bus_stress.rs`).
//! * The digest of a handler's run covers all that it was given, so equal digests of a live run and
//!   a replay are the same input.
//! * What may have brought numbers that nobody knows of (datagrams that the kernel dropped before
//!   the venue told its last number, sessions that are not followed) is not called lossless.
//! * After the start, the hot path does not allocate and memory that it writes to is there; which
//!   thread makes which system calls, and how many, stands in one table that the tests read and
//!   hold: [the contract of the hot path](stage#the-contract-of-the-hot-path).
//! * A book's top changes with whole groups of events only. The same records give the same books and
//!   the same derived events, live, replayed and replayed in parts. What contradicts a book is
//!   counted and named, and the book is not called trusted until it is whole again.
//! * No floating point in records, prices or times.
//!
//! # Threads and memory
//!
//! A thread runs on one core and polls its stages in turn, so threads never outnumber the cores
//! they are given. Stages meet only at rings, which are allocated and touched before the start.
//! Handlers run on their own stage's thread, from `on_start` to `on_stop`. The record stage writes
//! from its ring, without a buffer of its own, and waits for the disk where its sync policy says
//! so: then everything else on its core waits, too. Where books take 2 MiB and more, or a feed's
//! window does, they ask the kernel for huge pages: they are what is read here and there.
//!
//! # Limits
//!
//! * Linux, little-endian, IPv4. io_uring needs Linux 6.1; without it the `recvmmsg` backend runs.
//! * A subscriber with a lane costs the publisher one copy of each record, those of the broadcast
//!   ring one together; `cargo bench --bench bus` shows how much (fan-out).
//! * One ingest thread for each pipeline, [`feed::LINES_MAX`] lines for each feed.
//! * NASDAQ TotalView-ITCH 5.0 over MoldUDP64 and SoupBinTCP; IEX TOPS 1.6 and DEEP 1.0, at most
//!   [`feed::iex::INSTRUMENTS_MAX`] instruments a feed; CME MDP 3.0, at most
//!   [`feed::cme::SECURITIES_MAX`] securities and [`feed::cme::PACKET_BYTES_MAX`] bytes a packet. A
//!   venue of your own implements [`feed::Protocol`], or [`feed::Feed`].
//! * Books hold at most 2²⁸ orders a feed and [`book::LEVELS_MAX`] prices a side where the venue tells
//!   of levels; the depth of books whose levels have places is configured, not learned. CME's
//!   order-by-order entries make no books.
//! * Copies are compared for the last window of numbers, by 28 bits of a hash.
//! * A journal's frame has at most [`journal::FRAME_RECORDS_MAX`] records, a segment at most 64
//!   GiB.
//! * Latencies above [`latency::MAX_NS`] are counted as out of range.

// What unit tests share with integration tests calls the library by its name.
#[cfg(test)]
extern crate self as ringtape;

pub mod error;
#[allow(
    unsafe_code,
    reason = "advice to the kernel names memory by its address"
)]
mod memory;
pub mod record;
pub mod wait;

#[cfg(feature = "archive")]
pub mod archive;
pub mod clock;
pub mod counters;
pub mod cpu;
pub mod handler;
pub mod latency;
pub mod market;

pub mod bus;
pub mod feed;
pub mod journal;
pub mod net;

pub mod book;
pub mod stage;

pub mod runtime;

pub mod pipeline;
pub mod replay;
#[cfg(feature = "torture")]
pub mod torture;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
