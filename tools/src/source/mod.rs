//! Owns capture files: from a path to the datagrams or messages in it, one at a time.
//!
//! A file is known by its content and never by its name: gzip and zstd are unwrapped first, then
//! pcap, pcapng and NASDAQ BinaryFILE are told apart. Memory does not grow with the file.
//!
//! No bytes make a source panic or wait for ever. What cannot be read is one of three things: a
//! file that cannot be opened or is of another kind ([`Source::open`] says so), a tail that was
//! cut off ([`End::truncated_tail_bytes`]), or damage ([`End::damage`]); everything before a cut or
//! damage is delivered.
//!
//! What the payload of a datagram means is not known here (`packets`).

mod binary_file;
mod frame;
mod pcap;
mod pcapng;
mod sniff;
mod window;

use anyhow::{Context as _, Result, bail};
use ringtape::counters::Counter;
use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddrV4;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use self::binary_file::BinaryFile;
use self::frame::{Ignored, Udp, Why};
use self::pcap::Pcap;
use self::pcapng::PcapNg;
use self::window::Window;

pub use self::sniff::{Compression, Format};

/// One datagram of a capture.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// UNIX nanoseconds at which it was captured; 0 where the file does not say.
    pub ts_ns: u64,
    /// Where it was sent to.
    pub destination: SocketAddrV4,
    /// The name of the interface that it was captured on, where the file says it.
    pub interface: Option<&'a str>,
    /// The UDP payload: the whole of it, unless [`Source::keep_cut`] asked for what was cut.
    pub payload: &'a [u8],
    /// How long the payload was on the wire.
    pub datagram_bytes: usize,
}

/// One message of a BinaryFILE.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Place in the file, from 1.
    pub ordinal: u64,
    /// The message, from its type on; never empty.
    pub bytes: &'a [u8],
}

/// What a source holds.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// From a capture.
    Datagram(Datagram<'a>),
    /// From a BinaryFILE.
    Message(Message<'a>),
}

/// How reading ended, and what was passed over on the way.
#[derive(Clone, Debug, Default)]
pub struct End {
    /// Bytes after the last whole record (after decompression): a record that was cut.
    pub truncated_tail_bytes: u64,
    /// Why reading stopped before the end of the file; what came before it was delivered.
    pub damage: Option<String>,
    /// What else the reader of the report should know.
    pub notes: Vec<String>,
}

impl End {
    /// Returns what a report warns of, as sentences.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(damage) = &self.damage {
            warnings.push(format!(
                "the file is damaged, what came before was read: {damage}"
            ));
        }
        if self.truncated_tail_bytes > 0 {
            warnings.push(format!(
                "the file was cut inside a record: its last {} bytes are not a whole one",
                self.truncated_tail_bytes
            ));
        }
        warnings.extend(self.notes.iter().cloned());
        warnings
    }
}

/// An open capture file.
pub struct Source {
    compression: Option<Compression>,
    window: Window,
    reader: Reader,
    /// Whether everything was read that can be.
    finished: bool,
    keep_cut: bool,
    ignored: Ignored,
    read_bytes: Arc<Counter>,
    file_bytes: Option<u64>,
}

enum Reader {
    BinaryFile(BinaryFile),
    Pcap(Pcap),
    PcapNg(PcapNg),
}

/// An item without its bytes: where in the window they lie.
enum At {
    Message(u64, Range<usize>),
    Datagram(Udp),
}

impl Source {
    /// Opens the file and finds out what it is.
    ///
    /// # Errors
    ///
    /// When it cannot be read, is empty, or is of a kind that is not supported.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display();
        let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
        let metadata = file
            .metadata()
            .with_context(|| format!("cannot open {name}"))?;
        if metadata.is_dir() {
            bail!("{name} is a directory: name one capture file in it");
        }
        let mut source = Self::from_reader(&name.to_string(), file)?;
        source.file_bytes = metadata.is_file().then_some(metadata.len());
        Ok(source)
    }

    /// Reads from anything that gives bytes; `name` is what errors call it.
    ///
    /// # Errors
    ///
    /// As [`Source::open`].
    pub fn from_reader(name: &str, reader: impl Read + Send + 'static) -> Result<Self> {
        let read_bytes = Arc::new(Counter::default());
        let counted = Counted {
            reader,
            read_bytes: Arc::clone(&read_bytes),
        };
        let mut window = Window::new(Box::new(counted));
        window.fill(sniff::MAGIC_BYTES);
        let compression = Compression::of(window.data());
        if let Some(compression) = compression {
            window = compression
                .unwrap(window)
                .with_context(|| format!("cannot decompress {name}"))?;
        }
        window.fill(sniff::SNIFF_BYTES);
        let format = match Format::of(window.data()) {
            Ok(format) => format,
            Err(found) => {
                if let Some(error) = window.error() {
                    bail!("cannot read {name}: {error}");
                }
                bail!("{name} {found}; supported are {}", sniff::SUPPORTED);
            }
        };
        let reader = match format {
            Format::Itch50BinaryFile => Reader::BinaryFile(BinaryFile::default()),
            Format::Pcap => Reader::Pcap(Pcap::default()),
            Format::PcapNg => Reader::PcapNg(PcapNg::default()),
        };
        Ok(Self {
            compression,
            window,
            reader,
            finished: false,
            keep_cut: false,
            ignored: Ignored::default(),
            read_bytes,
            file_bytes: None,
        })
    }

    /// Returns what the file is.
    #[must_use]
    pub fn format(&self) -> Format {
        match self.reader {
            Reader::BinaryFile(_) => Format::Itch50BinaryFile,
            Reader::Pcap(_) => Format::Pcap,
            Reader::PcapNg(_) => Format::PcapNg,
        }
    }

    /// Returns what it was wrapped in.
    #[must_use]
    pub fn compression(&self) -> Option<Compression> {
        self.compression
    }

    /// Returns how many bytes of the file were read, as it lies on disk.
    #[must_use]
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes.get()
    }

    /// Returns the size of the file, where it has one.
    #[must_use]
    pub fn file_bytes(&self) -> Option<u64> {
        self.file_bytes
    }

    /// Delivers also what is there of datagrams that the capture's snapshot length cut, which are
    /// ignored otherwise.
    pub fn keep_cut(&mut self) {
        self.keep_cut = true;
    }

    fn interface_name(&self, interface: usize) -> Option<&str> {
        match &self.reader {
            Reader::PcapNg(file) => file.interface_name(interface),
            Reader::Pcap(_) | Reader::BinaryFile(_) => None,
        }
    }

    /// Reads the next datagram or message; `None` at the end, whichever it is ([`Source::end`]).
    pub fn read(&mut self) -> Option<Item<'_>> {
        let Some(at) = self.advance() else {
            self.finished = true;
            return None;
        };
        let window = self.window.data();
        Some(match at {
            At::Message(ordinal, bytes) => Item::Message(Message {
                ordinal,
                bytes: &window[bytes],
            }),
            At::Datagram(udp) => Item::Datagram(Datagram {
                ts_ns: udp.ts_ns,
                destination: udp.destination,
                interface: self.interface_name(udp.interface),
                payload: &window[udp.payload],
                datagram_bytes: udp.datagram_bytes,
            }),
        })
    }

    fn advance(&mut self) -> Option<At> {
        loop {
            let frame = match &mut self.reader {
                Reader::BinaryFile(file) => {
                    let (ordinal, bytes) = file.advance(&mut self.window)?;
                    return Some(At::Message(ordinal, bytes));
                }
                Reader::Pcap(file) => file.advance(&mut self.window)?,
                Reader::PcapNg(file) => file.advance(&mut self.window)?,
            };
            match frame.udp(self.window.data()) {
                Ok(udp) if udp.is_cut() && !self.keep_cut => self.ignored.count(Why::Cut),
                Ok(udp) => return Some(At::Datagram(udp)),
                Err(why) => self.ignored.count(why),
            }
        }
    }

    /// Tells how reading ended: well, as long as [`Source::read`] has not returned `None`.
    #[must_use]
    pub fn end(&self) -> End {
        let mut end = if self.finished {
            self.window.end()
        } else {
            End::default()
        };
        let damage = match &self.reader {
            Reader::BinaryFile(file) => {
                end.notes.extend(file.note());
                None
            }
            Reader::Pcap(file) => file.damage(),
            Reader::PcapNg(file) => {
                end.notes.extend(file.note());
                file.damage()
            }
        };
        if let Some(damage) = damage {
            end.truncated_tail_bytes = 0;
            end.damage = Some(damage.to_owned());
        }
        end.notes.extend(self.ignored.notes());
        end
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("format", &self.format())
            .field("compression", &self.compression)
            .field("read_bytes", &self.read_bytes())
            .finish_non_exhaustive()
    }
}

/// Counts what is read from the file itself, for the progress of a long read.
struct Counted<R> {
    reader: R,
    read_bytes: Arc<Counter>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.read_bytes.add(read as u64);
        Ok(read)
    }
}
