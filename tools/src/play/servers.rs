//! Owns the sockets of re-request servers over UDP: requests in, answers out when they are due.

use super::Args;
use anyhow::{Context as _, Result, ensure};
use ringtape::torture::{Answer, History, RerequestServer, Scenario, ServerCounts, ServerScenario};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::ErrorKind;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};

/// More than a request has; a longer datagram is none.
const REQUEST_BYTES_MAX: usize = 2_048;
/// Requests of one server that are taken before the feed has its turn again.
const REQUESTS_PER_POLL: usize = 64;
/// Answers of one server that wait to be due; more are not sent.
const WAITING_MAX: usize = 1 << 16;

/// The re-request servers of a feed that is played.
#[derive(Debug, Default)]
pub(super) struct Servers(Vec<Server>);

/// An answer: when it is due, its place among the server's, to whom it goes, and the bytes.
type Waiting = (u64, u64, SocketAddr, Vec<u8>);

#[derive(Debug)]
struct Server {
    socket: UdpSocket,
    address: SocketAddrV4,
    server: RerequestServer,
    waiting: BinaryHeap<Reverse<Waiting>>,
    taken: u64,
    /// Answers that the kernel refused to send, or that found no room.
    refused: u64,
}

/// What a server did, for the report.
#[derive(Debug, serde::Serialize)]
pub(super) struct ServerReport {
    server: String,
    address: String,
    #[serde(flatten)]
    counts: ServerCounts,
    refused_answers: u64,
}

impl ServerReport {
    pub(super) fn to_text(&self) -> String {
        let counts = &self.counts;
        format!(
            "server {} on {}: {} requests, {} answers with {} messages, {} ignored",
            self.server,
            self.address,
            counts.requests,
            counts.answers,
            counts.answer_messages,
            counts.ignored
        )
    }
}

impl Servers {
    /// Opens a socket for each server that the scenario has; where it has none, a right server for
    /// each address of the arguments.
    pub(super) fn open(args: &Args, scenario: Option<&Scenario>, seed: u64) -> Result<Self> {
        let mut all = scenario.map_or_else(Vec::new, |scenario| scenario.servers.clone());
        if all.is_empty() {
            let names = (1..).map(|number| format!("R{number}"));
            let right = args
                .rerequest
                .iter()
                .zip(names)
                .map(|(_, name)| ServerScenario {
                    name,
                    delay_ns: 0,
                    ..ServerScenario::default()
                });
            all = right.collect();
        }
        ensure!(
            args.rerequest.is_empty() || args.rerequest.len() == all.len(),
            "the scenario has {} servers, and there are {} --rerequest: give one for each",
            all.len(),
            args.rerequest.len()
        );
        let mut servers = Vec::new();
        for (index, scenario) in all.into_iter().enumerate() {
            let given = args.rerequest.get(index).copied();
            let address = given.or(scenario.address).with_context(|| {
                let name = &scenario.name;
                format!("server {name} has no address: add --rerequest, or address to the scenario")
            })?;
            ensure!(
                address.ip().is_loopback() || args.interface.is_some(),
                "--rerequest {address} is beyond this host: name the interface too, --interface"
            );
            servers.push(Server::open(
                address,
                RerequestServer::new(seed, index, scenario),
            )?);
        }
        Ok(Self(servers))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes requests and sends the answers that are due. Returns how many requests there were.
    pub(super) fn poll(&mut self, now_ns: u64, history: &History) -> Result<usize> {
        let mut requests = 0;
        for server in &mut self.0 {
            requests += server.take(now_ns, history)?;
            server.send(now_ns);
        }
        Ok(requests)
    }

    /// Returns when the next answer is due.
    pub(super) fn next_due_ns(&self) -> Option<u64> {
        let waiting = self.0.iter().filter_map(|server| server.waiting.peek());
        waiting.map(|Reverse(answer)| answer.0).min()
    }

    pub(super) fn reports(&self) -> Vec<ServerReport> {
        let reports = self.0.iter().map(|server| ServerReport {
            server: server.server.name().to_owned(),
            address: server.address.to_string(),
            counts: server.server.counts(),
            refused_answers: server.refused,
        });
        reports.collect()
    }
}

impl Server {
    fn open(address: SocketAddrV4, server: RerequestServer) -> Result<Self> {
        let name = server.name();
        let socket = UdpSocket::bind(address)
            .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
            .with_context(|| format!("server {name} cannot listen on {address}"))?;
        let address = match socket.local_addr()? {
            SocketAddr::V4(address) => address,
            SocketAddr::V6(_) => address,
        };
        Ok(Self {
            socket,
            address,
            server,
            waiting: BinaryHeap::new(),
            taken: 0,
            refused: 0,
        })
    }

    fn take(&mut self, now_ns: u64, history: &History) -> Result<usize> {
        let mut buffer = [0; REQUEST_BYTES_MAX];
        for taken in 0..REQUESTS_PER_POLL {
            let (bytes, from) = match self.socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(taken),
                // Somebody whom an answer found gone; a later requester is not concerned.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => continue,
                Err(error) => {
                    let name = self.server.name();
                    return Err(error).context(format!("server {name} cannot receive"));
                }
            };
            let answer = self.server.request(now_ns, &buffer[..bytes], history);
            if let Some(Answer { due_ns, bytes }) = answer {
                if self.waiting.len() == WAITING_MAX {
                    self.refused += 1;
                    continue;
                }
                self.waiting
                    .push(Reverse((due_ns, self.taken, from, bytes)));
                self.taken += 1;
            }
        }
        Ok(REQUESTS_PER_POLL)
    }

    fn send(&mut self, now_ns: u64) {
        while self
            .waiting
            .peek()
            .is_some_and(|Reverse(answer)| answer.0 <= now_ns)
        {
            if let Some(Reverse((_, _, to, bytes))) = self.waiting.pop() {
                let sent = self.socket.send_to(&bytes, to).is_ok();
                self.refused += u64::from(!sent);
            }
        }
    }
}
