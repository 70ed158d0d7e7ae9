//! The receiving end of what is played.

use super::{DEADLINE, Run, command};
use ringtape::feed::PacketKind;
use ringtape::feed::moldudp64::Packet;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::net::UdpSocket;
use std::path::Path;
use std::thread::JoinHandle;

/// A line's receiving end. What these tests send fits into its buffer unless it is read meanwhile.
pub(crate) struct Listener(pub(crate) UdpSocket);

impl Listener {
    pub(crate) fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        // By default there is room for what comes in some ten milliseconds, and on a busy machine
        // the receiving thread waits for longer. The system may grant less.
        let socket_options = socket2::SockRef::from(&socket);
        socket_options.set_recv_buffer_size(4 << 20).unwrap();
        Self(socket)
    }

    pub(crate) fn to(&self) -> String {
        format!("--to={}", self.0.local_addr().unwrap())
    }

    /// Returns what has arrived.
    pub(crate) fn arrived(&self) -> Vec<Vec<u8>> {
        self.0.set_nonblocking(true).unwrap();
        let mut buffer = [0; 65_536];
        std::iter::from_fn(|| {
            self.0
                .recv(&mut buffer)
                .ok()
                .map(|bytes| buffer[..bytes].to_vec())
        })
        .collect()
    }

    /// Receives on a thread until the end of the session is told.
    pub(crate) fn until_end(self) -> JoinHandle<Vec<Vec<u8>>> {
        self.0.set_read_timeout(Some(DEADLINE)).unwrap();
        std::thread::spawn(move || {
            let (mut packets, mut buffer) = (Vec::new(), [0; 65_536]);
            loop {
                let bytes = self.0.recv(&mut buffer).unwrap();
                packets.push(buffer[..bytes].to_vec());
                if parse(&packets[packets.len() - 1]).kind() == PacketKind::EndOfSession {
                    return packets;
                }
            }
        })
    }
}

pub(crate) fn parse(packet: &[u8]) -> Packet<'_> {
    Packet::parse(packet, packet.len()).unwrap()
}

pub(crate) fn with_messages(packets: &[Vec<u8>]) -> Vec<&Vec<u8>> {
    packets
        .iter()
        .filter(|packet| parse(packet).kind() == PacketKind::Messages)
        .collect()
}

pub(crate) fn numbers(packets: &[Vec<u8>]) -> BTreeSet<u64> {
    let spans = packets.iter().map(|packet| parse(packet));
    spans
        .flat_map(|packet| (packet.sequence()..).take(usize::from(packet.count())))
        .collect()
}

/// Plays a file or journal with a report in JSON.
pub(crate) fn play<A: AsRef<OsStr>>(file: &Path, args: impl IntoIterator<Item = A>) -> Run {
    let mut command = command([OsStr::new("play"), file.as_os_str(), OsStr::new("--json")]);
    command.args(args);
    super::finish(command)
}
