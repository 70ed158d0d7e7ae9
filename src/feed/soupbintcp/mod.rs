//! Owns SoupBinTCP 3.00, NASDAQ's framing on TCP: a stream of packets, and the session on it.
//!
//! ```text
//!  0        2      3
//!  ├────────┼──────┼─────────┤   big-endian
//!  │ length │ type │ payload │   length: of type and payload, 1 to 65535
//!  └────────┴──────┴─────────┘
//! ```
//!
//! | type | from | packet | payload |
//! |---|---|---|---|
//! | `+` | both | debug | text |
//! | `A` | server | login accepted | session 10, next number 20 |
//! | `J` | server | login rejected | reason 1: `A` not authorised, `S` session not available |
//! | `S` | server | sequenced data | a message, which spends a number |
//! | `U` | both | unsequenced data | a message without a number |
//! | `H` | server | heartbeat | |
//! | `Z` | server | end of session | |
//! | `L` | client | login request | username 6, password 10, session 10, number 20 |
//! | `R` | client | heartbeat | |
//! | `O` | client | logout request | |
//!
//! Numbers and sessions are ASCII, padded with spaces on the left; username and password on the
//! right. A blank session is the present one; number 0 asks for what is new. No packet carries its
//! number: who receives counts sequenced packets from the number in login accepted.
//!
//! [`SoupFeed`] is the client, with ITCH 5.0 inside. [`Server`] is the other side, for simulators
//! and tests. Neither owns a socket, and both are told the time.

mod client;
mod feed;
mod link;
mod packet;
mod reader;
mod server;

pub use feed::{SoupConfig, SoupFeed, SoupStart};
pub use link::LinkTimes;
pub use packet::{
    CLIENT_HEARTBEAT, Carried, ClientPacket, END_OF_SESSION, End, Fault, LENGTH_BYTES,
    LOGOUT_REQUEST, Login, MESSAGE_BYTES_MAX, PACKET_BYTES_MAX, Password, Raw, Reject,
    SERVER_HEARTBEAT, ServerPacket, SessionId, login_accepted, login_rejected, login_request,
    push_debug, push_message, session_id,
};
pub use reader::Reader;
pub use server::{Connection, Misbehaviour, Server};
