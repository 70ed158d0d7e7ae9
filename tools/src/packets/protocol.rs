//! Owns the protocols that lines of captures are told to speak, by content.

use super::Tally;
use anyhow::Result;
use ringtape::feed::iextp::{self, MessageProtocol};
use ringtape::feed::{
    CmeFeed, Feed, FeedConfig, IexFeed, NasdaqFeed, PacketKind, SessionName, cme, iex, itch, mdp3,
    moldudp64, session_name,
};
use ringtape::market::MarketEvent;

/// CME's schema of market data.
const CME_SCHEMA: u16 = 1;
/// CME's heartbeat: a message that says nothing.
const CME_HEARTBEAT: u16 = 12;

/// What a line speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineProtocol {
    /// MoldUDP64, with ITCH 5.0 as far as its messages are known.
    MoldUdp64,
    /// IEX-TP with TOPS 1.6.
    Tops16,
    /// IEX-TP with DEEP 1.0.
    Deep10,
    /// CME MDP 3.0.
    Mdp3,
}

impl LineProtocol {
    /// Returns the name that configurations and reports use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MoldUdp64 => "moldudp64/itch50",
            Self::Tops16 => "iextp/tops16",
            Self::Deep10 => "iextp/deep10",
            Self::Mdp3 => "mdp3/cme",
        }
    }

    /// Returns how many bytes of a packet are its header.
    #[must_use]
    pub const fn header_bytes(self) -> usize {
        match self {
            Self::MoldUdp64 => moldudp64::HEADER_BYTES,
            Self::Tops16 | Self::Deep10 => iextp::HEADER_BYTES,
            Self::Mdp3 => mdp3::HEADER_BYTES,
        }
    }

    /// Makes a feed that follows it.
    ///
    /// # Errors
    ///
    /// For a setting that the protocol cannot have.
    pub(crate) fn feed(self, config: FeedConfig) -> Result<Box<dyn Feed<MarketEvent>>> {
        Ok(match self {
            Self::MoldUdp64 => Box::new(NasdaqFeed::new(config)?),
            Self::Tops16 | Self::Deep10 => Box::new(IexFeed::new(config)?),
            Self::Mdp3 => Box::new(CmeFeed::new(config)?),
        })
    }

    /// Reads a datagram of a line whose protocol is known. TOPS and DEEP have one framing.
    pub(super) fn parse(self, payload: &[u8]) -> Option<Packet<'_>> {
        let bytes = payload.len();
        match self {
            Self::MoldUdp64 => moldudp64::Packet::parse(payload, bytes)
                .ok()
                .map(Packet::Mold),
            Self::Tops16 | Self::Deep10 => {
                iextp::Packet::parse(payload, bytes).ok().map(Packet::Iex)
            }
            Self::Mdp3 => mdp3::Packet::parse(payload, bytes).ok().map(Packet::Cme),
        }
    }
}

/// A well-formed packet of one of the protocols.
#[derive(Clone, Copy, Debug)]
pub(super) enum Packet<'a> {
    Mold(moldudp64::Packet<'a>),
    Iex(iextp::Packet<'a>),
    Cme(mdp3::Packet<'a>),
}

/// What a packet says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heading {
    pub(super) protocol: LineProtocol,
    pub(super) session: SessionName,
    pub(super) kind: PacketKind,
    pub(super) first: u64,
    pub(super) count: u64,
    pub(super) sent_ns: u64,
}

impl<'a> Packet<'a> {
    /// Finds out what a line speaks whose protocol is not known yet. The strictest comes first:
    /// what one protocol takes for a packet, a stricter one before it has refused.
    pub(super) fn detect(payload: &'a [u8]) -> Option<Self> {
        let candidates = [
            LineProtocol::Tops16,
            LineProtocol::MoldUdp64,
            LineProtocol::Mdp3,
        ];
        let mut packets = candidates
            .into_iter()
            .filter_map(|protocol| protocol.parse(payload));
        packets.find(Self::is_convincing)
    }

    /// Tells whether it is of its protocol by more than its lengths.
    fn is_convincing(&self) -> bool {
        match self {
            // The header names version and protocol.
            Self::Iex(_) => true,
            Self::Mold(packet) => {
                let session = packet.session();
                let named = session.iter().all(|byte| (b' '..=b'~').contains(byte));
                let first = packet.messages().next().unwrap_or_default();
                let known = first.first().and_then(|&kind| itch::bytes_min(kind));
                named || self.is_unnumbered() && known.is_some_and(|bytes| first.len() >= bytes)
            }
            Self::Cme(packet) => {
                let mut messages = packet.messages().peekable();
                messages.peek().is_some()
                    && messages.all(|message| {
                        usize::from(message.root_bytes) <= message.body().len()
                            && message.schema == CME_SCHEMA
                    })
            }
        }
    }

    /// Some published captures have session and sequence zeroed. No venue sends a message with the
    /// number 0.
    pub(super) fn is_unnumbered(&self) -> bool {
        match self {
            Self::Mold(packet) => {
                packet.session() == [0; 10]
                    && packet.sequence() == 0
                    && packet.messages().next().is_some()
            }
            Self::Iex(_) | Self::Cme(_) => false,
        }
    }

    pub(super) fn heading(&self) -> Heading {
        match self {
            Self::Mold(packet) => Heading {
                protocol: LineProtocol::MoldUdp64,
                session: session_name(&packet.session()),
                kind: packet.kind(),
                first: packet.sequence(),
                count: packet.count().into(),
                sent_ns: 0,
            },
            Self::Iex(packet) => {
                let (session, position) = (packet.session(), packet.position());
                Heading {
                    protocol: match session.protocol {
                        MessageProtocol::Tops16 => LineProtocol::Tops16,
                        MessageProtocol::Deep10 => LineProtocol::Deep10,
                    },
                    session: session.name(),
                    kind: packet.kind(),
                    first: position.sequence,
                    count: packet.count().into(),
                    sent_ns: position.sent_ns,
                }
            }
            Self::Cme(packet) => Heading {
                protocol: LineProtocol::Mdp3,
                session: mdp3::SESSION,
                kind: match packet.messages().all(|one| one.template == CME_HEARTBEAT) {
                    true => PacketKind::Heartbeat,
                    false => PacketKind::Messages,
                },
                first: packet.sequence().into(),
                // A heartbeat spends a number like any other packet.
                count: 1,
                sent_ns: packet.sent_ns(),
            },
        }
    }

    /// Returns its first message; for CME, where packets are numbered, all of them.
    pub(super) fn first_message(&self) -> &'a [u8] {
        match self {
            Self::Mold(packet) => packet.messages().next().unwrap_or_default(),
            Self::Iex(packet) => packet.messages().next().unwrap_or_default(),
            Self::Cme(_) => &[],
        }
    }

    /// Counts its messages.
    pub(super) fn count(&self, tally: &mut Tally) {
        match self {
            Self::Mold(packet) => packet.messages().for_each(|message| {
                tally.message(message, itch::bytes_min, itch::is_sound);
            }),
            Self::Iex(packet) => packet.messages().for_each(|message| {
                tally.message(message, iex::bytes_min, iex::is_sound);
            }),
            Self::Cme(packet) => {
                let bytes = packet.messages().map(|message| message.bytes.len());
                let packet_bytes = bytes.sum::<usize>() + mdp3::HEADER_BYTES;
                for message in packet.messages() {
                    tally.template(message.template);
                }
                tally.malformed_messages += u64::from(packet_bytes > cme::PACKET_BYTES_MAX);
            }
        }
    }

    /// Returns how many messages it has.
    pub(super) fn messages(&self) -> u64 {
        match self {
            Self::Mold(packet) => packet.count().into(),
            Self::Iex(packet) => packet.count().into(),
            Self::Cme(packet) => packet.messages().count() as u64,
        }
    }
}
