//! Owns the SoupBinTCP server of a feed that is played: its port, its sessions and its clients.
//!
//! Never waits for a client: sockets do not block, and all share the session's history.

mod client;
mod direct;
mod numbering;
#[cfg(test)]
mod tests;

pub(super) use self::direct::Direct;

use self::client::{Client, Counts, Turn};
use self::numbering::Numbering;
use super::Args;
use super::pace::Schedule;
use super::wire::nanos;
use crate::{interrupt, output};
use anyhow::{Context as _, Result, ensure};
use ringtape::feed::PacketKind;
use ringtape::feed::moldudp64::{Packet, SessionId};
use ringtape::feed::soupbintcp::{Server, session_id};
use ringtape::torture::{Scenario, TcpFaults, TcpScenario};
use std::net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// Clients at once.
const CLIENTS_MAX: usize = 16;
/// Connections that are taken in a turn.
const ACCEPTS_MAX: usize = 32;
/// How much of what was played is kept, with 8 bytes for each message beside.
const HISTORY_BYTES_MAX: u64 = 2 << 30;
/// How long clients that take nothing more, or do not come back, are waited for after the end.
const LINGER: Duration = Duration::from_secs(12);
/// The same where somebody wants to stop.
const LINGER_INTERRUPTED: Duration = Duration::from_millis(250);
/// How long clients are waited for at most, however little they take at a time.
const LINGER_MAX: Duration = Duration::from_secs(60);
/// How often it is looked whether somebody came, while nothing else happens.
const LOOKED_EVERY: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(super) struct Tcp {
    listener: TcpListener,
    address: SocketAddrV4,
    wait: Duration,
    scenario: TcpScenario,
    seed: u64,
    /// Sessions in the order in which they were opened, the present one last.
    sessions: Vec<Server>,
    /// The present session as packets name it.
    name: Option<SessionId>,
    numbering: Numbering,
    /// The session is over, or what was played of it: who has it all is closed.
    finished: bool,
    history_bytes: u64,
    /// Who connected before there was a session.
    waiting: Vec<TcpStream>,
    clients: Vec<Client>,
    /// Clients that left too early and have not come back.
    owed: u64,
    /// How many clients there were.
    taken: u64,
    /// When somebody last came.
    came_ns: u64,
    counts: Counts,
}

/// What the server did, for the report.
#[derive(Debug, serde::Serialize)]
pub(super) struct TcpReport {
    address: String,
    #[serde(flatten)]
    counts: Counts,
    /// Numbers that were not there to be sent.
    missing: u64,
}

impl TcpReport {
    pub(super) fn to_text(&self) -> String {
        let counts = &self.counts;
        let thousands = output::thousands;
        format!(
            "TCP on {}: {} connections, {} logins, {} rejected, {} messages; closed: {} by the \
             scenario, {} that did not read, {} too many; {} numbers missing",
            self.address,
            thousands(counts.connections),
            thousands(counts.logins),
            thousands(counts.rejected),
            thousands(counts.sequenced),
            thousands(counts.closed_by_fault),
            thousands(counts.dropped_slow),
            thousands(counts.refused),
            thousands(self.missing),
        )
    }
}

impl Tcp {
    /// Listens where the arguments say; `None` where they do not.
    pub(super) fn open(
        args: &Args,
        scenario: Option<&Scenario>,
        seed: u64,
    ) -> Result<Option<Self>> {
        let Some(address) = args.tcp else {
            return Ok(None);
        };
        let scenario = scenario.and_then(|scenario| scenario.tcp);
        let wait = Duration::from_secs(args.tcp_wait_s);
        let tcp = Self::listen(address, wait, scenario.unwrap_or_default(), seed)?;
        output::note(&format!("SoupBinTCP on {}\n", tcp.address));
        Ok(Some(tcp))
    }

    fn listen(
        address: SocketAddrV4,
        wait: Duration,
        scenario: TcpScenario,
        seed: u64,
    ) -> Result<Self> {
        let ip = address.ip();
        ensure!(
            !ip.is_unspecified() && !ip.is_broadcast() && !ip.is_multicast(),
            "--tcp {address}: name the address of this host to listen on"
        );
        let listener = TcpListener::bind(address)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .with_context(|| format!("--tcp: cannot listen on {address}"))?;
        let address = match listener.local_addr()? {
            SocketAddr::V4(address) => address,
            SocketAddr::V6(_) => address,
        };
        Ok(Self {
            listener,
            address,
            wait,
            scenario,
            seed,
            sessions: Vec::new(),
            name: None,
            numbering: Numbering::default(),
            finished: false,
            history_bytes: 0,
            waiting: Vec::new(),
            clients: Vec::new(),
            owed: 0,
            taken: 0,
            came_ns: 0,
            counts: Counts::default(),
        })
    }

    /// Waits until somebody has connected, as long as was asked for, or until Ctrl-C.
    pub(super) fn await_client(&mut self) {
        let begin = Instant::now();
        while !interrupt::requested() && begin.elapsed() < self.wait {
            self.accept(0);
            if !self.waiting.is_empty() {
                return;
            }
            thread::park_timeout(LOOKED_EVERY);
        }
        if !self.wait.is_zero() && !interrupt::requested() {
            output::warn(&[format!("nobody connected within {:?}", self.wait)]);
        }
    }

    /// Publishes what a packet of the feed brings.
    pub(super) fn publish_packet(&mut self, bytes: &[u8]) -> Result<()> {
        let Ok(packet) = Packet::parse(bytes, bytes.len()) else {
            return Ok(());
        };
        let session = packet.session();
        if self.name != Some(session) {
            self.open_session(session, packet.sequence())?;
        }
        for (number, message) in (packet.sequence()..).zip(packet.messages()) {
            self.history_bytes += message.len() as u64 + 3;
            if let Some(server) = self.sessions.last_mut() {
                self.numbering.publish(server, number, message);
            }
        }
        ensure!(
            self.history_bytes <= HISTORY_BYTES_MAX,
            "--tcp keeps what was played in memory, and that is more than 2 GiB now: play a part \
             of it, or leave --tcp out"
        );
        if packet.kind() == PacketKind::EndOfSession {
            self.end();
        }
        Ok(())
    }

    /// Tells that the feed is over, and so its session unless it is to stay open.
    pub(super) fn finish(&mut self, no_end: bool) {
        if no_end {
            if let Some(server) = self.sessions.last_mut() {
                self.numbering.release(server);
            }
        } else {
            self.end();
        }
        self.finished = true;
    }

    /// Takes who comes, and gives everybody a turn.
    pub(super) fn poll(&mut self, now_ns: u64) {
        let present = self.sessions.len().saturating_sub(1);
        let (sessions, counts) = (&self.sessions, &mut self.counts);
        let (owed, finished) = (&mut self.owed, self.finished);
        self.clients.retain_mut(|client| {
            let retires = finished || client.session != present;
            let was_owed = client.is_owed();
            let turn = client.serve(&sessions[client.session], now_ns, retires, counts);
            // Counted where it is cut off: it may come back before its old socket is gone.
            *owed += u64::from(!was_owed && (client.is_owed() || turn == Turn::Owed));
            turn == Turn::Stays
        });
        self.accept(now_ns);
        if self.sessions.is_empty() {
            return;
        }
        for stream in std::mem::take(&mut self.waiting) {
            self.take(stream, present, now_ns);
        }
    }

    /// Serves until everybody has everything, or takes nothing more.
    pub(super) fn linger(&mut self, schedule: &Schedule) {
        let begin = schedule.elapsed();
        loop {
            let now = schedule.elapsed();
            self.poll(nanos(now));
            let progress_ns = self.clients.iter().map(Client::progress_ns).max();
            let progress_ns = progress_ns.unwrap_or_default().max(self.came_ns);
            let patience = match interrupt::requested() {
                true => LINGER_INTERRUPTED,
                false => LINGER,
            };
            let active = begin.max(Duration::from_nanos(progress_ns));
            let nobody = self.clients.is_empty() && self.owed == 0;
            if nobody || now >= active + patience || now >= begin + LINGER_MAX {
                return;
            }
            // Ctrl-C makes the patience shorter, and does not wake this wait: it is short.
            thread::park_timeout(LOOKED_EVERY);
        }
    }

    pub(super) fn report(&self) -> TcpReport {
        TcpReport {
            address: self.address.to_string(),
            counts: self.counts,
            missing: self.numbering.missing(),
        }
    }

    fn open_session(&mut self, name: SessionId, first: u64) -> Result<()> {
        if let Some(server) = self.sessions.last_mut() {
            self.numbering.release(server);
        }
        let id = session_id(&name).context("invariant: both names have 10 bytes")?;
        self.sessions.push(Server::new(id).beginning_at(first));
        self.name = Some(name);
        self.numbering.begin(first);
        Ok(())
    }

    fn end(&mut self) {
        if let Some(server) = self.sessions.last_mut() {
            self.numbering.release(server);
            server.end();
        }
    }

    /// Takes connections from the port.
    fn accept(&mut self, now_ns: u64) {
        for _ in 0..ACCEPTS_MAX {
            // Whatever else fails concerns a connection that is gone again, or files that have run
            // out: it is tried again in the next turn.
            let Ok((stream, _)) = self.listener.accept() else {
                return;
            };
            self.counts.connections += 1;
            self.came_ns = now_ns;
            self.owed = self.owed.saturating_sub(1);
            let is_full = self.clients.len() + self.waiting.len() >= CLIENTS_MAX;
            if is_full || stream.set_nonblocking(true).is_err() {
                self.counts.refused += 1;
                continue;
            }
            // Without it small messages wait for each other; that is late, and not wrong.
            drop(stream.set_nodelay(true));
            self.waiting.push(stream);
        }
    }

    /// Makes a client of a connection.
    fn take(&mut self, stream: TcpStream, present: usize, now_ns: u64) {
        let faults = match self.scenario == TcpScenario::default() {
            true => TcpFaults::default(),
            false => self.scenario.draw(self.seed, self.taken),
        };
        self.taken += 1;
        let server = &self.sessions[present];
        let client = Client::new(stream, server, present, faults, now_ns);
        self.clients.push(client);
    }
}
