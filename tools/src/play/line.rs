//! Owns one line of a feed that is played.

use anyhow::{Context as _, Result, bail, ensure};
use ringtape::net::Sender;
use std::net::SocketAddrV4;

/// Where copies of the packets go, and how many went.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) name: char,
    pub(super) counts: Counts,
    target: SocketAddrV4,
    sender: Sender,
}

/// What a line was given.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Packets of the file that were sent.
    pub(super) packets: u64,
    pub(super) messages: u64,
    pub(super) bytes: u64,
    /// Packets that were lost on purpose.
    pub(super) dropped_packets: u64,
    pub(super) dropped_messages: u64,
    /// Heartbeats and ends of session that are not the file's.
    pub(super) announcements: u64,
}

impl Line {
    /// Opens a line.
    pub(super) fn open(name: char, target: SocketAddrV4, interface: Option<&str>) -> Result<Self> {
        let ip = target.ip();
        ensure!(
            target.port() != 0,
            "--to {target}: name a port other than 0"
        );
        ensure!(
            !ip.is_unspecified() && !ip.is_broadcast(),
            "--to {target}: name the address of a host or of a multicast group"
        );
        if !ip.is_loopback() && !ip.is_multicast() && interface.is_none() {
            bail!("--to {target} leaves this host: name the interface to send out of, --interface");
        }
        let sender = Sender::open(target, interface)
            .with_context(|| format!("cannot publish on line {name}"))?;
        Ok(Self {
            name,
            counts: Counts::default(),
            target,
            sender,
        })
    }

    pub(super) fn target(&self) -> SocketAddrV4 {
        self.target
    }

    /// Sends a packet of the file, unless it is to be lost.
    pub(super) fn publish(&mut self, packet: &[u8], messages: u64, lost: bool) -> Result<()> {
        if lost {
            self.counts.dropped_packets += 1;
            self.counts.dropped_messages += messages;
            return Ok(());
        }
        self.send(packet)?;
        self.counts.packets += 1;
        self.counts.messages += messages;
        self.counts.bytes += packet.len() as u64;
        Ok(())
    }

    /// Sends a packet of our own.
    pub(super) fn announce(&mut self, packet: &[u8]) -> Result<()> {
        self.send(packet)?;
        self.counts.announcements += 1;
        Ok(())
    }

    fn send(&self, packet: &[u8]) -> Result<()> {
        self.sender
            .send(packet)
            .with_context(|| format!("cannot send to {} on line {}", self.target, self.name))
    }
}
