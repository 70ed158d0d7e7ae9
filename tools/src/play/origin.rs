//! Owns what is played: a capture file or a journal.

use super::Args;
use crate::packets::{DEFAULT_SESSION, Packet, Packets, Tally, Tape, Unsent, feeds_text};
use crate::source::Source;
use anyhow::{Result, ensure};
use ringtape::feed::moldudp64::SessionId;
use std::path::Path;

/// The packets to play.
#[derive(Debug)]
pub(super) enum Origin {
    File(Box<Packets>),
    Journal(Box<Tape>),
}

impl Origin {
    /// Opens what the arguments name: a directory is a journal.
    pub(super) fn open(args: &Args, file: &Path) -> Result<Self> {
        let named = args.session.as_deref().map(padded);
        let substitute = named.flatten().unwrap_or(DEFAULT_SESSION);
        if file.is_dir() {
            let tape = Tape::open(file, args.feed, substitute)?;
            return Ok(Self::Journal(Box::new(tape)));
        }
        let source = Source::open(file)?;
        ensure!(
            args.feed.is_none(),
            "--feed is for journals, and {} is a capture file: it holds one feed",
            file.display()
        );
        let packets = Packets::new(source, substitute);
        Ok(Self::File(Box::new(packets)))
    }

    /// Returns the next packet; `None` at the end.
    pub(super) fn read(&mut self) -> Option<Packet<'_>> {
        match self {
            Self::File(packets) => packets.read(),
            Self::Journal(tape) => tape.read(),
        }
    }

    /// Returns the bytes of the packet that was read last.
    pub(super) fn current(&self) -> &[u8] {
        match self {
            Self::File(packets) => packets.current(),
            Self::Journal(tape) => tape.current(),
        }
    }

    pub(super) fn tally(&self) -> &Tally {
        match self {
            Self::File(packets) => packets.tally(),
            Self::Journal(tape) => tape.tally(),
        }
    }

    /// Returns what a report warns of, as sentences.
    pub(super) fn warnings(&self) -> Vec<String> {
        match self {
            Self::File(packets) => packets.end().warnings(),
            Self::Journal(tape) => tape.warnings(),
        }
    }

    /// Tells whether reading stopped before the end.
    pub(super) fn is_damaged(&self) -> bool {
        match self {
            Self::File(packets) => packets.end().damage.is_some(),
            Self::Journal(tape) => tape.damage().is_some(),
        }
    }

    /// Returns the bytes at the end that are no whole record or frame.
    pub(super) fn truncated_tail_bytes(&self) -> u64 {
        match self {
            Self::File(packets) => packets.end().truncated_tail_bytes,
            Self::Journal(tape) => tape.torn_bytes(),
        }
    }

    /// Returns what of a session could not be sent.
    pub(super) fn unsent(&self, session: usize) -> Unsent {
        match self {
            // Its packets are sent as they are.
            Self::File(_) => Unsent::default(),
            Self::Journal(tape) => tape.unsent(session).clone(),
        }
    }

    pub(super) fn format(&self) -> &'static str {
        match self {
            Self::File(packets) => packets.source().format().name(),
            Self::Journal(_) => "journal",
        }
    }

    pub(super) fn compression(&self) -> Option<&'static str> {
        match self {
            Self::File(packets) => {
                let compression = packets.source().compression();
                compression.map(|compression| compression.name())
            }
            Self::Journal(_) => None,
        }
    }

    /// Returns the name that reports give what the messages are of.
    pub(super) fn feed(&self) -> &'static str {
        match self {
            Self::File(packets) => packets.feed(),
            Self::Journal(tape) if tape.tally().is_known() => "nasdaq-itch50",
            Self::Journal(_) => "unknown",
        }
    }

    /// Returns the number of the journal's feed.
    pub(super) fn feed_id(&self) -> Option<u8> {
        match self {
            Self::File(_) => None,
            Self::Journal(tape) => Some(tape.feed()),
        }
    }

    /// Returns how many bytes were read, as they lie on disk.
    pub(super) fn read_bytes(&self) -> u64 {
        match self {
            Self::File(packets) => packets.source().read_bytes(),
            Self::Journal(tape) => tape.read_bytes(),
        }
    }

    /// Returns how many bytes there are, where that can be told.
    pub(super) fn file_bytes(&self) -> Option<u64> {
        match self {
            Self::File(packets) => packets.source().file_bytes(),
            Self::Journal(tape) => tape.file_bytes(),
        }
    }

    /// Says why no packet was played.
    pub(super) fn why_nothing(&self, wanted: Option<&str>) -> String {
        let sessions = &self.tally().sessions;
        if wanted.is_some() && !sessions.is_empty() {
            let names = sessions.iter().map(|session| session.played_name());
            let names: Vec<String> = names.collect();
            return format!("has no session of that name; it has {}", names.join(", "));
        }
        match self {
            Self::File(_) => {
                "holds no packet of MoldUDP64, IEX-TP or MDP 3.0 and no message of ITCH 5.0: \
                 nothing to play"
                    .to_owned()
            }
            Self::Journal(tape) if !tape.feeds().contains(&tape.feed()) => {
                let (feed, feeds) = (tape.feed(), feeds_text(&tape.feeds()));
                format!("has no record of feed {feed}; it has {feeds}")
            }
            Self::Journal(tape) => {
                format!("holds no message of feed {} that can be sent", tape.feed())
            }
        }
    }
}

/// Returns a session's name as packets of MoldUDP64 carry it; `None` where it is too long for them.
fn padded(name: &str) -> Option<SessionId> {
    let mut session = SessionId::from(*b"          ");
    let part = session.get_mut(..name.len())?;
    part.copy_from_slice(name.as_bytes());
    Some(session)
}
