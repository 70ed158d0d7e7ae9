//! Owns when missing numbers are asked for, and of whom.
//!
//! A number is asked for as soon as it is known to be missing, and again when the retry time is
//! over and it still is; each time of the server that comes after the one that was asked before.
//! What another line brings meanwhile is not asked for again. Neighbouring numbers share a request.
//! An answer that brought only the first part of what was asked for has the rest asked for at once.
//!
//! Knows no sockets: requests are handed to whoever calls, as bytes.

use super::{Arbiter, FeedCounters};
use crate::error::{Error, Result};
use std::net::SocketAddrV4;

/// Requests that can be open at a time.
const IN_FLIGHT_MAX: usize = 1024;

/// Where missing numbers are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RerequestConfig {
    /// The venue's re-request servers, asked in turn. None: what the lines do not bring is a gap.
    pub servers: Vec<SocketAddrV4>,
    /// After which time what is still missing is asked for again. An answer needs one journey to
    /// the server and back, so it is of use only where [`hold_ns`](super::FeedConfig::hold_ns) is
    /// longer than that.
    pub retry_ns: u64,
    /// How many requests can be open at a time.
    pub in_flight_max: usize,
    /// How many numbers one request can ask for.
    pub count_max: u16,
}

impl Default for RerequestConfig {
    /// No servers; every 2 ms, 16 requests of up to 1,024 numbers.
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            retry_ns: 2_000_000,
            in_flight_max: 16,
            count_max: 1024,
        }
    }
}

impl RerequestConfig {
    pub(super) fn check(&self, feed: &str) -> Result<()> {
        let in_flight = self.in_flight_max;
        if !(1..=IN_FLIGHT_MAX).contains(&in_flight) {
            return Err(Error::config(
                format!("feed {feed}: {in_flight} requests at a time"),
                format!("allow 1 to {IN_FLIGHT_MAX}"),
            ));
        }
        if self.count_max == 0 || self.count_max == u16::MAX {
            return Err(Error::config(
                format!("feed {feed}: {} numbers a request", self.count_max),
                "allow 1 to 65534",
            ));
        }
        if self.retry_ns == 0 {
            return Err(Error::config(
                format!("feed {feed}: a retry time of 0"),
                "give a server time to answer, such as 2 ms",
            ));
        }
        Ok(())
    }
}

/// A request that has not been answered in full.
#[derive(Clone, Copy, Debug)]
struct Asked {
    first: u64,
    end: u64,
    at_ns: u64,
    server: usize,
}

/// A request to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Index of the server.
    pub(super) server: usize,
    pub(super) first: u64,
    pub(super) count: u16,
}

/// Decides what to ask for. Allocates only when it is made.
#[derive(Debug)]
pub(super) struct Rerequests {
    servers: usize,
    retry_ns: u64,
    in_flight_max: usize,
    count_max: u16,
    asked: Vec<Asked>,
    next_server: usize,
    /// Up to where missing numbers have been looked for.
    planned_end: u64,
    /// Whether an answer came, or a session began, since then.
    changed: bool,
}

impl Rerequests {
    pub(super) fn new(config: &RerequestConfig) -> Self {
        Self {
            servers: config.servers.len(),
            retry_ns: config.retry_ns,
            in_flight_max: config.in_flight_max,
            count_max: config.count_max,
            asked: Vec::with_capacity(config.in_flight_max),
            next_server: 0,
            planned_end: 0,
            changed: false,
        }
    }

    /// Forgets what was asked for: the numbers mean something else now.
    pub(super) fn clear(&mut self) {
        self.asked.clear();
        self.changed = true;
    }

    /// Takes note of an answer to `first..end`: the request that begins there has been answered
    /// that far, and the rest of it is free to be asked for at once. An answer that brought nothing
    /// must wait for its time, or a server that has nothing would be asked without end.
    pub(super) fn answered(&mut self, first: u64, end: u64) {
        if let Some(index) = self
            .asked
            .iter()
            .position(|asked| (asked.first..asked.end).contains(&first) && end > asked.first)
        {
            self.asked.swap_remove(index);
            self.changed = true;
        }
    }

    /// Hands over the requests that are due at `now_ns`. O(1) while nothing is missing, or nothing
    /// has changed and no retry is due.
    pub(super) fn plan(
        &mut self,
        now_ns: u64,
        arbiter: &mut Arbiter,
        counters: &FeedCounters,
        mut send: impl FnMut(Request),
    ) {
        if !arbiter.has_hole() {
            self.asked.clear();
            self.planned_end = arbiter.known_end();
            return;
        }
        let retry_ns = self.retry_ns;
        // A clock that stepped back makes a request wait from now on, not longer.
        self.asked
            .iter_mut()
            .for_each(|asked| asked.at_ns = asked.at_ns.min(now_ns));
        let due = |asked: &Asked| now_ns - asked.at_ns >= retry_ns;
        let grown = arbiter.known_end() != self.planned_end;
        if !grown && !self.changed && !self.asked.iter().any(due) {
            return;
        }
        let mut send = |asked: &Asked| {
            let count = u16::try_from(asked.end - asked.first)
                .expect("invariant: no request is for more than count_max numbers");
            counters.requests.add(1);
            counters.requested.add(u64::from(count));
            send(Request {
                server: asked.server,
                first: asked.first,
                count,
            });
        };
        let servers = self.servers;
        self.asked.retain_mut(|asked| {
            let Some((first, end)) = arbiter.missing(asked.first..asked.end, u64::MAX) else {
                return false;
            };
            if due(asked) {
                // Not whoever is next for all: as many holes as servers would each have one for
                // ever.
                *asked = Asked {
                    first,
                    end,
                    at_ns: now_ns,
                    server: (asked.server + 1) % servers,
                };
                send(asked);
            }
            true
        });
        self.planned_end = arbiter.known_end();
        self.changed = false;
        let mut from = arbiter.next();
        while self.asked.len() < self.in_flight_max
            && let Some((first, end)) = arbiter.missing(from..u64::MAX, u64::from(self.count_max))
        {
            from = match self.open_part(first, end) {
                Err(covered_to) => covered_to,
                Ok(end) => {
                    arbiter.ask(first, end);
                    let asked = Asked {
                        first,
                        end,
                        at_ns: now_ns,
                        server: self.next_server,
                    };
                    self.asked.push(asked);
                    send(&asked);
                    self.next_server = (self.next_server + 1) % servers;
                    end
                }
            };
        }
        // What found no room is looked at again as soon as there is some.
        self.changed = self.asked.len() == self.in_flight_max;
    }

    /// Returns up to where `first..end` is not yet asked for, or as an error to where `first` is.
    fn open_part(&self, first: u64, end: u64) -> std::result::Result<u64, u64> {
        let mut open_end = end;
        for asked in &self.asked {
            if (asked.first..asked.end).contains(&first) {
                return Err(asked.end);
            }
            if asked.first > first {
                open_end = open_end.min(asked.first);
            }
        }
        Ok(open_end)
    }
}
