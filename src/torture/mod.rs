//! Owns the torture of feeds: venues that misbehave as a scenario says, and a simulation that
//! checks what a feed makes of them.
//!
//! ```text
//! scenario ─► venue ─► packets of line A ─► faults ─┐
//!   seed        │                                   ├─► datagrams in the order of time
//!               ├────► packets of line B ─► faults ─┘        │      │
//!               └────► history ─► re-request servers         │      └─► sockets (`ringtape play`)
//!                                     ▲      │               ▼
//!                                     └──────┴────────────► feed ─► records ─► oracle
//! ```
//!
//! | file | key | meaning |
//! |---|---|---|
//! | | `seed` | all randomness; 1 by default |
//! | `[traffic]` | `messages` `rate` `packet_messages` `heartbeat_us` `session` `first` | [`Traffic`] |
//! | `[[line]]` | `name` `packet_messages` | one for each line |
//! | | `loss` `duplicate` `truncate` `differ` | percent of the line's packets |
//! | | `burst = { share, packets }` | that many lost in a row |
//! | | `reorder = { share, packets }` or `{ share, us }` | how far behind |
//! | | `delay = { share, us }` `jitter_us` `skew_us` | late, in order |
//! | | `corrupt = { header, message }` | one bit is another |
//! | `[[event]]` | `what` `at_message` or `at_us` `for_us` `line` | `end-of-session`, `session-change`, `restart`, `silence` |
//! | `[[server]]` | `name` `address` `behaviour` `delay_us` `answer_messages` `request_loss` `loss` | `right`, `slow`, `partial`, `silent`, `wrong` |
//! | `[tcp]` | `close_after_bytes` `stall_ms` `garbage` `reject = { share, reason }` | [`TcpScenario`]: connections of a SoupBinTCP server |
//!
//! The framing is MoldUDP64 with ITCH 5.0 inside, or messages of the caller's; [`Faults`] work on
//! packets of any protocol. A packet's fate is drawn from the seed, its line and its place there,
//! so it does not depend on other lines.
//!
//! Does no I/O and reads no clock: [`Simulation`] has a time of its own, and `ringtape play
//! --scenario` brings the same datagrams to real sockets.

mod check;
mod faults;
mod file;
mod flow;
mod generate;
mod history;
mod lines;
mod packer;
mod random;
mod runs;
mod scenario;
mod server;
mod simulation;
mod tcp;
mod values;
mod venue;

pub use check::{Checked, Violation};
pub use faults::{Due, FaultCounts, Faults, Packet};
pub use file::ScenarioError;
pub use flow::{FlowMessage, MESSAGE_BYTES_MAX, OrderFlow};
pub use history::History;
pub use lines::{Datagram, Lines, Truth};
pub use runs::Numbers;
pub use scenario::{
    Behaviour, Behind, Burst, Corrupt, Delay, EventAt, LineScenario, Reorder, Scenario,
    ServerScenario, Traffic, VenueEvent, What,
};
pub use server::{ANSWER_BYTES_MAX, Answer, Request, RerequestServer, ServerCounts};
pub use simulation::{Outcome, Simulation, Step, StepKind};
pub use tcp::{RejectReason, Rejects, TcpFaults, TcpScenario};
pub use values::{Between, Share};
pub use venue::Epoch;
